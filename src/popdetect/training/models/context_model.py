"""Fitting the context model: how the neighbours of a candidate change its log-odds.

It is fitted on held-out log-odds of the classifier, which are as uncertain as those on new sounds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from popdetect.detection.conclusion import CONTEXT_FROM, context_logits
from popdetect.detection.model.classifiers import Classifier, Floats, first_feature
from popdetect.detection.signal import context, features
from popdetect.training.data.examples import CandidateSet
from popdetect.training.models import estimators, export

MIN_POPS = 300  # with fewer pops a context model cannot be fitted: each candidate keeps the log-odds of the classifier
NO_CONTEXT = first_feature(len(context.names()))
_APART_MS = 1000.0  # between clips placed one after another: more than the reach of the context


def context_rows(candidates: CandidateSet, log_odds: Floats, n_columns: int) -> Floats:
    """Return the input of the context model, shape (n, n_context); neighbours are candidates of the same clip."""
    starts_ms = np.concatenate([[0.0], np.cumsum(candidates.durations_s * 1000 + _APART_MS)])
    onset_ms = candidates.onsets_s * 1000 + starts_ms[candidates.clip]
    return context.describe(onset_ms, log_odds, *features.level_and_spectrum(candidates.rows, n_columns))


def fit_context_model(
    rows: Floats, candidates: CandidateSet, parts: Sequence[npt.NDArray[np.intp]], seed: int
) -> tuple[Classifier, Floats]:
    """Return a context model and its held-out log-odds, shape (n,), by fits without the clips of each part."""
    n_pops = np.array([(candidates.marks[~np.isin(candidates.clip, part)] == 1).sum() for part in parts])
    if n_pops.min() < MIN_POPS:
        return NO_CONTEXT, context_logits(NO_CONTEXT, rows)
    order = candidates.training_rows()
    learnable = (candidates.marks >= 0) & (rows[:, 0] >= CONTEXT_FROM)

    def fit(used: npt.NDArray[np.bool_]) -> Classifier:
        repeated = order[used[order]]  # pops that are alone count for more
        return export.export_classifier(
            estimators.context_boosting(seed).fit(rows[repeated], candidates.marks[repeated])
        )

    logits = np.zeros(len(rows))
    for part in parts:
        test = np.isin(candidates.clip, part)
        logits[test] = context_logits(fit(learnable & ~test), rows[test])
    return fit(learnable), logits
