"""The page's server: on 127.0.0.1 and nowhere else, one person, one session; with `shut` the door to starlette.

It hands out the page's own files, a clip's sound and what is known of it, and takes answers: nothing else is served,
and nothing is read by a name that a request brings. ``409`` means that a clip was answered meanwhile in another tab;
the newer answer comes with it.
"""

from __future__ import annotations

import json
import math
import os
import re
import socket
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from popdetect.app import raters, views
from popdetect.app.access import ENTRANCE, Shut
from popdetect.app.answer_log import Stale
from popdetect.app.sound import Heard, Sounds
from popdetect.app.views import Sitting
from popdetect.errors import AudioError, NothingFound, UsageError
from popdetect.records import LABELS
from popdetect.session.corrections import CONSENSUS, Correction
from popdetect.session.session import LabelledClip, inside

HOST = "127.0.0.1"
MOST_MARKS = 200
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".txt": "text/plain",
    ".svg": "image/svg+xml",
}


class Page:
    """The routes of one sitting."""

    def __init__(self, sitting: Sitting) -> None:
        self._sitting = sitting
        self._sounds = Sounds()
        self._files = _own_files()

    def app(self) -> Starlette:
        """All that can be asked for."""
        one = "/api/clips/{id:int}"
        return Starlette(
            routes=[
                Route("/", self._index),
                Route("/static/{name:path}", self._static),
                Route("/api/session", self._session),
                Route("/api/agreement", self._agreement),
                Route(one, self._clip),
                Route(one + "/sound", self._sound),
                Route(one + "/spectrogram", self._spectrogram),
                Route(one + "/answer", self._answer, methods=["POST"]),
                Route(one + "/undo", self._undo, methods=["POST"]),
                Route(one + "/reveal", self._reveal, methods=["POST"]),
            ],
            exception_handlers={
                UsageError: _refused(400),
                AudioError: _refused(422),
                NothingFound: _refused(404),
            },
        )

    def _index(self, request: Request) -> Response:
        page = self._files["index.html"].replace(b"@NONCE@", request.scope["state"]["nonce"].encode())
        return Response(page, media_type="text/html")

    def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        content = self._files.get(name)
        if content is None or name == "index.html":
            raise NothingFound("no such file")
        return Response(content, media_type=_TYPES[os.path.splitext(name)[1]])  # noqa: PTH122  # a name, not a path

    def _session(self, request: Request) -> Response:
        return JSONResponse(views.session_view(self._sitting))

    def _agreement(self, request: Request) -> Response:
        return JSONResponse(raters.compare(self._sitting.session, self._sitting.book))

    def _clip(self, request: Request) -> Response:
        return JSONResponse(views.clip_view(self._sitting, self._clip_of(request), self._rater(request.query_params)))

    def _sound(self, request: Request) -> Response:
        return _ranged(self._heard(request).wav, request.headers.get("range", ""))

    def _spectrogram(self, request: Request) -> Response:
        heard = self._heard(request)
        about = {"columns": heard.n_columns, "bins": heard.n_bins, "first_s": heard.first_s, "hop_s": heard.hop_s}
        about["top_hz"] = heard.top_hz
        headers = {"x-spectrogram": json.dumps(about)}
        return Response(heard.levels, media_type="application/octet-stream", headers=headers)

    async def _answer(self, request: Request) -> Response:
        clip, body = self._clip_of(request), await _body(request)
        if clip.id not in self._sitting.queue.drawn:
            raise UsageError(f"{clip.file}: the detector could not judge it, so there is nothing to confirm or correct")
        label = next((allowed for allowed in LABELS if allowed == body.get("label")), None)
        if label is None:
            raise UsageError(f"label {body.get('label')!r}; {', '.join(LABELS)} are allowed")
        made = Correction(
            file=clip.file,
            label=label,
            onsets_s=_onsets(body.get("onsets_s"), clip) if label != "no_pop" else (),
            rater=self._rater(body),
            answered_at="",
            detector_label=clip.label,
            detector_p_pop=clip.p_pop,
            model=clip.model,
            model_sha256=clip.model_sha256,
            blind=self._sitting.blind,
            drawn=self._sitting.queue.drawn[clip.id],
        )
        return await self._kept(clip, made.rater, lambda: self._sitting.book.answer(made, _version(body)))

    async def _undo(self, request: Request) -> Response:
        clip, body = self._clip_of(request), await _body(request)
        rater = self._rater(body)
        return await self._kept(clip, rater, lambda: self._sitting.book.undo(clip.file, rater, _version(body)))

    async def _reveal(self, request: Request) -> Response:
        clip, body = self._clip_of(request), await _body(request)
        rater = self._rater(body)
        return await self._kept(clip, rater, lambda: self._sitting.book.reveal(clip.file, rater))

    async def _kept(self, clip: LabelledClip, rater: str, write: Callable[[], object]) -> Response:
        """Write, and say how things stand then."""

        def act() -> Response:
            status = 200
            try:
                write()
            except Stale:
                status = 409
            made = {
                "clip": views.clip_view(self._sitting, clip, rater),
                "item": views.item_view(self._sitting, clip),
                "progress": views.progress_view(self._sitting),
            }
            return JSONResponse(made, status)

        return await run_in_threadpool(act)

    def _clip_of(self, request: Request) -> LabelledClip:
        number: int = request.path_params["id"]
        if not 0 <= number < len(self._sitting.session.clips):
            raise NothingFound(f"no clip {number}")
        return self._sitting.session.clips[number]

    def _rater(self, asked: Any) -> str:
        """The sitting's rater, or the consensus where that is asked for; nobody else can be written for."""
        return CONSENSUS if asked.get("rater") == CONSENSUS else self._sitting.rater

    def _heard(self, request: Request) -> Heard:
        clip = self._clip_of(request)
        if not clip.path:
            raise NothingFound(f"{clip.file}: no longer in the folder")
        path = inside(self._sitting.session.folder, clip.path)
        if path is None:
            raise NothingFound(f"{clip.file}: a link that leads out of the session's folder, or to nothing")
        return self._sounds.of(path)


