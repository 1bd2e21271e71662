"""What devices and codecs do to a recording: compression, clipping, noise suppression, automatic gain.

`DEGRADATIONS` is the one table of them: a new degradation is one function and one entry. Each function takes a random
generator, samples of shape (n,) within ±1 and the sample rate in Hz, and returns samples of the same length in which
no onset has moved. Phone makers do not publish their algorithms, so the parameters are drawn from wide ranges.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import soundfile
from numpy.lib.stride_tricks import sliding_window_view

from popdetect.training.data.dsp import Rng, Sound, from_spectrogram, shaped, spectrogram

_WINDOW_MS = 20.0
_STEP_MS = 5.0


def clip(rng: Rng, sound: Sound, rate_hz: int) -> Sound:
    """Clip the peaks: 3 to 30 dB too loud for the recorder."""
    return np.asarray(np.clip(sound * np.float32(10 ** (float(rng.uniform(3, 30)) / 20)), -1, 1), np.float32)


def narrow_band(rng: Rng, sound: Sound, rate_hz: int) -> Sound:
    """Keep a band only, as telephones and cheap microphones do: from 100 to 500 Hz up to 2.5 to 7 kHz."""
    low_hz, high_hz = float(rng.uniform(100, 500)), float(rng.uniform(2500, 7000))
    edges = [0.25 * low_hz, low_hz, high_hz, 1.5 * high_hz]
    return shaped(sound, edges, [-40, 0, 0, -40], rate_hz)


def suppress_noise(rng: Rng, sound: Sound, rate_hz: int) -> Sound:
    """Spectral subtraction: attenuate by 8 to 30 dB what hardly exceeds the steady level of its band.

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
    # the gain rises at once and falls slowly, as in phones
    release = float(rng.uniform(0.0, 0.7))
    for step in range(1, gain.shape[1]):
        gain[:, step] = np.maximum(gain[:, step], release * gain[:, step - 1])
    return from_spectrogram(found * gain, n_fft, len(sound))


def automatic_gain(rng: Rng, sound: Sound, rate_hz: int) -> Sound:
    """Automatic gain control: amplify quiet parts 2 to 12 times and loud parts less; recover in 0.1 to 1 s."""
    step = max(1, round(_STEP_MS * rate_hz / 1000))
    n_steps = -(-len(sound) // step)
    peaks = np.abs(np.pad(sound, (0, n_steps * step - len(sound)))).reshape(n_steps, step).max(axis=1)
    # one step of look-ahead, as in phones: the gain is already lower when a loud sound starts
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


def mp3(rng: Rng, sound: Sound, rate_hz: int) -> Sound:
    """Encode as MP3 and decode; unchanged at sample rates that MP3 does not have."""
    if rate_hz not in (16_000, 22_050, 24_000, 32_000, 44_100, 48_000):
        return sound
    return _through_codec(sound, rate_hz, "MP3", "MPEG_LAYER_III")


def ogg(rng: Rng, sound: Sound, rate_hz: int) -> Sound:
    """Encode as Ogg Vorbis and decode."""
    return _through_codec(sound, rate_hz, "OGG", "VORBIS")


def _through_codec(sound: Sound, rate_hz: int, container: str, subtype: str) -> Sound:
    """Encode and decode; the delay of the codec is removed, so that true onsets stay true."""
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate_hz, format=container, subtype=subtype)
    buffer.seek(0)
    coded, _ = soundfile.read(buffer, dtype="float32")
    coded = coded[: len(sound) + 4000]
    size = 1 << (len(sound) + len(coded)).bit_length()
    match = np.fft.irfft(np.fft.rfft(coded, size) * np.conj(np.fft.rfft(sound, size)), size)
    delay = int(np.argmax(match[:4000]))
    coded = coded[delay : delay + len(sound)]
    return np.asarray(np.pad(coded, (0, len(sound) - len(coded))), np.float32)


DEGRADATIONS: dict[str, Callable[[Rng, Sound, int], Sound]] = {
    "mp3": mp3,
    "ogg": ogg,
    "clipped": clip,
    "narrow band": narrow_band,
    "noise suppression": suppress_noise,
    "automatic gain": automatic_gain,
}
# "silence": a clip without any background, as after a noise gate or in a clean recording of a single sound
SILENCE = "silence"
# what is drawn for a degraded clip; silence three times, so that it is drawn three times as often as each other one
DRAWN = (SILENCE, SILENCE, SILENCE, *DEGRADATIONS)
