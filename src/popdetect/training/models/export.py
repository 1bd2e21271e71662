"""Fitted scikit-learn estimators to classifiers of plain arrays, which give the same `predict_proba` to 1e-5.

A bundle stores them with `serialization.store`; `serialization.load` makes the same classifiers again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from popdetect.detection.model import classifiers
from popdetect.detection.model.classifiers import Classifier, Floats, Linear, Network, Trees
from popdetect.training.models.estimators import TREES_FROM, AllNanGuard, Cascade, Perceptron

_Tree = tuple[npt.NDArray[Any], ...]  # feature, threshold, left, right, nan_left, value; nodes count from 0


def export_classifier(fitted: Any) -> Classifier:
    """Return the classifier that gives the probabilities of a fitted estimator.

    Raises
    ------
    TypeError
        For an estimator that training does not use.
    """
    from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline

    if isinstance(fitted, AllNanGuard):
        fitted = fitted.estimator
    if hasattr(fitted, "exported"):  # a model's own classifier, unchanged or with trees added (`adaptation`)
        return fitted.exported()  # type: ignore[no-any-return]
    if isinstance(fitted, Perceptron):
        return _network(fitted)
    if isinstance(fitted, Cascade):
        trees = export_classifier(fitted.trees)
        if not isinstance(trees, Trees):
            raise TypeError(f"a {type(trees).__name__} cannot be the trees of a cascade")
        return classifiers.Cascade(_network(fitted.network), trees, TREES_FROM)
    if isinstance(fitted, Pipeline):
        return _linear(fitted)
    if isinstance(fitted, HistGradientBoostingClassifier):
        boosted = [_boosted_tree(predictors[0].nodes) for predictors in fitted._predictors]
        return _trees(boosted, float(fitted._baseline_prediction.ravel()[0]), "sum")
    if isinstance(fitted, ExtraTreesClassifier):
        return _trees([_grown_tree(tree.tree_) for tree in fitted.estimators_], 0.0, "mean")
    raise TypeError(f"cannot export a {type(fitted).__name__}")


def add_trees(base: Classifier, trees: Sequence[Any], rate: float) -> Classifier:
    """Return a classifier with fitted `small_tree`s after its own trees, each multiplied by `rate`.

    Raises
    ------
    TypeError
        When the base has no sum of trees.
    """
    if isinstance(base, classifiers.Cascade):
        longer = add_trees(base.trees, trees, rate)
        assert isinstance(longer, Trees)
        return classifiers.Cascade(base.network, longer, base.trees_from)
    if not isinstance(base, Trees) or base.combine != "sum":
        raise TypeError(f"no trees can be added to a {type(base).__name__}")
    added = [_grown_tree(tree.tree_, rate * tree.tree_.value[:, 0, 0]) for tree in trees]
    own = (base.feature, base.threshold, base.left, base.right, base.nan_left, base.value)
    longer = _trees([own, *added], base.baseline, "sum")  # all trees of the base as if they were one
    return dataclasses.replace(longer, roots=np.concatenate([base.roots, longer.roots[1:]]))


def _network(fitted: Perceptron) -> Network:
    inner, middle, outer = (np.asarray(array, np.float64) for array in fitted.mlp.coefs_)
    inner_bias, middle_bias, bias = (np.asarray(array, np.float64) for array in fitted.mlp.intercepts_)
    centre, scale = np.asarray(fitted.centre, np.float64), np.asarray(fitted.scale, np.float64)
    return Network(centre, scale, inner, inner_bias, middle, middle_bias, outer[:, 0], float(bias[0]))


def _linear(fitted: Any) -> Linear:
    fill, mean = fitted[0].statistics_.astype(np.float64), fitted[1].mean_.astype(np.float64)
    scale, coef = fitted[1].scale_.astype(np.float64), fitted[2].coef_[0].astype(np.float64)
    # centred on the number that replaces a missing value, so that NaN adds nothing
    return Linear(fill, scale, coef, float(fitted[2].intercept_[0] + ((fill - mean) / scale) @ coef))


def _boosted_tree(nodes: Any) -> _Tree:
    leaf = nodes["is_leaf"].astype(bool)
    return _tree(
        leaf, nodes["feature_idx"], nodes["num_threshold"], nodes["left"], nodes["right"],
        nodes["missing_go_to_left"], nodes["value"],
    )  # fmt: skip


def _grown_tree(tree: Any, values: Floats | None = None) -> _Tree:
    if values is None:
        shares = tree.value[:, 0, :]
        values = shares[:, 1] / shares.sum(axis=1)
    leaf = tree.children_left < 0
    return _tree(
        leaf, tree.feature, tree.threshold, tree.children_left, tree.children_right, tree.missing_go_to_left, values
    )


def _tree(leaf: Any, feature: Any, threshold: Any, left: Any, right: Any, nan_left: Any, value: Any) -> _Tree:
    own = np.arange(len(leaf))
    return (
        np.where(leaf, 0, feature),
        np.where(leaf, np.inf, threshold),
        np.where(leaf, own, left),
        np.where(leaf, own, right),
        np.where(leaf, True, nan_left.astype(bool)),
        value,
    )


def _trees(trees: list[_Tree], baseline: float, combine: Literal["sum", "mean"]) -> Trees:
    roots = np.cumsum([0, *(len(tree[0]) for tree in trees[:-1])])
    feature, threshold, nan_left, value = (np.concatenate([tree[k] for tree in trees]) for k in (0, 1, 4, 5))
    left, right = (
        np.concatenate([tree[k] + root for tree, root in zip(trees, roots, strict=True)]).astype(np.int32)
        for k in (2, 3)
    )
    return Trees(
        feature=feature.astype(np.int32),
        threshold=threshold.astype(np.float64),
        left=left,
        right=right,
        nan_left=nan_left.astype(np.bool_),
        value=value.astype(np.float64),
        roots=roots.astype(np.int32),
        baseline=baseline,
        combine=combine,
    )