def listen(port: int) -> socket.socket:
    """Take a port on 127.0.0.1; 0 takes any that is free.

    Raises
    ------
    UsageError
    """
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name != "nt":  # a server that was just stopped leaves its port for a minute
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, port))
        taken.listen(64)
    except OSError as error:
        taken.close()
        raise UsageError(
            f"port {port} cannot be used: {error.strerror or error}; leave --port out for a free one"
        ) from error
    return taken


def serve(sitting: Sitting, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until interrupted; `on_ready` is told the address to open, once the port is taken."""
    with listen(port) as taken:
        number = taken.getsockname()[1]
        shut = Shut(Page(sitting).app(), number)
        config = uvicorn.Config(
            shut,
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
        on_ready(f"http://{HOST}:{number}{ENTRANCE}?token={shut.token}")
        uvicorn.Server(config).run(sockets=[taken])


def _own_files() -> dict[str, bytes]:
    """The page's files by name; what is not among them cannot be asked for."""
    root = files("popdetect.app") / "static"
    found = {}
    for folder, prefix in ((root, ""), (root / "vendor", "vendor/")):
        for entry in folder.iterdir():
            if entry.is_file() and os.path.splitext(entry.name)[1] in _TYPES:  # noqa: PTH122
                found[prefix + entry.name] = entry.read_bytes()
    return found


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UsageError("an answer is a JSON object")
    return body


def _version(body: dict[str, Any]) -> int:
    version = body.get("version")
    if type(version) is not int or version < 0:
        raise UsageError(f"version {version!r}; the number that came with the clip is needed")
    return version


def _onsets(given: Any, clip: LabelledClip) -> tuple[float, ...]:
    if not isinstance(given, list) or len(given) > MOST_MARKS:
        raise UsageError(f"onsets_s: a list of at most {MOST_MARKS} seconds is needed")
    for onset in given:
        if type(onset) not in (int, float) or not math.isfinite(onset) or not 0 <= onset <= clip.duration_s + 0.001:
            raise UsageError(f"onset {onset!r}; seconds from 0 to {clip.duration_s:g}, the clip's length, are allowed")
    return tuple(sorted({round(float(onset), 5) for onset in given}))


def _ranged(content: bytes, asked: str) -> Response:
    """All of it, or the part asked for, as players do when they jump."""
    headers = {"accept-ranges": "bytes"}
    found = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", asked.strip())
    if not found or found[0] == "bytes=-":
        return Response(content, media_type="audio/wav", headers=headers)
    size = len(content)
    if found[1]:
        begin, end = int(found[1]), min(int(found[2] or size - 1), size - 1)
    else:
        begin, end = max(size - int(found[2]), 0), size - 1
    if begin > end:
        return Response(status_code=416, headers={"content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {begin}-{end}/{size}"
    return Response(content[begin : end + 1], 206, media_type="audio/wav", headers=headers)


def _refused(status: int) -> Callable[[Request, Exception], Response]:
    def answer(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status)

    return answer
