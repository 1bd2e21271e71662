"""A labelled folder: what `popdetect label` writes into it and how it is read again.

Only this package reads or writes ``clips.csv``, ``events.csv``, ``bursts.csv``, ``run.json``, ``corrections.csv`` and
``labels.csv``.
``Session.read(folder)`` equals the session that was written, and writing it again gives the same bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from popdetect import frames
from popdetect.detection.model.bundle import OperatingPoint
from popdetect.errors import NothingFound, UsageError
from popdetect.session import corrections, labels
from popdetect.session.clips import (
    BURST_COLUMNS,
    CLIP_COLUMNS,
    EVENT_COLUMNS,
    LabelledClip,
    burst_rows,
    bursts_text,
    clips_text,
    event_rows,
    events_text,
    read_clips,
)
from popdetect.session.corrections import Correction
from popdetect.session.files import OUT_NAME, find_clips, make_folder, read_bytes, readable, write_files
from popdetect.session.labels import Truth

CLIPS, EVENTS, BURSTS, RUN = "clips.csv", "events.csv", "bursts.csv", "run.json"


@dataclass(frozen=True)
class Session:
    """A labelled folder.

    Two sessions are equal if their tables and run settings are, wherever they lie.

    Attributes
    ----------
    folder, out : Path
        The folder of the recordings; the folder of the tables.
    clips : tuple of LabelledClip
        In the order of ``clips.csv``.
    run : mapping
        Contents of ``run.json``, JSON types; empty if it is missing or damaged.
    clip_columns, event_columns, burst_columns : tuple of str
        Header lines of the tables, with columns that popdetect does not know.
    has_events, has_bursts : bool
        Whether there is an ``events.csv``, and a ``bursts.csv``, which 0.1.0 did not write.
    """

    folder: Path = field(compare=False)
    out: Path = field(compare=False)
    clips: tuple[LabelledClip, ...]
    run: Mapping[str, Any] = field(default_factory=dict)
    clip_columns: tuple[str, ...] = CLIP_COLUMNS
    event_columns: tuple[str, ...] = EVENT_COLUMNS
    has_events: bool = True
    burst_columns: tuple[str, ...] = BURST_COLUMNS
    has_bursts: bool = True

    @classmethod
    def read(cls, folder: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Session:
        """Read what `popdetect label` wrote.

        Parameters
        ----------
        folder : path
            The folder of the recordings.
        out : path, optional
            The folder of the tables; ``popdetect`` in `folder` by default.

        Raises
        ------
        UsageError
            When the folder is missing or not labelled.
        TableError
            Beginning with ``file:line:``, for a line or a header that cannot be used.
        """
        root = Path(folder)
        tables = Path(out) if out is not None else root / OUT_NAME
        name, path = readable(str(root)), tables / CLIPS
        if not root.is_dir():
            raise UsageError(f"{name}: no such folder; the folder of a labelled session is expected")
        if not path.exists():
            raise UsageError(
                f"{name}: not labelled yet: {readable(str(path))} is not there; "
                f"label the session first: popdetect label {name}"
            )
        events, groups = tables / EVENTS, tables / BURSTS
        has_events, has_bursts = events.exists(), groups.exists()
        read = read_clips(path, events if has_events else None, groups if has_bursts else None)
        return cls(
            root,
            tables,
            read.clips,
            _run(tables / RUN),
            read.clip_columns,
            read.event_columns,
            has_events,
            read.burst_columns,
            has_bursts,
        )

    def write(self, out: str | os.PathLike[str] | None = None) -> tuple[Path, ...]:
        """Write the tables and the run settings, all of them or none; return their paths.

        Answers of a review are copied along if there are none in `out`; they are never replaced.

        Parameters
        ----------
        out : path, optional
            The folder to write to, made if missing; where the session is by default.

        Raises
        ------
        UsageError
        """
        target = Path(out) if out is not None else self.out
        texts = {target / CLIPS: clips_text(self.clips, self.clip_columns)}
        if self.has_events:
            texts[target / EVENTS] = events_text(self.clips, self.event_columns)
        if self.has_bursts:
            texts[target / BURSTS] = bursts_text(self.clips, self.burst_columns)
        if self.run:
            texts[target / RUN] = _json(self.run)
        make_folder(target)
        write_files(texts)
        answers = self.out / corrections.NAME
        if target != self.out and answers.exists() and not (target / corrections.NAME).exists():
            write_files({target / corrections.NAME: read_bytes(answers)})
        return tuple(texts)

    def __repr__(self) -> str:
        """Return one line: the folder and what is in it."""
        n_pop = sum(clip.label == "pop" for clip in self.clips)
        return f"<Session {readable(self.folder.resolve().name)}: {len(self.clips)} clips, {n_pop} pop>"

    @cached_property
    def corrections(self) -> tuple[Correction, ...]:
        """Answers of reviews that count, read when first asked for."""
        return corrections.read(self.out)

    @cached_property
    def truth(self) -> tuple[Truth, ...]:
        """Lines of ``labels.csv`` in the folder, read when first asked for; empty without that file."""
        path = self.folder / labels.TABLE_NAME
        return tuple(labels.read_labels(path)) if path.is_file() else ()

    @cached_property
    def sounds(self) -> Mapping[str, str]:
        """Paths of the recordings by `file`, as listing the folder gives them: no name in a table leads elsewhere."""
        try:
            return {clip.file: clip.path for clip in find_clips(self.folder, self.out).clips}
        except NothingFound:
            return {}

    @property
    def operating_point(self) -> tuple[str, OperatingPoint] | None:
        """Name and thresholds of the operating point, from the run settings; None if they do not say."""
        try:
            found = self.run["operating_point"]
            # burst_from is train_from in files of version 0.1.0; later versions write both
            return str(found["name"]), OperatingPoint(
                float(found["no_pop_below"]), float(found["pop_from"]), float(found["train_from"])
            )
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def thresholds(self) -> tuple[float, float]:
        """Clips below the first are ``no_pop``, from the second on ``pop``; a half twice if the run does not say."""
        point = self.operating_point
        return (point[1].no_pop_below, point[1].pop_from) if point is not None else (0.5, 0.5)

    def to_frame(self) -> Any:
        """Return the clips as a `pandas.DataFrame`, a line for each row of ``clips.csv``.

        Raises
        ------
        MissingExtra
            When pandas is not installed.
        """
        rows = [
            {**clip.extra, **{name: getattr(clip, name) for name in CLIP_COLUMNS}, "quality": ";".join(clip.quality)}
            for clip in self.clips
        ]
        return frames.frame(rows, self.clip_columns)

    def events_frame(self) -> Any:
        """Return the events as a `pandas.DataFrame`, a line for each row of ``events.csv``.

        Raises
        ------
        MissingExtra
            When pandas is not installed.
        """
        return _frame(event_rows(self.clips), EVENT_COLUMNS, self.event_columns)

    def bursts_frame(self) -> Any:
        """Return the bursts as a `pandas.DataFrame`, a line for each row of ``bursts.csv``.

        Raises
        ------
        MissingExtra
            When pandas is not installed.
        """
        return _frame(burst_rows(self.clips), BURST_COLUMNS, self.burst_columns)


def _frame(rows: Iterable[tuple[str, Any, Mapping[str, str]]], known: Sequence[str], columns: Sequence[str]) -> Any:
    values = (
        {**extra, "file": file, **{name: getattr(record, name) for name in known[1:]}} for file, record, extra in rows
    )
    return frames.frame(values, columns)


def is_labelled(folder: Path) -> bool:
    """Whether `popdetect label` has written its tables into this folder."""
    return (folder / OUT_NAME / CLIPS).exists()


def inside(folder: Path, path: str) -> Path | None:
    """Return where `path` leads with all links followed, if that is a file inside `folder`."""
    real = Path(os.path.realpath(path))
    return real if path and real.is_relative_to(os.path.realpath(folder)) and real.is_file() else None


def _run(path: Path) -> Mapping[str, Any]:
    try:
        run = json.loads(read_bytes(path))
    except (UsageError, ValueError):
        return {}
    return run if isinstance(run, dict) else {}


def _json(run: Mapping[str, Any]) -> str:
    """Render ``run.json`` with a line for each input: a tenth of the time of a line for each value."""
    if not run.get("inputs") or list(run)[-1] != "inputs":
        return json.dumps(run, indent=1) + "\n"
    text = json.dumps({**run, "inputs": []}, indent=1)
    encode = json.JSONEncoder().encode
    inputs = ",\n".join(f"  {encode(entry)}" for entry in run["inputs"])
    return text.removesuffix("[]\n}") + f"[\n{inputs}\n ]\n}}\n"
