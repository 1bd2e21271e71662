"""Scores of verdicts; scikit-learn, mir_eval and scipy are the references."""

import json
import math
from dataclasses import asdict, replace
from typing import Any

import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import brier_score_loss, confusion_matrix, roc_auc_score, roc_curve

from popdetect.records import LABELS, to_json
from popdetect.training.evaluation.intervals import Figure, Ranking
from popdetect.training.evaluation.matching import ScoredClip
from popdetect.training.evaluation.scores import Scores, score, score_by_group

N_BOOT = 50


@st.composite
def clips(draw: st.DrawFn, groups: str = "abc", max_size: int = 12) -> list[ScoredClip]:
    drawn = []
    for k in range(draw(st.integers(0, max_size))):
        truth = draw(st.sampled_from(LABELS))
        marks = st.lists(st.integers(0, 99), max_size=3, unique=True).map(lambda ms: tuple(m / 100 for m in sorted(ms)))
        onsets = () if truth == "no_pop" else draw(st.none() | marks)
        drawn.append(
            ScoredClip(
                file=f"{k}.wav",
                group=draw(st.sampled_from(groups)),
                truth_label=truth,
                p_pop=draw(st.integers(0, 20)) / 20,
                label=draw(st.sampled_from(LABELS)),
                true_onsets_s=onsets or (() if truth == "no_pop" else None),
                found_onsets_s=draw(marks),
                duration_s=1.0,
            )
        )
    return drawn


