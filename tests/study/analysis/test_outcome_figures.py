"""The figures of the outcomes against worked examples and outside referees."""

import math

import numpy as np
import pytest
import statsmodels.formula.api as smf
from outcome_fakes import frame, one_each, study, thrust, with_moments
from scipy import stats
from sklearn.metrics import cohen_kappa_score, f1_score
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint
from statsmodels.stats.weightstats import ttost_ind

from popdetect.errors import UsageError
from popdetect.intervals import wilson
from popdetect.study.analysis.adjusted import Difference, correction
from popdetect.study.analysis.agreement import Agreement, agreement
from popdetect.study.analysis.columns import columns_of
from popdetect.study.analysis.detector_errors import Accuracy, dilution, lang_reiczigel, prevalence, rogan_gladen
from popdetect.study.analysis.equivalence import equivalence, power, tost
from popdetect.study.analysis.estimates import Estimate, detectable, newcombe
from popdetect.study.analysis.outcomes import outcomes


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


def main_of(value: float, se: float, df: float = 60.0) -> Difference:
    reach = stats.t.ppf(0.975, df) * se
    return Difference("", Estimate(value, value - reach, value + reach), se=se, df=df, n=100)


def test_three_things_can_be_said() -> None:
    said = [equivalence(main_of(*found), 1.0) for found in ((-1.4, 0.3), (-0.1, 0.3), (-0.6, 0.5), (-0.4, 0.1))]

    assert [found.conclusion for found in said] == ["difference", "equivalence", "neither", "difference"]
    # a difference can be shown and still be too small to matter
    assert [found.within_margin for found in said] == [False, True, False, True]


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


@pytest.mark.parametrize("margin", [0, -1, 11, math.nan])
def test_a_margin_out_of_range_is_refused(margin: float) -> None:
    with pytest.raises(UsageError, match="margin"):
        outcomes([], margin=margin)
