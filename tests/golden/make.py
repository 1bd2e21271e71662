#!/usr/bin/env python3
"""Make the golden clips again, and put them into a bundle with all that popdetect computes of them.

    python tests/golden/make.py [--bundle models/default]

The clips are the same for the same version of numpy. Run it when the detector is changed on purpose *and* the model was
trained again, or when a clip is added; a change of the numbers without a new model means that the two no longer fit.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from popdetect.detection import verification
from popdetect.detection.model import bundle
from popdetect.detection.verification import Clip
from popdetect.training.data import synthesis
from popdetect.training.data.dsp import RATE_HZ, coloured_noise, resample
from popdetect.training.data.synthesis import PopVoice

Sound = npt.NDArray[np.float32]

VOICE = PopVoice(centre_hz=2500, decay20_ms=1.5, double_share=0.5, skin=False)
DARK = PopVoice(centre_hz=1300, decay20_ms=3.0, double_share=1.0, skin=False)
SKIN = PopVoice(centre_hz=500, decay20_ms=4.0, double_share=0.3, skin=True)


def _scene(
    seed: int,
    duration_s: float,
    events: list[tuple[float, str | PopVoice, float]],
    rate_hz: int,
    noise: float = 0.002,
    tilt: float = 4.0,
) -> Sound:
    """Sounds at their times (s) and peaks (of full scale) in noise, shape (n_samples,), at `rate_hz`."""
    rng = np.random.default_rng([2026, seed])
    sound = coloured_noise(rng, round(duration_s * RATE_HZ), tilt) * np.float32(noise)
    for time_s, what, peak in events:
        made = getattr(synthesis, what)(rng) if isinstance(what, str) else synthesis.pop(rng, what)
        start = round(time_s * RATE_HZ)
        size = min(len(made), len(sound) - start)
        sound[start : start + size] += made[:size] * np.float32(peak)
    return sound if rate_hz == RATE_HZ else resample(sound, RATE_HZ, rate_hz)


def _voice(seconds: float, rate_hz: int, pitch_hz: float, seed: int) -> Sound:
    """A voice: bursts that decay between the openings of the glottis, with a pitch that rises a little."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = np.cumsum(pitch_hz * (1 + 0.3 * time) / rate_hz)
    decay = np.exp(-(phase % 1) / pitch_hz / 0.0012)
    formants = np.sin(2 * np.pi * 700 * time) + 0.7 * np.sin(2 * np.pi * 1300 * time)
    return np.asarray(0.1 * decay * (formants + 0.7 * rng.standard_normal(len(time))), np.float32)


def clips() -> list[Clip]:
    """Make the clips: integers of 16 bits, shape (n_samples, n_channels), and the rate."""
    times_s = (0.1, 0.122, 0.16, 0.205, 0.29, 0.2995, 0.35, 0.3588)
    burst: list[tuple[float, str | PopVoice, float]] = [
        (time_s, VOICE, peak) for time_s, peak in zip(times_s, (0.3, 0.2, 0.4, 0.1, 0.25, 0.25, 0.3, 0.3), strict=True)
    ]
    left = _scene(2, 0.27, [(0.11, DARK, 0.3), (0.15, DARK, 0.2), (0.2, "click", 0.2)], 44_100)
    right = 0.5 * left + _scene(3, 0.27, [], 44_100, 0.003)
    gap = _scene(5, 0.5, [(0.2, VOICE, 0.2), (0.33, "knock", 0.3), (0.42, VOICE, 0.1)], 16_000)
    gap[round(0.1 * 16_000) : round(0.2 * 16_000)] = 0
    gap[round(0.36 * 16_000) : round(0.41 * 16_000)] = 0
    gap[round(0.435 * 16_000) :] = 0  # a pop in 25 ms of sound, with silence on both sides
    loud = _scene(217, 0.4, [(0.1, VOICE, 12.0), (0.16, SKIN, 0.5), (0.3, "metal", 0.6)], 16_000)
    speech = _scene(8, 0.6, [(0.45, DARK, 0.3)], 8_000, 0.001)
    speech[800:2600] += _voice(0.225, 8_000, 120, 1)
    words = _scene(9, 0.6, [(0.05, "speech_like", 0.2)], 16_000, 0.001)
    far = _scene(12, 0.32, [(0.1, VOICE, 0.9), (0.17, VOICE, 0.004), (0.25, DARK, 0.006)], 16_000, 0.00005)
    strange = _scene(10, 0.4, [(0.1, "glitch", 0.7), (0.2, "noise_burst", 0.6), (0.3, "footstep", 0.5)], 22_050)
    sounds: list[tuple[list[Sound], int]] = [
        ([_scene(1, 0.4, burst, 48_000)], 48_000),
        ([left, right], 44_100),
        ([_scene(4, 0.32, [(0.17, VOICE, 0.3)], 48_000)], 48_000),
        ([gap], 16_000),
        ([loud], 16_000),
        ([_scene(7, 0.5, [], 16_000, 0.01)], 16_000),
        ([speech], 8_000),
        ([words], 16_000),
        ([strange], 22_050),
        ([far], 16_000),
        ([_scene(11, 0.4, [(0.1, VOICE, 0.0025), (0.2, DARK, 0.0025)], 11_025, 0.00005)], 11_025),
    ]
    return [
        (np.round(np.clip(np.stack(channels, axis=1), -1, 1 - 2**-15) * 2**15).astype(np.int16), rate_hz)
        for channels, rate_hz in sounds
    ]


