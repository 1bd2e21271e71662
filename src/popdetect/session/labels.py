"""The truth a person wrote: which clips hold a pop, and when.

Read from a table (``labels.csv``), or from two folders ``pop/`` and ``no_pop/`` of clips with Audacity label tracks
beside them. Onsets are seconds from the start of the clip, increasing. A table that cannot be understood is refused
with the line at fault: a guess here would be a wrong score there.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from popdetect.detection.audio.recording import EXTENSIONS
from popdetect.errors import TableError, UsageError
from popdetect.records import LABELS, Label
from popdetect.session import table_numbers as table
from popdetect.session.files import write_text
from popdetect.session.tables import csv_text

TABLE_NAME = "labels.csv"
REQUIRED = ("file", "label", "onsets_s")
OPTIONAL = ("patient_id",)
CLASS_FOLDERS: tuple[Label, ...] = ("pop", "no_pop")


@dataclass(frozen=True, slots=True)
class Truth:
    """What a person says of one clip.

    Attributes
    ----------
    file : str
        As written, with ``/`` separators, relative to the table or folder it was read from.
    path : Path
        Where that is; whether it exists is not known here.
    label : {"pop", "no_pop", "uncertain"}
        ``uncertain`` clips are carried along and never scored.
    onsets_s : tuple of float ≥ 0, increasing, or None
        None means that nobody marked them, ``()`` that there are none.
    patient_id : str
        Empty when not known.
    extra : dict of str to str
        Every other column of the table.
    """

    file: str
    path: Path
    label: Label
    onsets_s: tuple[float, ...] | None
    patient_id: str = ""
    extra: dict[str, str] = field(default_factory=dict)


def read_labels(source: Path) -> list[Truth]:
    """Read a table, a folder with ``labels.csv`` in it, or a folder with ``pop/`` and ``no_pop/`` in it.

    Parameters
    ----------
    source : Path
        Where a folder has both, its ``labels.csv`` counts.

    Returns
    -------
    list of Truth
        In the order of the table, or sorted by name; at least one.

    Raises
    ------
    TableError
        For a line that cannot be used; starts with ``file:line``.
    UsageError
        When there is no truth to be found at `source`.
    """
    if source.is_file():
        return _read_table(source)
    if not source.is_dir():
        raise UsageError(f"{source}: no such file or folder; a {TABLE_NAME} or a folder of labelled clips is needed")
    if (source / TABLE_NAME).is_file():
        return _read_table(source / TABLE_NAME)
    return _read_folders(source)


def write_labels(path: Path, truths: Sequence[Truth]) -> None:
    """Write a table that `read_labels` reads, one line for each clip; onsets have 5 decimals.

    Raises
    ------
    UsageError
    """
    others = dict.fromkeys(name for truth in truths for name in truth.extra)
    rows = [
        {
            "file": truth.file,
            "label": truth.label,
            "onsets_s": " ".join(f"{onset:.5f}" for onset in truth.onsets_s or ()),
            "patient_id": truth.patient_id,
            **truth.extra,
        }
        for truth in truths
    ]
    write_text(path, csv_text([*REQUIRED, *OPTIONAL, *others], rows))


def _read_table(path: Path) -> list[Truth]:
    lines = table.lines(path)
    try:
        line, header = next(lines)
    except StopIteration:
        raise TableError(f"{path}:1: an empty table; its first line names the columns {', '.join(REQUIRED)}") from None
    columns = _columns(header, f"{path}:{line}")
    truths = []
    first_seen: dict[str, int] = {}
    for line, cells in lines:
        where = f"{path}:{line}"
        if len(cells) > len(columns):
            raise TableError(
                f"{where}: {len(cells)} cells, the header names {len(columns)} columns; "
                "several onsets are separated by spaces, and text with a separator in it stands in quotes"
            )
        # trailing empty cells are often left out
        row = dict(zip(columns, cells + [""] * (len(columns) - len(cells)), strict=True))
        truth = _truth(row, path.parent, where)
        name = posixpath.normpath(truth.file)
        if name in first_seen:
            raise TableError(f"{where}: {truth.file} is already on line {first_seen[name]}; a clip has one line")
        first_seen[name] = line
        truths.append(truth)
    if not truths:
        raise TableError(f"{path}:{line}: a header and no clips; at least one clip is needed")
    return truths


def _columns(header: list[str], where: str) -> list[str]:
    """The column names, the known ones in our spelling."""
    known = {*REQUIRED, *OPTIONAL}
    columns = [cell.lower() if cell.lower() in known else cell for cell in header]
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise TableError(f"{where}: no column {', '.join(missing)}; the columns are {', '.join(filter(None, columns))}")
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise TableError(f"{where}: column {', '.join(twice)} is there twice; each column has its own name")
    return columns


def _truth(row: dict[str, str], folder: Path, where: str) -> Truth:
    file = row["file"]
    if not file:
        raise TableError(f"{where}: no file name; each line names a clip, relative to the folder of the table")
    word = row["label"].lower()
    label = next((allowed for allowed in LABELS if allowed == word), None)
    if label is None:
        raise TableError(f"{where}: label {row['label']!r}; {', '.join(LABELS)} are allowed")
    others = {name: cell for name, cell in row.items() if name and name not in REQUIRED and name not in OPTIONAL}
    onsets_s = tuple(sorted(_seconds(word, where) for word in row["onsets_s"].split()))
    return Truth(file, folder / file, label, _marked(label, onsets_s, where), row.get("patient_id", ""), others)


def _marked(label: Label, onsets_s: tuple[float, ...], where: str) -> tuple[float, ...] | None:
    """The onsets, told apart from onsets that nobody marked."""
    if label == "no_pop":
        if onsets_s:
            raise TableError(
                f"{where}: no_pop with onsets {' '.join(map(str, onsets_s))}; "
                "a no_pop clip has none (is its label wrong, or do they belong to another clip?)"
            )
        return ()
    return onsets_s or None


def _seconds(word: str, where: str) -> float:
    try:
        # a decimal comma is safe to accept: onsets are separated by spaces. Python's own 1_000 is not meant
        value = float(word.replace(",", ".").replace("_", "?"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise TableError(
            f"{where}: onset {word!r}; seconds from the start of the clip are allowed, 0 or more, separated by spaces"
        )
    return value


def _read_folders(source: Path) -> list[Truth]:
    missing = [name for name in CLASS_FOLDERS if not (source / name).is_dir()]
    if missing:
        raise UsageError(
            f"{source}: neither answers of popdetect review, nor {TABLE_NAME}, nor the folders pop and no_pop in it "
            f"(missing: {', '.join(missing)})"
        )
    truths = [
        Truth(clip.relative_to(source).as_posix(), clip, label, _marked(label, *_track(clip)))
        for label in CLASS_FOLDERS
        for clip in sorted((source / label).rglob("*"))
        # what macOS leaves beside each file (._name.wav) is no clip
        if clip.suffix.lower() in EXTENSIONS and not clip.name.startswith(".") and clip.is_file()
    ]
    if not truths:
        raise UsageError(f"{source}: no clips in pop and no_pop; {', '.join(sorted(EXTENSIONS))} are looked for")
    return truths


def _track(clip: Path) -> tuple[tuple[float, ...], str]:
    """The onsets of the Audacity label track beside a clip, and where they were read; none without one."""
    path = clip.with_name(clip.name + ".txt")
    if not path.is_file():
        return (), str(path)
    onsets_s = []
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise TableError(f"{path}:1: not UTF-8 text; export the label track from Audacity again") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    for number, line in enumerate(lines, start=1):
        # a line with a backslash holds the frequencies of the label above it
        if line.strip() and not line.startswith("\\"):
            onsets_s.append(_seconds(line.split("\t")[0].strip(), f"{path}:{number}"))
    return tuple(sorted(onsets_s)), f"{path}:{len(lines)}"
