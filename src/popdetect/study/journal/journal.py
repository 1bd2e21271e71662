"""Read and write the journal of a study. The file itself is the task of `database`, its tables that of `schema`.

Times are in seconds. Days count as in `schema`; in `thrusts` and `records` they count from the first session.
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
from popdetect.study.journal import database
from popdetect.study.journal.database import Connection

Values = Mapping[str, Value]


class Stored(NamedTuple):
    """A thrust in the journal; `verdict` is None if there is no clip, `scores` if there is no line of scores."""

    id: int
    file: str
    verdict: dict[str, Value] | None
    scores: dict[str, Value] | None


class Replaced(NamedTuple):
    """A value that was replaced, as text; None is "not asked". `day` is that of the run that replaced it."""

    session: str
    file: str
    field: str
    old: str | None
    new: str | None
    day: int


class Writing:
    """A journal during one transaction: the queries and changes of `log`."""

    def __init__(self, connection: Connection) -> None:
        self._run = connection.execute
        self._connection = connection
        self._log: int | None = None
        self._clip_columns, self._score_columns = clip_columns(), score_columns()

    @property
    def key_check(self) -> str | None:
        """The check value of the study's key; None in a new journal."""
        return _key_check(self._connection)

    def begin(self, key_check: str, session: str, day: int) -> None:
        """Record the run: check value of its key, its session, and its day."""
        self._run("INSERT INTO meta VALUES ('key_check', ?) ON CONFLICT DO NOTHING", (key_check,))
        done = self._run("INSERT INTO logs (day, popdetect_version) VALUES (?, ?)", (day, __version__))
        self._log = done.lastrowid
        self._run("INSERT INTO sessions VALUES (?, ?) ON CONFLICT DO NOTHING", (session, self._log))

    def stored(self, session: str) -> dict[str, Stored]:
        """Return all thrusts of a session, by `clip`."""
        rows = self._run(
            f"SELECT id, clip, file, thrust, {_list(self._clip_columns)}, {_list(self._score_columns, 's.')} "
            "FROM thrusts LEFT JOIN scores AS s ON thrust = id WHERE session = ?",
            (session,),
        )
        found = {}
        for thrust, clip, file, scored, *values in rows:
            verdict = dict(zip(self._clip_columns, values, strict=False))
            scores = dict(zip(self._score_columns, values[len(verdict) :], strict=True))
            clip_known = verdict["status"] is not None
            found[clip] = Stored(thrust, file, verdict if clip_known else None, None if scored is None else scores)
        return found

    def recordings(self) -> dict[str, tuple[str, str]]:
        """Return session and clip of each recording that could be judged, by its sha256."""
        rows = self._run("SELECT sha256, session, clip FROM thrusts WHERE status = 'ok'")
        return {sha256: (session, clip) for sha256, session, clip in rows if sha256}

    def other_scales(self, session: str) -> set[str]:
        """Return the pain scales of the other sessions."""
        query = "SELECT DISTINCT pain_scale FROM scores JOIN thrusts ON thrust = id WHERE session <> ?"
        return {scale for (scale,) in self._run(query, (session,))}

    def add(self, session: str, clip: str, file: str) -> int:
        """Add a thrust without values; return its id."""
        done = self._run("INSERT INTO thrusts (session, clip, file) VALUES (?, ?, ?)", (session, clip, file))
        return int(done.lastrowid or 0)

    def rename(self, thrust: int, file: str) -> None:
        """Change the name under which a thrust's file is shown; it stays the same clip."""
        self._run("UPDATE thrusts SET file = ? WHERE id = ?", (file, thrust))

    def set_verdict(self, thrust: int, verdict: Values) -> None:
        """Write the detector's results; `verdict` has every one of `clip_columns`."""
        columns = self._clip_columns
        assigned = ", ".join(f"{column} = ?" for column in columns)
        self._run(f"UPDATE thrusts SET {assigned} WHERE id = ?", (*(verdict[column] for column in columns), thrust))

    def set_scores(self, thrust: int, scores: Values) -> None:
        """Write the answers; `scores` has every one of `score_columns`."""
        columns = self._score_columns
        self._run(
            f"INSERT OR REPLACE INTO scores (thrust, {_list(columns)}) VALUES (?{', ?' * len(columns)})",
            (thrust, *(scores[column] for column in columns)),
        )

    def keep(self, thrust: int, field: str, old: str | None, new: str | None) -> None:
        """Write a value that is replaced to the history."""
        query = "INSERT INTO history (log, thrust, field, old, new) VALUES (?, ?, ?, ?, ?)"
        self._run(query, (self._log, thrust, field, old, new))


