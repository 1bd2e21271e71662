"""What keeps the page shut: to other computers, to other sites in the same browser, and to whoever lacks the token.

Each request must name this computer as its host, as no other site's page can; what writes must come from the page
itself. The address that is printed holds a token which is good for one browser: it is exchanged for a cookie that
scripts cannot read and other sites cannot send. Nothing is loaded from anywhere else, and no script runs that is not a
file of this package.
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

ENTRANCE = "/open"
LARGEST_BODY = 64 * 1024  # answers are small, and nothing else is taken in


class Shut:
    """Stands before the page's app.

    Parameters
    ----------
    app : ASGI application
    port : int
        Where it listens; part of the host's name and of the cookie's, as browsers share cookies between ports.
    """

    def __init__(self, app: App, port: int) -> None:
        self._app = app
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._cookie = f"popdetect_{port}"
        self._secret = secrets.token_urlsafe(32)
        self.token = secrets.token_urlsafe(24)
        self._used = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":  # no other kind is served
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["nonce"] = nonce
        answer = self._refusal(scope)
        await (answer or self._app)(scope, receive, _guarded(send, nonce))

    def _refusal(self, scope: Scope) -> Response | None:
        """What to answer instead of the page; None lets through."""
        headers = Headers(scope=scope)
        method = scope["method"]
        host = headers.get("host", "")
        if host not in self._hosts:
            return _no(403, "this page is only for 127.0.0.1")
        if method not in ("GET", "HEAD", "POST"):
            return _no(405, "only reading, and answers")
        origin = headers.get("origin")
        if (origin is not None or method == "POST") and origin != f"http://{host}":
            return _no(403, "asked for by another site")
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and scope["path"] != ENTRANCE:
            return _no(403, "asked for by another site")
        if method == "POST" and not _is_small_json(headers):
            return _no(415, "answers are JSON of at most 64 kB; nothing else is taken in")
        known = self._has_cookie(headers)
        if scope["path"] == ENTRANCE:
            return self._enter(scope, known)
        if not known:
            return _no(403, "open the address that popdetect printed; it holds the key to this page")
        return None

    def _enter(self, scope: Scope, known: bool) -> Response:
        if known:
            return RedirectResponse("/", 303)
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if self._used or not hmac.compare_digest(given.encode(), self.token.encode()):
            return _no(403, "this address was used before, in another browser, or is of an earlier run: start again")
        self._used = True
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie, self._secret, httponly=True, samesite="strict", path="/")
        return answer

    def _has_cookie(self, headers: Headers) -> bool:
        for part in headers.get("cookie", "").split(";"):
            name, _, value = part.strip().partition("=")
            if name == self._cookie and hmac.compare_digest(value.encode(), self._secret.encode()):
                return True
        return False


def _is_small_json(headers: Headers) -> bool:
    length = headers.get("content-length", "")
    plain = headers.get("content-type", "").split(";")[0].strip() == "application/json"
    return plain and length.isascii() and length.isdigit() and int(length) <= LARGEST_BODY


def _no(status: int, why: str) -> Response:
    return PlainTextResponse(f"popdetect: {why}\n", status)


def _guarded(send: Send, nonce: str) -> Send:
    policy = "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            f"style-src 'self' 'nonce-{nonce}'",  # the waveform's own style sheet
            "img-src 'self' data:",
            "media-src 'self' blob:",
            "connect-src 'self' blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )

    async def guarded(message: Message) -> None:
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

    return guarded
