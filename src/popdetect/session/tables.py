r"""csv files, written and read; the only such module of the package.

Written files are UTF-8, comma separated, with ``\n`` at the end of lines; `Excel` has what a spreadsheet of a country
needs instead. There are two ways of reading: as popdetect writes, where each character counts, and `by_hand`, as people
and spreadsheets write. A cell that a spreadsheet would take for a formula is made safe by an apostrophe (`safe`), which
is taken away again in reading by hand.
"""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from popdetect.errors import TableError
from popdetect.session.files import read_bytes

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab"}

Row = dict[str, str]

# a spreadsheet takes a cell that begins so for a formula or a command; those beyond ASCII are the wide forms
_FORMULA = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[-+]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][-+]?[0-9]+)?")


class Excel(NamedTuple):
    """How the Excel of a country writes csv files."""

    separator: str
    decimal_mark: str


EXCEL: Final[Mapping[str, Excel]] = {"de": Excel(";", ","), "en": Excel(",", ".")}


def begins_like_a_formula(cell: str) -> bool:
    """Return whether a spreadsheet would take a cell for a formula; numbers such as -1.5 are none."""
    return _FORMULA.match(cell) is not None and not _NUMBER.fullmatch(cell)


def safe(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: with an apostrophe before it, if needed."""
    return f"'{cell}" if begins_like_a_formula(cell) else cell


def unsafe(cell: str) -> str:
    """Return a cell without the apostrophe of `safe`."""
    return cell[1:] if cell.startswith("'") and begins_like_a_formula(cell[1:]) else cell


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Render rows as csv under a header of `columns`; a missing cell is empty."""
    return csv_lines([list(columns), *([row.get(column, "") for column in columns] for row in rows)])


def csv_lines(lines: Sequence[Sequence[str]], separator: str = ",", line_end: str = "\n") -> str:
    """Render lines of cells as csv."""
    text = io.StringIO(newline="")
    plain = csv.writer(text, lineterminator=line_end, delimiter=separator)
    # Python before 3.13 leaves a lone \r unquoted when lines end in \n, and then cannot read it back
    careful = csv.writer(text, lineterminator=line_end, delimiter=separator, quoting=csv.QUOTE_ALL)
    for cells in lines:
        (careful if "\r" in "".join(cells) else plain).writerow(cells)
    return text.getvalue()


class Table(NamedTuple):
    """A csv file as it was read."""

    columns: list[str]  # as they are written in the header
    rows: list[Row]  # one for each line, by column
    lines: list[int]  # the line each row begins at, from 1, as editors count
    header_line: int
    encoding: str = "utf-8-sig"
    separator: str = ","


def read_rows(path: str | os.PathLike[str]) -> list[Row]:
    """Return the rows of `read_table`."""
    return read_table(path).rows


def read_table(path: str | os.PathLike[str], *, by_hand: bool = False, hint: str = "") -> Table:
    r"""Read a csv file with a header. A byte order mark is ignored; cells missing at the end of a row are empty.

    Parameters
    ----------
    path : path
    by_hand : bool
        The table was written by a person or a spreadsheet. Semicolons and tabs separate too (the header decides), a
        first line such as ``sep=;`` is for Excel, spaces around cells do not count, and rows of empty cells are left
        out. UTF-16 ("Unicode text" of Excel) and the code page of Windows (cp1252) are read too.
    hint : str
        What else may be wrong with a row that has too many cells.

    Raises
    ------
    TableError
        Beginning with ``file:line:``, for a line that cannot be used.
    UsageError
        When the file cannot be read at all.
    """
    raw, name = read_bytes(path), os.fspath(path)
    text, encoding = _decoded(raw, name, by_hand)
    separator = _separator(text) if by_hand else ","
    reader = csv.reader(
        io.StringIO(text, newline=""), strict=True, delimiter=separator, skipinitialspace=by_hand and separator != "\t"
    )
    columns: list[str] | None = None
    rows: list[Row] = []
    lines: list[int] = []
    line = header_line = 1
    try:
        for cells in reader:
            here, line = line, reader.line_num + 1  # a row may extend over several lines: name its first
            if by_hand:
                cells = [unsafe(cell.strip()) for cell in cells]
            if not cells or (by_hand and (not any(cells) or (columns is None and "".join(cells).startswith("sep=")))):
                continue
            if columns is None:
                columns, header_line = _header(cells, f"{name}:{here}"), here
            elif len(cells) > len(columns):
                raise TableError(
                    f"{name}:{here}: {len(cells)} cells, the header names {len(columns)} columns; "
                    f"put quotes around a cell that has a {_SEPARATORS[separator]} in it{hint}"
                )
            else:
                rows.append(dict(zip(columns, cells + [""] * (len(columns) - len(cells)), strict=True)))
                lines.append(here)
    except csv.Error as error:
        raise TableError(f"{name}:{line}: not csv: {error}; is a quotation mark left open?") from None
    if columns is None:
        raise TableError(f"{name}:1: an empty table; its first line must name the columns")
    return Table(columns, rows, lines, header_line, encoding, separator)


def _decoded(raw: bytes, name: str, by_hand: bool) -> tuple[str, str]:
    """Return the text of a file and its encoding."""
    is_utf_16 = by_hand and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encodings = ["utf-16"] if is_utf_16 else ["utf-8-sig", "cp1252"] if by_hand else ["utf-8-sig"]
    for encoding in encodings:
        try:
            return raw.decode(encoding), encoding
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
    raise TableError(f"{name}:{line}: not UTF-8; save it as 'CSV UTF-8 (comma delimited)'")


def _separator(text: str) -> str:
    """Return the separator that is most frequent in the first line that is not blank; ``sep=;`` has one, too."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(_SEPARATORS, key=first.count)


def _header(cells: list[str], where: str) -> list[str]:
    if len(cells) == 1 and ";" in cells[0]:
        raise TableError(f"{where}: separated by semicolons; save it as 'CSV UTF-8 (comma delimited)'")
    twice = next((cell for i, cell in enumerate(cells) if cell and cell in cells[:i]), None)
    if twice is not None:
        raise TableError(f"{where}: two columns are named {twice!r}")
    return cells
