"""The truth, as people wrote it: which clips contain a pop, and when.

Read from a table (``labels.csv``), from two folders ``pop/`` and ``no_pop/``, or from label files of other programs
(see `popdetect.session.label_folders`), which also say where the pops are in the clips of these two folders. Onsets
are seconds from the start of the clip, increasing. A line that cannot be used is an error: a guess would lead to wrong
scores. What does not count, such as a clip without a label file, is reported as a `LeftOutWarning`.
"""

from __future__ import annotations

import math
import posixpath
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from popdetect.detection.audio.formats import EXTENSIONS, LOOKED_FOR
from popdetect.errors import LeftOutWarning, TableError, UsageError
from popdetect.records import LABELS, Label
from popdetect.session import label_folders
from popdetect.session.files import readable, write_text
from popdetect.session.label_folders import FolderLabels
from popdetect.session.tables import csv_text, read_table

TABLE_NAME = "labels.csv"
REQUIRED = ("file", "label", "onsets_s")
OPTIONAL = ("patient_id",)
CLASS_FOLDERS: tuple[Label, ...] = ("pop", "no_pop")


@dataclass(frozen=True, slots=True)
class Truth:
    """The truth about one clip, by a person."""

    file: str  # as written, with `/` separators, relative to the table or folder it was read from
    path: Path  # its place; the file may be missing
    label: Label  # `uncertain` clips are kept and never scored
    onsets_s: tuple[float, ...] | None  # s, increasing; None: nobody marked them, (): there are none
    patient_id: str = ""  # empty when not known
    extra: dict[str, str] = field(default_factory=dict)  # every other column of the table


def read_labels(source: Path) -> list[Truth]:
    """Read a table, a folder with ``labels.csv`` or with ``pop/`` and ``no_pop/`` in it, or a folder with label files.

    Where a folder has several of these, the first of them counts. A folder with label files is one of clips, each with
    its label file, or a session whose label files in ``popdetect/`` a person corrected. If `source` is a folder of
    label files itself, such as ``session_07/popdetect/audacity``, all files in it count, also those that nobody
    changed. An empty label file means ``no_pop``; a clip without one is left out.

    The result is in the order of the table, or sorted by name; it has at least one entry.

    Raises
    ------
    TableError
        For lines that cannot be used; starts with ``file:line``. Two label files that disagree are such an error.
    UsageError
        When there is no truth to be found at `source`.

    Warns
    -----
    LeftOutWarning
        Names the clips and the label files that do not count.
    """
    if source.is_file():
        return _read_table(source)
    if not source.is_dir():
        raise UsageError(f"{source}: no such file or folder; a {TABLE_NAME} or a folder of labelled clips is needed")
    session = label_folders.session_of(source)
    if session is not None:
        return _read_label_files(session, checked=source)
    if (source / TABLE_NAME).is_file():
        truths = _read_table(source / TABLE_NAME)
        found = label_folders.read(source)
        _warn_of_files(source, "the label files of", [*found.labels, *found.problems], f"{TABLE_NAME} counts")
        return truths
    if any((source / name).is_dir() for name in CLASS_FOLDERS):
        return _read_folders(source)
    return _read_label_files(source)


def write_labels(path: Path, truths: Sequence[Truth]) -> None:
    """Write a table that `read_labels` reads, one line for each clip; onsets have 5 decimals. Raises UsageError."""
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
    table = read_table(path, by_hand=True, hint="; several onsets are separated by spaces")
    columns = _columns(table.columns, f"{path}:{table.header_line}")
    truths: dict[str, Truth] = {}
    for line, cells in zip(table.lines, table.rows, strict=True):
        where = f"{path}:{line}"
        truth = _truth({columns[name]: cell for name, cell in cells.items()}, path.parent, where)
        name = posixpath.normpath(truth.file)
        if name in truths:
            first_line = table.lines[list(truths).index(name)]
            raise TableError(f"{where}: {truth.file} is already on line {first_line}; a clip has one line")
        truths[name] = truth
    if not truths:
        raise TableError(f"{path}:{table.header_line}: a header and no clips; at least one clip is needed")
    return list(truths.values())


def _columns(header: list[str], where: str) -> dict[str, str]:
    """Return the names of the columns by those in the header, which may have capital letters."""
    known = {*REQUIRED, *OPTIONAL}
    columns = {name: name.lower() if name.lower() in known else name for name in header}
    names = list(columns.values())
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise TableError(f"{where}: no column {', '.join(missing)}; the columns are {', '.join(filter(None, names))}")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TableError(f"{where}: two columns are named {twice!r}")
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
    length_s = label_folders.beyond(folder / file, onsets_s[-1] - 0.001) if onsets_s else None
    if length_s is not None:
        raise TableError(
            f"{where}: onset {onsets_s[-1]} s, but {file} ends at {length_s:.3f} s; is this the line of another clip?"
        )
    return Truth(file, folder / file, label, _marked(label, onsets_s, where), row.get("patient_id", ""), others)


