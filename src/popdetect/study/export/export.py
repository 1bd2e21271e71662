"""Export the journal: the formats and their files.

Files are written completely or not at all. They never replace an existing file unless that is asked for, and never the
journal or its key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from popdetect.errors import UsageError
from popdetect.session.files import make_folder, readable, write_texts
from popdetect.study.export import codebook as export_codebook
from popdetect.study.export import fhir as export_fhir
from popdetect.study.export import redcap as export_redcap
from popdetect.study.export import tables as export_tables
from popdetect.study.export.rows import Rows, chosen, read
from popdetect.study.journal.pseudonyms import may_write

# each format and what its rows are
FORMATS: Final[Mapping[str, str]] = {
    "csv": "thrust",
    "wide": "patient session",
    "redcap": "thrust",
    "codebook": "field",
    "fhir": "observation",
}
IN_A_FOLDER: Final = ("redcap", "codebook")  # two files each


@dataclass(frozen=True, slots=True)
class Exported:
    """The result of an export.

    Attributes
    ----------
    format : str
    texts : mapping of str to str
        Files by name; the name is empty if the format is one file.
    written : tuple of Path
        Paths of the files; empty if nothing was to be written.
    n_rows : int
    row_name : str
        Meaning of a row, such as "thrust".
    columns : tuple of str
        Exported fields.
    left_out : tuple of str
        Fields with values that are not in the export.
    hints : tuple of str
    """

    format: str
    texts: Mapping[str, str]
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
) -> Exported:
    """Export a journal.

    Parameters
    ----------
    journal : path
    format : {"csv", "wide", "redcap", "codebook", "fhir"}
    out : path, optional
        A file, or a folder for formats of two files. Without it nothing is written; see `Exported.texts`.
    columns : sequence of str, optional
        Fields to export, in this order. By default all that hold no names; the codebook describes all fields.
    force : bool
        Replace existing files.

    Raises
    ------
    UsageError
        If a format or field is unknown, a file exists already, or the journal cannot be read.
    NothingFound
        If no thrust has a score yet.
    """
    if format not in FORMATS:
        raise UsageError(f"format: {format!r}: one of {', '.join(FORMATS)} is allowed")
    rows = read(journal)
    if columns is None and format == "codebook":
        columns = [field.name for field in rows.fields]
    if columns is None and format == "fhir":
        columns = export_fhir.FHIR_FIELDS
    fields = chosen(rows, columns)
    hints: tuple[str, ...] = ()
    if format == "redcap":
        texts, n_rows = export_redcap.redcap_files(rows, fields)
        hints = (export_redcap.HOW_TO,)
    elif format == "codebook":
        texts, n_rows = export_codebook.codebook_files(rows, fields)
    elif format == "fhir":
        text, n_rows, hints = export_fhir.bundle(rows, fields)
        texts = {"": text}
    else:
        table = export_tables.long_table if format == "csv" else export_tables.wide_table
        text, n_rows = table(rows, fields)
        texts = {"": text}
    written: tuple[Path, ...] = ()
    if out is not None:
        places = {Path(out, name) if name else Path(out): text for name, text in texts.items()}
        _check(places, Path(out), format, Path(journal), force)
        if format in IN_A_FOLDER:
            make_folder(Path(out))
        write_texts(places)
        written = tuple(places)
    names = tuple(field.name for field in fields)
    return Exported(format, texts, written, n_rows, FORMATS[format], names, _left_out(rows, names), hints)


def _left_out(rows: Rows, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in rows.fields
        if field.name not in names and any(row[field.name] not in (None, "") for row in rows.values)
    )


def _check(places: Mapping[Path, str], out: Path, format: str, journal: Path, force: bool) -> None:
    if format not in IN_A_FOLDER and out.is_dir():
        raise UsageError(f"{_name(out)}: a folder; {format} is one file, such as {_name(out / 'study.csv')}")
    for place in places:
        may_write(place, journal, force=force, what="an export")


def _name(path: Path) -> str:
    return readable(str(path))
