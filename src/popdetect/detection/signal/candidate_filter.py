"""Inputs of the candidate filter: a small, fast classifier that discards unlikely candidates.

Nine in ten candidates are small rises of noise. To compute the features of all of them would take longer than
everything else. So the filter uses only a few levels of the groups of bands, and the spectrum at the candidate; it is
trained to keep nearly all pops (`training.models.candidate_filter`). The spectrum is worth its cost: without it, 19
instead of 12 candidates per second pass, if 99 % of the pops must pass.
"""

from __future__ import annotations

import numpy as np

from popdetect.detection.signal.frames import Array
from popdetect.detection.signal.onsets import RISE_LIMIT_DB, Floats, Ints

AFTER_HOPS = (5, 8, 14, 25, 45)
BEFORE_HOPS = (4, 8, 16)
_PARTS = ("lower", "middle", "upper", "all")
_LOW_DB, _HIGH_DB = -40.0, 10.0


def names(n_columns: int) -> tuple[str, ...]:
    """Names of the inputs in order, for frames of `n_columns`."""
    kinds = ["rise", "prominence", *(f"after_{h}ms" for h in AFTER_HOPS), *(f"before_{h}ms" for h in BEFORE_HOPS)]
    of_groups = (f"{kind}_{part}" for kind in kinds for part in _PARTS)
    return (*of_groups, *(f"spectrum_{column}" for column in range(n_columns)))


def describe(rises: Array, prominences: Array, groups_db: Array, frames_db: Array, candidates: Ints) -> Floats:
    """Levels around each candidate, dB relative to its own, shape (n, 40 + n_columns).

    `rises`, `groups_db` (n_frames, 4) and `frames_db` (n_frames, n_columns) are of all frames, `prominences` (n, 4) and
    `candidates` (n,) of the candidate frames. NaN is silence, or a band that the sample rate does not have.

    Levels after and before are limited to -40 to 10; beyond the ends of the clip and in silence they are -40. The
    spectrum is the level of each band in the candidate frame or the next, relative to the strongest band, -40 to 0.
    """
    last = len(groups_db) - 1
    offsets = np.array([*AFTER_HOPS, *(-h for h in BEFORE_HOPS)])
    top = np.fmax(groups_db[candidates], groups_db[np.minimum(candidates + 1, last)])
    index = candidates[:, None] + offsets
    around = groups_db.take(index, axis=0, mode="clip") - top[:, None]
    around[(index < 0) | (index > last)] = np.nan
    around = np.fmin(np.fmax(around, np.float32(_LOW_DB)), np.float32(_HIGH_DB))  # NaN (silence) becomes the lowest
    bands = np.fmax(frames_db[candidates], frames_db[np.minimum(candidates + 1, last)])
    if len(candidates):
        bands -= np.fmax.reduce(bands, axis=1, keepdims=True)
    rows = [
        rises[candidates],
        np.minimum(prominences, RISE_LIMIT_DB),
        around.reshape(len(candidates), offsets.size * groups_db.shape[1]),
        np.fmax(bands, np.float32(_LOW_DB)),
    ]
    return np.concatenate(rows, axis=1, dtype=np.float64)
