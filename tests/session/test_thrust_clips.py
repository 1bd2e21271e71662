"""Clips around thrusts: each pop in one clip, for blocks of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from popdetect.errors import UsageError
from popdetect.records import Burst
from popdetect.session.tables import read_rows
from popdetect.session.thrust_clips import ThrustClips

RATE_HZ = 8_000
BURSTS = (Burst(0.4, 0.45, 2, 0.9), Burst(1.45, 1.55, 3, 0.8), Burst(30.0, 30.1, 1, 0.7), Burst(39.5, 39.6, 1, 0.6))


def sound() -> np.ndarray:
    return (np.random.default_rng(0).integers(-9_000, 9_000, (40 * RATE_HZ, 2)) / 32_768).astype(np.float32)


def written(folder: Path, block: int, delay_s: float = 1.5) -> ThrustClips:
    samples, clips, waiting = sound(), ThrustClips(folder, RATE_HZ), list(BURSTS)
    for start in range(0, len(samples), block):
        n = sum(burst.end_s + delay_s <= (start + block) / RATE_HZ for burst in waiting)
        clips.add(samples[start : start + block], waiting[:n])
        del waiting[:n]
    clips.finish(waiting)
    return clips


@pytest.mark.parametrize("block", [40, 8_000, 160_000, 320_000])
def test_clips_have_one_second_around_each_thrust_and_meet_between_close_ones(tmp_path: Path, block: int) -> None:
    clips = written(tmp_path / "clips", block)

    assert clips.files == ["thrust_001.wav", "thrust_002.wav", "thrust_003.wav", "thrust_004.wav"]
    for name, (start_s, end_s) in zip(clips.files, [(0, 0.95), (0.95, 2.55), (29, 31.1), (38.5, 40)], strict=True):
        samples, rate_hz = soundfile.read(clips.folder / name, dtype="float32")
        assert rate_hz == RATE_HZ
        assert np.array_equal(samples, sound()[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)])
    rows = read_rows(clips.folder / "thrusts.csv")
    assert [row["file"] for row in rows] == clips.files
    assert [float(row["clip_start_s"]) for row in rows] == [0, 0.95, 29, 38.5]
    assert [(float(row["start_s"]), int(row["n_pops"])) for row in rows] == [(b.start_s, b.n_pops) for b in BURSTS]


def test_a_folder_with_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clip.wav").touch()

    with pytest.raises(UsageError, match="the folder is not empty"):
        ThrustClips(tmp_path, RATE_HZ)
