"""``popdetect outcomes``: pain after thrusts with and without a pop."""

from __future__ import annotations

from dataclasses import replace

from popdetect.cli import options, terminal
from popdetect.errors import NothingFound
from popdetect.records import to_json

EXAMPLES = ("popdetect outcomes STUDY.db --margin 1",)
OPTIONS = (options.path("journal", "STUDY.db", options.JOURNAL), *options.ANALYSIS)


def run(args: options.Args) -> None:
    """The answer comes first, then what it is based on and how far it can be trusted."""
    from popdetect.study.analysis import outcomes
    from popdetect.study.journal.sources import sourced
    from popdetect.study.report import text

    study = sourced(args.journal, args.source, args.sensitivity, args.specificity)
    if not study.thrusts:
        raise NothingFound(f"{args.journal}: no thrust with a pain score yet; `popdetect log` adds sessions")
    settings = options.chosen(args, *options.ANALYSIS_NAMES)
    settings |= {"sensitivity": study.sensitivity, "specificity": study.specificity}
    found = outcomes.outcomes(study.thrusts, **settings)
    found = replace(found, caveats=(*study.caveats, *found.caveats))
    terminal.show(args, to_json(found), text.as_text(found).rstrip("\n"))
