"""Training clips by source: single recordings, their speeds and sample rates; no fold uses sounds of another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

import corpus
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.training.data import synthesis
from popdetect.training.data.dsp import Sound
from popdetect.training.data.examples import FeatureExtractor, extract_all
from popdetect.training.data.manifest import Source
from popdetect.training.data.scenes import SceneRule
from popdetect.training.data.sounds import SoundBank
from popdetect.training.models.candidate_filter import CandidateFinder, default_front_end

RATE_HZ = 16_000


def tone(frequency_hz: float, seconds: float) -> Sound:
    return (0.1 * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    made = {
        "voice": ("distractor", "speech (en)", tone(500, 13.0)),
        "door": ("distractor", "door", tone(300, 0.5)),
        "dumb": ("distractor", "door", np.concatenate([tone(200, 6.0), np.zeros(6 * RATE_HZ, np.float32)])),
        "fan": ("background", "fan", tone(100, 2.0)),
        "cracks": ("pop", "knuckle", tone(3000, 0.5)),
        "hall": ("impulse_response", "hall", tone(50, 0.5)),
    }
    for name, (_, _, sound) in made.items():
        soundfile.write(tmp_path / f"{name}.wav", sound, RATE_HZ, subtype="FLOAT")
    return [Source(tmp_path / f"{n}.wav", "train", kind, what, n, "", "") for n, (kind, what, _) in made.items()]


def test_what_is_no_pop_is_heard_as_it_is_and_paced_and_teaches_only(sources: list[Source]) -> None:
    examples = [single.example for single in corpus.alone(sources)]
    # 13 s are two pieces of 6 s, and silence teaches nothing; a voice at three paces and two rates, and
    # with mouth clicks thrice; others at two paces
    n_heard = {"voice": 2 * (6 + 3), "door": 2, "dumb": 2, "fan": 2, "cracks": 0, "hall": 0}

    assert {name: sum(f"{name}.wav" in example.file for example in examples) for name in n_heard} == n_heard
    assert len({example.file for example in examples}) == len(examples) == sum(n_heard.values())
    for example in examples:
        group = next(name for name in n_heard if f"{name}.wav" in example.file)
        assert example.group == corpus.fold_name(corpus.fold_of(group))
        assert (example.is_pop, example.onsets_s, example.uses) == (False, (), {"training"})
    (second,) = [example for example in examples if example.file == "alone 0 1 voice.wav"]
    piece, rate_hz = second.sound()
    assert rate_hz == RATE_HZ
    np.testing.assert_array_equal(piece[:, 0], tone(500, 13.0)[6 * RATE_HZ : 12 * RATE_HZ])
    assert {example.sound()[1] for example in examples if "8 kHz" in example.file} == {8_000}


def test_to_fewer_scenes_belong_fewer_recordings_alone(sources: list[Source], monkeypatch: pytest.MonkeyPatch) -> None:
    many = [replace(s, group=f"{s.group} {n}") for n in range(4) for s in sources if s.kind != "pop"]
    monkeypatch.setattr(corpus, "N_SCENES", 20)

    def alone(n_scenes: int) -> list[str]:
        return [single.example.file for single in corpus.alone(many, corpus.share_of(n_scenes))]

    all_of_them, half = alone(20), alone(10)
    assert all_of_them == [single.example.file for single in corpus.alone(many)]
    assert set(half) < set(all_of_them)
    assert len(half) / len(all_of_them) == pytest.approx(0.5, abs=0.15)
    assert alone(30) == all_of_them


def test_speech_is_heard_with_clicks_of_a_mouth_in_it() -> None:
    speech = tone(500, 3.0)
    found = [corpus.with_mouth_clicks(np.random.default_rng(seed), speech, RATE_HZ) for seed in range(30)]
    again, _ = corpus.with_mouth_clicks(np.random.default_rng(7), speech, RATE_HZ)

    np.testing.assert_array_equal(found[7][0], again)
    assert {rate_hz for _, rate_hz in found} == {16_000, 8_000}  # no better than it was recorded
    assert all(2.3 < len(sound) / rate_hz < 3.8 for sound, rate_hz in found)
    clicks = 0
    for sound, rate_hz in found:
        size = rate_hz // 100
        parts = sound[: len(sound) // size * size].reshape(-1, size)[2:-2]
        steps = np.abs(np.diff(parts, n=2, axis=1)).max(axis=1)  # of a tone they are the same all along
        clicks += bool(steps.max() > 1.5 * np.median(steps))
    assert clicks >= 20  # the rest too quiet to stand out


def test_a_scene_is_mixed_of_one_fold_s_sounds_alone(sources: list[Source], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fold has its own sources; the test records of which sources each bank is made."""
    everywhere = [replace(s, group=f"{s.group} {n}") for n in range(40) for s in sources if s.kind != "pop"]
    banks: list[set[int]] = []
    real = corpus.FamilyBank

    def recorded(own: list[Source], *args: float, **options: float) -> corpus.SoundBank:
        banks.append({corpus.fold_of(source.group) for source in own})
        return real(own, *args, **options)

    monkeypatch.setattr(corpus, "FamilyBank", recorded)
    examples = corpus.scenes(everywhere, 10, seed=3)

    assert banks == [{0}, {1}, {2}, {3}, {4}]
    assert [example.group for example in examples] == [corpus.fold_name(i % 5) for i in range(10)]
    assert all(example.is_pop == bool(example.onsets_s) for example in examples)


