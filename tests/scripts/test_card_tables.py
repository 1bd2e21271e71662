"""The tables of the shipped card: what was measured, by which build and command."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import card_tables
from popdetect.detection.model import bundle
from popdetect.training.models import card


@pytest.fixture
def info() -> dict[str, Any]:
    return json.loads((bundle.shipped() / "model.json").read_text(encoding="utf-8"))


def render(info: dict[str, Any]) -> str:
    return card.render(info, card_tables.render(info))


def test_every_table_of_figures_names_its_build_and_command(info: dict[str, Any]) -> None:
    sections = render(info).split("\n## ")[1:]
    measured = [
        part
        for part in sections
        if part.startswith((*info["scores"], "New sounds", "What each", "Comparison", "False"))
    ]

    assert len(measured) >= len(info["scores"]) + 2
    for part in measured:
        assert re.search(r"^Build: popdetect [\d.]+.*\. Command: `.+`\.$", part, flags=re.MULTILINE), part[:200]


def test_only_what_was_measured_has_a_column(info: dict[str, Any]) -> None:
    row = {"auroc": 0.9, "sensitivity_at_95": 0.8, "f1": None, "count_error": None, "ece": 0.02}
    info["ablations"] = {"about": "Ten clips", "rows": {"all of it": row}}
    info["peers"] = {"about": "Ten clips", "rows": {"us": {**row, "among_candidates": 0.97}, "them": row}}
    parts = render(info).split("\n## ")
    by_title = {part.split("\n")[0]: part for part in parts}

    assert "among the candidates" not in by_title["What each part contributes"]
    assert "| all of it | 0.900 | 0.800 | not known | not known | 0.020 |" in by_title["What each part contributes"]
    assert "| ECE | true pops among the candidates |\n| --- | --- |" in by_title["Comparison with other methods"]
    assert "| us | 0.900 | 0.800 | not known | not known | 0.020 | 0.970 |" in by_title["Comparison with other methods"]
    assert (
        "| them | 0.900 | 0.800 | not known | not known | 0.020 | not known |"
        in by_title["Comparison with other methods"]
    )


def test_new_sounds_have_their_table(info: dict[str, Any]) -> None:
    row = {"auroc": 0.9, "f1": None, "timing_ms": 0.2}
    info["unheard"] = {"about": "Ten clips", "rows": {"everyday, borq1": row}}
    part = render(info).split("## New sounds and pops\n\n")[1].split("\n## ")[0]

    assert part.splitlines()[0] == "Ten clips. Intervals are 95 %, folds and sources of pops resampled."
    assert "| clip AUROC | event F1 (±5 ms) | median timing error, ms |" in part
    assert "| everyday, borq1 | 0.900 | not known | 0.200 |" in part


def test_false_pops_are_listed_by_kind(info: dict[str, Any]) -> None:
    rate = {"value": 0.5, "low": 0.061, "high": 1.806}
    rows = {"speech": {"recordings": 7, "minutes": 4.0, "pops": 2, "a_minute": rate}}
    info["unheard"] = {"about": "Ten clips", "rows": {}, "false_pops": {"dev-test": rows}}
    text = render(info)

    assert "## False pops, dev-test" in text
    assert "| speech | 7 | 4.0 | 2 | 0.50 (0.06 to 1.81) |" in text
    info.pop("voices", None)
    del info["unheard"]
    assert "False pops" not in render(info)
    info["voices"] = {"about": "Voices of nobody", "false_pops": rows}
    part = render(info).split("## False pops, recorded voices\n\n")[1]
    assert part.startswith("Voices of nobody. Exact 95 % Poisson limits.\n")
    assert "| speech | 7 | 4.0 | 2 | 0.50 (0.06 to 1.81) |" in part
