"""A model adapted to one's own clips: what of it is fitted again, and what stays.

The front end, the gate and the context stay the model's own: they were learned from thousands of clips. The
classifier is made by three strategies, each tested on held-out people, and the first stays unless another is better:
as it is; with corrections (`adaptation`), fitted to the own rows and held by the rows that travel with the model
(`replay`); fitted anew to both. Calibrations start from the model's and move as far as the held-out answers on the own
clips carry them. The thresholds of the operating points are probabilities, and mean the same after calibration; they
are chosen anew only from as many clips as it takes to tell 0.985 from 0.93.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.bundle import Model, OperatingPoint
from popdetect.detection.model.classifiers import (
    Calibration,
    Cascade,
    Classifier,
    Floats,
    Trees,
    share_of_trees,
    sigmoid,
)
from popdetect.errors import UsageError
from popdetect.training.data.examples import CandidateSet
from popdetect.training.evaluation.held_out import counted, final_logits, lowered
from popdetect.training.models import estimators, export
from popdetect.training.models.estimators import EstimatorSpec
from popdetect.training.models.replay import Replay

CLEAR_GAIN = 0.004  # better by so much in score, or the simpler way is kept
REPLAY_SHARE = 0.5  # weight of all rows that travel against all own ones
NEGATIVES_SHARE = 0.5  # weight of the made sounds without pops against the rows that travel
LARGEST_SHIFT = 4.0  # log-odds
MIN_POPS_REFIT = 600  # with fewer it never was the best, and it takes by far the longest
MIN_FOR_POINTS = 100  # clips of each kind
# how strongly a calibration is held: as if the slope were known to 0.3 and the offset to 1 before any clip
_SLOPE_SD, _OFFSET_SD = 0.3, 1.0


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The model's classifier, unchanged; answers as scikit-learn's estimators do."""

    classifier: Any

    def predict_proba(self, rows: Floats) -> Floats:
        """Probabilities of "not" and "pop", shape (n, 2)."""
        p = sigmoid(self.classifier.logit(rows))
        return np.stack([1 - p, p], axis=1)

    def exported(self) -> Classifier:
        """The model's classifier."""
        return self.classifier  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to a classifier: ``fit(rows, marks, seed)`` gives an estimator that `export.export_classifier` takes."""

    recipe: EstimatorSpec
    fit: Callable[[Floats, npt.NDArray[Any], int], Any]


def strategies(base_model: Model, replay: Replay, n_pops: int) -> list[Strategy]:
    """The strategies there are for so many own pops, the simplest first."""

    def never(seed: int, n_rows: int) -> Any:
        raise TypeError("an adapted classifier is not made from rows alone")

    base = base_model.classifier

    def keep(rows: Floats, marks: npt.NDArray[Any], seed: int) -> Any:
        return Unchanged(base)

    def correct(rows: Floats, marks: npt.NDArray[Any], seed: int) -> Any:
        start = np.concatenate([base.logit(rows), replay.logits])
        both, known, weights = _both(rows, marks, replay)
        return boost(base, both, known, start, weights, seed)

    def anew(rows: Floats, marks: npt.NDArray[Any], seed: int) -> Any:
        both, known, weights = _both(rows, marks, replay)
        return estimators.REFIT.make(seed, len(both)).fit(both, known, weights)

    title = str(base_model.info.get("classifier", {}).get("title", "the classifier")).split(", corrected")[0]
    found = [Strategy(EstimatorSpec("as_it_is", f"{title}, as it was", never), keep)]
    if can_boost(base):
        found.append(
            Strategy(EstimatorSpec("corrected", f"{title}, corrected by {N_TREES} small trees", never), correct)
        )
    if n_pops >= MIN_POPS_REFIT:
        title = f"{estimators.REFIT.title}, anew with rows of the model before"
        found.append(Strategy(EstimatorSpec("anew", title, never), anew))
    return found


def with_negatives(replay: Replay, base_model: Model, negatives: CandidateSet) -> Replay:
    """The rows that travel, with those of made sounds without pops beside them, of as much weight."""
    if not len(negatives.rows):
        return replay
    weights = np.full(len(negatives.rows), NEGATIVES_SHARE * replay.weights.sum() / len(negatives.rows))
    return Replay(
        np.concatenate([replay.rows, negatives.rows]),
        np.concatenate([replay.marks, np.zeros(len(negatives.rows), np.int8)]),
        np.concatenate([replay.logits, base_model.classifier.logit(negatives.rows)]),
        np.concatenate([replay.weights, weights]),
    )


def limit_false_pops(model: Model, base_model: Model, negatives: CandidateSet) -> Model:
    """The model with its log-odds lowered until it hears no more pops in the negatives than its base_model.

    So what was learned of a clinic's pops is not paid for with pops that no_context made.
    """
    allowed = int(counted(base_model, negatives, final_logits(base_model, negatives)).sum())
    logits = final_logits(model, negatives)
    for step in range(int(LARGEST_SHIFT / 0.1) + 1):
        if int(counted(model, negatives, logits, 0.1 * step).sum()) <= allowed:
            break
    return dataclasses.replace(
        model,
        event_calibration=lowered(model.event_calibration, 0.1 * step),
        clip_calibration=lowered(model.clip_calibration, 0.1 * step),
    )


def plain(recipe: EstimatorSpec) -> Strategy:
    """A recipe fitted to own rows alone."""
    return Strategy(recipe, lambda rows, marks, seed: recipe.make(seed, len(rows)).fit(rows, marks))


def _both(rows: Floats, marks: npt.NDArray[Any], replay: Replay) -> tuple[Floats, npt.NDArray[Any], Floats]:
    """Own rows and those that travel, with their marks and weights."""
    weights = replay.weights * (REPLAY_SHARE * len(rows) / replay.weights.sum())
    return (
        np.concatenate([rows, replay.rows]),
        np.concatenate([marks, replay.marks]),
        np.concatenate([np.ones(len(rows)), weights]),
    )


def held_out_logits(way: Strategy, heard: CandidateSet, parts: Sequence[npt.NDArray[np.intp]], seed: int) -> Floats:
    """Log-odds of all own rows, each by a fit that had not heard its group."""
    logits = np.zeros(len(heard.rows))
    for test_clips in parts:
        test = np.isin(heard.clip, test_clips)
        learn = ~test & (heard.marks >= 0)
        if len(set(heard.marks[learn].tolist())) < 2:
            raise UsageError("one patient has nearly all the pops; pops of more patients are needed")
        estimator = way.fit(heard.rows[learn], heard.marks[learn], seed)
        logits[test] = export.export_classifier(estimator).logit(heard.rows[test])
    return logits


def calibrated(before: Calibration | None, logits: Floats, labels: npt.NDArray[Any]) -> Calibration:
    """Platt's scaling of held-out answers; where there was a calibration before, it is moved towards them."""
    return Calibration(*estimators.platt(logits, labels)) if before is None else recalibrated(before, logits, labels)


