r"""``corrections.csv``: what people answered about the clips of a labelled session, a line for each answer.

The last line of each file and rater counts. Nothing is ever overwritten: an answer that is taken back is a line too,
which says again what counted before it (`undone` is 1), with an empty label where that was nothing. Onsets are seconds
from the start of the clip, increasing; a ``pop`` without onsets is one that nobody marked. Times are ISO 8601 in UTC.

A line begun when the power failed is no answer; it is passed over, and what was whole before it counts.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from popdetect.errors import TableError
from popdetect.records import LABELS, Label
from popdetect.session.files import OUT_NAME, read_bytes
from popdetect.session.tables import Row, parse_table

NAME = "corrections.csv"
COLUMNS = (
    "file", "label", "onsets_s", "rater", "answered_at", "detector_label", "detector_p_pop", "model", "model_sha256",
    "blind", "drawn", "revealed", "undone",
)  # fmt: skip
REQUIRED = COLUMNS[:5]
CONSENSUS = "consensus"  # the rater of what two raters settled between them


@dataclass(frozen=True, slots=True)
class Correction:
    """One answer.

    Attributes
    ----------
    file : str
        The clip, as in ``clips.csv``.
    label : {"pop", "no_pop", "uncertain", ""}
        Empty where an answer was taken back and there was none before it.
    onsets_s : tuple of float ≥ 0, increasing
        The pops the person marked, or left as the detector had marked them.
    rater : str
    answered_at : str
        ISO 8601, UTC.
    detector_label : str
        What the detector had said; empty where it could not judge the clip.
    detector_p_pop : float in [0, 1], or None
    model, model_sha256 : str
    blind : bool
        The person had not been shown what the detector said.
    drawn : str
        Why the clip was in the queue: ``uncertain``, ``near``, ``random``; empty for older lines.
    revealed : bool
        The line answers nothing: from here on the person knew what the detector had said.
    undone : bool
        The line takes an answer back.
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


def read(folder: Path) -> tuple[Correction, ...]:
    """Read the answers that count: the last of each file and rater, without those taken back.

    Parameters
    ----------
    folder : Path
        A session's folder, or the folder of its tables.

    Returns
    -------
    tuple of Correction
        In order of file, then rater; empty where nobody answered yet.

    Raises
    ------
    TableError
        Beginning with ``file:line:``, for a line that cannot be used.
    UsageError
        When the file cannot be read.
    """
    last = latest(history(place(folder)))
    return tuple(last[key] for key in sorted(last) if last[key].label)


def place(folder: Path) -> Path:
    """Where the answers of a session are, or will be, whichever of its two folders is named."""
    inside = folder / OUT_NAME
    return (inside if inside.is_dir() and not (folder / NAME).is_file() else folder) / NAME


def history(path: Path) -> list[Correction]:
    """Every line in order, also what no longer counts.

    Raises
    ------
    TableError, UsageError
    """
    if not path.exists():
        return []
    raw = read_bytes(path)
    return parse(raw[: whole(raw)], str(path))


def latest(answers: Iterable[Correction]) -> dict[tuple[str, str], Correction]:
    """What counts by (file, rater); labels of answers taken back are empty."""
    return {(answer.file, answer.rater): answer for answer in answers}


def whole(raw: bytes) -> int:
    """How many bytes of a file are lines to their end.

    A quoted cell may hold the end of a line, so quotes are counted. A last line that lacks nothing but its end, as
    editors leave it, is whole.
    """
    end = at = 0
    while (at := raw.find(b"\n", at) + 1) > 0:
        if raw.count(b'"', end, at) % 2 == 0:
            end = at
    tail = raw[end:]
    return len(raw) if tail and _is_complete(tail, raw) else end


def parse(raw: bytes, name: str) -> list[Correction]:
    """Lines to answers; `name` is the file's, for messages.

    Raises
    ------
    TableError
    """
    if not raw.strip():
        return []
    table = parse_table(raw, name)
    missing = [column for column in REQUIRED if column not in table.columns]
    if missing:
        raise TableError(f"{name}:{table.header_line}: no column {', '.join(missing)}; this file is written by review")
    return [_correction(row, f"{name}:{line}") for row, line in zip(table.rows, table.lines, strict=True)]


def row(answer: Correction) -> Row:
    """One answer as cells, with every one of `COLUMNS` in order."""
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
        "blind": _flag(answer.blind),
        "drawn": answer.drawn,
        "revealed": _flag(answer.revealed),
        "undone": _flag(answer.undone),
    }


def _correction(cells: Mapping[str, str], where: str) -> Correction:
    label = next((allowed for allowed in LABELS if allowed == cells["label"]), None)
    if label is None and cells["label"]:
        raise TableError(f"{where}: label {cells['label']!r}; {', '.join(LABELS)} are allowed, or nothing")
    if not cells["file"] or not cells["rater"]:
        raise TableError(f"{where}: no {'rater' if cells['file'] else 'file'}; each answer is somebody's, of some clip")
    onsets_s = tuple(sorted(_number(word, where, "onset") for word in cells["onsets_s"].split()))
    p_pop = cells.get("detector_p_pop", "")
    return Correction(
        file=cells["file"],
        label=label or "",
        onsets_s=onsets_s,
        rater=cells["rater"],
        answered_at=cells["answered_at"],
        detector_label=cells.get("detector_label", ""),
        detector_p_pop=_number(p_pop, where, "detector_p_pop") if p_pop else None,
        model=cells.get("model", ""),
        model_sha256=cells.get("model_sha256", ""),
        blind=cells.get("blind") == "1",
        drawn=cells.get("drawn", ""),
        revealed=cells.get("revealed") == "1",
        undone=cells.get("undone") == "1",
    )


def _number(word: str, where: str, what: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise TableError(f"{where}: {what} {word!r}; a number of 0 or more is allowed")
    return value


def _flag(yes: bool) -> str:
    return "1" if yes else "0"


def _is_complete(tail: bytes, raw: bytes) -> bool:
    """Whether a line without its end has every cell to the last, which is a flag and so never empty."""
    try:
        header = next(csv.reader(io.StringIO(raw[: raw.find(b"\n")].decode("utf-8-sig"))), [])
        cells = next(csv.reader(io.StringIO(tail.decode(), newline=""), strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        return False
    return len(cells) == len(header) and header[-1:] == ["undone"] and cells[-1] in ("0", "1")
