#!/usr/bin/env python3
"""Check the coverage of the intervals of `popdetect outcomes` on simulated studies with known effects.

For each kind of study, many studies are simulated and analysed. The table shows how often the 95 % interval contained
the truth (93 to 97 % is required), how often a difference was "shown" although there is none (3 to 7 %), and whether
the correction for errors of the detector removes the dilution. Kinds that are known to be biased have no target; the
output warns of them. Each share has its own interval. The same seed gives the
same table, for any number of jobs. 1000 studies of each kind take some two hours.

Examples
--------
scripts/benchmarks/interval_coverage.py
scripts/benchmarks/interval_coverage.py --studies 100 --jobs 2 --markdown table.md
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

# set before numpy is loaded: threads do not help with matrices this small
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import hard_studies
from hard_studies import Draw
from popdetect import __version__
from popdetect.intervals import wilson
from popdetect.session.files import write_text
from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.simulation.study import StudyPlan, simulate_study

N_KNOWN = 300  # clips of each kind on which the detector's figures were counted
COVERS, FALSE_POSITIVES = (0.93, 0.97), (0.03, 0.07)
CHUNK = 20
ENOUGH = 1000  # studies of a kind: from there on chance seldom carries a share of 95 % out of 93 to 97 %
ERRS = {"sensitivity": 0.9, "specificity": 0.85}
USUAL = {"n_patients": 30, "thrusts_per_patient": 5.0}


@dataclass(frozen=True)
class Scenario:
    """A kind of study: the truth, and the figure that is compared with it."""

    name: str
    plan: dict[str, Any]
    figure: str = "adjusted difference"
    counted: bool = False  # whether sensitivity and specificity of the detector are given as counts
    biased: bool = False  # whether this figure is known to be biased; the output must then warn
    draw: Draw | None = None  # a hard study in place of the plan, with `plan["effect"]`
    adjust: tuple[str, ...] = ()

    @property
    def made(self) -> StudyPlan:
        """The complete plan."""
        return StudyPlan(**{**USUAL, **self.plan})

    @property
    def truth(self) -> float:
        """The true value of the figure."""
        if self.draw:
            return float(self.plan["effect"])
        plan = self.made
        unit = 1.0 if plan.scale == "NPRS" else 10.0
        return {
            "adjusted difference": plan.effect * unit,
            "corrected difference": plan.effect * unit,
            "interaction with belief": plan.interaction * unit,
            "share of pops": plan.pop_share,
        }[self.figure]


GAPS = {"pop_spread": 1.0, "missing": 0.05, "dropout": 0.1}
SCENARIOS = (
    Scenario("30 patients, 5 thrusts each", {}),
    Scenario("gaps, drop-out, patients who pop more or less", GAPS),
    Scenario("12 patients, a large effect", {"n_patients": 12, "effect": -1.0}),
    Scenario("80 patients, one thrust each", {"n_patients": 80, "thrusts_per_patient": 1.0}),
    Scenario("12 patients who are all alike", {"n_patients": 12, "thrusts_per_patient": 4.0, "patient_sd": 0.0}),
    Scenario("pain on VAS100", {"scale": "VAS100"}),
    Scenario("no effect", {"effect": 0.0}),
    Scenario("no effect, gaps and drop-out", {"effect": 0.0, **GAPS}),
    Scenario("no effect, 12 patients", {"effect": 0.0, "n_patients": 12}),
    Scenario("no effect, a detector that errs", {"effect": 0.0, **ERRS}),
    Scenario("belief matters", {"interaction": -0.3, "n_patients": 60}, "interaction with belief"),
    Scenario("belief does not matter", {"n_patients": 60}, "interaction with belief"),
    Scenario("a detector that errs, not corrected", {"effect": -1.0, **ERRS}, biased=True),
    Scenario("a detector that errs, corrected", {"effect": -1.0, **ERRS}, "corrected difference", counted=True),
    Scenario("a detector that errs, share of pops corrected", {"effect": -1.0, **ERRS}, "share of pops", counted=True),
    *(
        Scenario(
            f"{name}, {'no effect' if not effect else 'an effect'}",
            {"effect": effect},
            draw=draw,
            adjust=adjust,
            biased=biased,
        )
        for name, draw, adjust, biased in (
            ("2 pops in 48 thrusts", hard_studies.rare_pops, (), False),
            ("4 thrusts without a pop in 80", hard_studies.rare_thrusts_without, (), False),
            ("unequal patients", hard_studies.unequal_patients, (), False),
            ("thrusts repeated until one pops", hard_studies.repeated_until_it_pops, (), False),
            ("the first thrust helps most", hard_studies.first_thrust_helps_most, (), False),
            ("patients who pop more fare better", hard_studies.confounded_patients, (), False),
            ("therapists differ in skill, adjusted for", hard_studies.skilled_therapists, ("therapist",), False),
            ("pain of a session copied to its thrusts", hard_studies.session_pain, (), False),
            ("therapists differ in skill, not adjusted for", hard_studies.skilled_therapists, (), True),
            ("errors of the detector depend on pain", hard_studies.pain_and_errors, (), True),
            ("pops rarer in worse pain, recorded with error", hard_studies.less_pops_in_worse_pain, (), True),
        )
        for effect in (0.0, -1.0)
    ),
)


@dataclass(frozen=True)
class Row:
    """The results of a scenario; intervals (95 %) are those of the simulation."""

    name: str
    figure: str
    truth: float
    n: int  # studies
    n_without: int  # studies without an interval
    covers: float
    covers_between: tuple[float, float]
    mean: float
    bias: float
    bias_between: tuple[float, float]
    not_zero: float  # share of studies whose interval does not hold 0: with no effect, the false positives
    not_zero_between: tuple[float, float]
    held: dict[str, bool] = field(default_factory=dict)


def main() -> int:
    """Run, print the table and the missed targets; return 1 if there are any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=_from(10), default=1000, metavar="N", help="of each kind (default: 1000)")
    parser.add_argument("--jobs", type=_from(1), default=1, metavar="N", help="parallel processes (default: 1)")
    parser.add_argument("--seed", type=_from(0), default=0, metavar="N", help="same seed, same table (default: 0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the table there")
    args = parser.parse_args()
    begun = time.monotonic()
    rows = []
    for number, scenario, found in run(args.studies, args.jobs, args.seed):
        rows.append(summed_up(scenario, found))
        if sys.stderr.isatty():
            done = f"{number + 1} of {len(SCENARIOS)} kinds, {time.monotonic() - begun:.0f} s"
            print(f"\r{done}", end="\n" if number + 1 == len(SCENARIOS) else "", file=sys.stderr, flush=True)
    text = table(rows, args.studies, args.seed)
    print(text)
    if args.json:
        about = {"popdetect_version": __version__, "studies": args.studies, "seed": args.seed, "simulated": True}
        write_text(args.json, json.dumps(about | {"rows": [asdict(row) for row in rows]}, indent=1) + "\n")
    if args.markdown:
        write_text(args.markdown, text + "\n")
    missed = [f"{row.name}: {what}" for row in rows for what, held in row.held.items() if not held]
    few = "" if args.studies >= ENOUGH else ", as far as so few studies can show"
    print("\n" + ("\n".join(f"MISSED  {line}" for line in missed) or f"All targets are met{few}."))
    return 1 if missed else 0


