"""The span of what was learned from: whether a sound lies within it, or nobody knows what it is.

A classifier answers for any numbers, also for those of a sound unlike all it has learned from. Then the answer is
worth nothing, and "uncertain" is the better word.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.classifiers import Floats


@dataclass(frozen=True, slots=True)
class Span:
    """Where nearly all values of each feature lay.

    Attributes
    ----------
    low, high : ndarray, shape (n_features,)
    outside_from : int
        A sound with at least so many features beyond them is outside.
    """

    low: Floats
    high: Floats
    outside_from: int

    @classmethod
    def unbounded(cls, n_features: int) -> Span:
        """Return the range that no sound is outside of."""
        return cls(np.full(n_features, -1e12), np.full(n_features, 1e12), n_features)

    def outside(self, rows: Floats) -> npt.NDArray[np.bool_]:
        """Which rows are, shape (n,); what could not be measured is not."""
        return np.asarray(self.n_beyond(rows) >= self.outside_from)

    def n_beyond(self, rows: Floats) -> npt.NDArray[np.intp]:
        """How many features of each row are, shape (n,)."""
        return np.asarray(((rows < self.low) | (rows > self.high)).sum(axis=1))
