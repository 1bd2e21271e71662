"""A labelled session and its scores into the journal: the one call behind ``log``.

Decides what belongs together (the file's name), what is new, what has changed, and what of it all may be kept. A clip
without scores and a score without a clip are kept and named. A value that differs from the journal's is written only
where asked for, and the old one stays in the journal's history.

A session's folder is known again by a random code in ``DIR/popdetect/session_id.txt``, wherever it is moved.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

from popdetect.errors import NothingFound, TableError, UsageError
from popdetect.records import LABELS
from popdetect.sessions.files import OUT_NAME, read_bytes, readable, write_text
from popdetect.sessions.tables import Row, read_table
from popdetect.study import cells, journal
from popdetect.study.mentions import Mentions
from popdetect.study.pseudonyms import Pseudonyms, key_beside, make_key, new_code, open_key
from popdetect.study.schema import SCORE_COLUMNS, VERDICT_COLUMNS
from popdetect.study.session_table import NAME, RULES, Scores, SessionTable, clip_name, read_session_table

CODE_FILE = "session_id.txt"
_CODE = re.compile(r"S-[0-9a-z]{8}")
_INTEGERS = frozenset({"n_pops", "sample_rate_hz", "channels"})
_REALS = frozenset({"p_pop", "first_pop_s", "last_pop_s", "snr_db", "duration_s"})
_N = TypeVar("_N", int, float)
# headers of own columns that are likely to tell who somebody is; in English and German
_PERSONAL = re.compile(
    r"name|birth|geburt|\bdob\b|address|adresse|phone|telefon|mobile|handy|mail|street|stra(ss|ß)e|zip|plz|postcode"
    r"|insur|versich|passport|\bmrn\b|\bssn\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs from the journal's, as shown on this computer; None is "not asked"."""

    file: str
    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Logged:
    """What a run did, or would have done.

    Attributes
    ----------
    journal : Path
    session : str
        The session's code in the journal.
    n_thrusts, n_new : int
        In the session's folder; of those, not in the journal before.
    n_filled : int
        In the journal before, and now with scores, or a verdict, that they did not have.
    changes : tuple of Change
    written : bool
        False where changes wait for `update`: then nothing was written, the new thrusts neither.
    clips_without_scores, scores_without_clips : tuple of str
        Files.
    nearest : mapping of str to str
        The clip that may be meant by a file without a clip, for the first few.
    gone : tuple of str
        Files that are in the journal but no longer in the folder; they stay in the journal.
    own_columns, left_out : tuple of str
        Columns of the user's own that are kept; columns that are not, and why.
    hints : tuple of str
        What may not be as it was meant.
    key : Path
    key_made : bool
    """

    journal: Path
    session: str
    n_thrusts: int
    n_new: int
    n_filled: int
    changes: tuple[Change, ...]
    written: bool
    clips_without_scores: tuple[str, ...]
    scores_without_clips: tuple[str, ...]
    nearest: Mapping[str, str]
    gone: tuple[str, ...]
    own_columns: tuple[str, ...]
    left_out: tuple[str, ...]
    hints: tuple[str, ...]
    key: Path
    key_made: bool


@dataclass(frozen=True, slots=True)
class _Entry:
    """One file of the session: its name here and in the journal, and what is known of it."""

    name: str
    file: str
    verdict: Mapping[str, journal.Value] | None
    scores: Mapping[str, journal.Value] | None


