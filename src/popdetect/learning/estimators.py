"""Candidate classifiers from scikit-learn, and their freezing into plain arrays; the one door to its estimators.

Every candidate accepts NaN, even a column of nothing else, is deterministic for a seed, and can be frozen without loss:
`freeze` gives the arrays from which `hearing.classifier` computes the same `predict_proba`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.hearing import context
from popdetect.hearing.classifier import Classifier, Linear, Trees

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


class Bearing:
    """An estimator that is spared columns without one number: to it they hold 0 throughout, and no split rests on them.

    Bands above half the sample rate are such columns where every clip was recorded at 8 kHz; gradient boosting cannot
    bin them. What such a column holds later changes nothing.
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, rows: Floats, labels: npt.NDArray[Any], weights: Floats | None = None) -> Bearing:
        """Fit the estimator; gives itself back."""
        self.estimator.fit(np.where(np.isnan(rows).all(axis=0), 0.0, rows), labels, sample_weight=weights)
        return self

    def predict_proba(self, rows: Floats) -> Floats:
        """The estimator's own, shape (n, 2)."""
        return np.asarray(self.estimator.predict_proba(rows))


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


RECIPES = (
    Recipe("logistic", "logistic regression on standardised features", _logistic),
    Recipe("boosting", "gradient boosting (histogram trees)", _boosting),
    Recipe("forest", "extremely randomised trees", _forest),
)


