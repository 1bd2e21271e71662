"""Access control of the review page: refuses other computers, other web sites, and browsers without the token.

Each request must name this computer as its host, which the page of another site cannot do. Requests that write must
come from the page itself. The printed address holds a token that works once: it is exchanged for a cookie that scripts
cannot read and other sites cannot send. The page loads nothing from other servers, and runs only scripts of this
package.
"""

from __future__ import annotations

import hmac
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN_PATH = "/open"
LARGEST_BODY = 64 * 1024  # bytes; answers are small, and nothing else is accepted
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; "  # nonce: the waveform's style sheet
    "img-src 'self' data:; media-src 'self' blob:; connect-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(), camera=(), geolocation=()",
    "cache-control": "no-store",
}


class AccessControl:
    """ASGI application that passes allowed requests on to `app`.

    `port` is part of the host name and of the cookie's name, because browsers share cookies between ports.
    """

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._cookie = f"popdetect_{port}"
        self._secret = secrets.token_urlsafe(32)
        self.token = secrets.token_urlsafe(24)
        self._used = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it; every response gets the security headers."""
        if scope["type"] != "http":  # nothing else is served
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["nonce"] = nonce

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = {"content-security-policy": _POLICY.format(nonce=nonce)}
                MutableHeaders(scope=message).update(policy | _HEADERS)
            await send(message)

        await (self._check(Request(scope)) or self._app)(scope, receive, send_with_headers)

    def _check(self, request: Request) -> Response | None:
        """Return the response to send instead of the page's; None if the request may pass."""
        headers, method = request.headers, request.method
        host, origin = headers.get("host", ""), headers.get("origin")
        is_opening = request.scope["path"] == OPEN_PATH
        if host not in self._hosts:
            return _refuse(403, "this page is only for 127.0.0.1")
        if method not in ("GET", "HEAD", "POST"):
            return _refuse(405, "only GET, HEAD and POST are allowed")
        is_foreign = (origin is not None or method == "POST") and origin != f"http://{host}"
        if is_foreign or not (is_opening or headers.get("sec-fetch-site", "none") in ("none", "same-origin")):
            return _refuse(403, "requested by another web site")
        if method == "POST" and not _is_small_json(headers):
            return _refuse(415, "only answers are accepted: JSON of at most 64 kB")
        has_cookie = _equal(request.cookies.get(self._cookie, ""), self._secret)
        if not is_opening:
            why = "open the address that popdetect printed; it holds the token for this page"
            return None if has_cookie else _refuse(403, why)
        response = RedirectResponse("/", 303)
        if not has_cookie:  # exchange the token for the cookie
            if self._used or not _equal(request.query_params.get("token", ""), self.token):
                why = "this address was used in another browser, or is of an earlier run; run popdetect review again"
                return _refuse(403, why)
            self._used = True
            response.set_cookie(self._cookie, self._secret, httponly=True, samesite="strict", path="/")
        return response


def _equal(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode(), secret.encode())


def _is_small_json(headers: Headers) -> bool:
    length = headers.get("content-length", "")
    is_json = headers.get("content-type", "").split(";")[0].strip() == "application/json"
    return is_json and length.isascii() and length.isdigit() and int(length) <= LARGEST_BODY


def _refuse(status: int, why: str) -> Response:
    return PlainTextResponse(f"popdetect: {why}\n", status)
