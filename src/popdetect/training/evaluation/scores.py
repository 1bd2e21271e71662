"""How good the verdicts are: counts first, then rates, each with its interval.

`METRICS` is the one table of metrics: a new metric is one entry there and one field of `Scores` or `EventScores`. Text
tables, the model card and the bootstrap follow from it.

Conventions
-----------
* ``pop`` is the positive class. Clips whose truth is ``uncertain`` are counted as not scored, and otherwise left out.
* Sensitivity and specificity are strict: a clip called ``uncertain`` counts as wrong in both. The share of such clips
  and the table of truth by verdict are given with them.
* Found events are the counted events of a clip, also the uncertain pops of a clip called ``uncertain``.
* Events are scored on clips whose onsets are marked: all ``no_pop`` clips (no onsets), and ``pop`` clips with onsets.
  If only some ``pop`` clips are marked, false alarms count for more than in reality; see `n_marked_pop`.
* An undefined metric is None: a rate over nothing, or an event rate without a true event.

Intervals are 95 %. Those of sensitivity, specificity and the uncertain share are Wilson's, which assume independent
clips. All others are bootstrapped over groups (people), or over clips if there is only one group (`resampled`). With
few groups they are too narrow, as all such intervals are. If all resamples give the same figure (no error was made), or
more than one in ten are undefined, there is no interval.

References
----------
Wilson (1927), J Am Stat Assoc 22:209; Naeini et al. (2015), AAAI (expected calibration error).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.metrics import brier_score_loss, roc_auc_score

from popdetect.intervals import wilson
from popdetect.records import LABELS, to_json
from popdetect.training.evaluation.intervals import N_BOOT, Figure, Floats, Ranking, figure, ratio, resamples, units
from popdetect.training.evaluation.matching import ClipCounts, ScoredClip

N_BINS = 10  # of equal width, over p_pop


@dataclass(frozen=True, slots=True)
class Bin:
    """Clips with `low` ≤ p_pop < `high` (the last bin includes 1.0): mean probability and share of pops."""

    low: float
    high: float
    n: int
    mean_p_pop: float | None
    pop_share: float | None


@dataclass(frozen=True, slots=True)
class EventScores:
    """Onsets found within ±5 ms of true ones, over the clips whose onsets are marked."""

    n_marked: int  # clips whose onsets are marked
    n_marked_pop: int  # of those, clips with a pop
    tp: int  # onsets paired
    fn: int  # onsets missed
    fp: int  # onsets found where there is none
    precision: Figure | None  # tp / (tp + fp)
    recall: Figure | None  # tp / (tp + fn)
    f1: Figure | None  # 2 tp / (2 tp + fn + fp)
    median_error_ms: float | None  # distance of paired onsets, so never more than the tolerance
    p95_error_ms: float | None
    count_error: Figure | None  # found minus true number of pops in a clip: mean of its size
    count_bias: Figure | None  # the same: mean


@dataclass(frozen=True, slots=True)
class Scores:
    """Comparison of verdicts with the truth; `records.to_json` gives the JSON form."""

    n_clips: int  # scored: n_pop + n_no_pop
    n_pop: int
    n_no_pop: int
    n_not_scored: int  # clips whose truth is uncertain
    n_groups: int
    resampled: Literal["groups", "clips"]  # what the bootstrap draws
    table: dict[str, dict[str, int]]  # number of clips: table[truth][verdict], truth `pop` or `no_pop`
    sensitivity: Figure | None  # share of pop clips called `pop`; Wilson's interval
    specificity: Figure | None  # share of no_pop clips called `no_pop`; Wilson's interval
    uncertain_share: Figure | None  # of all scored clips; Wilson's interval
    auroc: Figure | None  # chance that a pop clip has a higher p_pop than a no_pop clip (a tie counts half)
    # at the lowest threshold on p_pop that at most one no_pop clip in 20 reaches; the threshold is chosen on the same
    # clips, also in the resamples, so this describes the ranking, not an operating point
    sensitivity_at_specificity_95: Figure | None
    threshold_at_specificity_95: float | None  # lowest p_pop of the pop clips called at it; None if there is none
    brier: Figure | None  # mean of (p_pop - truth)²
    # mean distance of p_pop from the share of pops in ten bins, weighted by clips, 0 to 1; larger in small sets
    ece: float | None
    reliability: tuple[Bin, ...]
    events: EventScores
    n_false_pops: int  # pops found in no_pop clips
    no_pop_minutes: float  # total duration of the no_pop clips
    false_pops_per_minute: Figure | None


Ratio = tuple[Floats, Floats]


def _event_ratio(top: Callable[[ClipCounts], Floats], bottom: Callable[[ClipCounts], Floats]) -> Callable[..., Ratio]:
    """Return the ratio of an event metric; undefined if only clips without pops are marked."""

    def of(counts: ClipCounts) -> Ratio:
        has_pops = (counts.tp + counts.fn).any()
        return top(counts) * has_pops, bottom(counts) * has_pops

    return of


f1_ratio = _event_ratio(lambda c: 2 * c.tp, lambda c: 2 * c.tp + c.fp + c.fn)


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its place in `Scores`, its names, and how it is computed."""

    name: str  # field of `Scores`; `events.` and a field of `EventScores` for metrics of events
    title: str  # in the table of `popdetect evaluate`
    card_title: str = ""  # on the model card; empty: not shown there
    # numerators and denominators by clip, each of shape (n,): the metric is the ratio of their sums, and is
    # bootstrapped; None: it is computed in `score`
    ratio: Callable[[ClipCounts], Ratio] | None = None

    def of(self, scores: Scores) -> Figure | float | None:
        """Return the value in a set of scores."""
        value: Figure | float | None = attrgetter(self.name)(scores)
        return value


