"""The journal out into other people's tools: the one call behind ``export``.

Decides which formats there are, how their files are named, and that they appear whole or not at all, never over
something that is there, and never over the journal or its key.
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
from popdetect.study.journal.pseudonyms import key_beside

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
    """What an export made.

    Attributes
    ----------
    format : str
    texts : mapping of str to str
        Files by name; the name is empty where the format is one file.
    written : tuple of Path
        Where they are; empty if nothing was to be written.
    n_rows : int
    row_name : str
        What a row is, such as "thrust".
    columns : tuple of str
        Fields that it carries.
    left_out : tuple of str
        Fields in which something stands and that were not asked for.
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
        A file, or a folder for formats of two files. Without it nothing is written; `Exported.texts` has it all.
    columns : sequence of str, optional
        Fields to carry, in this order, and no others. By default all in which no name can stand; the codebook
        describes all there are.
    force : bool
        Replace what is there.

    Raises
    ------
    UsageError
        When a format or field is unknown, something is there already, the journal is none, or cannot be read.
    NothingFound
        When nothing was asked of any thrust yet.
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
        if not os.path.lexists(place):
            continue
        for kept in (journal, key_beside(journal)):
            if kept.exists() and place.exists() and place.samefile(kept):
                raise UsageError(f"{_name(place)}: the study itself; an export never replaces it: choose another name")
        if not force:
            raise UsageError(f"{_name(place)}: is there already; --force replaces it")


def _name(path: Path) -> str:
    return readable(str(path))
