"""The classifiers that can be trained, from scikit-learn.

Every estimator accepts NaN, also in whole columns, and gives the same result for the same seed. `export` turns a fitted
one into plain arrays with the same `predict_proba`. `ESTIMATORS` is the table of candidates for the main classifier: a
new kind is one entry here, and a case in `export` if its arrays differ.

Rows have shape (n, n_features); labels are 1 (pop) and 0; `predict_proba` gives shape (n, 2); `logit` gives log-odds of
"pop", shape (n,).
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

# the network, and the cascade of network and trees
UNITS = (64, 32)
EPOCHS = 6
NOISE_SD = 0.2  # standard deviations of the noise added to every feature
_RATE, _LEAST_RATE_SHARE = 1e-3, 0.02
_PENALTY = 1e-3
TREES_FROM = -6.0  # log-odds: two of three candidates are below, and one in a thousand of those is a pop
_TRAIN_MARGIN = 0.5  # log-odds: the trees are also trained on rows that are this far below `TREES_FROM`


class AllNanGuard:
    """A guard for columns that hold nothing but NaN, which gradient boosting cannot bin.

    Such columns are bands above half the sample rate, if every clip has 8 kHz. They are replaced by 0 for the fit, so
    no split uses them and their later values have no effect.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, rows: Floats, labels: npt.NDArray[Any], weights: Floats | None = None) -> AllNanGuard:
        """Fit the estimator; returns self."""
        self.estimator.fit(without_all_nan(rows), labels, sample_weight=weights)
        return self

    def predict_proba(self, rows: Floats) -> Floats:
        """Return the probabilities of both classes."""
        return np.asarray(self.estimator.predict_proba(rows))

    def logit(self, rows: Floats) -> Floats:
        """Return the log-odds of the estimator."""
        return np.asarray(self.estimator.decision_function(rows))


def without_all_nan(rows: Floats) -> Floats:
    """Return the rows with 0 in columns that hold nothing but NaN."""
    return np.where(np.isnan(rows).all(axis=0), 0.0, rows)


