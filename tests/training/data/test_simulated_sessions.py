"""Session folders with known truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from popdetect.errors import UsageError
from popdetect.session.labels import read_labels
from popdetect.training.data import simulated_sessions as sessions
from popdetect.training.data.scenes import SceneRule

SHORT = SceneRule(duration_s=0.5)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        sessions.simulate(tmp_path / name, n_clips=6, n_patients=3, seed=seed, rule=SHORT)

    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")


def test_the_truth_can_be_read_and_adds_up(tmp_path: Path) -> None:
    made = sessions.simulate(tmp_path / "a", n_clips=12, n_patients=4, seed=3, rule=SHORT)
    truths = read_labels(tmp_path / "a")

    assert len(truths) == made.n_clips == 12
    assert {t.patient_id for t in truths} == {"p01", "p02", "p03", "p04"}
    assert sum(t.label == "pop" for t in truths) == made.n_pop_clips
    assert sum(len(t.onsets_s or ()) for t in truths) == made.n_pops
    assert all(t.path.is_file() for t in truths)


def test_what_is_there_is_not_mixed_with(tmp_path: Path) -> None:
    (tmp_path / "mine.wav").write_bytes(b"")

    with pytest.raises(UsageError, match="not empty"):
        sessions.simulate(tmp_path, rule=SHORT)
    with pytest.raises(UsageError, match="0 clips"):
        sessions.simulate(tmp_path / "a", n_clips=0)
    with pytest.raises(UsageError, match="--sounds"):
        sessions.simulate(tmp_path / "a", role="train")


@pytest.mark.shared
def test_recorded_sounds_make_a_session(tmp_path: Path, shared_audio: Path) -> None:
    made = sessions.simulate(tmp_path / "a", n_clips=6, seed=1, sounds=shared_audio, role="dev-test", rule=SHORT)

    assert made.n_clips == 6
    assert all("simulated" not in truth.extra["what"] for truth in read_labels(tmp_path / "a"))
