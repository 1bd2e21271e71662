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
from popdetect.study.journal.logging import log

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
    records = {str(record["file"]): record for record in journal.records(study)}
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

    with closing(sqlite3.connect(study.with_name("STUDY.format2.db"))) as copy:
        dump = list(copy.iterdump())
    with closing(sqlite3.connect(":memory:")) as old:
        old.deserialize(before)
        assert dump == list(old.iterdump())


def test_logging_the_same_session_again_changes_nothing(study: Path) -> None:
    assert told(log(study.parent / "session", study)) == (0, 0, 0, True)


def test_a_migrated_journal_has_the_columns_of_a_new_one(study: Path, tmp_path: Path) -> None:
    journal.thrusts(study)
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
