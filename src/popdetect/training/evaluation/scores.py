"""How good the verdicts are: counts first, rates last, an interval beside every rate that can have one.

Conventions
-----------
* ``pop`` is the positive class. Clips whose truth is ``uncertain`` are counted as not scored and otherwise left out.
* Sensitivity and specificity are strict: a clip that was called ``uncertain`` is right on neither side. The share of
  such clips, and the whole table of truth by verdict, stand beside them.
* Events are scored over the clips whose onsets are marked: ``no_pop`` clips (none), and ``pop`` clips with onsets.
  Where only some of the ``pop`` clips are marked, false alarms weigh more than in life; `n_marked_pop` tells.
* What is undefined is None: no rate over nothing, no event rate without a true event.

Intervals are 95 %. Those of sensitivity, specificity and the uncertain share are Wilson's, which take clips as
independent. All others resample whole groups (people) where there are two or more, else clips; `resampled` says which.
With few groups they are too narrow, as all such intervals are. Where a resample says nothing (all give the same
figure, as when not one error was made, or more than one in ten are undefined) the interval is None, not a point.

References
----------
Wilson (1927), J Am Stat Assoc 22:209; Naeini et al. (2015), AAAI (expected calibration error).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.metrics import brier_score_loss, roc_auc_score

from popdetect.intervals import wilson
from popdetect.records import LABELS, Label
from popdetect.training.evaluation.intervals import (
    CONFIDENCE,
    N_BOOT,
    Floats,
    Ranking,
    figure,
    ratio,
    resamples,
    units,
)
from popdetect.training.evaluation.intervals import Figure as Figure
from popdetect.training.evaluation.matching import TOLERANCE_S, Matching, match

N_BINS = 10  # of equal width, over p_pop


@dataclass(frozen=True, slots=True)
class ScoredClip:
    """One clip: what is true of it and what was said of it.

    Attributes
    ----------
    file : str
    group : str
        Whose clip it is; clips of one group are resampled together.
    truth_label, label : {"pop", "no_pop", "uncertain"}
    p_pop : float in [0, 1]
    true_onsets_s : tuple of float, or None
        None when not marked.
    found_onsets_s : tuple of float
        The events that were counted as pops.
    duration_s : float ≥ 0
    """

    file: str
    group: str
    truth_label: Label
    p_pop: float
    label: Label
    true_onsets_s: tuple[float, ...] | None
    found_onsets_s: tuple[float, ...]
    duration_s: float

    def __post_init__(self) -> None:
        if not 0 <= self.p_pop <= 1:
            raise ValueError(f"{self.file}: p_pop {self.p_pop}; a probability from 0 to 1 is allowed")


@dataclass(frozen=True, slots=True)
class Bin:
    """The clips with `low` ≤ p_pop < `high` (the last bin has 1.0 too): what was said and what was so."""

    low: float
    high: float
    n: int
    mean_p_pop: float | None
    pop_share: float | None


@dataclass(frozen=True, slots=True)
class EventScores:
    """Onsets found within ±5 ms of true ones, over the clips whose onsets are marked.

    Attributes
    ----------
    n_marked, n_marked_pop : int
        Clips whose onsets are marked, and how many of those hold a pop.
    tp, fn, fp : int
        Onsets paired, missed, and found where there is none.
    precision : tp / (tp + fp)
    recall : tp / (tp + fn)
    f1 : 2 tp / (2 tp + fn + fp)
    median_error_ms, p95_error_ms : float ≥ 0, or None
        Distance of paired onsets, so never more than the tolerance.
    count_error, count_bias : Figure or None
        Found minus true number of pops in a clip: mean of its size, and mean.
    """

    n_marked: int
    n_marked_pop: int
    tp: int
    fn: int
    fp: int
    precision: Figure | None
    recall: Figure | None
    f1: Figure | None
    median_error_ms: float | None
    p95_error_ms: float | None
    count_error: Figure | None
    count_bias: Figure | None


@dataclass(frozen=True, slots=True)
class Scores:
    """How the verdicts on a set of clips compare with the truth; conventions in the module's head.

    Attributes
    ----------
    n_clips, n_pop, n_no_pop : int
        Clips scored; n_clips = n_pop + n_no_pop.
    n_not_scored : int
        Clips whose truth is uncertain.
    n_groups : int
    resampled : {"groups", "clips"}
        What the bootstrap intervals draw.
    table : dict
        ``table[truth][verdict]``, truth ``pop`` or ``no_pop``: number of clips.
    sensitivity, specificity : Figure or None
        Share of pop clips called ``pop``, of no_pop clips called ``no_pop``; Wilson's interval.
    uncertain_share : Figure or None
        Of all scored clips; Wilson's interval.
    auroc : Figure or None
        Chance that a pop clip has a higher p_pop than a no_pop clip (a tie counts half).
    sensitivity_at_specificity_95 : Figure or None
        At the best threshold on p_pop that at most one no_pop clip in 20 reaches. The threshold is chosen on these
        very clips, in the resamples too, so this describes the ranking, not an operating point.
    threshold_at_specificity_95 : float or None
        The least p_pop of the pop clips called there; None where not one is.
    brier : Figure or None
        Mean of (p_pop - truth)².
    ece : float in [0, 1], or None
        Mean distance of p_pop from the share of pops over ten bins, weighted by their clips. Small sets make it large.
    reliability : tuple of Bin
    events : EventScores
    n_false_pops : int
        Pops found in no_pop clips.
    no_pop_minutes : float
        How long those clips are together.
    false_pops_per_minute : Figure or None
    """

    n_clips: int
    n_pop: int
    n_no_pop: int
    n_not_scored: int
    n_groups: int
    resampled: Literal["groups", "clips"]
    table: dict[str, dict[str, int]]
    sensitivity: Figure | None
    specificity: Figure | None
    uncertain_share: Figure | None
    auroc: Figure | None
    sensitivity_at_specificity_95: Figure | None
    threshold_at_specificity_95: float | None
    brier: Figure | None
    ece: float | None
    reliability: tuple[Bin, ...]
    events: EventScores
    n_false_pops: int
    no_pop_minutes: float
    false_pops_per_minute: Figure | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, numbers and None, ready for `json.dumps`."""
        plain = dataclasses.asdict(self)
        plain["reliability"] = list(plain["reliability"])
        return plain


