"""Candidate classifiers from scikit-learn.

Every candidate accepts NaN, even a column of nothing else, is deterministic for a seed, and can be frozen without loss:
`freezing` gives the arrays from which `hearing` computes the same `predict_proba`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.signal import context
from popdetect.training.models.all_nan import Bearing as Bearing
from popdetect.training.models.cascades import Cascade, Perceptron
from popdetect.training.models.export import arrays_of as arrays_of
from popdetect.training.models.export import freeze as freeze
from popdetect.training.models.export import lengthened as lengthened

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Recipe:
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
    return Bearing(
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


RECIPES = (
    Recipe("logistic", "logistic regression on standardised features", _logistic),
    Recipe("boosting", "gradient boosting (histogram trees)", _boosting),
    Recipe("forest", "extremely randomised trees", _forest),
    Recipe("cascade", "a small network, then gradient boosting where it is in doubt", _cascade),
)
BY_NAME = {recipe.name: recipe for recipe in RECIPES}
ANEW = BY_NAME["boosting"]  # where a model is fitted anew together with the rows that travel


def small_boosting(seed: int) -> Any:
    """The gate: two dozen trees of three levels.

    Shrunk a little: where pops are rare a leaf can hold next to no curvature, and an unshrunk step from it is huge.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    return Bearing(
        HistGradientBoostingClassifier(
            max_iter=24, learning_rate=0.15, max_depth=3, min_samples_leaf=10, l2_regularization=1.0,
            early_stopping=False, random_state=seed,
        )
    )  # fmt: skip


def context_boosting(seed: int) -> Any:
    """The context: small trees, in which a likelier neighbour never makes a candidate less likely."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    grows = [int(name in _NEVER_AGAINST) for name in context.names()]
    return Bearing(
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
