"""The levels of pops are those of their definition, and no pop of the truth is masked; by filters of scipy."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from learning_fakes import OneSound
from scipy import signal

from popdetect.training.data import scenes
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, coloured_noise
from popdetect.training.data.scenes import SceneRule, compose, contact_curve, number_of_pops
from popdetect.training.data.sounds import Burst, Named, SoundBank

ONE_POP = SceneRule(duration_s=1.0, pop_share=1.0, max_distractors=0, max_pops=1, room_share=0.0)
REACH_S, APART_DB = 0.020, 9.0


@pytest.fixture(autouse=True)
def even_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device with a flat frequency response, so that levels can be measured in the mix."""
    monkeypatch.setattr(scenes, "random_curve", lambda rng, spread_db: (np.array([31.0, 20e3]), np.zeros(2)))


class Wave(OneSound):
    """Every pop is the same damped wave; the background is steep noise; distractors are bursts of the same band."""

    def __init__(self, frequency_hz: float, limit_db: float = np.inf) -> None:
        super().__init__()
        time_s = np.arange(1440) / RATE_HZ
        self.pop = (np.sin(2 * np.pi * frequency_hz * time_s) * np.exp(-time_s * frequency_hz / 2)).astype(np.float32)
        self._limit_db, self._frequency_hz = limit_db, frequency_hz

    def pops(self, rng: Rng, n: int) -> Burst:
        return super().pops(rng, n)._replace(limits_db=[self._limit_db] * n)

    def distractor(self, rng: Rng) -> Named:
        time_s = np.arange(int(rng.uniform(0.1, 0.4) * RATE_HZ)) / RATE_HZ
        return Named(np.sin(2 * np.pi * self._frequency_hz * time_s).astype(np.float32), "tone", "things")

    def background(self, rng: Rng, n: int) -> Named:
        return Named(coloured_noise(rng, n, 6.0), "noise", "rooms")


def filter_of(centre_hz: float) -> npt.NDArray[np.float64]:
    """Third-order Butterworth band-pass filter, one octave wide."""
    edges_hz = [centre_hz / np.sqrt(2), centre_hz * np.sqrt(2)]
    return np.asarray(signal.butter(3, edges_hz, "bandpass", fs=RATE_HZ, output="sos"))


def loudest_3_ms(sound: npt.NDArray[np.floating]) -> float:
    power = np.convolve(np.square(np.asarray(sound, np.float64)), np.full(144, 1 / 144), "valid")
    return float(np.sqrt(power.max()))


def db(ratio: float) -> float:
    return float(20 * np.log10(ratio))


