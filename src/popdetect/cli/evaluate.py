"""``popdetect evaluate``: the scores of a model on labelled clips."""

from __future__ import annotations

import argparse

from popdetect.cli import options, terminal
from popdetect.cli.terminal import SCHEMA_VERSION

EXAMPLES = ("popdetect evaluate session_07/labels.csv --by-group",)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.description = f"{parser.description} All scores have 95 % confidence intervals where these can be computed."
    parser.add_argument(
        "truth", type=options.path, metavar="TRUTH",
        help="labels.csv with the columns file, label and onsets_s (seconds), or a folder that contains pop/ and no_pop/",
    )  # fmt: skip
    options.add_flag(parser, "--by-group", "also list each patient or group separately")
    options.add_seed(parser, "seed of the bootstrap intervals")
    options.add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Score the model."""
    from popdetect.session.labels import read_labels
    from popdetect.training.evaluation import evaluation

    truths = read_labels(args.truth)
    detector = options.load_detector(args)
    with terminal.progress("clips", args.quiet) as on_progress:
        scored = evaluation.evaluate(truths, detector, on_progress=on_progress, seed=args.seed)
    if args.json:
        terminal.json_result({"schema_version": SCHEMA_VERSION, "model": detector.model.title, **scored.to_dict()})
    else:
        terminal.result(evaluation.as_text(scored, by_group=args.by_group))
    return terminal.FAILED_SOME if scored.failed else 0
