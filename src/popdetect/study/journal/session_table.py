"""Read and check ``session.csv`` or ``session.xlsx``, as people fill them in.

Every problem of the table is reported at once, with its lines and column: one message for each kind of problem. A line
of a patient without any answer, as `popdetect log --init` writes them, is not filled in yet and is no score. All pain
scores of a table are on one scale; without ``pain_scale`` it is NPRS. An empty cell means "not asked".

Names of columns may be in capitals, with spaces or underscores. The unit of the thrust's speed stands in its header:
``thrust_speed_mm_s``, ``thrust_speed_deg_per_s`` and ``thrust_speed (mm/s)`` are all understood.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import get_args

from popdetect.errors import TableError, UsageError
from popdetect.session import workbook
from popdetect.session.files import readable
from popdetect.session.tables import Row, Table, read_table
from popdetect.study import cells
from popdetect.study.analysis.thrusts import PainScale
from popdetect.study.fields import Field, Value, own_field, plain_header, session_fields
from popdetect.study.journal.clip_names import clip_name, leads_elsewhere

NAME = "session.csv"
EXCEL_NAME = "session.xlsx"
SHEET = "session"  # of the workbook; without a sheet of this name, the first one is read
_MOST_REPORTED = 20
_MOST_SHOWN = 4  # different cells of one kind of problem


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One line: the answers about one clip."""

    line: int  # in the table
    file: str  # relative to the session, with ``/``; empty for a line about all clips of the patient's session
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
    hints: tuple[str, ...]  # how cells were understood; own columns whose names are close to a known one


def table_of(folder: Path) -> Path | None:
    """Return the table of a session folder, or None if there is none; raises UsageError if there are two."""
    found = [folder / name for name in (NAME, EXCEL_NAME) if os.path.lexists(folder / name)]
    if len(found) > 1:
        raise UsageError(f"{readable(str(folder))}: there are {NAME} and {EXCEL_NAME}; keep the one that is right")
    return found[0] if found else None


def read_table_of_people(path: str | os.PathLike[str]) -> Table:
    """Read the cells of a table, from a workbook if the name ends with ``.xlsx``, else from a csv file."""
    if Path(path).suffix.lower() == workbook.SUFFIX:
        return workbook.read_workbook(path, SHEET)
    return read_table(path, by_hand=True)


