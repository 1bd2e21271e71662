"""What reporting guidelines ask for: table 1, adverse events, checklist, earlier studies; and the report as PDF."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from report_fakes import chromium, fill, full_study, parsed, report, words

from popdetect.errors import UsageError
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.report.patients import adverse_events, table_1
from popdetect.study.report.report import write


def test_table_1_counts_every_thrust_once() -> None:
    thrusts = [
        replace(t, region=("lumbar", "", "cervical")[i % 3], therapist="Dr Muster") for i, t in enumerate(full_study())
    ]
    rows = {row[0]: row[1:] for row in table_1(outcomes(thrusts), thrusts).rows}

    assert sum(map(int, rows["thrusts"][:-1])) == int(rows["thrusts"][-1]) == len(thrusts)
    regions = [row[-1].split(" ")[0] for name, row in rows.items() if name.startswith("region")]
    assert sum(map(int, regions)) == len(thrusts)
    assert "technique: not recorded" in rows
    assert "therapist 1" in rows
    assert not any("Muster" in name for name in rows)


def test_adverse_events_are_listed_by_their_words() -> None:
    thrusts = [replace(t, adverse_event=("Dizzy", " dizzy ", "", "sore")[i % 4]) for i, t in enumerate(full_study())]
    made = adverse_events(thrusts)
    rows = {row[0]: row[1:] for row in made.rows}
    n_dizzy = sum("izzy" in t.adverse_event for t in thrusts)

    assert int(rows["“dizzy”"][-1]) == n_dizzy
    assert sum(map(int, rows["“dizzy”"][:-1])) == n_dizzy
    assert "free text" in made.notes[0]


def test_every_item_of_the_checklist_has_a_place_or_a_reason(tmp_path: Path) -> None:
    tree = parsed(report(tmp_path, full_study())[1])
    ids = {element.get("id") for element in tree.iter()}
    for row in tree.findall(".//div[@id='checklist-items']//tbody/tr"):
        link = row.find(".//a")
        if link is None:
            assert "not reported here: " in words(row)
        else:
            assert link.get("href")[1:] in ids
    assert "They are not pooled" in words(tree)


def test_the_name_says_html_or_pdf(tmp_path: Path) -> None:
    study = fill(tmp_path / "STUDY.db", full_study())
    for name in ("report.docx", "report"):
        with pytest.raises(UsageError, match=r"report\.html or report\.pdf"):
            write(study, tmp_path / name)
        assert not (tmp_path / name).exists()


@pytest.mark.slow
def test_a_pdf_is_a_pdf_and_without_a_browser_the_way_out_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chromium()
    study = fill(tmp_path / "STUDY.db", full_study())
    raw = write(study, tmp_path / "report.PDF").path.read_bytes()
    assert raw.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", raw)) >= 5
    assert b"/StructTreeRoot" in raw  # headings and tables for screen readers

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="needs Chromium, Chrome or Edge"):
        write(study, tmp_path / "other.pdf")
    assert not (tmp_path / "other.pdf").exists()
