"""Every figure of the outcomes as tables for a page: the same objects that the text and the JSON are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.outcomes import Outcomes
from popdetect.study.analysis.regression import WORDS
from popdetect.study.report.text import belief_sentence, margin_words, verdict
from popdetect.study.report.words import GROUP_NAMES, UNIT_WORDS, interval, left_out_words, number, p_value

FIGURES = ("figure", "value", "95 % interval", "p", "thrusts", "how it is known, or why not")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: the first cell of each row names it.

    Attributes
    ----------
    name : str
        Letters and strokes, unique in the report.
    caption : str
    columns : tuple of str
    rows : tuple of tuple of str
    notes : tuple of str
        Sentences below it.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()


def sheets(o: Outcomes) -> tuple[Sheet, ...]:
    """All of them, in the order of a reader's questions."""
    made = [_groups(o), _differences(o), _verdict(o), _responders(o), _dose(o), _belief(o)]
    if o.speed is not None:
        made.append(_speed(o))
    return (*made, _agreement_counts(o), _agreement(o), _errors(o))


def _groups(o: Outcomes) -> Sheet:
    columns = (
        "what was heard", "thrusts", "patients", "scored", "patients scored", "mean before", "mean after",
        "mean change", "95 % interval", "SD of changes",
    )  # fmt: skip
    rows, notes = [], ["Change is after minus before: below 0 is less pain. Scored: with pain before and after."]
    for g in o.groups:
        counts = (g.n_thrusts, g.n_patients, g.n_scored, g.n_scored_patients)
        means = (g.mean_before, g.mean_after, g.change.value)
        pain = (*(number(mean, o.scale) for mean in means), _between(g.change, o.scale), number(g.sd_change, o.scale))
        name = GROUP_NAMES[g.label]
        rows.append((name, *map(str, counts), *pain))
        notes += [f"{name.capitalize()}: left out: {left_out_words(g.left_out)}."] if g.left_out else []
        how = [part for part in (g.change.how, g.change.why_not) if part]
        notes += [f"{name.capitalize()}: interval of the change: {'; '.join(how)}."] if how else []
    return Sheet("groups", f"Pain by what was heard, in {UNIT_WORDS[o.scale]}", columns, tuple(rows), tuple(notes))


def _differences(o: Outcomes) -> Sheet:
    all_of_them = (o.main, *o.others)
    rows = [_figure(made.title, made.estimate, o.scale, _counts(made)) for made in all_of_them]
    rows.append(_figure("Hedges' g of the change (pop minus no pop)", o.hedges_g, "ratio"))
    caption = f"Pain after, pop minus no pop, in {UNIT_WORDS[o.scale]}"
    notes = ("Below 0 is less pain after a pop. The first line is the answer.", *_details(all_of_them))
    return Sheet("differences", caption, FIGURES, tuple(rows), notes)


def _details(made: Sequence[Difference]) -> list[str]:
    lines = []
    for one in made:
        if one.model is None:
            continue
        said = [f"{WORDS[one.model]}, because of {one.why}", f"adjusted for {', '.join(one.adjusted_for) or 'nothing'}"]
        if one.n_no_pop:
            said.append(f"{one.n_pop} thrusts with and {one.n_no_pop} without a pop, {one.n_patients} patients")
        if one.se is not None and one.df is not None:
            said.append(f"standard error {one.se:.3g}, {one.df:g} degrees of freedom")
        if one.patient_share is not None:
            said.append(f"{100 * one.patient_share:.0f} % of the remaining variance lies between patients")
        if one.left_out:
            said.append(f"left out: {left_out_words(one.left_out)}")
        lines.append(f"{one.title[0].upper()}{one.title[1:]}: {'; '.join([*said, *one.notes])}.")
    return lines


def _verdict(o: Outcomes) -> Sheet:
    found, power = o.equivalence, o.power
    margin = margin_words(o)
    rows = [
        ("conclusion", verdict(o)),
        ("90 % interval of the adjusted difference", interval(found.low, found.high, o.scale) if found.low is not None
         else f"not given: {found.why_not}"),
        (f"two one-sided tests against ±{margin}", f"p {p_value(found.p)}" if found.p is not None
         else f"not given: {found.why_not}"),
        ("smallest true difference found with 80 % power", number(power.detectable, o.scale)
         if power.detectable is not None else f"not given: {power.why_not}"),
        (f"thrusts of this kind that would show a difference of {margin}", f"about {power.thrusts_for_margin}"
         if power.thrusts_for_margin is not None else f"not given: {power.why_not}"),
    ]  # fmt: skip
    return Sheet(
        "verdict", f"What this sample can tell, against a margin of {margin}", ("figure", "value"), tuple(rows)
    )


def _responders(o: Outcomes) -> Sheet:
    rows = []
    for made in o.responders:
        for name, own in (("pop", made.pop), ("no pop", made.no_pop)):
            rows.append(_figure(f"{made.mark} less, {name}", own.share, "share", f"{own.k} of {own.n}"))
        rows.append(_figure(f"{made.mark} less, pop minus no pop", made.difference, "share"))
    notes = [f"{made.mark}: left out: {left_out_words(made.left_out)}." for made in o.responders if made.left_out]
    notes.append("These marks were made for courses of treatment, not for the minutes after one thrust.")
    return Sheet(
        "responders", "Clearly better: share of the thrusts that could reach it", FIGURES, tuple(rows), tuple(notes)
    )


