"""Fitted estimators to plain arrays: what `hearing` computes the same `predict_proba` from.

What is frozen comes as (classifier, arrays, settings): what decides, and what a bundle holds of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model import cascade
from popdetect.detection.model.classifiers import Classifier, Floats, Linear, Trees
from popdetect.detection.model.network import Network
from popdetect.training.models.estimators import ASK_FROM, AllNanGuard, Cascade

Arrays = dict[str, npt.NDArray[Any]]
Frozen = tuple[Classifier, Arrays, dict[str, Any]]


def lengthened(base: Classifier, trees: Sequence[Any], rate: float) -> Frozen:
    """A frozen classifier with fitted `small_tree`s after its trees, as (classifier, arrays, settings) of a bundle.

    Raises
    ------
    TypeError
        When the base has no sum of trees.
    """
    if isinstance(base, cascade.Cascade):
        network = (base.network, *arrays_of(base.network))
        return _joined(network, lengthened(base.trees, trees, rate), base.ask_from)
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


def freeze(fitted: Any) -> Frozen:
    """A fitted candidate as (classifier, arrays, settings) of a bundle.

    Raises
    ------
    TypeError
        For an estimator that is none of the candidates.
    """
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline

    if isinstance(fitted, AllNanGuard):
        fitted = fitted.estimator
    if hasattr(fitted, "frozen"):  # a network, or corrections to a model that is there (`adaptation`)
        return fitted.frozen()  # type: ignore[no-any-return]
    if isinstance(fitted, Cascade):
        return _joined(fitted.network.frozen(), freeze(fitted.trees), ASK_FROM)
    if isinstance(fitted, Pipeline):
        return _frozen_linear(fitted)
    if isinstance(fitted, HistGradientBoostingClassifier):
        trees = [_boosted_tree(predictors[0].nodes) for predictors in fitted._predictors]
        return _frozen_trees(trees, float(fitted._baseline_prediction.ravel()[0]), "sum")
    if isinstance(fitted, ExtraTreesClassifier):
        return _frozen_trees([_grown_tree(tree.tree_) for tree in fitted.estimators_], 0.0, "mean")
    raise TypeError(f"cannot freeze a {type(fitted).__name__}")


def _joined(network: Frozen, trees: Frozen, ask_from: float) -> Frozen:
    """A frozen cascade of a frozen network and frozen trees."""
    (first, network_arrays, network_settings), (then, tree_arrays, tree_settings) = network, trees
    if not isinstance(first, Network) or not isinstance(then, Trees):
        raise TypeError(f"a {type(first).__name__} and a {type(then).__name__} make no cascade")
    arrays = {f"network_{name}": array for name, array in network_arrays.items()}
    arrays |= {f"trees_{name}": array for name, array in tree_arrays.items()}
    settings = {"kind": "cascade", "ask_from": ask_from, "network": network_settings, "trees": tree_settings}
    return cascade.Cascade(first, then, ask_from), arrays, settings


def _frozen_linear(fitted: Any) -> Frozen:
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


def _frozen_trees(trees: list[_Tree], baseline: float, combine: str) -> Frozen:
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
    if isinstance(classifier, Network):
        names = ("centre", "scale", "inner", "inner_bias", "middle", "middle_bias", "outer", "bias")
        return {name: np.asarray(getattr(classifier, name)) for name in names}, {"kind": "network"}
    if isinstance(classifier, cascade.Cascade):
        network, trees = ((part, *arrays_of(part)) for part in (classifier.network, classifier.trees))
        _, arrays, settings = _joined(network, trees, classifier.ask_from)
        return arrays, settings
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
