"""Tables of the outcomes for the report's page and for the terminal, and the flow of thrusts through the study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.columns import columns_of, complete, decided, scored
from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.outcomes import Outcomes
from popdetect.study.analysis.regression import WORDS
from popdetect.study.analysis.relations import Speed
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.analysis.units import Units
from popdetect.study.fields import FIELDS as STUDY_FIELDS
from popdetect.study.journal.journal import Replaced
from popdetect.study.report.sentences import (
    GROUP_NAMES,
    SHORT_UNITS,
    UNIT_WORDS,
    belief_sentence,
    in_units,
    interval,
    left_out_words,
    margin_note,
    margin_words,
    number,
    p_value,
    split_sentence,
    verdict,
)

FIGURES = ("figure", "value", "95 % interval", "p", "thrusts", "how it was computed, or why not")
EXPLORATORY = (
    "in about one of three simulated studies without any difference, at least one of 14 such intervals does not hold 0"
)
_GROUPS = {"pop": "pop", "no pop": "no_pop", "uncertain": "uncertain", "not judged": None}


class EstimateRow(NamedTuple):
    """One figure of the outcomes: its name, the estimate, its kind (as `number` takes it), and counts."""

    name: str
    estimate: Estimate
    kind: str
    n: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table; the first cell of each row is its name.

    Attributes
    ----------
    name : str
        Letters and hyphens, unique in the report.
    notes, details : sequence of str
        Sentences below it; the details are in the page only, not in the terminal's text.
    figures : sequence of EstimateRow
        The figures of which the rows are made; empty for other tables.
    """

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    details: Sequence[str] = ()
    figures: Sequence[EstimateRow] = ()


def sheets(o: Outcomes) -> list[Sheet]:
    """Return all tables of figures, in the order of the report."""
    made = [_groups(o), _differences(o), _conclusion(o), _responders(o), _dose(o), _belief(o)]
    made += [_alternatives(o)] if o.alternatives else []
    made += [_speed(o.speed, o.scale)] if o.speed is not None else []
    return [*(_of_units(sheet, o) for sheet in made), _agreement_counts(o), _agreement(o), _errors(o)]


def _of_units(sheet: Sheet, o: Outcomes) -> Sheet:
    """The same table, about sessions where these are the unit of analysis."""
    if o.unit == "thrust":
        return sheet

    def words(texts: Sequence[str]) -> list[str]:
        return [in_units(text, o) for text in texts]

    figures = [
        EstimateRow(
            in_units(name, o), replace(made, how=in_units(made.how, o), why_not=in_units(made.why_not, o)), kind, n
        )
        for name, made, kind, n in sheet.figures
    ]
    return replace(
        sheet, caption=in_units(sheet.caption, o), columns=words(sheet.columns),
        rows=[words(row) for row in sheet.rows], notes=words(sheet.notes), details=words(sheet.details),
        figures=figures,
    )  # fmt: skip


def _groups(o: Outcomes) -> Sheet:
    columns = (
        "verdict", "thrusts", "patients", "scored", "patients scored", "before", "after", "change", "95 % interval",
        "SD of change",
    )  # fmt: skip
    rows, details = [], []
    for g in o.groups:
        counts = (g.n_thrusts, g.n_patients, g.n_scored, g.n_scored_patients)
        means = (g.mean_before, g.mean_after, g.change.value)
        pain = (*(number(mean, o.scale) for mean in means), _limits(g.change, o.scale), number(g.sd_change, o.scale))
        name = GROUP_NAMES[g.label]
        rows.append((name, *map(str, counts), *pain))
        details += [f"{name.capitalize()}: left out: {left_out_words(g.left_out)}."] if g.left_out else []
        how = [part for part in (g.change.how, g.change.why_not) if part]
        details += [f"{name.capitalize()}: interval of the change: {'; '.join(how)}."] if how else []
    notes = (
        "Means of pain. Change is after minus before: below 0 is less pain. Scored: with pain before and after. "
        "Intervals allow for repeated patients.",
    )
    caption = f"Pain by the detector's verdict, in {UNIT_WORDS[o.scale]}"
    return Sheet("groups", caption, columns, rows, notes, details)