METRICS = (
    Metric("sensitivity", "sensitivity", "sensitivity (uncertain counts as missed)"),
    Metric("specificity", "specificity", "specificity (uncertain counts as wrong)"),
    Metric("uncertain_share", "called uncertain", "share of uncertain clips"),
    Metric("auroc", "AUROC", "clip AUROC"),
    Metric("sensitivity_at_specificity_95", "sensitivity at specificity 0.95", "sensitivity at specificity 0.95"),
    Metric("brier", "Brier score", "", lambda c: (np.square(c.p_pop - c.is_pop), np.ones(len(c.p_pop)))),
    Metric("ece", "calibration error (ECE, 10 bins)", "calibration error (ECE) of the clip probability"),
    Metric(
        "false_pops_per_minute", "false pops per minute of no_pop", "false pops per minute of clips without pops",
        lambda c: (c.n_false, c.minutes),
    ),
    Metric(
        "events.precision", "precision", "event precision (±5 ms)", _event_ratio(lambda c: c.tp, lambda c: c.tp + c.fp)
    ),
    Metric("events.recall", "recall", "event recall (±5 ms)", _event_ratio(lambda c: c.tp, lambda c: c.tp + c.fn)),
    Metric("events.f1", "F1", "event F1 (±5 ms)", f1_ratio),
    Metric("events.median_error_ms", "timing error, median, ms", "median timing error, ms"),
    Metric("events.p95_error_ms", "timing error, 95th percentile, ms"),
    Metric(
        "events.count_error", "count error, mean per clip", "mean absolute count error per clip",
        _event_ratio(lambda c: np.abs(c.fp - c.fn), lambda c: c.marked),
    ),
    Metric(
        "events.count_bias", "count bias, mean per clip", "",
        _event_ratio(lambda c: c.fp - c.fn, lambda c: c.marked),
    ),
)  # fmt: skip


def card_figures(scores: Scores) -> dict[str, Any]:
    """Return the figures of the model card by title, in the order of `METRICS` and in JSON types."""
    clips = f"{scores.n_clips} ({scores.n_pop} with pops), {scores.n_groups} groups"
    return {"clips": clips} | {metric.card_title: to_json(metric.of(scores)) for metric in METRICS if metric.card_title}


