"""Corrected share of pops and diluted differences against worked examples."""

import numpy as np
import pytest
import statsmodels.api as sm
from outcome_fakes import one_each, study, thrust
from scipy import stats

from popdetect.errors import UsageError
from popdetect.intervals import wilson
from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.columns import Columns, columns_of
from popdetect.study.analysis.detector_errors import (
    NOT_GIVEN,
    Accuracy,
    Dilution,
    Prevalence,
    dilution,
    lang_reiczigel,
    prevalence,
    rogan_gladen,
)
from popdetect.study.analysis.estimates import Estimate, missing
from popdetect.study.analysis.outcomes import outcomes


def test_rogan_gladen_of_a_worked_example() -> None:
    # 23 of 150 cows test positive, sensitivity 0.96, specificity 0.89: 5.1 per 100 (example of epi.prev in epiR)
    assert rogan_gladen(23 / 150, Accuracy((96, 100), (89, 100))) == pytest.approx(0.051, abs=5e-4)


def test_an_exact_detector_leaves_the_share_as_it_is() -> None:
    columns = columns_of(one_each([(6, 4)] * 30, [(6, 5)] * 12), "NPRS")
    made = prevalence(columns, Accuracy((10**9, 10**9), (10**9, 10**9)))

    assert made.corrected.value == pytest.approx(30 / 42)
    # Agresti-Coull's interval is what Lang & Reiczigel's becomes; its middle is Wilson's
    assert made.corrected.low is not None
    assert made.corrected.high is not None
    assert (made.corrected.low + made.corrected.high) / 2 == pytest.approx(sum(wilson(30, 42)) / 2, abs=1e-6)


def test_the_interval_of_the_share_covers_the_truth() -> None:
    rng = np.random.default_rng(11)
    for share, se, sp, n, n_se, n_sp in ((0.84, 0.9, 0.85, 150, 60, 30), (0.5, 0.95, 0.8, 80, 200, 50)):
        hits = 0
        for _ in range(1000):
            seen = rng.binomial(n, share * se + (1 - share) * (1 - sp)) / n
            known = Accuracy((int(rng.binomial(n_se, se)), n_se), (int(rng.binomial(n_sp, sp)), n_sp))
            low, high = lang_reiczigel(seen, n, known)
            hits += low <= share <= high
        assert 0.93 <= hits / 1000 <= 0.99


def test_the_less_is_known_of_the_detector_the_wider_the_interval() -> None:
    widths = [np.diff(lang_reiczigel(0.7, 200, Accuracy((9 * m, 10 * m), (8 * m, 10 * m))))[0] for m in (2, 10, 100)]

    assert widths[0] > widths[1] > widths[2]


def test_errors_that_explain_all_pops_are_told() -> None:
    thrusts = one_each([(6, 4), (5, 4)], [(6, 5 - i % 2) for i in range(30)])
    made = outcomes(thrusts, sensitivity=(9, 10), specificity=(8, 10))

    assert made.prevalence.cut
    assert made.prevalence.corrected.value == 0
    assert made.dilution.factor.value is None
    assert "errors alone" in made.dilution.factor.why_not


def test_a_detector_no_better_than_a_coin_corrects_nothing() -> None:
    made = outcomes(study(), sensitivity=(5, 10), specificity=(5, 10))

    assert made.prevalence.corrected.value is None
    assert "say nothing" in made.dilution.corrected.why_not


@pytest.mark.parametrize("counts", [(11, 10), (-1, 10), (0, 0)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="allowed are counts"):
        outcomes([], sensitivity=counts, specificity=(9, 10))


def test_one_count_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="sensitivity without specificity"):
        outcomes([], sensitivity=(9, 10))