@pytest.mark.parametrize("centre_hz", [500.0, 1000.0, 2000.0, 4000.0, 8000.0])
def test_the_level_is_that_of_the_own_octave_above_the_background(centre_hz: float) -> None:
    for seed in range(12):
        scene = compose(np.random.default_rng(seed), Wave(centre_hz), replace(ONE_POP, pop_db=(30.0, 48.0)))
        at = round(scene.onsets_s[0] * RATE_HZ)
        band = signal.sosfilt(filter_of(centre_hz), scene.samples)
        rest = np.concatenate([band[4800 : max(at - 480, 4800)], band[at + 4800 :]])
        measured_db = db(loudest_3_ms(band[at : at + RATE_HZ // 50]) / float(np.std(rest)))

        assert 30 <= scene.levels_db[0] <= 48
        assert measured_db == pytest.approx(scene.levels_db[0], abs=1.5)


def alone_and_rest(
    seed: int, bank: SoundBank, rule: SceneRule
) -> tuple[scenes.Scene, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return a scene, its pops alone, and the same scene without them at the same gain."""
    scene = compose(np.random.default_rng(seed), bank, rule)
    without = compose(np.random.default_rng(seed), bank, replace(rule, pop_share=0.0)).samples.astype(np.float64)
    far = np.ones(len(without), bool)
    for onset in scene.onsets_s:
        far[round((onset - 0.001) * RATE_HZ) : round((onset + 0.05) * RATE_HZ)] = False
    gain = (scene.samples[far] @ without[far]) / (without[far] @ without[far])
    pops = scene.samples - gain * without
    assert np.abs(pops[far]).max() < 1e-4 * np.abs(scene.samples).max()
    return scene, pops, gain * without


def test_no_pop_of_the_truth_is_masked() -> None:
    rule = replace(ONE_POP, max_pops=7, max_distractors=5, pop_db=(12.0, 40.0), distractor_db=(0.0, 40.0))
    bank, found_db, n_without = Wave(2000.0), [], 0
    for seed in range(60):
        scene, pops, rest = alone_and_rest(seed, bank, rule)
        _, gains = signal.sosfreqz(filter_of(2000.0), len(rest) // 2 + 1, fs=RATE_HZ)
        pops_band, rest_band = (np.fft.irfft(np.fft.rfft(sound) * np.abs(gains), len(sound)) for sound in (pops, rest))
        for onset in scene.onsets_s:
            at, reach = round(onset * RATE_HZ), round(REACH_S * RATE_HZ)
            level = loudest_3_ms(pops_band[at : at + RATE_HZ // 100])
            found_db.append(db(level / loudest_3_ms(rest_band[max(at - reach, 0) : at + reach])))
        n_without += not scene.onsets_s

    assert min(found_db) > APART_DB - 0.5
    assert min(found_db) < APART_DB + 6  # the limit is reached
    assert 0 < n_without < 30  # some clips have no place for a pop; most have


def test_pops_stay_below_the_limit_of_their_recording() -> None:
    rule = replace(ONE_POP, max_pops=7, pop_db=(20.0, 48.0))
    levels_db = [
        level for seed in range(30)
        for level in compose(np.random.default_rng(seed), Wave(2000.0, limit_db=30.0), rule).levels_db
    ]  # fmt: skip
    free = [
        level for seed in range(30) for level in compose(np.random.default_rng(seed), Wave(2000.0), rule).levels_db
    ]  # fmt: skip

    assert max(levels_db) == 30
    assert min(levels_db) < 28
    assert max(free) > 40


def test_a_third_of_the_clips_holds_one_pop_a_third_two_or_three_and_a_third_more() -> None:
    rng = np.random.default_rng(0)
    for most, kinds in ((1, [1.0]), (2, [0.5, 0.5]), (3, [0.5, 0.25, 0.25]), (7, [1 / 3, 1 / 6, 1 / 6, *[1 / 12] * 4])):
        counts = Counter(number_of_pops(rng, most) for _ in range(3000))
        assert [counts[n] / 3000 for n in range(1, most + 1)] == pytest.approx(kinds, abs=0.03)
        assert set(counts) == set(range(1, most + 1))


def test_a_skin_mounted_sensor_records_little_above_2500_hz() -> None:
    hz = np.array([100.0, 400.0, 800.0, 5000.0, 10_000.0])
    for seed in range(200):
        frequencies_hz, gains_db = contact_curve(np.random.default_rng(seed))
        gains = np.interp(np.log(hz), np.log(frequencies_hz), gains_db)
        assert gains[3] < gains[:3].max() - 8
        assert gains[4] < gains[:3].max() - 20
        assert 800 <= frequencies_hz[4] <= 2500


def test_clips_of_a_skin_mounted_sensor_have_its_pops_and_its_spectrum() -> None:
    def share_above(scene: scenes.Scene, from_hz: float) -> float:
        power = np.square(np.abs(np.fft.rfft(scene.samples)))
        return float(power[np.fft.rfftfreq(len(scene.samples), 1 / RATE_HZ) > from_hz].sum() / power.sum())

    rule = SceneRule(duration_s=1.0, pop_share=1.0, max_distractors=0)
    contact, air = (
        [compose(np.random.default_rng(seed), White(), replace(rule, contact_share=share)) for seed in range(20)]
        for share in (1.0, 0.0)
    )
    assert all("skin-mounted sensor" in scene.what for scene in contact)
    assert all("simulated, skin-mounted" in scene.what for scene in contact if scene.onsets_s)
    assert not any("skin" in scene.what for scene in air)
    assert max(share_above(scene, 5000) for scene in contact) < 0.08
    assert np.median([share_above(scene, 5000) for scene in air]) > 0.3


class White(SoundBank):
    """Simulated sounds before white noise."""

    def background(self, rng: Rng, n: int) -> Named:
        return Named(rng.standard_normal(n).astype(np.float32), "noise", "rooms")

    def room(self, rng: Rng) -> Sound:
        return np.array([1.0], np.float32)
