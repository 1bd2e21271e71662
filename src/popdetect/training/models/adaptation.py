"""Adapting a model to one's own clips.

Front end, candidate filter and context model stay those of the base model: they were fitted to thousands of clips. The
classifier is chosen by model selection on held-out people, among three strategies:

* ``as_it_is``: keep the classifier of the base model;
* ``corrected``: incremental boosting, which adds a few small trees to it;
* ``anew``: fit a new classifier to the own rows and the rows that travel with the model (`replay`).

A later one is chosen only if it is clearly better. Calibrations start from those of the base model (see
`calibration.recalibrate`). Thresholds are probabilities, so they keep their meaning after calibration; they are chosen
anew only from at least `MIN_FOR_POINTS` clips of each kind.

References
----------
Friedman, Hastie & Tibshirani (2000), Additive logistic regression (LogitBoost).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.bundle import Model
from popdetect.detection.model.classifiers import Cascade, Classifier, Floats, Trees, share_of_trees, sigmoid
from popdetect.errors import UsageError
from popdetect.training.data.examples import CandidateSet
from popdetect.training.evaluation.held_out import counted, final_logits, lowered
from popdetect.training.models import estimators, export
from popdetect.training.models.estimators import Strategy, two_columns, without_all_nan
from popdetect.training.models.replay import Replay

CLEAR_GAIN = 0.004  # a later strategy must be better by this score
REPLAY_SHARE = 0.5  # total weight of the replay rows, relative to the own rows
NEGATIVES_SHARE = 0.5  # total weight of simulated sounds without pops, relative to the replay rows
LARGEST_SHIFT = 4.0  # log-odds
MIN_POPS_REFIT = 600  # with fewer pops a new fit was never the best, and it takes the longest
MIN_FOR_POINTS = 100  # clips of each kind

# incremental boosting
N_TREES, RATE = 30, 0.2
LEAVES, MIN_LEAF_SHARE = 6, 0.004
_MIN_CURVATURE = 0.02  # lower limit of p (1 - p): the step of an almost certain row would be unlimited
_MAX_STEP = 3.0


def strategies(base: Model, replay: Replay, n_pops: int) -> list[Strategy]:
    """Return the strategies for this number of own pops, the simplest first."""
    classifier = base.classifier

    def correct(rows: Floats, marks: npt.NDArray[Any], seed: int) -> Any:
        start = np.concatenate([classifier.logit(rows), replay.logits])
        both, known, weights = _with_replay(rows, marks, replay)
        return boost(classifier, both, known, start, weights, seed)

    def refit(rows: Floats, marks: npt.NDArray[Any], seed: int) -> Any:
        both, known, weights = _with_replay(rows, marks, replay)
        return estimators.boosting(seed, len(both)).fit(both, known, weights)

    title = str(base.info.get("classifier", {}).get("title", "the classifier")).split(", corrected")[0]
    found = [Strategy("as_it_is", f"{title}, as it was", lambda *_: Boosted(classifier))]
    if can_boost(classifier):
        found.append(Strategy("corrected", f"{title}, corrected by {N_TREES} small trees", correct))
    if n_pops >= MIN_POPS_REFIT:
        title = estimators.BY_NAME["boosting"].title
        found.append(Strategy("anew", f"{title}, anew with rows of the model before", refit))
    return found


def _with_replay(rows: Floats, marks: npt.NDArray[Any], replay: Replay) -> tuple[Floats, npt.NDArray[Any], Floats]:
    """Own rows and replay rows, with their marks and weights."""
    weights = replay.weights * (REPLAY_SHARE * len(rows) / replay.weights.sum())
    return (
        np.concatenate([rows, replay.rows]),
        np.concatenate([marks, replay.marks]),
        np.concatenate([np.ones(len(rows)), weights]),
    )


@dataclass(frozen=True, slots=True)
class Boosted:
    """An existing classifier as an estimator, with further trees or without."""

    base: Classifier
    trees: tuple[Any, ...] = ()
    rate: float = 0.0

    def logit(self, rows: Floats) -> Floats:
        """Return log-odds of "pop", shape (n,), computed by scikit-learn's trees."""
        if not self.trees:
            return self.base.logit(rows)
        added = sum(tree.predict(rows) for tree in self.trees)
        return np.asarray(self.base.logit(rows) + share_of_trees(self.base, rows) * self.rate * added)

    def predict_proba(self, rows: Floats) -> Floats:
        """Return the probabilities of both classes, shape (n, 2)."""
        return two_columns(self.logit(rows))

    def exported(self) -> Classifier:
        """Return the classifier with the trees added."""
        return export.add_trees(self.base, self.trees, self.rate) if self.trees else self.base


