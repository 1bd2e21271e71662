"""Fixtures of the command line: a simulated session, a clip with pops and one without."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from popdetect.training.data import simulated_sessions
from popdetect.training.data.scenes import SceneRule


@pytest.fixture(autouse=True)
def _no_incomplete_file(tmp_path: Path) -> Iterator[None]:
    yield
    assert [p for p in tmp_path.rglob("*") if p.name.startswith(".") or p.suffix in (".part", ".tmp")] == []


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session folder whose name has a space and an umlaut; tests write their results elsewhere."""
    folder = tmp_path_factory.mktemp("cli") / "Übung 1"
    simulated_sessions.simulate(folder, n_clips=8, n_patients=2, seed=1, rule=SceneRule(duration_s=1.0))
    return folder


def _labelled(session: Path, label: str) -> Path:
    table = (session / "labels.csv").read_text(encoding="utf-8").splitlines()
    return session / next(line.split(",")[0] for line in table if f",{label}," in line)


@pytest.fixture
def with_pop(session: Path) -> Path:
    return _labelled(session, "pop")


@pytest.fixture
def without_pop(session: Path) -> Path:
    return _labelled(session, "no_pop")
