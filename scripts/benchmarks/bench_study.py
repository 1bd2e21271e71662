"""Measure how long `log`, `outcomes` and `report` take, and how that grows: `scripts/bench.py --study`.

Each runs as a command in its own process, on sessions of simulated thrusts without sound. Each session is logged into a
new journal, and logged again, which changes nothing. Seconds and peak megabytes are those of the command; the limits
are for 10,000 thrusts. Takes about ten minutes; with --repeat 1 two.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

from popdetect.study.simulation.session import simulate
from popdetect.study.simulation.study import StudyPlan

SIZES = (100, 1000, 10_000)
PER_PATIENT = 5
LIMITS = {"log": 5.0, "outcomes": 5.0, "report": 15.0}  # seconds
PLAN = {"sensitivity": 0.9, "specificity": 0.9, "speed": 0.3, "missing": 0.02}
POPDETECT = (sys.executable, "-m", "popdetect")

# a process that only starts the command, so that the memory of this script is not counted
_STARTER = """
import resource, subprocess, sys, time
begun = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def measured(command: list[str]) -> tuple[float, float]:
    """Return seconds and peak megabytes of a command."""
    out = subprocess.run([sys.executable, "-c", _STARTER, *command], check=True, capture_output=True, text=True).stdout
    seconds, kilobytes = map(float, out.split())
    return seconds, kilobytes / (1024 * 1024 if sys.platform == "darwin" else 1024)


def run(folder: Path, repeat: int) -> dict[str, float]:
    """Run and print all measurements; medians of `repeat` runs."""
    figures: dict[str, float] = {}
    print(f"the study, cold processes, median of {repeat}; {PER_PATIENT} thrusts for each patient")
    print(f"  {'thrusts':>8}  {'command':12} {'seconds':>8} {'MB':>6}")
    for n in SIZES:
        session = folder / f"session_{n}"
        simulate(session, StudyPlan(n_patients=n // PER_PATIENT, n_thrusts=n, **PLAN), seed=n, sound=False)
        took: dict[str, list[tuple[float, float]]] = {}
        for turn in range(repeat):
            journal, page = folder / f"study_{n}_{turn}.db", folder / f"report_{n}_{turn}.html"
            log = [*POPDETECT, "log", str(session), "--journal", str(journal), "--quiet"]
            commands = {
                "log": log,
                "log again": log,
                "outcomes": [
                    *POPDETECT,
                    "outcomes",
                    str(journal),
                    "--sensitivity",
                    "90/100",
                    "--specificity",
                    "90/100",
                ],
                "report": [*POPDETECT, "report", str(journal), "-o", str(page), "--quiet"],
            }
            for name, command in commands.items():
                took.setdefault(name, []).append(measured(command))
        for name, runs in took.items():
            figures[f"{name}_s {n}"] = statistics.median(seconds for seconds, _ in runs)
            figures[f"{name}_mb {n}"] = max(mb for _, mb in runs)
            print(f"  {n:8d}  {name:12} {figures[f'{name}_s {n}']:8.2f} {figures[f'{name}_mb {n}']:6.0f}")
    most, before = SIZES[-1], SIZES[-2]
    for name in LIMITS:
        grown = figures[f"{name}_s {most}"] / figures[f"{name}_s {before}"]
        print(f"  {name}: {grown:.1f} times as long for {most // before} times as many thrusts")
    return figures


def targets() -> list[tuple[str, str, float]]:
    """Return figure, sign and limit, as in `scripts/bench.py`."""
    return [(f"{name}_s {SIZES[-1]}", "<=", limit) for name, limit in LIMITS.items()]
