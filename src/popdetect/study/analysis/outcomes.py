"""All that can honestly be said of pops and pain in one study. A pure function of the thrusts.

Differences are pop minus no pop in pain after; changes are after minus before: negative is less pain. Uncertain clips
are shown apart and enter no comparison. The adjusted difference `main` is the one answer; everything else shows how far
it can be trusted, or is exploratory. What the data cannot carry is None with the reason in words.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from popdetect.errors import UsageError
from popdetect.study.analysis.adjusted import (
    EXPECTATION,
    Difference,
    adjusted_difference,
    crude_difference,
    within_patients,
)
from popdetect.study.analysis.agreement import Agreement, agreements
from popdetect.study.analysis.caveats import caveats_of
from popdetect.study.analysis.columns import UNITS, columns_of, scale_of
from popdetect.study.analysis.dilution import Dilution, dilution
from popdetect.study.analysis.effect_size import hedges_g
from popdetect.study.analysis.equivalence import Equivalence, Power, checked_margin, equivalence, power
from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.groups import Group, groups_of
from popdetect.study.analysis.prevalence import Accuracy, Counts, Prevalence, prevalence
from popdetect.study.analysis.relations import Belief, Dose, Speed, belief, dose, speed
from popdetect.study.analysis.responders import Responders, responders
from popdetect.study.analysis.thrusts import PainScale, Thrust

MARGIN = 1.0


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The conclusions of a study.

    Attributes
    ----------
    scale : {"NPRS", "VAS100"}
        Of all pain figures here.
    n_thrusts, n_patients : int
        On this scale.
    n_other_scale : int
        Thrusts left out because they are on the other scale.
    n_not_judged : int
        Thrusts whose clip could not be judged.
    groups : tuple of Group
        Pop, no pop, uncertain.
    main : Difference
        Pain after on pop, pain before and expectation.
    others : tuple of Difference
        The same question asked otherwise: without expectation, unadjusted, within patients.
    hedges_g : Estimate
        Of the change, pop minus no pop.
    responders : tuple of Responders
    dose : Dose
    belief : Belief
    speed : Speed or None
        None where no speed was ever given.
    agreement : tuple of Agreement
    prevalence : Prevalence
    dilution : Dilution
    equivalence : Equivalence
    power : Power
    caveats : tuple of str
        Sentences that belong beside the answer.
    """

    scale: PainScale
    n_thrusts: int
    n_patients: int
    n_other_scale: int
    n_not_judged: int
    groups: tuple[Group, ...]
    main: Difference
    others: tuple[Difference, ...]
    hedges_g: Estimate
    responders: tuple[Responders, ...]
    dose: Dose
    belief: Belief
    speed: Speed | None
    agreement: tuple[Agreement, ...]
    prevalence: Prevalence
    dilution: Dilution
    equivalence: Equivalence
    power: Power
    caveats: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, numbers, words and None, ready for `json.dumps`."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain


def outcomes(
    thrusts: Sequence[Thrust],
    *,
    margin: float = MARGIN,
    scale: PainScale | None = None,
    sensitivity: Counts | None = None,
    specificity: Counts | None = None,
    seed: int = 0,
) -> Outcomes:
    """Conclude.

    Parameters
    ----------
    thrusts : sequence of Thrust
        In any order; neither the order nor the pseudonyms change anything.
    margin : float, 0 to 10
        The largest difference that would not matter, in NPRS points; on VAS100 ten times as many millimetres.
    scale : {"NPRS", "VAS100"}, optional
        Needed where the journal has both.
    sensitivity, specificity : (right, n), optional
        Counts behind the detector's figures, of decided clips (see `prevalence`); both or none.
    seed : int ≥ 0
        Of the draws behind the interval of the corrected difference.

    Returns
    -------
    Outcomes

    Raises
    ------
    UsageError
        Two pain scales and no choice, a margin out of range, one of the two counts only, counts that cannot be.
    """
    checked_margin(margin)
    chosen = scale_of(thrusts, scale)
    unit = UNITS[chosen]
    accuracy = _accuracy(sensitivity, specificity)
    columns = columns_of(thrusts, chosen)

    main = adjusted_difference(columns, unit, {EXPECTATION: columns.expects})
    crude = crude_difference(columns, unit)
    others = [crude, within_patients(columns, unit)]
    if EXPECTATION in main.adjusted_for:
        others.insert(0, adjusted_difference(columns, unit, {}, "adjusted for pain before only"))
    share = prevalence(columns, accuracy)
    return Outcomes(
        scale=chosen,
        n_thrusts=len(columns),
        n_patients=len(np.unique(columns.patient)),
        n_other_scale=len(thrusts) - len(columns),
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
        caveats=caveats_of(
            columns,
            accuracy,
            len(thrusts) - len(columns),
            sum(thrust.simulated for thrust in thrusts if thrust.pain_scale == chosen),
        ),
    )


def _accuracy(sensitivity: Counts | None, specificity: Counts | None) -> Accuracy | None:
    if sensitivity is None and specificity is None:
        return None
    if sensitivity is None or specificity is None:
        given, other = ("specificity", "sensitivity") if sensitivity is None else ("sensitivity", "specificity")
        raise UsageError(f"{given} without {other}: a correction needs both")
    return Accuracy(sensitivity, specificity)


def _plain(thing: Any) -> Any:
    if isinstance(thing, dict):
        return {key: _plain(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [_plain(value) for value in thing]
    return thing