class Perceptron:
    """A network of two hidden layers (scikit-learn's `MLPClassifier`), trained epoch by epoch.

    Each epoch adds fresh noise to the rows, against overfitting, and the learning rate falls. `seed` decides weights,
    order and noise. NaN is replaced by the median.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, rows: Floats, labels: npt.NDArray[Any], weights: Floats | None = None) -> Perceptron:
        """Fit the network; returns self."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        known = without_all_nan(rows)
        self.centre = np.nanmedian(known, axis=0)
        spread = np.nanstd(known, axis=0)
        is_constant = ~(spread > 1e-9)
        self.scale = np.where(is_constant, 1.0, spread)
        inputs = standardised(known, self.centre, self.scale).astype(np.float32)
        self.mlp = MLPClassifier(
            UNITS,
            alpha=_PENALTY,
            batch_size=int(np.clip(len(rows) // 200, 16, 512)),  # 200 steps per epoch, more with many rows
            max_iter=1,
            warm_start=True,
            random_state=self.seed,
        )
        rng = np.random.default_rng(self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # each call is one epoch only
            for epoch in range(EPOCHS):
                share = (1 + np.cos(np.pi * epoch / EPOCHS)) / 2 + _LEAST_RATE_SHARE
                self.mlp.set_params(learning_rate_init=_RATE * share)
                noise = rng.standard_normal(inputs.shape, dtype=np.float32)
                self.mlp.fit(inputs + np.float32(NOISE_SD) * noise, labels, sample_weight=weights)
        self.mlp.coefs_[0][is_constant] = 0  # later values of a constant column have no effect
        return self

    def logit(self, rows: Floats) -> Floats:
        """Return log-odds, computed by scikit-learn and limited as in `classifiers.Network`."""
        if not len(rows):
            return np.empty(0)
        p = self.mlp.predict_proba(standardised(rows, self.centre, self.scale))
        with np.errstate(divide="ignore"):  # probabilities of exactly 0 or 1 are limited afterwards
            return limited(np.log(p[:, 1]) - np.log(p[:, 0]))

    def predict_proba(self, rows: Floats) -> Floats:
        """Return the probabilities of both classes."""
        return two_columns(self.logit(rows))


class Cascade:
    """A `Perceptron` for all rows, and `trees` (an estimator with `logit`) for the rows that are not clearly negative.

    The trees are trained only on the rows that they will be used for.
    """

    def __init__(self, first: Perceptron, trees: Any) -> None:
        self.network = first
        self.trees = trees

    def fit(self, rows: Floats, labels: npt.NDArray[Any], weights: Floats | None = None) -> Cascade:
        """Fit both; returns self."""
        self.network.fit(rows, labels, weights)
        used = self.network.logit(rows) >= TREES_FROM - _TRAIN_MARGIN
        if len(np.unique(labels[used])) < 2:  # few rows that the network fits perfectly: use all of them
            used[:] = True
        self.trees.fit(rows[used], labels[used], None if weights is None else weights[used])
        return self

    def predict_proba(self, rows: Floats) -> Floats:
        """Return the probabilities of both classes."""
        logits = self.network.logit(rows)
        used = np.flatnonzero(logits >= TREES_FROM)
        if len(used):
            logits[used] = self.trees.logit(rows[used])
        return two_columns(logits)


def two_columns(logits: Floats) -> Floats:
    """Log-odds to the probabilities of "not a pop" and "pop", shape (n, 2)."""
    p = sigmoid(logits)
    return np.stack([1 - p, p], axis=1)


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to get a classifier.

    Attributes
    ----------
    name, title : str
        For ``model.json``, and for tables and the card.
    fit : callable
        ``fit(rows, labels, seed)`` returns a fitted estimator that `export.export_classifier` accepts.
    """

    name: str
    title: str
    fit: Callable[[Floats, npt.NDArray[Any], int], Any]


def _logistic(rows: Floats, labels: npt.NDArray[Any], seed: int) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=0.05, max_iter=2000, random_state=seed),
    ).fit(rows, labels)


def _histogram_boosting(**settings: Any) -> AllNanGuard:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return AllNanGuard(HistGradientBoostingClassifier(early_stopping=False, **settings))


def boosting(seed: int, n_rows: int) -> AllNanGuard:
    """Return gradient boosting for this number of rows; the limits keep the evaluation of the trees short."""
    large = n_rows > 20_000
    return _histogram_boosting(
        max_iter=220 if large else 160,
        learning_rate=0.08,
        max_leaf_nodes=28 if large else 20,
        max_depth=7 if large else 6,
        min_samples_leaf=int(np.clip(n_rows // 200, 5, 30)),
        max_features=0.3 if large else 1.0,
        l2_regularization=1.0,
        random_state=seed,
    )


def _forest(rows: Floats, labels: npt.NDArray[Any], seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    return ExtraTreesClassifier(
        n_estimators=80, max_depth=10, min_samples_leaf=3, max_features=0.15, random_state=seed, n_jobs=-1
    ).fit(rows, labels)


def _boosting(rows: Floats, labels: npt.NDArray[Any], seed: int) -> Any:
    return boosting(seed, len(rows)).fit(rows, labels)


def _cascade(rows: Floats, labels: npt.NDArray[Any], seed: int) -> Any:
    return Cascade(Perceptron(seed), boosting(seed, len(rows))).fit(rows, labels)


ESTIMATORS = (
    Strategy("logistic", "logistic regression on standardised features", _logistic),
    Strategy("boosting", "gradient boosting (histogram trees)", _boosting),
    Strategy("forest", "extremely randomised trees", _forest),
    Strategy("cascade", "gradient boosting, for the candidates that a small network does not discard", _cascade),
)
BY_NAME = {strategy.name: strategy for strategy in ESTIMATORS}


def filter_boosting(seed: int) -> Any:
    """Return the candidate filter: 24 trees of three levels.

    The regularisation is needed: with rare pops a leaf can have almost no curvature, and its step would be huge.
    """
    return _histogram_boosting(
        max_iter=24, learning_rate=0.15, max_depth=3, min_samples_leaf=10, l2_regularization=1.0, random_state=seed
    )


# context features in which a higher value never lowers the probability of a pop
_INCREASING = frozenset({"own", "best_before", "best_after", "sum_before", "sum_after", "sum"})


def context_boosting(seed: int) -> Any:
    """Return the context model: small trees in which a likelier neighbour never makes a candidate less likely."""
    return _histogram_boosting(
        max_iter=120,
        learning_rate=0.08,
        max_leaf_nodes=12,
        max_depth=5,
        min_samples_leaf=60,
        monotonic_cst=[int(name in _INCREASING) for name in context.names()],
        random_state=seed,
    )


def small_tree(seed: int, leaves: int, leaf_share: float) -> Any:
    """Return a regression tree with few leaves, each with at least this share of the weight."""
    from sklearn.tree import DecisionTreeRegressor

    return DecisionTreeRegressor(
        max_leaf_nodes=leaves, min_weight_fraction_leaf=leaf_share, max_features=0.25, random_state=seed
    )


def logistic_line(values: Floats, labels: npt.NDArray[Any]) -> tuple[float, float]:
    """Return slope and offset of a logistic regression on one variable, with light regularisation."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=10.0, max_iter=1000).fit(values[:, None], labels)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def folds(labels: npt.NDArray[Any], groups: list[str], n_splits: int, seed: int) -> list[npt.NDArray[np.intp]]:
    """Return the clip indices of each fold: whole groups, classes as even as possible (`StratifiedGroupKFold`)."""
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(n_splits=n_splits, shuffle=True, random_state=seed)
    return [test for _, test in splitter.split(np.zeros(len(labels)), labels, groups)]


def average_precision(labels: npt.NDArray[Any], logits: Floats) -> float:
    """Return the area under the precision-recall curve."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(labels, logits))


def auroc(labels: npt.NDArray[Any], scores: Floats) -> float:
    """Return the area under the ROC curve."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(labels, scores))
