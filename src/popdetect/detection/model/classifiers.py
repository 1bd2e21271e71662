"""Feature rows to log-odds and probabilities, with plain arrays of numpy.

Each classifier gives scikit-learn's `predict_proba` to 1e-5 and better. All accept NaN for what could not be measured.
A classifier is a frozen dataclass of arrays and numbers, so `serialization` can store and load any of them.

Rows have the shape (n, n_features); results have the shape (n,).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MAX_DEPTH = 1000  # steps down a tree, each taken by all rows: the deepest tree of training takes 10
INPUT_LIMIT = 4.0  # standard deviations from the middle; one extreme feature must not decide alone
LOGIT_LIMIT = 20.0  # log-odds of a network; beyond this a probability changes no decision
_LOGIT_DECIMALS = 9  # the last digits of a matrix product depend on the number of rows
_TINY = 1e-12


class Classifier(Protocol):
    """Anything that turns feature rows into log-odds."""

    def logit(self, rows: Floats) -> Floats:
        """Log-odds of "pop", shape (n,), for rows of shape (n, n_features)."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """Logistic regression on standardised features; all arrays have the shape (n_features,).

    ``logit = intercept + sum(coef * (x - centre) / scale)``; NaN is replaced by `centre`.
    """

    centre: Floats
    scale: Floats
    coef: Floats
    intercept: float

    def logit(self, rows: Floats) -> Floats:
        """Log-odds of "pop", shape (n,)."""
        centred = np.nan_to_num(rows - self.centre, nan=0.0)
        return np.asarray(self.intercept + (centred / self.scale) @ self.coef)


def first_feature(n_features: int) -> Linear:
    """Return a classifier whose log-odds are the first feature, whatever the others are."""
    only_first = np.zeros(n_features)
    only_first[0] = 1
    return Linear(np.zeros(n_features), np.ones(n_features), only_first, 0.0)


@dataclass(frozen=True, slots=True)
class Trees:
    """Binary decision trees, one after another in flat arrays.

    At node ``i`` a row goes left if ``x[feature[i]] <= threshold[i]``, or if that value is NaN and ``nan_left[i]``.
    A leaf points to itself.

    Attributes
    ----------
    feature, left, right : ndarray of int, shape (n_nodes,)
    threshold, value : ndarray of float, shape (n_nodes,)
    nan_left : ndarray of bool, shape (n_nodes,)
    roots : ndarray of int, shape (n_trees,)
    baseline : float
        Added to the sum of a boosted ensemble.
    combine : {"sum", "mean"}
        "sum": values are parts of log-odds. "mean": values are probabilities.
    depth : int
        Steps from the root to the deepest leaf; follows from the arrays.

    Raises
    ------
    ValueError
        If a node cannot reach a leaf in 1000 steps, or if `combine` is "mean" and a value is no probability.
    """

    feature: npt.NDArray[np.int32]
    threshold: Floats
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    nan_left: npt.NDArray[np.bool_]
    value: Floats
    roots: npt.NDArray[np.int32]
    baseline: float
    combine: Literal["sum", "mean"]
    depth: int = field(init=False)
    _column: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)
    _child: npt.NDArray[np.intp] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.combine == "mean" and not 0 <= self.value.min() <= self.value.max() <= 1:
            raise ValueError("'value' has numbers outside 0 to 1; combine is 'mean', of probabilities")
        object.__setattr__(self, "depth", _depth(self.left, self.right, self.roots))
        # the column of a row's value pairs that a node reads, and the children of a node side by side, right first
        object.__setattr__(self, "_column", 2 * self.feature.astype(np.intp) + self.nan_left)
        object.__setattr__(self, "_child", np.stack([self.right, self.left], axis=1).ravel().astype(np.intp))

    def logit(self, rows: Floats) -> Floats:
        """Log-odds of "pop", shape (n,)."""
        n_rows, n_features = rows.shape
        # each value twice: NaN once as it is (never <=, so it goes right) and once as -inf (goes left); the node
        # chooses. Not +inf: scikit-learn uses a threshold of +inf to separate NaN from all numbers
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


def _depth(left: npt.NDArray[np.int32], right: npt.NDArray[np.int32], roots: npt.NDArray[np.int32]) -> int:
    """Steps until all leaves are reached; ends, whatever the arrays hold."""
    own = np.arange(len(left))
    is_leaf = (left == own) & (right == own)
    level = roots[~is_leaf[roots]]
    for depth in range(MAX_DEPTH + 1):
        if not len(level):
            return depth
        # marked, not listed: in a damaged tree two paths may lead to one node, and double at every level
        below = np.zeros(len(left), np.bool_)
        below[left[level]] = below[right[level]] = True
        level = np.flatnonzero(below & ~is_leaf)
    raise ValueError(f"the trees go in circles, or are deeper than {MAX_DEPTH} steps")


@dataclass(frozen=True, slots=True)
class Network:
    """A multilayer perceptron on standardised features: two layers of rectified units.

    Attributes
    ----------
    centre, scale : ndarray, shape (n_features,)
        Median and standard deviation of each feature.
    inner, middle, outer : ndarray, shapes (n_features, n_1), (n_1, n_2) and (n_2,)
        Weights.
    inner_bias, middle_bias : ndarray, shapes (n_1,) and (n_2,)
    bias : float
    """

    centre: Floats
    scale: Floats
    inner: Floats
    inner_bias: Floats
    middle: Floats
    middle_bias: Floats
    outer: Floats
    bias: float

    def logit(self, rows: Floats) -> Floats:
        """Log-odds of "pop", shape (n,), from -20 to 20."""
        first = np.maximum(standardised(rows, self.centre, self.scale) @ self.inner + self.inner_bias, 0)
        second = np.maximum(first @ self.middle + self.middle_bias, 0)
        return limited(second @ self.outer + self.bias)


def standardised(rows: Floats, centre: Floats, scale: Floats) -> Floats:
    """Features in standard deviations from their middle, -4 to 4; NaN becomes 0."""
    out = rows - centre
    out /= scale
    np.clip(out, -INPUT_LIMIT, INPUT_LIMIT, out=out)
    out[np.isnan(out)] = 0.0  # `nan_to_num` takes half as long again
    return out


def limited(logit: Floats) -> Floats:
    """Log-odds within ±20, rounded so that a row alone and among others gets the same number."""
    return np.asarray(np.round(np.clip(logit, -LOGIT_LIMIT, LOGIT_LIMIT), _LOGIT_DECIMALS))


@dataclass(frozen=True, slots=True)
class Cascade:
    """A network for all candidates, and trees where the network gives log-odds of `trees_from` or more.

    Trees take five times as long as the network. So the network only discards the unlikely candidates.
    """

    network: Network
    trees: Trees
    trees_from: float

    def logit(self, rows: Floats) -> Floats:
        """Log-odds of "pop", shape (n,)."""
        logits = self.network.logit(rows)
        asked = np.flatnonzero(logits >= self.trees_from)
        if len(asked):
            logits[asked] = self.trees.logit(rows[asked])
        return logits


def share_of_trees(classifier: Classifier, rows: Floats) -> Floats:
    """Weight of the trees in the log-odds of each row, shape (n,): 1; for a cascade 1 or 0."""
    if isinstance(classifier, Cascade):
        return np.where(classifier.network.logit(rows) >= classifier.trees_from, 1.0, 0.0)
    return np.ones(len(rows))


def sigmoid(logit: Floats) -> Floats:
    """Log-odds to probability, without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(logit, np.float64))))


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt's scaling: ``p = sigmoid(slope * logit + offset)``, fitted on rows that the classifier was not fitted on.

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