def score(clips: Sequence[ScoredClip], *, seed: int = 0, n_boot: int = N_BOOT) -> Scores:
    """Score a set of clips; their order has no effect, not even on the intervals.

    `seed` is that of the resampling, `n_boot` the number of resamples; 0 for no bootstrap intervals.
    """
    # one fixed order, so that resamples and rounding do not depend on the order of the caller
    scored = sorted((c for c in clips if c.truth_label != "uncertain"), key=lambda c: (c.group, c.file, repr(c)))
    unit_of, n_groups = units([clip.group for clip in scored])
    counts = ClipCounts.of(scored)
    is_pop, p_pop = counts.is_pop, counts.p_pop
    verdicts = Counter((clip.truth_label, clip.label) for clip in scored)
    table = {truth: {str(label): verdicts[truth, label] for label in LABELS} for truth in ("pop", "no_pop")}
    n_pop, n_no_pop = int(is_pop.sum()), int((~is_pop).sum())

    ranking = Ranking(p_pop, is_pop)
    ratios = {metric.name: metric.ratio(counts) for metric in METRICS if metric.ratio}
    top, bottom = (np.stack(parts, axis=1) for parts in zip(*ratios.values(), strict=True))

    def statistics(weights: Floats) -> Floats:
        return np.column_stack([*ranking.figures(weights), ratio(weights @ top, weights @ bottom)])

    names = ("auroc", "sensitivity_at_specificity_95", *ratios)
    values = dict(zip(names, statistics(np.ones((1, len(scored))))[0].tolist(), strict=True))
    resampled = [statistics(weights) for weights in resamples(unit_of, seed, n_boot)] if scored else []
    replicates = np.concatenate(resampled) if resampled else np.empty((0, len(names)))
    if n_pop and n_no_pop:
        values["auroc"] = float(roc_auc_score(is_pop, p_pop))
    if scored:
        values["brier"] = float(brier_score_loss(is_pop, p_pop, labels=[False, True]))
    figures = {name: figure(values[name], replicates[:, k]) for k, name in enumerate(names)}

    reliability = _reliability(p_pop, is_pop)
    errors_ms = counts.errors_ms
    return Scores(
        n_clips=len(scored),
        n_pop=n_pop,
        n_no_pop=n_no_pop,
        n_not_scored=len(clips) - len(scored),
        n_groups=n_groups,
        resampled="groups" if n_groups >= 2 else "clips",
        table=table,
        sensitivity=_share(table["pop"]["pop"], n_pop),
        specificity=_share(table["no_pop"]["no_pop"], n_no_pop),
        uncertain_share=_share(table["pop"]["uncertain"] + table["no_pop"]["uncertain"], len(scored)),
        threshold_at_specificity_95=ranking.threshold(),
        ece=_ece(reliability),
        reliability=reliability,
        events=EventScores(
            n_marked=int(counts.marked.sum()),
            n_marked_pop=int((counts.marked.astype(bool) & is_pop).sum()),
            tp=int(counts.tp.sum()),
            fn=int(counts.fn.sum()),
            fp=int(counts.fp.sum()),
            median_error_ms=float(np.median(errors_ms)) if errors_ms else None,
            p95_error_ms=float(np.quantile(errors_ms, 0.95)) if errors_ms else None,
            **{name.removeprefix("events."): one for name, one in figures.items() if name.startswith("events.")},
        ),
        n_false_pops=int(counts.n_false.sum()),
        no_pop_minutes=float(counts.minutes.sum()),
        **{name: one for name, one in figures.items() if not name.startswith("events.")},
    )


def score_by_group(clips: Sequence[ScoredClip], *, seed: int = 0, n_boot: int = N_BOOT) -> dict[str, Scores]:
    """Score each group separately, ordered by name; within a group, the bootstrap draws clips."""
    members: dict[str, list[ScoredClip]] = {}
    for clip in sorted(clips, key=lambda clip: clip.group):
        members.setdefault(clip.group, []).append(clip)
    return {group: score(own, seed=seed, n_boot=n_boot) for group, own in members.items()}


def _share(k: int, n: int) -> Figure | None:
    return Figure(k / n, *wilson(k, n)) if n else None


def _reliability(p_pop: Floats, is_pop: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    bin_of = np.digitize(p_pop, [k / N_BINS for k in range(1, N_BINS)])
    bins = []
    for k in range(N_BINS):
        here = bin_of == k
        n = int(here.sum())
        means = (float(p_pop[here].mean()), float(is_pop[here].mean())) if n else (None, None)
        bins.append(Bin(k / N_BINS, (k + 1) / N_BINS, n, *means))
    return tuple(bins)


def _ece(reliability: Sequence[Bin]) -> float | None:
    gaps = [b.n * abs((b.mean_p_pop or 0) - (b.pop_share or 0)) for b in reliability if b.n]
    return sum(gaps) / sum(b.n for b in reliability) if gaps else None
