"""Candidates are matched with pops one to one; training and detection compute the same features to the bit."""

from __future__ import annotations

import pickle
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_fakes import Says, examples

from popdetect.detection.conclusion import context_logits
from popdetect.detection.detector import Detector
from popdetect.detection.model import bundle
from popdetect.detection.signal import candidate_filter, context, features, onsets
from popdetect.detection.signal import frames as spectrum
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.detection.signal.refinement import locate, snippets
from popdetect.training.data.examples import (
    ECHO_S,
    LONE_REPEATS,
    MATCH_S,
    CandidateSet,
    Example,
    FeatureExtractor,
    extract_all,
    filter_inputs,
    mark,
)
from popdetect.training.evaluation.matching import match
from popdetect.training.models.fitting import default_front_end

times = st.lists(st.integers(0, 40_000).map(lambda n: n / 200_000), max_size=12, unique=True)  # steps of 5 µs
FRONT, RULE = default_front_end(), OnsetRule()


@given(found=times, true=times)
@settings(max_examples=300, deadline=None)
def test_each_pop_is_taken_once_and_its_echo_teaches_nothing(found: list[float], true: list[float]) -> None:
    found, true = sorted(found), sorted(true)
    marks = mark(np.array(found), tuple(true))
    pops = [time for time, m in zip(found, marks, strict=True) if m == 1]

    assert marks.dtype == np.int8
    assert set(marks.tolist()) <= {-1, 0, 1}
    assert len(match(true, pops, MATCH_S).pairs) == len(pops)  # every mark has a pop of its own
    for time, m in zip(found, marks, strict=True):
        near = [time - pop for pop in true]
        in_echo = any(ECHO_S[0] + 1e-9 < lag < ECHO_S[1] - 1e-9 for lag in near)
        if m == 0:
            assert not in_echo
        if m == -1:
            assert any(ECHO_S[0] - 1e-9 < lag < ECHO_S[1] + 1e-9 for lag in near)
    if found and true:  # the nearest pair of all is one
        lag, nearest = min((abs(f - t), f) for f in found for t in true)
        if lag < MATCH_S - 1e-9:
            assert any(abs(abs(nearest - t) - lag) < 1e-9 for t in true)
            assert pops


@given(found=times)
def test_where_nothing_is_true_nothing_is_marked(found: list[float]) -> None:
    assert mark(np.array(sorted(found)), ()).tolist() == [0] * len(found)
    assert mark(np.array([]), tuple(sorted(found))).tolist() == []


def test_the_nearest_candidate_is_the_pop() -> None:
    assert mark(np.array([0.4970, 0.4995, 0.5020]), (0.5,)).tolist() == [0, 1, -1]
    # and the other pop takes what is left
    assert mark(np.array([0.4970, 0.4995]), (0.5, 0.5001)).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("lag_ms", "expected"),
    [(-6, 0), (-4.9, 1), (-2.1, 1), (0, 1), (4.9, 1), (5.1, -1), (8.9, -1), (9.1, 0)],
)
def test_the_reach_of_a_match_and_of_an_echo(lag_ms: float, expected: int) -> None:
    assert mark(np.array([1 + lag_ms / 1000]), (1.0,)).tolist() == [expected]


def test_the_extractor_returns_the_features_of_describe() -> None:
    """All steps from samples to feature rows, one by one."""
    for example in examples()[:8]:
        samples, rate_hz = example.sound()
        shape = spectrum.transform(FRONT, rate_hz)
        power = shape.power(np.ascontiguousarray(samples[:, 0]))
        rises = onsets.rise(power, shape.groups, FRONT.window_hops, RULE)
        frames_db = spectrum.to_db(power.copy(), shape.present)
        groups_db = np.asarray(frames_db[:, shape.present] @ shape.groups[shape.present])
        frames = onsets.pick(onsets.greatest(rises), RULE)
        frames = frames[onsets.greatest(onsets.prominence(groups_db, frames, RULE)) >= RULE.prominence_db]
        located = locate(partial(snippets, samples), frames, shape, rate_hz)
        rows, _ = features.describe(frames_db, located, shape.hop, FRONT.window_hops, rate_hz)
        found = FeatureExtractor(FRONT, RULE).extract(samples, rate_hz)

        assert len(found.rows) > 3
        np.testing.assert_allclose(found.onsets_s, np.maximum(located["sample"], 0) / rate_hz, atol=1e-12)
        np.testing.assert_array_equal(found.rows, rows)
        assert found.duration_s == pytest.approx(len(samples) / rate_hz)


def test_without_a_filter_all_candidates_are_kept_and_a_filter_can_discard_all() -> None:
    samples, rate_hz = examples()[0].sound()
    unfiltered = FeatureExtractor(FRONT, RULE).extract(samples, rate_hz)
    open_ = FeatureExtractor(FRONT, RULE, Says(0.0), 0.0).extract(samples, rate_hz)
    discarded = FeatureExtractor(FRONT, RULE, Says(-1.0), 0.0).extract(samples, rate_hz)

    np.testing.assert_array_equal(unfiltered.rows, open_.rows)
    np.testing.assert_array_equal(unfiltered.onsets_s, open_.onsets_s)
    assert discarded.rows.shape == (0, len(features.names(FRONT.n_columns)))
    assert discarded.onsets_s.shape == (0,)


