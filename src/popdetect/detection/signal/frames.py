"""Samples to log-mel frames, one each millisecond.

A frame is `librosa.feature.melspectrogram` (Hann window, ``center=False``, power 2, Slaney bands) of a window of
a few milliseconds. The band edges, made by librosa, are part of the model. Rows are time, columns are bands.

Three choices make it fast and change no number. The transform is a product with a windowed DFT matrix of only those
bins that the bands use. Hop and window divide evenly, so that sums of shifted products replace overlapping frames. The
window is not padded to a power of two, so its bins have the same frequencies at every sample rate.

Column 0 is an extra band below the mel bands, about 60 to 450 Hz: the squared difference of the means of neighbouring
milliseconds. A knock on wood is loudest there. A constant offset changes neither this band nor the mel bands, whose
lowest edge is above the first bin, to which the Hann window spreads 0 Hz.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

POWER_FLOOR = 1e-13  # below 24-bit quantisation; less is digital silence ("nothing was recorded") and becomes NaN
N_GROUPS = 4  # lower, middle and upper mel bands, and all of them
SEGMENT_HOPS = 1000  # frames per matrix product: fixed, so that frames are the same to the bit for blocks of any size


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """Settings of the frames; part of every model bundle."""

    hop_ms: float  # time between frames; rounded down to whole samples
    window_hops: int  # length of the window
    mel_edges_hz: tuple[
        float, ...
    ]  # corners of the n_bands triangular bands, n_bands + 2, as `librosa.mel_frequencies`

    @property
    def n_columns(self) -> int:
        """Columns of a frame: the low band and the mel bands."""
        return len(self.mel_edges_hz) - 1

    def hop(self, rate_hz: int) -> int:
        """Samples per hop at `rate_hz`."""
        return int(rate_hz * self.hop_ms / 1000 + 1e-9)


def mel_bank(edges_hz: tuple[float, ...], rate_hz: int, n_fft: int) -> Array:
    """Triangular bands with Slaney's area norm, shape (n_bands, n_fft // 2 + 1).

    Equal to ``librosa.filters.mel(norm="slaney")`` for the edges that librosa chose. Band ``i`` rises
    from ``edges[i]`` to ``edges[i + 1]`` and falls to ``edges[i + 2]``; the height is ``2 / (edges[i+2] - edges[i])``.
    """
    edges = np.asarray(edges_hz)
    bins_hz = np.arange(n_fft // 2 + 1) * (rate_hz / n_fft)
    rising = (bins_hz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins_hz) / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None], np.float32)


@dataclass(frozen=True, slots=True)
class Transform:
    """The front end at one sample rate, as arrays."""

    hop: int  # samples
    window: int  # samples
    kernels: Array  # shape (window_hops, hop, 2 * n_bins): windowed DFT matrix, cosines then sines, cut into hops
    bank: Array  # shape (2 * n_bins, n_bands): weights of the bands, once for the cosines and once for the sines
    present: npt.NDArray[np.bool_]  # shape (n_columns,): False for bands above half the sample rate, which are NaN
    groups: Array  # shape (n_columns, N_GROUPS): weights for means over the lower, middle, upper and all mel bands

    def n_frames(self, n_samples: int) -> int:
        """How many frames so many samples make; those beyond the last whole hop are not used."""
        return max(0, n_samples // self.hop - len(self.kernels) + 1)

    def power(self, samples: Array) -> Array:
        """Power per frame and column, shape (n_frames, n_columns), of one channel of shape (n_samples,)."""
        n_hops = len(samples) // self.hop
        n_frames = n_hops - len(self.kernels) + 1
        blocks = samples[: n_hops * self.hop].reshape(n_hops, self.hop)
        spectrum = blocks[:n_frames] @ self.kernels[0]
        for shift in range(1, len(self.kernels)):
            spectrum += blocks[shift : shift + n_frames] @ self.kernels[shift]
        np.square(spectrum, out=spectrum)
        out = np.empty((n_frames, len(self.present)), np.float32)
        out[:, 1:] = spectrum @ self.bank
        out[:, 0] = _low_band(blocks, n_frames, len(self.kernels))
        return out


def _low_band(blocks: Array, n_frames: int, window_hops: int) -> Array:
    """Mean squared step between the means of neighbouring hops, over the window of each frame."""
    size = blocks.shape[1]
    means = blocks @ np.full(size, 1 / size, np.float32)  # much faster than mean() along short rows
    steps = np.square(means[1:] - means[:-1])
    total = steps[:n_frames].copy()
    for shift in range(1, window_hops - 1):
        total += steps[shift : shift + n_frames]
    return np.asarray(total)


@lru_cache(maxsize=8)
def transform(front_end: FrontEnd, rate_hz: int) -> Transform:
    """Compute the arrays of the front end at `rate_hz`; they are cached for the next clip of that rate."""
    hop = front_end.hop(rate_hz)
    window = hop * front_end.window_hops
    bank = mel_bank(front_end.mel_edges_hz, rate_hz, window)
    used = np.flatnonzero(bank.any(axis=0))
    first, last = int(used[0]), int(used[-1]) + 1
    time = np.arange(window)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * time / window)
    angle = 2 * np.pi * np.outer(time, np.arange(first, last)) / window
    dft = np.concatenate([np.cos(angle), np.sin(angle)], axis=1) * hann[:, None]
    edges = np.asarray(front_end.mel_edges_hz)
    # 1 % of tolerance: at 44.1 kHz a hop of 1 ms is rounded down to 44 samples
    present = np.concatenate([[True], edges[2:] <= rate_hz / 2 * 1.01])
    return Transform(
        hop=hop,
        window=window,
        kernels=np.ascontiguousarray(dft.reshape(front_end.window_hops, hop, -1), dtype=np.float32),
        bank=np.ascontiguousarray(np.concatenate([bank[:, first:last].T] * 2)),
        present=present,
        groups=_groups(present),
    )


def _groups(present: npt.NDArray[np.bool_]) -> Array:
    """See `Transform.groups`; a group without any present band has the mean of all bands."""
    mel = np.flatnonzero(present)[1:]
    thirds = np.array_split(np.arange(1, len(present)), N_GROUPS - 1)
    weights = np.zeros((len(present), N_GROUPS), np.float32)
    for column, members in enumerate([*thirds, mel]):
        used = members[present[members]]
        used = used if len(used) else mel
        weights[used, column] = 1 / len(used)
    return weights


def mean_power(samples: Array, out: Array, transform: Transform, each: Array | None = None) -> None:
    """Write the power of the first frames of a recording, mean over channels, to `out`, shape (n_frames, n_columns).

    `samples` have the shape (n_samples, n_channels); `SEGMENT_HOPS` frames are computed at once. The power of each
    channel is written to `each`, shape (n_channels, n_frames, n_columns), if it is given.
    """
    hop, n_channels = transform.hop, samples.shape[1]
    for start in range(0, len(out), SEGMENT_HOPS):
        size = min(SEGMENT_HOPS, len(out) - start)
        sound = samples[start * hop : (start + size + len(transform.kernels) - 1) * hop]
        power = transform.power(np.ascontiguousarray(sound[:, 0]))
        if each is not None:
            each[0, start : start + size] = power
        for channel in range(1, n_channels):
            own = transform.power(np.ascontiguousarray(sound[:, channel]))
            if each is not None:
                each[channel, start : start + size] = own
            power += own
        if n_channels > 1:
            power *= np.float32(1 / n_channels)
        out[start : start + size] = power


def total_power(power: Array) -> Array:
    """Power of frames over all mel bands, shape (n_frames,)."""
    return np.asarray(power[:, 1:] @ np.ones(power.shape[1] - 1, np.float32))


def has_sound(power: Array) -> npt.NDArray[np.bool_]:
    """Which frames are not digital silence, shape (n_frames,)."""
    return np.asarray(total_power(power) > (power.shape[1] - 1) * POWER_FLOOR)


def to_db(power: Array, present: npt.NDArray[np.bool_]) -> Array:
    """Power to dB, in place; NaN in digital silence and in bands above half the sample rate."""
    sounds = has_sound(power)
    np.clip(power, np.float32(POWER_FLOOR), np.float32(np.inf), out=power)
    np.log10(power, out=power)
    power *= 10
    if not sounds.all():
        power[~sounds] = np.nan
    if not present.all():
        power[:, ~present] = np.nan
    return power


def group_means(frames_db: Array, transform: Transform) -> Array:
    """Mean level of the groups of bands, shape (n_frames, N_GROUPS); NaN in digital silence."""
    present = transform.present
    if present.all():
        return np.asarray(frames_db @ transform.groups)
    return np.asarray(frames_db[:, present] @ transform.groups[present])
