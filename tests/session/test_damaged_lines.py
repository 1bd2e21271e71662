"""Files of lines: one writer at a time, whole lines, and damage that costs no other line."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popdetect.errors import DamagedLinesWarning, UsageError
from popdetect.session.corrections import DamagedLine, read_records, set_aside, warn_of_damage
from popdetect.session.files import append, locked
from popdetect.session.tables import csv_lines

WRITER = """
import sys
from pathlib import Path
from popdetect.session.files import append, locked
path = Path(sys.argv[1])
for i in range(30):
    with locked(path):
        n = len(path.read_text().splitlines()) if path.exists() else 0
        append(path, f"{n}\\n")
"""
HOLDER = """
import sys, time
from pathlib import Path
from popdetect.session.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_one_process_at_a_time_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(path)]) for _ in range(3)]

    assert [process.wait(60) for process in running] == [0, 0, 0]
    # each saw all lines of those before it
    assert path.read_text().splitlines() == [str(n) for n in range(90)]


def test_the_lock_of_a_killed_process_is_released(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    holder.kill()
    holder.communicate()
    start = time.monotonic()
    with locked(path):
        assert time.monotonic() - start < 5
    assert not path.exists()  # locking alone makes no file but the lock's


@given(st.lists(st.tuples(st.text(st.characters(exclude_characters="\n\r", codec="utf-8")), st.binary(max_size=5))))
def test_appended_lines_stay_whole_whatever_follows_them(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("append") / "log.csv"
    before = b""
    for line, torn in steps:
        append(path, line + "\n", durable=False)
        content = path.read_bytes()
        assert content.startswith(before)
        added = content[len(before) :]
        assert added in (f"{line}\n".encode(), f"\n{line}\n".encode())
        assert content == added or (before + added).split(b"\n")[-2] == line.encode()
        before = content + torn
        path.write_bytes(before)


def test_a_durable_append_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    append(tmp_path / "log.csv", "a\n")
    assert len(synced) == (1 if sys.platform == "win32" else 2)  # the file, and the folder of the new file
    append(tmp_path / "log.csv", "b\n")
    append(tmp_path / "log.csv", "c\n", durable=False)

    assert len(synced) == (2 if sys.platform == "win32" else 3)


def test_a_folder_that_is_missing_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"log\.csv: cannot be written: No such file"):
        append(tmp_path / "no" / "log.csv", "a\n")
    with pytest.raises(UsageError, match=r"log\.csv: cannot be written: No such file"), locked(tmp_path / "no/log.csv"):
        pass


def cells(given: list[str]) -> list[str]:
    if len(given) != 2:
        raise ValueError(f"{len(given)} cells")
    return given


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2).filter(lambda row: any(c.strip(",\r\n\t ") for c in row))))
def test_records_are_read_back(rows: list[list[str]]) -> None:
    text = csv_lines([list(row) for row in rows])

    assert read_records(text.encode(), cells) == (rows, [])


@pytest.mark.parametrize(
    ("raw", "values", "damaged"),
    [
        (b"", [], []),
        (b"a,b\r\n\r\n , \r\nc,d", ["a,b", "c,d"], []),
        (b'a,"b\nc,d\ne,f\n', ["c,d", "e,f"], [1]),
        (b'a,"b\nc,d\ne",f\n', ["c,d"], [1, 3]),  # a record by itself is not hidden by two stray marks
        (b'"a\nc,d\ne",f\n', ["c,d"], [1, 3]),
        (b'a,"b\nx\n"\nc,d\n', ["a,b\nx\n", "c,d"], []),
        (b'a,"b\n"c\nd",e\n', ["c\nd,e"], [1]),  # the intact record of two lines after a stray mark
        (b'a,b"c\na,"b"c\na,"b""c"\n', ['a,b"c'], [1, 2]),
        (b"a,b\n\xff,c\nc\0,d\nx\n\0\0\0", ["a,b"], [2, 3, 4, 5]),
    ],
)
def test_damage_costs_its_own_lines(raw: bytes, values: list[str], damaged: list[int]) -> None:
    found, lines = read_records(raw, cells)

    assert [",".join(value) for value in found] == values
    assert [line.number for line in lines] == damaged
    assert all(line.why and line.raw == raw.split(b"\n")[line.number - 1] for line in lines)


def test_a_copy_is_made_once_for_the_same_damage(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    one, two = [DamagedLine(2, b"x", "why")], [DamagedLine(2, b"x", "why"), DamagedLine(5, b"y\xff", "why")]
    copies = [set_aside(path, damaged).name for damaged in (one, one, two, one, two)]

    assert copies == [f"log.damaged-{number}.csv" for number in (1, 1, 2, 1, 2)]
    assert (tmp_path / "log.damaged-1.csv").read_bytes() == b"x\n"
    assert (tmp_path / "log.damaged-2.csv").read_bytes() == b"x\ny\xff\n"


def test_damage_is_one_line_that_names_file_lines_reason_and_copy(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    damaged = [DamagedLine(number, b"x", "a reason") for number in (2, 3, 4, 9)]
    with pytest.warns(DamagedLinesWarning, match="lines 1, 3, 5, 7, 9, 11, 13, 15, … are damaged"):
        warn_of_damage(path, [DamagedLine(n, b"", "why") for n in range(1, 99, 2)])
    with pytest.warns(DamagedLinesWarning) as caught:
        warn_of_damage(path, damaged, tmp_path / "log.damaged-1.csv")

    assert str(caught[0].message) == (
        f"{path}: lines 2-4, 9 are damaged and left out (a reason); all other lines count; "
        "a copy of the damaged lines is in log.damaged-1.csv"
    )
