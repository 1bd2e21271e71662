"""Pictures of pain before and after, dose, agreement and probabilities, each with its content in words.

Lines and dots stand for counts: equal thrusts are drawn once, so the picture of ten thousand thrusts is as readable and
as small as that of a hundred. Pain is in the unit of the scale; change is after minus before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from popdetect.study.analysis.agreement import Agreement
from popdetect.study.analysis.columns import UNITS, Columns, Floats, has
from popdetect.study.analysis.groups import Group
from popdetect.study.analysis.outcomes import Outcomes
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.report import drawing
from popdetect.study.report.drawing import COLOURS, FAINT, HATCHES, INK, LINES, MARKERS, PAPER, WIDTH_IN, Figure
from popdetect.study.report.model_cards import Thresholds
from popdetect.study.report.sentences import GROUP_NAMES, SHORT_UNITS, counted, estimate_words, number

_MOST_POPS = 8
_ENOUGH = 5  # thrusts, for a mean to be drawn
_VAS_STEP = 5.0  # mm: finer steps cannot be distinguished


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, or the reason why there is none.

    Attributes
    ----------
    name : str
        Letters and hyphens, unique in the report.
    title : str
    svg : str
        Markup; empty if there is nothing to draw.
    words : str
        What it shows, with figures.
    how_to_read : str
    """

    name: str
    title: str
    svg: str
    words: str
    how_to_read: str = ""


def before_after(o: Outcomes, columns: Columns) -> Picture:
    """Draw lines from pain before to pain after, by group; the thicker, the more thrusts."""
    title, name = "Pain before and after the thrust, by the detector's verdict", "before-after"
    unit, top = UNITS[o.scale], 10 * UNITS[o.scale]
    scored = columns.take(has(columns.before) & has(columns.after))
    if not len(scored):
        return Picture(name, title, "", "No thrust has pain before and after, so there is nothing to draw.")
    step = 1.0 if o.scale == "NPRS" else _VAS_STEP
    with drawing.style(name):
        figure = Figure(figsize=(WIDTH_IN, 3.6), layout="constrained")
        for axes, group in zip(figure.subplots(1, 3, sharey=True), o.groups, strict=True):
            own = scored.take(scored.label == group.label)
            _slopes(axes, np.rint(own.before * unit / step) * step, np.rint(own.after * unit / step) * step, group)
            _means(axes, group, o.scale, top)
            axes.set(xlim=(-0.42, 1.42), ylim=(-0.04 * top, 1.06 * top), xticks=[0, 1])
            axes.set_xticklabels(["before", "after"])
            axes.set_title(
                f"{GROUP_NAMES[group.label]}\n{counted(group.n_scored, 'thrust')}", color=COLOURS[group.label]
            )
            axes.tick_params(length=0)
        figure.axes[0].set_ylabel(f"pain, {o.scale}")
        words = "Three panels of lines from pain before to pain after. " + " ".join(_in_words(g, o) for g in o.groups)
        svg = drawing.drawn(figure, name, title, words)
    how = (
        "Each line joins pain before with pain after; the thicker, the more thrusts"
        + ("" if o.scale == "NPRS" else f" (rounded to {_VAS_STEP:g} mm for the picture)")
        + ". The line with numbers joins the means. Thrusts without one of the two scores are not drawn."
    )
    return Picture(name, title, svg, words, how)


