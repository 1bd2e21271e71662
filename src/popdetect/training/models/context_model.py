"""Fitting the context: how a candidate's neighbours change the opinion on it.

It is fitted on out-of-fold first opinions, so that it sees them as unsure as they will be on new sounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from popdetect.detection.conclusion import CONTEXT_FROM, context_logits
from popdetect.detection.model.classifiers import Classifier, Floats, first_feature
from popdetect.detection.signal import context, features
from popdetect.training.data.examples import CandidateSet
from popdetect.training.models import estimators, export

MIN_POPS = 300  # with fewer, what neighbours mean cannot be learned: each candidate keeps its first opinion
_APART_MS = 1000.0  # between clips, laid end to end: more than neighbours reach


@dataclass(frozen=True, slots=True)
class ContextModel:
    """A context model: its classifier, and its out-of-fold log-odds if it was fitted here."""

    classifier: Classifier
    held_out_logits: Floats | None = None


def context_rows(heard: CandidateSet, log_odds: Floats, n_columns: int) -> Floats:
    """Rows for the context, shape (n, n_context), of all candidates: neighbours are those of the same clip."""
    starts_ms = np.concatenate([[0.0], np.cumsum(heard.durations_s * 1000 + _APART_MS)])
    onset_ms = heard.onsets_s * 1000 + starts_ms[heard.clip]
    return context.describe(onset_ms, log_odds, *features.level_and_spectrum(heard.rows, n_columns))


def lent(classifier: Classifier) -> ContextModel:
    """A base_model's."""
    return ContextModel(classifier)


def no_context() -> ContextModel:
    """None: each candidate keeps its first opinion."""
    return lent(first_feature(len(context.names())))


def fit_context_model(
    rows: Floats, heard: CandidateSet, parts: Sequence[npt.NDArray[np.intp]], seed: int
) -> ContextModel:
    """Fit it, with the clips of each part held out in turn."""
    learnable = (heard.marks >= 0) & (rows[:, 0] >= CONTEXT_FROM)
    n_pops = np.array([(heard.marks[~np.isin(heard.clip, part)] == 1).sum() for part in parts])
    if n_pops.min() < MIN_POPS:
        return no_context()
    logits = np.zeros(len(rows))
    for part in parts:
        test = np.isin(heard.clip, part)
        learn = learnable & ~test
        estimator = estimators.context_boosting(seed).fit(rows[learn], heard.marks[learn])
        logits[test] = context_logits(export.export_classifier(estimator), rows[test])
    estimator = estimators.context_boosting(seed).fit(rows[learnable], heard.marks[learnable])
    return ContextModel(export.export_classifier(estimator), logits)
