"""Each verdict by itself: how many thrusts and patients, pain before and after, the change with its interval.

Change is after minus before: negative is less pain. The interval knows the patients (cluster-robust, t with patients -
1); with one thrust per patient it is the textbook t interval. Means before and after are over the same thrusts as the
change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from popdetect.records import LABELS, Label
from popdetect.study.analysis.columns import Columns, complete, has
from popdetect.study.analysis.estimates import Estimate, TooLittle, missing
from popdetect.study.analysis.regression import fit_robust


@dataclass(frozen=True, slots=True)
class Group:
    """The thrusts of one verdict.

    Attributes
    ----------
    label : {"pop", "no_pop", "uncertain"}
    n_thrusts, n_patients : int
        All of this verdict. A patient can be in several groups.
    n_scored, n_scored_patients : int
        Those with pain before and after; all further figures are of these.
    left_out : dict of str to int
    mean_before, mean_after : float or None
        In the unit of the pain scale.
    change : Estimate
        Mean of after - before.
    sd_change : float or None
        Spread of the changes of thrusts.
    """

    label: Label
    n_thrusts: int
    n_patients: int
    n_scored: int
    n_scored_patients: int
    left_out: dict[str, int]
    mean_before: float | None
    mean_after: float | None
    change: Estimate
    sd_change: float | None


def groups_of(columns: Columns, unit: float) -> tuple[Group, ...]:
    """The three groups, in the order pop, no pop, uncertain; pain in the scale's unit (1 or 10 per NPRS point)."""
    return tuple(_group(columns.take(columns.label == label), label, unit) for label in LABELS)


def _group(own: Columns, label: Label, unit: float) -> Group:
    kept, left_out = complete(("no pain before", has(own.before)), ("no pain after", has(own.after)))
    scored = own.take(kept)
    changes = scored.after - scored.before
    try:
        if not len(scored):
            raise TooLittle("no thrust with pain before and after")
        if np.ptp(changes) < 1e-12:
            why = "no interval: one thrust" if len(scored) == 1 else "no interval: all changes are alike"
            change = Estimate(float(changes[0]), why_not=why)
        else:
            # no p value: pain falls by itself after it was high, so "changed" says nothing of the thrust
            change = replace(fit_robust(changes, {}, scored.patient).estimate({"one": 1.0}), p=None)
    except TooLittle as reason:
        change = Estimate(float(changes.mean()), why_not=f"no interval: {reason}") if len(scored) else missing(reason)
    return Group(
        label=label,
        n_thrusts=len(own),
        n_patients=len(np.unique(own.patient)),
        n_scored=len(scored),
        n_scored_patients=len(np.unique(scored.patient)),
        left_out=left_out,
        mean_before=unit * float(scored.before.mean()) if len(scored) else None,
        mean_after=unit * float(scored.after.mean()) if len(scored) else None,
        change=change.scaled(unit),
        sd_change=unit * float(changes.std(ddof=1)) if len(scored) > 1 else None,
    )
