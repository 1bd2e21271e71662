"""Frames are librosa's, whatever the rate; silence and absent bands are NaN."""

from __future__ import annotations

import warnings
from pathlib import Path

import librosa
import numpy as np
import pytest

from popdetect.detection.audio import recording as audio
from popdetect.detection.signal import frames as spectrum
from popdetect.training.models.candidate_filter import HIGH_HZ, LOW_HZ, MEL_BANDS, default_front_end

FRONT = default_front_end()


def frames_of_librosa(sound: np.ndarray, rate_hz: int) -> np.ndarray:
    transform = spectrum.transform(FRONT, rate_hz)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # empty bands below 16 kHz are meant
        return librosa.feature.melspectrogram(
            y=sound[: len(sound) // transform.hop * transform.hop],
            sr=rate_hz,
            n_fft=transform.window,
            hop_length=transform.hop,
            center=False,
            n_mels=MEL_BANDS,
            fmin=LOW_HZ,
            fmax=HIGH_HZ,
        ).T


def assert_same_frames(sound: np.ndarray, rate_hz: int) -> None:
    transform = spectrum.transform(FRONT, rate_hz)
    expected = frames_of_librosa(sound, rate_hz)
    there = transform.present[1:]

    actual = transform.power(sound)[:, 1:]
    np.testing.assert_allclose(actual[:, there], expected[:, there], rtol=1e-5, atol=1e-5 * expected.max())


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_frames_equal_librosas(rng: np.random.Generator, rate_hz: int) -> None:
    assert_same_frames(rng.standard_normal(rate_hz).astype(np.float32), rate_hz)


@pytest.mark.shared
def test_frames_equal_librosas_on_real_clips(shared_audio: Path) -> None:
    for path in sorted((shared_audio / "train" / "pop").iterdir()):
        samples, rate_hz = audio.read(path)
        assert_same_frames(np.ascontiguousarray(samples[:, 0]), rate_hz)


def test_the_bank_equals_librosas() -> None:
    expected = librosa.filters.mel(sr=48_000, n_fft=96, n_mels=MEL_BANDS, fmin=LOW_HZ, fmax=HIGH_HZ)

    np.testing.assert_allclose(spectrum.mel_bank(FRONT.mel_edges_hz, 48_000, 96), expected, atol=1e-5 * expected.max())


def test_a_constant_offset_changes_nothing(rng: np.random.Generator) -> None:
    sound = 0.01 * rng.standard_normal(48_000).astype(np.float32)
    transform = spectrum.transform(FRONT, 48_000)

    # to the precision that float32 leaves below an offset a hundred times the sound
    np.testing.assert_allclose(transform.power(sound + np.float32(0.5)), transform.power(sound), rtol=0.01, atol=1e-8)


def test_silence_is_nan_and_sound_is_not(rng: np.random.Generator) -> None:
    sound = np.zeros(4_800, np.float32)
    sound[2_400:] = rng.standard_normal(2_400)
    transform = spectrum.transform(FRONT, 48_000)
    frames_db = spectrum.to_db(transform.power(sound), transform.present)

    assert np.isnan(frames_db[:48]).all()
    assert np.isfinite(frames_db[50:]).all()


def test_the_low_band_hears_a_thud_and_the_mel_bands_do_not() -> None:
    time = np.arange(48_000) / 48_000
    transform = spectrum.transform(FRONT, 48_000)
    thud = transform.power((0.1 * np.sin(2 * np.pi * 120 * time)).astype(np.float32)).mean(axis=0)
    hiss = transform.power((0.1 * np.sin(2 * np.pi * 4_000 * time)).astype(np.float32)).mean(axis=0)

    assert thud[0] > 100 * hiss[0]
    assert hiss[1:].max() > 50 * thud[1:].max()


def test_bands_above_half_the_rate_are_absent_at_8_khz_and_there_from_16() -> None:
    assert not spectrum.transform(FRONT, 8_000).present.all()
    assert spectrum.transform(FRONT, 16_000).present.all()
    assert spectrum.transform(FRONT, 44_100).present.all()


@pytest.mark.parametrize("rate_hz", [16_000, 22_050, 44_100, 96_000, 192_000])
def test_the_bank_equals_librosas_at_other_rates(rate_hz: int) -> None:
    n_fft = spectrum.transform(FRONT, rate_hz).window
    expected = librosa.filters.mel(sr=rate_hz, n_fft=n_fft, n_mels=MEL_BANDS, fmin=LOW_HZ, fmax=HIGH_HZ)

    # the frozen edges are rounded to a thousandth of a hertz
    bank = spectrum.mel_bank(FRONT.mel_edges_hz, rate_hz, n_fft)
    np.testing.assert_allclose(bank, expected, atol=1e-5 * expected.max())


def test_the_low_band_does_not_hear_a_constant() -> None:
    time = np.arange(48_000) / 48_000
    transform = spectrum.transform(FRONT, 48_000)
    constant = transform.power(np.full(48_000, 0.1, np.float32))[:, 0]
    tone = transform.power((0.1 * np.sin(2 * np.pi * 100 * time)).astype(np.float32))[:, 0]

    assert constant.max() < 1e-9 * tone.mean()


def test_twice_the_amplitude_is_exactly_four_times_the_power(rng: np.random.Generator) -> None:
    sound = rng.standard_normal(4_800).astype(np.float32)
    transform = spectrum.transform(FRONT, 48_000)

    np.testing.assert_array_equal(transform.power(2 * sound), 4 * transform.power(sound))
