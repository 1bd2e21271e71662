"""Corrections to a model that is there: a few small trees more, fitted to what it got wrong.

Its own trees stay, to the bit. After them come shallow ones, fitted one by one by Newton's steps on the log-odds that
are there already, as if the boosting had gone on: where the new clips agree with the model nothing is added. Rows of
what the model learned from are fitted beside the new ones and hold it where it was.

References
----------
Friedman, Hastie & Tibshirani (2000), Additive logistic regression (LogitBoost).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.cascade import Cascade, share_of_trees
from popdetect.detection.model.classifiers import Classifier, Floats, Trees, sigmoid
from popdetect.training.models import estimators

N_TREES, RATE = 30, 0.2
LEAVES, MIN_LEAF_SHARE = 6, 0.004
_LEAST_CURVATURE = 0.02  # p(1 - p) of a row that is all but certain: its step would know no bounds
_LONGEST_STEP = 3.0


@dataclass(frozen=True, slots=True)
class Amended:
    """A classifier with trees added; answers as scikit-learn's estimators do."""

    base: Classifier
    trees: tuple[Any, ...]
    rate: float

    def logit(self, rows: Floats) -> Floats:
        """Log-odds of "pop", shape (n,), by scikit-learn's own trees."""
        added = sum(tree.predict(rows) for tree in self.trees)
        return np.asarray(self.base.logit(rows) + share_of_trees(self.base, rows) * self.rate * added)

    def predict_proba(self, rows: Floats) -> Floats:
        """Probabilities of "not" and "pop", shape (n, 2)."""
        p = sigmoid(self.logit(rows))
        return np.stack([1 - p, p], axis=1)

    def frozen(self) -> tuple[Classifier, dict[str, npt.NDArray[Any]], dict[str, Any]]:
        """The whole, as (classifier, arrays, settings) of a bundle."""
        return estimators.lengthened(self.base, self.trees, self.rate)


def can_amend(classifier: Classifier) -> bool:
    """Whether trees can be added to it: only where it is a sum of trees itself, or has one."""
    trees = classifier.trees if isinstance(classifier, Cascade) else classifier
    return isinstance(trees, Trees) and trees.combine == "sum"


def amend(
    base: Classifier, rows: Floats, marks: npt.NDArray[Any], start: Floats, weights: Floats, seed: int
) -> Amended:
    """Fit corrections.

    Parameters
    ----------
    base : Classifier
        For which `can_amend` holds.
    rows : ndarray, shape (n, n_features)
    marks : ndarray, shape (n,)
        1 pop, 0 not.
    start : ndarray, shape (n,)
        The log-odds before any correction, by a fit of the base that had not heard the row.
    weights : ndarray, shape (n,)
    seed : int
    """
    known = np.where(np.isnan(rows).all(axis=0), 0.0, rows)
    logits = start.copy()
    share = share_of_trees(base, rows)
    rate = RATE / (float(share.max()) or 1.0)  # the same step whatever the trees' share
    weights = weights * (share > 0)  # what no tree is asked about teaches them nothing
    trees = []
    for index in range(N_TREES):
        p = sigmoid(logits)
        curvature = np.maximum(p * (1 - p), _LEAST_CURVATURE)
        step = np.clip((marks - p) / curvature, -_LONGEST_STEP, _LONGEST_STEP)
        tree = estimators.small_tree(seed + index, LEAVES, MIN_LEAF_SHARE)
        tree.fit(known, step, sample_weight=weights * curvature)
        logits += share * rate * tree.predict(known)
        trees.append(tree)
    return Amended(base, tuple(trees), rate)
