"""The lines of a csv table that people wrote, with their numbers, so that an error can name the line at fault.

Tables come from spreadsheets: with or without a byte order mark, with commas or semicolons, with blank lines.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from popdetect.errors import TableError, UsageError


def lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and stripped cells of the lines that are not blank.

    Raises
    ------
    TableError
        Not UTF-8, or a quotation mark left open; starts with ``file:line``.
    UsageError
        When it cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise TableError(f"{path}:{line}: not UTF-8 text; from a spreadsheet, save it as 'CSV UTF-8'") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    head = text.lstrip().partition("\n")[0]
    semicolons = head.count(";") > head.count(",")  # what spreadsheets write where the comma is the decimal mark
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=";" if semicolons else ",", skipinitialspace=True, strict=True
    )
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise TableError(f"{path}:{reader.line_num}: {error}; is a quotation mark left open?") from error