def can_boost(classifier: Classifier) -> bool:
    """Return whether trees can be added: the classifier is a sum of trees, or a cascade that ends with one."""
    trees = classifier.trees if isinstance(classifier, Cascade) else classifier
    return isinstance(trees, Trees) and trees.combine == "sum"


def boost(
    base: Classifier, rows: Floats, marks: npt.NDArray[Any], start: Floats, weights: Floats, seed: int
) -> Boosted:
    """Incremental boosting: continue boosting from the log-odds of an existing classifier.

    The trees of the base stay unchanged. Small trees are fitted one by one by Newton steps; where the new rows agree
    with the base, almost nothing is added.

    `base` is one for which `can_boost` is true; `marks`, shape (n,), are 1 (pop) and 0; `start`, shape (n,), are
    log-odds of the base by fits that were not trained on the row; `weights` has shape (n,).
    """
    known = without_all_nan(rows)
    logits = start.copy()
    share = share_of_trees(base, rows)
    rate = RATE / (float(share.max()) or 1.0)  # the same step, whatever the weight of the trees
    weights = weights * (share > 0)  # rows for which the trees are not used
    trees = []
    for index in range(N_TREES):
        p = sigmoid(logits)
        curvature = np.maximum(p * (1 - p), _MIN_CURVATURE)
        step = np.clip((marks - p) / curvature, -_MAX_STEP, _MAX_STEP)
        tree = estimators.small_tree(seed + index, LEAVES, MIN_LEAF_SHARE)
        tree.fit(known, step, sample_weight=weights * curvature)
        logits += share * rate * tree.predict(known)
        trees.append(tree)
    return Boosted(base, tuple(trees), rate)


def with_negatives(replay: Replay, base: Model, negatives: CandidateSet) -> Replay:
    """Return the replay rows together with the candidates of simulated sounds without pops."""
    if not len(negatives.rows):
        return replay
    weights = np.full(len(negatives.rows), NEGATIVES_SHARE * replay.weights.sum() / len(negatives.rows))
    return Replay(
        np.concatenate([replay.rows, negatives.rows]),
        np.concatenate([replay.marks, np.zeros(len(negatives.rows), np.int8)]),
        np.concatenate([replay.logits, base.classifier.logit(negatives.rows)]),
        np.concatenate([replay.weights, weights]),
    )


def limit_false_pops(model: Model, base: Model, negatives: CandidateSet) -> Model:
    """Lower the log-odds of an adapted model until it finds no more pops in `negatives` than its base model."""
    allowed = int(counted(base, negatives, final_logits(base, negatives)).sum())
    logits = final_logits(model, negatives)
    for step in range(int(LARGEST_SHIFT / 0.1) + 1):
        if int(counted(model, negatives, logits, 0.1 * step).sum()) <= allowed:
            break
    return dataclasses.replace(
        model,
        event_calibration=lowered(model.event_calibration, 0.1 * step),
        clip_calibration=lowered(model.clip_calibration, 0.1 * step),
    )


def held_out_logits(
    strategy: Strategy, candidates: CandidateSet, parts: Sequence[npt.NDArray[np.intp]], seed: int
) -> Floats:
    """Return the log-odds of all own rows, shape (n,), each by a fit without its group."""
    logits = np.zeros(len(candidates.rows))
    rows = candidates.training_rows()
    for test_clips in parts:
        test = np.isin(candidates.clip, test_clips)
        train = rows[~test[rows]]
        if len(set(candidates.marks[train].tolist())) < 2:
            raise UsageError("one patient has nearly all the pops; pops of more patients are needed")
        estimator = strategy.fit(candidates.rows[train], candidates.marks[train], seed)
        logits[test] = export.export_classifier(estimator).logit(candidates.rows[test])
    return logits
