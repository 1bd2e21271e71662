"""The command line: a command parses, makes one call, prints.

Results go to standard output, words and progress to standard error. Rooms are imported inside the command that needs
them, so that ``popdetect classify`` loads numpy and soundfile and nothing else, and ``--version`` not even those.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from popdetect.cli import terminal
from popdetect.cli import text as wording
from popdetect.cli.options import NOTE, parser, refuse_idle
from popdetect.cli.terminal import one_line
from popdetect.errors import DamagedLinesWarning, NothingFound, PopdetectError, UsageError, missing_extra

if TYPE_CHECKING:
    from popdetect.detection.detector import Detector
    from popdetect.training.data.scenes import SceneRule

FAILED_SOME, FAILED_ALL, INTERRUPTED = 3, 4, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit code.

    0 done, 1 internal error, 2 wrong use, 3 some inputs failed, 4 nothing readable, 5 model unfit, 130 interrupted.
    An output that is closed, or full, is wrong use; one that is read no further, as by ``| head``, is not.
    """
    # before numpy is loaded: its threads cost start-up and memory, and gain nothing on matrices this small
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    args = argparse.Namespace(run=None)
    try:
        terminal.prepare()
        try:
            args = _parser().parse_args(argv)
            with _warnings_on_one_line():
                return int(args.run(args))
        finally:
            with terminal.output(sys.stdout):
                sys.stdout.flush()
    except PopdetectError as error:
        for line in error.lines:
            _complain(line)
        return error.exit_code
    except KeyboardInterrupt:
        _complain(_interrupted(args))
        return INTERRUPTED
    except terminal.ReaderGoneError:
        return 0
    except Exception as error:
        words = sys.argv[1:] if argv is None else argv
        missing = missing_extra(error, f"popdetect {next(iter(words), '')}")
        if missing is not None:
            print(missing, file=sys.stderr)
            return missing.exit_code
        if os.environ.get("POPDETECT_DEBUG"):
            raise
        what = f"{type(error).__name__}: {error}"
        _complain(f"an error of our own, not of yours: {what}; POPDETECT_DEBUG=1 shows where")
        return 1


# --- commands -------------------------------------------------------------------------------------------------------


def classify(args: argparse.Namespace) -> int:
    """Judge files, one row each."""
    files: list[str] = args.files
    if files.count("-") > 1:
        raise UsageError("standard input (-) can be read once; it was named more than once")
    pictures: dict[str, Path] = {}
    if args.plot:
        from popdetect.session import plots as picture

        pictures = picture.places(args.plot, files)
    detector = _detector(args)
    width = min(max(len(one_line(file)) for file in [*files, "file"]), 96)
    if not args.json and not args.quiet:
        _print(wording.verdict_header(width))
    n_failed = 0
    for file in files:
        piped = terminal.standard_input() if file == "-" else b""
        verdict = detector.verdict(io.BytesIO(piped) if file == "-" else file, file, hash_file=args.json)
        n_failed += verdict.detection is None
        if args.json:
            _print_json(wording.verdict_dict(verdict, detector, events=args.events))
        else:
            _print(wording.verdict_text(verdict, width, events=args.events))
        if file in pictures and verdict.detection is not None:
            source = io.BytesIO(piped) if file == "-" else file
            picture.make(source, pictures[file], verdict.detection, one_line(Path(file).name))
    return 0 if not n_failed else FAILED_SOME if n_failed < len(files) else FAILED_ALL


def label(args: argparse.Namespace) -> int:
    """Label a folder."""
    from popdetect.session import labelling as batch

    formats = tuple(name for name in (args.formats or "").replace(" ", "").split(",") if name)
    with terminal.progress("clips", args.quiet) as on_progress:
        summary = batch.label(
            args.folder,
            out=args.out,
            model=args.model,
            operating_point=args.operating_point,
            formats=formats,
            jobs=args.jobs,
            force=args.force,
            on_progress=on_progress,
        )
    for name, error in summary.unlisted:
        _say(args, f"could not look into {name}: {error}")
    if args.json:
        _print_json(wording.summary_dict(summary))
    elif not args.quiet:
        _print(wording.summary_text(summary))
    if summary.n_failed == summary.n_clips:
        return FAILED_ALL
    return FAILED_SOME if summary.n_failed or summary.unlisted else 0


