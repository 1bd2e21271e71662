"""Standard input, output and error: results, messages, progress, colour, and commands that the reader can type."""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from popdetect.errors import DamagedLinesWarning, UsageError

FAILED_SOME, FAILED_ALL = 3, 4  # exit codes of commands that go on after an input that failed
_COLOURS = {"pop": "1;33", "no_pop": "2", "uncertain": "1;36"}


class ReaderGoneError(Exception):
    """The program that reads the output, such as ``head``, has stopped reading; not a failure."""


# --- streams --------------------------------------------------------------------------------------------------------


def prepare() -> None:
    """Make the streams accept every file name, and check that they are open.

    Raises
    ------
    UsageError
        If standard output is closed (``>&-``). Otherwise the first file that is opened would receive the output.
    """
    if sys.stderr is None:  # `2>&-`: print would use standard output instead
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # open until the process ends
    if sys.stdout is None:
        raise UsageError("standard output is closed; send it to a file, or to /dev/null")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def output(stream: TextIO) -> Iterator[None]:
    """Report an error inside as one of `stream`; nothing but writing to it may happen inside.

    Raises
    ------
    ReaderGoneError, UsageError
    """
    try:
        yield
    except OSError as error:
        # the text that is still buffered would fail again, with a message, when Python exits
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if isinstance(error, BrokenPipeError):
            raise ReaderGoneError from None
        raise UsageError(f"the output cannot be written: {error.strerror or error}") from error


def standard_input() -> bytes:
    """Return everything on standard input.

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


def result(text: str) -> None:
    """Print a result."""
    with output(sys.stdout):
        print(text)


def show(args: argparse.Namespace, row: dict[str, Any], text: str = "", *, summary: bool = False) -> None:
    """Print a result: `row` as one line of JSON with ``--json``, else `text`; with ``--quiet`` no text of a summary."""
    if args.json:
        import json

        result(json.dumps(versioned(row), ensure_ascii=False))
    elif not (summary and args.quiet):
        result(text)


def versioned(row: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON object with the version of its keys; keys are only ever added."""
    return {"schema_version": 1, **row}


def message(text: str, quiet: bool = False) -> None:
    """Print one line on standard error, unless `quiet`."""
    if quiet:
        return
    with suppress(UsageError, ReaderGoneError), output(sys.stderr):  # nobody could read the complaint
        print(f"popdetect: {one_line(text)}", file=sys.stderr, flush=True)


@contextmanager
def warnings_as_messages() -> Iterator[None]:
    """Report damaged lines of a file on one line of standard error, like errors; each report once."""
    report = message

    def show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, DamagedLinesWarning):
            report(str(message))
        else:
            others(message, category, *place, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("default", DamagedLinesWarning)
        others, warnings.showwarning = warnings.showwarning, show_warning
        yield


# --- text -----------------------------------------------------------------------------------------------------------


def one_line(text: object) -> str:
    """Return text that is printable and stays on one line, whatever the name of a file contains."""
    legible = str(text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in legible)


def counted(n: int, thing: str) -> str:
    """Return a number with its noun: one clip, two clips."""
    return f"{n} {thing}{'' if n == 1 else 's'}"


def first(lines: Iterable[str], most: int = 10) -> list[str]:
    """Return the first lines, and how many more there are."""
    lines = [one_line(line) for line in lines]
    return lines[:most] + ([f"… and {len(lines) - most} more (all with --json)"] if len(lines) > most else [])


def painted(label: str) -> str:
    """Return a label, 9 characters wide; coloured on a terminal, unless NO_COLOR is set."""
    padded = f"{label:9}"
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return padded
    return f"\x1b[{_COLOURS[label]}m{padded}\x1b[0m"


def command(*words: str | Path) -> str:
    """Return a popdetect command that works as printed, in the current folder and the reader's shell.

    The program is shown by its path if `popdetect` is not on PATH, as in an environment that is not activated.
    """
    import shlex
    import shutil

    program = ["popdetect"]
    if not shutil.which("popdetect"):
        # the installed script, or python -m popdetect
        ours = Path(sys.argv[0]).stem == "popdetect" and shutil.which(sys.argv[0])
        program = [_from_here(ours)] if ours else [_from_here(sys.executable), "-m", "popdetect"]
    quote = (lambda word: f'"{word}"' if " " in word else word) if os.name == "nt" else shlex.quote
    return one_line(" ".join(quote(str(word)) for word in [*program, *words]))


def _from_here(program: str) -> str:
    """Return the path of a program relative to the current folder if it is below it."""
    try:
        below = Path(program).absolute().relative_to(Path.cwd())
    except ValueError:
        return program
    return str(below) if len(below.parts) > 1 else f".{os.sep}{below}"


def steps(*commands: str) -> str:
    """Return commands as lines to copy."""
    return "\n".join(["Next:", *(f"  {line}" for line in commands)])


# --- progress -------------------------------------------------------------------------------------------------------


@contextmanager
def progress(unit: str, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Show a progress bar with rate and time left, updated by (done, total); None if there is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    # without the thread that watches the bar: with it, worker processes could not be copies of this one
    tqdm.monitor_interval = 0
    with tqdm(unit=f" {unit}", file=sys.stderr, leave=False, dynamic_ncols=True) as bar:

        def on_progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield on_progress


@contextmanager
def stages(quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Show the same for work of several stages, updated by (stage, done, total)."""
    with progress("steps", quiet) as step:
        if step is None:
            yield None
            return
        yield lambda what, done, total: step(done, total)
