"""A pop starts at the onset of its scene and has the level of the rule, also after degradation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from learning_fakes import OneSound
from scipy import signal

from popdetect.training.data import scenes
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, burst_rms, rms
from popdetect.training.data.scenes import SceneRule, compose
from popdetect.training.data.sounds import SoundBank

BARE = SceneRule(duration_s=1.0, pop_share=1.0, max_distractors=0, least_gap_ms=20.0)


@pytest.fixture
def even_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device with a flat frequency response, so that levels can be measured in the mix."""
    monkeypatch.setattr(scenes, "random_curve", lambda rng, spread_db: (np.array([31.0, 20e3]), np.zeros(2)))


def octave_band(sound: npt.NDArray[np.floating], centre_hz: float) -> npt.NDArray[np.float64]:
    """Return the octave band of a sound at 48 kHz, by a third-order Butterworth filter of scipy."""
    edges = [centre_hz / np.sqrt(2), centre_hz * np.sqrt(2)]
    return np.asarray(signal.sosfilt(signal.butter(3, edges, "bandpass", fs=RATE_HZ, output="sos"), sound))


def loudest_3_ms(sound: npt.NDArray[np.floating]) -> float:
    """Return the RMS of the loudest 3 ms."""
    power = np.convolve(np.square(np.asarray(sound, np.float64)), np.full(144, 1 / 144), "valid")
    return float(np.sqrt(power.max()))


def starts_s(sound: Sound, rate_hz: int, near_s: float, share: float) -> float:
    """Return when the level within 4 ms first exceeds a share of its peak."""
    first = max(0, int((near_s - 0.004) * rate_hz))
    level = np.abs(sound[first : int((near_s + 0.004) * rate_hz)])
    return float(first + np.argmax(level > share * level.max())) / rate_hz


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_at_every_rate_a_pop_starts_at_its_onset(rate_hz: int) -> None:
    for seed in range(25):
        scene = compose(np.random.default_rng(seed), OneSound(), replace(BARE, rates_hz=(rate_hz,)))
        assert scene.rate_hz == rate_hz
        assert len(scene.samples) == pytest.approx(rate_hz, abs=1)
        for onset in scene.onsets_s:
            assert starts_s(scene.samples, rate_hz, onset, 0.25) == pytest.approx(onset, abs=0.0005)


@pytest.mark.parametrize("codec", ["mp3", "ogg"])
@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 44_100, 48_000])
def test_a_codec_does_not_move_a_pop(codec: str, rate_hz: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "DRAWN", (codec,))
    rule = replace(BARE, rates_hz=(rate_hz,), max_pops=1, degraded_share=1.0)
    for seed in range(8):
        scene = compose(np.random.default_rng(seed), OneSound(), rule)
        (onset,) = scene.onsets_s
        assert codec in scene.what
        assert len(scene.samples) == pytest.approx(rate_hz, abs=1)
        assert starts_s(scene.samples, rate_hz, onset, 0.5) == pytest.approx(onset, abs=0.001)
        peak = np.argmax(np.abs(scene.samples)) / rate_hz  # of the whole clip: nothing louder elsewhere
        assert peak == pytest.approx(onset, abs=0.001)


def test_the_first_pop_stands_alone_after_silence() -> None:
    for seed in range(25):
        scene = compose(np.random.default_rng(seed), OneSound(), BARE)
        before = scene.samples[: round((scene.onsets_s[0] - 0.002) * RATE_HZ)]
        if len(before):
            assert np.abs(before).max() < 0.02 * np.abs(scene.samples).max()


@pytest.mark.usefixtures("even_device")
@pytest.mark.parametrize("range_db", [(15.0, 18.0), (30.0, 36.0)])
def test_a_pop_is_as_loud_as_the_rule_says(range_db: tuple[float, float]) -> None:
    rule = replace(BARE, max_pops=1, pop_db=range_db)
    for seed in range(30):
        scene = compose(np.random.default_rng(seed), OneSound(hiss=0.02), rule)
        at = round(scene.onsets_s[0] * RATE_HZ)
        band = octave_band(scene.samples, 2000.0)  # the pop is a damped wave of 2.5 kHz
        rest = np.concatenate([band[: max(0, at - 480)], band[at + 2400 :]])
        level_db = 20 * np.log10(loudest_3_ms(band[at - 96 : at + 960]) / np.std(rest))
        assert level_db == pytest.approx(scene.levels_db[0], abs=1.5)
        assert range_db[0] <= scene.levels_db[0] <= range_db[1]


