"""Whether somebody speaks in a recording.

The glottis of a voice opens and closes 80 to 330 times a second. The energy of frames of one millisecond rises and
falls with it. So its autocorrelation has a peak at 3 to 12 ms, after a dip, and the peak stays at nearly the same lag
from one stretch of 48 ms to the next. Engines, crying and crowing do the same; hum, noise and knocks do not. The result
is a quality flag only; the label does not depend on it.

Of the recordings of a sound collection, 85 of 100 with speech get the flag, and one in twenty others, mostly crying,
crowing, ringing or engines (tests/detection/signal/test_speech.py).

Frames at the same times are used at any sample rate (`at_equal_times`). Otherwise the stretches and lags would have
another length, and lie elsewhere in the sound, at a rate where a hop is shorter than 1 ms.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from popdetect.detection.signal.frames import POWER_FLOOR, Array, FrontEnd

STRETCH_HOPS, STEP_HOPS = 48, 32  # four periods of a low voice; each stretch overlaps the next by a third
LAGS_HOPS = (3, 12)
LEAST_PEAK, LEAST_DEPTH = 0.6, 0.5  # of the normalised autocorrelation: the peak, and its height above the dip
LEAST_SWING_DB = 1.0  # standard deviation of the energy; less is noise
WITHIN_DB = 40.0  # below the loudest stretch; excludes reverberation and background noise
SPEECH_FROM_S, SPEECH_SHARE, SPEECH_LEAST_S = 0.2, 0.25, 0.07  # in a short clip, a quarter of it is enough
MACHINE_STRETCHES = 19  # with the same lag, 0.6 s: mains hum or an engine; the pitch of a voice changes
_N_FFT = 64  # at least the stretch and its longest lag


@lru_cache(maxsize=1)
def _transforms() -> tuple[Array, Array]:
    """Matrices: from a stretch to its spectrum without mean and slope, and from a power spectrum to lags 0 to 12."""
    time = np.arange(STRETCH_HOPS)
    line = np.stack([np.ones(STRETCH_HOPS), time - time.mean()], axis=1)
    flatten = np.eye(STRETCH_HOPS) - line @ np.linalg.pinv(line)
    angle = 2 * np.pi * np.outer(time, np.arange(_N_FFT // 2 + 1)) / _N_FFT
    spectrum = flatten @ np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    lags = np.arange(LAGS_HOPS[1] + 1)
    weight = np.full(_N_FFT // 2 + 1, 2.0)
    weight[[0, -1]] = 1.0
    back = weight[:, None] * np.cos(2 * np.pi * np.outer(np.arange(_N_FFT // 2 + 1), lags) / _N_FFT) / _N_FFT
    back *= STRETCH_HOPS / (STRETCH_HOPS - lags)  # the number of pairs of frames decreases with the lag
    return np.asarray(spectrum, np.float32), np.asarray(back, np.float32)


def energy_db(total: Array) -> Array:
    """Energy of frames, dB, from their power over all mel bands (`frames.total_power`)."""
    return np.asarray(10 * np.log10(total + np.float32(POWER_FLOOR)))


def at_equal_times(energy: Array, first: int, rate_hz: int, front_end: FrontEnd) -> Array:
    """The frames that lie nearest to the times 0, 1, 2, ... ms of the recording, or whatever `hop_ms` is.

    A hop is a whole number of samples, so at many sample rates it is shorter: 0.998 ms at 44,100 and 11,025 Hz.
    `energy` begins with frame `first` of the recording.
    """
    per_hop = 1000 * front_end.hop(rate_hz)  # in thousandths of a sample
    per_time = max(per_hop, round(front_end.hop_ms * rate_hz))
    if per_time == per_hop:
        return energy
    border = np.array([first, first + len(energy)]) * per_hop - per_hop // 2
    begin, end = np.maximum(0, -(-border // per_time))
    return np.asarray(energy[(np.arange(begin, end) * per_time + per_hop // 2) // per_hop - first])


def stretches(energy: Array) -> tuple[npt.NDArray[np.int8], Array]:
    """The lag, in hops, at which the energy of each stretch swings, 0 if it does not; and its level, dB.

    A stretch starts every `STEP_HOPS`; there are `n_stretches`.
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
    """Duration of a voice, collected as frames come, at equal times.

    The stretches do not depend on the blocks in which the frames come.
    """

    def __init__(self) -> None:
        self._waiting = np.empty(0, np.float32)
        self._lags: list[npt.NDArray[np.int8]] = []
        self._levels: list[Array] = []

    def feed(self, energy: Array) -> None:
        """Process the energy of the next frames."""
        energy = np.concatenate([self._waiting, energy]) if len(self._waiting) else energy
        n_new = n_stretches(len(energy))
        if n_new:
            self.add(*stretches(energy))
        self._waiting = energy[n_new * STEP_HOPS :]

    def add(self, lags: npt.NDArray[np.int8], levels: Array) -> None:
        """Add the next stretches, as `stretches` returns them."""
        self._lags.append(lags)
        self._levels.append(levels)

    def seconds(self, hop_s: float) -> float:
        """Duration of all stretches that swing at nearly the same lag as the one before."""
        if not self._lags:
            return 0.0
        lags = np.concatenate(self._lags)
        if np.count_nonzero(lags) < 2:
            return 0.0
        levels = np.concatenate(self._levels)
        counts = (lags > 0) & (levels > levels.max(initial=-np.inf) - WITHIN_DB)
        counts &= ~_is_machine(lags)
        steady = counts[1:] & counts[:-1] & (np.abs(np.diff(lags)) <= 1)
        return float(steady.sum()) * STEP_HOPS * hop_s


def _is_machine(lags: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
    """Which stretches belong to a run of the same lag that is too long for a voice."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(lags)) + 1, [len(lags)]])
    lengths = np.diff(edges)
    return np.repeat(lengths >= MACHINE_STRETCHES, lengths)


def is_speech(voice_s: float, duration_s: float) -> bool:
    """Whether a recording of this duration with so much voice gets the flag."""
    return voice_s >= min(SPEECH_FROM_S, max(SPEECH_SHARE * duration_s, SPEECH_LEAST_S))


def n_stretches(n_frames: int) -> int:
    """Number of stretches in so many frames."""
    return max(0, (n_frames - STRETCH_HOPS) // STEP_HOPS + 1)
