"""The outcomes in words: the answer in three sentences, then the tables that carry it.

Three things are never written: that there is nothing where nothing was found, that a pop made anything happen, and a
figure without its uncertainty where that is known.
"""

from __future__ import annotations

import textwrap

from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.agreement import Agreement
from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.groups import Responders, Share
from popdetect.study.analysis.outcomes import Outcomes
from popdetect.study.analysis.regression import WORDS
from popdetect.study.analysis.relations import Speed
from popdetect.study.report.words import GROUP_NAMES as NAMES
from popdetect.study.report.words import SHORT_UNITS as _SHORT_UNIT
from popdetect.study.report.words import UNIT_WORDS, left_out_words
from popdetect.study.report.words import estimate_words as _estimate
from popdetect.study.report.words import interval as _interval
from popdetect.study.report.words import number as _number
from popdetect.study.report.words import p_value as _p

_WIDTH = 46


def as_text(outcomes: Outcomes) -> str:
    """Everything, for a terminal of 100 columns or more.

    Returns
    -------
    str
        Lines, ending in a newline; in English, decimal points.
    """
    o = outcomes
    lines = [
        f"{o.n_thrusts} thrusts of {o.n_patients} patients; pain in {UNIT_WORDS[o.scale]}.",
        "Negative is less pain: a change is after minus before, a difference is pop minus no pop.",
    ]
    if o.n_not_judged:
        lines.append(f"{o.n_not_judged} clips could not be judged and are left out below.")
    lines += _section("In short", [f"{i}. {sentence}" for i, sentence in enumerate(sentences(o), 1)])
    lines += _section("Pain by what was heard", _groups(o))
    lines += _section("Pain after, pop minus no pop", _differences(o))
    lines += _section("What this sample can tell", _verdict(o))
    lines += _section("Clearly better (share of thrusts that could reach it)", _responders(o))
    lines += _section("Number of pops (dose)", _dose(o))
    lines += _section("Does the pop matter more to those who think it must?", _belief(o))
    if o.speed:
        lines += _section("Thrust speed", _speed(o.speed, o.scale))
    lines += _section("Who heard the same", [line for pair in o.agreement for line in _agreement(pair)])
    lines += _section("How often it pops, and the detector's errors", _errors(o))
    lines += _section("To be kept in mind", [f"* {caveat}" for caveat in o.caveats])
    return "\n".join(lines) + "\n"


def sentences(outcomes: Outcomes) -> tuple[str, str, str]:
    """The answer: how large, how sure and against what margin, and what kind of knowledge it is."""
    return _how_large(outcomes), verdict(outcomes), _what_kind(outcomes)


def verdict(outcomes: Outcomes) -> str:
    """One of three: a difference shown, equivalence shown, or not shown either way."""
    found, unit, margin = outcomes.equivalence, _SHORT_UNIT[outcomes.scale], margin_words(outcomes)
    if found.conclusion is None:
        return f"Whether pops go with more or less relief was not shown either way: {found.why_not}."
    if found.conclusion == "difference":
        size = (
            f"it is smaller than the margin of {margin}"
            if found.within_margin
            else f"whether it reaches the margin of {margin} is open"
            if _reaches_into(outcomes)
            else f"it is larger than the margin of {margin}"
        )
        return f"A difference was shown (its 95 % interval does not hold 0), and {size}."
    if found.conclusion == "equivalence":
        return (
            f"Equivalence was shown for a margin of {margin}: the 90 % interval "
            f"({_interval(found.low, found.high, outcomes.scale)}) lies within it{_despite_errors(outcomes)}."
        )
    smallest = outcomes.power.detectable
    could = f"; this sample could have shown a difference of {_number(smallest, outcomes.scale)} {unit} (80 % power)"
    return (
        f"Not shown either way: the data fit both with 0 and with a difference beyond the margin of {margin}"
        f"{could if smallest is not None else ''}."
    )


def belief_sentence(outcomes: Outcomes) -> str:
    """The answer to "does the pop matter more to those who think it must?"."""
    found = outcomes.belief.interaction.estimate
    if found.low is None or found.high is None:
        return f"Whether the difference goes with belief cannot be said: {found.why_not}."
    if found.low > 0 or found.high < 0:
        return "The difference goes with belief in this sample; that, too, is an association."
    return "Whether the difference goes with belief was not shown either way."


