"""``popdetect evaluate``: the scores of a model on labelled clips."""

from __future__ import annotations

from popdetect.cli import options, terminal

EXAMPLES = ("popdetect evaluate session_07/labels.csv --by-group",)
OPTIONS = (
    options.path("truth", "TRUTH", "labels.csv with the columns file, label and onsets_s (seconds); or a folder that "
                 "contains pop/ and no_pop/, or clips with label files of Audacity, Praat or Raven; or a session "
                 "corrected with popdetect review"),
    options.flag("--by-group", "also list each patient or group separately"),
    options.number("--seed", 0, *options.SEEDS, "seed of the bootstrap intervals"),
    *options.MODEL,
)  # fmt: skip


def run(args: options.Args) -> int:
    """Scores have 95 % confidence intervals where these can be computed."""
    from popdetect.training.data import answers
    from popdetect.training.evaluation import evaluation

    labelled = answers.read([args.truth])
    if labelled.disputed:
        n = terminal.counted(len(labelled.disputed), "clip")
        terminal.message(f"left out: {n} on which the raters disagree; settle them in review", args.quiet)
    detector = options.load_detector(args)
    with terminal.progress("clips", args.quiet) as on_progress:
        scored = evaluation.evaluate(labelled.truths, detector, on_progress=on_progress, seed=args.seed)
    row = {"model": detector.model.title, **scored.to_dict()}
    terminal.show(args, row, evaluation.as_text(scored, by_group=args.by_group))
    return terminal.FAILED_SOME if scored.failed else 0