def _differences(o: Outcomes) -> Sheet:
    figures = [_adjusted("THE ANSWER: adjusted difference", o.main, o.scale)]
    figures += [_adjusted(made.title, made, o.scale) for made in (*o.others, *o.time_points)]
    figures.append(EstimateRow("Hedges' g of the change (pop minus no pop)", o.hedges_g, "ratio"))
    caption = f"Pain after, pop minus no pop, in {UNIT_WORDS[o.scale]}"
    notes = [
        "Below 0 is less pain after a pop. The first line is the answer. All other lines here, and all tables that say "
        f"so, are exploratory: {EXPLORATORY}.",
        split_sentence(o.main),
        *_details(o.main),
    ]
    return _sheet("differences", caption, figures, notes, _details(*o.others))


def _alternatives(o: Outcomes) -> Sheet:
    figures = [
        _adjusted("the answer", o.main, o.scale),
        *(_adjusted(made.title, made, o.scale) for made in o.alternatives),
    ]
    notes = ("If the figures lead to different conclusions, the answer depends on the assumption.",)
    caption = f"Sensitivity analyses: the same difference under other assumptions, in {UNIT_WORDS[o.scale]}"
    return _sheet("alternatives", caption, figures, notes, _details(*o.alternatives))


def _details(*differences: Difference) -> list[str]:
    lines = []
    for one in differences:
        if one.model is None:
            continue
        share = "" if one.patient_share is None else f"{100 * one.patient_share:.0f} %"
        counts = f"{one.n_pop} thrusts with and {one.n_no_pop} without a pop, {one.n_patients} patients"
        parts = [
            f"{WORDS[one.model]}, because of {one.why}",
            f"adjusted for {', '.join(one.adjusted_for) or 'nothing'}",
            counts if one.n_no_pop else "",
            "" if one.se is None else f"standard error {one.se:.3g}, {one.df:.1f} degrees of freedom",
            f"{share} of the remaining variance lies between patients" if share else "",
            f"left out: {left_out_words(one.left_out)}" if one.left_out else "",
            *one.notes,
        ]
        lines.append(f"{one.title[0].upper()}{one.title[1:]}: {'; '.join(filter(None, parts))}.")
    return lines


def _conclusion(o: Outcomes) -> Sheet:
    found, power, margin = o.equivalence, o.power, margin_words(o)
    no_test, no_power = f"not given: {found.why_not}", f"not given: {power.why_not}"
    rows = (
        ("conclusion", verdict(o)),
        ("90 % interval of the adjusted difference",
         no_test if found.low is None else interval(found.low, found.high, o.scale)),
        (f"two one-sided tests against ±{margin}", no_test if found.p is None else f"p {p_value(found.p)}"),
        ("smallest true difference detected with 80 % power",
         no_power if power.detectable is None else f"{number(power.detectable, o.scale)} {SHORT_UNITS[o.scale]}"),
        (f"thrusts of this kind that would detect a difference of {margin}",
         no_power if power.thrusts_for_margin is None else f"about {power.thrusts_for_margin}"),
    )  # fmt: skip
    caption = f"What this sample can show, for a margin of {margin}"
    return Sheet("verdict", caption, ("figure", "value"), rows, [margin_note(o)])


def _responders(o: Outcomes) -> Sheet:
    figures = []
    for made in o.responders:
        for name, own in (("pop", made.pop), ("no pop", made.no_pop)):
            figures.append(EstimateRow(f"{made.mark} less, {name}", own.share, "share", f"{own.k} of {own.n}"))
        figures.append(EstimateRow(f"{made.mark} less, pop minus no pop", made.difference, "share"))
    how = next((row.estimate.how for row in figures if row.estimate.how), "")
    notes = [f"Intervals of the shares: {how}."] if how else []
    notes += [f"{made.mark}: left out: {left_out_words(made.left_out)}." for made in o.responders if made.left_out]
    notes.append("These criteria were made for courses of treatment, not for the minutes after one thrust.")
    return _sheet("responders", "Clear relief: share of the thrusts that could reach it (exploratory)", figures, notes)


def _dose(o: Outcomes) -> Sheet:
    both = (o.dose.per_pop, o.dose.per_further_pop)
    figures = [_adjusted(f"difference in pain after, {made.title}", made, o.scale) for made in both]
    counts = ", ".join(f"{pops}: {n}" for pops, n in o.dose.thrusts_by_pops.items()) or "none"
    note = f"Thrusts by number of pops: {counts}. The count is the least certain output of the detector."
    return _sheet("dose-figures", "Number of pops (dose; exploratory)", figures, [note], _details(*both))


