"""What the journal's tables are, and how an older journal becomes a newer one.

`FORMAT` counts up with every change; `STEPS` has what makes format n + 1 of n, and a journal of any format goes through
all steps from there. Tables are STRICT: SQLite itself refuses a text where a number belongs.

* ``meta``: `key_check`, by which the key is known again.
* ``logs``: one row for each run that wrote something: day, version.
* ``sessions``: one row for each session folder, by its random code.
* ``thrusts``: one row for each clip, or score without clip (`status` is null). `clip` is a keyed code of the file's
  name; `file` is the name with ids and dates replaced.
* ``scores``: what was asked, for those thrusts that have it; `own` are the user's own columns, as JSON.
* ``history``: each value that was replaced, and by what, as text; null is "not asked".

Days count from a day that only the key determines; seconds, dB and scales as in ``clips.csv`` and ``session.csv``.
"""

from __future__ import annotations

from typing import Final

FORMAT: Final = 2
APPLICATION_ID: Final = 0x706F7044  # "popD": tells a journal from other SQLite files

VERDICT_COLUMNS: Final = (
    "status", "label", "p_pop", "n_pops", "first_pop_s", "last_pop_s", "snr_db", "duration_s", "sample_rate_hz",
    "channels", "quality", "model", "model_sha256", "popdetect_version", "sha256",
)  # fmt: skip
SCORE_COLUMNS: Final = (
    "patient", "day", "session_no", "thrust_no", "region", "side", "technique", "pain_before", "pain_after",
    "pain_scale", "time_point", "expects_relief", "believes_pop_needed", "pop_heard_by_patient",
    "pop_heard_by_therapist", "thrust_speed", "thrust_speed_unit", "adverse_event", "notes", "own",
)  # fmt: skip

_TABLES_1 = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE logs (id INTEGER PRIMARY KEY, day INTEGER NOT NULL, popdetect_version TEXT NOT NULL) STRICT",
    """CREATE TABLE sessions (
        session TEXT PRIMARY KEY, log INTEGER NOT NULL REFERENCES logs (id)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE thrusts (
        id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES sessions (session), clip TEXT NOT NULL,
        file TEXT NOT NULL, status TEXT, label TEXT CHECK (label IN ('pop', 'no_pop', 'uncertain')),
        p_pop REAL CHECK (p_pop BETWEEN 0 AND 1), n_pops INTEGER CHECK (n_pops >= 0), first_pop_s REAL,
        last_pop_s REAL, snr_db REAL, duration_s REAL, sample_rate_hz INTEGER, channels INTEGER, quality TEXT,
        model TEXT, model_sha256 TEXT, popdetect_version TEXT, sha256 TEXT, UNIQUE (session, clip)
    ) STRICT""",
    "CREATE INDEX thrusts_by_sha256 ON thrusts (sha256)",
    """CREATE TABLE scores (
        thrust INTEGER PRIMARY KEY REFERENCES thrusts (id), patient TEXT NOT NULL, day INTEGER, session_no INTEGER,
        thrust_no INTEGER, region TEXT NOT NULL, side TEXT NOT NULL, technique TEXT NOT NULL, pain_before REAL,
        pain_after REAL, pain_scale TEXT NOT NULL CHECK (pain_scale IN ('NPRS', 'VAS100')), time_point TEXT NOT NULL,
        expects_relief REAL CHECK (expects_relief BETWEEN 0 AND 10),
        believes_pop_needed INTEGER CHECK (believes_pop_needed BETWEEN 1 AND 5),
        pop_heard_by_patient TEXT CHECK (pop_heard_by_patient IN ('yes', 'no', 'unsure')),
        pop_heard_by_therapist TEXT CHECK (pop_heard_by_therapist IN ('yes', 'no', 'unsure')),
        thrust_speed REAL CHECK (thrust_speed >= 0), adverse_event TEXT NOT NULL, notes TEXT NOT NULL,
        CHECK (pain_before BETWEEN 0 AND iif(pain_scale = 'NPRS', 10, 100)),
        CHECK (pain_after BETWEEN 0 AND iif(pain_scale = 'NPRS', 10, 100))
    ) STRICT""",
    """CREATE TABLE history (
        id INTEGER PRIMARY KEY, log INTEGER NOT NULL REFERENCES logs (id),
        thrust INTEGER NOT NULL REFERENCES thrusts (id), field TEXT NOT NULL, old TEXT, new TEXT
    ) STRICT""",
)

# STEPS[n]: from format n to n + 1; format 0 is an empty file
STEPS: Final[tuple[tuple[str, ...], ...]] = (
    _TABLES_1,
    (
        # the unit of the speed, which 1 took for granted, and the user's own columns, which it left out
        "ALTER TABLE scores ADD COLUMN thrust_speed_unit TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE scores ADD COLUMN own TEXT NOT NULL DEFAULT '{}'",
    ),
)