def small_boosting(seed: int) -> Any:
    """The gate: two dozen trees of three levels."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    return Bearing(
        HistGradientBoostingClassifier(
            max_iter=24, learning_rate=0.15, max_depth=3, min_samples_leaf=10, early_stopping=False, random_state=seed
        )
    )


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


def lengthened(
    base: Classifier, trees: Sequence[Any], rate: float
) -> tuple[Classifier, dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """A frozen sum of trees with fitted `small_tree`s after it, as (classifier, arrays, settings) of a bundle.

    Raises
    ------
    TypeError
        When the base is no sum of trees.
    """
    if not isinstance(base, Trees) or base.combine != "sum":
        raise TypeError(f"nothing can be added to a {type(base).__name__}")
    ends = [*base.roots[1:].tolist(), len(base.feature)]
    kept: list[_Tree] = []
    for start, end in zip(base.roots.tolist(), ends, strict=True):
        own = slice(start, end)
        kept.append(
            (base.feature[own], base.threshold[own], base.left[own] - start, base.right[own] - start,
             base.nan_left[own], base.value[own])
        )  # fmt: skip
    added = []
    for tree in trees:
        added.append(_grown_tree(tree.tree_, rate * tree.tree_.value[:, 0, 0]))
    return _frozen_trees([*kept, *added], base.baseline, "sum")


def freeze(fitted: Any) -> tuple[Classifier, dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """A fitted candidate as (classifier, arrays, settings) of a bundle.

    Raises
    ------
    TypeError
        For an estimator that is none of the candidates.
    """
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline

    if isinstance(fitted, Bearing):
        fitted = fitted.estimator
    if hasattr(fitted, "frozen"):  # corrections to a model that is there (`amending`)
        return fitted.frozen()  # type: ignore[no-any-return]
    if isinstance(fitted, Pipeline):
        return _frozen_linear(fitted)
    if isinstance(fitted, HistGradientBoostingClassifier):
        trees = [_boosted_tree(predictors[0].nodes) for predictors in fitted._predictors]
        return _frozen_trees(trees, float(fitted._baseline_prediction.ravel()[0]), "sum")
    if isinstance(fitted, ExtraTreesClassifier):
        return _frozen_trees([_grown_tree(tree.tree_) for tree in fitted.estimators_], 0.0, "mean")
    raise TypeError(f"cannot freeze a {type(fitted).__name__}")


def _frozen_linear(fitted: Any) -> tuple[Classifier, dict[str, npt.NDArray[Any]], dict[str, Any]]:
    fill, mean = fitted[0].statistics_.astype(np.float64), fitted[1].mean_.astype(np.float64)
    scale, coef = fitted[1].scale_.astype(np.float64), fitted[2].coef_[0].astype(np.float64)
    # centred on what a missing value is replaced by, so that NaN adds nothing
    intercept = float(fitted[2].intercept_[0] + ((fill - mean) / scale) @ coef)
    arrays = {"centre": fill, "scale": scale, "coef": coef, "intercept": np.array(intercept)}
    return Linear(fill, scale, coef, intercept), arrays, {"kind": "linear"}


_Tree = tuple[npt.NDArray[Any], ...]


def _boosted_tree(nodes: Any) -> _Tree:
    leaf = nodes["is_leaf"].astype(bool)
    own = np.arange(len(nodes))
    return (
        np.where(leaf, 0, nodes["feature_idx"]),
        np.where(leaf, np.inf, nodes["num_threshold"]),
        np.where(leaf, own, nodes["left"]),
        np.where(leaf, own, nodes["right"]),
        np.where(leaf, True, nodes["missing_go_to_left"].astype(bool)),
        nodes["value"],
    )


def _grown_tree(tree: Any, values: Floats | None = None) -> _Tree:
    leaf = tree.children_left < 0
    own = np.arange(tree.node_count)
    if values is None:
        shares = tree.value[:, 0, :]
        values = shares[:, 1] / shares.sum(axis=1)
    return (
        np.where(leaf, 0, tree.feature),
        np.where(leaf, np.inf, tree.threshold),
        np.where(leaf, own, tree.children_left),
        np.where(leaf, own, tree.children_right),
        np.where(leaf, True, tree.missing_go_to_left.astype(bool)),
        values,
    )


def _frozen_trees(
    trees: list[_Tree], baseline: float, combine: str
) -> tuple[Classifier, dict[str, npt.NDArray[Any]], dict[str, Any]]:
    sizes = np.array([len(tree[0]) for tree in trees])
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    arrays: dict[str, npt.NDArray[Any]] = {
        "feature": np.concatenate([tree[0] for tree in trees]).astype(np.int32),
        "threshold": np.concatenate([tree[1] for tree in trees]).astype(np.float64),
        "left": np.concatenate([tree[2] + root for tree, root in zip(trees, roots, strict=True)]).astype(np.int32),
        "right": np.concatenate([tree[3] + root for tree, root in zip(trees, roots, strict=True)]).astype(np.int32),
        "nan_left": np.concatenate([tree[4] for tree in trees]).astype(np.bool_),
        "value": np.concatenate([tree[5] for tree in trees]).astype(np.float64),
        "roots": roots.astype(np.int32),
    }
    depth = _depth(arrays["left"], arrays["right"], arrays["roots"])
    settings = {"kind": "trees", "combine": combine, "depth": depth, "baseline": baseline, "n_trees": len(trees)}
    how = "sum" if combine == "sum" else "mean"
    classifier = Trees(**arrays, depth=depth, baseline=baseline, combine=how)  # type: ignore[arg-type]
    return classifier, arrays, settings


def _depth(left: npt.NDArray[Any], right: npt.NDArray[Any], roots: npt.NDArray[Any]) -> int:
    level, depth = np.unique(roots), 0
    while True:
        below = np.unique(np.concatenate([left[level], right[level]]))
        below = np.setdiff1d(below, level)
        if not len(below):
            return depth
        level, depth = below, depth + 1


def arrays_of(classifier: Classifier) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """The arrays and settings of a frozen classifier, to be written into another bundle.

    Raises
    ------
    TypeError
        For a classifier that is not frozen.
    """
    if isinstance(classifier, Linear):
        names: tuple[str, ...] = ("centre", "scale", "coef", "intercept")
        return {name: np.asarray(getattr(classifier, name)) for name in names}, {"kind": "linear"}
    if isinstance(classifier, Trees):
        names = ("feature", "threshold", "left", "right", "nan_left", "value", "roots")
        settings = {
            "kind": "trees",
            "combine": classifier.combine,
            "depth": classifier.depth,
            "baseline": classifier.baseline,
            "n_trees": len(classifier.roots),
        }
        return {name: getattr(classifier, name) for name in names}, settings
    raise TypeError(f"a {type(classifier).__name__} is not frozen")


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
