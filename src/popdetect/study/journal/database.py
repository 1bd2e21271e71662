"""The adapter of SQLite: opens, creates, migrates and changes the file of a journal.

Each change is written completely or not at all. A journal is one file: it uses SQLite's rollback journal, not the
write-ahead log. The log would add two files beside the study, and the last session could be in one of them when
somebody copies ``STUDY.db``; it also fails on network drives. Writers wait for each other. The changes of a run that
was killed are undone when the journal is opened next.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, Final

from popdetect import __version__
from popdetect.errors import UsageError
from popdetect.session.files import readable
from popdetect.study.journal import schema

if TYPE_CHECKING:
    from popdetect.study.journal.pseudonyms import Pseudonyms

Connection = sqlite3.Connection

_SMALLEST: Final = 512  # bytes: the smallest page of SQLite
WAIT_S: Final = 30.0  # for another run; the largest session is written in one or two seconds
_IN_USE: Final = "in use by another program; close it there (a database viewer, perhaps), and try again"
_NO_JOURNAL: Final = "not a journal, or damaged; nothing was changed in it"
_CAUSES: Final = {
    "SQLITE_BUSY": _IN_USE,
    "SQLITE_LOCKED": _IN_USE,
    "SQLITE_NOTADB": _NO_JOURNAL,
    "SQLITE_FORMAT": _NO_JOURNAL,
    "SQLITE_CORRUPT": "damaged; nothing was changed in it: go back to a copy",
    "SQLITE_READONLY": "read-only; allow writing to it and to its folder, or work on a copy",
}


def is_begun(path: Path) -> bool:
    """Return whether the journal exists and is not empty; an interrupted first run leaves an empty file.

    The file is not opened: on POSIX, closing a file releases the locks that this process has on it. Raises UsageError
    if it is not a file.
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
    # SQLite treats a file of a few bytes as empty and would overwrite it; with a rollback journal it can restore it
    if 0 < stat.st_size < _SMALLEST and not path.with_name(f"{path.name}-journal").exists():
        raise UsageError(f"{_name(path)}: {_NO_JOURNAL}")
    return stat.st_size > 0


def must_be_begun(path: Path) -> None:
    """Raise UsageError if there is no journal."""
    if not is_begun(path):
        raise UsageError(f"{_name(path)}: no such journal; `popdetect log DIR --journal {_name(path)}` begins one")


@contextmanager
def opened(path: Path, pseudonyms: Pseudonyms, wait_s: float | None = None) -> Iterator[Connection]:
    """Connect to a journal to write: an older one is migrated, and tables are created in an empty or missing file.

    Only the owner may read a file that is made or migrated (POSIX). Other runs are waited for, `WAIT_S` by default.
    Raises UsageError, also for errors of SQLite, in one line with the probable cause.
    """
    with suppress(OSError):  # the error of SQLite says more
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with _errors_of(path), closing(_connect(path, WAIT_S if wait_s is None else wait_s)) as connection:
        if format_of(connection, path) < schema.newest_format():
            with transaction(connection):
                version = format_of(connection, path)  # again: another run may have migrated it meanwhile
                if 0 < version < schema.newest_format():
                    _back_up(path, version)
                schema.migrate(connection, version, pseudonyms)
            if version:
                connection.execute("VACUUM")  # removes what older versions left in unused pages
                _for_owner_only(path)
        yield connection


@contextmanager
def reading(path: Path) -> Iterator[Connection]:
    """Connect to a journal that exists, to read. Of an older one, a copy in memory is migrated; raises UsageError."""
    with _errors_of(path), closing(_connect(path, WAIT_S)) as connection:
        version = format_of(connection, path)
        if version == schema.newest_format():
            yield connection
            return
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as copy:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # locks it until it is copied
            connection.backup(copy)
            connection.execute("ROLLBACK")
            schema.migrate(copy, version)
            yield copy


@contextmanager
def looking(path: Path) -> Iterator[Connection]:
    """Connect to a journal of any format that exists, without migrating it; raises UsageError."""
    with _errors_of(path), closing(_connect(path, WAIT_S)) as connection:
        yield connection


def others_may_read(path: Path) -> bool:
    """Return whether other users of this computer can read the file (POSIX)."""
    return os.name == "posix" and bool(path.stat().st_mode & 0o077)


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise UsageError(f"{_name(path)}: {_why(error, path)}") from error


def _connect(path: Path, wait_s: float) -> Connection:
    if sqlite3.sqlite_version_info < (3, 37):
        raise UsageError(f"the journal needs SQLite 3.37 or newer; this Python has {sqlite3.sqlite_version}")
    if not path.parent.is_dir():
        raise UsageError(f"{_name(path)}: there is no folder {_name(path.parent)} to keep it in")
    is_begun(path)
    # isolation_level None: this module begins transactions itself
    connection = sqlite3.connect(path, timeout=wait_s, isolation_level=None)
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = EXTRA")  # a session reported as logged survives a power cut
        connection.execute("PRAGMA trusted_schema = OFF")  # the file may come from anywhere
        connection.execute("PRAGMA secure_delete = ON")  # a value that is replaced does not stay in unused space
    except BaseException:
        connection.close()
        raise
    return connection


def format_of(connection: Connection, path: Path) -> int:
    """Return the format of a journal, 0 if it is empty.

    Raises UsageError if it is not a journal, or written by a newer version.
    """
    # one query, because another run may be creating the journal
    query = (
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master) "
        "FROM pragma_application_id, pragma_user_version"
    )
    application, version, n_tables = connection.execute(query).fetchone()
    if (application, version, n_tables) == (0, 0, 0):
        return 0
    if application != schema.APPLICATION_ID:
        raise UsageError(f"{_name(path)}: a database, but not a journal of popdetect; nothing was changed in it")
    if version > schema.newest_format():
        raise UsageError(
            f"{_name(path)}: of format {version}, written by a newer popdetect; this one ({__version__}) knows formats "
            f"up to {schema.newest_format()}: update popdetect"
        )
    return int(version)


def _back_up(path: Path, version: int) -> None:
    """Copy the journal beside it, through a second connection; the first one is already about to write."""
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
        _for_owner_only(temporary)
        temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _for_owner_only(path: Path) -> None:
    if os.name == "posix":
        path.chmod(0o600)


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """Run a transaction. IMMEDIATE: a run waits for others before it reads what it will change."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # after a full disk SQLite has rolled back already
            connection.execute("ROLLBACK")
        raise


def _why(error: Exception, path: Path) -> str:
    """Return the probable cause of an error of SQLite."""
    code = getattr(error, "sqlite_errorname", "") or ""
    for beginning, cause in _CAUSES.items():
        if code.startswith(beginning):
            return cause
    if code.startswith("SQLITE_CANTOPEN"):
        return f"cannot be opened; may files be made in {_name(path.parent)}?"
    if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")) or isinstance(error, OSError):
        return f"cannot be written ({error}); is the disk full? The journal is as it was before"
    return f"{error}; the journal is as it was before"


def _name(path: Path) -> str:
    return readable(str(path))