def drawn_set(n: int, seed: int, n_groups: int = 1) -> list[ScoredClip]:
    """A plausible set: scores that overlap, onsets that jitter, misses and false alarms."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(n):
        pop = bool(rng.random() < 0.4)
        p = float(np.round(rng.beta(4, 2) if pop else rng.beta(2, 4), 2))
        true = tuple(sorted(rng.uniform(0, 2, rng.integers(1, 4)).tolist())) if pop else ()
        found = [t + rng.normal(0, 0.002) for t in true if rng.random() < 0.9] + rng.uniform(
            2.5, 3, rng.poisson(0.3)
        ).tolist()
        label = "pop" if p > 0.6 else "no_pop" if p < 0.4 else "uncertain"
        group = f"p{rng.integers(n_groups)}"
        made.append(ScoredClip(f"{k}.wav", group, "pop" if pop else "no_pop", p, label, true, tuple(found), 3.0))
    return made


def perfect(clip: ScoredClip) -> ScoredClip:
    return replace(
        clip,
        p_pop=float(clip.truth_label == "pop"),
        label=clip.truth_label,
        found_onsets_s=clip.true_onsets_s or (),
    )


def figures(scores: Scores) -> list[Figure]:
    parts = [getattr(scores, name) for name in Scores.__slots__]
    parts += [getattr(scores.events, name) for name in type(scores.events).__slots__]
    return [part for part in parts if isinstance(part, Figure)]


def value(figure: Figure | None) -> float | None:
    return None if figure is None else figure.value


def test_perfect_answers_score_one() -> None:
    scores = score([perfect(clip) for clip in drawn_set(40, seed=1)], n_boot=N_BOOT)

    rates = (scores.sensitivity, scores.specificity, scores.auroc, scores.sensitivity_at_specificity_95)
    events = scores.events
    assert [value(figure) for figure in (*rates, events.precision, events.recall, events.f1)] == [1.0] * 7
    wrong = (scores.brier, scores.false_pops_per_minute, scores.uncertain_share, events.count_error, events.count_bias)
    assert [value(figure) for figure in wrong] == [0.0] * 5
    assert (scores.ece, events.median_error_ms, events.p95_error_ms, events.fn, events.fp) == (0, 0, 0, 0, 0)


def test_perfect_answers_are_not_certain_ones() -> None:
    scores = score([perfect(clip) for clip in drawn_set(10, seed=1)], n_boot=N_BOOT)

    assert scores.auroc == Figure(1.0, None, None)
    assert scores.sensitivity is not None
    assert scores.sensitivity.low is not None
    assert scores.sensitivity.low < 0.9


@pytest.mark.parametrize("truth", ["none", "uncertain"])
def test_without_truth_nothing_is_defined(truth: str) -> None:
    unsure = [replace(clip, truth_label="uncertain") for clip in drawn_set(5, seed=2)]
    scores = score([] if truth == "none" else unsure)

    assert figures(scores) == []
    assert (scores.n_clips, scores.ece, scores.threshold_at_specificity_95, scores.n_groups) == (0, None, None, 0)
    assert scores.n_not_scored == (0 if truth == "none" else 5)
    assert sum(row.n for row in scores.reliability) == 0


@pytest.mark.parametrize("only", ["pop", "no_pop"])
def test_with_one_class_only_its_own_figures_are_defined(only: str) -> None:
    scores = score([clip for clip in drawn_set(30, seed=3) if clip.truth_label == only], n_boot=N_BOOT)

    assert scores.auroc is None
    assert scores.sensitivity_at_specificity_95 is None
    assert scores.threshold_at_specificity_95 is None
    assert (scores.sensitivity is None) == (only == "no_pop")
    assert (scores.specificity is None) == (only == "pop")
    assert (scores.false_pops_per_minute is None) == (only == "pop")
    assert (scores.events.f1 is None) == (only == "no_pop")
    assert scores.brier is not None


def test_pops_without_marked_onsets_have_no_event_rates() -> None:
    bare = [replace(c, true_onsets_s=None) if c.truth_label == "pop" else c for c in drawn_set(30, seed=4)]
    events = score(bare, n_boot=N_BOOT).events

    assert (events.n_marked_pop, events.tp, events.fn) == (0, 0, 0)
    assert events.n_marked > 0
    assert events.fp > 0
    assert (events.precision, events.recall, events.f1, events.count_error, events.median_error_ms) == (None,) * 5


@settings(deadline=None)
@given(clips(), st.randoms(use_true_random=False))
def test_the_order_of_clips_changes_nothing(given_clips: list[ScoredClip], random: Any) -> None:
    shuffled = list(given_clips)
    random.shuffle(shuffled)

    assert score(given_clips, n_boot=N_BOOT) == score(shuffled, n_boot=N_BOOT)


@settings(deadline=None)
@given(clips(), st.integers(0, 11))
def test_a_false_alarm_only_lowers_precision(given_clips: list[ScoredClip], at: int) -> None:
    marked = [
        k for k, clip in enumerate(given_clips) if clip.true_onsets_s is not None and clip.truth_label != "uncertain"
    ]
    before = score(given_clips, n_boot=0).events
    if not marked or before.precision is None:
        return
    k = marked[at % len(marked)]
    worse = list(given_clips)
    worse[k] = replace(worse[k], found_onsets_s=(*worse[k].found_onsets_s, 5.0))
    after = score(worse, n_boot=0).events

    assert (before.tp, before.fn, before.fp + 1) == (after.tp, after.fn, after.fp)
    assert before.recall == after.recall
    assert value(after.precision) < before.precision.value or before.tp == 0  # type: ignore[operator]


@settings(deadline=None)
@given(clips())
def test_counts_add_up_over_groups(given_clips: list[ScoredClip]) -> None:
    whole, parts = score(given_clips, n_boot=0), score_by_group(given_clips, n_boot=0)

    for name in ("n_clips", "n_pop", "n_no_pop", "n_not_scored", "n_false_pops"):
        assert getattr(whole, name) == sum(getattr(part, name) for part in parts.values())
    for name in ("n_marked", "n_marked_pop", "tp", "fn", "fp"):
        assert getattr(whole.events, name) == sum(getattr(part.events, name) for part in parts.values())
    for truth in whole.table:
        for label in LABELS:
            assert whole.table[truth][label] == sum(part.table[truth][label] for part in parts.values())
    assert whole.n_clips == sum(row.n for row in whole.reliability) == whole.n_pop + whole.n_no_pop


@settings(deadline=None)
@given(clips())
def test_nothing_undefined_is_written_and_json_keeps_it_all(given_clips: list[ScoredClip]) -> None:
    plain = to_json(score(given_clips, n_boot=N_BOOT))

    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


@settings(deadline=None)
@given(clips())
def test_intervals_hold_between_their_ends_and_are_whole(given_clips: list[ScoredClip]) -> None:
    for figure in figures(score(given_clips, n_boot=N_BOOT)):
        assert (figure.low is None) == (figure.high is None)
        if figure.low is not None and figure.high is not None:
            assert figure.low < figure.high


@pytest.mark.parametrize("seed", range(5))
def test_scikit_learn_agrees(seed: int) -> None:
    made = drawn_set(120, seed)
    truth = [clip.truth_label == "pop" for clip in made]
    p_pop = [clip.p_pop for clip in made]
    scores = score(made, n_boot=0)

    assert roc_auc_score(truth, p_pop) == pytest.approx(value(scores.auroc), abs=1e-12)
    assert brier_score_loss(truth, p_pop) == pytest.approx(value(scores.brier), abs=1e-12)
    theirs = confusion_matrix([c.truth_label for c in made], [c.label for c in made], labels=LABELS)
    assert theirs[:2].tolist() == [[scores.table[t][label] for label in LABELS] for t in ("pop", "no_pop")]
    fpr, tpr, _ = roc_curve(truth, p_pop, drop_intermediate=False)
    best = tpr[fpr <= 0.05 + 1e-9].max()
    assert best == pytest.approx(value(scores.sensitivity_at_specificity_95), abs=1e-12)
    threshold = scores.threshold_at_specificity_95
    assert threshold is not None
    called = [p >= threshold for p in p_pop]
    assert best == pytest.approx(sum(c and t for c, t in zip(called, truth, strict=True)) / sum(truth))
    assert sum(c and not t for c, t in zip(called, truth, strict=True)) <= 0.05 * truth.count(False)


@pytest.mark.parametrize("seed", range(5))
def test_scikit_learn_agrees_on_every_resample(seed: int) -> None:
    made = drawn_set(60, seed)
    truth, p_pop = np.array([c.truth_label == "pop" for c in made]), np.array([c.p_pop for c in made])
    weights = np.random.default_rng(seed).integers(0, 3, (20, len(made))).astype(float)
    auroc, sensitivity = Ranking(p_pop, truth).figures(weights)

    for row, ours, at_95 in zip(weights, auroc, sensitivity, strict=True):
        assert roc_auc_score(truth, p_pop, sample_weight=row) == pytest.approx(ours, abs=1e-12)
        fpr, tpr, _ = roc_curve(truth, p_pop, sample_weight=row, drop_intermediate=False)
        assert tpr[fpr <= 0.05 + 1e-9].max() == pytest.approx(at_95, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_mir_eval_agrees_on_events(seed: int) -> None:
    # one long clip for mir_eval: the clips end to end, 100 s apart
    made = drawn_set(40, seed)
    true = np.sort([100 * k + t for k, clip in enumerate(made) for t in clip.true_onsets_s or ()])
    found = np.sort([100 * k + t for k, clip in enumerate(made) for t in clip.found_onsets_s])
    events = score(made, n_boot=0).events

    ours = [value(figure) for figure in (events.f1, events.precision, events.recall)]
    assert mir_eval.onset.f_measure(true, found, window=0.005) == pytest.approx(ours, abs=1e-12)


def test_wilson_is_scipys() -> None:
    scores = score(drawn_set(50, seed=6), n_boot=0)
    theirs = binomtest(scores.table["pop"]["pop"], scores.n_pop).proportion_ci(method="wilson")

    assert scores.sensitivity is not None
    assert (theirs.low, theirs.high) == (scores.sensitivity.low, scores.sensitivity.high)
    # Wilson 1927 by hand for 9 of 10
    nine = [ScoredClip(f"{k}", "", "pop", 0.5, "pop" if k else "uncertain", None, (), 1) for k in range(10)]
    by_hand = score(nine, n_boot=0).sensitivity
    z, n, p = 1.959963984540054, 10, 0.9
    centre, half = (
        (p + z * z / (2 * n)) / (1 + z * z / n),
        z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n),
    )
    assert by_hand is not None
    assert (by_hand.low, by_hand.high) == pytest.approx((centre - half, centre + half))


def test_an_uncertain_verdict_is_right_on_neither_side() -> None:
    scores = score([replace(clip, label="uncertain") for clip in drawn_set(20, seed=7)], n_boot=0)

    assert [value(f) for f in (scores.sensitivity, scores.specificity, scores.uncertain_share)] == [0.0, 0.0, 1.0]


def test_events_are_counted_as_drawn() -> None:
    made = [
        ScoredClip("a", "", "pop", 0.9, "pop", (0.1, 0.2), (0.101, 0.3, 0.4), 2.0),  # one hit, one miss, two false
        ScoredClip("b", "", "pop", 0.9, "pop", (0.5,), (0.497,), 2.0),  # one hit
        ScoredClip("c", "", "pop", 0.9, "pop", None, (0.7,), 2.0),  # not marked: no event counts
        ScoredClip("d", "", "no_pop", 0.9, "pop", (), (0.1,), 30.0),  # one false
    ]
    scores = score(made, n_boot=0)
    events = scores.events

    assert (events.n_marked, events.n_marked_pop, events.tp, events.fn, events.fp) == (3, 2, 2, 1, 3)
    assert [value(f) for f in (events.precision, events.recall, events.f1)] == [2 / 5, 2 / 3, 1 / 2]
    assert events.median_error_ms == pytest.approx(2.0)
    assert [value(f) for f in (events.count_error, events.count_bias)] == [2 / 3, 2 / 3]
    assert (scores.n_false_pops, scores.no_pop_minutes, value(scores.false_pops_per_minute)) == (1, 0.5, 2.0)


def test_calibration_error_is_the_weighted_gap() -> None:
    said = [0.0, 0.05, 0.3, 0.7, 1.0, 1.0]
    so = ["no_pop", "pop", "no_pop", "pop", "pop", "no_pop"]
    made = [ScoredClip(str(k), "", t, p, "pop", None, (), 1) for k, (p, t) in enumerate(zip(said, so, strict=True))]
    scores = score(made, n_boot=0)

    # a bin's lower edge is its own, and 1.0 is in the last
    assert [row.n for row in scores.reliability] == [2, 0, 0, 1, 0, 0, 0, 1, 0, 2]
    assert scores.ece == pytest.approx((2 * abs(0.025 - 0.5) + 0.3 + 0.3 + 2 * abs(1 - 0.5)) / 6)
    assert (scores.reliability[1].mean_p_pop, scores.reliability[1].pop_share) == (None, None)


def test_people_are_resampled_together() -> None:
    one_each = [replace(clip, group=clip.file) for clip in drawn_set(40, seed=8)]
    # each clip five times: no new people, so no new certainty
    five_each = [replace(clip, file=f"{clip.file}-{k}") for clip in one_each for k in range(5)]
    alone, copied = score(one_each), score(five_each)
    believed = score([replace(clip, group="") for clip in five_each])

    def width(scores: Scores) -> float:
        assert scores.auroc is not None
        assert scores.auroc.low is not None
        assert scores.auroc.high is not None
        return scores.auroc.high - scores.auroc.low

    assert (alone.resampled, copied.resampled, believed.resampled) == ("groups", "groups", "clips")
    assert width(copied) == pytest.approx(width(alone), rel=0.1)
    assert width(believed) < 0.7 * width(copied)


def test_the_seed_decides_the_interval_and_nothing_else() -> None:
    made = drawn_set(40, seed=9, n_groups=8)
    first, same, other = score(made, seed=1), score(made, seed=1), score(made, seed=2)

    assert first == same
    assert first.auroc != other.auroc
    assert [f.value for f in figures(first)] == [f.value for f in figures(other)]


def test_a_class_that_resamples_often_lose_leaves_no_interval() -> None:
    made = [replace(clip, group="") for clip in drawn_set(30, seed=10)]
    one_pop = [c for c in made if c.truth_label == "no_pop"] + [next(c for c in made if c.truth_label == "pop")]
    scores = score(one_pop, n_boot=200)

    assert scores.auroc is not None
    assert scores.auroc.low is None


def test_ten_thousand_clips_can_be_scored() -> None:
    scores = score(drawn_set(10_000, seed=11), n_boot=20)

    assert scores.auroc is not None
    assert scores.auroc.low is not None
    assert scores.auroc.low < scores.auroc.value


def test_a_probability_beyond_one_is_refused() -> None:
    clip = drawn_set(1, seed=0)[0]
    for p_pop in (1.2, -0.1, math.nan):
        with pytest.raises(ValueError, match="a probability from 0 to 1"):
            ScoredClip(**{**asdict(clip), "p_pop": p_pop})
