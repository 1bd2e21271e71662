"""The groups by verdict: pain before and after, change, and the share of thrusts with clear relief (responders).

Change is after minus before: negative is less pain. Its interval is cluster-robust by patient (t with patients - 1
degrees of freedom); with one thrust per patient it is the textbook t interval. Means before and after are of the same
thrusts as the change.

A responder has 2 points less pain, or 30 % less. Only thrusts that could reach this are counted: pain before of at
least 2 for the first, any pain for the second. On VAS100, 2 points are 20 mm. These criteria were made for courses of
treatment, not for the minutes after one thrust.

References
----------
Farrar et al. (2001), Pain 94:149 (2 points, 30 %).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from popdetect.intervals import wilson
from popdetect.records import LABELS, Label
from popdetect.study.analysis.columns import Bools, Columns, complete, decided, scored
from popdetect.study.analysis.estimates import Estimate, TooLittle, missing, newcombe
from popdetect.study.analysis.regression import fit

Criterion = Literal["2 points", "30 %"]
CRITERIA: tuple[Criterion, ...] = ("2 points", "30 %")
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Group:
    """The thrusts of one verdict; a patient can be in several groups. Pain is in the unit of the scale."""

    label: Label
    n_thrusts: int  # all with this verdict
    n_patients: int
    n_scored: int  # those with pain before and after; all figures below are of these
    n_scored_patients: int
    left_out: dict[str, int]
    mean_before: float | None
    mean_after: float | None
    change: Estimate  # mean of after - before
    sd_change: float | None  # standard deviation of the changes


def groups_of(columns: Columns, unit: float) -> tuple[Group, ...]:
    """Return the groups pop, no pop and uncertain; pain in the unit of the scale (1 or 10 per NPRS point)."""
    return tuple(_group(columns.take(columns.label == label), label, unit) for label in LABELS)


def _group(own: Columns, label: Label, unit: float) -> Group:
    kept, left_out = complete(*scored(own))
    rows = own.take(kept)
    changes = rows.after - rows.before
    try:
        if not len(rows):
            raise TooLittle("no thrust with pain before and after")
        if np.ptp(changes) < 1e-12:
            why = "no interval: one thrust" if len(rows) == 1 else "no interval: all changes are equal"
            change = Estimate(float(changes[0]), why_not=why)
        else:
            # no p value: high pain tends to fall by itself, so a change is no evidence about the thrust
            change = replace(fit(changes, {}, rows.patient, mixed=False).estimate({"one": 1.0}), p=None)
    except TooLittle as reason:
        change = Estimate(float(changes.mean()), why_not=f"no interval: {reason}") if len(rows) else missing(reason)
    return Group(
        label=label,
        n_thrusts=len(own),
        n_patients=len(np.unique(own.patient)),
        n_scored=len(rows),
        n_scored_patients=len(np.unique(rows.patient)),
        left_out=left_out,
        mean_before=unit * float(rows.before.mean()) if len(rows) else None,
        mean_after=unit * float(rows.after.mean()) if len(rows) else None,
        change=change.scaled(unit),
        sd_change=unit * float(changes.std(ddof=1)) if len(rows) > 1 else None,
    )


@dataclass(frozen=True, slots=True)
class Share:
    """Responders among the thrusts that could respond: `k` of `n`, and the share with Wilson's interval."""

    k: int
    n: int
    share: Estimate


@dataclass(frozen=True, slots=True)
class Responders:
    """One criterion."""

    mark: Criterion
    pop: Share
    no_pop: Share
    difference: Estimate  # share with pop minus share without
    left_out: dict[str, int]


def share_of(k: int, n: int) -> Share:
    """Return a share with Wilson's interval, which assumes independent thrusts."""
    if not n:
        return Share(k, n, missing("no thrust that could reach it"))
    how = "Wilson; assumes independent thrusts, so it is too narrow if patients repeat"
    return Share(k, n, Estimate(k / n, *wilson(k, n), None, how))


def responders(columns: Columns) -> tuple[Responders, ...]:
    """Both criteria, pop against no pop."""
    return tuple(_at(columns, criterion) for criterion in CRITERIA)


def _at(columns: Columns, criterion: Criterion) -> Responders:
    with np.errstate(invalid="ignore"):
        able = columns.before >= 2 - _ROUNDING if criterion == "2 points" else columns.before > 0
        fall = columns.before - columns.after
        enough: Bools = fall >= (2.0 if criterion == "2 points" else 0.3 * columns.before) - _ROUNDING
    kept, left_out = complete(
        *decided(columns),
        *scored(columns),
        ("too little pain before to reach it", np.asarray(able)),
    )
    rows, better = columns.take(kept), enough[kept]
    pop = rows.is_pop
    shares = [share_of(int(better[own].sum()), int(own.sum())) for own in (pop, ~pop)]
    return Responders(criterion, shares[0], shares[1], _difference(rows, better, *shares), left_out)


def _difference(rows: Columns, better: Bools, pop: Share, no_pop: Share) -> Estimate:
    if pop.share.value is None or no_pop.share.value is None:
        return missing("not both groups have a thrust that could reach it")
    value = pop.share.value - no_pop.share.value
    one_each = len(np.unique(rows.patient)) == len(rows)
    certain = {pop.share.value, no_pop.share.value} & {0.0, 1.0}
    if one_each or certain:
        how = "Newcombe from the Wilson intervals"
        if not one_each:
            how += "; assumes independent thrusts, because a share of none or all has no spread"
        return Estimate(value, *newcombe(pop.k, pop.n, no_pop.k, no_pop.n), None, how)
    try:
        made = fit(better.astype(float), {"pop": rows.is_pop.astype(float)}, rows.patient, mixed=False)
    except TooLittle as reason:
        return Estimate(value, why_not=f"no interval: {reason}")
    return made.estimate({"pop": 1.0})
