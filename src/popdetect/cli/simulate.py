"""``popdetect simulate``: a session folder with known labels, with or without the pain scores of a study."""

from __future__ import annotations

from typing import Any

from popdetect.cli import terminal
from popdetect.cli.options import SEEDS, Args, chosen, flag, number, path, text
from popdetect.cli.terminal import command, counted, one_line
from popdetect.errors import UsageError

EXAMPLES = (
    "popdetect simulate practice --clips 40 --seed 3",
    "popdetect simulate cohort --study --no-sound --clips 400 --patients 80 --effect -1",
)
# What is true in a simulated study: option, the option that it needs, default, lowest, highest, metavar, meaning.
TRUTHS = (
    ("effect", "study", -0.5, -3, 3, "POINTS", "points of NPRS that a pop adds to pain after; negative means relief"),
    ("expectation", "study", -0.1, -0.5, 0.5, "POINTS",
     "points of NPRS that each point of expected relief (0 to 10) adds"),
    ("interaction", "study", 0.0, -1, 1, "POINTS",
     "points of NPRS that each point of belief that a pop is needed (1 to 5) adds to the effect of a pop"),
    ("dropout", "study", 0.0, 0, 1, "P", "probability that a patient leaves the study after a thrust"),
    ("missing", "study", 0.0, 0, 1, "P", "share of answers that are missing"),
    ("sensitivity", "no-sound", 1.0, 0, 1, "P", "share of clips with a pop that are labelled pop"),
    ("specificity", "no-sound", 1.0, 0, 1, "P", "share of clips without a pop that are labelled no pop"),
)  # fmt: skip
OPTIONS = (
    path("out", "OUT", "folder to make"),
    number("--clips", 60, 1, 100_000, "number of clips", unit="clips"),
    number("--patients", 12, 1, 10_000, "number of patients", unit="patients"),
    number("--seed", 0, *SEEDS, "seed of the simulation; the same seed gives the same files"),
    "sound",
    number("--seconds", 3.0, 0.5, 600, "length of a clip", "S", "seconds"),
    number("--rate", 48_000, 8_000, 192_000, "sample rate", "HZ", "Hz"),
    number("--pop-share", 0.5, 0, 1, "share of clips with pops", "P"),
    number("--max-pops", 7, 1, 20, "largest number of pops in a clip", unit="pops"),
    number("--max-distractors", 3, 0, 20, "largest number of other sounds in a clip", unit="sounds"),
    number("--channels", 1, 1, 2, "2: two skin-mounted sensors; labels.csv then also has the differences between the "
           "channels", unit="channels"),
    path("--sounds", "DIR", "mix recordings from this folder (with a MANIFEST.csv) instead of synthetic sounds"),
    text("--role", "NAME", "with --sounds: use only recordings with this role in MANIFEST.csv, such as train or "
         "dev-test"),
    "study",
    flag("--study", "also write pain scores (session.csv) in which a pop has a known effect"),
    flag("--no-sound", "with --study: write labels but no clips, for large studies"),
    *(number(f"--{name}", default, low, high, f"with --{needed}: {about}", metavar)
      for name, needed, default, low, high, metavar, about in TRUTHS),
)  # fmt: skip


def check_options(args: Args) -> None:
    """Raise UsageError if an option would have no effect, because the option that it needs is missing."""
    for name, needed, default in (("no-sound", "study", False), *(row[:3] for row in TRUTHS)):
        given = vars(args)[name.replace("-", "_")]
        if given != default and not vars(args)[needed.replace("-", "_")]:
            why = ": with sound, the detector makes the labels" if needed == "no-sound" else ""
            raise UsageError(f"simulate: --{name} needs --{needed}{why}")


def run(args: Args) -> None:
    """The correct labels are written into the folder, too."""
    from popdetect.training.data.scenes import SceneRule

    check_options(args)
    names = ("pop_share", "max_pops", "max_distractors", "channels")
    rule = SceneRule(duration_s=args.seconds, rates_hz=(args.rate,), **chosen(args, *names))
    with terminal.progress("clips", args.quiet) as on_progress:
        shared = chosen(args, "seed", "sounds", "role") | {"rule": rule, "on_progress": on_progress}
        row, lines = (_study if args.study else _session)(args, shared)
    terminal.show(args, row, "\n".join(lines), summary=True)


def _session(args: Args, shared: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Simulate a session; return its counts, and a text with the next commands."""
    from popdetect.training.data import simulated_sessions

    made = simulated_sessions.simulate(args.out, n_clips=args.clips, n_patients=args.patients, **shared)
    folder = one_line(made.folder)
    clips = f"{counted(made.n_clips, 'clip')}, {made.n_pop_clips} of them with {made.n_pops} pops"
    row = {"folder": str(made.folder), "clips": made.n_clips, "pops": made.n_pops}
    first = f"{folder}: {clips}; the correct labels are in {folder}/labels.csv"
    return row, [first, terminal.steps(command("label", made.folder))]


def _study(args: Args, shared: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Simulate a study; return its counts and its truth, and a text with the next commands."""
    from popdetect.study.simulation import session
    from popdetect.study.simulation.study import StudyPlan

    truths = chosen(args, "pop_share", *(name for name, *_ in TRUTHS))
    plan = StudyPlan(n_patients=args.patients, n_thrusts=args.clips, **truths)
    made = session.simulate(args.out, plan, sound=not args.no_sound, **shared)
    row = {
        "folder": str(made.folder), "clips": made.n_clips, "pops": made.n_pops, "simulated": True,
        "pop_clips": made.n_pop_clips, "patients": made.n_patients, "sound": made.has_sound,
        "effect_points": made.effect, "mean_effect_points": made.mean_effect, "scores_cut": made.n_cut,
    }  # fmt: skip
    folder, mean = one_line(made.folder), made.mean_effect
    differs = mean is not None and abs(mean - made.effect) > 0.005
    lines = [
        f"{folder}: {counted(made.n_clips, 'thrust')} of {counted(made.n_patients, 'patient')}, "
        f"{made.n_pop_clips} of them with {made.n_pops} pops" + ("" if made.has_sound else "; labels without sound"),
        f"  true effect of a pop: {made.effect:+g} NPRS points on pain after"
        + (f" (at belief 3; {mean:+.2f} on average)" if differs else ""),
        f"  pain scores: {folder}/session.csv; truth: {folder}/study_truth.csv and study_truth.json",
    ]
    if made.n_cut > made.n_clips / 100:
        cut = f"{made.n_cut} scores were limited to the ends of the scale; this makes effects look smaller"
        lines.append(f"  note: {cut}")
    label = [command("label", made.folder)] if made.has_sound else []
    log = command("log", made.folder, "--journal", "practice.db")
    lines.append("These data are simulated; they are not clinical results.")
    return row, [*lines, terminal.steps(*label, log, command("outcomes", "practice.db"))]
