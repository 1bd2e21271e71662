"""Where probability becomes a word: thresholds from the held-out probabilities of clips.

Every threshold lies half way between two clips, so that none is decided by the last digit of its own probability, and
is written with as few decimals as keep it there: what ``model.json`` says decides as what was measured here.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.bundle import OperatingPoint
from popdetect.detection.model.classifiers import FeatureRange, Floats

# specificity (clips without a pop that may not be called one), sensitivity (clips with one that may not be called
# no_pop), and from where events count in a train
ASKED = {"balanced": (0.985, 0.93, 0.35), "sensitive": (0.90, 0.98, 0.25), "specific": (0.99, 0.95, 0.5)}
# beyond these a few clips say too little: one mislabelled clip would keep every other from being called
POP_FROM = (0.02, 0.98)
NO_POP_BELOW = (0.01, 0.97)
_EVEN = 1e-9  # 0.95 * 20 is a hair over 19


def operating_points(p_clip: Floats, labels: npt.NDArray[np.bool_]) -> dict[str, OperatingPoint]:
    """Thresholds from out-of-fold probabilities.

    ``balanced`` calls a pop where at least 98.5 % of the clips without one would not be, and no pop where at least 93 %
    of the clips with one would not be; ``specific`` asks for 99 % of the former, ``sensitive`` for 90 % of the former
    and 98 % of the latter. Between the two lies ``uncertain``.

    Parameters
    ----------
    p_clip : ndarray, shape (n_clips,)
    labels : ndarray of bool, shape (n_clips,)
        Whether each holds a pop; both kinds are there.
    """
    known = np.unique(p_clip)
    without, with_pop = np.sort(p_clip[~labels]), np.sort(p_clip[labels])
    points = {}
    for name, (specificity, sensitivity, burst_from) in ASKED.items():
        # the highest clip without a pop that must stay below, and the lowest with one that must not
        stays = float(without[math.ceil(specificity * len(without) - _EVEN) - 1])
        kept = float(with_pop[min(math.floor((1 - sensitivity) * len(with_pop) + _EVEN), len(with_pop) - 1)])
        pop_from = between(stays, float(known[known > stays].min(initial=1.0)))
        no_pop_below = between(float(known[known < kept].max(initial=0.0)), kept)
        pop_from = min(max(pop_from, POP_FROM[0]), POP_FROM[1])
        no_pop_below = min(max(no_pop_below, NO_POP_BELOW[0]), NO_POP_BELOW[1])
        points[name] = OperatingPoint(min(no_pop_below, pop_from), pop_from, burst_from)
    return points


def between(below: float, above: float) -> float:
    """A threshold t with below < t ≤ above, about half way, with the fewest decimals (four at least) that hold it."""
    middle = (below + above) / 2
    for decimals in range(4, 18):
        rounded = round(middle, decimals)
        if below < rounded <= above:
            return rounded
    return above  # the two are neighbours among floats


TAIL = 0.0005  # of the values of each feature lie beyond, on each side
STRANGE = 0.001  # of the sounds learned from would be called outside
_FAR = 1e12


def span_of(rows: Floats, base_model: FeatureRange | None = None) -> FeatureRange:
    """The span of rows, widened by that of a base_model, who has heard more."""
    unknown = np.isnan(rows).all(axis=0)
    known = np.where(unknown, 0.0, rows)
    low = np.where(unknown, -_FAR, np.nanquantile(known, TAIL, axis=0))
    high = np.where(unknown, _FAR, np.nanquantile(known, 1 - TAIL, axis=0))
    if base_model is not None:
        return FeatureRange(np.minimum(low, base_model.low), np.maximum(high, base_model.high), base_model.min_outside)
    counts = FeatureRange(low, high, 1).n_outside(rows)
    return FeatureRange(low, high, int(np.quantile(counts, 1 - STRANGE, method="higher")) + 1)
