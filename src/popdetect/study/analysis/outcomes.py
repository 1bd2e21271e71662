"""The outcomes of one study: every figure about pops and pain. A pure function of the thrusts.

Differences are pop minus no pop in pain after; changes are after minus before: negative is less pain. Uncertain clips
are shown separately and enter no comparison. The adjusted difference `main` is the answer; the other figures show how
robust it is, or are exploratory. A figure for which there are too few data is None, with the reason in words.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
from popdetect.study.analysis.alternatives import alternatives
from popdetect.study.analysis.columns import UNITS, Columns, columns_of, scale_of
from popdetect.study.analysis.detector_errors import Accuracy, Counts, Dilution, Prevalence, dilution, prevalence
from popdetect.study.analysis.equivalence import Equivalence, Power, equivalence, power
from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.groups import Group, Responders, groups_of, responders
from popdetect.study.analysis.plan_file import Plan, read_plan, settings
from popdetect.study.analysis.relations import Belief, Dose, Speed, belief, dose, speed
from popdetect.study.analysis.thrusts import PainScale, Thrust
from popdetect.study.analysis.units import Unit, Units, units_of

MARGIN = 1.0
ALWAYS = (
    "Nobody was assigned to a pop by chance: a difference is an association, not an effect of the pop. Thrusts that "
    "are repeated until they pop, technique, region, the therapist's skill and the natural course can all cause one.",
    "One comparison, the adjusted difference, is the answer. The other figures are exploratory; of many 95 % intervals "
    "one in twenty does not hold the true value.",
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan made before the data, and what differs from it."""

    made: str  # ISO 8601 date, as the plan says
    sha256: str
    n_patients: int | None
    deviations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """All results of a study. Where the unit of analysis is the session, counts of thrusts are of sessions."""

    scale: PainScale  # of all pain figures here
    n_thrusts: int  # on this scale and at this time point
    n_patients: int
    n_other_scale: int  # thrusts left out because they are on the other scale
    n_not_judged: int  # thrusts whose clip could not be judged
    unit: Unit  # of analysis
    unit_why: str
    time_point: str  # of pain after; empty if none was named
    groups: tuple[Group, ...]  # pop, no pop, uncertain
    main: Difference  # pain after on pop, pain before and further covariates; within patients where that is possible
    others: tuple[Difference, ...]  # to the same question, under other assumptions
    time_points: tuple[Difference, ...]  # the main difference at each further time point
    hedges_g: Estimate  # of the change, pop minus no pop
    responders: tuple[Responders, ...]
    dose: Dose
    belief: Belief
    speed: Speed | None  # None if no speed was given
    agreement: tuple[Agreement, ...]  # of thrusts, as are the next two
    prevalence: Prevalence
    dilution: Dilution
    equivalence: Equivalence
    power: Power
    planned: Planned | None  # the plan that this analysis follows
    alternatives: tuple[Difference, ...]  # the main difference under other assumptions; empty if not asked for
    caveats: tuple[str, ...]  # sentences about the limits of the answer


