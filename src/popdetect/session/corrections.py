"""``corrections.csv``: the answers of people who reviewed a labelled session, one line for each answer.

The last line for each file and rater counts. The file is only ever appended to. Undoing an answer appends a line, too:
`undone` is 1, and the line repeats the answer before it, or has an empty label if there was none. Onsets are seconds
from the start of the clip, increasing; a ``pop`` without onsets was not marked. Times are ISO 8601 in UTC.

A line that cannot be read is left out and reported; all other lines count. A line with the names of columns holds for
the lines after it. Where it is damaged, lines are read as having the columns that popdetect writes. Line numbers start
at 1.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from popdetect.errors import DamagedLinesWarning, TableError
from popdetect.records import LABELS, Label
from popdetect.session.files import OUT_NAME, read_bytes, readable, unwritable
from popdetect.session.tables import Row

NAME = "corrections.csv"
CONSENSUS = "consensus"  # the rater's name of an answer on which two raters agreed afterwards
_BOM = b"\xef\xbb\xbf"  # the byte order mark that spreadsheets put before UTF-8
_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(,|\Z)')  # RFC 4180: a quotation mark only in a quoted cell
_MOST_RANGES = 8  # of line numbers in one message

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Correction:
    """One answer; the fields are the columns of the file, in their order."""

    file: str  # the clip, as in clips.csv
    label: Label | Literal[""]  # empty where an answer was undone and there was none before it
    onsets_s: tuple[float, ...]  # increasing: the pops as the person marked them, or as the detector had them
    rater: str
    answered_at: str  # ISO 8601, UTC
    detector_label: str = ""  # empty where the clip could not be processed
    detector_p_pop: float | None = None  # 0 to 1
    model: str = ""
    model_sha256: str = ""
    blind: bool = False  # the rater had not seen the detector's label when answering
    drawn: str = ""  # why the clip was in the queue: uncertain, near, random; empty for older lines
    revealed: bool = False  # no new answer: the line notes that the rater has seen the detector's label
    undone: bool = False  # the line undoes an answer


COLUMNS = tuple(field.name for field in fields(Correction))
REQUIRED = COLUMNS[:5]
_FLAGS = ("blind", "revealed", "undone")


class DamagedLine(NamedTuple):
    """A line that cannot be read: its number, its bytes without the line end, and the reason."""

    number: int
    raw: bytes
    why: str


class Log(NamedTuple):
    """The content of a ``corrections.csv``."""

    answers: list[Correction]  # every answer, in the order of the file; also those that no longer count
    damaged: list[DamagedLine]
    columns: list[str]  # as named by the last line that names columns; empty without one


# --- answers --------------------------------------------------------------------------------------------------------


def read(folder: Path) -> tuple[Correction, ...]:
    """Read the answers that count: the last of each file and rater, without undone ones.

    `folder` is the session's, or that of its tables. The answers are in order of file, then rater; there are none
    without a ``corrections.csv``.

    Raises
    ------
    TableError, UsageError
        As `load`.

    Warns
    -----
    DamagedLinesWarning
        Names the lines that are left out.
    """
    path = place(folder)
    log = load(path)
    if log.damaged:
        warn_of_damage(path, log.damaged)
    last = {(answer.file, answer.rater): answer for answer in log.answers}
    return tuple(last[key] for key in sorted(last) if last[key].label)


def place(folder: Path) -> Path:
    """Path of the ``corrections.csv`` of a session; `folder` is the session's or that of its tables."""
    inside = folder / OUT_NAME
    return (inside if inside.is_dir() and not (folder / NAME).is_file() else folder) / NAME


def load(path: Path) -> Log:
    """Read the file with its damage, without a warning; nothing where there is no file.

    Raises
    ------
    TableError
        For a file that is no comma-separated UTF-8 text.
    UsageError
        When the file cannot be read.
    """
    return parse(read_bytes(path), str(path)) if path.exists() else Log([], [], [])


def parse(raw: bytes, name: str) -> Log:
    """Read the bytes of a file as `load` does; `name` is the file's, for messages."""
    columns: list[str] = []

    def parse_record(cells: list[str]) -> Correction | list[str]:
        nonlocal columns
        if _is_header(cells):
            columns = cells
            return columns
        try:
            return _correction(cells, columns or [*COLUMNS, *[""] * (len(cells) - len(COLUMNS))])
        except ValueError:
            if len(cells) != len(COLUMNS):
                raise
            return _correction(cells, COLUMNS)

    records, damaged = read_records(raw, parse_record)
    if damaged and not records:
        first = raw.removeprefix(_BOM).lstrip().split(b"\n")[0]
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff") and b"f\0i\0l\0e" in first:  # UTF-16
            raise TableError(f"{name}:1: not UTF-8; save it as 'CSV UTF-8 (comma delimited)'")
        for separator, word in ((b";", "semicolons"), (b"\t", "tabs")):
            if first.count(separator) > first.count(b","):
                raise TableError(f"{name}:1: separated by {word}; save it as 'CSV UTF-8 (comma delimited)'")
    return Log([record for record in records if isinstance(record, Correction)], damaged, columns)


