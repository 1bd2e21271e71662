"""``scripts/benchmarks/interval_coverage.py``: the number of jobs changes no row of its table."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from popdetect.intervals import wilson
from popdetect.study.analysis.estimates import Estimate

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "benchmarks" / "interval_coverage.py"


@pytest.fixture(scope="module")
def coverage() -> ModuleType:
    spec = importlib.util.spec_from_file_location("popdetect_coverage", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # dataclasses look their module up
    spec.loader.exec_module(made)
    return made


def test_jobs_change_nothing(tmp_path: Path, coverage: ModuleType) -> None:
    out, page = tmp_path / "c.json", tmp_path / "c.md"
    command = [sys.executable, str(SCRIPT), "--studies", "10", "--seed", "7", "--jobs", "2"]
    done = subprocess.run([*command, "--json", str(out), "--markdown", str(page)], capture_output=True, text=True)
    told = json.loads(out.read_text())
    alone = [coverage.summed_up(kind, found) for _, kind, found in coverage.run(10, 1, 7)]

    assert done.stderr == ""
    assert done.stdout.startswith(page.read_text().rstrip("\n"))
    assert (told["studies"], told["seed"], told["simulated"]) == (10, 7, True)
    assert len(told["rows"]) == len(coverage.SCENARIOS)
    assert [(row["name"], row["covers"], row["mean"]) for row in told["rows"]] == [
        (row.name, row.covers, row.mean) for row in alone
    ]
    missed = [row.name for row in alone if not all(row.held.values())]
    assert done.returncode == bool(missed)
    assert ("MISSED" in done.stdout) is bool(missed)


def estimates(low: float, high: float, n: int) -> list[Estimate]:
    middle = (low + high) / 2
    return [Estimate(middle + 0.01 * (-1) ** i, low, high) for i in range(n)]


def test_shares_are_counted_and_judged(coverage: ModuleType) -> None:
    kind = next(kind for kind in coverage.SCENARIOS if kind.truth == -0.5)
    row = coverage.summed_up(kind, estimates(-1, 0.2, 950) + estimates(0.1, 0.9, 50))
    assert (row.covers, row.not_zero) == (0.95, 0.05)
    assert row.covers_between == pytest.approx(wilson(950, 1000))
    assert all(row.held.values())

    # a study without an interval covers nothing
    bare = coverage.summed_up(kind, estimates(-1, 0.2, 900) + [Estimate(why_not="too little")] * 100)
    assert (bare.n_without, bare.covers) == (100, 0.9)
    assert not all(bare.held.values())

    # ten studies cannot tell 90 % from 95 %, but they can tell 10 %
    assert all(coverage.summed_up(kind, estimates(-1, 0.2, 9) + estimates(0, 1, 1)).held.values())
    assert not all(coverage.summed_up(kind, estimates(-1, 0.2, 1) + estimates(0, 1, 9)).held.values())


def test_false_positives_and_bias_are_judged(coverage: ModuleType) -> None:
    nothing = next(kind for kind in coverage.SCENARIOS if kind.truth == 0)
    assert all(coverage.summed_up(nothing, estimates(-1, 1, 950) + estimates(0.1, 1, 50)).held.values())
    assert not all(coverage.summed_up(nothing, estimates(-1, 1, 850) + estimates(0.1, 1, 150)).held.values())

    corrected = next(kind for kind in coverage.SCENARIOS if kind.figure == "corrected difference")
    assert not coverage.summed_up(corrected, estimates(-1, -0.4, 1000)).held["the bias is gone"]
    assert coverage.summed_up(corrected, estimates(-1.5, -0.5, 1000)).held["the bias is gone"]


@pytest.mark.parametrize("wrong", [["--studies", "9"], ["--jobs", "0"], ["--studies", "many"], ["--seed", "-1"]])
def test_wrong_options_are_refused(wrong: list[str]) -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), *wrong], capture_output=True, text=True)

    assert done.returncode == 2
    assert "allowed" in done.stderr or "expected" in done.stderr
