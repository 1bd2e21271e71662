"""What is said of results: lines for people, and objects of JSON types for programs.

Times are in seconds unless a name says otherwise. Keys of objects are only ever added.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from popdetect import __version__
from popdetect.records import Event, Verdict
from popdetect.terminal import one_line, painted

if TYPE_CHECKING:
    from pathlib import Path

    from popdetect.hearing.detector import Detector
    from popdetect.learning.answers import Labelled
    from popdetect.learning.retraining import Retrained
    from popdetect.review.opening import Reviewed
    from popdetect.sessions.summary import Summary
    from popdetect.study.demonstration import Demonstration
    from popdetect.study.export import Exported
    from popdetect.study.logging_session import Change, Logged
    from popdetect.study.report import Written
    from popdetect.study.simulated_session import SimulatedStudy

SCHEMA_VERSION = 1
_T = TypeVar("_T")


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


def training_text(done: Retrained, labelled: Labelled, current: str) -> str:
    """The new model beside the current one, whose title is `current`, and what to do about it."""
    from popdetect.learning.card import figure
    from popdetect.learning.comparison import figures

    compared = done.comparison
    before = figures(compared.current) if compared.current else {}
    lines = [_learned_from(done, labelled), ""]
    lines.append(f"{'held-out clips, whole patients at a time':50}  {'new model':24}  current model ({current})")
    for name, value in figures(compared.new).items():
        lines.append(f"{name:50}  {figure(value):24}  {figure(before[name]) if name in before else ''}".rstrip())
    for kind, n_false in compared.guard_new.n_false.items():
        theirs = compared.guard_current.n_false[kind] if compared.guard_current else ""
        name = f"false pops, {compared.guard_new.minutes[kind]:.1f} min without pops: {kind}"
        lines.append(f"{name:50}  {n_false:<24}  {theirs}".rstrip())
    if done.slips:
        lines.append("\nPossible slips (the label contradicts a confident held-out answer; worth hearing again):")
        for slip in done.slips:
            look = " ".join(f"{time_s:.3f}" for time_s in slip.look_s)
            where = f", look at {look} s" if look else ""
            lines.append(f"  {one_line(slip.file)}: labelled {slip.label}, p_pop {slip.p_pop:.2f}{where}")
    if done.curve:
        lines.append(f"\n{done.curve.sentence}")
    lines += [
        f"\n{compared.advice}",
        f"Written: {done.out} (CARD.md says all of it). Use it with --model {done.out}",
        "Figures from simulated sound are not clinical accuracy.",
    ]
    return "\n".join(lines)


def _learned_from(done: Retrained, labelled: Labelled) -> str:
    """How many clips, and which not."""
    text = f"Learned from {_counted(done.counts['learned_from'], 'clip')}"
    text += f", {labelled.n_reviewed} of them answered in review" if labelled.n_reviewed else ""
    if done.counts["unmarked"]:
        text += f"; {done.counts['unmarked']} with pops have no marks, the current model pointed them out"
    lines = [text]
    if done.counts["uncertain"]:
        lines.append(f"  left out: {_counted(done.counts['uncertain'], 'clip')} of which people were uncertain")
    if labelled.disputed:
        names = ", ".join(map(one_line, labelled.disputed[:5])) + (" …" if len(labelled.disputed) > 5 else "")
        n = _counted(len(labelled.disputed), "clip")
        lines.append(f"  left out: {n} on which people disagree, to be settled in review: {names}")
    return "\n".join(lines)


def training_dict(done: Retrained, labelled: Labelled) -> dict[str, Any]:
    """The same as an object."""
    compared = done.comparison
    guards = {"new": compared.guard_new, "current": compared.guard_current}
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
        "classifiers": done.contests,
        "left_out": [list(pair) for pair in done.left_out],
        "clips": {**done.counts, "reviewed": labelled.n_reviewed},
        "disputed": list(labelled.disputed),
        "possible_slips": [slip.to_dict() for slip in done.slips],
        "learning_curve": done.curve.to_dict() if done.curve else None,
    }


def study_text(made: SimulatedStudy) -> str:
    """Where a simulated study is, what is true in it, and how to go on."""
    folder = one_line(str(made.folder))
    n = _counted(made.n_clips, "thrust")
    lines = [
        f"{folder}: {n} of {_counted(made.n_patients, 'patient')}, {made.n_pop_clips} of them with {made.n_pops} pops"
        + ("" if made.has_sound else "; no sound, but verdicts as if labelled"),
        f"  true effect of a pop: {made.effect:+g} NPRS points on pain after"
        + (
            f" (at belief 3; {made.mean_effect:+.2f} on average)"
            if made.mean_effect is not None and abs(made.mean_effect - made.effect) > 0.005
            else ""
        ),
        f"  scores in {folder}/session.csv, the truth in {folder}/study_truth.csv and study_truth.json",
    ]
    if made.n_cut > made.n_clips / 100:
        lines.append(f"  note: {made.n_cut} scores were cut at an end of the scale; effects look smaller for it")
    label = f"popdetect label {folder} · " if made.has_sound else ""
    return "\n".join(
        [*lines, "All of it is simulated; no figure from it is clinical.", f"Next: {label}popdetect log {folder} "
         "--journal practice.db · popdetect outcomes practice.db"]
    )  # fmt: skip


def study_dict(made: SimulatedStudy) -> dict[str, Any]:
    """The same as an object."""
    return {
        "schema_version": SCHEMA_VERSION,
        "simulated": True,
        "folder": str(made.folder),
        "clips": made.n_clips,
        "pop_clips": made.n_pop_clips,
        "pops": made.n_pops,
        "patients": made.n_patients,
        "sound": made.has_sound,
        "effect_points": made.effect,
        "mean_effect_points": made.mean_effect,
        "scores_cut": made.n_cut,
    }


def template_text(path: Path, n_lines: int) -> str:
    """Where the table of scores is, and how to fill it in."""
    return (
        f"{one_line(str(path))}: {n_lines} lines, one for each clip. Fill in patient_id, pain_before and pain_after, "
        "and\nwhat else was asked; an empty cell means not asked.\n"
        "NPRS is 0 to 10 in whole numbers; for a line of 100 mm, write VAS100 as pain_scale.\n"
        f"Next: popdetect label {one_line(str(path.parent))} · popdetect log {one_line(str(path.parent))} "
        "--journal STUDY.db"
    )


def logged_text(done: Logged) -> str:
    """What went into the journal, what did not, and what does not fit together."""
    journal, key = one_line(str(done.journal)), one_line(str(done.key))
    n_thrusts = _counted(done.n_thrusts, "thrust")
    if not done.written:
        lines = [f"{journal}: session {done.session}: nothing written"]
    elif done.n_new or done.n_filled or done.changes:
        filled = f", {done.n_filled} completed" if done.n_filled else ""
        changed = f", {_counted(len(done.changes), 'value')} changed" if done.changes else ""
        lines = [f"{journal}: session {done.session}: {n_thrusts}, {done.n_new} new{filled}{changed}"]
    else:
        lines = [f"{journal}: session {done.session}: {n_thrusts}, nothing new"]
    lines += [f"  {'changed' if done.written else 'differs'}: {line}" for line in _first(done.changes, _change_text)]
    for what, files in (
        ("clips without scores", done.clips_without_scores),
        ("scores without clips", [_meant(file, done) for file in done.scores_without_clips]),
        ("in the journal, no longer in the folder", done.gone),
    ):
        if files:
            lines += [f"  {what} ({len(files)}):", *(f"    {line}" for line in _first(files, one_line))]
    if done.own_columns:
        lines.append(f"  own columns, kept as well: {one_line(', '.join(done.own_columns))}")
    lines += [f"  not kept: {one_line(column)}" for column in done.left_out]
    lines += [f"  note: {one_line(hint)}" for hint in _first(done.hints, str)]
    if done.key_made:
        lines.append(
            f"Made the key {key}: patients are in the journal by pseudonyms that only this key can make. Keep it apart "
            "from the journal, and keep a copy:\nwithout it the same patient is not recognised in the next session."
        )
    return "\n".join(lines)


def logged_dict(done: Logged) -> dict[str, Any]:
    """The same as an object."""
    return {
        "schema_version": SCHEMA_VERSION,
        "journal": str(done.journal),
        "session": done.session,
        "n_thrusts": done.n_thrusts,
        "n_new": done.n_new,
        "n_completed": done.n_filled,
        "written": done.written,
        "changes": [
            {"file": change.file, "field": change.field, "old": change.old, "new": change.new}
            for change in done.changes
        ],
        "clips_without_scores": list(done.clips_without_scores),
        "scores_without_clips": list(done.scores_without_clips),
        "nearest": dict(done.nearest),
        "gone": list(done.gone),
        "own_columns": list(done.own_columns),
        "not_kept": list(done.left_out),
        "notes": list(done.hints),
        "key": str(done.key),
        "key_made": done.key_made,
    }


def demo_text(done: Demonstration) -> str:
    """Some clips beside their truth, the answer in three sentences, and where everything is."""
    shown = 12
    lines = [f"{'file':20}  {'label':9}  p_pop  pops  truth"]
    for row, truth in done.rows[:shown]:
        judged = (
            f"{painted(row['label'])}  {row['p_pop'][:4]:>5}  {row['n_pops']:>4}" if row["label"] else row["status"]
        )
        lines.append(
            f"{one_line(row['file']):20}  {judged}  {truth['n_pops'] if truth['n_pops'] != '0' else 'no'} pops"
        )
    if len(done.rows) > shown:
        lines.append(f"… and {len(done.rows) - shown} more")
    session, journal, key, page = (
        one_line(str(path)) for path in (done.session, done.logged.journal, done.logged.key, done.report.path)
    )
    lines += ["", summary_text(done.summary), ""]
    lines.append(f"What came of it, where a pop was made to change pain by {done.effect:+g} points:")
    for number, sentence in enumerate(done.report.sentences, 1):
        lines += textwrap.wrap(f"{number}. {sentence}", 100, initial_indent="  ", subsequent_indent="     ")
    lines += [
        "",
        "Where it is",
        f"  report   {page}   open it in a browser",
        f"  journal  {journal}   popdetect outcomes {journal}",
        f"  key      {key}   turns patient ids into the journal's pseudonyms; in a study, keep it elsewhere",
        f"  session  {session}   clips, session.csv, study_truth.csv; labels in {session}/popdetect",
        "By hand: popdetect simulate s --study · popdetect label s · popdetect log s --journal s.db · "
        "popdetect report s.db -o s.html",
    ]
    return "\n".join(lines)


def demo_dict(done: Demonstration) -> dict[str, Any]:
    """The same as an object."""
    return {
        "schema_version": SCHEMA_VERSION,
        "simulated": True,
        "true_effect_points": done.effect,
        "sentences": list(done.report.sentences),
        "report": str(done.report.path),
        "journal": str(done.logged.journal),
        "key": str(done.logged.key),
        "key_made": done.logged.key_made,
        "session": str(done.session),
        "labelled": summary_dict(done.summary),
        "logged": logged_dict(done.logged),
    }


def report_text(done: Written) -> str:
    """Where a report is, its answer, and what is to be known of it."""
    clips = f", {_counted(done.n_examples, 'example clip')}" if done.n_examples else ""
    lines = [f"{one_line(str(done.path))}: {_counted(done.n_pictures, 'picture')}{clips}, {done.n_bytes / 1e6:.1f} MB"]
    lines += [f"  {i}. {sentence}" for i, sentence in enumerate(done.sentences, 1)]
    return "\n".join([*lines, *(f"  note: {one_line(note)}" for note in done.notes)])


def report_dict(done: Written) -> dict[str, Any]:
    """The same as an object."""
    return {
        "schema_version": SCHEMA_VERSION,
        "written": str(done.path),
        "bytes": done.n_bytes,
        "pictures": done.n_pictures,
        "example_clips": done.n_examples,
        "sentences": list(done.sentences),
        "notes": list(done.notes),
    }


def exported_text(done: Exported) -> str:
    """Where an export is, how much is in it, and what it does not carry."""
    n = _counted(done.n_rows, done.row_name)
    lines = [f"{one_line(str(path))}: {n}" if not i else one_line(str(path)) for i, path in enumerate(done.written)]
    return "\n".join([*lines, *(f"  {note}" for note in exported_notes(done))])


def exported_notes(done: Exported) -> list[str]:
    """What is to be known beside an export."""
    left_out = one_line(", ".join(done.left_out))
    notes = [f"left out: {left_out}; --columns names what is carried"] if left_out and done.format != "fhir" else []
    return [*notes, *(f"note: {hint}" for hint in done.hints)]


def exported_dict(done: Exported) -> dict[str, Any]:
    """The same as an object."""
    return {
        "schema_version": SCHEMA_VERSION,
        "format": done.format,
        "written": [str(path) for path in done.written],
        "rows": done.n_rows,
        "row": done.row_name,
        "columns": list(done.columns),
        "left_out": list(done.left_out),
        "notes": list(done.hints),
    }


def _meant(file: str, done: Logged) -> str:
    return f"{file} (is {done.nearest[file]} meant?)" if file in done.nearest else file


def _change_text(change: Change) -> str:
    old, new = ("not asked" if value is None else one_line(value) for value in (change.old, change.new))
    return f"{one_line(change.file)}: {change.field}: {old} → {new}"


def _first(things: Sequence[_T], said: Callable[[_T], str], most: int = 10) -> list[str]:
    """The first few, and how many more there are; `--json` has all."""
    more = [f"… and {len(things) - most} more (all with --json)"] if len(things) > most else []
    return [*(said(thing) for thing in things[:most]), *more]


def _counted(n: int, thing: str) -> str:
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