def margin_words(outcomes: Outcomes) -> str:
    """The margin with its unit, such as ``1 point``."""
    margin, unit = outcomes.equivalence.margin, _SHORT_UNIT[outcomes.scale]
    return f"{margin:g} {unit.removesuffix('s') if margin == 1 else unit}"


def _how_large(o: Outcomes) -> str:
    main, unit = o.main, _SHORT_UNIT[o.scale]
    value = main.estimate.value
    if value is None:
        return f"Pain after thrusts with and without a pop could not be compared: {main.estimate.why_not}."
    held = f", {' and '.join(main.adjusted_for)} held equal" if main.adjusted_for else ""
    side = "lower" if value < 0 else "higher"
    return (
        f"After thrusts with a pop, pain was {_number(abs(value), o.scale)} {unit} {side} than after thrusts without "
        f"({_range(main.estimate, o.scale)}){held}; {main.n_pop} thrusts with and {main.n_no_pop} without, "
        f"{main.n_patients} patients."
    )


def _what_kind(o: Outcomes) -> str:
    if o.main.estimate.value is None:
        return "Even a difference would be an association: nobody was assigned to a pop by chance."
    said = "This is an association: nobody was assigned to a pop by chance"
    corrected = o.dilution.corrected
    if corrected.value is not None and corrected.low is not None:
        said += (
            f"; corrected for the detector's errors the difference is {_number(corrected.value, o.scale)} "
            f"({_interval(corrected.low, corrected.high, o.scale)})"
        )
    else:
        said += "; the detector's errors are not corrected for, and they usually make differences look smaller"
    return said + "."


def _despite_errors(o: Outcomes) -> str:
    """Errors of the detector make groups look alike: equivalence must hold corrected, or be told as one of labels."""
    low, high, margin = o.dilution.corrected.low, o.dilution.corrected.high, o.equivalence.margin
    if low is None or high is None:
        return ", as far as the detector's labels are right (errors make groups look alike)"
    return "" if -margin < low and high < margin else ", but no longer so once the detector's errors are corrected for"


def _reaches_into(o: Outcomes) -> bool:
    """Whether the interval of a shown difference holds the margin, on its side."""
    low, high, margin = o.main.estimate.low, o.main.estimate.high, o.equivalence.margin
    return low is not None and high is not None and min(abs(low), abs(high)) <= margin


def _groups(o: Outcomes) -> list[str]:
    lines = ["             thrusts  patients  scored  before   after  change (95 % interval)"]
    for group in o.groups:
        before, after = (_number(mean, o.scale) for mean in (group.mean_before, group.mean_after))
        counts = f"{group.n_thrusts:>7}{group.n_patients:>10}{group.n_scored:>8}"
        change, left_out = _estimate(group.change, o.scale), _left_out(group.left_out)
        lines.append(f"{NAMES[group.label]:<13}{counts}{before:>8}{after:>8}  {change}{left_out}")
    how = next((group.change.how for group in o.groups if group.change.how), "")
    return [*lines, f"Intervals of the changes know that patients repeat: {how.split(',')[0]}."] if how else lines


def _differences(o: Outcomes) -> list[str]:
    lines = []
    for made in (o.main, *o.others):
        lines.append(_line(made.title, made.estimate, o.scale) + (f"  n = {made.n}" if made.n else ""))
    lines.append(_line("Hedges' g of the change (pop - no pop)", o.hedges_g, "ratio"))
    return lines + _method(o.main)


def _method(made: Difference) -> list[str]:
    if made.model is None:
        return []
    lines = [f"Model of the first line: {WORDS[made.model]}; {made.why}."]
    lines.append(f"Adjusted for: {', '.join(made.adjusted_for) or 'nothing'}.")
    if made.left_out:
        lines.append("Left out: " + ", ".join(f"{n} ({reason})" for reason, n in made.left_out.items()) + ".")
    return lines + [f"Note: {note}." for note in made.notes]


def _verdict(o: Outcomes) -> list[str]:
    found, unit = o.equivalence, _SHORT_UNIT[o.scale]
    lines = [verdict(o)]
    if found.p is not None:
        lines.append(
            f"Two one-sided tests against ±{margin_words(o)}: p {_p(found.p)}, 90 % interval "
            f"{_interval(found.low, found.high, o.scale)}."
        )
    if o.power.detectable is not None:
        needed = f"; about {o.power.thrusts_for_margin} thrusts of this kind would show one of {margin_words(o)}"
        lines.append(
            f"Smallest true difference found with 80 % power: {_number(o.power.detectable, o.scale)} {unit}{needed}."
        )
    return lines


