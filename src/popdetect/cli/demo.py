"""``popdetect demo``: all steps on a small simulated study."""

from __future__ import annotations

import textwrap
from pathlib import Path

from popdetect.cli import label, log, options, terminal
from popdetect.cli.terminal import command, one_line

EXAMPLES = ("popdetect demo my-demo",)
OPTIONS = (
    options.path("out", "OUT", "folder for the files (default: popdetect-demo)", nargs="?",
                 default=Path("popdetect-demo")),
)  # fmt: skip
SHOWN = 12  # clips


def run(args: options.Args) -> None:
    """Steps that an earlier run finished are not repeated."""
    from popdetect.study.simulation import demonstration

    with terminal.progress("clips", args.quiet) as on_progress:
        done = demonstration.demonstrate(
            args.out, on_stage=lambda stage: terminal.message(stage, args.quiet), on_progress=on_progress
        )
    lines = [f"{'file':20}  {'label':9}  p_pop  pops  truth"]
    for clip, truth in done.rows[:SHOWN]:
        found = f"{clip.status} "
        if clip.label:
            found = f"{terminal.painted(clip.label)}  {f'{clip.p_pop:.4f}'[:4]:>5}  "
            found += terminal.pops(clip.label, clip.n_pops or 0)
        lines.append(f"{one_line(clip.file):20}  {found} {truth['n_pops'] if truth['n_pops'] != '0' else 'no'} pops")
    if len(done.rows) > SHOWN:
        lines.append(f"… and {len(done.rows) - SHOWN} more")
    lines += ["", label.as_text(done.summary), ""]
    lines.append(f"Result of the study, in which a pop changes pain by {done.effect:+g} points:")
    for number, sentence in enumerate(done.report.sentences, 1):
        lines += textwrap.wrap(f"{number}. {sentence}", 100, initial_indent="  ", subsequent_indent="     ")
    journal, session = done.logged.journal, one_line(done.session)
    lines += [
        "",
        "Files",
        f"  report   {one_line(done.report.path)}   open it in a browser",
        f"  journal  {one_line(journal)}",
        f"  key      {one_line(done.logged.key)}   makes the pseudonyms of the journal; in a study, keep it elsewhere",
        f"  session  {session}   clips, session.csv, study_truth.csv; the labels are in {session}/popdetect",
        terminal.steps(command("outcomes", journal), command("review", done.session)),
        "The same steps one by one:",
        f"  {command('simulate', 'practice', '--study')}",
        f"  {command('label', 'practice')}",
        f"  {command('log', 'practice', '--journal', 'practice.db')}",
        f"  {command('report', 'practice.db', '-o', 'practice.html')}",
        f"All data here are simulated; the scores are not clinical accuracy. {options.NOTE}",
    ]
    row = {
        "simulated": True, "true_effect_points": done.effect, "sentences": list(done.report.sentences),
        "report": str(done.report.path), "journal": str(journal), "key": str(done.logged.key),
        "key_made": done.logged.key_made, "session": str(done.session),
        "labelled": terminal.VERSION | label.as_json(done.summary),
        "logged": terminal.VERSION | log.as_json(done.logged),
    }  # fmt: skip
    terminal.show(args, row, "\n".join(lines))
