"""A small session with known truth, made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from popdetect.training.data import simulated_sessions as sessions
from popdetect.training.data.scenes import SceneRule
from popdetect.training.evaluation import negative_controls


@pytest.fixture(scope="session")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("practice") / "session"
    rule = SceneRule(duration_s=1.2, max_distractors=2, pop_db=(25.0, 45.0))
    sessions.simulate(folder, n_clips=60, n_patients=6, seed=4, rule=rule)
    return folder


@pytest.fixture(scope="module")
def small_guard() -> Iterator[None]:
    """A tenth of the guard set: for tests in which many models are trained, and what it says is not looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(negative_controls, "CLIPS_OF_EACH", 4)
        yield
