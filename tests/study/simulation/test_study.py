"""Studies whose answer is known: they are as planned, and the outcomes find what was put in."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from popdetect.errors import UsageError
from popdetect.study.analysis.adjusted import EXPECTATION, Difference, adjusted_difference
from popdetect.study.analysis.columns import columns_of
from popdetect.study.analysis.detector_errors import Accuracy, Dilution, Prevalence, dilution, prevalence
from popdetect.study.analysis.relations import belief
from popdetect.study.simulation.study import StudyPlan, simulate_study

N_STUDIES = 200
N_KNOWN = 300  # clips of each kind behind the detector's figures

Found = tuple[Difference, Prevalence, Dilution]


def many(**plan: Any) -> list[Found]:
    made, found = StudyPlan(**{"n_patients": 30, "thrusts_per_patient": 5, **plan}), []
    for seed in range(1000, 1000 + N_STUDIES):
        columns = columns_of(simulate_study(made, seed=seed), made.scale)
        rng = np.random.default_rng([seed, 5])
        counts = [(int(rng.binomial(N_KNOWN, rate)), N_KNOWN) for rate in (made.sensitivity, made.specificity)]
        known = Accuracy(*counts)
        difference = adjusted_difference(columns, 1.0, {EXPECTATION: columns.expects})
        share = prevalence(columns, known)
        found.append((difference, share, dilution(difference, share, known, seed)))
    return found


def covers(estimates: list[Any], truth: float) -> float:
    return float(np.mean([e.low is not None and e.low <= truth <= e.high for e in estimates]))


@pytest.mark.parametrize(
    "plan",
    [
        {},
        {"pop_spread": 1.0, "missing": 0.05, "dropout": 0.1},
        {"n_patients": 12, "thrusts_per_patient": 5, "effect": -1.0},
        {"n_patients": 80, "thrusts_per_patient": 1},
        {"n_patients": 12, "thrusts_per_patient": 4, "patient_sd": 0.0},
    ],
    ids=["as planned", "gaps and drop-out", "few patients", "one thrust each", "patients alike"],
)
def test_the_interval_covers_the_truth(plan: dict[str, Any]) -> None:
    differences = [difference.estimate for difference, _, _ in many(**plan)]

    # 0.90 and 0.99 are three standard errors from 0.95 with 200 studies
    assert 0.90 <= covers(differences, plan.get("effect", -0.5)) <= 0.99


def test_where_nothing_is_little_is_found() -> None:
    differences = [difference.estimate for difference, _, _ in many(effect=0.0, sensitivity=0.9, specificity=0.85)]
    found = np.mean([e.low > 0 or e.high < 0 for e in differences if e.low is not None and e.high is not None])

    assert 0.01 <= found <= 0.10
    assert abs(np.mean([e.value for e in differences if e.value is not None])) < 0.05


def test_the_correction_removes_what_errors_dilute() -> None:
    found = many(effect=-1.0, sensitivity=0.9, specificity=0.85)
    raw = np.array([difference.estimate.value for difference, _, _ in found], float)
    corrected = np.array([diluted.corrected.value for _, _, diluted in found], float)

    assert raw.mean() > -0.80
    assert corrected.mean() == pytest.approx(-1.0, abs=0.06)
    assert np.abs(corrected + 1).mean() < np.abs(raw + 1).mean()
    assert 0.90 <= covers([diluted.corrected for _, _, diluted in found], -1.0) <= 0.99
    assert covers([difference.estimate for difference, _, _ in found], -1.0) < 0.85
    assert 0.90 <= covers([share.corrected for _, share, _ in found], StudyPlan().pop_share) <= 0.995


def test_an_interaction_is_found_as_large_as_it_is() -> None:
    plan = StudyPlan(interaction=-0.3, n_patients=60)
    found = [belief(columns_of(simulate_study(plan, seed=seed), "NPRS"), 1.0) for seed in range(60)]

    assert np.mean([b.interaction.estimate.value or 0.0 for b in found]) == pytest.approx(-0.3, abs=0.04)
    assert 0.85 <= covers([b.interaction.estimate for b in found], -0.3) <= 1
    assert 0.85 <= covers([b.at_5 for b in found], -0.5 - 0.6) <= 1


def test_a_study_is_as_planned() -> None:
    plan = StudyPlan(n_patients=300, missing=0.1, uncertain=0.2, unjudged=0.05, speed=0.5, dropout=0.05)
    thrusts = simulate_study(plan, seed=1)
    n = len(thrusts)

    assert len({t.patient for t in thrusts}) == 300
    assert len({(t.session, t.file) for t in thrusts}) == n
    assert np.mean([t.pain_after is None for t in thrusts]) == pytest.approx(0.1, abs=0.03)
    assert np.mean([t.label is None for t in thrusts]) == pytest.approx(0.05, abs=0.02)
    assert np.mean([t.label == "uncertain" for t in thrusts]) == pytest.approx(0.2 * 0.95, abs=0.04)
    for t in thrusts:
        assert t.pain_before is None or t.pain_before in range(11)
        assert (t.n_pops or 0) > 0 if t.label in ("pop", "uncertain") else t.n_pops in (0, None)
    ends = np.mean([t.pain_after in (0, 10) for t in thrusts])
    assert ends < 0.02


def test_errors_are_as_many_as_asked() -> None:
    clear = {"patient_error": 0.0, "unsure": 0.0, "uncertain": 0.0}
    plan = StudyPlan(n_patients=800, sensitivity=0.8, specificity=0.9, **clear)  # type: ignore[arg-type]
    # the patient hears the truth here
    heard = [(t.pop_heard_by_patient == "yes", t.label == "pop") for t in simulate_study(plan, seed=2)]

    assert np.mean([called for popped, called in heard if popped]) == pytest.approx(0.8, abs=0.03)
    assert np.mean([not called for popped, called in heard if not popped]) == pytest.approx(0.9, abs=0.03)


def test_the_seed_decides() -> None:
    assert simulate_study(seed=3) == simulate_study(seed=3)
    assert simulate_study(seed=3) != simulate_study(seed=4)


def test_vas_is_whole_millimetres() -> None:
    thrusts = simulate_study(StudyPlan(scale="VAS100"), seed=1)

    assert all(t.pain_before in range(101) and t.pain_scale == "VAS100" for t in thrusts)
    assert len({t.pain_before for t in thrusts}) > 11


@pytest.mark.parametrize("wrong", [{"n_patients": 0}, {"pop_share": 1.0}, {"sensitivity": 1.2}, {"missing": -0.1}])
def test_impossible_plans_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        dataclasses.replace(StudyPlan(), **wrong)