def test_training_and_detection_compute_the_same_features() -> None:
    """The extracted rows give the probabilities of the shipped model."""
    model = bundle.load()
    extractor = FeatureExtractor(model.front_end, model.onset_rule, model.candidate_filter, model.pass_from)
    for example in examples()[:12]:
        samples, rate_hz = example.sound()
        found = extractor.extract(samples, rate_hz)
        judged = Detector(model).detect(samples, rate_hz)
        first = model.base_calibration.log_odds(model.classifier.logit(found.rows))
        level_and_spectrum = features.level_and_spectrum(found.rows, model.front_end.n_columns)
        p_event = model.event_calibration(
            context_logits(model.context_model, context.describe(found.onsets_s * 1000, first, *level_and_spectrum))
        )
        listed = p_event >= 0.05
        if (found.onsets_s == 0).any():
            continue  # a sound cut by the start of the clip lies slightly before it, and is reported as 0

        assert [event.onset_s for event in judged.events] == found.onsets_s[listed].tolist()
        np.testing.assert_allclose([event.p_pop for event in judged.events], p_event[listed], atol=1e-9)


def test_an_extractor_can_be_used_for_several_clips() -> None:
    extractor = FeatureExtractor(FRONT, RULE)
    first, second = examples()[0].sound(), examples()[1].sound()
    before = extractor.extract(*first)
    extractor.extract(*second)
    after = extractor.extract(*first)

    np.testing.assert_array_equal(before.rows, after.rows)


def test_silence_has_no_candidates() -> None:
    found = FeatureExtractor(FRONT, RULE).extract(np.zeros((48_000, 1), np.float32), 48_000)

    assert len(found.rows) == len(found.onsets_s) == 0


def test_the_candidate_filter_is_trained_on_what_it_gets_in_detection() -> None:
    samples, rate_hz = examples()[0].sound()
    when, looks = filter_inputs(samples[:, 0], rate_hz, FRONT, RULE)
    found = FeatureExtractor(FRONT, RULE).extract(samples, rate_hz)

    assert looks.shape == (len(when), len(candidate_filter.names(FRONT.n_columns)))
    assert np.isfinite(looks).all()
    # each located candidate came from such a look, a window away at the most
    assert all(np.abs(when - onset).min() < 0.005 for onset in found.onsets_s)


def candidates_of(marks_by_clip: list[list[int]]) -> CandidateSet:
    """Candidates with these marks; the only feature is their number."""
    marks = np.array([m for marks in marks_by_clip for m in marks], np.int8)
    clip = np.repeat(np.arange(len(marks_by_clip)), [len(marks) for marks in marks_by_clip])
    rows = np.arange(len(marks), dtype=float)[:, None]
    return CandidateSet(rows, marks, clip, rows[:, 0], np.ones(len(marks_by_clip)))


@given(st.lists(st.lists(st.sampled_from([-1, 0, 1]), max_size=9), min_size=1, max_size=6))
def test_lone_pops_are_trained_on_more_often_and_each_clip_with_few_pops_equally(
    marks_by_clip: list[list[int]],
) -> None:
    found = candidates_of(marks_by_clip)
    rows = found.training_rows()
    times = np.bincount(rows, minlength=len(found.marks))

    assert (np.diff(rows) >= 0).all()
    assert (times[found.marks == -1] == 0).all()
    assert (times[found.marks == 0] == 1).all()
    for index, marks in enumerate(marks_by_clip):
        n = marks.count(1)
        each = {1: LONE_REPEATS, 2: LONE_REPEATS // 2}.get(n, 1)
        assert (times[(found.clip == index) & (found.marks == 1)] == each).all()


def test_clips_that_are_not_for_training_keep_their_candidates_without_marks() -> None:
    found = candidates_of([[1, 0], [1, -1, 0], [], [0, 1, 1]])
    learn = found.only_of(np.array([True, False, True, True]))

    assert learn.marks.tolist() == [1, 0, -1, -1, -1, 0, 1, 1]
    assert set(learn.clip[learn.training_rows()].tolist()) == {0, 3}
    assert learn.n_pops == 3
    np.testing.assert_array_equal(learn.rows, found.rows)
    assert found.marks.tolist() == [1, 0, 1, -1, 0, 0, 1, 1]  # unchanged


def assert_same(one: CandidateSet, other: CandidateSet) -> None:
    for name in ("rows", "marks", "clip", "onsets_s", "durations_s"):
        left, right = getattr(one, name), getattr(other, name)
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


def test_joined_sets_are_the_candidates_of_all_clips() -> None:
    silent = Example.in_memory("silent", "p0", np.zeros(48_000, np.float32), 48_000)
    clips = [silent, *examples()[:5], silent, *examples()[5:7]]
    extractor = FeatureExtractor(FRONT, RULE)
    whole = extract_all(clips, extractor, None)
    for cut in ((1,), (3, 4), (1, 6, 7)):
        parts = [extract_all(clips[i:j], extractor, None) for i, j in zip((0, *cut), (*cut, len(clips)), strict=True)]
        assert_same(CandidateSet.joined(parts), whole)
    assert len(whole.durations_s) == len(clips)


def test_an_example_in_memory_can_be_sent_to_another_process() -> None:
    sound = np.random.default_rng(0).standard_normal(100).astype(np.float32)
    sent = pickle.loads(pickle.dumps(Example.in_memory("a.wav", "p", sound, 8_000, (0.001,), uses=["calibration"])))

    assert (sent.file, sent.is_pop, sent.onsets_s, sent.uses) == (
        "a.wav",
        True,
        (0.001,),
        {"calibration"},
    )
    samples, rate_hz = sent.sound()
    np.testing.assert_array_equal(samples, sound[:, None])
    assert rate_hz == 8_000
