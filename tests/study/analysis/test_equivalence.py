"""Two one-sided tests and power against published examples and statsmodels."""

import math

import pytest
from outcome_fakes import with_moments
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind

from popdetect.errors import UsageError
from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.equivalence import Equivalence, Power, equivalence, power, tost
from popdetect.study.analysis.estimates import Estimate, missing
from popdetect.study.analysis.outcomes import outcomes


def main_of(value: float, se: float, df: float = 60.0) -> Difference:
    reach = stats.t.ppf(0.975, df) * se
    return Difference("", Estimate(value, value - reach, value + reach), se=se, df=df, n=100)


def test_two_one_sided_tests_of_a_published_example() -> None:
    # Lakens (2017), Welch: 5.25 (SD 0.95, n = 95) against 5.22 (0.83, 89), bounds d = ±0.43; t = -2.69, p = .004
    bound = 0.43 * math.sqrt((0.95**2 + 0.83**2) / 2)
    se = math.sqrt(0.95**2 / 95 + 0.83**2 / 89)
    df = se**4 / ((0.95**2 / 95) ** 2 / 94 + (0.83**2 / 89) ** 2 / 88)
    p, low, high = tost(5.25 - 5.22, se, df, bound)

    assert (0.03 - bound) / se == pytest.approx(-2.69, abs=0.005)
    assert p == pytest.approx(0.004, abs=5e-4)
    assert (p < 0.05) == (-bound < low and high < bound)


def test_tost_is_that_of_statsmodels() -> None:
    one, two = with_moments(4.9, 1.7, 40, 3), with_moments(4.6, 1.7, 40, 4)
    se = math.sqrt((one.var(ddof=1) + two.var(ddof=1)) / 40)

    assert tost(one.mean() - two.mean(), se, 78, 1.0)[0] == pytest.approx(ttost_ind(one, two, -1.0, 1.0)[0])


def test_three_things_can_be_said() -> None:
    said = [equivalence(main_of(*found), 1.0) for found in ((-1.4, 0.3), (-0.1, 0.3), (-0.6, 0.5), (-0.4, 0.1))]

    assert [found.conclusion for found in said] == ["difference", "equivalence", "neither", "difference"]
    # a difference can be shown and still be too small to matter
    assert [found.within_margin for found in said] == [False, True, False, True]


@pytest.mark.parametrize("margin", [0, -1, 11, math.nan])
def test_a_margin_out_of_range_is_refused(margin: float) -> None:
    with pytest.raises(UsageError, match="margin"):
        outcomes([], margin=margin)


def test_equivalence_gives_the_interval_and_the_p_value_of_the_two_tests() -> None:
    made = equivalence(main_of(-0.1, 0.3), 1.0)
    reach = stats.t.ppf(0.95, 60) * 0.3

    assert (made.low, made.high) == pytest.approx((-0.1 - reach, -0.1 + reach))
    assert made.p == pytest.approx(stats.t.sf(0.9 / 0.3, 60))
    assert equivalence(main_of(0.1, 0.3), 1.0).p == pytest.approx(made.p)
    assert (made.margin, made.why_not) == (1.0, "")


def test_both_ends_of_the_interval_must_be_within_the_margin() -> None:
    # the 90 % interval is 0.3 ± 0.501, then -0.3 ± 0.501
    for value in (0.3, -0.3):
        assert [equivalence(main_of(value, 0.3), margin).conclusion for margin in (0.85, 0.75)] == [
            "equivalence",
            "neither",
        ]
    # a positive difference counts as much as a negative one
    assert equivalence(main_of(1.4, 0.3), 1.0).conclusion == "difference"


def test_without_a_difference_nothing_is_concluded() -> None:
    reason = "no complete thrust"
    none = Difference("", missing(reason))
    no_interval = Difference("", Estimate(-1.0, why_not=reason), df=5.0)

    for main in (none, no_interval):
        assert equivalence(main, 2.0) == Equivalence(2.0, why_not=reason)
        assert power(main, 2.0) == Power(None, why_not=reason)


def test_half_the_detectable_difference_needs_four_times_the_thrusts() -> None:
    main = main_of(-0.1, 0.3)
    smallest = power(main, 1.0).detectable
    assert smallest is not None

    assert power(main, smallest / 2).thrusts_for_margin == 400
    assert power(main, smallest / 3).thrusts_for_margin == 900
    # never fewer than needed: part of a thrust is a whole one
    assert power(main, smallest / 1.001).thrusts_for_margin == 101
    assert power(main, 1.0).power == 0.8
    assert power(main, 1.0).why_not == ""