def review(args: argparse.Namespace) -> int:
    """Open the page to hear, see and correct; ends with Ctrl-C, which is how it is meant to end."""
    from popdetect.app import review_session as opening

    def on_ready(address: str, n_clips: int) -> None:
        if args.json:
            _print_json({"schema_version": wording.SCHEMA_VERSION, "address": address, "clips": n_clips})
        else:
            _print(address)
        sys.stdout.flush()
        _say(args, f"{n_clips} clips are on this page, which only this computer can open; Ctrl-C ends it")

    done = opening.review(
        args.folder,
        out=args.out,
        rater=args.rater,
        blind=args.blind,
        port=args.port,
        seed=args.seed,
        browser=not args.no_browser,
        on_ready=on_ready,
    )
    if args.json:
        _print_json(wording.reviewed_dict(done))
    elif not args.quiet:
        _print(wording.reviewed_text(done))
    return 0


def train(args: argparse.Namespace) -> int:
    """Retrain on labelled clips."""
    from popdetect.training import retraining
    from popdetect.training.data import answers
    from popdetect.training.evaluation import negative_controls
    from popdetect.training.models import replay

    labelled = answers.read(args.labels)
    current, rows, origin = replay.to_start_from(args.current)
    own_guard = negative_controls.recordings(args.guard) if args.guard else ()
    with terminal.stages(args.quiet) as on_progress:
        done = retraining.train(
            labelled.truths,
            args.out,
            current=current,
            replay=rows,
            origin=origin,
            own_controls=own_guard,
            with_curve=args.curve,
            name=args.name,
            seed=args.seed,
            allow_ungrouped=args.allow_ungrouped,
            force=args.force,
            on_progress=on_progress,
        )
    for file, error in done.left_out:
        _say(args, f"left out {file}: {error}")
    if args.json:
        _print_json(wording.training_dict(done, labelled))
    else:
        _print(wording.training_text(done, labelled, current.title))
    return FAILED_SOME if done.left_out else 0


def evaluate(args: argparse.Namespace) -> int:
    """Score a model against the truth."""
    from popdetect.session import labels as truth
    from popdetect.training.evaluation import evaluation

    truths = truth.read_labels(args.truth)
    detector = _detector(args)
    with terminal.progress("clips", args.quiet) as on_progress:
        result = evaluation.evaluate(truths, detector, on_progress=on_progress, seed=args.seed)
    if args.json:
        _print_json({"schema_version": wording.SCHEMA_VERSION, "model": detector.model.title, **result.to_dict()})
    else:
        _print(evaluation.as_text(result, by_group=args.by_group))
    return FAILED_SOME if result.failed else 0


def simulate(args: argparse.Namespace) -> int:
    """Make a session folder with known truth, with or without the pain scores of a study."""
    from popdetect.training.data import simulated_sessions as sessions
    from popdetect.training.data.scenes import SceneRule

    refuse_idle(args)
    rule = SceneRule(
        duration_s=args.seconds,
        pop_share=args.pop_share,
        max_pops=args.max_pops,
        max_distractors=args.max_distractors,
        rates_hz=(args.rate,),
    )
    if args.study:
        return _simulate_study(args, rule)
    with terminal.progress("clips", args.quiet) as on_progress:
        made = sessions.simulate(
            args.out,
            n_clips=args.clips,
            n_patients=args.patients,
            seed=args.seed,
            rule=rule,
            sounds=args.sounds,
            role=args.role,
            on_progress=on_progress,
        )
    if args.json:
        _print_json({"folder": str(made.folder), "clips": made.n_clips, "pops": made.n_pops})
    elif not args.quiet:
        _print(
            f"{made.folder}: {made.n_clips} clips, {made.n_pop_clips} of them with {made.n_pops} pops; "
            f"the truth is in {made.folder / 'labels.csv'}\nNext: popdetect label {made.folder}"
        )
    return 0


