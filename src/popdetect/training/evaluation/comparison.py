"""A new model against the current one, on the same held-out people; and whether to adopt it.

The new model's answer on a clip comes from a fit without the person's clips. Two conditions decide:

* In the negative controls (sound without pops) the new model must not find more pops than the current one. Without a
  current model, it must not find more than `MAX_FALSE_PER_MIN` in noise and speech.
* On the labelled clips both are compared in pairs: people are resampled, the same ones for both models. A difference
  counts only if its 95 % interval does not contain 0.

Figures of a current model that was trained on some of these clips are too high. Then only people count whose clips it
was not trained on, if there are enough; otherwise the new model can be called better or equal, but not worse.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import Model
from popdetect.errors import Empty
from popdetect.training.data.examples import CandidateSet, Example
from popdetect.training.evaluation import negative_controls
from popdetect.training.evaluation.held_out import scored, scored_clip
from popdetect.training.evaluation.intervals import N_BOOT, Figure, Ranking, interval, ratio, resamples, units
from popdetect.training.evaluation.matching import ClipCounts, ScoredClip
from popdetect.training.evaluation.negative_controls import ControlResult
from popdetect.training.evaluation.scores import Scores, f1_ratio, score
from popdetect.training.models.fitting import Fitted

MAX_FALSE_PER_MIN = 1.0
MIN_GROUPS = 5  # fewer groups can agree by chance: four do in one of eight cases, five in one of sixteen
MIN_UNSEEN = 10  # clips of each kind, of people whose clips the current model was not trained on


@dataclass(frozen=True, slots=True)
class Comparison:
    """The scores of both models on the same clips, and the advice."""

    new: Scores  # held out
    current: Scores | None
    controls_new: ControlResult  # false pops in the negative controls
    controls_current: ControlResult | None
    adopt: bool
    # one sentence with the figures behind it; starts with "Adopt: ", "Keep the current model: " or
    # "No clear difference: "; without a current model with "Adopt: " or "Do not adopt: "
    advice: str
    n_seen_by_current: int = 0  # clips that the current model was trained on: if any, its figures are too high


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of both models on the same clips; `low` and `high` bound new minus current, or are None."""

    name: str
    new: float
    current: float
    low: float | None
    high: float | None

    def __str__(self) -> str:
        """Text for the advice."""
        known = self.low is not None and self.high is not None
        span = f", 95 % interval {self.low:+.3f} to {self.high:+.3f}" if known else ""
        return (
            f"{self.name} {self.new:.3f} against {self.current:.3f} (difference {self.new - self.current:+.3f}{span})"
        )


def held_out(fitted: Fitted, examples: Sequence[Example]) -> list[ScoredClip]:
    """Return the verdict on each clip by a fit without its group, at the default operating point."""
    return scored(fitted.model, fitted.candidates, fitted.held_out_logits, examples)


def detect_all(model: Model, examples: Sequence[Example]) -> list[ScoredClip]:
    """Return the verdict of a finished model on each clip."""
    detector = Detector(model)
    made = []
    for example in examples:
        samples, rate_hz = example.sound()
        try:
            detection = detector.detect(samples, rate_hz)
        except Empty:  # simulated clips may be digital silence: no candidates
            nothing = CandidateSet.empty(len(model.feature_names), len(samples) / rate_hz)
            made += scored(model, nothing, np.empty(0), [example])
            continue
        found = tuple(event.onset_s for event in detection.pops)
        made.append(scored_clip(example, detection.p_pop, detection.label, found, detection.duration_s))
    return made


def compare(
    fitted: Fitted,
    examples: Sequence[Example],
    current: Model | None,
    *,
    seed: int = 0,
    seen: Collection[str] = (),
    caveat: str = "",
    own_controls: Sequence[Path] = (),
) -> Comparison:
    """Score both models and advise.

    Parameters
    ----------
    examples : sequence of Example
        The clips that `fitted` was fitted to.
    seed : int
        Of the resampling.
    seen : collection of str
        Files of these clips that the current model was trained on.
    caveat : str
        A limitation of the figures; becomes part of the advice.
    own_controls : sequence of Path
        Own recordings without pops.
    """
    ours = held_out(fitted, examples)
    new, controls_new = score(ours, seed=seed), negative_controls.run(fitted.model, own_controls)
    if current is None:
        return Comparison(new, None, controls_new, None, *advise_alone(new, controls_new, caveat=caveat))
    theirs = detect_all(current, examples)
    controls_current = negative_controls.run(current, own_controls)
    advice = advise(ours, theirs, controls_new, controls_current, seen=seen, caveat=caveat, seed=seed)
    n_seen = len({example.file for example in examples} & set(seen))
    return Comparison(new, score(theirs, seed=seed), controls_new, controls_current, *advice, n_seen)


