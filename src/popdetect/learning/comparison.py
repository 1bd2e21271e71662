"""A new model against the current one, on the same held-out people; and whether to adopt it.

The new model's answers on a person come from a fit that had not heard that person. Both are also tried on a guard
set without pops (made noise, room sound and speech-like sound, always the same): a model that hears pops there is
not adopted, however well it does elsewhere. What follows from the figures is for `advice` to say.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from popdetect.hearing.bundle import DEFAULT_OPERATING_POINT, Model
from popdetect.hearing.counting import count_pops, word
from popdetect.hearing.detector import Detector
from popdetect.learning import advice, simulation
from popdetect.learning.dsp import RATE_HZ
from popdetect.learning.scores import ScoredClip, Scores, score
from popdetect.learning.training import Example, Fitted, best_logits
from popdetect.records import Label

GUARD_CLIPS = 60
GUARD_CLIP_S = 3.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both models' scores, and the advice.

    Attributes
    ----------
    new, current : Scores
        On the same clips. The new one's are held-out.
    guard_new_per_min, guard_current_per_min : float
        False pops per minute on the guard set.
    adopt : bool
    advice : str
        One sentence with the figures it rests on; starts with ``Adopt: ``, ``Keep the current model: `` or ``No clear
        difference: ``, and where there is no current model with ``Adopt: `` or ``Do not adopt: ``.
    n_heard_by_current : int
        Clips of these that the current model is known to have learned from: where there are some, its figures flatter.
    """

    new: Scores
    current: Scores | None
    guard_new_per_min: float
    guard_current_per_min: float | None
    adopt: bool
    advice: str
    n_heard_by_current: int = 0


def held_out(fitted: Fitted, examples: Sequence[Example]) -> list[ScoredClip]:
    """Each clip as judged by a fit that had not heard its group, at the default operating point."""
    model, heard = fitted.model, fitted.heard
    point = model.operating_point(DEFAULT_OPERATING_POINT)
    tops = best_logits(fitted.held_out_logits, heard.clip, len(examples))
    scored = []
    for index, (example, p_pop) in enumerate(zip(examples, model.clip_calibration(tops), strict=True)):
        own = heard.clip == index
        logits, times = fitted.held_out_logits[own], heard.onsets_s[own]
        counted = count_pops(
            times.tolist(),
            model.event_calibration(logits).tolist(),
            model.clip_calibration(logits).tolist(),
            point.pop_from,
            point.train_from,
        )
        label = word(float(p_pop), point)
        found = tuple(float(t) for t, c in zip(times, counted, strict=True) if c)
        scored.append(_scored(example, float(p_pop), label, found, float(heard.durations_s[index])))
    return scored


def judged(model: Model, examples: Sequence[Example]) -> list[ScoredClip]:
    """Each clip as judged by a finished model."""
    detector = Detector(model)
    scored = []
    for example in examples:
        detection = detector.detect_samples(*example.sound())
        found = tuple(event.onset_s for event in detection.pops)
        scored.append(_scored(example, detection.p_pop, detection.label, found, detection.duration_s))
    return scored


def guard(model: Model) -> float:
    """False pops per minute on made sound without pops: noise, rooms, speech-like."""
    detector = Detector(model)
    n_false = 0
    for index in range(GUARD_CLIPS):
        rng = np.random.default_rng([20260101, index])
        sound = simulation.background(rng, int(GUARD_CLIP_S * RATE_HZ)) * np.float32(0.01)
        if index % 2:
            speech = simulation.speech_like(rng)[: len(sound)]
            sound[: len(speech)] += np.float32(0.2) * speech
        n_false += len(detector.detect_samples(sound, RATE_HZ).pops)
    return n_false / (GUARD_CLIPS * GUARD_CLIP_S / 60)


def compare(
    fitted: Fitted,
    examples: Sequence[Example],
    current: Model | None,
    *,
    seed: int = 0,
    heard: Collection[str] = (),
    caveat: str = "",
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
    """
    ours = held_out(fitted, examples)
    new, guard_new = score(ours, seed=seed), guard(fitted.model)
    if current is None:
        return Comparison(new, None, guard_new, None, *advice.alone(new, guard_new, caveat=caveat))
    theirs = judged(current, examples)
    guard_old = guard(current)
    advised = advice.advise(ours, theirs, guard_new, guard_old, heard=heard, caveat=caveat, seed=seed)
    n_heard = len({example.file for example in examples} & set(heard))
    return Comparison(new, score(theirs, seed=seed), guard_new, guard_old, *advised, n_heard)


def _scored(example: Example, p_pop: float, label: Label, found: tuple[float, ...], duration_s: float) -> ScoredClip:
    return ScoredClip(
        file=example.file,
        group=example.group,
        truth_label="pop" if example.is_pop else "no_pop",
        p_pop=p_pop,
        label=label,
        true_onsets_s=example.onsets_s,
        found_onsets_s=found,
        duration_s=duration_s,
    )


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
