"""``corrections.csv``: the last line counts, and damage costs no line but the damaged one."""

from __future__ import annotations

import codecs
from dataclasses import replace
from pathlib import Path

import pytest
from damaged_corrections import ANSWER, NAMES, damaged_files, text
from hypothesis import given
from hypothesis import strategies as st

from popdetect.errors import DamagedLinesWarning, TableError
from popdetect.session import corrections
from popdetect.session.corrections import COLUMNS, Correction


def test_the_last_line_of_each_file_and_rater_counts(tmp_path: Path) -> None:
    other = replace(ANSWER, rater="ben", label="no_pop", onsets_s=())
    changed = replace(ANSWER, label="uncertain", onsets_s=())
    (tmp_path / "corrections.csv").write_text(text(ANSWER, other, changed))

    assert corrections.read(tmp_path) == (changed, other)


def test_what_is_taken_back_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "corrections.csv").write_text(text(ANSWER, replace(ANSWER, label="", onsets_s=(), undone=True)))

    assert corrections.read(tmp_path) == ()
    assert len(corrections.load(tmp_path / "corrections.csv").answers) == 2


def test_either_folder_of_a_session_is_understood(tmp_path: Path) -> None:
    assert corrections.read(tmp_path) == ()
    (tmp_path / "popdetect").mkdir()
    (tmp_path / "popdetect" / "corrections.csv").write_text(text(ANSWER))

    assert corrections.read(tmp_path) == corrections.read(tmp_path / "popdetect") == (ANSWER,)


@given(damaged_files())
def test_damage_costs_no_line_but_the_damaged_one(made: tuple[bytes, list[Correction]]) -> None:
    raw, intact = made
    log = corrections.parse(raw, "t")
    found = iter(log.answers)

    assert all(answer in found for answer in intact)  # in their order


@given(name=NAMES, cut=st.integers(1, 400))
def test_a_cut_anywhere_in_the_last_line_costs_at_most_that_line(name: str, cut: int) -> None:
    first, second = replace(ANSWER, file=name), replace(ANSWER, file=name + "2", label="no_pop", onsets_s=())
    raw, before = text(first, second).encode(), text(first).encode()
    left = raw[: max(len(before), len(raw) - cut)]
    log = corrections.parse(left, "t")

    assert log.answers in ([first], [first, second])
    assert (log.answers == [first, second]) == (len(left) >= len(raw) - 1)
    assert bool(log.damaged) == (len(before) < len(left) < len(raw) - 1)


@given(st.lists(NAMES, max_size=5))
def test_what_is_written_is_read_back_as_it_is_and_as_windows_saves_it(names: list[str]) -> None:
    answers = [replace(ANSWER, file=name, blind=True) for name in names]
    raw = text(*answers).encode()
    assert corrections.parse(raw, "t") == (answers, [], list(COLUMNS))
    assert corrections.parse(codecs.BOM_UTF8 + raw, "t") == (answers, [], list(COLUMNS))
    if not any("\r" in name or "\n" in name for name in names):
        assert corrections.parse(codecs.BOM_UTF8 + raw.replace(b"\n", b"\r\n"), "t") == (answers, [], list(COLUMNS))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("pop,0.41280", "maybe,0.41280", "label 'maybe'"),
        ("0.41280", "soon", "onset 'soon'"),
        ("0.41280", "inf", "onset 'inf'"),
        ("anna", "", "no rater"),
        ("p01/a.wav", "", "no file"),
        ("0.4600", "-1", "detector_p_pop '-1'"),
        ("0,,0,0", "0,,2,0", "revealed '2'"),
        ("0,,0,0", "0,,0,", "undone ''"),
        ("p01/a.wav", "p01,a.wav", "14 cells under 13 columns"),
        ("0,,0,0", "0,,0", "12 cells under 13 columns"),
        ("anna", 'an"na', "a stray quotation mark"),
        ("anna", '"anna', "a stray quotation mark"),
        ("anna", "an\0na", "zero bytes"),
    ],
)
def test_a_damaged_line_is_named_with_its_reason(old: str, new: str, why: str) -> None:
    log = corrections.parse(text(ANSWER, ANSWER).replace(old, new, 1).encode(), "t")

    assert log.answers == [ANSWER]
    assert [line.number for line in log.damaged] == [2]
    assert why in log.damaged[0].why


def test_one_line_that_is_not_utf8_costs_one_line() -> None:
    raw = text(ANSWER, ANSWER).encode().replace(b"anna", "Ännä".encode("cp1252"), 1)
    log = corrections.parse(raw, "t")

    assert (log.answers, [(line.number, line.why) for line in log.damaged]) == ([ANSWER], [(2, "not UTF-8")])


@pytest.mark.parametrize(
    ("old", "new"), [("label,", "verdict,"), ("undone", "undonf"), ("drawn", "blind"), ("detector_", '"detector_')]
)
def test_a_damaged_header_costs_no_answer(old: str, new: str) -> None:
    undone = replace(ANSWER, undone=True)
    log = corrections.parse(text(ANSWER, undone).replace(old, new, 1).encode(), "t")

    assert (log.answers, [line.number for line in log.damaged], log.columns) == ([ANSWER, undone], [1], [])


def test_a_header_cut_in_two_costs_no_answer() -> None:
    log = corrections.parse(text(ANSWER).replace("answered_at,", "answered_at\n", 1).encode(), "t")

    assert (log.answers, [line.number for line in log.damaged]) == ([ANSWER], [2])


def test_onsets_are_in_order_of_time() -> None:
    raw = text(ANSWER).replace("0.41280 0.44910", "0.44910 0.41280").encode()

    assert corrections.parse(raw, "t").answers == [ANSWER]


def test_a_header_only_has_no_answers_and_no_damage() -> None:
    assert corrections.parse(text().encode(), "t") == ([], [], list(COLUMNS))
    assert corrections.parse(text().strip().encode(), "t") == ([], [], list(COLUMNS))
    assert corrections.parse(b"", "t") == ([], [], [])
    assert corrections.parse(text().encode() + b"\n,,,,,,,,,,,,\r\n", "t") == ([], [], list(COLUMNS))


def test_a_reader_is_warned_of_damaged_lines(tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text(text(ANSWER) + "x\n" + text(ANSWER) + "y\nz\n")
    with pytest.warns(DamagedLinesWarning, match=r"corrections\.csv: lines 3, 6-7 are damaged and left out \(1 cells"):
        assert corrections.read(tmp_path) == (ANSWER,)
    assert [file.name for file in tmp_path.iterdir()] == ["corrections.csv"]  # reading writes nothing


@pytest.mark.parametrize("raw", [text(ANSWER).replace(",", ";").encode(), text(ANSWER).encode("utf-16")])
def test_another_format_is_a_clear_error(raw: bytes) -> None:
    with pytest.raises(TableError, match=r"^t:1: (separated by semicolons|not UTF-8); save it as 'CSV UTF-8"):
        corrections.parse(raw, "t")


def test_columns_of_the_contract_come_first() -> None:
    assert ",".join(COLUMNS).startswith(
        "file,label,onsets_s,rater,answered_at,detector_label,detector_p_pop,model,model_sha256,blind"
    )
