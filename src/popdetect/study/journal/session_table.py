"""``session.csv``, as a clinic writes it, to scores to be trusted: every cell checked, every problem told at once.

Decides which columns are known, how their names may be written, and which cells may be empty ("not asked"). A line with
a file and nothing else, as `popdetect log --init` makes them, is not filled in yet and is no score. Pain is on one
scale for the whole table; without ``pain_scale`` it is NPRS.

Names of columns are taken in capitals or not, with spaces or underscores. The unit of the thrust's speed stands in its
header: ``thrust_speed_mm_s``, ``thrust_speed_deg_per_s`` and ``thrust_speed (mm/s)`` are all understood.
"""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from popdetect.errors import TableError
from popdetect.session.tables import Row, read_table
from popdetect.study.analysis.thrusts import PainScale
from popdetect.study.journal import cells

NAME = "session.csv"
REQUIRED = ("file", "patient_id", "pain_before", "pain_after")
RULES: Mapping[str, cells.Rule] = {
    "date": cells.day,
    "session_no": cells.count,
    "thrust_no": cells.count,
    "region": cells.text,
    "side": cells.text,
    "technique": cells.text,
    "time_point": cells.text,
    "expects_relief": cells.expectation,
    "believes_pop_needed": cells.belief,
    "pop_heard_by_patient": cells.answer,
    "pop_heard_by_therapist": cells.answer,
    "thrust_speed": cells.speed,
    "adverse_event": cells.text,
    "notes": cells.text,
}
# in the order in which a template has them
COLUMNS = (
    "file", "patient_id", "date", "session_no", "thrust_no", "region", "side", "technique", "pain_before", "pain_after",
    "pain_scale", "time_point", "expects_relief", "believes_pop_needed", "pop_heard_by_patient",
    "pop_heard_by_therapist", "thrust_speed", "adverse_event", "notes",
)  # fmt: skip
_MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Scores:
    """One line: what was asked about one clip.

    Attributes
    ----------
    line : int
        In the table.
    file : str
        Relative to the session, with ``/``.
    patient_id : str
        As the clinic writes it. It never leaves this computer's memory.
    values : mapping of str to object
        `pain_before` and `pain_after` (float), and the columns of `RULES`, each by its rule; None for "not asked", ""
        for text.
    own : mapping of str to str
        The user's own columns.
    """

    line: int
    file: str
    patient_id: str
    values: Mapping[str, object]
    own: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class SessionTable:
    """A table without a problem.

    Attributes
    ----------
    path : str
    rows : tuple of Scores
        Those that are filled in.
    unfilled : tuple of str
        Files whose lines hold nothing else yet.
    pain_scale : {"NPRS", "VAS100"}
    thrust_speed_unit : str
        As ``mm/s``; empty if the header has none.
    hints : tuple of str
        Own columns whose names come close to a known one.
    """

    path: str
    rows: tuple[Scores, ...]
    unfilled: tuple[str, ...]
    pain_scale: PainScale
    thrust_speed_unit: str
    hints: tuple[str, ...]


def read_session_table(path: str | os.PathLike[str]) -> SessionTable:
    """Read and check a table; commas, semicolons or tabs, decimal commas and a byte order mark are all understood.

    Raises
    ------
    TableError
        With every problem in its `lines`: ``file:line: column: value: rule``.
    UsageError
        When there is no such file.
    """
    name = os.fspath(path)
    table = read_table(path, any_separator=True)
    known, own, unit, hints = _columns(table.columns, f"{name}:{table.header_line}")
    problems: list[tuple[int, str]] = []

    def wrong(line: int, what: str) -> None:
        problems.append((line, f"{name}:{line}: {what}"))

    filled: list[tuple[int, Row]] = []
    unfilled: list[str] = []
    lines_of: dict[str, tuple[int, str]] = {}
    for line, raw in zip(table.lines, table.rows, strict=True):
        row = {column: raw[header].strip() for column, header in known.items()}
        row["file"] = clip_name(row["file"])
        others = {header: raw[header].strip() for header in own}
        if not any(row.values()) and not any(others.values()):
            continue  # spreadsheets leave lines of separators behind
        if raw.get("", "").strip():
            wrong(line, f"{raw['']!r} stands in a column without a name; name it in the first line")
        if not row["file"]:
            wrong(line, "file: empty; the name of the clip is expected")
            continue
        before = lines_of.get(row["file"])
        if before is not None:
            wrong(line, _twice(row, *before))
            continue
        lines_of[row["file"]] = line, row["patient_id"]
        # the scale may be filled in beforehand, as may what is the same for all clips of a day
        if any(row[column] for column in ("patient_id", "pain_before", "pain_after")):
            filled.append((line, {**row, **others}))
        else:
            unfilled.append(row["file"])
    scale = _scale(filled, wrong)
    rows = [_scores(line, row, tuple(known), own, scale, wrong) for line, row in filled]
    if problems:
        told = [what for _, what in sorted(problems, key=lambda problem: problem[0])]
        more = len(told) - _MOST_TOLD
        raise TableError(*told[:_MOST_TOLD], *([f"{name}: … and {more} more problems"] if more > 0 else []))
    return SessionTable(name, tuple(rows), tuple(unfilled), scale, unit, tuple(hints))


