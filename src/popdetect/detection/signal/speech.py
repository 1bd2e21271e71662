"""Whether somebody speaks: how much of a recording swings as a voice does.

A voice opens and closes the glottis 80 to 330 times a second, and each opening is a small burst. At a frame each
millisecond the energy of the frames rises and falls with it, so its autocorrelation has a peak at 3 to 12 ms, after
a dip, and the peak stays at nearly the same lag from one stretch of 48 ms to the next. Rotors, crying and crowing do
the same; hum, noise and knocks do not. What is found is worth a flag, for a person to know that there was talking; no
verdict rests on it.

Of the recordings of a sound folder as they are, it was found in 86 of 100 with speech and in one of twenty
others, most of them crying, crowing, ringing or engines (tests/hearing/test_voice.py).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from popdetect.detection.signal.frames import POWER_FLOOR, Array

STRETCH_HOPS, STEP_HOPS = 48, 32  # four periods of a low voice; each stretch overlaps the next by a third
LAGS_HOPS = (3, 12)
LEAST_PEAK, LEAST_DEPTH = 0.6, 0.5  # of the normalised autocorrelation; the peak, and from it down to the dip before
LEAST_SWING_DB = 1.0  # the energy's standard deviation: less is noise
WITHIN_DB = 40.0  # of the loudest stretch: reverberation and what lies under the noise do not count
SPEECH_FROM_S, SPEECH_SHARE, SPEECH_LEAST_S = 0.2, 0.25, 0.07  # of a short clip, a quarter is enough
MACHINE_STRETCHES = 19  # with one and the same lag, 0.6 s: mains hum or an engine; a voice never holds its pitch so
_N_FFT = 64  # the stretch and its longest lag fit in


@lru_cache(maxsize=1)
def _transforms() -> tuple[Array, Array]:
    """A stretch to its spectrum without mean and slope, cosines then sines; and a power spectrum to lags 0 to 12."""
    time = np.arange(STRETCH_HOPS)
    line = np.stack([np.ones(STRETCH_HOPS), time - time.mean()], axis=1)
    flatten = np.eye(STRETCH_HOPS) - line @ np.linalg.pinv(line)
    angle = 2 * np.pi * np.outer(time, np.arange(_N_FFT // 2 + 1)) / _N_FFT
    spectrum = flatten @ np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    lags = np.arange(LAGS_HOPS[1] + 1)
    weight = np.full(_N_FFT // 2 + 1, 2.0)
    weight[[0, -1]] = 1.0
    back = weight[:, None] * np.cos(2 * np.pi * np.outer(np.arange(_N_FFT // 2 + 1), lags) / _N_FFT) / _N_FFT
    back *= STRETCH_HOPS / (STRETCH_HOPS - lags)  # fewer pairs of frames are that far apart
    return np.asarray(spectrum, np.float32), np.asarray(back, np.float32)


def energy_db(power: Array) -> Array:
    """Energy of frames over the mel bands, dB, of their power, shape (n_frames, n_columns)."""
    total = power[:, 1:] @ np.ones(power.shape[1] - 1, np.float32)
    return np.asarray(10 * np.log10(total + np.float32(POWER_FLOOR)))


def stretches(energy: Array) -> tuple[npt.NDArray[np.int8], Array]:
    """The lag at which each stretch swings, in hops, 0 where it does not; and its level, dB.

    Parameters
    ----------
    energy : ndarray, shape (n_frames,)
        Of `energy_db`. A stretch starts every `STEP_HOPS`, as long as the frames last: `n_stretches` of them.
    """
    if not n_stretches(len(energy)):
        return np.empty(0, np.int8), np.empty(0, np.float32)
    part = np.lib.stride_tricks.sliding_window_view(energy, STRETCH_HOPS)[::STEP_HOPS].copy()
    level = part @ np.full(STRETCH_HOPS, 1 / STRETCH_HOPS, np.float32)
    part -= level[:, None]
    to_spectrum, to_lags = _transforms()
    spectrum = np.square(part @ to_spectrum)
    half = spectrum.shape[1] // 2
    correlation = (spectrum[:, :half] + spectrum[:, half:]) @ to_lags
    swing = correlation[:, 0]
    correlation = correlation[:, 1:] / np.maximum(swing, 1e-6)[:, None]
    first = LAGS_HOPS[0] - 1
    peak_at = correlation[:, first:].argmax(axis=1)
    rows = np.arange(len(part))
    peak = correlation[rows, first + peak_at]
    dip = np.minimum.accumulate(correlation, axis=1)[rows, first + peak_at - 1]
    swings = (peak > LEAST_PEAK) & (peak - dip > LEAST_DEPTH) & (swing > STRETCH_HOPS * LEAST_SWING_DB)
    return np.where(swings, peak_at + LAGS_HOPS[0], 0).astype(np.int8), level


class Voice:
    """How long a voice was heard, gathered as frames come; stretches lie at fixed places, whatever the blocks."""

    def __init__(self) -> None:
        self._waiting = np.empty(0, np.float32)
        self._lags: list[npt.NDArray[np.int8]] = []
        self._levels: list[Array] = []

    def hear(self, energy: Array) -> None:
        """Take the energy of the next frames."""
        energy = np.concatenate([self._waiting, energy]) if len(self._waiting) else energy
        n_new = n_stretches(len(energy))
        if n_new:
            self.add(*stretches(energy))
        self._waiting = energy[n_new * STEP_HOPS :]

    def add(self, lags: npt.NDArray[np.int8], levels: Array) -> None:
        """Take the next stretches, described."""
        self._lags.append(lags)
        self._levels.append(levels)

    def seconds(self, hop_s: float) -> float:
        """How long: stretches that swing at nearly the same lag as the one before."""
        if not self._lags:
            return 0.0
        lags = np.concatenate(self._lags)
        if np.count_nonzero(lags) < 2:
            return 0.0
        levels = np.concatenate(self._levels)
        counts = (lags > 0) & (levels > levels.max(initial=-np.inf) - WITHIN_DB)
        counts &= ~_held(lags)
        steady = counts[1:] & counts[:-1] & (np.abs(np.diff(lags)) <= 1)
        return float(steady.sum()) * STEP_HOPS * hop_s


def _held(lags: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
    """Which stretches belong to a run of one lag as only machines hold it."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(lags)) + 1, [len(lags)]])
    lengths = np.diff(edges)
    return np.repeat(lengths >= MACHINE_STRETCHES, lengths)


def is_speech(voice_s: float, duration_s: float) -> bool:
    """Whether so much of a voice, in a recording of this length, is worth the flag."""
    return voice_s >= min(SPEECH_FROM_S, max(SPEECH_SHARE * duration_s, SPEECH_LEAST_S))


def n_stretches(n_frames: int) -> int:
    """How many stretches there are in so many frames."""
    return max(0, (n_frames - STRETCH_HOPS) // STEP_HOPS + 1)
