"""Exports that spreadsheets open: the numbers are those of csv, and no text is a formula."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import openpyxl
import pytest
from export_fakes import export, make_study, one
from journal_fakes import make_session, scores, write_scores

from popdetect.study.fields import FIELDS
from popdetect.study.journal.logging import log

EVIL = ("=1+1", "+1 more", "-cmd", "@sum", "\tx", "'=x")
COLUMNS = [field.name for field in FIELDS]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path)


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    folder = make_session(tmp_path)
    write_scores(folder, [row | {"region": text} for row, text in zip(scores(), EVIL, strict=True)])
    log(folder, tmp_path / "EVIL.db")
    return tmp_path / "EVIL.db"


def test_a_workbook_has_the_values_of_the_csv(study: Path) -> None:
    out = study.parent / "study.xlsx"
    export(study, "xlsx", out, columns=COLUMNS)
    book = openpyxl.load_workbook(out)
    header, *lines = book["thrusts"].iter_rows(values_only=True)

    assert list(header) == COLUMNS
    for line, row in zip(lines, one(study, "csv", COLUMNS), strict=True):
        for name, value, text in zip(COLUMNS, line, row.values(), strict=True):
            assert value == (None if text == "" else float(text) if isinstance(value, int | float) else text), name
    assert [row[0] for row in book["codebook"].iter_rows(min_row=2, values_only=True)] == COLUMNS


def test_the_same_journal_gives_the_same_workbook(study: Path) -> None:
    made = [study.parent / f"{i}.xlsx" for i in range(2)]
    for path in made:
        export(study, "xlsx", path)
    assert made[0].read_bytes() == made[1].read_bytes()


def test_a_german_excel_gets_semicolons_and_decimal_commas(study: Path) -> None:
    text = export(study, "wide", excel="de").texts[""]
    assert text.startswith("\ufeffsession;patient;")
    assert "\r\n" in text
    german = list(csv.DictReader(io.StringIO(text[1:], newline=""), delimiter=";"))
    for row, plain in zip(german, one(study, "wide"), strict=True):
        assert list(row) == list(plain)
        for name, cell in row.items():
            assert cell in (plain[name], plain[name].replace(".", ","))
            assert cell.count(",") == (name.startswith("p_pop") and cell != "") or "pop" not in name, name
    assert "0,9" in text
    assert export(study, "csv", excel="en").texts[""].startswith("\ufeffsession,patient,")


@pytest.mark.parametrize("format", ["csv", "wide"])
def test_no_text_is_a_formula(evil: Path, format: str) -> None:
    made = [cell for row in one(evil, format, ["patient", "region", "pain_before"]) for cell in row.values()]
    assert not [cell for cell in made if cell[:1] in tuple("=+-@\t\r")]
    raw = export(evil, "csv", columns=["region"], raw=True).texts[""]
    assert "'=1" not in raw
    assert "=1+1" in raw


def test_a_formula_in_a_workbook_is_a_text(evil: Path) -> None:
    out = evil.parent / "e.xlsx"
    export(evil, "xlsx", out, columns=["region"])
    cells = [row[0] for row in openpyxl.load_workbook(out)["thrusts"].iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} == {"s"}
    assert "=1+1" in {cell.value for cell in cells}
