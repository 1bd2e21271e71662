"""A new model against the current one, on the same held-out people; and whether to adopt it.

The new model's answers on a person come from a fit that had not heard that person. Both are also tried on a guard
set without pops (`guarding`): a model that hears more of them there is not adopted, however well it does elsewhere.
What follows from the figures is for `advice` to say.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import Model
from popdetect.training.evaluation import advice
from popdetect.training.evaluation import negative_controls as guarding
from popdetect.training.evaluation.held_out import clip_of, scored
from popdetect.training.evaluation.negative_controls import Guard
from popdetect.training.evaluation.scores import ScoredClip, Scores, score
from popdetect.training.models.fitting import Example, Fitted


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both models' scores, and the advice.

    Attributes
    ----------
    new, current : Scores
        On the same clips. The new one's are held-out.
    guard_new, guard_current : Guard
        False pops on the guard set.
    adopt : bool
    advice : str
        One sentence with the figures it rests on; starts with ``Adopt: ``, ``Keep the current model: `` or ``No clear
        difference: ``, and where there is no current model with ``Adopt: `` or ``Do not adopt: ``.
    n_heard_by_current : int
        Clips of these that the current model is known to have learned from: where there are some, its figures flatter.
    """

    new: Scores
    current: Scores | None
    guard_new: Guard
    guard_current: Guard | None
    adopt: bool
    advice: str
    n_heard_by_current: int = 0


def held_out(fitted: Fitted, examples: Sequence[Example]) -> list[ScoredClip]:
    """Each clip as judged by a fit that had not heard its group, at the default operating point."""
    return scored(fitted.model, fitted.heard, fitted.held_out_logits, examples)


def judged(model: Model, examples: Sequence[Example]) -> list[ScoredClip]:
    """Each clip as judged by a finished model."""
    detector = Detector(model)
    made = []
    for example in examples:
        detection = detector.detect_samples(*example.sound())
        found = tuple(event.onset_s for event in detection.pops)
        made.append(clip_of(example, detection.p_pop, detection.label, found, detection.duration_s))
    return made


def compare(
    fitted: Fitted,
    examples: Sequence[Example],
    current: Model | None,
    *,
    seed: int = 0,
    heard: Collection[str] = (),
    caveat: str = "",
    own_guard: Sequence[Path] = (),
) -> Comparison:
    """Score both, and advise.

    Parameters
    ----------
    fitted : Fitted
    examples : sequence of Example
        Those it was fitted to.
    current : Model or None
    seed : int
        Of the resampling.
    heard : collection of str
        Files of these clips that the current model learned from: its figures on them flatter.
    caveat : str
        What else must be known of the figures; goes into the advice.
    own_guard : sequence of Path
        Recordings without pops, for the guard set.
    """
    ours = held_out(fitted, examples)
    new, guard_new = score(ours, seed=seed), guarding.listen(fitted.model, own_guard)
    if current is None:
        return Comparison(new, None, guard_new, None, *advice.alone(new, guard_new, caveat=caveat))
    theirs = judged(current, examples)
    guard_old = guarding.listen(current, own_guard)
    advised = advice.advise(ours, theirs, guard_new, guard_old, heard=heard, caveat=caveat, seed=seed)
    n_heard = len({example.file for example in examples} & set(heard))
    return Comparison(new, score(theirs, seed=seed), guard_new, guard_old, *advised, n_heard)


def figures(scores: Scores) -> dict[str, object]:
    """The scores that a card shows, in its order."""
    known = scores.to_dict()
    events = known["events"]
    return {
        "clips": f"{scores.n_clips} ({scores.n_pop} with pops), {scores.n_groups} groups",
        "clip AUROC": known["auroc"],
        "sensitivity (uncertain counts as missed)": known["sensitivity"],
        "specificity (uncertain counts as wrong)": known["specificity"],
        "share of uncertain clips": known["uncertain_share"],
        "sensitivity at specificity 0.95": known["sensitivity_at_specificity_95"],
        "calibration error (ECE) of the clip probability": known["ece"],
        "event precision (±5 ms)": events["precision"],
        "event recall (±5 ms)": events["recall"],
        "event F1 (±5 ms)": events["f1"],
        "median timing error, ms": events["median_error_ms"],
        "mean absolute count error per clip": events["count_error"],
        "false pops per minute of clips without pops": known["false_pops_per_minute"],
    }
