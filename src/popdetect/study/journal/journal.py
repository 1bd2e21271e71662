"""Read and write the journal of a study. The file itself is the task of `database`, its tables that of `schema`.

Times are in seconds. Days count as in `schema`; in `thrusts` and `records` they count from the patient's first day.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from popdetect import __version__
from popdetect.errors import UsageError
from popdetect.session.corrections import CONSENSUS
from popdetect.study import fields
from popdetect.study.analysis.thrusts import SIMULATED, Thrust
from popdetect.study.fields import Value, clip_columns, score_columns
from popdetect.study.journal import database, schema
from popdetect.study.journal.database import Connection
from popdetect.study.journal.pseudonyms import Pseudonyms, key_beside, open_key

Values = Mapping[str, Value]


Kind = Literal["clip", "scores", "answer"]


class Part(NamedTuple):
    """A row of the journal about a thrust: its clip, its scores at a time point, or the answer of a rater."""

    kind: Kind
    key: str = ""  # time point, or code of the rater


DETECTOR: Final = "detector"
_OF_TIME_POINT: Final = ("day", "pain_after", "adverse_event", "notes", "own", "time_point")  # never carried over
CLIP: Final = Part("clip")
_TABLES: Final[Mapping[Kind, tuple[str, str, str]]] = {  # table, columns of the thrust's id and of the key
    "clip": ("thrusts", "id", ""),
    "scores": ("scores", "thrust", "time_point"),
    "answer": ("answers", "thrust", "rater"),
}


class Stored(NamedTuple):
    """A thrust in the journal, with the parts that it has."""

    id: int
    parts: dict[Part, dict[str, Value]]


class Replaced(NamedTuple):
    """A value that was replaced, as text; None is "not asked"."""

    session: str
    file: str
    field: str
    old: str | None
    new: str | None
    day: int  # of the run that replaced it, under a shift that the key determines for each run


class Answer(NamedTuple):
    """What a person heard in a clip."""

    thrust: int  # id
    rater: str  # code, or ``consensus``
    label: str
    n_pops: int | None
    blind: int  # 1: had not seen the detector's result
    drawn: str  # why the clip was in the queue of the review
    detector: str | None  # label of the detector


class Undone(NamedTuple):
    """What `Writing.undo` took back."""

    n_thrusts: int  # that are in the journal no more
    n_values: int  # of the others that are as before


class Writing:
    """A journal during one transaction: the queries and changes of `log`."""

    def __init__(self, connection: Connection) -> None:
        self._run = connection.execute
        self._connection = connection
        self._log: int | None = None
        self._columns: dict[Kind, tuple[str, ...]] = {
            "clip": clip_columns(), "scores": score_columns(), "answer": schema.ANSWER_COLUMNS,
        }  # fmt: skip

    @property
    def key_check(self) -> str | None:
        """The check value of the study's key; None in a new journal."""
        return _key_check(self._connection)

    def begin(self, key_check: str, session: str, day_of: Callable[[int], int]) -> int:
        """Record the run: check value of its key, its session, and its day (`day_of` its number); return its number."""
        self._run("INSERT INTO meta VALUES ('key_check', ?) ON CONFLICT DO NOTHING", (key_check,))
        done = self._run("INSERT INTO logs (day, popdetect_version) VALUES (0, ?)", (__version__,))
        self._log = int(done.lastrowid or 0)
        self._run("INSERT INTO sessions VALUES (?, ?) ON CONFLICT DO NOTHING", (session, self._log))
        self._run("UPDATE logs SET day = ?, session = ? WHERE id = ?", (day_of(self._log), session, self._log))
        return self._log

    def stored(self, session: str) -> dict[str, Stored]:
        """Return all thrusts of a session that have a clip or scores, by `clip`."""
        by_id: dict[int, Stored] = {}
        found: dict[str, Stored] = {}
        for kind, (table, id_, key) in _TABLES.items():
            columns = self._columns[kind]
            rows = self._run(
                f"SELECT t.id, t.clip, {f'p.{key}' if key else repr('')}, {_list(columns, 'p.')} "
                f"FROM thrusts AS t JOIN {table} AS p ON p.{id_} = t.id WHERE t.session = ? ORDER BY t.id, p.rowid",
                (session,),
            )
            for thrust, clip, part_key, *values in rows:
                one = by_id.setdefault(thrust, Stored(thrust, {}))
                row = dict(zip(columns, values, strict=True))
                if kind != "clip" or row["status"] is not None:
                    one.parts[Part(kind, part_key)] = row
                    found[clip] = one
        return found

    def recordings(self) -> dict[str, tuple[str, str]]:
        """Return session and clip of each recording that could be judged, by its sha256."""
        rows = self._run("SELECT sha256, session, clip FROM thrusts WHERE status = 'ok'")
        return {sha256: (session, clip) for sha256, session, clip in rows if sha256}

    def other_scales(self, session: str) -> set[str]:
        """Return the pain scales of the other sessions."""
        query = "SELECT DISTINCT pain_scale FROM scores JOIN thrusts ON thrust = id WHERE session <> ?"
        return {scale for (scale,) in self._run(query, (session,))}

    def patients(self) -> dict[str, tuple[str, str]]:
        """Return the pseudonym under which scores are kept, and the code of near ids, by the pseudonym of an id."""
        return {row[0]: (row[1], row[2]) for row in self._run("SELECT written, patient, near FROM patients")}

    def set_patient(self, written: str, patient: str, near: str, first_day: int | None) -> None:
        """Write a row of ``patients``; a known first day stays."""
        self._run(
            "INSERT INTO patients VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET near = excluded.near, first_day = coalesce(first_day, excluded.first_day)",
            (written, patient, near, first_day),
        )

    def thrust(self, session: str, clip: str) -> int:
        """Return the id of a thrust, which is added if it is not there."""
        row = self._run("SELECT id FROM thrusts WHERE session = ? AND clip = ?", (session, clip)).fetchone()
        if row is None:
            return int(self._run("INSERT INTO thrusts (session, clip) VALUES (?, ?)", (session, clip)).lastrowid or 0)
        return int(row[0])

    def put(self, thrust: int, part: Part, before: Values | None, now: Values | None) -> int:
        """Write a part of a thrust, None for "not there", and what it replaces to the history; return its changes."""
        table, id_, key = _TABLES[part.kind]
        columns = self._columns[part.kind]
        where = f"{id_} = ?" + (f" AND {key} = ?" if key else "")
        place = (thrust, part.key) if key else (thrust,)
        old, new = before or {}, now or {}
        changed = [column for column in columns if before is not None and old[column] != new.get(column)]
        for column in changed:
            self._keep(thrust, part, column, as_text(old[column]), as_text(new.get(column)))
        if (before is None) != (now is None):
            self._keep(thrust, part, f"+{part.kind}", *(None if row is None else "added" for row in (before, now)))
        if part.kind == "clip":
            assigned = ", ".join(f"{column} = ?" for column in columns)
            self._run(f"UPDATE thrusts SET {assigned} WHERE id = ?", (*(new.get(c) for c in columns), thrust))
        elif now is None:
            self._run(f"DELETE FROM {table} WHERE {where}", place)
        elif before is None:
            names = dict.fromkeys([id_, key, *columns])
            values = {**new, id_: thrust, key: part.key}
            marks = ", ".join("?" * len(names))
            self._run(f"INSERT INTO {table} ({_list(list(names))}) VALUES ({marks})", [values[name] for name in names])
        elif changed:
            assigned = ", ".join(f"{column} = ?" for column in changed)
            self._run(f"UPDATE {table} SET {assigned} WHERE {where}", (*(new[c] for c in changed), *place))
        return len(changed) if before is not None and now is not None else 0

    def last_run(self, session: str) -> int | None:
        """Return the number of the session's last run that was not undone; None without one."""
        query = (
            "SELECT max(id) FROM logs WHERE session = ? AND undoes IS NULL "
            "AND id NOT IN (SELECT undoes FROM logs WHERE undoes IS NOT NULL)"
        )
        found = self._run(query, (session,)).fetchone()[0]
        return None if found is None else int(found)

    def undo(self, session: str, run: int) -> Undone:
        """Take back what a run of the session changed; what it had written stays in the history."""
        self._run("UPDATE logs SET undoes = ? WHERE id = ?", (run, self._log))
        kinds: dict[str, Kind] = {column: kind for kind, columns in self._columns.items() for column in columns}
        kinds |= {f"+{kind}": kind for kind in self._columns}
        olds: dict[tuple[int, Part], dict[str, str | None]] = {}
        query = "SELECT thrust, part, field, old FROM history WHERE log = ? ORDER BY id DESC"
        for thrust, key, field, old in self._run(query, (run,)).fetchall():
            kind = kinds[field]
            olds.setdefault((thrust, CLIP if kind == "clip" else Part(kind, key)), {})[field] = old
        before = self.stored(session)
        parts = {one.id: one.parts for one in before.values()}
        n_values = 0
        # rows that were added go first: what they replaced may have the same key
        for (thrust, part), values in sorted(olds.items(), key=lambda item: f"+{item[0][1].kind}" not in item[1]):
            now = parts.get(thrust, {}).get(part)
            added = f"+{part.kind}"
            was_there = values.pop(added) is not None if added in values else now is not None
            target = {**(now or dict.fromkeys(self._columns[part.kind])), **values} if was_there else None
            if target is not None:
                target = {column: _value(part.kind, column, value) for column, value in target.items()}
            n_values += self.put(thrust, part, now, target)
        self._run("DELETE FROM patients WHERE patient NOT IN (SELECT patient FROM scores)")
        self._run(
            "UPDATE patients SET first_day = NULL "
            "WHERE written NOT IN (SELECT patient FROM scores WHERE day IS NOT NULL)"
        )
        return Undone(len(before) - len(self.stored(session)), n_values)

    def _keep(self, thrust: int, part: Part, field: str, old: str | None, new: str | None) -> None:
        query = "INSERT INTO history (log, thrust, part, field, old, new) VALUES (?, ?, ?, ?, ?, ?)"
        self._run(query, (self._log, thrust, part.key, field, old, new))


