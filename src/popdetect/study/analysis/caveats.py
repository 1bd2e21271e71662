"""What a reader must hear beside the answer: what holds for every such study, and what holds for this one."""

from __future__ import annotations

from collections import Counter

import numpy as np

from popdetect.study.analysis.columns import Columns
from popdetect.study.analysis.prevalence import Accuracy

ALWAYS = (
    "Nobody was assigned to a pop by chance: a difference is an association, not an effect of the pop. A repeated "
    "thrust until it pops, technique, region, the therapist's skill and the natural course can all make one.",
    "One comparison, the adjusted difference, is the answer; the other figures are exploratory, and of many intervals "
    "one in twenty misses.",
)


def caveats_of(
    columns: Columns, accuracy: Accuracy | None, n_other_scale: int, n_simulated: int = 0
) -> tuple[str, ...]:
    """Sentences, the general ones first; before them, if anything was simulated, that it was."""
    found = list(ALWAYS)
    if n_simulated:
        some = "These thrusts are" if n_simulated == len(columns) else f"{n_simulated} of these thrusts are"
        found.insert(0, f"{some} simulated: figures that rest on them say nothing of pops, pain or patients.")
    n_patients = len(np.unique(columns.patient))
    if 0 < n_patients < 10:
        found.append(f"There are only {n_patients} patients; what holds for them may not hold for others.")
    times = Counter(time for time in columns.time_point.tolist() if time)
    if len(times) > 1:
        told = ", ".join(f"{time} ({n})" for time, n in sorted(times.items()))
        found.append(f"Pain after was asked at different times, taken together here: {told}.")
    n_uncertain = int((columns.label == "uncertain").sum())
    if n_uncertain:
        found.append(
            f"{n_uncertain} of {len(columns)} clips are uncertain and in no comparison; if the sound of a clip goes "
            "with pain, leaving them out biases it."
        )
    if n_other_scale:
        found.append(f"{n_other_scale} thrusts on the other pain scale were left out.")
    found.append(
        "The detector's errors were given by counts; they describe the clips they were counted on, and simulated "
        "accuracy is not clinical accuracy."
        if accuracy
        else "The detector's errors are not corrected for: true differences are likely larger than they look here."
    )
    return tuple(found)
