"""Adjusted, unadjusted and within-patient differences, and Hedges' g, against referees."""

import pytest
import statsmodels.formula.api as smf
from outcome_fakes import frame, one_each, study, with_moments
from scipy import stats

from popdetect.study.analysis.adjusted import correction
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.analysis.thrusts import Thrust


@pytest.fixture(scope="module")
def repeated() -> list[Thrust]:
    return study(seed=3, speed=0.5, interaction=-0.2, effect=-0.8)


def test_hedges_correction_is_the_published_table() -> None:
    # Hedges (1981), table 1
    for nu, c in ((2, 0.5642), (10, 0.9228), (20, 0.9619), (50, 0.9849)):
        assert correction(nu) == pytest.approx(c, abs=1e-4)


def test_hedges_g_of_a_published_example() -> None:
    # Borenstein et al. (2009), Introduction to Meta-Analysis, ch. 4: means 103 and 100, SD 5.5 and 4.5, 50 in each
    # group; g = 0.5924, standard error 0.2024. Here as changes, divided by 100 to fit the scale.
    pops, others = with_moments(1.03, 0.055, 50, 1), with_moments(1.0, 0.045, 50, 2)
    g = outcomes(one_each([(5, 5 + x) for x in pops], [(5, 5 + x) for x in others])).hedges_g

    assert g.value == pytest.approx(0.5924, abs=1e-4)
    assert g.low is not None
    assert g.high is not None
    assert (g.high - g.low) / 2 / stats.t.ppf(0.975, 98) == pytest.approx(0.2024, rel=0.02)


def test_the_crude_difference_is_that_of_the_means(repeated: list[Thrust]) -> None:
    data = frame(repeated)
    crude = next(d for d in outcomes(repeated).others if d.title == "difference of mean changes")
    referee = smf.ols("change ~ pop", data).fit(cov_type="cluster", cov_kwds={"groups": data["group"]}, use_t=True)

    assert crude.estimate.value == pytest.approx(referee.params["pop"])
    assert crude.estimate.p == pytest.approx(referee.pvalues["pop"])


def test_within_patients_is_the_model_with_a_level_for_each(repeated: list[Thrust]) -> None:
    data = frame(repeated)
    both = data.groupby("patient")["pop"].transform(lambda pop: 0 < pop.mean() < 1)
    referee = smf.ols("post ~ pop + pre + C(patient)", data[both]).fit()
    within = next(d for d in outcomes(repeated).others if d.title == "within the same patient")

    assert within.estimate.value == pytest.approx(referee.params["pop"])
    assert within.n == int(both.sum())
