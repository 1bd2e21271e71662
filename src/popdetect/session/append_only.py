"""Files that are only ever appended to: lock, append, read past damage, copy damaged lines.

The bytes already in such a file are never changed. A line that cannot be read is left out, copied to a file beside it
and reported; all other lines count. A last line without a line end, as a power cut leaves it, gets one before the next
line is appended, so that it cannot damage that line. Line numbers start at 1.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import NamedTuple, TypeVar

from popdetect.errors import DamagedLinesWarning
from popdetect.session.files import readable, unwritable

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

    def _unlock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


BOM = b"\xef\xbb\xbf"  # the byte order mark that spreadsheets put before UTF-8
_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(,|\Z)')  # RFC 4180: a quotation mark only in a quoted cell
_MOST_RANGES = 8  # of line numbers in one message

Value = TypeVar("Value")


class DamagedLine(NamedTuple):
    """A line that cannot be read: its number, its bytes without the line end, and the reason."""

    number: int
    raw: bytes
    why: str


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of `path` over all processes; wait while another one holds it.

    The lock is on a small hidden file beside `path`; `path` itself need not exist. The system releases the lock of a
    process that ends.

    Raises
    ------
    UsageError
        When the lock's file cannot be made.
    """
    try:
        handle = path.with_name(f".{path.name}.lock").open("a+b")
    except OSError as error:
        raise unwritable(path, error) from error
    with handle:
        _lock(handle.fileno())
        try:
            yield
        finally:
            handle.seek(0)
            _unlock(handle.fileno())


def append(path: Path, lines: str, *, durable: bool = True) -> None:
    r"""Append whole lines, each with its ``\n``; the caller holds the lock of `path`.

    Parameters
    ----------
    path : Path
        Made if missing; its folder must exist.
    lines : str
    durable : bool
        Return only when the disk has the lines.

    Raises
    ------
    UsageError
        When they cannot be written. Part of them may be in the file then; what was there before still is.
    """
    try:
        with path.open("a+b") as handle:
            is_new = handle.seek(0, os.SEEK_END) == 0
            if not is_new:
                handle.seek(-1, os.SEEK_END)
                lines = lines if handle.read(1) == b"\n" else "\n" + lines
            handle.write(lines.encode("utf-8", "backslashreplace"))
            handle.flush()
            if durable:
                os.fsync(handle.fileno())
        if is_new and durable and os.name != "nt":  # the folder must have the file's name, too
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        raise unwritable(path, error) from error


def read_records(raw: bytes, parse: Callable[[list[str]], Value]) -> tuple[list[Value], list[DamagedLine]]:
    r"""Read a comma-separated file record by record; a damaged line costs no other line.

    A record is one line, or several where a quoted cell holds line ends. A line with an odd number of quotation marks
    is therefore read together with the lines up to the next odd one, but never across a line that is a record by
    itself: a stray quotation mark must not hide the answers after it. Lines end in ``\n`` or ``\r\n``. Empty lines,
    and lines of commas only, are skipped.

    Parameters
    ----------
    raw : bytes
        The whole file; a byte order mark is skipped.
    parse : callable
        Turns the cells of a record into a value. It raises ValueError, with the reason, for cells that are no record.

    Returns
    -------
    values : list
        In the order of the file.
    damaged : list of DamagedLine
    """
    lines = raw.removeprefix(BOM).split(b"\n")

    @cache
    def attempt(begin: int, end: int) -> tuple[Value | None, str]:
        try:
            return parse(_cells(b"\n".join(lines[begin:end]))), ""
        except ValueError as error:
            return None, str(error) if not isinstance(error, UnicodeDecodeError) else "not UTF-8"

    def is_odd(number: int) -> bool:
        return lines[number].count(b'"') % 2 == 1

    values: list[Value] = []
    damaged: list[DamagedLine] = []
    at = 0
    while at < len(lines):
        end = at + 1
        if not is_odd(at):
            if not lines[at].strip(b",\r \t"):
                at = end
                continue
            value, why = attempt(at, end)
        else:
            while end < len(lines) and not is_odd(end) and attempt(end, end + 1)[1]:
                end += 1
            is_closed = end < len(lines) and is_odd(end)
            value, why = attempt(at, end + 1) if is_closed else (None, "a stray quotation mark")
            end += 1
        if value is None:
            damaged.append(DamagedLine(at + 1, lines[at].removesuffix(b"\r"), why))
            at += 1
        else:
            values.append(value)
            at = end
    return values, damaged


def set_aside(path: Path, damaged: Sequence[DamagedLine]) -> Path:
    """Copy damaged lines to ``NAME.damaged-N.EXT`` beside `path`; a copy with the same lines is not made again.

    Raises
    ------
    UsageError
        When the copy cannot be written.
    """
    content = b"".join(line.raw + b"\n" for line in damaged)
    for number in count(1):
        copy = path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")
        try:
            if not copy.exists():
                copy.write_bytes(content)
            if copy.read_bytes() == content:
                break
        except OSError as error:
            raise unwritable(copy, error) from error
    return copy


def warn_of_damage(path: Path, damaged: Sequence[DamagedLine], copy: Path | None = None) -> None:
    """Report damaged lines as one `DamagedLinesWarning`: the file, the lines, the first reason, the copy."""
    ranges: list[list[int]] = []
    for line in damaged:
        if ranges and ranges[-1][1] == line.number - 1:
            ranges[-1][1] = line.number
        else:
            ranges.append([line.number, line.number])
    named = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges[:_MOST_RANGES])
    lines = f"line {named} is" if len(damaged) == 1 else f"lines {named}{', …' * (len(ranges) > _MOST_RANGES)} are"
    text = f"{readable(str(path))}: {lines} damaged and left out ({damaged[0].why}); all other lines count"
    if copy is not None:
        text += f"; a copy of the damaged lines is in {copy.name}"
    warnings.warn(" ".join(text.split("\n")), DamagedLinesWarning, stacklevel=2)


def _cells(record: bytes) -> list[str]:
    """Split one record, which may hold line ends inside quotation marks; ValueError where it is none."""
    text = record.decode().removesuffix("\r")
    if "\0" in text:
        raise ValueError("zero bytes in it")
    if '"' not in text:
        return text.split(",")
    cells = []
    at, more = 0, True
    while more:
        match = _CELL.match(text, at)
        if match is None:
            raise ValueError("a stray quotation mark")
        quoted, plain, separator = match.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"'))
        at, more = match.end(), bool(separator)
    return cells