def read_session_table(path: str | os.PathLike[str]) -> SessionTable:
    """Read and check a table: an Excel workbook, or csv with commas, semicolons or tabs and any decimal mark.

    Raises TableError with every problem in its `lines` (``file:line: column: value: rule``), or UsageError if there is
    no such file.
    """
    name = os.fspath(path)
    table = read_table_of_people(path)
    fields = session_fields()
    known, own, unit, hints = _columns(fields, table.columns, f"{name}:{table.header_line}")
    problems: list[tuple[int, str]] = []

    def report(line: int, what: str) -> None:
        problems.append((line, f"{name}:{line}: {what}"))

    filled: list[tuple[int, Row]] = []
    lines_of: dict[tuple[str, str], int] = {}  # by file and time point
    patient_of: dict[str, tuple[int, str]] = {}
    elsewhere: dict[str, list[tuple[int, str]]] = {}  # lines and paths, by what is wrong with them
    answers = [column for column, field in fields.items() if field.is_answer]
    answers += [header for header in own if own_field(header).kind == "number"]  # declared outcomes
    answered: set[str] = set()  # patients with an answer
    for line, raw in zip(table.lines, table.rows, strict=True):
        row = {column: raw[header].strip() for column, header in known.items()}
        written, row["file"] = row["file"], clip_name(row["file"])
        others = {header: raw[header].strip() for header in own}
        if not any(row.values()) and not any(others.values()):
            continue  # spreadsheets leave lines of separators behind
        if raw.get("", "").strip():
            report(line, f"{raw['']!r} stands in a column without a name; name it in the first line")
        of_session = not row["file"] and row["patient_id"] and row.get("time_point")
        if not row["file"] and not of_session:
            report(
                line,
                "file: empty; the name of the clip is expected (without one, a line is about all clips of a patient's "
                "session, and needs patient_id and time_point)",
            )
            continue
        if wrong := leads_elsewhere(row["file"]):
            elsewhere.setdefault(wrong, []).append((line, written))
            continue
        about = row["file"] or f"{row['patient_id']}\0{row.get('session_no', '')}"
        known_as = patient_of.setdefault(about, (line, row["patient_id"]))
        first = lines_of.setdefault((about, row.get("time_point", "")), line)
        if problem := _twice(row, first if first != line else 0, *known_as):
            report(line, problem)
            continue
        if _any(row | others, answers):
            answered.add(row["patient_id"])
        elif known_as[0] != line or of_session:
            continue  # a later time point that was not asked about yet
        filled.append((line, {**row, **others}))
    # patient, scale, and what is the same for all clips of a day may be filled in before anything is asked
    answered.discard("")
    unfilled = [row["file"] for _, row in filled if row["patient_id"] not in answered and not _any(row, answers)]
    filled = [(line, row) for line, row in filled if row["patient_id"] in answered or _any(row, answers)]
    for wrong, paths in elsewhere.items():
        (first, path), n = paths[0], len(paths)
        some = f"{n} lines have {wrong}, such as" if n > 1 else wrong
        report(first, f"file: {some} {path!r}; allowed: a name relative to the session folder, such as a/clip_01.wav")
    scale = _scale(filled, report)
    found = _Cells(fields, own, scale, [row.get("date", "") for _, row in filled])
    rows = [_session_row(line, row, found, own) for line, row in filled]
    problems += [(lines[0], f"{name}:{lines[0]}: {what}") for lines, what in found.problems()]
    if problems:
        lines = [what for _, what in sorted(problems, key=lambda problem: problem[0])]
        more = len(lines) - _MOST_REPORTED
        raise TableError(*lines[:_MOST_REPORTED], *([f"{name}: … and {more} more problems"] if more > 0 else []))
    if table.encoding == "cp1252":
        odd = next((text for row in table.rows for text in row.values() if not text.isascii()), "")
        hints.append(f"{name} is not UTF-8 and was read with the letters of Windows (cp1252), such as {odd!r}")
    return SessionTable(tuple(rows), tuple(unfilled), scale, unit, (*hints, *found.hints()))


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


def _twice(row: Row, first: int, line: int, patient: str) -> str:
    """Return why a further line about a clip is not allowed; empty if it is, or if it is the first one."""
    if row["patient_id"] and patient and row["patient_id"] != patient:
        return f"file: {row['file']!r} is of another patient in line {line}; a clip is of one patient: correct the file"
    if not first:
        return ""
    about = f"with the time_point {row['time_point']!r} " if row.get("time_point") else ""
    return (
        f"file: {row['file']!r} stands {about}in line {first} already; each clip has one line for each time_point: "
        "delete one of them, or say in time_point when pain was asked"
    )


def _scale(filled: list[tuple[int, Row]], report: Callable[[int, str], None]) -> PainScale:
    """The one scale of a table; an empty cell means the scale of the other lines."""
    lines_of: dict[PainScale, list[int]] = {}
    for line, row in filled:
        cell = row.get("pain_scale", "")
        named = _named_scale(cell)
        if named is not None:
            lines_of.setdefault(named, []).append(line)
        elif cell and not cells.is_not_asked(cell):
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


