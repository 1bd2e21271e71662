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
# not those of the operating system, which may be wrong
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "txt": "text/plain", "svg": "image/svg+xml"}
_STATUS = {UsageError: 400, AudioError: 422, NothingFound: 404}


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
                *(Route(f"{one}/{action}", self._write, methods=["POST"]) for action in ("answer", "undo", "reveal")),
            ],
            exception_handlers=dict.fromkeys(_STATUS, _error_response),
        )

    def _index(self, request: Request) -> Response:
        page = self._files["index.html"].replace(b"@NONCE@", request.scope["state"]["nonce"].encode())
        return Response(page, media_type="text/html")

    def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        content = self._files.get(name)
        if content is None or name == "index.html":
            raise NothingFound("no such file")
        return Response(content, media_type=_TYPES[name.rpartition(".")[2]])

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
        headers = {"x-spectrogram": json.dumps(sound.about)}
        return Response(sound.levels, media_type="application/octet-stream", headers=headers)

    async def _write(self, request: Request) -> Response:
        """Answer, undo or reveal; respond with the state of the clip and of the session after that."""
        clip, body = self._clip_of(request), await _body(request)
        action, rater = request.scope["path"].rpartition("/")[2], self._rater(body)

        def act() -> Response:
            answers, status = self._review.answers, 200
            try:
                if action == "answer":
                    answers.answer(self._given(clip, rater, body), _version(body))
                elif action == "undo":
                    answers.undo(clip.file, rater, _version(body))
                else:
                    answers.reveal(clip.file, rater)
            except StaleAnswer:
                status = 409
            given = {
                "clip": views.clip_view(self._review, clip, rater),
                "item": views.item_view(self._review, clip),
                "progress": views.progress_view(self._review),
            }
            return JSONResponse(given, status)

        return await run_in_threadpool(act)

    def _given(self, clip: LabelledClip, rater: str, body: dict[str, Any]) -> Correction:
        """Return the answer that a request holds; raises UsageError."""
        if clip.id not in self._review.queue:
            raise UsageError(
                f"{clip.file}: the detector could not process this clip, so it has no label to confirm or correct"
            )
        label = next((allowed for allowed in LABELS if allowed == body.get("label")), None)
        if label is None:
            raise UsageError(f"label {body.get('label')!r}; {', '.join(LABELS)} are allowed")
        return Correction(
            file=clip.file,
            label=label,
            onsets_s=_onsets(body.get("onsets_s"), clip) if label != "no_pop" else (),
            rater=rater,
            answered_at="",
            detector_label=clip.label,
            detector_p_pop=clip.p_pop,
            model=clip.model,
            model_sha256=clip.model_sha256,
            blind=self._review.blind,
            drawn=self._review.queue[clip.id],
        )

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


def serve(review: ReviewSession, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until interrupted; `on_ready` is called with the address to open, once the port is bound.

    `port` is one on 127.0.0.1; 0 takes any free one. Raises UsageError if it cannot be bound.
    """
    try:
        bound = socket.create_server((HOST, port))
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        raise UsageError(f"port {port} cannot be used: {why}; leave --port out for a free one") from error
    with bound:
        number = bound.getsockname()[1]
        application = AccessControl(Page(review).app(), number)
        config = uvicorn.Config(
            application, log_level="error", access_log=False, lifespan="off", ws="none", server_header=False,
            proxy_headers=False, timeout_graceful_shutdown=2,
        )  # fmt: skip
        on_ready(f"http://{HOST}:{number}{OPEN_PATH}?token={application.token}")
        uvicorn.Server(config).run(sockets=[bound])


def _own_files() -> dict[str, bytes]:
    """Read the files of the page, by name; no other file can be requested."""
    root = files("popdetect.app") / "static"
    found = [("", entry) for entry in root.iterdir()] + [("vendor/", entry) for entry in (root / "vendor").iterdir()]
    return {prefix + e.name: e.read_bytes() for prefix, e in found if e.name.rpartition(".")[2] in _TYPES}


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


def _error_response(request: Request, error: Exception) -> Response:
    status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
    return JSONResponse({"error": str(error)}, status)