def log(
    folder: str | os.PathLike[str],
    journal_path: str | os.PathLike[str],
    *,
    update: bool = False,
    key: str | os.PathLike[str] | None = None,
    with_notes: bool = False,
) -> Logged:
    """Join ``DIR/popdetect/clips.csv`` with ``DIR/session.csv`` into the journal, in one transaction.

    Parameters
    ----------
    folder : path
        A labelled session.
    journal_path : path
        Made if it is not there.
    update : bool
        Write changed values too. Without it, any change means that nothing at all is written.
    key : path, optional
        The study's key; beside the journal by default, and made on first use.
    with_notes : bool
        Keep the column ``notes`` too. Free text easily holds a name, so it stays out unless asked for.

    Returns
    -------
    Logged

    Raises
    ------
    TableError
        With all problems of ``session.csv``, or the first of ``clips.csv``.
    UsageError
        When the session is not labelled, the journal or the key cannot be used, or the recordings are in the journal
        already as another session.
    NothingFound
        When not one line of ``session.csv`` is filled in.
    """
    root, place = Path(folder), Path(journal_path)
    verdicts = _read_verdicts(root)
    table = _read_scores(root)
    key_path = Path(key) if key is not None else key_beside(place)
    key_check = journal.key_check(place)
    if key_path.resolve() == place.resolve():
        raise UsageError(f"{place}: cannot be both the journal and its key; name the journal STUDY.db")
    if key_check is not None and not os.path.lexists(key_path):
        raise UsageError(
            f"{key_path}: the key of this journal is not there; name it with --key FILE (with another key, patients "
            "would not be recognised)"
        )
    if not place.parent.is_dir():
        raise UsageError(f"{place}: there is no folder {place.parent} to keep it in")
    key_made = make_key(key_path)
    pseudonyms = open_key(key_path)
    own, left_out = _own_columns(table, with_notes)
    with journal.writing(place) as book:
        if book.key_check not in (None, pseudonyms.check):
            raise UsageError(
                f"{key_path}: not the key that {place} was begun with; name that with --key FILE (with another key, "
                "patients would not be recognised)"
            )
        session = _session_code(root, verdicts, book)
        stored = book.stored(session)
        entries = _entries(verdicts, table, pseudonyms, own, with_notes)
        clips = {pseudonyms.clip(session, name): entry for name, entry in entries.items()}
        if not with_notes:
            clips = {clip: _with_notes_of(entry, stored.get(clip)) for clip, entry in clips.items()}
        _refuse_twice(clips, stored, book, session)
        hints = [*table.hints, *_hints(verdicts, entries, table, book.other_scales(session))]
        changes = [change for clip in clips if clip in stored for change in _changes(clips[clip], stored[clip])]
        new = [clip for clip in clips if clip not in stored]
        filled = [clip for clip in clips if clip in stored and _fills(clips[clip], stored[clip])]
        renamed = [clip for clip in clips if clip in stored and clips[clip].file != stored[clip].file]
        written = update or not changes
        if written and (changes or new or filled or renamed):
            book.begin(pseudonyms.check, session, pseudonyms.day(datetime.now(UTC).date()))
            _write(book, session, clips, stored)
        gone = sorted(stored[clip].file for clip in stored.keys() - clips.keys())
    without_scores = [name for name, entry in entries.items() if entry.scores is None]
    without_clips = [name for name, entry in entries.items() if entry.verdict is None]
    return Logged(
        journal=place,
        session=session,
        n_thrusts=len(entries),
        n_new=len(new),
        n_filled=len(filled),
        changes=tuple(_shown(change, pseudonyms) for change in changes),
        written=written,
        clips_without_scores=tuple(without_scores),
        scores_without_clips=tuple(without_clips),
        nearest=_nearest(without_clips, without_scores),
        gone=tuple(gone),
        own_columns=tuple(own),
        left_out=tuple(left_out),
        hints=tuple(hints),
        key=key_path,
        key_made=key_made,
    )


# --- what the folder says -------------------------------------------------------------------------------------------


def _read_verdicts(root: Path) -> dict[str, Row]:
    path = root / OUT_NAME / "clips.csv"
    if not root.is_dir():
        raise UsageError(f"{readable(str(root))}: no such folder; the folder of a labelled session is expected")
    if not path.exists():
        raise UsageError(f"{path}: not there; label the session first: popdetect label {root}")
    table = read_table(path)
    missing = [column for column in ("file", "status", "label", "p_pop") if column not in table.columns]
    if missing:
        raise TableError(f"{path}:1: no column {', '.join(missing)}; this is not what `popdetect label` wrote")
    found: dict[str, Row] = {}
    for line, row in zip(table.lines, table.rows, strict=True):
        if row["label"] not in ("", *LABELS):
            raise TableError(f"{path}:{line}: label: {row['label']!r}: {', '.join(LABELS)} or nothing is allowed")
        found[clip_name(row["file"])] = {column: row.get(column, "") for column in VERDICT_COLUMNS} | {"at": str(line)}
    return found


def _read_scores(root: Path) -> SessionTable:
    path = root / NAME
    if not path.exists():
        raise UsageError(f"{path}: not there; `popdetect log --init {root}` makes one, with a line for each clip")
    table = read_session_table(path)
    if not table.rows:
        raise NothingFound(f"{path}: no line is filled in; write at least patient_id, pain_before and pain_after")
    return table


