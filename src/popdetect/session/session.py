"""What there is to review: the clips of a labelled session, as its tables say, and where their sound is.

A clip is addressed by its number in ``clips.csv``. Its sound is only ever opened at a path that listing the session's
folder gave, and that lies inside it with all links followed: no name in a table or a request can lead elsewhere.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popdetect.errors import NothingFound, TableError, UsageError
from popdetect.session.files import OUT_NAME, find_clips
from popdetect.session.tables import Row, read_table


@dataclass(frozen=True, slots=True)
class Mark:
    """A candidate of the detector: when (s), how likely a pop, and whether it counted."""

    onset_s: float
    p_pop: float
    is_pop: bool


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """A line of ``clips.csv`` with its events.

    Attributes
    ----------
    id : int
        From 0, in the order of the table.
    file, status, label, error, model, model_sha256 : str
        As in the table; `label` is empty where the clip could not be judged.
    p_pop : float in [0, 1], or None
    duration_s : float
    quality : tuple of str
    marks : tuple of Mark
        In time order.
    path : str
        Where its sound is; empty where the folder no longer has it.
    """

    id: int
    file: str
    status: str
    label: str
    p_pop: float | None
    duration_s: float
    quality: tuple[str, ...]
    error: str
    model: str
    model_sha256: str
    marks: tuple[Mark, ...]
    path: str

    @property
    def pops_s(self) -> tuple[float, ...]:
        """Onsets that counted as pops, seconds."""
        return tuple(mark.onset_s for mark in self.marks if mark.is_pop)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A labelled session.

    Attributes
    ----------
    folder, out : Path
        The clips; their tables.
    clips : tuple of LabelledClip
    thresholds : (float, float)
        Below the first ``no_pop``, from the second ``pop``.
    """

    folder: Path
    out: Path
    clips: tuple[LabelledClip, ...]
    thresholds: tuple[float, float]


def load(folder: Path, out: Path | None = None) -> Labelled:
    """Read a session that `popdetect label` has labelled.

    Raises
    ------
    UsageError
        When it is not labelled, or its tables cannot be used.
    NothingFound
        When its table has no clip.
    """
    tables = out if out is not None else folder / OUT_NAME
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; the folder of a labelled session is needed")
    path = tables / "clips.csv"
    if not path.is_file():
        raise UsageError(f"{folder}: not labelled yet, as {path} is not there; first: popdetect label {folder}")
    paths = {clip.file: clip.path for clip in find_clips(folder, tables).clips}
    marks = _marks(tables / "events.csv")
    table = read_table(path)
    missing = [name for name in ("file", "status", "label", "p_pop") if name not in table.columns]
    if missing:
        raise TableError(f"{path}:{table.header_line}: no column {', '.join(missing)}; label again")
    clips = tuple(
        _clip(number, row, marks.get(row["file"], ()), paths.get(row["file"], ""), f"{path}:{line}")
        for number, (row, line) in enumerate(zip(table.rows, table.lines, strict=True))
    )
    if not clips:
        raise NothingFound(f"{path}: no clip in it; `popdetect label` fills it")
    return Labelled(folder, tables, clips, _thresholds(tables / "run.json"))


def inside(folder: Path, path: str) -> Path | None:
    """Where `path` leads with all links followed, if that is a file inside `folder`."""
    real = Path(os.path.realpath(path))
    return real if path and real.is_relative_to(os.path.realpath(folder)) and real.is_file() else None


def _clip(number: int, row: Row, marks: tuple[Mark, ...], path: str, where: str) -> LabelledClip:
    return LabelledClip(
        id=number,
        file=row["file"],
        status=row["status"],
        label=row["label"] if row["status"] == "ok" else "",
        p_pop=_number(row["p_pop"], f"{where}: p_pop") if row["p_pop"] else None,
        duration_s=_number(row.get("duration_s") or "0", f"{where}: duration_s"),
        quality=tuple(filter(None, row.get("quality", "").split(";"))),
        error=row.get("error", ""),
        model=row.get("model", ""),
        model_sha256=row.get("model_sha256", ""),
        marks=marks,
        path=path,
    )


def _marks(path: Path) -> dict[str, tuple[Mark, ...]]:
    if not path.is_file():
        return {}
    table = read_table(path)
    found: dict[str, list[Mark]] = {}
    for row, line in zip(table.rows, table.lines, strict=True):
        where = f"{path}:{line}"
        try:
            onset_s, p_pop, is_pop = row["onset_s"], row["p_pop"], row["is_pop"]
        except KeyError as error:
            raise TableError(f"{where}: no column {error.args[0]}; label again") from None
        mark = Mark(_number(onset_s, f"{where}: onset_s"), _number(p_pop, f"{where}: p_pop"), is_pop == "1")
        found.setdefault(row["file"], []).append(mark)
    return {file: tuple(sorted(marks, key=lambda mark: mark.onset_s)) for file, marks in found.items()}


def _number(cell: str, where: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TableError(f"{where}: {cell!r}; a number is expected: label again")
    return value


def _thresholds(path: Path) -> tuple[float, float]:
    """Of the run that labelled; without it, a half twice, by which only the order of the queue is decided."""
    try:
        point: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["operating_point"]
        return float(point["no_pop_below"]), float(point["pop_from"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.5, 0.5
