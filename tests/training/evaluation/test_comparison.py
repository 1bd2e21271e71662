"""The comparison of two models: on the same people, and on sound without pops."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from learning_fakes import Says, examples, fitted
from learning_verdicts import verdicts

from popdetect.detection.conclusion import context_logits
from popdetect.detection.detector import Detector
from popdetect.detection.model import bundle
from popdetect.detection.model.bundle import Model
from popdetect.records import to_json
from popdetect.training.evaluation import comparison, negative_controls
from popdetect.training.evaluation.negative_controls import ControlResult
from popdetect.training.evaluation.scores import METRICS, Scores, card_figures, score
from popdetect.training.models import context_model


def saying(logit: float) -> Model:
    """The small model with one log-odds for all candidates; the candidate filter keeps all."""
    return replace(fitted().model, classifier=Says(logit), candidate_filter=Says(0.0), pass_from=0.0)


def scores(right: int) -> Scores:
    return score(verdicts(right), n_boot=50)


@pytest.fixture(scope="module")
def loud_guard() -> ControlResult:
    return negative_controls.run(saying(12.0))


def test_a_model_that_calls_everything_a_pop_fails_on_the_guard_set(loud_guard: ControlResult) -> None:
    adopt, sentence = comparison.advise(
        verdicts(20),
        verdicts(10),
        loud_guard,
        ControlResult(dict.fromkeys(negative_controls.KINDS, 0), loud_guard.minutes),
    )

    assert loud_guard.steady_per_min > 100
    assert not adopt
    assert sentence.startswith(
        "Keep the current model: the new model finds more pops where there are none, in the negative controls: "
        f"{loud_guard.per_min:.1f} pops per minute in sound without pops (the current model 0.0); "
    )


def test_a_model_that_calls_nothing_a_pop_passes_the_guard_set() -> None:
    assert negative_controls.run(saying(-12.0)).per_min == 0


def test_the_guard_set_is_always_the_same_and_the_shipped_model_passes() -> None:
    once = negative_controls.run(bundle.load())

    assert once == negative_controls.run(bundle.load())
    assert once.steady_per_min <= comparison.MAX_FALSE_PER_MIN


def test_the_whole_comparison_refuses_a_model_that_calls_everything(loud_guard: ControlResult) -> None:
    loud = replace(fitted(), model=saying(12.0))
    compared = comparison.compare(loud, examples(), bundle.load())

    assert not compared.adopt
    assert compared.controls_new == loud_guard
    assert compared.advice.startswith("Keep the current model: the new model finds ")
    alone = comparison.compare(loud, examples(), None)
    assert not alone.adopt
    assert "not usable" in alone.advice
    assert re.search(r"clip AUROC \d\.\d\d\d .* on 60 held-out clips of 6 groups; it finds \d+\.\d pops", alone.advice)
    assert alone.current is alone.controls_current is None


def test_held_out_answers_are_one_per_clip_and_rest_on_the_held_out_log_odds() -> None:
    small = fitted()
    scored = comparison.held_out(small, examples())
    quiet = comparison.held_out(replace(small, held_out_logits=small.held_out_logits * 0 - 12), examples())

    assert [clip.file for clip in scored] == [example.file for example in examples()]
    for clip, example in zip(scored, examples(), strict=True):
        assert clip.group == example.group
        assert clip.true_onsets_s == example.onsets_s
        assert clip.truth_label == ("pop" if example.is_pop else "no_pop")
        assert clip.duration_s == pytest.approx(1.0)
        assert (clip.label != "no_pop") == bool(clip.found_onsets_s)
    assert all(not clip.found_onsets_s and clip.label != "pop" for clip in quiet)


def test_a_finished_model_is_judged_as_it_would_decide() -> None:
    model = bundle.load()
    for clip, example in zip(comparison.detect_all(model, examples()[:10]), examples(), strict=False):
        detection = Detector(model).detect(*example.sound())
        assert (clip.p_pop, clip.label) == (detection.p_pop, detection.label)
        assert clip.found_onsets_s == tuple(event.onset_s for event in detection.pops)


def test_in_sample_and_held_out_go_by_the_same_rules() -> None:
    """With the log-odds of the final classifier, `held_out` gives the verdicts of the detector."""
    small = fitted()
    model = small.model
    first = model.base_calibration.log_odds(model.classifier.logit(small.candidates.rows))
    rows = context_model.context_rows(small.candidates, first, model.front_end.n_columns)
    final = replace(small, held_out_logits=context_logits(model.context_model, rows))
    for own, detected in zip(
        comparison.held_out(final, examples()), comparison.detect_all(small.model, examples()), strict=True
    ):
        assert own.p_pop == pytest.approx(detected.p_pop, abs=1e-9)
        assert own.label == detected.label
        assert own.found_onsets_s == pytest.approx(detected.found_onsets_s)


def test_the_card_shows_the_metrics_that_have_a_card_title() -> None:
    figures = card_figures(scores(15))

    assert list(figures) == ["clips", *(metric.card_title for metric in METRICS if metric.card_title)]
    assert len(figures) == len(set(figures)) == 13
    assert figures["clips"] == "40 (20 with pops), 5 groups"
    assert figures["clip AUROC"] == to_json(scores(15).auroc)


def test_advice_is_one_sentence() -> None:
    compared = comparison.compare(fitted(), examples(), bundle.load())

    assert compared.advice.endswith(".")
    assert not re.search(r"[.!?]\s", compared.advice)
    assert "\n" not in compared.advice
    assert re.search(r"\d\.\d\d\d against \d\.\d\d\d", compared.advice)


def test_clips_that_the_current_model_was_trained_on_are_counted() -> None:
    seen = [example.file for example in examples()[:9]]
    compared = comparison.compare(fitted(), examples(), bundle.load(), seen=[*seen, "of another session.wav"])

    assert compared.n_seen_by_current == 9
    assert "the current model was trained on 9 of these 60 clips, so its figures are too high" in compared.advice
    assert not compared.advice.startswith("Keep the current model: the new model is worse")
