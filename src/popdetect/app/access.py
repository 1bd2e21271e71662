"""Access control of the review page: refuses other computers, other web sites, and browsers without the token.

Each request must name this computer as its host, which the page of another site cannot do. Requests that write must
come from the page itself. The printed address holds a token that works once: it is exchanged for a cookie that scripts
cannot read and other sites cannot send. The page loads nothing from other servers, and runs only scripts of this
package.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATH = "/open"
LARGEST_BODY = 64 * 1024  # bytes; answers are small, and nothing else is accepted


class AccessControl:
    """ASGI application that passes allowed requests on to another one.

    Parameters
    ----------
    app : ASGI application
    port : int
        Of the server; part of the host name and of the cookie's name, as browsers share cookies between ports.
    """

    def __init__(self, app: App, port: int) -> None:
        self._app = app
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._cookie = f"popdetect_{port}"
        self._secret = secrets.token_urlsafe(32)
        self.token = secrets.token_urlsafe(24)
        self._used = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":  # nothing else is served
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["nonce"] = nonce
        response = self._check(scope)
        await (response or self._app)(scope, receive, _with_security_headers(send, nonce))

    def _check(self, scope: Scope) -> Response | None:
        """Return the response to send instead of the page's; None if the request may pass."""
        headers = Headers(scope=scope)
        method = scope["method"]
        host = headers.get("host", "")
        if host not in self._hosts:
            return _refuse(403, "this page is only for 127.0.0.1")
        if method not in ("GET", "HEAD", "POST"):
            return _refuse(405, "only GET, HEAD and POST are allowed")
        origin = headers.get("origin")
        if (origin is not None or method == "POST") and origin != f"http://{host}":
            return _refuse(403, "requested by another web site")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and scope["path"] != OPEN_PATH:
            return _refuse(403, "requested by another web site")
        if method == "POST" and not _is_small_json(headers):
            return _refuse(415, "only answers are accepted: JSON of at most 64 kB")
        has_cookie = self._has_cookie(headers)
        if scope["path"] == OPEN_PATH:
            return self._open(scope, has_cookie)
        if not has_cookie:
            return _refuse(403, "open the address that popdetect printed; it holds the token for this page")
        return None

    def _open(self, scope: Scope, has_cookie: bool) -> Response:
        """Exchange the token for the cookie."""
        if has_cookie:
            return RedirectResponse("/", 303)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if self._used or not hmac.compare_digest(given.encode(), self.token.encode()):
            return _refuse(
                403, "this address was used in another browser, or is of an earlier run; run popdetect review again"
            )
        self._used = True
        response = RedirectResponse("/", 303)
        response.set_cookie(self._cookie, self._secret, httponly=True, samesite="strict", path="/")
        return response

    def _has_cookie(self, headers: Headers) -> bool:
        for part in headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == self._cookie and hmac.compare_digest(value.encode(), self._secret.encode()):
                return True
        return False


def _is_small_json(headers: Headers) -> bool:
    length = headers.get("content-length", "")
    is_json = headers.get("content-type", "").split(";")[0].strip() == "application/json"
    return is_json and length.isascii() and length.isdigit() and int(length) <= LARGEST_BODY


def _refuse(status: int, why: str) -> Response:
    return PlainTextResponse(f"popdetect: {why}\n", status)


def _with_security_headers(send: Send, nonce: str) -> Send:
    policy = "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{nonce}'",  # for the waveform's style sheet
            "img-src 'self' data:",
            "media-src 'self' blob:",
            "connect-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["content-security-policy"] = policy
            headers["x-content-type-options"] = "nosniff"
            headers["referrer-policy"] = "no-referrer"
            headers["cross-origin-opener-policy"] = "same-origin"
            headers["cross-origin-resource-policy"] = "same-origin"
            headers["permissions-policy"] = "microphone=(), camera=(), geolocation=()"
            headers["cache-control"] = "no-store"
        await send(message)

    return send_with_headers