class _Cells:
    """The cells of one table: their values, what was understood, and what cannot be."""

    def __init__(self, fields: Mapping[str, Field], own: Iterable[str], scale: PainScale, dates: list[str]) -> None:
        self.fields = fields
        self.outcomes = {header: field for header in own if (field := own_field(header)).kind == "number"}
        self._scale = scale
        self._dates = dates
        self._day_first = cells.day_first(dates)
        self._wrong: dict[tuple[str, str], dict[str, list[int]]] = {}  # column and rule: lines by cell
        self._read_as: dict[str, str] = {}  # words: their meaning

    def value(self, line: int, column: str, cell: str, scale: PainScale | None) -> Value | date:
        """Return the value of a cell, or None if it is not allowed."""
        field = self.outcomes.get(column) or self.fields[column]
        nothing = "" if field.kind == "text" else None
        if not cell:
            return nothing
        try:
            value = field.parse(cell, scale or self._scale, day_first=self._day_first)
        except ValueError as error:
            self.report(line, column, cell, str(error))
            return nothing
        if field.choices and value is not None and str(value).lower() != cell.lower():
            self._read_as[cell] = str(value)
        elif value == nothing:
            is_event = column == "adverse_event" and not cells.is_not_asked(cell)
            self._read_as[cell] = "no adverse event" if is_event else "not asked"
        return value

    def report(self, line: int, column: str, cell: str, rule: str) -> None:
        """Note a cell that is not allowed."""
        self._wrong.setdefault((column, rule), {}).setdefault(cell, []).append(line)

    def problems(self) -> Iterator[tuple[list[int], str]]:
        """Yield the lines of each kind of problem, and its message."""
        for (column, rule), lines_of in self._wrong.items():
            lines = sorted(line for found in lines_of.values() for line in found)
            shown = ", ".join(map(repr, list(lines_of)[:_MOST_SHOWN]))
            more = len(lines_of) - _MOST_SHOWN
            shown += f" and {more} more" if more > 0 else ""
            where = f" in {len(lines)} lines ({_numbers(lines)})" if len(lines) > 1 else ""
            given = f": {shown}" if any(lines_of) else ""
            yield lines, f"{column}{given}{where}: {rule}"

    def hints(self) -> Iterator[str]:
        """Yield how words and dates were understood."""
        if self._read_as:
            yield "read " + ", ".join(f"{cell!r} as {meaning}" for cell, meaning in self._read_as.items())
        if self._day_first is not None and (unclear := [cell for cell in self._dates if cells.has_two_readings(cell)]):
            order = "day/month/year" if self._day_first else "month/day/year"
            yield f"dates such as {unclear[0]!r} were read as {order}, the only order that gives dates in all lines"
        serial = next((cell for cell in self._dates if cells.is_serial_date(cell)), None)
        if serial is not None:
            yield f"dates such as {serial!r} were read as Excel's number of a day: {cells.read_date(serial)}"


def _session_row(line: int, row: Row, found: _Cells, own: list[str]) -> SessionRow:
    patient = row["patient_id"]
    if not patient:
        found.report(line, "patient_id", "", "empty; whose pain it is must be known")
    elif cells.is_not_asked(patient):
        found.report(line, "patient_id", patient, "no patient; whose pain it is must be known")
    here = _named_scale(row.get("pain_scale", ""))  # of mixed scales, each cell is checked by its own
    values = {
        field.name: found.value(line, column, row.get(column, ""), here)
        for column, field in found.fields.items()
        if column not in ("file", "patient_id", "pain_scale")
    }
    kept = {name: row[name] for name in own if row[name]}
    for header in [header for header in found.outcomes if header in kept]:
        value = found.value(line, header, kept.pop(header), here)
        if isinstance(value, int | float):
            kept[header] = f"{value:.10g}"
    return SessionRow(line, row["file"], patient, values, kept)


def _any(row: Row, columns: Iterable[str]) -> bool:
    return any(row.get(column) for column in columns)


def _numbers(lines: list[int]) -> str:
    return ", ".join(map(str, lines[:4])) + (" …" if len(lines) > 4 else "")


def _some(lines: list[int]) -> str:
    return f"line{'s' if len(lines) > 1 else ''} {_numbers(lines)}"