def outcomes(
    thrusts: Sequence[Thrust],
    *,
    margin: float = MARGIN,
    scale: PainScale | None = None,
    unit: Unit | None = None,
    time_point: str | None = None,
    adjust: Sequence[str] | None = None,
    plan: Plan | str | os.PathLike[str] | None = None,
    sensitivity: Counts | None = None,
    specificity: Counts | None = None,
    seed: int = 0,
    sensitivity_analyses: bool = False,
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
    unit : {"thrust", "session"}, optional
        What has its own pain scores; recognised by default (see `units`).
    time_point : str, optional
        When pain after was asked; by default the time point with most scores.
    adjust : sequence of str, optional
        Further columns to adjust for, such as ``therapist``: those of `columns.ADJUSTABLE`, or the clinic's own.
    plan : Plan or the path of its file, optional
        Settings with their default take the planned value; the others are named as deviations.
    sensitivity, specificity : (right, n), optional
        Counts behind the detector's figures, of decided clips (see `detector_errors`); both or none.
    seed : int ≥ 0
        Of the draws behind the interval of the corrected difference, and of the sensitivity analyses.
    sensitivity_analyses : bool
        Whether to make those of `alternatives`; they take about a hundred times as long as the answer.

    Raises
    ------
    UsageError
        Two pain scales and no choice, a margin out of range, an unknown time point or column, one of the two counts
        only, or impossible counts.
    """
    planned = None
    if plan:
        given = {"margin": margin, "scale": scale, "unit": unit, "time_point": time_point, "adjust": adjust or ()}
        plan = plan if isinstance(plan, Plan) else read_plan(Path(plan))
        used, deviations = settings(plan, given)
        margin, scale, unit, time_point, adjust = (used[name] for name in given)
        planned = Planned(plan.made, plan.sha256, plan.n_patients, deviations)
    if not 0 < margin <= 10:
        raise UsageError(f"margin {margin:g}: allowed are NPRS points above 0 and up to 10 (VAS100: times 10)")
    chosen = scale_of(thrusts, scale)
    points = UNITS[chosen]
    accuracy = _accuracy(sensitivity, specificity)
    own = [thrust for thrust in thrusts if thrust.pain_scale == chosen]
    n_other_scale = len(thrusts) - len(own)
    units = units_of(own, unit, time_point)
    adjust = adjust or ()
    columns = columns_of(units.rows, chosen, adjust)
    clips = columns if units.unit == "thrust" else columns_of(units.thrusts, chosen)

    main = adjusted_difference(columns, points, usual(columns))
    change = change_difference(columns, points, usual(columns))
    crude = crude_difference(columns, points)
    others = (
        adjusted_difference(columns, points, {}, "adjusted for pain before and the thrust's number only", split=False),
        within_patients(columns, points),
        between_patients(columns, points, usual(columns)),
        change,
        crude,
    )
    later = {name: columns_of(rows, chosen, adjust) for name, rows in units.other_time_points.items()}
    share = prevalence(clips, accuracy)
    diluted = dilution(main, share, accuracy if units.unit == "thrust" else None, seed)
    return Outcomes(
        scale=chosen,
        n_thrusts=len(columns),
        n_patients=len(np.unique(columns.patient)),
        n_other_scale=n_other_scale,
        n_not_judged=int((columns.label == "").sum()),
        unit=units.unit,
        unit_why=units.why,
        time_point=units.time_point,
        groups=groups_of(columns, points),
        main=main,
        others=others,
        time_points=tuple(
            adjusted_difference(rows, points, usual(rows), f"adjusted difference, {name}")
            for name, rows in later.items()
        ),
        hedges_g=hedges_g(columns, crude, points),
        responders=responders(columns),
        dose=dose(columns, points),
        belief=belief(columns, points),
        speed=speed(columns, points),
        agreement=agreements(clips),
        prevalence=share,
        dilution=diluted,
        equivalence=equivalence(main, margin * points, diluted.corrected),
        power=power(main, margin * points),
        planned=planned,
        alternatives=alternatives(columns, points, seed) if sensitivity_analyses else (),
        caveats=(*_of_plan(planned, columns), *_caveats(columns, units, own, accuracy, n_other_scale, main, change)),
    )


def _of_plan(planned: Planned | None, columns: Columns) -> tuple[str, ...]:
    """Sentences about the plan and what differs from it."""
    if planned is None:
        return ()
    n_patients = len(np.unique(columns.patient))
    found = [
        f"Analysed after the plan of {planned.made} (sha256 {planned.sha256[:12]}); its date cannot be checked here."
    ]
    if planned.deviations:
        found.append(f"It differs from the plan: {'; '.join(planned.deviations)}.")
    if planned.n_patients and n_patients < planned.n_patients:
        found.append(f"{planned.n_patients} patients were planned, {n_patients} are there.")
    return tuple(found)


def _caveats(
    columns: Columns,
    units: Units,
    thrusts: Sequence[Thrust],
    accuracy: Accuracy | None,
    n_other_scale: int,
    main: Difference,
    change: Difference,
) -> tuple[str, ...]:
    """Sentences about the limits of the answer: whether it is simulated, general ones, those of this study."""
    found = list(ALWAYS)
    n_simulated = sum(thrust.simulated for thrust in thrusts)
    if n_simulated:
        some = "These thrusts are" if n_simulated == len(thrusts) else f"{n_simulated} of these thrusts are"
        found.insert(0, f"{some} simulated: figures from them say nothing about pops, pain or patients.")
    if units.unit == "session":
        found.append(
            f"The sessions are compared, not the single thrusts: {units.why}. A session counts as a pop if any of its "
            "thrusts popped, so the number of attempts is part of the comparison."
        )
    if units.n_carried:
        found.append(
            f"Expectation or belief of {units.n_carried} thrusts is the answer that the patient gave on another line."
        )
    if disagree(main, change):
        found.append(
            "The adjusted difference and the difference of changes disagree: only one of them excludes 0, or they "
            "have opposite signs. Pain before may be recorded with error and related to popping; then neither is sure."
        )
    if main.n and not main.is_within:
        found.append(
            "Patients are compared with other patients here, not with themselves: patients, therapists or techniques "
            "that pop more may differ in other ways. `--adjust therapist` takes the therapist into account, and so on."
        )
    n_patients = len(np.unique(columns.patient))
    if 0 < n_patients < 10:
        found.append(f"There are only {n_patients} patients; the results may not hold for others.")
    if units.other_time_points:
        names = ", ".join(units.other_time_points)
        found.append(f"Pain after is that of the time point {units.time_point!r}; the others are shown apart: {names}.")
    n_uncertain = int((columns.label == "uncertain").sum())
    if n_uncertain:
        found.append(
            f"{n_uncertain} of {len(columns)} {'clips' if units.unit == 'thrust' else 'sessions'} are uncertain and in "
            "no comparison; if the sound of a clip is related to pain, leaving them out biases the comparison."
        )
    if n_other_scale:
        found.append(f"{n_other_scale} thrusts on the other pain scale were left out.")
    found.append(
        "The detector's errors were given by counts. They describe the clips on which they were counted; simulated "
        "accuracy is not clinical accuracy."
        if accuracy
        else "The detector's errors are not corrected for. If there is a difference and errors do not depend on pain, "
        "it looks smaller on average than it is; errors tied to pain can go either way."
    )
    if accuracy and units.unit == "session":
        found.append("The counts describe single clips, so the difference between sessions is not corrected for them.")
    return tuple(found)


def disagree(main: Difference, change: Difference) -> bool:
    """Whether only one of the two differences excludes 0, or both do with opposite signs."""
    signs = [_sign(one.estimate) for one in (main, change)]
    return main.estimate.low is not None and change.estimate.low is not None and signs[0] != signs[1]


def _sign(estimate: Estimate) -> int:
    """1 or -1 if the interval lies above or below 0, else 0."""
    if estimate.low is None or estimate.high is None:
        return 0
    return int(estimate.low > 0) - int(estimate.high < 0)


def _accuracy(sensitivity: Counts | None, specificity: Counts | None) -> Accuracy | None:
    if sensitivity is None and specificity is None:
        return None
    if sensitivity is None or specificity is None:
        given, other = ("specificity", "sensitivity") if sensitivity is None else ("sensitivity", "specificity")
        raise UsageError(f"{given} without {other}: a correction needs both")
    return Accuracy(sensitivity, specificity)
