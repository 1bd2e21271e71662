"""A model is fitted with whole groups held out, the same for the same seed, and not from too little."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from learning_fakes import LOGISTIC, N_GROUPS, examples, fitted

from popdetect.detection.conclusion import NO_EVENT_LOGIT
from popdetect.detection.model import bundle, serialization
from popdetect.detection.model.classifiers import sigmoid
from popdetect.detection.signal import candidate_filter
from popdetect.errors import UsageError
from popdetect.training.data.examples import best_logits
from popdetect.training.models import bundle_files, calibration, estimators, fitting
from popdetect.training.models.calibration import operating_points
from popdetect.training.models.estimators import Strategy
from popdetect.training.models.fitting import Example


def silent() -> tuple[np.ndarray, int]:
    return np.zeros((48_000, 1), np.float32), 48_000


def clips(n_pop: int, n_not: int, n_groups: int = 5, onsets: tuple[float, ...] | None = (0.1, 0.2)) -> list[Example]:
    return [
        Example(f"{i}.wav", f"p{i % n_groups}", i < n_pop, onsets if i < n_pop else (), silent)
        for i in range(n_pop + n_not)
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], r"^no clips; at least 10 with a pop and 10 without are needed$"),
        (clips(30, 0), r"^all 30 clips are labelled pop; both are needed, at least 10 clips of each$"),
        (clips(0, 30), r"^all 30 clips are labelled no_pop; both are needed, at least 10 clips of each$"),
        (clips(9, 30), r"^9 clips with a pop and 30 without; at least 10 of each are needed$"),
        (clips(30, 9), r"^30 clips with a pop and 9 without; at least 10 of each are needed$"),
        (clips(10, 10, onsets=(0.1,)), r"^10 pops in all; at least 20 are needed$"),
        (clips(10, 10, onsets=None), r"^10 pops in all; at least 20 are needed$"),
        (clips(20, 20, 1), r"^clips of 1 patient; at least 3 are needed, so that the model can be tested on people"),
        (clips(20, 20, 2), r"^clips of 2 patients; at least 3 are needed"),
    ],
)
def test_too_little_is_refused_with_what_there_is_and_what_is_needed(given: list[Example], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        fitting.check_enough(given)


def test_just_enough_is_enough() -> None:
    fitting.check_enough(clips(10, 10, 3))
    fitting.check_enough(clips(20, 10, 3, onsets=None))  # unmarked clips hold a pop each
    fitting.check_enough(clips(10, 10, 1), allow_ungrouped=True)
    with pytest.raises(UsageError, match="at least 10"):
        fitting.check_enough(clips(9, 9, 1), allow_ungrouped=True)


def stored(model: bundle.Model) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """All that a bundle holds of a model."""
    arrays: dict[str, np.ndarray] = {}
    return {name: serialization.store(getattr(model, name), name, arrays) for name in bundle.STORED}, arrays


def test_the_same_examples_and_seed_fit_the_same() -> None:
    again = fitting.fit(examples(), name="small", version="1", strategies=LOGISTIC)

    (one, arrays), (same, same_arrays) = stored(again.model), stored(fitted().model)
    assert bundle_files.npz_bytes(arrays) == bundle_files.npz_bytes(same_arrays)
    assert one == same
    assert again.selection[0].strategy == fitted().selection[0].strategy
    assert again.model.operating_points == fitted().model.operating_points
    assert again.model.event_calibration == fitted().model.event_calibration
    np.testing.assert_array_equal(again.held_out_logits, fitted().held_out_logits)


def test_what_was_fitted_is_of_one_piece() -> None:
    small = fitted()
    heard, model = small.candidates, small.model
    n = len(heard.rows)

    assert len(heard.marks) == len(heard.clip) == len(heard.onsets_s) == len(small.held_out_logits) == n > 100
    assert heard.rows.shape[1] == len(model.feature_names)
    assert len(heard.durations_s) == len(examples())
    assert (np.diff(heard.clip) >= 0).all()
    assert set(heard.marks.tolist()) == {-1, 0, 1}
    assert [one.strategy.name for one in small.selection] == ["logistic"]
    assert small.selection[0].clip_auroc > 0.8
    for index, example in enumerate(examples()):
        marked = heard.onsets_s[(heard.clip == index) & (heard.marks == 1)]
        assert len(marked) <= len(example.onsets_s or ())
        assert all(min(abs(time - true) for true in example.onsets_s or ()) <= 0.005 for time in marked)


def test_no_row_is_judged_by_a_fit_that_heard_its_group() -> None:
    learned: list[set[bytes]] = []

    def fit(rows: np.ndarray, labels: np.ndarray, seed: int) -> Any:
        learned.append({row.tobytes() for row in rows})
        return estimators.ESTIMATORS[0].fit(rows, labels, seed)

    small = fitting.fit(examples(), name="a", version="1", strategies=[Strategy("spy", "spy", fit)])
    heard = small.candidates
    of_group = [
        {heard.rows[i].tobytes() for i in np.flatnonzero((heard.marks >= 0) & (heard.clip % N_GROUPS == group))}
        for group in range(N_GROUPS)
    ]
    *folds, last = learned

    assert len(folds) == 5
    left_out = [[group for group in range(N_GROUPS) if not of_group[group] & rows] for rows in folds]
    assert sorted(group for out in left_out for group in out) == list(range(N_GROUPS))
    for rows, out in zip(folds, left_out, strict=True):
        assert rows == set().union(*(of_group[group] for group in range(N_GROUPS) if group not in out))
    assert last == set().union(*of_group)


def test_a_base_model_gives_its_front_end_and_candidate_filter() -> None:
    base_model = bundle.load()
    taught = fitting.fit(examples(), name="a", version="1", strategies=LOGISTIC, base=base_model).model

    assert (taught.front_end, taught.onset_rule) == (base_model.front_end, base_model.onset_rule)
    assert taught.pass_from == base_model.pass_from
    rows = np.random.default_rng(0).normal(-10, 10, (50, len(candidate_filter.names(base_model.front_end.n_columns))))
    np.testing.assert_array_equal(taught.candidate_filter.logit(rows), base_model.candidate_filter.logit(rows))


def test_pops_that_nobody_marked_need_a_teacher() -> None:
    unmarked = [replace(e, onsets_s=None) if e.is_pop else e for e in examples()]

    with pytest.raises(UsageError, match="need a current model, which finds the pops in them"):
        fitting.fit(unmarked, name="a", version="1", strategies=LOGISTIC)
    taught = fitting.fit(unmarked, name="a", version="1", strategies=LOGISTIC, base=bundle.load())
    by_mouth = {taught.candidates.clip[i] for i in np.flatnonzero(taught.candidates.marks == 1)}
    assert all(examples()[index].is_pop for index in by_mouth)
    assert len(by_mouth) > 0.8 * sum(e.is_pop for e in examples())


@pytest.mark.parametrize("base_model", [False, True])
def test_onsets_in_another_unit_are_refused(base_model: bool) -> None:
    wrong = [replace(e, onsets_s=tuple(1000 * t for t in e.onsets_s or ())) for e in examples()]

    with pytest.raises(UsageError, match="could be found in the sound; check that onsets_s are seconds"):
        fitting.fit(wrong, name="a", version="1", strategies=LOGISTIC, base=bundle.load() if base_model else None)


def test_pops_of_one_patient_only_are_refused() -> None:
    one = [replace(e, group="p0" if e.is_pop else e.group) for e in examples()]
    one = [replace(e, group="p1") if not e.is_pop and e.group == "p0" else e for e in one]

    with pytest.raises(UsageError, match="one patient has nearly all the pops"):
        fitting.fit(one, name="a", version="1", strategies=LOGISTIC)


def test_one_group_is_split_by_clips_where_that_is_allowed() -> None:
    one = [replace(e, group="p0") for e in examples()]
    fitting.check_enough(one, allow_ungrouped=True)
    small = fitting.fit(one, name="a", version="1", strategies=LOGISTIC)
    by_clip = fitting.fit([replace(e, group=e.file) for e in one], name="a", version="1", strategies=LOGISTIC)

    assert small.selection[0].clip_auroc > 0.8
    np.testing.assert_array_equal(small.held_out_logits, by_clip.held_out_logits)
    assert fitting.held_out_together(one[:3]) == ["00.wav", "01.wav", "02.wav"]
    assert fitting.held_out_together(examples()[:3]) == ["p0", "p1", "p2"]


@pytest.mark.parametrize("base_model", [False, True])
def test_clips_of_8_khz_can_be_learned_from(base_model: bool) -> None:
    small = fitting.fit(examples(60, (8_000,)), name="a", version="1", base=bundle.load() if base_model else None)
    rows = small.candidates.rows

    assert np.isnan(rows).all(axis=0).any()
    np.testing.assert_allclose(
        sigmoid(small.model.classifier.logit(rows)), small.estimator.predict_proba(rows)[:, 1], atol=1e-9
    )
    assert small.selection[0].clip_auroc > 0.7


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    fitting.fit(examples(), name="a", version="1", strategies=LOGISTIC, on_progress=lambda *step: told.append(step))

    assert list(dict.fromkeys(what for what, _, _ in told)) == [
        "finding candidates", "extracting features", "comparing classifiers", "fitting",
    ]  # fmt: skip
    assert all(0 <= done < total for _, done, total in told)


def test_a_clip_counts_for_its_best_candidate_and_without_one_for_the_floor() -> None:
    logits, clip = np.array([1.0, 3.0, -2.0, -20.0]), np.array([0, 0, 2, 3])

    assert best_logits(logits, clip, 5).tolist() == [3.0, NO_EVENT_LOGIT, -2.0, NO_EVENT_LOGIT, NO_EVENT_LOGIT]
    assert best_logits(np.empty(0), np.empty(0, int), 2).tolist() == [NO_EVENT_LOGIT] * 2


probabilities = st.floats(0, 1)


@given(no_pop=st.lists(probabilities, min_size=10, max_size=60), pop=st.lists(probabilities, min_size=10, max_size=60))
@settings(max_examples=200, deadline=None)
def test_operating_points_are_in_order_whatever_was_heard(no_pop: list[float], pop: list[float]) -> None:
    p, labels = np.array(no_pop + pop), np.array([False] * len(no_pop) + [True] * len(pop))
    points = operating_points(p, labels)
    sensitive, balanced, specific = (points[name] for name in ("sensitive", "balanced", "specific"))

    assert list(points) == ["balanced", "sensitive", "specific"]
    for point in points.values():
        assert 0 < point.no_pop_below <= point.pop_from < 1
        assert 0 < point.burst_from < 1
    assert sensitive.pop_from <= balanced.pop_from <= specific.pop_from
    assert sensitive.burst_from < balanced.burst_from < specific.burst_from


@pytest.mark.parametrize(("name", "share"), [("balanced", 0.95), ("specific", 0.99), ("sensitive", 0.9)])
def test_operating_points_call_no_more_clips_than_they_say(name: str, share: float) -> None:
    """30 clips of each kind, wholly told apart: not one without a pop need be called."""
    p, labels = (10 + np.arange(60)) / 100, np.arange(60) >= 30
    point = operating_points(p, labels)[name]

    assert (p[~labels] < point.pop_from).mean() >= share


@given(
    no_pop=st.lists(st.floats(0.02, 0.97), min_size=10, max_size=60),
    pop=st.lists(st.floats(0.02, 0.97), min_size=10, max_size=60),
)
@settings(max_examples=200, deadline=None)
def test_thresholds_keep_their_promise_and_lie_between_clips(no_pop: list[float], pop: list[float]) -> None:
    p, labels = np.array(no_pop + pop), np.array([False] * len(no_pop) + [True] * len(pop))
    written = json.loads(json.dumps({k: asdict(v) for k, v in operating_points(p, labels).items()}))

    for name, (specificity, _) in calibration.TARGETS.items():
        pop_from, no_pop_below = written[name]["pop_from"], written[name]["no_pop_below"]
        assert (p[~labels] < pop_from).mean() >= specificity - 1e-12
        if no_pop_below == calibration.NO_POP_BELOW[1]:  # more would be uncertain than wanted: none of these is no_pop
            continue
        uncertain = (p >= no_pop_below) & (p < pop_from)
        assert uncertain.mean() <= calibration.MAX_UNCERTAIN + 1e-12
        # as many are uncertain as may be, unless nearly all pop clips are above: one more clip (or several with the
        # same probability) would be too many
        lower = p[p < no_pop_below].max(initial=0.0)
        assert (p[labels] >= no_pop_below).mean() >= calibration.KEPT - 1 / len(pop) - 1e-12 or (
            (p >= lower) & (p < pop_from)
        ).mean() > calibration.MAX_UNCERTAIN
        # the same clips are called as with a threshold a little higher, as long as no clip lies between
        below, above = p[p < pop_from].max(initial=0.0), p[p >= pop_from].min(initial=1.0)
        assert below < pop_from <= above


@given(below=st.floats(0, 1), above=st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_a_threshold_between_two_clips_parts_them_with_few_decimals(below: float, above: float) -> None:
    below, above = sorted((below, above))
    if below == above:
        return
    threshold = calibration.between(below, above)

    assert below < threshold <= above
    assert json.loads(json.dumps(threshold)) == threshold
    if above - below > 1e-3:
        assert threshold == round(threshold, 4)
        assert threshold == pytest.approx((below + above) / 2, abs=1e-4)


def test_thresholds_lie_half_way() -> None:
    p, labels = np.array([0.1] * 20 + [0.5] * 20), np.arange(40) >= 20
    point = operating_points(p, labels)["balanced"]

    assert (point.no_pop_below, point.pop_from) == (0.3, 0.3)


def test_the_filter_keeps_what_the_classifier_must_separate() -> None:
    """The filter fits few clips perfectly; if only their pops passed, the classifier would have no negatives."""
    heard = fitted().candidates

    assert (heard.marks == 0).sum() > (heard.marks == 1).sum()


def test_the_default_front_end_is_that_of_the_shipped_model() -> None:
    front_end: Callable[[], object] = fitting.default_front_end

    assert front_end() == bundle.load().front_end
