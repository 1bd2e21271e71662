"""``corrections.csv``: the answers of people who reviewed a labelled session, one line for each answer.

The last line for each file and rater counts. The file is only ever appended to. Undoing an answer appends a line, too:
`undone` is 1, and the line repeats the answer before it, or has an empty label if there was none. Onsets are seconds
from the start of the clip, increasing; a ``pop`` without onsets was not marked. Times are ISO 8601 in UTC.

Damaged lines are left out and reported (see `append_only`). A line with the names of columns holds for the lines after
it. Where it is damaged, lines are read as having the columns that popdetect writes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from popdetect.errors import TableError
from popdetect.records import LABELS, Label
from popdetect.session import append_only
from popdetect.session.append_only import BOM, DamagedLine
from popdetect.session.files import OUT_NAME, read_bytes
from popdetect.session.tables import Row

NAME = "corrections.csv"
COLUMNS = (
    "file", "label", "onsets_s", "rater", "answered_at", "detector_label", "detector_p_pop", "model", "model_sha256",
    "blind", "drawn", "revealed", "undone",
)  # fmt: skip
REQUIRED = COLUMNS[:5]
CONSENSUS = "consensus"  # the rater's name of an answer on which two raters agreed afterwards
_FLAGS = ("blind", "revealed", "undone")


@dataclass(frozen=True, slots=True)
class Correction:
    """One answer.

    Attributes
    ----------
    file : str
        The clip, as in ``clips.csv``.
    label : {"pop", "no_pop", "uncertain", ""}
        Empty where an answer was undone and there was none before it.
    onsets_s : tuple of float ≥ 0, increasing
        The pops as the person marked them, or as the detector had and the person left them.
    rater : str
    answered_at : str
        ISO 8601, UTC.
    detector_label : str
        The detector's label; empty where the clip could not be processed.
    detector_p_pop : float in [0, 1], or None
    model, model_sha256 : str
    blind : bool
        The rater had not seen the detector's label when answering.
    drawn : str
        Why the clip was in the queue: ``uncertain``, ``near``, ``random``; empty for older lines.
    revealed : bool
        The line is no new answer: it notes that the rater has seen the detector's label.
    undone : bool
        The line undoes an answer.
    """

    file: str
    label: Label | Literal[""]
    onsets_s: tuple[float, ...]
    rater: str
    answered_at: str
    detector_label: str = ""
    detector_p_pop: float | None = None
    model: str = ""
    model_sha256: str = ""
    blind: bool = False
    drawn: str = ""
    revealed: bool = False
    undone: bool = False


class Log(NamedTuple):
    """The content of a ``corrections.csv``.

    Attributes
    ----------
    answers : list of Correction
        Every answer, in the order of the file; also those that no longer count.
    damaged : list of DamagedLine
    columns : list of str
        As named by the last line that names columns; empty without one.
    """

    answers: list[Correction]
    damaged: list[DamagedLine]
    columns: list[str]


def read(folder: Path) -> tuple[Correction, ...]:
    """Read the answers that count: the last of each file and rater, without undone ones.

    Parameters
    ----------
    folder : Path
        A session's folder, or the folder of its tables.

    Returns
    -------
    tuple of Correction
        In order of file, then rater; empty without a ``corrections.csv``.

    Raises
    ------
    TableError, UsageError
        As `history`.

    Warns
    -----
    DamagedLinesWarning
    """
    last = latest(history(place(folder)))
    return tuple(last[key] for key in sorted(last) if last[key].label)


def place(folder: Path) -> Path:
    """Path of the ``corrections.csv`` of a session; `folder` is the session's or that of its tables."""
    inside = folder / OUT_NAME
    return (inside if inside.is_dir() and not (folder / NAME).is_file() else folder) / NAME


def history(path: Path) -> list[Correction]:
    """Every answer in the order of the file; also those that no longer count.

    Raises
    ------
    TableError
        For a file that is no comma-separated UTF-8 text.
    UsageError
        When the file cannot be read.

    Warns
    -----
    DamagedLinesWarning
        Names the lines that are left out.
    """
    log = load(path)
    if log.damaged:
        append_only.warn_of_damage(path, log.damaged)
    return log.answers


def load(path: Path) -> Log:
    """Read the file with its damage, as `history` does, but without a warning; nothing where there is no file."""
    return parse(read_bytes(path), str(path)) if path.exists() else Log([], [], [])


def latest(answers: Iterable[Correction]) -> dict[tuple[str, str], Correction]:
    """Return the last answer by (file, rater); the label of an undone answer may be empty."""
    return {(answer.file, answer.rater): answer for answer in answers}


