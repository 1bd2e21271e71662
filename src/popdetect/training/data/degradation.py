"""What phones do to a recording before it is stored: they suppress noise, and they level what is loud and quiet.

Both make pops harder: the first leaves a hush in which every remainder stands out, or takes a weak pop for noise; the
second raises the room between sounds and lowers what follows a loud one. Neither moves an onset. Nothing here copies a
maker's way, which is not published; the ranges are wide instead.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from popdetect.training.data.dsp import Rng, Sound, from_spectrogram, spectrogram

_WINDOW_MS = 20.0
_STEP_MS = 5.0


def suppress_noise(rng: Rng, sound: Sound, rate_hz: int) -> Sound:
    """Spectral subtraction: what hardly stands above the steady part of its band is turned down by 8 to 30 dB.

    References
    ----------
    Boll 1979, "Suppression of acoustic noise in speech using spectral subtraction".
    """
    n_fft = 2 * round(_WINDOW_MS * rate_hz / 2000)
    found = spectrogram(sound, n_fft)
    power = np.square(np.abs(found))
    steady = np.quantile(power, float(rng.uniform(0.2, 0.5)), axis=1, keepdims=True)
    least = 10 ** (-float(rng.uniform(8, 30)) / 20)
    kept = 1 - float(rng.uniform(1.0, 4.0)) * steady / np.maximum(power, 1e-20)
    gain = np.sqrt(np.maximum(kept, least**2))
    # phones let go slowly: a gain falls by a share of itself per step, and rises at once
    release = float(rng.uniform(0.0, 0.7))
    for step in range(1, gain.shape[1]):
        gain[:, step] = np.maximum(gain[:, step], release * gain[:, step - 1])
    return from_spectrogram(found * gain, n_fft, len(sound))


def automatic_gain(rng: Rng, sound: Sound, rate_hz: int) -> Sound:
    """Automatic gain: 2 to 12 times what is quiet, less of what is loud, slow to rise again (0.1 to 1 s)."""
    step = max(1, round(_STEP_MS * rate_hz / 1000))
    n_steps = -(-len(sound) // step)
    peaks = np.abs(np.pad(sound, (0, n_steps * step - len(sound)))).reshape(n_steps, step).max(axis=1)
    # hears a step ahead, as phones do, so that a loud sound's own start is already turned down
    ahead = sliding_window_view(np.pad(peaks, (0, 1)), 2).max(axis=1)
    fall = np.exp(-_STEP_MS / (1000 * float(rng.uniform(0.1, 1.0))))
    level = ahead.copy()
    for i in range(1, n_steps):
        level[i] = max(level[i], fall * level[i - 1])
    most = float(rng.uniform(2, 12))
    target = float(np.abs(sound).max()) * 10 ** (-float(rng.uniform(3, 12)) / 20)
    gain = np.clip(target / np.maximum(level, 1e-9), 10 ** (-6 / 20), most)
    smooth = np.interp(np.arange(len(sound)), (np.arange(n_steps) + 0.5) * step, gain)
    out = sound * smooth
    return np.asarray(out / max(1.0, float(np.abs(out).max())), np.float32)
