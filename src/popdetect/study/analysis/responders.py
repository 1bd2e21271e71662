"""Who got clearly better: 2 points less, or 30 % less, among the thrusts where that could happen.

From pain 1 nobody can lose 2 points, so only thrusts with pain before of 2 or more are counted for the first; for the
second, those with any pain. On VAS100 2 points are 20 mm. These marks were made for courses of treatment, none for the
minutes after one thrust.

References
----------
Farrar et al. (2001), Pain 94:149 (2 points, 30 %).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from popdetect.intervals import wilson
from popdetect.study.analysis.columns import Bools, Columns, complete, has
from popdetect.study.analysis.distributions import newcombe
from popdetect.study.analysis.estimates import Estimate, TooLittle, missing
from popdetect.study.analysis.regression import fit_robust

Mark = Literal["2 points", "30 %"]
MARKS: tuple[Mark, ...] = ("2 points", "30 %")
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Share:
    """Responders among those who could respond: `k` of `n`, and the share with Wilson's interval."""

    k: int
    n: int
    share: Estimate


@dataclass(frozen=True, slots=True)
class Responders:
    """One mark.

    Attributes
    ----------
    mark : {"2 points", "30 %"}
    pop, no_pop : Share
    difference : Estimate
        Share with pop minus share without.
    left_out : dict of str to int
    """

    mark: Mark
    pop: Share
    no_pop: Share
    difference: Estimate
    left_out: dict[str, int]


def share_of(k: int, n: int) -> Share:
    """With Wilson's interval, which takes thrusts as independent."""
    if not n:
        return Share(k, n, missing("no thrust that could reach it"))
    how = "Wilson; takes thrusts as independent, so it is too narrow where patients repeat"
    return Share(k, n, Estimate(k / n, *wilson(k, n), None, how))


def responders(columns: Columns) -> tuple[Responders, ...]:
    """Both marks, pop against no pop."""
    return tuple(_at(columns, mark) for mark in MARKS)


def _at(columns: Columns, mark: Mark) -> Responders:
    with np.errstate(invalid="ignore"):
        able = columns.before >= 2 - _ROUNDING if mark == "2 points" else columns.before > 0
        fall = columns.before - columns.after
        enough: Bools = fall >= (2.0 if mark == "2 points" else 0.3 * columns.before) - _ROUNDING
    kept, left_out = complete(
        ("clip could not be judged", columns.label != ""),
        ("verdict uncertain", columns.label != "uncertain"),
        ("no pain before", has(columns.before)),
        ("no pain after", has(columns.after)),
        ("too little pain before to reach it", np.asarray(able)),
    )
    rows, better = columns.take(kept), enough[kept]
    pop = rows.is_pop
    shares = [share_of(int(better[own].sum()), int(own.sum())) for own in (pop, ~pop)]
    return Responders(mark, shares[0], shares[1], _difference(rows, better, *shares), left_out)


def _difference(rows: Columns, better: Bools, pop: Share, no_pop: Share) -> Estimate:
    if pop.share.value is None or no_pop.share.value is None:
        return missing("not both groups have a thrust that could reach it")
    value = pop.share.value - no_pop.share.value
    one_each = len(np.unique(rows.patient)) == len(rows)
    certain = {pop.share.value, no_pop.share.value} & {0.0, 1.0}
    if one_each or certain:
        how = "Newcombe from the Wilson intervals"
        if not one_each:
            how += "; takes thrusts as independent, because a share of none or all has no spread to learn from"
        return Estimate(value, *newcombe(pop.k, pop.n, no_pop.k, no_pop.n), None, how)
    try:
        made = fit_robust(better.astype(float), {"pop": rows.is_pop.astype(float)}, rows.patient)
    except TooLittle as reason:
        return Estimate(value, why_not=f"no interval: {reason}")
    return made.estimate({"pop": 1.0})
