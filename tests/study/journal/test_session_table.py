"""``session.csv``: what spreadsheets do simply works; what is wrong is told with file, line, column, value and rule."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_fakes import log, make_session

from popdetect.errors import TableError
from popdetect.study.export.export import export
from popdetect.study.fields import own_field, session_fields
from popdetect.study.journal.journal import thrusts
from popdetect.study.journal.session_table import SessionTable, read_session_table

HEAD = "file,patient_id,pain_before,pain_after"


def read(tmp_path: Path, text: str | bytes) -> SessionTable:
    path = tmp_path / "session.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_session_table(path)


def problems(tmp_path: Path, text: str | bytes) -> list[str]:
    with pytest.raises(TableError) as caught:
        read(tmp_path, text)
    return [line.removeprefix(f"{tmp_path / 'session.csv'}:") for line in caught.value.lines]


# --- what simply works ----------------------------------------------------------------------------------------------

PLAIN = f"{HEAD},pain_scale,thrust_speed_mm_s,room\nä.wav,P1,6.5,2,VAS100,12.5,blue\nb.wav,P2,,0,,,\n"
GERMAN = (
    "\ufefffile;patient_id;pain_before;pain_after;pain_scale;thrust_speed_mm_s;room\r\n"
    'ä.wav;P1;6,5;2;VAS100;12,5;blue\r\n\r\nb.wav;P2;;"0,0";;;\r\n;;;;;;\r\n'
)


def test_a_german_excel_says_the_same(tmp_path: Path) -> None:
    plain, german = read(tmp_path, PLAIN), read(tmp_path, GERMAN)
    tabs = read(tmp_path, PLAIN.replace(",", "\t"))
    told = read(tmp_path, "sep=;\r\n" + PLAIN.replace(",", ";"))

    for table in (german, tabs, told):
        assert [(row.file, row.patient_id, row.values, row.own) for row in table.rows] == [
            (row.file, row.patient_id, row.values, row.own) for row in plain.rows
        ]
        assert (table.pain_scale, table.thrust_speed_unit) == ("VAS100", "mm/s")
    first, second = german.rows
    assert (first.values["pain_before"], first.values["thrust_speed"], first.own) == (6.5, 12.5, {"room": "blue"})
    assert (second.values["pain_before"], second.values["pain_after"], second.line) == (None, 0, 4)


def test_a_german_session_is_logged(tmp_path: Path) -> None:
    folder = make_session(tmp_path, 2)
    rows = "\r\n".join(f"c{i:02}.wav;Patient{i};7,0;{3 + i};4,5" for i in range(2))
    text = f"\ufefffile;patient_id;pain_before;pain_after;expects_relief\r\n{rows}\r\n"
    (folder / "session.csv").write_bytes(text.encode())
    log(folder, tmp_path / "STUDY.db")

    assert [(t.pain_before, t.pain_after, t.expects_relief) for t in thrusts(tmp_path / "STUDY.db")] == [
        (7, 3, 4.5), (7, 4, 4.5)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("header", "unit"),
    [
        ("thrust_speed", ""), ("thrust_speed_mm_s", "mm/s"), ("thrust_speed (mm/s)", "mm/s"),
        ("Thrust speed [m/s]", "m/s"), ("thrust_speed_deg_per_s", "deg/s"), ("thrust_speed_ms", "ms"),
    ],
)  # fmt: skip
def test_the_unit_of_the_speed_is_in_its_header(tmp_path: Path, header: str, unit: str) -> None:
    table = read(tmp_path, f"{HEAD},{header}\na.wav,P1,3,2,1.5\n")
    assert (table.thrust_speed_unit, table.rows[0].values["thrust_speed"]) == (unit, 1.5)


def test_headers_may_be_written_as_people_do(tmp_path: Path) -> None:
    table = read(tmp_path, "File,Patient ID,Pain before,PAIN_AFTER\na.wav,P1,3,2\n")
    assert (table.rows[0].values["pain_before"], table.pain_scale) == (3, "NPRS")


def test_lines_not_filled_in_are_no_scores(tmp_path: Path) -> None:
    table = read(tmp_path, f"{HEAD},pain_scale,date\na.wav,,,,NPRS,2024-03-05\nb.wav,P1,3,,NPRS,2024-03-05\n")
    assert table.unfilled == ("a.wav",)
    assert [row.file for row in table.rows] == ["b.wav"]
    assert table.rows[0].values["day"] == date(2024, 3, 5)


def test_a_column_that_is_nearly_known_is_noticed(tmp_path: Path) -> None:
    table = read(tmp_path, f"{HEAD},believe_pop_needed\na.wav,P1,3,2,4\n")
    assert table.hints == (
        "column 'believe_pop_needed' is taken as one of your own; if believes_pop_needed is meant, rename it",
    )


# --- what is told ---------------------------------------------------------------------------------------------------

BAD = {
    "pain text": (
        "a.wav,P1,much,2",
        ["2: pain_before: 'much': not a number; allowed: whole number 0 to 10 (NPRS), without a unit"],
    ),
    "pain beyond": ("a.wav,P1,-1,2", ["2: pain_before: '-1': allowed: whole number 0 to 10 (NPRS)"]),
    "half a point": ("a.wav,P1,3,2.5", ["2: pain_after: '2.5': allowed: whole number 0 to 10 (NPRS)"]),
    "two problems in a line": (
        "a.wav,P1,x,y",
        [
            "2: pain_before: 'x': not a number; allowed: whole number 0 to 10 (NPRS), without a unit",
            "2: pain_after: 'y': not a number; allowed: whole number 0 to 10 (NPRS), without a unit",
        ],
    ),
    "no patient": ("a.wav,,3,2", ["2: patient_id: empty; whose pain it is must be known"]),
    "no file": (
        ",P1,3,2",
        [
            "2: file: empty; the name of the clip is expected (without one, a line is about all clips of a patient's "
            "session, and needs patient_id and time_point)"
        ],
    ),
    "a row twice": (
        "a.wav,P1,3,2\na.wav,P1,3,2",
        [
            "3: file: 'a.wav' stands in line 2 already; each clip has one line for each time_point: delete one of "
            "them, or say in time_point when pain was asked"
        ],
    ),
    "two patients on one clip": (
        "a.wav,P1,3,2\nb.wav,P1,3,2\na.wav,P2,4,1",
        ["4: file: 'a.wav' is of another patient in line 2; a clip is of one patient: correct the file"],
    ),
    "a comma too many": (
        "a.wav,P1,3,5,2",
        ["2: 5 cells, the header names 4 columns; put quotes around a cell that has a comma in it"],
    ),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_what_is_wrong_is_told_exactly(tmp_path: Path, name: str) -> None:
    rows, said = BAD[name]
    assert problems(tmp_path, f"{HEAD}\n{rows}\n") == said


CELLS = {
    "pain_scale": ("NRS", "allowed: NPRS (0 to 10), VAS100 (0 to 100)"),
    "expects_relief": ("11", "allowed: number 0 to 10"),
    "believes_pop_needed": ("6", "allowed: whole number 1 to 5"),
    "pop_heard_by_patient": ("perhaps", "allowed: yes, no, unsure; leave it empty where it was not asked"),
    "pop_heard_by_therapist": ("2", "allowed: yes, no, unsure; leave it empty where it was not asked"),
    "thrust_speed": ("12 mm/s", "not a number; allowed: number, at least 0, without a unit"),
    "session_no": ("0", "allowed: whole number, at least 1"),
    "thrust_no": ("first", "not a number; allowed: whole number, at least 1, without a unit"),
    "date": (
        "03/05/2024",
        "allowed: a date as YYYY-MM-DD (or DD.MM.YYYY); day and month cannot be told apart in this column",
    ),
}


@pytest.mark.parametrize("column", sorted(CELLS))
def test_each_column_has_its_rule(tmp_path: Path, column: str) -> None:
    cell, rule = CELLS[column]
    assert problems(tmp_path, f"{HEAD},{column}\na.wav,P1,3,2,{cell}\n") == [f"2: {column}: {cell!r}: {rule}"]


def test_pain_on_a_line_of_100_mm_is_recognised_as_such(tmp_path: Path) -> None:
    (said,) = problems(tmp_path, f"{HEAD}\na.wav,P1,64,2\n")
    assert said.endswith("if pain was asked on a line of 100 mm, write VAS100 as pain_scale")
    (said,) = problems(tmp_path, f"{HEAD},pain_scale\na.wav,P1,101,2,VAS100\n")
    assert said == "2: pain_before: '101': allowed: number 0 to 100 (VAS100)"


def test_mixed_scales_name_their_lines(tmp_path: Path) -> None:
    rows = "a.wav,P1,3,2,NPRS\nb.wav,P1,30,20.5,VAS100\nc.wav,P1,3,2,nprs\nd.wav,P1,4,2,\n"
    assert problems(tmp_path, f"{HEAD},pain_scale\n{rows}") == [
        "3: pain_scale: NPRS in lines 2, 4 and VAS100 in line 3; a session has one scale, as pain on two cannot be "
        "compared"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,patient_id,pain_bevor,pain_after\n", "no column pain_before; is it 'pain_bevor'? Then rename that"),
        ("file,patient_id,pain_before\n", "no column pain_after; there are: file, patient_id, pain_before"),
        (f"{HEAD},Pain before\n", "columns 'pain_before' and 'Pain before' are both pain_before; keep one"),
        (f"{HEAD},room,room\n", "two columns are named 'room'"),
        ("", "an empty table; its first line must name the columns"),
        ("\ufeff\r\n", "an empty table; its first line must name the columns"),
    ],
)
def test_headers_are_told_exactly(tmp_path: Path, text: str, said: str) -> None:
    assert problems(tmp_path, text) == [f"1: {said}"]


def test_all_missing_columns_are_told_at_once(tmp_path: Path) -> None:
    assert [line.split(";")[0] for line in problems(tmp_path, "clip,patient\n")] == [
        f"1: no column {column}" for column in HEAD.split(",")
    ]


def test_a_cell_without_a_header_is_not_lost(tmp_path: Path) -> None:
    assert problems(tmp_path, f"{HEAD},\na.wav,P1,3,2,later\n") == [
        "2: 'later' stands in a column without a name; name it in the first line"
    ]


def test_many_problems_end_with_their_number(tmp_path: Path) -> None:
    said = problems(tmp_path, HEAD + "\n" + "a.wav,P1,3,2\n" * 31)
    assert len(said) == 21
    assert [int(line.split(":")[0]) for line in said[:20]] == list(range(3, 23))
    assert said[20] == " … and 10 more problems"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings_of_excel_say_the_same(tmp_path: Path, encoding: str) -> None:
    table = read(tmp_path, f"{HEAD.replace(',', chr(9))}\r\nhüfte.wav\tP1\t3\t2\r\n".encode(encoding))
    assert [(row.file, row.values["pain_before"]) for row in table.rows] == [("hüfte.wav", 3)]
    assert [f"{tmp_path / 'session.csv'} is not UTF-8" in hint for hint in table.hints] == [True] * (
        encoding == "cp1252"
    )


@given(st.text(max_size=6))
def test_no_cell_is_taken_for_pain_that_is_none(text: str) -> None:
    try:
        value = session_fields()["pain_before"].parse(text, "NPRS")
    except ValueError:
        return
    if value is None:
        assert not any(letter.isdigit() for letter in text)
        return
    assert value in range(11)
    assert float(text.replace(",", ".")) == value


# --- the clinic's own outcomes --------------------------------------------------------------------------------------

NDI, ROM = "NDI before [0-100, lower is better]", "rotation [-10 to 90 deg, higher is better]"


def test_a_declared_outcome_is_a_number_within_its_range(tmp_path: Path) -> None:
    table = read(tmp_path, f'{HEAD},"{NDI}","{ROM}"\na.wav,P1,3,2,"41,5",-5\nb.wav,P1,3,2,,\n')
    assert [row.own for row in table.rows] == [{NDI: "41.5", ROM: "-5"}, {}]
    assert problems(tmp_path, f'{HEAD},"{NDI}","{ROM}"\na.wav,P1,3,2,101,much\nb.wav,P1,3,2,102,\n') == [
        f"2: {NDI}: '101', '102' in 2 lines (2, 3): allowed: number 0 to 100",
        f"2: {ROM}: 'much': not a number; allowed: number -10 to 90, without a unit",
    ]


@pytest.mark.parametrize("header", ["room [1-4]", "NDI [0-100]", "x [lower is better]", "[a-b, lower is better]"])
def test_other_headers_declare_nothing(header: str) -> None:
    assert own_field(header).kind == "text"
    assert own_field("NDI [0 bis 50; niedriger ist besser]").high == 50


def test_a_later_line_with_an_outcome_only_counts(tmp_path: Path) -> None:
    table = read(tmp_path, f'{HEAD},time_point,"{NDI}"\na.wav,P1,3,2,,40\na.wav,P1,,,1 week,20\na.wav,P1,,,4 weeks,\n')
    assert [(row.values["time_point"], row.own) for row in table.rows] == [("", {NDI: "40"}), ("1 week", {NDI: "20"})]


def test_a_declared_outcome_is_exported_with_its_range(tmp_path: Path) -> None:
    folder = make_session(tmp_path, 2)
    text = f'{HEAD},"{NDI}"\n' + "".join(f"c{i:02}.wav,4{i},5,3,4{i}\n" for i in range(2))
    (folder / "session.csv").write_text(text, encoding="utf-8")
    log(folder, tmp_path / "STUDY.db")

    assert export(tmp_path / "STUDY.db", "csv", columns=[NDI]).texts[""].splitlines()[1:] == ["40", "41"]
    assert NDI in export(tmp_path / "STUDY.db", "csv").columns
    line = next(
        line for line in export(tmp_path / "STUDY.db", "codebook").texts["codebook.csv"].splitlines() if NDI in line
    )
    assert "number 0 to 100" in line
