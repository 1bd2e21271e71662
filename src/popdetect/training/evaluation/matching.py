"""Matching of found onsets with true ones, and the counts that all scores are computed from.

Onsets are seconds from the start of one clip, in any order. A true and a found onset can be paired if their distance is
at most the tolerance (inclusive). Times are compared in whole microseconds, because in floats
``abs(0.65 - 0.60) <= 0.05`` is False and ``abs(0.35 - 0.30) <= 0.05`` is True.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from popdetect.records import Label

Floats = npt.NDArray[np.float64]
TOLERANCE_S = 0.005  # pops of one thrust are at least 10 ms apart, so a found onset cannot match two of them


@dataclass(frozen=True, slots=True)
class Matching:
    """A matching: it contains every true and every found onset exactly once; times in seconds."""

    pairs: tuple[tuple[float, float], ...]  # (true, found), in time order
    missed: tuple[float, ...]  # true onsets without a partner
    false: tuple[float, ...]  # found onsets without a partner

    @property
    def errors_s(self) -> tuple[float, ...]:
        """Found minus true of each pair: positive when found late."""
        return tuple(found - true for true, found in self.pairs)


def match(
    true_onsets_s: Sequence[float], found_onsets_s: Sequence[float], tolerance_s: float = TOLERANCE_S
) -> Matching:
    """Pair as many onsets as possible, each at most once.

    The earliest true onset is paired with the earliest found one within the tolerance, and so on; with one tolerance
    for all this gives the greatest number of pairs. Pairs need not be the closest ones; this matters only for onsets
    less than two tolerances apart.
    """
    true, found = _microseconds(true_onsets_s), _microseconds(found_onsets_s)
    tolerance = round(tolerance_s * 1e6)
    pairs, missed, false = [], [], []
    i = j = 0
    while i < len(true) and j < len(found):
        late = found[j][0] - true[i][0]
        if abs(late) <= tolerance:
            pairs.append((true[i][1], found[j][1]))
            i, j = i + 1, j + 1
        elif late > 0:
            missed.append(true[i][1])
            i += 1
        else:
            false.append(found[j][1])
            j += 1
    missed += [seconds for _, seconds in true[i:]]
    false += [seconds for _, seconds in found[j:]]
    return Matching(tuple(pairs), tuple(missed), tuple(false))


def _microseconds(onsets_s: Iterable[float]) -> list[tuple[int, float]]:
    return sorted((round(onset_s * 1e6), onset_s) for onset_s in onsets_s)


@dataclass(frozen=True, slots=True)
class ScoredClip:
    """The truth and the verdict on one clip; times in seconds."""

    file: str
    group: str  # patient, or source; clips of one group are resampled together
    truth_label: Label
    p_pop: float  # 0 to 1
    label: Label
    true_onsets_s: tuple[float, ...] | None  # None when not marked
    found_onsets_s: tuple[float, ...]  # onsets of the events that were counted as pops
    duration_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.p_pop <= 1:
            raise ValueError(f"{self.file}: p_pop {self.p_pop}; a probability from 0 to 1 is allowed")


@dataclass(frozen=True, slots=True)
class ClipCounts:
    """What each clip contributes to the metrics; arrays of shape (n,)."""

    p_pop: Floats
    is_pop: npt.NDArray[np.bool_]
    marked: Floats  # 1 where the onsets are marked
    tp: Floats  # onsets found; 0 where not marked, as fn and fp
    fn: Floats  # onsets missed
    fp: Floats  # false onsets
    n_false: Floats  # pops found in a no_pop clip
    minutes: Floats  # duration of a no_pop clip
    errors_ms: tuple[float, ...]  # distances of all paired onsets

    @classmethod
    def of(cls, clips: Sequence[ScoredClip]) -> ClipCounts:
        """Match onsets and count."""
        matchings = [
            None if clip.true_onsets_s is None else match(clip.true_onsets_s, clip.found_onsets_s) for clip in clips
        ]
        rows = [(1, len(m.pairs), len(m.missed), len(m.false)) if m else (0, 0, 0, 0) for m in matchings]
        marked, tp, fn, fp = np.array(rows, float).reshape(len(rows), 4).T
        is_pop = np.array([clip.truth_label == "pop" for clip in clips], bool)
        p_pop = np.array([clip.p_pop for clip in clips], float)
        n_false = np.where(is_pop, 0, np.array([len(clip.found_onsets_s) for clip in clips], float))
        minutes = np.where(is_pop, 0, np.array([clip.duration_s / 60 for clip in clips], float))
        errors_ms = tuple(abs(1000 * error) for matching in matchings if matching for error in matching.errors_s)
        return cls(p_pop, is_pop, marked, tp, fn, fp, n_false, minutes, errors_ms)
