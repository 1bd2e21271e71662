"""Log a labelled session and its scores in the journal, and take a session's last log back.

Clips and scores are joined by the file's name. A clip without scores and a score without a clip are kept and reported;
a score without a clip leaves the journal when the table has its line no more. A value that differs from the journal's
is written only on request, and the old one stays in the journal's history.

A session's folder is recognised by a random code in ``DIR/popdetect/session_id.txt``, also after it was moved.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from popdetect.errors import UsageError
from popdetect.session.clips import LabelledClip
from popdetect.session.files import OUT_NAME, read_bytes, readable, write_text
from popdetect.session.session import Session
from popdetect.study.fields import Value
from popdetect.study.journal import database, journal
from popdetect.study.journal.clip_names import clip_name, nearest
from popdetect.study.journal.free_text import A_NAME, looks_like, path_names
from popdetect.study.journal.journal import CLIP, Part, as_text
from popdetect.study.journal.patients import Ids, Patient, patients_of
from popdetect.study.journal.pseudonyms import Pseudonyms, key_beside, make_key, new_code, open_key
from popdetect.study.journal.session_folder import Entry, answers_of, entries_of, own_columns, read_scores, with_clips
from popdetect.study.journal.session_table import SessionRow, SessionTable, table_of

CODE_FILE = "session_id.txt"
_CODE = re.compile(r"S-[0-9a-z]{8}")
# columns of free text in which other things than names, dates and ids are expected
_FREE_TEXT = ("region", "side", "technique", "time_point", "adverse_event", "notes")


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs from the journal's, as shown on this computer; None is "not asked"."""

    file: str
    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Logged:
    """The result of a run; files are named as in the session's folder."""

    journal: Path
    session: str  # the session's code in the journal
    n_thrusts: int  # in the session's folder
    n_new: int  # thrusts that were not in the journal before
    n_filled: int  # thrusts in the journal that got scores or a verdict that they did not have before
    changes: tuple[Change, ...]
    written: bool  # False if there are changes and no `update`: then nothing was written, not even new thrusts
    clips_without_scores: tuple[str, ...]
    scores_without_clips: tuple[str, ...]
    nearest: Mapping[str, str]  # most similar clip for the first few files without a clip
    gone: tuple[str, ...]  # codes of clips that are no longer in the folder; they stay in the journal
    own_columns: tuple[str, ...]  # the clinic's own columns that are kept
    left_out: tuple[str, ...]  # those that are not, with the reason
    hints: tuple[str, ...]  # possible mistakes in the session, and what may identify a patient
    key: Path
    key_made: bool
    n_removed: int = 0  # scores without a clip that the table has no more; they left the journal
    n_answers: int = 0  # answers of the review that were new or changed
    raters: Mapping[str, str] = field(default_factory=dict)  # codes in the journal of those who reviewed clips, by name


@dataclass(frozen=True, slots=True)
class TakenBack:
    """The result of `undo`."""

    journal: Path
    session: str
    n_removed: int  # thrusts that are in the journal no more
    n_restored: int  # values of other thrusts that are as before
    n_left: int  # thrusts of the session that are still in the journal


