"""A detector against the truth: runs it over labelled clips and says how well it did.

Clips are grouped by patient, because clips of one person resemble each other; where no patient is named, a column
``group`` (a data set, a room, a recorder) stands in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from popdetect.errors import NothingFound, UsageError
from popdetect.records import LABELS, Detection, Verdict
from popdetect.session.labels import Truth
from popdetect.training.evaluation.matching import TOLERANCE_S
from popdetect.training.evaluation.scores import Figure, ScoredClip, Scores, score, score_by_group

DISCLAIMER = (
    "popdetect is a research tool, not a medical device.\nFigures from simulated sound are not clinical accuracy."
)


class Judge(Protocol):
    """What is evaluated: a `Detector`, or anything that judges files as one does."""

    def verdict(self, source: Path, name: str, /) -> Verdict:
        """Judge a file, without raising for what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of it.

    Attributes
    ----------
    scores : Scores
        Over all clips that could be judged.
    by_group : dict of str to Scores
        In the order of their names; the group of clips without one is the empty name.
    failed : tuple of Verdict
        Files that could not be judged; they are in no score.
    clips : tuple of ScoredClip
        In the order of the truth, those of uncertain truth too.
    """

    scores: Scores
    by_group: dict[str, Scores]
    failed: tuple[Verdict, ...]
    clips: tuple[ScoredClip, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists, numbers and None, ready for `json.dumps`."""
        return {
            "scores": self.scores.to_dict(),
            "by_group": {group: scores.to_dict() for group, scores in self.by_group.items()},
            "failed": [{"file": v.file, "status": v.status, "error": v.error} for v in self.failed],
            "clips": [_lists(dataclasses.asdict(clip)) for clip in self.clips],
        }


