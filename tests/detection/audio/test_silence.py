"""A recording of a microphone that is off is refused at any offset, gain and bit depth; a very quiet sound is not."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from popdetect.detection.audio.silence import SilenceCheck
from popdetect.detection.detector import Detector
from popdetect.errors import Empty
from popdetect.training.data.dsp import RATE_HZ

Steps = npt.NDArray[np.int64]
DEPTHS = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24}
N = 48_000


def dither(seed: int = 0, channels: int = 1, n: int = N) -> Steps:
    """Triangular dither of a constant between two steps, whole steps of -1, 0 and 1."""
    rng = np.random.default_rng(seed)
    return np.rint(rng.uniform(-0.5, 0.5, (2, n, channels)).sum(axis=0)).astype(np.int64)


def as_file(steps: Steps, subtype: str, rate_hz: int = RATE_HZ) -> io.BytesIO:
    """A wav with exactly these steps of its bit depth."""
    file = io.BytesIO()
    left = (steps << (32 - DEPTHS[subtype])).astype(np.int32)
    soundfile.write(file, left, rate_hz, subtype=subtype, format="WAV")
    file.seek(0)
    return file


def floats(steps: Steps, bits: int) -> npt.NDArray[np.float32]:
    return (steps / 2.0 ** (bits - 1)).astype(np.float32)


def reason(samples: npt.NDArray[np.floating], *cuts: int) -> str:
    check = SilenceCheck()
    sound = np.asarray(samples, np.float32)
    for block in np.split(sound[:, None] if sound.ndim == 1 else sound, cuts):
        check.add(block)
    return check.reason


def refusals(detector: Detector, file: io.BytesIO) -> list[str]:
    """The messages for one recording as a file, an array, a stream and in a batch."""
    samples, rate_hz = soundfile.read(file, dtype="float32", always_2d=True)
    stream = detector.stream(rate_hz, samples.shape[1])
    for start in range(0, len(samples), 7_777):
        stream.feed(samples[start : start + 7_777])
    ways: list[Callable[[], object]] = [
        lambda: detector.detect(file), lambda: detector.detect(samples, rate_hz), stream.finish,
    ]  # fmt: skip
    told = []
    for way in ways:
        file.seek(0)
        with pytest.raises(Empty) as caught:
            way()
        told.append(str(caught.value))
    file.seek(0)
    (verdict,) = detector.verdicts([(file, "a")])
    assert (verdict.status, verdict.detection) == ("empty", None)
    return [*told, verdict.error]


@pytest.mark.parametrize("offset", [-1, 0, 1, 100])
@pytest.mark.parametrize("subtype", DEPTHS)
def test_a_constant_is_refused_in_every_way_and_depth(detector: Detector, subtype: str, offset: int) -> None:
    told = refusals(detector, as_file(np.full((N, 1), offset), subtype))

    assert len(set(told)) == 1
    assert "\n" not in told[0]
    assert ("digital silence" if offset == 0 else "no sound: all samples of a channel have the same value") in told[0]
    assert "the microphone was probably" in told[0]


@pytest.mark.parametrize("offset", [-1, 0, 1, 100])
@pytest.mark.parametrize("subtype", DEPTHS)
def test_dither_of_one_step_is_refused_in_every_way_and_depth(detector: Detector, subtype: str, offset: int) -> None:
    told = refusals(detector, as_file(offset + dither(channels=2), subtype))

    assert len(set(told)) == 1
    assert "\n" not in told[0]
    assert "only the last bit of the samples changes" in told[0]


def test_channels_with_other_constants_hold_no_sound_and_one_with_sound_is_enough(detector: Detector) -> None:
    noise = 0.01 * np.random.default_rng(0).standard_normal(N)
    constants = np.stack([np.full(N, 0.1), np.full(N, -0.2)], axis=1)

    assert "(-0.2, 0.1 of full scale)" in reason(constants)
    assert reason(np.stack([constants[:, 0], noise], axis=1)) == ""
    assert detector.detect(np.stack([constants[:, 0], noise], axis=1), RATE_HZ).label == "no_pop"


@settings(max_examples=40, derandomize=True)
@given(
    bits=st.sampled_from([8, 16, 24]),
    gain=st.floats(1e-3, 1.0),
    offset=st.integers(-60, 60),
    seed=st.integers(0, 99),
    cuts=st.lists(st.integers(0, 4_800), max_size=4).map(sorted),
)
def test_gain_offset_depth_and_blocks_do_not_matter(
    bits: int, gain: float, offset: int, seed: int, cuts: list[int]
) -> None:
    dead = floats(offset + dither(seed, n=4_800), bits) * np.float32(gain)

    assert "no sound" in reason(dead, *cuts)
    assert reason(dead, *cuts) == reason(dead)


@settings(max_examples=40, derandomize=True)
@given(
    bits=st.sampled_from([8, 16, 24]),
    offset=st.integers(-60, 60),
    peak=st.integers(3, 9),
    at=st.integers(0, 4_799),
    cuts=st.lists(st.integers(0, 4_800), max_size=4).map(sorted),
)
def test_a_click_of_three_steps_in_dither_is_sound(bits: int, offset: int, peak: int, at: int, cuts: list[int]) -> None:
    steps = dither(n=4_800)
    steps[at] = peak

    assert reason(floats(offset + steps, bits), *cuts) == ""


@pytest.mark.parametrize("subtype", DEPTHS)
def test_quiet_noise_is_sound(detector: Detector, subtype: str) -> None:
    steps = np.rint(2 * np.random.default_rng(1).standard_normal((N, 1))).astype(np.int64)
    found = detector.detect(as_file(steps, subtype))

    assert found.label == "no_pop"
    assert ("quiet" in found.quality) == (subtype != "PCM_U8")


def test_a_quiet_pop_in_dither_is_found(detector: Detector, clip: Callable[..., npt.NDArray[np.float32]]) -> None:
    pop = clip((0.5,), 1.0, noise=0.0)
    steps = np.rint(pop / np.abs(pop).max() * 12).astype(np.int64)[:, None] + dither()
    found = detector.detect(as_file(steps, "PCM_16"))

    assert found.label != "no_pop"
    assert max(found.events, key=lambda event: event.p_pop).onset_s == pytest.approx(0.5, abs=0.002)
    assert found.quality == ("quiet",)


def test_values_far_apart_are_sound_and_steps_below_24_bits_are_not() -> None:
    rng = np.random.default_rng(2)
    square = np.where(rng.random(4_800) < 0.5, 0.02, -0.02)
    uneven = rng.choice([0.0, 0.001, 0.004], 4_800)

    assert reason(square) == ""
    assert reason(uneven) == ""
    assert "no sound" in reason(rng.uniform(-1e-7, 1e-7, 4_800))
    assert reason(rng.uniform(-1e-6, 1e-6, 4_800)) == ""


def test_the_8_bit_case(detector: Detector, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(3 * RATE_HZ, -1 / 128), RATE_HZ, subtype="PCM_U8")
    verdict = detector.verdict(tmp_path / "a.wav", "a.wav")

    assert verdict.status == "empty"
    assert "the same value (-0.00781 of full scale)" in verdict.error
