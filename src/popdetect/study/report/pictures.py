"""Pictures of pain before and after, dose, agreement and probabilities, each with its content in words.

Lines and dots stand for counts: equal thrusts are drawn once, so the picture of ten thousand thrusts is as readable and
as small as that of a hundred. Pain is in the unit of the scale; change is after minus before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from popdetect.detection.model.bundle import OperatingPoint
from popdetect.study.analysis.agreement import Agreement
from popdetect.study.analysis.columns import UNITS, Columns, Floats, has
from popdetect.study.analysis.groups import Group
from popdetect.study.analysis.outcomes import Outcomes
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.report.drawing import COLOURS, FAINT, HATCHES, INK, LINES, MARKERS, PAPER, Figure, Picture, drawn
from popdetect.study.report.sentences import GROUP_NAMES, SHORT_UNITS, counted, estimate_words, in_units, number

_MOST_POPS = 8
_ENOUGH = 5  # thrusts, for a mean to be drawn
_STEPS = {"NPRS": 1.0, "VAS100": 5.0}  # points, mm: finer steps cannot be distinguished


def before_after(o: Outcomes, columns: Columns) -> Picture:
    """Draw lines from pain before to pain after, by group; the thicker, the more thrusts."""
    title = in_units("Pain before and after the thrust, by the detector's verdict", o)
    unit, top = UNITS[o.scale], 10 * UNITS[o.scale]
    there = columns.take(has(columns.before) & has(columns.after))
    if not len(there):
        return Picture(title, f"No {o.unit} has pain before and after, so there is nothing to draw.")

    def draw(figure: Figure) -> None:
        for axes, group in zip(figure.subplots(1, 3, sharey=True), o.groups, strict=True):
            own = there.take(there.label == group.label)
            _slopes(axes, _rounded(own.before * unit, o), _rounded(own.after * unit, o), group, o.scale)
            axes.set(xlim=(-0.42, 1.42), ylim=(-0.04 * top, 1.06 * top), xticks=[0, 1])
            axes.set_xticklabels(["before", "after"])
            name, n = GROUP_NAMES[group.label], counted(group.n_scored, o.unit)
            axes.set_title(f"{name}\n{n}", color=COLOURS[group.label])
            axes.tick_params(length=0)
        figure.axes[0].set_ylabel(f"pain, {o.scale}")

    words = "Three panels of lines from pain before to pain after. " + " ".join(_in_words(g, o) for g in o.groups)
    how = (
        f"Each line joins pain before with pain after; the thicker, the more {o.unit}s"
        + ("" if o.scale == "NPRS" else f" (rounded to {_STEPS[o.scale]:g} mm for the picture)")
        + f". The line with numbers joins the means. {o.unit.capitalize()}s without one of the scores are not drawn."
    )
    return Picture(title, words, drawn("before-after", title, words, draw), how)


def dose(o: Outcomes, columns: Columns) -> Picture:
    """Draw the change of pain at each number of pops: dots for counts, and the mean."""
    title = "Number of pops and change of pain"
    pops = np.where(columns.label == "no_pop", 0.0, columns.n_pops)
    kept = columns.decided & has(pops) & has(columns.before) & has(columns.after)
    if not kept.any():
        return Picture(title, f"No decided {o.unit} has pain before and after, so there is nothing to draw.")
    change = (columns.after[kept] - columns.before[kept]) * UNITS[o.scale]
    at = np.minimum(pops[kept], _MOST_POPS)
    counts = Counter(map(int, np.sort(at)))
    means = {p: float(change[at == p].mean()) for p, n in counts.items() if n >= _ENOUGH}
    names = {p: f"{p} or more" if p == _MOST_POPS else str(p) for p in counts}
    slope = f"Difference in pain after per pop, adjusted: {estimate_words(o.dose.per_pop.estimate, o.scale)}."
    parts = "; ".join(
        f"{names[p]}: {counted(n, o.unit)}" + (f", mean change {number(means[p], o.scale)}" if p in means else "")
        for p, n in counts.items()
    )

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        dots, heavy = np.unique(np.column_stack([at, _rounded(change, o)]), axis=0, return_counts=True)
        for label in ("no_pop", "pop"):
            own = (dots[:, 0] == 0) == (label == "no_pop")
            axes.scatter(
                dots[own, 0], dots[own, 1], s=6 + 240 * heavy[own] / heavy.max(), color=COLOURS[label],
                marker=MARKERS[label], alpha=0.45, linewidths=0,
            )  # fmt: skip
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.plot([*means], [*means.values()], color=INK, linewidth=1.4, marker="_", markersize=16, markeredgewidth=2.2)
        font: dict[str, Any] = {"fontsize": 9, "fontweight": "bold"}
        for p, mean in means.items():
            axes.annotate(number(mean, o.scale), (p, mean), (9, 5), textcoords="offset points", **font)
        axes.set_xticks([*counts])
        axes.set_xticklabels([f"{names[p]}\n{n}" for p, n in counts.items()])
        change_words = f"change of pain, {SHORT_UNITS[o.scale]}\n(below 0: less pain)"
        axes.set(xlabel=f"pops detected; below, the number of {o.unit}s", ylabel=change_words)
        axes.locator_params(axis="y", integer=True)
        axes.set_xlim(min(counts) - 0.6, max(counts) + 0.8)
        axes.tick_params(length=0)

    words = f"Dots of the change of pain at each number of pops ({parts}). {slope}"
    how = (
        f"The larger a dot, the more {o.unit}s. The line joins the means of {_ENOUGH} {o.unit}s or more, "
        f"not adjusted for anything. {slope}"
    )
    return Picture(title, words, drawn("dose", title, words, draw), how)


def agreement(o: Outcomes) -> Picture:
    """Draw a bar for each pair of raters: both yes, one only, both no."""
    title = "Agreement of detector, patient and therapist"
    if not any(pair.n for pair in o.agreement):
        return Picture(title, "No thrust was judged by two of detector, patient and therapist.")

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for row, pair in enumerate(o.agreement):
            _bar(axes, -row, pair)
        axes.set(xlim=(0, 100), ylim=(-2.6, 0.75), yticks=[], xlabel="% of the thrusts that both judged yes or no")
        axes.spines["left"].set_visible(False)

    words = "Three bars. " + " ".join(_pair_words(pair) for pair in o.agreement)
    how = "Plain: both heard a pop. Crossed: only one did. Striped: neither did. Unsure answers are left out."
    return Picture(title, words, drawn("agreement", title, words, draw, 3.4), how)


def probabilities(thrusts: Sequence[Thrust], thresholds: tuple[OperatingPoint | None, str]) -> Picture:
    """Draw the histogram of the detector's probabilities, with the decision thresholds, which may be unknown."""
    title = "The detector's probabilities"
    known = [(t.label, t.p_pop) for t in thrusts if t.label is not None and t.p_pop is not None]
    if not known:
        return Picture(title, "No clip was judged, so there are no probabilities to draw.")
    edges = np.linspace(0, 1, 21)
    counts = {
        label: np.histogram([p for own, p in known if own == label], edges)[0]
        for label in ("no_pop", "uncertain", "pop")
    }
    total = np.sum([*counts.values()], axis=0)
    point, threshold_words = thresholds

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        floor = np.zeros(20)
        for label, height in counts.items():
            axes.bar(
                edges[:-1], height, 0.05, floor, align="edge", color=COLOURS[label], edgecolor=PAPER, linewidth=0.6,
                hatch=HATCHES[label], label=f"{GROUP_NAMES[label]} ({height.sum()})",
            )  # fmt: skip
            floor = floor + height
        marks = ((point.no_pop_below, "no pop below"), (point.pop_from, "pop from")) if point else ()
        for place, text in marks:
            axes.axvline(place, color=INK, linestyle=(0, (5, 2)), linewidth=1.2)
            axes.text(place, floor.max() * 1.14, f"{text} {place:.2f}", ha="center", va="bottom", fontsize=9)
        axes.set(xlim=(0, 1), ylim=(0, floor.max() * 1.12), ylabel="thrusts")
        axes.set(xlabel="probability that the clip holds a pop")
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
        axes.tick_params(length=2)

    share = "; ".join(f"{GROUP_NAMES[label]}: {height.sum()}" for label, height in counts.items())
    words = (
        f"Histogram of the probability of {counted(len(known), 'thrust')} ({share}); {total[:2].sum()} have less than "
        f"0.1 and {total[-2:].sum()} have 0.9 or more. {threshold_words}"
    )
    how = f"The bars of the verdicts are stacked. {threshold_words}"
    return Picture(title, words, drawn("probabilities", title, words, draw, 3.2), how)


