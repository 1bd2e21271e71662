"""Sensitivity analyses: each is the main difference with one assumption changed."""

import math
from dataclasses import replace

import numpy as np
import pytest
from outcome_fakes import study

from popdetect.study.analysis.adjusted import Difference, adjusted_difference, usual
from popdetect.study.analysis.alternatives import WRONG, _imputed, _pooled, alternatives, pooled_df
from popdetect.study.analysis.columns import columns_of, has
from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.report.text import as_text


def test_uncertain_clips_count_as_named() -> None:
    thrusts = study(seed=4, uncertain=0.2, n_patients=20)
    found = outcomes(thrusts, sensitivity_analyses=True)
    for title, label in (("uncertain clips counted as pop", "pop"), ("uncertain clips counted as no pop", "no_pop")):
        other = outcomes([replace(t, label=label if t.label == "uncertain" else t.label) for t in thrusts])
        made = next(one for one in found.alternatives if one.title == title)
        assert made.estimate == other.main.estimate
        assert made.n > found.main.n
    assert "Sensitivity analyses: the same difference" in as_text(found)
    assert outcomes(thrusts).alternatives == ()


def test_a_probability_of_1_or_0_is_the_verdict() -> None:
    thrusts = [replace(t, p_pop=float(t.label == "pop")) for t in study(seed=4, uncertain=0.0, n_patients=20)]
    columns = columns_of(thrusts, "NPRS")
    made = next(one for one in alternatives(columns, 1.0) if one.title.startswith("the detector's probability"))

    assert made.estimate.value == pytest.approx(adjusted_difference(columns, 1.0, usual(columns)).estimate.value)


def test_nothing_missing_needs_no_imputation_and_no_patient_is_left_out() -> None:
    found = outcomes(study(seed=2, n_patients=15, missing=0.0, uncertain=0.0), sensitivity_analyses=True)
    by_title = {one.title: one for one in found.alternatives}

    assert by_title["missing answers imputed"].estimate.why_not == "nothing is missing"
    assert by_title["patients without any missing answer only"].estimate == found.main.estimate


def test_imputed_values_keep_what_is_known_and_are_in_the_scale() -> None:
    columns = columns_of(study(seed=3, missing=0.2, n_patients=20), "NPRS")
    rows = columns.take(columns.decided)
    drawn = list(_imputed(columns, np.random.default_rng(1)))

    assert len(drawn) == 20
    for name in ("before", "after", "expects"):
        known = has(getattr(rows, name))
        values = np.stack([getattr(one, name) for one in drawn])
        assert (values[:, known] == getattr(rows, name)[known]).all()
        assert ((values >= 0) & (values <= 10)).all()
        assert values[:, ~known].std(axis=0).min() > 0


@pytest.mark.slow
def test_imputation_removes_the_bias_of_answers_missing_by_pain_before() -> None:
    """Patients in much pain answer less often after a pop that helped; only what was recorded decides about it."""
    values, n_covers = [], 0
    for seed in range(25):
        thrusts = study(seed=seed, n_patients=25, thrusts_per_patient=5.0, effect=-1.0, uncertain=0.0)
        rng = np.random.default_rng(seed)
        thrusts = [
            replace(t, pain_after=None) if rng.random() < (0.5 if (t.pain_before or 0) >= 7 else 0.05) else t
            for t in thrusts
        ]
        made = outcomes(thrusts, sensitivity_analyses=True).alternatives[4].estimate
        assert made.value is not None
        values.append(made.value)
        n_covers += (made.low or 0) <= -1.0 <= (made.high or 0)

    assert np.mean(values) == pytest.approx(-1.0, abs=3 * np.std(values) / 5 + 0.03)
    assert n_covers >= 21


def test_rubins_rules_are_those_of_the_book() -> None:
    drawn = [Difference("", Estimate(value), se=se, df=50.0) for value, se in ((1.0, 0.2), (1.4, 0.3), (0.9, 0.25))]
    made = _pooled("x", drawn)
    within = np.mean([0.2**2, 0.3**2, 0.25**2])
    between = np.var([1.0, 1.4, 0.9], ddof=1)

    assert made.estimate.value == pytest.approx(1.1)
    assert made.se == pytest.approx(math.sqrt(within + 4 / 3 * between))
    share = 4 / 3 * between / (within + 4 / 3 * between)
    assert made.df == pytest.approx(1 / (share**2 / 2 + 53 / (51 * 50 * (1 - share))))
    assert pooled_df(1.0, 0.0, 20, 40.0) == pytest.approx(41 / 43 * 40)


def test_errors_that_follow_pain_move_the_difference_towards_it() -> None:
    """No pops that helped were pops: the difference grows. Those that did not help were: it shrinks."""
    found = outcomes(study(seed=1, n_patients=40, effect=-0.5), sensitivity_analyses=True)
    better, worse, pops_better, pops_worse = (one.estimate.value for one in found.alternatives[5:])
    main = found.main.estimate.value

    assert better is not None
    assert worse is not None
    assert pops_better is not None
    assert pops_worse is not None
    assert main is not None
    assert better < main < worse
    assert pops_worse < main < pops_better
    assert found.alternatives[5].n_no_pop == found.main.n_no_pop - round(WRONG * found.main.n_no_pop)


def test_the_same_seed_gives_the_same_table() -> None:
    thrusts = study(seed=6, n_patients=12, missing=0.1)
    one, same, other = (outcomes(thrusts, sensitivity_analyses=True, seed=seed).alternatives for seed in (0, 0, 1))

    assert one == same
    assert one[4].estimate != other[4].estimate
    assert one[:4] == other[:4]
