"""The journal of a study: the one door to SQLite. What is written is written whole, or not at all.

A journal is one file. It keeps SQLite's rollback journal rather than its write-ahead log: a log would leave two more
files beside the study, one of which holds the last session until SQLite gets round to it, and whoever copies
``STUDY.db`` to a stick would leave that behind; it also does not work on a network drive, where clinics keep things.
Writers wait for each other; a run that was killed is undone by whoever opens the journal next.

Times are in seconds; days as in `popdetect.study.schema`, except for `Thrust.day`, which counts from the first session.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, Final, NamedTuple

from popdetect import __version__
from popdetect.errors import UsageError
from popdetect.sessions.files import readable
from popdetect.study.schema import APPLICATION_ID, FORMAT, SCORE_COLUMNS, STEPS, VERDICT_COLUMNS
from popdetect.study.thrusts import SIMULATED, Thrust

Value = str | int | float | None
Values = Mapping[str, Value]

_SMALLEST: Final = 512  # bytes: a page of SQLite's
WAIT_S: Final = 30.0  # for another run: the largest session is written in a second or two


class Stored(NamedTuple):
    """A thrust as it is in the journal; `verdict` is None where there is no clip, `scores` where nothing was asked."""

    id: int
    clip: str
    file: str
    verdict: dict[str, Value] | None
    scores: dict[str, Value] | None


class Replaced(NamedTuple):
    """A value that was replaced, as text; None is "not asked". `day` is that of the run that did it."""

    session: str
    file: str
    field: str
    old: str | None
    new: str | None
    day: int


class Writing:
    """A journal while one transaction is open: what `log` may ask and say."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._log: int | None = None

    @property
    def key_check(self) -> str | None:
        """What the key must answer; None in a new journal."""
        return _key_check(self._connection)

    def begin(self, key_check: str, session: str, day: int) -> None:
        """Say that something will be written: under which key, to which session, on which day."""
        run = self._connection.execute
        run("INSERT INTO meta VALUES ('key_check', ?) ON CONFLICT DO NOTHING", (key_check,))
        done = run("INSERT INTO logs (day, popdetect_version) VALUES (?, ?)", (day, __version__))
        self._log = done.lastrowid
        run("INSERT INTO sessions VALUES (?, ?) ON CONFLICT DO NOTHING", (session, self._log))

    def stored(self, session: str) -> dict[str, Stored]:
        """All thrusts of a session, by `clip`."""
        n = len(VERDICT_COLUMNS)
        rows = self._connection.execute(
            f"SELECT id, clip, file, {_list(VERDICT_COLUMNS)}, thrust, {_list(SCORE_COLUMNS, 's.')} "
            "FROM thrusts LEFT JOIN scores AS s ON thrust = id WHERE session = ?",
            (session,),
        )
        found = {}
        for thrust, clip, file, *values in rows:
            verdict = dict(zip(VERDICT_COLUMNS, values[:n], strict=True)) if values[0] is not None else None
            scores = dict(zip(SCORE_COLUMNS, values[n + 1 :], strict=True)) if values[n] is not None else None
            found[clip] = Stored(thrust, clip, file, verdict, scores)
        return found

    def recordings(self) -> dict[str, tuple[str, str]]:
        """Session and clip of each recording that could be judged, by its sha256."""
        rows = self._connection.execute("SELECT sha256, session, clip FROM thrusts WHERE status = 'ok'")
        return {sha256: (session, clip) for sha256, session, clip in rows if sha256}

    def other_scales(self, session: str) -> set[str]:
        """Scales of pain in the other sessions."""
        rows = self._connection.execute(
            "SELECT DISTINCT pain_scale FROM scores JOIN thrusts ON thrust = id WHERE session <> ?", (session,)
        )
        return {scale for (scale,) in rows}

    def add(self, session: str, clip: str, file: str) -> int:
        """A new thrust, of which nothing is known yet; its id."""
        done = self._connection.execute(
            "INSERT INTO thrusts (session, clip, file) VALUES (?, ?, ?)", (session, clip, file)
        )
        return int(done.lastrowid or 0)

    def rename(self, thrust: int, file: str) -> None:
        """Show a thrust's file by another name; it stays the same clip."""
        self._connection.execute("UPDATE thrusts SET file = ? WHERE id = ?", (file, thrust))

    def set_verdict(self, thrust: int, verdict: Values) -> None:
        """Write what was heard, with every one of `VERDICT_COLUMNS`."""
        assigned = ", ".join(f"{column} = ?" for column in VERDICT_COLUMNS)
        values = [verdict[column] for column in VERDICT_COLUMNS]
        self._connection.execute(f"UPDATE thrusts SET {assigned} WHERE id = ?", (*values, thrust))

    def set_scores(self, thrust: int, scores: Values) -> None:
        """Write what was asked, with every one of `SCORE_COLUMNS`."""
        values = [scores[column] for column in SCORE_COLUMNS]
        self._connection.execute(
            f"INSERT OR REPLACE INTO scores (thrust, {_list(SCORE_COLUMNS)}) VALUES (?{', ?' * len(values)})",
            (thrust, *values),
        )

    def keep(self, thrust: int, field: str, old: Value, new: Value) -> None:
        """Note a value that is replaced."""
        told = (None if value is None else str(value) for value in (old, new))
        self._connection.execute(
            "INSERT INTO history (log, thrust, field, old, new) VALUES (?, ?, ?, ?, ?)",
            (self._log, thrust, field, *told),
        )