def score(clips: Sequence[ScoredClip], *, seed: int = 0, n_boot: int = N_BOOT) -> Scores:
    """Score a set of clips.

    Parameters
    ----------
    clips : sequence of ScoredClip
        In any order; the order changes nothing, not even the intervals.
    seed : int ≥ 0
        Of the resampling.
    n_boot : int ≥ 0
        Resamples; 0 for no bootstrap intervals.

    Returns
    -------
    Scores
    """
    # one fixed order, so that the resamples and the rounding of sums do not depend on the caller's
    scored = sorted((c for c in clips if c.truth_label != "uncertain"), key=lambda c: (c.group, c.file, repr(c)))
    unit_of, n_groups = units([clip.group for clip in scored])

    p_pop = np.array([clip.p_pop for clip in scored], float)
    is_pop = np.array([clip.truth_label == "pop" for clip in scored], bool)
    counts = Counter((clip.truth_label, clip.label) for clip in scored)
    table: dict[str, dict[str, int]] = {
        truth: {label: counts[truth, label] for label in LABELS} for truth in ("pop", "no_pop")
    }
    n_pop, n_no_pop = int(is_pop.sum()), int((~is_pop).sum())
    matchings = [matched(clip) for clip in scored]
    events = EventCounts.of(matchings)
    n_false = np.array([0 if pop else len(c.found_onsets_s) for c, pop in zip(scored, is_pop, strict=True)], float)
    minutes = np.array([0 if pop else c.duration_s / 60 for c, pop in zip(scored, is_pop, strict=True)], float)

    ranking = Ranking(p_pop, is_pop)
    tops, bottoms = zip(
        (np.square(p_pop - is_pop), np.ones(len(scored))), (n_false, minutes), *events.ratios(), strict=True
    )
    top, bottom = np.stack(tops, axis=1), np.stack(bottoms, axis=1)

    def statistics(weights: Floats) -> Floats:
        return np.column_stack([*ranking.figures(weights), ratio(weights @ top, weights @ bottom)])

    values = statistics(np.ones((1, len(scored))))[0]
    resampled = [statistics(weights) for weights in resamples(unit_of, seed, n_boot)] if scored else []
    replicates = np.concatenate(resampled) if resampled else np.empty((0, len(values)))
    if n_pop and n_no_pop:
        values[0] = roc_auc_score(is_pop, p_pop)
    if scored:
        values[2] = brier_score_loss(is_pop, p_pop, labels=[False, True])
    figures = [figure(float(value), replicates[:, k]) for k, value in enumerate(values)]
    auroc, at_95, brier, false_rate, precision, recall, f1, count_error, count_bias = figures

    errors_ms = [abs(1000 * error) for matching in matchings if matching for error in matching.errors_s]
    reliability = _reliability(p_pop, is_pop)
    return Scores(
        n_clips=len(scored),
        n_pop=n_pop,
        n_no_pop=n_no_pop,
        n_not_scored=len(clips) - len(scored),
        n_groups=n_groups,
        resampled="groups" if n_groups >= 2 else "clips",
        table=table,
        sensitivity=_wilson(table["pop"]["pop"], n_pop),
        specificity=_wilson(table["no_pop"]["no_pop"], n_no_pop),
        uncertain_share=_wilson(table["pop"]["uncertain"] + table["no_pop"]["uncertain"], len(scored)),
        auroc=auroc,
        sensitivity_at_specificity_95=at_95,
        threshold_at_specificity_95=ranking.threshold(),
        brier=brier,
        ece=_ece(reliability),
        reliability=reliability,
        events=EventScores(
            n_marked=int(events.marked.sum()),
            n_marked_pop=int((events.marked.astype(bool) & is_pop).sum()),
            tp=int(events.tp.sum()),
            fn=int(events.fn.sum()),
            fp=int(events.fp.sum()),
            precision=precision,
            recall=recall,
            f1=f1,
            median_error_ms=float(np.median(errors_ms)) if errors_ms else None,
            p95_error_ms=float(np.quantile(errors_ms, 0.95)) if errors_ms else None,
            count_error=count_error,
            count_bias=count_bias,
        ),
        n_false_pops=int(n_false.sum()),
        no_pop_minutes=float(minutes.sum()),
        false_pops_per_minute=false_rate,
    )


