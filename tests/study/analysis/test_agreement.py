"""Kappa and agreement against textbooks, statsmodels and scikit-learn."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from outcome_fakes import thrust
from scipy import stats
from sklearn.metrics import cohen_kappa_score, f1_score
from statsmodels.stats.inter_rater import cohens_kappa

from popdetect.study.analysis.agreement import Agreement, agreement, agreements
from popdetect.study.analysis.columns import columns_of
from popdetect.study.analysis.estimates import Estimate, missing


def heard(a: int, b: int, c: int, d: int, per_patient: int = 1) -> Agreement:
    cells = [("yes", "yes")] * a + [("yes", "no")] * b + [("no", "yes")] * c + [("no", "no")] * d
    order = np.random.default_rng(0).permutation(len(cells))
    one, two = np.array([cells[i] for i in order], np.str_).reshape(-1, 2).T
    return agreement("detector", "patient", one, two, np.arange(len(cells)) // per_patient)


def test_kappa_of_the_textbook() -> None:
    # two readers of 50 proposals: both yes 20, yes/no 5, no/yes 10, both no 15; kappa 0.40
    made = heard(20, 5, 10, 15)

    assert made.kappa.value == pytest.approx(0.4)
    assert made.positive.value == pytest.approx(40 / 55)
    assert made.negative.value == pytest.approx(30 / 45)


@pytest.mark.parametrize("table", [(20, 5, 10, 15), (118, 5, 7, 70), (60, 9, 4, 2)])
def test_kappa_and_its_interval_are_those_of_statsmodels_and_scikit_learn(table: tuple[int, int, int, int]) -> None:
    made = heard(*table)
    referee = cohens_kappa(np.reshape(table, (2, 2)))
    one = np.repeat([1, 1, 0, 0], table)
    two = np.repeat([1, 0, 1, 0], table)

    assert made.kappa.value == pytest.approx(cohen_kappa_score(one, two))
    assert made.kappa.low == pytest.approx(referee.kappa_low)
    assert made.kappa.high == pytest.approx(min(referee.kappa_upp, 1.0))
    # positive agreement is the F1 score, whichever of the two is called the truth
    assert made.positive.value == pytest.approx(f1_score(one, two))
    assert made.negative.value == pytest.approx(f1_score(1 - one, 1 - two))


def test_the_jackknife_agrees_with_the_large_sample_where_both_hold() -> None:
    alone, in_pairs = heard(400, 60, 50, 300), heard(400, 60, 50, 300, per_patient=2)

    assert in_pairs.kappa.value == alone.kappa.value
    assert in_pairs.kappa.low == pytest.approx(alone.kappa.low, abs=0.01)
    assert in_pairs.n_patients == 405


def test_repeating_every_thrust_of_a_patient_adds_no_certainty() -> None:
    once = heard(40, 6, 5, 30, per_patient=3)
    cells = [("yes", "yes")] * 40 + [("yes", "no")] * 6 + [("no", "yes")] * 5 + [("no", "no")] * 30
    order = np.random.default_rng(0).permutation(len(cells))
    one, two = np.array([cells[i] for i in order for _ in range(4)]).T
    patient = np.repeat(np.arange(len(cells)) // 3, 4)
    again = agreement("detector", "patient", one, two, patient)

    assert (again.kappa.low, again.kappa.high) == pytest.approx((once.kappa.low, once.kappa.high))


def test_unsure_and_empty_answers_are_counted_and_left_out() -> None:
    one = np.array(["yes", "unsure", "", "no", "yes", "yes"])
    two = np.array(["yes", "yes", "no", "no", "unsure", ""])
    made = agreement("patient", "therapist", one, two, np.arange(6))

    assert (made.n, made.n_unsure, made.n_not_asked) == (2, 2, 2)


def test_agreement_that_means_nothing_is_not_given() -> None:
    assert heard(30, 0, 0, 0).kappa.value is None
    assert heard(30, 0, 0, 20).kappa == Estimate(1.0, why_not="no interval: they never disagreed")
    assert heard(0, 0, 0, 0).kappa.why_not == "no thrust that both judged"
    assert heard(30, 0, 0, 0).negative.why_not == "neither said no"


def _rated(patients: list[list[str]]) -> Agreement:
    """Answers of each patient's thrusts, written as two letters: ``yn`` is yes of the first rater, no of the second."""
    cells = [cell for cells in patients for cell in cells]
    word = {"y": "yes", "n": "no"}
    one, two = (np.array([word[cell[i]] for cell in cells], np.str_) for i in (0, 1))
    return agreement("a", "b", one, two, np.repeat(np.arange(len(patients)), [len(cells) for cells in patients]))


FIVE = [["yy", "yn"], ["nn", "nn", "yy"], ["ny", "yy"], ["yy", "nn"], ["yn", "nn"]]


