"""Where a sound starts: laws of shifting, scaling, adding; and what is too short to be one."""

from __future__ import annotations

import csv
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from popdetect.detection.audio import recording as audio
from popdetect.detection.signal import frames as spectrum
from popdetect.detection.signal import onsets
from popdetect.detection.signal import refinement as locating
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.detection.signal.refinement import snippets
from popdetect.training.data.dsp import RATE_HZ, resample
from popdetect.training.data.examples import FeatureExtractor, filter_inputs
from popdetect.training.models.fitting import default_front_end

FRONT = default_front_end()
RULE = OnsetRule()
Clip = Callable[..., np.ndarray]


def candidates(sound: np.ndarray, rule: OnsetRule = RULE, rate_hz: int = RATE_HZ) -> np.ndarray:
    transform = spectrum.transform(FRONT, rate_hz)
    power = transform.power(np.ascontiguousarray(sound))
    return onsets.pick(onsets.greatest(onsets.rise(power, transform.groups, FRONT.window_hops, rule)), rule)


def onsets_of(sound: np.ndarray, rate_hz: int = RATE_HZ) -> np.ndarray:
    return FeatureExtractor(FRONT, RULE).extract(sound, rate_hz).onsets_s


def test_shifting_the_clip_shifts_the_onsets(clip: Clip) -> None:
    sound = clip((0.5, 1.0))
    later = np.concatenate([sound[:4_800][::-1], sound])

    # from a tenth of a second on, where what was put before is out of sight
    still, moved = candidates(sound), candidates(later) - 100
    np.testing.assert_array_equal(still[still > 100], moved[moved > 100])


@pytest.mark.parametrize("gain", [2.0**-6, 0.25, 8.0])
def test_gain_moves_nothing(clip: Clip, gain: float) -> None:
    sound = clip((0.5, 0.53, 1.0))

    np.testing.assert_array_equal(candidates(sound), candidates(sound * np.float32(gain)))


def test_a_far_louder_sound_later_changes_nothing_before(clip: Clip) -> None:
    sound = clip((0.5,))
    louder = sound.copy()
    louder[96_000:] *= 50

    before = candidates(sound)
    after = candidates(louder)
    np.testing.assert_array_equal(before[before < 1_900], after[after < 1_900])


def test_raising_a_threshold_only_takes_away(clip: Clip) -> None:
    sound = clip((0.5, 1.0))
    sets = [set(candidates(sound, OnsetRule(rise_db=db)).tolist()) for db in (3.0, 5.0, 8.0, 12.0)]

    assert sets[0] > sets[1] > sets[2] >= sets[3]
    assert sets[3]


@pytest.mark.parametrize("gap_ms", [12, 15, 20, 40])
def test_pops_12_ms_apart_are_two(clip: Clip, gap_ms: int) -> None:
    first, second = 0.5, 0.5 + gap_ms / 1000
    found_s = onsets_of(clip((first, second)))

    assert np.abs(found_s - first).min() < 0.001
    assert np.abs(found_s - second).min() < 0.001


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 96_000, 192_000])
def test_onsets_are_found_within_half_a_millisecond_at_any_rate(clip: Clip, rate_hz: int) -> None:
    true = (0.3, 0.741, 1.2345)
    found_s = onsets_of(resample(clip(true, 2.0), RATE_HZ, rate_hz), rate_hz)

    for onset in true:
        assert np.abs(found_s - onset).min() < 0.0005


def test_a_single_wrong_sample_is_no_candidate() -> None:
    rng = np.random.default_rng(1)
    sound = 0.001 * rng.standard_normal(48_000).astype(np.float32)
    for at in (10_000, 20_011, 30_023):
        sound[at] = 0.9
    found_s = onsets_of(sound)

    assert all(np.abs(found_s - at / 48_000).min() > 0.003 for at in (10_000, 20_011, 30_023))