def dose(o: Outcomes, columns: Columns) -> Picture:
    """Draw the change of pain at each number of pops: dots for counts, and the mean."""
    title, name = "Number of pops and change of pain", "dose"
    unit = UNITS[o.scale]
    pops = np.where(columns.label == "no_pop", 0.0, columns.n_pops)
    kept = columns.decided & has(pops) & has(columns.before) & has(columns.after)
    if not kept.any():
        return Picture(name, title, "", "No decided thrust has pain before and after, so there is nothing to draw.")
    step = 1.0 if o.scale == "NPRS" else _VAS_STEP
    change = (columns.after[kept] - columns.before[kept]) * unit
    at = np.minimum(pops[kept], _MOST_POPS)
    places = [int(p) for p in np.unique(at)]
    counts = [int((at == p).sum()) for p in places]
    means = {p: float(change[at == p].mean()) for p, n in zip(places, counts, strict=True) if n >= _ENOUGH}
    slope = f"Difference in pain after per pop, adjusted: {estimate_words(o.dose.per_pop.estimate, o.scale)}."
    parts = "; ".join(
        f"{_pops(p)}: {counted(n, 'thrust')}" + (f", mean change {number(means[p], o.scale)}" if p in means else "")
        for p, n in zip(places, counts, strict=True)
    )
    words = f"Dots of the change of pain at each number of pops ({parts}). {slope}"
    with drawing.style(name):
        figure = Figure(figsize=(WIDTH_IN, 3.6), layout="constrained")
        axes = figure.subplots()
        _dots(axes, at, np.rint(change / step) * step)
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.plot([*means], [*means.values()], color=INK, linewidth=1.4, marker="_", markersize=16, markeredgewidth=2.2)
        for p, mean in means.items():
            axes.annotate(
                number(mean, o.scale), (p, mean), (9, 5), textcoords="offset points", fontsize=9, fontweight="bold"
            )
        axes.set_xticks(places)
        axes.set_xticklabels([f"{_pops(p)}\n{n}" for p, n in zip(places, counts, strict=True)])
        axes.set(
            xlabel="pops detected in the clip; below, the number of thrusts",
            ylabel=f"change of pain, {SHORT_UNITS[o.scale]}\n(below 0: less pain)",
        )
        axes.locator_params(axis="y", integer=True)
        axes.set_xlim(places[0] - 0.6, places[-1] + 0.8)
        axes.tick_params(length=0)
        svg = drawing.drawn(figure, name, title, words)
    how = (
        f"The larger a dot, the more thrusts. The line joins the means of {_ENOUGH} thrusts or more, "
        f"not adjusted for anything. {slope}"
    )
    return Picture(name, title, svg, words, how)


def agreement(o: Outcomes) -> Picture:
    """Draw a bar for each pair of raters: both yes, one only, both no."""
    title, name = "Agreement of detector, patient and therapist", "agreement"
    if not any(pair.n for pair in o.agreement):
        return Picture(name, title, "", "No thrust was judged by two of detector, patient and therapist.")
    with drawing.style(name):
        figure = Figure(figsize=(WIDTH_IN, 3.4), layout="constrained")
        axes = figure.subplots()
        for row, pair in enumerate(o.agreement):
            _bar(axes, -row, pair)
        axes.set(xlim=(0, 100), ylim=(-2.6, 0.75), yticks=[], xlabel="% of the thrusts that both judged yes or no")
        axes.spines["left"].set_visible(False)
        words = "Three bars. " + " ".join(_pair_words(pair) for pair in o.agreement)
        svg = drawing.drawn(figure, name, title, words)
    how = "Plain: both heard a pop. Crossed: only one did. Striped: neither did. Unsure answers are left out."
    return Picture(name, title, svg, words, how)


def probabilities(thrusts: Sequence[Thrust], thresholds: Thresholds) -> Picture:
    """Draw the histogram of the detector's probabilities, with the decision thresholds."""
    title, name = "The detector's probabilities", "probabilities"
    known = [(t.label, t.p_pop) for t in thrusts if t.label is not None and t.p_pop is not None]
    if not known:
        return Picture(name, title, "", "No clip was judged, so there are no probabilities to draw.")
    edges = np.linspace(0, 1, 21)
    counts = {
        label: np.histogram([p for own, p in known if own == label], edges)[0]
        for label in ("no_pop", "uncertain", "pop")
    }
    with drawing.style(name):
        figure = Figure(figsize=(WIDTH_IN, 3.2), layout="constrained")
        axes = figure.subplots()
        floor = np.zeros(20)
        for label, height in counts.items():
            n = int(height.sum())
            axes.bar(
                edges[:-1], height, 0.05, floor, align="edge", color=COLOURS[label], edgecolor=PAPER, linewidth=0.6,
                hatch=HATCHES[label], label=f"{GROUP_NAMES[label]} ({n})",
            )  # fmt: skip
            floor = floor + height
        tallest = float(floor.max())
        for place, text in ((thresholds.no_pop_below, "no pop below"), (thresholds.pop_from, "pop from")):
            if place is not None:
                axes.axvline(place, color=INK, linestyle=(0, (5, 2)), linewidth=1.2)
                axes.text(place, tallest * 1.14, f"{text} {place:.2f}", ha="center", va="bottom", fontsize=9)
        axes.set(
            xlim=(0, 1), ylim=(0, tallest * 1.12), xlabel="probability that the clip holds a pop", ylabel="thrusts"
        )
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
        axes.tick_params(length=2)
        share = "; ".join(f"{GROUP_NAMES[label]}: {int(height.sum())}" for label, height in counts.items())
        ends = (int(sum(h[:2].sum() for h in counts.values())), int(sum(h[-2:].sum() for h in counts.values())))
        words = (
            f"Histogram of the probability of {counted(len(known), 'thrust')} ({share}); {ends[0]} have less than 0.1 "
            f"and {ends[1]} have 0.9 or more. {thresholds.words}"
        )
        svg = drawing.drawn(figure, name, title, words)
    return Picture(name, title, svg, words, f"The bars of the verdicts are stacked. {thresholds.words}")


