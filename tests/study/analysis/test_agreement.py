"""Kappa and agreement against textbooks, statsmodels and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score
from statsmodels.stats.inter_rater import cohens_kappa

from popdetect.study.analysis.agreement import Agreement, agreement
from popdetect.study.analysis.estimates import Estimate


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
