"""Labels that contradict a confident model: slips of the hand, perhaps, or what the model has yet to learn.

The answers are held-out ones: a fit that had heard the clip with its wrong label would have learned the slip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from popdetect.training.data.examples import Example
from popdetect.training.evaluation.scores import ScoredClip
from popdetect.training.models.fitting import Fitted

CONFIDENT = 0.9


@dataclass(frozen=True, slots=True)
class LabelIssue:
    """A clip to be heard again.

    Attributes
    ----------
    file : str
    label : str
        What a person said.
    p_pop : float
        By a fit that had not heard the clip, nor others of its group.
    look_s : tuple of float
        Where to look: the likely pops of a ``no_pop``, the marks of a ``pop``.
    """

    file: str
    label: str
    p_pop: float
    look_s: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Ready for `json.dumps`."""
        look_s = [round(time_s, 5) for time_s in self.look_s]
        return {"file": self.file, "label": self.label, "p_pop": round(self.p_pop, 4), "look_s": look_s}


def possible(fitted: Fitted, examples: Sequence[Example], scored: Sequence[ScoredClip]) -> tuple[LabelIssue, ...]:
    """The clips whose label the held-out answer contradicts with confidence, the surest first."""
    found = []
    for index, (example, clip) in enumerate(zip(examples, scored, strict=True)):
        against = clip.p_pop <= 1 - CONFIDENT if example.is_pop else clip.p_pop >= CONFIDENT
        if not against:
            continue
        look_s = (example.onsets_s or ()) if example.is_pop else clip.found_onsets_s
        own = fitted.heard.clip == index
        if not look_s and own.any():
            look_s = (float(fitted.heard.onsets_s[own][int(np.argmax(fitted.held_out_logits[own]))]),)
        found.append(LabelIssue(example.file, clip.truth_label, clip.p_pop, look_s))
    return tuple(sorted(found, key=lambda slip: (-abs(slip.p_pop - 0.5), slip.file)))
