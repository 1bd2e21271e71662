"""Simulated sounds: pops, and the other sounds of a treatment room.

The simulation copies measured properties, not the physics: a free bubble cannot give the measured spectra. A pop is a
burst with a sharp start, damped modes, sometimes a second burst, and a weak tail. The ranges are those of recorded
joint cracks: rise below 0.5 ms, 1.2 to 6 kHz, 20 dB down after 0.4 to 3.5 ms, often doubled within 1 to 7 ms, never a
single tone (scripts/benchmarks/pop_breadth.py). Skin-mounted sensors shift the energy below 2 kHz (Reggars 1996: 86 to
1830 Hz).

Each function returns float32 at 48 kHz, peak about 1; a pop starts at its first sample. `DISTRACTORS` is the table of
sounds that are not pops: a new simulated distractor is one function and one entry there, or, if detectors take it for a
pop, in `hard_negatives.HARD_NEGATIVES`, which `DISTRACTORS` includes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, coloured_noise, faded, shaped
from popdetect.training.data.hard_negatives import HARD_NEGATIVES

MODE_CYCLES = (0.5, 6.0)  # until a mode of a pop is 20 dB down: soft tissue damps it


@dataclass(frozen=True, slots=True)
class PopVoice:
    """Properties shared by the pops of one thrust: same patient, sensor and room."""

    centre_hz: float  # centre of the frequencies of the modes
    decay20_ms: float  # time until 20 dB below the peak
    double_share: float  # of doubled pops
    skin: bool  # recorded by a skin-mounted sensor


def draw_voice(rng: Rng, skin_share: float = 0.1) -> PopVoice:
    """Draw the voice of a thrust; `skin_share` is the share of skin-mounted sensors."""
    skin = bool(rng.random() < skin_share)
    low_hz, high_hz = (200, 1500) if skin else (1000, 7000)
    centre = np.exp(rng.uniform(np.log(low_hz), np.log(high_hz)))
    decay20_ms = float(np.exp(rng.uniform(np.log(0.5), np.log(3.2))))
    return PopVoice(float(centre), decay20_ms, float(rng.uniform(0, 0.6)), skin)


def pop(rng: Rng, voice: PopVoice) -> Sound:
    """Return one pop of a voice, starting at its first sample, 40 ms long."""
    n = int(0.040 * RATE_HZ)
    time_ms = np.arange(n) * (1000 / RATE_HZ)
    sound = np.zeros(n)
    decay20 = float(np.clip(voice.decay20_ms * np.exp(rng.normal(0, 0.35)), 0.4, 8.0 if voice.skin else 4.5))
    for _ in range(rng.integers(2, 5)):
        frequency = min(voice.centre_hz * float(np.exp(rng.normal(0, 0.35))), 9000.0)
        mode20 = decay20 * float(np.exp(rng.normal(0, 0.3)))
        mode20 = float(np.clip(mode20, *(1000 / frequency * np.array(MODE_CYCLES))))
        envelope = 10 ** (-time_ms / mode20)
        sweep = 1 + float(rng.normal(0, 0.1)) * np.exp(-time_ms / 2)  # the pitch settles within some ms
        phase = 2 * np.pi * np.cumsum(frequency * sweep) / RATE_HZ
        sound += float(rng.uniform(0.3, 1)) * envelope * np.sin(phase + float(rng.uniform(0, 2 * np.pi)))
    sound /= max(float(np.abs(sound).max()), 1e-9)
    sound += float(np.exp(rng.uniform(np.log(0.25), np.log(3.0)))) * _crack(rng, time_ms, decay20)
    rise_ms = float(rng.uniform(0.04, 0.4))
    sound *= np.clip(time_ms / rise_ms, 0, 1)
    if rng.random() < voice.double_share:
        lag = int(rng.uniform(1.0, 7.0) * RATE_HZ / 1000)
        sound[lag:] += 10 ** (float(rng.uniform(-14, 0)) / 20) * float(rng.choice([-1, 1])) * sound[: n - lag].copy()
    tail = rng.standard_normal(n) * 10 ** (-time_ms / float(rng.uniform(12, 40)))
    sound += 10 ** (float(rng.uniform(-46, -26)) / 20) * np.abs(sound).max() * tail
    out = faded((sound / np.abs(sound).max()).astype(np.float32), 0, 5)
    if voice.skin:
        out = shaped(out, [30, 80, 200, 900, 2500, 8000, 20000], [-20, 0, 6, 3, -9, -24, -40])
    return out


def _crack(rng: Rng, time_ms: npt.NDArray[np.floating], decay20_ms: float) -> Sound:
    """Return a broadband burst, shorter than the modes, limited in frequency by device and codec; peak 1."""
    noise = rng.standard_normal(len(time_ms)) * 10 ** (-time_ms / (0.5 * decay20_ms + 0.1))
    top_hz = float(np.exp(rng.uniform(np.log(6000), np.log(20000))))
    tilt = float(rng.normal(1.5, 2.5))
    burst = shaped(
        noise.astype(np.float32),
        [100, 400, 1500, 5000, top_hz, min(1.5 * top_hz, 23000)],
        [-2 * tilt - 6, -tilt - 3, 0, tilt, tilt - 3, -30],
    )
    return np.asarray(burst / max(float(np.abs(burst).max()), 1e-9), np.float32)


def modes(rng: Rng, low_hz: float, high_hz: float, decay_ms: float, n_modes: int, length_s: float) -> Sound:
    """Return damped sine waves with frequencies in a range, logarithmically distributed; peak 1."""
    n = int(length_s * RATE_HZ)
    time_ms = np.arange(n) * (1000 / RATE_HZ)
    sound = np.zeros(n)
    for _ in range(n_modes):
        frequency = float(np.exp(rng.uniform(np.log(low_hz), np.log(high_hz))))
        decay = decay_ms * float(np.exp(rng.normal(0, 0.5)))
        sound += float(rng.uniform(0.2, 1)) * np.exp(-time_ms / decay) * np.sin(2 * np.pi * frequency * time_ms / 1000)
    return np.asarray(sound / max(np.abs(sound).max(), 1e-9), np.float32)


def knock(rng: Rng) -> Sound:
    """A knock on wood or plaster: low modes that ring for tens of milliseconds, and a click."""
    sound = modes(rng, 90, 700, float(rng.uniform(8, 45)), 6, 0.3)
    click = modes(rng, 800, 5000, float(rng.uniform(0.5, 3)), 4, 0.3)
    return sound + float(rng.uniform(0.05, 0.8)) * click


def metal(rng: Rng) -> Sound:
    """Cutlery, keys, a dropped clamp: high modes that ring."""
    return modes(rng, 1500, 14000, float(rng.uniform(10, 120)), 9, 0.4)


def click(rng: Rng) -> Sound:
    """A switch or a pen: two or three short bursts, milliseconds to tens of milliseconds apart."""
    out = np.zeros(int(0.2 * RATE_HZ), np.float32)
    at = 0.0
    for _ in range(rng.integers(1, 4)):
        start = int(at * RATE_HZ)
        burst = modes(rng, 1500, 12000, float(rng.uniform(0.3, 4)), 5, 0.03)
        out[start : start + len(burst)] += float(rng.uniform(0.2, 1)) * burst
        at += float(np.exp(rng.uniform(np.log(0.004), np.log(0.05))))
    return out


def cloth(rng: Rng) -> Sound:
    """Rubbing clothes: noise that swells and fades, with small snaps."""
    n = int(rng.uniform(0.15, 0.8) * RATE_HZ)
    noise = coloured_noise(rng, n, float(rng.uniform(2, 7)))
    swell = np.sin(np.pi * np.linspace(0, 1, n)) ** float(rng.uniform(0.7, 3))
    grain = 0.4 + np.abs(coloured_noise(rng, n, 12)) * float(rng.uniform(0, 1))
    return np.asarray(noise * swell * grain / 4, np.float32)


def footstep(rng: Rng) -> Sound:
    """A footstep: heel, then sole."""
    heel = modes(rng, 60, 900, float(rng.uniform(6, 25)), 5, 0.25)
    sole = cloth(rng)[: int(0.12 * RATE_HZ)] * 0.5
    lag = int(rng.uniform(0.03, 0.1) * RATE_HZ)
    size = min(len(sole), len(heel) - lag)
    heel[lag : lag + size] += sole[:size]
    return heel


def speech_like(rng: Rng) -> Sound:
    """Voiced syllables with formants, and consonant bursts between them."""
    pieces = []
    for _ in range(rng.integers(2, 7)):
        n = int(rng.uniform(0.08, 0.3) * RATE_HZ)
        pitch = float(rng.uniform(85, 260)) * (1 + np.linspace(0, float(rng.normal(0, 0.15)), n))
        phase = np.cumsum(pitch) / RATE_HZ
        pulses = np.diff(np.floor(phase), prepend=0.0).astype(np.float32)
        formants = np.sort(rng.uniform([250, 800, 2000], [900, 2300, 3500]))
        curve = np.interp(np.geomspace(50, 20000, 40), np.concatenate([[50], formants, [20000]]), [0, 8, 3, -4, -40])
        voiced = shaped(pulses, np.geomspace(50, 20000, 40), curve) * np.hanning(n).astype(np.float32)
        pieces.append(voiced / max(float(np.abs(voiced).max()), 1e-9))
        if rng.random() < 0.6:  # a plosive or a fricative
            m = int(rng.uniform(0.01, 0.12) * RATE_HZ)
            hiss = coloured_noise(rng, m, -2) * 0.2 * np.hanning(2 * m)[m:].astype(np.float32)
            pieces.append(hiss * float(rng.uniform(0.1, 0.6)))
        pieces.append(np.zeros(int(rng.uniform(0.01, 0.12) * RATE_HZ), np.float32))
    return np.concatenate(pieces).astype(np.float32)


def mouth_clicks(rng: Rng) -> Sound:
    """Clicks of lips and tongue: one to six, tens of milliseconds apart.

    In recorded speech such clicks rise in a fraction of a millisecond and ring for 1.5 to 3 ms, most at 4 to 5 kHz.
    """
    n_clicks = int(rng.integers(1, 7))
    gaps_s = rng.lognormal(np.log(0.025), 0.6, n_clicks - 1)
    starts_s = np.minimum(np.concatenate([[0.0], np.cumsum(gaps_s)]), 0.5)
    out = np.zeros(int((starts_s[-1] + 0.02) * RATE_HZ), np.float32)
    same = _wet_click(rng)
    for start_s in starts_s:
        burst = same if rng.random() < 0.5 else _wet_click(rng)
        start = int(start_s * RATE_HZ)
        out[start : start + len(burst)] += np.float32(10 ** (rng.uniform(-15, 0) / 20)) * burst
    return np.asarray(out / np.abs(out).max(), np.float32)


def _wet_click(rng: Rng) -> Sound:
    """Return one or two resonances, each with the envelope of a gammatone; peak 1."""
    time_ms = np.arange(int(0.012 * RATE_HZ)) * (1000 / RATE_HZ)
    sound = np.zeros(len(time_ms))
    for _ in range(rng.integers(1, 3)):
        frequency_khz = float(rng.uniform(1.8, 6.5))
        rise_ms, order = float(rng.uniform(0.15, 0.7)), float(rng.uniform(1, 2))
        envelope = (time_ms / rise_ms) ** order * np.exp(order * (1 - time_ms / rise_ms))
        phase = float(rng.uniform(0, 2 * np.pi))
        sound += float(rng.uniform(0.3, 1)) * envelope * np.sin(2 * np.pi * frequency_khz * time_ms + phase)
    return np.asarray(sound / np.abs(sound).max(), np.float32)


def glitch(rng: Rng) -> Sound:
    """A digital error: one wrong sample, or a few repeated ones."""
    out = np.zeros(64, np.float32)
    out[8 : 8 + int(rng.choice([1, 1, 1, 2, 4]))] = 1
    return out


def noise_burst(rng: Rng) -> Sound:
    """A breath, a cough or a chair: noise with a fast or slow start and a longer duration."""
    n = int(rng.uniform(0.05, 0.5) * RATE_HZ)
    noise = coloured_noise(rng, n, float(rng.uniform(-1, 8)))
    attack = max(2, int(np.exp(rng.uniform(np.log(0.001), np.log(0.1))) * RATE_HZ))
    envelope = np.minimum(1, np.arange(n) / attack) * np.exp(-np.arange(n) / (float(rng.uniform(0.03, 0.3)) * RATE_HZ))
    return np.asarray(noise * envelope / 3, np.float32)


DISTRACTORS: dict[str, Callable[[Rng], Sound]] = {
    "click": click, "cloth": cloth, "footstep": footstep, "glitch": glitch, "knock": knock, "metal": metal,
    "mouth clicks": mouth_clicks, "noise burst": noise_burst, "speech-like": speech_like, **HARD_NEGATIVES,
}  # fmt: skip


def background(rng: Rng, n: int) -> Sound:
    """Background of a room: coloured noise whose level varies slowly, with or without mains hum; RMS about 1."""
    noise = coloured_noise(rng, n, float(rng.uniform(0, 9)))
    sound = noise * (1 + 0.3 * np.sin(2 * np.pi * (float(rng.uniform(0.1, 1)) * np.arange(n) / RATE_HZ + rng.random())))
    if rng.random() < 0.4:
        sound = sound + mains_hum(rng, n, 12, 1.0)
    return np.asarray(sound / max(float(np.std(sound)), 1e-9), np.float32)


def mains_hum(rng: Rng, n: int, n_harmonics: int = 60, fall: float | None = None) -> npt.NDArray[np.float64]:
    """Hum of 50 or 60 Hz with its harmonics, which fall with a power of their number (`fall`; default: 0.5 to 2).

    By default, half of the hums have harmonics in phase, as dimmers and power supplies make them: a sharp edge in each
    period.
    """
    mains = float(rng.choice([50.0, 60.0]))
    in_phase = fall is None and bool(rng.random() < 0.5)
    power = float(rng.uniform(0.5, 2.0)) if fall is None else fall
    common = float(rng.uniform(0, 2 * np.pi)) if in_phase else 0.0
    sound = np.zeros(n)
    for harmonic in range(1, int(rng.integers(6, n_harmonics)) if fall is None else n_harmonics):
        level = float(rng.uniform(0.8, 1.2) if in_phase else rng.uniform(0, 1.2)) / harmonic**power
        phase = common if in_phase else float(rng.uniform(0, 6.3))
        sound += level * np.sin(2 * np.pi * mains * harmonic * np.arange(n) / RATE_HZ + phase)
    return sound


def room(rng: Rng) -> Sound:
    """Impulse response of a shoebox room, which begins with the direct sound of 1.

    RT60 is 0.15 to 0.6 s and the source is 0.3 to 2.5 m away. The reflections of the first 50 ms are image sources
    (Allen and Berkley 1979, "Image method for efficiently simulating small-room acoustics"); the rest is noise that
    decays at the same rate.
    """
    size_m = rng.uniform([2.5, 2.5, 2.3], [7.0, 6.0, 3.5])
    rt60 = float(rng.uniform(0.15, 0.6))
    surface = 2 * (size_m[0] * size_m[1] + size_m[1] * size_m[2] + size_m[0] * size_m[2])
    absorbed = 1 - np.exp(-0.161 * float(np.prod(size_m)) / (surface * rt60))  # Eyring
    reflected = np.sqrt(1 - absorbed)
    microphone = rng.uniform(0.4, size_m - 0.4)
    direction = rng.standard_normal(3)
    distance = float(rng.uniform(0.3, 2.5))
    source = np.clip(microphone + distance * direction / np.linalg.norm(direction), 0.2, size_m - 0.2)
    order = np.arange(-4, 5)
    along, n_walls = [], []
    for axis in range(3):
        for sign in (1, -1):
            along.append(2 * order * size_m[axis] + sign * source[axis] - microphone[axis])
            n_walls.append(np.abs(2 * order - (sign < 0)))
    places = [np.concatenate(along[k : k + 2]) for k in (0, 2, 4)]
    walls = [np.concatenate(n_walls[k : k + 2]) for k in (0, 2, 4)]
    far = np.sqrt(np.sum(np.square(np.meshgrid(*places, indexing="ij")), axis=0)).ravel()
    bounces = np.sum(np.meshgrid(*walls, indexing="ij"), axis=0).ravel()
    nearest = max(float(far.min()), 0.1)
    delay = (far - nearest) / 343.0
    early = delay < 0.05
    n = int(max(rt60, 0.06) * RATE_HZ)
    response = np.zeros(n)
    index = np.round(delay[early] * RATE_HZ).astype(int)
    np.add.at(response, index, (nearest / np.maximum(far, nearest) * reflected**bounces)[early])
    time = np.arange(n) / RATE_HZ
    tail = rng.standard_normal(n) * 10 ** (-3 * time / rt60)
    late, window = int(0.05 * RATE_HZ), int(0.02 * RATE_HZ)
    level = np.sqrt(np.square(response[late - window : late]).mean() / np.square(tail[late - window : late]).mean())
    response[late:] = (tail * level)[late:]
    reverberation = response.copy()
    reverberation[0] = 0.0
    damped = shaped(reverberation.astype(np.float32), [100, 2000, 8000, 20000], [0, 0, -3, -10])
    damped[0] += 1.0
    return damped
