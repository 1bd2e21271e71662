"""Log-odds to verdicts: Platt scaling, thresholds of the operating points, and the range of the training features.

All are fitted on held-out log-odds: each row by a fit without its group. Log-odds and labels have shape (n,).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.bundle import OperatingPoint
from popdetect.detection.model.classifiers import Calibration, FeatureRange, Floats, sigmoid
from popdetect.training.models import estimators

# share of no_pop clips that must not be called pop, and the probability from which events count in a burst.
# A new operating point is one entry.
TARGETS = {"balanced": (0.95, 0.35), "sensitive": (0.90, 0.25), "specific": (0.99, 0.5)}
# share of the clips; a person should have to listen to at most a fifth, also where sounds are harder
MAX_UNCERTAIN = 0.13
KEPT = 0.98  # share of the pop clips that need not be called no_pop, even if fewer clips would be uncertain
# limits of the thresholds: with few clips, one wrong label could otherwise prevent every other clip from being called
POP_FROM = (0.02, 0.98)
NO_POP_BELOW = (0.01, 0.5)  # a clip that is more likely with a pop than without is not called no_pop
_EPSILON = 1e-9  # 0.95 * 20 is slightly more than 19
# prior of a recalibration: standard deviations of slope and offset before any clip is seen
_SLOPE_SD, _OFFSET_SD = 0.3, 1.0

TAIL = 0.0005  # share of the training values of each feature that lie outside the range, on each side
STRANGE = 0.001  # share of the training rows that would be called out of distribution
_FAR = 1e12


def platt(logits: Floats, labels: npt.NDArray[Any]) -> Calibration:
    """Fit Platt scaling with light regularisation; the slope is at least 0.05."""
    slope, offset = estimators.logistic_line(logits, labels)
    return Calibration(max(slope, 0.05), offset)


def recalibrate(before: Calibration, logits: Floats, labels: npt.NDArray[Any]) -> Calibration:
    """Update a calibration with new held-out log-odds.

    This is Platt scaling of the calibrated log-odds, with a normal prior on slope (mean 1) and offset (mean 0). Without
    new clips the calibration does not change; with hundreds of clips the prior has almost no effect.
    """
    known = before.log_odds(logits)
    design = np.stack([known, np.ones(len(known))], axis=1)
    precision = np.array([1 / _SLOPE_SD**2, 1 / _OFFSET_SD**2])
    at = np.array([1.0, 0.0])
    truth = np.asarray(labels, np.float64)

    def cost(point: Floats) -> float:
        z = design @ point
        return float(np.logaddexp(0, z).sum() - truth @ z + 0.5 * precision @ (point - [1, 0]) ** 2)

    for _ in range(50):
        p = sigmoid(design @ at)
        slope = design.T @ (p - truth) + precision * (at - [1, 0])
        step = np.linalg.solve((design.T * (p * (1 - p))) @ design + np.diag(precision), slope)
        shorter = 1.0
        while shorter > 1e-6 and cost(at - shorter * step) > cost(at):
            shorter /= 2
        at = at - shorter * step
        if np.abs(step).max() < 1e-9:
            break
    a = max(float(at[0]), 0.05)
    return Calibration(a * before.slope, a * before.offset + float(at[1]))


def operating_points(p_clip: Floats, labels: npt.NDArray[np.bool_]) -> dict[str, OperatingPoint]:
    """Choose the thresholds of each operating point in `TARGETS`.

    A clip is called ``pop`` from the first threshold on and ``no_pop`` below the second; between them it is
    ``uncertain``. Each threshold lies half way between the probabilities of two clips, with as few decimals as
    possible, so that rounding in ``model.json`` changes no decision.

    Parameters
    ----------
    p_clip : ndarray, shape (n_clips,)
        Held-out probabilities.
    labels : ndarray of bool, shape (n_clips,)
        Whether the clips hold pops; both classes must be present.
    """
    known = np.unique(p_clip)
    without, with_pop = np.sort(p_clip[~labels]), np.sort(p_clip[labels])
    points = {}
    for name, (specificity, burst_from) in TARGETS.items():
        # the highest no_pop clip that must stay below
        stays = float(without[math.ceil(specificity * len(without) - _EPSILON) - 1])
        pop_from = between(stays, float(known[known > stays].min(initial=1.0)))
        pop_from = min(max(pop_from, POP_FROM[0]), POP_FROM[1])
        # the lowest clip that may be uncertain: at most a share of all clips, and not the lowest pop clips
        below = known[known < pop_from]
        n_uncertain = (p_clip < pop_from).sum() - np.searchsorted(np.sort(p_clip), below)
        lowest = float(below[n_uncertain <= MAX_UNCERTAIN * len(p_clip)].min(initial=pop_from))
        kept = float(with_pop[min(math.floor((1 - KEPT) * len(with_pop) + _EPSILON), len(with_pop) - 1)])
        lowest = max(lowest, kept)
        no_pop_below = pop_from
        if lowest < pop_from:
            no_pop_below = between(float(known[known < lowest].max(initial=0.0)), lowest)
        no_pop_below = min(max(no_pop_below, NO_POP_BELOW[0]), NO_POP_BELOW[1])
        points[name] = OperatingPoint(min(no_pop_below, pop_from), pop_from, burst_from)
    return points


def between(below: float, above: float) -> float:
    """Return a threshold t, below < t ≤ above, about half way, with the fewest decimals possible (at least 4)."""
    middle = (below + above) / 2
    for decimals in range(4, 18):
        rounded = round(middle, decimals)
        if below < rounded <= above:
            return rounded
    return above  # there is no float between the two


def feature_range(rows: Floats, base: FeatureRange | None = None) -> FeatureRange:
    """Return the range of the training features; an adapted model also keeps the range of its base model.

    Parameters
    ----------
    rows : ndarray, shape (n, n_features)
    base : FeatureRange, optional
    """
    unknown = np.isnan(rows).all(axis=0)
    known = np.where(unknown, 0.0, rows)
    low = np.where(unknown, -_FAR, np.nanquantile(known, TAIL, axis=0))
    high = np.where(unknown, _FAR, np.nanquantile(known, 1 - TAIL, axis=0))
    if base is not None:
        return FeatureRange(np.minimum(low, base.low), np.maximum(high, base.high), base.min_outside)
    counts = FeatureRange(low, high, 1).n_outside(rows)
    return FeatureRange(low, high, int(np.quantile(counts, 1 - STRANGE, method="higher")) + 1)
