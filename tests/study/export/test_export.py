"""Long and wide tables: what goes in comes out, nothing comes that was not asked for, and nobody is in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from export_fakes import ASKED, SECRETS, export, make_study, one
from journal_fakes import make_session, scores, write_scores

from popdetect.errors import NothingFound, UsageError
from popdetect.study.export.export import FORMATS as ALL_FORMATS
from popdetect.study.export.rows import cell
from popdetect.study.fields import FIELDS, clip_columns, score_columns
from popdetect.study.journal import journal
from popdetect.study.journal.logging import log
from popdetect.study.journal.pseudonyms import Pseudonyms

KEY = Pseudonyms(b"1" * 32)

FORMATS = [format for format in ALL_FORMATS if format != "xlsx"]  # of text


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path)


def test_every_column_of_the_journal_is_a_field() -> None:
    names = [field.name for field in FIELDS]

    assert len(names) == len(set(names))
    assert set(names) == {"session", "file", *clip_columns(), *score_columns()} - {"own"}


def test_values_out_are_values_in(study: Path) -> None:
    everything = [field.name for field in FIELDS]
    rows = one(study, "csv", everything)
    records = journal.records(study)

    assert len(rows) == len(records) == 8
    for row, record in zip(rows, records, strict=True):
        assert list(row) == everything
        for name, text in row.items():
            value = record[name]
            back = None if text == "" else text if isinstance(value, str) else float(text)
            assert back == (None if value == "" else value), name


def test_the_table_says_what_the_clinic_wrote(study: Path) -> None:
    row = one(study, "csv", ["pain_before", "expects_relief", "thrust_speed", "thrust_speed_unit", "room", "day"])[0]

    assert row == {
        "pain_before": "4", "expects_relief": "7.5", "thrust_speed": "120.25", "thrust_speed_unit": "mm/s",
        "room": "A|3", "day": "0",
    }  # fmt: skip
    assert [row["day"] for row in one(study, "csv", ["day"])] == ["0"] * 6 + ["7"] * 2
    assert one(study, "csv", ["pain_after"])[5] == {"pain_after": ""}
    assert one(study, "csv", ["own.label", "label"])[0] == {"own.label": ASKED["label"], "label": "pop"}


def test_the_order_is_that_of_the_thrusts(study: Path) -> None:
    thrusts = journal.thrusts(study)

    assert [(row["session"], row["file"]) for row in one(study, "csv", ["session", "file"])] == [
        (thrust.session, thrust.file) for thrust in thrusts
    ]


def test_a_day_that_is_not_known_is_empty(tmp_path: Path) -> None:
    log(make_session(tmp_path), tmp_path / "STUDY.db")

    assert {row["day"] for row in one(tmp_path / "STUDY.db", "csv", ["day"])} == {""}


def test_no_number_has_an_exponent() -> None:
    for value in (1e-7, 1e15, 0.1 + 0.2, 4.0, 0.0, -0.5, 123456.789):
        assert "e" not in cell(value).lower()
        assert float(cell(value)) == value


def test_free_text_names_and_own_columns_stay_unless_asked_for(study: Path) -> None:
    made = export(study, "csv")

    assert not {"file", "adverse_event", "notes", "room", "own.label", "sha256"}.intersection(made.columns)
    assert {"file", "adverse_event", "notes", "room", "own.label"} <= set(made.left_out)
    for word in ("dizzy", "ouch", "A|3", "blue", ".wav"):
        assert word not in made.texts[""]


@pytest.mark.parametrize("format", ["csv", "wide"])
def test_only_what_was_asked_for_is_there(study: Path, format: str) -> None:
    made = one(study, format, ["label", "patient"])
    if format == "csv":
        assert {tuple(row) for row in made} == {("label", "patient")}
    else:
        assert {tuple(row) for row in made} == {("patient", "n_thrusts", "label_1", "label_2")}


@pytest.mark.parametrize("format", FORMATS)
def test_nobody_is_in_any_export(study: Path, format: str) -> None:
    texts = list(export(study, format).texts.values())
    if format != "fhir":
        every = [field.name for field in FIELDS] + ["bed", "room", "own.label"]
        texts += export(study, format, columns=every).texts.values()
    for text in texts:
        for secret in SECRETS:
            assert secret.lower() not in text.lower(), secret


def test_wide_has_a_row_for_each_patient_and_session_with_every_thrust(study: Path) -> None:
    columns = ["patient", "session", "day", "pain_scale", "thrust_no", "label", "pain_before", "pain_after"]
    wide, long = one(study, "wide", columns), one(study, "csv", columns)

    assert [row["n_thrusts"] for row in wide] == ["2", "2", "2", "1", "1"]
    assert list(wide[0])[:5] == ["patient", "session", "day", "pain_scale", "n_thrusts"]
    # unfolded again, it is the long table
    again = [
        {name: row.get(f"{name}_{i}", row.get(name)) for name in columns}
        for row in wide
        for i in range(1, int(row["n_thrusts"]) + 1)
    ]
    assert sorted(map(str, again)) == sorted(map(str, long))
    for row in wide[:3]:
        assert (row["thrust_no_1"], row["thrust_no_2"]) == ("1", "2")  # the table has them the other way round
    for row in wide[3:]:
        assert row["label_2"] == row["pain_before_2"] == ""


def test_two_scales_in_one_column_must_be_told_apart(tmp_path: Path) -> None:
    study = make_study(tmp_path, second_scale="VAS100")
    for format in ("csv", "wide"):
        with pytest.raises(UsageError, match=r"NPRS and on VAS100 .* add pain_scale"):
            export(study, format, columns=["patient", "pain_before"])
    assert len(one(study, "csv", ["pain_before", "pain_scale"])) == 8


def test_two_units_in_one_column_must_be_told_apart(study: Path) -> None:
    third = make_session(study.parent, 3, "s3")
    write_scores(third, [row | {"thrust_speed_deg_s": "90"} for row in scores(3)])
    log(third, study)
    with pytest.raises(UsageError, match=r"deg/s and in mm/s .* add thrust_speed_unit"):
        export(study, "csv", columns=["thrust_speed"])
    assert one(study, "csv", ["thrust_speed", "thrust_speed_unit"])[-1] == {
        "thrust_speed": "90", "thrust_speed_unit": "deg/s",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["patient_id"], "pseudonyms only: patient is that"),
        (["date"], "day is that"),
        (["pain_befor"], r"is pain_before meant\? There are: session, patient"),
        (["own"], "no such field"),
        (["label", "label"], "'label' is named twice"),
        ([], "none named"),
    ],
)
def test_what_cannot_be_asked_for(study: Path, columns: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        export(study, "csv", columns=columns)


def test_an_unknown_format(study: Path) -> None:
    with pytest.raises(UsageError, match="'spss': one of csv, wide, redcap, codebook, fhir, xlsx is allowed"):
        export(study, "spss")


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_journal_has_nothing_to_export(tmp_path: Path, format: str) -> None:
    study = tmp_path / "S.db"
    with journal.writing(study, KEY) as book:
        book.begin("check", "S-00000000", lambda run: run)
    with pytest.raises(NothingFound, match=r"S\.db: no thrust with scores in it yet") as raised:
        export(study, format, tmp_path / "out")
    assert raised.value.exit_code == 4
    assert not (tmp_path / "out").exists()


def test_what_is_no_journal_is_told_by_the_journal(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such journal"):
        export(tmp_path / "none.db", "csv")
    (tmp_path / "text.db").write_text("no journal " * 100, encoding="utf-8")
    with pytest.raises(UsageError, match="not a journal"):
        export(tmp_path / "text.db", "csv")
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (x)")
    with pytest.raises(UsageError, match="not a journal of popdetect"):
        export(tmp_path / "other.db", "csv")


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_journal_gives_the_same_export(study: Path, format: str) -> None:
    before = study.read_bytes()

    assert export(study, format) == export(study, format)
    assert study.read_bytes() == before
