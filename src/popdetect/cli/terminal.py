"""Standard input, output and error: results, messages, progress, colour, and commands that the reader can type."""

from __future__ import annotations

import argparse
import io
import json
import os
import shlex
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from popdetect.errors import LeftOutWarning, UsageError

FAILED_SOME, FAILED_ALL = 3, 4  # exit codes of commands that go on after an input that failed
VERSION = {"schema_version": 1}  # of the keys of JSON objects; keys are only ever added
_PIECE = 1 << 20  # bytes of standard input that are copied at once
_COLOURS = {"pop": "1;33", "no_pop": "2", "uncertain": "1;36"}


class ReaderGoneError(Exception):
    """The program that reads the output, such as ``head``, has stopped reading; not a failure."""


def prepare() -> None:
    """Make the streams accept every file name; raise UsageError if standard output is closed (``>&-``).

    Otherwise the first file that is opened would receive the output.
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
    """Raise an error inside as ReaderGoneError or UsageError; nothing but writing to `stream` may happen inside."""
    try:
        yield
    except OSError as error:
        # the text that is still buffered would fail again, with a message, when Python exits
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if isinstance(error, BrokenPipeError):
            raise ReaderGoneError from None
        raise UsageError(f"the output cannot be written: {error.strerror or error}") from error


@contextmanager
def standard_input() -> Iterator[BinaryIO]:
    """Copy standard input to a temporary file, so that hours of sound need no memory; raises UsageError.

    A decoder needs a file that it can read at any place, whatever the format. The file is deleted in the end.
    """
    if sys.stdin is None:
        raise UsageError("there is no standard input to read from")
    # unbuffered, and opened before it is needed: it has no name on Linux and macOS, so nothing is left behind
    with tempfile.TemporaryFile(prefix="popdetect-", buffering=0) as copy:
        while True:
            try:
                piece = sys.stdin.buffer.read(_PIECE)
            except OSError as error:
                raise UsageError(f"standard input cannot be read: {error.strerror or error}") from error
            if not piece:
                break
            try:
                while piece:
                    piece = piece[copy.write(piece) :]
            except OSError as error:
                raise UsageError(
                    f"standard input cannot be copied to {tempfile.gettempdir()}: {error.strerror or error}; "
                    "save it as a file and name that file, or set TMPDIR to a folder with more space"
                ) from error
        copy.seek(0)
        yield copy


def result(text: str) -> None:
    """Print a result."""
    with output(sys.stdout):
        print(text)


def show(args: argparse.Namespace, row: dict[str, Any], text: str = "", *, summary: bool = False) -> None:
    """Print a result: `row` as one line of JSON with ``--json``, else `text`; with ``--quiet`` no text of a summary."""
    if args.json:
        result(json.dumps(VERSION | row, ensure_ascii=False))
    elif not (summary and args.quiet):
        result(text)


def message(text: str, quiet: bool = False) -> None:
    """Print one line on standard error, unless `quiet`."""
    if quiet:
        return
    with suppress(UsageError, ReaderGoneError), output(sys.stderr):  # nobody could read the complaint
        print(f"popdetect: {one_line(text)}", file=sys.stderr, flush=True)


@contextmanager
def warnings_as_messages() -> Iterator[None]:
    """Report what is left out, such as damaged lines, on one line of standard error, like errors; each report once."""

    def show_warning(*about: Any, **more: Any) -> None:
        if issubclass(about[1], LeftOutWarning):
            message(str(about[0]))
        else:
            others(*about, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("default", LeftOutWarning)
        others, warnings.showwarning = warnings.showwarning, show_warning
        yield


def one_line(text: object) -> str:
    """Return text that is printable and stays on one line, whatever the name of a file contains."""
    legible = str(text).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in legible)


def counted(n: int, thing: str) -> str:
    """Return a number with its noun: one clip, two clips."""
    return f"{n} {thing}{'' if n == 1 else 's'}"


def first(lines: Iterable[str]) -> list[str]:
    """Return the first ten lines, and how many more there are."""
    lines = [one_line(line) for line in lines]
    return lines[:10] + ([f"… and {len(lines) - 10} more (all with --json)"] if len(lines) > 10 else [])


def painted(label: str) -> str:
    """Return a label, 9 characters wide; coloured on a terminal, unless NO_COLOR is set."""
    is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return f"\x1b[{_COLOURS[label]}m{label:9}\x1b[0m" if is_coloured else f"{label:9}"


def pops(label: str, n_pops: int) -> str:
    """Return the number of pops, 5 characters wide; ``2?`` are two uncertain pops."""
    return f"{n_pops:4d}{'?' if label == 'uncertain' and n_pops else ' '}"


def command(*words: str | Path) -> str:
    """Return a popdetect command that works as printed, in the current folder and the reader's shell.

    The program is shown by its path if `popdetect` is not on PATH, as in an environment that is not activated.
    """
    program = ["popdetect"]
    if not shutil.which("popdetect"):
        # the installed script, or python -m popdetect; relative to the current folder if it is below it
        ours = Path(sys.argv[0]).stem == "popdetect" and shutil.which(sys.argv[0])
        shown, full, here = ours or sys.executable, Path(ours or sys.executable).absolute(), Path.cwd()
        if full.is_relative_to(here):
            shown = str(full.relative_to(here)) if full.parent != here else f".{os.sep}{full.name}"
        program = [shown] if ours else [shown, "-m", "popdetect"]
    quote = (lambda word: f'"{word}"' if " " in word else word) if os.name == "nt" else shlex.quote
    return one_line(" ".join(quote(str(word)) for word in [*program, *words]))


def steps(*commands: str) -> str:
    """Return commands as lines to copy."""
    return "\n".join(["Next:", *(f"  {line}" for line in commands)])


@contextmanager
def progress(unit: str, quiet: bool, delay_s: float = 0.0) -> Iterator[Callable[..., None] | None]:
    """Show a progress bar with rate and time left, from `delay_s` after its first update; None if there is no terminal.

    It is updated by (done, total), or by (stage, done, total) for work of several stages.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    bar: Any = None

    def on_progress(*state: Any) -> None:
        nonlocal bar
        done, total = state[-2:]
        if bar is None:
            from tqdm import tqdm

            # without the thread that watches the bar: with it, worker processes could not be copies of this one
            tqdm.monitor_interval = 0
            bar = tqdm(unit=f" {unit}", file=sys.stderr, leave=False, dynamic_ncols=True, delay=delay_s)
        bar.total = total
        bar.update(done - bar.n)

    try:
        yield on_progress
    finally:
        if bar is not None:
            bar.close()
