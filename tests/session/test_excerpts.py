"""Clips around the thrusts of a long recording: their sound, their pops, and the folder they make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from popdetect.detection.detector import Detector
from popdetect.errors import UsageError
from popdetect.records import Burst, Detection
from popdetect.session import excerpts
from popdetect.session.session import Session
from popdetect.session.tables import read_rows
from popdetect.training.data import synthesis
from popdetect.training.data.dsp import coloured_noise

VOICE = synthesis.PopVoice(centre_hz=2500, decay20_ms=1.5, double_share=0.0, skin=False)
ONSETS = (0.3, 5.0, 5.03, 19.2, 20.01, 33.0, 33.04, 33.1, 44.7)  # near both ends, and on both sides of a block's end
THRUSTS = 6


def long_take(rate_hz: int, n_channels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(4)
    sound = 0.003 * coloured_noise(rng, 45 * rate_hz, 4)
    for onset in ONSETS:
        pop = (0.4 * synthesis.pop(rng, VOICE))[:: 48_000 // rate_hz if rate_hz < 48_000 else 1]
        place = sound[round(onset * rate_hz) :]
        place[: len(pop)] += pop[: len(place)]
    return np.stack([sound, 0.5 * sound], axis=1)[:, :n_channels].astype(np.float32)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector()


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory, detector: Detector) -> tuple[Path, Detection]:
    path = tmp_path_factory.mktemp("takes") / "take.wav"
    soundfile.write(path, long_take(48_000), 48_000, subtype="PCM_16")
    return path, detector.detect(path)


def test_a_clip_has_the_pops_that_the_recording_has_there(
    take: tuple[Path, Detection], detector: Detector, tmp_path: Path
) -> None:
    path, found = take
    assert len(found.bursts) == THRUSTS
    folder = excerpts.ClipFolder(tmp_path / "clips", ["take.wav"], 1.0)
    names = folder.add(path, "take.wav", found.bursts)
    folder.finish(detector)
    session = Session.read(tmp_path / "clips")
    starts = {row["file"]: float(row["start_s"]) for row in read_rows(tmp_path / "clips/sources.csv")}

    assert names == sorted(starts) == [clip.file for clip in session.clips]
    assert names[1] == "take_00h00m05s000.wav"
    assert len(names) == THRUSTS - 1  # two thrusts are 0.8 s apart
    in_clips = [
        (starts[c.file] + e.onset_s, e.p_pop, e.duration_ms) for c in session.clips for e in c.events if e.is_pop
    ]
    in_take = [(e.onset_s, e.p_pop, e.duration_ms) for e in found.pops]
    np.testing.assert_allclose(in_clips, in_take, atol=6e-5 + 5e-3)
    np.testing.assert_allclose([row[0] for row in in_clips], [row[0] for row in in_take], atol=2e-5)
    assert {clip.label for clip in session.clips} == {"pop"}
    assert sum(len(clip.bursts) for clip in session.clips) == THRUSTS


@pytest.mark.parametrize(
    ("rate_hz", "n_channels", "subtype", "kept"),
    [(48_000, 1, "PCM_16", "PCM_16"), (44_100, 2, "PCM_24", "FLOAT"), (8_000, 1, "FLOAT", "FLOAT")],
)
def test_a_clip_has_the_samples_of_the_recording(
    tmp_path: Path, rate_hz: int, n_channels: int, subtype: str, kept: str
) -> None:
    source = tmp_path / "a.wav"
    soundfile.write(source, long_take(rate_hz, n_channels), rate_hz, subtype=subtype)
    sound, _ = soundfile.read(source, dtype="float32", always_2d=True)
    bursts = [Burst(time, time + 0.01, 1, 0.9) for time in (0.3, 19.5, 44.7)]
    folder = excerpts.ClipFolder(tmp_path / "clips", ["a.wav"], 1.0)
    names = folder.add(source, "a.wav", bursts)

    assert len(names) == 3
    for name, burst in zip(names, bursts, strict=True):
        clip, rate = soundfile.read(tmp_path / "clips" / name, dtype="float32", always_2d=True)
        start = max(0, int((burst.start_s - 1) * rate_hz)) // (rate_hz // 1000) * (rate_hz // 1000)
        assert (rate, soundfile.info(tmp_path / "clips" / name).subtype) == (rate_hz, kept)
        np.testing.assert_array_equal(clip, sound[start : int(np.ceil((burst.end_s + 1) * rate_hz))])


def test_thrusts_whose_clips_would_overlap_share_one() -> None:
    bursts = [Burst(time, time + 0.1, 1, 0.9) for time in (0.5, 5.0, 7.1, 9.3)]

    assert [(start, end, len(members)) for start, end, members in excerpts.spans(bursts)] == [
        (0.0, 1.6, 1), (4.0, 8.2, 2), (8.3, 10.4, 1),
    ]  # fmt: skip


def test_a_folder_with_files_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "take_00h00m05s000.wav").write_text("mine")

    with pytest.raises(UsageError, match="not empty; the clips need a new or an empty folder"):
        excerpts.ClipFolder(tmp_path, ["take.wav"], 1.0)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_takes_with_one_name_have_clips_with_different_names(take: tuple[Path, Detection], tmp_path: Path) -> None:
    path, found = take
    files = ["a/take.wav", "b/take.wav", "take.flac", "other.wav"]
    folder = excerpts.ClipFolder(tmp_path / "clips", files, 1.0)
    names = [folder.add(path, file, found.bursts[:1])[0] for file in files]

    assert len({name.casefold() for name in names}) == 4
    assert names[3] == "other_00h00m00s300.wav"


def test_without_thrusts_nothing_is_written(take: tuple[Path, Detection], detector: Detector, tmp_path: Path) -> None:
    folder = excerpts.ClipFolder(tmp_path / "clips", ["take.wav"], 1.0)
    assert folder.add(take[0], "take.wav", []) == []
    folder.finish(detector)

    assert list((tmp_path / "clips").iterdir()) == []