def _own_columns(table: SessionTable, with_notes: bool) -> tuple[list[str], list[str]]:
    """Columns of the user's own that are kept, and those that are not, with why."""
    kept, left_out = [], []
    values: dict[str, list[str]] = {}
    for row in table.rows:
        for column, cell in row.own.items():
            values.setdefault(column, []).append(cell)
    for column, said in sorted(values.items()):
        if _PERSONAL.search(column):
            left_out.append(f"{column} (may tell who somebody is; rename it if it does not)")
        elif any(cells.looks_like_a_date(cell) for cell in said):
            left_out.append(f"{column} (holds dates; the journal keeps days from the column date only)")
        else:
            kept.append(column)
    if not with_notes and any(row.values["notes"] for row in table.rows):
        left_out.append("notes (free text may hold names; --with-notes keeps it)")
    return kept, left_out


def _entries(
    verdicts: Mapping[str, Row], table: SessionTable, pseudonyms: Pseudonyms, own: Sequence[str], with_notes: bool
) -> dict[str, _Entry]:
    """Every file of the session, in the order of names: that of rows must not matter."""
    asked = {row.file: row for row in table.rows}
    everybody = sorted({row.patient_id for row in table.rows}, key=lambda patient: (-len(patient), patient))
    # a note may name another patient; an id that may be any number is taken for one only in its own rows
    telling = Mentions([patient for patient in everybody if pseudonyms.is_telling(patient)])
    anybody = Mentions(everybody)
    found: dict[str, _Entry] = {}
    files: Counter[str] = Counter()
    for name in sorted(verdicts.keys() | asked.keys()):
        row = asked.get(name)
        file = pseudonyms.redacted(name, [row.patient_id] if row is not None else anybody.within(name))
        files[file] += 1
        if files[file] > 1:  # "p01.wav" and "P01.wav" of patient P01
            file = f"{file} ({files[file]})"
        verdict = _verdict(verdicts[name]) if name in verdicts else None
        scores = _scores(row, table, pseudonyms, telling, own, with_notes) if row is not None else None
        found[name] = _Entry(name, file, verdict, scores)
    return found


def _verdict(row: Row) -> dict[str, journal.Value]:
    """A row of ``clips.csv`` in numbers. Its `error` stays out: it may name places on this computer."""
    values: dict[str, journal.Value] = {}
    for column in VERDICT_COLUMNS:
        cell = row[column]
        try:
            if column in _INTEGERS:
                values[column] = _finite(int(cell)) if cell else None
            elif column in _REALS:
                values[column] = _finite(float(cell)) if cell else None
            else:
                values[column] = cell or ("" if column != "label" else None)
        except ValueError:
            raise TableError(
                f"{OUT_NAME}/clips.csv:{row['at']}: {column}: {cell!r}: a number is expected; label again"
            ) from None
    return values


def _finite(value: _N) -> _N:
    if not abs(value) < 1e15:
        raise ValueError
    return value


def _scores(
    row: Scores,
    table: SessionTable,
    pseudonyms: Pseudonyms,
    telling: Mentions,
    own: Sequence[str],
    with_notes: bool,
) -> dict[str, journal.Value]:
    def redacted(text: str) -> str:
        return pseudonyms.redacted(text, [row.patient_id, *telling.within(text)]) if text else ""

    values: dict[str, journal.Value] = {}
    for column in SCORE_COLUMNS:
        value = row.values.get(column)
        if RULES.get(column) is cells.text:
            value = redacted(str(value or ""))
        values[column] = value if isinstance(value, str | int | float) else None
    when = row.values["date"]
    values["day"] = pseudonyms.day(when) if isinstance(when, date) else None
    values["patient"] = pseudonyms.patient(row.patient_id)
    values["pain_scale"] = table.pain_scale
    values["thrust_speed_unit"] = table.thrust_speed_unit if values["thrust_speed"] is not None else ""
    if not with_notes:
        values["notes"] = ""
    kept = {column: redacted(row.own[column]) for column in own if column in row.own}
    values["own"] = json.dumps(kept, ensure_ascii=False, sort_keys=True)
    return values


# --- beside what the journal says -----------------------------------------------------------------------------------


def _session_code(root: Path, verdicts: Mapping[str, Row], book: journal.Writing) -> str:
    """The code of the session's folder: its own, or what its recordings are known by, or a new one."""
    path = root / OUT_NAME / CODE_FILE
    if not path.exists():
        known = book.recordings()
        heard = [row["sha256"] for row in verdicts.values() if row["status"] == "ok"]
        seen = Counter(known[sha256][0] for sha256 in heard if sha256 in known)
        code, n_seen = seen.most_common(1)[0] if seen else ("", 0)
        # most of it is known: the folder popdetect was deleted and made again; a few are another session's
        code = code if 2 * n_seen > len(heard) else new_code("S")
        write_text(path, f"{code}\n")
        return code
    text = read_bytes(path).decode("utf-8", "replace").strip()
    if not _CODE.fullmatch(text):
        raise UsageError(
            f"{path}: {text[:20]!r}: a code such as S-7f3a9c2e is expected; delete the file to get another"
        )
    return text


