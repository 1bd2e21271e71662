"""Fitting the candidate filter: a small classifier that discards candidates that are almost certainly not pops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.bundle import Model
from popdetect.detection.model.classifiers import Classifier, Floats
from popdetect.detection.signal.frames import FrontEnd
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.errors import UsageError
from popdetect.training.data.dsp import mel_edges_hz
from popdetect.training.data.examples import Example, OnProgress, filter_inputs, mark, pseudo_labels
from popdetect.training.models import estimators, export

# 9 bands from 0.5 to 8 kHz: pops have their energy there, and every recording of 16 kHz and more has these bands, so
# one filter serves all sample rates. 2 ms windows are the shortest that separate the bands; 3 and 4 ms were no better.
FRONT_END_MS = (1.0, 2)
MEL_BANDS, LOW_HZ, HIGH_HZ = 9, 500.0, 8000.0

MIN_POP_WEIGHT = 0.015  # share of the total weight that pops have in the fit
KEPT_SHARE = 0.9875  # of the pops among the candidates; the rest are below the noise


def default_front_end() -> FrontEnd:
    """Return the front end of new models."""
    return FrontEnd(FRONT_END_MS[0], FRONT_END_MS[1], mel_edges_hz(MEL_BANDS, LOW_HZ, HIGH_HZ))


class CandidateFinder(NamedTuple):
    """The first stage of a detector: front end, onset rule, and candidate filter with its threshold."""

    front_end: FrontEnd
    onset_rule: OnsetRule
    candidate_filter: Classifier
    pass_from: float

    @classmethod
    def of(cls, model: Model) -> CandidateFinder:
        """Return the first stage of a fitted model."""
        return cls(model.front_end, model.onset_rule, model.candidate_filter, model.pass_from)


def fit_candidate_filter(
    examples: Sequence[Example],
    front_end: FrontEnd,
    rule: OnsetRule,
    seed: int,
    on_progress: OnProgress,
    kept_share: float = KEPT_SHARE,
) -> CandidateFinder:
    """Fit the filter to all candidates; its threshold keeps `kept_share` of the pops among them.

    Raises UsageError when no labelled pop is among the candidates.
    """
    rows, marks = [], []
    for index, example in enumerate(examples):
        on_progress("finding candidates", index, len(examples))
        samples, rate_hz = example.sound()
        true = example.onsets_s if example.onsets_s is not None else pseudo_labels(samples, rate_hz, None)
        for channel in range(samples.shape[1]):
            when_s, found = filter_inputs(samples[:, channel], rate_hz, front_end, rule)
            rows.append(found)
            marks.append(mark(when_s, true))
    inputs, known = np.concatenate(rows), np.concatenate(marks)
    del rows  # a gigabyte for hours of sound
    if not (known == 1).any():
        raise UsageError(
            "none of the labelled pops could be found in the sound; "
            "check that onsets_s are seconds from the start of the clip"
        )
    return CandidateFinder(front_end, rule, *fit_filter(inputs, known, seed, kept_share))


def fit_filter(
    rows: Floats, marks: npt.NDArray[np.int8], seed: int, kept_share: float = KEPT_SHARE
) -> tuple[Classifier, float]:
    """Fit the filter to candidates: rows of shape (n, n_filter_features), marks of shape (n,).

    Returns the classifier, and the log-odds from which candidates are kept.
    """
    learnable = marks >= 0
    estimator = estimators.filter_boosting(seed).fit(rows[learnable], marks[learnable], weights(marks[learnable]))
    classifier = export.export_classifier(estimator)
    logits = classifier.logit(rows)
    pass_from = float(np.quantile(logits[marks == 1], 1 - kept_share, method="lower"))
    # with few clips the filter fits them perfectly; at least three negatives per pop are kept for the classifier
    others = np.sort(logits[marks == 0])[::-1]
    if len(others):
        pass_from = min(pass_from, float(others[min(3 * int((marks == 1).sum()), len(others)) - 1]))
    return classifier, pass_from


def weights(marks: npt.NDArray[np.int8]) -> Floats | None:
    """Return weights that give pops at least `MIN_POP_WEIGHT` of the total; None if they have it already.

    The step of a boosted tree is up to one over the share of pops, and the next tree must take it back. With one pop
    in 150 candidates the steps grew from tree to tree, to log-odds of -1,700, and the filter kept every candidate.
    """
    n_pops = int((marks == 1).sum())
    pop_weight = MIN_POP_WEIGHT / (1 - MIN_POP_WEIGHT) * (len(marks) - n_pops) / n_pops
    return np.where(marks == 1, pop_weight, 1.0) if pop_weight > 1 else None
