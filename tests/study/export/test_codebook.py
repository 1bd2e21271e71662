"""The codebook: every field, with what one must know to use it, and no value of anybody."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from export_fakes import ASKED, export, make_study, one, table

from popdetect.study.fields import FIELDS


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path)


def test_every_field_is_described(study: Path) -> None:
    texts = export(study, "codebook").texts
    lines = {line["field"]: line for line in table(texts["codebook.csv"])}

    assert list(lines) == [*(field.name for field in FIELDS), "bed", "own.label", "room"]
    for name, line in lines.items():
        for column in ("label", "type", "allowed_values", "empty_means", "source"):
            assert line[column], (name, column)
        if line["type"] in ("integer", "number") and name not in ("session_no", "thrust_no"):
            assert line["unit"], name
    assert lines["snr_db"]["unit"] == "dB"
    assert lines["pain_before"]["allowed_values"] == "NPRS: whole number 0 to 10; VAS100: number 0 to 100"
    assert lines["pain_before"]["source"] == "patient, in session.csv"
    assert lines["thrust_speed"]["unit"] == "as in thrust_speed_unit (here: mm/s)"
    assert lines["label"]["allowed_values"] == "pop, no_pop, uncertain"


def test_what_it_says_of_other_exports_is_so(study: Path) -> None:
    lines = table(export(study, "codebook").texts["codebook.csv"])
    by_default = [line["field"] for line in lines if line["exported_by_default"] == "yes"]
    assert by_default == list(export(study, "csv").columns)
    made = export(study, "redcap", columns=[line["field"] for line in lines]).texts
    dictionary = table(made["redcap_data_dictionary.csv"])
    named = [name for line in lines for name in line["redcap_variable"].split(", ")]
    assert sorted(named) == sorted(variable["Variable / Field Name"] for variable in dictionary)
    coded = {line["redcap_variable"]: line["redcap_codes"] for line in lines if line["redcap_codes"]}
    for variable in dictionary:
        found = coded.get(variable["Variable / Field Name"], "")
        assert variable["Choices, Calculations, OR Slider Labels"] == found


def test_values_are_as_allowed(study: Path) -> None:
    lines = {line["field"]: line for line in table(export(study, "codebook").texts["codebook.csv"])}
    for row in one(study, "csv"):
        for name, value in row.items():
            allowed = lines[name]["allowed_values"]
            if lines[name]["type"] == "choice" and value:
                assert value in allowed.split(", ")
            if value and (limits := re.search(r"number ([0-9]+) to ([0-9]+)$", allowed)):
                assert float(limits[1]) <= float(value) <= float(limits[2])


def test_markdown_says_the_same(study: Path) -> None:
    texts = export(study, "codebook").texts
    tabular = [line for line in texts["codebook.md"].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in tabular]
    plain = [[re.sub(r"\\(.)", r"\1", cell) for cell in row] for row in cells[2:]]

    assert plain == [list(line.values()) for line in table(texts["codebook.csv"])]
    assert "not a medical device" in texts["codebook.md"]


def test_no_value_is_in_it(study: Path) -> None:
    for text in export(study, "codebook").texts.values():
        for value in (ASKED["region"], ASKED["notes"], ASKED["room"], ASKED["thrust_speed (mm/s)"], "P-", "S-"):
            assert value not in text


def test_only_fields_that_were_asked_for(study: Path) -> None:
    lines = table(export(study, "codebook", columns=["patient", "label"]).texts["codebook.csv"])

    assert [line["field"] for line in lines] == ["patient", "label"]
