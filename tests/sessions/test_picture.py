"""Pictures of clips of every shape; written whole or not at all."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from popdetect.errors import UsageError
from popdetect.records import Detection, Event
from popdetect.sessions import picture


def detection(onsets: tuple[float, ...], duration_s: float, rate_hz: int, channels: int, *, is_pop: bool) -> Detection:
    events = tuple(Event(t, 0.9, is_pop, 2.0, 2000.0, 2500.0, 30.0) for t in onsets)
    return Detection("pop" if onsets and is_pop else "uncertain", 0.9, events, duration_s, rate_hz, channels)


@pytest.mark.parametrize(
    ("onsets", "duration_s", "rate_hz", "channels", "is_pop"),
    [
        ((), 3.0, 48_000, 1, True),
        ((0.0, 2.999), 3.0, 44_100, 2, True),
        ((0.01,), 0.02, 8_000, 1, False),
        ((30.0, 30.03), 60.0, 16_000, 6, True),
    ],
)
def test_every_clip_can_be_drawn(
    onsets: tuple[float, ...], duration_s: float, rate_hz: int, channels: int, is_pop: bool
) -> None:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((int(duration_s * rate_hz), channels)).astype(np.float32)
    png = picture.draw(samples, rate_hz, detection(onsets, duration_s, rate_hz, channels, is_pop=is_pop), "a $b$ ü.wav")

    assert struct.unpack(">II", png[16:24]) == (1400, 900)


def test_pops_change_the_picture() -> None:
    samples = np.zeros((48_000, 1), np.float32) + np.float32(0.01)
    none = picture.draw(samples, 48_000, detection((), 1.0, 48_000, 1, is_pop=True), "a")
    pops = picture.draw(samples, 48_000, detection((0.5,), 1.0, 48_000, 1, is_pop=True), "a")

    assert none != pops


def test_a_picture_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    picture.save(tmp_path / "a.png", b"png")

    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(UsageError, match="the picture cannot be written"):
        picture.save(tmp_path / "a.png" / "b.png", b"png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
