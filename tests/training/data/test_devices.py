"""Degradations change levels, not onsets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from popdetect.training.data import degradation, synthesis
from popdetect.training.data.dsp import Rng, Sound

AT_S = 1.0
DONE = {"noise suppression": degradation.suppress_noise, "automatic gain": degradation.automatic_gain}


def clip(seed: int, rate_hz: int = 48_000) -> Sound:
    rng = np.random.default_rng(seed)
    sound = 0.003 * rng.standard_normal(2 * rate_hz).astype(np.float32)
    pop = synthesis.pop(rng, synthesis.PopVoice(3000.0, 2.0, 0.0, skin=False))
    start = int(AT_S * rate_hz)
    sound[start : start + len(pop)] += 0.4 * pop
    return sound


@pytest.mark.parametrize("done", DONE.values(), ids=DONE)
@pytest.mark.parametrize("seed", range(5))
def test_a_sound_stays_where_it_was(done: Callable[[Rng, Sound, int], Sound], seed: int) -> None:
    before = clip(seed)
    after = done(np.random.default_rng(seed), before.copy(), 48_000)
    assert after.shape == before.shape
    assert after.dtype == np.float32
    assert np.isfinite(after).all()
    assert np.abs(after).max() <= 1.0
    assert abs(int(np.abs(after).argmax()) - int(np.abs(before).argmax())) <= 2


@pytest.mark.parametrize("done", DONE.values(), ids=DONE)
def test_the_same_chance_gives_the_same_sound(done: Callable[[Rng, Sound, int], Sound]) -> None:
    one, two = (done(np.random.default_rng(3), clip(3), 48_000) for _ in range(2))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("seed", range(5))
def test_noise_suppression_makes_the_room_quieter_against_the_pop(seed: int) -> None:
    before = clip(seed)
    after = degradation.suppress_noise(np.random.default_rng(seed), before, 48_000)
    room = slice(0, int(0.8 * 48_000))

    def stands_out(sound: Sound) -> float:
        return float(np.abs(sound).max() / np.std(sound[room]))

    assert stands_out(after) > 1.15 * stands_out(before)


@pytest.mark.parametrize("seed", range(5))
def test_automatic_gain_brings_the_room_closer_to_the_pop(seed: int) -> None:
    before = clip(seed)
    after = degradation.automatic_gain(np.random.default_rng(seed), before, 48_000)
    room = slice(0, int(0.8 * 48_000))
    assert np.abs(after).max() / np.std(after[room]) < 0.7 * np.abs(before).max() / np.std(before[room])


@pytest.mark.parametrize("done", DONE.values(), ids=DONE)
@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100])
def test_silence_stays_silence_at_any_rate(done: Callable[[Rng, Sound, int], Sound], rate_hz: int) -> None:
    assert not done(np.random.default_rng(0), np.zeros(rate_hz, np.float32), rate_hz).any()
