"""Arrays: every layout and type is the same recording, and what cannot be processed has a named error."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popdetect.detection.audio.arrays import MAX_CHANNELS, ArrayRecording, as_block, as_float, check_rate
from popdetect.errors import AudioError, Empty, NotFinite, TooShort, Unreadable

RATE_HZ = 48_000
SOUND = (0.3 * np.sin(np.arange(4_800) / 7)).astype(np.float32)
STEREO = np.stack([SOUND, -SOUND], axis=1)
STEPS = (np.arange(4_800) % 16 / 32).astype(np.float32)  # exact in every type


def read(samples: Any, rate_hz: Any = RATE_HZ) -> np.ndarray:
    recording = ArrayRecording(samples, rate_hz)
    joined = np.concatenate(list(recording))
    assert joined.shape[1] == recording.channels
    return joined


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (SOUND, SOUND[:, None]),
        (SOUND[:, None], SOUND[:, None]),
        (SOUND[None], SOUND[:, None]),
        (STEREO, STEREO),
        (STEREO.T, STEREO),
        (np.asfortranarray(STEREO), STEREO),
        (np.repeat(STEREO, 2, axis=0)[::2], STEREO),
        (SOUND[::-1][::-1], SOUND[:, None]),
        (SOUND.tolist(), SOUND[:, None]),
        (SOUND.astype(np.float64), SOUND[:, None]),
        (SOUND.astype(">f4"), SOUND[:, None]),
        (STEPS.astype(np.float16), STEPS[:, None]),
        (np.tile(STEPS, (MAX_CHANNELS, 1)), np.tile(STEPS[:, None], MAX_CHANNELS)),
    ],
    ids=["(n,)", "(n, 1)", "(1, n)", "(n, 2)", "(2, n)", "Fortran", "strided", "reversed", "list", "float64",
         "big-endian", "float16", "32 channels"],
)  # fmt: skip
def test_layouts_and_float_types_are_the_same_recording(given: Any, expected: np.ndarray) -> None:
    found = read(given)

    assert found.dtype == np.float32
    assert all(block.flags.c_contiguous for block in ArrayRecording(given, RATE_HZ))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("kind", "full", "middle", "least"),
    [("int8", 127 / 128, 0, -128), ("int16", 32767 / 32768, 0, -32768), ("int32", 1.0, 0, -(2**31)),
     ("uint8", 127 / 128, 128, 0)],
)  # fmt: skip
def test_integers_are_scaled_by_the_range_of_their_type(kind: str, full: float, middle: int, least: int) -> None:
    info = np.iinfo(kind)
    scaled = as_float(np.array([[info.max, middle, least]], kind).T)

    np.testing.assert_array_equal(scaled[:, 0], np.array([full, 0.0, -1.0], np.float32))


@settings(deadline=None, derandomize=True, max_examples=60)
@given(
    kind=st.sampled_from(["int16", "int32", "float32", "float64"]),
    channels=st.integers(1, 5),
    n=st.integers(480, 900),
    seed=st.integers(0, 99),
)
def test_the_layout_never_matters(kind: str, channels: int, n: int, seed: int) -> None:
    sound = np.random.default_rng(seed).uniform(-0.9, 0.9, (n, channels))
    samples = (sound * np.iinfo(kind).max).astype(kind) if "int" in kind else sound.astype(kind)

    np.testing.assert_array_equal(read(samples), read(samples.T))
    np.testing.assert_allclose(read(samples), sound, atol=1e-4)


BAD: list[tuple[str, Callable[[], Any], Any, type[AudioError], str]] = [
    ("NaN", lambda: np.where(np.arange(4_800) == 7, np.nan, SOUND), RATE_HZ, NotFinite, "1 samples are not numbers"),
    ("infinity", lambda: np.where(np.arange(4_800) < 2, np.inf, SOUND), RATE_HZ, NotFinite, "2 samples"),
    ("digital silence", lambda: np.zeros(48_000), RATE_HZ, Empty, "digital silence"),
    ("silent uint8", lambda: np.full(48_000, 128, np.uint8), RATE_HZ, Empty, "digital silence"),
    ("underflow", lambda: np.full(48_000, 1e-60), RATE_HZ, Empty, "digital silence"),
    ("nothing", lambda: [], RATE_HZ, Empty, "no samples"),
    ("no channels", lambda: np.empty((4_800, 0)), RATE_HZ, Empty, "no samples"),
    ("no time", lambda: np.empty((0, 2)), RATE_HZ, Empty, "no samples"),
    ("three samples", lambda: SOUND[:3], RATE_HZ, TooShort, r"3 samples \(0\.06 ms\); at least 10 ms \(480\)"),
    ("just too short", lambda: STEREO[:479], RATE_HZ, TooShort, "479 samples"),
    ("a square", lambda: SOUND[:25].reshape(5, 5), RATE_HZ, TooShort, "5 samples"),
    ("4 kHz", lambda: SOUND, 4_000, Unreadable, "sample rate 4000 Hz; 8000 to 192000 Hz"),
    ("MHz", lambda: SOUND, 1e6, Unreadable, "sample rate 1000000.0 Hz"),
    ("rate NaN", lambda: SOUND, float("nan"), Unreadable, "sample rate nan Hz"),
    ("rate in words", lambda: SOUND, "48000", Unreadable, "sample rate '48000'"),
    ("half a hertz", lambda: SOUND, 44_100.5, Unreadable, "a whole number of Hz is needed"),
    ("int64", lambda: [1, 2, 3] * 1000, RATE_HZ, Unreadable, "samples of type int64; allowed are floats"),
    ("uint16", lambda: np.ones(4_800, np.uint16), RATE_HZ, Unreadable, "samples of type uint16"),
    ("bool", lambda: SOUND > 0, RATE_HZ, Unreadable, "samples of type bool"),
    ("complex", lambda: SOUND.astype(np.complex64), RATE_HZ, Unreadable, "samples of type complex64"),
    ("objects", lambda: SOUND.astype(object), RATE_HZ, Unreadable, "samples of type object"),
    ("text", lambda: np.array(["a"] * 4_800), RATE_HZ, Unreadable, "samples of type str"),
    ("uneven lists", lambda: [[0.1, 0.2], [0.1]], RATE_HZ, Unreadable, "no array"),
    ("a number", lambda: 0.5, RATE_HZ, Unreadable, r"shape \(\)"),
    ("three axes", lambda: np.ones((2, 3, 4_800)), RATE_HZ, Unreadable, r"shape \(2, 3, 4800\)"),
    ("a spectrogram", lambda: np.ones((1025, 300)), RATE_HZ, Unreadable, "at most 32 channels; .* spectrogram"),
    ("unscaled floats", lambda: SOUND * 32768, RATE_HZ, Unreadable, "full scale is ±1; divide .* by 32768"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "rate_hz", "error", "words"), BAD, ids=[case[0] for case in BAD])
def test_what_cannot_be_processed_has_a_named_error_in_one_line(
    name: str, make: Callable[[], Any], rate_hz: Any, error: type[AudioError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        ArrayRecording(make(), rate_hz)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", [np.nan, np.inf, -np.inf], ids=str)
def test_whatever_librosa_refuses_as_audio_is_refused(damage: float) -> None:
    for bad in (np.full(4_800, damage), np.array([0.1, damage] * 2_400), np.ones(4_800, bool), np.array(0.5)):
        with pytest.raises(librosa.ParameterError):
            librosa.util.valid_audio(bad)
        with pytest.raises(AudioError):
            ArrayRecording(bad, RATE_HZ)


@pytest.mark.parametrize("rate_hz", [48_000, 48_000.0, np.int32(48_000), np.float64(48_000), Fraction(48_000)])
def test_any_kind_of_whole_number_is_a_sample_rate(rate_hz: Any) -> None:
    assert check_rate(rate_hz) == 48_000
    assert type(check_rate(rate_hz)) is int


def test_floats_a_little_above_full_scale_are_kept_as_they_are() -> None:
    np.testing.assert_array_equal(read(SOUND * 10)[:, 0], SOUND * 10)


def test_blocks_may_be_empty_and_have_either_layout() -> None:
    for channels in (1, 2):
        assert as_block(np.empty((0, channels)), channels).shape == (0, channels)
    assert as_block([], 1).shape == (0, 1)
    assert as_block(SOUND, 1).shape == (4_800, 1)
    np.testing.assert_array_equal(as_block(STEREO, 2), STEREO)
    np.testing.assert_array_equal(as_block(STEREO.T, 2), STEREO)
    np.testing.assert_array_equal(as_block(STEREO[:2], 2), STEREO[:2])  # where both fit, the first axis is time
    np.testing.assert_array_equal(as_block(np.full(10, 16_384, np.int16), 1), np.full((10, 1), 0.5))


@pytest.mark.parametrize(
    ("block", "channels", "error", "words"),
    [
        (SOUND, 2, Unreadable, r"a block of shape \(4800,\); allowed are \(n, 2\) and \(2, n\)"),
        (STEREO, 1, Unreadable, r"shape \(4800, 2\)"),
        (np.ones((2, 2, 2)), 2, Unreadable, r"shape \(2, 2, 2\)"),
        ([np.nan], 1, NotFinite, "1 samples are not numbers"),
        ([True], 1, Unreadable, "type bool"),
    ],
)
def test_a_block_that_does_not_fit_is_refused(block: Any, channels: int, error: type[AudioError], words: str) -> None:
    with pytest.raises(error, match=words):
        as_block(block, channels)
