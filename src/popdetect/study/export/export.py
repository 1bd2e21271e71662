"""Export the journal: the formats, their files, and the csv tables.

Files are written completely or not at all. They never replace an existing file unless that is asked for, and never the
journal or its key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from popdetect.errors import UsageError
from popdetect.session.files import make_folder, readable, write_files
from popdetect.session.tables import EXCEL, csv_lines, safe
from popdetect.session.workbook import Cell, Sheet, workbook
from popdetect.study.export import codebook, fhir, redcap
from popdetect.study.export.rows import Rows, cell, chosen, must_be_clear, read
from popdetect.study.fields import Field, Value, session_level
from popdetect.study.journal.pseudonyms import may_write

# each format and what its rows are
FORMATS: Final[Mapping[str, str]] = {
    "csv": "thrust", "wide": "patient session", "redcap": "thrust", "codebook": "field", "fhir": "observation",
    "xlsx": "thrust",
}  # fmt: skip
IN_A_FOLDER: Final = ("redcap", "codebook")  # two files each
FOR_EXCEL: Final = ("csv", "wide", "codebook")  # formats with csv files that spreadsheets open
# endings of files that are something else than text
_NOT_TEXT: Final = (".xlsx", ".xls", ".ods", ".pdf", ".docx", ".doc", ".sav", ".dta")


@dataclass(frozen=True, slots=True)
class Exported:
    """The result of an export.

    Attributes
    ----------
    format : str
    texts : mapping of str to str or bytes
        Files by name; the name is empty if the format is one file. A workbook is bytes.
    written : tuple of Path
        Paths of the files; empty if nothing was to be written.
    n_rows : int
    row_name : str
        Meaning of a row, such as "thrust".
    columns, left_out : tuple of str
        Exported fields, and fields with values that are not in the export.
    hints : tuple of str
    """

    format: str
    texts: Mapping[str, str | bytes]
    written: tuple[Path, ...]
    n_rows: int
    row_name: str
    columns: tuple[str, ...]
    left_out: tuple[str, ...]
    hints: tuple[str, ...]


def export(
    journal: str | os.PathLike[str],
    format: str,
    out: str | os.PathLike[str] | None = None,
    *,
    columns: Sequence[str] | None = None,
    force: bool = False,
    excel: str = "",
    raw: bool = False,
) -> Exported:
    """Export a journal.

    Parameters
    ----------
    journal : path
    format : {"csv", "wide", "redcap", "codebook", "fhir", "xlsx"}
    out : path, optional
        A file, or a folder for formats of two files. Without it nothing is written; see `Exported.texts`.
    columns : sequence of str, optional
        Fields to export, in this order. By default all that hold no names; the codebook describes all fields.
    force : bool
        Replace existing files.
    excel : {"", "de", "en"}
        Write csv files as the Excel of this language reads them: with a byte order mark, and for ``de`` with semicolons
        and decimal commas.
    raw : bool
        Leave cells of csv files as they are. Without it, a text that a spreadsheet would take for a formula, because
        it begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break, gets an apostrophe before it.

    Raises
    ------
    UsageError
        If a format or field is unknown, the meaning of a number would not be exported with it, a file exists already,
        or the journal cannot be read.
    NothingFound
        If no thrust has a score yet.
    """
    if format not in FORMATS:
        raise UsageError(f"format: {format!r}: one of {', '.join(FORMATS)} is allowed")
    if excel and excel not in EXCEL:
        raise UsageError(f"excel: {excel!r}: one of {', '.join(EXCEL)} is allowed")
    if (excel or raw) and format not in FOR_EXCEL:
        raise UsageError(f"{'excel' if excel else 'raw'}: for the formats {', '.join(FOR_EXCEL)} only, not {format}")
    _must_fit(format, out)
    rows = read(journal)
    if columns is None and format == "codebook":
        columns = [field.name for field in rows.fields]
    if columns is None and format == "fhir":
        columns = fhir.FHIR_FIELDS
    fields = chosen(rows, columns)
    names = tuple(field.name for field in fields)
    hints: tuple[str, ...] = ()
    texts: dict[str, str | bytes]
    if format == "redcap":
        made, n_rows = redcap.redcap_files(rows, fields)
        texts = dict(made)
        hints = (redcap.HOW_TO,)
    elif format == "codebook":
        table, markdown = codebook.codebook_lines(rows, fields), codebook.codebook_markdown(rows, fields)
        texts = {codebook.CSV_NAME: _csv(table, (), excel, raw), codebook.MARKDOWN_NAME: markdown}
        n_rows = len(fields)
    elif format == "fhir":
        text, n_rows, hints = fhir.bundle(rows, names)
        texts = {"": text}
    elif format == "xlsx":
        must_be_clear(rows, fields)
        texts, n_rows = {"": _workbook(rows, fields)}, len(rows.values)
    else:
        must_be_clear(rows, fields)
        header, lines = (_long if format == "csv" else _wide)(rows, names)
        cells = [list(header), *([line.get(name, "") for name in header] for line in lines)]
        numbers = [field.name for field in fields if field.kind in ("integer", "number")]
        texts, n_rows = {"": _csv(cells, numbers, excel, raw)}, len(lines)
    written: tuple[Path, ...] = ()
    if out is not None:
        place = Path(out)
        if format not in IN_A_FOLDER and place.is_dir():
            like = readable(str(place / "study.csv"))
            raise UsageError(f"{readable(str(place))}: a folder; {format} is one file, such as {like}")
        written = tuple(place / name for name in texts)
        for path in written:
            may_write(path, Path(journal), force=force, what="an export")
        if format in IN_A_FOLDER:
            make_folder(place)
        write_files(dict(zip(written, texts.values(), strict=True)))
    left_out = tuple(
        field.name
        for field in rows.fields
        if field.name not in names and any(row[field.name] not in (None, "") for row in rows.values)
    )
    return Exported(format, texts, written, n_rows, FORMATS[format], names, left_out, hints)


def _must_fit(format: str, out: str | os.PathLike[str] | None) -> None:
    """Raise UsageError if the name of a file says another format than what would be in it."""
    ending = Path(out).suffix.lower() if out is not None else ""
    if format == "xlsx" and ending != ".xlsx":
        raise UsageError("xlsx: a workbook is a file whose name ends with .xlsx; name it with -o study.xlsx")
    if format != "xlsx" and ending in _NOT_TEXT:
        hint = "--format xlsx makes a workbook" if ending == ".xlsx" else f"the format {format} cannot be such a file"
        raise UsageError(f"{readable(os.fspath(out or ''))}: {format} is text, not {ending}; {hint}")


def _csv(lines: Sequence[Sequence[str]], numbers: Sequence[str], excel: str, raw: bool) -> str:
    """Return csv text as a spreadsheet needs it; `numbers` are the columns of numbers, in the wide table numbered."""
    style = EXCEL[excel] if excel else EXCEL["en"]
    is_number = [re.sub(r"_[0-9]+$", "", name) in numbers or name in numbers for name in lines[0]]
    made = [
        [
            cell.replace(".", style.decimal_mark) if number else cell if raw else safe(cell)
            for cell, number in zip(line, is_number, strict=True)
        ]
        for line in lines[1:]
    ]
    header = list(lines[0]) if raw else [safe(name) for name in lines[0]]
    text = csv_lines([header, *made], style.separator, "\r\n" if excel else "\n")
    return f"\ufeff{text}" if excel else text


def _workbook(rows: Rows, fields: Sequence[Field]) -> bytes:
    """Return a workbook with a sheet of the thrusts and a sheet of the fields."""
    names = [field.name for field in fields]
    lines: list[list[Cell]] = [[None if row[name] == "" else row[name] for name in names] for row in rows.values]
    header, *about = codebook.codebook_lines(rows, fields)
    return workbook([Sheet("thrusts", names, lines), Sheet("codebook", header, about)])


def _long(rows: Rows, names: Sequence[str]) -> tuple[Sequence[str], list[dict[str, str]]]:
    """Return the columns and a row for each thrust."""
    return names, [{name: cell(row[name]) for name in names} for row in rows.values]


def _wide(rows: Rows, names: Sequence[str]) -> tuple[Sequence[str], list[dict[str, str]]]:
    """Return the columns and a row for each patient and session.

    The fields of a session come first, once. Then the fields of each thrust follow, numbered from 1: ``label_1``,
    ``pain_before_1``, ``label_2``, ... in the order of `thrust_no`, then of logging. `n_thrusts` is the number of
    thrusts, which distinguishes a missing thrust from an empty value.
    """
    of_session = session_level()
    once = [name for name in names if name in of_session]
    each = [name for name in names if name not in of_session]
    # if a day or a session number differs within a folder, these are two sessions
    visits: dict[tuple[Value, ...], list[Mapping[str, Value]]] = {}
    for row in rows.values:
        visits.setdefault(tuple(row[name] for name in of_session), []).append(row)
    lines = []
    for visit in visits.values():
        visit.sort(key=lambda row: float("inf" if row["thrust_no"] is None else row["thrust_no"]))
        line = {name: cell(visit[0][name]) for name in once} | {"n_thrusts": str(len(visit))}
        lines.append(line | {f"{name}_{i}": cell(row[name]) for i, row in enumerate(visit, 1) for name in each})
    most = max(map(len, visits.values()))
    return [*once, "n_thrusts", *(f"{name}_{i}" for i in range(1, most + 1) for name in each)], lines
