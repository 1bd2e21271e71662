"""Running a review: from the folder of a labelled session to the served page, and a summary at its end."""

from __future__ import annotations

import getpass
import threading
import warnings
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from popdetect.app import queue, routes, views
from popdetect.app.answer_log import AnswerLog
from popdetect.app.views import ReviewSession
from popdetect.errors import LeftOutWarning, NothingFound, UsageError
from popdetect.session import corrections, label_folders
from popdetect.session.label_folders import ClipLabels
from popdetect.session.session import Session

MAX_NAME = 64


def review(
    folder: Path,
    *,
    on_ready: Callable[[str, int], None],
    out: Path | None,
    rater: str | None,
    blind: bool,
    port: int,
    seed: int,
    browser: bool,
) -> dict[str, Any]:
    """Serve the page of a session until interrupted; return its summary as JSON types.

    `out` is the folder of the tables if these are not in ``popdetect`` inside `folder`. `on_ready` is called once, with
    the address and the number of clips, when the page can be opened. The answers are kept under the name `rater`, by
    default the login name. With `blind`, the detector's result for a clip is hidden until the clip is answered. A
    `port` of 0 takes any free one. `seed` is that of the random order. `browser` opens the page in the user's browser.

    The summary holds ``path``, the file of the answers, ``rater``, and the counts ``n_clips``, ``n_answered`` and
    ``n_corrected``, which is None in blind mode. Raises UsageError or NothingFound.
    """
    name = rater_name(rater)
    session = Session.read(folder, out)
    if not session.clips:
        raise NothingFound(f"{session.out}: no clip in its tables; `popdetect label {folder}` fills them")
    path = session.out / corrections.NAME
    answers = AnswerLog(path)  # fails now, not at the first answer, if the folder cannot be written
    in_order = queue.make_queue(session, seed=seed, blind=blind)
    current = ReviewSession(session, in_order, answers, name, blind, corrected(session))

    def opened(address: str) -> None:
        on_ready(address, len(session.clips))
        if browser:  # in a thread: opening a browser may wait for the server
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    with suppress(KeyboardInterrupt):  # Ctrl-C is the normal end; every answer is on disk already
        routes.serve(current, port, opened)
    progress = views.progress_view(current)
    counts = {"n_clips": progress["of"], "n_answered": progress["done"], "n_corrected": progress.get("corrected")}
    return {"path": str(path), "rater": name} | counts


def corrected(session: Session) -> dict[str, ClipLabels]:
    """Return what people corrected in label files, by clip; the marks of these clips start there.

    They are no answers: nobody knows whose they are. A label file that cannot be used is reported as a LeftOutWarning.
    """
    found = label_folders.read(session.folder, out=session.out)
    for texts in found.problems.values():
        for text in texts:
            warnings.warn(f"{text}. The page shows the detector's marks", LeftOutWarning, stacklevel=2)
    return found.labels


def rater_name(given: str | None) -> str:
    """Check the name to keep answers under; without one, return the login name. Raises UsageError."""
    try:
        name = (getpass.getuser() if given is None else given).strip()
    except (KeyError, OSError, ImportError):
        name = ""
    if 0 < len(name) <= MAX_NAME and name.isprintable() and name.casefold() != corrections.CONSENSUS:
        return name
    if given is None:
        return "reviewer"
    raise UsageError(
        f"rater {given!r}; a name of 1 to {MAX_NAME} printable characters is allowed, "
        f"other than {corrections.CONSENSUS!r}, which is the name of answers that raters agreed on afterwards"
    )
