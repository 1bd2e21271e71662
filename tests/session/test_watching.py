"""Clips that arrive in a watched folder, with real files."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from popdetect.detection.audio.recording import write_wav
from popdetect.session import watching
from popdetect.session.labelling import label
from popdetect.session.session import Session


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "INTERVAL_S", 0.05)
    monkeypatch.setattr(watching, "SETTLED_S", 0.3)


def clip(path: Path, seed: int = 0) -> Path:
    write_wav(path, 0.01 * np.random.default_rng(seed).normal(size=16_000), 16_000)
    return path


def script(*steps: Callable[[], bool]) -> Callable[[], bool]:
    """A step is repeated, once for each listing, until it returns True; at the end the watch stops."""
    left, until = list(steps), time.monotonic() + 60

    def stopped() -> bool:
        assert time.monotonic() < until, "a step was never reached"
        if left and left[0]():
            left.pop(0)
        return not left

    return stopped


def rows(folder: Path) -> dict[str, str]:
    written = (folder / "popdetect" / "run.json").exists()
    return {row.file: row.status for row in Session.read(folder).clips} if written else {}


def test_clips_are_labelled_as_they_arrive_and_forgotten_as_they_go(tmp_path: Path) -> None:
    seen: list[str] = []
    clip(tmp_path / "a.wav")

    def second() -> bool:
        return "a.wav" in rows(tmp_path) and bool(clip(tmp_path / "b.wav", 1))

    def gone() -> bool:
        if "b.wav" not in rows(tmp_path):
            return False
        (tmp_path / "a.wav").unlink()
        return True

    summary = watching.watch(
        tmp_path,
        on_clip=lambda row: seen.append(row.file),
        stopped=script(second, gone, lambda: set(rows(tmp_path)) == {"b.wav"}),
    )

    assert seen == ["a.wav", "b.wav"]
    assert [row.file for row in summary.session.clips] == ["b.wav"]
    assert summary.session.clips == Session.read(tmp_path).clips
    # the rows are those of `label`
    assert label(tmp_path, force=True).session.clips == summary.session.clips


def test_a_half_copied_file_waits_and_is_labelled_whole(tmp_path: Path) -> None:
    whole = clip(tmp_path.parent / f"{tmp_path.name}.wav").read_bytes()
    target = tmp_path / "slow.wav"
    sent = 0

    def copying() -> bool:
        nonlocal sent
        assert rows(tmp_path) == {}
        with target.open("ab") as handle:
            handle.write(whole[sent : sent + 2_000])
        sent += 2_000
        return sent >= len(whole)

    summary = watching.watch(tmp_path, stopped=script(copying, lambda: "slow.wav" in rows(tmp_path)))

    assert rows(tmp_path) == {"slow.wav": "ok"}
    assert summary.session.clips[0].quality == ()


def test_a_bad_file_that_becomes_whole_is_labelled_again(tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    target.write_bytes(b"RIFF")

    def repaired() -> bool:
        return rows(tmp_path).get("a.wav", "ok") != "ok" and bool(clip(target))

    watching.watch(tmp_path, stopped=script(repaired, lambda: rows(tmp_path) == {"a.wav": "ok"}))


def test_what_still_changes_at_the_end_is_said(tmp_path: Path) -> None:
    clip(tmp_path / "a.wav")
    summary = watching.watch(tmp_path, stopped=lambda: True)

    assert summary.waiting == ("a.wav",)
    assert summary.n_clips == 0


def test_finished_clips_are_remembered(tmp_path: Path) -> None:
    os.utime(clip(tmp_path / "a.wav"), (1_600_000_000, 1_600_000_000))
    before = label(tmp_path).session.clips
    seen: list[str] = []
    summary = watching.watch(tmp_path, on_clip=lambda row: seen.append(row.file), stopped=lambda: True)

    assert seen == []
    assert summary.session.clips == before


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT as POSIX does")
def test_ctrl_c_ends_the_command_with_a_summary(tmp_path: Path) -> None:
    os.utime(clip(tmp_path / "a.wav"), (1_600_000_000, 1_600_000_000))
    command = [sys.executable, "-m", "popdetect", "label", str(tmp_path), "--watch"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if "a.wav" in rows(tmp_path):
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    assert out.startswith("1 clips:")
    assert "a.wav: " in err
    assert "Traceback" not in err
