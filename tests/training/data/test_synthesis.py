"""Simulated sounds: pops start at their first sample, are short, and have the spectrum of their voice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from popdetect.training.data import synthesis
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, rms
from popdetect.training.data.hard_negatives import HARD_NEGATIVES

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
    "ball pen": (0.04, 4), "bell": (0.3, 5), "ceramic": (0.02, 3), "coin": (0.03, 4), "drip": (0.02, 6),
    "finger tap": (0.01, 6), "heels": (0.06, 4), "lid": (0.02, 4), "lip plop": (0.01, 4), "lip smack": (0.02, 3),
    "nail tap": (0.02, 4), "paper": (0.15, 1.1), "velcro": (0.1, 0.7), "zipper": (0.15, 0.9),
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
        assert response[0] == pytest.approx(1, abs=0.05)
        n = len(response) // 4
        assert np.square(response[-n:]).sum() < 0.01 * np.square(response[:n]).sum()


def test_a_room_decays_by_60_db_in_its_reverberation_time() -> None:
    """A response is as long as its RT60. Measured by the decay curve of Schroeder (1965), -5 to -25 dB."""
    ratios = []
    for seed in SEEDS:
        response = synthesis.room(np.random.default_rng(seed)).astype(np.float64)
        left = np.cumsum(np.square(response[:0:-1]))[::-1]  # without the direct sound
        curve_db = 10 * np.log10(left / left[0])
        inside = (curve_db < -5) & (curve_db > -25)
        slope = np.polyfit(np.flatnonzero(inside) / RATE_HZ, curve_db[inside], 1)[0]
        ratios.append(-60 / slope / (len(response) / RATE_HZ))
        assert 0.15 <= len(response) / RATE_HZ <= 0.6

    assert 0.7 < min(ratios) < max(ratios) < 1.3


def test_a_glitch_is_a_few_samples() -> None:
    for seed in SEEDS:
        assert 1 <= np.count_nonzero(synthesis.glitch(np.random.default_rng(seed))) <= 4


def level_of(sound: Sound) -> npt.NDArray[np.float64]:
    """Power in half milliseconds."""
    return np.convolve(np.square(sound.astype(np.float64)), np.ones(24), "same")


def around_peak(sound: Sound) -> Sound:
    """2 ms before the loudest half millisecond to 40 ms after it."""
    at = max(0, int(np.argmax(level_of(sound))) - RATE_HZ // 500)
    return sound[at : at + RATE_HZ // 24]


def decay_ms(sound: Sound) -> float:
    """Time from the peak until 2 ms are 20 dB down on average."""
    level = level_of(np.pad(sound, (0, RATE_HZ // 10)))
    after = np.convolve(level[int(np.argmax(level)) :], np.ones(96) / 96, "full")
    return float(np.argmax(after[95:] < 0.01 * level.max()) * 1000 / RATE_HZ)


def share_below_800_hz(sound: Sound) -> float:
    return below(around_peak(sound), 800)


def share_of_one_tone(sound: Sound) -> float:
    """Share of the power within a semitone of the strongest frequency."""
    power = np.square(np.abs(np.fft.rfft(around_peak(sound), 4096)))[1:]
    semitones = 12 * np.log2(np.arange(1, len(power) + 1) / (1 + np.argmax(power)))
    return float(power[np.abs(semitones) < 1].sum() / power.sum())


def loud_ms(sound: Sound) -> float:
    """Time within 20 dB of the peak, in the loudest 100 ms."""
    level = level_of(sound)
    return float(np.convolve(level > 0.01 * level.max(), np.ones(RATE_HZ // 10)).max() * 1000 / RATE_HZ)


# what separates each kind from a pop, as in the real sounds
SEPARATED_BY: dict[str, Callable[[Sound], float]] = {
    **dict.fromkeys(("ball pen", "bell", "ceramic", "coin", "lid", "lip plop", "nail tap"), decay_ms),
    **dict.fromkeys(("finger tap", "heels"), share_below_800_hz),
    **dict.fromkeys(("drip", "lip smack"), share_of_one_tone),
    **dict.fromkeys(("paper", "velcro", "zipper"), loud_ms),
}


@pytest.mark.parametrize("what", sorted(HARD_NEGATIVES))
def test_a_hard_negative_is_not_a_pop(what: str) -> None:
    """At least 90% of a kind lie above 90% of the pops, in the property that separates the real sounds."""
    measure = SEPARATED_BY[what]
    made = [measure(HARD_NEGATIVES[what](np.random.default_rng(seed))) for seed in range(100)]
    pops = [measure(pop(seed, skin=False)) for seed in range(100)]

    assert np.quantile(made, 0.1) > np.quantile(pops, 0.9)


def test_hard_negatives_are_single_or_repeated() -> None:
    """A drop of water comes once to eight times: the length varies with the number."""
    lengths_s = [len(HARD_NEGATIVES["drip"](np.random.default_rng(seed))) / RATE_HZ for seed in range(100)]

    assert min(lengths_s) < 0.2
    assert max(lengths_s) > 1
