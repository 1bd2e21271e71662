"""A small network: two layers of rectified units between the features and the log-odds.

It weighs all features at once and smoothly, where trees cut; so each errs where the other does not (`cascade`). It is
scikit-learn's `MLPClassifier`, frozen into plain arrays. What could not be measured, NaN, counts as the middle of what
was learned from, and nothing counts for more than four standard deviations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popdetect.detection.model.classifiers import Floats

LIMIT = 4.0  # standard deviations from the middle; a feature far outside must not decide alone
LOGIT_LIMIT = 20.0  # log-odds: further out is no surer
_DECIMALS = 9  # the last digits of a matrix product depend on how many rows come along


@dataclass(frozen=True, slots=True)
class Network:
    """A multilayer perceptron on standardised features.

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
    """Features in standard deviations from their middle, -4 to 4; 0 where nothing was measured."""
    out = rows - centre
    out /= scale
    np.clip(out, -LIMIT, LIMIT, out=out)
    out[np.isnan(out)] = 0.0  # with `nan_to_num` all of this took half as long again
    return out


def limited(logit: Floats) -> Floats:
    """Log-odds within ±20, without the digits that depend on the company."""
    return np.asarray(np.round(np.clip(logit, -LOGIT_LIMIT, LOGIT_LIMIT), _DECIMALS))
