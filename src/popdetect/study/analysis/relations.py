"""Associations: number of pops with pain (dose), belief with the difference, thrust speed with popping.

Slopes and differences are of pain after, adjusted for pain before (and expectation if it was asked): negative is less
pain. The number of pops is the least certain output of the detector, so the absence of a dose relation is weak
evidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from popdetect.study.analysis.adjusted import (
    BEFORE,
    Difference,
    Ready,
    adjusted_difference,
    described,
    ready,
    usual,
)
from popdetect.study.analysis.columns import Columns, complete, decided, has, scored
from popdetect.study.analysis.estimates import Estimate, TooLittle, missing, t_reach, t_two_sided
from popdetect.study.analysis.regression import fit, fit_logistic

BELIEF_MIDDLE = 3.0
SPEED = "thrust speed"


@dataclass(frozen=True, slots=True)
class Dose:
    """Pain after per further pop: over all decided thrusts (no pop counts as 0), and among those with a pop."""

    per_pop: Difference
    per_further_pop: Difference
    thrusts_by_pops: dict[str, int]


@dataclass(frozen=True, slots=True)
class Belief:
    """Whether the difference depends on the belief that a pop is needed.

    `interaction` is the change of the difference (pop minus no pop) per point of belief. Negative: the more a patient
    believes that a pop is needed, the more relief is associated with a pop.
    """

    interaction: Difference
    at_1: Estimate  # the difference at the lowest belief, by the same model
    at_5: Estimate  # at the highest
    # the interaction on the relative scale, in per cent of pain before per point of belief: a pop that removes the same
    # share of pain from all removes more points from those who hurt more
    relative: Estimate


@dataclass(frozen=True, slots=True)
class Speed:
    """Thrust speed: the difference adjusted for speed, and the odds of a pop per unit of speed."""

    unit: str  # from the header of the table
    difference: Difference
    odds_ratio: Estimate  # of a pop, per unit of speed
    odds_ratio_per_sd: Estimate  # the same per standard deviation of the speeds, `sd`
    sd: float | None
    n: int  # of the odds ratio, as are the next two
    n_patients: int
    left_out: dict[str, int]


def dose(columns: Columns, unit: float) -> Dose:
    """Relate pain after to the number of pops."""
    pops = np.where(columns.label == "no_pop", 0.0, columns.n_pops)
    known = ("number of pops not known", has(pops))
    decided = columns.n_pops[columns.is_pop & has(columns.n_pops)].astype(int)
    counts = {str(n): int((decided == n).sum()) for n in np.unique(decided)}
    none = int((columns.label == "no_pop").sum())
    try:
        data = ready(columns, usual(columns), known, exposure=pops)
        made = fit(data.rows.after, {"pops": data.exposure, **data.terms}, data.rows.patient, data.rows.session)
        per_pop = described("per pop", made, {"pops": 1.0}, data, unit)
    except TooLittle as reason:
        per_pop = Difference("per pop", missing(reason))
    return Dose(per_pop, _among_pops(columns, unit), {"0": none, **counts} if none else counts)


def _among_pops(columns: Columns, unit: float) -> Difference:
    title = "per further pop, among thrusts with a pop"
    kept, left_out = complete(
        ("no pop, uncertain or not judged", columns.is_pop),
        *scored(columns),
        ("number of pops not known", has(columns.n_pops)),
    )
    rows = columns.take(kept)
    try:
        if len(rows) < 4 or not rows.before.any():
            raise TooLittle(f"{len(rows)} thrusts with a pop, a count and pain before and after")
        if np.ptp(rows.n_pops) < 1:
            raise TooLittle("every thrust has the same number of pops")
        before = {BEFORE: rows.before - rows.before.mean()} if np.ptp(rows.before) > 0 else {}
        made = fit(rows.after, {"pops": rows.n_pops, **before}, rows.patient)
    except TooLittle as reason:
        return Difference(title, missing(reason))
    return described(title, made, {"pops": 1.0}, Ready(rows, rows.n_pops, before, tuple(before), left_out, ()), unit)


def belief(columns: Columns, unit: float) -> Belief:
    """Model pain after by pain before, pop, belief, and pop times belief; belief is centred at 3."""
    title = "change of the difference per point of belief that a pop is needed"
    try:
        data = ready(columns, usual(columns), ("belief not asked", has(columns.belief)))
        own = data.rows.belief - BELIEF_MIDDLE
        if np.ptp(own) < 1:
            raise TooLittle("all patients gave the same belief")
        terms = {"pop": data.exposure, "belief": own, "pop and belief": data.exposure * own, **data.terms}
        made = fit(data.rows.after, terms, data.rows.patient, data.rows.session)
    except TooLittle as reason:
        return Belief(Difference(title, missing(reason)), missing(reason), missing(reason), missing(reason))
    low, high = (made.estimate({"pop": 1.0, "pop and belief": at - BELIEF_MIDDLE}).scaled(unit) for at in (1, 5))
    return Belief(described(title, made, {"pop and belief": 1.0}, data, unit), low, high, _relative(data))


def _relative(data: Ready) -> Estimate:
    """The interaction of pop and belief on the change in per cent of pain before; thrusts without pain are left out."""
    there = data.rows.before > 0
    rows, pop = data.rows.take(there), data.exposure[there]
    terms = {name: term[there] for name, term in data.terms.items() if not name.endswith(BEFORE)}
    own = rows.belief - BELIEF_MIDDLE
    try:
        made = fit(
            100 * (rows.after - rows.before) / rows.before,
            {"pop": pop, "belief": own, "pop and belief": pop * own, **terms},
            rows.patient,
            rows.session,
        )
    except TooLittle as reason:
        return missing(reason)
    return made.estimate({"pop and belief": 1.0})


def speed(columns: Columns, unit: float) -> Speed | None:
    """Relate thrust speed to pops and pain; None if no speed was given."""
    if not has(columns.speed).any():
        return None
    units = sorted(set(columns.speed_unit[has(columns.speed)].tolist()))
    title = f"adjusted difference, {SPEED} held equal"
    if len(units) > 1:
        nothing = missing(f"speeds are in {' and '.join(name or '(no unit)' for name in units)}: not comparable")
        return Speed(" / ".join(units), Difference(title, nothing), nothing, nothing, None, 0, 0, {})
    kept, left_out = complete(*decided(columns), ("speed not given", has(columns.speed)))
    rows = columns.take(kept)
    spread = float(rows.speed.std(ddof=1)) if len(rows) > 1 else None
    try:
        made = fit_logistic(rows.is_pop.astype(float), rows.speed, rows.patient)
        log_odds, se = float(made.coef[0]), made.se({"x": 1.0})
        clustered = made.model == "cluster"
        one, per_sd = (_ratio(log_odds, se, made.df({"x": 1.0}), clustered, per) for per in (1.0, spread or 1.0))
    except TooLittle as reason:
        one = per_sd = missing(reason)
    covariates = {**usual(columns), SPEED: columns.speed}
    difference = adjusted_difference(columns, unit, covariates, title)
    if difference.estimate.value is not None and SPEED not in difference.adjusted_for:
        difference = Difference(title, missing(next(note for note in difference.notes if note.startswith(SPEED))))
    return Speed(units[0], difference, one, per_sd, spread, len(rows), len(np.unique(rows.patient)), left_out)


def _ratio(log_odds: float, se: float, df: float, clustered: bool, per: float) -> Estimate:
    reach = t_reach(df) * se
    how = (
        f"conditional logistic regression within patients, t with {df:g} degrees of freedom"
        if clustered
        else "logistic regression, one thrust per patient"
    )
    edges = (per * log_odds, per * (log_odds - reach), per * (log_odds + reach))
    if max(abs(edge) for edge in edges) > 50:
        return missing("the odds ratio is too large or too small to be useful: the speeds hardly overlap")
    value, low, high = (math.exp(edge) for edge in edges)
    return Estimate(value, low, high, t_two_sided(log_odds / se, df), how)
