"""Listening: attempts, clips, gaps, levels, the room, and what happens when the sound ends early."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import popdetect
from popdetect.detection.audio.microphone import paced
from popdetect.detection.signal.room import measure_room
from popdetect.errors import DeviceLost, NotFinite, NothingFound
from popdetect.records import Attempt, Level, Listened, LiveEvent, Room
from popdetect.session.excerpts import ClipFolder
from popdetect.session.listening import Told, listen
from popdetect.training.data import synthesis
from popdetect.training.data.dsp import RATE_HZ, coloured_noise

VOICE = synthesis.PopVoice(centre_hz=2500, decay20_ms=1.5, double_share=0.0, skin=False)
ONSETS = (1.0, 1.04, 4.0, 9.0, 9.05, 9.1)
DETECTOR = popdetect.load_model()


def sound(duration_s: float = 12.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    made = 0.003 * coloured_noise(rng, int(RATE_HZ * duration_s), 4)
    for onset in ONSETS:
        pop = 0.4 * synthesis.pop(rng, VOICE)
        part = made[round(onset * RATE_HZ) :][: len(pop)]
        part += pop[: len(part)]
    return made[:, None].astype(np.float32)


def told(blocks: Any, **settings: Any) -> list[Told]:
    return list(listen(DETECTOR, blocks, RATE_HZ, 1, **settings))


def of(kind: type, items: list[Told]) -> list[Any]:
    return [item for item in items if isinstance(item, kind)]


def test_attempts_have_the_pops_that_are_nearest_to_them() -> None:
    class Marks:
        """Marks a thrust at these times, as a person does, also a little late and twice by one long press."""

        def __init__(self, *times_s: float) -> None:
            self.times, self.n = list(times_s), 0

        def __call__(self) -> bool:
            self.n += 1
            if self.times and self.n * 0.005 >= self.times[0]:
                self.times.pop(0)
                return True
            return False

    items = told(paced([sound()], RATE_HZ, 0), marked=Marks(0.5, 0.6, 4.5, 6.5, 8.8))
    heard = items[-1]

    assert [(a.number, round(a.time_s, 2), a.n_pops) for a in of(Attempt, items)] == [
        (1, 0.5, 2), (2, 4.5, 1), (3, 6.5, 0), (4, 8.8, 3),
    ]  # fmt: skip
    assert isinstance(heard, Listened)
    assert (heard.n_hits, heard.median_pops, heard.n_pops, len(heard.thrusts)) == (3, 2, 6, 3)


@pytest.mark.parametrize("size", [240, 48_000])
def test_clips_are_those_that_classify_cuts(tmp_path: Path, size: int) -> None:
    samples = sound()
    soundfile.write(tmp_path / "take.wav", samples, RATE_HZ, subtype="FLOAT")
    live, whole = (ClipFolder(tmp_path / name, ["take.wav"], 1.0) for name in ("live", "whole"))
    items = told(np.split(samples, len(samples) // size), clips=live, name="take.wav")
    made = whole.add(tmp_path / "take.wav", "take.wav", DETECTOR.detect(samples, RATE_HZ).bursts)

    assert list(items[-1].clips) == made  # type: ignore[union-attr]
    assert len(made) == 3
    for name in made:
        first, second = (soundfile.read(folder / name, dtype="float32")[0] for folder in (live.folder, whole.folder))
        assert np.array_equal(first, second)


def test_a_lost_device_keeps_everything_before() -> None:
    def blocks() -> Iterator[np.ndarray]:
        yield from np.split(sound()[: 5 * RATE_HZ], 50)
        raise DeviceLost("the microphone gives no more sound")

    items: list[Told] = []
    with pytest.raises(DeviceLost):
        items.extend(listen(DETECTOR, blocks(), RATE_HZ, 1))

    assert [burst.n_pops for burst in items[-1].thrusts] == [2, 1]  # type: ignore[union-attr]
    assert items[-1].duration_s == 5  # type: ignore[union-attr]


def test_a_block_that_is_no_sound_ends_listening_with_everything_before() -> None:
    items: list[Told] = []
    with pytest.raises(NotFinite):
        items.extend(listen(DETECTOR, [sound(), np.full((9, 1), np.nan)], RATE_HZ, 1))

    assert items[-1].n_pops == 6  # type: ignore[union-attr]


def test_gaps_are_told_when_they_come_and_times_stay_right() -> None:
    gaps: list[tuple[float, float]] = []

    def blocks() -> Iterator[np.ndarray]:
        samples = sound()
        yield samples[: 6 * RATE_HZ]
        gaps.append((6.0, 0.5))
        yield np.zeros((RATE_HZ // 2, 1), np.float32)
        yield samples[6 * RATE_HZ + RATE_HZ // 2 :]

    items = told(blocks(), gaps=gaps)

    assert [(item.at_s, item.gap_s) for item in of(LiveEvent, items) if item.kind == "gap"] == [(6.0, 0.5)]
    assert items[-1].lost_s == 0.5  # type: ignore[union-attr]
    assert [burst.start_s for burst in items[-1].thrusts] == pytest.approx([1, 4, 9], abs=0.001)  # type: ignore[union-attr]


def test_the_room_and_levels() -> None:
    items = told(paced([sound()], RATE_HZ, 0), calibrate_s=0.5, seconds=2)
    levels = of(Level, items)

    assert len(levels) == 20
    assert levels[0].rms_dbfs == pytest.approx(20 * np.log10(0.003), abs=1)
    (room,) = of(Room, items)
    assert (room.duration_s, room.is_clipped, room.hum_hz, room.problem) == (0.5, False, 0, "")
    assert items[-1].duration_s == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("mains_hz", [50, 60])
@pytest.mark.parametrize("rate_hz", [8_000, 44_100])
def test_mains_hum_is_told_apart(mains_hz: int, rate_hz: int) -> None:
    time = np.arange(2 * rate_hz) / rate_hz
    noise = np.random.default_rng(0).standard_normal((len(time), 1)) * 0.01
    hum = sum(np.sin(2 * np.pi * mains_hz * k * time + k) / k for k in (1, 2, 3))[:, None] * 0.02

    assert measure_room((noise + hum).astype(np.float32), rate_hz).hum_hz == mains_hz
    assert measure_room(noise.astype(np.float32), rate_hz).hum_hz == 0
    assert measure_room(np.clip(100 * (noise + hum), -1, 1).astype(np.float32), rate_hz).is_clipped


def test_a_dead_microphone_is_named() -> None:
    silence = np.zeros((RATE_HZ, 1), np.float32)

    assert "microphone" in measure_room(silence, RATE_HZ).problem
    with pytest.raises(NothingFound, match=r"nothing to hear: .*microphone"):
        told([silence])


def test_listening_in_python_takes_any_blocks() -> None:
    events = list(popdetect.listen(np.split(sound(), 2_400), RATE_HZ))
    found = DETECTOR.detect(sound(), RATE_HZ)

    assert tuple(item.event for item in events if item.kind == "event") == found.events
    assert tuple(item.burst for item in events if item.kind == "burst") == found.bursts
    assert sum(item.kind == "provisional" for item in events) == 6
    assert len(list(popdetect.listen(iter([sound()[:, 0]]), RATE_HZ, seconds=2))) == 5  # 2 events, 1 burst, 2 first
    with pytest.raises(popdetect.UsageError, match="needs the sample rate"):
        next(popdetect.listen([sound()]))


def test_a_pace_is_kept() -> None:
    import time

    begun = time.monotonic()
    pieces = list(paced([sound(2.0)], RATE_HZ, 10))

    assert time.monotonic() - begun >= 0.2
    assert np.array_equal(np.concatenate(pieces), sound(2.0))
    assert {len(piece) for piece in pieces} == {240}
