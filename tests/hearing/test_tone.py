"""Whether a sound's first milliseconds are one tone or many."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from popdetect.hearing import tone
from popdetect.hearing.locating import snippets
from popdetect.learning import simulation

AT = 0.1


def told(sound: np.ndarray, rate_hz: int) -> dict[str, float]:
    """What is said of a sound that starts a tenth of a second into silence."""
    start = round(AT * rate_hz)
    clip = np.concatenate([np.zeros(start), sound, np.zeros(start)]).astype(np.float32)
    return of(clip[:, None], start, rate_hz)


def of(clip: np.ndarray, start: int, rate_hz: int) -> dict[str, float]:
    rows = tone.describe(partial(snippets, clip), np.array([start]), rate_hz)
    assert rows.shape == (1, len(tone.NAMES))
    return dict(zip(tone.NAMES, rows[0].tolist(), strict=True))


def ring(rate_hz: int, frequency_hz: float = 2500, decay_ms: float = 2.0) -> np.ndarray:
    time_ms = np.arange(round(0.02 * rate_hz)) * (1000 / rate_hz)
    return np.sin(2 * np.pi * frequency_hz * time_ms / 1000) * np.exp(-time_ms / decay_ms)


def snap(rate_hz: int) -> np.ndarray:
    return ring(rate_hz, decay_ms=0.1)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_what_rings_at_one_pitch_is_told_from_a_snap_at_any_rate(rate_hz: int) -> None:
    one, many = told(ring(rate_hz), rate_hz), told(snap(rate_hz), rate_hz)

    assert np.exp(one["tone_peak"]) == pytest.approx(2500, rel=0.05)
    assert one["tone_entropy"] < many["tone_entropy"] - 0.4
    assert one["tone_spread"] < many["tone_spread"]
    assert one["tone_share"] > 0.75 > many["tone_share"]
    assert one["tone_flatness"] < many["tone_flatness"] < 0


def test_a_pure_tone_lies_in_a_few_bins_and_an_impulse_in_all() -> None:
    rate_hz = 48_000
    pure, impulse = told(np.sin(2 * np.pi * 0.1 * np.arange(2000)), rate_hz), told(np.array([0, 1.0]), rate_hz)
    n_bins = (tone.HIGHEST_HZ - tone.LOWEST_HZ) // tone.BIN_HZ + 1

    assert np.exp(pure["tone_entropy"]) < 8
    assert np.exp(impulse["tone_entropy"]) == pytest.approx(n_bins, rel=0.05)
    assert impulse["tone_flatness"] == pytest.approx(0, abs=0.1)


def test_neither_gain_nor_a_constant_offset_nor_channels_of_the_same_sound_enter() -> None:
    rate_hz = 44_100
    clip = np.zeros((rate_hz // 5, 1), np.float32)
    start = rate_hz // 10
    clip[start : start + 882, 0] = ring(rate_hz)
    plain = of(clip, start, rate_hz)

    assert of(clip * np.float32(0.01) + np.float32(0.1), start, rate_hz) == pytest.approx(plain, abs=1e-2)
    assert of(np.repeat(clip, 2, axis=1), start, rate_hz) == pytest.approx(plain, abs=1e-6)


def test_each_is_described_the_same_in_whatever_company() -> None:
    rng = np.random.default_rng(1)
    clip = rng.standard_normal((48_000, 2)).astype(np.float32)
    starts = np.sort(rng.integers(0, 48_000, 40))
    take = partial(snippets, clip)
    together = tone.describe(take, starts, 48_000)

    assert np.isfinite(together).all()  # those at the very ends, too
    for start, row in zip(starts, together, strict=True):
        np.testing.assert_array_equal(tone.describe(take, np.array([start]), 48_000)[0], row)


def test_silence_gives_numbers() -> None:
    assert np.isfinite(tone.describe(partial(snippets, np.zeros((4800, 1), np.float32)), np.array([0]), 48_000)).all()


def test_simulated_pops_are_as_broad_as_recorded_ones() -> None:
    """Of 19 pops of three recordings the entropy is 3.2 to 4.0 (scripts/pop_breadth.py)."""
    rng = np.random.default_rng(2)
    pops = [simulation.pop(rng, simulation.draw_voice(rng, skin_share=0.0)) for _ in range(300)]
    entropy = [told(pop, 48_000)["tone_entropy"] for pop in pops]

    assert np.quantile(entropy, 0.1) > 2.8
    assert np.quantile(entropy, 0.25) > 3.1
    assert 3.4 < np.median(entropy) < 4.0
