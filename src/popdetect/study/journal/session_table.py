"""Read and check ``session.csv``, or write one to fill in.

Every problem of the table is reported at once, with its line and column. A line with a file and nothing else, as
`popdetect log --init` writes them, is not filled in yet and is no score. All pain scores of a table are on one scale;
without ``pain_scale`` it is NPRS. An empty cell means "not asked".

Names of columns may be in capitals, with spaces or underscores. The unit of the thrust's speed stands in its header:
``thrust_speed_mm_s``, ``thrust_speed_deg_per_s`` and ``thrust_speed (mm/s)`` are all understood.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import get_args

from popdetect.errors import TableError, UsageError
from popdetect.session.files import find_clips, readable, write_text
from popdetect.session.session import Session, is_labelled
from popdetect.session.tables import Row, csv_text, read_table
from popdetect.study.analysis.thrusts import PainScale
from popdetect.study.fields import Field, Value, plain_header, session_fields
from popdetect.study.journal.clip_names import clip_name, leads_elsewhere

NAME = "session.csv"
_MOST_REPORTED = 20


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One line: the answers about one clip."""

    line: int  # in the table
    file: str  # relative to the session, with ``/``
    patient_id: str  # as the clinic writes it; it is never written anywhere
    values: Mapping[str, Value | date]  # all other fields but the scale, by name; None for "not asked", "" for text
    own: Mapping[str, str]  # the clinic's own columns


@dataclass(frozen=True, slots=True)
class SessionTable:
    """A table without a problem."""

    rows: tuple[SessionRow, ...]  # those that are filled in
    unfilled: tuple[str, ...]  # files whose lines hold nothing else yet
    pain_scale: PainScale
    thrust_speed_unit: str  # such as ``mm/s``; empty if the header has none
    hints: tuple[str, ...]  # own columns whose names are close to a known one


def read_session_table(path: str | os.PathLike[str]) -> SessionTable:
    """Read and check a table; commas, semicolons or tabs, decimal commas and a byte order mark are all understood.

    Raises TableError with every problem in its `lines` (``file:line: column: value: rule``), or UsageError if there is
    no such file.
    """
    name = os.fspath(path)
    table = read_table(path, by_hand=True)
    fields = session_fields()
    known, own, unit, hints = _columns(fields, table.columns, f"{name}:{table.header_line}")
    problems: list[tuple[int, str]] = []

    def report(line: int, what: str) -> None:
        problems.append((line, f"{name}:{line}: {what}"))

    filled: list[tuple[int, Row]] = []
    unfilled: list[str] = []
    lines_of: dict[str, tuple[int, str]] = {}
    elsewhere: dict[str, list[tuple[int, str]]] = {}  # lines and paths, by what is wrong with them
    # the scale may be filled in beforehand, as may values that are the same for all clips of a day
    needed = [column for column, field in fields.items() if field.required and not field.is_key]
    for line, raw in zip(table.lines, table.rows, strict=True):
        row = {column: raw[header].strip() for column, header in known.items()}
        written, row["file"] = row["file"], clip_name(row["file"])
        others = {header: raw[header].strip() for header in own}
        if not any(row.values()) and not any(others.values()):
            continue  # spreadsheets leave lines of separators behind
        if raw.get("", "").strip():
            report(line, f"{raw['']!r} stands in a column without a name; name it in the first line")
        if not row["file"]:
            report(line, "file: empty; the name of the clip is expected")
            continue
        if wrong := leads_elsewhere(row["file"]):
            elsewhere.setdefault(wrong, []).append((line, written))
            continue
        if row["file"] in lines_of:
            report(line, _twice(row, *lines_of[row["file"]]))
            continue
        lines_of[row["file"]] = line, row["patient_id"]
        if any(row[column] for column in needed):
            filled.append((line, {**row, **others}))
        else:
            unfilled.append(row["file"])
    for wrong, paths in elsewhere.items():
        (first, path), n = paths[0], len(paths)
        some = f"{n} lines have {wrong}, such as" if n > 1 else wrong
        report(first, f"file: {some} {path!r}; allowed: a name relative to the session folder, such as a/clip_01.wav")
    scale = _scale(filled, report)
    rows = [_session_row(line, row, fields, own, scale, report) for line, row in filled]
    if problems:
        lines = [what for _, what in sorted(problems, key=lambda problem: problem[0])]
        more = len(lines) - _MOST_REPORTED
        raise TableError(*lines[:_MOST_REPORTED], *([f"{name}: … and {more} more problems"] if more > 0 else []))
    return SessionTable(tuple(rows), tuple(unfilled), scale, unit, tuple(hints))


