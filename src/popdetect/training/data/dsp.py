"""Signal processing for simulated and augmented training sound; the only adapter to librosa.

Signals are float32 of shape (n_samples,) at `RATE_HZ` unless stated otherwise. Random generators are arguments.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float32]
Rng = np.random.Generator

RATE_HZ = 48_000  # all sounds are mixed at this rate and resampled once, at the end


def mel_edges_hz(n_bands: int, low_hz: float, high_hz: float) -> tuple[float, ...]:
    """Return the corner frequencies of librosa's mel bands, length n_bands + 2, rounded to 0.001 Hz."""
    import librosa

    edges = librosa.mel_frequencies(n_bands + 2, fmin=low_hz, fmax=high_hz)
    return tuple(round(float(edge), 3) for edge in edges)


def resample(sound: Sound, from_hz: int, to_hz: int) -> Sound:
    """Resample, band-limited (librosa, soxr high quality)."""
    if from_hz == to_hz or not len(sound):
        return sound
    import librosa

    out = librosa.resample(sound, orig_sr=from_hz, target_sr=to_hz, res_type="soxr_hq")
    return np.asarray(out, np.float32)


def stretched(sound: Sound, factor: float) -> Sound:
    """Play `factor` times slower, with lower pitch, as from a larger joint (or smaller, if `factor` < 1)."""
    return resample(sound, RATE_HZ, max(1000, round(RATE_HZ * factor)))


def convolve(sound: Sound, response: Sound) -> Sound:
    """Return the full convolution by FFT, length ``len(sound) + len(response) - 1``."""
    size = len(sound) + len(response) - 1
    n_fft = 1 << (size - 1).bit_length()
    product = np.fft.rfft(sound, n_fft) * np.fft.rfft(response, n_fft)
    return np.asarray(np.fft.irfft(product, n_fft)[:size], np.float32)


