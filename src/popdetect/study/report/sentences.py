"""The outcomes in sentences, and the wording of their figures: numbers, intervals, p values and estimates.

Three rules: the text never says that there is nothing if nothing was found; it never says that a pop caused anything;
a figure is given with its uncertainty if that is known. Shares are whole per cent, VAS100 has one decimal, everything
else two. For a missing figure the reason is given.
"""

from __future__ import annotations

from typing import Final

from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.outcomes import Outcomes

GROUP_NAMES: Final = {"pop": "pop", "no_pop": "no pop", "uncertain": "uncertain"}
SHORT_UNITS: Final = {"NPRS": "points", "VAS100": "mm"}
UNIT_WORDS: Final = {"NPRS": "points (NPRS, 0 to 10)", "VAS100": "mm (VAS, 0 to 100)"}


def estimate_words(estimate: Estimate, kind: str) -> str:
    """Return value, interval and p value, or the reason why there is none; `kind` as for `number`."""
    if estimate.value is None:
        return f"not given: {estimate.why_not}"
    value = number(estimate.value, kind)
    if estimate.low is None:
        return f"{value} ({estimate.why_not})"
    p = f"  p {p_value(estimate.p)}" if estimate.p is not None else ""
    return f"{value} ({interval(estimate.low, estimate.high, kind)}){p}"


def interval(low: float | None, high: float | None, kind: str) -> str:
    """Return both limits."""
    return f"{number(low, kind)} to {number(high, kind)}"


def number(value: float | None, kind: str) -> str:
    """Return one figure, a dash if there is none; `kind` is ``share``, ``ratio``, ``NPRS`` or ``VAS100``."""
    if value is None:
        return "-"
    if kind == "share":
        return f"{100 * value:.0f} %"
    return f"{value:z.1f}" if kind == "VAS100" else f"{value:z.2f}"


def p_value(p: float) -> str:
    """Return a p value with its sign: ``= 0.012``, ``< 0.001``."""
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"


def counted(n: int, thing: str) -> str:
    """Return a number with its noun, such as ``1 thrust`` or ``2 thrusts``."""
    return f"{n} {thing}{'' if n == 1 else 's'}"


def left_out_words(left_out: dict[str, int] | None) -> str:
    """Return the number for each reason."""
    return ", ".join(f"{n} {reason}" for reason, n in (left_out or {}).items() if n)


def sentences(outcomes: Outcomes) -> tuple[str, str, str]:
    """Return the answer in three sentences: the difference, the conclusion about the margin, the kind of evidence."""
    return _how_large(outcomes), verdict(outcomes), _what_kind(outcomes)


def verdict(o: Outcomes) -> str:
    """Return the conclusion: a difference shown, equivalence shown, or not shown either way."""
    found, margin = o.equivalence, margin_words(o)
    if found.conclusion is None:
        return f"Whether pops are associated with more or less relief was not shown either way: {found.why_not}."
    if found.conclusion == "difference":
        low, high = o.main.estimate.low, o.main.estimate.high
        if found.within_margin:
            size = f"it is smaller than the margin of {margin}"
        elif low is not None and high is not None and min(abs(low), abs(high)) <= found.margin:
            size = f"whether it reaches the margin of {margin} is open"
        else:
            size = f"it is larger than the margin of {margin}"
        return f"A difference was shown (its 95 % interval does not hold 0), and {size}."
    if found.conclusion == "equivalence":
        return (
            f"Equivalence was shown for a margin of {margin}: the 90 % interval "
            f"({interval(found.low, found.high, o.scale)}) lies within it{_despite_errors(o)}."
        )
    smallest = f"{number(o.power.detectable, o.scale)} {SHORT_UNITS[o.scale]} (80 % power)"
    could = "" if o.power.detectable is None else f"; this sample could have shown a difference of {smallest}"
    return (
        "Not shown either way: the data are compatible with 0 and with a difference beyond the margin of "
        f"{margin}{could}."
    )


def belief_sentence(outcomes: Outcomes) -> str:
    """Return whether the difference depends on the belief that a pop is needed."""
    found = outcomes.belief.interaction.estimate
    if found.low is None or found.high is None:
        return f"Whether the difference is related to belief is not known: {found.why_not}."
    if found.low > 0 or found.high < 0:
        return "In this sample the difference is related to belief; this, too, is an association."
    return "Whether the difference is related to belief was not shown either way."


def margin_words(outcomes: Outcomes) -> str:
    """Return the margin with its unit, such as ``1 point``."""
    margin, unit = outcomes.equivalence.margin, SHORT_UNITS[outcomes.scale]
    return f"{margin:g} {unit.removesuffix('s') if margin == 1 else unit}"


def adjusted_words(main: Difference) -> str:
    """Return what a difference is adjusted for, after a comma; empty if it is for nothing."""
    return f", adjusted for {' and '.join(main.adjusted_for)}" if main.adjusted_for else ""


def _how_large(o: Outcomes) -> str:
    main, value, low = o.main, o.main.estimate.value, o.main.estimate.low
    if value is None:
        return f"Pain after thrusts with and without a pop could not be compared: {main.estimate.why_not}."
    limits = f"95 % interval of the difference {interval(low, main.estimate.high, o.scale)}"
    return (
        f"After thrusts with a pop, pain was {number(abs(value), o.scale)} {SHORT_UNITS[o.scale]} "
        f"{'lower' if value < 0 else 'higher'} than after thrusts without "
        f"({main.estimate.why_not if low is None else limits}){adjusted_words(main)}; {main.n_pop} thrusts with and "
        f"{main.n_no_pop} without, {main.n_patients} patients."
    )


def _what_kind(o: Outcomes) -> str:
    if o.main.estimate.value is None:
        return "A difference would be an association, not an effect: nobody was assigned to a pop by chance."
    made = o.dilution.corrected
    corrected = "the detector's errors are not corrected for, and they usually make differences look smaller"
    if made.value is not None and made.low is not None:
        limits = interval(made.low, made.high, o.scale)
        corrected = f"corrected for the detector's errors the difference is {number(made.value, o.scale)} ({limits})"
    return f"This is an association: nobody was assigned to a pop by chance; {corrected}."


def _despite_errors(o: Outcomes) -> str:
    """Qualify equivalence: wrong verdicts make groups similar, so it should hold for the corrected difference, too."""
    low, high, margin = o.dilution.corrected.low, o.dilution.corrected.high, o.equivalence.margin
    if low is None or high is None:
        return ", if the detector's verdicts are right (wrong verdicts make the groups similar)"
    return "" if -margin < low and high < margin else ", but the interval corrected for the detector's errors does not"