@contextmanager
def writing(path: str | os.PathLike[str], *, wait_s: float | None = None) -> Iterator[Writing]:
    """Open or create a journal for one transaction; an error inside leaves it as it was.

    An older journal is migrated first, and a copy of it is left beside it. Raises UsageError if it is not a journal, of
    a newer version, in use for longer than `wait_s`, read-only, or the disk is full.
    """
    with database.opened(Path(path), wait_s) as connection, database.transaction(connection):
        yield Writing(connection)


def key_check(path: str | os.PathLike[str]) -> str | None:
    """Return the check value of the study's key; None for an empty or missing journal; raises UsageError."""
    place = Path(path)
    if not database.is_begun(place):
        return None
    with database.opened(place, migrate=False) as connection:
        return _key_check(connection) if database.format_of(connection, place) else None


def records(path: str | os.PathLike[str]) -> list[dict[str, Value]]:
    """Read every thrust with a line of scores, with all columns of the journal.

    Clips without scores are left out; scores without a clip have no label. The order is that of the sessions' first
    logging, then of the files' names. Keys are ``id`` (counts up in the order of logging), ``session``, ``file`` and
    the columns of both tables; ``day`` counts from the first session; ``own`` is JSON. Raises UsageError if there is no
    journal, or `writing` would refuse it.
    """
    place = Path(path)
    database.must_be_begun(place)
    clip = ("id", "session", "file", *clip_columns())
    scores = tuple(column for column in score_columns() if column != "day")
    rows = _rows(
        place,
        f"SELECT {_list(clip, 't.')}, {_list(scores, 's.')}, s.day - (SELECT min(day) FROM scores) "
        "FROM thrusts AS t JOIN scores AS s ON s.thrust = t.id JOIN sessions AS n ON n.session = t.session "
        "ORDER BY n.log, t.session, t.file",
    )
    return [dict(zip((*clip, *scores, "day"), row, strict=True)) for row in rows]


def thrusts(path: str | os.PathLike[str]) -> list[Thrust]:
    """Read the thrusts of `records` for the analysis; `Thrust.day` is 0 if no date is known."""
    names = [field.name for field in dataclasses.fields(Thrust) if field.name not in ("simulated", "own")]
    found = []
    for record in records(path):
        values: dict[str, Any] = {name: record[name] for name in names}
        values |= {
            "day": record["day"] or 0,
            "model": record["model"] or "",
            "model_sha256": record["model_sha256"] or "",
            "therapist": record["therapist"] or "",
            "site": record["site"] or "",
            "own": json.loads(str(record["own"] or "{}")),
        }
        simulated = values["own"].get(SIMULATED, "").lower() == "yes"
        found.append(Thrust(**values, simulated=simulated))
    return found


def recordings(path: str | os.PathLike[str]) -> dict[tuple[str, str], str]:
    """Return the sha256 of each recording, by session and file; a report finds clips in a folder by it."""
    query = "SELECT session, file, sha256 FROM thrusts WHERE sha256 <> ''"
    return {(session, file): sha256 for session, file, sha256 in _rows(Path(path), query)}


def history(path: str | os.PathLike[str]) -> list[Replaced]:
    """Return every value that was ever replaced, in that order."""
    query = (
        "SELECT session, file, field, old, new, day FROM history AS h JOIN thrusts AS t ON t.id = thrust "
        "JOIN logs ON logs.id = log ORDER BY h.id"
    )
    return [Replaced(*row) for row in _rows(Path(path), query)]


def _rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    if not database.is_begun(path):
        return []
    with database.opened(path) as connection:
        return connection.execute(query).fetchall()


def _key_check(connection: Connection) -> str | None:
    found = connection.execute("SELECT value FROM meta WHERE name = 'key_check'").fetchone()
    return str(found[0]) if found else None


def _list(columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(prefix + column for column in columns)
