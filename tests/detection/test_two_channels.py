"""Two channels: differences between them, pops that the other channel hides, channels that are no two sensors."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt
import pytest

from popdetect.detection import channel_search
from popdetect.detection.detector import Detector
from popdetect.detection.signal import two_channels
from popdetect.detection.signal.refinement import snippets
from popdetect.detection.signal.two_channels import ChannelCheck
from popdetect.records import Detection, Event
from popdetect.training.data.scenes import Scene, SceneRule, compose
from popdetect.training.data.sounds import SoundBank
from popdetect.training.data.two_sensors import compose as compose_two
from popdetect.training.data.two_sensors import delayed

RATE = 48_000
Sound = npt.NDArray[np.float32]


@lru_cache(maxsize=64)
def scene(seed: int, pop_share: float = 1.0) -> Scene:
    return compose_two(np.random.default_rng([5, seed]), SoundBank(), SceneRule(pop_share=pop_share, duration_s=1.5))


@lru_cache(maxsize=64)
def one_sensor(seed: int) -> Scene:
    rule = SceneRule(pop_share=1.0, duration_s=1.5, contact_share=1.0, max_distractors=0)
    return compose(np.random.default_rng([6, seed]), SoundBank(), rule)


def swapped(found: Detection) -> Detection:
    """What is expected of a recording with swapped channels."""
    other = {"1": "2", "2": "1"}

    def mirror(event: Event) -> Event:
        level, arrival = event.level_difference_db, event.arrival_difference_ms
        return replace(
            event,
            channel=other.get(event.channel, event.channel),
            found_on=other.get(event.found_on, event.found_on),
            level_difference_db=None if level is None else -level,
            arrival_difference_ms=None if arrival is None else -arrival,
        )

    return replace(found, events=tuple(mirror(event) for event in found.events))


def hidden(seed: int, louder_db: float) -> Sound:
    """Pops of one sensor on channel 1, noise that is louder by so many dB than its background on channel 2."""
    own = one_sensor(seed).samples * np.float32(0.02)
    noise = SoundBank().background(np.random.default_rng([8, seed]), len(own)).sound
    level = np.median(np.abs(own)) / np.median(np.abs(noise)) * 10 ** (louder_db / 20)
    both = np.stack([own, noise * np.float32(level)], axis=1)
    return np.asarray(both / max(1.0, float(np.abs(both).max())), np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_swapped_channels_swap_the_result_exactly(detector: Detector, seed: int) -> None:
    samples = scene(seed).samples
    found = detector.detect(samples, RATE)
    assert found.events
    assert detector.detect(samples[:, ::-1], RATE) == swapped(found)


@pytest.mark.parametrize("seed", range(3))
def test_swapped_channels_swap_the_result_where_one_hides_the_other(detector: Detector, seed: int) -> None:
    samples = hidden(seed, 30)
    found = detector.detect(samples, RATE)
    assert found.n_pops
    assert detector.detect(samples[:, ::-1], RATE) == swapped(found)


@pytest.mark.parametrize("seed", range(4))
def test_pops_are_found_however_loud_the_other_channel_is(detector: Detector, seed: int) -> None:
    alone = detector.detect(one_sensor(seed).samples, RATE)
    assert alone.n_pops
    for louder_db in (0, 12, 40):
        found = detector.detect(hidden(seed, louder_db), RATE)
        near = [min(abs(onset - own) for own in found.onsets_s) for onset in alone.onsets_s]
        assert max(near) < 0.002, louder_db
        # what the detector takes for a pop in the noise may be added; the pops are found on channel 1
        assert [event.found_on for event in found.pops if event.p_pop > 0.9].count("1") >= alone.n_pops - 1


def test_without_the_separate_search_the_louder_channel_hides_pops(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_search = sum(detector.detect(hidden(seed, 30), RATE).n_pops for seed in range(4))
    monkeypatch.setattr(channel_search, "MASKED_DB", np.inf)
    assert sum(detector.detect(hidden(seed, 30), RATE).n_pops for seed in range(4)) < with_search / 2


def test_channels_with_the_same_background_are_searched_once(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = one_sensor(0).samples
    noise = np.random.default_rng(0).standard_normal((len(sound), 2)).astype(np.float32) * np.float32(1e-3)
    stereo = sound[:, None] + noise
    expected = detector.detect(stereo, RATE)

    def never(*_: object) -> None:
        raise AssertionError("a channel was searched by itself")

    monkeypatch.setattr(channel_search._Run, "__init__", never)
    assert detector.detect(stereo, RATE) == expected


def test_a_search_of_parts_equals_a_search_of_the_whole(
    detector: Detector, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """The other channel is loud in some stretches only; a search that begins and ends there changes nothing."""
    own = np.concatenate([one_sensor(seed).samples for seed in range(6)]) * np.float32(0.1)
    noise = rng.standard_normal(len(own)).astype(np.float32) * np.float32(1e-5)
    for start_s in (0.5, 3.2, 4.9, 7.7):
        part = slice(int(start_s * RATE), int((start_s + 0.7) * RATE))
        noise[part] *= 20_000
    both = np.stack([own, noise], axis=1)
    expected = detector.detect(both, RATE)
    monkeypatch.setattr(channel_search, "_LEAD", 10_000)
    monkeypatch.setattr(channel_search, "_TRAIL", 10_000)
    assert detector.detect(both, RATE) == expected


@pytest.mark.parametrize("size", [977, 48_000, 100_001])
def test_the_blocks_of_a_stream_do_not_matter(detector: Detector, size: int) -> None:
    sound = np.concatenate([hidden(0, 30), scene(1).samples, hidden(1, 10), scene(2).samples])
    stream = detector.stream(RATE, 2)
    events: list[Event] = []
    for start in range(0, len(sound), size):
        events += stream.feed(sound[start : start + size])
    found = stream.finish()
    assert found == detector.detect(sound, RATE)
    assert found.events[: len(events)] == tuple(events)
    assert events


def test_a_file_in_a_batch_has_the_same_result(detector: Detector) -> None:
    from popdetect.detection.stream import detect_batch

    clips = [hidden(0, 30), scene(1).samples, hidden(1, 10)]
    together = detect_batch(detector.model, detector.model.operating_point(detector.operating_point), RATE, clips)
    assert together == [detector.detect(clip, RATE) for clip in clips]


def test_differences_of_level_and_arrival_are_those_of_the_simulation(detector: Detector) -> None:
    levels, arrivals, places = [], [], []
    for seed in range(40):
        truth = scene(seed)
        pops = detector.detect(truth.samples, RATE).pops
        for onset, level, arrival, place in zip(
            truth.onsets_s, truth.level_differences_db, truth.arrival_differences_ms, truth.found_on, strict=True
        ):
            near = [pop for pop in pops if abs(pop.onset_s - onset) < 0.004]
            if len(near) == 1 and near[0].found_on:
                places.append(near[0].found_on == place)
                if near[0].found_on == place == "both":
                    assert near[0].level_difference_db is not None
                    levels.append(abs(near[0].level_difference_db - level))
                    if near[0].arrival_difference_ms is not None:
                        arrivals.append(abs(near[0].arrival_difference_ms - arrival))
    assert len(levels) > 60
    assert np.median(levels) < 0.5
    assert np.quantile(levels, 0.9) < 2.0
    assert len(arrivals) > 0.8 * len(levels)
    assert np.median(arrivals) < 0.02
    assert np.quantile(arrivals, 0.9) < 0.05
    assert np.mean(places) > 0.85


@pytest.mark.parametrize(("level_db", "delay_ms"), [(6.0, 0.5), (-12.0, 0.0), (3.0, -1.73), (-5.5, 2.0 + 1 / 96)])
def test_a_known_level_and_delay_are_measured(
    detector: Detector, level_db: float, delay_ms: float, rng: np.random.Generator
) -> None:
    own = one_sensor(0).samples
    other = delayed(own, 0.003 + delay_ms / 1000)[: len(own)] * np.float32(10 ** (-level_db / 20))
    both = np.stack([delayed(own, 0.003)[: len(own)], other], axis=1)
    quiet = np.median(np.abs(own)) * np.array([1, 10 ** (-level_db / 20)])
    both = both + (4 * quiet * rng.standard_normal(both.shape)).astype(np.float32)
    found = detector.detect(both / np.abs(both).max(), RATE)
    assert "same_channels" not in found.quality
    measured = [pop for pop in found.events if pop.arrival_difference_ms is not None]
    assert measured
    for pop in measured:
        assert pop.level_difference_db == pytest.approx(level_db, abs=0.5)
        assert pop.arrival_difference_ms == pytest.approx(delay_ms, abs=0.01)


@pytest.mark.parametrize("kind", ["equal", "other sign", "softer", "later", "later and softer, other sign"])
def test_one_microphone_recorded_twice_is_recognised(detector: Detector, kind: str) -> None:
    own = one_sensor(1).samples
    other = {
        "equal": own,
        "other sign": -own,
        "softer": 0.3 * own,
        "later": delayed(own, 0.0043)[: len(own)],
        "later and softer, other sign": -0.5 * delayed(own, 0.015)[: len(own)],
    }[kind]
    both = np.round(np.stack([own, other], axis=1) * 2**15).clip(-(2**15), 2**15 - 1).astype(np.int16)
    found = detector.detect(both, RATE)
    assert found.quality[-1] == "same_channels"
    assert found.n_pops
    assert {(e.found_on, e.level_difference_db, e.arrival_difference_ms) for e in found.events} == {("", None, None)}


def test_two_sensors_are_not_taken_for_one_microphone(detector: Detector) -> None:
    flags = [detector.detect(scene(seed, share).samples, RATE).quality for seed in range(4) for share in (0.0, 1.0)]
    assert not any("same_channels" in quality for quality in flags)


@pytest.mark.parametrize("dead", ["zeros", "offset", "dither"])
@pytest.mark.parametrize("channel", [0, 1])
def test_a_dead_channel_is_reported_and_nothing_is_compared(
    detector: Detector, dead: str, channel: int, rng: np.random.Generator
) -> None:
    own = one_sensor(0).samples
    values = {"zeros": np.zeros(len(own)), "offset": np.full(len(own), 0.01)}
    values["dither"] = rng.integers(-1, 2, len(own)) / 2**15
    both = np.zeros((len(own), 2), np.float32)
    both[:, channel], both[:, 1 - channel] = values[dead], own
    found = detector.detect(both, RATE)
    alone = detector.detect(own, RATE)
    assert found.quality[-1] == "dead_channel"
    assert (found.label, found.n_pops) == (alone.label, alone.n_pops)
    assert {event.channel for event in found.pops} == {str(2 - channel)}
    assert {(e.found_on, e.level_difference_db, e.arrival_difference_ms) for e in found.events} == {("", None, None)}


def test_other_numbers_of_channels_are_not_compared(detector: Detector) -> None:
    three = np.concatenate([scene(1).samples, scene(1).samples[:, :1]], axis=1)
    for samples in (three, three[:, 0]):
        found = detector.detect(samples, RATE)
        assert {(e.channel, e.found_on, e.level_difference_db) for e in found.events} == {("", "", None)}


@pytest.mark.parametrize("size", [100, 4_096, 5_000, 48_000])
def test_blocks_do_not_matter_to_the_check_of_channels(size: int) -> None:
    own = one_sensor(2).samples
    for second in (own, 0.5 * delayed(own, 0.002)[: len(own)], one_sensor(3).samples, 0 * own):
        both = np.stack([own, second], axis=1)
        check, whole = ChannelCheck(RATE, 2), ChannelCheck(RATE, 2)
        for start in range(0, len(both), size):
            check.add(both[start : start + size])
        whole.add(both)
        assert check.flags() == whole.flags()


def test_a_delay_that_changes_is_not_one_microphone() -> None:
    own = np.tile(one_sensor(2).samples, 2)
    later = np.concatenate([np.roll(own[: len(own) // 2], 40), np.roll(own[len(own) // 2 :], 45)])
    check = ChannelCheck(RATE, 2)
    check.add(np.stack([own, later], axis=1))
    assert check.flags() == ()


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 96_000])
def test_every_sample_rate_can_be_compared(rate_hz: int, rng: np.random.Generator) -> None:
    noise = rng.standard_normal((rate_hz // 5, 2)).astype(np.float32) * np.float32(1e-3)
    time = np.arange(rate_hz // 50) / rate_hz
    pop = np.exp(-time * 1500) * np.sin(2 * np.pi * 1500 * time)
    at = rate_hz // 10
    lag = rate_hz // 1000
    noise[at : at + len(pop), 0] += (0.5 * pop).astype(np.float32)
    noise[at + lag : at + lag + len(pop), 1] += (0.25 * pop).astype(np.float32)
    (found,) = two_channels.differences(partial(snippets, noise), np.array([at]), rate_hz)
    assert found.found_on == "both"
    assert found.level_db == pytest.approx(20 * np.log10(2), abs=0.3)
    assert found.arrival_ms == pytest.approx(1000 * lag / rate_hz, abs=0.02)
