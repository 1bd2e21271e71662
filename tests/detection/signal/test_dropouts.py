"""Where a sound breaks off into nothing, the clip is flagged; where it fades out, as in edited clips, it is not."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from popdetect.detection.detector import Detector
from popdetect.detection.signal.dropouts import Dropouts
from popdetect.records import Detection
from popdetect.training.data import synthesis as simulation
from popdetect.training.data.dsp import RATE_HZ, coloured_noise

Sound = npt.NDArray[np.float32]
Clip = Callable[..., Sound]
HOP, N_BANDS = 48, 10
VOICE = simulation.PopVoice(centre_hz=2500, decay20_ms=1.5, double_share=0.0, skin=False)


def hole(sound: Sound, start_s: float, end_s: float, value: float = 0.0, rate_hz: int = RATE_HZ) -> Sound:
    out = sound.copy()
    out[round(start_s * rate_hz) : round(end_s * rate_hz)] = value
    return out


def streamed(detector: Detector, sound: Sound, size: int, rate_hz: int = RATE_HZ) -> Detection:
    stream = detector.stream(rate_hz)
    for start in range(0, len(sound), size):
        stream.feed(sound[start : start + size])
    return stream.finish()


def has_flag(detector: Detector, sound: Sound, rate_hz: int = RATE_HZ) -> bool:
    return "dropout" in detector.detect(sound, rate_hz).quality


@pytest.mark.parametrize("value", [0.0, 0.3, -1 / 128])
@pytest.mark.parametrize("noise", [0.0005, 0.003, 0.05])
def test_a_recording_that_goes_dead_is_uncertain(detector: Detector, clip: Clip, noise: float, value: float) -> None:
    found = detector.detect(hole(clip((), noise=noise), 0.1, 3.0, value), RATE_HZ)

    assert found.label == "uncertain"
    assert "dropout" in found.quality


def test_pops_beside_a_dropout_count(detector: Detector, clip: Clip) -> None:
    before = detector.detect(hole(clip((0.3, 0.33)), 0.6, 3.0), RATE_HZ)
    after = detector.detect(hole(clip((2.5, 2.53)), 0.1, 2.2), RATE_HZ)

    assert (before.label, before.n_pops, before.quality) == ("pop", 2, ("dropout",))
    assert (after.label, after.n_pops, after.quality) == ("pop", 2, ("dropout",))


def test_the_label_changes_only_if_more_than_half_is_dead(detector: Detector, clip: Clip) -> None:
    labels = [detector.detect(hole(clip(()), 0.2, 0.2 + dead), RATE_HZ).label for dead in (0.1, 1.0, 1.45, 1.55, 2.5)]

    assert labels == ["no_pop", "no_pop", "no_pop", "uncertain", "uncertain"]


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("hole_ms", [45, 50, 55, 400])
@pytest.mark.parametrize("value", [0.0, 0.3])
def test_50_ms_are_enough_at_every_rate(detector: Detector, rate_hz: int, hole_ms: int, value: float) -> None:
    sound = (0.01 * np.random.default_rng(rate_hz).standard_normal(2 * rate_hz)).astype(np.float32)

    for start_s in (0.5, 1.0007, 1.32):
        dead = hole(sound, start_s, start_s + hole_ms / 1000, value, rate_hz)
        assert has_flag(detector, dead, rate_hz) == (hole_ms >= 50)


@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 99),
    holes=st.lists(st.tuples(st.floats(0, 1.9), st.floats(0.001, 1.2)), max_size=4),
    size=st.integers(600, 70_000),
    value_and_rate_hz=st.sampled_from([(0.0, 11_025), (0.0, 44_100), (0.25, 16_000), (0.25, 48_000)]),
)
def test_blocks_and_company_do_not_matter(
    detector: Detector, seed: int, holes: list[tuple[float, float]], size: int, value_and_rate_hz: tuple[float, int]
) -> None:
    value, rate_hz = value_and_rate_hz
    rng = np.random.default_rng(seed)
    sound = np.rint(rng.standard_normal(2 * rate_hz) * 10 ** rng.uniform(0, 3)).astype(np.int16)
    for start_s, length_s in holes:
        sound[round(start_s * rate_hz) : round((start_s + length_s) * rate_hz)] = round(value * 32768)
    sound[:20] = rng.integers(-9, 9, 20)
    files = [io.BytesIO() for _ in range(3)]
    for file, samples in zip(files, (sound[::-1], sound, sound[5_000:]), strict=True):
        soundfile.write(file, samples, rate_hz, format="WAV")
    alone = detector.detect(sound, rate_hz)

    assert streamed(detector, (sound / 32768).astype(np.float32), size, rate_hz) == alone
    assert detector.verdicts([(file, "") for file in files])[1].detection == alone


@pytest.mark.parametrize("power", [-4, 0, 1])
def test_gain_does_not_matter(detector: Detector, clip: Clip, power: int) -> None:
    gain = np.float32(2.0**power)
    broken = detector.detect(hole(clip((), noise=0.02), 0.4, 2.6) * gain, RATE_HZ)

    assert ("dropout" in broken.quality, broken.label) == (True, "uncertain")
    assert not has_flag(detector, clip((1.0,), noise=0.0) * gain)


def faded(sound: Sound, start_s: float, end_s: float, fade_s: float) -> Sound:
    """A noise gate: open from `start_s` to `end_s`, then it closes in `fade_s`."""
    time = np.arange(len(sound)) / RATE_HZ
    gate = np.clip(1 - (time - end_s) / fade_s, 0, 1) * (time >= start_s)
    return np.asarray(np.rint(sound * gate * 32768) / 32768, np.float32)


@pytest.mark.parametrize("fade_s", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("seed", range(4))
def test_a_noise_gate_is_no_dropout(detector: Detector, clip: Clip, seed: int, fade_s: float) -> None:
    found = detector.detect(faded(clip((), seed=seed, noise=0.02), 0.8, 1.1, fade_s), RATE_HZ)

    assert "dropout" not in found.quality
    assert found.label == "no_pop"


def test_single_sounds_between_digital_silence_are_no_dropouts(detector: Detector) -> None:
    for seed in range(8):
        rng = np.random.default_rng(seed)
        for single in (simulation.knock(rng), simulation.pop(rng, VOICE)):
            sound = np.zeros(3 * RATE_HZ, np.float32)
            sound[40_000 : 40_000 + len(single)] = 0.5 * single / np.abs(single).max()
            for samples in (sound, np.rint(sound * 32768).astype(np.int16), np.rint(sound * 127).astype(np.int8)):
                assert not has_flag(detector, samples)


def test_a_recording_that_starts_late_and_breaks_off_has_a_dropout(detector: Detector, clip: Clip) -> None:
    found = detector.detect(hole(hole(clip((0.6,)), 0.0, 0.3), 1.2, 3.0), RATE_HZ)
    noise = detector.detect(hole(hole(clip(()), 0.0, 0.3), 1.2, 3.0), RATE_HZ)

    assert found.label == "pop"
    assert (noise.label, noise.quality) == ("uncertain", ("dropout",))


def test_digital_silence_before_the_first_sound_is_no_dropout(detector: Detector, clip: Clip) -> None:
    assert not has_flag(detector, hole(clip(()), 0.0, 0.4))


def test_what_lies_below_a_step_of_8_bits_is_no_dropout(detector: Detector) -> None:
    """Between sounds, a quiet room is constant in 8 bits; a break of a louder noise is a drop-out there, too."""
    rng = np.random.default_rng(3)
    steps = np.rint(0.12 * rng.standard_normal(3 * RATE_HZ))
    knock = simulation.knock(rng)
    steps[60_000 : 60_000 + len(knock)] += np.rint(40 * knock / np.abs(knock).max())
    noise = np.rint(6 * rng.standard_normal(3 * RATE_HZ))
    noise[70_000:90_000] = 0

    assert (np.convolve(steps == 0, np.ones(2_500), "valid") == 2_500).any()
    assert not has_flag(detector, np.clip(steps, -128, 127).astype(np.int8))
    assert has_flag(detector, noise.astype(np.int8))


def test_noise_of_rooms_and_loud_noise_without_breaks_are_no_dropouts(detector: Detector) -> None:
    rng = np.random.default_rng(4)
    for level in (2e-4, 3e-3, 0.1):
        sound = np.rint(coloured_noise(rng, 3 * RATE_HZ, 4) * level * 32768).astype(np.int16)
        assert not has_flag(detector, sound)


@pytest.mark.parametrize("size", [1, 7, 50, 1_000])
def test_the_turns_in_which_frames_come_do_not_matter(size: int) -> None:
    rng = np.random.default_rng(5)
    frames = rng.uniform(0.5, 1.5, 2_000).astype(np.float32)
    for start, end in ((0, 60), (300, 340), (500, 700), (990, 1_010), (1_400, 1_450), (1_900, 2_000)):
        frames[start:end] = 0
    dropouts = Dropouts(HOP, RATE_HZ, N_BANDS)
    for start in range(0, len(frames), size):
        dropouts.feed(frames[start : start + size], frames[start : start + size])

    assert dropouts.finish() == (True, (60 + 200 + 50 + 100) / 2_000)


def test_heavily_clipped_pops_are_found_and_flagged(detector: Detector, clip: Clip) -> None:
    sound = clip((0.5, 0.53, 1.8))
    found = detector.detect(np.clip(10 * sound / np.abs(sound).max(), -1, 1), RATE_HZ)

    assert found.label != "no_pop"
    assert [event.onset_s for event in found.events if event.p_pop > 0.2]
    assert found.quality == ("clipped",)
