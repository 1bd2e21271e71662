"""Intervals by cluster bootstrap.

Whole groups (people) are drawn with replacement, because clips of one person are similar; with only one group, clips
are drawn. A resample is a row of weights: how often each clip was drawn. So every resampled figure is two sums and one
division. The same weights for two models give the interval of their difference.

References
----------
Efron & Tibshirani (1993), An Introduction to the Bootstrap, ch. 13 (percentile intervals).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

CONFIDENCE = 0.95
MAX_FALSE_SHARE = 20  # one no_pop clip in 20 may be called: specificity 0.95, in whole numbers
N_BOOT = 1000
_BLOCK = 100  # resamples computed at once: 8 MB for 10,000 clips
_MIN_DEFINED = 0.9


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its 95 % interval; low and high are None if there is no interval."""

    value: float
    low: float | None = None
    high: float | None = None


class Ranking:
    """AUROC, and sensitivity at specificity 0.95, of weighted clips, for many sets of weights at once."""

    def __init__(self, p_pop: Floats, is_pop: npt.NDArray[np.bool_]) -> None:
        self._p_pop, self._is_pop = p_pop, is_pop
        self._order = np.argsort(p_pop, kind="stable")
        # clips with equal p_pop are one step of the ranking
        self._levels, self._starts = np.unique(p_pop[self._order], return_index=True)

    def figures(self, weights: Floats) -> tuple[Floats, Floats]:
        """Return AUROC and sensitivity, each of shape (b,), for whole weights (b, n); NaN without both classes."""
        if not len(self._levels):
            nothing = np.full(len(weights), np.nan)
            return nothing, nothing
        pops, others = self._by_level(weights)
        n_pops, n_others = pops.sum(axis=1), others.sum(axis=1)
        below = others.cumsum(axis=1) - others
        auroc = ratio((pops * (below + others / 2)).sum(axis=1), n_pops * n_others)
        called = np.where(self._allowed(others), pops, 0).sum(axis=1)
        return auroc, ratio(np.where(n_others > 0, called, np.nan), n_pops)

    def threshold(self) -> float | None:
        """Return the lowest p_pop of the pop clips called at specificity 0.95; None if none is called."""
        if self._is_pop.all() or not self._is_pop.any():
            return None
        _, others = self._by_level(np.ones((1, len(self._p_pop))))
        lowest = self._levels[self._allowed(others)[0]]
        called = self._p_pop[self._is_pop & (self._p_pop >= lowest.min(initial=np.inf))]
        return float(called.min()) if len(called) else None

    def _by_level(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weights of pop and of no_pop clips at each level of p_pop, increasing; each of shape (b, levels)."""
        ranked = weights[:, self._order]
        of_pops = np.where(self._is_pop[self._order], ranked, 0)
        pops = np.add.reduceat(of_pops, self._starts, axis=1)
        return pops, np.add.reduceat(ranked, self._starts, axis=1) - pops

    def _allowed(self, others: Floats) -> npt.NDArray[np.bool_]:
        """Levels that can be the threshold: few enough no_pop clips are at or above them."""
        above = others[:, ::-1].cumsum(axis=1)[:, ::-1]
        return np.asarray(above * MAX_FALSE_SHARE <= others.sum(axis=1, keepdims=True))


def units(groups: Sequence[str]) -> tuple[Ints, int]:
    """Return the resampling unit of each clip, and the number of groups; with one group, each clip is a unit."""
    names, unit_of = np.unique(list(groups), return_inverse=True)
    return (unit_of if len(names) >= 2 else np.arange(len(groups))), len(names)


def resamples(unit_of: Ints, seed: int, n_boot: int) -> Iterator[Floats]:
    """Yield how often each clip is drawn, in blocks of shape (b, n); clips of one unit are drawn together."""
    rng = np.random.default_rng(seed)
    n_units = int(unit_of.max()) + 1
    for start in range(0, n_boot, _BLOCK):
        drawn = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=min(_BLOCK, n_boot - start))
        yield drawn[:, unit_of].astype(float)


def ratio(top: Floats, bottom: Floats) -> Floats:
    """Return top / bottom; NaN where bottom is 0."""
    undefined: Floats = np.full(np.broadcast(top, bottom).shape, np.nan)
    return np.asarray(np.divide(top, bottom, out=undefined, where=bottom > 0))


def interval(replicates: Floats) -> tuple[float, float] | None:
    """Return the middle 95 % of resampled values, shape (b,); None if more than one in ten are NaN."""
    defined = replicates[~np.isnan(replicates)]
    if not len(defined) or len(defined) < _MIN_DEFINED * len(replicates):
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(edge) for edge in np.quantile(defined, [tail, 1 - tail]))
    return low, high


def figure(value: float, replicates: Floats) -> Figure | None:
    """Return a value with the interval of its resamples; None for NaN."""
    if np.isnan(value):
        return None
    edges = interval(replicates)
    return Figure(value) if edges is None or edges[1] - edges[0] < 1e-12 else Figure(value, *edges)
