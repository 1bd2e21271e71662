"""An estimate with its 95 % interval, or the reason in words why there is none.

Nothing here is ever NaN: what cannot be known is None, and `why_not` says why. Units are those of the figure.
"""

from __future__ import annotations

from dataclasses import dataclass

CONFIDENCE = 0.95


class TooLittle(ValueError):
    """The data cannot carry a figure; the message is the reason, ready to be printed."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure, how sure it is, and how that is known.

    Attributes
    ----------
    value : float or None
    low, high : float or None
        The 95 % interval; None where none can be given.
    p : float in [0, 1], or None
        Two-sided, of "the value is 0" (for ratios, 1); None where no test was made.
    how : str
        How the interval was made, and whether it knows that thrusts of one patient resemble each other.
    why_not : str
        Why the value, or the interval, is missing; else empty.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    how: str = ""
    why_not: str = ""

    def scaled(self, unit: float) -> Estimate:
        """The same in units that are `unit` times smaller (> 0): 10 turns NPRS points into millimetres of VAS."""
        value, low, high = (None if edge is None else edge * unit for edge in (self.value, self.low, self.high))
        return Estimate(value, low, high, self.p, self.how, self.why_not)


def missing(reason: str | Exception) -> Estimate:
    """No figure, for this reason."""
    return Estimate(why_not=str(reason))
