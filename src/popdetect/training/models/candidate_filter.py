"""Fitting the first look: the front end, the onset rule, and the gate that sends the hopeless candidates away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.bundle import Model
from popdetect.detection.model.classifiers import Classifier, Floats
from popdetect.detection.signal.frames import FrontEnd
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.errors import UsageError
from popdetect.training.data.dsp import mel_edges_hz
from popdetect.training.data.examples import Example, FeatureExtractor, OnProgress, filter_inputs, mark, pseudo_labels
from popdetect.training.models import estimators, export

# 9 bands from 0.5 to 8 kHz: where pops have their energy, and within every recording of 16 kHz and more, so that one
# decision serves all rates. 2 ms windows: the shortest that separates the bands; 3 and 4 ms did no better.
FRONT_END_MS = (1.0, 2)
MEL_BANDS, LOW_HZ, HIGH_HZ = 9, 500.0, 8000.0

LEAST_SHARE = 0.015  # of the weight that pops have, where the gate is fitted
KEPT_SHARE = 0.9875  # of the pops among the candidates; the next in line are under the noise


def default_front_end() -> FrontEnd:
    """The front end that new models get."""
    return FrontEnd(FRONT_END_MS[0], FRONT_END_MS[1], mel_edges_hz(MEL_BANDS, LOW_HZ, HIGH_HZ))


@dataclass(frozen=True, slots=True)
class CandidateFinder:
    """What finds candidates and drops the hopeless: front end, onset rule and gate."""

    front_end: FrontEnd
    onset_rule: OnsetRule
    candidate_filter: Classifier
    pass_from: float

    @classmethod
    def of(cls, model: Model) -> CandidateFinder:
        """That of a finished model."""
        return cls(model.front_end, model.onset_rule, model.candidate_filter, model.pass_from)

    def listener(self) -> FeatureExtractor:
        """What hears the candidates that it lets pass."""
        return FeatureExtractor(self.front_end, self.onset_rule, self.candidate_filter, self.pass_from)


def fit_candidate_filter(
    examples: Sequence[Example],
    front_end: FrontEnd,
    rule: OnsetRule,
    seed: int,
    say: OnProgress,
    keeps: float = KEPT_SHARE,
) -> CandidateFinder:
    """Fit the gate to a first look at all candidates, so that it keeps a share of the pops among them.

    Parameters
    ----------
    keeps : float
        This share.

    Raises
    ------
    UsageError
        When no labelled pop is among them.
    """
    rows, marks = [], []
    for index, example in enumerate(examples):
        say("a first look", index, len(examples))
        samples, rate_hz = example.sound()
        true = example.onsets_s if example.onsets_s is not None else pseudo_labels(samples, rate_hz, None)
        for channel in range(samples.shape[1]):
            when, looks = filter_inputs(samples[:, channel], rate_hz, front_end, rule)
            rows.append(looks)
            marks.append(mark(when, true))
    looks, known = np.concatenate(rows), np.concatenate(marks)
    del rows  # a gigabyte where there are hours of sound
    learnable = known >= 0
    if not (known == 1).any():
        raise UsageError(
            "none of the labelled pops could be found in the sound; "
            "check that onsets_s are seconds from the start of the clip"
        )
    estimator = estimators.small_boosting(seed).fit(looks[learnable], known[learnable], weights(known[learnable]))
    gate = export.export_classifier(estimator)
    logits = gate.logit(looks)
    pass_from = float(np.quantile(logits[known == 1], 1 - keeps, method="lower"))
    # on few clips the gate knows everything by heart; what must be told apart later has to pass
    others = np.sort(logits[known == 0])[::-1]
    if len(others):
        pass_from = min(pass_from, float(others[min(3 * int((known == 1).sum()), len(others)) - 1]))
    return CandidateFinder(front_end, rule, gate, pass_from)


def weights(known: npt.NDArray[np.int8]) -> Floats | None:
    """What each row counts for where pops are rarer than `LEAST_SHARE`: a pop for several; None where they are not.

    A boosted tree's step is up to one over the share of pops, and the next must take it back: at one in 150 the steps
    grew from tree to tree, to log-odds of -1,700, and the gate let everything pass.
    """
    n_pops = int((known == 1).sum())
    pop_counts_for = LEAST_SHARE / (1 - LEAST_SHARE) * (len(known) - n_pops) / n_pops
    return np.where(known == 1, pop_counts_for, 1.0) if pop_counts_for > 1 else None
