"""One entry in the table of columns is all that a new column needs."""

from __future__ import annotations

import csv
import io
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_fakes import make_session, scores, told, write_scores

from popdetect.errors import TableError
from popdetect.study import cells, fields
from popdetect.study.export.export import export
from popdetect.study.fields import FIELDS, Field, session_fields
from popdetect.study.journal import journal
from popdetect.study.journal.logging import log
from popdetect.study.journal.session_table import read_session_table
from popdetect.study.journal.template import write_template

SLEEP = Field("sleep_h", "Sleep in the night before", "number", fields.PATIENT, "h", 0, 24, since=5)
MOOD = Field("mood", "Mood", "choice", fields.PATIENT, choices=("good", "no", "bad"), since=5, csv_after="side")


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two more columns, added to the table and nowhere else."""
    monkeypatch.setattr(fields, "FIELDS", (*FIELDS, SLEEP, MOOD))


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.usefixtures("added")
def test_a_new_field_flows_from_the_session_to_every_export(tmp_path: Path) -> None:
    folder, study = make_session(tmp_path, 3), tmp_path / "STUDY.db"
    write_scores(folder, [row | {"Sleep h": "7,5", "mood": "Bad"} for row in scores(3)])
    log(folder, study)

    record = journal.records(study)[0]
    assert (record["sleep_h"], record["mood"], record["own"]) == (7.5, "bad", "{}")
    with closing(sqlite3.connect(study)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (5,)
        for wrong in ("sleep_h = 25", "sleep_h = 'long'", "mood = 'sad'"):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(f"UPDATE scores SET {wrong}")

    assert {(row["sleep_h"], row["mood"]) for row in table(export(study, "csv").texts[""])} == {("7.5", "bad")}
    assert table(export(study, "wide").texts[""])[0]["mood_1"] == "bad"
    line = next(row for row in table(export(study, "codebook").texts["codebook.csv"]) if row["field"] == "sleep_h")
    assert line == {
        "field": "sleep_h", "label": "Sleep in the night before", "type": "number", "unit": "h",
        "allowed_values": "number 0 to 24", "empty_means": "not asked", "source": "patient, in session.csv",
        "exported_by_default": "yes", "redcap_variable": "sleep_h", "redcap_codes": "",
    }  # fmt: skip
    redcap = export(study, "redcap").texts
    described = {row["Variable / Field Name"]: row for row in table(redcap["redcap_data_dictionary.csv"])}
    assert described["sleep_h"]["Text Validation Max"] == "24"
    assert described["mood"]["Choices, Calculations, OR Slider Labels"] == "1, good | 0, no | 2, bad"
    assert {row["mood"] for row in table(redcap["redcap_import.csv"])} == {"2"}


@pytest.mark.usefixtures("added")
def test_a_new_field_is_checked_and_in_the_template(tmp_path: Path) -> None:
    path = tmp_path / "session.csv"
    path.write_text("file,patient_id,pain_before,pain_after,sleep_h,mood\na.wav,P1,3,2,25,sad\n", encoding="utf-8")
    with pytest.raises(TableError) as caught:
        read_session_table(path)
    path.unlink()
    (tmp_path / "a.wav").touch()
    header = write_template(tmp_path).path.read_text(encoding="utf-8").splitlines()[0]

    assert [line.split(":", 2)[2] for line in caught.value.lines] == [
        " mood: 'sad': allowed: good, no, bad; leave it empty where it was not asked",
        " sleep_h: '25': allowed: number 0 to 24",
    ]
    assert "side,mood,technique" in header
    assert header.endswith("notes,sleep_h")


def test_a_journal_from_before_a_field_is_migrated(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    folder, study = make_session(tmp_path, 3), tmp_path / "STUDY.db"
    own = ({"Sleep h": "7,5", "mood": "bad"}, {"Sleep h": "long"}, {"mood": "no"})
    write_scores(folder, [row | dict(cells) for row, cells in zip(scores(3), own, strict=True)])
    log(folder, study)
    assert [record["own"] for record in journal.records(study)][1] == '{"Sleep h": "long"}'

    request.getfixturevalue("added")
    assert [(record["sleep_h"], record["mood"], record["own"]) for record in journal.records(study)] == [
        (7.5, "bad", "{}"), (None, None, '{"Sleep h": "long"}'), (None, "no", "{}"),
    ]  # fmt: skip
    write_scores(folder, [row | dict(cells) for row, cells in zip(scores(3), ({}, {}, {}), strict=True)])
    assert told(log(folder, study, update=True)) == (0, 0, 4, True)


def test_every_field_is_complete() -> None:
    for field in FIELDS:
        assert field.label, field.name
        assert (field.kind == "choice") == bool(field.choices), field.name
        assert not field.required or field.column, field.name
    assert [field.column for field in FIELDS if field.required] == ["patient_id", "pain_before", "pain_after", "file"]


@pytest.mark.parametrize("field", session_fields().values(), ids=lambda field: field.name)
@given(cell=st.text(min_size=1, max_size=6) | st.integers().map(str) | st.floats(-20, 120).map("{:.2f}".format))
def test_a_cell_is_taken_within_its_limits_or_refused(field: Field, cell: str) -> None:
    try:
        value = field.parse(cell, "VAS100")
    except ValueError:
        return
    if value is None or value == "":  # the few words for "nothing", none of which has a digit but 0
        assert cells.is_not_asked(cell) or (field.name == "adverse_event" and cells.is_no_event(cell))
        assert not any(letter in "123456789" for letter in cell)
    elif field.choices:
        assert value in field.choices
    elif field.kind == "text":
        assert value == cell
    elif not isinstance(value, date):
        assert isinstance(value, int | float)
        assert float(cell.replace(",", ".")) == value
        assert value >= (-1e9 if field.low is None else field.low)
        assert value <= (1e9 if field.high is None else field.high)