def evaluate(
    truths: Sequence[Truth],
    detector: Judge,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Judge every clip and compare.

    Parameters
    ----------
    truths : sequence of Truth
    detector : Judge
    on_progress : callable (done, total), optional
        Called after each clip.
    seed : int ≥ 0
        Of the intervals.

    Returns
    -------
    Evaluation

    Raises
    ------
    UsageError
        When no truth is ``pop`` or ``no_pop``, so that nothing can be scored.
    NothingFound
        When not one of those clips could be judged.
    """
    if all(truth.label == "uncertain" for truth in truths):
        raise UsageError(f"{len(truths)} clips, none labelled pop or no_pop; there is nothing to score against")
    clips: list[ScoredClip] = []
    failed: list[Verdict] = []
    for done, truth in enumerate(truths, start=1):
        verdict = detector.verdict(truth.path, truth.file)
        if verdict.detection is None:
            failed.append(verdict)
        else:
            clips.append(_compared(truth, verdict.detection))
        if on_progress is not None:
            on_progress(done, len(truths))
    if all(clip.truth_label == "uncertain" for clip in clips):
        raise NothingFound(
            f"none of the {len(truths)} labelled clips could be judged; "
            f"the first, {failed[0].file}: {failed[0].error or failed[0].status}"
        )
    return Evaluation(score(clips, seed=seed), score_by_group(clips, seed=seed), tuple(failed), tuple(clips))


def as_text(evaluation: Evaluation, by_group: bool = False) -> str:
    """Write an evaluation as a table for people, 80 columns wide but for long file names.

    Parameters
    ----------
    evaluation : Evaluation
    by_group : bool
        With a line for each group.
    """
    scores = evaluation.scores
    parts = [_counted(evaluation), _confusion(scores), _figures(scores)]
    if by_group:
        parts.append(_groups(evaluation.by_group))
    if evaluation.failed:
        parts.append("\n".join(["Not judged:", *(f"  {v.file}: {v.error or v.status}" for v in evaluation.failed)]))
    parts.append(DISCLAIMER)
    return "\n\n".join(parts)


def _compared(truth: Truth, detection: Detection) -> ScoredClip:
    return ScoredClip(
        file=truth.file,
        group=truth.patient_id or truth.extra.get("group", ""),
        truth_label=truth.label,
        p_pop=detection.p_pop,
        label=detection.label,
        true_onsets_s=truth.onsets_s,
        found_onsets_s=tuple(event.onset_s for event in detection.pops),
        duration_s=detection.duration_s,
    )


def _counted(evaluation: Evaluation) -> str:
    scores = evaluation.scores
    text = f"{scores.n_clips} clips scored ({scores.n_pop} pop, {scores.n_no_pop} no_pop)"
    text += f" in {scores.n_groups} groups" if scores.n_groups > 1 else ""
    left_out = []
    if scores.n_not_scored:
        left_out.append(f"{scores.n_not_scored} of uncertain truth")
    if evaluation.failed:
        left_out.append(f"{len(evaluation.failed)} that could not be judged")
    return text + (f"\nleft out: {', '.join(left_out)}" if left_out else "")


def _confusion(scores: Scores) -> str:
    lines = [f"{'called:':<16}" + "".join(f"{label:>10}" for label in LABELS)]
    for truth, row in scores.table.items():
        lines.append(f"{'truth ' + truth:<16}" + "".join(f"{row[label]:>10}" for label in LABELS))
    return "\n".join(lines)


def _figures(scores: Scores) -> str:
    events = scores.events
    lines = [
        f"{'Clips':<41}   95 % interval",
        _line("sensitivity", scores.sensitivity),
        _line("specificity", scores.specificity),
        _line("called uncertain", scores.uncertain_share),
        _line("AUROC", scores.auroc),
        _line("sensitivity at specificity 0.95", scores.sensitivity_at_specificity_95),
        _line("Brier score", scores.brier),
        _line("calibration error (ECE, 10 bins)", _bare(scores.ece)),
        _line("false pops per minute of no_pop", scores.false_pops_per_minute),
        "",
        f"Pops, ±{1000 * TOLERANCE_S:g} ms: {events.tp} found, {events.fn} missed, {events.fp} false, "
        f"in {events.n_marked} marked clips ({events.n_marked_pop} pop)",
        _line("precision", events.precision),
        _line("recall", events.recall),
        _line("F1", events.f1),
        _line("timing error, median, ms", _bare(events.median_error_ms)),
        _line("timing error, 95th percentile, ms", _bare(events.p95_error_ms)),
        _line("count error, mean per clip", events.count_error),
        _line("count bias, mean per clip", events.count_bias),
        "",
        "A clip called uncertain is right on neither side. Intervals of the first three",
        f"figures are Wilson's; the others' are bootstrapped over {scores.resampled}, and left out",
        "where resampling tells nothing.",
    ]
    return "\n".join(lines)


def _line(name: str, figure: Figure | None) -> str:
    """One figure with its interval; a dash where it is undefined."""
    if figure is None:
        return f"  {name:<33}{'-':>6}"
    known = figure.low is not None and figure.high is not None
    interval = f"{figure.low:.3f} to {figure.high:.3f}" if known else ""
    return f"  {name:<33}{figure.value:>6.3f}   {interval}".rstrip()


def _bare(value: float | None) -> Figure | None:
    return None if value is None else Figure(value)


def _groups(by_group: dict[str, Scores]) -> str:
    lines = [f"{'Group':<22}{'clips':>6}{'pop':>6}{'AUROC':>8}{'sens.':>8}{'spec.':>8}{'F1':>8}{'false/min':>11}"]
    for group, scores in by_group.items():
        name = group or "(none)"
        name = name if len(name) <= 21 else name[:20] + "…"
        figures = (scores.auroc, scores.sensitivity, scores.specificity, scores.events.f1)
        cells = "".join(f"{'-' if figure is None else f'{figure.value:.3f}':>8}" for figure in figures)
        rate = scores.false_pops_per_minute
        false = "-" if rate is None else f"{rate.value:.2f}"
        lines.append(f"{name:<22}{scores.n_clips:>6}{scores.n_pop:>6}{cells}{false:>11}")
    return "\n".join(lines)


def _lists(row: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in row.items()}
