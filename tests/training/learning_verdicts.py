"""Verdicts of a model that is as good as one likes."""

from __future__ import annotations

from popdetect.records import Label
from popdetect.training.evaluation.matching import ScoredClip
from popdetect.training.evaluation.negative_controls import ControlResult


def verdicts(right: int, n: int = 20, early_s: float = 0.0, n_groups: int = 5) -> list[ScoredClip]:
    """Of `n` clips with and `n` without a pop, so many of each judged right; pops found so much too early."""
    clips = []
    for i in range(2 * n):
        is_pop, good = i % 2 == 0, i // 2 < right
        called = is_pop == good
        label: Label = "pop" if called else "no_pop"
        found = (0.5 - early_s,) if called else ()
        clips.append(
            ScoredClip(
                f"{i}.wav", f"p{i // 2 % n_groups}", "pop" if is_pop else "no_pop", 0.9 if called else 0.1, label,
                (0.5,) if is_pop else (), found, 1.0,
            )
        )  # fmt: skip
    return clips


def hears(per_min: float, kind: str = "noise") -> ControlResult:
    """A guard set of ten minutes of noise, and as much else, with so many false pops a minute of all of it."""
    minutes = {"noise": 10.0, "click": 10.0}
    return ControlResult({name: round(20 * per_min) if name == kind else 0 for name in minutes}, minutes)
