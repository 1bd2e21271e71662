"""The forest plot: all differences with their intervals, and the margin.

Each row is pop minus no pop in pain after, in the unit of the scale; left of 0 is less pain after a pop.
"""

from __future__ import annotations

from typing import Any

from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.outcomes import Outcomes
from popdetect.study.report import drawing
from popdetect.study.report.drawing import ACCENT, BAND, INK, PAPER, WIDTH_IN, Figure
from popdetect.study.report.pictures import Picture
from popdetect.study.report.sentences import SHORT_UNITS, estimate_words, interval, margin_words, number

Row = tuple[str, Estimate]


def comparisons(o: Outcomes) -> tuple[Row, ...]:
    """Return every estimate of the difference, the answer first."""
    rows = [
        ("adjusted difference: the answer", o.main.estimate),
        *((made.title, made.estimate) for made in o.others),
        ("corrected for the detector's errors", o.dilution.corrected),
        ("for the lowest belief that a pop is needed (1)", o.belief.at_1),
        ("for the highest belief that a pop is needed (5)", o.belief.at_5),
    ]
    if o.speed is not None:
        rows.append((o.speed.difference.title, o.speed.difference.estimate))
    return tuple(rows)


def forest(o: Outcomes) -> Picture:
    """Draw the estimates that exist; the others are named in the text."""
    title, name = "The difference between thrusts with and without a pop", "forest"
    rows = comparisons(o)
    there = [(label, made) for label, made in rows if made.value is not None]
    missing = [f"{label}: {made.why_not}" for label, made in rows if made.value is None]
    left_out = f" Not given: {'; '.join(missing)}." if missing else ""
    if not there:
        return Picture(name, title, "", f"No difference can be drawn.{left_out}")
    words = (
        f"{len(there)} differences in pain after, pop minus no pop, with 95 % intervals. "
        + "; ".join(f"{label}: {estimate_words(made, o.scale)}" for label, made in there)
        + f". The margin of {margin_words(o)} is drawn to both sides of 0.{left_out}"
    )
    with drawing.style(name):
        figure = Figure(figsize=(WIDTH_IN, 1.2 + 0.52 * len(there)), layout="constrained")
        axes = figure.subplots()
        low, high = _limits(o, there)
        margin = o.equivalence.margin
        axes.axvspan(-margin, margin, color=BAND, linewidth=0)
        for edge in (-margin, margin):
            axes.axvline(edge, color=INK, linewidth=1, linestyle=(0, (2, 2)))
        axes.axvline(0, color=INK, linewidth=1)
        for row, (label, made) in enumerate(there):
            _row(axes, -row, made, first=row == 0, limits=(low, high))
            font: dict[str, Any] = {"va": "center", "fontsize": 9, "fontweight": "bold" if row == 0 else "normal"}
            box = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.75}
            axes.text(low, -row + 0.36, label, bbox=box, **font)
            axes.text(1.01, -row, _figures(made, o.scale), transform=axes.get_yaxis_transform(), **font)
        axes.set(xlim=(low, high), ylim=(0.5 - len(there), 0.75), yticks=[])
        for edge, sign in ((-margin, "−"), (margin, "+")):
            axes.text(edge, 0.8, f"{sign}{margin_words(o)}", ha="center", va="bottom", fontsize=8.5)
        axes.set_xlabel(f"← less pain after a pop      difference, {SHORT_UNITS[o.scale]}      more pain after a pop →")
        axes.spines["left"].set_visible(False)
        svg = drawing.drawn(figure, name, title, words)
    adjusted = f", adjusted for {' and '.join(o.main.adjusted_for)}" if o.main.adjusted_for else ""
    how = (
        "A mark is an estimate, its line the 95 % interval; an arrow means that it continues. The diamond is the answer"
        f"{adjusted}; the others show how robust it is. The shaded band between the dotted lines is the margin "
        f"within which a difference would be too small to matter.{left_out}"
    )
    return Picture(name, title, svg, words, how)


def _limits(o: Outcomes, there: list[Row]) -> tuple[float, float]:
    """Limits of the axis: wide enough for the answer, the margin and most others; wider intervals get arrows."""
    margin = o.equivalence.margin
    reach = max(1.5 * margin, *(abs(edge) * 1.15 for edge in (o.main.estimate.low, o.main.estimate.high) if edge), 0.0)
    edges = [abs(edge) for _, made in there for edge in (made.low, made.high, made.value) if edge is not None]
    wide = min(max([*edges, reach]) * 1.1, 2.5 * reach)
    return -wide, wide


def _row(axes: Any, y: float, made: Estimate, first: bool, limits: tuple[float, float]) -> None:
    low, high = limits
    if made.low is not None and made.high is not None:
        ends = max(made.low, low), min(made.high, high)
        axes.plot(ends, [y, y], color=ACCENT, linewidth=2.4 if first else 1.5)
        for edge, inside, marker in ((made.low, made.low > low, "<"), (made.high, made.high < high, ">")):
            if inside:
                axes.plot([edge], [y], "|", color=ACCENT, markersize=8)
            else:
                axes.plot([low if marker == "<" else high], [y], marker, color=ACCENT, markersize=6, clip_on=False)
    if made.value is not None and low <= made.value <= high:
        axes.plot([made.value], [y], "D" if first else "o", color=ACCENT, markersize=9 if first else 6)


def _figures(made: Estimate, scale: str) -> str:
    if made.low is None:
        return f"{number(made.value, scale)} (no interval)"
    return f"{number(made.value, scale)} ({interval(made.low, made.high, scale)})"