def score_by_group(clips: Sequence[ScoredClip], *, seed: int = 0, n_boot: int = N_BOOT) -> dict[str, Scores]:
    """Score each group for itself, in the order of their names; within one, the bootstrap draws clips."""
    members: dict[str, list[ScoredClip]] = {}
    for clip in sorted(clips, key=lambda clip: clip.group):
        members.setdefault(clip.group, []).append(clip)
    return {group: score(own, seed=seed, n_boot=n_boot) for group, own in members.items()}


@dataclass(frozen=True, slots=True)
class EventCounts:
    """Counts by clip, each of shape (n,); zero where onsets are not marked."""

    marked: Floats
    tp: Floats
    fn: Floats
    fp: Floats

    @classmethod
    def of(cls, matchings: Sequence[Matching | None]) -> EventCounts:
        """From the matching of each clip, None where its onsets are not marked."""
        rows = [(1, len(m.pairs), len(m.missed), len(m.false)) if m else (0, 0, 0, 0) for m in matchings]
        return cls(*np.array(rows, float).reshape(len(rows), 4).T)

    def ratios(self) -> list[tuple[Floats, Floats]]:
        """(numerators, denominators) of precision, recall, F1, count error and count bias."""
        tp, fn, fp = self.tp, self.fn, self.fp
        marked = self.marked
        if not (tp + fn).any():
            # only clips without pops are marked: every figure would be 0 or nonsense, not a finding
            nothing = np.zeros_like(tp)
            return [(nothing, nothing)] * 5
        return [
            (tp, tp + fp),
            (tp, tp + fn),
            (2 * tp, 2 * tp + fp + fn),
            (np.abs(fp - fn), marked),
            (fp - fn, marked),
        ]


def matched(clip: ScoredClip) -> Matching | None:
    """How the found onsets of a clip pair with the true ones; None where those are not marked."""
    if clip.true_onsets_s is None:
        return None
    return match(clip.true_onsets_s, clip.found_onsets_s, TOLERANCE_S)


def _wilson(k: int, n: int) -> Figure | None:
    if n == 0:
        return None
    return Figure(k / n, *wilson(k, n, CONFIDENCE))


def _reliability(p_pop: Floats, is_pop: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    edges = [k / N_BINS for k in range(N_BINS + 1)]
    bin_of = np.digitize(p_pop, edges[1:-1])
    bins = []
    for k in range(N_BINS):
        here = bin_of == k
        n = int(here.sum())
        said, so = (float(p_pop[here].mean()), float(is_pop[here].mean())) if n else (None, None)
        bins.append(Bin(edges[k], edges[k + 1], n, said, so))
    return tuple(bins)


def _ece(reliability: Sequence[Bin]) -> float | None:
    gaps = [
        b.n * abs(b.mean_p_pop - b.pop_share)
        for b in reliability
        if b.mean_p_pop is not None and b.pop_share is not None
    ]
    return sum(gaps) / sum(b.n for b in reliability) if gaps else None
