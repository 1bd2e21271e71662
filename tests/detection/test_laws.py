"""Laws of the detector, for any clip: what may not change a result, and in which ways the same sound can come."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from popdetect.detection.detector import Detector
from popdetect.errors import AudioError, Empty, NotFinite, TooShort, Unreadable
from popdetect.records import Burst, Detection, Event, bursts
from popdetect.training.data.dsp import RATE_HZ

Sound = npt.NDArray[np.float32]
Clip = Callable[..., Sound]

REACH_S = 0.5  # more than any feature, neighbour or burst reaches
LAWS = settings(
    deadline=None,
    derandomize=True,
    max_examples=25,
    phases=[Phase.generate],  # a failing example is short enough, and shrinking it takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ONSETS = st.lists(st.integers(520, 1_900), min_size=0, max_size=6, unique=True).map(
    lambda ms: tuple(sorted(m / 1000 for m in ms))
)
SEEDS = st.integers(0, 10_000)
NOISES = st.sampled_from([0.0005, 0.003, 0.02])


def cut(sound: Sound, sizes: list[int]) -> list[Sound]:
    """Blocks of these sizes in turn, until the end."""
    blocks, start, turn = [], 0, 0
    while start < len(sound):
        size = sizes[turn % len(sizes)]
        blocks.append(sound[start : start + size])
        start, turn = start + size, turn + 1
    return blocks


def streamed(detector: Detector, sound: Sound, sizes: list[int], rate_hz: int = RATE_HZ) -> Detection:
    stream = detector.stream(rate_hz, sound.shape[1])
    buffer = np.empty_like(sound)
    for block in cut(sound, sizes):
        buffer[: len(block)] = block
        stream.feed(buffer[: len(block)])
        buffer[:] = 9.0  # a caller may use its buffer again
    return stream.finish()


def moved(events: tuple[Event, ...], by_s: float, after_s: float = 0.0) -> list[tuple[float, float, bool]]:
    return [(round(e.onset_s - by_s, 9), round(e.p_pop, 6), e.is_pop) for e in events if e.onset_s - by_s >= after_s]


@LAWS
@given(onsets=ONSETS, seed=SEEDS, noise=NOISES, hops=st.integers(1, 1_200))
def test_silence_before_shifts_the_events_and_changes_nothing_else(
    detector: Detector, clip: Clip, onsets: tuple[float, ...], seed: int, noise: float, hops: int
) -> None:
    sound = clip(onsets, 2.0, seed, noise)
    plain = detector.detect(sound, RATE_HZ)
    later = detector.detect(np.concatenate([np.zeros(48 * hops, np.float32), sound]), RATE_HZ)

    assert moved(later.events, hops / 1000, 0.4) == moved(plain.events, 0.0, 0.4)


@LAWS
@given(onsets=ONSETS, seed=SEEDS, noise=st.sampled_from([0.003, 0.02]), power=st.integers(-3, 1))
def test_gain_moves_no_event_and_no_probability(
    detector: Detector, clip: Clip, onsets: tuple[float, ...], seed: int, noise: float, power: int
) -> None:
    sound = clip(onsets, 2.0, seed, noise)
    plain = detector.detect(sound, RATE_HZ)
    scaled = detector.detect(sound * np.float32(2.0**power), RATE_HZ)

    assert (scaled.label, scaled.onsets_s) == (plain.label, plain.onsets_s)
    assert scaled.p_pop == pytest.approx(plain.p_pop, abs=1e-3)


@LAWS
@given(onsets=ONSETS, seed=SEEDS, noise=NOISES, late_ms=st.integers(0, 900))
def test_a_pop_elsewhere_changes_no_other_event(
    detector: Detector, clip: Clip, onsets: tuple[float, ...], seed: int, noise: float, late_ms: int
) -> None:
    sound = clip(onsets, 4.0, seed, noise)
    second = clip((2.6 + late_ms / 1000,), 4.0, seed, 0.0)
    far = 2.6 + late_ms / 1000 - REACH_S
    plain, both = detector.detect(sound, RATE_HZ), detector.detect(sound + second, RATE_HZ)

    assert [e for e in both.events if e.onset_s < far] == [e for e in plain.events if e.onset_s < far]


@LAWS
@given(
    onsets=ONSETS,
    seed=SEEDS,
    noise=NOISES,
    channels=st.integers(1, 2),
    rate_hz=st.sampled_from([8_000, 22_050, 48_000]),
    sizes=st.lists(st.integers(900, 100_000), min_size=1, max_size=4),
)
def test_file_array_batch_and_stream_are_the_same_to_the_last_digit(
    detector: Detector,
    clip: Clip,
    onsets: tuple[float, ...],
    seed: int,
    noise: float,
    channels: int,
    rate_hz: int,
    sizes: list[int],
) -> None:
    sound = clip(onsets, 2.0, seed, noise)
    steps = np.round(np.stack([sound, 0.4 * np.roll(sound, 3)], axis=1)[:, :channels] * 32768).astype(np.int16)
    raw = io.BytesIO()
    soundfile.write(raw, steps, rate_hz, format="WAV")
    other = io.BytesIO()
    soundfile.write(other, steps[: len(steps) // 3], rate_hz, format="WAV")
    floats = (steps / 32768).astype(np.float32)
    alone = detector.detect(raw)

    assert detector.detect(steps, rate_hz) == alone
    assert detector.detect(floats.T, rate_hz) == alone
    assert streamed(detector, floats, sizes, rate_hz) == alone
    together = detector.verdicts([(other, "a"), (raw, "b"), (other, "c"), (raw, "d")])
    assert [verdict.detection for verdict in together[1::2]] == [alone, alone]
    assert together[0].detection == together[2].detection == detector.detect(other)


@LAWS
@given(
    seed=SEEDS,
    rate_hz=st.sampled_from([8_000, 11_025, 48_000]),
    channels=st.integers(1, 2),
    sizes=st.lists(st.integers(1, 3_000), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) > 100 * len(sizes)),
)
def test_small_blocks_and_the_whole_give_the_same(
    detector: Detector, clip: Clip, seed: int, rate_hz: int, channels: int, sizes: list[int]
) -> None:
    sound = clip((0.1, 0.13, 0.9, 0.99), 1.6, seed, 0.003)[:, None] * np.ones((1, channels), np.float32)
    whole = detector.detect(sound, rate_hz)

    assert streamed(detector, sound, sizes, rate_hz) == whole
    assert streamed(detector, sound, [len(sound)], rate_hz) == whole


def test_blocks_of_one_sample_and_the_whole_give_the_same(detector: Detector, clip: Clip) -> None:
    sound = clip((0.1, 0.13), 0.3)[:, None]

    assert streamed(detector, sound, [1], 8_000) == detector.detect(sound, 8_000)


@LAWS
@given(
    onsets=st.lists(st.integers(100, 5_900), max_size=24, unique=True).map(
        lambda ms: tuple(m / 1000 for m in sorted(ms))
    ),
    seed=SEEDS,
    noise=st.sampled_from([0.003, 0.02, 0.06]),
    sizes=st.lists(st.integers(1, 100_000), min_size=1, max_size=4).filter(lambda sizes: sum(sizes) > 400),
)
def test_events_that_a_stream_returns_are_final_and_come_by_burst(
    detector: Detector, clip: Clip, onsets: tuple[float, ...], seed: int, noise: float, sizes: list[int]
) -> None:
    sound = clip(onsets, 6.0, seed, noise)[:, None]
    whole = detector.detect(sound, RATE_HZ)
    stream = detector.stream(RATE_HZ)
    returned: list[Event] = []
    groups: list[Burst] = []
    for block in cut(sound, sizes):
        events = stream.feed(block)
        returned += events
        groups += bursts(events)
    rest = stream.finish().events[len(returned) :]

    assert (*returned, *rest) == whole.events
    assert (*groups, *bursts(rest)) == whole.bursts


def test_a_stream_returns_a_pop_at_most_two_seconds_after_it(detector: Detector, clip: Clip) -> None:
    sound = clip((0.5, 0.53, 3.2), 6.0)[:, None]
    stream = detector.stream(RATE_HZ)
    come_at = {
        event.onset_s: at * 0.02
        for at, block in enumerate(cut(sound, [960]), start=1)
        for event in stream.feed(block)
        if event.is_pop
    }

    assert len(come_at) == 3
    assert all(at - onset < 2.0 for onset, at in come_at.items())


def test_provisional_events_are_those_of_the_sound_so_far_and_change_nothing(detector: Detector, clip: Clip) -> None:
    sound = clip((0.5, 0.53, 1.3, 1.34, 2.6), 3.0)[:, None]
    stream = detector.stream(RATE_HZ)
    returned: list[Event] = []
    for end in range(4_800, len(sound) + 1, 4_800):
        returned += stream.feed(sound[end - 4_800 : end])
        assert (*returned, *stream.provisional()) == detector.detect(sound[:end], RATE_HZ).events

    assert stream.finish() == detector.detect(sound, RATE_HZ)


@LAWS
@given(
    seed=SEEDS,
    holes=st.lists(st.tuples(st.integers(0, 95_000), st.integers(1, 40_000)), max_size=3),
    sizes=st.lists(st.integers(900, 60_000), min_size=1, max_size=4),
)
def test_blocks_do_not_matter_where_sound_is_missing(
    detector: Detector, clip: Clip, seed: int, holes: list[tuple[int, int]], sizes: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    sound = clip(tuple(np.sort(rng.uniform(0, 3.9, 9))), 4.0, seed, float(10 ** rng.uniform(-4, -1)))[:, None]
    for start, size in holes:
        sound[start : start + size] = 0

    assert streamed(detector, sound, sizes) == detector.detect(sound, RATE_HZ)


@LAWS
@given(lengths=st.lists(st.integers(480, 9_600), min_size=1, max_size=6), seed=SEEDS)
def test_neighbours_in_a_batch_do_not_matter_for_the_shortest_clips(
    detector: Detector, clip: Clip, lengths: list[int], seed: int
) -> None:
    sound = clip((0.004, 0.05, 0.1), 0.3, seed, 0.01)
    files = []
    for length in lengths:
        files.append(io.BytesIO())
        soundfile.write(files[-1], sound[:length], RATE_HZ, format="WAV")
    together = detector.verdicts([(file, str(index)) for index, file in enumerate(files)])

    assert [v.detection for v in together] == [detector.detect(file) for file in files]


def test_a_clip_without_a_likely_sound_has_the_same_probability_in_every_way(detector: Detector) -> None:
    # the log-odds of a hum lie below those of a clip without candidates
    time = np.arange(3 * RATE_HZ) / RATE_HZ
    for seed in range(4):
        noise = 1e-4 * np.random.default_rng(seed).standard_normal(len(time))
        sound = (0.1 * np.sin(2 * np.pi * 50 * time) + noise).astype(np.float32)[:, None]

        assert streamed(detector, sound, [7_777]) == detector.detect(sound, RATE_HZ)


def test_a_long_array_is_processed_like_a_stream(detector: Detector, clip: Clip) -> None:
    sound = clip((0.5, 19.99, 20.02, 30.0), 41.0)[:, None]

    assert detector.detect(sound, RATE_HZ) == streamed(detector, sound, [33_333])
    assert detector.detect(sound, RATE_HZ).n_pops == 4


@pytest.mark.parametrize(
    ("blocks", "error"),
    [([], Empty), ([np.zeros((48_000, 1))], Empty), ([np.full((100, 1), 0.1)] * 4, TooShort)],
    ids=["nothing", "silence", "too short"],
)
def test_a_stream_ends_with_the_errors_of_a_file(
    detector: Detector, blocks: list[Sound], error: type[AudioError]
) -> None:
    stream = detector.stream(RATE_HZ)
    for block in blocks:
        stream.feed(block)

    with pytest.raises(error):
        stream.finish()


def test_a_refused_block_leaves_the_stream_as_it_was(detector: Detector, clip: Clip) -> None:
    sound = clip((0.5, 0.53), 1.0)
    stream = detector.stream(RATE_HZ)
    stream.feed(sound[:20_000])
    for bad, error in ((np.full(100, np.nan), NotFinite), (np.ones((9, 3)), Unreadable)):
        with pytest.raises(error):
            stream.feed(bad)
    stream.feed(sound[20_000:])

    assert stream.finish() == detector.detect(sound, RATE_HZ)


def test_a_buffered_file_object_is_read_like_its_file(detector: Detector, clip: Clip, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", clip((0.5, 0.53), 1.0), RATE_HZ)

    with (tmp_path / "a.wav").open("rb") as handle:
        assert detector.detect(handle) == detector.detect(tmp_path / "a.wav")