def clip_name(text: str) -> str:
    """The name of a clip as tables have it: relative, with ``/``, accents in one piece (macOS writes them in two)."""
    name = unicodedata.normalize("NFC", text.strip()).replace("\\", "/")
    return re.sub(r"^(\./)+", "", name)


def _columns(headers: list[str], where: str) -> tuple[dict[str, str], list[str], str, list[str]]:
    """Known columns and their headers; own columns; the unit of the speed; own columns that are nearly known."""
    known: dict[str, str] = {}
    own: list[str] = []
    unit = ""
    problems = []
    for header in headers:
        if not header.strip():
            continue
        column, its_unit = _known(header)
        if column is None:
            own.append(header)
        elif column in known:
            problems.append(f"{where}: columns {known[column]!r} and {header!r} are both {column}; keep one")
        else:
            known[column] = header
            unit = its_unit if column == "thrust_speed" else unit
    missing = [column for column in REQUIRED if column not in known]
    for column in missing:
        near = difflib.get_close_matches(column, [_plain(header) for header in own], 1, 0.6)
        meant = next((header for header in own if near and _plain(header) == near[0]), None)
        hint = f"is it {meant!r}? Then rename that" if meant is not None else f"there are: {', '.join(headers)}"
        problems.append(f"{where}: no column {column}; {hint}")
    if problems:
        raise TableError(*problems)
    hints = []
    for header in own:
        nearly = difflib.get_close_matches(_plain(header), [c for c in COLUMNS if c not in known], 1, 0.85)
        hints += (
            [f"column {header!r} is taken as one of your own; if {nearly[0]} is meant, rename it"] if nearly else []
        )
    return known, own, unit, hints


def _known(header: str) -> tuple[str | None, str]:
    plain = _plain(header)
    if plain in COLUMNS:
        return plain, ""
    speed = re.fullmatch(r"thrust[\s_]speed[\s_]*(?:\((.+)\)|\[(.+)\]|_(\w+))", header.strip(), re.IGNORECASE)
    if speed is None:
        return None, ""
    written = speed[1] or speed[2]
    return "thrust_speed", written.strip() if written else re.sub(r"_per_|_", "/", speed[3].strip("_"))


def _plain(header: str) -> str:
    return re.sub(r"[\s_-]+", "_", header.strip()).lower()


def _twice(row: Row, line: int, patient: str) -> str:
    if row["patient_id"] and patient and row["patient_id"] != patient:
        return f"file: {row['file']!r} is of another patient in line {line}; a clip is of one patient: correct the file"
    return f"file: {row['file']!r} stands in line {line} already; each clip has one line: delete one of them"


def _scale(filled: list[tuple[int, Row]], wrong: Callable[[int, str], None]) -> PainScale:
    """The one scale of a table; a cell left empty is of the scale that the others name."""
    lines_of: dict[PainScale, list[int]] = {}
    for line, row in filled:
        cell = row.get("pain_scale", "")
        if not cell:
            continue
        try:
            lines_of.setdefault(cells.scale(cell), []).append(line)
        except ValueError as error:
            wrong(line, f"pain_scale: {cell!r}: {error}")
    if len(lines_of) > 1:
        told = " and ".join(f"{scale} in {_some(lines)}" for scale, lines in lines_of.items())
        wrong(
            min(lines[0] for lines in list(lines_of.values())[1:]),
            f"pain_scale: {told}; a session has one scale, as pain on two cannot be compared",
        )
    return next(iter(lines_of), "NPRS")


def _scores(
    line: int,
    row: Row,
    known: tuple[str, ...],
    own: list[str],
    scale: PainScale,
    wrong: Callable[[int, str], None],
) -> Scores:
    values: dict[str, object] = {}
    if not row["patient_id"]:
        wrong(line, "patient_id: empty; whose pain it is must be known")
    here = scale
    if row.get("pain_scale", "").upper() in cells.SCALES:
        here = cells.SCALES[row["pain_scale"].upper()]  # of mixed scales, each cell is judged by its own
    for column in ("pain_before", "pain_after", *RULES):
        cell = row[column] if column in known else ""
        rule = RULES.get(column)
        if not cell:
            values[column] = "" if rule is cells.text else None
            continue
        try:
            values[column] = rule(cell) if rule is not None else cells.pain(cell, here)
        except ValueError as error:
            wrong(line, f"{column}: {cell!r}: {error}")
    return Scores(line, row["file"], row["patient_id"], values, {header: row[header] for header in own if row[header]})


def _some(lines: list[int]) -> str:
    shown = ", ".join(map(str, lines[:4]))
    return f"line{'s' if len(lines) > 1 else ''} {shown}{' …' if len(lines) > 4 else ''}"
