"""TrainingLabels clips to a fitted model: gate, classifier, calibration, operating points.

The order: the gate is fitted on a first look at all candidates; the candidates that pass are described; each recipe
is cross-validated with whole groups (patients) held out; on the best one's out-of-fold log-odds the context is fitted,
with the same groups held out, and on its own the calibration and the operating points; then all is fitted once more on
everything. Where rows of a base_model's own material are at hand (`replay`), the base_model is adapted instead; see
`adaptation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.conclusion import context_logits
from popdetect.detection.model.bundle import Model
from popdetect.detection.model.classifiers import Floats
from popdetect.detection.signal.features import names
from popdetect.detection.signal.frames import FrontEnd
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.errors import UsageError
from popdetect.training.data.examples import CandidateSet, listen
from popdetect.training.data.examples import Example as Example
from popdetect.training.data.examples import OnProgress as OnProgress
from popdetect.training.data.examples import best_logits as best_logits
from popdetect.training.evaluation import negative_controls
from popdetect.training.models import adaptation, estimators, export
from popdetect.training.models.adaptation import Strategy
from popdetect.training.models.calibration import operating_points as operating_points
from popdetect.training.models.calibration import span_of
from popdetect.training.models.candidate_filter import CandidateFinder as CandidateFinder
from popdetect.training.models.candidate_filter import default_front_end as default_front_end
from popdetect.training.models.candidate_filter import fit_candidate_filter
from popdetect.training.models.context_model import context_rows, fit_context_model, lent, no_context
from popdetect.training.models.replay import Replay

MIN_CLIPS = 10  # of each class
MIN_POPS = 20
ADAPT_CLIPS, ADAPT_POPS = 5, 8  # the same where a model is adapted rather than made
MIN_GROUPS = 3
N_FOLDS = 5


@dataclass(frozen=True, slots=True)
class StrategyScore:
    """How one recipe did with whole groups held out."""

    recipe: estimators.EstimatorSpec
    logits: Floats
    average_precision: float
    clip_auroc: float

    @property
    def score(self) -> float:
        """Mean of the two: hearing pops, and judging clips."""
        return (self.average_precision + self.clip_auroc) / 2


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model before it is written.

    Attributes
    ----------
    model : Model
    facts : dict
        What ``model.json`` says of the classifier besides.
    selection : list of StrategyScore
        All specs, the chosen one first.
    heard : CandidateSet
    held_out_logits : ndarray, shape (n,)
        Of the context after the chosen recipe; each row by fits that had not heard its group.
    context_rows : ndarray, shape (n, n_context)
        What the context was fitted on.
    negatives : CandidateSet or None
        Sound without pops by which an adapted model was held back.
    estimator : fitted scikit-learn estimator
    """

    model: Model
    facts: dict[str, Any]
    selection: list[StrategyScore]
    heard: CandidateSet
    held_out_logits: Floats
    context_rows: Floats
    negatives: CandidateSet | None = None
    estimator: Any = field(repr=False, default=None)


def check_enough(examples: Sequence[Example], *, allow_ungrouped: bool = False, adapts: bool = False) -> None:
    """Refuse what nothing could be learned from; less is enough where a model is adapted (`adapts`).

    Raises
    ------
    UsageError
        Says what there is and what is needed.
    """
    min_clips, min_pops = (ADAPT_CLIPS, ADAPT_POPS) if adapts else (MIN_CLIPS, MIN_POPS)
    n_pop = sum(example.is_pop for example in examples)
    n_not = len(examples) - n_pop
    n_onsets = sum(len(example.onsets_s or ()) or int(example.is_pop) for example in examples)
    groups = {example.group for example in examples}
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
    if len(groups) < MIN_GROUPS and not allow_ungrouped:
        raise UsageError(
            f"clips of {len(groups)} patient{'s' if len(groups) != 1 else ''}; at least {MIN_GROUPS} are needed, "
            "so that the model can be tested on people it has not heard"
        )


def fit(
    examples: Sequence[Example],
    *,
    name: str,
    version: str,
    seed: int = 0,
    specs: Sequence[estimators.EstimatorSpec] = estimators.ESTIMATORS,
    front_end: FrontEnd | None = None,
    onset_rule: OnsetRule | None = None,
    base_model: Model | None = None,
    replay: Replay | None = None,
    on_progress: OnProgress | None = None,
) -> Fitted:
    """Fit a model to labelled clips.

    Parameters
    ----------
    examples : sequence of Example
    name, version : str
    seed : int
        The same examples and seed give the same model.
    specs : sequence of EstimatorSpec
        Cross-validated against each other.
    front_end, onset_rule : optional
        The base_model's, or the default ones.
    base_model : Model, optional
        Lends its front end, its gate and its context, and points out the pops in clips of which only the label is
        known.
    replay : Replay, optional
        Of the base_model's material: the base_model is adapted, and `specs` are not asked.

    Raises
    ------
    UsageError
        When no pop is among the candidates.
    """
    say = on_progress or (lambda what, done, total: None)
    if base_model is not None:
        # its first look, and what neighbours mean, were learned from thousands of clips; a few dozen would only teach
        # worse ones
        look = CandidateFinder.of(base_model)
    else:
        look = fit_candidate_filter(examples, front_end or default_front_end(), onset_rule or OnsetRule(), seed, say)
    heard = listen(examples, look.listener(), base_model, say)
    negatives = None
    if base_model is not None and replay is not None:
        negatives = listen(
            negative_controls.negatives(), look.listener(), None, lambda _, *steps: say("sound without pops", *steps)
        )
    return learn(
        examples, heard, look, name=name, version=version, seed=seed, specs=specs, base_model=base_model, replay=replay,
        negatives=negatives, say=say,
    )  # fmt: skip


