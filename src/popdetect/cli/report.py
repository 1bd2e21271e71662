"""``popdetect report``: the results of a study as one web page."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from popdetect.cli import options, terminal
from popdetect.cli.terminal import SCHEMA_VERSION, counted, one_line

if TYPE_CHECKING:
    from popdetect.study.report.report import Written

EXAMPLES = ("popdetect report STUDY.db -o report.html --session session_07",)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("study", type=options.path, metavar="STUDY.db", help="the journal, made by popdetect log")
    parser.add_argument("-o", "--out", type=options.path, metavar="HTML", required=True,
                        help="the page to write, such as report.html; it needs no internet")  # fmt: skip
    parser.add_argument(
        "--session", type=options.path, metavar="DIR", action="append",
        help="folder of a labelled session; a few of its clips are shown as examples; can be given several times",
    )  # fmt: skip
    parser.add_argument("--title", metavar="TEXT", help="title of the page")
    options.add_flag(parser, "--force", "replace a file that already exists")
    options.add_analysis(parser)


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    from popdetect.study.report import report

    settings = options.analysis(args)
    done = report.write(
        args.study, args.out, sessions=args.session or (), title=args.title, force=args.force, **settings
    )
    if args.json:
        terminal.json_result(as_json(done))
    elif not args.quiet:
        terminal.result(as_text(done))
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
        "schema_version": SCHEMA_VERSION,
        "written": str(done.path),
        "bytes": done.n_bytes,
        "pictures": done.n_pictures,
        "example_clips": done.n_examples,
        "sentences": list(done.sentences),
        "notes": list(done.notes),
    }
