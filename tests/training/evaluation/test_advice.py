"""Advice on adopting a model: paired figures of the same people, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from learning_verdicts import hears, verdicts

from popdetect.training.evaluation import comparison, negative_controls
from popdetect.training.evaluation.matching import ScoredClip
from popdetect.training.evaluation.negative_controls import ControlResult
from popdetect.training.evaluation.scores import score


def advised(new: Sequence[ScoredClip], current: Sequence[ScoredClip], **options: Any) -> tuple[bool, str]:
    return comparison.advise(new, current, hears(0), hears(0), **options)


def noisy(seed: int, hold: float, n: int = 60) -> list[ScoredClip]:
    """Clips of ten people; the mean p_pop is 0.5 + `hold` with a pop and 0.5 - `hold` without."""
    rng = np.random.default_rng(seed)
    return [
        replace(clip, p_pop=float(np.clip(0.5 + hold * (1 if clip.truth_label == "pop" else -1) + z, 0, 1)))
        for clip, z in zip(verdicts(n, n, n_groups=10), 0.3 * rng.standard_normal(2 * n), strict=True)
    ]


@pytest.mark.parametrize(
    ("new", "current", "adopt", "words"),
    [
        (verdicts(20), verdicts(15), True, "Adopt: the new model is better; "),
        (verdicts(15), verdicts(20), False, "Keep the current model: the new model is worse; "),
        (verdicts(15), verdicts(15), False, "No clear difference: it may be chance; "),
        (verdicts(20), verdicts(20, early_s=0.02), True, "Adopt: the new model is better; "),
        # better clips, no onset right
        (verdicts(20, early_s=0.02), verdicts(15), False, "Keep the current model: the new model is worse; "),
    ],
)
def test_advice_follows_the_figures_and_says_them(
    new: list[ScoredClip], current: list[ScoredClip], adopt: bool, words: str
) -> None:
    did, sentence = advised(new, current)
    ours, theirs = score(new), score(current)

    assert did is adopt
    assert sentence.startswith(words)
    assert sentence.endswith(".")
    assert not re.search(r"[.!?]\s", sentence)
    assert ours.auroc
    assert theirs.auroc
    assert f"clip AUROC {ours.auroc.value:.3f} against {theirs.auroc.value:.3f} (difference " in sentence
    assert "on the same 40 held-out clips of 5 groups" in sentence
    assert "pops per minute in sound without pops (the current model 0.0)" in sentence
    if ours.events.f1 and theirs.events.f1:
        assert f"event F1 {ours.events.f1.value:.3f} against {theirs.events.f1.value:.3f} (difference " in sentence


def test_a_small_gain_is_not_called_one_and_a_great_one_is() -> None:
    base = noisy(0, 0.3)

    assert advised(noisy(1, 0.31), base)[1].startswith("No clear difference: ")
    assert advised(noisy(1, 0.8), base)[1].startswith("Adopt: ")
    assert advised(noisy(1, 0.05), base)[1].startswith("Keep the current model: ")


def test_noise_alone_is_seldom_called_a_difference() -> None:
    """Two equally good models, thirty times."""
    called = sum(not advised(noisy(k, 0.3), noisy(100 + k, 0.3))[1].startswith("No clear") for k in range(30))

    assert called <= 6  # one in twenty is meant; ten people give somewhat more


def test_the_interval_is_that_of_the_differences_of_people_drawn_again() -> None:
    """Independent reference: people are drawn one by one, each figure is `score` on the clips of that draw."""
    new, current = noisy(3, 0.35), noisy(4, 0.25)
    (auroc, f1) = comparison.differences(new, current, seed=0)
    rng = np.random.default_rng(9)
    people = sorted({clip.group for clip in new})
    drawn = []
    for _ in range(400):
        names = [people[i] for i in rng.integers(0, len(people), len(people))]
        both = []
        for clips in (new, current):
            again = [replace(c, file=f"{k} {c.file}") for k, name in enumerate(names) for c in clips if c.group == name]
            both.append(score(again, n_boot=0).auroc)
        drawn.append(both[0].value - both[1].value)  # type: ignore[union-attr]

    assert (auroc.low, auroc.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.03)
    assert auroc.low is not None
    assert auroc.high is not None
    assert auroc.low < auroc.new - auroc.current < auroc.high
    assert (f1.new, f1.current, f1.low, f1.high) == (1, 1, 0, 0)


def test_advice_depends_on_the_seed_alone_not_on_the_order_of_the_clips() -> None:
    new, current = noisy(1, 0.35), noisy(2, 0.3)

    assert advised(new, current) == advised(new[::-1], current[::-1])
    assert advised(new, current, seed=1) != advised(new, current, seed=2)


def test_pairs_must_be_of_the_same_clips() -> None:
    with pytest.raises(ValueError, match="not on the same clips"):
        comparison.differences(verdicts(20), verdicts(20)[::-1])


@pytest.mark.parametrize(
    ("controls_new", "controls_current", "kept"),
    [(4.0, 0.0, True), (3.0, 2.0, True), (3.0, 5.0, False), (0.1, 0.0, True)],
)
def test_pops_in_sound_that_has_none_outweigh_all_else(
    controls_new: float, controls_current: float, kept: bool
) -> None:
    adopt, sentence = comparison.advise(verdicts(20), verdicts(10), hears(controls_new), hears(controls_current))

    assert adopt is not kept
    if kept:
        assert sentence.startswith(
            "Keep the current model: the new model finds more pops where there are none, in the negative controls: "
            f"{controls_new:.1f} pops per minute in sound without pops (the current model {controls_current:.1f}); "
            "clip AUROC 1.000 against 0.500"
        )


def test_without_figures_there_is_no_advice_to_adopt() -> None:
    adopt, sentence = advised([], [])

    assert not adopt
    assert sentence.startswith("No clear difference: nothing could be compared; ")


def test_a_handful_of_people_cannot_tell() -> None:
    """Results of three or four people may all agree by chance."""
    four = verdicts(20, n_groups=4), verdicts(10, n_groups=4)
    adopt, sentence = advised(*four)

    assert not adopt
    assert sentence.startswith("No clear difference: clips of 4 people are too few, at least 5 are needed; ")
    assert "clip AUROC 1.000 against 0.500" in sentence
    assert advised(verdicts(20, n_groups=5), verdicts(10, n_groups=5))[0]


def test_figures_on_training_clips_of_the_current_model_are_no_reason_to_keep_it() -> None:
    worse, better = verdicts(15), verdicts(20)
    seen = [clip.file for clip in worse[:7]]
    adopt, sentence = advised(worse, better, seen=[*seen, "elsewhere.wav"])

    assert not adopt
    assert sentence.startswith(
        "No clear difference: the new model seems worse, but only it was tested on unseen clips; "
    )
    assert "the current model was trained on 7 of these 40 clips, so its figures are too high" in sentence
    assert advised(better, worse, seen=seen)[0]  # better even so
    assert comparison.advise(better, worse, hears(9), hears(0), seen=seen)[1].startswith("Keep the current model: ")
    assert "was trained on" not in advised(worse, better, seen=["elsewhere.wav"])[1]


def test_people_whom_neither_model_was_trained_on_decide_where_they_are_enough() -> None:
    new, current = verdicts(60, 60, n_groups=10), verdicts(40, 60, n_groups=10)
    seen = [clip.file for clip in new if clip.group in ("p0", "p1", "p2", "p3")]
    adopt, sentence = advised(current, new, seen=seen[:20])

    assert not adopt
    assert sentence.startswith("Keep the current model: the new model is worse; ")
    assert "on the same 72 held-out clips of 6 groups" in sentence
    assert (
        "trained on 20 of these 120 clips, so its figures are too high; only people whose clips it was not" in sentence
    )
    # fewer than five people left: they do not decide
    more = [*seen, *(clip.file for clip in new if clip.group in ("p4", "p5"))]
    assert advised(current, new, seen=more)[1].startswith("No clear difference: ")


def test_what_must_be_known_of_the_figures_is_in_the_sentence() -> None:
    note = "people unknown, so these figures flatter"

    assert note in advised(verdicts(20), verdicts(15), caveat=note)[1]
    assert note in comparison.advise_alone(score(verdicts(20)), hears(0), caveat=note)[1]


def test_without_a_current_model_the_advice_has_figures_too() -> None:
    scores = score(verdicts(18))
    adopt, sentence = comparison.advise_alone(scores, hears(0.25))
    refused, why = comparison.advise_alone(scores, hears(1.5))

    assert adopt
    assert not refused
    assert sentence.startswith(
        "Adopt: there is no current model to compare with, and by the negative controls it is usable; clip AUROC 0."
    )
    assert (
        "on 40 held-out clips of 5 groups; it finds 0.5 pops per minute in noise and speech without pops (allowed"
        in sentence
    )
    assert re.search(r"clip AUROC 0\.\d{3} \(95 % interval 0\.\d{3} to [01]\.\d{3}\); event F1 0\.\d{3}", sentence)
    assert why.startswith("Do not adopt: there is no current model")
    assert "not usable" in why
    assert "3.0 pops per minute" in why


def test_fewer_false_pops_on_clicks_do_not_pay_for_more_in_noise_or_in_own_recordings() -> None:
    minutes = {"noise": 2.0, "click": 2.0, negative_controls.OWN: 2.0}
    before = ControlResult({"noise": 0, "click": 50, negative_controls.OWN: 1}, minutes)

    for n_false, note in (({"noise": 1, "click": 3, negative_controls.OWN: 0}, "noise and speech"),
                          ({"noise": 0, "click": 3, negative_controls.OWN: 2}, negative_controls.OWN)):  # fmt: skip
        adopt, sentence = comparison.advise(verdicts(20), verdicts(10), ControlResult(n_false, minutes), before)
        assert not adopt
        assert f"Keep the current model: the new model finds more pops where there are none, in {note}" in sentence
