"""A new model against the current one, on the same held-out people; and whether to adopt it.

The new model's answers on a person come from a fit that had not heard that person. Both are also run on sound
without pops (`negative_controls`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import Model
from popdetect.training.evaluation import comparison, negative_controls
from popdetect.training.evaluation.held_out import clip_of, scored
from popdetect.training.evaluation.intervals import N_BOOT, Figure, Floats, Ranking, interval, ratio, resamples, units
from popdetect.training.evaluation.negative_controls import ControlResult
from popdetect.training.evaluation.scores import EventCounts, ScoredClip, Scores, matched, score
from popdetect.training.models.fitting import Example, Fitted


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both models' scores, and the advice.

    Attributes
    ----------
    new, current : Scores
        On the same clips. The new one's are held-out.
    controls_new, controls_current : ControlResult
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
    controls_new: ControlResult
    controls_current: ControlResult | None
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
        detection = detector.detect(*example.sound())
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
    own_controls: Sequence[Path] = (),
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
    own_controls : sequence of Path
        Recordings without pops, for the guard set.
    """
    ours = held_out(fitted, examples)
    new, controls_new = score(ours, seed=seed), negative_controls.listen(fitted.model, own_controls)
    if current is None:
        return Comparison(new, None, controls_new, None, *comparison.alone(new, controls_new, caveat=caveat))
    theirs = judged(current, examples)
    guard_old = negative_controls.listen(current, own_controls)
    advised = comparison.advise(ours, theirs, controls_new, guard_old, heard=heard, caveat=caveat, seed=seed)
    n_heard = len({example.file for example in examples} & set(heard))
    return Comparison(new, score(theirs, seed=seed), controls_new, guard_old, *advised, n_heard)


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