def _responders(o: Outcomes) -> list[str]:
    lines = []
    for made in o.responders:
        lines += [_share(f"{made.mark} less, {name}", own.k, own.n, own.share) for name, own in _both(made)]
        lines.append(_line("    pop minus no pop", made.difference, "share") + _left_out(made.left_out))
    how = next((own.share.how for made in o.responders for _, own in _both(made) if own.share.how), "")
    return [*lines, f"Intervals of the shares: {how}."] if how else lines


def _both(made: Responders) -> list[tuple[str, Share]]:
    return [("pop", made.pop), ("no pop", made.no_pop)]


def _share(title: str, k: int, n: int, share: Estimate) -> str:
    return _line(title, share, "share") + (f"  {k} of {n}" if n else "")


def _dose(o: Outcomes) -> list[str]:
    lines = [_line(made.title, made.estimate, o.scale) for made in (o.dose.per_pop, o.dose.per_further_pop)]
    counts = ", ".join(f"{pops}: {n}" for pops, n in o.dose.thrusts_by_pops.items())
    return [
        *lines,
        f"Thrusts by number of pops: {counts or 'none'}; the count is the least sure thing the detector says.",
    ]


def _belief(o: Outcomes) -> list[str]:
    made = o.belief
    lines = [_line("change of the difference per point of belief", made.interaction.estimate, o.scale)]
    if made.interaction.estimate.value is not None:
        lines.append(_line("difference at belief 1 (not at all needed)", made.at_1, o.scale))
        lines.append(_line("difference at belief 5 (surely needed)", made.at_5, o.scale))
    return [*lines, belief_sentence(o)] if made.interaction.estimate.low is not None else lines


def _speed(made: Speed, scale: str) -> list[str]:
    per = f"per {made.unit}" if made.unit else "per unit"
    lines = [_line(f"odds ratio of a pop {per}", made.odds_ratio, "ratio")]
    if made.sd is not None:
        lines.append(_line(f"    per standard deviation ({made.sd:.3g})", made.odds_ratio_per_sd, "ratio"))
    return [*lines, _line("difference in pain, speed held equal", made.difference.estimate, scale)]


def _agreement(made: Agreement) -> list[str]:
    yes, no = made.table["yes"], made.table["no"]
    lines = [
        f"{made.first} and {made.second}: yes/yes {yes['yes']}, yes/no {yes['no']}, no/yes {no['yes']}, "
        f"no/no {no['no']}; unsure {made.n_unsure}, not asked {made.n_not_asked}"
    ]
    if made.n:
        lines.append(_line("    kappa", made.kappa, "ratio"))
        lines.append(_line("    agreement on yes", made.positive, "share"))
        lines.append(_line("    agreement on no", made.negative, "share"))
    return lines


def _errors(o: Outcomes) -> list[str]:
    made, diluted = o.prevalence, o.dilution
    lines = [_share("called pop, of the decided clips", made.n_pop, made.n, made.apparent)]
    lines.append(_line("corrected for the detector's errors", made.corrected, "share"))
    if made.cut:
        lines.append("    cut at the end of the scale: the errors alone could explain what was heard")
    if made.sensitivity.value is not None:
        lines.append(_line("sensitivity, as given", made.sensitivity, "share"))
        lines.append(_line("specificity, as given", made.specificity, "share"))
    lines.append(_line("what errors leave of a true difference", diluted.factor, "share"))
    lines.append(_line("adjusted difference, corrected for errors", diluted.corrected, o.scale))
    if diluted.ppv is not None:
        lines.append("The correction assumes errors that know nothing of pain, patient or expectation.")
    return lines


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", title, *(wrapped for line in lines for wrapped in _wrapped(line))]


def _wrapped(line: str) -> list[str]:
    """Sentences in lines of 100; a row of a table, told by its wide gaps, stays whole."""
    if "  " in line:
        return [f"  {line}"]
    return textwrap.wrap(line, 100, initial_indent="  ", subsequent_indent="     ", break_on_hyphens=False)


def _line(title: str, estimate: Estimate, kind: str) -> str:
    return f"{title:<{_WIDTH}} {_estimate(estimate, kind)}"


def _range(estimate: Estimate, scale: str) -> str:
    low, high = estimate.low, estimate.high
    if low is None or high is None:
        return estimate.why_not
    return f"95 % interval of the difference {_interval(low, high, scale)}"


def _left_out(left_out: dict[str, int]) -> str:
    return f"  (left out: {left_out_words(left_out)})" if left_out else ""
