"""Standard input, output and error, and what a terminal can show: progress, colour, text that stays on its line.

Nothing is decided here, and nothing of the rooms is known. Only the command line uses it.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from popdetect.errors import UsageError

_COLOURS = {"pop": "1;33", "no_pop": "2", "uncertain": "1;36"}


class ReaderGoneError(Exception):
    """Whoever read the output (`| head`) has had enough; no failure."""


def prepare() -> None:
    """Make the streams fit for any file's name, and see that they are there.

    Raises
    ------
    UsageError
        When standard output is closed (``>&-``). Like other tools, and before the first file that is opened takes its
        place and its contents.
    """
    if sys.stderr is None:  # `2>&-`: there is nobody to tell, and print would use standard output instead
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # as long as the process lives
    if sys.stdout is None:
        raise UsageError("standard output is closed; send it to a file, or to /dev/null")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def output(stream: TextIO) -> Iterator[None]:
    """Only writing to `stream` happens inside, so an error there is one of where the output goes.

    Raises
    ------
    ReaderGoneError, UsageError
    """
    try:
        yield
    except OSError as error:
        # what is still waiting to be written would fail again when Python exits, and be complained of
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if isinstance(error, BrokenPipeError):
            raise ReaderGoneError from None
        raise UsageError(f"the output cannot be written: {error.strerror or error}") from error


def standard_input() -> bytes:
    """Everything that comes in.

    Raises
    ------
    UsageError
    """
    if sys.stdin is None:
        raise UsageError("there is no standard input to read from")
    try:
        return sys.stdin.buffer.read()
    except OSError as error:
        raise UsageError(f"standard input cannot be read: {error.strerror or error}") from error


def one_line(text: str) -> str:
    """Text that stays on its line, whatever a file is called."""
    legible = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in legible)


def painted(label: str) -> str:
    """A label, 9 characters wide; coloured on a terminal, unless NO_COLOR is set."""
    padded = f"{label:9}"
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return padded
    return f"\x1b[{_COLOURS[label]}m{padded}\x1b[0m"


@contextmanager
def progress(unit: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A progress bar with rate and time left, called with (done, total); None where there is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    # no thread that watches over the bar: with it, worker processes could not be copies of this one
    tqdm.monitor_interval = 0
    with tqdm(unit=f" {unit}", file=sys.stderr, leave=False, dynamic_ncols=True) as bar:

        def on_progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield on_progress


@contextmanager
def stages(quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """The same for work of several stages, called with (what, done, total)."""
    with progress("steps", quiet) as step:
        if step is None:
            yield None
            return
        yield lambda what, done, total: step(done, total)
