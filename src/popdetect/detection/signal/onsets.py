"""Log-mel frames to candidate onsets: frames where a sound starts suddenly.

A frame is a candidate if the bands rise together above the few milliseconds before it, and more than at any frame
nearby. Nearly every pop is among the candidates, with many other sounds. `refinement` then finds the time of the onset
in the waveform.

All decisions depend on ratios within a short time around the frame. So they do not depend on gain or on the rest of
the clip, unlike `librosa.onset.onset_detect`, which divides by the maximum of the clip. Digital silence is treated as
"nothing was recorded", like the time before the start of the clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from popdetect.detection.signal.frames import Array, has_sound

Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]

RISE_LIMIT_DB = 40.0  # also the rise after digital silence
_TINY = np.float32(1e-30)  # avoids 0 / 0; far below any sound
_NO_LIMIT = np.float32(np.inf)
BASE_GAP_HOPS = 4  # between the frames that make the base level and the candidate


@dataclass(frozen=True, slots=True)
class OnsetRule:
    """How candidates are chosen; part of every model bundle."""

    rise_db: float = 4.0  # least rise of a group of bands over the frames just before
    background_hops: int = 8  # the number of these frames
    radius_hops: int = 3  # a candidate is the greatest rise among this many frames on each side
    prominence_db: float = 6.0  # least height of a group of bands above its mean level over the last `base_hops` frames
    base_hops: int = 96

    def history(self, window_hops: int) -> int:
        """The number of earlier frames on which the rise of a frame depends."""
        return window_hops + self.background_hops


def rise(power: Array, groups: Array, window_hops: int, rule: OnsetRule) -> Array:
    """How far each frame rises above the few before its window.

    Computed for three groups of bands, low to high, and for all bands. The group that rises most is used, so that a
    sound in one part of the spectrum is found although the rest of the spectrum is noisy. `power` and `groups` are of
    `frames.Transform`. The result has shape (n_frames, 4): dB, 0 to 40, per group; 40 where sound begins after digital
    silence.
    """
    sounds = has_sound(power)
    n, lag = rule.background_hops, window_hops
    count = np.zeros(len(power), np.float32)
    count[lag:] = _running_sum(sounds.astype(np.float32), n)[: max(0, len(power) - lag)]
    total = _running_sum(power, n)  # the power of silent frames is negligible
    np.clip(total, _TINY, _NO_LIMIT, out=total)  # a third of the time of np.maximum
    risen = np.clip(power, _TINY, _NO_LIMIT)
    risen[:lag] = 1
    risen[lag:] /= total[: max(0, len(power) - lag)]
    risen *= np.float32(n)
    fewer = np.flatnonzero(count < n)  # near the start, and after silence
    if len(fewer):
        risen[fewer] *= (np.maximum(count[fewer], 1) / n)[:, None]
    np.log10(risen, out=risen)
    np.clip(risen, 0, RISE_LIMIT_DB / 10, out=risen)
    out = risen @ (10 * groups)
    if not count.all() or not sounds.all():
        out[(count == 0) | ~sounds] = 0
        starts = sounds.copy()
        starts[1:] &= ~sounds[:-1]
        out[starts & (count == 0)] = RISE_LIMIT_DB
    return np.asarray(out, np.float32)


def _running_sum(values: Array, n: int) -> Array:
    """Sum of each row and the `n` - 1 before it; by doubling, so that rounding depends on these rows only."""
    out: Array | None = None
    part, size, done = values, 1, 0
    while n:
        if n & 1:
            if out is None:
                out = part.copy() if n > 1 or part is values else part
            else:
                out[done:] += part[: max(0, len(part) - done)]
            done += size
        n >>= 1
        if n:
            doubled = np.empty_like(part)
            doubled[:size] = part[:size]
            np.add(part[size:], part[:-size], out=doubled[size:])
            part, size = doubled, size * 2
    return values.copy() if out is None else out


def greatest(values: Array) -> Array:
    """The greatest value of each row; column by column, much faster than ``max(axis=1)`` along short rows."""
    out = values[:, 0]
    for column in range(1, values.shape[1]):
        out = np.maximum(out, values[:, column])
    return out


def pick(rises: Array, rule: OnsetRule) -> Ints:
    """Frames whose rise reaches the threshold and is the greatest nearby (the first of equals), in increasing order."""
    above = np.flatnonzero(rises >= rule.rise_db)
    if not len(above):
        return above
    radius = rule.radius_hops
    padded = np.concatenate([np.full(radius, -1, np.float32), rises, np.full(radius, -1, np.float32)])
    nearby = padded[above + np.arange(2 * radius + 1)[:, None]]
    own = rises[above]
    is_peak = (own > nearby[:radius].max(axis=0)) & (own >= nearby[radius:].max(axis=0))
    return np.asarray(above[is_peak])


def prominence(groups_db: Array, candidates: Ints, rule: OnsetRule) -> Array:
    """How far candidates rise above the last tenth of a second, not only above the last few milliseconds.

    Noise rises often, but not far. The louder of the candidate frame and the next is used. `groups_db` has shape
    (n_frames, 4), NaN in silence; the result has shape (n, 4): dB per group, 40 where nothing was recorded before.
    """
    known = ~np.isnan(groups_db[:, 0])
    clean = groups_db
    if not known.all():
        clean = groups_db.copy()
        clean[~known] = 0
    last = candidates - BASE_GAP_HOPS
    total = _sums_until(clean, last, rule.base_hops)
    n_known = _sums_until(known.astype(np.float32), last, rule.base_hops)
    after = groups_db[np.minimum(candidates + 1, len(groups_db) - 1)]
    height = np.fmax(groups_db[candidates], after) - total / np.maximum(n_known, 1)[:, None]
    height[n_known == 0] = RISE_LIMIT_DB
    return np.asarray(height, np.float32)


def _sums_until(values: Array, last: Ints, n: int) -> Array:
    """Sum of the `n` rows that end with each of `last`; rows before the first count as 0."""
    sums = _running_sum(values, n).take(np.maximum(last, 0), axis=0)
    sums[last < 0] = 0
    return sums
