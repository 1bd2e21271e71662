"""Fitting a network, and a cascade of a network and trees; both answer as scikit-learn's estimators do.

The network is scikit-learn's `MLPClassifier`, led epoch by epoch: a little noise is put on the rows each time, so that
it learns no row by heart, and the steps get smaller. The trees of a cascade are fitted only to the rows that the
network will ask them about, so all of them are spent on what is hard.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model import network
from popdetect.detection.model.classifiers import Classifier, Floats, sigmoid
from popdetect.detection.model.loading import thaw

UNITS = (64, 32)
EPOCHS = 10
JITTER = 0.2  # standard deviations of noise on every feature
_RATE, _LEAST_RATE_SHARE = 1e-3, 0.02
_PENALTY = 1e-3
ASK_FROM = -6.0  # log-odds: two candidates in three lie below, and of those one in a thousand is a pop
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
        inputs = network.standardised(known, self.centre, self.scale).astype(np.float32)
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
        p = self.mlp.predict_proba(network.standardised(rows, self.centre, self.scale))
        with np.errstate(divide="ignore"):  # a certain 0 or 1 is limited like all that is nearly so
            return network.limited(np.log(p[:, 1]) - np.log(p[:, 0]))

    def predict_proba(self, rows: Floats) -> Floats:
        """Probabilities of "not" and "pop", shape (n, 2)."""
        return _both_sides(self.logit(rows))

    def frozen(self) -> tuple[Classifier, dict[str, npt.NDArray[Any]], dict[str, Any]]:
        """As (classifier, arrays, settings) of a bundle."""
        inner, middle, outer = self.mlp.coefs_
        inner_bias, middle_bias, bias = self.mlp.intercepts_
        arrays: dict[str, npt.NDArray[Any]] = {
            "centre": self.centre, "scale": self.scale, "inner": inner, "inner_bias": inner_bias, "middle": middle,
            "middle_bias": middle_bias, "outer": outer[:, 0], "bias": bias[0],
        }  # fmt: skip
        arrays = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
        return thaw("network", arrays, {}), arrays, {"kind": "network"}


class Cascade:
    """A `Perceptron`, and `trees` (unfitted, with scikit-learn's methods and `logit`) where it is in doubt."""

    def __init__(self, first: Perceptron, trees: Any) -> None:
        self.network = first
        self.trees = trees

    def fit(self, rows: Floats, labels: npt.NDArray[Any], weights: Floats | None = None) -> Cascade:
        """Fit both; gives itself back."""
        self.network.fit(rows, labels, weights)
        asked = self.network.logit(rows) >= ASK_FROM - _ALSO_FITTED
        if len(np.unique(labels[asked])) < 2:  # few rows, and all known by heart: nothing is left to tell apart
            asked[:] = True
        self.trees.fit(rows[asked], labels[asked], None if weights is None else weights[asked])
        return self

    def predict_proba(self, rows: Floats) -> Floats:
        """Probabilities of "not" and "pop", shape (n, 2)."""
        logits = self.network.logit(rows)
        asked = np.flatnonzero(logits >= ASK_FROM)
        if len(asked):
            logits[asked] = (logits[asked] + self.trees.logit(rows[asked])) / 2
        return _both_sides(logits)


def _both_sides(logits: Floats) -> Floats:
    p = sigmoid(logits)
    return np.stack([1 - p, p], axis=1)
