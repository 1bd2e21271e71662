"""The forest plot: all differences with their intervals, and the margin.

Each row is pop minus no pop in pain after, in the unit of the scale; left of 0 is less pain after a pop.
"""

from __future__ import annotations

from typing import Any

from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.outcomes import Outcomes
from popdetect.study.report.drawing import ACCENT, BAND, INK, PAPER, Figure, Picture, drawn
from popdetect.study.report.sentences import (
    SHORT_UNITS,
    adjusted_words,
    estimate_words,
    in_units,
    interval,
    margin_words,
    number,
)

_Row = tuple[str, Estimate]


def forest(o: Outcomes) -> Picture:
    """Draw the estimates that exist, the answer first; the others are named in the text."""
    title = in_units("The difference between thrusts with and without a pop", o)
    rows: list[_Row] = [
        ("adjusted difference: the answer", o.main.estimate),
        *((in_units(made.title, o), made.estimate) for made in o.others),
        ("corrected for the detector's errors", o.dilution.corrected),
        ("for the lowest belief that a pop is needed (1)", o.belief.at_1),
        ("for the highest belief that a pop is needed (5)", o.belief.at_5),
    ]
    if o.speed is not None:
        rows.append((o.speed.difference.title, o.speed.difference.estimate))
    there = [(label, made) for label, made in rows if made.value is not None]
    missing = [f"{label}: {in_units(made.why_not, o)}" for label, made in rows if made.value is None]
    left_out = f" Not given: {'; '.join(missing)}." if missing else ""
    if not there:
        return Picture(title, f"No difference can be drawn.{left_out}")
    words = (
        f"{len(there)} differences in pain after, pop minus no pop, with 95 % intervals. "
        + "; ".join(f"{label}: {estimate_words(made, o.scale)}" for label, made in there)
        + f". The margin of {margin_words(o)} is drawn to both sides of 0.{left_out}"
    )
    how = (
        "A mark is an estimate, its line the 95 % interval; an arrow means that it continues. The diamond is the answer"
        f"{adjusted_words(o.main)}; the others are exploratory. The shaded band between the dotted lines is the "
        f"margin within which a difference would be too small to matter.{left_out}"
    )

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        wide = _limit(o, there)
        margin = o.equivalence.margin
        axes.axvspan(-margin, margin, color=BAND, linewidth=0)
        for edge in (-margin, margin):
            axes.axvline(edge, color=INK, linewidth=1, linestyle=(0, (2, 2)))
        axes.axvline(0, color=INK, linewidth=1)
        for row, (label, made) in enumerate(there):
            _row(axes, -row, made, first=row == 0, wide=wide)
            font: dict[str, Any] = {"va": "center", "fontsize": 9, "fontweight": "bold" if row == 0 else "normal"}
            box = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.75}
            axes.text(-wide, -row + 0.36, label, bbox=box, **font)
            limits = "no interval" if made.low is None else interval(made.low, made.high, o.scale)
            figures = f"{number(made.value, o.scale)} ({limits})"
            axes.text(1.01, -row, figures, transform=axes.get_yaxis_transform(), **font)
        axes.set(xlim=(-wide, wide), ylim=(0.5 - len(there), 0.75), yticks=[])
        for edge, sign in ((-margin, "−"), (margin, "+")):
            axes.text(edge, 0.8, f"{sign}{margin_words(o)}", ha="center", va="bottom", fontsize=8.5)
        axes.set_xlabel(f"← less pain after a pop      difference, {SHORT_UNITS[o.scale]}      more pain after a pop →")
        axes.spines["left"].set_visible(False)

    svg = drawn("forest", title, words, draw, 1.2 + 0.52 * len(there))
    return Picture(title, words, svg, how)


def _limit(o: Outcomes, there: list[_Row]) -> float:
    """Return the end of the axis: wide enough for the answer, the margin and most others; others get arrows."""
    answer = [abs(edge) * 1.15 for edge in (o.main.estimate.low, o.main.estimate.high) if edge]
    reach = max([1.5 * o.equivalence.margin, *answer])
    edges = [abs(edge) for _, made in there for edge in (made.low, made.high, made.value) if edge is not None]
    return min(max([*edges, reach]) * 1.1, 2.5 * reach)


def _row(axes: Any, y: float, made: Estimate, first: bool, wide: float) -> None:
    if made.low is not None and made.high is not None:
        axes.plot((max(made.low, -wide), min(made.high, wide)), [y, y], color=ACCENT, linewidth=2.4 if first else 1.5)
        ends = (made.low, made.low > -wide, -wide, "<"), (made.high, made.high < wide, wide, ">")
        for edge, is_inside, end, arrow in ends:
            if is_inside:
                axes.plot([edge], [y], "|", color=ACCENT, markersize=8)
            else:
                axes.plot([end], [y], arrow, color=ACCENT, markersize=6, clip_on=False)
    if made.value is not None and abs(made.value) <= wide:
        axes.plot([made.value], [y], "D" if first else "o", color=ACCENT, markersize=9 if first else 6)
