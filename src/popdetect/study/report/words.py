"""Figures in words: how a number, an interval, a p value and an estimate are written wherever people read them.

Shares are whole per cent, VAS100 has one decimal, everything else two. A missing figure is told with its reason.
"""

from __future__ import annotations

from typing import Final

from popdetect.study.analysis.estimates import Estimate

GROUP_NAMES: Final = {"pop": "pop", "no_pop": "no pop", "uncertain": "uncertain"}
SHORT_UNITS: Final = {"NPRS": "points", "VAS100": "mm"}
UNIT_WORDS: Final = {"NPRS": "points (NPRS, 0 to 10)", "VAS100": "mm (VAS, 0 to 100)"}


def estimate_words(estimate: Estimate, kind: str) -> str:
    """Value, interval and p value, or why not.

    Parameters
    ----------
    kind : {"share", "ratio", "NPRS", "VAS100"}
    """
    if estimate.value is None:
        return f"not given: {estimate.why_not}"
    value = number(estimate.value, kind)
    if estimate.low is None:
        return f"{value} ({estimate.why_not})"
    return f"{value} ({interval(estimate.low, estimate.high, kind)})" + (
        f"  p {p_value(estimate.p)}" if estimate.p is not None else ""
    )


def interval(low: float | None, high: float | None, kind: str) -> str:
    """Both ends."""
    return f"{number(low, kind)} to {number(high, kind)}"


def number(value: float | None, kind: str) -> str:
    """One figure; a dash where there is none."""
    if value is None:
        return "-"
    if kind == "share":
        return f"{100 * value:.0f} %"
    text = f"{value:.1f}" if kind == "VAS100" else f"{value:.2f}"
    return text.removeprefix("-") if float(text) == 0 else text


def p_value(p: float) -> str:
    """With its sign: ``= 0.012``, ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def left_out_words(left_out: dict[str, int] | None) -> str:
    """How many for each reason."""
    return ", ".join(f"{n} {reason}" for reason, n in (left_out or {}).items() if n)
