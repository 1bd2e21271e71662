"""The outcomes as text for a terminal: the answer in three sentences, then the tables of the report."""

from __future__ import annotations

import textwrap

from popdetect.study.analysis.outcomes import Outcomes
from popdetect.study.report.sentences import UNIT_WORDS, estimate_words, sentences
from popdetect.study.report.tables import EstimateRow, Sheet, sheets

_WIDTH = 100


def as_text(outcomes: Outcomes) -> str:
    """Return all outcomes as text.

    Returns
    -------
    str
        Lines, ending in a newline; in English, decimal points. Sentences have at most 100 columns; tables can have
        more.
    """
    o = outcomes
    lines = [
        f"{o.n_thrusts} thrusts of {o.n_patients} patients; pain in {UNIT_WORDS[o.scale]}.",
        "Negative is less pain: a change is after minus before, a difference is pop minus no pop.",
    ]
    if o.n_not_judged:
        lines.append(f"{o.n_not_judged} clips could not be judged and are left out below.")
    lines += ["", "In short", *(line for i, text in enumerate(sentences(o), 1) for line in _wrapped(f"{i}. {text}"))]
    for sheet in sheets(o):
        lines += ["", sheet.caption, *_rows(sheet), *(line for note in sheet.notes for line in _wrapped(note))]
    lines += ["", "Limits", *(line for caveat in o.caveats for line in _wrapped(f"* {caveat}"))]
    return "\n".join(lines) + "\n"


def _rows(sheet: Sheet) -> list[str]:
    if sheet.figures:
        width = max(len(figure.name) for figure in sheet.figures)
        return [_figure(figure, width) for figure in sheet.figures]
    if len(sheet.columns) == 2:
        return [line for name, value in sheet.rows for line in _wrapped(f"{name[0].upper()}{name[1:]}: {value}")]
    widths = [max(map(len, cells)) for cells in zip(sheet.columns, *sheet.rows, strict=True)]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
        for row in (sheet.columns, *sheet.rows)
    ]


def _figure(figure: EstimateRow, width: int) -> str:
    n = f"  n = {figure.n}" if figure.n.isdigit() else f"  {figure.n}"
    return f"  {figure.name:<{width}}  {estimate_words(figure.estimate, figure.kind)}{n}".rstrip()


def _wrapped(sentence: str) -> list[str]:
    return textwrap.wrap(sentence, _WIDTH, initial_indent="  ", subsequent_indent="     ", break_on_hyphens=False)
