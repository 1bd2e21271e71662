"""The outcomes in sentences, and the wording of their figures: numbers, intervals, p values and estimates.

Three rules: the text never says that there is nothing if nothing was found; it never says that a pop caused anything;
a figure is given with its uncertainty if that is known. Shares are whole per cent, VAS100 has one decimal, everything
else two. For a missing figure the reason is given.
"""

from __future__ import annotations

import re
from typing import Final

from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.columns import UNITS
from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.outcomes import Outcomes

GROUP_NAMES: Final = {"pop": "pop", "no_pop": "no pop", "uncertain": "uncertain"}
SHORT_UNITS: Final = {"NPRS": "points", "VAS100": "mm"}
UNIT_WORDS: Final = {"NPRS": "points (NPRS, 0 to 10)", "VAS100": "mm (VAS, 0 to 100)"}
IMPORTANT: Final = 2.0  # NPRS points: the minimal clinically important difference that is quoted most (Farrar 2001)

# the thrusts that are counted, not phrases about thrusts in general
_COUNTED_THRUSTS: Final = re.compile(
    r"(?<!single )(?<!several )(?<!number of the )(?<!after one )\b([Tt]hrust)(s?)\b(?! speed)(?!'s number)"
)


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


def in_units(words: str, o: Outcomes) -> str:
    """Return a text of the analysis about thrusts; where the unit of analysis is the session, about sessions."""
    return words if o.unit == "thrust" else _COUNTED_THRUSTS.sub(_session, words)


def _session(found: re.Match[str]) -> str:
    return ("Session" if found[1] == "Thrust" else "session") + found[2]


def sentences(outcomes: Outcomes) -> tuple[str, str, str]:
    """Return the answer in three sentences: the difference, the conclusion about the margin, the kind of evidence."""
    return in_units(_how_large(outcomes), outcomes), verdict(outcomes), _what_kind(outcomes)


def verdict(o: Outcomes) -> str:
    """Return the conclusion: a difference shown, equivalence shown, or not shown either way.

    No conclusion contradicts the interval that is corrected for the detector's errors, where there is one.
    """
    found, margin = o.equivalence, margin_words(o)
    if found.conclusion is None:
        why_not = in_units(found.why_not, o)
        return f"Whether pops are associated with more or less relief was not shown either way: {why_not}."
    if found.conclusion == "difference":
        if found.within_margin:
            size = f"it is smaller than the margin of {margin}"
        elif _all_beyond_margin(o):
            size = f"it is larger than the margin of {margin}"
        else:
            size = f"whether it reaches the margin of {margin} is open"
        made = o.dilution.corrected
        holds_0 = made.low is not None and made.high is not None and made.low <= 0 <= made.high
        errors = ", but the interval corrected for the detector's errors does" if holds_0 else ""
        return f"A difference was shown (its 95 % interval does not hold 0{errors}), and {size}."
    if found.conclusion == "equivalence":
        errors = ""
        if o.dilution.corrected.value is None:
            errors = ", if the detector's verdicts are right (wrong verdicts make the groups similar)"
        return (
            f"Equivalence was shown for a margin of {margin}: the 90 % interval "
            f"({interval(found.low, found.high, o.scale)}) lies within it{errors}."
        )
    smallest = f"{number(o.power.detectable, o.scale)} {SHORT_UNITS[o.scale]} (80 % power)"
    could = "" if o.power.detectable is None else f"; this sample could have shown a difference of {smallest}"
    return (
        "Not shown either way: the data are compatible with 0 and with a difference beyond the margin of "
        f"{margin}{could}."
    )


def _all_beyond_margin(o: Outcomes) -> bool:
    """Whether the 95 % interval, and the corrected one if there is a correction, lie beyond the margin."""
    intervals = [o.main.estimate, *([o.dilution.corrected] if o.dilution.corrected.value is not None else [])]
    return all(
        one.low is not None
        and one.high is not None
        and (one.low > o.equivalence.margin or one.high < -o.equivalence.margin)
        for one in intervals
    )