@pytest.mark.parametrize(
    ("share", "se", "sp", "factor"),
    [
        (0.84, 0.90, 0.90, 0.61),
        (0.84, 0.80, 0.95, 0.46),
        (0.70, 0.95, 0.95, 0.87),
        (0.50, 0.90, 0.90, 0.80),
        (0.95, 0.95, 0.90, 0.48),
    ],
)
def test_dilution_is_that_of_the_literature_sheet(share: float, se: float, sp: float, factor: float) -> None:
    n = 100_000
    n_pop = round(n * (share * se + (1 - share) * (1 - sp)))
    rest = [thrust("no_pop", patient=f"q{i}") for i in range((n - n_pop) // 100)]
    columns = columns_of([thrust("pop", patient=f"p{i}") for i in range(n_pop // 100)] + rest, "NPRS")
    known = Accuracy((round(se * n), n), (round(sp * n), n))
    main = Difference("", Estimate(-0.5, -0.7, -0.3), se=0.1, df=200.0)
    made = dilution(main, prevalence(columns, known), known, 0)

    assert made.factor.value == pytest.approx(factor, abs=0.006)
    assert made.ppv is not None
    assert made.npv is not None
    assert made.ppv + made.npv - 1 == pytest.approx(made.factor.value)
    assert made.corrected.value == pytest.approx(-0.5 / made.factor.value)
    assert made.corrected.low is not None
    assert made.corrected.high is not None
    assert made.corrected.low < -0.7
    assert made.corrected.low < made.corrected.value < made.corrected.high < 0


def _patients(*pops_of: tuple[int, int]) -> Columns:
    """Columns of patients with (pops, thrusts without a pop) each."""
    rows = [
        thrust(label, patient=f"p{i}")
        for i, (pops, others) in enumerate(pops_of)
        for label in ["pop"] * pops + ["no_pop"] * others
    ]
    return columns_of(rows, "NPRS")


SIX = ((4, 0), (3, 1), (0, 4), (1, 3), (4, 0), (2, 2))


def test_repeated_patients_count_as_fewer_thrusts() -> None:
    made = prevalence(_patients(*SIX), None)
    pop = np.concatenate([np.repeat([1.0, 0.0], counts) for counts in SIX])
    groups = {"groups": np.repeat(np.arange(6), 4)}
    se = sm.OLS(pop, np.ones(24)).fit(cov_type="cluster", cov_kwds=groups).bse[0]
    # Korn & Graubard (1998): p (1 - p) / variance, times the squared ratio of the quantiles of normal and t
    effective = (14 / 24) * (10 / 24) / se**2 * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 5)) ** 2

    assert (made.n_pop, made.n) == (14, 24)
    assert made.n_effective == pytest.approx(effective)
    assert made.apparent.value == pytest.approx(14 / 24)
    assert (made.apparent.low, made.apparent.high) == pytest.approx(wilson(14 / 24 * effective, effective))
    how = f"24 thrusts of 6 patients counted as {effective:.0f} independent ones"
    assert (made.apparent.how, made.apparent.p) == (f"Wilson, {how}", None)
    assert made.corrected == missing(NOT_GIVEN)
    assert made.sensitivity == made.specificity == missing(NOT_GIVEN)
    assert not made.cut


def test_patients_who_differ_less_than_chance_do_not_count_as_more_thrusts() -> None:
    made = prevalence(_patients(*[(2, 2)] * 5, (3, 1)), None)

    assert made.n_effective == pytest.approx(24 * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 5)) ** 2)


def test_the_effective_number_of_special_samples() -> None:
    single = prevalence(_patients((1, 0), (0, 1), (1, 0)), None)
    alike = prevalence(_patients((3, 0), (2, 0), (2, 0)), None)
    none = prevalence(_patients((0, 3), (0, 2)), None)

    assert (single.n_effective, single.apparent.how) == (3.0, "Wilson, one thrust per patient")
    assert (alike.n_effective, none.n_effective) == (3.0, 2.0)
    worst = "Wilson, each patient counted as one thrust, because all verdicts are equal"
    assert alike.apparent.how == none.apparent.how == worst
    assert (alike.apparent.low, alike.apparent.high) == pytest.approx(wilson(3, 3))


def test_without_a_spread_between_patients_there_is_no_interval() -> None:
    known = Accuracy((18, 20), (19, 20))
    one = prevalence(_patients((3, 2)), known)
    why = "no interval: all thrusts are of one patient"

    assert one.n_effective is None
    assert one.apparent == Estimate(0.6, why_not=why)
    assert one.corrected.value == pytest.approx((0.6 + 0.95 - 1) / 0.85)
    assert (one.corrected.low, one.corrected.why_not) == (None, why)
    made = dilution(Difference("", Estimate(-1.0, -2.0, 0.0), se=0.5, df=9.0), one, known, 0)
    assert made.factor.why_not == made.corrected.why_not == why
    true = 0.55 / 0.85
    assert made.ppv == pytest.approx(true * 0.9 / 0.6)
    assert made.npv == pytest.approx((1 - true) * 0.95 / 0.4)
    assert made.factor.value == pytest.approx((made.ppv or 0) + (made.npv or 0) - 1)
    assert made.corrected.value is None


def test_no_decided_clip_has_no_share() -> None:
    made = prevalence(columns_of([thrust("uncertain")], "NPRS"), Accuracy((9, 10), (7, 10)))

    nothing = missing("no clip was called pop or no pop")
    assert (made.n_pop, made.n, made.n_effective, made.apparent, made.corrected) == (0, 0, None, nothing, nothing)
    assert made.sensitivity == Estimate(0.9, *wilson(9, 10), None, "Wilson")
    assert made.specificity == Estimate(0.7, *wilson(7, 10), None, "Wilson")
    main = Difference("", Estimate(-1.0, -2.0, 0.0), se=0.5, df=9.0)
    assert dilution(main, made, Accuracy((9, 10), (7, 10)), 0) == Dilution(nothing, None, None, nothing)


def test_the_interval_of_the_share_by_hand() -> None:
    # z² = 3.8415: n' = 103.8415, ap' = 0.59630; se' = 46/52, sp' = 19/22, their sum minus 1 is 0.74825;
    # share' = 0.61468; variances se 0.0019629, sp 0.0053531; shift 2 z² (0.0012066 - 0.0020627) = -0.0065773;
    # standard error √((0.0023182 + 0.00074165 + 0.00079478) / 0.55988) = 0.082974
    low, high = lang_reiczigel(0.6, 100.0, Accuracy((45, 50), (18, 20)))

    assert (low, high) == pytest.approx((0.44548, 0.77073), abs=1e-5)


def test_calling_pops_no_pops_mirrors_the_interval() -> None:
    one = lang_reiczigel(0.6, 100.0, Accuracy((45, 50), (17, 20)))
    other = lang_reiczigel(0.4, 100.0, Accuracy((17, 20), (45, 50)))

    assert one == pytest.approx((1 - other[1], 1 - other[0]))
    assert lang_reiczigel(0.0, 30.0, Accuracy((45, 50), (18, 20)))[0] == 0.0
    assert lang_reiczigel(1.0, 30.0, Accuracy((45, 50), (18, 20)))[1] == 1.0


def test_shares_beyond_what_errors_explain_are_set_to_the_limit() -> None:
    known = Accuracy((90, 100), (80, 100))
    few, many, half = (prevalence(_patients(*rows), known) for rows in ([(1, 0)] + [(0, 1)] * 9, [(1, 0)] * 10,
                                                                       [(1, 0)] * 5 + [(0, 1)] * 5))  # fmt: skip

    assert (few.corrected.value, few.cut) == (0.0, True)
    assert (many.corrected.value, many.cut) == (1.0, True)
    assert (half.corrected.value, half.cut) == (pytest.approx(0.3 / 0.7), False)
    assert half.corrected.how == "Lang & Reiczigel, one thrust per patient"
    assert (half.corrected.low, half.corrected.high) == pytest.approx(lang_reiczigel(0.5, 10.0, known))
    # the interval holds the value, even where Lang & Reiczigel's is elsewhere
    for made in (few, many):
        assert made.corrected.low is not None
        assert made.corrected.high is not None
        assert made.corrected.low <= (made.corrected.value or 0) <= made.corrected.high


def test_counts_too_small_for_an_interval() -> None:
    columns = _patients(*[(1, 0)] * 6, *[(0, 1)] * 4)
    # (3 + 1) / (4 + 2) + (2 + 1) / (4 + 2) = 1.17; (1 + 1) / (1 + 2) + (1 + 1) / (3 + 2) = 1.07
    for counts in (((3, 4), (2, 4)), ((1, 1), (1, 3))):
        assert prevalence(columns, Accuracy(*counts)).corrected.low is not None
    # (1 + 1) / (1 + 2) + (2 + 1) / (6 + 2) = 1.04
    small = prevalence(columns, Accuracy((1, 1), (2, 6))).corrected
    # Rogan-Gladen: (0.6 - 4/6) / (2/6) is below 0
    assert small.value == 0.0
    assert small.why_not == "no interval: the counts behind the errors are too small"


def test_verdicts_at_chance_correct_nothing() -> None:
    reason = "sensitivity + specificity is not above 1: the verdicts say nothing about pops"
    made = prevalence(_patients((1, 0), (0, 1)), Accuracy((5, 10), (5, 10)))

    assert (made.corrected, made.cut) == (missing(reason), False)


def _shared(share: float, n: float) -> Prevalence:
    return Prevalence(0, 0, n, Estimate(share), Estimate(share), Estimate(), Estimate())


def test_the_interval_of_the_factor_follows_from_the_draws() -> None:
    known = Accuracy((90, 100), (160, 200))
    made = dilution(Difference("", Estimate(-0.5, -0.7, -0.3), se=0.1, df=30.0), _shared(0.5, 80.0), known, 3)
    # Jeffreys: the same distributions drawn by scipy; PPV + NPV - 1 by Bayes' theorem
    ap, se, sp = (
        stats.beta.rvs(k + 0.5, n - k + 0.5, size=200_000, random_state=i)
        for i, (k, n) in enumerate(((40, 80), (90, 100), (160, 200)))
    )
    share = (ap - (1 - sp)) / (se - (1 - sp))
    factors = share * se / ap + (1 - share) * sp / (1 - ap) - 1
    difference = -0.5 + 0.1 * stats.t.rvs(30, size=200_000, random_state=9)

    assert made.factor.how == "simulated from the counts"
    assert (made.factor.low, made.factor.high) == pytest.approx(np.quantile(factors, [0.025, 0.975]), abs=0.01)
    corrected = np.quantile(difference / factors, [0.025, 0.975])
    assert (made.corrected.low, made.corrected.high) == pytest.approx(corrected, abs=0.03)
    assert made.corrected.how == (
        "simulated: uncertainty of the difference, the share of pops, sensitivity and specificity together"
    )
    assert made.factor.p is None
    assert made.corrected.p is None


def test_a_difference_without_an_interval_is_corrected_without_one() -> None:
    known = Accuracy((9000, 10_000), (9000, 10_000))
    share = _shared(0.5, 1000.0)

    for main in (
        Difference("", Estimate(-0.4, why_not="no interval: few"), se=None, df=9.0),
        Difference("", Estimate(-0.4, why_not="no interval: few"), se=0.1, df=None),
    ):
        made = dilution(main, share, known, 0).corrected
        assert made.value == pytest.approx(-0.5)
        assert (made.low, made.why_not) == (None, "no interval: few")
    assert dilution(Difference("", missing("none")), share, known, 0).corrected == missing("none")
    assert dilution(Difference("", missing("none")), share, None, 0) == Dilution(
        missing(NOT_GIVEN), None, None, missing(NOT_GIVEN)
    )


def test_draws_without_a_limit_give_no_interval() -> None:
    main = Difference("", Estimate(-0.5, -0.7, -0.3), se=0.1, df=30.0)
    made = dilution(main, _shared(0.5, 20.0), Accuracy((5, 8), (5, 8)), 0)

    assert made.corrected.value is not None
    assert made.corrected.why_not == "no interval: the counts behind the detector's errors are too small"
    assert (made.factor.low, made.corrected.low) == (0.0, None)


@pytest.mark.parametrize("share", [0.1, 0.95])
def test_no_factor_if_errors_explain_all_verdicts_of_one_kind(share: float) -> None:
    reason = "the detector's errors alone could explain all verdicts of one kind: no factor can be given"
    made = dilution(Difference("", Estimate(-0.5)), _shared(share, 90.0), Accuracy((90, 100), (90, 100)), 0)

    assert made == Dilution(missing(reason), None, None, missing(reason))


def test_impossible_counts_are_named() -> None:
    for counts, name in (((1, 0), "sensitivity 1 of 0"), ((-1, 3), "sensitivity -1 of 3")):
        with pytest.raises(UsageError) as refused:
            Accuracy(counts, (1, 1))
        assert str(refused.value) == f"{name}: allowed are counts, 0 ≤ right ≤ n and n ≥ 1"
    with pytest.raises(UsageError, match="specificity 2 of 1:"):
        Accuracy((0, 1), (2, 1))
    assert Accuracy((1, 1), (0, 1)).youden == 0