@contextmanager
def writing(path: str | os.PathLike[str], *, wait_s: float = WAIT_S) -> Iterator[Writing]:
    """Open a journal, or begin one, for one transaction; an error inside leaves it as it was.

    An older journal is migrated first, with a copy of it left beside.

    Raises
    ------
    UsageError
        When it is no journal, of a newer version, in use for longer than `wait_s`, read-only, or the disk is full.
    """
    place = Path(path)
    with _explained(place), closing(_open(place, wait_s)) as connection, _transaction(connection):
        yield Writing(connection)


def key_check(path: str | os.PathLike[str]) -> str | None:
    """What the key must answer; None for a journal that is not begun.

    Raises
    ------
    UsageError
    """
    place = Path(path)
    if not _is_begun(place):
        return None
    with _explained(place), closing(_connect(place, WAIT_S)) as connection:
        return _key_check(connection) if _format(connection, place) else None


def thrusts(path: str | os.PathLike[str]) -> list[Thrust]:
    """Read every thrust of which something was asked, with what was heard in its clip.

    Clips without scores are no thrust of anybody and are left out; scores without a clip have no label. The order is
    that of the sessions' first logging, then of the files' names.

    Raises
    ------
    UsageError
        When there is no journal, or `writing` would not take it either.
    """
    place = Path(path)
    _must_be_begun(place)
    heard = ("file", "label", "p_pop", "n_pops", "model", "model_sha256")
    asked = tuple(column for column in SCORE_COLUMNS if column not in ("day", "own"))
    with _explained(place), closing(_open(place, WAIT_S)) as connection:
        rows = connection.execute(
            f"SELECT session, own, {_list(heard, 't.')}, {_list(asked, 's.')}, "
            "coalesce(s.day - (SELECT min(day) FROM scores), 0) FROM thrusts AS t JOIN scores AS s ON s.thrust = t.id "
            "JOIN sessions USING (session) ORDER BY sessions.log, session, t.file"
        ).fetchall()
    found = []
    for session, own, *values, day in rows:
        fields: dict[str, Any] = dict(zip((*heard, *asked), values, strict=True))
        fields |= {column: fields[column] or "" for column in ("model", "model_sha256")}
        simulated = SIMULATED in own and json.loads(own).get(SIMULATED, "").lower() == "yes"
        found.append(Thrust(session=session, day=day, simulated=simulated, **fields))
    return found


def records(path: str | os.PathLike[str]) -> list[dict[str, Value]]:
    """Everything known of each thrust of which something was asked, for exports; in the order of `thrusts`.

    Keys are ``id`` (counts up in the order of logging), ``session``, ``file`` and the columns of both tables; ``day``
    counts from the first session and, unlike `Thrust.day`, is None where no date is known; ``own`` is JSON.

    Raises
    ------
    UsageError
        As `thrusts` does.
    """
    place = Path(path)
    _must_be_begun(place)
    heard = ("id", "session", "file", *VERDICT_COLUMNS)
    asked = tuple(column for column in SCORE_COLUMNS if column != "day")
    with _explained(place), closing(_open(place, WAIT_S)) as connection:
        rows = connection.execute(
            f"SELECT {_list(heard, 't.')}, {_list(asked, 's.')}, s.day - (SELECT min(day) FROM scores) "
            "FROM thrusts AS t JOIN scores AS s ON s.thrust = t.id JOIN sessions AS n ON n.session = t.session "
            "ORDER BY n.log, t.session, t.file"
        ).fetchall()
    return [dict(zip((*heard, *asked, "day"), row, strict=True)) for row in rows]


def recordings(path: str | os.PathLike[str]) -> dict[tuple[str, str], str]:
    """The sha256 of each recording, by session and file: a report finds clips in a folder by it.

    Raises
    ------
    UsageError
    """
    place = Path(path)
    if not _is_begun(place):
        return {}
    with _explained(place), closing(_open(place, WAIT_S)) as connection:
        rows = connection.execute("SELECT session, file, sha256 FROM thrusts WHERE sha256 <> ''").fetchall()
    return {(session, file): sha256 for session, file, sha256 in rows}


def history(path: str | os.PathLike[str]) -> list[Replaced]:
    """Every value that was ever replaced, in that order.

    Raises
    ------
    UsageError
    """
    place = Path(path)
    if not _is_begun(place):
        return []
    with _explained(place), closing(_open(place, WAIT_S)) as connection:
        rows = connection.execute(
            "SELECT session, file, field, old, new, day FROM history AS h JOIN thrusts AS t ON t.id = thrust "
            "JOIN logs ON logs.id = log ORDER BY h.id"
        ).fetchall()
    return [Replaced(*row) for row in rows]


