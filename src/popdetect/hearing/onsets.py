"""Log-mel frames to candidate onsets: where a sound starts suddenly.

Decides where to look, not what it is: nearly every pop is among the candidates, and so is much else.
Two steps. A frame is a candidate where the bands rise together above the few milliseconds before it, and more than
at any frame close by. Then the waveform around it says to a fraction of a millisecond when the sound starts.

Every decision looks at a few milliseconds around itself and at ratios only. So neither gain nor anything else in
the clip moves it, unlike `librosa.onset.onset_detect`, which divides by the clip's maximum.
Digital silence is treated as "nothing was recorded", the same as before the start of the clip.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from popdetect.hearing.spectrum import Array, Transform, heard

Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]

RISE_LIMIT_DB = 40.0  # as much as silence before a sound counts for
_TINY = np.float32(1e-30)  # keeps a ratio of zeros a number, and no ratio of sounds from being exact
_NO_LIMIT = np.float32(np.inf)
BASE_GAP_HOPS = 4  # between the frames that make the base level and the candidate
BIN_MS = 0.125  # resolution of the fine envelope
BEFORE_MS, AFTER_MS = 4.0, 11.0  # reach of the fine envelope around the frame
GLITCH_SHARE = 0.6  # of the energy in one sample; a band-limited click at 8 kHz reaches 0.45
GLITCH_REACH_MS = 1.0


@dataclass(frozen=True, slots=True)
class OnsetRule:
    """How candidates are picked; part of every model bundle.

    Attributes
    ----------
    rise_db : float
        Least rise of a group of bands over the frames just before.
    background_hops : int
        How many frames before the window these are.
    radius_hops : int
        A candidate is the greatest rise among this many frames on each side.
    prominence_db : float
        Least height of a group of bands above its mean level over the last `base_hops` frames.
    base_hops : int
    """

    rise_db: float = 4.0
    background_hops: int = 8
    radius_hops: int = 3
    prominence_db: float = 6.0
    base_hops: int = 96

    def history(self, window_hops: int) -> int:
        """How many frames before a frame its rise depends on."""
        return window_hops + self.background_hops


def rise(power: Array, groups: Array, window_hops: int, rule: OnsetRule) -> Array:
    """How far each frame stands above the few before its window.

    The bands are taken in three groups, low to high, and together; the group that rises most speaks, so that a
    sound confined to a part of the spectrum is not drowned by the rest.

    Parameters
    ----------
    power : ndarray, shape (n_frames, n_columns)
        Of `Transform.power`.
    groups : ndarray, shape (n_columns, 4)
        `Transform.groups`.

    Returns
    -------
    ndarray, shape (n_frames, 4)
        dB, 0 to 40, per group. Where sound begins after silence it is 40.
    """
    sounds = heard(power)
    n, lag = rule.background_hops, window_hops
    count = np.zeros(len(power), np.float32)
    count[lag:] = _running_sum(sounds.astype(np.float32), n)[: max(0, len(power) - lag)]
    # large arrays: each pass over them is time, so most are in place
    total = _running_sum(power, n)  # what is silent adds nothing worth the name
    np.clip(total, _TINY, _NO_LIMIT, out=total)  # a third of the time of `maximum`, and the same
    risen = np.clip(power, _TINY, _NO_LIMIT)
    risen[:lag] = 1
    risen[lag:] /= total[: max(0, len(power) - lag)]
    risen *= np.float32(n)
    fewer = np.flatnonzero(count < n)  # at the start, and after silence
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
    """Sum of each row and the `n` - 1 before it, a new array; by doubling, so that a row never depends on far ones."""
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
    """The greatest of each row; column by column, many times faster than ``max(axis=1)`` along short rows."""
    out = values[:, 0]
    for column in range(1, values.shape[1]):
        out = np.maximum(out, values[:, column])
    return out


def pick(rises: Array, rule: OnsetRule) -> Ints:
    """Frames whose rise reaches the rule and is the greatest nearby; of equals, the first. Increasing order."""
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
    """How far candidates stand out of the last tenth of a second, not only of the last few milliseconds.

    Noise rises often, but not far. The candidate frame and the next are looked at.

    Parameters
    ----------
    groups_db : ndarray, shape (n_frames, 4)
        Log-mel frames by group; NaN is silence.
    candidates : ndarray of int, shape (n,)

    Returns
    -------
    ndarray, shape (n, 4)
        dB per group; 40 where nothing was recorded before.
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


Take = Callable[[Ints, int], Array]


def snippets(samples: Array, starts: Ints, size: int) -> Array:
    """Pieces of `size` samples of a clip, shape (n_samples, n_channels), as shape (n, n_channels, size).

    Beyond its ends the clip goes on as it stood there: silence, and no step.
    """
    last, n_channels = len(samples) - size, samples.shape[1]
    if last < 0:
        return samples.take(starts[:, None] + np.arange(size), axis=0, mode="clip").swapaxes(1, 2).copy()
    # whole rows at once are ten times faster than sample by sample; numpy's own sliding window takes as long to make
    # as a clip's pieces to copy
    step = samples.itemsize
    windows: Array = np.ndarray(
        (last + 1, n_channels, size),
        samples.dtype,
        np.ascontiguousarray(samples),
        0,
        (n_channels * step, step, n_channels * step),
    )
    cut = windows[np.minimum(np.maximum(starts, 0), last)]
    at_edge = np.flatnonzero((starts < 0) | (starts > last))
    if len(at_edge):
        index = starts[at_edge, None] + np.arange(size)
        cut[at_edge] = samples.take(index, axis=0, mode="clip").swapaxes(1, 2)
    return cut


