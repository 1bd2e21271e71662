#!/usr/bin/env python3
"""Whether `popdetect outcomes` keeps its word: many simulated studies with a known truth, and what it said of each.

Of each kind of study, as many as asked for are drawn, and all of `outcomes` is run on each. Then is counted how often
the 95 % interval held the truth (93 to 97 % is wanted), how often a difference was "shown" where there is none (3 to
7 %), and whether the correction for the detector's errors takes away what they dilute. Each share has the interval that
comes from so many studies. The same seed gives the same table, whatever the number of jobs.

Examples: scripts/benchmarks/interval_coverage.py · the same with --studies 100 --jobs 2 --markdown table.md
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

# before numpy is loaded, as the command line does: matrices this small gain nothing from threads
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

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
    """A kind of study: what is true, and which figure is held against which truth."""

    name: str
    plan: dict[str, Any]
    figure: str = "adjusted difference"
    counted: bool = False  # whether the detector's figures are known from counts
    biased: bool = False  # whether this figure is known to be diluted, and shown to say so

    @property
    def made(self) -> StudyPlan:
        """The plan in full."""
        return StudyPlan(**{**USUAL, **self.plan})

    @property
    def truth(self) -> float:
        """What the figure should be."""
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
)


@dataclass(frozen=True)
class Row:
    """What was counted of a scenario; intervals are those of the counting (95 %)."""

    name: str
    figure: str
    truth: float
    n: int  # studies
    n_without: int  # of these, how many gave no interval, with the reason in words
    covers: float
    covers_between: tuple[float, float]
    mean: float
    bias: float
    bias_between: tuple[float, float]
    not_zero: float  # share of studies whose interval does not hold 0: with no effect, the false positives
    not_zero_between: tuple[float, float]
    held: dict[str, bool] = field(default_factory=dict)


def main() -> int:
    """Run, print the table, say what was held; 1 where something was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=_from(10), default=1000, metavar="N", help="of each kind (default: 1000)")
    parser.add_argument("--jobs", type=_from(1), default=1, metavar="N", help="processes side by side (default: 1)")
    parser.add_argument("--seed", type=_from(0), default=0, metavar="N", help="same seed, same table (default: 0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, too")
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
    few = "" if args.studies >= ENOUGH else ", as far as so few studies can tell"
    print("\n" + ("\n".join(f"MISSED  {line}" for line in missed) or f"All was held{few}."))
    return 1 if missed else 0


def run(n_studies: int, jobs: int, seed: int) -> Iterator[tuple[int, Scenario, list[Estimate]]]:
    """What `outcomes` said, kind by kind."""
    tasks = [(number, seed, begin, min(begin + CHUNK, n_studies)) for number in range(len(SCENARIOS))
             for begin in range(0, n_studies, CHUNK)]  # fmt: skip
    found: list[Estimate] = []
    pool = ProcessPoolExecutor(jobs) if jobs > 1 else None
    try:
        for task, said in zip(tasks, (pool.map if pool else map)(studies, tasks), strict=True):
            found += said
            if task[3] == n_studies:
                yield task[0], SCENARIOS[task[0]], found
                found = []
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)


def studies(task: tuple[int, int, int, int]) -> list[Estimate]:
    """The figure in question, of some studies of one kind."""
    number, seed, begin, end = task
    scenario = SCENARIOS[number]
    plan, found = scenario.made, []
    for index in range(begin, end):
        own = np.random.SeedSequence([seed, number, index])
        thrusts = simulate_study(plan, seed=int(own.generate_state(1)[0]))
        counts = {}
        if scenario.counted:  # whoever knows the detector's figures has counted, and chance was in it
            rng = np.random.default_rng([seed, number, index, 5])
            rates = {"sensitivity": plan.sensitivity, "specificity": plan.specificity}
            counts = {name: (int(rng.binomial(N_KNOWN, rate)), N_KNOWN) for name, rate in rates.items()}
        said = outcomes(thrusts, seed=index, **counts)
        found.append(
            {
                "adjusted difference": said.main.estimate,
                "corrected difference": said.dilution.corrected,
                "interaction with belief": said.belief.interaction.estimate,
                "share of pops": said.prevalence.corrected,
            }[scenario.figure]
        )
    return found


def summed_up(scenario: Scenario, found: list[Estimate]) -> Row:
    """Count; a study without an interval is counted apart and covers nothing."""
    truth, n = scenario.truth, len(found)
    given = [
        (e.value, e.low, e.high) for e in found if e.value is not None and e.low is not None and e.high is not None
    ]
    values = np.array([value for value, _, _ in given])
    n_covers = sum(low <= truth <= high for _, low, high in given)
    n_not_zero = sum(low > 0 or high < 0 for _, low, high in given)
    bias, reach = float(values.mean() - truth), 1.96 * float(values.std(ddof=1)) / math.sqrt(len(values))
    held = {}
    if truth == 0:
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
    """Whether a share lies where it should; too few studies cannot tell, as long as their interval reaches it."""
    low, high = (k / n, k / n) if n >= ENOUGH else wilson(k, n)
    return low <= wanted[1] and high >= wanted[0]


def table(rows: list[Row], n_studies: int, seed: int) -> str:
    """Markdown."""
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