def row(answer: Correction) -> Row:
    """Render one answer as cells, with all of `COLUMNS` in order."""
    return {column: _cell(getattr(answer, column)) for column in COLUMNS}


def _cell(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(f"{onset:.5f}" for onset in value)
    if isinstance(value, bool):
        return str(int(value))
    return f"{value:.4f}" if isinstance(value, float | int) else value or ""


def _is_header(cells: list[str]) -> bool:
    """Whether cells name columns: the required ones, no name twice, and none of `COLUMNS` misspelt by damage."""
    names = [cell for cell in cells if cell]
    if not all(column in names for column in REQUIRED) or len(set(names)) < len(names):
        return False
    pairs = list(zip(cells, COLUMNS, strict=False))
    is_ours = sum(cell == column for cell, column in pairs) > len(COLUMNS) / 2
    return not is_ours or all(cell in COLUMNS or column in cells for cell, column in pairs)


def _correction(cells: Sequence[str], columns: Sequence[str]) -> Correction:
    """Turn the cells of a line into an answer; ValueError, with the reason, where they are none."""
    # cells of columns after the last of `COLUMNS` may be missing
    n_needed = 1 + max(number for number, column in enumerate(columns) if column in COLUMNS)
    if not n_needed <= len(cells) <= len(columns):
        raise ValueError(f"{len(cells)} cells under {len(columns)} columns")
    named: Mapping[str, str] = dict(zip(columns, cells, strict=False))
    label = next((allowed for allowed in LABELS if allowed == named["label"]), None)
    if label is None and named["label"]:
        raise ValueError(f"label {named['label']!r}; {', '.join(LABELS)} or an empty cell are allowed")
    if not named["file"] or not named["rater"]:
        raise ValueError(f"no {'rater' if named['file'] else 'file'}")
    values: dict[str, Any] = {column: named[column] for column in COLUMNS if column in named}
    for flag in _FLAGS:
        if (cell := values.pop(flag, "0")) not in ("0", "1"):
            raise ValueError(f"{flag} {cell!r}; 0 or 1 is allowed")
        values[flag] = cell == "1"
    p_pop = values.pop("detector_p_pop", "")
    values |= {
        "label": label or "",
        "onsets_s": tuple(sorted(_number(word, "onset") for word in named["onsets_s"].split())),
        "detector_p_pop": _number(p_pop, "detector_p_pop") if p_pop else None,
    }
    return Correction(**values)


def _number(word: str, what: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{what} {word!r}; a number of 0 or more is allowed")
    return value


# --- lines ----------------------------------------------------------------------------------------------------------


def read_records(raw: bytes, parse: Callable[[list[str]], Value]) -> tuple[list[Value], list[DamagedLine]]:
    r"""Read a comma-separated file record by record; a damaged line costs no other line.

    A record is one line, or several where a quoted cell holds line ends. A line with an odd number of quotation marks
    is therefore read together with the lines up to the next odd one, but never across a line that is a record by
    itself: a stray quotation mark must not hide the answers after it. Lines end in ``\n`` or ``\r\n``. Empty lines,
    lines of commas only, and a byte order mark are skipped. `parse` turns the cells of a record into a value; it raises
    ValueError, with the reason, for cells that are no record. Values and damaged lines are in the order of the file.
    """
    lines = raw.removeprefix(_BOM).split(b"\n")

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
        if is_odd(at):
            while end < len(lines) and not is_odd(end) and attempt(end, end + 1)[1]:
                end += 1
            end += 1  # if the line there is not odd, too, the quotation mark is a stray one
        elif not lines[at].strip(b",\r \t"):
            at = end
            continue
        value, why = attempt(at, end)
        if value is None:
            damaged.append(DamagedLine(at + 1, lines[at].removesuffix(b"\r"), why))
            at += 1
        else:
            values.append(value)
            at = end
    return values, damaged


def _cells(record: bytes) -> list[str]:
    """Split one record, which may hold line ends inside quotation marks; ValueError where it is none."""
    if record.count(b'"') % 2:
        raise ValueError("a stray quotation mark")
    text = record.decode().removesuffix("\r")
    if "\0" in text:
        raise ValueError("zero bytes in it")
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


def set_aside(path: Path, damaged: Sequence[DamagedLine]) -> Path:
    """Copy damaged lines to ``NAME.damaged-N.EXT`` beside `path`; raises UsageError.

    A copy with the same lines is not made again.
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
