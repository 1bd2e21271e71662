"""The models and their choice.

The referees are R (pbkrtest and clubSandwich; see `reference`), statsmodels, and CR2 by hand.
"""

import csv
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from outcome_fakes import by_hand, frame, one_each, study
from scipy import stats
from statsmodels.discrete.conditional_models import ConditionalLogit

from popdetect.study.analysis import regression
from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.analysis.thrusts import Thrust

REFERENCE = Path(__file__).parent / "reference"
CR2 = "least squares with cluster-robust standard errors by patient (CR2, Satterthwaite)"


def figures() -> list[tuple[str, str, str, tuple[float, float, float]]]:
    with (REFERENCE / "reference.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [(r["data"], r["model"], r["term"], (float(r["value"]), float(r["se"]), float(r["df"]))) for r in rows]


@pytest.mark.parametrize(("data", "model"), sorted({(data, model) for data, model, _, _ in figures()}))
def test_coefficients_errors_and_degrees_of_freedom_are_those_of_r(data: str, model: str) -> None:
    table = np.genfromtxt(REFERENCE / f"{data}.csv", delimiter=",", names=True)
    patient, session = (table[name].astype(int) for name in ("patient", "session"))
    terms = {"pop": table["pop"], "before": table["before"]}
    made = regression.fit(table["after"], terms, patient, session, mixed=model == "KR")

    assert made.model == {"KR": "mixed", "CR2": "hc2" if data == "single" else "cluster"}[model]
    for name, kind, term, expected in figures():
        if (name, kind) == (data, model):
            found = (made.estimate({term: 1.0}).value, made.se({term: 1.0}), made.df({term: 1.0}))
            assert found == pytest.approx(expected, rel=1e-4), term


@pytest.fixture(scope="module")
def repeated() -> list[Thrust]:
    return study(seed=3, speed=0.5, interaction=-0.2, effect=-0.8)


def test_several_thrusts_per_patient_are_a_mixed_model_within_patients(repeated: list[Thrust]) -> None:
    main = outcomes(repeated).main
    data = frame(repeated)
    for name in ("pop", "pre"):
        data[f"{name}_mean"] = data.groupby("patient")[name].transform("mean")
    referee = smf.mixedlm("post ~ pop + pre + pop_mean + pre_mean + expects", data, groups="patient").fit(reml=True)

    assert main.model == "mixed"
    assert main.is_within
    assert main.adjusted_for == ("pain before", "expectation of relief")
    assert main.estimate.value == pytest.approx(referee.params["pop"], abs=1e-4)
    assert main.se == pytest.approx(referee.bse["pop"], rel=1e-2)
    # the difference within patients is informed by thrusts, not by patients
    assert main.df is not None
    assert data["patient"].nunique() < main.df < len(data)
    reach = stats.t.ppf(0.975, main.df) * main.se
    assert main.estimate.low == pytest.approx(referee.params["pop"] - reach, abs=1e-3)
    assert main.estimate.high == pytest.approx(referee.params["pop"] + reach, abs=1e-3)
    between = float(referee.cov_re.iloc[0, 0])
    assert main.patient_share == pytest.approx(between / (between + referee.scale), abs=2e-3)
    assert (main.n, main.n_pop) == (len(data), int(data["pop"].sum()))


def test_one_thrust_per_patient_is_least_squares_with_hc2() -> None:
    thrusts = study(seed=2, n_patients=70, thrusts_per_patient=1)
    main = outcomes(thrusts).main
    data = frame(thrusts)
    referee = smf.ols("post ~ pop + pre + expects", data).fit(cov_type="HC2", use_t=True)
    X = np.column_stack([np.ones(len(data)), data["pop"], data["pre"], data["expects"]])
    value, se, df = by_hand(data["post"].to_numpy(float), X, np.arange(len(data)), np.eye(4)[1])

    assert main.model == "hc2"
    assert not main.is_within
    assert main.why == "one thrust per patient"
    assert (main.estimate.value, main.se, main.df) == pytest.approx((value, se, df))
    assert main.se == pytest.approx(referee.bse["pop"])


def test_no_spread_between_patients_is_cluster_robust_and_says_so() -> None:
    for seed in range(20):
        thrusts = study(seed=seed, n_patients=20, thrusts_per_patient=4, patient_sd=0.0)
        main = outcomes(thrusts).main
        if main.model == "cluster":
            break
    data = frame(thrusts)
    means = [data.groupby("patient")[name].transform("mean") for name in ("pop", "pre")]
    X = np.column_stack([np.ones(len(data)), data["pop"], data["pre"], data["expects"], *means])
    referee = by_hand(data["post"].to_numpy(float), X, data["group"].to_numpy(), np.eye(6)[1])

    assert "no spread between patients" in main.why
    assert (main.estimate.value, main.se, main.df) == pytest.approx(referee)


def test_one_score_copied_to_all_thrusts_of_a_patient_is_refused() -> None:
    """A study that looks certain: as thrusts, nothing varies within patients."""
    rng = np.random.default_rng(1)
    patient = np.repeat(np.arange(20), 4)
    pop = (rng.random(80) < 0.6).astype(float)
    y = np.rint(rng.normal(5, 1, 20))[patient]

    with pytest.raises(regression.TooLittle, match="copied"):
        regression.fit(y, {"pop": pop}, patient)


def test_one_thrust_that_alone_decides_is_refused() -> None:
    x = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
    with pytest.raises(regression.TooLittle, match="one thrust alone"):
        regression.fit(np.array([1.0, 2.0, 1.5, 2.5, 3.0]), {"x": x}, np.arange(5))


def test_scores_without_scatter_give_no_false_certainty() -> None:
    alike = outcomes(one_each([(6, 4)] * 5, [(6, 5)] * 5))

    assert alike.main.estimate.value is None
    assert alike.main.estimate.why_not
    assert alike.groups[0].change.value == -2
    assert alike.groups[0].change.low is None


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores, a variable that varies within patients, one that does not, and the patients: 12 patients of 1 to 5."""
    rng = np.random.default_rng(5)
    patient = np.repeat(np.arange(12), [1, 5, 3, 4, 2, 3, 3, 4, 5, 2, 1, 3])
    within, between = rng.normal(size=len(patient)), rng.normal(size=12)[patient]
    y = 5 + 0.7 * within - 0.4 * between + rng.normal(0, 1, 12)[patient] + rng.normal(0, 0.8, len(patient))
    return y, within, between, patient


Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def test_least_squares_by_patient_is_cr2(data: Data) -> None:
    y, within, between, patient = data
    made = regression.fit(y, {"w": within, "b": between}, patient, mixed=False)
    X = np.column_stack([np.ones(len(y)), within, between])

    assert made.names == ("one", "w", "b")
    assert made.coef == pytest.approx(sm.OLS(y, X).fit().params)
    for weights in (np.eye(3)[1], np.eye(3)[2], np.array([1.0, -2.0, 0.5])):
        named = dict(zip(made.names, weights.tolist(), strict=True))
        assert (weights @ made.coef, made.se(named), made.df(named)) == pytest.approx(by_hand(y, X, patient, weights))
    assert (made.model, made.why) == ("cluster", "several thrusts per patient")
    assert (made.n, made.n_patients, made.patient_share) == (len(y), 12, None)


def test_the_names_of_patients_do_not_matter_to_a_fit(data: Data) -> None:
    y, within, _, patient = data
    names = np.array([7, 90, 3, 55, 21, 4, 8, 1000, 33, 2, 6, 12])[patient]
    for mixed in (True, False):
        one, other = (regression.fit(y, {"w": within}, of, mixed=mixed) for of in (patient, names))
        assert other.coef == pytest.approx(one.coef, abs=1e-6)
        assert other.cov == pytest.approx(one.cov, rel=1e-4)
        assert other.df({"w": 1.0}) == pytest.approx(one.df({"w": 1.0}), rel=1e-4)


def test_the_mixed_model_is_that_of_statsmodels(data: Data) -> None:
    y, within, between, patient = data
    made = regression.fit(y, {"w": within, "b": between}, patient)
    X = np.column_stack([np.ones(len(y)), within, between])
    referee = sm.MixedLM(y, X, groups=patient).fit(reml=True)
    spread = float(np.asarray(referee.cov_re)[0, 0])

    assert made.coef == pytest.approx(np.asarray(referee.fe_params), abs=1e-4)
    assert made.patient_share == pytest.approx(spread / (spread + referee.scale), abs=1e-3)
    assert made.model == "mixed"
    assert made.why == "several thrusts per patient, and patients differ"
    # what is constant within patients is informed by patients only
    assert made.df({"b": 1.0}) < 12 < made.df({"w": 1.0}) < len(y)


def test_a_weighted_sum_has_the_error_of_its_covariance(data: Data) -> None:
    y, within, between, patient = data
    made = regression.fit(y, {"w": within, "b": between}, patient, mixed=False)
    w = np.array([0.0, 2.0, -1.0])
    found = made.estimate({"w": 2.0, "b": -1.0})
    X = np.column_stack([np.ones(len(y)), within, between])
    value, se, df = by_hand(y, X, patient, w)

    assert found.value == pytest.approx(value)
    reach = stats.t.ppf(0.975, df) * se
    assert (found.low, found.high) == pytest.approx((value - reach, value + reach))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(value) / se, df))
    assert found.how == f"{CR2}, t with {df:.1f} degrees of freedom"
    assert found.why_not == ""


def test_a_coefficient_without_error_has_no_interval() -> None:
    made = regression.Regression(("one",), np.array([2.0]), np.array([[0.0]]), lambda _: 4.5, "hc2", "", 6, 6)
    how = "least squares with heteroscedasticity-robust standard errors (HC2, Satterthwaite)"

    assert made.estimate({"one": 1.0}) == Estimate(2.0, how=how, why_not="no interval: the scores do not vary")


def test_too_few_degrees_of_freedom_give_no_interval() -> None:
    made = regression.Regression(("one",), np.array([2.0]), np.array([[1.0]]), lambda _: 0.9, "cluster", "", 6, 6)

    assert made.estimate({"one": 1.0}).low is None
    assert made.estimate({"one": 1.0}).why_not == "no interval: too few patients inform this comparison"


def test_a_mean_of_independent_thrusts_has_the_textbook_interval() -> None:
    y = np.array([1.0, 4.0, 2.0, 6.0])
    made = regression.fit(y, {}, np.arange(4), mixed=False)
    interval = stats.ttest_1samp(y, 0).confidence_interval(0.95)
    found = made.estimate({"one": 1.0})

    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert made.why == "one thrust per patient"
    assert made.df({"one": 1.0}) == pytest.approx(3.0)


def test_few_patients_make_a_rough_interval() -> None:
    rng = np.random.default_rng(2)
    for n_patients in (9, 10):
        patient = np.repeat(np.arange(n_patients), 4)
        x = rng.normal(size=len(patient))
        y = x + rng.normal(0, 2, n_patients)[patient] + rng.normal(size=len(patient))
        rough = "; with only 9 patients the interval is rough" if n_patients == 9 else ""
        mixed = regression.fit(y, {"x": x}, patient)
        assert mixed.why == f"several thrusts per patient, and patients differ{rough}"


def test_without_an_intercept_deviations_are_compared(data: Data) -> None:
    y, within, _, patient = data
    made = regression.fit(y, {"w": within}, patient, intercept=False, mixed=False)

    assert made.names == ("w",)
    assert made.coef[0] == pytest.approx(within @ y / (within @ within))
    referee = by_hand(y, within[:, None], patient, np.ones(1))
    assert (made.coef[0], made.se({"w": 1.0}), made.df({"w": 1.0})) == pytest.approx(referee)


def test_too_little_for_a_regression_is_told_in_full() -> None:
    rng = np.random.default_rng(1)
    y, x = rng.normal(size=(2, 12))
    one_patient = "all thrusts are of one patient: nothing can be said about other patients"
    needs = "a comparison needs at least 4 to estimate how patients differ"
    cannot = "the compared variables cannot be separated in these thrusts"
    quarters = np.arange(12) // 3
    level = np.array([1.0, 2.0, 4.0, 7.0])[quarters]
    curve = np.array([1.0, 0.0, 2.0, 1.0])[quarters]
    other = np.array([0.0, 5.0, 1.0, 1.0])[quarters]
    cases = (
        (y[:1], {}, np.arange(1), "only 1 complete thrusts"),
        (y[:3], {"x": x[:3]}, np.arange(3), "only 3 complete thrusts"),
        (y * 0 + 4, {"x": x}, np.arange(12), "all scores are equal"),
        (y, {"x": x, "z": 2 * x + 1}, np.arange(12), f"{cannot} (x, z)"),
        (y, {"x": 0 * x}, np.arange(12), f"{cannot} (x)"),
        (3 * x + 2, {"x": x}, np.arange(12), "the scores follow exactly from the other variables: there is no residual "
         "variation"),
        (y, {"x": x}, np.zeros(12), one_patient),
        (y, {}, np.zeros(12), one_patient),
        (y, {"x": x}, np.arange(12) // 4, f"only 3 patients; {needs}"),
        (y, {"x": level, "z": curve, "v": other}, quarters,
         "only 4 patients for 4 variables that differ only between patients"),
        (np.array([1.0, 2.0, 1.5, 2.5, 3.0]), {"x": np.eye(5)[4]}, np.arange(5),
         "one thrust alone determines a coefficient"),
    )  # fmt: skip
    for scores, terms, patient, reason in cases:
        with pytest.raises(regression.TooLittle) as refused:
            regression.fit(scores, terms, patient, mixed=False)
        assert str(refused.value) == reason


def test_just_enough_for_a_regression_is_fitted() -> None:
    rng = np.random.default_rng(1)
    y, x, z = rng.normal(size=(3, 12))
    quarters = np.arange(12) // 3
    level, curve = np.array([1.0, 2.0, 4.0, 7.0])[quarters], np.array([1.0, 0.0, 2.0, 1.0])[quarters]

    cases = (
        ({}, y[:2], np.arange(2)),
        ({"x": x[:4]}, y[:4], np.arange(4)),
        ({"x": x, "z": z}, y, quarters),
        # intercept, level and curve are constant within patients
        ({"x": level, "z": curve}, y, quarters),
        # means need no four patients: no differences between patients are modelled
        ({}, y, np.arange(12) // 6),
    )
    for terms, scores, patient in cases:
        made = regression.fit(scores, terms, patient, mixed=False)
        assert made.se({made.names[-1]: 1.0}) > 0


@pytest.fixture
def pops() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    speed = rng.normal(300, 40, 60)
    return (rng.random(60) < 1 / (1 + np.exp(-(speed - 300) / 40))).astype(float), speed


def test_the_logistic_model_of_single_thrusts_is_that_of_statsmodels(pops: tuple[np.ndarray, np.ndarray]) -> None:
    y, x = pops
    made = regression.fit_logistic(y, x, np.arange(60))
    referee = sm.Logit(y, sm.add_constant(x)).fit(disp=0)

    assert made.names == ("x",)
    assert made.coef[0] == pytest.approx(referee.params[1], rel=1e-5)
    assert made.cov[0, 0] == pytest.approx(referee.cov_params()[1, 1], rel=1e-4)
    assert (made.model, made.why, made.df({"x": 1.0})) == ("hc2", "one thrust per patient", 58.0)
    assert (made.n, made.n_patients) == (60, 60)


def test_the_logistic_model_of_repeated_patients_is_conditional(pops: tuple[np.ndarray, np.ndarray]) -> None:
    y, x = pops
    patient = np.arange(60) // 4
    made = regression.fit_logistic(y, x, patient)
    both = np.isin(patient, [p for p in range(15) if 0 < y[patient == p].sum() < 4])
    referee = ConditionalLogit(y[both], x[both][:, None] / 40, groups=patient[both]).fit(disp=False)

    assert made.coef[0] == pytest.approx(referee.params[0] / 40, rel=1e-4)
    assert made.se({"x": 1.0}) == pytest.approx(referee.bse[0] / 40, rel=1e-3)
    assert (made.model, made.why) == ("cluster", "several thrusts per patient")
    assert (made.n, made.n_patients) == (both.sum(), both.sum() // 4)
    assert made.df({"x": 1.0}) == both.sum() // 4 - 1


def test_speed_within_patients_is_not_reversed_by_fast_patients_who_pop_less() -> None:
    """A pooled odds ratio is below 1 here; within patients the true one is 2."""
    rng = np.random.default_rng(2)
    own = rng.normal(0, 1.5, 300)
    patient = np.repeat(np.arange(300), 6)
    x = own[patient] + rng.normal(size=len(patient))
    y = (rng.random(len(x)) < 1 / (1 + np.exp(-(0.7 * (x - own[patient]) - 0.6 * own[patient])))).astype(float)
    pooled = sm.Logit(y, sm.add_constant(x)).fit(disp=0)
    made = regression.fit_logistic(y, x, patient)

    assert np.exp(pooled.params[1]) < 1
    assert np.exp(made.coef[0]) == pytest.approx(2, rel=0.15)


def test_too_little_for_a_logistic_model_is_told_in_full() -> None:
    overlap = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    mixed = np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    apart = "the speed separates pops from no pops without overlap: the odds ratio has no upper limit"
    cases = (
        (np.ones(6), overlap, np.arange(6), "only one of pop and no pop occurs"),
        (np.zeros(6), overlap, np.arange(6), "only one of pop and no pop occurs"),
        (mixed, np.full(6, 300.0), np.arange(6), "the thrust speed is the same throughout"),
        (mixed, 300 + 1e-9 * overlap, np.arange(6), "the thrust speed is the same throughout"),
        (np.repeat([0.0, 1.0], 3), overlap, np.arange(6), apart),
        (np.repeat([1.0, 0.0], 3), overlap, np.arange(6), apart),
        # a shared limit alone is no overlap
        (np.repeat([0.0, 1.0], 3), np.array([1.0, 2.0, 3.0, 3.0, 4.0, 5.0]), np.arange(6), apart),
        (np.repeat([1.0, 0.0], 3), np.array([1.0, 2.0, 3.0, 3.0, 4.0, 5.0]), np.arange(6), apart),
        (mixed[:4], overlap[:4], np.arange(4), "only 4 thrusts of 4 patients"),
        (mixed, overlap, np.arange(6) // 3, "only 6 thrusts of 2 patients"),
        (np.repeat([0.0, 1.0], 3), np.array([1.0, 3.0, 2.0, 4.0, 2.5, 5.0]), np.arange(6) // 3,
         "no patient had both a pop and a thrust without"),
    )  # fmt: skip
    for y, x, patient, reason in cases:
        with pytest.raises(regression.TooLittle) as refused:
            regression.fit_logistic(y, x, patient)
        assert str(refused.value) == reason
    assert regression.fit_logistic(mixed[:5], overlap[:5], np.arange(5)).df({"x": 1.0}) == 3.0


def test_a_logistic_model_does_not_depend_on_the_unit(pops: tuple[np.ndarray, np.ndarray]) -> None:
    y, x = pops
    one, tiny = (regression.fit_logistic(y, unit * x, np.arange(60) // 4) for unit in (1.0, 1e-3))

    assert tiny.coef[0] == pytest.approx(1e3 * one.coef[0])
    assert tiny.se({"x": 1.0}) == pytest.approx(1e3 * one.se({"x": 1.0}))


def test_the_variance_ratio_is_the_maximum_of_the_likelihood(data: Data) -> None:
    y, within, _, patient = data
    X = np.column_stack([np.ones(len(y)), within])
    result = sm.MixedLM(y, X, groups=patient).fit(reml=True)
    referee = float(np.asarray(result.cov_re)[0, 0]) / result.scale
    assert regression._ratios(y, X, [patient])[0] == pytest.approx(referee, rel=1e-2)
    # with equally many thrusts for each patient it follows from the mean squares of an analysis of variance
    scores = y[:32].reshape(8, 4) + np.arange(8)[:, None]
    between = 4 * scores.mean(axis=1).var(ddof=1)
    residual = scores.var(axis=1, ddof=1).mean()
    found = regression._ratios(scores.ravel(), np.ones((32, 1)), [np.repeat(np.arange(8), 4)])
    assert found[0] == pytest.approx((between - residual) / (4 * residual), rel=1e-4)