def _dose(o: Outcomes) -> Sheet:
    both = (o.dose.per_pop, o.dose.per_further_pop)
    rows = [
        _figure(f"difference in pain after, {made.title}", made.estimate, o.scale, str(made.n or "")) for made in both
    ]
    counts = ", ".join(f"{pops}: {n}" for pops, n in o.dose.thrusts_by_pops.items()) or "none"
    notes = (
        f"Thrusts by number of pops: {counts}. The count is the least sure thing the detector says.",
        *_details(both),
    )
    return Sheet("dose-figures", "Number of pops (dose)", FIGURES, tuple(rows), notes)


def _belief(o: Outcomes) -> Sheet:
    made = o.belief
    rows = (
        _figure(
            "change of the difference per point of belief",
            made.interaction.estimate,
            o.scale,
            _counts(made.interaction),
        ),
        _figure("difference at belief 1 (not at all needed)", made.at_1, o.scale),
        _figure("difference at belief 5 (surely needed)", made.at_5, o.scale),
    )
    notes = (belief_sentence(o), *_details((made.interaction,)))
    return Sheet("belief", "Does the pop matter more to those who think it must?", FIGURES, rows, notes)


def _speed(o: Outcomes) -> Sheet:
    made = o.speed
    assert made is not None
    per = f"per {made.unit}" if made.unit else "per unit"
    sd = f" ({made.sd:.3g})" if made.sd is not None else ""
    rows = (
        _figure(f"odds ratio of a pop {per}", made.odds_ratio, "ratio", str(made.n or "")),
        _figure(f"odds ratio of a pop per standard deviation{sd}", made.odds_ratio_per_sd, "ratio", str(made.n or "")),
        _figure(made.difference.title, made.difference.estimate, o.scale, _counts(made.difference)),
    )
    left_out = (f"Left out of the odds ratio: {left_out_words(made.left_out)}.",) if made.left_out else ()
    return Sheet("speed", "Thrust speed", FIGURES, rows, (*left_out, *_details((made.difference,))))


def _agreement_counts(o: Outcomes) -> Sheet:
    columns = (
        "pair", "both yes", "first yes, second no", "first no, second yes", "both no", "one or both unsure",
        "not asked", "patients",
    )  # fmt: skip
    rows = []
    for pair in o.agreement:
        yes, no = pair.table["yes"], pair.table["no"]
        counts = (yes["yes"], yes["no"], no["yes"], no["no"], pair.n_unsure, pair.n_not_asked, pair.n_patients)
        rows.append((f"{pair.first} and {pair.second}", *map(str, counts)))
    return Sheet("heard-counts", "Who heard a pop: counts of thrusts", columns, tuple(rows))


def _agreement(o: Outcomes) -> Sheet:
    rows = []
    for pair in o.agreement:
        for name, made, kind in (
            ("kappa", pair.kappa, "ratio"),
            ("agreement on yes", pair.positive, "share"),
            ("agreement on no", pair.negative, "share"),
        ):
            rows.append(_figure(f"{pair.first} and {pair.second}: {name}", made, kind, str(pair.n)))
    note = (
        "Kappa is agreement beyond chance. It falls when nearly all thrusts pop, however well two listeners agree; so "
        "the agreement on yes and on no stand beside it."
    )
    return Sheet("agreement-figures", "How well they agree", FIGURES, tuple(rows), (note,))


def _errors(o: Outcomes) -> Sheet:
    made, diluted = o.prevalence, o.dilution
    rows = (
        _figure("called pop, of the decided clips", made.apparent, "share", f"{made.n_pop} of {made.n}"),
        _figure("share of pops, corrected for the detector's errors", made.corrected, "share"),
        _figure("sensitivity, as given", made.sensitivity, "share"),
        _figure("specificity, as given", made.specificity, "share"),
        _figure("what errors leave of a true difference", diluted.factor, "share"),
        _figure("adjusted difference, corrected for errors", diluted.corrected, o.scale),
    )
    notes = []
    if made.n_effective is not None:
        notes.append(f"As patients repeat, the decided clips are worth {made.n_effective:.0f} independent ones.")
    if made.cut:
        notes.append("Cut at the end of the scale: the errors alone could explain what was heard.")
    if diluted.ppv is not None and diluted.npv is not None:
        notes.append(
            f"In these thrusts {100 * diluted.ppv:.0f} % of the clips called pop, and {100 * diluted.npv:.0f} % of "
            "those called no pop, would be so. The correction assumes errors that know nothing of pain, patient or "
            "expectation."
        )
    return Sheet("errors", "How often it pops, and the detector's errors", FIGURES, rows, tuple(notes))


def _figure(name: str, made: Estimate, kind: str, n: str = "") -> tuple[str, ...]:
    if made.value is None:
        return (name, "not given", "", "", n, made.why_not)
    why = "; ".join(part for part in (made.how, made.why_not) if part)
    p = p_value(made.p).removeprefix("= ") if made.p is not None else ""
    return (name, number(made.value, kind), _between(made, kind), p, n, why)


def _between(made: Estimate, kind: str) -> str:
    return interval(made.low, made.high, kind) if made.low is not None else "none"


def _counts(made: Difference) -> str:
    if not made.n:
        return ""
    return str(made.n)
