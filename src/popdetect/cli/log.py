"""``popdetect log``: a labelled session and its pain scores, written into the journal of a study."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from popdetect.cli import options, terminal
from popdetect.cli.terminal import command, counted, first, one_line
from popdetect.errors import UsageError
from popdetect.records import to_json

if TYPE_CHECKING:
    from popdetect.study.journal.logging import Change, Logged

EXAMPLES = ("popdetect log session_07 --init", "popdetect log session_07 --journal STUDY.db")


def add_options(parser: options.Parser) -> None:
    """Add the options of this command."""
    parser.explain("The journal contains pseudonyms instead of patient ids, and no sound, path or date. Adding the "
                   "same session again changes nothing.")  # fmt: skip
    options.path(parser, "folder", "DIR", "folder of the session, already labelled, with its session.csv")
    options.path(parser, "--journal", "FILE", "the journal, one file for the whole study; made if it does not exist")
    options.flag(parser, "--init", "only write a session.csv to fill in, with one line for each clip")
    options.flag(parser, "--update", "replace values in the journal that differ; its history keeps the old values")
    options.path(parser, "--key", "FILE", "key file that turns patient ids into pseudonyms (default: STUDY.key beside "
                 "STUDY.db; made on first use)")  # fmt: skip
    options.flag(parser, "--with-notes", "also write the column notes; such free text may contain names")


def run(args: argparse.Namespace) -> int:
    """Write the session into the journal, or with ``--init`` the table to fill in."""
    from popdetect.study.journal import logging, session_table

    if args.init:
        path, n_lines = session_table.write_template(args.folder)
        terminal.show(args, {"written": str(path), "lines": n_lines}, _template_text(path, n_lines))
        return 0
    if args.journal is None:
        raise UsageError("log: name the journal with --journal STUDY.db; it is made if it does not exist")
    done = logging.log(args.folder, args.journal, update=args.update, key=args.key, with_notes=args.with_notes)
    terminal.show(args, as_json(done), as_text(done), summary=True)
    if not done.written:
        n = counted(len(done.changes), "value")
        terminal.message(f"nothing was written: {n} differ from the journal; use --update to replace them")
        return UsageError.exit_code
    return terminal.FAILED_SOME if done.clips_without_scores or done.scores_without_clips else 0


def _template_text(path: Path, n_lines: int) -> str:
    return (
        f"{one_line(path)}: {n_lines} lines, one for each clip. Fill in patient_id, pain_before, pain_after\n"
        "and the other columns that you need. An empty cell means: not asked.\n"
        "NPRS: whole numbers from 0 to 10. For a line of 100 mm, write VAS100 in the column pain_scale.\n"
        + terminal.steps(command("label", path.parent), command("log", path.parent, "--journal", "STUDY.db"))
    )


def as_text(done: Logged) -> str:
    """Return what was written, what was not, and which clips and scores have no partner."""
    about = f"{counted(done.n_thrusts, 'thrust')}, "
    if not done.written:
        about = "nothing written"
    elif done.n_new or done.n_filled or done.changes:
        about += f"{done.n_new} new"
        about += f", {done.n_filled} completed" if done.n_filled else ""
        about += f", {counted(len(done.changes), 'value')} changed" if done.changes else ""
    else:
        about += "nothing new"
    lines = [f"{one_line(done.journal)}: session {done.session}: {about}"]
    changed = "changed" if done.written else "differs"
    lines += [f"  {changed}: {line}" for line in first(map(_change_text, done.changes))]
    without_clips = [
        f"{file} (is {done.nearest[file]} meant?)" if file in done.nearest else file
        for file in done.scores_without_clips
    ]
    for what, files in (
        ("clips without scores", done.clips_without_scores),
        ("scores without clips", without_clips),
        ("in the journal, but no longer in the folder", done.gone),
    ):
        if files:
            lines += [f"  {what} ({len(files)}):", *(f"    {line}" for line in first(files))]
    if done.own_columns:
        lines.append(f"  your own columns, also written: {one_line(', '.join(done.own_columns))}")
    lines += [f"  not written: {one_line(column)}" for column in done.left_out]
    lines += [f"  note: {hint}" for hint in first(done.hints)]
    if done.key_made:
        lines.append(
            f"Made the key {one_line(done.key)}. It turns patient ids into the pseudonyms of the journal. Keep it away "
            "from the journal,\nand keep a copy: without it, the same patient cannot be recognised in the next session."
        )
    return "\n".join(lines)


def _change_text(change: Change) -> str:
    old, new = ("not asked" if value is None else value for value in (change.old, change.new))
    return f"{change.file}: {change.field}: {old} → {new}"


def as_json(done: Logged) -> dict[str, Any]:
    """Return the same as an object, with all lines."""
    names = {"n_filled": "n_completed", "left_out": "not_kept", "hints": "notes"}
    return {names.get(name, name): value for name, value in to_json(done).items()}
