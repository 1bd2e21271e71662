"""Signal processing functions, compared with their documentation, numpy and librosa."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from popdetect.training.data import dsp
from popdetect.training.data.dsp import RATE_HZ, Sound


def tone(hz: float, duration_s: float = 0.5, rate_hz: int = RATE_HZ) -> Sound:
    return np.sin(2 * np.pi * hz * np.arange(int(duration_s * rate_hz)) / rate_hz).astype(np.float32)


def pitch_hz(sound: Sound, rate_hz: int = RATE_HZ) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.fft.rfftfreq(len(sound), 1 / rate_hz)[np.argmax(spectrum)])


def db(ratio: float) -> float:
    return float(20 * np.log10(ratio))


def test_mel_edges_are_librosas() -> None:
    edges = dsp.mel_edges_hz(9, 500, 8000)

    assert len(edges) == 11
    assert (edges[0], edges[-1]) == (500.0, 8000.0)
    assert list(edges) == sorted(edges)
    np.testing.assert_allclose(edges, librosa.mel_frequencies(11, fmin=500, fmax=8000), atol=6e-4)


@pytest.mark.parametrize("to_hz", [8_000, 16_000, 44_100, 96_000])
def test_resampling_keeps_pitch_level_and_length_in_seconds(to_hz: int) -> None:
    out = dsp.resample(tone(1000), RATE_HZ, to_hz)

    assert out.dtype == np.float32
    assert len(out) == pytest.approx(0.5 * to_hz, abs=1)
    assert pitch_hz(out, to_hz) == pytest.approx(1000, abs=3)
    assert np.abs(out[to_hz // 10 : -to_hz // 10]).max() == pytest.approx(1, abs=0.01)


def test_resampling_to_the_same_rate_and_of_nothing_changes_nothing() -> None:
    sound, nothing = tone(1000), np.empty(0, np.float32)

    assert dsp.resample(sound, RATE_HZ, RATE_HZ) is sound
    assert len(dsp.resample(nothing, RATE_HZ, 16_000)) == 0


def test_stretched_is_slower_and_lower() -> None:
    slow = dsp.stretched(tone(1000), 2.0)

    assert len(slow) == pytest.approx(RATE_HZ, abs=1)
    assert pitch_hz(slow) == pytest.approx(500, abs=2)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (100, 1), (37, 64), (1000, 999)])
def test_convolution_is_numpys(rng: np.random.Generator, n: int, m: int) -> None:
    sound, response = rng.standard_normal(n).astype(np.float32), rng.standard_normal(m).astype(np.float32)

    np.testing.assert_allclose(dsp.convolve(sound, response), np.convolve(sound, response), atol=1e-4)


def test_an_even_equaliser_of_0_db_changes_nothing(rng: np.random.Generator) -> None:
    sound = rng.standard_normal(4_321).astype(np.float32)

    np.testing.assert_allclose(dsp.shaped(sound, [30, 20_000], [0, 0]), sound, atol=1e-5)


@pytest.mark.parametrize(("hz", "gain_db"), [(100, -6.0), (1000, 0.0), (10_000, 12.0)])
def test_the_equaliser_gives_the_gain_that_was_asked_for(hz: float, gain_db: float) -> None:
    out = dsp.shaped(tone(hz), [100, 1000, 10_000], [-6, 0, 12])
    middle = slice(RATE_HZ // 10, -RATE_HZ // 10)

    assert db(np.std(out[middle]) / np.std(tone(hz)[middle])) == pytest.approx(gain_db, abs=0.2)


def test_the_equaliser_does_not_move_a_click(rng: np.random.Generator) -> None:
    click = np.zeros(2_000, np.float32)
    click[777] = 1

    assert np.argmax(np.abs(dsp.shaped(click, *dsp.random_curve(rng, 3.0)))) == 777


def test_a_random_curve_has_a_point_every_octave_and_the_spread_that_was_asked_for(rng: np.random.Generator) -> None:
    frequencies, _ = dsp.random_curve(rng, 1.0)
    gains = [dsp.random_curve(rng, 3.0)[1] for _ in range(300)]

    np.testing.assert_allclose(np.log2(frequencies[1:] / frequencies[:-1]), 0.93, atol=0.01)
    assert (frequencies[0], frequencies[-1]) == pytest.approx((31, 20_000))
    assert np.std(gains) == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize("slope", [0.0, 3.0, 6.0])
def test_coloured_noise_falls_by_its_slope(slope: float) -> None:
    noise = dsp.coloured_noise(np.random.default_rng(0), 10 * RATE_HZ, slope)
    power = np.square(np.abs(np.fft.rfft(noise)))
    hz = np.fft.rfftfreq(len(noise), 1 / RATE_HZ)
    low, high = (power[(hz >= f) & (hz < 1.05 * f)].mean() for f in (500, 8_000))

    assert np.std(noise) == pytest.approx(1, abs=1e-3)
    assert 10 * np.log10(low / high) / 4 == pytest.approx(slope, abs=0.2)


def test_noise_depends_on_its_seed_alone() -> None:
    one, same, other = (dsp.coloured_noise(np.random.default_rng(seed), 999, 3) for seed in (1, 1, 2))

    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_burst_is_measured_where_it_is_loudest() -> None:
    sound = np.zeros(RATE_HZ, np.float32)
    sound[10_000 : 10_000 + 480] = tone(2000, 0.01)

    assert dsp.burst_rms(sound, 10.0) == pytest.approx(np.sqrt(0.5), rel=0.02)
    assert dsp.burst_rms(sound, 20.0) == pytest.approx(np.sqrt(0.25), rel=0.02)
    assert dsp.burst_rms(np.float32(0.1) * sound, 10.0) == pytest.approx(0.1 * dsp.burst_rms(sound, 10.0))
    assert dsp.burst_rms(sound[10_000:10_010], 10.0) > 0  # shorter than the window


def test_rumble_does_not_count_and_the_rest_does() -> None:
    assert dsp.rms(tone(10, 1.0)) < 0.05
    assert dsp.rms(tone(1000, 1.0)) == pytest.approx(np.sqrt(0.5), rel=0.01)
    assert dsp.rms(tone(1000, 1.0) + 3 * tone(10, 1.0)) == pytest.approx(np.sqrt(0.5), rel=0.05)


@pytest.mark.parametrize("n", [0, 1, 2, 100, 240, 241, 5_000])
def test_taking_the_rumble_away_keeps_the_length(rng: np.random.Generator, n: int) -> None:
    sound = rng.standard_normal(n).astype(np.float32)

    assert dsp.without_rumble(sound).shape == (n,)
    assert np.isfinite(dsp.burst_rms(sound, 3.0))
    assert np.isfinite(dsp.rms(sound))
    assert dsp.burst_rms(sound[:0], 3.0) == dsp.rms(sound[:0]) == 0.0


def test_fades_reach_the_ends_and_only_them() -> None:
    sound = np.ones(RATE_HZ // 10, np.float32)
    out = dsp.faded(sound, 5, 10)

    assert out[0] == out[-1] == 0
    np.testing.assert_array_equal(out[RATE_HZ // 200 : -RATE_HZ // 100], 1)
    assert (np.diff(out[: RATE_HZ // 200]) >= 0).all()
    assert (sound == 1).all()  # the original is left alone
    np.testing.assert_array_equal(dsp.faded(sound, 0, 0), sound)
