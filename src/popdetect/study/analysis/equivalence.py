"""The conclusion about a difference (shown, equivalence shown, or neither), and the power of the sample.

* ``difference``: the 95 % interval does not hold 0. The difference may still be within the margin; see `within_margin`.
* ``equivalence``: the 90 % interval lies within ± margin (two one-sided tests at 5 %), and so does the interval of the
  difference that is corrected for the detector's errors, if there is one.
* ``neither``: the sample does not decide. Absence of evidence of a difference is not evidence of its absence.

References
----------
Schuirmann (1987), J Pharmacokinet Biopharm 15:657 (two one-sided tests); Lakens (2017), Soc Psychol Personal Sci 8:355.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.estimates import POWER, Estimate, detectable, t_above, t_reach

Conclusion = Literal["difference", "equivalence", "neither"]


@dataclass(frozen=True, slots=True)
class Equivalence:
    """Two one-sided tests of the adjusted difference."""

    margin: float  # above 0, in the unit of the scale
    low: float | None = None  # the 90 % interval
    high: float | None = None
    p: float | None = None  # the larger of the two one-sided p values: below 0.05 is equivalence
    conclusion: Conclusion | None = None
    within_margin: bool | None = None  # whether the 90 % interval, and the corrected one, lie within ± margin
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Power:
    """Power of this sample."""

    detectable: float | None  # smallest true difference found with `power`, two-sided at 5 %, in the unit of the scale
    power: float = POWER
    thrusts_for_margin: int | None = None  # such thrusts that would detect the margin; rough, by scaling only
    why_not: str = ""


def tost(value: float, se: float, df: float, margin: float) -> tuple[float, float, float]:
    """The larger one-sided p value against ± margin, and the 90 % interval."""
    p = max(t_above((value + margin) / se, df), t_above((margin - value) / se, df))
    reach = t_reach(df, 0.90) * se
    return p, value - reach, value + reach


def equivalence(main: Difference, margin: float, corrected: Estimate | None = None) -> Equivalence:
    """Test the main difference against the margin; both in the unit of the scale.

    Wrong verdicts make groups similar, so the 95 % interval of the `corrected` difference must lie within the margin,
    too; if a correction was asked for and has no interval, nothing is shown to be within the margin.
    """
    estimate = main.estimate
    if estimate.value is None or main.se is None or main.df is None or estimate.low is None or estimate.high is None:
        return Equivalence(margin, why_not=estimate.why_not)
    p, low, high = tost(estimate.value, main.se, main.df, margin)
    within = -margin < low and high < margin
    if corrected is not None and corrected.value is not None:
        edges = (corrected.low, corrected.high)
        within = within and all(edge is not None and -margin < edge < margin for edge in edges)
    apart = estimate.low > 0 or estimate.high < 0
    conclusion: Conclusion = "difference" if apart else "equivalence" if within else "neither"
    return Equivalence(margin, low, high, p, conclusion, within)


def power(main: Difference, margin: float) -> Power:
    """Power of the main comparison, from its standard error; not from the difference that was found."""
    if main.se is None or main.df is None:
        return Power(None, why_not=main.estimate.why_not)
    smallest = detectable(main.se, main.df)
    return Power(smallest, POWER, math.ceil(main.n * (smallest / margin) ** 2))
