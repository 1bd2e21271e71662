"""``popdetect outcomes``: pain after thrusts with and without a pop."""

from __future__ import annotations

import argparse

from popdetect.cli import options, terminal
from popdetect.errors import NothingFound
from popdetect.records import to_json

EXAMPLES = ("popdetect outcomes STUDY.db --margin 1",)


def add_options(parser: options.Parser) -> None:
    """Add the options of this command."""
    parser.explain("The answer comes first, then what it is based on and how far it can be trusted.")
    options.path(parser, "journal", "STUDY.db", "the journal, made by popdetect log")
    options.analysis(parser)


def run(args: argparse.Namespace) -> int:
    """Analyse the journal."""
    from popdetect.study.analysis import outcomes
    from popdetect.study.journal import journal
    from popdetect.study.report import text

    thrusts = journal.thrusts(args.journal)
    if not thrusts:
        raise NothingFound(f"{args.journal}: no thrust with a pain score yet; `popdetect log` adds sessions")
    found = outcomes.outcomes(thrusts, **options.chosen(args, *options.ANALYSIS))
    terminal.show(args, to_json(found), text.as_text(found).rstrip("\n"))
    return 0