def test_the_interval_of_repeated_patients_is_the_jackknife_worked_out_with_scikit_learn() -> None:
    made = _rated(FIVE)

    def referee(score: Callable[[Any, Any], float]) -> tuple[float, float]:
        def of(patients: list[list[str]]) -> float:
            return score(*([int(cell[i] == "y") for cells in patients for cell in cells] for i in (0, 1)))

        without = np.array([of(FIVE[:i] + FIVE[i + 1 :]) for i in range(5)])
        reach = stats.t.ppf(0.975, 4) * math.sqrt(4 / 5 * np.square(without - without.mean()).sum())
        return of(FIVE) - reach, of(FIVE) + reach

    found = (
        (made.kappa, referee(cohen_kappa_score), -1.0),
        (made.positive, referee(f1_score), 0.0),
        (made.negative, referee(lambda one, two: f1_score(one, two, pos_label=0)), 0.0),
    )
    for estimate, (low, high), least in found:
        assert estimate.low == pytest.approx(max(low, least))
        assert estimate.high == pytest.approx(min(high, 1.0))
        assert (estimate.p, estimate.how) == (None, "jackknife by patient, t with 4 degrees of freedom")
        assert estimate.why_not == ""


def test_the_table_counts_first_by_second() -> None:
    made = heard(4, 3, 2, 1)

    assert made.table == {"yes": {"yes": 4, "no": 3}, "no": {"yes": 2, "no": 1}}
    assert (made.first, made.second, made.n, made.n_patients) == ("detector", "patient", 10, 10)
    assert heard(0, 0, 0, 0).n_patients == 0


@pytest.mark.parametrize("table", [(20, 5, 0, 15), (20, 0, 5, 15)])
def test_disagreement_in_one_direction_only_has_an_interval(table: tuple[int, int, int, int]) -> None:
    kappa = heard(*table).kappa
    referee = cohens_kappa(np.reshape(table, (2, 2)))

    assert kappa.how == "large-sample interval"
    assert (kappa.low, kappa.high) == pytest.approx((referee.kappa_low, min(referee.kappa_upp, 1.0)))


def test_intervals_of_agreement_end_at_possible_values() -> None:
    close, opposed = heard(9, 1, 0, 9), heard(0, 5, 5, 0)
    pairs = _rated([["yy", "nn"], ["yy", "yy"], ["nn", "yn"], ["yy", "nn"]])
    poor = _rated([["yn", "ny"], ["yy", "ny"], ["ny", "yn"], ["nn", "yn"]])

    assert close.kappa.high == 1.0
    assert opposed.kappa.value == pytest.approx(-1.0)
    assert opposed.kappa.low == pytest.approx(-1.0)
    assert (pairs.kappa.high, pairs.positive.high, pairs.negative.high) == (1.0, 1.0, 1.0)
    assert (poor.kappa.low, poor.positive.low, poor.negative.low) == (-1.0, 0.0, 0.0)


def test_too_few_patients_for_an_interval_are_named() -> None:
    assert _rated([["yy", "nn", "yn"]]).kappa.why_not == "no interval: 1 patient only"
    assert _rated([["yy", "nn", "yn"], ["yy"]]).kappa.why_not == "no interval: 2 patients only"
    three = _rated([["yy", "nn", "yn"], ["yy", "nn", "ny"], ["yy", "nn"]])
    assert three.kappa.how == "jackknife by patient, t with 2 degrees of freedom"


def test_an_interval_that_rests_on_one_patient_is_not_given() -> None:
    one_disagrees = _rated([["yn", "nn"], ["nn", "nn"], ["nn"]])
    alike = _rated([["yy", "nn", "yn"]] * 4)

    assert one_disagrees.kappa.why_not == "no interval: it depends on one patient"
    assert one_disagrees.positive.value == 0
    assert one_disagrees.positive.why_not == "no interval: it depends on one patient"
    assert alike.kappa.why_not == "no interval: it is the same whichever patient is left out"


def test_agreement_without_meaning_says_why() -> None:
    same = "both gave the same answer for every thrust, always yes or always no: kappa is not defined"
    assert heard(0, 0, 0, 7).kappa == missing(same)
    assert heard(0, 0, 0, 7).positive == missing("neither said yes")
    assert heard(0, 0, 0, 0).positive == missing("no thrust that both judged")
    assert heard(0, 0, 0, 0).negative == missing("no thrust that both judged")


def test_detector_patient_and_therapist_are_compared_in_pairs() -> None:
    answers = [("pop", "yes", "no"), ("no_pop", "yes", "yes"), ("uncertain", "no", "unsure"), (None, "no", "no")]
    thrusts = [
        thrust(label, patient=f"p{i}", pop_heard_by_patient=patient, pop_heard_by_therapist=therapist)
        for i, (label, patient, therapist) in enumerate(answers)
    ]
    made = agreements(columns_of(thrusts, "NPRS"))

    assert [(pair.first, pair.second) for pair in made] == [
        ("detector", "patient"),
        ("detector", "therapist"),
        ("patient", "therapist"),
    ]
    assert [(pair.n, pair.n_unsure, pair.n_not_asked) for pair in made] == [(2, 1, 1), (2, 1, 1), (3, 1, 0)]
    assert made[0].table == {"yes": {"yes": 1, "no": 0}, "no": {"yes": 1, "no": 0}}
    assert made[1].table == {"yes": {"yes": 0, "no": 1}, "no": {"yes": 1, "no": 0}}
    assert made[2].table == {"yes": {"yes": 1, "no": 1}, "no": {"yes": 0, "no": 1}}
