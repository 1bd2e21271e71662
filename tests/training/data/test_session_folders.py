"""Simulated sessions contain what their labels list; after an error no file is left."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popdetect import __version__
from popdetect.detection.audio import recording as audio
from popdetect.errors import UsageError
from popdetect.session.labels import read_labels
from popdetect.training.data import simulated_sessions as sessions
from popdetect.training.data.scenes import SceneRule, compose
from popdetect.training.data.sounds import SoundBank

SHORT = SceneRule(duration_s=0.4)


def test_the_labels_are_those_of_what_was_mixed(tmp_path: Path) -> None:
    sessions.simulate(tmp_path / "a", n_clips=8, n_patients=3, seed=5, rule=SHORT)
    for truth in read_labels(tmp_path / "a"):
        patient, thrust = (int(part[-6:-4] if part.endswith(".wav") else part[1:]) for part in truth.file.split("/"))
        index = (thrust - 1) * 3 + patient - 1
        scene = compose(np.random.default_rng([5, patient - 1, index]), SoundBank(), SHORT)
        samples, rate_hz = audio.read(truth.path)

        assert truth.patient_id == f"p{patient:02d}"
        assert truth.label == ("pop" if scene.onsets_s else "no_pop")
        assert truth.onsets_s == pytest.approx(scene.onsets_s, abs=6e-6)
        assert rate_hz == scene.rate_hz
        assert truth.extra["what"] == scene.what
        np.testing.assert_allclose(samples[:, 0], scene.samples, atol=2 / 32768)


def test_the_folder_says_how_it_was_made(tmp_path: Path) -> None:
    rule = SceneRule(duration_s=0.4, max_pops=2)
    made = sessions.simulate(tmp_path / "a", n_clips=5, n_patients=2, seed=9, rule=rule)
    about = json.loads((tmp_path / "a" / "simulation.json").read_text(encoding="utf-8"))

    assert (made.folder, made.n_clips) == (tmp_path / "a", 5)
    assert about["popdetect_version"] == __version__
    assert (about["seed"], about["n_clips"], about["n_patients"]) == (9, 5, 2)
    assert about["rule"]["max_pops"] == 2
    assert "no figure from it is clinical accuracy" in about["note"]
    assert [p.name for p in sorted((tmp_path / "a").iterdir())] == ["labels.csv", "p01", "p02", "simulation.json"]


def test_counts_agree(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    made = sessions.simulate(
        tmp_path / "a", n_clips=20, n_patients=6, seed=1, rule=SHORT, on_progress=lambda *step: steps.append(step)
    )
    truths = read_labels(tmp_path / "a")

    assert len(truths) == len(list((tmp_path / "a").rglob("*.wav"))) == made.n_clips == 20
    assert sum(truth.label == "pop" for truth in truths) == made.n_pop_clips
    assert sum(len(truth.onsets_s or ()) for truth in truths) == made.n_pops
    assert steps == [(i + 1, 20) for i in range(20)]
    by_patient = [sum(truth.patient_id == f"p{i:02d}" for truth in truths) for i in range(1, 7)]
    assert max(by_patient) - min(by_patient) <= 1


def test_a_longer_session_begins_with_the_shorter_one(tmp_path: Path) -> None:
    for name, n in (("short", 4), ("long", 8)):
        sessions.simulate(tmp_path / name, n_clips=n, n_patients=2, seed=1, rule=SHORT)
    for path in (tmp_path / "short").rglob("*.wav"):
        assert path.read_bytes() == (tmp_path / "long" / path.relative_to(tmp_path / "short")).read_bytes()


@pytest.mark.parametrize("there", [True, False])
def test_an_empty_folder_is_as_good_as_none(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "deep" / "a"
    if there:
        folder.mkdir(parents=True)
    sessions.simulate(folder, n_clips=2, n_patients=1, rule=SHORT)

    assert len(read_labels(folder)) == 2
    assert [path.name for path in folder.parent.iterdir()] == ["a"]


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("mine")

    with pytest.raises(UsageError, match=r"a is not empty; name a folder that does not exist yet"):
        sessions.simulate(tmp_path / "a", rule=SHORT)
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "notes.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device"), RuntimeError("sf")])
def test_what_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    write = audio.write_wav

    def fails(target: Path, *args: Any) -> None:
        if target.name == "thrust_03.wav":
            raise error
        write(target, *args)

    monkeypatch.setattr(sessions.audio, "write_wav", fails)
    with pytest.raises((KeyboardInterrupt, UsageError), match=r"cannot be written|^$"):
        sessions.simulate(tmp_path / "a", n_clips=6, n_patients=1, rule=SHORT)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not (tmp_path / ".a.part").exists()


@pytest.mark.parametrize("options", [{"n_clips": 0}, {"n_patients": 0}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="at least 1, 1 and 0 are allowed"):
        sessions.simulate(tmp_path / "a", rule=SHORT, **options)
    assert list(tmp_path.iterdir()) == []


def test_sounds_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no MANIFEST.csv there"):
        sessions.simulate(tmp_path / "a", sounds=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="name their folder with --sounds"):
        sessions.simulate(tmp_path / "a", role="train")
    assert list(tmp_path.iterdir()) == []
