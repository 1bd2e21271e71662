"""Estimates with their 95 % interval, and the quantiles and intervals behind them. The adapter of scipy.

No figure is NaN: an unknown figure is None, and `Estimate.why_not` gives the reason. Units are those of the figure.

References
----------
Newcombe (1998), Stat Med 17:873 (method 10, difference of two shares).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from scipy.optimize import brentq, minimize, minimize_scalar
from scipy.special import nctdtr, ndtri, stdtr, stdtrit

from popdetect.intervals import wilson

CONFIDENCE = 0.95
POWER = 0.80


class TooLittle(ValueError):
    """There are too few data for a figure; the message is the reason, for the user."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval and p value."""

    value: float | None = None
    low: float | None = None  # the 95 % interval; None if none can be given
    high: float | None = None
    p: float | None = None  # two-sided, of the value 0 (for ratios, 1); None if no test was made
    how: str = ""  # method of the interval, and whether it allows for several thrusts per patient
    why_not: str = ""  # why the value, or the interval, is missing; empty if nothing is

    def scaled(self, unit: float) -> Estimate:
        """Convert to units that are `unit` times smaller (> 0): 10 turns NPRS points into millimetres of VAS."""
        value, low, high = (None if edge is None else edge * unit for edge in (self.value, self.low, self.high))
        return Estimate(value, low, high, self.p, self.how, self.why_not)


def missing(reason: str | Exception) -> Estimate:
    """Return an estimate without a figure, for this reason."""
    return Estimate(why_not=str(reason))


def t_reach(df: float, confidence: float = CONFIDENCE) -> float:
    """Half-width of the two-sided interval, in standard errors."""
    return float(stdtrit(df, (1 + confidence) / 2))


def t_two_sided(t: float, df: float) -> float:
    """Two-sided p value of Student's t."""
    return float(2 * stdtr(df, -abs(t)))


def t_above(t: float, df: float) -> float:
    """One-sided p value of Student's t: the probability of a larger t."""
    return float(stdtr(df, -t))


def z_reach() -> float:
    """Half-width as of `t_reach`, for the normal distribution."""
    return float(ndtri((1 + CONFIDENCE) / 2))


def newcombe(k1: int, n1: int, k2: int, n2: int) -> tuple[float, float]:
    """Interval of k1 / n1 - k2 / n2 from the two Wilson intervals; assumes independent thrusts."""
    share1, share2 = k1 / n1, k2 / n2
    (low1, high1), (low2, high2) = wilson(k1, n1), wilson(k2, n2)
    low = share1 - share2 - math.hypot(share1 - low1, high2 - share2)
    high = share1 - share2 + math.hypot(high1 - share1, share2 - low2)
    return low, high


def detectable(se: float, df: float) -> float:
    """The true difference that a two-sided t test at 5 % detects with the power `POWER`, in the unit of `se`.

    A significant result in the wrong direction does not count as power.
    """
    critical = t_reach(df)

    def beyond(shift: float) -> float:
        return float(1 - nctdtr(df, shift, critical)) - POWER

    # in steps, because scipy has no value for shifts far beyond the critical one
    high = critical
    while beyond(high) < 0:
        high *= 1.25
    return se * float(brentq(beyond, 0.0, high))


def lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Minimum of a function that has one minimum between `low` and `high`, to 1e-6."""
    return float(minimize_scalar(function, bounds=(low, high), method="bounded", options={"xatol": 1e-6}).x)


def lowest_of_two(function: Callable[[float, float], float], low: float, high: float) -> tuple[float, float]:
    """Minimum of a smooth function of two numbers between `low` and `high`, to about 1e-5."""
    starts = ((-1.0, -1.0), (0.0, -5.0))
    found = [
        minimize(
            lambda x: function(float(x[0]), float(x[1])),
            start,
            method="L-BFGS-B",
            bounds=[(low, high)] * 2,
            options={"ftol": 1e-12, "gtol": 1e-7},
        )
        for start in starts
    ]
    best = min(found, key=lambda result: float(result.fun))
    return float(best.x[0]), float(best.x[1])
