"""A journal that popdetect 0.1.0 wrote: it is migrated, and the clinic goes on as before.

``journal_0_1_0/make.py`` remakes it. Its ``session.csv`` has ``Therapist`` and ``site``, which were the clinic's own
columns in 0.1.0 and are fields since format 3.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from journal_fakes import make_session, told

from popdetect.study.export.export import export
from popdetect.study.journal import journal
from popdetect.study.journal.logging import log, undo
from popdetect.study.journal.pseudonyms import open_key

WRITTEN_BY_0_1_0 = Path(__file__).parent / "journal_0_1_0"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The journal of 0.1.0 with its key, and the session folder it was logged from."""
    place = tmp_path / "STUDY.db"
    with closing(sqlite3.connect(place)) as connection:
        connection.executescript((WRITTEN_BY_0_1_0 / "journal.sql").read_text(encoding="utf-8"))
    shutil.copytree(WRITTEN_BY_0_1_0 / "session", tmp_path / "session")
    shutil.copy(WRITTEN_BY_0_1_0 / "STUDY.key", tmp_path / "STUDY.key")
    (tmp_path / "STUDY.key").chmod(0o600)
    return place


def columns(path: Path, table: str) -> set[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[1:4] for row in connection.execute(f"PRAGMA table_info({table})")}


def test_own_columns_of_the_same_name_become_the_new_fields(study: Path) -> None:
    records = dict(zip((f"c{i}.wav" for i in range(6)), journal.records(study), strict=True))
    thrusts = journal.thrusts(study)

    assert [records[f"c{i}.wav"]["therapist"] for i in range(6)] == [
        "M. Berg", "M. Berg", "", "for P-7qmny9kb: T2", "", "T2",
    ]  # fmt: skip
    assert [records[f"c{i}.wav"]["site"] for i in range(6)] == ["north", "north", "north", "", "", "south"]
    assert [json.loads(str(records[f"c{i}.wav"]["own"])) for i in range(3)] == [{"room": "blue"}, {}, {"room": "red"}]
    assert [(thrust.pain_before, thrust.pain_after, thrust.believes_pop_needed) for thrust in thrusts] == [
        (6, 3, 4), (5, 4, 2), (7, 3, None), (6, 5, 4), (4, 4, 2), (8, 5, 5),
    ]  # fmt: skip
    assert [change[2:5] for change in journal.history(study)] == [("pain_after", "4", "3")]


def test_a_copy_of_the_old_journal_is_left_beside(study: Path) -> None:
    before = study.read_bytes()
    journal.thrusts(study)
    assert study.read_bytes() == before  # to read it, a copy in memory is migrated
    done = log(study.parent / "session", study)

    assert done.hints[-1] == (
        "the journal was of format 2, and names of files were in it; they are in its copy STUDY.format2.db still: "
        "delete that when you do not need it"
    )
    with closing(sqlite3.connect(study.with_name("STUDY.format2.db"))) as copy:
        dump = list(copy.iterdump())
    with closing(sqlite3.connect(":memory:")) as old:
        old.deserialize(before)
        assert dump == list(old.iterdump())


def test_logging_the_same_session_again_changes_nothing(study: Path) -> None:
    assert told(log(study.parent / "session", study)) == (0, 0, 0, True)


def test_a_migrated_journal_keeps_no_name_and_no_common_shift_of_days(study: Path) -> None:
    key = open_key(study.with_suffix(".key"))
    with closing(sqlite3.connect(study)) as connection:  # an older version left deleted rows in unused pages
        connection.execute("PRAGMA secure_delete = OFF")
        rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) SELECT i FROM n"
        connection.execute(f"CREATE TABLE t AS SELECT 'c1.wav' || hex(randomblob(2000)) FROM ({rows})")
        connection.execute("DROP TABLE t")
        connection.commit()
    assert b"c1.wav" in study.read_bytes()
    before = journal.thrusts(study)
    log(study.parent / "session", study)

    raw = study.read_bytes()
    assert not [i for i in range(6) if f"c{i}.wav".encode() in raw]
    with closing(sqlite3.connect(study)) as connection:
        days = dict(connection.execute("SELECT patient, day FROM scores"))
        (run, logged), *_ = connection.execute("SELECT id, day FROM logs")
    assert {key.date(day, patient).isoformat() for patient, day in days.items()} == {"2024-03-05"}
    assert len({*days.values(), logged}) == 4
    assert key.date(logged, f"log {run}").year in (2026, 2027)
    assert journal.thrusts(study) == before


def test_what_an_older_version_logged_can_be_taken_back(study: Path) -> None:
    log(study.parent / "session", study)  # migrates it
    changed = undo(study.parent / "session", study)
    assert (changed.n_removed, changed.n_restored) == (0, 1)  # the change of a score
    assert journal.thrusts(study)[0].pain_after == 4
    assert undo(study.parent / "session", study).n_left == 0
    assert journal.thrusts(study) == []


def test_a_migrated_journal_has_the_columns_of_a_new_one(study: Path, tmp_path: Path) -> None:
    log(study.parent / "session", study)
    log(make_session(tmp_path), tmp_path / "new.db")

    for table in ("meta", "logs", "sessions", "thrusts", "scores", "history"):
        # a text column that 0.1.0 made has no default; every insert names all columns
        assert columns(study, table) == columns(tmp_path / "new.db", table), table


def test_the_answers_of_0_1_0_are_those_of_the_same_session_logged_anew(study: Path, tmp_path: Path) -> None:
    log(tmp_path / "session", tmp_path / "new.db", key=tmp_path / "STUDY.key")

    assert journal.records(study) == journal.records(tmp_path / "new.db")
    assert [replace(t, session="") for t in journal.thrusts(study)] == [
        replace(t, session="") for t in journal.thrusts(tmp_path / "new.db")
    ]


def test_new_fields_are_exported_by_request_only(study: Path) -> None:
    made = export(study, "csv")

    assert not {"therapist", "site"}.intersection(made.columns)
    assert {"therapist", "site"} <= set(made.left_out)
    text = export(study, "csv", columns=["therapist", "site"]).texts[""]
    assert text.splitlines()[:2] == ["therapist,site", "M. Berg,north"]
