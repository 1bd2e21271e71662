"""Session folders beside a journal: which of their recordings are in it, and where to mark the pops.

A recording is the journal's when its bytes are: the sha256 that ``clips.csv`` gives is looked for in the journal, and
asked again of the file itself before it is shown. Events come from ``events.csv`` where the folder was labelled by the
model of the journal's verdict; else only the first and the last pop are known. Times are in seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from popdetect.detection.model.bundle import OperatingPoint
from popdetect.errors import NothingFound, UsageError
from popdetect.records import Event
from popdetect.session.files import OUT_NAME, find_clips, read_bytes, readable
from popdetect.session.tables import Row, read_rows
from popdetect.study.journal.journal import Values

Marks = tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that should be in a folder: its place (None if it is gone), and its row of ``clips.csv``."""

    path: str | None
    row: Mapping[str, str]
    folder: Path


@dataclass(frozen=True, slots=True)
class Sessions:
    """Folders that belong to a journal.

    Attributes
    ----------
    recordings : mapping of str to Recording
        By sha256; those of the journal only.
    events : mapping of (folder, file) to tuple of Event
    points : mapping of str to (str, OperatingPoint)
        By the sha256 of the model: the operating point of the run and its name.
    """

    recordings: Mapping[str, Recording]
    events: Mapping[tuple[Path, str], Marks]
    points: Mapping[str, tuple[str, OperatingPoint]]


def open_sessions(folders: Sequence[str | os.PathLike[str]], known: set[str]) -> Sessions:
    """Look into folders for recordings whose sha256 is `known`.

    Raises
    ------
    UsageError
        For a folder that is none, is not labelled, or has no recording of the journal.
    """
    recordings: dict[str, Recording] = {}
    events: dict[tuple[Path, str], Marks] = {}
    points: dict[str, tuple[str, OperatingPoint]] = {}
    for given in folders:
        root = Path(given)
        name, labels = readable(str(root)), root / OUT_NAME / "clips.csv"
        if not root.is_dir():
            raise UsageError(f"{name}: no such folder; --session takes the folder of a labelled session")
        if not labels.exists():
            raise UsageError(f"{name}: not labelled: there is no {OUT_NAME}/clips.csv in it; popdetect label makes it")
        own = {row["sha256"]: row for row in read_rows(labels) if row.get("sha256") in known}
        if not own:
            raise UsageError(
                f"{name}: none of its clips is in the journal; is it a session of another study, or not logged yet?"
            )
        places = _places(root)
        recordings |= {sha: Recording(places.get(row["file"]), row, root) for sha, row in own.items()}
        files = {row["file"] for row in own.values()}
        events |= {(root, file): found for file, found in _events(root).items() if file in files}
        points |= _point(root)
    return Sessions(recordings, events, points)


def sound_of(recording: Recording, sha256: str) -> bytes | None:
    """The file's bytes; None if it is gone, unreadable, or another one by now."""
    if recording.path is None:
        return None
    try:
        raw = read_bytes(recording.path)
    except UsageError:
        return None
    return raw if hashlib.sha256(raw).hexdigest() == sha256 else None


def marks_of(sessions: Sessions, recording: Recording, record: Values) -> Marks:
    """What to mark in a recording: its events, or the pops that the journal knows of."""
    row = recording.row
    same = row.get("model_sha256") == record["model_sha256"] and row.get("label") == record["label"]
    if same and (recording.folder, row["file"]) in sessions.events:
        return sessions.events[recording.folder, row["file"]]
    times = dict.fromkeys(float(at) for at in (record["first_pop_s"], record["last_pop_s"]) if at is not None)
    return tuple(_event(at, 1.0, True) for at in times)


def _places(root: Path) -> dict[str, str]:
    try:
        return {clip.file: clip.path for clip in find_clips(root).clips}
    except NothingFound:
        return {}


def _events(root: Path) -> dict[str, Marks]:
    path = root / OUT_NAME / "events.csv"
    if not path.exists():
        return {}
    found: dict[str, list[Event]] = {}
    for row in read_rows(path):
        event = _read_event(row)
        if event is not None:
            found.setdefault(row.get("file", ""), []).append(event)
    return {file: tuple(events) for file, events in found.items()}


def _read_event(row: Row) -> Event | None:
    try:
        return _event(float(row["onset_s"]), float(row["p_pop"]), row["is_pop"] == "1")
    except (KeyError, ValueError):
        return None


def _event(onset_s: float, p_pop: float, is_pop: bool) -> Event:
    return Event(onset_s, p_pop, is_pop, duration_ms=0.0, peak_hz=0.0, centroid_hz=0.0, snr_db=0.0)


def _point(root: Path) -> dict[str, tuple[str, OperatingPoint]]:
    """The operating point of the folder's last run, if it can be read; nothing depends on it but two drawn lines."""
    try:
        info = json.loads(read_bytes(root / OUT_NAME / "run.json"))
        sha256, own = str(info["model"]["sha256"]), dict(info["operating_point"])
        name = str(own.pop("name"))
        return {sha256: (name, OperatingPoint(**{key: float(value) for key, value in own.items()}))}
    except (UsageError, ValueError, KeyError, TypeError, AttributeError):
        return {}
