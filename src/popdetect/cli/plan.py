"""``popdetect plan``: how many patients a study needs, and a plan file made before the data."""

from __future__ import annotations

from datetime import UTC, datetime

from popdetect import __version__
from popdetect.cli import terminal
from popdetect.cli.options import SEEDS, Args, flag, number, path, text
from popdetect.errors import UsageError
from popdetect.records import to_json

EXAMPLES = (
    "popdetect plan --effect -1 --thrusts 4 --pop-share 0.6",
    "popdetect plan --effect 0 --goal equivalence --margin 1 --adjust therapist -o plan.json",
    "popdetect outcomes STUDY.db --plan plan.json",
)
OPTIONS = (
    number("--patients", 0, 0, 5_000, "number of patients; 0: search the number that is needed", unit="patients"),
    text("--goal", "GOAL", "what the study is to show: difference or equivalence (default: difference)",
         choices=("difference", "equivalence"), default="difference"),
    number("--power", 0.8, 0.5, 0.99, "share of studies that are to show it", "P"),
    path("-o --out", "PLAN", "also write the plan there, such as plan.json; `outcomes --plan` reads it"),
    flag("--force", "replace a plan that already exists"),
    "what is assumed",
    number("--effect", -1.0, -5, 5, "difference in pain after a pop; negative means relief", "POINTS", "NPRS points"),
    number("--thrusts", 4.0, 1, 100, "mean number of thrusts per patient", unit="thrusts"),
    number("--pop-share", 0.65, 0.01, 0.99, "share of thrusts with a pop", "P"),
    number("--pop-spread", 0.7, 0, 5, "how much patients differ in how often they pop: standard deviation of the "
           "log-odds", "SD"),
    number("--patient-sd", 0.7, 0, 5, "how much patients differ in pain after", "SD", "NPRS points"),
    number("--noise-sd", 1.0, 0.1, 5, "how much thrusts of a patient differ in pain after", "SD", "NPRS points"),
    number("--sensitivity", 0.8, 0.5, 1, "share of the decided clips with a pop that are labelled pop", "P"),
    number("--specificity", 0.95, 0.5, 1, "share of the decided clips without a pop that are labelled no pop", "P"),
    number("--uncertain", 0.15, 0, 0.9, "share of clips that are uncertain", "P"),
    number("--missing", 0.05, 0, 0.9, "share of answers that are missing", "P"),
    number("--dropout", 0.0, 0, 0.9, "probability that a patient leaves after a thrust", "P"),
    number("--studies", 200, 50, 10_000, "simulated studies for each number of patients", unit="studies"),
    number("--seed", 0, *SEEDS, "seed of the simulation"),
    "what will be analysed",
    number("--margin", 1.0, 0.01, 10, "a smaller difference does not matter to patients", "POINTS", "NPRS points"),
    text("--scale", "SCALE", "NPRS or VAS100 (default: NPRS)", choices=("NPRS", "VAS100"), default="NPRS"),
    text("--unit", "UNIT", "thrust or session", choices=("thrust", "session")),
    text("--time-point", "NAME", "when pain after is asked, as it will stand in the table"),
    text("--adjust", "COLUMN", "a further column to adjust for; can be given several times", action="append"),
)  # fmt: skip
_ASSUMED = ("effect", "pop_share", "pop_spread", "patient_sd", "noise_sd", "sensitivity", "specificity", "uncertain",
            "missing", "dropout", "scale")  # fmt: skip


def run(args: Args) -> None:
    """Studies are simulated with these assumptions, and analysed as `outcomes` analyses them."""
    from popdetect.session.files import write_text
    from popdetect.study.analysis.plan_file import Plan
    from popdetect.study.simulation import power
    from popdetect.study.simulation.study import StudyPlan

    if args.out is not None and args.out.exists() and not args.force:
        raise UsageError(f"{args.out}: exists already; a plan is not replaced without --force")
    assumed = {name: getattr(args, name) for name in _ASSUMED}
    study = StudyPlan(n_patients=args.patients or 1, thrusts_per_patient=args.thrusts, **assumed)
    settings = {"n_studies": args.studies, "seed": args.seed}
    with terminal.progress("studies", args.quiet) as on_study:
        if args.patients:
            tried = [power.simulated_power(study, args.margin, on_study=on_study, **settings)]
        else:
            tried = power.patients_needed(study, args.margin, args.goal, args.power, on_study=on_study, **settings)
    enough = [one for one in tried if one.share(args.goal) >= args.power]
    chosen = enough[0] if enough else tried[-1]
    plan = Plan(
        made=datetime.now(UTC).date().isoformat(),
        margin=args.margin,
        scale=args.scale,
        unit=args.unit,
        time_point=args.time_point,
        adjust=tuple(args.adjust or ()),
        n_patients=chosen.n_patients,
        assumed={**assumed, "thrusts_per_patient": args.thrusts, "goal": args.goal, "power": args.power, **settings},
        expected=to_json(chosen),
        popdetect_version=__version__,
    )
    lines = ["patients  show a difference    show equivalence     half width of the 95 % interval"]
    for one in tried:
        shares = (
            f"{100 * share:3.0f} % ({100 * low:.0f} to {100 * high:.0f})"
            for share, (low, high) in (
                (one.difference, one.difference_between),
                (one.equivalence, one.equivalence_between),
            )
        )
        width = "-" if one.half_width is None else f"{one.half_width:.2f}"
        lines.append(f"{one.n_patients:8}  {'  '.join(f'{share:<19}' for share in shares)}  {width}")
    verdict = (
        f"{chosen.n_patients} patients with {args.thrusts:g} thrusts each show {args.goal} in "
        f"{100 * chosen.share(args.goal):.0f} % of the simulated studies"
    )
    lines += ["", f"{verdict}{'' if enough else f', not in {100 * args.power:.0f} %'}.",
              "This is true as far as the assumptions are; try less favourable ones, too."]  # fmt: skip
    if args.out is not None:
        write_text(args.out, plan.as_text())
        lines.append(f"Wrote {args.out} (sha256 {plan.sha256[:12]}…). Register it or send it to somebody before the "
                     "first thrust.")  # fmt: skip
    row = {"tried": to_json(tried), "n_patients": chosen.n_patients, "reached": bool(enough), "plan": to_json(plan),
           "sha256": plan.sha256, "written": str(args.out) if args.out else None}  # fmt: skip
    terminal.show(args, row, "\n".join(lines))
