"""Quantiles, tails, intervals of differences, and the search for a lowest point. The room's one door to scipy.

References
----------
Newcombe (1998), Stat Med 17:873 (method 10, difference of two shares).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.optimize import brentq, minimize_scalar
from scipy.special import nctdtr, ndtri, stdtr, stdtrit

from popdetect.intervals import wilson
from popdetect.study.analysis.estimates import CONFIDENCE

POWER = 0.80


def t_quantile(p: float, df: float) -> float:
    """Value that Student's t stays below with probability p."""
    return float(stdtrit(df, p))


def t_reach(df: float, confidence: float = CONFIDENCE) -> float:
    """How many standard errors the two-sided interval reaches to each side."""
    return t_quantile((1 + confidence) / 2, df)


def t_two_sided(t: float, df: float) -> float:
    """Chance of a t at least so far from 0, on either side."""
    return float(2 * stdtr(df, -abs(t)))


def t_above(t: float, df: float) -> float:
    """Chance of a t above this one."""
    return float(stdtr(df, -t))


def z_reach(confidence: float = CONFIDENCE) -> float:
    """As `t_reach`, of the normal distribution."""
    return float(ndtri((1 + confidence) / 2))


def newcombe(k1: int, n1: int, k2: int, n2: int) -> tuple[float, float]:
    """Interval of k1 / n1 - k2 / n2 from the two Wilson intervals; thrusts taken as independent."""
    share1, share2 = k1 / n1, k2 / n2
    (low1, high1), (low2, high2) = wilson(k1, n1), wilson(k2, n2)
    low = share1 - share2 - math.hypot(share1 - low1, high2 - share2)
    high = share1 - share2 + math.hypot(high1 - share1, share2 - low2)
    return low, high


def detectable(se: float, df: float, power: float = POWER) -> float:
    """The true difference that a two-sided t test at 5 % finds with this power, in the unit of `se`.

    The chance of a "significant" result in the wrong direction is not counted as power.
    """
    critical = t_reach(df)

    def beyond(shift: float) -> float:
        return float(1 - nctdtr(df, shift, critical)) - power

    # step by step, because scipy has no value for shifts far beyond the critical one
    high = critical
    while beyond(high) < 0:
        high *= 1.25
    return se * float(brentq(beyond, 0.0, high))


def lowest(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a function with one valley between `low` and `high` is lowest, to 1e-6."""
    return float(minimize_scalar(function, bounds=(low, high), method="bounded", options={"xatol": 1e-6}).x)