def _simulate_study(args: argparse.Namespace, rule: SceneRule) -> int:
    """The same with the pain scores of a study."""
    from popdetect.cli import study_text as wording_study
    from popdetect.study.simulation import session as simulated_session
    from popdetect.study.simulation.study import StudyPlan

    plan = StudyPlan(
        n_patients=args.patients, n_thrusts=args.clips, pop_share=args.pop_share, effect=args.effect,
        expectation=args.expectation, interaction=args.interaction, dropout=args.dropout, missing=args.missing,
        sensitivity=args.sensitivity, specificity=args.specificity,
    )  # fmt: skip
    with terminal.progress("clips", args.quiet) as on_progress:
        study = simulated_session.simulate(
            args.out,
            plan,
            seed=args.seed,
            sound=not args.no_sound,
            rule=rule,
            sounds=args.sounds,
            role=args.role,
            on_progress=on_progress,
        )
    if args.json:
        _print_json(wording_study.study_dict(study))
    elif not args.quiet:
        _print(wording_study.study_text(study))
    return 0


def log(args: argparse.Namespace) -> int:
    """Join a labelled session with its scores into the journal, or make the table of scores to fill in."""
    from popdetect.cli import study_text as wording_study
    from popdetect.study.journal import logging as logging_session
    from popdetect.study.journal import template

    if args.init:
        path, n_lines = template.write_template(args.folder)
        if args.json:
            _print_json({"schema_version": wording.SCHEMA_VERSION, "written": str(path), "lines": n_lines})
        else:
            _print(wording_study.template_text(path, n_lines))
        return 0
    if args.journal is None:
        raise UsageError("log: the journal is not named; --journal STUDY.db, which is begun if it is not there")
    done = logging_session.log(args.folder, args.journal, update=args.update, key=args.key, with_notes=args.with_notes)
    if args.json:
        _print_json(wording_study.logged_dict(done))
    elif not args.quiet:
        _print(wording_study.logged_text(done))
    if not done.written:
        _complain(f"{len(done.changes)} values are not as in the journal; nothing was written: --update writes them")
        return UsageError.exit_code
    return FAILED_SOME if done.clips_without_scores or done.scores_without_clips else 0


def outcomes(args: argparse.Namespace) -> int:
    """Conclude from a journal."""
    from popdetect.records import to_json
    from popdetect.study.analysis.outcomes import outcomes as conclude
    from popdetect.study.journal import journal
    from popdetect.study.report import text as outcomes_text

    thrusts = journal.thrusts(args.journal)
    if not thrusts:
        raise NothingFound(f"{args.journal}: no thrust with a score in it yet; `popdetect log` puts sessions into it")
    found = conclude(thrusts, **_conclusions(args))
    if args.json:
        _print_json({"schema_version": wording.SCHEMA_VERSION, **to_json(found)})
    else:
        _print(outcomes_text.as_text(found).rstrip("\n"))
    return 0


def report(args: argparse.Namespace) -> int:
    """Write the report of a journal."""
    from popdetect.cli import study_text as wording_study
    from popdetect.study.report import report as reporting

    done = reporting.write(
        args.study, args.out, sessions=args.session or (), title=args.title, force=args.force, **_conclusions(args)
    )
    if args.json:
        _print_json(wording_study.report_dict(done))
    elif not args.quiet:
        _print(wording_study.report_text(done))
    return 0


def export(args: argparse.Namespace) -> int:
    """Write the journal out for other tools; without a name for it, to standard output."""
    from popdetect.cli import study_text as wording_study
    from popdetect.study.export import export as exporting

    if args.out is None and (args.json or args.format in exporting.IN_A_FOLDER):
        what = "--json tells what was written" if args.json else f"{args.format} is two files"
        raise UsageError(f"export: {what}; name the place with -o")
    columns = None
    if args.columns is not None:  # as csv, since a clinic's own header may have a comma in it
        listed = next(csv.reader([args.columns], skipinitialspace=True), [])
        columns = [name.strip() for name in listed if name.strip()]
    done = exporting.export(args.study, args.format, args.out, columns=columns, force=args.force)
    if args.json:
        _print_json(wording_study.exported_dict(done))
    elif args.out is not None and not args.quiet:
        _print(wording_study.exported_text(done))
    elif args.out is None:
        _print(done.texts[""].removesuffix("\n"))
        for note in wording_study.exported_notes(done):
            _say(args, note)
    return 0