def log(
    folder: str | os.PathLike[str],
    journal_path: str | os.PathLike[str],
    *,
    update: bool = False,
    key: str | os.PathLike[str] | None = None,
    with_notes: bool = False,
    ids: Ids | None = None,
) -> Logged:
    """Join a labelled session with its ``session.csv`` into the journal, in one transaction.

    Parameters
    ----------
    folder : path
        A labelled session.
    journal_path : path
        Created if it does not exist.
    update : bool
        Write changed values, too. Without it, nothing at all is written if any value changed.
    key : path, optional
        The study's key; beside the journal by default, and made on first use.
    with_notes : bool
        Keep the column ``notes``, too. It is left out by default, because free text may hold names.
    ids : {"same", "different"}, optional
        Whether patient ids that differ only in leading zeros, spaces and hyphens are the same patient.

    Raises
    ------
    TableError
        With all problems of ``session.csv``, or the first one of ``clips.csv``.
    UsageError
        If the session is not labelled, no line of the table is of a clip, patient ids are nearly alike and `ids` is not
        given, the journal or the key cannot be used, or the recordings are in the journal already as another session.
    NothingFound
        If no line of ``session.csv`` is filled in.
    """
    root, place = Path(folder), Path(journal_path)
    read = Session.read(root)
    verdicts = {clip_name(clip.file): clip for clip in read.clips}
    table = with_clips(read_scores(root), root, verdicts)
    where = readable(str(table_of(root)))
    key_path = _key_path(place, key)
    older = journal.needs_migration(place)
    key_made = make_key(key_path)
    pseudonyms = open_key(key_path)
    _must_fit(key_path, place, pseudonyms)
    patient_ids = {row.patient_id for row in table.rows}
    if not database.is_begun(place):
        patients_of(patient_ids, {}, pseudonyms, ids, where)  # before a journal is made
    own, left_out = own_columns(table, with_notes)
    with journal.writing(place, pseudonyms) as book:
        _must_fit(key_path, place, pseudonyms, book.key_check)
        known = book.patients()
        patients = patients_of(patient_ids, known, pseudonyms, ids, where)
        session = _session_code(root, verdicts, book)
        stored = book.stored(session)
        entries, scored = entries_of(verdicts, table, pseudonyms, patients, own, with_notes)
        answers, raters = answers_of(read.corrections, pseudonyms, session)
        entries = {
            name: replace(entry, parts={**entry.parts, **answers.get(name, {})}) for name, entry in entries.items()
        }
        clips = {pseudonyms.clip(session, name): entry for name, entry in entries.items()}
        if not answers:
            clips = {clip: _with_answers_of(entry, stored.get(clip)) for clip, entry in clips.items()}
        if not with_notes:
            clips = {clip: _with_notes_of(entry, stored.get(clip)) for clip, entry in clips.items()}
        _refuse_twice(clips, stored, book, session)
        hints = [*table.hints, *_hints(verdicts, table, book.other_scales(session))]
        hints += _identifying(scored, patients, known, pseudonyms)
        both = [(entry, stored[clip]) for clip, entry in clips.items() if clip in stored]
        changes = [change for entry, before in both for change in _changes(entry, before, pseudonyms)]
        n_new = len(clips) - len(both)
        n_filled = sum(_fills(entry, before) for entry, before in both)
        removed = [one for clip, one in stored.items() if clip not in clips and CLIP not in one.parts]
        is_new = changes or n_new or n_filled or removed or any(_differs(entry, before) for entry, before in both)
        written = update or not changes
        n_answers = sum(_n_answers(entry, stored.get(clip)) for clip, entry in clips.items())
        if written and is_new:
            today = datetime.now(UTC).date()
            run = book.begin(pseudonyms.check, session, lambda run: pseudonyms.day(today, f"log {run}"))
            _write(book, session, run, clips, stored)
            _write_patients(book, patients, entries)
        gone = sorted(f"C-{clip}" for clip, one in stored.items() if clip not in clips and CLIP in one.parts)
    lost = answers.keys() - verdicts.keys()
    if lost:
        hints.append(f"corrections.csv has answers about {len(lost)} clips that are not in the session: {min(lost)}")
    if older:
        hints.append(
            f"the journal was of format {older}, and names of files were in it; they are in its copy "
            f"{place.stem}.format{older}{place.suffix} still: delete that when you do not need it"
        )
    if database.others_may_read(place):
        hints.append(f"other users of this computer can read the journal; run: chmod 600 {readable(str(place))}")
    without_scores = [name for name, entry in entries.items() if not entry.scores]
    without_clips = [name for name, entry in entries.items() if CLIP not in entry.parts]
    return Logged(
        journal=place,
        session=session,
        n_thrusts=len(entries),
        n_new=n_new,
        n_filled=n_filled,
        changes=tuple(changes),
        written=written,
        clips_without_scores=tuple(without_scores),
        scores_without_clips=tuple(without_clips),
        nearest=nearest(without_clips, without_scores),
        gone=tuple(gone),
        own_columns=tuple(own),
        left_out=tuple(left_out),
        hints=tuple(hints),
        key=key_path,
        key_made=key_made,
        n_removed=len(removed) if written else 0,
        n_answers=n_answers if written else 0,
        raters=raters,
    )