def learn(
    examples: Sequence[Example],
    heard: CandidateSet,
    look: CandidateFinder,
    *,
    name: str,
    version: str,
    seed: int = 0,
    specs: Sequence[estimators.EstimatorSpec] = estimators.ESTIMATORS,
    base_model: Model | None = None,
    replay: Replay | None = None,
    negatives: CandidateSet | None = None,
    with_context: bool = True,
    say: OnProgress = lambda what, done, total: None,
) -> Fitted:
    """Fit all that comes after the first look.

    Parameters
    ----------
    examples : sequence of Example
    heard : CandidateSet
        Their candidates.
    look : CandidateFinder
        What found them.
    negatives : CandidateSet, optional
        Candidates of sound without pops, on which an adapted model must not get worse.
    with_context : bool
        Without, each candidate keeps its first opinion.
    name, version, seed, specs, base_model, replay
        As of `fit`.

    Raises
    ------
    UsageError
        When too few pops are among the candidates.
    """
    adapted = base_model if replay is not None else None
    if (heard.marks == 1).sum() < (ADAPT_POPS if adapted else MIN_POPS) // 2:
        raise UsageError(
            f"only {(heard.marks == 1).sum()} of the labelled pops could be found in the sound; "
            "check that onsets_s are seconds from the start of the clip"
        )
    labels = np.array([example.is_pop for example in examples])
    groups = held_out_together(examples)
    parts = estimators.folds(labels, groups, min(N_FOLDS, len(set(groups))), seed)
    n_pops = int((heard.marks == 1).sum())
    if adapted and replay:
        more = adaptation.with_negatives(replay, adapted, negatives) if negatives is not None else replay
        strategies = adaptation.strategies(adapted, more, n_pops)
    else:
        strategies = [adaptation.plain(recipe) for recipe in specs]
    tried = []
    for k, way in enumerate(strategies):
        say("comparing classifiers", k, len(strategies))
        tried.append((way, _scored_strategy(way, heard, labels, parts, seed)))
    tried.sort(
        key=lambda pair: -(pair[1].score - (adaptation.CLEAR_GAIN * strategies.index(pair[0]) if adapted else 0))
    )
    selection = [contest for _, contest in tried]
    best = selection[0]

    say("fitting", 0, 1)
    learnable = heard.marks >= 0
    estimator = tried[0][0].fit(heard.rows[learnable], heard.marks[learnable], seed)
    classifier = export.export_classifier(estimator)

    first = adaptation.calibrated(
        adapted.base_calibration if adapted else None, best.logits[learnable], heard.marks[learnable]
    )
    neighbour_rows = context_rows(heard, first.log_odds(best.logits), look.front_end.n_columns)
    if not with_context:
        fellow = no_context()
    else:
        fellow = (
            lent(base_model.context_model)
            if base_model is not None
            else fit_context_model(neighbour_rows, heard, parts, seed)
        )
    final = fellow.held_out_logits
    if final is None:
        final = context_logits(fellow.classifier, neighbour_rows)

    span = span_of(heard.rows, base_model.out_of_distribution if base_model is not None else None)
    event = adaptation.calibrated(
        adapted.event_calibration if adapted else None, final[learnable], heard.marks[learnable]
    )
    tops = best_logits(final, heard.clip, len(examples))
    sets = np.array([example.sets_thresholds for example in examples])
    clip = adaptation.calibrated(adapted.clip_calibration if adapted else None, tops[sets], labels[sets])
    points = adaptation.inherited_points(adapted, labels) or operating_points(clip(tops[sets]), labels[sets])
    model = Model(
        name=name,
        version=version,
        front_end=look.front_end,
        onset_rule=look.onset_rule,
        candidate_filter=look.candidate_filter,
        pass_from=look.pass_from,
        feature_names=names(look.front_end.n_columns),
        classifier=classifier,
        context_model=fellow.classifier,
        base_calibration=first,
        out_of_distribution=span,
        event_calibration=event,
        clip_calibration=clip,
        operating_points=points,
        info={},
        sha256="",
    )
    if adapted and negatives is not None:
        model = adaptation.limit_false_pops(model, adapted, negatives)
    return Fitted(
        model=model,
        facts={"recipe": best.recipe.name, "title": best.recipe.title},
        selection=selection,
        heard=heard,
        held_out_logits=final,
        context_rows=neighbour_rows,
        negatives=negatives,
        estimator=estimator,
    )


def held_out_together(examples: Sequence[Example]) -> list[str]:
    """What is never on both sides of a split: the group; where there is only one, each clip by itself."""
    groups = [example.group for example in examples]
    return groups if len(set(groups)) > 1 else [example.file for example in examples]


def _scored_strategy(
    way: Strategy,
    heard: CandidateSet,
    labels: npt.NDArray[np.bool_],
    parts: list[npt.NDArray[np.intp]],
    seed: int,
) -> StrategyScore:
    logits = adaptation.held_out_logits(way, heard, parts, seed)
    known = heard.marks >= 0
    tops = best_logits(logits, heard.clip, len(labels))
    return StrategyScore(
        way.recipe,
        logits,
        estimators.average_precision(heard.marks[known], logits[known]),
        estimators.auroc(labels, tops),
    )
