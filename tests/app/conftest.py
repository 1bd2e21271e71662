"""A labelled session, the command serving its page, and a browser: Debian's own Chromium, by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from review_page import N_CLIPS, Served

from popdetect.session import labelling as batch
from popdetect.training.data.simulated_sessions import simulate


@pytest.fixture(scope="session")
def labelled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated session of 24 clips, labelled; not to be changed."""
    folder = tmp_path_factory.mktemp("review") / "session"
    simulate(folder, n_clips=N_CLIPS, n_patients=6, seed=5)
    batch.label(folder)
    return folder


@pytest.fixture
def folder(labelled_once: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    copy = tmp_path / "session"
    shutil.copytree(labelled_once, copy)
    return copy


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    """Starts servers; ends those still there."""
    started: list[Served] = []

    def start(folder: Path, *options: str) -> Served:
        started.append(Served(folder, *options))
        return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.kill()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium; the test skips, and says so, where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this computer; on Debian: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()