def undo(
    folder: str | os.PathLike[str], journal_path: str | os.PathLike[str], *, key: str | os.PathLike[str] | None = None
) -> TakenBack:
    """Take the last log of a session back; what it had written stays in the journal's history.

    Done again, it takes back the log before. Parameters as of `log`.

    Raises
    ------
    UsageError
        If the session is not labelled or not in the journal, or the journal or the key cannot be used.
    """
    root, place = Path(folder), Path(journal_path)
    verdicts = {clip_name(clip.file): clip for clip in Session.read(root).clips}
    database.must_be_begun(place)
    key_path = _key_path(place, key)
    pseudonyms = open_key(key_path)
    _must_fit(key_path, place, pseudonyms)
    with journal.writing(place, pseudonyms) as book:
        session = _session_code(root, verdicts, book, make=False)
        run = book.last_run(session) if session else None
        if run is None:
            raise UsageError(
                f"{readable(str(root))}: nothing of this session is in {readable(str(place))} to take back"
            )
        today = datetime.now(UTC).date()
        book.begin(pseudonyms.check, session, lambda run: pseudonyms.day(today, f"log {run}"))
        done = book.undo(session, run)
        n_left = len(book.stored(session))
    return TakenBack(place, session, done.n_thrusts, done.n_values, n_left)


def _key_path(place: Path, key: str | os.PathLike[str] | None) -> Path:
    """Return the place of the key; raises UsageError if the journal has another one, or cannot be there."""
    path = Path(key) if key is not None else key_beside(place)
    begun = journal.key_check(place) is not None
    if path.resolve() == place.resolve():
        raise UsageError(f"{place}: cannot be both the journal and its key; name the journal STUDY.db")
    if begun and not os.path.lexists(path):
        raise UsageError(
            f"{path}: the key of this journal does not exist; name it with --key FILE (with another key, patients "
            "would not be recognised)"
        )
    if not place.parent.is_dir():
        raise UsageError(f"{place}: there is no folder {place.parent} to keep it in")
    return path


def _must_fit(key_path: Path, place: Path, pseudonyms: Pseudonyms, check: str | None = None) -> None:
    """Raise UsageError if the journal was begun with another key."""
    if (check or journal.key_check(place)) not in (None, pseudonyms.check):
        raise UsageError(
            f"{key_path}: not the key that {place} was begun with; name that with --key FILE (with another key, "
            "patients would not be recognised)"
        )


# --- comparison with the journal -------------------------------------------------------------------------------------


def _session_code(root: Path, verdicts: Mapping[str, LabelledClip], book: journal.Writing, *, make: bool = True) -> str:
    """Return the session's code: that of its folder, or of its recordings in the journal, or a new one.

    Without `make` it is empty instead of a new one.
    """
    path = root / OUT_NAME / CODE_FILE
    if not path.exists():
        known = book.recordings()
        heard = [clip.sha256 for clip in verdicts.values() if clip.status == "ok"]
        seen = Counter(known[sha256][0] for sha256 in heard if sha256 in known)
        code, n_seen = seen.most_common(1)[0] if seen else ("", 0)
        # most are known: the folder `popdetect` was deleted and made again; a few belong to another session
        code = code if 2 * n_seen > len(heard) else new_code("S") if make else ""
        if code:
            write_text(path, f"{code}\n")
        return code
    text = read_bytes(path).decode("utf-8", "replace").strip()
    if not _CODE.fullmatch(text):
        raise UsageError(
            f"{path}: {text[:20]!r}: a code such as S-7f3a9c2e is expected; delete the file to get another"
        )
    return text


