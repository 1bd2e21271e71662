"""The models and their choice; statsmodels, by its formulas, is the referee."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from outcome_fakes import frame, one_each, study
from scipy import stats

from popdetect.study.analysis import regression
from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.analysis.thrusts import Thrust


@pytest.fixture(scope="module")
def repeated() -> list[Thrust]:
    return study(seed=3, speed=0.5, interaction=-0.2, effect=-0.8)


def test_several_thrusts_per_patient_are_a_mixed_model(repeated: list[Thrust]) -> None:
    main = outcomes(repeated).main
    data = frame(repeated)
    referee = smf.mixedlm("post ~ pop + pre + expects", data, groups="patient").fit(reml=True)

    assert main.model == "mixed"
    assert main.estimate.value == pytest.approx(referee.params["pop"], abs=1e-4)
    assert main.se == pytest.approx(referee.bse["pop"], rel=1e-3)
    # pop and pain before differ within patients; the intercept and expectation do not
    assert main.df == data["patient"].nunique() - 2
    reach = stats.t.ppf(0.975, main.df) * referee.bse["pop"]
    assert main.estimate.low == pytest.approx(referee.params["pop"] - reach, abs=1e-3)
    assert main.estimate.high == pytest.approx(referee.params["pop"] + reach, abs=1e-3)
    between = float(referee.cov_re.iloc[0, 0])
    assert main.patient_share == pytest.approx(between / (between + referee.scale), abs=2e-3)
    assert (main.n, main.n_pop) == (len(data), int(data["pop"].sum()))


def test_one_thrust_per_patient_is_least_squares_with_hc3() -> None:
    thrusts = study(seed=2, n_patients=70, thrusts_per_patient=1)
    main = outcomes(thrusts).main
    referee = smf.ols("post ~ pop + pre + expects", frame(thrusts)).fit(cov_type="HC3", use_t=True)

    assert main.model == "hc3"
    assert main.why == "one thrust per patient"
    assert (main.estimate.low, main.estimate.high) == pytest.approx(referee.conf_int().loc["pop"].tolist())
    assert main.estimate.p == pytest.approx(referee.pvalues["pop"])


def test_no_spread_between_patients_is_cluster_robust_and_says_so() -> None:
    for seed in range(20):
        thrusts = study(seed=seed, n_patients=20, thrusts_per_patient=4, patient_sd=0.0)
        main = outcomes(thrusts).main
        if main.model == "cluster":
            break
    data = frame(thrusts)
    referee = smf.ols("post ~ pop + pre + expects", data).fit(cov_type="cluster", cov_kwds={"groups": data["group"]})

    assert "no spread between patients" in main.why
    assert main.estimate.value == pytest.approx(referee.params["pop"])
    assert main.se == pytest.approx(referee.bse["pop"])
    assert main.df is not None
    assert main.df <= data["group"].nunique() - 2


def test_a_failing_optimiser_falls_back_in_words(repeated: list[Thrust], monkeypatch: pytest.MonkeyPatch) -> None:
    def singular(*_: object, **__: object) -> None:
        warnings.warn("the Hessian is singular", RuntimeWarning, stacklevel=1)
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(regression.MixedLM, "fit", singular)
    main = outcomes(repeated).main

    assert main.model == "cluster"
    assert main.why == "the mixed model could not be fitted"
    assert main.estimate.low is not None


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


def test_least_squares_by_patient_is_that_of_statsmodels(data: Data) -> None:
    y, within, between, patient = data
    made = regression.fit(y, {"w": within, "b": between}, patient, mixed=False)
    X = np.column_stack([np.ones(len(y)), within, between])
    referee = sm.OLS(y, X).fit(cov_type="cluster", cov_kwds={"groups": patient})

    assert made.names == ("one", "w", "b")
    assert made.coef == pytest.approx(referee.params)
    assert made.cov == pytest.approx(referee.cov_params())
    # CR1 by hand: G / (G - 1) · (n - 1) / (n - k), between the inverses of X'X
    scores = np.stack([(X * referee.resid[:, None])[patient == i].sum(axis=0) for i in range(12)])
    bread = np.linalg.inv(X.T @ X)
    n = len(y)
    assert made.cov == pytest.approx(12 / 11 * (n - 1) / (n - 3) * bread @ scores.T @ scores @ bread)
    assert (made.model, made.why, made.df) == ("cluster", "several thrusts per patient", 10.0)
    assert (made.n, made.n_patients, made.patient_share) == (n, 12, None)


def test_the_names_of_patients_do_not_matter_to_a_fit(data: Data) -> None:
    y, within, _, patient = data
    names = np.array([7, 90, 3, 55, 21, 4, 8, 1000, 33, 2, 6, 12])[patient]
    for mixed in (True, False):
        one, other = (regression.fit(y, {"w": within}, of, mixed=mixed) for of in (patient, names))
        assert other.coef == pytest.approx(one.coef, abs=1e-6)
        assert other.cov == pytest.approx(one.cov, rel=1e-4)
        assert other.df == one.df == 11.0


def test_the_mixed_model_is_that_of_statsmodels(data: Data) -> None:
    y, within, between, patient = data
    made = regression.fit(y, {"w": within, "b": between}, patient)
    X = np.column_stack([np.ones(len(y)), within, between])
    referee = sm.MixedLM(y, X, groups=patient).fit(reml=True)
    spread = float(np.asarray(referee.cov_re)[0, 0])

    assert made.coef == pytest.approx(np.asarray(referee.fe_params), abs=1e-4)
    assert made.cov == pytest.approx(np.asarray(referee.cov_params())[:3, :3], rel=1e-2, abs=1e-5)
    assert made.patient_share == pytest.approx(spread / (spread + referee.scale), abs=1e-3)
    assert (made.model, made.df) == ("mixed", 10.0)
    assert made.why == "several thrusts per patient, and the model converged"


def test_a_weighted_sum_has_the_error_of_its_covariance(data: Data) -> None:
    y, within, between, patient = data
    made = regression.fit(y, {"w": within, "b": between}, patient, mixed=False)
    w = np.array([0.0, 2.0, -1.0])
    found = made.estimate({"w": 2.0, "b": -1.0})
    se = np.sqrt(w @ made.cov @ w)

    assert found.value == pytest.approx(w @ made.coef)
    assert made.se({"w": 2.0, "b": -1.0}) == pytest.approx(se)
    reach = stats.t.ppf(0.975, 10) * se
    assert (found.low, found.high) == pytest.approx((w @ made.coef - reach, w @ made.coef + reach))
    assert found.p == pytest.approx(2 * stats.t.sf(abs(w @ made.coef) / se, 10))
    assert (
        found.how == "least squares with cluster-robust standard errors by patient (CR1), t with 10 degrees of freedom"
    )
    assert found.why_not == ""


def test_a_coefficient_without_error_has_no_interval() -> None:
    made = regression.Regression(("one",), np.array([2.0]), np.array([[0.0]]), 4.5, "hc3", "", 6, 6)
    how = "least squares with heteroscedasticity-robust standard errors (HC3), t with 4.5 degrees of freedom"

    assert made.estimate({"one": 1.0}) == Estimate(2.0, how=how, why_not="no interval: the scores do not vary")


def test_a_mean_of_independent_thrusts_has_the_textbook_interval() -> None:
    y = np.array([1.0, 4.0, 2.0, 6.0])
    made = regression.fit(y, {}, np.arange(4), mixed=False)
    interval = stats.ttest_1samp(y, 0).confidence_interval(0.95)
    found = made.estimate({"one": 1.0})

    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert made.why == "one thrust per patient; with only 4 patients the interval is rough"
    assert made.df == 3.0


def test_few_patients_make_a_rough_interval() -> None:
    rng = np.random.default_rng(2)
    for n_patients in (9, 10):
        patient = np.repeat(np.arange(n_patients), 4)
        x = rng.normal(size=len(patient))
        y = x + rng.normal(0, 2, n_patients)[patient] + rng.normal(size=len(patient))
        rough = "; with only 9 patients the interval is rough" if n_patients == 9 else ""
        mixed, cluster = (regression.fit(y, {"x": x}, patient, mixed=mixed) for mixed in (True, False))
        assert mixed.why == f"several thrusts per patient, and the model converged{rough}"
        assert cluster.why == f"several thrusts per patient{rough}"


def test_without_an_intercept_deviations_are_compared(data: Data) -> None:
    y, within, _, patient = data
    made = regression.fit(y, {"w": within}, patient, intercept=False, mixed=False)

    assert made.names == ("w",)
    assert made.coef[0] == pytest.approx(within @ y / (within @ within))
    # no coefficient is constant within patients
    assert made.df == 12.0


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

    assert regression.fit(y[:2], {}, np.arange(2), mixed=False).df == 1.0
    assert regression.fit(y[:4], {"x": x[:4]}, np.arange(4), mixed=False).df == 2.0
    assert regression.fit(y, {"x": x, "z": z}, quarters, mixed=False).df == 3.0
    # intercept, level and curve are constant within patients
    assert regression.fit(y, {"x": level, "z": curve}, quarters, mixed=False).df == 1.0
    # means need no four patients: no differences between patients are modelled
    assert regression.fit(y, {}, np.arange(12) // 6, mixed=False).df == 1.0


@pytest.fixture
def pops() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    speed = rng.normal(300, 40, 60)
    return (rng.random(60) < 1 / (1 + np.exp(-(speed - 300) / 40))).astype(float), speed


def test_the_logistic_model_of_single_thrusts_is_that_of_statsmodels(pops: tuple[np.ndarray, np.ndarray]) -> None:
    y, x = pops
    made = regression.fit_logistic(y, x, np.arange(60))
    referee = sm.Logit(y, sm.add_constant(x)).fit(disp=0)

    assert made.names == ("one", "x")
    assert made.coef == pytest.approx(referee.params, rel=1e-5)
    assert made.cov == pytest.approx(referee.cov_params(), rel=1e-4)
    assert (made.model, made.why, made.df) == ("hc3", "one thrust per patient", 58.0)
    assert (made.n, made.n_patients) == (60, 60)


def test_the_logistic_model_of_repeated_patients_is_that_of_statsmodels(pops: tuple[np.ndarray, np.ndarray]) -> None:
    y, x = pops
    patient = np.arange(60) // 4
    made = regression.fit_logistic(y, x, patient)
    referee = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": patient}
    )

    assert made.coef == pytest.approx(referee.params, rel=1e-5)
    assert made.cov == pytest.approx(referee.cov_params(), rel=1e-4)
    assert (made.model, made.why, made.df) == ("cluster", "several thrusts per patient", 13.0)


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
    )
    for y, x, patient, reason in cases:
        with pytest.raises(regression.TooLittle) as refused:
            regression.fit_logistic(y, x, patient)
        assert str(refused.value) == reason
    assert regression.fit_logistic(mixed, overlap, np.arange(6) // 2).df == 1.0
    assert regression.fit_logistic(mixed[:5], overlap[:5], np.arange(5)).df == 3.0


def test_a_logistic_model_does_not_depend_on_the_unit(pops: tuple[np.ndarray, np.ndarray]) -> None:
    y, x = pops
    one, tiny = (regression.fit_logistic(y, unit * x, np.arange(60) // 4) for unit in (1.0, 1e-3))

    assert tiny.coef[1] == pytest.approx(1e3 * one.coef[1])
    assert tiny.se({"x": 1.0}) == pytest.approx(1e3 * one.se({"x": 1.0}))


def test_a_failing_mixed_model_says_how_it_failed(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    y, within, _, patient = data
    real = regression.MixedLM.fit

    def altered(**changes: object) -> Callable[..., object]:
        def run(self: Any, *given: Any, **more: Any) -> object:
            result = real(self, *given, **more)
            for name, change in changes.items():
                monkeypatch.setattr(result, name, change, raising=False)
            return result

        return run

    cases = (
        ({"converged": False}, "the mixed model did not converge"),
        ({"cov_params": lambda: np.full((3, 3), np.nan)}, "the mixed model gave no standard errors"),
        ({"cov_params": lambda: -np.eye(3)}, "the mixed model gave no standard errors"),
        ({"cov_re": np.zeros((1, 1))}, "the mixed model found no spread between patients beyond that of their thrusts"),
    )
    for changes, why in cases:
        monkeypatch.setattr(regression.MixedLM, "fit", altered(**changes))
        made = regression.fit(y, {"w": within}, patient)
        assert (made.model, made.why) == ("cluster", why)


def test_the_start_of_the_mixed_model_is_its_maximum(data: Data) -> None:
    y, within, _, patient = data
    X = np.column_stack([np.ones(len(y)), within])
    result = sm.MixedLM(y, X, groups=patient).fit(reml=True)
    referee = float(np.asarray(result.cov_re)[0, 0]) / result.scale
    assert regression._ratio(y, X, patient) == pytest.approx(referee, rel=1e-2)
    # with equally many thrusts for each patient it follows from the mean squares of an analysis of variance
    scores = y[:32].reshape(8, 4) + np.arange(8)[:, None]
    between = 4 * scores.mean(axis=1).var(ddof=1)
    residual = scores.var(axis=1, ddof=1).mean()
    found = regression._ratio(scores.ravel(), np.ones((32, 1)), np.repeat(np.arange(8), 4))
    assert found == pytest.approx((between - residual) / (4 * residual), rel=1e-4)
