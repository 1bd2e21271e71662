"""What is said of results: lines for people, and objects of JSON types for programs.

Times are in seconds unless a name says otherwise. Keys of objects are only ever added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from popdetect import __version__
from popdetect.cli.terminal import one_line, painted
from popdetect.records import Event, Verdict

if TYPE_CHECKING:
    from popdetect.app.review_session import Reviewed
    from popdetect.detection.detector import Detector
    from popdetect.session.summary import Summary
    from popdetect.training.data.answers import TrainingLabels
    from popdetect.training.retraining import Retrained

SCHEMA_VERSION = 1


def verdict_header(width: int) -> str:
    """The line above the lines of verdicts; `width` characters are for the files' names."""
    return f"{'file':{width}}  {'label':9}  p_pop  pops  onsets (s)"


def verdict_text(verdict: Verdict, width: int, *, events: bool) -> str:
    """A line for a file, or why there is none; one more for each candidate, where `events` are wanted."""
    name = f"{one_line(verdict.file):{width}}"
    found = verdict.detection
    if found is None:
        return f"{name}  {verdict.status}: {one_line(verdict.error)}"
    onsets = " ".join(f"{event.onset_s:.4f}" for event in found.pops)
    flags = f"  [{', '.join(found.quality)}]" if found.quality else ""
    line = f"{name}  {painted(found.label)}  {found.p_pop:5.2f}  {len(found.pops):4d}  {onsets}{flags}".rstrip()
    return "\n".join([line, *(map(_event_text, found.events) if events else ())])


def verdict_dict(verdict: Verdict, detector: Detector, *, events: bool) -> dict[str, Any]:
    """The same as an object, with all that traces it."""
    found = verdict.detection
    row: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "file": verdict.file, "status": verdict.status}
    if found is None:
        row["error"] = verdict.error
    else:
        row |= {
            "label": found.label,
            "p_pop": round(found.p_pop, 6),
            "n_pops": len(found.pops),
            "pops_s": [round(event.onset_s, 6) for event in found.pops],
            "snr_db": None if found.snr_db is None else round(found.snr_db, 2),
            "duration_s": round(found.duration_s, 6),
            "sample_rate_hz": found.sample_rate_hz,
            "channels": found.channels,
            "quality": list(found.quality),
        }
        if events:
            row["events"] = [_event_dict(event) for event in found.events]
    return row | {
        "operating_point": detector.operating_point,
        "model": detector.model.title,
        "model_sha256": detector.model.sha256,
        "popdetect_version": __version__,
        "sha256": verdict.sha256,
    }


def summary_text(summary: Summary) -> str:
    """What a run over a folder did, in a few lines."""
    counts = summary.n_by_label
    lines = [
        f"{summary.n_clips} clips: {counts['pop']} pop ({summary.n_pops} pops), {counts['no_pop']} no pop, "
        f"{counts['uncertain']} uncertain, {summary.n_failed} failed"
        + (f"; {summary.n_skipped} were done before" if summary.n_skipped else "")
    ]
    lines += [f"  failed: {one_line(file)}: {one_line(error)}" for file, error in summary.failed[:5]]
    if summary.n_failed > 5:
        lines.append(f"  … and {summary.n_failed - 5} more, see column error")
    if summary.uncertain:
        shown = ", ".join(one_line(file) for file in summary.uncertain[:3])
        more = f" … and {len(summary.uncertain) - 3} more" if len(summary.uncertain) > 3 else ""
        lines.append(f"  worth a listen (uncertain): {shown}{more}")
    lines += [f"  {one_line(str(path))}" for path in summary.written]
    return "\n".join(lines)


def summary_dict(summary: Summary) -> dict[str, Any]:
    """The same as an object."""
    return {
        "schema_version": SCHEMA_VERSION,
        "folder": str(summary.folder),
        "out": str(summary.out),
        "n_clips": summary.n_clips,
        "n_new": summary.n_new,
        "n_skipped": summary.n_skipped,
        **{f"n_{name}": n for name, n in summary.n_by_label.items()},
        "n_failed": summary.n_failed,
        "n_pops": summary.n_pops,
        "seconds": round(summary.seconds, 3),
        "failed": [{"file": file, "error": error} for file, error in summary.failed],
        "unlisted": [{"folder": folder, "error": error} for folder, error in summary.unlisted],
        "uncertain": list(summary.uncertain),
        "written": [str(path) for path in summary.written],
    }


def reviewed_text(done: Reviewed) -> str:
    """What a review left, and what comes next."""
    path = one_line(str(done.path))
    if not done.n_answered:
        return "No answer yet; nothing was written."
    corrected = "" if done.n_corrected is None else f", {done.n_corrected} corrected"
    return (
        f"{path}: {done.n_answered} of {done.n_clips} clips answered by {one_line(done.rater)}{corrected}\n"
        "The same command goes on from there."
    )


