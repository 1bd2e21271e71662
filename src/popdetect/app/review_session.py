"""Opening a session for review, from its folder to the page, and what is left when the page is shut."""

from __future__ import annotations

import getpass
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from popdetect.app import queue, views
from popdetect.app import routes as server
from popdetect.app.views import Sitting
from popdetect.errors import UsageError
from popdetect.session import corrections
from popdetect.session import session as labelled

LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Where the answers are, of whom, and how many; `n_corrected` is None in blind mode."""

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
        The clips; their tables, where they are not in ``popdetect`` inside it.
    on_ready : callable (address, number of clips)
        Called when the page can be opened.
    rater : str, optional
        Whose answers these are; the login name by default.
    blind : bool
        Hide what the detector said until the answer is kept.
    port : int
        On 127.0.0.1; 0 takes any that is free.
    seed : int ≥ 0
        Of the random order.
    browser : bool
        Open the page in the user's browser.

    Raises
    ------
    UsageError, NothingFound
    """
    name = rater_name(rater)
    session = labelled.load(folder, out)
    path = session.out / corrections.NAME
    with locked(path):  # a folder that cannot be written is told before the first answer
        book = Book(path)
    sitting = Sitting(session, queue.line_up(session, seed=seed, blind=blind), book, name, blind)

    def opened(address: str) -> None:
        on_ready(address, len(session.clips))
        if browser:  # beside the server, which has to answer it
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    with suppress(KeyboardInterrupt):  # every answer is on disk already
        server.serve(sitting, port, opened)
    progress = views.progress_view(sitting)
    return Reviewed(path, name, progress["of"], progress["done"], progress.get("corrected"))


def rater_name(given: str | None) -> str:
    """A name to keep answers under.

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
            f"rater {given!r}; a name of 1 to {LONGEST_NAME} printable characters is allowed, "
            f"other than {corrections.CONSENSUS!r}, which stands for what raters settled between them"
        )
    return given.strip()


def _is_name(given: str) -> bool:
    name = given.strip()
    return 0 < len(name) <= LONGEST_NAME and name.isprintable() and name.casefold() != corrections.CONSENSUS
