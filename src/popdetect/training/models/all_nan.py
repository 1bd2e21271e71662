"""An estimator that bears columns of nothing but NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.classifiers import Floats


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

    def logit(self, rows: Floats) -> Floats:
        """The estimator's own log-odds, shape (n,)."""
        return np.asarray(self.estimator.decision_function(rows))
