"""Labelled clips to a fitted model.

The steps: fit the candidate filter; extract the features of the candidates that pass; compare the strategies by
cross-validation with whole groups (patients) held out; fit the context model on the held-out log-odds of the best one,
with the same groups held out; fit calibration and operating points on the held-out log-odds of the context model; fit
the chosen strategy once more on all rows. With rows of a base model's own training material (`replay`), the base model
is adapted instead (see `adaptation`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.conclusion import context_logits
from popdetect.detection.model.bundle import Model
from popdetect.detection.model.classifiers import Calibration, Floats
from popdetect.detection.signal.features import names
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.errors import UsageError
from popdetect.training.data.examples import (
    CandidateSet,
    Example,
    FeatureExtractor,
    OnProgress,
    best_logits,
    extract_all,
    used_for,
)
from popdetect.training.evaluation import negative_controls
from popdetect.training.models import adaptation, estimators, export
from popdetect.training.models.calibration import feature_range, operating_points, platt, recalibrate
from popdetect.training.models.candidate_filter import CandidateFinder, default_front_end, fit_candidate_filter
from popdetect.training.models.context_model import NO_CONTEXT, context_rows, fit_context_model
from popdetect.training.models.estimators import Strategy
from popdetect.training.models.replay import Replay

MIN_CLIPS = 10  # of each class
MIN_POPS = 20
ADAPT_CLIPS, ADAPT_POPS = 5, 8  # the same for adapting a model
MIN_GROUPS = 3
N_FOLDS = 5


@dataclass(frozen=True, slots=True)
class StrategyScore:
    """Held-out results of one strategy; `logits` has shape (n,)."""

    strategy: Strategy
    logits: Floats
    average_precision: float
    clip_auroc: float

    @property
    def score(self) -> float:
        """Mean of both figures: one for events, one for clips."""
        return (self.average_precision + self.clip_auroc) / 2


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model before it is written.

    Attributes
    ----------
    model : Model
    selection : list of StrategyScore
        All strategies, the chosen one first.
    candidates : CandidateSet
    held_out_logits : ndarray, shape (n,)
        After the context model; each row by fits without its group.
    negatives : CandidateSet or None
        Candidates of sound without pops, used to limit the false pops of an adapted model.
    estimator : fitted estimator
    """

    model: Model
    selection: list[StrategyScore]
    candidates: CandidateSet
    held_out_logits: Floats
    negatives: CandidateSet | None = None
    estimator: Any = field(repr=False, default=None)


def check_enough(examples: Sequence[Example], *, allow_ungrouped: bool = False, adapts: bool = False) -> None:
    """Raise UsageError for too little training material; less is needed to adapt a model (`adapts`)."""
    min_clips, min_pops = (ADAPT_CLIPS, ADAPT_POPS) if adapts else (MIN_CLIPS, MIN_POPS)
    n_pop = sum(example.is_pop for example in examples)
    n_not = len(examples) - n_pop
    n_onsets = sum(len(example.onsets_s or ()) or int(example.is_pop) for example in examples)
    n_groups = len({example.group for example in examples})
    if not examples:
        raise UsageError(f"no clips; at least {min_clips} with a pop and {min_clips} without are needed")
    if n_pop == 0 or n_not == 0:
        raise UsageError(
            f"all {len(examples)} clips are labelled {'pop' if n_pop else 'no_pop'}; "
            f"both are needed, at least {min_clips} clips of each"
        )
    if n_pop < min_clips or n_not < min_clips:
        plural = "s" if n_pop != 1 else ""
        raise UsageError(
            f"{n_pop} clip{plural} with a pop and {n_not} without; at least {min_clips} of each are needed"
        )
    if n_onsets < min_pops:
        raise UsageError(f"{n_onsets} pops in all; at least {min_pops} are needed")
    if n_groups < MIN_GROUPS and not allow_ungrouped:
        raise UsageError(
            f"clips of {n_groups} patient{'s' if n_groups != 1 else ''}; at least {MIN_GROUPS} are needed, "
            "so that the model can be tested on people whose clips it was not trained on"
        )


