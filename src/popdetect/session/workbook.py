"""Excel workbooks (``.xlsx``), read and written with openpyxl; the only such module of the package.

A workbook is read as `tables.read_table` reads a csv file that a person wrote: the same rows of text, with the lines of
the sheet. Written workbooks have typed cells, rules for what may be typed in, and no date of their making: the same
content gives the same file. A text that begins with ``=`` stays a text.
"""

from __future__ import annotations

import io
import os
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

from popdetect.errors import TableError, UsageError, missing_extra
from popdetect.session.files import read_bytes, readable
from popdetect.session.tables import Row, Table, begins_like_a_formula

SUFFIX: Final = ".xlsx"
Cell = str | int | float | None

_OLD_FORMAT = bytes.fromhex("d0cf11e0a1b11ae1")  # .xls, and workbooks with a password
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # of a zip file
_MORE_LINES = 500  # below the last line that follow the rules, too
_WIDEST = 60  # letters


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be typed into a column: one of `choices`, or what `formula` allows, or a date, or a text as it is."""

    choices: tuple[str, ...] = ()
    formula: str = ""  # for the first line of data, such as ``AND(B2>=0,B2<=10)``; Excel adapts it to the others
    is_date: bool = False
    is_text: bool = False  # 001 stays 001
    message: str = ""  # shown if something else is typed


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet to write: a header, and lines of cells."""

    name: str
    columns: Sequence[str]
    lines: Sequence[Sequence[Cell]]
    rules: Mapping[str, Rule] = field(default_factory=dict)  # by column


def read_workbook(path: str | os.PathLike[str], sheet: str) -> Table:
    """Read a sheet of a workbook: that of the name `sheet`, else the first one.

    Numbers, dates and logical values become text: ``7``, ``2026-03-03``, ``TRUE``. Zeros that the format of a cell
    shows are kept (``001``).

    Raises
    ------
    TableError
        For merged cells, errors such as ``#REF!``, and formulas without a result, with the line.
    UsageError
        If the file is not a workbook.
    """
    name = readable(os.fspath(path))
    raw = read_bytes(path)
    if raw.startswith(_OLD_FORMAT):
        raise UsageError(f"{name}: an old Excel file, or one with a password; save it as .xlsx without a password")
    found, formulas = (_opened(raw, name, sheet, data_only=values) for values in (True, False))
    problems = [
        f"{name}:{area.min_row}: the cells {area.coord} are merged; unmerge them and fill in each cell"
        for area in sorted(found.merged_cells.ranges, key=lambda area: area.min_row)
    ]
    columns: list[str] | None = None
    rows: list[Row] = []
    lines: list[int] = []
    header_line = 1
    for number, (cells, written) in enumerate(zip(found.iter_rows(), formulas.iter_rows(), strict=True), 1):
        for cell, formula in zip(cells, written, strict=True):
            if formula.data_type == "f" and cell.value is None:
                problems.append(
                    f"{name}:{number}: {cell.coordinate} is a formula without a result; open and save it in Excel"
                )
            elif cell.data_type == "e" and cell.value != "#N/A":
                problems.append(f"{name}:{number}: {cell.coordinate} is the error {cell.value}; correct the formula")
        texts = [_text(cell).strip() for cell in cells]
        if not any(texts):
            continue
        if columns is None:
            columns, header_line = texts, number
            twice = next((text for i, text in enumerate(texts) if text and text in texts[:i]), None)
            if twice is not None:
                problems.append(f"{name}:{number}: two columns are named {twice!r}")
        else:
            row = dict(zip(columns, texts, strict=True))
            unnamed = [text for column, text in zip(columns, texts, strict=True) if not column and text]
            rows.append(row | ({"": " ".join(unnamed)} if "" in row else {}))
            lines.append(number)
    if columns is None:
        problems.append(f"{name}:1: the sheet {found.title!r} is empty; its first line must name the columns")
    if problems:
        raise TableError(*problems)
    return Table(columns or [], rows, lines, header_line)


def workbook(sheets: Sequence[Sheet]) -> bytes:
    """Return a workbook with these sheets as the bytes of its file."""
    book = _openpyxl().Workbook()
    book.remove(book.active)
    for sheet in sheets:
        _write(book.create_sheet(sheet.name), sheet)
    return _saved(book)