def model_show(args: argparse.Namespace) -> int:
    """Print the card."""
    from popdetect.detection.model import bundle

    model = bundle.load(args.bundle)
    if args.json:
        _print_json(model.info)
        return 0
    card = (Path(args.bundle) if args.bundle else bundle.shipped()) / "CARD.md"
    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{card}: the card cannot be read; `--json` prints model.json") from None
    _print(text)
    return 0


def model_verify(args: argparse.Namespace) -> int:
    """Check a bundle."""
    from popdetect.detection import verification

    done = verification.verify(args.bundle)
    model, worst, n_rows = done.model, done.worst_parity, done.n_rows
    if args.json:
        found = {"model": model.title, "sha256": model.sha256, "parity": worst, "rows": n_rows}
        _print_json({**found, "golden_clips": done.n_clips})
    else:
        _print(
            f"{model.title} is whole: hashes match, probabilities equal scikit-learn's to {worst:.1e} on {n_rows} "
            f"rows, and {done.n_clips} golden clips give what they gave when it was trained"
        )
    return 0


def demo(args: argparse.Namespace) -> int:
    """Go the whole way on a simulated study: simulate, label, log, report."""
    from popdetect.cli import study_text as wording_study
    from popdetect.study.simulation import demonstration

    with terminal.progress("clips", args.quiet) as on_progress:
        done = demonstration.demonstrate(args.out, on_stage=lambda stage: _say(args, stage), on_progress=on_progress)
    if args.json:
        _print_json(wording_study.demo_dict(done))
    else:
        _print(wording_study.demo_text(done))
        _print(f"Everything here is simulated: its figures are not clinical accuracy. {NOTE}")
    return 0


# --- what they share ------------------------------------------------------------------------------------------------


def _detector(args: argparse.Namespace) -> Detector:
    from popdetect.detection.detector import Detector
    from popdetect.detection.model.bundle import load

    return Detector(load(args.model), args.operating_point)


def _conclusions(args: argparse.Namespace) -> dict[str, Any]:
    """What the outcomes of a study depend on."""
    return {name: getattr(args, name) for name in ("margin", "scale", "sensitivity", "specificity", "seed")}


def _print(text: str) -> None:
    with terminal.output(sys.stdout):
        print(text)


def _print_json(made: dict[str, Any]) -> None:
    _print(json.dumps(made, ensure_ascii=False))


def _say(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        _complain(text)


def _complain(text: str) -> None:
    with suppress(UsageError, terminal.ReaderGoneError), terminal.output(sys.stderr):  # there is nobody left to tell
        print(f"popdetect: {one_line(text)}", file=sys.stderr, flush=True)


@contextmanager
def _warnings_on_one_line() -> Iterator[None]:
    """Report damaged lines of a file on one line of standard error, like errors; each report once."""

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, DamagedLinesWarning):
            _complain(str(message))
        else:
            others(message, category, *place, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("default", DamagedLinesWarning)
        others, warnings.showwarning = warnings.showwarning, show
        yield


def _interrupted(args: argparse.Namespace) -> str:
    if args.run is not label:
        return "interrupted; nothing half-written stays: start again"
    same = "the same command without --force" if args.force else "the same command"
    return f"interrupted; what was finished is kept, {same} goes on from there"


def _parser() -> argparse.ArgumentParser:
    return parser(
        {
            "classify": classify,
            "label": label,
            "review": review,
            "train": train,
            "evaluate": evaluate,
            "simulate": simulate,
            "log": log,
            "outcomes": outcomes,
            "report": report,
            "export": export,
            "model show": model_show,
            "model verify": model_verify,
            "demo": demo,
        }
    )