def _refuse_twice(
    clips: Mapping[str, _Entry], stored: Mapping[str, journal.Stored], book: journal.Writing, session: str
) -> None:
    """No recording counts as two thrusts: of a copied folder, or of a renamed file."""
    known = book.recordings()
    copied: dict[str, int] = {}
    for clip, entry in clips.items():
        verdict = entry.verdict
        if clip in stored or verdict is None or verdict["status"] != "ok":
            continue
        where, which = known.get(str(verdict["sha256"]), (None, ""))
        if where == session and (which not in clips or clips[which].verdict is None):
            raise UsageError(
                f"{entry.name}: this recording is in the journal as {stored[which].file}; a renamed clip would count "
                "twice: give it its old name again"
            )
        if where is not None and where != session:
            copied[where] = copied.get(where, 0) + 1
    for other, n in copied.items():
        raise UsageError(
            f"{n} of these recordings {'are' if n > 1 else 'is'} in the journal already, as session {other}; they "
            "would count twice. Log the folder they come from, or take them out of this one and label it again"
        )


def _with_notes_of(entry: _Entry, stored: journal.Stored | None) -> _Entry:
    """Notes that are not to be read are not to be deleted either."""
    if entry.scores is None or stored is None or stored.scores is None:
        return entry
    return replace(entry, scores={**entry.scores, "notes": stored.scores["notes"]})


def _changes(entry: _Entry, stored: journal.Stored) -> list[Change]:
    found = []
    for now, before in ((entry.verdict, stored.verdict), (entry.scores, stored.scores)):
        if now is None or before is None:
            continue
        for field, old in before.items():
            if now[field] != old:
                found.append(Change(entry.name, field, _text(old), _text(now[field])))
    return found


def _fills(entry: _Entry, stored: journal.Stored) -> bool:
    scored = entry.scores is not None and stored.scores is None
    return scored or (entry.verdict is not None and stored.verdict is None)


def _write(
    book: journal.Writing, session: str, clips: Mapping[str, _Entry], stored: Mapping[str, journal.Stored]
) -> None:
    for clip, entry in clips.items():
        before = stored.get(clip)
        thrust = before.id if before is not None else book.add(session, clip, entry.file)
        if before is not None and before.file != entry.file:
            book.rename(thrust, entry.file)
        for change in _changes(entry, before) if before is not None else ():
            book.keep(thrust, change.field, change.old, change.new)
        if entry.verdict is not None and (before is None or entry.verdict != before.verdict):
            book.set_verdict(thrust, entry.verdict)
        if entry.scores is not None and (before is None or entry.scores != before.scores):
            book.set_scores(thrust, entry.scores)


def _text(value: journal.Value) -> str | None:
    if value is None or value == "":
        return None
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _shown(change: Change, pseudonyms: Pseudonyms) -> Change:
    """Days as dates: whoever holds the key may see them."""
    if change.field != "day":
        return change
    old, new = (None if day is None else pseudonyms.date(int(day)).isoformat() for day in (change.old, change.new))
    return Change(change.file, "date", old, new)


def _hints(
    verdicts: Mapping[str, Row], entries: Mapping[str, _Entry], table: SessionTable, others: set[str]
) -> Iterable[str]:
    redacted = [entry for entry in entries.values() if entry.file != entry.name]
    if redacted:
        yield (
            f"{len(redacted)} names of files hold a patient's id or a date; in the journal {redacted[0].name} reads "
            f"{redacted[0].file}"
        )
    if others and table.pain_scale not in others:
        yield (
            f"pain is on {table.pain_scale} here and on {', '.join(sorted(others))} in the journal's other sessions; "
            "the two are never compared with each other"
        )
    seen: dict[str, str] = {}
    for name, row in sorted(verdicts.items()):
        if row["status"] == "ok" and row["sha256"]:
            first = seen.setdefault(row["sha256"], name)
            if first != name:
                yield f"{name} is the same recording as {first}; it counts as a thrust of its own"


def _nearest(names: Sequence[str], candidates: Sequence[str]) -> dict[str, str]:
    """Which clip may be meant; a few are enough to see what went wrong, and comparing takes long."""
    few = list(candidates[:500])
    near = {name: difflib.get_close_matches(name, few, 1, 0.6) for name in names[:5]}
    return {name: found[0] for name, found in near.items() if found}
