"""Simulated sounds: pops start at their first sample, are short, and have the spectrum of their voice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from popdetect.training.data import synthesis
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, rms

SEEDS = range(60)
MAKERS: dict[str, Callable[[Rng], Sound]] = {
    **synthesis.DISTRACTORS,
    "pop, air": lambda rng: synthesis.pop(rng, synthesis.draw_voice(rng, 0.0)),
    "pop, skin": lambda rng: synthesis.pop(rng, synthesis.draw_voice(rng, 1.0)),
    "background": lambda rng: synthesis.background(rng, RATE_HZ // 2),
    "room": synthesis.room,
}
LENGTH_S = {
    "click": (0.2, 0.2), "cloth": (0.15, 0.8), "footstep": (0.25, 0.25), "glitch": (0.001, 0.002), "knock": (0.3, 0.3),
    "metal": (0.4, 0.4), "mouth clicks": (0.02, 0.52), "noise burst": (0.05, 0.5),
    "speech-like": (0.15, 3.3), "pop, air": (0.04, 0.04),
    "pop, skin": (0.04, 0.04), "background": (0.5, 0.5), "room": (0.15, 0.7),
}  # fmt: skip


def pop(seed: int, *, skin: bool, double_share: float | None = None) -> Sound:
    rng = np.random.default_rng(seed)
    voice = synthesis.draw_voice(rng, float(skin))
    return synthesis.pop(rng, voice if double_share is None else replace(voice, double_share=double_share))


def below(sound: Sound, hz: float) -> float:
    power = np.square(np.abs(np.fft.rfft(sound)))
    return float(power[np.fft.rfftfreq(len(sound), 1 / RATE_HZ) < hz].sum() / power.sum())


@pytest.mark.parametrize("what", sorted(MAKERS))
def test_every_sound_is_finite_and_of_its_length_and_depends_on_its_seed_alone(what: str) -> None:
    shortest, longest = LENGTH_S[what]
    made = [MAKERS[what](np.random.default_rng(seed)) for seed in SEEDS]

    for sound in made:
        assert sound.dtype == np.float32
        assert np.isfinite(sound).all()
        assert shortest * RATE_HZ - 1 <= len(sound) <= longest * RATE_HZ + 1
    np.testing.assert_array_equal(made[7], MAKERS[what](np.random.default_rng(7)))
    assert not np.array_equal(made[7], made[8])


@pytest.mark.parametrize("what", sorted(set(MAKERS) - {"background", "room"}))
def test_peaks_are_about_1(what: str) -> None:
    peaks = [np.abs(MAKERS[what](np.random.default_rng(seed))).max() for seed in SEEDS]

    assert 0.5 < np.median(peaks) < 1.5
    assert 0.15 < min(peaks) <= max(peaks) < 2.5


@pytest.mark.parametrize("skin", [False, True])
def test_a_pop_starts_at_its_first_sample(skin: bool) -> None:
    for seed in SEEDS:
        level = np.abs(pop(seed, skin=skin))
        assert np.argmax(level > 0.1 * level.max()) < 0.0004 * RATE_HZ
        assert level[: RATE_HZ // 1000].max() > 0.3 * level.max()


@pytest.mark.parametrize("skin", [False, True])
def test_a_pop_is_20_db_down_within_12_ms(skin: bool) -> None:
    for seed in SEEDS:
        power = np.square(pop(seed, skin=skin, double_share=0.0).astype(np.float64))
        level = np.convolve(power, np.ones(24))[: len(power)]  # half a millisecond
        down_ms = (1 + np.flatnonzero(level > 0.01 * level.max())[-1]) * 1000 / RATE_HZ
        assert 0.3 < down_ms < 12


def test_a_double_comes_within_7_ms_and_only_where_the_voice_has_it() -> None:
    """With the same random numbers, a doubled pop is the single pop and a later copy."""
    later = []
    for seed in SEEDS:
        plain, double = pop(seed, skin=False, double_share=0.0), pop(seed, skin=False, double_share=1.0)
        assert np.isfinite(double).all()
        later.append(np.square(double[: RATE_HZ // 100]).sum() - np.square(plain[: RATE_HZ // 100]).sum())
    assert np.mean(np.array(later) > 0) > 0.7


def test_a_skin_mounted_sensor_moves_the_weight_below_2_khz() -> None:
    skin = [below(pop(seed, skin=True), 2000) for seed in range(200)]
    air = [below(pop(seed, skin=False), 2000) for seed in range(200)]

    assert np.median(skin) > 0.95
    assert np.mean(np.array(skin) > 0.5) > 0.95
    assert np.median(air) < 0.6


def test_voices_keep_to_their_ranges() -> None:
    for seed in range(300):
        skin, air = (synthesis.draw_voice(np.random.default_rng(seed), share) for share in (1.0, 0.0))
        assert skin.skin
        assert not air.skin
        assert 200 <= skin.centre_hz <= 1500
        assert 1000 <= air.centre_hz <= 7000
        for voice in (skin, air):
            assert 0.5 <= voice.decay20_ms <= 3.2
            assert 0 <= voice.double_share <= 0.6


def test_a_background_has_rms_1_and_the_length_that_was_asked_for() -> None:
    for seed in SEEDS:
        sound = synthesis.background(np.random.default_rng(seed), 12_345)
        assert len(sound) == 12_345
        assert np.std(sound) == pytest.approx(1, rel=0.01)
        assert rms(sound) > 0


def test_a_room_begins_with_the_direct_sound_and_dies_away() -> None:
    for seed in SEEDS:
        response = synthesis.room(np.random.default_rng(seed))
        assert np.argmax(np.abs(response)) == 0
        n = len(response) // 4
        assert np.square(response[-n:]).sum() < 0.01 * np.square(response[:n]).sum()


def test_a_glitch_is_a_few_samples() -> None:
    for seed in SEEDS:
        assert 1 <= np.count_nonzero(synthesis.glitch(np.random.default_rng(seed))) <= 4