@pytest.mark.usefixtures("even_device")
def test_a_distractor_is_as_loud_as_the_rule_says() -> None:
    thing = np.sin(2 * np.pi * 2000 * np.arange(RATE_HZ // 10) / RATE_HZ).astype(np.float32)
    rule = SceneRule(duration_s=1.0, pop_share=0.0, max_distractors=1, distractor_db=(30.0, 33.0))
    n_loud = 0
    for seed in range(30):
        scene = compose(np.random.default_rng(seed), OneSound(hiss=0.02, distractor=thing), rule)
        if "thing" in scene.what:
            blocks = scene.samples[: len(scene.samples) // 960 * 960].reshape(-1, 960)
            quiet = np.sort([rms(block) for block in blocks])[: len(blocks) // 2]
            level_db = 20 * np.log10(burst_rms(scene.samples, 20.0) / np.mean(quiet))
            n_loud += level_db > 28
            assert level_db < 33 + 1.5
        else:
            assert scene.groups == ("rooms",)
    assert n_loud > 5


def test_no_clip_leaves_full_scale_whatever_it_went_through() -> None:
    rule = SceneRule(duration_s=0.6, degraded_share=0.7, rates_hz=(48_000, 44_100, 16_000))
    for seed in range(60):
        scene = compose(np.random.default_rng(seed), SoundBank(), rule)
        assert scene.samples.dtype == np.float32
        assert np.isfinite(scene.samples).all()
        assert np.abs(scene.samples).max() <= 1.0


def test_clips_that_are_not_degraded_have_a_peak_from_minus_26_to_minus_1_db() -> None:
    for seed in range(40):
        scene = compose(np.random.default_rng(seed), SoundBank(), SceneRule(duration_s=0.5))
        assert -26.01 < 20 * np.log10(np.abs(scene.samples).max()) < -0.99


def test_the_share_of_clips_with_pops_is_the_rules() -> None:
    def share(pop_share: float, n: int) -> float:
        rule = SceneRule(duration_s=0.3, max_distractors=0, pop_share=pop_share)
        return float(np.mean([bool(compose(np.random.default_rng(s), OneSound(0.1), rule).onsets_s) for s in range(n)]))

    assert share(0.0, 40) == 0
    assert share(1.0, 40) == 1
    assert share(0.3, 300) == pytest.approx(0.3, abs=0.08)


def test_onsets_increase_lie_in_the_clip_and_are_at_least_12_ms_apart() -> None:
    counts = set()
    for seed in range(150):
        rule = replace(BARE, least_gap_ms=12.0)
        scene = compose(np.random.default_rng(seed), OneSound(), rule)
        counts.add(len(scene.onsets_s))
        # half a sample of rounding at either end
        assert (np.diff(scene.onsets_s) >= 0.012 - 1.1 / RATE_HZ).all()
        assert 0 <= scene.onsets_s[0] < scene.onsets_s[-1] + 1e-9 < rule.duration_s
        plural = "s" if len(scene.onsets_s) > 1 else ""
        assert scene.what.startswith(f"{len(scene.onsets_s)} pop{plural} (click)")
        assert scene.groups == ("pops", "rooms")
    assert counts == set(range(1, 8))


def test_the_truth_does_not_depend_on_the_rate() -> None:
    """The same random numbers with another degradation."""
    for seed in range(10):
        one, other = (
            compose(np.random.default_rng(seed), OneSound(0.01), replace(BARE, rates_hz=(rate,)))
            for rate in (48_000, 16_000)
        )
        assert one.onsets_s == other.onsets_s


def test_without_a_background_there_is_digital_silence_before_the_pop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "DRAWN", ("silence",))
    rule = replace(BARE, degraded_share=1.0)
    scene = compose(np.random.default_rng(5), OneSound(hiss=0.5), rule)

    assert "silence" in scene.what
    assert np.abs(scene.samples[: int((scene.onsets_s[0] - 0.01) * RATE_HZ)]).max() < 1e-3


def test_everything_depends_on_the_seed_alone_also_when_worn() -> None:
    rule = SceneRule(duration_s=0.5, degraded_share=1.0, rates_hz=(44_100, 16_000))

    def made(seed: int) -> scenes.Scene:
        rng: Rng = np.random.default_rng(seed)
        return compose(rng, SoundBank(), rule)

    for seed in range(12):
        one, same = made(seed), made(seed)
        np.testing.assert_array_equal(one.samples, same.samples)
        assert (one.onsets_s, one.what, one.rate_hz, one.groups) == (
            same.onsets_s, same.what, same.rate_hz, same.groups,
        )  # fmt: skip
    assert len({made(seed).samples.tobytes() for seed in range(12)}) == 12


class _Hall(OneSound):
    """The same in a room whose echo, 8 ms later, is as strong as the direct sound."""

    def room(self, rng: Rng) -> Sound:
        echo = np.zeros(400, np.float32)
        echo[[0, 384]] = 1
        return echo


@pytest.mark.usefixtures("even_device")
def test_the_share_of_bursts_in_a_room_is_the_rules() -> None:
    def echo_db(room_share: float) -> list[float]:
        found = []
        for seed in range(30):
            scene = compose(np.random.default_rng(seed), _Hall(), replace(BARE, max_pops=1, room_share=room_share))
            at = round(scene.onsets_s[0] * RATE_HZ)
            direct, later = scene.samples[at : at + 240], scene.samples[at + 384 : at + 624]
            found.append(20 * np.log10(np.abs(later).max() / np.abs(direct).max() + 1e-9))
        return found

    assert echo_db(1.0) == pytest.approx([0.0] * 30, abs=0.5)
    assert max(echo_db(0.0)) < -40
    assert 5 < sum(echo > -1 for echo in echo_db(0.5)) < 25
