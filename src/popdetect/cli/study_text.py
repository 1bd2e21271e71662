"""What is said of a study: its journal, its report, its exports, and the demonstration of one; as `wording` is.

Apart from it, so that classifying reads nothing of studies.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from popdetect.cli.terminal import one_line, painted
from popdetect.cli.text import SCHEMA_VERSION, counted, summary_dict, summary_text

if TYPE_CHECKING:
    from pathlib import Path

    from popdetect.study.export.export import Exported
    from popdetect.study.journal.logging import Change, Logged
    from popdetect.study.report.report import Written
    from popdetect.study.simulation.demonstration import Demonstration
    from popdetect.study.simulation.session import SimulatedStudy

_T = TypeVar("_T")


def study_text(made: SimulatedStudy) -> str:
    """Where a simulated study is, what is true in it, and how to go on."""
    folder = one_line(str(made.folder))
    n = counted(made.n_clips, "thrust")
    lines = [
        f"{folder}: {n} of {counted(made.n_patients, 'patient')}, {made.n_pop_clips} of them with {made.n_pops} pops"
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
    n_thrusts = counted(done.n_thrusts, "thrust")
    if not done.written:
        lines = [f"{journal}: session {done.session}: nothing written"]
    elif done.n_new or done.n_filled or done.changes:
        filled = f", {done.n_filled} completed" if done.n_filled else ""
        changed = f", {counted(len(done.changes), 'value')} changed" if done.changes else ""
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
    clips = f", {counted(done.n_examples, 'example clip')}" if done.n_examples else ""
    lines = [f"{one_line(str(done.path))}: {counted(done.n_pictures, 'picture')}{clips}, {done.n_bytes / 1e6:.1f} MB"]
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
    n = counted(done.n_rows, done.row_name)
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
