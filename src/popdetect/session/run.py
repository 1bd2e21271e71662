"""One run over a folder: what it did (`Summary`), and how, for ``run.json`` (`describe_run`).

The description is enough to repeat the run and names no person and no computer: paths are given by their last part
only. Times are ISO 8601 with the offset from UTC.
"""

from __future__ import annotations

import platform
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from popdetect import __version__
from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import DEFAULT_NAME
from popdetect.records import LABELS, to_json
from popdetect.session.clips import LabelledClip
from popdetect.session.session import Session

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    session : Session
        As written.
    n_skipped : int
        Clips remembered from an earlier run.
    seconds : float
    written : tuple of Path
        The tables, and the folder of each format's label files.
    unlisted : tuple of (str, str)
        Folders that could not be listed, and why.
    """

    session: Session
    n_skipped: int
    seconds: float
    written: tuple[Path, ...]
    unlisted: tuple[tuple[str, str], ...] = ()

    @property
    def folder(self) -> Path:
        """The folder of the recordings."""
        return self.session.folder

    @property
    def out(self) -> Path:
        """The folder of the tables."""
        return self.session.out

    @property
    def n_clips(self) -> int:
        """All clips of the folder."""
        return len(self.session.clips)

    @property
    def n_new(self) -> int:
        """Clips processed in this run."""
        return self.n_clips - self.n_skipped

    @property
    def n_by_label(self) -> Mapping[str, int]:
        """Clips per label; every label is there."""
        return count_labels(self.session.clips)

    @property
    def failed(self) -> tuple[tuple[str, str], ...]:
        """File and error of each clip without a label."""
        return tuple((clip.file, clip.error) for clip in self.session.clips if not clip.label)

    @property
    def n_failed(self) -> int:
        """Clips without a label."""
        return len(self.failed)

    @property
    def uncertain(self) -> tuple[str, ...]:
        """Files that a person should listen to."""
        return tuple(clip.file for clip in self.session.clips if clip.label == "uncertain")

    @property
    def n_pops(self) -> int:
        """Pops in all clips together."""
        return sum(clip.n_pops or 0 for clip in self.session.clips)


def count_labels(clips: Sequence[LabelledClip]) -> dict[str, int]:
    """Count clips per label; every label is there."""
    counts = Counter(clip.label for clip in clips)
    return {name: counts[name] for name in LABELS}


def describe_run(
    detector: Detector,
    clips: Sequence[LabelledClip],
    n_skipped: int,
    unlisted: Sequence[tuple[str, str]],
    *,
    settings: Mapping[str, Any],
    model: str | None,
    started: datetime,
    seconds: float,
) -> dict[str, Any]:
    """Return the contents of ``run.json``; JSON types only, `schema_version` first and `inputs` last.

    Parameters
    ----------
    settings : mapping
        The arguments of the run.
    model : str or None
        The path of the bundle; None is the shipped one.
    started : datetime
        With its offset from UTC.
    """
    point = detector.operating_point
    chosen = detector.model.operating_point(point)
    labels = count_labels(clips)
    return {
        "schema_version": SCHEMA_VERSION,
        "popdetect_version": __version__,
        "started": started.isoformat(timespec="seconds"),
        "ended": (started + timedelta(seconds=seconds)).isoformat(timespec="seconds"),
        "settings": dict(settings),
        "model": {
            "title": detector.model.title,
            "sha256": detector.model.sha256,
            "bundle": Path(model).resolve().name if model is not None else DEFAULT_NAME,
        },
        "operating_point": {"name": point, **to_json(chosen), "train_from": chosen.burst_from},
        "versions": {
            "python": platform.python_version(),
            "numpy": _version("numpy"),
            "soundfile": _version("soundfile"),
            "libsndfile": _version("soundfile", "__libsndfile_version__"),
        },
        "platform": {
            "system": platform.system(),
            "release": platform.release(),
            "processor": platform.machine(),  # x86_64, arm64; not the computer's name
        },
        "counts": {
            "clips": len(clips),
            "judged_now": len(clips) - n_skipped,
            "remembered": n_skipped,
            **labels,
            "failed": len(clips) - sum(labels.values()),
            "pops": sum(clip.n_pops or 0 for clip in clips),
        },
        "unlisted": [{"folder": folder, "error": error} for folder, error in unlisted],
        "inputs": [{"file": clip.file, "status": clip.status, "sha256": clip.sha256} for clip in clips],
    }


def _version(module: str, attribute: str = "__version__") -> str:
    # read from the modules that `detection` has loaded: importing them is its task
    return str(getattr(sys.modules.get(module), attribute, ""))
