"""The journal of a study: what `log` may write into it, and what others read. How its file is kept is elsewhere.

Times are in seconds; days as in `schema`, except for `Thrust.day`, which counts from the first session.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from popdetect import __version__
from popdetect.study.analysis.thrusts import SIMULATED, Thrust
from popdetect.study.fields import Value, clip_columns, score_columns
from popdetect.study.journal import database as journal_file
from popdetect.study.journal.database import Connection, format_of, is_begun, must_be_begun, opened

Values = Mapping[str, Value]


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

    def __init__(self, connection: Connection) -> None:
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
        heard, asked = clip_columns(), score_columns()
        n = len(heard)
        rows = self._connection.execute(
            f"SELECT id, clip, file, thrust, {_list(heard)}, {_list(asked, 's.')} "
            "FROM thrusts LEFT JOIN scores AS s ON thrust = id WHERE session = ?",
            (session,),
        )
        found = {}
        for thrust, clip, file, scored, *values in rows:
            verdict = dict(zip(heard, values[:n], strict=True))
            scores = dict(zip(asked, values[n:], strict=True)) if scored is not None else None
            found[clip] = Stored(thrust, clip, file, verdict if verdict["status"] is not None else None, scores)
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
        """Write what the detector found; `verdict` has every one of `clip_columns`."""
        columns = clip_columns()
        assigned = ", ".join(f"{column} = ?" for column in columns)
        self._connection.execute(
            f"UPDATE thrusts SET {assigned} WHERE id = ?", (*(verdict[column] for column in columns), thrust)
        )

    def set_scores(self, thrust: int, scores: Values) -> None:
        """Write the answers; `scores` has every one of `score_columns`."""
        columns = score_columns()
        self._connection.execute(
            f"INSERT OR REPLACE INTO scores (thrust, {_list(columns)}) VALUES (?{', ?' * len(columns)})",
            (thrust, *(scores[column] for column in columns)),
        )

    def keep(self, thrust: int, field: str, old: Value, new: Value) -> None:
        """Note a value that is replaced."""
        told = (None if value is None else str(value) for value in (old, new))
        self._connection.execute(
            "INSERT INTO history (log, thrust, field, old, new) VALUES (?, ?, ?, ?, ?)",
            (self._log, thrust, field, *told),
        )


@contextmanager
def writing(path: str | os.PathLike[str], *, wait_s: float = journal_file.WAIT_S) -> Iterator[Writing]:
    """Open a journal, or begin one, for one transaction; an error inside leaves it as it was.

    An older journal is migrated first, with a copy of it left beside.

    Raises
    ------
    UsageError
        When it is no journal, of a newer version, in use for longer than `wait_s`, read-only, or the disk is full.
    """
    place = Path(path)
    with opened(place, wait_s) as connection, journal_file.transaction(connection):
        yield Writing(connection)


def key_check(path: str | os.PathLike[str]) -> str | None:
    """What the key must answer; None for a journal that is not begun.

    Raises
    ------
    UsageError
    """
    place = Path(path)
    if not is_begun(place):
        return None
    with journal_file.looked_into(place) as connection:
        return _key_check(connection) if format_of(connection, place) else None


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
    must_be_begun(place)
    names = {field.name for field in dataclasses.fields(Thrust)}
    heard = ("file", *(column for column in clip_columns() if column in names))
    asked = tuple(column for column in score_columns() if column in names and column != "day")
    with opened(place, journal_file.WAIT_S) as connection:
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
    must_be_begun(place)
    heard = ("id", "session", "file", *clip_columns())
    asked = tuple(column for column in score_columns() if column != "day")
    with opened(place, journal_file.WAIT_S) as connection:
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
    if not is_begun(place):
        return {}
    with opened(place, journal_file.WAIT_S) as connection:
        rows = connection.execute("SELECT session, file, sha256 FROM thrusts WHERE sha256 <> ''").fetchall()
    return {(session, file): sha256 for session, file, sha256 in rows}


def history(path: str | os.PathLike[str]) -> list[Replaced]:
    """Every value that was ever replaced, in that order.

    Raises
    ------
    UsageError
    """
    place = Path(path)
    if not is_begun(place):
        return []
    with opened(place, journal_file.WAIT_S) as connection:
        rows = connection.execute(
            "SELECT session, file, field, old, new, day FROM history AS h JOIN thrusts AS t ON t.id = thrust "
            "JOIN logs ON logs.id = log ORDER BY h.id"
        ).fetchall()
    return [Replaced(*row) for row in rows]


def _key_check(connection: Connection) -> str | None:
    found = connection.execute("SELECT value FROM meta WHERE name = 'key_check'").fetchone()
    return str(found[0]) if found else None


def _list(columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(prefix + column for column in columns)
