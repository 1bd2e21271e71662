"""The words: about the unit of analysis, within what the corrected interval shows, and which figure is the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from outcome_fakes import one_each, study, thrust

from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.outcomes import Outcomes, outcomes
from popdetect.study.analysis.plan_file import Plan
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.report.sentences import belief_sentence, margin_note, sentences, verdict
from popdetect.study.report.text import as_text


def flat(o: Outcomes) -> str:
    return " ".join(as_text(o).split())


def sessions() -> list[Thrust]:
    """Three thrusts at each visit of 24 patients; pain was asked once and copied."""
    rows = []
    for p in range(24):
        label = "pop" if p % 2 else "no_pop"
        scores: dict[str, Any] = {"before": 5 + p % 4, "after": 3 + (p * 7) % 5, "patient": f"p{p}", "session": f"s{p}"}
        rows += [thrust(label, **scores, file=f"{k}.wav", thrust_no=k + 1) for k in range(3)]
    return rows


def changed(o: Outcomes, low: float, high: float) -> Outcomes:
    """The outcomes with this interval after correction for the detector's errors."""
    return replace(o, dilution=replace(o.dilution, corrected=Estimate((low + high) / 2, low, high)))


def test_sessions_are_called_sessions() -> None:
    o = outcomes(sessions())
    text = flat(o)

    assert o.unit == "session"
    assert text.startswith("24 sessions of 24 patients")
    assert "12 sessions with and 12 without, 24 patients" in text
    assert "After sessions with a pop" in sentences(o)[0]
    before_clips = text.partition("Who heard a pop")[0]
    for wrong in ("thrusts with", "thrusts without", "n thrusts", "Thrusts by number", "Thrusts of this kind"):
        assert wrong not in before_clips
    assert "thrust's number" in before_clips  # a phrase about thrusts stays


def test_thrusts_of_the_same_patient_are_named_only_where_they_are_compared() -> None:
    assert "than after thrusts of the same patient without" in sentences(outcomes(study(seed=3)))[0]
    apart = outcomes(one_each([(5, 3), (6, 4), (7, 5), (5, 2)], [(5, 4), (6, 4), (7, 7), (8, 6)]))
    assert "same patient" not in sentences(apart)[0]
    assert "compares patients with other patients" in flat(apart)


def test_no_difference_has_no_direction() -> None:
    pains = [(5, 3), (6, 5), (7, 4), (6, 6)]
    said = sentences(outcomes(one_each(pains, pains)))[0]

    assert "on average no different (0.00 points) from pain after thrusts without" in said
    assert "lower" not in said
    assert "higher" not in said


@pytest.mark.parametrize(("low", "high"), [(-12.2, -1.7), (-2.0, 0.3), (-0.6, -0.2)])
def test_the_size_of_a_difference_respects_the_corrected_interval(low: float, high: float) -> None:
    o = outcomes(study(seed=3, n_patients=60, effect=-0.5), sensitivity=(46, 50), specificity=(44, 50))
    assert o.equivalence.conclusion == "difference"
    said = verdict(changed(replace(o, equivalence=replace(o.equivalence, within_margin=False)), low, high))

    assert "smaller than the margin" not in said
    assert "larger than the margin" not in said
    assert ("corrected for the detector's errors does" in said) == (low <= 0 <= high)


def test_a_difference_is_large_only_if_the_corrected_one_is_too() -> None:
    o = outcomes(study(seed=3, n_patients=60, effect=-3.0), sensitivity=(46, 50), specificity=(44, 50))

    assert "larger than the margin" in verdict(o)
    assert "is open" in verdict(changed(o, -5.0, -0.5))


def test_the_margin_stands_beside_the_change_that_matters() -> None:
    thrusts = study(seed=3)
    for margin, words in ((1.0, "is half of it"), (0.5, "is 25 % of it"), (2.5, "would not exclude a difference")):
        note = margin_note(outcomes(thrusts, margin=margin))
        assert "about 2 points" in note
        assert words in note
        assert "as given to this run; when it was chosen is not recorded" in note
    plan = Plan("2026-01-02", margin=0.5)
    assert "as in the plan of 2026-01-02" in margin_note(outcomes(thrusts, plan=plan))
    assert "plan of" not in margin_note(outcomes(thrusts, plan=plan, margin=0.8))


def test_belief_needs_both_scales() -> None:
    o = outcomes(study(seed=3))

    def said(points: float, per_cent: float) -> str:
        """The sentence for intervals around these values; 0 is in the interval of 0 only."""
        made = [Estimate(value, value - 0.1, value + 0.1) for value in (points, per_cent)]
        interaction = replace(o.belief.interaction, estimate=made[0])
        return belief_sentence(replace(o, belief=replace(o.belief, interaction=interaction, relative=made[1])))

    assert "is related to belief, in points and in per cent" in said(-1, -1)
    assert "not shown either way" in said(0, 0)
    for points, per_cent in ((-1, 0), (0, -1), (-1, 1)):
        assert "The two scales disagree, so a relation to belief was not shown" in said(points, per_cent)


def test_one_figure_is_the_answer_and_the_others_are_exploratory() -> None:
    text = as_text(outcomes(study(seed=3, speed=0.5)))

    assert text.count("THE ANSWER") == 1
    for caption in ("Clear relief", "Number of pops", "Is the difference related", "Thrust speed"):
        line = next(line for line in text.splitlines() if line.startswith(caption))
        assert "exploratory" in line
    assert "usually make differences" not in text
    assert "before looking" not in text
