"""Linear and logistic regression for thrusts of patients, with the choice of the model. The adapter of statsmodels.

Thrusts of one patient are correlated, so the model depends on how many there are:

* several thrusts per patient: a random intercept for each patient, by REML, and another for each session where patients
  have several sessions of several thrusts; covariance and degrees of freedom after Kenward and Roger;
* if that finds no spread between patients, or one thrust per patient: ordinary least squares with the bias-reduced
  covariance by patient (CR2) and the degrees of freedom of Bell and McCaffrey (Satterthwaite).

Intervals use Student's t. Its degrees of freedom belong to one comparison: if pops are rare, few thrusts inform the
difference, and they are few, however many thrusts there are.

Arrays: y has shape (n,), the design X (n, k), covariances (k, k).

References
----------
Laird & Ware (1982), Biometrics 38:963; Kenward & Roger (1997), Biometrics 53:983; Bell & McCaffrey (2002), Surv
Methodol 28:169; Pustejovsky & Tipton (2018), J Bus Econ Stat 36:672 (CR2). The referees of the tests are the R
packages pbkrtest and clubSandwich.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from statsmodels.discrete.conditional_models import ConditionalLogit
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from popdetect.study.analysis.columns import Floats, Ints
from popdetect.study.analysis.estimates import Estimate, TooLittle, lowest, lowest_of_two, t_reach, t_two_sided

ModelKind = Literal["mixed", "cluster", "hc2"]
FEW_PATIENTS = 10
MIN_PATIENTS = 4  # with fewer, the spread between patients cannot be estimated
MIN_DF = 1.0  # with fewer degrees of freedom the t interval is too wide to be useful, and its level is not known
WORDS: dict[ModelKind, str] = {
    "mixed": "linear mixed model with a random intercept per patient (REML, Kenward-Roger)",
    "cluster": "least squares with cluster-robust standard errors by patient (CR2, Satterthwaite)",
    "hc2": "least squares with heteroscedasticity-robust standard errors (HC2, Satterthwaite)",
}
_NONE = 1e-9
_ALIKE = "the mixed model found no spread between patients beyond that of their thrusts"
_NO_SPREAD = 1e-4  # of the residual variance: the optimiser never reaches 0 exactly
_NO_RESIDUAL = 1e4  # ratio of the variances between and within patients, from which nothing varies within patients
_SEARCH = (math.log(_NO_SPREAD / 10), math.log(_NO_RESIDUAL * 10))  # of the log ratio of two variances

DegreesOfFreedom = Callable[[Floats], float]  # takes the weights of the coefficients, shape (k,)


@dataclass(frozen=True, slots=True)
class Regression:
    """A fitted model."""

    names: tuple[str, ...]  # of the coefficients; ``one`` is the intercept
    coef: Floats  # (k,)
    cov: Floats  # (k, k)
    df_of: DegreesOfFreedom  # of a weighted sum of coefficients; above 0
    model: ModelKind
    why: str  # why this model
    n: int
    n_patients: int
    patient_share: float | None = None  # share of the remaining variance between patients (ICC); mixed model only

    def weights(self, named: Mapping[str, float]) -> Floats:
        """Weights as an array, 0 for the coefficients that are not named."""
        return np.array([named.get(name, 0.0) for name in self.names])

    def se(self, weights: Mapping[str, float]) -> float:
        """Standard error of a weighted sum of coefficients."""
        w = self.weights(weights)
        return math.sqrt(max(float(w @ self.cov @ w), 0.0))

    def df(self, weights: Mapping[str, float]) -> float:
        """Degrees of freedom of a weighted sum of coefficients."""
        return self.df_of(self.weights(weights))

    def estimate(self, weights: Mapping[str, float]) -> Estimate:
        """A weighted sum of coefficients with its interval and p value."""
        value = float(self.weights(weights) @ self.coef)
        se = self.se(weights)
        if se < _NONE:
            return Estimate(value, how=WORDS[self.model], why_not="no interval: the scores do not vary")
        df = self.df(weights)
        how = f"{WORDS[self.model]}, t with {df:.1f} degrees of freedom"
        if not df >= MIN_DF:
            return Estimate(value, how=how, why_not="no interval: too few patients inform this comparison")
        reach = t_reach(df) * se
        return Estimate(value, value - reach, value + reach, t_two_sided(value / se, df), how)


def fit(
    y: Floats,
    terms: Mapping[str, Floats],
    patient: Ints,
    session: Ints | None = None,
    *,
    mixed: bool = True,
    intercept: bool = True,
) -> Regression:
    """Regression y on an intercept and the terms, by the model that the module's docstring names.

    All arrays have shape (n,) and no NaN; `session` numbers the patients' sessions, a number per patient and session.
    Without `mixed` it is always least squares, so that the coefficients are means and differences of means; with an
    intercept alone and one thrust per patient this is the textbook t interval of a mean. Raises TooLittle if there are
    too few data; the message says why.
    """
    names, X = _design(y, terms, intercept=intercept)
    _, of = np.unique(patient, return_inverse=True)
    n, n_patients = len(y), int(of.max()) + 1
    repeats = n_patients < n
    if not repeats and X.shape[1] > 1 and (np.square(np.linalg.qr(X)[0]).sum(axis=1) > 1 - 1e-9).any():
        raise TooLittle("one thrust alone determines a coefficient")
    _enough_patients(X, of, n_patients)
    why = "several thrusts per patient" if repeats else "one thrust per patient"
    if mixed and repeats:
        rough = f"; with only {n_patients} patients the interval is rough" if n_patients < FEW_PATIENTS else ""
        made = _mixed(y, X, _nested(of, session))
        if not isinstance(made, str):
            coef, cov, df_of, share = made
            why = f"several thrusts per patient, and patients differ{rough}"
            return Regression(names, coef, cov, df_of, "mixed", why, n, n_patients, share)
        why = made + rough
    coef, cov, df_of = _least_squares(y, X, of)
    return Regression(names, coef, cov, df_of, "cluster" if repeats else "hc2", why, n, n_patients)


def fit_logistic(y: Floats, x: Floats, patient: Ints) -> Regression:
    """Log-odds of y (0 or 1) on x; the coefficient is ``x``.

    Where patients repeat, it is the coefficient within patients (conditional logistic regression): patients who are
    treated faster may pop more or less for other reasons. Only patients with both outcomes inform it. Raises TooLittle
    for one outcome only, an x that does not vary, or one that separates the outcomes completely.
    """
    repeats = len(np.unique(patient)) < len(y)
    if repeats:
        _, of = np.unique(patient, return_inverse=True)
        n = np.bincount(of)
        share = np.bincount(of, y) / n
        both = ((share > 0) & (share < 1))[of]
        y, patient = y[both], of[both]
        x = x[both] - (np.bincount(of, x) / n)[of][both]
    n_patients = len(np.unique(patient))
    ones, zeros = x[y > 0.5], x[y < 0.5]
    if not len(ones) or not len(zeros):
        who = "no patient had both a pop and a thrust without" if repeats else "only one of pop and no pop occurs"
        raise TooLittle(who)
    if np.ptp(x) < _NONE * (1 + np.abs(x).max()):
        raise TooLittle("the thrust speed is the same throughout")
    if ones.min() >= zeros.max() or zeros.min() >= ones.max():
        raise TooLittle("the speed separates pops from no pops without overlap: the odds ratio has no upper limit")
    if n_patients < 3 or len(y) < 5:
        raise TooLittle(f"only {len(y)} thrusts of {n_patients} patients")
    spread = float(x.std())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if repeats:
            model = ConditionalLogit(y, x[:, None] / spread, groups=patient)
            result = model.fit(disp=False)
            # what one more Newton step would gain
            converged = float(model.score(result.params)[0] ** 2 * result.cov_params()[0, 0]) < 1e-6
        else:
            result = GLM(y, np.column_stack([np.ones(len(x)), (x - x.mean()) / spread]), family=Binomial()).fit()
            converged = bool(result.converged)
    coef, cov = float(result.params[-1]), float(result.cov_params()[-1, -1])
    if not converged or not np.isfinite(cov) or cov <= 0:
        raise TooLittle("the logistic model did not converge")
    why = "several thrusts per patient" if repeats else "one thrust per patient"
    df = float(n_patients - 1 if repeats else n_patients - 2)
    return Regression(
        names=("x",),
        coef=np.array([coef / spread]),
        cov=np.array([[cov / spread**2]]),
        df_of=lambda _: df,
        model="cluster" if repeats else "hc2",
        why=why,
        n=len(y),
        n_patients=n_patients,
    )


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


def _enough_patients(X: Floats, of: Ints, n_patients: int) -> None:
    """Refuse a comparison of too few patients."""
    if n_patients < 2:
        raise TooLittle("all thrusts are of one patient: nothing can be said about other patients")
    if n_patients == len(of):
        return
    if n_patients < MIN_PATIENTS and X.shape[1] > 1:
        raise TooLittle(
            f"only {n_patients} patients; a comparison needs at least {MIN_PATIENTS} to estimate how patients differ"
        )
    first = X[np.unique(of, return_index=True)[1]]
    n_between = int((np.abs(X - first[of]).max(axis=0) < _NONE).sum())
    if n_patients - n_between < 1:
        raise TooLittle(f"only {n_patients} patients for {n_between} variables that differ only between patients")


def _least_squares(y: Floats, X: Floats, of: Ints) -> tuple[Floats, Floats, DegreesOfFreedom]:
    """Coefficients, their CR2 covariance by cluster, and its degrees of freedom; clusters of one give HC2.

    CR2 multiplies the residuals of cluster g by A = (I - H)^(-1/2), with H its block of the hat matrix. As H = X B X'
    with B = (X'X)^-1, A X = X T with T of shape (k, k), so no matrix of the size of a cluster is needed.
    """
    n_clusters, k = int(of.max()) + 1, X.shape[1]
    bread = np.linalg.inv(X.T @ X)
    coef = bread @ (X.T @ y)
    rest = y - X @ coef
    products = np.zeros((n_clusters, k, k))  # X'X of each cluster
    np.add.at(products, of, X[:, :, None] * X[:, None, :])
    moments = np.zeros((n_clusters, k))  # X'e of each cluster
    np.add.at(moments, of, X * rest[:, None])

    values, vectors = np.linalg.eigh(bread)
    root = (vectors * np.sqrt(values)) @ vectors.T
    inverse_root = (vectors / np.sqrt(values)) @ vectors.T
    leverage, vectors = np.linalg.eigh(root @ products @ root)  # eigenvalues of H, at most 1
    left = np.clip(1 - leverage, 0, None)
    # a direction that one cluster determines alone leaves no residual; it is left out (pseudo-inverse)
    factors = np.where(left > 1e-10, 1 / np.sqrt(np.where(left > 1e-10, left, 1)), 0.0)
    turned = root @ vectors
    adjust = (turned * factors[:, None, :]) @ np.swapaxes(vectors, 1, 2) @ inverse_root  # T of each cluster
    scores = np.einsum("gji,gj->gi", adjust, moments)
    cov = bread @ (scores.T @ scores) @ bread

    def df_of(weights: Floats) -> float:
        moved = np.einsum("gij,j->gi", adjust, bread @ weights)  # A X B w = X moved
        d = np.einsum("gi,gij,gj->g", moved, products, moved)
        u = np.einsum("gij,gj->gi", products, moved)
        ub = np.einsum("gi,ij,gj->g", u, bread, u)
        total = bread @ (u.T @ u)
        trace = float((d - ub).sum())
        of_square = float((d * d - 2 * d * ub).sum() + np.trace(total @ total))
        return trace * trace / of_square if of_square > 0 else 0.0

    return coef, cov, df_of


def _nested(patient: Ints, session: Ints | None) -> list[Ints]:
    """The levels with a random intercept: patients, and their sessions if both can be told apart."""
    if session is None:
        return [patient]
    _, of = np.unique(np.column_stack([patient, session]), axis=0, return_inverse=True)
    of = of.reshape(-1)
    n_sessions, n_patients = int(of.max()) + 1, int(patient.max()) + 1
    several = n_sessions < len(of) and n_patients < n_sessions
    return [patient, of.astype(np.intp)] if several else [patient]


def _mixed(y: Floats, X: Floats, levels: Sequence[Ints]) -> tuple[Floats, Floats, DegreesOfFreedom, float] | str:
    """Coefficients, covariance, degrees of freedom and the patients' share of the variance, or why there is no model.

    Raises TooLittle if the scores do not vary within patients.
    """
    ratios = _ratios(y, X, levels)
    if ratios[0] < _NO_SPREAD:
        return _ALIKE
    if ratios[0] > _NO_RESIDUAL:
        raise TooLittle(
            "the scores of a patient do not vary beyond what pops and the other variables explain; was one score "
            "copied to several thrusts?"
        )
    if len(levels) == 2 and ratios[1] < _NO_SPREAD:
        levels = levels[:1]
        ratios = _ratios(y, X, levels)
    white = _whitened(np.column_stack([X, y]), levels, ratios)[0]
    made = np.asarray(np.linalg.lstsq(white[:, :-1], white[:, -1], rcond=None)[0], float)
    scale = float(np.square(white[:, -1] - white[:, :-1] @ made).sum()) / (len(y) - X.shape[1])
    cov, df_of = _kenward_roger(X, levels, ratios, scale)
    if not np.isfinite(cov).all() or (np.diag(cov) <= 0).any():
        return "the mixed model gave no standard errors"
    return made, cov, df_of, ratios[0] / (sum(ratios) + 1)


def _ratios(y: Floats, X: Floats, levels: Sequence[Ints]) -> list[float]:
    """Ratios of the variance of each level to the residual one, at the maximum of the REML likelihood."""
    columns = np.column_stack([X, y])
    n, k = X.shape

    def deviance(*log_ratios: float) -> float:
        white, log_det = _whitened(columns, levels, [math.exp(value) for value in log_ratios])
        # the last number of the last column is the residual of y
        triangle = np.abs(np.diag(np.linalg.qr(white, mode="r")))
        return float(log_det + 2 * np.log(triangle[:k]).sum() + 2 * (n - k) * np.log(triangle[k]))

    if len(levels) == 1:
        return [math.exp(lowest(deviance, *_SEARCH))]
    return [math.exp(value) for value in lowest_of_two(deviance, *_SEARCH)]


def _whitened(columns: Floats, levels: Sequence[Ints], ratios: Sequence[float]) -> tuple[Floats, float]:
    """Multiply columns by V^(-1/2) in turn of the levels, and return them with log det V.

    V is the covariance in units of the residual variance. From the lowest level on, a level with ratio r and the unit
    vector w of a unit (ones at the lowest level) changes V by r w w': columns lose a share of their projection on w.
    """
    log_det = 0.0
    moved, w = columns, np.ones(len(columns))
    for of, ratio in zip(reversed(levels), reversed(ratios), strict=True):
        square = np.bincount(of, w * w)
        inflation = 1 + ratio * square
        log_det += float(np.log(inflation).sum())
        share = (1 - 1 / np.sqrt(inflation)) / square
        both = np.column_stack([moved, w])
        projection = np.column_stack([np.bincount(of, w * column) for column in both.T])
        both = both - w[:, None] * (share[:, None] * projection)[of]
        moved, w = both[:, :-1], both[:, -1]
    return moved, log_det


def _kenward_roger(
    X: Floats, levels: Sequence[Ints], ratios: Sequence[float], scale: float
) -> tuple[Floats, DegreesOfFreedom]:
    """Adjusted covariance of the coefficients, and the degrees of freedom of a weighted sum of them.

    For one weighted sum the approximation of Kenward and Roger has scale 1 and the degrees of freedom 2 / A, with A
    from the covariance before its adjustment. V is linear in the variances, so that its second derivatives are 0.
    """
    n_parts, k = len(levels) + 1, X.shape[1]
    information = np.zeros((k, k))
    p = np.zeros((n_parts, k, k))
    q = np.zeros((n_parts, n_parts, k, k))
    traces = np.zeros((n_parts, n_parts))
    order = np.argsort(levels[0], kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(levels[0][order])) + 1):
        # what the variances multiply: all pairs of a patient, pairs of a session, single thrusts
        parts = [(of[rows][:, None] == of[rows][None, :]).astype(float) for of in levels] + [np.eye(len(rows))]
        inverse = np.linalg.inv(scale * (sum(r * part for r, part in zip(ratios, parts[:-1], strict=True)) + parts[-1]))
        x = X[rows]
        ix = inverse @ x
        information += x.T @ ix
        products = [inverse @ part for part in parts]
        moved = [part @ ix for part in parts]
        for i in range(n_parts):
            p[i] -= ix.T @ moved[i]
            for j in range(i, n_parts):
                q[i, j] += moved[i].T @ inverse @ moved[j]
                traces[i, j] += float((products[i] * products[j].T).sum())
    for i in range(n_parts):
        for j in range(i):
            q[i, j], traces[i, j] = q[j, i].T, traces[j, i]
    phi = np.linalg.inv(information)
    expected = np.array(
        [
            [
                (traces[i, j] - 2 * np.trace(phi @ q[i, j]) + np.trace(phi @ p[i] @ phi @ p[j])) / 2
                for j in range(n_parts)
            ]
            for i in range(n_parts)
        ]
    )
    w = np.linalg.inv(expected)
    inner = sum(w[i, j] * (q[i, j] - p[i] @ phi @ p[j]) for i in range(n_parts) for j in range(n_parts))
    cov = phi + 2 * phi @ inner @ phi
    cov = (cov + cov.T) / 2
    slopes = phi @ p @ phi

    def df_of(weights: Floats) -> float:
        gradient = np.einsum("i,pij,j->p", weights, slopes, weights) / float(weights @ phi @ weights)
        a = float(gradient @ w @ gradient)
        return 2 / a if a > 0 else float(len(X) - k)

    return cov, df_of