def fit(
    examples: Sequence[Example],
    *,
    name: str,
    version: str,
    seed: int = 0,
    strategies: Sequence[Strategy] = estimators.ESTIMATORS,
    base: Model | None = None,
    replay: Replay | None = None,
    on_progress: OnProgress = lambda *_: None,
) -> Fitted:
    """Fit a model to labelled clips.

    Parameters
    ----------
    examples : sequence of Example
    name, version : str
    seed : int
        The same examples and seed give the same model.
    strategies : sequence of Strategy
        Those that are compared.
    base : Model, optional
        Its front end, onset rule, candidate filter and context model are used, and it gives pseudo-labels for pop
        clips without onsets.
    replay : Replay, optional
        Rows of the base model's training material: the base model is adapted, and `strategies` are not used.

    Raises
    ------
    UsageError
        When no pop is among the candidates.
    """
    if base is not None:
        # candidate filter and context model were fitted to thousands of clips; a few dozen would give worse ones
        finder = CandidateFinder.of(base)
    else:
        finder = fit_candidate_filter(
            [e for e in examples if "training" in e.uses], default_front_end(), OnsetRule(), seed, on_progress
        )
    extractor = FeatureExtractor(*finder)
    candidates = extract_all(examples, extractor, base, on_progress)
    negatives = None
    if base is not None and replay is not None:
        negatives = extract_all(
            negative_controls.training_examples(), extractor, None, on_progress, "sound without pops"
        )
    return fit_candidates(
        examples, candidates, finder, name=name, version=version, seed=seed, strategies=strategies, base=base,
        replay=replay, negatives=negatives, on_progress=on_progress,
    )  # fmt: skip


def fit_candidates(
    examples: Sequence[Example],
    candidates: CandidateSet,
    finder: CandidateFinder,
    *,
    name: str,
    version: str,
    seed: int = 0,
    strategies: Sequence[Strategy] = estimators.ESTIMATORS,
    base: Model | None = None,
    replay: Replay | None = None,
    negatives: CandidateSet | None = None,
    with_context: bool = True,
    on_progress: OnProgress = lambda *_: None,
) -> Fitted:
    """Fit everything after the candidate filter.

    `candidates` are those of the examples, found by `finder`; `negatives` are candidates of sound without pops, in
    which an adapted model must not find more pops than its base model. If `with_context` is false, each candidate keeps
    the log-odds of the classifier. The rest is as in `fit`; too few pops among the candidates raise UsageError.
    """
    adapted = base if replay is not None else None
    if candidates.n_pops < (ADAPT_POPS if adapted else MIN_POPS) // 2:
        raise UsageError(
            f"only {candidates.n_pops} of the labelled pops could be found in the sound; "
            "check that onsets_s are seconds from the start of the clip"
        )
    labels = np.array([example.is_pop for example in examples])
    groups = held_out_together(examples)
    parts = estimators.folds(labels, groups, min(N_FOLDS, len(set(groups))), seed)
    if adapted and replay:
        rows = adaptation.with_negatives(replay, adapted, negatives) if negatives is not None else replay
        strategies = adaptation.strategies(adapted, rows, candidates.n_pops)
    learn = candidates.only_of(used_for("training", examples))
    selection = select(strategies, learn, labels, parts, seed, on_progress, adaptation.CLEAR_GAIN * bool(adapted))
    best = selection[0]

    on_progress("fitting", 0, 1)
    known = learn.marks >= 0
    used = learn.training_rows()
    estimator = best.strategy.fit(learn.rows[used], learn.marks[used], seed)

    def calibrated(before: str, logits: Floats, truth: npt.NDArray[Any]) -> Calibration:
        return recalibrate(getattr(adapted, before), logits, truth) if adapted else platt(logits, truth)

    first = calibrated("base_calibration", best.logits[known], learn.marks[known])
    neighbours = context_rows(candidates, first.log_odds(best.logits), finder.front_end.n_columns)
    if base is None and with_context:
        context, final = fit_context_model(neighbours, learn, parts, seed)
    else:
        context = base.context_model if base is not None and with_context else NO_CONTEXT
        final = context_logits(context, neighbours)

    tops = best_logits(final, candidates.clip, len(examples))
    sets, calibrate = (used_for(use, examples) for use in ("thresholds", "calibration"))
    calibrates = calibrate[candidates.clip] & (candidates.marks >= 0)
    clip = calibrated("clip_calibration", tops[calibrate], labels[calibrate])
    if adapted and min(int(labels.sum()), int((~labels).sum())) < adaptation.MIN_FOR_POINTS:
        points = dict(adapted.operating_points)
    else:
        points = operating_points(clip(tops[sets]), labels[sets])
    model = Model(
        name=name,
        version=version,
        **finder._asdict(),
        feature_names=names(finder.front_end.n_columns),
        classifier=export.export_classifier(estimator),
        context_model=context,
        base_calibration=first,
        out_of_distribution=feature_range(candidates.rows, base.out_of_distribution if base is not None else None),
        event_calibration=calibrated("event_calibration", final[calibrates], candidates.marks[calibrates]),
        clip_calibration=clip,
        operating_points=points,
        info={},
        sha256="",
    )
    if adapted and negatives is not None:
        model = adaptation.limit_false_pops(model, adapted, negatives)
    return Fitted(
        model=model,
        selection=selection,
        candidates=candidates,
        held_out_logits=final,
        negatives=negatives,
        estimator=estimator,
    )


