"""The outcomes of one study: every figure about pops and pain. A pure function of the thrusts.

Differences are pop minus no pop in pain after; changes are after minus before: negative is less pain. Uncertain clips
are shown separately and enter no comparison. The adjusted difference `main` is the answer; the other figures show how
robust it is, or are exploratory. A figure for which there are too few data is None, with the reason in words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from popdetect.errors import UsageError
from popdetect.study.analysis.adjusted import (
    Difference,
    adjusted_difference,
    between_patients,
    change_difference,
    crude_difference,
    hedges_g,
    usual,
    within_patients,
)
from popdetect.study.analysis.agreement import Agreement, agreements
from popdetect.study.analysis.columns import UNITS, Columns, columns_of, scale_of
from popdetect.study.analysis.detector_errors import Accuracy, Counts, Dilution, Prevalence, dilution, prevalence
from popdetect.study.analysis.equivalence import Equivalence, Power, equivalence, power
from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.groups import Group, Responders, groups_of, responders
from popdetect.study.analysis.relations import Belief, Dose, Speed, belief, dose, speed
from popdetect.study.analysis.thrusts import PainScale, Thrust

MARGIN = 1.0
ALWAYS = (
    "Nobody was assigned to a pop by chance: a difference is an association, not an effect of the pop. Thrusts that "
    "are repeated until they pop, technique, region, the therapist's skill and the natural course can all cause one.",
    "One comparison, the adjusted difference, is the answer. The other figures are exploratory; of many 95 % intervals "
    "one in twenty does not hold the true value.",
)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """All results of a study."""

    scale: PainScale  # of all pain figures here
    n_thrusts: int  # on this scale
    n_patients: int
    n_other_scale: int  # thrusts left out because they are on the other scale
    n_not_judged: int  # thrusts whose clip could not be judged
    groups: tuple[Group, ...]  # pop, no pop, uncertain
    main: Difference  # pain after on pop, pain before and expectation
    others: tuple[Difference, ...]  # to the same question: without expectation, unadjusted, within patients
    hedges_g: Estimate  # of the change, pop minus no pop
    responders: tuple[Responders, ...]
    dose: Dose
    belief: Belief
    speed: Speed | None  # None if no speed was given
    agreement: tuple[Agreement, ...]
    prevalence: Prevalence
    dilution: Dilution
    equivalence: Equivalence
    power: Power
    caveats: tuple[str, ...]  # sentences about the limits of the answer


def outcomes(
    thrusts: Sequence[Thrust],
    *,
    margin: float = MARGIN,
    scale: PainScale | None = None,
    sensitivity: Counts | None = None,
    specificity: Counts | None = None,
    seed: int = 0,
) -> Outcomes:
    """Analyse a study.

    Parameters
    ----------
    thrusts : sequence of Thrust
        In any order; neither the order nor the pseudonyms change a figure.
    margin : float, 0 to 10
        The largest difference that would not matter, in NPRS points; on VAS100 ten times as many millimetres.
    scale : {"NPRS", "VAS100"}, optional
        Needed if the journal has both.
    sensitivity, specificity : (right, n), optional
        Counts behind the detector's figures, of decided clips (see `detector_errors`); both or none.
    seed : int ≥ 0
        Of the draws behind the interval of the corrected difference.

    Raises
    ------
    UsageError
        Two pain scales and no choice, a margin out of range, one of the two counts only, or impossible counts.
    """
    if not 0 < margin <= 10:
        raise UsageError(f"margin {margin:g}: allowed are NPRS points above 0 and up to 10 (VAS100: times 10)")
    chosen = scale_of(thrusts, scale)
    unit = UNITS[chosen]
    accuracy = _accuracy(sensitivity, specificity)
    columns = columns_of(thrusts, chosen)
    n_other_scale = len(thrusts) - len(columns)
    n_simulated = sum(thrust.simulated for thrust in thrusts if thrust.pain_scale == chosen)

    main = adjusted_difference(columns, unit, usual(columns))
    crude = crude_difference(columns, unit)
    others = [
        adjusted_difference(columns, unit, {}, "adjusted for pain before only, patients not compared with themselves", split=False),
        within_patients(columns, unit),
        between_patients(columns, unit, usual(columns)),
        change_difference(columns, unit, usual(columns)),
        crude,
    ]
    share = prevalence(columns, accuracy)
    return Outcomes(
        scale=chosen,
        n_thrusts=len(columns),
        n_patients=len(np.unique(columns.patient)),
        n_other_scale=n_other_scale,
        n_not_judged=int((columns.label == "").sum()),
        groups=groups_of(columns, unit),
        main=main,
        others=tuple(others),
        hedges_g=hedges_g(columns, crude, unit),
        responders=responders(columns),
        dose=dose(columns, unit),
        belief=belief(columns, unit),
        speed=speed(columns, unit),
        agreement=agreements(columns),
        prevalence=share,
        dilution=dilution(main, share, accuracy, seed),
        equivalence=equivalence(main, margin * unit),
        power=power(main, margin * unit),
        caveats=_caveats(columns, accuracy, n_other_scale, n_simulated),
    )


def _caveats(columns: Columns, accuracy: Accuracy | None, n_other_scale: int, n_simulated: int) -> tuple[str, ...]:
    """Sentences about the limits of the answer: whether it is simulated, general ones, those of this study."""
    found = list(ALWAYS)
    if n_simulated:
        some = "These thrusts are" if n_simulated == len(columns) else f"{n_simulated} of these thrusts are"
        found.insert(0, f"{some} simulated: figures from them say nothing about pops, pain or patients.")
    n_patients = len(np.unique(columns.patient))
    if 0 < n_patients < 10:
        found.append(f"There are only {n_patients} patients; the results may not hold for others.")
    n_uncertain = int((columns.label == "uncertain").sum())
    if n_uncertain:
        found.append(
            f"{n_uncertain} of {len(columns)} clips are uncertain and in no comparison; if the sound of a clip is "
            "related to pain, leaving them out biases the comparison."
        )
    if n_other_scale:
        found.append(f"{n_other_scale} thrusts on the other pain scale were left out.")
    found.append(
        "The detector's errors were given by counts. They describe the clips on which they were counted; simulated "
        "accuracy is not clinical accuracy."
        if accuracy
        else "The detector's errors are not corrected for: true differences are likely larger than those shown here."
    )
    return tuple(found)


def _accuracy(sensitivity: Counts | None, specificity: Counts | None) -> Accuracy | None:
    if sensitivity is None and specificity is None:
        return None
    if sensitivity is None or specificity is None:
        given, other = ("specificity", "sensitivity") if sensitivity is None else ("sensitivity", "specificity")
        raise UsageError(f"{given} without {other}: a correction needs both")
    return Accuracy(sensitivity, specificity)
