"""What a row says, and that tables read back."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popdetect.errors import TableError, UsageError
from popdetect.records import Detection, Event, Verdict
from popdetect.session.files import write_text
from popdetect.session.tables import CLIP_COLUMNS, EVENT_COLUMNS, clip_row, csv_text, event_rows, read_rows, read_table

POP = Event(0.1234567, 0.98765, True, 3.456, 1234.5, 2345.6, 34.56, "2")
NEAR = Event(0.5, 0.06, False, 1.0, 800.0, 900.0, -0.04)
HEARD = Detection("pop", 0.99, (POP, NEAR), 1.5, 48_000, 2, ("clipped", "quiet"))


def test_a_clip_row_says_everything_with_fixed_decimals() -> None:
    row = clip_row(Verdict("a/b.wav", "ok", HEARD, sha256="ff"), "default-1", "aa", "0.1.0")
    assert tuple(row) == CLIP_COLUMNS
    assert row == {
        "file": "a/b.wav", "status": "ok", "label": "pop", "p_pop": "0.9900", "n_pops": "1", "first_pop_s": "0.12346",
        "last_pop_s": "0.12346", "snr_db": "34.6", "duration_s": "1.500", "sample_rate_hz": "48000", "channels": "2",
        "quality": "clipped;quiet", "error": "", "model": "default-1", "model_sha256": "aa",
        "popdetect_version": "0.1.0", "sha256": "ff",
    }  # fmt: skip


def test_event_rows_list_every_candidate() -> None:
    rows = event_rows(Verdict("a.wav", "ok", HEARD))
    assert [tuple(row) for row in rows] == [EVENT_COLUMNS] * 2
    assert list(rows[0].values()) == ["a.wav", "0.12346", "0.9877", "1", "3.46", "1234", "2346", "34.6", "2"]
    assert list(rows[1].values()) == ["a.wav", "0.50000", "0.0600", "0", "1.00", "800", "900", "0.0", ""]


def test_looked_and_found_none_is_a_clip_row_without_events() -> None:
    verdict = Verdict("a.wav", "ok", Detection("no_pop", 0.01, (), 1.0, 44_100, 1))
    row = clip_row(verdict, "m", "s", "v")
    assert (row["label"], row["n_pops"], row["first_pop_s"], row["snr_db"]) == ("no_pop", "0", "", "")
    assert event_rows(verdict) == []


def test_a_clip_that_failed_has_no_label_and_says_why() -> None:
    verdict = Verdict("a.wav", "truncated", None, error="cut off")
    row = clip_row(verdict, "m", "s", "v")
    assert row["error"] == "cut off"
    assert {row[c] for c in ("label", "p_pop", "n_pops", "duration_s", "sample_rate_hz", "channels")} == {""}
    assert event_rows(verdict) == []


def test_unknown_numbers_are_empty_cells() -> None:
    odd = Event(0.1, 0.5, True, float("nan"), float("inf"), 1.0, float("nan"))
    (row,) = event_rows(Verdict("a", "ok", Detection("pop", 0.9, (odd,), 1.0, 8000, 1)))
    assert (row["duration_ms"], row["peak_hz"], row["snr_db"]) == ("", "", "")


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.lists(st.tuples(CELL, CELL, CELL), max_size=5))
def test_whatever_is_written_reads_back(tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, ...]]) -> None:
    path = tmp_path_factory.mktemp("t") / "a.csv"
    rows = [dict(zip(("a", "b", "c"), row, strict=True)) for row in cells]
    write_text(path, csv_text(("a", "b", "c"), rows), durable=False)
    assert read_rows(path) == rows
    with path.open(encoding="utf-8", newline="") as handle:  # and the csv module agrees
        assert list(csv.DictReader(handle)) == rows


def test_what_spreadsheets_do_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('\ufefffile,note\r\n\r\nä.wav\r\n"x\ny",1\r\n'.encode())
    assert read_rows(path) == [{"file": "ä.wav", "note": ""}, {"file": "x\ny", "note": "1"}]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"a,b\n1,2\n1,2,3\n", ":3: 3 cells under 2 columns"),
        (b'a,b\n"x\ny",2\n1,2,3\n', ":4: 3 cells"),
        (b"a,b\n1,\xe4\n", ":2: not UTF-8"),
        (b'a,b\n1,"x"y\n', ":2: not csv"),
        (b'a,b\n1,2\n"x', ":3: not csv"),
        (b"a;b\n1;2\n", ":1: separated by semicolons"),
        (b"a,b,a\n", ":1: two columns are named 'a'"),
        (b"\n", ":1: empty"),
        (b"", ":1: empty"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, raw: bytes, said: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(raw)
    with pytest.raises(TableError, match=rf"^{re.escape(str(path))}{re.escape(said)}"):
        read_rows(path)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@given(rows=st.lists(st.tuples(CELL, CELL, CELL), max_size=5))
def test_any_separator_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, separator: str, rows: list[tuple[str, ...]]
) -> None:
    path = tmp_path_factory.mktemp("t") / "a.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as handle:
        written = csv.writer(handle, delimiter=separator, quoting=csv.QUOTE_ALL)
        written.writerows([("a", "b", "c"), *rows])
    table = read_table(path, any_separator=True)
    assert table.columns == ["a", "b", "c"]
    assert [tuple(row.values()) for row in table.rows] == rows


def test_lines_are_those_of_an_editor(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'sep=;\r\n\r\na;b\r\n1;"x\ny"\r\n\r\n2;3,5\r\n')
    table = read_table(path, any_separator=True)
    assert (table.header_line, table.lines) == (3, [4, 7])
    assert table.rows == [{"a": "1", "b": "x\ny"}, {"a": "2", "b": "3,5"}]
    path.write_bytes(b"a;b\n1;2;3\n")
    with pytest.raises(TableError, match="3 cells under 2 columns; put quotes around a cell that has a semicolon"):
        read_table(path, any_separator=True)


def test_a_missing_table_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_rows(tmp_path / "a.csv")
