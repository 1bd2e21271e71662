"""Tables of the journal, and the steps that bring an older journal to the present format.

The columns of ``thrusts`` and ``scores`` are those of `popdetect.study.fields`: `Field.since` is the format that first
had the column. A journal of any format goes through all later steps; a new one goes through all. Tables are STRICT:
SQLite refuses text where a number belongs.

* ``meta``: `key_check`, by which the key is recognised.
* ``logs``: one row for each run that wrote something: its day, version and session; `undoes` is the run that it took
  back.
* ``sessions``: one row for each session folder, by its random code.
* ``patients``: one row for each way of writing a patient's id, by its pseudonym; `patient` is the pseudonym under which
  the scores are kept, `near` a keyed code that ids have in common if they differ only in leading zeros, spaces and
  hyphens, `first_day` the day that exports call 0.
* ``thrusts``: one row for each clip, or score without clip (`status` is null). `clip` is a keyed code, not a name.
* ``scores``: the answers about a thrust, one row for each time point; `own` are the clinic's own columns, as JSON.
* ``answers``: what people heard in the clip: one row for each thrust and rater, or the consensus.
* ``history``: each value that was replaced, and its replacement, as text; null is "not asked". `part` is the time point
  or the rater. The field ``+clip``, ``+scores`` or ``+answer`` says that the whole row was added, or taken out.

Days of visits count from a day that the key determines for each patient. Days of logging and of answers have shifts of
their own for each run, and for each rater and session: a known day of logging says nothing about a day of a visit.
Seconds, dB and scales as in ``clips.csv`` and ``session.csv``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from popdetect.study import fields
from popdetect.study.fields import NEVER_EMPTY, SCALES, Field

if TYPE_CHECKING:
    import sqlite3

    from popdetect.study.journal.pseudonyms import Pseudonyms

APPLICATION_ID: Final = 0x706F7044  # "popD": distinguishes a journal from other SQLite files

_FIXED_TABLES: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE logs (id INTEGER PRIMARY KEY, day INTEGER NOT NULL, popdetect_version TEXT NOT NULL) STRICT",
    "CREATE TABLE sessions (session TEXT PRIMARY KEY, log INTEGER NOT NULL REFERENCES logs (id)) STRICT, WITHOUT ROWID",
    "CREATE TABLE thrusts (id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES sessions (session), "
    "clip TEXT NOT NULL, file TEXT NOT NULL, {thrusts}, UNIQUE (session, clip)) STRICT",
    "CREATE INDEX thrusts_by_sha256 ON thrusts (sha256)",
    "CREATE TABLE scores (thrust INTEGER PRIMARY KEY REFERENCES thrusts (id), {scores}) STRICT",
    "CREATE TABLE history (id INTEGER PRIMARY KEY, log INTEGER NOT NULL REFERENCES logs (id), "
    "thrust INTEGER NOT NULL REFERENCES thrusts (id), field TEXT NOT NULL, old TEXT, new TEXT) STRICT",
)


_PRIVATE: Final = 4  # the format that keeps no name of a file, and has days of their own for each patient
_FORMAT_4: Final = (
    "ALTER TABLE thrusts DROP COLUMN file",
    "CREATE TABLE patients (written TEXT PRIMARY KEY, patient TEXT NOT NULL, near TEXT NOT NULL DEFAULT '', "
    "first_day INTEGER) STRICT, WITHOUT ROWID",
    "INSERT INTO patients (written, patient, first_day) SELECT patient, patient, min(day) FROM scores GROUP BY patient",
    "CREATE TABLE scores_4 (thrust INTEGER NOT NULL REFERENCES thrusts (id), {scores}, "
    "own TEXT NOT NULL DEFAULT '{{}}', UNIQUE (thrust, time_point)) STRICT",
    "INSERT INTO scores_4 (thrust, {names}, own) SELECT thrust, {names}, own FROM scores ORDER BY thrust",
    "DROP TABLE scores",
    "ALTER TABLE scores_4 RENAME TO scores",
    "CREATE TABLE answers (thrust INTEGER NOT NULL REFERENCES thrusts (id), rater TEXT NOT NULL, "
    "answer TEXT NOT NULL CHECK (answer IN ('pop', 'no_pop', 'uncertain')), answer_n_pops INTEGER, "
    "answer_onsets_s TEXT NOT NULL, answer_day INTEGER, blind INTEGER NOT NULL CHECK (blind IN (0, 1)), "
    "drawn TEXT NOT NULL, seen_label TEXT NOT NULL, seen_p_pop REAL, seen_model TEXT NOT NULL, "
    "seen_model_sha256 TEXT NOT NULL, UNIQUE (thrust, rater)) STRICT",
    "ALTER TABLE logs ADD COLUMN session TEXT REFERENCES sessions (session)",
    "ALTER TABLE logs ADD COLUMN undoes INTEGER REFERENCES logs (id)",
    "ALTER TABLE history ADD COLUMN part TEXT NOT NULL DEFAULT ''",
    "CREATE INDEX history_by_log ON history (log)",
    # what was added before format 4 counts as added by the first run of its session
    "UPDATE history SET part = coalesce((SELECT time_point FROM scores AS s WHERE s.thrust = history.thrust), '') "
    "WHERE field IN ({quoted}, 'own')",
    "UPDATE logs SET session = (SELECT t.session FROM history AS h JOIN thrusts AS t ON t.id = h.thrust "
    "WHERE h.log = logs.id LIMIT 1)",
    "UPDATE logs SET session = (SELECT n.session FROM sessions AS n WHERE n.log = logs.id) "
    "WHERE id IN (SELECT log FROM sessions)",
    "INSERT INTO history (log, thrust, field, new) SELECT n.log, t.id, '+clip', 'added' "
    "FROM thrusts AS t JOIN sessions AS n ON n.session = t.session WHERE t.status IS NOT NULL",
    "INSERT INTO history (log, thrust, part, field, new) SELECT n.log, t.id, s.time_point, '+scores', 'added' "
    "FROM scores AS s JOIN thrusts AS t ON t.id = s.thrust JOIN sessions AS n ON n.session = t.session",
)
ANSWER_COLUMNS: Final = (
    "answer", "answer_n_pops", "answer_onsets_s", "answer_day", "blind", "drawn", "seen_label", "seen_p_pop",
    "seen_model", "seen_model_sha256",
)  # fmt: skip


def newest_format() -> int:
    """Format that this version of popdetect writes."""
    return max(_PRIVATE, *(field.since for field in fields.FIELDS))


def step(version: int) -> tuple[str, ...]:
    """SQL statements that make format `version` ≥ 1 of the format before; format 0 is an empty file."""
    added = [field for field in fields.FIELDS if field.since == version and not field.is_key]
    if version == 1:
        columns = {table: ", ".join(_sql(f) for f in added if _table(f) == table) for table in ("thrusts", "scores")}
        return tuple(statement.format(**columns) for statement in _FIXED_TABLES)
    if version == _PRIVATE:
        own = [
            field
            for field in fields.FIELDS
            if field.since <= version and not field.is_key and _table(field) == "scores"
        ]
        columns = {"scores": ", ".join(map(_sql, own)), "names": ", ".join(f.name for f in own if f.since < version)}
        columns["quoted"] = ", ".join(repr(field.name) for field in own)
        added = [field for field in added if _table(field) == "thrusts"]
        renewed = [statement.format(**columns) for statement in _FORMAT_4]
    else:
        renewed = []
    statements = [f"ALTER TABLE {_table(field)} ADD COLUMN {_sql(field)}" for field in added]
    if version == 2:
        statements.append("ALTER TABLE scores ADD COLUMN own TEXT NOT NULL DEFAULT '{}'")
    return (*statements, *renewed)


def migrate(connection: sqlite3.Connection, version: int, pseudonyms: Pseudonyms | None = None) -> None:
    """Bring a journal of format `version` to the newest one, within the caller's transaction.

    The key is needed to give the days of a journal before format 4 their shifts. Without it, the days of each patient
    count from an unknown day: enough to read the journal, not to log further sessions.
    """
    for newer in range(version + 1, newest_format() + 1):
        for statement in step(newer):
            connection.execute(statement)
        _adopt_own_columns(connection, newer)
        if newer == _PRIVATE and version and pseudonyms is not None:
            _shift_days(connection, pseudonyms)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {newest_format()}")


def _adopt_own_columns(connection: sqlite3.Connection, version: int) -> None:
    """Move values from the clinic's own columns to the fields that format `version` added under the same name.

    Before the field existed, a column of ``session.csv`` with its name was one of the clinic's own. Logging the same
    ``session.csv`` again then changes nothing. A value that the field does not allow stays where it is.
    """
    added = {
        field.column: field
        for field in fields.FIELDS
        if field.since == version > 2 and field.column and field.level != "clip" and not field.is_date
    }
    if not added:
        return
    scales = "SELECT thrust, own, pain_scale FROM scores WHERE own <> '{}'"
    for thrust, own, scale in connection.execute(scales).fetchall():
        kept, moved = json.loads(own), {}
        for header in list(kept):
            field = added.get(fields.plain_header(header))
            if field is None or field.name in moved:
                continue
            try:
                moved[field.name] = field.parse(kept[header], scale)
            except ValueError:
                continue
            del kept[header]
        for name, value in moved.items():
            connection.execute(f"UPDATE scores SET {name} = ? WHERE thrust = ?", (value, thrust))
        if moved:
            connection.execute("UPDATE scores SET own = ? WHERE thrust = ?", (own_json(kept), thrust))


def _shift_days(connection: sqlite3.Connection, pseudonyms: Pseudonyms) -> None:
    """Give the days of a journal before format 4, which all had one shift, those of format 4."""
    patients = [name for (name,) in connection.execute("SELECT DISTINCT patient FROM scores")]
    for patient in patients:
        more = pseudonyms.day_moved(patient)
        connection.execute("UPDATE scores SET day = day + ? WHERE patient = ?", (more, patient))
        connection.execute("UPDATE patients SET first_day = first_day + ? WHERE written = ?", (more, patient))
        connection.execute(
            "UPDATE history SET old = old + ?1, new = new + ?1 WHERE field = 'day' "
            "AND thrust IN (SELECT thrust FROM scores WHERE patient = ?2)",
            (more, patient),
        )
    for (run,) in connection.execute("SELECT id FROM logs").fetchall():
        connection.execute("UPDATE logs SET day = day + ? WHERE id = ?", (pseudonyms.day_moved(f"log {run}"), run))


def own_json(own: dict[str, str]) -> str:
    """The clinic's own columns as the journal keeps them: the same columns give the same text."""
    return json.dumps(own, ensure_ascii=False, sort_keys=True)


def _table(field: Field) -> str:
    return "thrusts" if field.level == "clip" else "scores"


def _sql(field: Field) -> str:
    """Name, type and limits of a column. Text of people is never null; an empty text is "not asked"."""
    kind = {"integer": "INTEGER", "number": "REAL"}.get(field.kind, "TEXT")
    if field.kind == "text" and field.level != "clip":
        kind += " NOT NULL DEFAULT ''"
    elif field.missing == NEVER_EMPTY:
        kind += " NOT NULL"
    return f"{field.name} {kind}{_check(field)}"


def _check(field: Field) -> str:
    if field.is_date:
        return ""  # counted from the key's day, not from the first of the journal as in exports
    if field.is_pain:
        (scale, (_, low)), (_, (_, high)) = SCALES.items()
        return f" CHECK ({field.name} BETWEEN 0 AND iif(pain_scale = '{scale}', {low}, {high}))"
    if field.kind == "choice":
        return f" CHECK ({field.name} IN ({', '.join(map(repr, field.choices))}))"
    if field.low is None:
        return ""
    limit = f">= {field.low:g}" if field.high is None else f"BETWEEN {field.low:g} AND {field.high:g}"
    return f" CHECK ({field.name} {limit})"
