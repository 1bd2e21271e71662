"""``popdetect log``: a labelled session and its pain scores, written into the journal of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from popdetect.cli import terminal
from popdetect.cli.options import Args, flag, path, text
from popdetect.cli.terminal import command, counted, first, one_line
from popdetect.errors import UsageError
from popdetect.records import to_json

if TYPE_CHECKING:
    from popdetect.study.journal.logging import Logged

EXAMPLES = ("popdetect log session_07 --init", "popdetect log session_07 --journal STUDY.db")
OPTIONS = (
    path("folder", "DIR", "folder of the session, already labelled, with its session.csv or session.xlsx"),
    path("--journal", "FILE", "the journal, one file for the whole study; made if it does not exist"),
    flag("--init", "only write a session.csv to fill in, with one line for each clip; to a table that exists, add "
         "lines for new clips"),
    flag("--xlsx", "with --init: write an Excel workbook, session.xlsx, with lists to choose from"),
    flag("--undo", "take the last log of this session back; what it had written stays in the history"),
    flag("--update", "replace values in the journal that differ; its history keeps the old values"),
    path("--key", "FILE", "key file that turns patient ids into pseudonyms (default: STUDY.key beside STUDY.db; made "
         "on first use)"),
    text("--ids", "ANSWER", "patient ids that differ only in leading zeros, spaces or hyphens, such as 001 and 1: "
         "same or different patients (default: if there are such ids, nothing is written)",
         choices=("same", "different")),
    flag("--with-notes", "also write the column notes; such free text may contain names"),
)  # fmt: skip


def run(args: Args) -> int:
    """The journal contains pseudonyms instead of patient ids, codes instead of file names, and no sound or date.

    Adding the same session again changes nothing. Names of files match in any case.
    """
    from popdetect.study.journal import logging

    if args.undo and (args.init or args.update):
        raise UsageError("log: --undo only takes a log back; leave out --init and --update")

    if args.init:
        return _init(args)
    if args.xlsx:
        raise UsageError("log: --xlsx is for --init, which makes the table; a session.xlsx that is there is read")
    if args.journal is None:
        raise UsageError("log: name the journal with --journal STUDY.db; it is made if it does not exist")
    if args.undo:
        back = logging.undo(args.folder, args.journal, key=args.key)
        left = (
            f"{counted(back.n_left, 'thrust')} of the session left" if back.n_left else "nothing of the session is left"
        )
        about = (
            f"{one_line(back.journal)}: session {back.session}: the last log was taken back: "
            f"{counted(back.n_removed, 'thrust')} removed, {counted(back.n_restored, 'value')} as before; {left}"
        )
        terminal.show(args, to_json(back), about, summary=True)
        return 0
    done = logging.log(
        args.folder, args.journal, update=args.update, key=args.key, with_notes=args.with_notes, ids=args.ids
    )
    terminal.show(args, as_json(done), _text(done), summary=True)
    if not done.written:
        n = counted(len(done.changes), "value")
        terminal.message(f"nothing was written: {n} differ from the journal; use --update to replace them")
        return UsageError.exit_code
    return terminal.FAILED_SOME if done.clips_without_scores or done.scores_without_clips else 0


def _init(args: Args) -> int:
    """Write the table to fill in, or add new clips to it."""
    from popdetect.study.journal.template import write_template

    made = write_template(args.folder, excel=args.xlsx)
    next_steps = command("label", made.path.parent), command("log", made.path.parent, "--journal", "STUDY.db")
    text = (
        f"{one_line(made.path)}: {made.n_lines} lines, one for each clip. Fill in patient_id, pain_before, pain_after\n"
        "and the other columns that you need. An empty cell means: not asked.\n"
        "NPRS: whole numbers from 0 to 10. For a line of 100 mm, write VAS100 in the column pain_scale.\n"
    )
    if made.n_added < made.n_lines:
        text = (
            f"{one_line(made.path)}: {made.n_lines} lines, {made.n_added} of them for new clips. What is filled in was "
            "not changed.\n"
        )
    if made.n_patients:
        text += f"patient_id is filled in from the folders ({counted(made.n_patients, 'patient')}): check it.\n"
    row = {"written": str(made.path), "lines": made.n_lines, "added": made.n_added, "patients": made.n_patients}
    terminal.show(args, row, text + terminal.steps(*next_steps))
    return 0


def _text(done: Logged) -> str:
    """Return what was written, what was not, and which clips and scores have no partner."""
    about = f"{done.n_new} new" if done.n_new or done.n_filled or done.changes or done.n_removed else "nothing new"
    about += f", {done.n_filled} completed" if done.n_filled else ""
    about += f", {counted(len(done.changes), 'value')} changed" if done.changes else ""
    about += f", {counted(done.n_removed, 'earlier score')} without a clip removed" if done.n_removed else ""
    about = f"{counted(done.n_thrusts, 'thrust')}, {about}" if done.written else "nothing written"
    lines = [f"{one_line(done.journal)}: session {done.session}: {about}"]
    changes = []
    for change in done.changes:
        old, new = ("not asked" if value is None else value for value in (change.old, change.new))
        changes.append(f"{change.file}: {change.field}: {old} → {new}")
    lines += [f"  {'changed' if done.written else 'differs'}: {line}" for line in first(changes)]
    meant = {file: f"{file} (is {clip} meant?)" for file, clip in done.nearest.items()}
    for what, files in (
        ("clips without scores", done.clips_without_scores),
        ("scores without clips", [meant.get(file, file) for file in done.scores_without_clips]),
        ("in the journal, but no longer in the folder", done.gone),
    ):
        if files:
            lines += [f"  {what} ({len(files)}):", *(f"    {line}" for line in first(files))]
    if done.raters:
        who = ", ".join(code if code == name else f"{name} ({code})" for name, code in done.raters.items())
        lines.append(f"  answers of the review: {done.n_answers or 'none'} new or changed; by {one_line(who)}")
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


def as_json(done: Logged) -> dict[str, Any]:
    """Return the same as an object, with all lines."""
    names = {"n_filled": "n_completed", "left_out": "not_kept", "hints": "notes"}
    return {names.get(name, name): value for name, value in to_json(done).items()}
