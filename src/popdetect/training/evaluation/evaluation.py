"""Evaluation of a detector on labelled clips.

Clips are grouped by patient, because clips of one person are similar. Without a patient, the column ``group`` (data
set, room, recorder) is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from popdetect.errors import NothingFound, UsageError
from popdetect.records import LABELS, Detection, Verdict, to_json
from popdetect.session.labels import Truth
from popdetect.training.evaluation.intervals import Figure
from popdetect.training.evaluation.matching import TOLERANCE_S, ScoredClip
from popdetect.training.evaluation.scores import METRICS, Scores, score, score_by_group

DISCLAIMER = (
    "popdetect is a research tool, not a medical device.\nFigures from simulated sound are not clinical accuracy."
)


class ClipDetector(Protocol):
    """A `Detector`, or anything with the same method."""

    def verdict(self, source: Path, name: str, /) -> Verdict:
        """Return the verdict on a file; errors of the file are part of the verdict."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The result of `evaluate`."""

    scores: Scores  # over all clips that could be processed
    by_group: dict[str, Scores]  # ordered by name; the name is empty for clips without a group
    failed: tuple[Verdict, ...]  # files that could not be processed; no score includes them
    clips: tuple[ScoredClip, ...]  # in the order of the labels; includes clips whose truth is uncertain

    def to_dict(self) -> dict[str, Any]:
        """Return the form for ``--json``."""
        failed = [{"file": v.file, "status": v.status, "error": v.error} for v in self.failed]
        return {**to_json(self), "failed": failed, "clips": to_json(self.clips)}


def evaluate(
    truths: Sequence[Truth],
    detector: ClipDetector,
    *,
    on_progress: Callable[[int, int], None] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Process every clip and compare with its label.

    `on_progress` is called with (done, total) after each clip; `seed` is that of the intervals. Raises UsageError when
    no clip is labelled ``pop`` or ``no_pop``, NothingFound when none of those clips could be processed.
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
            f"none of the {len(truths)} labelled clips could be processed; "
            f"the first, {failed[0].file}: {failed[0].error or failed[0].status}"
        )
    return Evaluation(score(clips, seed=seed), score_by_group(clips, seed=seed), tuple(failed), tuple(clips))


def as_text(evaluation: Evaluation, by_group: bool = False) -> str:
    """Return an evaluation as a text table, with a line for each group if `by_group`.

    It is 80 columns wide; long file names are not cut.
    """
    scores = evaluation.scores
    parts = [_counted(evaluation), _confusion(scores), _figures(scores)]
    if by_group:
        parts.append(_groups(evaluation.by_group))
    if evaluation.failed:
        parts.append("\n".join(["Not processed:", *(f"  {v.file}: {v.error or v.status}" for v in evaluation.failed)]))
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
    counts = {"of uncertain truth": scores.n_not_scored, "that could not be processed": len(evaluation.failed)}
    left_out = ", ".join(f"{n} {why}" for why, n in counts.items() if n)
    return text + (f"\nleft out: {left_out}" if left_out else "")


def _confusion(scores: Scores) -> str:
    rows = {"called:": list(LABELS)} | {f"truth {truth}": list(row.values()) for truth, row in scores.table.items()}
    return "\n".join(f"{name:<16}" + "".join(f"{cell:>10}" for cell in row) for name, row in rows.items())


def _figures(scores: Scores) -> str:
    events = scores.events
    lines = [f"{'Clips':<41}   95 % interval"]
    for metric in METRICS:
        if metric.name == "events.precision":
            lines += [
                "",
                f"Pops, ±{1000 * TOLERANCE_S:g} ms: {events.tp} found, {events.fn} missed, {events.fp} false, "
                f"in {events.n_marked} marked clips ({events.n_marked_pop} pop)",
            ]
        value = metric.of(scores)
        lines.append(_line(metric.title, Figure(value) if isinstance(value, float) else value))
    lines += [
        "",
        "A clip called uncertain counts as wrong. Its uncertain pops count as found pops.",
        "Intervals of the first three figures are Wilson's; the others are bootstrapped",
        f"over {scores.resampled}. Without errors there is no interval.",
    ]
    return "\n".join(lines)


def _line(name: str, figure: Figure | None) -> str:
    """One figure with its interval; a dash if it is undefined."""
    if figure is None:
        return f"  {name:<33}{'-':>6}"
    known = figure.low is not None and figure.high is not None
    interval = f"{figure.low:.3f} to {figure.high:.3f}" if known else ""
    return f"  {name:<33}{figure.value:>6.3f}   {interval}".rstrip()


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
