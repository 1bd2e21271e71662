"""Power by simulation: more patients and larger effects are found more often; a formula is the referee."""

import numpy as np
import pytest
from statsmodels.stats.power import TTestIndPower

from popdetect.errors import UsageError
from popdetect.study.simulation.power import patients_needed, simulated_power
from popdetect.study.simulation.study import StudyPlan

SURE = {"uncertain": 0.0, "missing": 0.0, "pop_share": 0.5, "expectation": 0.0}


def test_one_thrust_per_patient_has_the_power_of_the_t_test() -> None:
    plan = StudyPlan(n_patients=60, thrusts_per_patient=1, effect=-1.0, patient_sd=0.0, noise_sd=1.3, **SURE)
    made = simulated_power(plan, 1.0, n_studies=300)
    # rounding to whole points adds a variance of 1/12
    referee = TTestIndPower().power(1.0 / np.sqrt(1.3**2 + 1 / 12), nobs1=30, alpha=0.05)

    low, high = made.difference_between
    assert low - 0.03 <= referee <= high + 0.03
    assert (made.n_patients, made.n_studies) == (60, 300)
    assert made.half_width == pytest.approx(2 * np.sqrt((1.3**2 + 1 / 12) * 4 / 60), rel=0.1)


def test_no_effect_is_seldom_a_difference_and_often_equivalent() -> None:
    made = simulated_power(StudyPlan(n_patients=60, effect=0.0, **SURE), 1.0, n_studies=100)

    assert made.difference <= 0.11
    assert made.equivalence >= 0.9
    assert made.share("equivalence") == made.equivalence


def test_more_patients_and_a_better_detector_have_more_power() -> None:
    def power(**more: float) -> float:
        plan = StudyPlan(**{"n_patients": 20, "thrusts_per_patient": 3.0, "effect": -0.8, **SURE, **more})  # type: ignore[arg-type]
        return simulated_power(plan, 1.0, n_studies=100).difference

    assert power() < power(n_patients=60)
    assert power(sensitivity=0.7, specificity=0.7) < power()


def test_the_search_ends_with_enough_patients_and_no_many_more() -> None:
    plan = StudyPlan(thrusts_per_patient=3.0, effect=-1.0, **SURE)
    tried = patients_needed(plan, 1.0, "difference", 0.8, n_studies=60)
    enough = [one.n_patients for one in tried if one.difference >= 0.8]
    too_few = [one.n_patients for one in tried if one.difference < 0.8]

    assert enough
    assert [one.n_patients for one in tried] == sorted(one.n_patients for one in tried)
    assert min(enough) - max(too_few) <= max(1, min(enough) // 8)
    assert tried == patients_needed(plan, 1.0, "difference", 0.8, n_studies=60)


def test_an_effect_that_cannot_be_shown_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("popdetect.study.simulation.power.MOST_PATIENTS", 40)
    with pytest.raises(UsageError, match="the effect is too small"):
        patients_needed(StudyPlan(effect=-0.1), 1.0, "difference", n_studies=20)
