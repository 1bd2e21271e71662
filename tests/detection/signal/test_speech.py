"""Speech is flagged, also a word; noise, hum, knocks and pops are not; blocks and company change nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from popdetect.detection.audio import recording as audio
from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import load
from popdetect.detection.signal import frames as spectrum
from popdetect.detection.signal import speech as voice
from popdetect.training.data import synthesis as simulation
from popdetect.training.data.dsp import RATE_HZ, coloured_noise, resample
from popdetect.training.data.manifest import read_manifest

RATES_HZ = (8_000, 11_025, 11_127, 12_000, 16_000, 22_050, 32_000, 37_800, 44_100, 48_000)
Clip = Callable[..., npt.NDArray[np.float32]]


def voice_s(sound: npt.NDArray[np.float32], rate_hz: int = RATE_HZ) -> float:
    found = voice.Voice()
    transform = spectrum.transform(load().front_end, rate_hz)
    energy = voice.energy_db(spectrum.total_power(transform.power(np.ascontiguousarray(sound))))
    found.feed(voice.at_equal_times(energy, 0, rate_hz, load().front_end))
    return found.seconds(0.001)


def buzz(pitch_hz: float, duration_s: float = 1.0) -> npt.NDArray[np.float32]:
    """Glottal pulses of a pitch that sways as in speech, through a vocal tract of one resonance."""
    sway = 1 + 0.12 * np.sin(2 * np.pi * 2.2 * np.arange(int(duration_s * RATE_HZ)) / RATE_HZ)
    phase = np.cumsum(pitch_hz * sway) / RATE_HZ
    pulses = np.diff(np.floor(phase), prepend=0.0)
    time = np.arange(480) / RATE_HZ
    tract = np.exp(-time * 600) * np.sin(2 * np.pi * 1200 * time)
    return np.convolve(pulses, tract)[: len(pulses)].astype(np.float32)


@pytest.mark.parametrize("pitch_hz", [90, 120, 180, 240])
def test_a_voice_of_any_pitch_is_heard_all_along(pitch_hz: float) -> None:
    assert voice_s(buzz(pitch_hz)) > 0.5


@pytest.mark.parametrize("gain", [0.001, 0.1, 1.0])
def test_loudness_does_not_matter(gain: float) -> None:
    assert voice_s(buzz(120) * np.float32(gain)) == voice_s(buzz(120))


def test_noise_hum_knocks_and_pops_are_no_voice(clip: Clip) -> None:
    rng = np.random.default_rng(0)
    time = np.arange(3 * RATE_HZ) / RATE_HZ
    knocks = np.zeros(3 * RATE_HZ, np.float32)
    for start in (20_000, 60_000, 100_000):
        knock = simulation.knock(rng)[:14_000]
        knocks[start : start + len(knock)] += knock
    others = {
        "white": rng.standard_normal(3 * RATE_HZ),
        "pink": coloured_noise(rng, 3 * RATE_HZ, 3),
        "hum": np.sin(2 * np.pi * 50 * time) + 0.01 * rng.standard_normal(3 * RATE_HZ),
        "knocks": knocks + 1e-4 * rng.standard_normal(3 * RATE_HZ),
        "pops": clip((1.0, 1.03, 1.07, 2.0)),
        "silence": np.zeros(3 * RATE_HZ),
    }
    assert {name: voice_s(sound.astype(np.float32)) for name, sound in others.items() if voice_s(sound) > 0.05} == {}


@pytest.mark.parametrize("size", [48, 777, 48_000])
def test_blocks_do_not_matter(size: int) -> None:
    sound = (buzz(130, 2.5) + 0.001 * np.random.default_rng(1).standard_normal(120_000)).astype(np.float32)[:, None]
    detector = Detector()
    whole = detector.detect(sound, RATE_HZ)
    stream = detector.stream(RATE_HZ, 1)
    for start in range(0, len(sound), size):
        stream.feed(sound[start : start + size])

    assert whole.quality == ("speech",)
    assert stream.finish() == whole


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 11_127, 12_000, 16_000, 22_050, 37_800, 44_100, 95_999])
def test_the_stretches_lie_at_the_same_times_at_every_rate(rate_hz: int) -> None:
    front_end = load().front_end
    hop = front_end.hop(rate_hz)
    starts_ms = np.arange(60_000 * rate_hz // (1000 * hop)) * (1000 * hop / rate_hz)
    found = voice.at_equal_times(starts_ms, 0, rate_hz, front_end)

    np.testing.assert_allclose(found, np.arange(len(found)), atol=0.51)
    assert len(found) == pytest.approx(60_000, abs=2)
    pieces = [
        voice.at_equal_times(starts_ms[i : i + 777], i, rate_hz, front_end) for i in range(0, len(starts_ms), 777)
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), found)


@pytest.mark.slow
def test_the_sample_rate_does_not_matter() -> None:
    """Voices of lengths around the limit of the flag; a hop is shorter than 1 ms at half of these rates."""
    rng = np.random.default_rng(3)
    differ = []
    for length_ms in range(180, 340, 8):
        sound = 1e-4 * rng.standard_normal(3 * RATE_HZ)
        for start, pitch_hz in ((30_000, 150), (125_000, 125)):
            word = 0.3 * buzz(pitch_hz, length_ms / 2000)
            sound[start : start + len(word)] += word
        copies = {rate_hz: resample(sound.astype(np.float32), RATE_HZ, rate_hz) for rate_hz in RATES_HZ}
        seconds = {rate_hz: voice_s(copy, rate_hz) for rate_hz, copy in copies.items()}
        differ.append(np.ptp(list(seconds.values())))

    assert np.mean(differ) < 0.02


def test_company_does_not_matter(clip: Clip, tmp_path: Path) -> None:
    sounds = {"a.wav": clip((1.0,)), "b.wav": buzz(110, 3.0), "c.wav": clip(()), "d.wav": buzz(200, 0.06)}
    for name, sound in sounds.items():
        audio.write_wav(tmp_path / name, 0.5 * sound / np.abs(sound).max(), RATE_HZ)
    detector, sources = Detector(), [(tmp_path / name, name) for name in sounds]
    together = detector.verdicts(sources)

    assert together == [detector.verdict(path, name) for path, name in sources]
    assert [v.detection is not None and "speech" in v.detection.quality for v in together] == [
        False,
        True,
        False,
        False,
    ]


def test_a_word_is_enough_in_a_short_clip() -> None:
    assert voice.is_speech(0.12, 0.45)
    assert not voice.is_speech(0.12, 3.0)
    assert voice.is_speech(0.21, 3.0)
    assert not voice.is_speech(0.05, 0.1)


@pytest.mark.shared
def test_real_speech_is_told_from_other_sounds(shared_audio: Path) -> None:
    """The figures of the module's docstring."""
    speech, others = [], []
    for source in read_manifest(shared_audio, "train"):
        if source.kind in ("distractor", "background"):
            samples, rate_hz = audio.read(source.path)
            sound = samples[: 10 * rate_hz].mean(axis=1)
            if len(sound) > 0.06 * rate_hz:
                told = voice.is_speech(voice_s(sound, rate_hz), len(sound) / rate_hz)
                (speech if "speech" in source.what.lower() else others).append(told)

    assert len(speech) > 100
    assert np.mean(speech) > 0.84
    assert np.mean(others) < 0.08
