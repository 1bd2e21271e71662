"""``popdetect report``: the results of a study as one web page."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from popdetect.cli import options, terminal
from popdetect.cli.terminal import counted, one_line

if TYPE_CHECKING:
    from popdetect.study.report.report import Written

EXAMPLES = ("popdetect report STUDY.db -o report.html --session session_07",)


def add_options(parser: options.Parser) -> None:
    """Add the options of this command."""
    options.path(parser, "study", "STUDY.db", "the journal, made by popdetect log")
    options.path(parser, "-o --out", "HTML", "the page to write, such as report.html; works offline", required=True)
    options.path(parser, "--session", "DIR", "folder of a labelled session; a few of its clips are shown as examples; "
                 "can be given several times", action="append")  # fmt: skip
    options.text(parser, "--title", "TEXT", "title of the page")
    options.flag(parser, "--force", "replace a file that already exists")
    options.analysis(parser)


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from popdetect.study.report import report

    settings = options.chosen(args, "title", "force", *options.ANALYSIS)
    done = report.write(args.study, args.out, sessions=args.session or (), **settings)
    terminal.show(args, as_json(done), as_text(done), summary=True)
    return 0


def as_text(done: Written) -> str:
    """Return where the report is, its answer and the notes."""
    clips = f", {counted(done.n_examples, 'example clip')}" if done.n_examples else ""
    lines = [f"{one_line(done.path)}: {counted(done.n_pictures, 'picture')}{clips}, {done.n_bytes / 1e6:.1f} MB"]
    lines += [f"  {i}. {sentence}" for i, sentence in enumerate(done.sentences, 1)]
    return "\n".join([*lines, *(f"  note: {one_line(note)}" for note in done.notes)])


def as_json(done: Written) -> dict[str, Any]:
    """Return the same as an object."""
    return {
        "written": str(done.path),
        "bytes": done.n_bytes,
        "pictures": done.n_pictures,
        "example_clips": done.n_examples,
        "sentences": list(done.sentences),
        "notes": list(done.notes),
    }