def _belief(o: Outcomes) -> Sheet:
    made = o.belief
    figures = [
        _adjusted("change of the difference per point of belief", made.interaction, o.scale),
        EstimateRow("difference at belief 1 (not at all needed)", made.at_1, o.scale),
        EstimateRow("difference at belief 5 (surely needed)", made.at_5, o.scale),
        EstimateRow("the same change in per cent of pain before (the relative scale)", made.relative, "ratio"),
    ]
    caption = "Is the difference related to the belief that a pop is needed? (exploratory)"
    return _sheet("belief", caption, figures, [belief_sentence(o)], _details(made.interaction))


def _speed(made: Speed, scale: str) -> Sheet:
    sd = f" ({made.sd:.3g})" if made.sd is not None else ""
    n = str(made.n or "")
    figures = [
        EstimateRow(f"odds ratio of a pop per {made.unit or 'unit'}", made.odds_ratio, "ratio", n),
        EstimateRow(f"odds ratio of a pop per standard deviation{sd}", made.odds_ratio_per_sd, "ratio", n),
        _adjusted(made.difference.title, made.difference, scale),
    ]
    left_out = [f"Left out of the odds ratio: {left_out_words(made.left_out)}."] if made.left_out else []
    return _sheet("speed", "Thrust speed (exploratory)", figures, left_out, _details(made.difference))


def _agreement_counts(o: Outcomes) -> Sheet:
    columns = ("pair", "yes/yes", "yes/no", "no/yes", "no/no", "unsure", "not asked", "patients")
    rows = []
    for pair in o.agreement:
        table = [pair.table[first][second] for first in ("yes", "no") for second in ("yes", "no")]
        counts = (*table, pair.n_unsure, pair.n_not_asked, pair.n_patients)
        rows.append((f"{pair.first} and {pair.second}", *map(str, counts)))
    note = "Yes/no: the first of the pair heard a pop, the second did not. Unsure: at least one of the two."
    return Sheet("heard-counts", "Who heard a pop: counts of thrusts", columns, rows, [note])


def _agreement(o: Outcomes) -> Sheet:
    figures = [
        EstimateRow(f"{pair.first} and {pair.second}: {name}", made, kind, str(pair.n))
        for pair in o.agreement
        for name, made, kind in (
            ("kappa", pair.kappa, "ratio"),
            ("agreement on yes", pair.positive, "share"),
            ("agreement on no", pair.negative, "share"),
        )
    ]
    note = (
        "Kappa is agreement beyond chance. It is low if nearly all thrusts pop, however well two raters agree; so "
        "the agreement on yes and on no is given as well."
    )
    return _sheet("agreement-figures", "How well they agree", figures, [note])


def _errors(o: Outcomes) -> Sheet:
    made, diluted = o.prevalence, o.dilution
    figures = [
        EstimateRow("called pop, of the decided clips", made.apparent, "share", f"{made.n_pop} of {made.n}"),
        EstimateRow("share of pops, corrected for the detector's errors", made.corrected, "share"),
        EstimateRow("sensitivity, as given", made.sensitivity, "share"),
        EstimateRow("specificity, as given", made.specificity, "share"),
        EstimateRow("part of a true difference that remains", diluted.factor, "share"),
        EstimateRow("adjusted difference, corrected for errors", diluted.corrected, o.scale),
    ]
    notes = []
    if made.n_effective is not None:
        notes.append(f"As patients repeat, the decided clips count as {made.n_effective:.0f} independent ones.")
    if made.cut:
        notes.append("Set to the end of the scale: errors alone could explain the verdicts.")
    if diluted.ppv is not None and diluted.npv is not None:
        notes.append(
            f"In these thrusts, {100 * diluted.ppv:.0f} % of the clips called pop hold one, and "
            f"{100 * diluted.npv:.0f} % of those called no pop hold none. The correction assumes errors that are "
            "independent of pain, patient and expectation."
        )
    return _sheet("errors", "How often it pops, and the detector's errors", figures, notes)


def reviewed(pairs: Mapping[tuple[str, str], int]) -> list[Sheet]:
    """Return the table of the detector's labels against blind answers of people; none without such answers.

    `pairs` are counts of clips by (label of the detector, answer).
    """
    if not sum(pairs.values()):
        return []
    words = {**GROUP_NAMES, "": "not judged"}
    rows = []
    for label in words:
        counts = [pairs.get((label, answer), 0) for answer in GROUP_NAMES]
        if label or sum(counts):
            rows.append((words[label], *map(str, counts), str(sum(counts))))
    totals = [sum(pairs.get((label, answer), 0) for label in words) for answer in GROUP_NAMES]
    rows.append(("all", *map(str, totals), str(sum(totals))))
    columns = ("detector", *(f"person: {words[answer]}" for answer in GROUP_NAMES), "all")
    note = (
        "Clips that were drawn at random and answered before the detector's result was shown. Where several people "
        "disagreed and did not settle it, the clip is left out."
    )
    return [
        Sheet("reviewed", "The detector's labels and blind answers of people: counts of clips", columns, rows, [note])
    ]


