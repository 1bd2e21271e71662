"""Feature rows to probabilities: a fitted scikit-learn classifier, frozen into plain arrays.

Here are two kinds. ``linear``: impute, standardise, dot product. ``trees``: a boosted ensemble (values add up to a
logit) or a forest (leaf probabilities are averaged). `network` has a third, and `cascade` joins it and trees. All give
scikit-learn's `predict_proba` to 1e-5 and better, and all accept NaN for what could not be measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_TINY = 1e-12


class Classifier(Protocol):
    """Anything that turns feature rows into log-odds."""

    def logit(self, rows: Floats) -> Floats:
        """Log-odds of "pop", shape (n,), for rows of shape (n, n_features)."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """Logistic regression on standardised features; all arrays of shape (n_features,).

    ``logit = intercept + sum(coef * (x - centre) / scale)``, NaN replaced by `centre`.
    """

    centre: Floats
    scale: Floats
    coef: Floats
    intercept: float

    def logit(self, rows: Floats) -> Floats:
        """Log-odds of "pop", shape (n,)."""
        centred = np.nan_to_num(rows - self.centre, nan=0.0)
        return np.asarray(self.intercept + (centred / self.scale) @ self.coef)


def own_opinion(n_features: int) -> Linear:
    """A classifier that repeats the first feature, whatever the others say."""
    only_first = np.zeros(n_features)
    only_first[0] = 1
    return Linear(np.zeros(n_features), np.ones(n_features), only_first, 0.0)


@dataclass(frozen=True, slots=True)
class Trees:
    """Binary decision trees side by side in flat arrays.

    At node ``i`` a row goes left if ``x[feature[i]] <= threshold[i]``, or if that value is NaN and ``nan_left[i]``.
    A leaf leads to itself.

    Attributes
    ----------
    feature, left, right : ndarray of int, shape (n_nodes,)
    threshold, value : ndarray of float, shape (n_nodes,)
    nan_left : ndarray of bool, shape (n_nodes,)
    roots : ndarray of int, shape (n_trees,)
    depth : int
        Steps from the root to the deepest leaf.
    baseline : float
        Added to the sum of a boosted ensemble.
    combine : {"sum", "mean"}
        "sum": values are parts of a logit. "mean": values are probabilities.
    """

    feature: npt.NDArray[np.int32]
    threshold: Floats
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    nan_left: npt.NDArray[np.bool_]
    value: Floats
    roots: npt.NDArray[np.int32]
    depth: int
    baseline: float
    combine: Literal["sum", "mean"]
    _column: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)
    _child: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # as the walk needs them: where in a row's pairs a node looks, and its children side by side, right before left
        object.__setattr__(self, "_column", 2 * self.feature.astype(np.intp) + self.nan_left)
        object.__setattr__(self, "_child", np.stack([self.right, self.left], axis=1).ravel().astype(np.intp))

    def logit(self, rows: Floats) -> Floats:
        """Log-odds of "pop", shape (n,)."""
        n_rows, n_features = rows.shape
        # each value twice, NaN once as it is (never <=, so it goes right) and once as -inf (goes left): the node
        # chooses. Not +inf: a threshold of +inf is scikit-learn's way to part what is missing from the rest
        flat = np.stack([rows, np.where(np.isnan(rows), -np.inf, rows)], axis=2).ravel()
        # all rows and all trees at once: one step down per turn, on flat arrays
        offset = np.repeat(np.arange(n_rows) * (2 * n_features), len(self.roots))
        node = np.tile(self.roots.astype(np.intp), n_rows)
        for _ in range(self.depth):
            goes_left = flat.take(offset + self._column.take(node)) <= self.threshold.take(node)
            node = self._child.take(2 * node + goes_left)
        leaves = self.value.take(node).reshape(n_rows, len(self.roots))
        if self.combine == "sum":
            return np.asarray(self.baseline + leaves.sum(axis=1))
        p = np.clip(leaves.mean(axis=1), _TINY, 1 - _TINY)
        return np.asarray(np.log(p / (1 - p)))


def sigmoid(logit: Floats) -> Floats:
    """Log-odds to probability, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(logit, np.float64))))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt's scaling: ``p = sigmoid(slope * logit + offset)``, fitted on rows the classifier had not seen.

    References
    ----------
    Platt 1999, "Probabilistic outputs for support vector machines".
    """

    slope: float
    offset: float

    def __call__(self, logit: Floats) -> Floats:
        """Calibrated probability."""
        return sigmoid(self.log_odds(logit))

    def log_odds(self, logit: Floats) -> Floats:
        """Calibrated log-odds."""
        return np.asarray(self.slope * np.asarray(logit) + self.offset)
