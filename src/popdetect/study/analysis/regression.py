"""Linear and logistic regression for thrusts of patients, with the choice of the model. The adapter of statsmodels.

Thrusts of one patient are correlated, so the model depends on how many there are:

* several thrusts per patient: a random intercept for each patient, by REML;
* if that does not converge, or finds no spread between patients: ordinary least squares with a cluster-robust
  covariance by patient (CR1);
* one thrust per patient: ordinary least squares with HC3.

Intervals use Student's t. Its degrees of freedom are thrusts minus coefficients with HC3, else patients minus the
coefficients of variables that are constant within patients. So many thrusts of few patients do not count as many
patients.

References
----------
Laird & Ware (1982), Biometrics 38:963; Cameron & Miller (2015), J Hum Resour 50:317 (t with few clusters); Long & Ervin
(2000), Am Stat 54:217 (HC3); Schluchter & Elashoff (1990), J Stat Comput Simul 37:69 (degrees of freedom).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.regression.linear_model import OLS
from statsmodels.regression.mixed_linear_model import MixedLM, MixedLMParams

from popdetect.study.analysis.columns import Floats, Ints
from popdetect.study.analysis.estimates import Estimate, TooLittle, lowest, t_reach, t_two_sided

ModelKind = Literal["mixed", "cluster", "hc3"]
FEW_PATIENTS = 10
MIN_PATIENTS = 4  # with fewer, the spread between patients cannot be estimated
WORDS: dict[ModelKind, str] = {
    "mixed": "linear mixed model with a random intercept per patient (REML)",
    "cluster": "least squares with cluster-robust standard errors by patient (CR1)",
    "hc3": "least squares with heteroscedasticity-robust standard errors (HC3)",
}
_NONE = 1e-9
_ALIKE = "the mixed model found no spread between patients beyond that of their thrusts"
_NO_SPREAD = 1e-4  # of the residual variance: the optimiser never reaches 0 exactly


@dataclass(frozen=True, slots=True)
class Regression:
    """A fitted model."""

    names: tuple[str, ...]  # of the coefficients; ``one`` is the intercept
    coef: Floats  # (k,)
    cov: Floats  # (k, k)
    df: float  # above 0: degrees of freedom of Student's t
    model: ModelKind
    why: str  # why this model
    n: int
    n_patients: int
    patient_share: float | None = None  # share of the remaining variance between patients (ICC); mixed model only

    def se(self, weights: Mapping[str, float]) -> float:
        """Standard error of a weighted sum of coefficients."""
        w = np.array([weights.get(name, 0.0) for name in self.names])
        return math.sqrt(max(float(w @ self.cov @ w), 0.0))

    def estimate(self, weights: Mapping[str, float]) -> Estimate:
        """A weighted sum of coefficients with its interval and p value."""
        value = float(sum(weight * self.coef[self.names.index(name)] for name, weight in weights.items()))
        se = self.se(weights)
        how = f"{WORDS[self.model]}, t with {self.df:g} degrees of freedom"
        if se < _NONE:
            return Estimate(value, how=how, why_not="no interval: the scores do not vary")
        reach = t_reach(self.df) * se
        return Estimate(value, value - reach, value + reach, t_two_sided(value / se, self.df), how)


def fit(
    y: Floats, terms: Mapping[str, Floats], patient: Ints, *, mixed: bool = True, intercept: bool = True
) -> Regression:
    """Regression y on an intercept and the terms, by the model that the module's docstring names.

    All arrays have shape (n,) and no NaN. Without `mixed` it is always least squares, so that the coefficients are
    means and differences of means; with an intercept alone and one thrust per patient this is the textbook t interval
    of a mean. Raises TooLittle if there are too few data; the message says why.
    """
    names, X = _design(y, terms, intercept=intercept)
    n, k = X.shape
    _, of = np.unique(patient, return_inverse=True)
    n_patients = int(of.max()) + 1
    why = "several thrusts per patient" if n_patients < n else "one thrust per patient"
    if n_patients == n and k > 1:
        if (np.square(np.linalg.qr(X)[0]).sum(axis=1) > 1 - 1e-9).any():
            raise TooLittle("one thrust alone determines a coefficient")
        result = OLS(y, X).fit(cov_type="HC3", use_t=True)
        return Regression(names, result.params, result.cov_params(), float(n - k), "hc3", why, n, n_patients)
    df = _df(X, of, n_patients)
    rough = f"; with only {n_patients} patients the interval is rough" if n_patients < FEW_PATIENTS else ""
    made = _mixed(y, X, of) if mixed else why
    if not isinstance(made, str):
        coef, cov, share = made
        why = f"several thrusts per patient, and the model converged{rough}"
        return Regression(names, coef, cov, df, "mixed", why, n, n_patients, share)
    result = OLS(y, X).fit(cov_type="cluster", cov_kwds={"groups": of}, use_t=True)
    return Regression(names, result.params, result.cov_params(), df, "cluster", made + rough, n, n_patients)


def fit_logistic(y: Floats, x: Floats, patient: Ints) -> Regression:
    """Log-odds of y (0 or 1) on x, cluster-robust by patient where patients repeat; coefficients ``one`` and ``x``.

    Raises TooLittle for one outcome only, an x that does not vary, or one that separates the outcomes completely.
    """
    n_patients = len(np.unique(patient))
    ones, zeros = x[y > 0.5], x[y < 0.5]
    if not len(ones) or not len(zeros):
        raise TooLittle("only one of pop and no pop occurs")
    if np.ptp(x) < _NONE * (1 + np.abs(x).max()):
        raise TooLittle("the thrust speed is the same throughout")
    if ones.min() >= zeros.max() or zeros.min() >= ones.max():
        raise TooLittle("the speed separates pops from no pops without overlap: the odds ratio has no upper limit")
    repeats = n_patients < len(y)
    if n_patients < 3 or len(y) < 5:
        raise TooLittle(f"only {len(y)} thrusts of {n_patients} patients")
    centre, spread = float(x.mean()), float(x.std())
    X = np.column_stack([np.ones(len(x)), (x - centre) / spread])
    kind: dict[str, Any] = {"cov_type": "cluster", "cov_kwds": {"groups": patient}} if repeats else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = GLM(y, X, family=Binomial()).fit(**kind)
    if not result.converged or not np.isfinite(result.cov_params()).all():
        raise TooLittle("the logistic model did not converge")
    back = np.array([[1.0, -centre / spread], [0.0, 1 / spread]])
    coef, cov = back @ result.params, back @ result.cov_params() @ back.T
    why = "several thrusts per patient" if repeats else "one thrust per patient"
    df = float(n_patients - 2)
    return Regression(("one", "x"), coef, cov, df, "cluster" if repeats else "hc3", why, len(y), n_patients)


def _design(y: Floats, terms: Mapping[str, Floats], *, intercept: bool) -> tuple[tuple[str, ...], Floats]:
    columns = {"one": np.ones(len(y)), **terms} if intercept else dict(terms)
    X = np.column_stack([*columns.values()])
    k = X.shape[1]
    if len(y) < k + 1 or 1 < k > len(y) - 2:
        raise TooLittle(f"only {len(y)} complete thrusts")
    if np.ptp(y) < _NONE:
        raise TooLittle("all scores are equal")
    lengths = np.sqrt(np.square(X).sum(axis=0))
    if not lengths.all() or np.linalg.matrix_rank(X / lengths, tol=1e-8) < k:
        raise TooLittle("the compared variables cannot be separated in these thrusts (" + ", ".join(terms) + ")")
    rest = y - X @ np.linalg.lstsq(X, y, rcond=None)[0]
    if k > 1 and np.square(rest).sum() < _NONE * np.square(y - y.mean()).sum():
        raise TooLittle("the scores follow exactly from the other variables: there is no residual variation")
    return tuple(columns), X


def _df(X: Floats, of: Ints, n_patients: int) -> float:
    """Patients minus the coefficients that are constant within patients; the intercept is one of them."""
    if n_patients < 2:
        raise TooLittle("all thrusts are of one patient: nothing can be said about other patients")
    if n_patients < MIN_PATIENTS and X.shape[1] > 1:
        raise TooLittle(
            f"only {n_patients} patients; a comparison needs at least {MIN_PATIENTS} to estimate how patients differ"
        )
    first = X[np.unique(of, return_index=True)[1]]
    n_between = int((np.abs(X - first[of]).max(axis=0) < _NONE).sum())
    if n_patients - n_between < 1:
        raise TooLittle(f"only {n_patients} patients for {n_between} variables that differ only between patients")
    return float(n_patients - n_between)


def _mixed(y: Floats, X: Floats, of: Ints) -> tuple[Floats, Floats, float] | str:
    """Coefficients, their covariance and the patients' share of the variance, or why the model cannot be used."""
    k = X.shape[1]
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            ratio = _ratio(y, X, of)
            if ratio < _NO_SPREAD:
                return _ALIKE
            start = MixedLMParams.from_components(np.zeros(k), cov_re=np.array([[ratio]]))
            result = MixedLM(y, X, groups=of).fit(start, reml=True, method=["bfgs", "powell"])
        except (np.linalg.LinAlgError, ValueError, FloatingPointError):
            return "the mixed model could not be fitted"
    if not result.converged:
        return "the mixed model did not converge"
    spread = float(np.asarray(result.cov_re)[0, 0])
    if spread < _NO_SPREAD * result.scale:
        return _ALIKE
    cov = np.asarray(result.cov_params())[:k, :k]
    if not np.isfinite(cov).all() or (np.diag(cov) <= 0).any():
        return "the mixed model gave no standard errors" + (f" ({told[0].message})" if told else "")
    return np.asarray(result.fe_params), cov, spread / (spread + float(result.scale))


def _ratio(y: Floats, X: Floats, of: Ints) -> float:
    """Ratio of the variance between patients to that within, at the maximum of the REML likelihood.

    With one random intercept the likelihood needs only sums by patient and weighted deviations from patients' means.
    statsmodels loops over all patients at every step; from this start it needs few steps.
    """
    sizes = np.bincount(of)
    columns = np.column_stack([X, y])
    means = np.column_stack([np.bincount(of, column) for column in columns.T]) / sizes[:, None]
    n, k = X.shape

    def deviance(log_ratio: float) -> float:
        inflation = 1 + sizes * math.exp(log_ratio)
        moved = columns - ((1 - 1 / np.sqrt(inflation))[:, None] * means)[of]
        # the last number of the last column is the residual of y
        triangle = np.abs(np.diag(np.linalg.qr(moved, mode="r")))
        return float(np.log(inflation).sum() + 2 * np.log(triangle[:k]).sum() + 2 * (n - k) * np.log(triangle[k]))

    return math.exp(lowest(deviance, math.log(_NO_SPREAD / 10), math.log(1e4)))
