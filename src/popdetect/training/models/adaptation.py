"""A model adapted to one's own clips: what of it is fitted again, and what stays.

The front end, the gate and the context stay the model's own: they were learned from thousands of clips. The
classifier is tried three ways, each judged on held-out people, and the first stays unless another does clearly better:
as it is; with corrections (`amending`), fitted to the own rows and held by the rows that travel with the model
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
from popdetect.detection.model.classifiers import Calibration, Floats, sigmoid
from popdetect.errors import UsageError
from popdetect.training.data.examples import Heard
from popdetect.training.evaluation.held_out import counted, final_logits, lowered
from popdetect.training.models import estimators
from popdetect.training.models import incremental as amending
from popdetect.training.models.estimators import Recipe
from popdetect.training.models.replay import Replay

CLEARLY = 0.004  # better by so much in merit, or the simpler way is kept
REPLAY_SHARE = 0.5  # weight of all rows that travel against all own ones
REHEARSAL_SHARE = 0.5  # weight of the made sounds without pops against the rows that travel
MOST_HELD_BACK = 4.0  # log-odds
MIN_POPS_ANEW = 600  # with fewer it never was the best, and it takes by far the longest
MIN_FOR_POINTS = 100  # clips of each kind
# how strongly a calibration is held: as if the slope were known to 0.3 and the offset to 1 before any clip
_SLOPE_SD, _OFFSET_SD = 0.3, 1.0


@dataclass(frozen=True, slots=True)
class AsItIs:
    """The model's classifier, unchanged; answers as scikit-learn's estimators do."""

    classifier: Any

    def predict_proba(self, rows: Floats) -> Floats:
        """Probabilities of "not" and "pop", shape (n, 2)."""
        p = sigmoid(self.classifier.logit(rows))
        return np.stack([1 - p, p], axis=1)

    def frozen(self) -> tuple[Any, dict[str, npt.NDArray[Any]], dict[str, Any]]:
        """As (classifier, arrays, settings) of a bundle."""
        return (self.classifier, *estimators.arrays_of(self.classifier))


@dataclass(frozen=True, slots=True)
class Way:
    """One way to a classifier: ``fit(rows, marks, seed)`` gives an estimator that `estimators.freeze` takes."""

    recipe: Recipe
    fit: Callable[[Floats, npt.NDArray[Any], int], Any]


def ways(teacher: Model, replay: Replay, n_pops: int) -> list[Way]:
    """The ways there are for so many own pops, the simplest first."""

    def never(seed: int, n_rows: int) -> Any:
        raise TypeError("an adapted classifier is not made from rows alone")

    base = teacher.classifier

    def keep(rows: Floats, marks: npt.NDArray[Any], seed: int) -> Any:
        return AsItIs(base)

    def correct(rows: Floats, marks: npt.NDArray[Any], seed: int) -> Any:
        start = np.concatenate([base.logit(rows), replay.logits])
        both, known, weights = _both(rows, marks, replay)
        return amending.amend(base, both, known, start, weights, seed)

    def anew(rows: Floats, marks: npt.NDArray[Any], seed: int) -> Any:
        both, known, weights = _both(rows, marks, replay)
        return estimators.ANEW.make(seed, len(both)).fit(both, known, weights)

    title = str(teacher.info.get("classifier", {}).get("title", "the classifier")).split(", corrected")[0]
    found = [Way(Recipe("as_it_is", f"{title}, as it was", never), keep)]
    if amending.can_amend(base):
        found.append(Way(Recipe("corrected", f"{title}, corrected by {amending.N_TREES} small trees", never), correct))
    if n_pops >= MIN_POPS_ANEW:
        title = f"{estimators.ANEW.title}, anew with rows of the model before"
        found.append(Way(Recipe("anew", title, never), anew))
    return found


def rehearsed(replay: Replay, teacher: Model, rehearsal: Heard) -> Replay:
    """The rows that travel, with those of made sounds without pops beside them, of as much weight."""
    if not len(rehearsal.rows):
        return replay
    weights = np.full(len(rehearsal.rows), REHEARSAL_SHARE * replay.weights.sum() / len(rehearsal.rows))
    return Replay(
        np.concatenate([replay.rows, rehearsal.rows]),
        np.concatenate([replay.marks, np.zeros(len(rehearsal.rows), np.int8)]),
        np.concatenate([replay.logits, teacher.classifier.logit(rehearsal.rows)]),
        np.concatenate([replay.weights, weights]),
    )


def held_back(model: Model, teacher: Model, rehearsal: Heard) -> Model:
    """The model with its log-odds lowered until it hears no more pops in the rehearsal than its teacher.

    So what was learned of a clinic's pops is not paid for with pops that nobody made.
    """
    allowed = int(counted(teacher, rehearsal, final_logits(teacher, rehearsal)).sum())
    logits = final_logits(model, rehearsal)
    for step in range(int(MOST_HELD_BACK / 0.1) + 1):
        if int(counted(model, rehearsal, logits, 0.1 * step).sum()) <= allowed:
            break
    return dataclasses.replace(
        model,
        event_calibration=lowered(model.event_calibration, 0.1 * step),
        clip_calibration=lowered(model.clip_calibration, 0.1 * step),
    )


def plain(recipe: Recipe) -> Way:
    """A recipe fitted to own rows alone."""
    return Way(recipe, lambda rows, marks, seed: recipe.make(seed, len(rows)).fit(rows, marks))


def _both(rows: Floats, marks: npt.NDArray[Any], replay: Replay) -> tuple[Floats, npt.NDArray[Any], Floats]:
    """Own rows and those that travel, with their marks and weights."""
    weights = replay.weights * (REPLAY_SHARE * len(rows) / replay.weights.sum())
    return (
        np.concatenate([rows, replay.rows]),
        np.concatenate([marks, replay.marks]),
        np.concatenate([np.ones(len(rows)), weights]),
    )


def held_out_logits(way: Way, heard: Heard, parts: Sequence[npt.NDArray[np.intp]], seed: int) -> Floats:
    """Log-odds of all own rows, each by a fit that had not heard its group."""
    logits = np.zeros(len(heard.rows))
    for test_clips in parts:
        test = np.isin(heard.clip, test_clips)
        learn = ~test & (heard.marks >= 0)
        if len(set(heard.marks[learn].tolist())) < 2:
            raise UsageError("one patient has nearly all the pops; pops of more patients are needed")
        estimator = way.fit(heard.rows[learn], heard.marks[learn], seed)
        logits[test] = estimators.freeze(estimator)[0].logit(heard.rows[test])
    return logits


def calibrated(before: Calibration | None, logits: Floats, labels: npt.NDArray[Any]) -> Calibration:
    """Platt's scaling of held-out answers; where there was a calibration before, it is moved towards them."""
    return Calibration(*estimators.platt(logits, labels)) if before is None else recalibrated(before, logits, labels)


def lent_points(teacher: Model | None, labels: npt.NDArray[np.bool_]) -> dict[str, OperatingPoint] | None:
    """The teacher's operating points, where the clips are too few to choose others; else None."""
    few = min(int(labels.sum()), int((~labels).sum())) < MIN_FOR_POINTS
    return dict(teacher.operating_points) if teacher is not None and few else None


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