def reviewed_dict(done: Reviewed) -> dict[str, Any]:
    """The same as an object."""
    return {
        "schema_version": SCHEMA_VERSION,
        "written": str(done.path) if done.n_answered else None,
        "rater": done.rater,
        "n_clips": done.n_clips,
        "n_answered": done.n_answered,
        "n_corrected": done.n_corrected,
    }


def training_text(done: Retrained, labelled: TrainingLabels, current: str) -> str:
    """The new model beside the current one, whose title is `current`, and what to do about it."""
    from popdetect.training.evaluation.comparison import figures
    from popdetect.training.models.card import figure

    compared = done.comparison
    before = figures(compared.current) if compared.current else {}
    lines = [_learned_from(done, labelled), ""]
    lines.append(f"{'held-out clips, whole patients at a time':50}  {'new model':24}  current model ({current})")
    for name, value in figures(compared.new).items():
        lines.append(f"{name:50}  {figure(value):24}  {figure(before[name]) if name in before else ''}".rstrip())
    for kind, n_false in compared.controls_new.n_false.items():
        theirs = compared.controls_current.n_false[kind] if compared.controls_current else ""
        name = f"false pops, {compared.controls_new.minutes[kind]:.1f} min without pops: {kind}"
        lines.append(f"{name:50}  {n_false:<24}  {theirs}".rstrip())
    if done.label_issues:
        lines.append("\nPossible slips (the label contradicts a confident held-out answer; worth hearing again):")
        for slip in done.label_issues:
            look = " ".join(f"{time_s:.3f}" for time_s in slip.look_s)
            where = f", look at {look} s" if look else ""
            lines.append(f"  {one_line(slip.file)}: labelled {slip.label}, p_pop {slip.p_pop:.2f}{where}")
    if done.learning_curve:
        lines.append(f"\n{done.learning_curve.sentence}")
    lines += [
        f"\n{compared.advice}",
        f"Written: {done.out} (CARD.md says all of it). Use it with --model {done.out}",
        "Figures from simulated sound are not clinical accuracy.",
    ]
    return "\n".join(lines)


def _learned_from(done: Retrained, labelled: TrainingLabels) -> str:
    """How many clips, and which not."""
    text = f"Learned from {counted(done.counts['learned_from'], 'clip')}"
    text += f", {labelled.n_reviewed} of them answered in review" if labelled.n_reviewed else ""
    if done.counts["unmarked"]:
        text += f"; {done.counts['unmarked']} with pops have no marks, the current model pointed them out"
    lines = [text]
    if done.counts["uncertain"]:
        lines.append(f"  left out: {counted(done.counts['uncertain'], 'clip')} of which people were uncertain")
    if labelled.disputed:
        names = ", ".join(map(one_line, labelled.disputed[:5])) + (" …" if len(labelled.disputed) > 5 else "")
        n = counted(len(labelled.disputed), "clip")
        lines.append(f"  left out: {n} on which people disagree, to be settled in review: {names}")
    return "\n".join(lines)


def training_dict(done: Retrained, labelled: TrainingLabels) -> dict[str, Any]:
    """The same as an object."""
    compared = done.comparison
    guards = {"new": compared.controls_new, "current": compared.controls_current}
    return {
        "schema_version": SCHEMA_VERSION,
        "bundle": str(done.out),
        "model": done.model.title,
        "model_sha256": done.model.sha256,
        "adopt": compared.adopt,
        "advice": compared.advice,
        "new": compared.new.to_dict(),
        "current": compared.current.to_dict() if compared.current else None,
        "guard": {
            name: None if one is None else {"false_pops": one.n_false, "minutes": one.minutes}
            for name, one in guards.items()
        },
        "classifiers": done.selection,
        "left_out": [list(pair) for pair in done.left_out],
        "clips": {**done.counts, "reviewed": labelled.n_reviewed},
        "disputed": list(labelled.disputed),
        "possible_slips": [slip.to_dict() for slip in done.label_issues],
        "learning_curve": done.learning_curve.to_dict() if done.learning_curve else None,
    }


def counted(n: int, thing: str) -> str:
    """So many things, in words: one clip, two clips."""
    return f"{n} {thing}{'' if n == 1 else 's'}"


def _event_text(event: Event) -> str:
    side = f"  channel {event.channel}" if event.channel else ""
    return (
        f"    {'pop  ' if event.is_pop else 'other'} {event.onset_s:9.4f} s  p {event.p_pop:.2f}  "
        f"{event.duration_ms:4.1f} ms  peak {event.peak_hz:5.0f} Hz  centroid {event.centroid_hz:5.0f} Hz  "
        f"{event.snr_db:4.1f} dB above the floor{side}"
    )


def _event_dict(event: Event) -> dict[str, Any]:
    return {
        "onset_s": round(event.onset_s, 6),
        "p_pop": round(event.p_pop, 6),
        "is_pop": event.is_pop,
        "duration_ms": round(event.duration_ms, 3),
        "peak_hz": round(event.peak_hz, 1),
        "centroid_hz": round(event.centroid_hz, 1),
        "snr_db": round(event.snr_db, 2),
        "channel": event.channel,
    }
