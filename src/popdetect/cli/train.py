"""``popdetect train``: a model adapted to labelled clips, compared with the current one."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from popdetect.cli import options, terminal
from popdetect.cli.terminal import command, counted, one_line
from popdetect.records import to_json

if TYPE_CHECKING:
    from popdetect.training.data.answers import TrainingLabels
    from popdetect.training.retraining import Retrained

EXAMPLES = (
    "popdetect train session_07 session_08 --out models/ours",
    "popdetect train labels.csv --out models/ours --guard no_pops",
)


def add_options(parser: options.Parser) -> None:
    """Add the options of this command."""
    parser.explain("Both models are compared on patients whose clips were not used to train the new model. The same "
                   "labels and seed give the same model.")  # fmt: skip
    options.path(parser, "labels", "DIR", "sessions corrected with popdetect review; or labels.csv with the columns "
                 "file, label, onsets_s (seconds) and patient_id; or folders that contain pop/ and no_pop/",
                 nargs="+")  # fmt: skip
    options.path(parser, "--out", "BUNDLE", "folder of the new model", required=True)
    options.bundle(parser, "--current", "the model to adapt and to compare with")
    options.path(parser, "--guard", "DIR", "your own recordings without pops (negative controls); the new model must "
                 "not detect more pops in them than the current one")  # fmt: skip
    options.flag(parser, "--curve", "also report whether more labelled clips would help; takes some minutes")
    options.text(parser, "--name", "NAME", "name of the new model (default: retrained)", default="retrained")
    options.seed(parser, "seed of the training")
    options.flag(parser, "--allow-ungrouped", "accept labels without patient_id; the scores are then too high")
    options.flag(parser, "--force", "replace a model that already exists")


def run(args: argparse.Namespace) -> int:
    """Train the model and compare it."""
    from popdetect.training import retraining
    from popdetect.training.data import answers
    from popdetect.training.evaluation import negative_controls
    from popdetect.training.models import replay

    labelled = answers.read(args.labels)
    current, rows, origin = replay.to_start_from(args.current)
    own_controls = negative_controls.recordings(args.guard) if args.guard else ()
    settings = options.chosen(args, "name", "seed", "allow_ungrouped", "force")
    with terminal.stages(args.quiet) as on_progress:
        done = retraining.train(
            labelled.truths, args.out, current=current, replay=rows, origin=origin, own_controls=own_controls,
            with_curve=args.curve, on_progress=on_progress, **settings,
        )  # fmt: skip
    for file, error in done.left_out:
        terminal.message(f"left out {file}: {error}", args.quiet)
    terminal.show(args, as_json(done, labelled), as_text(done, labelled, current.title))
    return terminal.FAILED_SOME if done.left_out else 0


def as_text(done: Retrained, labelled: TrainingLabels, current: str) -> str:
    """Return the scores of the new model beside those of the current one, whose title is `current`, and the advice."""
    from popdetect.training.evaluation.scores import card_figures
    from popdetect.training.models.card import figure

    compared = done.comparison
    before = card_figures(compared.current) if compared.current else {}
    lines = [*_used(done, labelled), ""]
    lines.append(f"{'clips of held-out patients':50}  {'new model':24}  current model ({current})")
    for name, value in card_figures(compared.new).items():
        lines.append(f"{name:50}  {figure(value):24}  {figure(before[name]) if name in before else ''}".rstrip())
    for kind, n_false in compared.controls_new.n_false.items():
        theirs = compared.controls_current.n_false[kind] if compared.controls_current else ""
        name = f"false pops, {compared.controls_new.minutes[kind]:.1f} min without pops: {kind}"
        lines.append(f"{name:50}  {n_false:<24}  {theirs}".rstrip())
    if done.label_issues:
        lines.append("\nPossible label issues (a model that was not trained on the clip disagrees with its label):")
        for issue in done.label_issues:
            times = " ".join(f"{time_s:.3f}" for time_s in issue.look_s)
            where = f", at {times} s" if times else ""
            lines.append(f"  {one_line(issue.file)}: labelled {issue.label}, p_pop {issue.p_pop:.2f}{where}")
    if done.learning_curve:
        lines.append(f"\n{done.learning_curve.sentence}")
    return "\n".join([
        *lines,
        f"\n{compared.advice}",
        f"Written: {one_line(done.out)}. To use it, add --model {one_line(done.out)} to classify, label or evaluate.",
        f"All scores: {command('model', 'show', done.out)}",
        "Scores from simulated sound do not show clinical accuracy.",
    ])  # fmt: skip


def _used(done: Retrained, labelled: TrainingLabels) -> list[str]:
    """Return how many clips were used and which were not."""
    text = f"Trained on {counted(done.counts['learned_from'], 'clip')}"
    text += f", {labelled.n_reviewed} of them answered in review" if labelled.n_reviewed else ""
    if done.counts["unmarked"]:
        text += f"; {done.counts['unmarked']} clips with pops have no onsets, so the current model located the pops"
    lines = [text]
    if done.counts["uncertain"]:
        lines.append(f"  left out: {counted(done.counts['uncertain'], 'clip')} labelled uncertain")
    if labelled.disputed:
        names = ", ".join(map(one_line, labelled.disputed[:5])) + (" …" if len(labelled.disputed) > 5 else "")
        n = counted(len(labelled.disputed), "clip")
        lines.append(f"  left out: {n} on which the raters disagree; settle them in review: {names}")
    return lines


def as_json(done: Retrained, labelled: TrainingLabels) -> dict[str, Any]:
    """Return the same as an object."""
    compared = done.comparison
    controls = {"new": compared.controls_new, "current": compared.controls_current}
    return {
        "bundle": str(done.out),
        "model": done.model.title,
        "model_sha256": done.model.sha256,
        "adopt": compared.adopt,
        "advice": compared.advice,
        "new": to_json(compared.new),
        "current": to_json(compared.current),
        "guard": {
            name: None if one is None else {"false_pops": one.n_false, "minutes": one.minutes}
            for name, one in controls.items()
        },
        "classifiers": done.selection,
        "left_out": [list(pair) for pair in done.left_out],
        "clips": {**done.counts, "reviewed": labelled.n_reviewed},
        "disputed": list(labelled.disputed),
        "possible_slips": to_json(done.label_issues),
        "learning_curve": done.learning_curve.to_dict() if done.learning_curve else None,
    }
