"""False pops per minute in single recordings without pops; part of bench.py --accuracy and of voices.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from families import family, is_room
from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import Model
from popdetect.training.data.manifest import Source

ROOMS, OUTSIDE = "room sound", "weather, water and engines"


class RecordingResult(NamedTuple):
    """One recording: its kind, the numbers of pops and of uncertain pops found in it, its duration in seconds."""

    kind: str
    pops: int
    duration_s: float
    uncertain_pops: int = 0


def result(kind: str, label: str, n_pops: int, duration_s: float) -> RecordingResult:
    """Return the result of a recording: the pops of an uncertain one are uncertain."""
    n_uncertain = n_pops if label == "uncertain" else 0
    return RecordingResult(kind, n_pops - n_uncertain, duration_s, n_uncertain)


def detect_all(model: Model, sources: Sequence[Source]) -> list[RecordingResult]:
    """Process the recordings without pops; unreadable ones are left out."""
    silent = [source for source in sources if source.kind in ("distractor", "background")]
    verdicts = Detector(model).verdicts([(source.path, source.path.name) for source in silent])
    return [
        result(kind_of(source), verdict.detection.label, verdict.detection.n_pops, verdict.detection.duration_s)
        for source, verdict in zip(silent, verdicts, strict=True)
        if verdict.detection is not None
    ]


def kind_of(source: Source) -> str:
    """Return the family of a distractor, or the kind of a background."""
    if source.kind == "background":
        return ROOMS if is_room(source.what) else OUTSIDE
    return family(source.what)


def table(results: Iterable[RecordingResult]) -> dict[str, dict[str, Any]]:
    """Return pops per minute by kind, with exact 95 % Poisson limits (Garwood 1936); highest first."""
    from scipy.stats import chi2

    by_kind: dict[str, list[RecordingResult]] = defaultdict(list)
    for one in results:
        by_kind[one.kind].append(one)
    rows = {}
    for kind, of in by_kind.items():
        n, minutes = sum(one.pops for one in of), sum(one.duration_s for one in of) / 60
        low = float(chi2.ppf(0.025, 2 * n)) / 2 if n else 0.0
        high = float(chi2.ppf(0.975, 2 * n + 2)) / 2
        rate = {"value": n / minutes, "low": low / minutes, "high": high / minutes}
        n_uncertain = sum(one.uncertain_pops for one in of)
        rows[kind] = {
            "recordings": len(of), "minutes": minutes, "pops": n, "a_minute": rate, "uncertain_pops": n_uncertain,
        }  # fmt: skip
    return dict(sorted(rows.items(), key=lambda row: -row[1]["a_minute"]["value"]))


def print_table(title: str, rows: dict[str, dict[str, Any]]) -> None:
    """Print one line per kind."""
    print(f"\nfalse pops in recordings of one thing, {title}")
    for kind, row in rows.items():
        rate = row["a_minute"]
        print(f"  {kind:30} {row['pops']:4} in {row['minutes']:6.1f} min of {row['recordings']:4} recordings: "
              f"{rate['value']:6.2f} a minute ({rate['low']:.2f} to {rate['high']:.2f})")  # fmt: skip
