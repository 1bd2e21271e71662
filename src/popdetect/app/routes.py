"""The server of the review page, on 127.0.0.1 only, for one review session; with `access`, the adapter of starlette.

It serves the files of the page, the clips with their sound, and accepts answers. No file is opened by a name that a
request gives. Status 409 means that the clip was answered in another tab meanwhile; the newer answer comes with it.
"""

from __future__ import annotations

import json
import math
import os
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
from popdetect.app.access import OPEN_PATH, AccessControl
from popdetect.app.answer_log import StaleAnswer
from popdetect.app.sound import ClipSound, SoundCache
from popdetect.app.views import ReviewSession
from popdetect.errors import AudioError, NothingFound, UsageError
from popdetect.records import LABELS
from popdetect.session.clips import LabelledClip
from popdetect.session.corrections import CONSENSUS, Correction
from popdetect.session.session import inside

HOST = "127.0.0.1"
MAX_MARKS = 200
_TYPES = {
    "html": "text/html",
    "css": "text/css",
    "js": "text/javascript",
    "txt": "text/plain",
    "svg": "image/svg+xml",
}  # not those of the operating system, which may be wrong


class Page:
    """The routes of one review session."""

    def __init__(self, review: ReviewSession) -> None:
        self._review = review
        self._sounds = SoundCache()
        self._files = _own_files()

    def app(self) -> Starlette:
        """Make the application with all its routes."""
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
                UsageError: _error_response(400),
                AudioError: _error_response(422),
                NothingFound: _error_response(404),
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
        return Response(content, media_type=_TYPES[_extension(name)])

    def _session(self, request: Request) -> Response:
        return JSONResponse(views.session_view(self._review))

    def _agreement(self, request: Request) -> Response:
        return JSONResponse(raters.compare(self._review.session, self._review.answers))

    def _clip(self, request: Request) -> Response:
        return JSONResponse(views.clip_view(self._review, self._clip_of(request), self._rater(request.query_params)))

    def _sound(self, request: Request) -> Response:
        return Response(self._clip_sound(request).wav, media_type="audio/wav")

    def _spectrogram(self, request: Request) -> Response:
        sound = self._clip_sound(request)
        about = {"columns": sound.n_columns, "bins": sound.n_bins, "first_s": sound.first_s, "hop_s": sound.hop_s}
        headers = {"x-spectrogram": json.dumps(about | {"top_hz": sound.top_hz})}
        return Response(sound.levels, media_type="application/octet-stream", headers=headers)

    async def _answer(self, request: Request) -> Response:
        clip, body = self._clip_of(request), await _body(request)
        if clip.id not in self._review.queue.drawn:
            raise UsageError(
                f"{clip.file}: the detector could not process this clip, so it has no label to confirm or correct"
            )
        label = next((allowed for allowed in LABELS if allowed == body.get("label")), None)
        if label is None:
            raise UsageError(f"label {body.get('label')!r}; {', '.join(LABELS)} are allowed")
        given = Correction(
            file=clip.file,
            label=label,
            onsets_s=_onsets(body.get("onsets_s"), clip) if label != "no_pop" else (),
            rater=self._rater(body),
            answered_at="",
            detector_label=clip.label,
            detector_p_pop=clip.p_pop,
            model=clip.model,
            model_sha256=clip.model_sha256,
            blind=self._review.blind,
            drawn=self._review.queue.drawn[clip.id],
        )
        return await self._write(clip, given.rater, lambda: self._review.answers.answer(given, _version(body)))

    async def _undo(self, request: Request) -> Response:
        clip, body = self._clip_of(request), await _body(request)
        rater = self._rater(body)
        return await self._write(clip, rater, lambda: self._review.answers.undo(clip.file, rater, _version(body)))

    async def _reveal(self, request: Request) -> Response:
        clip, body = self._clip_of(request), await _body(request)
        rater = self._rater(body)
        return await self._write(clip, rater, lambda: self._review.answers.reveal(clip.file, rater))

    async def _write(self, clip: LabelledClip, rater: str, write: Callable[[], object]) -> Response:
        """Write to the answer log; respond with the state of the clip and of the session after that."""

        def act() -> Response:
            status = 200
            try:
                write()
            except StaleAnswer:
                status = 409
            given = {
                "clip": views.clip_view(self._review, clip, rater),
                "item": views.item_view(self._review, clip),
                "progress": views.progress_view(self._review),
            }
            return JSONResponse(given, status)

        return await run_in_threadpool(act)

    def _clip_of(self, request: Request) -> LabelledClip:
        number: int = request.path_params["id"]
        if not 0 <= number < len(self._review.session.clips):
            raise NothingFound(f"no clip {number}")
        return self._review.session.clips[number]

    def _rater(self, request_data: Any) -> str:
        """The session's rater, or the consensus if the request is for it; no other name is accepted."""
        return CONSENSUS if request_data.get("rater") == CONSENSUS else self._review.rater

    def _clip_sound(self, request: Request) -> ClipSound:
        clip = self._clip_of(request)
        place = self._review.session.sounds.get(clip.file, "")
        if not place:
            raise NothingFound(f"{clip.file}: not in the folder any more")
        path = inside(self._review.session.folder, place)
        if path is None:
            raise NothingFound(f"{clip.file}: a link to a place outside the session's folder, or to nothing")
        return self._sounds.get(path)


def listen(port: int) -> socket.socket:
    """Bind a port on 127.0.0.1; 0 takes any free one.

    Raises
    ------
    UsageError
    """
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name != "nt":  # allows the port of a server that was stopped a moment ago
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
        bound.listen(64)
    except OSError as error:
        bound.close()
        raise UsageError(
            f"port {port} cannot be used: {error.strerror or error}; leave --port out for a free one"
        ) from error
    return bound


def serve(review: ReviewSession, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until interrupted; `on_ready` is called with the address to open, once the port is bound."""
    with listen(port) as bound:
        number = bound.getsockname()[1]
        application = AccessControl(Page(review).app(), number)
        config = uvicorn.Config(
            application,
            log_level="error",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
        on_ready(f"http://{HOST}:{number}{OPEN_PATH}?token={application.token}")
        uvicorn.Server(config).run(sockets=[bound])


def _own_files() -> dict[str, bytes]:
    """Read the files of the page, by name; no other file can be requested."""
    root = files("popdetect.app") / "static"
    folders = {"": root, "vendor/": root / "vendor"}
    entries = [(prefix, entry) for prefix, folder in folders.items() for entry in folder.iterdir()]
    return {prefix + entry.name: entry.read_bytes() for prefix, entry in entries if _extension(entry.name) in _TYPES}


def _extension(name: str) -> str:
    return name.rpartition(".")[2]


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
    if not isinstance(given, list) or len(given) > MAX_MARKS:
        raise UsageError(f"onsets_s: a list of at most {MAX_MARKS} seconds is needed")
    length_s = clip.duration_s or 0.0
    for onset in given:
        if type(onset) not in (int, float) or not math.isfinite(onset) or not 0 <= onset <= length_s + 0.001:
            raise UsageError(f"onset {onset!r}; seconds from 0 to {length_s:g}, the clip's length, are allowed")
    return tuple(sorted({round(float(onset), 5) for onset in given}))


def _error_response(status: int) -> Callable[[Request, Exception], Response]:
    def respond(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, status)

    return respond
