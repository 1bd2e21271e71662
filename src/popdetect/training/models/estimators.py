"""Candidate classifiers from scikit-learn.

Every candidate accepts NaN, even a column of nothing else, is deterministic for a seed, and can be exported
without loss: `export` gives the classifier of the detector with the same `predict_proba`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.classifiers import Floats, limited, sigmoid, standardised
from popdetect.detection.signal import context

Ints = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class EstimatorSpec:
    """A kind of classifier and how to fit it.

    Attributes
    ----------
    name, title : str
        For tables and for the card.
    make : callable
        ``make(seed, n_rows)`` gives an unfitted scikit-learn estimator.
    """

    name: str
    title: str
    make: Callable[[int, int], Any]


_NEVER_AGAINST = frozenset(
    {"own", "best_before", "best_after", "sum_before", "sum_after", "sum"}
)  # more never speaks against


def _logistic(seed: int, n_rows: int) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=0.05, max_iter=2000, random_state=seed),
    )


def _boosting(seed: int, n_rows: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    # few rows make small trees; the limits keep the walk through them short
    plenty = n_rows > 20_000
    return AllNanGuard(
        HistGradientBoostingClassifier(
            max_iter=220 if plenty else 160,
            learning_rate=0.08,
            max_leaf_nodes=28 if plenty else 20,
            max_depth=7 if plenty else 6,
            min_samples_leaf=int(np.clip(n_rows // 200, 5, 30)),
            max_features=0.3 if plenty else 1.0,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=seed,
        )
    )


def _forest(seed: int, n_rows: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(
        n_estimators=80, max_depth=10, min_samples_leaf=3, max_features=0.15, random_state=seed, n_jobs=-1
    )


def _cascade(seed: int, n_rows: int) -> Any:
    return Cascade(Perceptron(seed), _boosting(seed, n_rows))


ESTIMATORS = (
    EstimatorSpec("logistic", "logistic regression on standardised features", _logistic),
    EstimatorSpec("boosting", "gradient boosting (histogram trees)", _boosting),
    EstimatorSpec("forest", "extremely randomised trees", _forest),
    EstimatorSpec("cascade", "a small network, then gradient boosting where it is in doubt", _cascade),
)
BY_NAME = {recipe.name: recipe for recipe in ESTIMATORS}
REFIT = BY_NAME["boosting"]  # where a model is fitted anew together with the rows that travel


def small_boosting(seed: int) -> Any:
    """The gate: two dozen trees of three levels.

    Shrunk a little: where pops are rare a leaf can hold next to no curvature, and an unshrunk step from it is huge.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    return AllNanGuard(
        HistGradientBoostingClassifier(
            max_iter=24, learning_rate=0.15, max_depth=3, min_samples_leaf=10, l2_regularization=1.0,
            early_stopping=False, random_state=seed,
        )
    )  # fmt: skip


def context_boosting(seed: int) -> Any:
    """The context: small trees, in which a likelier neighbour never makes a candidate less likely."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    grows = [int(name in _NEVER_AGAINST) for name in context.names()]
    return AllNanGuard(
        HistGradientBoostingClassifier(
            max_iter=120,
            learning_rate=0.08,
            max_leaf_nodes=12,
            max_depth=5,
            min_samples_leaf=60,
            monotonic_cst=grows,
            early_stopping=False,
            random_state=seed,
        )
    )


def small_tree(seed: int, leaves: int, leaf_share: float) -> Any:
    """A regression tree of few leaves, each of which holds at least so great a share of the weight."""
    from sklearn.tree import DecisionTreeRegressor

    return DecisionTreeRegressor(
        max_leaf_nodes=leaves, min_weight_fraction_leaf=leaf_share, max_features=0.25, random_state=seed
    )


def folds(labels: npt.NDArray[Any], groups: list[str], n_splits: int, seed: int) -> list[npt.NDArray[np.intp]]:
    """Clip indices of each fold, groups kept together, classes as even as may be (`StratifiedGroupKFold`)."""
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(n_splits=n_splits, shuffle=True, random_state=seed)
    return [test for _, test in splitter.split(np.zeros(len(labels)), labels, groups)]


def platt(logits: Floats, labels: npt.NDArray[Any]) -> tuple[float, float]:
    """Slope and offset of Platt's scaling, lightly regularised; the slope is kept above 0.05."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=10.0, max_iter=1000).fit(logits[:, None], labels)
    return max(float(fitted.coef_[0, 0]), 0.05), float(fitted.intercept_[0])


def average_precision(labels: npt.NDArray[Any], logits: Floats) -> float:
    """Area under the precision-recall curve of the candidates."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(labels, logits))


def auroc(labels: npt.NDArray[Any], scores: Floats) -> float:
    """Area under the ROC curve."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores))


