"""Scenes contain what their truth lists; the same seed gives the same sound."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile

from popdetect.errors import UsageError
from popdetect.training.data import scenes, sounds, synthesis
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound
from popdetect.training.data.manifest import read_manifest
from popdetect.training.data.scenes import SceneRule, compose
from popdetect.training.data.sounds import Burst, Named, Recorded, SoundBank


class Bare(SoundBank):
    """A bank of clicks in a nearly silent room: every sound in the mix is a pop."""

    def pops(self, rng: Rng, n: int) -> Burst:
        click = np.zeros(480, np.float32)
        click[:48] = np.hanning(96)[48:] * np.sin(np.arange(48))
        return Burst([click] * n, "click", "bare", [np.inf] * n, [0.0] * n)

    def distractor(self, rng: Rng) -> Named:
        raise AssertionError("no distractor was asked for")

    def background(self, rng: Rng, n: int) -> Named:
        return Named(rng.standard_normal(n).astype(np.float32) * np.float32(1e-3), "hiss", "bare")

    def room(self, rng: Rng) -> Sound:
        return np.array([1.0], np.float32)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_energy_starts_at_the_true_onsets(rate_hz: int) -> None:
    rule = SceneRule(pop_share=1.0, max_distractors=0, rates_hz=(rate_hz,), pop_db=(40.0, 41.0), least_gap_ms=20.0)
    for seed in range(10):
        scene = compose(np.random.default_rng(seed), Bare(), rule)
        level = np.abs(scene.samples)
        assert scene.onsets_s
        for onset in scene.onsets_s:
            at = round(onset * rate_hz)
            before, after = level[at - rate_hz // 200 : at - rate_hz // 1000], level[at : at + rate_hz // 500]
            assert after.max() > 10 * before.max()


def test_a_codec_leaves_the_onsets_where_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = SceneRule(pop_share=1.0, max_distractors=0, degraded_share=1.0, pop_db=(40.0, 41.0), max_pops=1)
    for codec in ("mp3", "ogg"):
        monkeypatch.setattr(scenes, "DRAWN", (codec,))
        scene = compose(np.random.default_rng(3), Bare(), rule)
        loudest = int(np.argmax(np.abs(scene.samples))) / scene.rate_hz
        assert codec in scene.what
        assert loudest == pytest.approx(scene.onsets_s[0], abs=0.002)


def test_bursts_keep_to_the_rule() -> None:
    rule = SceneRule(pop_share=1.0, max_pops=7)
    for seed in range(30):
        scene = compose(np.random.default_rng(seed), SoundBank(), rule)
        assert 1 <= len(scene.onsets_s) <= 7
        assert (np.diff(scene.onsets_s) >= 0.0119).all()
        assert np.abs(scene.samples).max() <= 1


@pytest.mark.parametrize(("later", "direct_db"), [(0.5, 10 * np.log10(4.0)), (2.0, -10 * np.log10(4.0))])
def test_a_scene_says_how_far_the_direct_sound_is_above_the_reverberation(later: float, direct_db: float) -> None:
    class Echoing(Bare):
        def room(self, rng: Rng) -> Sound:
            response = np.zeros(480, np.float32)
            response[0], response[121] = 1.0, later  # one reflection after 2.52 ms
            return response

    rule = SceneRule(pop_share=1.0, max_distractors=0, pop_db=(40.0, 41.0), room_share=1.0)

    assert compose(np.random.default_rng(5), Echoing(), rule).direct_db == pytest.approx(direct_db, abs=1e-4)
    assert compose(np.random.default_rng(5), Echoing(), dataclasses.replace(rule, room_share=0.0)).direct_db == np.inf
    assert compose(np.random.default_rng(5), Echoing(), dataclasses.replace(rule, pop_share=0.0)).direct_db == np.inf


def test_no_pops_where_none_are_asked_for() -> None:
    assert all(
        compose(np.random.default_rng(s), SoundBank(), SceneRule(pop_share=0.0)).onsets_s == () for s in range(10)
    )


def test_the_same_seed_is_the_same_scene_and_another_is_not() -> None:
    one, same, other = (compose(np.random.default_rng(s), SoundBank(), SceneRule()) for s in (1, 1, 2))

    np.testing.assert_array_equal(one.samples, same.samples)
    assert one.what == same.what
    assert not np.array_equal(one.samples, other.samples)


@pytest.mark.parametrize("skin", [False, True])
def test_pops_are_short_and_skin_moves_their_weight_below_2_khz(skin: bool) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        voice = synthesis.draw_voice(rng, skin_share=1.0 if skin else 0.0)
        pop = synthesis.pop(rng, voice)
        power = np.square(pop.astype(np.float64))
        spectrum = np.square(np.abs(np.fft.rfft(pop)))
        low = spectrum[np.fft.rfftfreq(len(pop), 1 / RATE_HZ) < 2000].sum() / spectrum.sum()

        assert np.isfinite(pop).all()
        assert power[: RATE_HZ // 50].sum() > 0.95 * power.sum()  # nearly all of it within 20 ms
        if skin:
            assert low > 0.7


@pytest.mark.parametrize("what", sorted(synthesis.DISTRACTORS))
def test_distractors_are_sound_and_seeded(what: str) -> None:
    make = synthesis.DISTRACTORS[what]
    one, same = make(np.random.default_rng(1)), make(np.random.default_rng(1))

    np.testing.assert_array_equal(one, same)
    assert np.isfinite(one).all()
    assert np.abs(one).max() > 0.05


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        ("train/pop.wav", "train", "pop", "knuckle", "a"),
        ("train/knock.wav", "train", "distractor", "door knock", "b"),
        ("train/room.wav", "train", "background", "fan", "c"),
        ("dev/knock.wav", "dev-test", "distractor", "table knock", "d"),
    ]
    rng = np.random.default_rng(0)
    for path, *_ in rows:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        sound = 0.1 * rng.standard_normal(44_100)
        if path.endswith("pop.wav"):  # half a second of noise without a pop would be masked in every scene
            sound *= 0.01
            sound[22_050:22_150] += 0.5 * np.cos(np.arange(100) / 3) * np.exp(-np.arange(100) / 20)
        soundfile.write(tmp_path / path, sound, 44_100)
    with (tmp_path / "MANIFEST.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([("path", "role", "kind", "what", "group"), *rows])
    (tmp_path / "pop_onsets.csv").write_text("path,onset_s,confidence\ntrain/pop.wav,0.5,high\ntrain/pop.wav,0.6,low\n")
    return tmp_path


def test_recorded_sounds_come_from_the_role_that_was_asked_for(folder: Path) -> None:
    bank = Recorded(read_manifest(folder, "train"), made_pop_share=0.0, made_share=0.0)
    groups: set[str] = set()
    for seed in range(20):
        groups |= set(compose(np.random.default_rng(seed), bank, SceneRule(duration_s=1.0)).groups)

    assert groups == {"a", "b", "c"}


def test_onsets_of_low_confidence_are_not_cut_out(folder: Path) -> None:
    (pop,) = [source for source in read_manifest(folder) if source.kind == "pop"]

    assert pop.onsets_s == (0.5,)
    assert len(sounds.pops_of(pop)) == 1


def test_a_folder_that_is_no_sound_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no MANIFEST.csv there"):
        read_manifest(tmp_path / "nothing")
    with pytest.raises(UsageError, match="no sound of role 'test'; it has: dev-test, train"):
        read_manifest(folder, "test")
    (folder / "MANIFEST.csv").write_text("path,role\na.wav,train\n")
    with pytest.raises(UsageError, match="column group, kind, what is missing"):
        read_manifest(folder)
