"""Tables read back what was written, and lines that cannot be used are named."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popdetect.errors import TableError, UsageError
from popdetect.session.files import write_text
from popdetect.session.tables import csv_text, read_rows, read_table

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
        (b"a,b\n1,2\n1,2,3\n", ":3: 3 cells, the header names 2 columns"),
        (b'a,b\n"x\ny",2\n1,2,3\n', ":4: 3 cells"),
        (b"a,b\n1,\xe4\n", ":2: not UTF-8"),
        (b'a,b\n1,"x"y\n', ":2: not csv"),
        (b'a,b\n1,2\n"x', ":3: not csv"),
        (b"a;b\n1;2\n", ":1: separated by semicolons"),
        (b"a,b,a\n", ":1: two columns are named 'a'"),
        (b"\n", ":1: an empty table"),
        (b"", ":1: an empty table"),
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
    table = read_table(path, by_hand=True)
    assert table.columns == ["a", "b", "c"]
    plain = [tuple(cell.strip() for cell in row) for row in rows]
    assert [tuple(row.values()) for row in table.rows] == [row for row in plain if any(row)]


def test_lines_are_those_of_an_editor(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'sep=;\r\n\r\na;b\r\n1;"x\ny"\r\n\r\n2;3,5\r\n')
    table = read_table(path, by_hand=True)
    assert (table.header_line, table.lines) == (3, [4, 7])
    assert table.rows == [{"a": "1", "b": "x\ny"}, {"a": "2", "b": "3,5"}]
    path.write_bytes(b"a;b\n1;2;3\n")
    with pytest.raises(
        TableError, match="3 cells, the header names 2 columns; put quotes around a cell that has a semicolon"
    ):
        read_table(path, by_hand=True)


def test_a_missing_table_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_rows(tmp_path / "a.csv")