def as_text(value: Value) -> str | None:
    """Return a value as the history has it; None is "not asked"."""
    if value is None or value == "":
        return None
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _value(kind: Kind, column: str, value: Value) -> Value:
    """Return a value of the history as its column has it; values of other types are as they are."""
    if value is None and kind == "clip":
        return None
    if kind == "answer":
        number = {"answer_n_pops": int, "answer_day": int, "blind": int, "seen_p_pop": float}.get(column)
        return (value or "") if number is None else None if value is None else number(value)
    found = next((field for field in fields.FIELDS if field.name == column), None)
    if column == "own":
        return value or "{}"
    is_text = found is not None and found.kind == "text"
    if found is None or is_text or value is None or not isinstance(value, str):
        return "" if is_text and value is None else value
    return float(value) if found.kind == "number" else int(value) if found.kind == "integer" else value


@contextmanager
def writing(path: str | os.PathLike[str], pseudonyms: Pseudonyms, *, wait_s: float | None = None) -> Iterator[Writing]:
    """Open or create a journal for one transaction; an error inside leaves it as it was.

    An older journal is migrated first, and a copy of it is left beside it. Raises UsageError if the key is not the
    journal's, it is not a journal, of a newer version, in use for longer than `wait_s`, read-only, or the disk is full.
    """
    with database.opened(Path(path), pseudonyms, wait_s) as connection, database.transaction(connection):
        yield Writing(connection)