def _refuse_twice(
    clips: Mapping[str, Entry], stored: Mapping[str, journal.Stored], book: journal.Writing, session: str
) -> None:
    """Refuse a recording that is in the journal already, from a copied folder or under another name."""
    known = book.recordings()
    copied: Counter[str] = Counter()
    for clip, entry in clips.items():
        verdict = entry.parts.get(CLIP)
        is_there = clip in stored and CLIP in stored[clip].parts
        if is_there or verdict is None or verdict["status"] != "ok":
            continue
        where, which = known.get(str(verdict["sha256"]), (None, ""))
        if where == session and (which not in clips or CLIP not in clips[which].parts):
            raise UsageError(
                f"{entry.name}: this recording is in the journal under another name (as clip C-{which}); a renamed "
                "clip would count twice: give it its old name again, or take the session's log back with --undo first"
            )
        if where is not None and where != session:
            copied[where] += 1
    for other, n in copied.items():
        raise UsageError(
            f"{n} of these recordings {'are' if n > 1 else 'is'} in the journal already, as session {other}; they "
            "would count twice. Log the folder they come from, or take them out of this one and label it again"
        )


def _with_notes_of(entry: Entry, stored: journal.Stored | None) -> Entry:
    """Keep the journal's notes if notes are not read."""
    if stored is None:
        return entry
    kept = {
        part: {**values, "notes": stored.parts[part]["notes"]}
        for part, values in entry.scores.items()
        if part in stored.parts
    }
    return replace(entry, parts={**entry.parts, **kept})


def _with_answers_of(entry: Entry, stored: journal.Stored | None) -> Entry:
    """Keep the journal's answers if the session has no review any more."""
    kept = {part: row for part, row in stored.parts.items() if part.kind == "answer"} if stored is not None else {}
    return replace(entry, parts={**entry.parts, **kept})


def _n_answers(entry: Entry, stored: journal.Stored | None) -> int:
    """Return how many answers of the review are new or changed."""
    before = stored.parts if stored is not None else {}
    return sum(part.kind == "answer" and before.get(part) != row for part, row in entry.parts.items())


def _pairs(entry: Entry, stored: journal.Stored) -> list[tuple[Part, Part]]:
    """Return the parts of the journal and of the session that are the same; a line may have another time point now."""
    own, there = entry.scores, [part for part in stored.parts if part.kind == "scores"]
    pairs = [(part, part) for part in entry.parts if part in stored.parts]
    left, new = [part for part in there if part not in own], [part for part in own if part not in there]
    return [*pairs, (left[0], new[0])] if len(left) == len(new) == 1 else pairs


def _changes(entry: Entry, stored: journal.Stored, pseudonyms: Pseudonyms) -> list[Change]:
    """Return the values that differ, with days as dates, which the owner of the key may see."""
    found = []
    pairs = _pairs(entry, stored)
    for old_part, new_part in pairs:
        if old_part.kind == "answer":
            continue  # a review goes on: later answers are no mistakes
        old, new = stored.parts[old_part], entry.parts[new_part]
        for column, value in old.items():
            before, now = as_text(value), as_text(new[column])
            name = column
            if column == "day":
                name = "date"
                before, now = (_date(row, pseudonyms) for row in (old, new))
            if before != now:
                found.append(Change(entry.name, name, before, now))
    for part in _left_over(entry, stored):
        found.append(Change(entry.name, "time_point", part.key or None, None))
    return found


def _left_over(entry: Entry, stored: journal.Stored) -> list[Part]:
    """Return the lines of the journal that the table has no more, although it has others about the clip."""
    paired = [old for old, _ in _pairs(entry, stored)]
    return [part for part in stored.parts if part.kind == "scores" and part not in paired and entry.scores]


def _date(row: Mapping[str, Value], pseudonyms: Pseudonyms) -> str | None:
    day = row["day"]
    return None if day is None else pseudonyms.date(int(day), str(row["patient"])).isoformat()