def _marked(label: Label, onsets_s: tuple[float, ...], where: str) -> tuple[float, ...] | None:
    """Return the onsets, or None if nobody marked them."""
    if label != "no_pop":
        return onsets_s or None
    if onsets_s:
        raise TableError(
            f"{where}: no_pop with onsets {' '.join(map(str, onsets_s))}; "
            "a no_pop clip has none (is its label wrong, or do they belong to another clip?)"
        )
    return ()


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
    """Read two folders, whose names are the labels; label files say where the pops are, and must not contradict."""
    missing = [name for name in CLASS_FOLDERS if not (source / name).is_dir()]
    if missing:
        raise UsageError(_no_truth(source, missing))
    clips = [
        (clip, label)
        for label in CLASS_FOLDERS
        for clip in sorted((source / label).rglob("*"))
        # what macOS leaves beside each file (._name.wav) is no clip
        if clip.suffix.lower() in EXTENSIONS and not clip.name.startswith(".") and clip.is_file()
    ]
    if not clips:
        raise UsageError(f"{source}: no clips in pop and no_pop; looked for {LOOKED_FOR}")
    found = label_folders.read(source)
    _check(found)
    truths = []
    for clip, label in clips:
        file = clip.relative_to(source).as_posix()
        onsets_s: tuple[float, ...] | None = None if label == "pop" else ()
        if (said := found.labels.get(file)) is not None:
            if label == "pop" and said.label == "no_pop":
                raise TableError(
                    f"{said.where}:1: no pop is labelled, but {file} is in the folder pop; label its pops, or delete "
                    "the label file if nobody marked them"
                )
            label = said.label if said.label == "uncertain" else label
            onsets_s = _marked(label, said.onsets_s, said.where)
        truths.append(Truth(file, clip, label, onsets_s))
    _warn_of_strays(source, found)
    return truths


def _read_label_files(source: Path, checked: Path | None = None) -> list[Truth]:
    """Read the label files of a folder; see `read_labels`."""
    found = label_folders.read(source, checked)
    _check(found)
    truths = [
        Truth(file, found.paths[file], said.label, _marked(said.label, said.onsets_s, said.where))
        for file, said in sorted(found.labels.items())
    ]
    hint = "if somebody checked them, name their folder: " + str(source / "popdetect" / "audacity")
    if not truths:
        if found.as_written:
            raise UsageError(
                f"{source}: the label files in popdetect are as popdetect wrote them, and so are the detector's, not a "
                f"person's; {hint}"
            )
        raise UsageError(_no_truth(checked or source, CLASS_FOLDERS))
    _warn_of_files(source, "no label file for", found.without, "left out")
    if checked is None:
        _warn_of_files(source, "label files as popdetect wrote them for", found.as_written, f"left out; {hint}")
    else:
        _warn_of_files(checked, "unchanged label files of", found.as_written, "they count as checked by a person")
    _warn_of_strays(source, found)
    return truths


def _no_truth(source: Path, missing: Sequence[str]) -> str:
    return (
        f"{source}: neither answers of popdetect review, nor {TABLE_NAME}, nor the folders pop and no_pop in it "
        f"(missing: {', '.join(missing)}), nor clips with label files"
    )


def _check(found: FolderLabels) -> None:
    problems = [text for file in sorted(found.problems) for text in found.problems[file]]
    if problems:
        raise TableError(*problems)


def _warn_of_strays(source: Path, found: FolderLabels) -> None:
    if found.strays:
        names = ", ".join(readable(str(path)) for path in found.strays[:3])
        more = f" and {len(found.strays) - 3} more" if len(found.strays) > 3 else ""
        _warn(f"{source}: label files that belong to no clip are left out: {names}{more}")


def _warn_of_files(source: Path, what: str, files: Sequence[str], why: str) -> None:
    if files:
        names = ", ".join(files[:3]) + (f" and {len(files) - 3} more" if len(files) > 3 else "")
        _warn(f"{source}: {what} {len(files)} {'clip' if len(files) == 1 else 'clips'} ({names}): {why}")


def _warn(text: str) -> None:
    warnings.warn(text, LeftOutWarning, stacklevel=3)
