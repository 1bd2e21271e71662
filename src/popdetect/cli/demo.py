"""``popdetect demo``: all steps on a small simulated study."""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from popdetect.cli import label, log, options, terminal
from popdetect.cli.terminal import command, one_line

if TYPE_CHECKING:
    from popdetect.study.simulation.demonstration import Demonstration

EXAMPLES = ("popdetect demo my-demo",)
SHOWN = 12  # clips


def add_options(parser: options.Parser) -> None:
    """Add the options of this command."""
    options.path(parser, "out", "OUT", "folder for the files (default: popdetect-demo)", nargs="?",
                 default=Path("popdetect-demo"))  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Run the steps; what an earlier run finished is used again."""
    from popdetect.study.simulation import demonstration

    def on_stage(stage: str) -> None:
        terminal.message(stage, args.quiet)

    with terminal.progress("clips", args.quiet) as on_progress:
        done = demonstration.demonstrate(args.out, on_stage=on_stage, on_progress=on_progress)
    terminal.show(args, as_json(done), as_text(done))
    return 0


def as_text(done: Demonstration) -> str:
    """Return some clips beside their truth, the answer in three sentences, the files and the next commands."""
    lines = [f"{'file':20}  {'label':9}  p_pop  pops  truth"]
    for clip, truth in done.rows[:SHOWN]:
        found = clip.status
        if clip.label:
            found = f"{terminal.painted(clip.label)}  {f'{clip.p_pop:.4f}'[:4]:>5}  {clip.n_pops:>4}"
        lines.append(f"{one_line(clip.file):20}  {found}  {truth['n_pops'] if truth['n_pops'] != '0' else 'no'} pops")
    if len(done.rows) > SHOWN:
        lines.append(f"… and {len(done.rows) - SHOWN} more")
    lines += ["", label.as_text(done.summary), ""]
    lines.append(f"Result of the study, in which a pop changes pain by {done.effect:+g} points:")
    for number, sentence in enumerate(done.report.sentences, 1):
        lines += textwrap.wrap(f"{number}. {sentence}", 100, initial_indent="  ", subsequent_indent="     ")
    journal, session = done.logged.journal, one_line(done.session)
    return "\n".join([
        *lines,
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
        f"All data here are simulated; they do not show clinical accuracy. {options.NOTE}",
    ])  # fmt: skip


def as_json(done: Demonstration) -> dict[str, Any]:
    """Return the same as an object."""
    return {
        "simulated": True,
        "true_effect_points": done.effect,
        "sentences": list(done.report.sentences),
        "report": str(done.report.path),
        "journal": str(done.logged.journal),
        "key": str(done.logged.key),
        "key_made": done.logged.key_made,
        "session": str(done.session),
        "labelled": terminal.versioned(label.as_json(done.summary)),
        "logged": terminal.versioned(log.as_json(done.logged)),
    }