def _adjusted(name: str, made: Difference, kind: str) -> EstimateRow:
    return EstimateRow(name, made.estimate, kind, str(made.n or ""))


def _sheet(
    name: str, caption: str, figures: Sequence[EstimateRow], notes: Sequence[str], details: Sequence[str] = ()
) -> Sheet:
    rows = []
    for title, made, kind, n in figures:
        if made.value is None:
            rows.append((title, "not given", "", "", n, made.why_not))
            continue
        why = "; ".join(part for part in (made.how, made.why_not) if part)
        p = p_value(made.p).removeprefix("= ") if made.p is not None else ""
        rows.append((title, number(made.value, kind), _limits(made, kind), p, n, why))
    return Sheet(name, caption, FIGURES, rows, notes, details, figures)


def _limits(made: Estimate, kind: str) -> str:
    return interval(made.low, made.high, kind) if made.low is not None else "none"


def flow(o: Outcomes, thrusts: Sequence[Thrust], units: Units, n_clips_only: int) -> Sheet:
    """Return the number of thrusts at each step; `n_clips_only` clips are in the journal without any score.

    Where sessions are compared, `units` has them, and the last steps count sessions.
    """
    n, lost = len(thrusts), f"{n_clips_only} clips without a line of scores" if n_clips_only else "0"
    rows = [
        ("clips and lines of scores in the journal", str(n + n_clips_only), ""),
        ("lines of scores", str(n), lost),
    ]
    lost = f"{o.n_other_scale} on the other scale" if o.n_other_scale else "0"
    rows.append((f"on the scale {o.scale}", str(n - o.n_other_scale), lost))
    n_other_times = n - o.n_other_scale - len(units.thrusts)
    if n_other_times:
        rows.append((f"at the time point {o.time_point}", str(len(units.thrusts)), f"{n_other_times} at others"))
    if o.unit == "session":
        rows.append(("taken together as sessions", str(o.n_thrusts), ""))
    main, left, left_out = o.main, o.n_thrusts, o.main.left_out
    if left_out is None:
        columns = columns_of(units.rows, o.scale)
        left_out = complete(*decided(columns), *scored(columns))[1]
    for reason, n in left_out.items():
        left -= n
        rows.append((f"without: {in_units(reason, o)}", str(left), str(n)))
    notes = []
    if main.estimate.value is None:
        notes.append(f"There is no answer: {in_units(main.estimate.why_not, o)}.")
    else:
        last = f"in the answer: {main.n_pop} with and {main.n_no_pop} without a pop, {main.n_patients} patients"
        rows.append((last, str(main.n), ""))
    return Sheet("flow", "From the journal to the answer", ("step", "left", "left out here"), rows, notes)


def filled_cells(thrusts: Sequence[Thrust]) -> Sheet:
    """Return how many cells are filled in each group, on both scales together."""
    groups = [*([t for t in thrusts if t.label == label] for label in _GROUPS.values()), thrusts]
    rows = [("thrusts", *(str(len(group)) for group in groups))]
    for field in STUDY_FIELDS:
        if field.short:
            filled = (sum(getattr(t, field.name) not in (None, "") for t in group) for group in groups)
            rows.append((field.short, *map(str, filled)))
    notes = (
        "An empty cell can mean that a question was not asked or not answered. Missing values were not imputed: each "
        "comparison uses the thrusts that have the values it needs.",
        "An adverse event is a filled cell; the words are in the table of adverse events.",
    )
    return Sheet("missing", "Filled cells, by the detector's verdict", ("field", *_GROUPS, "all"), rows, notes)


def changed(history: Sequence[Replaced]) -> list[Sheet]:
    """Return a table of how many values were replaced after they had been logged, by field; none if there are none."""
    counts = Counter(replaced.field for replaced in history)
    rows = [(field, str(n)) for field, n in sorted(counts.items())]
    note = "The old values are kept in the journal's history."
    return (
        [Sheet("changed", "Values replaced after they were logged", ("field", "times"), rows, [note])] if rows else []
    )