MAX_FALSE_PER_MIN = 1.0
# of fewer, all may agree by chance: four do in one of eight cases, five in one of sixteen
MIN_GROUPS = 5
MIN_UNHEARD = 10  # clips of each kind, of people of whom the current model has heard nothing


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of both models on the same clips; `low` and `high` bound new minus current, or are None."""

    name: str
    new: float
    current: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """As the sentence has it."""
        known = self.low is not None and self.high is not None
        span = f", 95 % interval {self.low:+.3f} to {self.high:+.3f}" if known else ""
        return (
            f"{self.name} {self.new:.3f} against {self.current:.3f} (difference {self.new - self.current:+.3f}{span})"
        )


def advise(
    new: Sequence[ScoredClip],
    current: Sequence[ScoredClip],
    controls_new: ControlResult,
    controls_current: ControlResult,
    *,
    heard: Collection[str] = (),
    caveat: str = "",
    seed: int = 0,
) -> tuple[bool, str]:
    """Compare two models' verdicts on the same clips.

    Parameters
    ----------
    new, current : sequence of ScoredClip
        The same clips in the same order; `new` by fits that had not heard the group.
    controls_new, controls_current : ControlResult
        False pops in sound without pops.
    heard : collection of str
        Files of these that the current model learned from.
    caveat : str
        What else must be known of the figures; goes into the sentence.
    seed : int ≥ 0

    Returns
    -------
    adopt : bool
    sentence : str
        Starts with ``Adopt: ``, ``Keep the current model: `` or ``No clear difference: ``.
    """
    n_heard = len({clip.file for clip in new} & set(heard))
    fair = _unheard(new, heard) if n_heard else list(range(len(new)))
    judged_fairly = bool(fair)
    used = fair or list(range(len(new)))
    found = differences([new[i] for i in used], [current[i] for i in used], seed=seed)
    n_groups = len({new[i].group for i in used})
    notes = [str(one) for one in found]
    if found:
        notes[-1] += f" on the same {len(used)} held-out clips of {n_groups} groups"
    if n_heard:
        flatters = f"the current model was trained on {n_heard} of these {len(new)} clips: its figures flatter"
        notes.append(
            f"{flatters}, so only people that it has not heard are counted here" if judged_fairly else flatters
        )
    notes += [caveat] if caveat else []
    guards = (
        f"{controls_new.per_min:.1f} pops per minute in sound that has none "
        f"(the current one {controls_current.per_min:.1f})"
    )
    worse_on = controls_new.worse_than(controls_current)
    if worse_on:
        why = f"the new one hears more pops where there are none, on {worse_on[0]}: {guards}"
        return False, _sentence("Keep the current model", [why, *notes])
    notes.append(f"the new one hears {guards}")
    if not found:
        return False, _sentence("No clear difference", ["nothing could be compared", *notes])
    if 1 < n_groups < MIN_GROUPS:
        why = f"clips of {n_groups} people are too few to tell, at least {MIN_GROUPS} are needed"
        return False, _sentence("No clear difference", [why, *notes])
    better = any(one.low is not None and one.low > 0 for one in found)
    worse = any(one.high is not None and one.high < 0 for one in found)
    if worse and judged_fairly:
        return False, _sentence("Keep the current model", ["the new one does worse", *notes])
    if better and not worse:
        return True, _sentence("Adopt", ["the new one does better", *notes])
    why = "the new one seems worse, but was tried on what it had not heard" if worse else "it may well be chance"
    return False, _sentence("No clear difference", [why, *notes])


def alone(scores: Scores, controls_new: ControlResult, *, caveat: str = "") -> tuple[bool, str]:
    """Where there is no current model: by its guard set alone; the sentence has the other figures too."""
    adopt = controls_new.steady_per_min <= MAX_FALSE_PER_MIN
    figures = (("clip AUROC", scores.auroc), ("event F1", scores.events.f1))
    notes = [f"{name} {_spoken(value)}" for name, value in figures if value is not None]
    if notes:
        notes[-1] += f" on {scores.n_clips} held-out clips of {scores.n_groups} groups"
    notes.append(
        f"it hears {controls_new.steady_per_min:.1f} pops per minute in noise and speech that have none "
        f"(allowed is {MAX_FALSE_PER_MIN:g})"
    )
    notes += [caveat] if caveat else []
    why = f"there is no current model to compare with, and by its guard set it is {'usable' if adopt else 'not usable'}"
    return adopt, _sentence("Adopt" if adopt else "Do not adopt", [why, *notes])


def differences(new: Sequence[ScoredClip], current: Sequence[ScoredClip], *, seed: int = 0) -> list[Difference]:
    """Clip AUROC and event F1 of both, with paired bootstrap intervals; without those that are undefined.

    Raises
    ------
    ValueError
        When they are not the same clips.
    """
    pairs = sorted(
        ((a, b) for a, b in zip(new, current, strict=True) if a.truth_label != "uncertain"),
        key=lambda pair: (pair[0].group, pair[0].file),
    )
    if any((a.file, a.truth_label, a.true_onsets_s) != (b.file, b.truth_label, b.true_onsets_s) for a, b in pairs):
        raise ValueError("the verdicts of the two models are not on the same clips")
    if not pairs:
        return []
    unit_of, _ = units([a.group for a, _ in pairs])
    sides = [_Side([pair[k] for pair in pairs]) for k in (0, 1)]
    whole = [side.figures(np.ones((1, len(pairs))))[0] for side in sides]
    drawn = [sides[0].figures(weights) - sides[1].figures(weights) for weights in resamples(unit_of, seed, N_BOOT)]
    replicates = np.concatenate(drawn)
    found = []
    for k, name in enumerate(("clip AUROC", "event F1")):
        if not np.isnan(whole[0][k]) and not np.isnan(whole[1][k]):
            low, high = interval(replicates[:, k]) or (None, None)
            found.append(Difference(name, float(whole[0][k]), float(whole[1][k]), low, high))
    return found


class _Side:
    """One model's verdicts, ready to be weighed."""

    def __init__(self, clips: Sequence[ScoredClip]) -> None:
        is_pop = np.array([clip.truth_label == "pop" for clip in clips], bool)
        self._ranking = Ranking(np.array([clip.p_pop for clip in clips], float), is_pop)
        _, _, self._f1, *_ = EventCounts.of([matched(clip) for clip in clips]).ratios()

    def figures(self, weights: Floats) -> Floats:
        """Clip AUROC and event F1, shape (b, 2), for weights (b, n)."""
        top, bottom = self._f1
        return np.column_stack([self._ranking.figures(weights)[0], ratio(weights @ top, weights @ bottom)])


def _unheard(clips: Sequence[ScoredClip], heard: Collection[str]) -> list[int]:
    """The clips of people of whom the current model has heard nothing; none where they are too few to decide."""
    known = {clip.group for clip in clips if clip.file in heard}
    left = [i for i, clip in enumerate(clips) if clip.group not in known]
    n_pop = sum(clips[i].truth_label == "pop" for i in left)
    enough = min(n_pop, len(left) - n_pop) >= MIN_UNHEARD and len({clips[i].group for i in left}) >= MIN_GROUPS
    return left if enough else []


def _spoken(value: Figure) -> str:
    known = value.low is not None and value.high is not None
    return f"{value.value:.3f}" + (f" (95 % interval {value.low:.3f} to {value.high:.3f})" if known else "")


def _sentence(word: str, parts: Sequence[str]) -> str:
    return f"{word}: {'; '.join(parts)}."
