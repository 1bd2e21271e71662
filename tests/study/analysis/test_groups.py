"""Group means and responders against textbooks and referees."""

import pytest
import statsmodels.formula.api as smf
from outcome_fakes import frame, one_each, study
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from popdetect.study.analysis.estimates import newcombe
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.analysis.thrusts import Thrust


@pytest.fixture(scope="module")
def repeated() -> list[Thrust]:
    return study(seed=3, speed=0.5, interaction=-0.2, effect=-0.8)


def test_responders_are_counted_among_those_who_could() -> None:
    pops = [(1, 0), (2, 0), (6, 4), (10, 7), (10, 8), (0, 0)]
    points, percent = outcomes(one_each(pops, [(7, 7), (4, 2), (3, 2), (1, 1)])).responders

    # from 1 and from 0 nobody loses 2 points; 6 to 4 is a third, 10 to 7 is exactly 30 %, 3 to 2 is a third
    assert (points.pop.k, points.pop.n) == (4, 4)
    assert (percent.pop.k, percent.pop.n) == (4, 5)
    assert (points.no_pop.k, points.no_pop.n) == (1, 3)
    assert (percent.no_pop.k, percent.no_pop.n) == (2, 4)
    assert points.left_out == {"too little pain before to reach it": 3}
    assert percent.pop.share.low == pytest.approx(proportion_confint(4, 5, method="wilson")[0])
    assert (points.difference.low, points.difference.high) == pytest.approx(newcombe(4, 4, 1, 3))


def test_the_difference_of_responders_knows_the_patients() -> None:
    thrusts = study(seed=8)
    data = frame(thrusts)
    data["better"] = (data["pre"] - data["post"] >= 2).astype(float)
    referee = smf.ols("better ~ pop", data).fit(cov_type="cluster", cov_kwds={"groups": data["group"]}, use_t=True)
    made = outcomes(thrusts).responders[0].difference

    assert made.value == pytest.approx(referee.params["pop"])
    assert made.p == pytest.approx(referee.pvalues["pop"])


def test_group_means_are_those_of_the_textbook() -> None:
    thrusts = study(seed=5, n_patients=60, thrusts_per_patient=1)
    data = frame(thrusts)
    for group, is_pop in zip(outcomes(thrusts).groups, (1.0, 0.0), strict=False):
        changes = data[data["pop"] == is_pop]["change"]
        interval = stats.ttest_1samp(changes, 0).confidence_interval(0.95)

        assert group.n_scored == len(changes)
        assert group.change.value == pytest.approx(changes.mean())
        assert group.sd_change == pytest.approx(changes.std())
        assert (group.change.low, group.change.high) == pytest.approx((interval.low, interval.high))


def test_group_means_know_the_patients(repeated: list[Thrust]) -> None:
    data = frame(repeated)
    pops = data[data["pop"] == 1]
    codes = {"groups": pops["patient"].astype("category").cat.codes}
    referee = smf.ols("change ~ 1", pops).fit(cov_type="cluster", cov_kwds=codes, use_t=True)
    group = outcomes(repeated).groups[0]

    assert (group.change.low, group.change.high) == pytest.approx(referee.conf_int().iloc[0].tolist())
    assert group.mean_before == pytest.approx(pops["pre"].mean())
    assert group.mean_after == pytest.approx(pops["post"].mean())
