"""How a run came about, for ``run.json``: enough to repeat it, and nothing that names a person or a computer.

Paths are given by their last part only; times are ISO 8601 with the offset from UTC.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from popdetect import __version__
from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import DEFAULT_NAME
from popdetect.records import Verdict, to_json
from popdetect.session.summary import Summary

SCHEMA_VERSION = 1

_dump = json.JSONEncoder().encode


def describe_run(
    detector: Detector,
    summary: Summary,
    verdicts: Sequence[Verdict],
    *,
    settings: Mapping[str, Any],
    model: str | None,
    started: datetime,
) -> dict[str, Any]:
    """Gather the contents of ``run.json``; JSON types only, `schema_version` first.

    Parameters
    ----------
    settings : mapping
        What was asked for, resolved.
    model : str or None
        The path of the bundle; None is the shipped one.
    started : datetime
        With its offset from UTC.
    """
    point = detector.operating_point
    chosen = detector.model.operating_point(point)
    return {
        "schema_version": SCHEMA_VERSION,
        "popdetect_version": __version__,
        "started": started.isoformat(timespec="seconds"),
        "ended": (started + timedelta(seconds=summary.seconds)).isoformat(timespec="seconds"),
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
            "clips": summary.n_clips,
            "judged_now": summary.n_new,
            "remembered": summary.n_skipped,
            **summary.n_by_label,
            "failed": summary.n_failed,
            "pops": summary.n_pops,
        },
        "unlisted": [{"folder": folder, "error": error} for folder, error in summary.unlisted],
        "inputs": [{"file": v.file, "status": v.status, "sha256": v.sha256} for v in verdicts],
    }


def as_text(run: Mapping[str, Any]) -> str:
    """Render `describe_run` as JSON, with a line for each input: a tenth of the time of a line for each value."""
    text = json.dumps({**run, "inputs": []}, indent=1)  # the last key
    inputs = ",\n".join(f"  {_dump(entry)}" for entry in run["inputs"])
    return text.removesuffix("[]\n}") + f"[\n{inputs}\n ]\n}}\n"


def _version(module: str, attribute: str = "__version__") -> str:
    # asked of what `hearing` has loaded: those libraries have their one door there
    return str(getattr(sys.modules.get(module), attribute, ""))
