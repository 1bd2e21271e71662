"""``popdetect simulate``: a session folder with known labels, with or without the pain scores of a study."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from popdetect.cli import options, terminal
from popdetect.cli.options import chosen, number
from popdetect.cli.terminal import command, counted, one_line
from popdetect.errors import UsageError

if TYPE_CHECKING:
    from popdetect.study.simulation.session import SimulatedStudy
    from popdetect.training.data.simulated_sessions import Simulated

EXAMPLES = (
    "popdetect simulate practice --clips 40 --seed 3",
    "popdetect simulate cohort --study --no-sound --clips 400 --patients 80 --effect -1",
)

# What is true in a simulated study: option, default, lowest, highest, metavar, meaning.
STUDY_OPTIONS = (
    ("--effect", -0.5, -3, 3, "POINTS", "points of NPRS that a pop adds to pain after; negative means relief"),
    ("--expectation", -0.1, -0.5, 0.5, "POINTS", "points of NPRS that each point of expected relief (0 to 10) adds"),
    ("--interaction", 0.0, -1, 1, "POINTS",
     "points of NPRS that each point of belief that a pop is needed (1 to 5) adds to the effect of a pop"),
    ("--dropout", 0.0, 0, 1, "P", "probability that a patient leaves the study after a thrust"),
    ("--missing", 0.0, 0, 1, "P", "share of answers that are missing"),
)  # fmt: skip
LABEL_OPTIONS = (
    ("--sensitivity", 1.0, "share of clips with a pop that are labelled pop"),
    ("--specificity", 1.0, "share of clips without a pop that are labelled no pop"),
)


def add_options(parser: options.Parser) -> None:
    """Add the options of this command."""
    options.path(parser, "out", "OUT", "folder to make")
    number(parser, "--clips", 60, 1, 100_000, "number of clips", unit="clips")
    number(parser, "--patients", 12, 1, 10_000, "number of patients", unit="patients")
    options.seed(parser, "seed of the simulation; the same seed gives the same files")
    sound = parser.add_argument_group("sound")
    number(sound, "--seconds", 3.0, 0.5, 600, "length of a clip", "S", "seconds")
    number(sound, "--rate", 48_000, 8_000, 192_000, "sample rate", "HZ", "Hz")
    number(sound, "--pop-share", 0.5, 0, 1, "share of clips with pops", "P")
    number(sound, "--max-pops", 7, 1, 20, "largest number of pops in a clip", unit="pops")
    number(sound, "--max-distractors", 3, 0, 20, "largest number of other sounds in a clip", unit="sounds")
    options.path(sound, "--sounds", "DIR", "mix recordings from this folder (with a MANIFEST.csv) instead of synthetic "
                 "sounds")  # fmt: skip
    options.text(sound, "--role", "NAME", "with --sounds: use only recordings with this role in MANIFEST.csv, such as "
                 "train or dev-test")  # fmt: skip
    study = parser.add_argument_group("study")
    options.flag(study, "--study", "also write pain scores (session.csv) in which a pop has a known effect")
    for name, default, low, high, metavar, about in STUDY_OPTIONS:
        number(study, name, default, low, high, f"with --study: {about}", metavar)
    options.flag(study, "--no-sound", "with --study: write labels but no clips, for large studies")
    for name, default, about in LABEL_OPTIONS:
        number(study, name, default, 0, 1, f"with --no-sound: {about}", "P")


def check_options(args: argparse.Namespace) -> None:
    """Refuse options that would have no effect, because the option that they need is missing.

    Raises
    ------
    UsageError
    """
    of_study = [("--no-sound", False), *((name, default) for name, default, *_ in STUDY_OPTIONS)]
    of_labels = [(name, default) for name, default, *_ in LABEL_OPTIONS]
    for listed, needed, why in (
        (of_study, "--study", ""),
        (of_labels, "--no-sound", ": with sound, the detector makes the labels"),
    ):
        for name, default in listed:
            if not getattr(args, _name(needed)) and getattr(args, _name(name)) != default:
                raise UsageError(f"simulate: {name} needs {needed}{why}")


def _name(option: str) -> str:
    return option.removeprefix("--").replace("-", "_")


def run(args: argparse.Namespace) -> int:
    """Simulate the session, with ``--study`` the study."""
    from popdetect.training.data.scenes import SceneRule

    check_options(args)
    rule = SceneRule(
        duration_s=args.seconds,
        pop_share=args.pop_share,
        max_pops=args.max_pops,
        max_distractors=args.max_distractors,
        rates_hz=(args.rate,),
    )
    with terminal.progress("clips", args.quiet) as on_progress:
        shared = {"rule": rule, "on_progress": on_progress, **chosen(args, "seed", "sounds", "role")}
        made = (_study if args.study else _session)(args, **shared)
    terminal.show(args, as_json(made), as_text(made), summary=True)
    return 0


def _session(args: argparse.Namespace, **shared: Any) -> Simulated:
    from popdetect.training.data import simulated_sessions

    return simulated_sessions.simulate(args.out, n_clips=args.clips, n_patients=args.patients, **shared)


def _study(args: argparse.Namespace, **shared: Any) -> SimulatedStudy:
    from popdetect.study.simulation import session
    from popdetect.study.simulation.study import StudyPlan

    names = ("pop_share", *(_name(option) for option, *_ in (*STUDY_OPTIONS, *LABEL_OPTIONS)))
    plan = StudyPlan(n_patients=args.patients, n_thrusts=args.clips, **chosen(args, *names))
    return session.simulate(args.out, plan, sound=not args.no_sound, **shared)


def as_text(made: Simulated | SimulatedStudy) -> str:
    """Return what was made, where the truth is, and the next commands."""
    from popdetect.training.data.simulated_sessions import Simulated

    folder = one_line(made.folder)
    pops = f"{made.n_pop_clips} of them with {made.n_pops} pops"
    if isinstance(made, Simulated):
        first = f"{folder}: {counted(made.n_clips, 'clip')}, {pops}; the correct labels are in {folder}/labels.csv"
        return f"{first}\n{terminal.steps(command('label', made.folder))}"
    mean = made.mean_effect
    differs = mean is not None and abs(mean - made.effect) > 0.005
    lines = [
        f"{folder}: {counted(made.n_clips, 'thrust')} of {counted(made.n_patients, 'patient')}, {pops}"
        + ("" if made.has_sound else "; labels without sound"),
        f"  true effect of a pop: {made.effect:+g} NPRS points on pain after"
        + (f" (at belief 3; {mean:+.2f} on average)" if differs else ""),
        f"  pain scores: {folder}/session.csv; truth: {folder}/study_truth.csv and study_truth.json",
    ]
    if made.n_cut > made.n_clips / 100:
        lines.append(
            f"  note: {made.n_cut} scores were limited to the ends of the scale; this makes effects look smaller"
        )
    next_steps = [
        *([command("label", made.folder)] if made.has_sound else []),
        command("log", made.folder, "--journal", "practice.db"),
        command("outcomes", "practice.db"),
    ]
    return "\n".join([*lines, "These data are simulated; they are not clinical results.", terminal.steps(*next_steps)])


def as_json(made: Simulated | SimulatedStudy) -> dict[str, Any]:
    """Return the same as an object."""
    from popdetect.training.data.simulated_sessions import Simulated

    row = {"folder": str(made.folder), "clips": made.n_clips, "pops": made.n_pops}
    if isinstance(made, Simulated):
        return row
    return row | {
        "simulated": True,
        "pop_clips": made.n_pop_clips,
        "patients": made.n_patients,
        "sound": made.has_sound,
        "effect_points": made.effect,
        "mean_effect_points": made.mean_effect,
        "scores_cut": made.n_cut,
    }
