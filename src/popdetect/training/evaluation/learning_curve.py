"""The learning curve: held-out event F1 by number of labelled clips, and whether more clips are worth labelling.

For each size, models are fitted to that many clips of people who are not held out, and tested on all clips of those who
are; each person is held out once. The order of the clips is drawn once, so each size contains the clips of the smaller
ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from popdetect.detection.model.bundle import Model
from popdetect.errors import UsageError
from popdetect.training.data.examples import CandidateSet, Example, OnProgress
from popdetect.training.evaluation import comparison
from popdetect.training.evaluation.held_out import final_logits, scored
from popdetect.training.evaluation.intervals import Figure
from popdetect.training.evaluation.matching import ScoredClip
from popdetect.training.evaluation.scores import score
from popdetect.training.models import estimators, fitting
from popdetect.training.models.fitting import Fitted

SHARES = (0.25, 0.5, 1.0)
N_FOLDS = 4
WORTH = 0.01  # a smaller gain of event F1 is not worth the labelling

FitFunction = Callable[[Sequence[Example], CandidateSet], Fitted]


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """Event F1 by number of clips, and the conclusion."""

    # number of training clips (mean over the folds) and event F1; 0 clips is the current model; sizes with too few
    # clips are left out
    points: tuple[tuple[int, Figure], ...]
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Return the form for ``model.json`` and ``--json``."""
        points = [{"clips": n, "event_f1": f.value, "low": f.low, "high": f.high} for n, f in self.points]
        return {"points": points, "sentence": self.sentence}


def compute(
    examples: Sequence[Example], candidates: CandidateSet, fit: FitFunction, current: Model | None, *, seed: int = 0,
    on_progress: OnProgress = lambda *_: None,
) -> LearningCurve:  # fmt: skip
    """Fit and test with a growing number of clips; `fit` fits a model to some of them.

    `current` is for the point of 0 clips; it must have the same candidate filter as the others.
    """
    labels = np.array([example.is_pop for example in examples])
    groups = fitting.held_out_together(examples)
    parts = estimators.folds(labels, groups, min(N_FOLDS, len(set(groups))), seed)
    order = np.random.default_rng([seed, 99]).permutation(len(examples))
    answers: dict[float, list[ScoredClip]] = defaultdict(list)
    sizes: dict[float, list[int]] = defaultdict(list)
    for n_parts, part in enumerate(parts):
        rest = [int(index) for index in order if index not in set(part.tolist())]
        held_out, tested = candidates.subset(part.tolist()), [examples[index] for index in np.sort(part)]
        for n_shares, share in enumerate(SHARES):
            on_progress("learning curve", n_parts * len(SHARES) + n_shares, len(parts) * len(SHARES))
            own = sorted(rest[: round(share * len(rest))])
            try:
                fitting.check_enough([examples[i] for i in own], allow_ungrouped=True, adapts=True)
                model = fit([examples[index] for index in own], candidates.subset(own)).model
            except (UsageError, ValueError):  # too few clips, or a fold with one class only
                continue
            answers[share] += scored(model, held_out, final_logits(model, held_out), tested)
            sizes[share].append(len(own))
    by_size: list[tuple[int, list[ScoredClip]]] = []
    if current is not None:
        by_size.append((0, scored(current, candidates, final_logits(current, candidates), examples)))
    complete = [share for share in SHARES if len(answers[share]) == len(examples)]
    by_size += [(round(float(np.mean(sizes[share]))), answers[share]) for share in complete]
    return conclude(by_size, seed)


def conclude(by_size: Sequence[tuple[int, list[ScoredClip]]], seed: int) -> LearningCurve:
    """Return points and conclusion from the verdicts at each size, on the same clips."""
    ordered = [(n, sorted(clips, key=lambda clip: clip.file)) for n, clips in by_size]
    figures = [(n, score(clips, seed=seed).events.f1) for n, clips in ordered]
    points = tuple((n, f1) for n, f1 in figures if f1 is not None)
    values = ", ".join(f"{figure.value:.3f} with {n}" for n, figure in points)
    trained = [(n, clips) for n, clips in ordered if n]
    if len(trained) < 2 or len(points) < 2:
        return LearningCurve(points, "There are too few clips for a learning curve.")
    (few, before), (many, after) = trained[-2:]
    last = next((one for one in comparison.differences(after, before, seed=seed) if one.name == "event F1"), None)
    if last is None or last.low is None or last.high is None:
        verdict = "the clips are too few to say whether more are worth labelling"
        return LearningCurve(points, f"Held-out event F1 is {values} clips; {verdict}.")
    gain = f"{last.new - last.current:+.3f} (95 % interval {last.low:+.3f} to {last.high:+.3f})"
    if last.low > WORTH:
        verdict = "more labelled clips are worth it: twice as many may bring about half this gain again"
    elif last.high < WORTH:
        verdict = "more clips like these are hardly worth labelling"
    else:
        verdict = "these clips are too few to say whether more are worth labelling"
    return LearningCurve(
        points, f"Held-out event F1 is {values} clips; from {few} to {many} clips it changed by {gain}: {verdict}."
    )