def calibrated_on(
    chosen: npt.NDArray[np.bool_], model: Model, candidates: CandidateSet, logits: Floats, examples: Sequence[Example]
) -> Model:
    """Return a model with calibrations and operating points fitted to some of the clips, each by its uses.

    Parameters
    ----------
    chosen : ndarray of bool, shape (n_clips,)
    logits : ndarray, shape (n,)
        Held-out log-odds of the candidates, after the context model.
    """
    labels = np.array([example.is_pop for example in examples])
    tops = best_logits(logits, candidates.clip, len(examples))
    sets, calibrates = (chosen & used_for(use, examples) for use in ("thresholds", "calibration"))
    known = calibrates[candidates.clip] & (candidates.marks >= 0)
    clip = platt(tops[calibrates], labels[calibrates])
    return replace(
        model,
        event_calibration=platt(logits[known], candidates.marks[known]),
        clip_calibration=clip,
        operating_points=operating_points(clip(tops[sets]), labels[sets]),
    )


def held_out_together(examples: Sequence[Example]) -> list[str]:
    """Return what must be on one side of a split: the group of each clip; with one group only, each clip by itself."""
    groups = [example.group for example in examples]
    return groups if len(set(groups)) > 1 else [example.file for example in examples]


def select(
    strategies: Sequence[Strategy],
    candidates: CandidateSet,
    labels: npt.NDArray[np.bool_],
    parts: list[npt.NDArray[np.intp]],
    seed: int,
    on_progress: OnProgress,
    clear_gain: float,
) -> list[StrategyScore]:
    """Model selection: score each strategy with the clips of each part held out; the best one comes first.

    Each strategy must be better by `clear_gain` than the one before it in the list.
    """
    known = candidates.marks >= 0
    scored = []
    for k, strategy in enumerate(strategies):
        on_progress("comparing classifiers", k, len(strategies))
        logits = adaptation.held_out_logits(strategy, candidates, parts, seed)
        tops = best_logits(logits, candidates.clip, len(labels))
        scored.append(
            StrategyScore(
                strategy,
                logits,
                estimators.average_precision(candidates.marks[known], logits[known]),
                estimators.auroc(labels, tops),
            )
        )
    order = sorted(range(len(scored)), key=lambda k: -(scored[k].score - clear_gain * k))
    return [scored[k] for k in order]
