"""Which found onset is which true one: the ground that every event score stands on.

Onsets are seconds from the start of one clip, in any order. A true and a found onset may be paired when they lie at
most the tolerance apart, the edge included. Times are compared in whole microseconds, because in floats
``abs(0.65 - 0.60) <= 0.05`` is False and ``abs(0.35 - 0.30) <= 0.05`` is True.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TOLERANCE_S = 0.005  # pops of one thrust follow each other by 10 ms and more, so no found one can be two pops


@dataclass(frozen=True, slots=True)
class Matching:
    """Every true and every found onset exactly once.

    Attributes
    ----------
    pairs : tuple of (true, found)
        In seconds, in time order.
    missed : tuple of float
        True onsets without a partner.
    false : tuple of float
        Found onsets without a partner.
    """

    pairs: tuple[tuple[float, float], ...]
    missed: tuple[float, ...]
    false: tuple[float, ...]

    @property
    def errors_s(self) -> tuple[float, ...]:
        """Found minus true of each pair: positive when found late."""
        return tuple(found - true for true, found in self.pairs)


def match(
    true_onsets_s: Sequence[float], found_onsets_s: Sequence[float], tolerance_s: float = TOLERANCE_S
) -> Matching:
    """Pair as many onsets as can be paired, each at most once.

    With one tolerance for all, pairing the earliest true onset left with the earliest found one in reach is such a
    maximum: whatever else either could be paired with is in reach of nothing earlier. Among several maxima it takes
    the earliest, which need not be the closest; that matters only to onsets less than two tolerances apart.

    Parameters
    ----------
    true_onsets_s, found_onsets_s : sequence of float
    tolerance_s : float ≥ 0
        The edge counts as a hit.

    Returns
    -------
    Matching
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
