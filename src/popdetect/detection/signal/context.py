"""Candidates and their neighbours to the inputs of the context model.

The pops of one thrust come as a burst of similar sounds, so each pop makes the next more likely. One likely sound among
many unlikely ones is more often a footstep. So each candidate is scored twice: first by its own features (the base
score), then by these inputs together with its neighbours within 150 ms. The rest of the clip does not enter.

Levels are in dB above the floor, gaps in ms, base scores in log-odds. Without a neighbour, its measures are NaN.
"""

from __future__ import annotations

import numpy as np

from popdetect.detection.signal.features import HEADROOM_LIMIT_DB, NEIGHBOUR_MS
from popdetect.detection.signal.onsets import Floats

ECHO_MS = 9.0  # a closer candidate is an echo of the pop, not the next pop
N_SIDE = 12  # neighbours used on each side
UNLIKELY = -2.0  # log-odds below which a neighbour is counted as unlikely
NO_NEIGHBOUR = -8.0  # log-odds without a neighbour, and the lowest that is told apart
_SIDES = ("before", "after")


def names() -> tuple[str, ...]:
    """Names of the inputs in order."""
    kinds = ("best", "sum", "count", "unlikely", "gap_ms", "step_db", "unlike_db")
    return ("own", "level_db", "sum", "echo", *(f"{kind}_{side}" for kind in kinds for side in _SIDES))


def describe(
    onset_ms: Floats, log_odds: Floats, level_db: Floats, spectra_db: Floats, wanted: slice | None = None
) -> Floats:
    """Describe candidates by their neighbours, shape (n_wanted, 18), in float64 numbers that float32 can hold.

    Parameters
    ----------
    onset_ms, log_odds : ndarray, shape (n,)
        All candidates within reach, in time order, and their base scores.
    level_db, spectra_db : ndarray, shapes (n,) and (n, n_columns)
        Of `features.level_and_spectrum`: NaN without a floor, and for bands above half the sample rate.
    wanted : slice, optional
        The candidates to describe; all by default.
    """
    n_all = len(onset_ms)
    own = np.arange(n_all)[wanted or slice(None)]
    if not len(own):
        return np.empty((0, len(names())))
    level = np.where(np.isnan(level_db), HEADROOM_LIMIT_DB, level_db)
    spectra = np.nan_to_num(spectra_db, nan=0.0)
    # axis 1 is before and after, axis 2 goes outwards
    reach = own[:, None, None] + np.array([[-1], [1]]) * np.arange(1, N_SIDE + 1)
    other = np.minimum(np.maximum(reach, 0), n_all - 1)
    # rounded, so that a gap has the same value at any time of the recording
    gap = np.round(np.abs(onset_ms.take(other) - onset_ms[own, None, None]), 4)
    near = (reach == other) & (gap <= NEIGHBOUR_MS)
    is_echo = near & (gap <= ECHO_MS)
    near &= ~is_echo

    theirs = np.maximum(log_odds, NO_NEIGHBOUR).take(other)
    best_at = np.argmax(np.where(near, theirs, -np.inf), axis=2)
    best = np.take_along_axis(other, best_at[:, :, None], axis=2)[:, :, 0]
    alone = ~near.any(axis=2)
    sums = np.where(near, _probability(theirs), 0.0).sum(axis=2)
    unlike = np.sqrt(np.square(spectra.take(best, axis=0) - spectra[own, None]).mean(axis=2))
    of_best = np.stack(
        [np.take_along_axis(gap, best_at[:, :, None], axis=2)[:, :, 0], level.take(best) - level[own, None], unlike],
        axis=1,
    )
    of_best = np.where(alone[:, None], np.nan, of_best)
    best_score = np.where(near, theirs, NO_NEIGHBOUR).max(axis=2)
    sides = [best_score, sums, near.sum(axis=2), (near & (theirs < UNLIKELY)).sum(axis=2)]
    overall = [
        log_odds[own],
        np.minimum(level[own], HEADROOM_LIMIT_DB),
        np.log1p(sums.sum(axis=1)),
        np.where(is_echo, theirs, NO_NEIGHBOUR).max(axis=(1, 2)),
    ]
    rows = np.concatenate([np.stack(overall, axis=1), *sides, of_best.reshape(len(own), -1)], axis=1)
    return rows.astype(np.float32).astype(np.float64)


def _probability(log_odds: Floats) -> Floats:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * log_odds)))