def test_candidates_by_several_processes_are_the_same() -> None:
    clips = [
        corpus.scene(f"scene {i}", corpus.fold_name(i % 5), [1, i], SoundBank(), SceneRule(duration_s=0.4, max_pops=2))
        for i in range(7)
    ]
    finder = CandidateFinder(default_front_end(), OnsetRule(), None, 0.0)
    plain = extract_all(clips, FeatureExtractor(*finder), None)
    found = corpus.extract(clips, finder, block=3)

    assert len(plain.rows) > 7
    for name in ("rows", "marks", "clip", "onsets_s", "durations_s"):
        np.testing.assert_array_equal(getattr(found, name), getattr(plain, name))


def test_test_clips_have_recorded_pops_only_and_nothing_is_trained_on_them(
    sources: list[Source], tmp_path: Path
) -> None:
    cracks = 1e-4 * np.random.default_rng(0).standard_normal(RATE_HZ)
    cracks[4000:4080] += np.cos(np.arange(80)) * np.exp(-np.arange(80) / 10)
    soundfile.write(tmp_path / "one.wav", cracks, RATE_HZ)
    pop = Source(tmp_path / "one.wav", "train", "pop", "neck", "anna", "", "", onsets_s=(0.25,))
    everywhere = [replace(s, group=f"{s.group} {n}") for n in range(40) for s in sources if s.kind != "pop"]
    trials = corpus.trials([*everywhere, pop], "anna", 20, "everyday")

    assert [trial.example.group for trial in trials] == [corpus.fold_name(i % 5) for i in range(20)]
    assert {(trial.test, trial.pops) for trial in trials} == {("everyday", "anna")}
    assert not any("training" in trial.example.uses for trial in trials)
    assert all("thresholds" in trial.example.uses for trial in trials)
    for trial in trials:
        assert trial.example.is_pop == (not np.isnan(trial.level_db))
        assert not trial.level_db > 48
    assert 3 < sum(trial.example.is_pop for trial in trials) < 17
    contact = corpus.trials([*everywhere, pop], "anna", 2, "skin-mounted sensor")
    assert not any(trial.example.uses for trial in contact)


def test_simulated_sounds_alone_are_for_training_and_without_pops() -> None:
    clips = corpus.simulated(40)

    assert len(clips) == 40
    assert {clip.group for clip in clips} == {corpus.fold_name(fold) for fold in range(corpus.N_FOLDS)}
    for clip in clips:
        samples, rate_hz = clip.sound()
        assert (clip.is_pop, clip.onsets_s, clip.uses) == (False, (), {"training"})
        assert len(samples) == pytest.approx(corpus.PIECE_S / 2 * rate_hz, abs=1)
        assert np.isfinite(samples).all()
        assert 0.02 < np.abs(samples).max() <= 1
    np.testing.assert_array_equal(clips[7].sound()[0], corpus.simulated(8)[7].sound()[0])


def test_mains_hum_is_a_tone_of_the_mains_and_its_harmonics() -> None:
    hum = synthesis.mains_hum(np.random.default_rng(0), 48_000)
    power = np.square(np.abs(np.fft.rfft(hum)))
    of_50, of_60 = (power[mains : 60 * mains : mains].sum() / power.sum() for mains in (50, 60))

    assert max(of_50, of_60) > 0.999