def margin_note(o: Outcomes) -> str:
    """Return what the margin means, beside the change that matters to a patient, and when it was chosen."""
    important = IMPORTANT * UNITS[o.scale]
    known = f"about {important:g} {SHORT_UNITS[o.scale]}, or 30 %"
    chosen = "as given to this run; when it was chosen is not recorded"
    if o.planned is not None and not any(one.startswith("margin") for one in o.planned.deviations):
        chosen = f"as in the plan of {o.planned.made}"
    text = (
        f"The margin is the largest difference that would not matter ({chosen}). For comparison: the smallest change "
        f"that is important to a patient is {known} (Farrar 2001; found in courses of treatment, not after one thrust)."
    )
    share = o.equivalence.margin / important
    if share >= 1:
        return f"{text} The margin is not below it, so equivalence would not exclude a difference that matters."
    part = "half" if share == 0.5 else f"{100 * share:.0f} %"
    return f"{text} The margin of {margin_words(o)} is {part} of it."


def belief_sentence(outcomes: Outcomes) -> str:
    """Return whether the difference depends on the belief that a pop is needed, in points and in per cent."""
    found = outcomes.belief.interaction.estimate
    if found.low is None or found.high is None:
        return f"Whether the difference is related to belief is not known: {in_units(found.why_not, outcomes)}."
    points, per_cent = _sign(found), _sign(outcomes.belief.relative)
    if points == per_cent == 0:
        return "Whether the difference is related to belief was not shown either way."
    if points == per_cent:
        return (
            "In this sample the difference is related to belief, in points and in per cent of pain before; this, too, "
            "is an association."
        )
    if points and per_cent:
        seen = "In points and in per cent of pain before, the relation to belief has opposite directions."
    else:
        shown, other = ("points", "per cent of pain before") if points else ("per cent of pain before", "points")
        seen = f"The difference is related to belief in {shown}, but this was not shown in {other}."
    return (
        f"{seen} The two scales disagree, so a relation to belief was not shown: a pop that takes the same share of "
        "pain from everybody takes more points from those who hurt more, whatever they believe."
    )


def _sign(estimate: Estimate) -> int:
    """1 or -1 if the interval lies above or below 0, else 0."""
    if estimate.low is None or estimate.high is None:
        return 0
    return int(estimate.low > 0) - int(estimate.high < 0)


def split_sentence(main: Difference) -> str:
    """Return in plain words whether patients are compared with themselves or with each other."""
    if main.is_within:
        return (
            "Within patients: thrusts of the same patient are compared with each other, so nothing that stays the same "
            "in a patient can explain the difference. Between patients: those who pop more are compared with those who "
            "pop less; that difference can have many other reasons. The answer is the one within patients."
        )
    return (
        "The answer compares patients with other patients: too few patients had both a pop and a thrust without one. "
        "Whatever else differs between patients who pop and others can explain it."
    )


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
    limits = main.estimate.why_not
    if low is not None:
        limits = f"95 % interval of the difference {interval(low, main.estimate.high, o.scale)}"
    size, unit = number(abs(value), o.scale), SHORT_UNITS[o.scale]
    whose = " of the same patient" if main.is_within else ""
    if float(size) == 0:
        compared = f"After thrusts with a pop, pain was on average no different ({size} {unit}) from pain after thrusts"
    else:
        direction = "lower" if value < 0 else "higher"
        compared = f"After thrusts with a pop, pain was {size} {unit} {direction} than after thrusts"
    return (
        f"{compared}{whose} without ({limits}){adjusted_words(main)}; {main.n_pop} thrusts with and {main.n_no_pop} "
        f"without, {main.n_patients} patients."
    )


def _what_kind(o: Outcomes) -> str:
    if o.main.estimate.value is None:
        return "A difference would be an association, not an effect: nobody was assigned to a pop by chance."
    made = o.dilution.corrected
    corrected = (
        "the detector's errors are not corrected for (if there is a difference and errors do not depend on pain, it "
        "looks smaller on average; errors tied to pain can go either way)"
    )
    if made.value is not None and made.low is not None:
        limits = interval(made.low, made.high, o.scale)
        corrected = f"corrected for the detector's errors the difference is {number(made.value, o.scale)} ({limits})"
    return f"This is an association: nobody was assigned to a pop by chance; {corrected}."