# --- opening --------------------------------------------------------------------------------------------------------


def _is_begun(path: Path) -> bool:
    """Whether something is there; an empty file is what an interrupted beginning, or ``touch``, leaves.

    It is only asked for its size: on POSIX, closing a file gives up the locks this process has on it.

    Raises
    ------
    UsageError
        When it is no file.
    """
    try:
        stat = path.stat()
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise UsageError(f"{_name(path)}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not S_ISREG(stat.st_mode):
        kind = "a folder" if S_ISDIR(stat.st_mode) else "not a file"
        raise UsageError(f"{_name(path)}: {kind}; a journal is one file, such as STUDY.db")
    # SQLite takes a file of a few bytes for an empty one, and would write over it; unless it can be undone from beside
    if 0 < stat.st_size < _SMALLEST and not path.with_name(f"{path.name}-journal").exists():
        raise UsageError(f"{_name(path)}: not a journal, or damaged; nothing was changed in it")
    return stat.st_size > 0


def _must_be_begun(path: Path) -> None:
    if not _is_begun(path):
        raise UsageError(f"{_name(path)}: no such journal; `popdetect log DIR --journal {_name(path)}` begins one")


def _connect(path: Path, wait_s: float) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < (3, 37):
        raise UsageError(f"the journal needs SQLite 3.37 or newer; this Python has {sqlite3.sqlite_version}")
    if not path.parent.is_dir():
        raise UsageError(f"{_name(path)}: there is no folder {_name(path.parent)} to keep it in")
    _is_begun(path)
    # isolation_level None: transactions begin where this module says so
    connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = EXTRA")  # what was said to be logged survives a power cut
        connection.execute("PRAGMA trusted_schema = OFF")  # the file may come from anywhere
    except BaseException:
        connection.close()
        raise
    return connection


def _open(path: Path, wait_s: float) -> sqlite3.Connection:
    """A connection to a journal of the present format; an older one is migrated, an empty file is begun."""
    connection = _connect(path, wait_s)
    try:
        if _format(connection, path) < FORMAT:
            _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _format(connection: sqlite3.Connection, path: Path) -> int:
    """The format of a journal, 0 if it is not begun."""
    asked = ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    alone = not connection.in_transaction
    if alone:
        connection.execute("BEGIN")  # the three at one moment, though another run may begin the journal just now
    application, version, n_tables = (connection.execute(question).fetchone()[0] for question in asked)
    if alone:
        connection.execute("COMMIT")
    if (application, version, n_tables) == (0, 0, 0):
        return 0
    if application != APPLICATION_ID:
        raise UsageError(f"{_name(path)}: a database, but not a journal of popdetect; nothing was changed in it")
    if version > FORMAT:
        raise UsageError(
            f"{_name(path)}: of format {version}, written by a newer popdetect; this one ({__version__}) knows formats "
            f"up to {FORMAT}: update popdetect"
        )
    return int(version)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    with _transaction(connection):
        version = _format(connection, path)  # again: while this run waited, another may have migrated it
        if 0 < version < FORMAT:
            _back_up(path, version)
        for step in STEPS[version:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")


def _back_up(path: Path, version: int) -> None:
    """A copy beside the journal, through a second connection: others may read while the first is about to write."""
    n = 0
    while True:
        target = path.with_name(f"{path.stem}.format{version}{f'-{n}' if n else ''}{path.suffix}")
        if not os.path.lexists(target):
            break
        n += 1
    temporary = path.with_name(f".{os.getpid()}-backup.tmp")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(temporary)) as copy:
            source.backup(copy)
        temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing. IMMEDIATE: whoever waits does so before reading what it will change."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk has undone it already
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """SQLite's errors as one line that says what probably happened."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise UsageError(f"{_name(path)}: {_why(error, path)}") from error


def _why(error: Exception, path: Path) -> str:
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "in use by another program; close it there (a database viewer, perhaps), and try again"
    if code in ("SQLITE_NOTADB", "SQLITE_FORMAT"):
        return "not a journal, or damaged; nothing was changed in it"
    if code.startswith("SQLITE_CORRUPT"):
        return "damaged; nothing was changed in it: go back to a copy"
    if code.startswith("SQLITE_READONLY"):
        return "read-only; allow writing to it and to its folder, or work on a copy"
    if code.startswith("SQLITE_CANTOPEN"):
        return f"cannot be opened; may files be made in {_name(path.parent)}?"
    if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")) or isinstance(error, OSError):
        return f"cannot be written ({error}); is the disk full? The journal is as it was before"
    return f"{error}; the journal is as it was before"


def _key_check(connection: sqlite3.Connection) -> str | None:
    found = connection.execute("SELECT value FROM meta WHERE name = 'key_check'").fetchone()
    return str(found[0]) if found else None


def _list(columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(prefix + column for column in columns)


def _name(path: Path) -> str:
    return readable(str(path))
