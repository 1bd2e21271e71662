"""The learning curve: how held-out event F1 grows with the number of labelled clips, and whether more are worth it.

Each point is fitted as a whole model is, to so many clips of the people who are not held out, and judged on all of
those who are; the people are held out in turn. The clips are taken in an order drawn once, so that each point's clips
are among the next one's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from popdetect.detection.model.bundle import Model
from popdetect.errors import UsageError
from popdetect.training.data.examples import CandidateSet, Example, OnProgress
from popdetect.training.evaluation import comparison
from popdetect.training.evaluation.held_out import final_logits, part_of, scored
from popdetect.training.evaluation.intervals import Figure
from popdetect.training.evaluation.scores import ScoredClip, score
from popdetect.training.models import estimators, fitting
from popdetect.training.models.fitting import Fitted

SHARES = (0.25, 0.5, 1.0)
N_FOLDS = 4
WORTH = 0.01  # of event F1: less is not worth the listening

Fit = Callable[[Sequence[Example], CandidateSet], Fitted]


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Event F1 by number of clips, and what it says.

    Attributes
    ----------
    points : tuple of (int, Figure)
        Clips learned from, on average over the folds; 0 is the current model. Those that were too few are not there.
    sentence : str
    """

    points: tuple[tuple[int, Figure], ...]
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Ready for `json.dumps`."""
        points = [{"clips": n, "event_f1": f.value, "low": f.low, "high": f.high} for n, f in self.points]
        return {"points": points, "sentence": self.sentence}


def draw(
    examples: Sequence[Example], heard: CandidateSet, fit: Fit, current: Model | None, *, seed: int = 0,
    say: OnProgress = lambda *_: None,
) -> LearningCurve:  # fmt: skip
    """Fit and judge with a growing number of clips.

    Parameters
    ----------
    examples : sequence of Example
    heard : CandidateSet
        Their candidates, as the models' first look lets them pass.
    fit : callable
        Fits a model to some of the clips.
    current : Model or None
        For the point of 0 clips; only where its first look is that of the others.
    """
    labels = np.array([example.is_pop for example in examples])
    groups = fitting.held_out_together(examples)
    parts = estimators.folds(labels, groups, min(N_FOLDS, len(set(groups))), seed)
    order = np.random.default_rng([seed, 99]).permutation(len(examples))
    answers: dict[float, list[ScoredClip]] = {share: [] for share in SHARES}
    sizes: dict[float, list[int]] = {share: [] for share in SHARES}
    done, total = 0, len(parts) * len(SHARES)
    for part in parts:
        rest = [int(index) for index in order if index not in set(part.tolist())]
        held_out, those = part_of(heard, part.tolist()), [examples[index] for index in np.sort(part)]
        for share in SHARES:
            say("learning curve", done, total)
            done += 1
            own = sorted(rest[: round(share * len(rest))])
            try:
                fitting.check_enough([examples[i] for i in own], allow_ungrouped=True, adapts=True)
                model = fit([examples[index] for index in own], part_of(heard, own)).model
            except (UsageError, ValueError):  # too few clips, or a fold without one kind
                continue
            answers[share] += scored(model, held_out, final_logits(model, held_out), those)
            sizes[share].append(len(own))
    whole = [share for share in SHARES if len(answers[share]) == len(examples)]
    by_size: list[tuple[int, list[ScoredClip]]] = []
    if current is not None:
        by_size.append((0, scored(current, heard, final_logits(current, heard), examples)))
    by_size += [(round(float(np.mean(sizes[share]))), answers[share]) for share in whole]
    return concluded(by_size, seed)


def concluded(by_size: Sequence[tuple[int, list[ScoredClip]]], seed: int) -> LearningCurve:
    """Points and sentence from the verdicts at each size, on the same clips."""
    ordered = [(n, sorted(clips, key=lambda clip: clip.file)) for n, clips in by_size]
    points = []
    for n, clips in ordered:
        f1 = score(clips, seed=seed).events.f1
        if f1 is not None:
            points.append((n, f1))
    said = ", ".join(f"{figure.value:.3f} with {n}" for n, figure in points)
    learned = [(n, clips) for n, clips in ordered if n]
    if len(learned) < 2 or len(points) < 2:
        return LearningCurve(tuple(points), "There are too few clips for a learning curve.")
    (few, before), (many, after) = learned[-2:]
    last = next((one for one in comparison.differences(after, before, seed=seed) if one.name == "event F1"), None)
    if last is None or last.low is None or last.high is None:
        return LearningCurve(
            tuple(points), f"Held-out event F1 is {said} clips; whether more are worth it cannot be told."
        )
    gain = f"{last.new - last.current:+.3f} (95 % interval {last.low:+.3f} to {last.high:+.3f})"
    if last.low > WORTH:
        verdict = "more labelled clips are worth it: doubling them again may bring about half as much"
    elif last.high < WORTH:
        verdict = "more clips like these are hardly worth the listening"
    else:
        verdict = "whether more are worth it cannot be told from so few"
    return LearningCurve(
        tuple(points), f"Held-out event F1 is {said} clips; from {few} to {many} it changed by {gain}: {verdict}."
    )