@dataclass(frozen=True, slots=True)
class FeatureRange:
    """The range of nearly all training values of each feature, to find sounds that are out of distribution.

    A classifier gives an answer for any numbers, also for those of a sound unlike all of its training material. That
    answer is worth nothing; "uncertain" is the better word.

    Attributes
    ----------
    low, high : ndarray, shape (n_features,)
    min_outside : int
        A sound with at least this many features outside the range is out of distribution.
    """

    low: Floats
    high: Floats
    min_outside: int

    def __post_init__(self) -> None:
        if (self.low > self.high).any():
            raise ValueError("'low' has a number above that of 'high'; allowed is at most the same")

    @classmethod
    def unbounded(cls, n_features: int) -> FeatureRange:
        """Return a range that no sound is outside of."""
        return cls(np.full(n_features, -1e12), np.full(n_features, 1e12), n_features)

    def is_outside(self, rows: Floats) -> npt.NDArray[np.bool_]:
        """Which rows are out of distribution, shape (n,)."""
        return np.asarray(self.n_outside(rows) >= self.min_outside)

    def n_outside(self, rows: Floats) -> npt.NDArray[np.intp]:
        """How many features of each row are outside the range, shape (n,); NaN never is."""
        return np.asarray(((rows < self.low) | (rows > self.high)).sum(axis=1))
