"""Candidate frames to onsets, to a fraction of a millisecond, and the envelope of the sound after the onset.

All decisions depend on ratios within a few milliseconds, like those of `onsets`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from popdetect.detection.signal.frames import Array, Transform
from popdetect.detection.signal.onsets import Floats, Ints

BIN_MS = 0.125  # resolution of the fine envelope
BEFORE_MS, AFTER_MS = 4.0, 11.0  # reach of the fine envelope around the frame
GLITCH_SHARE = 0.6  # more energy in one sample is a wrong sample; a band-limited click at 8 kHz reaches 0.45
GLITCH_REACH_MS = 1.0
ENVELOPE_BINS = 64  # kept of the fine envelope: 8 ms from the onset

# Reads pieces of a recording, given their first samples, shape (n,), in time order, and their size:
# shape (n, n_channels, size)
SnippetReader = Callable[[Ints, int], Array]


def snippets(samples: Array, starts: Ints, size: int) -> Array:
    """Pieces of `size` samples of a clip, shape (n_samples, n_channels), as shape (n, n_channels, size).

    Before its start and after its end the clip continues with its first and last sample.
    """
    last, n_channels = len(samples) - size, samples.shape[1]
    if last < 0:
        return samples.take(starts[:, None] + np.arange(size), axis=0, mode="clip").swapaxes(1, 2).copy()
    # overlapping windows, copied as whole rows: ten times faster than sample by sample. np.ndarray, because
    # sliding_window_view takes as long as copying all pieces of a clip
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


Candidates = npt.NDArray[np.void]  # shape (n,), in time order; the fields are those of `candidate_type`


@lru_cache(maxsize=8)
def candidate_type(n_columns: int) -> np.dtype[np.void]:
    """What is kept of a candidate, for frames of `n_columns`."""
    fields = [
        ("sample", np.intp),  # onset, from the start of the time line
        # mean power of the differenced waveform in bins of `BIN_MS`, starting at the onset; mean over channels
        ("envelope", np.float64, ENVELOPE_BINS),
        ("before", np.float64),  # the same over the 2 ms that end 0.25 ms before the onset
        ("glitch", np.float64),  # share of the energy within 1 ms of the onset that lies in one sample
        # the base score, and what neighbours are compared by; 0 until the candidate is scored
        ("log_odds", np.float64),
        ("level_db", np.float64),
        ("spectrum_db", np.float64, n_columns),
        ("duration_ms", np.float64),
        ("outside", np.bool_),
    ]
    return np.dtype(fields)


@lru_cache(maxsize=8)
def _bin_edges(rate_hz: int) -> Ints:
    n_bins = round((BEFORE_MS + AFTER_MS) / BIN_MS)
    return np.round(np.arange(n_bins + 1) * (BIN_MS * rate_hz / 1000)).astype(np.intp)


def locate(read: SnippetReader, frames: Ints, transform: Transform, rate_hz: int) -> Candidates:
    """Candidates at the start of the sound in each candidate frame, without single wrong samples.

    The onset is where the short-time power of the differenced waveform first exceeds a tenth of its peak, and twice
    the level before, within the window of the frame. `sample` counts from the first sample of frame 0.
    """
    edges = _bin_edges(rate_hz)
    n_before = round(BEFORE_MS / BIN_MS)
    starts = frames * transform.hop - edges[n_before]
    lag = max(1, round(rate_hz * 6e-5))  # a difference over 0.06 ms rises gently with frequency up to 8 kHz
    reach = int(edges[-1]) + lag
    power = _step_power(read(starts, reach), lag)
    fine = _bin_means(power, edges)
    smooth = fine.copy()
    smooth[:, :-1] += fine[:, 1:]

    window_bins = round(transform.window * 1000 / rate_hz / BIN_MS)
    first, last = n_before - round(1.0 / BIN_MS), n_before + window_bins
    region = smooth[:, first:last]
    peak = region.max(axis=1)
    lead = np.sort(fine[:, : n_before - round(1.0 / BIN_MS)], axis=1)
    quiet = (lead[:, (lead.shape[1] - 1) // 2] + lead[:, lead.shape[1] // 2]) / 2  # the median; np.median is slower
    threshold = np.minimum(np.maximum(0.1 * peak, 4 * quiet), 0.5 * peak)
    onset_bin = first + np.argmax(region >= threshold[:, None], axis=1)
    # each smoothed value covers two bins: choose the one in which the sound starts
    rows = np.arange(len(frames))
    onset_bin += fine[rows, onset_bin] < 0.5 * threshold / 2
    sample = starts + edges[onset_bin]

    from_onset = onset_bin[:, None] + np.arange(ENVELOPE_BINS)
    until_onset = onset_bin[:, None] + np.arange(-18, -2)
    envelope = fine[rows[:, None], np.minimum(from_onset, fine.shape[1] - 1)]
    before = fine[rows[:, None], until_onset].mean(axis=1)
    glitch = _glitch_share(read, sample, rate_hz)
    keep = glitch < GLITCH_SHARE
    keep[1:] &= np.diff(sample) > 2 * transform.hop  # else two frames found the same onset
    located = np.zeros(len(frames), candidate_type(len(transform.present)))
    located["sample"], located["envelope"], located["before"], located["glitch"] = sample, envelope, before, glitch
    return located[keep]


def _step_power(pieces: Array, lag: int) -> Array:
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
    # bins of one size, as at most rates: the sum of their first samples, their second, ... three times as fast
    total = power[:, ::size].copy()
    for offset in range(1, size):
        total += power[:, offset::size]
    return total.astype(np.float64) / size


def _glitch_share(read: SnippetReader, onsets: Ints, rate_hz: int) -> Floats:
    """Share of the energy within 1 ms of each onset that lies in one sample.

    The energy is that of the second difference, which spreads a single wrong sample as ¼ : 1 : ¼.
    """
    reach = max(3, round(GLITCH_REACH_MS * rate_hz / 1000))
    near = read(onsets - reach - 1, 2 * reach + 3)
    bent = np.zeros((len(onsets), 2 * reach + 1), np.float32)
    for channel in range(near.shape[1]):
        x = near[:, channel]
        bent += np.square(x[:, 1:-1] - (x[:, :-2] + x[:, 2:]) / 2)
    total = bent.sum(axis=1, dtype=np.float64)
    return np.asarray(np.divide(bent.max(axis=1), total, out=np.zeros(len(onsets)), where=total > 0))