def energies_db() -> npt.NDArray[np.float16]:
    """Courses of energy, dB per millisecond: voices of many pitches, noise, machines, and cases near a threshold."""
    rng = np.random.default_rng(2027)
    time = np.arange(696)
    rows = []
    for lag in (2, 3, 4, 5, 7, 9, 11, 12, 13, 14):  # ever noisier: from a clear voice to none
        pitch = np.cumsum(1 / (lag * (1 + 0.12 * np.sin(time / 90))))
        rows.append(-12 * (pitch % 1) + rng.standard_normal(len(time)) * np.linspace(0.5, 8, len(time)))
    rising = np.geomspace(0.2, 6, len(time))
    rows += [-rising * (time / lag % 1) + 0.02 * rng.standard_normal(len(time)) for lag in (6, 8)]
    for lag in (6, 9):  # the swing passes 1 dB slowly
        rows.append(-np.linspace(3.0, 4.2, len(time)) * (time / lag % 1))
    for period in (27, 28, 29, 30, 31):  # a slow swing grows beside a fast one: the dip before the peak gets shallow
        share = np.linspace(0.56, 0.7, len(time))
        slow, fast = np.sin(2 * np.pi * time / period), np.sin(2 * np.pi * time / 5)
        rows.append(10 * (np.sqrt(share) * slow + np.sqrt(1 - share) * fast))
    for depth in (36, 60):  # it fades: parts are too quiet beside the loudest
        rows.append(-12 * (np.cumsum(1 / (6 + np.sin(time / 60))) % 1) - depth * np.linspace(0, 1, len(time)))
    for n_stretches in (18, 19, 20, 21):  # a machine of one pitch, then another pitch
        switched = 32 * (n_stretches - 1) + 40
        rows.append(-12 * (np.where(time < switched, time / 8, time / 5) % 1) + 0.2 * rng.standard_normal(len(time)))
    for drop_db in (38, 39, 39.9, 40.1, 41, 43, 45):  # a voice, and the same far away
        fall = np.where(time < 330, 0, drop_db)
        rows.append(-12 * (np.cumsum(1 / (6 + np.sin(time / 40))) % 1) - fall)
    return np.array(rows).astype(np.float16)


def main() -> None:
    """Put the clips into a bundle."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
    import build_model
    from popdetect.training.models import bundle_files

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "models" / "default"
    parser.add_argument("--bundle", type=Path, default=default, metavar="BUNDLE")
    folder = parser.parse_args().bundle
    golden = bundle_files.npz_bytes(verification.golden_arrays(bundle.load(folder), clips(), energies_db()))
    print(build_model.rewrite(folder, {}, {bundle.GOLDEN: golden}).sha256)  # noqa: T201


if __name__ == "__main__":
    main()
