"""Session folders without sound: the detector of `session_fakes` hears bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of 40 clips in two sub-folders, one of them broken."""
    monkeypatch.setenv("POPDETECT_TEST_PARENT", str(os.getpid()))
    folder = tmp_path / "session"
    for i in range(40):
        clip = folder / f"p{i % 2}" / f"clip {i:02}.wav"
        clip.parent.mkdir(parents=True, exist_ok=True)
        clip.write_bytes(f"sound {i}".encode())
    (folder / "p1" / "clip 07.wav").write_bytes(b"broken")
    return folder


@pytest.fixture
def little_space() -> Iterator[None]:
    """Let no file grow beyond 1000 bytes, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
