"""The journal survives: kills, crowds, full and read-only disks, other versions, and files that are no journal."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from journal_fakes import CLINIC, bare, log, make_session, run, scores, told, write_clips, write_scores

from popdetect.errors import UsageError
from popdetect.study.journal import database as journal_file
from popdetect.study.journal import journal, schema
from popdetect.study.journal.journal import thrusts
from popdetect.study.journal.pseudonyms import Pseudonyms

KEY = Pseudonyms(b"1" * 32)
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals, limits and modes of POSIX")

# logs a session, and dies at the n-th statement; pages are written to the disk as early as can be
KILLED = """
import os, signal, sqlite3, sys
from popdetect.study.journal import database as journal_file
from popdetect.study.journal.logging import log
folder, study, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
connect, seen = journal_file._connect, 0
def connect_to_die(path, wait_s):
    def count(statement):
        global seen
        seen += 1
        if seen == n:
            os.kill(os.getpid(), signal.SIGKILL)
    connection = connect(path, wait_s)
    connection.execute("PRAGMA cache_size = 1")
    connection.set_trace_callback(count)
    return connection
journal_file._connect = connect_to_die
log(folder, study, update=True)
print(seen)
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return tmp_path / "STUDY.db"


def state(study: Path) -> list[object]:
    """All that a journal says; in order to see it, SQLite undoes what a killed run left half done."""
    with closing(sqlite3.connect(study)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [(name, connection.execute(f"SELECT * FROM {name}").fetchall()) for name in sorted(tables)]


# --- interrupted ----------------------------------------------------------------------------------------------------


@POSIX
def test_killed_at_any_point_it_is_as_before_or_as_after(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path, 60)
    log(folder, study)
    write_clips(folder, [row["file"] for row in scores(90)])
    write_scores(folder, [{**row, "pain_after": "3"} for row in scores(90)])
    before, start = state(study), study.read_bytes()
    counted = run(KILLED, folder, study, 10**9)
    assert counted.returncode == 0, counted.stderr
    after, n = state(study), int(counted.stdout)
    assert before != after

    hot = 0
    for at in {*range(1, n, n // 12), n - 1, n}:
        study.write_bytes(start)
        died = run(KILLED, folder, study, at)
        assert died.returncode == -9, died.stderr
        hot += study.with_name("STUDY.db-journal").exists()
        assert state(study) == before
        assert len(thrusts(study)) == 60
    assert hot > 3  # the disk was being written to
    assert told(log(folder, study, update=True)) == (30, 0, 60, True)
    assert state(study)[1:] == after[1:]


@POSIX
def test_killed_while_it_begins_the_next_run_begins_it(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path)
    for at in range(1, 34, 4):  # of 34 statements
        assert run(KILLED, folder, study, at).returncode == -9
    assert told(log(folder, study)) == (6, 0, 0, True)
    assert len(thrusts(study)) == 6


def test_an_error_inside_leaves_it_as_it_was(tmp_path: Path, study: Path) -> None:
    log(make_session(tmp_path), study)
    before = study.read_bytes()

    def interrupted() -> None:
        with journal.writing(study, KEY) as book:
            book.begin("x", "S-1", lambda run: run)
            book.thrust("S-1", "c")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert study.read_bytes() == before
    assert not study.with_name("STUDY.db-journal").exists()


# --- at once --------------------------------------------------------------------------------------------------------


def test_runs_at_once_all_succeed(tmp_path: Path, study: Path) -> None:
    folders = [make_session(tmp_path, 40, f"s{i % 3}") for i in range(4)]  # one of them twice
    code = "import sys\nfrom popdetect.study.journal.logging import log\nprint(log(*sys.argv[1:]).written)"
    runs = [
        subprocess.Popen([sys.executable, "-c", code, folder, study], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for folder in folders
    ]
    for each in runs:
        out, error = each.communicate(timeout=120)
        assert (each.returncode, out.strip(), error) == (0, b"True", b"")
    found = thrusts(study)
    assert len(found) == 120
    assert len({thrust.session for thrust in found}) == 3
    assert len({thrust.patient for thrust in found}) == 3


def test_a_journal_in_use_is_waited_for_and_then_told(
    tmp_path: Path, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_session(tmp_path)
    log(folder, study)
    other = sqlite3.connect(study, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(0.3, other.execute, ["ROLLBACK"])
    timer.start()
    assert told(log(folder, study)) == (0, 0, 0, True)
    timer.join()

    other.execute("BEGIN EXCLUSIVE")
    with (
        pytest.raises(UsageError, match=r"STUDY.db: in use by another program"),
        journal.writing(study, KEY, wait_s=0.1),
    ):
        pass
    monkeypatch.setattr(journal_file, "WAIT_S", 0.1)
    with pytest.raises(UsageError, match="in use by another program"):
        thrusts(study)
    other.close()


# --- disks ----------------------------------------------------------------------------------------------------------


@POSIX
def test_a_full_disk_loses_nothing(tmp_path: Path, study: Path) -> None:
    log(make_session(tmp_path, name="a"), study)
    before = state(study)
    code = """
    import resource, signal, sys
    from popdetect.errors import UsageError
    from popdetect.study.journal.logging import log
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
    try:
        log(*sys.argv[1:3])
    except UsageError as error:
        print(error)
    """
    big = make_session(tmp_path, 2_000, "b")
    for limit in (study.stat().st_size, study.stat().st_size + 9_000, 300_000):
        done = run(code, big, study, limit)
        assert done.stderr == ""
        assert "STUDY.db: cannot be written" in done.stdout
        assert "is the disk full? The journal is as it was before" in done.stdout
        assert state(study) == before
    assert log(big, study).n_new == 2_000


def test_a_journal_that_may_not_grow_loses_nothing(
    tmp_path: Path, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same by SQLite's own word for a full disk."""
    log(make_session(tmp_path, name="a"), study)
    before, connect = study.read_bytes(), journal_file._connect

    def small(path: Path, wait_s: float) -> sqlite3.Connection:
        connection = connect(path, wait_s)
        connection.execute("PRAGMA max_page_count = 12")
        return connection

    monkeypatch.setattr(journal_file, "_connect", small)
    with pytest.raises(UsageError, match=r"is the disk full\? The journal is as it was before"):
        log(make_session(tmp_path, 2_000, "b"), study)
    assert study.read_bytes() == before


@pytest.fixture
def plain_user() -> Iterator[Path]:
    """A folder of somebody whom modes bind; root may write what is read-only."""
    place = Path(tempfile.mkdtemp(prefix="popdetect-"))
    place.chmod(0o777)
    root = os.name == "posix" and os.geteuid() == 0
    try:
        if root:
            os.chown(place, 65_534, -1)
            os.seteuid(65_534)
        yield place
    finally:
        if root:
            os.seteuid(0)
        place.chmod(0o777)
        shutil.rmtree(place)


@POSIX
def test_a_read_only_journal_is_told_and_can_be_read(plain_user: Path) -> None:
    study = plain_user / "STUDY.db"
    log(make_session(plain_user, name="a"), study)
    other = make_session(plain_user, name="b")
    study.chmod(0o400)
    with pytest.raises(UsageError, match=r"STUDY.db: read-only; allow writing to it"):
        log(other, study)
    assert len(thrusts(study)) == 6
    study.chmod(0o600)
    plain_user.chmod(0o500)
    with pytest.raises(UsageError, match=r"STUDY.db: (read-only|cannot be opened; may files be made in)"):
        log(other, study)
    plain_user.chmod(0o700)
    study.chmod(0)
    with pytest.raises(UsageError, match=r"STUDY.db: cannot be opened"):
        thrusts(study)
    study.chmod(0o600)
    assert len(thrusts(study)) == 6


# --- versions -------------------------------------------------------------------------------------------------------


def older(study: Path, version: int = 1) -> None:
    """A journal as an older popdetect left it: the steps up to `version`, and a session."""
    with closing(sqlite3.connect(study)) as connection:
        for step in range(1, version + 1):
            for statement in schema.step(step):
                connection.execute(statement)
        connection.execute("INSERT INTO logs VALUES (1, 44000, '0.0.9')")
        connection.execute("INSERT INTO sessions VALUES ('S-00000001', 1)")
        connection.execute(
            "INSERT INTO thrusts (id, session, clip, file, status, label, p_pop, n_pops, model, model_sha256, sha256) "
            "VALUES (1, 'S-00000001', 'aa', 'c.wav', 'ok', 'pop', 0.9, 2, 'm', 'ff', 'ee')"
        )
        connection.execute(
            "INSERT INTO scores (thrust, patient, day, region, side, technique, pain_before, pain_after, pain_scale, "
            "time_point, thrust_speed, adverse_event, notes) "
            "VALUES (1, 'P-00000001', 44000, 'L4', '', '', 7, 3, 'NPRS', '', 12.5, '', '')"
        )
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()


def migrate(study: Path) -> None:
    with journal.writing(study, KEY):
        pass


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_an_older_journal_is_migrated_and_a_copy_left_beside(tmp_path: Path, study: Path) -> None:
    older(study)
    before = state(study)
    study.chmod(0o644)
    (thrust,) = thrusts(study)
    assert state(study) == before  # to read it, a copy in memory is migrated
    assert log(make_session(tmp_path), study).n_new == 6
    backup = tmp_path / "STUDY.format1.db"

    assert (thrust.pain_before, thrust.region, thrust.thrust_speed, thrust.thrust_speed_unit) == (7, "L4", 12.5, "")
    assert version_of(study) == schema.newest_format()
    assert version_of(backup) == 1
    assert state(backup) == before
    assert bare(study)[0] == replace(thrust, session="", file="")
    if os.name == "posix":
        assert [stat.S_IMODE(path.stat().st_mode) for path in (study, backup)] == [0o600, 0o600]
    assert sorted(path.name for path in tmp_path.iterdir()) == [CLINIC, "STUDY.db", "STUDY.format1.db", "STUDY.key"]


def test_a_migrated_journal_is_like_a_new_one(tmp_path: Path, study: Path) -> None:
    older(study)
    migrate(study)
    new = tmp_path / "new.db"
    log(make_session(tmp_path), new)

    def columns(path: Path) -> list[object]:
        with closing(sqlite3.connect(path)) as connection:
            return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()

    assert columns(study) == columns(new)


def test_a_copy_is_never_overwritten(study: Path) -> None:
    study.with_name("STUDY.format1.db").write_text("mine")
    older(study)
    migrate(study)
    assert study.with_name("STUDY.format1.db").read_text() == "mine"
    assert version_of(study.with_name("STUDY.format1-1.db")) == 1


def test_a_migration_that_fails_leaves_it_as_it_was(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older(study)
    before = study.read_bytes()
    step = schema.step
    monkeypatch.setattr(schema, "step", lambda n: (*step(n), *["no such statement"] * (n == 2)))
    with pytest.raises(UsageError, match=r"STUDY.db: .*; the journal is as it was before"):
        migrate(study)
    assert study.read_bytes() == before
    monkeypatch.undo()
    assert len(thrusts(study)) == 1


def test_a_newer_journal_is_refused(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path)
    log(folder, study)
    with closing(sqlite3.connect(study)) as connection:
        connection.execute(f"PRAGMA user_version = {schema.newest_format() + 1}")
        connection.commit()
    before = study.read_bytes()
    for attempt in (lambda: log(folder, study), lambda: thrusts(study)):
        with pytest.raises(UsageError, match=r"of format 5, written by a newer popdetect.*update popdetect"):
            attempt()
    assert study.read_bytes() == before


# --- no journal -----------------------------------------------------------------------------------------------------


def _database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE patients (name TEXT)")


def _text(path: Path) -> None:
    path.write_text("file,patient_id\n" * 400)


def _short(path: Path) -> None:
    path.write_text("x")


def _zip(path: Path) -> None:
    path.write_bytes(b"PK\3\4" + bytes(range(256)) * 20)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_database, "a database, but not a journal of popdetect"),
        (_text, "not a journal, or damaged; nothing was changed in it"),
        (_short, "not a journal, or damaged"),
        (_zip, "not a journal, or damaged"),
        (Path.mkdir, "a folder; a journal is one file"),
    ],
)
def test_what_is_no_journal_is_left_alone(tmp_path: Path, study: Path, make: object, said: str) -> None:
    make(study)  # type: ignore[operator]
    before = study.read_bytes() if study.is_file() else None
    folder = make_session(tmp_path)
    for attempt in (lambda: log(folder, study), lambda: thrusts(study)):
        with pytest.raises(UsageError, match=said):
            attempt()
    assert (study.read_bytes() if study.is_file() else None) == before
    assert not study.with_suffix(".key").exists()


def test_a_damaged_journal_is_told(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path, 200)
    log(folder, study)
    raw = bytearray(study.read_bytes())
    raw[4096:] = b"\x55" * (len(raw) - 4096)
    study.write_bytes(raw)
    with pytest.raises(UsageError, match=r"STUDY.db: damaged; nothing was changed in it: go back to a copy"):
        log(folder, study)
    assert study.read_bytes() == bytes(raw)


def test_an_empty_file_is_begun(tmp_path: Path, study: Path) -> None:
    study.touch()
    assert log(make_session(tmp_path), study).n_new == 6


def test_there_is_nothing_to_read_before_it_is_begun(study: Path) -> None:
    with pytest.raises(UsageError, match="no such journal; `popdetect log"):
        thrusts(study)
    assert not study.exists()


def test_no_folder_to_keep_it_in(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        log(make_session(tmp_path), tmp_path / "none" / "STUDY.db")
    assert not (tmp_path / "none").exists()


def test_odd_names_of_journals_are_names(tmp_path: Path) -> None:
    folder = make_session(tmp_path)
    for name in ("Studie Übung?mode=ro#1.db", ":memory:", "file:x.db"):
        log(folder, tmp_path / name, key=tmp_path / "k.key")
        assert len(thrusts(tmp_path / name)) == 6
        assert (tmp_path / name).is_file()


def test_the_tables_themselves_refuse_nonsense(tmp_path: Path, study: Path) -> None:
    log(make_session(tmp_path), study)
    with closing(sqlite3.connect(study)) as connection:
        for statement in (
            "UPDATE scores SET pain_after = 11",
            "UPDATE scores SET pain_after = 'much'",
            "UPDATE scores SET pop_heard_by_patient = 'maybe'",
            "UPDATE thrusts SET p_pop = 1.5",
            "UPDATE thrusts SET label = 'bang'",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)


def test_two_thousand_thrusts_read_back_as_they_were_logged(tmp_path: Path, study: Path) -> None:
    log(make_session(tmp_path, 2_000), study)
    found = bare(study)
    # in the order of the names of files
    assert [thrust.pain_before for thrust in found] == [
        float(row["pain_before"]) for row in sorted(scores(2_000), key=lambda row: row["file"])
    ]


@POSIX
def test_nothing_else_lies_about(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path)
    log(folder, study)
    assert sorted(path.name for path in tmp_path.iterdir()) == [CLINIC, "STUDY.db", "STUDY.key"]
    assert sorted(path.name for path in (folder / "popdetect").iterdir()) == ["clips.csv", "session_id.txt"]
    assert stat.S_IMODE(study.with_suffix(".key").stat().st_mode) == 0o600
    assert stat.S_IMODE(study.stat().st_mode) == 0o600
