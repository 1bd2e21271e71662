"""Running a review: from the folder of a labelled session to the served page, and a summary at its end."""

from __future__ import annotations

import getpass
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from popdetect.app import queue, routes, views
from popdetect.app.answer_log import AnswerLog
from popdetect.app.views import ReviewSession
from popdetect.errors import NothingFound, UsageError
from popdetect.session import corrections
from popdetect.session.session import Session

MAX_NAME = 64


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Summary of a review: the file of the answers, the rater, and counts; `n_corrected` is None in blind mode."""

    path: Path
    rater: str
    n_clips: int
    n_answered: int
    n_corrected: int | None


def review(
    folder: Path,
    *,
    on_ready: Callable[[str, int], None],
    out: Path | None = None,
    rater: str | None = None,
    blind: bool = False,
    port: int = 0,
    seed: int = 0,
    browser: bool = False,
) -> Reviewed:
    """Serve the page of a session until interrupted.

    Parameters
    ----------
    folder, out : Path
        The clips, and their tables if these are not in ``popdetect`` inside `folder`.
    on_ready : callable (address, number of clips)
        Called once, when the page can be opened.
    rater : str, optional
        Name to keep the answers under; by default the login name.
    blind : bool
        Hide the detector's result for a clip until it is answered.
    port : int
        On 127.0.0.1; 0 takes any free one.
    seed : int ≥ 0
        Of the random order.
    browser : bool
        Open the page in the user's browser.

    Raises
    ------
    UsageError, NothingFound
    """
    name = rater_name(rater)
    session = Session.read(folder, out)
    if not session.clips:
        raise NothingFound(f"{session.out}: no clip in its tables; `popdetect label {folder}` fills them")
    path = session.out / corrections.NAME
    answers = AnswerLog(path)  # fails now, not at the first answer, if the folder cannot be written
    current = ReviewSession(session, queue.make_queue(session, seed=seed, blind=blind), answers, name, blind)

    def opened(address: str) -> None:
        on_ready(address, len(session.clips))
        if browser:  # in a thread: opening a browser may wait for the server
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    with suppress(KeyboardInterrupt):  # Ctrl-C is the normal end; every answer is on disk already
        routes.serve(current, port, opened)
    progress = views.progress_view(current)
    return Reviewed(path, name, progress["of"], progress["done"], progress.get("corrected"))


def rater_name(given: str | None) -> str:
    """Check the name to keep answers under; without one, return the login name.

    Raises
    ------
    UsageError
    """
    if given is None:
        try:
            given = getpass.getuser()
        except (KeyError, OSError, ImportError):
            given = ""
        return given if _is_name(given) else "reviewer"
    if not _is_name(given):
        raise UsageError(
            f"rater {given!r}; a name of 1 to {MAX_NAME} printable characters is allowed, "
            f"other than {corrections.CONSENSUS!r}, which is the name of answers that raters agreed on afterwards"
        )
    return given.strip()


def _is_name(given: str) -> bool:
    name = given.strip()
    return 0 < len(name) <= MAX_NAME and name.isprintable() and name.casefold() != corrections.CONSENSUS
