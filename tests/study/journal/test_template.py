"""The table to fill in: a line for each clip, patients from the folders, and nothing changed that is filled in."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest
from journal_fakes import make_session

from popdetect.errors import UsageError
from popdetect.session.tables import read_table
from popdetect.study.fields import session_fields
from popdetect.study.journal.session_table import read_session_table
from popdetect.study.journal.template import patient_of, write_template

TEMPLATE = (
    "file,patient_id,date,session_no,thrust_no,region,side,technique,therapist,site,pain_before,pain_after,pain_scale,"
    "time_point,expects_relief,believes_pop_needed,pop_heard_by_patient,pop_heard_by_therapist,thrust_speed,"
    "adverse_event,notes"
)


def clips(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_the_template_has_a_line_for_each_clip(tmp_path: Path) -> None:
    folder = make_session(tmp_path)
    (folder / "session.csv").unlink()
    made = write_template(folder)
    table = read_session_table(made.path)

    assert (made.n_lines, made.n_added, made.n_patients, table.rows, len(table.unfilled)) == (6, 6, 0, (), 6)
    assert made.path.read_text().splitlines()[0] == TEMPLATE


@pytest.mark.parametrize("excel", [False, True])
def test_patients_are_those_of_the_folders(tmp_path: Path, excel: bool) -> None:
    made = write_template(clips(tmp_path, "p01/1.wav", "p01/2.wav", "p02/1.wav", "alone.wav"), excel=excel)
    table = read_session_table(made.path)

    assert (made.n_lines, made.n_patients) == (4, 2)
    assert table.unfilled == ("alone.wav", "p01/1.wav", "p01/2.wav", "p02/1.wav")  # before labelling, too
    assert table.rows == ()


@pytest.mark.parametrize(
    ("file", "patient"),
    [
        ("p01/thrust_01.wav", "p01"), ("2026-03-03/007/a.wav", "007"), ("007/2026-03-03/a.wav", "007"),
        ("007/session_2/wav/a.wav", "007"), ("pop/a.wav", ""), ("No_Pop/a.wav", ""), ("03.03.2026/a.wav", ""),
        ("a.wav", ""), ("Sitzung 3/a.wav", ""),
    ],
)  # fmt: skip
def test_folders_that_are_no_patients(file: str, patient: str) -> None:
    assert patient_of(file) == patient


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["", "\r\n"])
def test_new_clips_are_added_and_no_byte_is_changed(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "session.csv"
    text = f"Datei;file;pain before;pain_after;Patient ID\r\nübrig;p01/1.wav;6,5;2;P 1{end}"
    path.write_bytes(text.encode(encoding))
    before = path.read_bytes()
    made = write_template(clips(tmp_path, "p01/1.wav", "p01/2.wav", "p02/=1.wav"))

    assert (made.n_lines, made.n_added) == (3, 2)
    assert path.read_bytes().startswith(before)
    assert [list(row.values()) for row in read_table(path, by_hand=True).rows] == [
        ["übrig", "p01/1.wav", "6,5", "2", "P 1"], ["", "p01/2.wav", "", "", "p01"], ["", "p02/=1.wav", "", "", "p02"],
    ]  # fmt: skip
    again = path.read_bytes()
    assert write_template(tmp_path).n_added == 0
    assert path.read_bytes() == again


def test_new_clips_are_added_to_a_workbook_that_is_filled_in(tmp_path: Path) -> None:
    made = write_template(clips(tmp_path, "p01/1.wav"), excel=True)
    book = openpyxl.load_workbook(made.path)
    book["session"]["K2"], book["session"]["L2"] = 6, 2
    book["session"]["W1"], book["session"]["W2"] = "room", "blue"
    book.save(made.path)
    assert write_template(clips(tmp_path, "p02/1.wav", "-3.wav")).n_added == 2
    table = read_session_table(made.path)

    assert table.unfilled == ("-3.wav", "p02/1.wav")
    (row,) = table.rows
    assert (row.patient_id, row.values["pain_before"], row.values["pain_after"], row.own) == (
        "p01",
        6,
        2,
        {"room": "blue"},
    )
    rules = openpyxl.load_workbook(made.path)["session"].data_validations.dataValidation
    assert len(rules) > 8


def test_the_workbook_has_lists_limits_and_a_codebook(tmp_path: Path) -> None:
    book = openpyxl.load_workbook(write_template(clips(tmp_path, "007/1.wav"), excel=True).path)
    page, columns = book["session"], list(session_fields())
    rules = {str(rule.sqref).split(":")[0]: rule for rule in page.data_validations.dataValidation}

    assert book.sheetnames == ["session", "codebook"]
    assert [cell.value for cell in page[1]] == columns == TEMPLATE.split(",")
    assert [page["A2"].value, page["B2"].value, page["B2"].data_type] == ["007/1.wav", "007", "s"]
    assert page["B400"].number_format == "@"  # an id that is typed in keeps its zeros
    letters = {column: page.cell(2, i).coordinate for i, column in enumerate(columns, 1)}
    assert rules[letters["pop_heard_by_patient"]].formula1 == '"yes,no,unsure"'
    assert rules[letters["pain_scale"]].formula1 == '"NPRS,VAS100"'
    assert rules[letters["date"]].type == "date"
    assert rules[letters["believes_pop_needed"]].formula1 == "AND(ISNUMBER(P2),P2>=1,P2<=5,P2=INT(P2))"
    assert rules[letters["pain_before"]].formula1 == (
        'IF($M2="VAS100",AND(ISNUMBER(K2),K2>=0,K2<=100),AND(ISNUMBER(K2),K2>=0,K2<=10,K2=INT(K2)))'
    )
    assert [row[0].value for row in book["codebook"].iter_rows(min_row=2)] == columns


def test_a_workbook_is_not_made_beside_a_table(tmp_path: Path) -> None:
    folder = make_session(tmp_path)
    with pytest.raises(UsageError, match=r"session\.csv: exists already; without --xlsx, new clips are added to it"):
        write_template(folder, excel=True)
    (folder / "session.xlsx").touch()
    with pytest.raises(UsageError, match=r"there are session\.csv and session\.xlsx; keep the one that is right"):
        write_template(folder)