@dataclass(frozen=True, slots=True)
class Located:
    """Candidates with their times and their fine envelope.

    Attributes
    ----------
    sample : ndarray of int, shape (n,)
        Onset, in samples from the start of the clip, increasing.
    envelope : ndarray, shape (n, n_bins)
        Mean power of the differenced waveform in bins of `BIN_MS`, starting at the onset; mean over channels.
    before : ndarray, shape (n,)
        The same, over the 2 ms that end 0.25 ms before the onset; 0 where there is nothing.
    glitch : ndarray, shape (n,)
        Share of the energy of the nearest 2 ms that lies in one sample.
    """

    sample: Ints
    envelope: Floats
    before: Floats
    glitch: Floats

    def __len__(self) -> int:
        return len(self.sample)

    def take(self, index: Ints | npt.NDArray[np.bool_]) -> Located:
        """The candidates at `index`."""
        return Located(self.sample[index], self.envelope[index], self.before[index], self.glitch[index])


@lru_cache(maxsize=8)
def _bin_edges(rate_hz: int) -> Ints:
    n_bins = round((BEFORE_MS + AFTER_MS) / BIN_MS)
    return np.round(np.arange(n_bins + 1) * (BIN_MS * rate_hz / 1000)).astype(np.intp)


ENVELOPE_BINS = 64  # what is kept of it, 8 ms from the onset on


def locate(take: Take, frames: Ints, shape: Transform, rate_hz: int) -> Located:
    """Find the start of the sound at each candidate frame, and drop what is a glitch of one sample.

    The onset is where the short-time power of the differenced waveform first passes a tenth of its peak there
    (and twice the level before), within the window of the frame.

    Parameters
    ----------
    take : callable
        Gives pieces of the clip by their first samples and their size, as `snippets` does.
    frames : ndarray of int
        Candidate frames.

    Returns
    -------
    Located
        `sample` counts as `frames` does.
    """
    edges = _bin_edges(rate_hz)
    n_before = round(BEFORE_MS / BIN_MS)
    starts = frames * shape.hop - edges[n_before]
    lag = max(1, round(rate_hz * 6e-5))  # a difference over 0.06 ms: a gentle rise with frequency to 8 kHz
    reach = int(edges[-1]) + lag
    power = _mean_power(take(starts, reach), lag)
    fine = _bin_means(power, edges)
    smooth = fine.copy()
    smooth[:, :-1] += fine[:, 1:]

    window_bins = round(shape.window * 1000 / rate_hz / BIN_MS)
    first, last = n_before - round(1.0 / BIN_MS), n_before + window_bins
    region = smooth[:, first:last]
    peak = region.max(axis=1)
    lead = np.sort(fine[:, : n_before - round(1.0 / BIN_MS)], axis=1)
    quiet = (lead[:, (lead.shape[1] - 1) // 2] + lead[:, lead.shape[1] // 2]) / 2  # the median, without its overhead
    threshold = np.minimum(np.maximum(0.1 * peak, 4 * quiet), 0.5 * peak)
    onset_bin = first + np.argmax(region >= threshold[:, None], axis=1)
    # the smoothed power looks one bin ahead: where the sound starts within those two bins
    rows = np.arange(len(frames))
    onset_bin += fine[rows, onset_bin] < 0.5 * threshold / 2
    sample = starts + edges[onset_bin]

    from_onset = onset_bin[:, None] + np.arange(ENVELOPE_BINS)
    until_onset = onset_bin[:, None] + np.arange(-18, -2)
    envelope = fine[rows[:, None], np.minimum(from_onset, fine.shape[1] - 1)]
    before = fine[rows[:, None], until_onset].mean(axis=1)
    glitch = _glitch_share(take, sample, rate_hz)
    keep = glitch < GLITCH_SHARE
    keep[1:] &= np.diff(sample) > 2 * shape.hop  # two frames that found the same start
    return Located(sample, envelope, before, glitch).take(keep)


def _mean_power(pieces: Array, lag: int) -> Array:
    """Squared differences over `lag` samples, mean over channels, shape (n, size - lag)."""
    _, n_channels, size = pieces.shape
    power = np.zeros((len(pieces), size - lag), np.float32)
    for channel in range(n_channels):
        steps = pieces[:, channel, lag:] - pieces[:, channel, :-lag]
        power += np.square(steps, out=steps)
    if n_channels > 1:
        power /= n_channels
    return power


def _bin_means(power: Array, edges: Ints) -> Floats:
    """Mean power between each edge and the next, shape (n, n_bins)."""
    sizes = np.diff(edges)
    size = int(sizes[0])
    if (sizes != size).any():
        return np.asarray(np.add.reduceat(power, edges[:-1], axis=1) / sizes, np.float64)
    # bins of one size, as at most rates: their first samples, their second, ... three times as fast
    total = power[:, ::size].copy()
    for offset in range(1, size):
        total += power[:, offset::size]
    return total.astype(np.float64) / size


def _glitch_share(take: Take, onsets: Ints, rate_hz: int) -> Floats:
    """How much of the nearest two milliseconds' energy sits in one sample.

    Energy of the second difference, which a lone wrong sample spreads as ¼ : 1 : ¼.
    """
    reach = max(3, round(GLITCH_REACH_MS * rate_hz / 1000))
    near = take(onsets - reach - 1, 2 * reach + 3)
    bent = np.zeros((len(onsets), 2 * reach + 1), np.float32)
    for channel in range(near.shape[1]):
        x = near[:, channel]
        bent += np.square(x[:, 1:-1] - (x[:, :-2] + x[:, 2:]) / 2)
    total = bent.sum(axis=1, dtype=np.float64)
    return np.asarray(np.divide(bent.max(axis=1), total, out=np.zeros(len(onsets)), where=total > 0))
