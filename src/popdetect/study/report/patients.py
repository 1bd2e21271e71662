"""Tables about who was treated, and how: table 1, and adverse events by their words.

Words of the clinic (region, technique, ...) with fewer than `FEW` thrusts are counted together, because a rare one may
identify a person. Therapists and sites are numbered by their number of thrusts, not named. Adverse events are listed by
their words: a report without them would hide harms, so the page warns about them.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Final

from popdetect.study.analysis.outcomes import Outcomes
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.report.sentences import GROUP_NAMES, counted, number
from popdetect.study.report.tables import Sheet

FEW: Final = 3
MOST_EVENTS: Final = 50
_GROUPS: Final = {**{name: label for label, name in GROUP_NAMES.items()}, "not judged": None}
_NUMBERS: Final = {
    "expects_relief": "expectation of relief (0 to 10), mean (SD)",
    "believes_pop_needed": "belief that a pop is needed (1 to 5), mean (SD)",
}
_WORDS: Final = ("region", "side", "technique")
_CODED: Final = ("therapist", "site")


def table_1(o: Outcomes, thrusts: Sequence[Thrust]) -> Sheet:
    """Return patients, treatments and missing values by the detector's verdict; `thrusts` are those on the scale."""
    groups = _groups(thrusts)
    rows: list[tuple[str, ...]] = [
        ("thrusts", *(str(len(group)) for group in groups)),
        ("patients", *(str(len({t.patient for t in group})) for group in groups)),
        ("sessions", *(str(len({(t.patient, t.session, t.session_no) for t in group})) for group in groups)),
    ]
    means = {f"pain_{when}": f"pain {when} ({o.scale}), mean (SD)" for when in ("before", "after")} | _NUMBERS
    for name, words in means.items():
        kind = o.scale if name.startswith("pain") else "ratio"
        cells = [_mean([getattr(t, name) for t in group], kind) for group in groups]
        rows.append((words, *cells))
    rows.append(("attempts (thrusts of a session), median (range)", *(_attempts(group, thrusts) for group in groups)))
    for name in (*_WORDS, *_CODED):
        n_filled = Counter(str(getattr(t, name)) for t in thrusts if getattr(t, name))
        common = [word for word, n in n_filled.most_common() if n >= FEW]
        if not n_filled:
            rows.append((f"{name}: not recorded", *(str(len(group)) for group in groups)))
            continue
        for i, word in enumerate(common, 1):
            shown = f"{name} {i}" if name in _CODED else f"{name}: {word}"
            rows.append((shown, *(_share([getattr(t, name) == word for t in group]) for group in groups)))
        n_rare = len(n_filled) - len(common)
        if n_rare:
            rare = f"{name}: {n_rare} further, each of fewer than {FEW} thrusts"
            rest = [[bool(getattr(t, name)) and getattr(t, name) not in common for t in group] for group in groups]
            rows.append((rare, *map(_share, rest)))
        rows.append((f"{name}: missing", *(str(sum(not getattr(t, name) for t in group)) for group in groups)))
    kinds = Counter(
        frozenset(t.label for t in thrusts if t.patient == p) & {"pop", "no_pop"} for p in _patients(thrusts)
    )
    notes = [
        f"{counted(kinds[frozenset({'pop', 'no_pop'})], 'patient')} had both a pop and a thrust without, "
        f"{kinds[frozenset({'pop'})]} only pops, {kinds[frozenset({'no_pop'})]} only thrusts without, "
        f"{kinds[frozenset()]} neither. A patient can be in several columns.",
        "Therapists and sites have numbers here, not names. Age and sex are not recorded by popdetect.",
    ]
    return Sheet(
        "table-1", "Table 1. Patients and treatments, by the detector's verdict", ("", *_GROUPS, "all"), rows, notes
    )


def adverse_events(thrusts: Sequence[Thrust]) -> Sheet:
    """Return the adverse events by their words and by group."""
    groups = _groups(thrusts)
    filled = Counter(words for t in thrusts if (words := _plain(t.adverse_event)))
    rows = [
        (
            "thrusts with an adverse event noted",
            *(_share([bool(_plain(t.adverse_event)) for t in own]) for own in groups),
        )
    ]
    for words, _ in sorted(filled.items(), key=lambda item: (-item[1], item[0]))[:MOST_EVENTS]:
        rows.append((f"“{words}”", *(str(sum(_plain(t.adverse_event) == words for t in own)) for own in groups)))
    notes = [
        "An empty cell means that nothing was noted, not that nothing happened: whether patients were asked is not "
        "recorded. Counts are too small to compare groups.",
    ]
    if filled:
        notes.insert(0, "The words are free text of the clinic: read them for names and dates before you pass this on.")
    if len(filled) > MOST_EVENTS:
        notes.append(f"{len(filled) - MOST_EVENTS} further wordings are counted in the first line only.")
    return Sheet("harms", "Adverse events, by their words", ("", *_GROUPS, "all"), rows, notes)


def _groups(thrusts: Sequence[Thrust]) -> list[list[Thrust]]:
    return [*([t for t in thrusts if t.label == label] for label in _GROUPS.values()), list(thrusts)]


def _patients(thrusts: Sequence[Thrust]) -> list[str]:
    return list(dict.fromkeys(t.patient for t in thrusts))


def _mean(values: Sequence[float | None], kind: str) -> str:
    there = [value for value in values if value is not None]
    n_missing = len(values) - len(there)
    missing = f"; {n_missing} missing" if n_missing else ""
    if not there:
        return f"-{missing}"
    spread = f" ({number(statistics.stdev(there), kind)})" if len(there) > 1 else ""
    return f"{number(statistics.fmean(there), kind)}{spread}{missing}"


def _share(there: Sequence[bool]) -> str:
    n = sum(there)
    return f"{n} ({number(n / len(there), 'share')})" if there else "0"


def _attempts(group: Sequence[Thrust], thrusts: Sequence[Thrust]) -> str:
    clips = {(t.patient, t.session, t.session_no, t.file) for t in thrusts}
    n = Counter(clip[:3] for clip in clips)
    own = [n[key] for key in {(t.patient, t.session, t.session_no) for t in group}]
    return f"{statistics.median(own):g} ({min(own)} to {max(own)})" if own else "-"


def _plain(words: str) -> str:
    return " ".join(words.split()).casefold()