def key_check(path: str | os.PathLike[str]) -> str | None:
    """Return the check value of the study's key; None for an empty or missing journal; raises UsageError."""
    place = Path(path)
    if not database.is_begun(place):
        return None
    with database.looking(place) as connection:
        return _key_check(connection) if database.format_of(connection, place) else None


def needs_migration(path: str | os.PathLike[str]) -> int:
    """Return the format of a journal that an older version wrote; 0 for any other; raises UsageError."""
    place = Path(path)
    if not database.is_begun(place):
        return 0
    with database.looking(place) as connection:
        version = database.format_of(connection, place)
        return version if version < schema.newest_format() else 0


def records(path: str | os.PathLike[str]) -> list[dict[str, Value]]:
    """Read every line of scores, with all columns of the journal: one for each thrust and time point.

    Clips without scores are left out; scores without a clip have no label. The order is that of the sessions' first
    logging, then of logging. Keys are ``id`` (of the thrust; counts up in the order of logging), ``session``, ``file``
    (the code of the clip) and the columns of both tables; ``day`` counts from the first day that was logged for the
    patient, so that a session that is logged later never changes it; ``own`` is JSON. Raises UsageError if there is no
    journal, or `writing` would refuse it.
    """
    place = Path(path)
    database.must_be_begun(place)
    clip = ("id", "session", *clip_columns())
    scores = tuple(column for column in score_columns() if column != "day")
    rows = _rows(
        place,
        f"SELECT 'C-' || t.clip, {_list(clip, 't.')}, {_list(scores, 's.')}, s.day - p.first_day "
        "FROM thrusts AS t JOIN scores AS s ON s.thrust = t.id JOIN sessions AS n ON n.session = t.session "
        "JOIN patients AS p ON p.written = s.patient ORDER BY n.log, t.session, t.id, s.rowid",
    )
    return [dict(zip(("file", *clip, *scores, "day"), row, strict=True)) for row in rows]


def thrusts(path: str | os.PathLike[str], source: str = DETECTOR) -> list[Thrust]:
    """Read the thrusts of `records` for the analysis, one for each time point.

    What was the same at the thrust, such as pain before, may be given at one of its time points only: it counts for
    all. `Thrust.day` is 0 if no date is known.

    Parameters
    ----------
    path : path
    source : str
        Who says whether there was a pop: `DETECTOR`; ``consensus``, on which the raters agreed; or a rater, by code,
        or by name if the key is beside the journal. Clips that a source has no answer about are not judged.

    Raises
    ------
    UsageError
        As `records`, or for a source that has no answer.
    """
    names = [field.name for field in dataclasses.fields(Thrust) if field.name not in ("simulated", "own")]
    found = []
    said = _said(Path(path), source) if source != DETECTOR else None
    for record in _carried(records(path)):
        if said is not None:
            label, n_pops = said.get(int(record["id"] or 0), (None, None))
            record |= {"label": label, "n_pops": n_pops, "p_pop": None}
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


