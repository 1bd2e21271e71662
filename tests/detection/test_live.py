"""Live sound: the final events are those of the whole recording, and pops are said within 50 ms of their end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from popdetect.detection.detector import Detector
from popdetect.errors import Empty, NotFinite, UsageError
from popdetect.records import Detection, LiveEvent
from popdetect.training.data.dsp import RATE_HZ

Sound = npt.NDArray[np.float32]
ONSETS = (0.6, 0.64, 0.7, 2.0, 3.5, 3.52)


def listened(detector: Detector, sound: Sound, size: int) -> tuple[list[LiveEvent], Detection]:
    live = detector.live(RATE_HZ, sound.shape[1])
    told: list[LiveEvent] = []
    for start in range(0, len(sound), size):
        told += live.feed(sound[start : start + size])
    last, detection = live.finish()
    return [*told, *last], detection


@pytest.mark.parametrize("size", [97, 240, 4_800, 50_000, 200_000])
@pytest.mark.parametrize("noise", [0.0005, 0.02])
def test_final_events_are_those_of_the_whole_recording(
    detector: Detector, clip: Callable[..., Sound], size: int, noise: float
) -> None:
    sound = clip(ONSETS, 4.0, 3, noise)[:, None]

    told, detection = listened(detector, sound, size)

    assert detection == detector.detect(sound, RATE_HZ)
    assert tuple(item.event for item in told if item.kind == "event") == detection.events
    assert tuple(item.burst for item in told if item.kind == "burst") == detection.bursts
    assert len(detection.bursts) == 3
    assert [item.at_s for item in told] == sorted(item.at_s for item in told)


def test_each_clear_pop_is_said_within_50_ms_of_its_end(detector: Detector, clip: Callable[..., Sound]) -> None:
    told, _ = listened(detector, clip(ONSETS, 4.0)[:, None], RATE_HZ // 200)
    early = [item for item in told if item.kind == "provisional"]
    onsets = [item.event.onset_s for item in early if item.event]

    assert onsets == pytest.approx(ONSETS, abs=0.001)
    for item in early:
        assert item.event
        assert 0 < item.at_s - item.event.onset_s - item.event.duration_ms / 1000 < 0.050


def test_provisional_events_do_not_depend_on_later_sound(detector: Detector, clip: Callable[..., Sound]) -> None:
    sound = clip(ONSETS, 4.0)[:, None]
    other = sound.copy()
    other[3 * RATE_HZ :] *= -0.3
    first, second = (
        [item for item in listened(detector, x, 240)[0] if item.kind == "provisional" and item.at_s <= 3]
        for x in (sound, other)
    )

    assert first == second
    assert len(first) == 4


def test_a_block_that_cannot_be_processed_changes_nothing(detector: Detector, clip: Callable[..., Sound]) -> None:
    sound = clip(ONSETS, 4.0)[:, None]
    plain = detector.live(RATE_HZ)
    disturbed = detector.live(RATE_HZ)
    for start in range(0, len(sound), 4_800):
        with pytest.raises(NotFinite):
            disturbed.feed(np.full((100, 1), np.nan, np.float32))
        assert disturbed.feed(sound[start : start + 4_800]) == plain.feed(sound[start : start + 4_800])
    assert disturbed.finish() == plain.finish()


def test_silence_is_no_sound(detector: Detector) -> None:
    live = detector.live(RATE_HZ)
    assert live.feed(np.zeros(RATE_HZ)) == ()
    with pytest.raises(Empty, match="microphone"):
        live.finish()
    with pytest.raises(UsageError, match="channels 0"):
        detector.live(RATE_HZ, 0)
