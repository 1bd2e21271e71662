"""``popdetect evaluate``: the scores of a model on labelled clips."""

from __future__ import annotations

import argparse

from popdetect.cli import options, terminal

EXAMPLES = ("popdetect evaluate session_07/labels.csv --by-group",)


def add_options(parser: options.Parser) -> None:
    """Add the options of this command."""
    parser.explain("Scores have 95 % confidence intervals where these can be computed.")
    options.path(parser, "truth", "TRUTH", "labels.csv with the columns file, label and onsets_s (seconds), or a "
                 "folder that contains pop/ and no_pop/")  # fmt: skip
    options.flag(parser, "--by-group", "also list each patient or group separately")
    options.seed(parser, "seed of the bootstrap intervals")
    options.model(parser)


def run(args: argparse.Namespace) -> int:
    """Score the model."""
    from popdetect.session.labels import read_labels
    from popdetect.training.evaluation import evaluation

    truths = read_labels(args.truth)
    detector = options.load_detector(args)
    with terminal.progress("clips", args.quiet) as on_progress:
        scored = evaluation.evaluate(truths, detector, on_progress=on_progress, seed=args.seed)
    row = {"model": detector.model.title, **scored.to_dict()}
    terminal.show(args, row, evaluation.as_text(scored, by_group=args.by_group))
    return terminal.FAILED_SOME if scored.failed else 0