def answers(path: str | os.PathLike[str]) -> list[Answer]:
    """Read the answers of people who reviewed clips, in the order of logging; raises UsageError."""
    query = (
        "SELECT thrust, rater, answer, answer_n_pops, blind, drawn, label FROM answers "
        "JOIN thrusts ON id = thrust ORDER BY thrust, answers.rowid"
    )
    return [Answer(*row) for row in _rows(Path(path), query)]


def agreed(path: str | os.PathLike[str], *, sample: bool = False) -> dict[int, Answer]:
    """Return the answer on which people agree, by the id of the thrust.

    It is the consensus if there is one, else the answer of all raters if it is the same. With `sample`, only blind
    answers to clips that were drawn at random count, and one rater is enough; else there must be two.
    """
    of: dict[int, dict[str, Answer]] = {}
    for answer in answers(path):
        of.setdefault(answer.thrust, {})[answer.rater] = answer
    found = {}
    for thrust, said in of.items():
        settled = said.get(CONSENSUS)
        own = [one for one in said.values() if one.rater != CONSENSUS]
        if sample:
            own = [one for one in own if one.blind and one.drawn == "random"]
            if not own:
                continue
        if settled is not None:
            found[thrust] = settled
        elif len(own) >= (1 if sample else 2) and len({one.label for one in own}) == 1:
            found[thrust] = own[0]
    return found


def heard(path: str | os.PathLike[str]) -> dict[int, Answer]:
    """Return one answer of people about each reviewed clip, by the id of the thrust: the consensus, or the latest."""
    found: dict[int, Answer] = {}
    for answer in answers(path):
        if answer.thrust not in found or found[answer.thrust].rater != CONSENSUS:
            found[answer.thrust] = answer
    return found


def _said(path: Path, source: str) -> dict[int, tuple[str | None, int | None]]:
    """Return label and number of pops of a source other than the detector, by the id of the thrust."""
    if source == CONSENSUS:
        found = agreed(path)
        if found:
            return {thrust: (one.label, one.n_pops) for thrust, one in found.items()}
    given = answers(path)
    names = {source}
    key = key_beside(path)
    if key.exists():
        names.add(open_key(key).rater(source))
    own = {one.thrust: (one.label, one.n_pops) for one in given if one.rater in names and source != CONSENSUS}
    if not own:
        counts = Counter(one.rater for one in given)
        there = ", ".join([DETECTOR, *(f"{rater} ({n} answers)" for rater, n in counts.items())])
        raise UsageError(f"source {source!r}: no answer of it is in the journal; there are {there}")
    return dict(own)


def _carried(rows: list[dict[str, Value]]) -> list[dict[str, Value]]:
    """Fill in what was given at another time point of the same thrust; the first line that has it counts."""
    of_thrust: dict[Value, list[dict[str, Value]]] = {}
    for row in rows:
        of_thrust.setdefault(row["id"], []).append(row)
    for several in of_thrust.values():
        for name in several[0] if len(several) > 1 else ():
            if name in _OF_TIME_POINT:
                continue
            given = next((row[name] for row in several if row[name] not in (None, "")), None)
            for row in several:
                if given is not None and row[name] in (None, ""):
                    row[name] = given
    return rows


def recordings(path: str | os.PathLike[str]) -> dict[tuple[str, str], str]:
    """Return the sha256 of each recording, by session and code of the clip; a report finds clips by it."""
    query = "SELECT session, 'C-' || clip, sha256 FROM thrusts WHERE sha256 <> ''"
    return {(session, file): sha256 for session, file, sha256 in _rows(Path(path), query)}


def history(path: str | os.PathLike[str]) -> list[Replaced]:
    """Return every value that was ever replaced, in that order."""
    query = (
        "SELECT t.session, 'C-' || t.clip, field, old, new, day FROM history AS h JOIN thrusts AS t ON t.id = thrust "
        "JOIN logs ON logs.id = log WHERE field NOT LIKE '+%' ORDER BY h.id"
    )
    return [Replaced(*row) for row in _rows(Path(path), query)]


def _rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    if not database.is_begun(path):
        return []
    with database.reading(path) as connection:
        return connection.execute(query).fetchall()


def _key_check(connection: Connection) -> str | None:
    found = connection.execute("SELECT value FROM meta WHERE name = 'key_check'").fetchone()
    return str(found[0]) if found else None


def _list(columns: Sequence[str], prefix: str = "") -> str:
    return ", ".join(prefix + column for column in columns)