def with_lines(path: Path, sheet: str, lines: Sequence[Mapping[str, Cell]]) -> bytes:
    """Return a workbook with further lines below those of a sheet, by column; all else stays as it is."""
    name = readable(os.fspath(path))
    table = read_workbook(path, sheet)
    book = _load(read_bytes(path), name, data_only=False)
    page = _sheet(book, sheet)
    last = max([table.header_line, *table.lines])
    for i, line in enumerate(lines, 1):
        for number, column in enumerate(table.columns, 1):
            if line.get(column) not in (None, ""):
                _set(page.cell(last + i, number), line[column])
    return _saved(book)


def _openpyxl() -> Any:
    try:
        import openpyxl
    except ModuleNotFoundError as error:
        raise missing_extra(error, "an Excel workbook") or error from None
    return openpyxl


def _opened(raw: bytes, name: str, sheet: str, *, data_only: bool) -> Any:
    return _sheet(_load(raw, name, data_only=data_only), sheet)


def _load(raw: bytes, name: str, *, data_only: bool) -> Any:
    load = _openpyxl().load_workbook
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on parts of a workbook that openpyxl does not know
        try:
            return load(io.BytesIO(raw), data_only=data_only)
        except Exception as error:  # whatever a damaged file leads to
            raise UsageError(f"{name}: not an Excel workbook (.xlsx), or a damaged one: {error}") from error


def _sheet(book: Any, sheet: str) -> Any:
    named = {page.title.casefold(): page for page in reversed(book.worksheets)}
    return named.get(sheet.casefold(), book.worksheets[0])


def _text(cell: Any) -> str:
    """Return a cell as a person would write it into a csv file."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ", "seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(round(value, 12))
    if isinstance(value, int) and re.fullmatch("0+", cell.number_format):
        return f"{value:0{len(cell.number_format)}}"
    return str(value)


def _write(page: Any, sheet: Sheet) -> None:
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    for number, column in enumerate(sheet.columns, 1):
        head = page.cell(1, number)
        _set(head, column)
        head.font = Font(bold=True)
        texts = [column, *(str(line[number - 1]) for line in sheet.lines if line[number - 1] is not None)]
        widest = max(map(len, texts))
        letter = get_column_letter(number)
        page.column_dimensions[letter].width = min(widest, _WIDEST) + 3
        for i, line in enumerate(sheet.lines, 2):
            _set(page.cell(i, number), line[number - 1])
            if widest > _WIDEST:
                page.cell(i, number).alignment = Alignment(wrap_text=True, vertical="top")
        if column in sheet.rules:
            _add_rule(page, sheet.rules[column], letter, len(sheet.lines) + 1 + _MORE_LINES)
    page.freeze_panes = "B2"
    page.page_setup.orientation = "landscape"
    page.page_setup.fitToWidth, page.page_setup.fitToHeight = 1, 0
    page.sheet_properties.pageSetUpPr.fitToPage = True
    page.print_title_rows = "1:1"


def _add_rule(page: Any, rule: Rule, letter: str, last: int) -> None:
    from openpyxl.worksheet.datavalidation import DataValidation

    cells = f"{letter}2:{letter}{last}"
    if rule.is_text or rule.is_date:
        for number in range(2, last + 1):
            page[f"{letter}{number}"].number_format = "@" if rule.is_text else "yyyy-mm-dd"
    if rule.choices:
        made = DataValidation("list", formula1=f'"{",".join(rule.choices)}"', allow_blank=True)
    elif rule.is_date:
        made = DataValidation("date", operator="greaterThan", formula1="36525", allow_blank=True)  # from the year 2000
    elif rule.formula:
        made = DataValidation("custom", formula1=rule.formula, allow_blank=True)
    else:
        return
    made.showErrorMessage = made.showInputMessage = True
    made.errorTitle, made.error = "Not allowed", rule.message[:225]
    made.add(cells)
    page.add_data_validation(made)


def _set(cell: Any, value: Cell) -> None:
    if isinstance(value, str):
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

        cell.value = ILLEGAL_CHARACTERS_RE.sub("\ufffd", value)
        cell.data_type = "s"  # openpyxl would take =1+1 for a formula
        cell.quotePrefix = begins_like_a_formula(value)
    else:
        cell.value = value


def _saved(book: Any) -> bytes:
    """Return the file, without the time at which it was made."""
    book.properties.creator = "popdetect"
    raw, made = io.BytesIO(), io.BytesIO()
    book.save(raw)
    with zipfile.ZipFile(raw) as before, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as after:
        for name in before.namelist():
            content = before.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"<dcterms:(created|modified)\b.*?</dcterms:\1>", b"", content)
            after.writestr(zipfile.ZipInfo(name, _EARLIEST), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()
