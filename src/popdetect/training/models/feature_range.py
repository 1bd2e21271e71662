"""The span of the features that were learned from: what `hearing.span` looks a sound up in."""

from __future__ import annotations

import numpy as np

from popdetect.detection.model.classifiers import Floats
from popdetect.detection.model.out_of_distribution import Span

TAIL = 0.0005  # of the values of each feature lie beyond, on each side
STRANGE = 0.001  # of the sounds learned from would be called outside
_FAR = 1e12


def everything(n_features: int) -> Span:
    """The span that no sound is outside of."""
    return Span(np.full(n_features, -_FAR), np.full(n_features, _FAR), n_features)


def span_of(rows: Floats, teacher: Span | None = None) -> Span:
    """The span of rows, widened by that of a teacher, who has heard more."""
    unknown = np.isnan(rows).all(axis=0)
    known = np.where(unknown, 0.0, rows)
    low = np.where(unknown, -_FAR, np.nanquantile(known, TAIL, axis=0))
    high = np.where(unknown, _FAR, np.nanquantile(known, 1 - TAIL, axis=0))
    if teacher is not None:
        return Span(np.minimum(low, teacher.low), np.maximum(high, teacher.high), teacher.outside_from)
    counts = Span(low, high, 1).n_beyond(rows)
    return Span(low, high, int(np.quantile(counts, 1 - STRANGE, method="higher")) + 1)
