"""Label issues: clips whose label contradicts a confident held-out answer.

The label may be wrong, or the model may not know such clips yet. Only held-out answers can show this: a fit that was
trained on the clip would have learned the wrong label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from popdetect.training.data.examples import Example
from popdetect.training.evaluation.matching import ScoredClip
from popdetect.training.models.fitting import Fitted

CONFIDENT = 0.9


@dataclass(frozen=True, slots=True)
class LabelIssue:
    """A clip to check again; `records.to_json` gives its JSON form.

    Attributes
    ----------
    file : str
    label : str
        The label that a person gave.
    p_pop : float
        By a fit without the clip and its group; 4 decimals.
    look_s : tuple of float
        Where to look: likely pops of a ``no_pop`` clip, marked onsets of a ``pop`` clip; 5 decimals.
    """

    file: str
    label: str
    p_pop: float
    look_s: tuple[float, ...]


def find(fitted: Fitted, examples: Sequence[Example], scored: Sequence[ScoredClip]) -> tuple[LabelIssue, ...]:
    """Return the label issues, the most confident first."""
    found = []
    for index, (example, clip) in enumerate(zip(examples, scored, strict=True)):
        contradicts = clip.p_pop <= 1 - CONFIDENT if example.is_pop else clip.p_pop >= CONFIDENT
        if not contradicts:
            continue
        look_s = (example.onsets_s or ()) if example.is_pop else clip.found_onsets_s
        own = fitted.candidates.clip == index
        if not look_s and own.any():
            look_s = (float(fitted.candidates.onsets_s[own][int(np.argmax(fitted.held_out_logits[own]))]),)
        found.append((-abs(clip.p_pop - 0.5), example.file, clip, look_s))
    return tuple(
        LabelIssue(file, clip.truth_label, round(clip.p_pop, 4), tuple(round(time_s, 5) for time_s in look_s))
        for _, file, clip, look_s in sorted(found, key=lambda one: one[:2])
    )