def write_template(folder: str | os.PathLike[str]) -> tuple[Path, int]:
    """Write a ``session.csv`` to fill in, with one line for each clip; return its path and its number of lines.

    The clips are those of the labelled session, or the recordings in the folder if it is not labelled yet. A table that
    exists is never overwritten (UsageError); without a clip, NothingFound is raised.
    """
    root = Path(folder)
    path = root / NAME
    if os.path.lexists(path):
        raise UsageError(f"{readable(str(path))}: exists already and is not overwritten; move it away to get a new one")
    clips = Session.read(root).clips if is_labelled(root) else find_clips(root).clips
    # the scale is written out, because the numbers depend on it
    rows = ({"file": file, "pain_scale": "NPRS"} for file in sorted(clip.file for clip in clips))
    write_text(path, csv_text(tuple(session_fields()), rows))
    return path, len(clips)


def _columns(
    fields: Mapping[str, Field], headers: list[str], where: str
) -> tuple[dict[str, str], list[str], str, list[str]]:
    """Known columns and their headers; own columns; the unit of the speed; hints about own columns."""
    known: dict[str, str] = {}
    own: list[str] = []
    unit = ""
    problems = []
    for header in headers:
        if not header.strip():
            continue
        column, its_unit = _known(header, fields)
        if column is None:
            own.append(header)
        elif column in known:
            problems.append(f"{where}: columns {known[column]!r} and {header!r} are both {column}; keep one")
        else:
            known[column] = header
            unit = its_unit if column == "thrust_speed" else unit
    for column in [column for column, field in fields.items() if field.required and column not in known]:
        near = difflib.get_close_matches(column, [plain_header(header) for header in own], 1, 0.6)
        meant = next((header for header in own if near and plain_header(header) == near[0]), None)
        hint = f"is it {meant!r}? Then rename that" if meant is not None else f"there are: {', '.join(headers)}"
        problems.append(f"{where}: no column {column}; {hint}")
    if problems:
        raise TableError(*problems)
    hints = []
    for header in own:
        near = difflib.get_close_matches(plain_header(header), fields.keys() - known.keys(), 1, 0.85)
        hints += [f"column {header!r} is taken as one of your own; if {near[0]} is meant, rename it"] if near else []
    return known, own, unit, hints


def _known(header: str, fields: Mapping[str, Field]) -> tuple[str | None, str]:
    plain = plain_header(header)
    if plain in fields:
        return plain, ""
    speed = re.fullmatch(r"thrust[\s_]speed[\s_]*(?:\((.+)\)|\[(.+)\]|_(\w+))", header.strip(), re.IGNORECASE)
    if speed is None:
        return None, ""
    written = speed[1] or speed[2]
    return "thrust_speed", written.strip() if written else re.sub(r"_per_|_", "/", speed[3].strip("_"))


def _twice(row: Row, line: int, patient: str) -> str:
    if row["patient_id"] and patient and row["patient_id"] != patient:
        return f"file: {row['file']!r} is of another patient in line {line}; a clip is of one patient: correct the file"
    return f"file: {row['file']!r} stands in line {line} already; each clip has one line: delete one of them"


def _scale(filled: list[tuple[int, Row]], report: Callable[[int, str], None]) -> PainScale:
    """The one scale of a table; an empty cell means the scale of the other lines."""
    lines_of: dict[PainScale, list[int]] = {}
    for line, row in filled:
        cell = row.get("pain_scale", "")
        named = _named_scale(cell)
        if named is not None:
            lines_of.setdefault(named, []).append(line)
        elif cell:
            report(line, f"pain_scale: {cell!r}: allowed: NPRS (0 to 10), VAS100 (0 to 100)")
    if len(lines_of) > 1:
        scales = " and ".join(f"{scale} in {_some(lines)}" for scale, lines in lines_of.items())
        report(
            min(lines[0] for lines in list(lines_of.values())[1:]),
            f"pain_scale: {scales}; a session has one scale, as pain on two cannot be compared",
        )
    return next(iter(lines_of), "NPRS")


def _named_scale(cell: str) -> PainScale | None:
    return next((scale for scale in get_args(PainScale) if scale == cell.upper()), None)


def _session_row(
    line: int,
    row: Row,
    fields: Mapping[str, Field],
    own: list[str],
    scale: PainScale,
    report: Callable[[int, str], None],
) -> SessionRow:
    values: dict[str, Value | date] = {}
    if not row["patient_id"]:
        report(line, "patient_id: empty; whose pain it is must be known")
    here = _named_scale(row.get("pain_scale", "")) or scale  # of mixed scales, each cell is checked by its own
    for column, field in fields.items():
        if column in ("file", "patient_id", "pain_scale"):
            continue
        cell = row.get(column, "")
        if not cell:
            values[field.name] = "" if field.kind == "text" else None
            continue
        try:
            values[field.name] = field.parse(cell, here)
        except ValueError as error:
            report(line, f"{column}: {cell!r}: {error}")
    return SessionRow(line, row["file"], row["patient_id"], values, {name: row[name] for name in own if row[name]})


def _some(lines: list[int]) -> str:
    shown = ", ".join(map(str, lines[:4]))
    return f"line{'s' if len(lines) > 1 else ''} {shown}{' …' if len(lines) > 4 else ''}"