def _fills(entry: Entry, stored: journal.Stored) -> bool:
    paired = [new for _, new in _pairs(entry, stored)]
    return any(part not in paired for part in entry.parts if part.kind != "answer")


def _differs(entry: Entry, stored: journal.Stored) -> bool:
    """Return whether the answers of the review are other ones now."""
    own, there = (
        {part: values for part, values in one.parts.items() if part.kind == "answer"} for one in (entry, stored)
    )
    return own != there


def _write(
    book: journal.Writing,
    session: str,
    run: int,
    clips: Mapping[str, Entry],
    stored: Mapping[str, journal.Stored],
) -> None:
    for clip, entry in clips.items():
        before = stored[clip].parts if clip in stored else {}
        thrust = stored[clip].id if clip in stored else book.thrust(session, clip)
        asked = bool(entry.scores)
        for part, values in before.items():
            if part not in entry.parts and (part.kind == "answer" or (part.kind == "scores" and asked)):
                book.put(thrust, part, values, None)
        for part, now in entry.parts.items():
            if before.get(part) != now:
                book.put(thrust, part, before.get(part), now)
    for clip, one in stored.items():
        if clip not in clips and CLIP not in one.parts:
            for part, values in one.parts.items():
                book.put(one.id, part, values, None)


def _write_patients(book: journal.Writing, patients: Mapping[str, Patient], entries: Mapping[str, Entry]) -> None:
    days: dict[str, list[int]] = {}
    for entry in entries.values():
        for values in entry.scores.values():
            if values["day"] is not None:
                days.setdefault(str(values["patient"]), []).append(int(values["day"]))
    for patient in patients.values():
        first = min(days.get(patient.patient, []), default=None)
        book.set_patient(patient.written, patient.patient, patient.near, first)


def _identifying(
    scored: Sequence[tuple[SessionRow, Mapping[str, Value]]],
    patients: Mapping[str, Patient],
    known: Mapping[str, tuple[str, str]],
    pseudonyms: Pseudonyms,
) -> Iterable[str]:
    """Yield a sentence for each column and kind of text that may say who somebody is; dates and ids are replaced."""
    words = path_names({(row.file, row.patient_id) for row, _ in scored})
    lines_of: dict[tuple[str, str], dict[str, int]] = {}  # first line of each patient, by column and text
    for row, values in scored:
        texts = {name: str(values[name]) for name in _FREE_TEXT} | json.loads(str(values["own"]))
        for column, text in texts.items():
            if text:
                lines_of.setdefault((column, text), {}).setdefault(patients[row.patient_id].patient, row.line)
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for (column, text), of in lines_of.items():
        for patient, line in of.items():

            def is_other(word: str, me: str = patient) -> bool:
                code = pseudonyms.patient(word)
                return code in known and known[code][0] != me

            for kind in looks_like(text, patient, words, is_other):
                if kind != A_NAME or len(of) == 1:  # a text about several patients is the name of none of them
                    found.setdefault((column, kind), []).append((line, text))
    for (column, kind), lines in found.items():
        line, text = min(lines)
        some = f"{len(lines)} texts look" if len(lines) > 1 else "a text looks"
        yield f"{column}: {some} like {kind}: {text[:40]!r} in line {line}; take it out of the table, and log it again"


def _hints(verdicts: Mapping[str, LabelledClip], table: SessionTable, others: set[str]) -> Iterable[str]:
    if others and table.pain_scale not in others:
        yield (
            f"pain is on {table.pain_scale} here and on {', '.join(sorted(others))} in the journal's other sessions; "
            "the two are never compared"
        )
    seen: dict[str, str] = {}
    for name, clip in sorted(verdicts.items()):
        if clip.status == "ok" and clip.sha256:
            first = seen.setdefault(clip.sha256, name)
            if first != name:
                yield f"{name} is the same recording as {first}; it counts as a thrust of its own"
