"""False pops a minute in recordings of one thing that is no pop, as they are; part of bench.py --accuracy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import Model
from popdetect.training.data import manifest
from popdetect.training.data.sounds import Source

ROOMS, OUTSIDE = "room sound", "weather, water and engines"


class CandidateSet(NamedTuple):
    """One recording: what it is of, how many pops were counted in it, its length in seconds."""

    kind: str
    pops: int
    duration_s: float


def judged(model: Model, sources: Sequence[Source]) -> list[CandidateSet]:
    """Judge the recordings that are not of pops; what cannot be read is passed over."""
    silent = [source for source in sources if source.kind in ("distractor", "background")]
    verdicts = Detector(model).verdicts([(source.path, source.path.name) for source in silent])
    return [
        CandidateSet(kind_of(source), len(verdict.detection.pops), verdict.detection.duration_s)
        for source, verdict in zip(silent, verdicts, strict=True)
        if verdict.detection is not None
    ]


def kind_of(source: Source) -> str:
    """The family of a distractor, and what a background is of."""
    if source.kind == "background":
        return ROOMS if manifest.is_room(source.what) else OUTSIDE
    return manifest.family(source.what)


def table(heard: Iterable[CandidateSet]) -> dict[str, dict[str, Any]]:
    """Pops a minute by kind, with exact 95 % Poisson limits (Garwood 1936); most first."""
    from scipy.stats import chi2

    by_kind: dict[str, list[CandidateSet]] = defaultdict(list)
    for one in heard:
        by_kind[one.kind].append(one)
    rows = {}
    for kind, of in by_kind.items():
        n, minutes = sum(one.pops for one in of), sum(one.duration_s for one in of) / 60
        low = float(chi2.ppf(0.025, 2 * n)) / 2 if n else 0.0
        high = float(chi2.ppf(0.975, 2 * n + 2)) / 2
        rate = {"value": n / minutes, "low": low / minutes, "high": high / minutes}
        rows[kind] = {"recordings": len(of), "minutes": minutes, "pops": n, "a_minute": rate}
    return dict(sorted(rows.items(), key=lambda row: -row[1]["a_minute"]["value"]))


def print_table(title: str, rows: dict[str, dict[str, Any]]) -> None:
    """One line for each kind."""
    print(f"\nfalse pops in recordings of one thing, {title}")
    for kind, row in rows.items():
        rate = row["a_minute"]
        print(f"  {kind:30} {row['pops']:4} in {row['minutes']:6.1f} min of {row['recordings']:4} recordings: "
              f"{rate['value']:6.2f} a minute ({rate['low']:.2f} to {rate['high']:.2f})")  # fmt: skip
