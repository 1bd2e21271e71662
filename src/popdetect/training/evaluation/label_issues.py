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
    """A clip to check again; `records.to_json` gives its JSON form."""

    file: str
    label: str  # given by a person
    p_pop: float  # by a fit without the clip and its group; 4 decimals
    # where to look: likely pops of a `no_pop` clip, marked onsets of a `pop` clip; 5 decimals
    look_s: tuple[float, ...]


def find(fitted: Fitted, examples: Sequence[Example], scored: Sequence[ScoredClip]) -> tuple[LabelIssue, ...]:
    """Return the label issues, the most confident first."""
    found = []
    for index, (example, clip) in enumerate(zip(examples, scored, strict=True)):
        if clip.p_pop > 1 - CONFIDENT if example.is_pop else clip.p_pop < CONFIDENT:
            continue
        look_s = (example.onsets_s or ()) if example.is_pop else clip.found_onsets_s
        own = fitted.candidates.clip == index
        if not look_s and own.any():
            look_s = (float(fitted.candidates.onsets_s[own][int(np.argmax(fitted.held_out_logits[own]))]),)
        look_s = tuple(round(time_s, 5) for time_s in look_s)
        found.append((-abs(clip.p_pop - 0.5), LabelIssue(example.file, clip.truth_label, round(clip.p_pop, 4), look_s)))
    return tuple(issue for _, issue in sorted(found, key=lambda one: (one[0], one[1].file)))