def advise(
    new: Sequence[ScoredClip],
    current: Sequence[ScoredClip],
    controls_new: ControlResult,
    controls_current: ControlResult,
    *,
    seen: Collection[str] = (),
    caveat: str = "",
    seed: int = 0,
) -> tuple[bool, str]:
    """Compare the verdicts of two models on the same clips in the same order; those of `new` are held out.

    `seen`, `caveat` and `seed` are as in `compare`. Returns whether to adopt the new model, and the sentence.
    """
    n_seen = len({clip.file for clip in new} & set(seen))
    unseen = _unseen(new, seen) if n_seen else list(range(len(new)))
    is_fair = bool(unseen)
    used = unseen or list(range(len(new)))
    found = differences([new[i] for i in used], [current[i] for i in used], seed=seed)
    n_groups = len({new[i].group for i in used})
    notes = [str(one) for one in found]
    if found:
        notes[-1] += f" on the same {len(used)} held-out clips of {n_groups} groups"
    if n_seen:
        note = f"the current model was trained on {n_seen} of these {len(new)} clips, so its figures are too high"
        notes.append(f"{note}; only people whose clips it was not trained on are counted here" if is_fair else note)
    notes += [caveat] if caveat else []
    rates = (
        f"{controls_new.per_min:.1f} pops per minute in sound without pops "
        f"(the current model {controls_current.per_min:.1f})"
    )
    worse_in = controls_new.worse_than(controls_current)
    if worse_in:
        why = f"the new model finds more pops where there are none, in {worse_in[0]}: {rates}"
        return False, _sentence("Keep the current model", [why, *notes])
    notes.append(f"the new model finds {rates}")
    if not found:
        return False, _sentence("No clear difference", ["nothing could be compared", *notes])
    if 1 < n_groups < MIN_GROUPS:
        why = f"clips of {n_groups} people are too few, at least {MIN_GROUPS} are needed"
        return False, _sentence("No clear difference", [why, *notes])
    better = any(one.low is not None and one.low > 0 for one in found)
    worse = any(one.high is not None and one.high < 0 for one in found)
    if worse and is_fair:
        return False, _sentence("Keep the current model", ["the new model is worse", *notes])
    if better and not worse:
        return True, _sentence("Adopt", ["the new model is better", *notes])
    why = "the new model seems worse, but only it was tested on unseen clips" if worse else "it may be chance"
    return False, _sentence("No clear difference", [why, *notes])


def advise_alone(scores: Scores, controls_new: ControlResult, *, caveat: str = "") -> tuple[bool, str]:
    """Advise without a current model: the negative controls decide; the sentence has the other figures too."""
    adopt = controls_new.steady_per_min <= MAX_FALSE_PER_MIN
    figures = (("clip AUROC", scores.auroc), ("event F1", scores.events.f1))
    notes = [f"{name} {_in_words(value)}" for name, value in figures if value is not None]
    if notes:
        notes[-1] += f" on {scores.n_clips} held-out clips of {scores.n_groups} groups"
    notes.append(
        f"it finds {controls_new.steady_per_min:.1f} pops per minute in noise and speech without pops "
        f"(allowed is {MAX_FALSE_PER_MIN:g})"
    )
    notes += [caveat] if caveat else []
    usable = "usable" if adopt else "not usable"
    why = f"there is no current model to compare with, and by the negative controls it is {usable}"
    return adopt, _sentence("Adopt" if adopt else "Do not adopt", [why, *notes])


def differences(new: Sequence[ScoredClip], current: Sequence[ScoredClip], *, seed: int = 0) -> list[Difference]:
    """Return clip AUROC and event F1 of both, with paired bootstrap intervals; undefined figures are left out.

    Raises ValueError when they are not the same clips.
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
    sides = [ClipCounts.of([pair[k] for pair in pairs]) for k in (0, 1)]
    rankings = [Ranking(side.p_pop, side.is_pop) for side in sides]
    f1 = [f1_ratio(side) for side in sides]
    weights = [np.ones((1, len(pairs))), *resamples(unit_of, seed, N_BOOT)]
    # clip AUROC and event F1 of each model, shape (2, 1 + N_BOOT, 2); the first row is the figure itself
    figures = [
        np.concatenate(
            [np.column_stack([rankings[k].figures(w)[0], ratio(w @ f1[k][0], w @ f1[k][1])]) for w in weights]
        )
        for k in (0, 1)
    ]
    found = []
    for k, name in enumerate(("clip AUROC", "event F1")):
        values = figures[0][0, k], figures[1][0, k]
        if not np.isnan(values).any():
            low, high = interval((figures[0] - figures[1])[1:, k]) or (None, None)
            found.append(Difference(name, float(values[0]), float(values[1]), low, high))
    return found


def _unseen(clips: Sequence[ScoredClip], seen: Collection[str]) -> list[int]:
    """Clips of people of whom the current model was trained on none; empty if they are too few to decide."""
    known = {clip.group for clip in clips if clip.file in seen}
    left = [i for i, clip in enumerate(clips) if clip.group not in known]
    n_pop = sum(clips[i].truth_label == "pop" for i in left)
    enough = min(n_pop, len(left) - n_pop) >= MIN_UNSEEN and len({clips[i].group for i in left}) >= MIN_GROUPS
    return left if enough else []


def _in_words(value: Figure) -> str:
    known = value.low is not None and value.high is not None
    return f"{value.value:.3f}" + (f" (95 % interval {value.low:.3f} to {value.high:.3f})" if known else "")


def _sentence(word: str, parts: Sequence[str]) -> str:
    return f"{word}: {'; '.join(parts)}."