def parse(raw: bytes, name: str) -> Log:
    """Read the bytes of a file; `name` is the file's, for messages.

    Raises
    ------
    TableError
        For a file that is no comma-separated UTF-8 text.
    """
    columns: list[str] = []

    def parse_record(cells: list[str]) -> Correction | list[str]:
        nonlocal columns
        if _is_header(cells):
            columns = cells
            return columns
        try:
            return _correction(_by_column(cells, columns or [*COLUMNS, *[""] * (len(cells) - len(COLUMNS))]))
        except ValueError:
            if len(cells) != len(COLUMNS):
                raise
            return _correction(_by_column(cells, list(COLUMNS)))

    records, damaged = append_only.read_records(raw, parse_record)
    if damaged and not records:
        first = raw.removeprefix(BOM).lstrip().split(b"\n")[0]
        if raw[:2] in (b"\xff\xfe", b"\xfe\xff") and b"f\0i\0l\0e" in first:  # UTF-16
            raise TableError(f"{name}:1: not UTF-8; save it as 'CSV UTF-8 (comma delimited)'")
        for separator, word in ((b";", "semicolons"), (b"\t", "tabs")):
            if first.count(separator) > first.count(b","):
                raise TableError(f"{name}:1: separated by {word}; save it as 'CSV UTF-8 (comma delimited)'")
    return Log([record for record in records if isinstance(record, Correction)], damaged, columns)


def row(answer: Correction) -> Row:
    """Render one answer as cells, with all of `COLUMNS` in order."""
    p_pop = answer.detector_p_pop
    return {
        "file": answer.file,
        "label": answer.label,
        "onsets_s": " ".join(f"{onset:.5f}" for onset in answer.onsets_s),
        "rater": answer.rater,
        "answered_at": answer.answered_at,
        "detector_label": answer.detector_label,
        "detector_p_pop": "" if p_pop is None else f"{p_pop:.4f}",
        "model": answer.model,
        "model_sha256": answer.model_sha256,
        "blind": str(int(answer.blind)),
        "drawn": answer.drawn,
        "revealed": str(int(answer.revealed)),
        "undone": str(int(answer.undone)),
    }


def _is_header(cells: list[str]) -> bool:
    """Whether cells name columns: the required ones, no name twice, and none of `COLUMNS` misspelt by damage."""
    names = [cell for cell in cells if cell]
    if not all(column in names for column in REQUIRED) or len(set(names)) < len(names):
        return False
    pairs = list(zip(cells, COLUMNS, strict=False))
    is_ours = sum(cell == column for cell, column in pairs) > len(COLUMNS) / 2
    return not is_ours or all(cell in COLUMNS or column in cells for cell, column in pairs)


def _by_column(cells: list[str], columns: list[str]) -> dict[str, str]:
    if not _n_needed(tuple(columns)) <= len(cells) <= len(columns):
        raise ValueError(f"{len(cells)} cells under {len(columns)} columns")
    return dict(zip(columns, cells, strict=False))


@cache
def _n_needed(columns: tuple[str, ...]) -> int:
    """How many cells a line has at least: to the last of `COLUMNS`; cells of other columns may be missing."""
    return 1 + max(number for number, column in enumerate(columns) if column in COLUMNS)


def _correction(cells: Mapping[str, str]) -> Correction:
    """Turn the cells of a line into an answer; ValueError, with the reason, where they are none."""
    label = next((allowed for allowed in LABELS if allowed == cells["label"]), None)
    if label is None and cells["label"]:
        raise ValueError(f"label {cells['label']!r}; {', '.join(LABELS)} or an empty cell are allowed")
    if not cells["file"] or not cells["rater"]:
        raise ValueError(f"no {'rater' if cells['file'] else 'file'}")
    flags = {flag: cells.get(flag, "0") for flag in _FLAGS}
    for flag, cell in flags.items():
        if cell not in ("0", "1"):
            raise ValueError(f"{flag} {cell!r}; 0 or 1 is allowed")
    p_pop = cells.get("detector_p_pop", "")
    return Correction(
        file=cells["file"],
        label=label or "",
        onsets_s=tuple(sorted(_number(word, "onset") for word in cells["onsets_s"].split())),
        rater=cells["rater"],
        answered_at=cells["answered_at"],
        detector_label=cells.get("detector_label", ""),
        detector_p_pop=_number(p_pop, "detector_p_pop") if p_pop else None,
        model=cells.get("model", ""),
        model_sha256=cells.get("model_sha256", ""),
        drawn=cells.get("drawn", ""),
        **{flag: cell == "1" for flag, cell in flags.items()},
    )


def _number(word: str, what: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{what} {word!r}; a number of 0 or more is allowed")
    return value