def test_silence_and_the_time_before_the_clip_are_the_same(clip: Clip) -> None:
    sound = clip((0.5,))
    padded = np.concatenate([np.zeros(48 * 500, np.float32), sound])
    alone, after_silence = onsets_of(sound), onsets_of(padded) - 0.5

    np.testing.assert_allclose(alone[alone > 0.11], after_silence[after_silence > 0.11], atol=1e-9)


@pytest.mark.shared
def test_the_marked_pops_of_real_recordings_are_candidates(shared_audio: Path) -> None:
    errors = []
    with (shared_audio / "pop_onsets.csv").open(encoding="utf-8") as handle:
        marks = [row for row in csv.DictReader(handle) if row["confidence"] == "high"]
    for path in sorted({row["path"] for row in marks}):
        samples, rate_hz = audio.read(shared_audio / path)
        found_s = FeatureExtractor(FRONT, RULE).extract(samples, rate_hz).onsets_s
        errors += [np.abs(found_s - float(row["onset_s"])).min() for row in marks if row["path"] == path]

    assert max(errors) < 0.001
    assert np.median(errors) < 0.0003


@pytest.mark.parametrize("shift", [48, 48 * 7, 48 * 250, 1, 31, 48 * 100 + 17])
def test_onsets_move_with_the_clip_by_any_number_of_samples(clip: Clip, shift: int) -> None:
    sound = clip((0.5, 0.53, 1.0))
    moved = onsets_of(np.concatenate([np.zeros(shift, np.float32), sound])) - shift / RATE_HZ
    tolerance = 1e-9 if shift % 48 == 0 else 0.00025  # whole hops: exact; else two bins of the fine envelope

    for onset in (0.5, 0.53, 1.0):
        still = onsets_of(sound)
        expected = still[np.abs(still - onset).argmin()]
        assert np.abs(moved - expected).min() <= tolerance


def test_where_a_pop_lies_between_the_frames_does_not_matter(clip: Clip) -> None:
    for offset_ms in np.arange(0, 1, 0.125):
        onset = 0.5 + offset_ms / 1000
        assert np.abs(onsets_of(clip((onset,), 1.0)) - onset).min() < 0.0005


def test_raising_the_prominence_only_takes_away(clip: Clip) -> None:
    sound = clip((0.5, 1.0))
    sets = [
        set(filter_inputs(sound, RATE_HZ, FRONT, OnsetRule(prominence_db=db))[0].tolist())
        for db in (5.0, 7.5, 10.0, 15.0)
    ]

    assert sets[0] > sets[1] >= sets[2] >= sets[3]
    assert len(sets[3]) >= 2


@pytest.mark.parametrize("n_frames", [1, 7, 23, 31, 63, 64, 65, 96, 200])
@pytest.mark.parametrize("n", [8, 96])
def test_running_sums_of_clips_shorter_than_their_reach(n_frames: int, n: int) -> None:
    sums = onsets._running_sum(np.ones((n_frames, 2), np.float32), n)

    np.testing.assert_array_equal(sums[:, 0], np.minimum(np.arange(n_frames) + 1, n))


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("order", ["C", "F"])
def test_pieces_are_those_samples_and_beyond_the_ends_the_last_one(n_channels: int, order: str) -> None:
    sound = np.asarray(np.random.default_rng(0).standard_normal((50, n_channels)), np.float32, order=order)
    starts = np.array([-20, -3, 0, 7, 40, 41, 49, 80])

    for size in (10, 50, 60):
        pieces = snippets(sound, starts, size)
        assert pieces.shape == (len(starts), n_channels, size)
        for piece, start in zip(pieces, starts, strict=True):
            wanted = sound[np.clip(start + np.arange(size), 0, 49)].T
            np.testing.assert_array_equal(piece, wanted)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_bins_hold_the_mean_power_of_their_samples(rate_hz: int) -> None:
    edges = locating._bin_edges(rate_hz)
    power = np.random.default_rng(1).random((3, edges[-1])).astype(np.float32)
    wanted = [[power[row, a:b].mean() for a, b in pairwise(edges)] for row in range(3)]

    np.testing.assert_allclose(locating._bin_means(power, edges), wanted, rtol=1e-6)
