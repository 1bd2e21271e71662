"""The outcomes as text for a terminal: the answer in three sentences, then the tables of the report."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from popdetect.study.analysis.outcomes import Outcomes
from popdetect.study.report.sentences import UNIT_WORDS, estimate_words, sentences
from popdetect.study.report.tables import Sheet, sheets

_WIDTH = 100


def as_text(o: Outcomes) -> str:
    """Return all outcomes as lines of text. Sentences have at most 100 columns; tables can have more."""
    lines = [
        f"{o.n_thrusts} {o.unit}s of {o.n_patients} patients; pain in {UNIT_WORDS[o.scale]}.",
        "Negative is less pain: a change is after minus before, a difference is pop minus no pop.",
    ]
    if o.n_not_judged:
        what = "clips" if o.unit == "thrust" else "sessions"
        lines.append(f"{o.n_not_judged} {what} could not be judged and are left out below.")
    lines += ["", "In short", *_wrapped(f"{i}. {text}" for i, text in enumerate(sentences(o), 1))]
    for sheet in sheets(o):
        lines += ["", sheet.caption, *_rows(sheet), *_wrapped(sheet.notes)]
    lines += ["", "Limits", *_wrapped(f"* {caveat}" for caveat in o.caveats)]
    return "\n".join(lines) + "\n"


def _rows(sheet: Sheet) -> list[str]:
    if sheet.figures:
        width = max(len(figure.name) for figure in sheet.figures)
        return [
            f"  {name:<{width}}  {estimate_words(made, kind)}  {f'n = {n}' if n.isdigit() else n}".rstrip()
            for name, made, kind, n in sheet.figures
        ]
    if len(sheet.columns) == 2:
        return _wrapped(f"{name[0].upper()}{name[1:]}: {value}" for name, value in sheet.rows)
    widths = [max(map(len, cells)) for cells in zip(sheet.columns, *sheet.rows, strict=True)]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in (sheet.columns, *sheet.rows)
    ]


def _wrapped(sentences: Iterable[str]) -> list[str]:
    wrapper = textwrap.TextWrapper(_WIDTH, initial_indent="  ", subsequent_indent="     ", break_on_hyphens=False)
    return [line for sentence in sentences for line in wrapper.wrap(sentence)]
