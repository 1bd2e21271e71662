"""``popdetect outcomes``: pain after thrusts with and without a pop."""

from __future__ import annotations

from popdetect.cli import options, terminal
from popdetect.errors import NothingFound
from popdetect.records import to_json

EXAMPLES = ("popdetect outcomes STUDY.db --margin 1",)
OPTIONS = (options.path("journal", "STUDY.db", options.JOURNAL), *options.ANALYSIS)


def run(args: options.Args) -> None:
    """The answer comes first, then what it is based on and how far it can be trusted."""
    from popdetect.study.analysis import outcomes
    from popdetect.study.journal import journal
    from popdetect.study.report import text

    thrusts = journal.thrusts(args.journal)
    if not thrusts:
        raise NothingFound(f"{args.journal}: no thrust with a pain score yet; `popdetect log` adds sessions")
    found = outcomes.outcomes(thrusts, **options.chosen(args, *options.ANALYSIS_NAMES))
    terminal.show(args, to_json(found), text.as_text(found).rstrip("\n"))