def spectrogram(sound: Sound, n_fft: int) -> npt.NDArray[np.complex64]:
    """Return the short-time Fourier transform (librosa, Hann, half overlap), shape (1 + n_fft / 2, n_frames)."""
    import librosa

    return np.asarray(librosa.stft(sound, n_fft=n_fft, hop_length=n_fft // 2), np.complex64)


def from_spectrogram(found: npt.NDArray[np.complexfloating], n_fft: int, n: int) -> Sound:
    """Invert `spectrogram`; returns `n` samples."""
    import librosa

    return np.asarray(librosa.istft(found, n_fft=n_fft, hop_length=n_fft // 2, length=n), np.float32)


def shaped(sound: Sound, frequencies_hz: npt.ArrayLike, gains_db: npt.ArrayLike, rate_hz: int = RATE_HZ) -> Sound:
    """Equalise with zero phase: gains in dB at some frequencies, interpolated on a logarithmic frequency axis."""
    n = len(sound)
    n_fft = 1 << (n + rate_hz // 100 - 1).bit_length()
    bins_hz = np.maximum(np.fft.rfftfreq(n_fft, 1 / rate_hz), 1.0)
    gain = np.interp(np.log(bins_hz), np.log(np.asarray(frequencies_hz, float)), np.asarray(gains_db, float))
    spectrum = np.fft.rfft(sound, n_fft) * 10 ** (gain / 20)
    return np.asarray(np.fft.irfft(spectrum, n_fft)[:n], np.float32)


def random_curve(rng: Rng, spread_db: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return (frequencies_hz, gains_db) of a random equaliser: independent gains at octaves from 31 Hz to 20 kHz."""
    frequencies = np.geomspace(31, 20_000, 11)
    return frequencies, rng.normal(0, spread_db, len(frequencies))


def coloured_noise(rng: Rng, n: int, slope_db_per_octave: float) -> Sound:
    """Return Gaussian noise whose spectrum falls by `slope_db_per_octave`; RMS 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    bins = np.maximum(np.arange(len(spectrum)), max(1, 20 * n // RATE_HZ))
    spectrum *= bins ** (-slope_db_per_octave / 6.0206)
    noise = np.fft.irfft(spectrum, n)
    return np.asarray(noise / max(float(np.std(noise)), 1e-12), np.float32)


OCTAVES_HZ = (500.0, 1000.0, 2000.0, 4000.0, 8000.0)
LOUDEST_MS = 3.0  # the level of a pop is the RMS of its loudest 3 ms


@lru_cache(maxsize=64)
def _octave_gains(n_fft: int, rate_hz: int) -> npt.NDArray[np.float64]:
    """Return the gains of the octave bands, shape (5, n_fft // 2 + 1): Butterworth, third order, without phase."""
    bins_hz = np.maximum(np.fft.rfftfreq(n_fft, 1 / rate_hz), 1e-3)
    ratio = bins_hz / np.array(OCTAVES_HZ)[:, None]
    return np.asarray(1 / np.sqrt(1 + (np.sqrt(2) * (ratio - 1 / ratio)) ** 6))


def in_octave(sound: Sound, octave: int) -> Sound:
    """Return the part of a short sound in the octave band of this index of `OCTAVES_HZ`."""
    n_fft = 1 << (len(sound) + 512 - 1).bit_length()
    spectrum = np.fft.rfft(sound, n_fft) * _octave_gains(n_fft, RATE_HZ)[octave]
    return np.asarray(np.fft.irfft(spectrum, n_fft)[: len(sound)], np.float32)


def octave_rms(sound: Sound) -> npt.NDArray[np.float64]:
    """Return the RMS of a sound in each octave band, shape (5,)."""
    power = np.square(np.abs(np.fft.rfft(sound)))
    power[1:-1] *= 2
    return np.asarray(np.sqrt(np.square(_octave_gains(len(sound), RATE_HZ)) @ power) / max(len(sound), 1))


def loudest_rms(sound: Sound) -> float:
    """Return the RMS of the loudest `LOUDEST_MS`."""
    size = max(1, min(len(sound), int(LOUDEST_MS * RATE_HZ / 1000)))
    total = np.concatenate([[0.0], np.cumsum(np.square(sound.astype(np.float64)))])
    return float(np.sqrt(max((total[size:] - total[:-size]).max(initial=0.0), 0.0) / size))


def own_octave(pop: Sound) -> tuple[int, float]:
    """Return the octave band in which the first 20 ms of a pop are loudest, and the RMS of the loudest 3 ms there."""
    start = pop[: RATE_HZ // 50]
    levels = [loudest_rms(in_octave(start, octave)) for octave in range(len(OCTAVES_HZ))]
    best = int(np.argmax(levels))
    return best, levels[best]


def burst_rms(sound: Sound, window_ms: float) -> float:
    """Return the RMS of the loudest `window_ms`, without the rumble below about 100 Hz."""
    if not len(sound):
        return 0.0
    size = max(1, min(len(sound), int(window_ms * RATE_HZ / 1000)))
    power = np.square(without_rumble(sound).astype(np.float64))
    total = np.concatenate([[0.0], np.cumsum(power)])
    return float(np.sqrt(max((total[size:] - total[:-size]).max(), 0.0) / size))


def rms(sound: Sound) -> float:
    """Return the RMS without the rumble below about 100 Hz."""
    return float(np.sqrt(np.square(without_rumble(sound).astype(np.float64)).mean())) if len(sound) else 0.0


def without_rumble(sound: Sound) -> Sound:
    """Subtract the moving mean over 5 ms."""
    size = min(len(sound), RATE_HZ // 200)
    if size < 2:
        return sound
    total = np.concatenate([[0.0], np.cumsum(sound, dtype=np.float64)])
    mean = (total[size:] - total[:-size]) / size
    left = (len(sound) - len(mean)) // 2
    return np.asarray(sound - np.pad(mean, (left, len(sound) - len(mean) - left), mode="edge"), np.float32)


def faded(sound: Sound, fade_in_ms: float, fade_out_ms: float) -> Sound:
    """Fade the ends in and out, so that a cut is not a click."""
    out = sound.astype(np.float32, copy=True)
    for ms, end in ((fade_in_ms, slice(None)), (fade_out_ms, slice(None, None, -1))):
        n = min(len(out), int(ms * RATE_HZ / 1000))
        if n > 1:
            view = out[end]
            view[:n] *= np.linspace(0, 1, n, dtype=np.float32)
    return out