def run(n_studies: int, jobs: int, seed: int) -> Iterator[tuple[int, Scenario, list[Estimate]]]:
    """Yield the estimates of `outcomes`, kind by kind."""
    tasks = [(number, seed, begin, min(begin + CHUNK, n_studies)) for number in range(len(SCENARIOS))
             for begin in range(0, n_studies, CHUNK)]  # fmt: skip
    found: list[Estimate] = []
    pool = ProcessPoolExecutor(jobs) if jobs > 1 else None
    try:
        for task, result in zip(tasks, (pool.map if pool else map)(studies, tasks), strict=True):
            found += result
            if task[3] == n_studies:
                yield task[0], SCENARIOS[task[0]], found
                found = []
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)


def studies(task: tuple[int, int, int, int]) -> list[Estimate]:
    """Return the estimates of some studies of one kind."""
    number, seed, begin, end = task
    scenario = SCENARIOS[number]
    plan, found = StudyPlan() if scenario.draw else scenario.made, []
    for index in range(begin, end):
        own = np.random.SeedSequence([seed, number, index])
        if scenario.draw:
            thrusts = scenario.draw(np.random.default_rng(own), scenario.truth)
        else:
            thrusts = simulate_study(plan, seed=int(own.generate_state(1)[0]))
        counts = {}
        if scenario.counted:  # the counts of an evaluation are random too
            rng = np.random.default_rng([seed, number, index, 5])
            rates = {"sensitivity": plan.sensitivity, "specificity": plan.specificity}
            counts = {name: (int(rng.binomial(N_KNOWN, rate)), N_KNOWN) for name, rate in rates.items()}
        result = outcomes(thrusts, seed=index, adjust=scenario.adjust, **counts)
        found.append(
            {
                "adjusted difference": result.main.estimate,
                "corrected difference": result.dilution.corrected,
                "interaction with belief": result.belief.interaction.estimate,
                "share of pops": result.prevalence.corrected,
            }[scenario.figure]
        )
    return found


