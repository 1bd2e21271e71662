"""The plan file: what it keeps, that a change is noticed, and what an analysis takes from it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from outcome_fakes import study

from popdetect.errors import UsageError
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.analysis.plan_file import Plan, read_plan, settings

PLAN = Plan("2026-11-28", margin=0.8, scale="NPRS", adjust=("region",), n_patients=50, assumed={"effect": -1.0})


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(PLAN.as_text(), encoding="utf-8")

    assert read_plan(file) == PLAN
    assert json.loads(file.read_text())["sha256"] == PLAN.sha256


def test_a_change_after_it_was_made_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(PLAN.as_text().replace('"margin": 0.8', '"margin": 2.0'), encoding="utf-8")

    with pytest.raises(UsageError, match="changed after it was made"):
        read_plan(file)
    assert replace(PLAN, margin=2.0).sha256 != PLAN.sha256


@pytest.mark.parametrize("text", ["", "[]", "{}", "margin: 1", '{"schema_version": 1}', '{"schema_version": 9}'])
def test_other_files_are_no_plans(text: str, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match=r"no plan of popdetect|another version"):
        read_plan(file)
    with pytest.raises(UsageError, match="cannot be read"):
        read_plan(tmp_path / "missing.json")


def test_defaults_take_the_planned_value_and_others_are_deviations() -> None:
    given = {"margin": 1.0, "scale": None, "unit": "session", "time_point": None, "adjust": ()}
    used, deviations = settings(PLAN, given)

    assert used == {"margin": 0.8, "scale": "NPRS", "unit": "session", "time_point": None, "adjust": ("region",)}
    assert deviations == ("unit session, planned as recognised",)
    assert settings(PLAN, {"margin": 0.8, "adjust": ["region"]})[1] == ()
    assert settings(PLAN, {"margin": 0.5, "adjust": ["site"]})[1] == (
        "margin 0.5, planned 0.8",
        "adjust site, planned region",
    )


def test_an_analysis_follows_its_plan_and_names_what_differs() -> None:
    thrusts = study(seed=1, n_patients=30)
    plan = replace(PLAN, adjust=())
    found = outcomes(thrusts, plan=plan)
    other = outcomes(thrusts, plan=plan, margin=2.0)

    assert found.equivalence.margin == 0.8
    assert found.planned is not None
    assert found.planned.deviations == ()
    assert found.main == outcomes(thrusts).main
    assert f"the plan of 2026-11-28 (sha256 {plan.sha256[:12]})" in found.caveats[0]
    assert "50 patients were planned, 30 are there." in found.caveats
    assert other.equivalence.margin == 2.0
    assert "It differs from the plan: margin 2, planned 0.8." in other.caveats
    assert outcomes(thrusts).planned is None
