"""Export the journal: the formats, their files, and the csv tables.

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
from popdetect.session.files import make_folder, readable, write_files
from popdetect.session.tables import csv_text
from popdetect.study.export import codebook, fhir, redcap
from popdetect.study.export.rows import Rows, cell, chosen, must_be_clear, read
from popdetect.study.fields import Value, session_level
from popdetect.study.journal.pseudonyms import may_write

# each format and what its rows are
FORMATS: Final[Mapping[str, str]] = {
    "csv": "thrust", "wide": "patient session", "redcap": "thrust", "codebook": "field", "fhir": "observation",
}  # fmt: skip
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
    columns, left_out : tuple of str
        Exported fields, and fields with values that are not in the export.
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
        If a format or field is unknown, the meaning of a number would not be exported with it, a file exists already,
        or the journal cannot be read.
    NothingFound
        If no thrust has a score yet.
    """
    if format not in FORMATS:
        raise UsageError(f"format: {format!r}: one of {', '.join(FORMATS)} is allowed")
    rows = read(journal)
    if columns is None and format == "codebook":
        columns = [field.name for field in rows.fields]
    if columns is None and format == "fhir":
        columns = fhir.FHIR_FIELDS
    fields = chosen(rows, columns)
    names = tuple(field.name for field in fields)
    hints: tuple[str, ...] = ()
    if format == "redcap":
        texts, n_rows = redcap.redcap_files(rows, fields)
        hints = (redcap.HOW_TO,)
    elif format == "codebook":
        texts, n_rows = codebook.codebook_files(rows, fields), len(fields)
    elif format == "fhir":
        text, n_rows, hints = fhir.bundle(rows, names)
        texts = {"": text}
    else:
        must_be_clear(rows, fields)
        header, lines = (_long if format == "csv" else _wide)(rows, names)
        texts, n_rows = {"": csv_text(header, lines)}, len(lines)
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
