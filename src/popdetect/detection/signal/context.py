"""A candidate among its neighbours: what the first opinion on each says about the others.

Pops of one thrust come as a train of sounds that are alike, and each of them makes the next more likely; one likely
sound among many unlikely ones is more often a footstep. So each candidate is judged twice: first by itself
(`features`), then, by these few numbers, together with those within 150 ms. No further: what else is in the clip
must not enter.

Levels are dB above the floor, gaps ms, opinions log-odds. What cannot be measured for want of a neighbour is NaN.
"""

from __future__ import annotations

import numpy as np

from popdetect.detection.model.classifiers import Classifier, sigmoid
from popdetect.detection.signal.features import HEADROOM_LIMIT_DB, NEIGHBOUR_MS
from popdetect.detection.signal.onsets import Floats

ECHO_MS = 9.0  # closer than this lies a pop's own double, not the next pop
HOPELESS = -5.0  # log-odds below which no company makes a pop of a sound: most candidates, whose opinion stands
N_SIDE = 12  # neighbours on each side that are looked at
UNLIKELY, NOBODY = -2.0, -8.0  # log-odds: hardly a pop; the least that is told apart, and what no neighbour counts for
_SIDES = ("before", "after")


def names() -> tuple[str, ...]:
    """The numbers in order."""
    kinds = ("best", "sum", "count", "unlikely", "gap_ms", "step_db", "unlike_db")
    return ("own", "level_db", "sum", "echo", *(f"{kind}_{side}" for kind in kinds for side in _SIDES))


def second_opinion(classifier: Classifier, rows: Floats) -> Floats:
    """Log-odds of rows as `describe` gives them, shape (n,); of those that are hopeless, the first opinion."""
    logits = rows[:, 0].copy()
    asked = np.flatnonzero(logits >= HOPELESS)
    if len(asked):
        logits[asked] = classifier.logit(rows[asked])
    return logits


def describe(
    onset_ms: Floats, opinions: Floats, level_db: Floats, shapes_db: Floats, wanted: slice | None = None
) -> Floats:
    """Describe candidates by their neighbours.

    Parameters
    ----------
    onset_ms : ndarray, shape (n,)
        Increasing; all candidates in reach.
    opinions : ndarray, shape (n,)
        Calibrated log-odds that each is a pop.
    level_db : ndarray, shape (n,)
        Of each above its floor, as `features.level_and_shape` gives it; NaN is above all floors.
    shapes_db : ndarray, shape (n, n_columns)
        Spectrum of each against its own mean level; NaN where the sample rate has no band.
    wanted : slice, optional
        Which of them to describe; all, by default.

    Returns
    -------
    ndarray, shape (n_wanted, 18)
        float64 numbers that float32 can hold.
    """
    n_all = len(onset_ms)
    own = np.arange(n_all)[wanted or slice(None)]
    if not len(own):
        return np.empty((0, len(names())))
    level = np.where(np.isnan(level_db), HEADROOM_LIMIT_DB, level_db)
    shapes = np.nan_to_num(shapes_db, nan=0.0)
    # both sides at once: axis 1 is before and after, axis 2 goes outwards
    reach = own[:, None, None] + np.array([[-1], [1]]) * np.arange(1, N_SIDE + 1)
    other = np.minimum(np.maximum(reach, 0), n_all - 1)
    # rounded: a gap is the same gap wherever in the recording it lies
    gap = np.round(np.abs(onset_ms.take(other) - onset_ms[own, None, None]), 4)
    near = (reach == other) & (gap <= NEIGHBOUR_MS)
    is_echo = near & (gap <= ECHO_MS)
    near &= ~is_echo

    theirs = np.maximum(opinions, NOBODY).take(other)
    heard = np.where(near, theirs, NOBODY)
    best_at = np.argmax(np.where(near, theirs, -np.inf), axis=2)
    best = np.take_along_axis(other, best_at[:, :, None], axis=2)[:, :, 0]
    nobody = ~near.any(axis=2)
    sums = np.where(near, sigmoid(theirs), 0.0).sum(axis=2)
    unlike = np.sqrt(np.square(shapes.take(best, axis=0) - shapes[own, None]).mean(axis=2))
    of_best = np.stack(
        [np.take_along_axis(gap, best_at[:, :, None], axis=2)[:, :, 0], level.take(best) - level[own, None], unlike],
        axis=1,
    )
    of_best = np.where(nobody[:, None], np.nan, of_best)
    sides = [heard.max(axis=2), sums, near.sum(axis=2), (near & (theirs < UNLIKELY)).sum(axis=2)]
    alone = [
        opinions[own],
        np.minimum(level[own], HEADROOM_LIMIT_DB),
        np.log1p(sums.sum(axis=1)),
        np.where(is_echo, theirs, NOBODY).max(axis=(1, 2)),
    ]
    rows = np.concatenate([np.stack(alone, axis=1), *sides, of_best.reshape(len(own), -1)], axis=1)
    return rows.astype(np.float32).astype(np.float64)