class AllNanGuard:
    """An estimator that is spared columns without one number: to it they hold 0 throughout, and no split rests on them.

    Bands above half the sample rate are such columns where every clip was recorded at 8 kHz; gradient boosting cannot
    bin them. What such a column holds later changes nothing.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, rows: Floats, labels: npt.NDArray[Any], weights: Floats | None = None) -> AllNanGuard:
        """Fit the estimator; gives itself back."""
        self.estimator.fit(np.where(np.isnan(rows).all(axis=0), 0.0, rows), labels, sample_weight=weights)
        return self

    def predict_proba(self, rows: Floats) -> Floats:
        """The estimator's own, shape (n, 2)."""
        return np.asarray(self.estimator.predict_proba(rows))

    def logit(self, rows: Floats) -> Floats:
        """The estimator's own log-odds, shape (n,)."""
        return np.asarray(self.estimator.decision_function(rows))


UNITS = (64, 32)
EPOCHS = 10
JITTER = 0.2  # standard deviations of noise on every feature
_RATE, _LEAST_RATE_SHARE = 1e-3, 0.02
_PENALTY = 1e-3
TREES_FROM = -6.0  # log-odds: two candidates in three lie below, and of those one in a thousand is a pop
_ALSO_FITTED = 0.5  # log-odds below it, of rows that the trees learn from as well


class Perceptron:
    """A network of two layers for rows with NaN in them; `seed` decides weights, order and noise."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, rows: Floats, labels: npt.NDArray[Any], weights: Floats | None = None) -> Perceptron:
        """Fit it; gives itself back."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        unknown = np.isnan(rows).all(axis=0)
        known = np.where(unknown, 0.0, rows)
        self.centre = np.nanmedian(known, axis=0)
        spread = np.nanstd(known, axis=0)
        says_nothing = ~(spread > 1e-9)
        self.scale = np.where(says_nothing, 1.0, spread)
        inputs = standardised(known, self.centre, self.scale).astype(np.float32)
        self.mlp = MLPClassifier(
            UNITS,
            alpha=_PENALTY,
            batch_size=int(np.clip(len(rows) // 200, 16, 512)),  # 200 steps an epoch, and more where rows are many
            max_iter=1,
            warm_start=True,
            random_state=self.seed,
        )
        rng = np.random.default_rng(self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # each call is one epoch, and knows of no others
            for epoch in range(EPOCHS):
                share = (1 + np.cos(np.pi * epoch / EPOCHS)) / 2 + _LEAST_RATE_SHARE
                self.mlp.set_params(learning_rate_init=_RATE * share)
                noise = rng.standard_normal(inputs.shape, dtype=np.float32)
                self.mlp.fit(inputs + np.float32(JITTER) * noise, labels, sample_weight=weights)
        self.mlp.coefs_[0][says_nothing] = 0  # what such a column holds later changes nothing
        return self

    def logit(self, rows: Floats) -> Floats:
        """Log-odds, shape (n,), by scikit-learn."""
        if not len(rows):
            return np.empty(0)
        p = self.mlp.predict_proba(standardised(rows, self.centre, self.scale))
        with np.errstate(divide="ignore"):  # a certain 0 or 1 is limited like all that is nearly so
            return limited(np.log(p[:, 1]) - np.log(p[:, 0]))

    def predict_proba(self, rows: Floats) -> Floats:
        """Probabilities of "not" and "pop", shape (n, 2)."""
        return _both_sides(self.logit(rows))


class Cascade:
    """A `Perceptron`, and `trees` (unfitted, with scikit-learn's methods and `logit`) where it is in doubt."""

    def __init__(self, first: Perceptron, trees: Any) -> None:
        self.network = first
        self.trees = trees

    def fit(self, rows: Floats, labels: npt.NDArray[Any], weights: Floats | None = None) -> Cascade:
        """Fit both; gives itself back."""
        self.network.fit(rows, labels, weights)
        asked = self.network.logit(rows) >= TREES_FROM - _ALSO_FITTED
        if len(np.unique(labels[asked])) < 2:  # few rows, and all known by heart: nothing is left to tell apart
            asked[:] = True
        self.trees.fit(rows[asked], labels[asked], None if weights is None else weights[asked])
        return self

    def predict_proba(self, rows: Floats) -> Floats:
        """Probabilities of "not" and "pop", shape (n, 2)."""
        logits = self.network.logit(rows)
        asked = np.flatnonzero(logits >= TREES_FROM)
        if len(asked):
            logits[asked] = (logits[asked] + self.trees.logit(rows[asked])) / 2
        return _both_sides(logits)


def _both_sides(logits: Floats) -> Floats:
    p = sigmoid(logits)
    return np.stack([1 - p, p], axis=1)
