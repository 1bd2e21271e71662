"""Intervals and quantiles against published values and statsmodels."""

import math

import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from popdetect.intervals import wilson
from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.equivalence import power
from popdetect.study.analysis.estimates import (
    Estimate,
    TooLittle,
    detectable,
    lowest,
    missing,
    newcombe,
    t_above,
    t_reach,
    t_two_sided,
    z_reach,
)


def test_wilson_and_newcombe_are_the_published_ones() -> None:
    # Newcombe (1998), Stat Med 17:857, table I, 81/263; and 17:873, table II (a), method 10, 56/70 - 48/80
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize(("k", "n"), [(0, 9), (9, 9), (3, 14), (7, 1000)])
def test_wilson_is_that_of_statsmodels(k: int, n: int) -> None:
    assert wilson(k, n) == pytest.approx(proportion_confint(k, n, method="wilson"), abs=1e-12)
    assert newcombe(k, n, 5, 11) == pytest.approx(
        confint_proportions_2indep(k, n, 5, 11, compare="diff", method="newcomb"), abs=1e-12
    )


def test_the_smallest_difference_is_that_of_a_t_test() -> None:
    for n, sd in ((64, 2.0), (12, 1.0), (5, 1.5)):
        smallest = detectable(sd * math.sqrt(2 / n), 2 * n - 2)
        referee = TTestIndPower().solve_power(nobs1=n, alpha=0.05, power=0.8, alternative="two-sided")
        assert smallest == pytest.approx(referee * sd, rel=1e-3)


def test_63_in_each_group_show_one_point_of_sd_2() -> None:
    # the sheet's power table: difference 1, standard deviation 2, 80 %: 63 + 63
    assert detectable(2 * math.sqrt(2 / 63), 124) == pytest.approx(1.0, abs=0.01)
    made = power(Difference("", Estimate(0.1, -0.6, 0.8), se=2 * math.sqrt(2 / 63), df=124, n=126), 0.5)
    assert made.thrusts_for_margin == pytest.approx(4 * 126, rel=0.02)


@pytest.mark.parametrize("df", [1.0, 2.0, 5.0])
def test_tiny_samples_have_a_finite_answer(df: float) -> None:
    assert 2 < detectable(1.0, df) < 40


def test_quantiles_and_p_values_are_those_of_scipy_stats() -> None:
    for df in (1.0, 4.0, 30.5):
        assert t_reach(df) == pytest.approx(stats.t.ppf(0.975, df))
        assert t_reach(df, 0.9) == pytest.approx(stats.t.ppf(0.95, df))
        for t in (-2.5, 0.0, 1.3):
            assert t_two_sided(t, df) == pytest.approx(2 * stats.t.sf(abs(t), df))
            assert t_above(t, df) == pytest.approx(stats.t.sf(t, df))
    assert z_reach() == pytest.approx(stats.norm.ppf(0.975))


def test_scaling_changes_the_unit_and_nothing_else() -> None:
    made = Estimate(-0.5, -0.8, -0.2, 0.03, "how", "why not")

    assert made.scaled(10) == Estimate(-5.0, -8.0, -2.0, 0.03, "how", "why not")
    assert missing(TooLittle("one thrust")).scaled(10) == Estimate(why_not="one thrust")


def test_the_minimum_is_found_where_it_is() -> None:
    assert lowest(lambda x: (x - 1.234) ** 2, -9.0, 9.0) == pytest.approx(1.234, abs=1e-5)
    assert lowest(lambda x: x, 2.0, 3.0) == pytest.approx(2.0, abs=1e-4)