def _slopes(axes: Any, before: Floats, after: Floats, group: Group) -> None:
    if not len(before):
        axes.text(0.5, 0.5, "no thrust\nwith both scores", ha="center", transform=axes.transAxes)
        return
    ways, counts = np.unique(np.column_stack([before, after]), axis=0, return_counts=True)
    weight = np.sqrt(counts / counts.max())
    for (start, end), heavy in zip(ways, weight, strict=True):
        axes.plot(
            [0, 1], [start, end], color=COLOURS[group.label], linewidth=0.4 + 3.2 * heavy, alpha=0.18 + 0.37 * heavy,
            linestyle=LINES[group.label], solid_capstyle="round",
        )  # fmt: skip


def _means(axes: Any, group: Group, scale: str, top: float) -> None:
    if group.mean_before is None or group.mean_after is None:
        return
    means = (group.mean_before, group.mean_after)
    axes.plot([0, 1], means, color=PAPER, linewidth=5)
    axes.plot([0, 1], means, color=INK, linewidth=2.2, marker=MARKERS[group.label], markersize=7)
    for x, mean, side in ((0, means[0], "right"), (1, means[1], "left")):
        axes.text(x + (-0.1 if side == "right" else 0.1), mean, number(mean, scale), ha=side, va="center",
                  fontweight="bold", fontsize=9.5)  # fmt: skip


def _dots(axes: Any, at: Floats, change: Floats) -> None:
    places, counts = np.unique(np.column_stack([at, change]), axis=0, return_counts=True)
    for label in ("no_pop", "pop"):
        own = (places[:, 0] == 0) == (label == "no_pop")
        axes.scatter(
            places[own, 0], places[own, 1], s=6 + 240 * counts[own] / counts.max(), color=COLOURS[label],
            marker=MARKERS[label], alpha=0.45, linewidths=0,
        )  # fmt: skip


def _bar(axes: Any, y: float, pair: Agreement) -> None:
    axes.text(0, y + 0.33, f"{pair.first} and {pair.second}", fontweight="bold", va="bottom")
    kappa = f"kappa {estimate_words(pair.kappa, 'ratio')}" if pair.n else "no thrust that both judged"
    axes.text(100, y + 0.33, _short(kappa), ha="right", va="bottom", fontsize=9)
    left = 0.0
    for text, n, label in _parts(pair):
        if not n:
            continue
        wide = 100 * n / pair.n
        colour = FAINT if label == "uncertain" else COLOURS[label]
        axes.barh(y, wide, 0.55, left, color=colour, edgecolor=PAPER, hatch=HATCHES[label])
        if wide >= 6:
            label_text = f"{text}\n{n}" if wide >= 16 else str(n)
            axes.text(left + wide / 2, y, label_text, ha="center", va="center", fontsize=8.5,
                      bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.5})  # fmt: skip
        left += wide


def _parts(pair: Agreement) -> list[tuple[str, int, str]]:
    yes, no = pair.table["yes"], pair.table["no"]
    return [
        ("both yes", yes["yes"], "pop"),
        (f"only {pair.first}", yes["no"], "uncertain"),
        (f"only {pair.second}", no["yes"], "uncertain"),
        ("both no", no["no"], "no_pop"),
    ]


def _pair_words(pair: Agreement) -> str:
    if not pair.n:
        return f"{pair.first.capitalize()} and {pair.second}: no thrust that both judged."
    parts = ", ".join(f"{text} {n}" for text, n, _ in _parts(pair))
    return (
        f"{pair.first.capitalize()} and {pair.second}, {counted(pair.n, 'thrust')}: {parts}; kappa "
        f"{estimate_words(pair.kappa, 'ratio')}."
    )


def _in_words(group: Group, o: Outcomes) -> str:
    name, n = GROUP_NAMES[group.label].capitalize(), counted(group.n_scored, "thrust")
    if group.mean_before is None:
        return f"{name}: no thrust with both scores."
    return (
        f"{name}, {n}: mean {number(group.mean_before, o.scale)} before, {number(group.mean_after, o.scale)} after, "
        f"change {estimate_words(group.change, o.scale)}."
    )


def _short(text: str) -> str:
    return text if len(text) <= 62 else text[:60] + "…"


def _pops(n: int) -> str:
    return f"{n} or more" if n == _MOST_POPS else str(n)
