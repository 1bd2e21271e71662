"""``popdetect train``: a model adapted to labelled clips, compared with the current one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from popdetect.cli import terminal
from popdetect.cli.options import SEEDS, Args, bundle, chosen, flag, number, path, text
from popdetect.cli.terminal import command, counted, one_line
from popdetect.records import to_json

if TYPE_CHECKING:
    from popdetect.training.data.answers import TrainingLabels
    from popdetect.training.retraining import Retrained

EXAMPLES = (
    "popdetect train session_07 session_08 --out models/ours",
    "popdetect train labels.csv --out models/ours --guard no_pops",
)
OPTIONS = (
    path("labels", "DIR", "sessions corrected with popdetect review; or labels.csv with the columns file, label, "
         "onsets_s (seconds) and patient_id; or folders that contain pop/ and no_pop/, or clips with label files of "
         "Audacity, Praat or Raven", nargs="+"),
    path("--out", "BUNDLE", "folder of the new model", required=True),
    bundle("--current", "the model to adapt and to compare with"),
    path("--guard", "DIR", "your own recordings without pops (negative controls); the new model must not detect more "
         "pops in them than the current one"),
    flag("--curve", "also report whether more labelled clips would help; takes some minutes"),
    text("--name", "NAME", "name of the new model (default: retrained)", default="retrained"),
    number("--seed", 0, *SEEDS, "seed of the training"),
    flag("--allow-ungrouped", "accept labels without patient_id; the scores are then too high"),
    flag("--force", "replace a model that already exists"),
)  # fmt: skip


def run(args: Args) -> int:
    """Both models are compared on patients whose clips were not used to train the new model.

    The same labels and seed give the same model.
    """
    from popdetect.training import retraining
    from popdetect.training.data import answers
    from popdetect.training.evaluation import negative_controls
    from popdetect.training.models import replay

    labelled = answers.read(args.labels)
    current, rows, origin = replay.to_start_from(args.current)
    own_controls = negative_controls.recordings(args.guard) if args.guard else ()
    settings = chosen(args, "name", "seed", "allow_ungrouped", "force")
    with terminal.progress("steps", args.quiet) as on_progress:
        done = retraining.train(
            labelled.truths, args.out, current=current, replay=rows, origin=origin, own_controls=own_controls,
            with_curve=args.curve, on_progress=on_progress, **settings,
        )  # fmt: skip
    for file, error in done.left_out:
        terminal.message(f"left out {file}: {error}", args.quiet)
    compared = done.comparison
    controls = {"new": compared.controls_new, "current": compared.controls_current}
    row = {
        "bundle": done.out, "model": done.model.title, "model_sha256": done.model.sha256,
        "adopt": compared.adopt, "advice": compared.advice, "new": compared.new, "current": compared.current,
        "guard": {name: one and {"false_pops": one.n_false, "minutes": one.minutes} for name, one in controls.items()},
        "classifiers": done.selection, "left_out": done.left_out,
        "clips": {**done.counts, "reviewed": labelled.n_reviewed}, "disputed": labelled.disputed,
        "possible_slips": done.label_issues,
        "learning_curve": done.learning_curve.to_dict() if done.learning_curve else None,
    }  # fmt: skip
    terminal.show(args, to_json(row), _text(done, labelled, current.title))
    return terminal.FAILED_SOME if done.left_out else 0


def _text(done: Retrained, labelled: TrainingLabels, current: str) -> str:
    """Return the scores of the new model beside those of the current one, whose title is `current`, and the advice."""
    from popdetect.training.evaluation.scores import card_figures
    from popdetect.training.models.card import figure

    used = f"Trained on {counted(done.counts['learned_from'], 'clip')}"
    used += f", {labelled.n_reviewed} of them answered in review" if labelled.n_reviewed else ""
    if done.counts["unmarked"]:
        used += f"; {done.counts['unmarked']} clips with pops have no onsets, so the current model located the pops"
    lines = [used]
    if done.counts["uncertain"]:
        lines.append(f"  left out: {counted(done.counts['uncertain'], 'clip')} labelled uncertain")
    if labelled.disputed:
        names = ", ".join(map(one_line, labelled.disputed[:5])) + (" …" if len(labelled.disputed) > 5 else "")
        n = counted(len(labelled.disputed), "clip")
        lines.append(f"  left out: {n} on which the raters disagree; settle them in review: {names}")
    compared = done.comparison
    before = card_figures(compared.current) if compared.current else {}
    table = [("clips of held-out patients", "new model", f"current model ({current})")]
    for name, value in card_figures(compared.new).items():
        table.append((name, figure(value), figure(before[name]) if name in before else ""))
    for kind, n_false in compared.controls_new.n_false.items():
        theirs = compared.controls_current.n_false[kind] if compared.controls_current else ""
        name = f"false pops, {compared.controls_new.minutes[kind]:.1f} min without pops: {kind}"
        table.append((name, f"{n_false}", f"{theirs}"))
    lines += ["", *(f"{name:50}  {new:24}  {old}".rstrip() for name, new, old in table)]
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
        "Scores from simulated sound are not clinical accuracy.",
    ])  # fmt: skip
