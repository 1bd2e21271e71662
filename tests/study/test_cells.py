"""Words and dates in cells: what has one meaning is understood, and nothing else."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popdetect.study import cells
from popdetect.study.fields import session_fields

DAY = date(2026, 3, 5)
DATES = st.dates(date(2000, 1, 1), date(2068, 12, 31))


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("yes Y ja JA j 1 TRUE WAHR oui si sí Vrai verdadero", "yes"),
        ("no N nein 0 FALSE FALSCH non Faux", "no"),
        ("unsure unsicher", "unsure"),
        ("NA n/a - -- k.A. – #N/A", None),
    ],
)
def test_words_of_answers(words: str, meaning: str | None) -> None:
    for word in words.split():
        assert session_fields()["pop_heard_by_patient"].parse(word) == meaning, word


@pytest.mark.parametrize("word", ["2", "-1", "maybe", "yes?", "ja nein", "x", "01", "1.0"])
def test_other_words_are_refused(word: str) -> None:
    with pytest.raises(ValueError, match="allowed: yes, no, unsure"):
        session_fields()["pop_heard_by_patient"].parse(word)


def test_words_for_no_adverse_event() -> None:
    parse = session_fields()["adverse_event"].parse
    for word in [
        "keine",
        "Keine",
        "keine.",
        "none",
        "None",
        "no",
        "0",
        "nein",
        "-",
        "--",
        "n/a",
        "NA",
        "k.A.",
        "aucun",
        "ninguno",
    ]:
        assert parse(word) == "", word
    for event in ("Schwindel", "keine Kraft im Arm", "no feeling in the hand", "1", "yes"):
        assert parse(event) == event


def test_na_may_be_the_initials_of_a_therapist() -> None:
    assert session_fields()["therapist"].parse("NA") == "NA"
    assert session_fields()["side"].parse("NA") == ""


@given(DATES)
def test_the_ways_to_write_a_day_mean_that_day(day: date) -> None:
    written = (
        f"{day:%Y-%m-%d}", f"{day:%Y-%m-%d} 00:00:00", f"{day:%Y-%m-%d}T08:15", f"{day:%Y/%m/%d}", f"{day:%Y%m%d}",
        f"{day:%d.%m.%Y}", f"{day:%d.%m.%y}", f"{day.day}.{day.month}.{day.year} 14:30",
        str((day - date(1899, 12, 30)).days), f"{(day - date(1899, 12, 30)).days}.5",
    )  # fmt: skip
    for cell in written:
        assert cells.read_date(cell) == day, cell
    assert cells.read_date(f"{day:%d/%m/%Y}", True) == cells.read_date(f"{day:%m/%d/%y}", False) == day


@pytest.mark.parametrize(
    "cell", ["31.06.2026", "5.3.", "March 5", "3.3.99", "2026", "99999", "7", "03/05/2026", "05-03-26"]
)
def test_no_date_with_one_meaning(cell: str) -> None:
    assert cells.read_date(cell) is None


def test_the_number_of_a_day_is_that_of_excel() -> None:
    assert cells.read_date("46084") == date(2026, 3, 3)  # =DATEVALUE("2026-03-03") in Excel


def test_a_column_decides_what_is_first() -> None:
    assert cells.day_first(["03/05/2026", "25/03/2026"]) is True
    assert cells.day_first(["03/05/2026", "03/25/2026", "2026-04-01"]) is False
    assert cells.day_first(["03/05/2026", "04/05/2026"]) is None
    assert cells.day_first(["25/03/2026", "03/25/2026"]) is None  # a mistake in either reading
    assert cells.day_first(["03/03/2026", "03/03/2026"]) is True  # the same day in both
    assert cells.day_first(["03.05.2026"]) is True  # nothing to decide
    assert cells.day_first([]) is True


@given(st.lists(DATES, min_size=1, max_size=8), st.booleans())
def test_no_column_is_read_as_other_days(days: list[date], day_is_first: bool) -> None:
    column = [f"{day:%d/%m/%Y}" if day_is_first else f"{day:%m/%d/%Y}" for day in days]
    found = cells.day_first(column)
    if found is None:
        assert all(day.day <= 12 for day in days)
        return
    assert [cells.read_date(cell, found) for cell in column] == days


def test_serial_numbers_of_no_day_of_this_century() -> None:
    first, last = cells.read_date("30000"), cells.read_date("69999")
    assert first is not None
    assert last is not None
    assert last - first == timedelta(days=39_999)
