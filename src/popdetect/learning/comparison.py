"""A new model against the current one, on the same held-out people; and whether to adopt it.

The new model's answers on a person come from a fit that had not heard that person. Both are also tried on a guard
set without pops (made noise, room sound and speech-like sound, always the same): a model that hears pops there is
not adopted, however well it does elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from popdetect.hearing.bundle import DEFAULT_OPERATING_POINT, Model
from popdetect.hearing.counting import count_pops, word
from popdetect.hearing.detector import Detector
from popdetect.learning import simulation
from popdetect.learning.dsp import RATE_HZ
from popdetect.learning.scores import ScoredClip, Scores, score
from popdetect.learning.training import Example, Fitted, best_logits
from popdetect.records import Label

GUARD_CLIPS = 60
GUARD_CLIP_S = 3.0
GUARD_LIMIT_PER_MIN = 1.0
TOLERATED_LOSS = 0.01  # of clip AUROC and of event F1: within what chance moves them by


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both models' scores, and the advice.

    Attributes
    ----------
    new, current : Scores
        On the same clips. The new one's are held-out; the current one had never heard them.
    guard_new_per_min, guard_current_per_min : float
        False pops per minute on the guard set.
    adopt : bool
    advice : str
        One sentence with the figures it rests on.
    """

    new: Scores
    current: Scores | None
    guard_new_per_min: float
    guard_current_per_min: float | None
    adopt: bool
    advice: str


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
            times,
            model.event_calibration(logits),
            model.clip_calibration(logits),
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


def compare(fitted: Fitted, examples: Sequence[Example], current: Model | None, *, seed: int = 0) -> Comparison:
    """Score both, and advise."""
    new = score(held_out(fitted, examples), seed=seed)
    guard_new = guard(fitted.model)
    if current is None:
        adopt = guard_new <= GUARD_LIMIT_PER_MIN
        word = "usable" if adopt else "not usable"
        return Comparison(
            new,
            None,
            guard_new,
            None,
            adopt,
            f"There is no current model to compare with; by its guard set it is {word}.",
        )
    old = score(judged(current, examples), seed=seed)
    guard_old = guard(current)
    adopt, why = _advise(new, old, guard_new, guard_old)
    return Comparison(
        new, old, guard_new, guard_old, adopt, f"{'Adopt it' if adopt else 'Keep the current model'}: {why}."
    )


def _advise(new: Scores, old: Scores, guard_new: float, guard_old: float) -> tuple[bool, str]:
    if guard_new > max(GUARD_LIMIT_PER_MIN, guard_old):
        return False, (
            f"the new one hears {guard_new:.1f} pops per minute in sound that has none "
            f"(the current one {guard_old:.1f}, allowed is {GUARD_LIMIT_PER_MIN:g})"
        )
    steps, parts = [], []
    pairs = [("clip AUROC", new.auroc, old.auroc), ("event F1", new.events.f1, old.events.f1)]
    for name, fresh, present in pairs:
        if fresh is None or present is None:
            continue
        steps.append(fresh.value - present.value)
        parts.append(f"{name} {fresh.value:.3f} against {present.value:.3f}")
    if not steps:
        return False, "nothing could be compared"
    figures = " and ".join(parts) + f" on the same {new.n_clips} held-out clips of {new.n_groups} groups"
    if min(steps) < -TOLERATED_LOSS:
        return False, f"the new one does worse ({figures})"
    if max(steps) <= TOLERATED_LOSS:
        return False, f"the new one does no better than chance would ({figures})"
    return True, f"the new one does better ({figures})"


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