def summed_up(scenario: Scenario, found: list[Estimate]) -> Row:
    """Count; a study without an interval is counted separately and covers nothing."""
    truth, n = scenario.truth, len(found)
    given = [
        (e.value, e.low, e.high) for e in found if e.value is not None and e.low is not None and e.high is not None
    ]
    values = np.array([value for value, _, _ in given])
    n_covers = sum(low <= truth <= high for _, low, high in given)
    n_not_zero = sum(low > 0 or high < 0 for _, low, high in given)
    bias, reach = float(values.mean() - truth), 1.96 * float(values.std(ddof=1)) / math.sqrt(len(values))
    held = {}
    if truth == 0 and not scenario.biased:
        held["false positives 3 to 7 %"] = _lies(n_not_zero, n, FALSE_POSITIVES)
    elif not scenario.biased:
        held["covers 93 to 97 %"] = _lies(n_covers, n, COVERS)
    if scenario.figure == "corrected difference":
        held["the bias is gone"] = abs(bias) <= reach
    return Row(
        name=scenario.name,
        figure=scenario.figure,
        truth=truth,
        n=n,
        n_without=n - len(given),
        covers=n_covers / n,
        covers_between=wilson(n_covers, n),
        mean=float(values.mean()),
        bias=bias,
        bias_between=(bias - reach, bias + reach),
        not_zero=n_not_zero / n,
        not_zero_between=wilson(n_not_zero, n),
        held=held,
    )


def _lies(k: int, n: int, wanted: tuple[float, float]) -> bool:
    """Return whether a share is in the required range; with few studies, whether its interval reaches the range."""
    low, high = (k / n, k / n) if n >= ENOUGH else wilson(k, n)
    return low <= wanted[1] and high >= wanted[0]


def table(rows: list[Row], n_studies: int, seed: int) -> str:
    """Return the table as Markdown."""
    lines = [
        f"{n_studies} simulated studies of each kind, seed {seed}, popdetect {__version__}; in brackets the 95 % "
        "interval of the counting.",
        "",
        "| studies | figure | truth | interval holds the truth | mean minus truth | interval without 0 |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        lines.append(
            f"| {row.name} | {row.figure} | {row.truth:g} | {_share(row.covers, row.covers_between)} | "
            f"{row.bias:+.3f} ({row.bias_between[0]:+.3f} to {row.bias_between[1]:+.3f}) | "
            f"{_share(row.not_zero, row.not_zero_between)} |"
        )
    without = [f"{row.name}: {row.n_without}" for row in rows if row.n_without]
    return "\n".join([*lines, *(["", f"Without an interval: {'; '.join(without)}."] if without else [])])


def _share(share: float, between: tuple[float, float]) -> str:
    return f"{100 * share:.1f} % ({100 * between[0]:.1f} to {100 * between[1]:.1f})"


def _from(least: int) -> Any:
    return partial(_whole, least)


def _whole(least: int, text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number of at least {least} is allowed")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