def _rounded(pain: Floats, o: Outcomes) -> Floats:
    return np.rint(pain / _STEPS[o.scale]) * _STEPS[o.scale]


def _slopes(axes: Any, before: Floats, after: Floats, group: Group, scale: str) -> None:
    """Draw the lines of one group, and its means."""
    if not len(before):
        axes.text(0.5, 0.5, "none\nwith both scores", ha="center", transform=axes.transAxes)
        return
    ways, counts = np.unique(np.column_stack([before, after]), axis=0, return_counts=True)
    weight = np.sqrt(counts / counts.max())
    for (start, end), heavy in zip(ways, weight, strict=True):
        axes.plot(
            [0, 1], [start, end], color=COLOURS[group.label], linewidth=0.4 + 3.2 * heavy, alpha=0.18 + 0.37 * heavy,
            linestyle=LINES[group.label], solid_capstyle="round",
        )  # fmt: skip
    if group.mean_before is None or group.mean_after is None:
        return
    means = (group.mean_before, group.mean_after)
    axes.plot([0, 1], means, color=PAPER, linewidth=5)
    axes.plot([0, 1], means, color=INK, linewidth=2.2, marker=MARKERS[group.label], markersize=7)
    font: dict[str, Any] = {"va": "center", "fontweight": "bold", "fontsize": 9.5}
    axes.text(-0.1, means[0], number(means[0], scale), ha="right", **font)
    axes.text(1.1, means[1], number(means[1], scale), ha="left", **font)


def _bar(axes: Any, y: float, pair: Agreement) -> None:
    axes.text(0, y + 0.33, f"{pair.first} and {pair.second}", fontweight="bold", va="bottom")
    kappa = f"kappa {estimate_words(pair.kappa, 'ratio')}" if pair.n else "no thrust that both judged"
    kappa = kappa if len(kappa) <= 62 else f"{kappa[:60]}…"
    axes.text(100, y + 0.33, kappa, ha="right", va="bottom", fontsize=9)
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
    name, n = GROUP_NAMES[group.label].capitalize(), counted(group.n_scored, o.unit)
    if group.mean_before is None:
        return f"{name}: no {o.unit} with both scores."
    return (
        f"{name}, {n}: mean {number(group.mean_before, o.scale)} before, {number(group.mean_after, o.scale)} after, "
        f"change {estimate_words(group.change, o.scale)}."
    )