def inherited_points(base_model: Model | None, labels: npt.NDArray[np.bool_]) -> dict[str, OperatingPoint] | None:
    """The base_model's operating points, where the clips are too few to choose others; else None."""
    few = min(int(labels.sum()), int((~labels).sum())) < MIN_FOR_POINTS
    return dict(base_model.operating_points) if base_model is not None and few else None


def recalibrated(before: Calibration, logits: Floats, labels: npt.NDArray[Any]) -> Calibration:
    """A calibration moved towards new answers, as far as they carry it.

    Platt's scaling of the calibrated log-odds, whose slope and offset are drawn towards 1 and 0: without any answer
    the calibration stays, with hundreds it is theirs.
    """
    known = before.log_odds(logits)
    design = np.stack([known, np.ones(len(known))], axis=1)
    held = np.array([1 / _SLOPE_SD**2, 1 / _OFFSET_SD**2])
    at = np.array([1.0, 0.0])
    truth = np.asarray(labels, np.float64)

    def cost(point: Floats) -> float:
        z = design @ point
        return float(np.logaddexp(0, z).sum() - truth @ z + 0.5 * held @ (point - [1, 0]) ** 2)

    for _ in range(50):
        p = sigmoid(design @ at)
        slope = design.T @ (p - truth) + held * (at - [1, 0])
        step = np.linalg.solve((design.T * (p * (1 - p))) @ design + np.diag(held), slope)
        shorter = 1.0
        while shorter > 1e-6 and cost(at - shorter * step) > cost(at):
            shorter /= 2
        at = at - shorter * step
        if np.abs(step).max() < 1e-9:
            break
    a = max(float(at[0]), 0.05)
    return Calibration(a * before.slope, a * before.offset + float(at[1]))


N_TREES, RATE = 30, 0.2
LEAVES, MIN_LEAF_SHARE = 6, 0.004
_LEAST_CURVATURE = 0.02  # p(1 - p) of a row that is all but certain: its step would know no bounds
_LONGEST_STEP = 3.0


@dataclass(frozen=True, slots=True)
class Boosted:
    """A classifier with trees added; answers as scikit-learn's estimators do."""

    base: Classifier
    trees: tuple[Any, ...]
    rate: float

    def logit(self, rows: Floats) -> Floats:
        """Log-odds of "pop", shape (n,), by scikit-learn's own trees."""
        added = sum(tree.predict(rows) for tree in self.trees)
        return np.asarray(self.base.logit(rows) + share_of_trees(self.base, rows) * self.rate * added)

    def predict_proba(self, rows: Floats) -> Floats:
        """Probabilities of "not" and "pop", shape (n, 2)."""
        p = sigmoid(self.logit(rows))
        return np.stack([1 - p, p], axis=1)

    def exported(self) -> Classifier:
        """The classifier with the trees added."""
        return export.add_trees(self.base, self.trees, self.rate)


def can_boost(classifier: Classifier) -> bool:
    """Whether trees can be added to it: only where it is a sum of trees itself, or has one."""
    trees = classifier.trees if isinstance(classifier, Cascade) else classifier
    return isinstance(trees, Trees) and trees.combine == "sum"


def boost(
    base: Classifier, rows: Floats, marks: npt.NDArray[Any], start: Floats, weights: Floats, seed: int
) -> Boosted:
    """Fit corrections.

    Parameters
    ----------
    base : Classifier
        For which `can_boost` holds.
    rows : ndarray, shape (n, n_features)
    marks : ndarray, shape (n,)
        1 pop, 0 not.
    start : ndarray, shape (n,)
        The log-odds before any correction, by a fit of the base that had not heard the row.
    weights : ndarray, shape (n,)
    seed : int
    """
    known = np.where(np.isnan(rows).all(axis=0), 0.0, rows)
    logits = start.copy()
    share = share_of_trees(base, rows)
    rate = RATE / (float(share.max()) or 1.0)  # the same step whatever the trees' share
    weights = weights * (share > 0)  # what no tree is asked about teaches them nothing
    trees = []
    for index in range(N_TREES):
        p = sigmoid(logits)
        curvature = np.maximum(p * (1 - p), _LEAST_CURVATURE)
        step = np.clip((marks - p) / curvature, -_LONGEST_STEP, _LONGEST_STEP)
        tree = estimators.small_tree(seed + index, LEAVES, MIN_LEAF_SHARE)
        tree.fit(known, step, sample_weight=weights * curvature)
        logits += share * rate * tree.predict(known)
        trees.append(tree)
    return Boosted(base, tuple(trees), rate)
