"""Tables of the journal, and the steps that bring an older journal to the present format.

The columns of ``thrusts`` and ``scores`` are those of `popdetect.study.fields`: `Field.since` is the format that first
had the column. A journal of any format goes through all later steps; a new one goes through all. Tables are STRICT:
SQLite refuses text where a number belongs.

* ``meta``: `key_check`, by which the key is recognised.
* ``logs``: one row for each run that wrote something: day, version.
* ``sessions``: one row for each session folder, by its random code.
* ``thrusts``: one row for each clip, or score without clip (`status` is null). `clip` is a keyed code of the file's
  name; `file` is the name with ids and dates replaced.
* ``scores``: the answers, for those thrusts that have them; `own` are the clinic's own columns, as JSON.
* ``history``: each value that was replaced, and its replacement, as text; null is "not asked".

Days count from a day that only the key determines; seconds, dB and scales as in ``clips.csv`` and ``session.csv``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from popdetect.study import fields
from popdetect.study.fields import NEVER_EMPTY, SCALES, Field

if TYPE_CHECKING:
    import sqlite3

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


def newest_format() -> int:
    """Format that this version of popdetect writes."""
    return max(field.since for field in fields.FIELDS)


def step(version: int) -> tuple[str, ...]:
    """SQL statements that make format `version` ≥ 1 of the format before; format 0 is an empty file."""
    added = [field for field in fields.FIELDS if field.since == version and not field.is_key]
    if version == 1:
        columns = {table: ", ".join(_sql(f) for f in added if _table(f) == table) for table in ("thrusts", "scores")}
        return tuple(statement.format(**columns) for statement in _FIXED_TABLES)
    statements = [f"ALTER TABLE {_table(field)} ADD COLUMN {_sql(field)}" for field in added]
    if version == 2:
        statements.append("ALTER TABLE scores ADD COLUMN own TEXT NOT NULL DEFAULT '{}'")
    return tuple(statements)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a journal of format `version` to the newest one, within the caller's transaction."""
    for newer in range(version + 1, newest_format() + 1):
        for statement in step(newer):
            connection.execute(statement)
        _adopt_own_columns(connection, newer)
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
