"""Write a ``session.csv`` or ``session.xlsx`` to fill in, or add new clips to one; what is filled in is never changed.

The template has one line for each clip. The patient is that of the folder in which the clip lies, if folders look like
patients. The workbook has lists to choose from, checks what is typed in, and a second sheet that explains the columns.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from popdetect.errors import TableError, UsageError
from popdetect.session import workbook
from popdetect.session.files import find_clips, read_bytes, write_files
from popdetect.session.session import Session, is_labelled
from popdetect.session.tables import Row, csv_lines, safe
from popdetect.session.workbook import Rule, Sheet
from popdetect.study.fields import SCALES, Field, plain_header, session_fields
from popdetect.study.journal.clip_names import clip_name
from popdetect.study.journal.session_table import EXCEL_NAME, NAME, SHEET, read_table_of_people, table_of

_CODEBOOK = "codebook"
_CODEBOOK_COLUMNS = ("column", "meaning", "allowed values", "unit", "filled in by", "empty means")
# what the journal keeps in another form than the clinic writes it
_LABELS = {
    "file": "Clip, relative to the session folder, with /",
    "patient_id": "Patient, as the clinic names the patient; the journal has a pseudonym",
    "date": "Date of the session; the journal has a number of days",
}
# folders that are no patients: of labels, of kinds of files, of dates, sessions and thrusts
_NO_PATIENT = re.compile(
    r"pop|no_pop|audio|clips?|wavs?|recordings?|aufnahmen?|sounds?|raw|data|left|right"
    r"|(session|visit|day|thrust|take|sitzung|termin|tag)[\s_-]*[0-9]*|[0-9]{4}[-_.]?[0-9]{2}[-_.]?[0-9]{2}.*"
    r"|[0-9]{1,2}[-_.][0-9]{1,2}[-_.][0-9]{2,4}.*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Template:
    """A table to fill in.

    Attributes
    ----------
    path : Path
    n_lines : int
        In the table, with those that were there before.
    n_added : int
        New lines.
    n_patients : int
        Patients that were filled in from the names of folders.
    """

    path: Path
    n_lines: int
    n_added: int
    n_patients: int


def write_template(folder: str | os.PathLike[str], *, excel: bool = False) -> Template:
    """Write a table to fill in, with one line for each clip, or add lines for new clips to the table that exists.

    Parameters
    ----------
    folder : path
        A labelled session, or a folder with recordings.
    excel : bool
        Write ``session.xlsx`` rather than ``session.csv``; a table that exists keeps its format.

    Raises
    ------
    UsageError
        If there is a table of the other format already, or the table cannot be read.
    NothingFound
        If there is no recording.
    """
    root = Path(folder)
    clips = Session.read(root).clips if is_labelled(root) else find_clips(root).clips
    files = sorted(clip.file for clip in clips)
    path = table_of(root)
    if path is not None and excel and path.name != EXCEL_NAME:
        raise UsageError(f"{path}: exists already; without --xlsx, new clips are added to it")
    before = [] if path is None else _files_in(path)
    known = {clip_name(file).casefold() for file in before}
    # the scale is written out, because the numbers depend on it
    rows: list[Row] = [
        {"file": file, "patient_id": patient_of(file), "pain_scale": "NPRS"}
        for file in files
        if clip_name(file).casefold() not in known
    ]
    if path is None:
        path = root / (EXCEL_NAME if excel else NAME)
        write_files({path: _new_workbook(rows) if excel else _csv(list(session_fields()), rows).encode()})
    elif rows:
        write_files({path: _with_lines(path, rows)})
    n_patients = len({row["patient_id"] for row in rows} - {""})
    return Template(path, len(before) + len(rows), len(rows), n_patients)


def patient_of(file: str) -> str:
    """Return the folder of a clip that looks like a patient, the innermost one; else an empty text."""
    return next((part for part in reversed(PurePosixPath(file).parts[:-1]) if not _NO_PATIENT.fullmatch(part)), "")


def codebook_sheet() -> Sheet:
    """Return the sheet that explains the columns of the table."""
    lines = [
        [column, _label(field), _allowed(field), field.unit, field.source.split(",")[0], field.missing]
        for column, field in session_fields().items()
    ]
    return Sheet(_CODEBOOK, _CODEBOOK_COLUMNS, lines)


def _files_in(path: Path) -> list[str]:
    table = read_table_of_people(path)
    column = _columns(table.columns).get("file")
    if column is None:
        raise TableError(f"{path}:{table.header_line}: no column file; there are: {', '.join(table.columns)}")
    return [row[column] for row in table.rows if row[column]]


def _columns(headers: list[str]) -> dict[str, str]:
    """Return the headers of known columns, by the name of the column."""
    return {plain_header(header): header for header in headers if header}


def _with_lines(path: Path, rows: list[Row]) -> bytes:
    """Return the file with further lines; all bytes of a csv file before them stay."""
    table = read_table_of_people(path)
    columns = _columns(table.columns)
    lines = [{columns[name]: cell for name, cell in row.items() if name in columns} for row in rows]
    if path.name == EXCEL_NAME:
        return workbook.with_lines(path, SHEET, lines)
    raw = read_bytes(path)
    bare = table.encoding.removesuffix("-sig")
    encoding = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}[raw[:2]] if bare == "utf-16" else bare
    line_end = "\r\n" if "\r\n".encode(encoding) in raw else "\n"
    text = _csv(table.columns, lines, table.separator, line_end, header=False)
    try:
        added = text.encode(encoding)
    except UnicodeEncodeError as error:
        letter = text[error.start]
        raise UsageError(f"{path}: {letter!r} in a name is not in its letters ({bare}); save it as UTF-8") from None
    return raw + (b"" if raw.endswith("\n".encode(encoding)) else line_end.encode(encoding)) + added


def _csv(
    columns: list[str], rows: list[Row], separator: str = ",", line_end: str = "\n", *, header: bool = True
) -> str:
    cells = [[safe(row.get(column, "")) for column in columns] for row in rows]
    return csv_lines([columns, *cells] if header else cells, separator, line_end)


def _new_workbook(rows: list[Row]) -> bytes:
    fields = session_fields()
    lines = [[row.get(column) or None for column in fields] for row in rows]
    rules = {column: rule for column, field in fields.items() if (rule := _rule(column, fields)) is not None}
    return workbook.workbook([Sheet(SHEET, list(fields), lines, rules), codebook_sheet()])


def _rule(column: str, fields: Mapping[str, Field]) -> Rule | None:
    field = fields[column]
    message = f"{_label(field)}. Allowed: {_allowed(field)}. Leave the cell empty if it was not asked."
    if field.choices:
        return Rule(choices=field.choices, message=message)
    if field.is_date:
        return Rule(is_date=True, message=message)
    if field.kind == "text":
        return Rule(is_text=True) if field.required else None
    cell = f"{_letter(column, fields)}2"
    if field.is_pain:
        scale = f"${_letter('pain_scale', fields)}2"
        others = [name for name in SCALES if name != "NPRS"]
        formula = _limits(cell, SCALES["NPRS"][0], 0, SCALES["NPRS"][1])
        for name in others:
            formula = f'IF({scale}="{name}",{_limits(cell, SCALES[name][0], 0, SCALES[name][1])},{formula})'
        return Rule(formula=formula, message=message)
    return Rule(formula=_limits(cell, field.kind, field.low, field.high), message=message)


def _limits(cell: str, kind: str, low: float | None, high: float | None) -> str:
    parts = [f"ISNUMBER({cell})"]
    parts += [f"{cell}>={low:g}"] if low is not None else []
    parts += [f"{cell}<={high:g}"] if high is not None else []
    parts += [f"{cell}=INT({cell})"] if kind == "integer" else []
    return f"AND({','.join(parts)})"


def _letter(column: str, fields: Mapping[str, Field]) -> str:
    number = list(fields).index(column)
    return chr(ord("A") + number) if number < 26 else "A" + chr(ord("A") + number - 26)


def _label(field: Field) -> str:
    return _LABELS.get(field.column, field.label)


def _allowed(field: Field) -> str:
    return "YYYY-MM-DD or DD.MM.YYYY" if field.is_date else field.allowed
