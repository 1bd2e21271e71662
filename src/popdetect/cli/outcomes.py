"""``popdetect outcomes``: pain after thrusts with and without a pop."""

from __future__ import annotations

import argparse

from popdetect.cli import options, terminal
from popdetect.cli.terminal import SCHEMA_VERSION
from popdetect.errors import NothingFound

EXAMPLES = ("popdetect outcomes STUDY.db --margin 1",)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.description = (
        f"{parser.description} The answer comes first, then what it is based on and how far it can be trusted."
    )
    parser.add_argument("journal", type=options.path, metavar="STUDY.db", help="the journal, made by popdetect log")
    options.add_analysis(parser)


def run(args: argparse.Namespace) -> int:
    """Analyse the journal."""
    from popdetect.study.analysis import outcomes
    from popdetect.study.journal import journal
    from popdetect.study.report import text

    thrusts = journal.thrusts(args.journal)
    if not thrusts:
        raise NothingFound(
            f"{args.journal}: no thrust with a pain score in it yet; `popdetect log` adds sessions to it"
        )
    found = outcomes.outcomes(thrusts, **options.analysis(args))
    if args.json:
        terminal.json_result({"schema_version": SCHEMA_VERSION, **found.to_dict()})
    else:
        terminal.result(text.as_text(found).rstrip("\n"))
    return 0
