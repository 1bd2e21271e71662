"""Log a labelled session and its scores in the journal.

Clips and scores are joined by the file's name. A clip without scores and a score without a clip are kept and reported.
A value that differs from the journal's is written only on request, and the old one stays in the journal's history.

A session's folder is recognised by a random code in ``DIR/popdetect/session_id.txt``, also after it was moved.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from popdetect.errors import UsageError
from popdetect.session.clips import LabelledClip
from popdetect.session.files import OUT_NAME, read_bytes, write_text
from popdetect.session.session import Session
from popdetect.study.fields import Value
from popdetect.study.journal import journal
from popdetect.study.journal.clip_names import clip_name, nearest
from popdetect.study.journal.pseudonyms import Pseudonyms, key_beside, make_key, new_code, open_key
from popdetect.study.journal.session_folder import Entry, entries_of, own_columns, read_scores, with_clips
from popdetect.study.journal.session_table import SessionTable

CODE_FILE = "session_id.txt"
_CODE = re.compile(r"S-[0-9a-z]{8}")


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
    n_filled: int  # thrusts in the journal that got the scores or the verdict that they did not have before
    changes: tuple[Change, ...]
    written: bool  # False if there are changes and no `update`: then nothing was written, not even new thrusts
    clips_without_scores: tuple[str, ...]
    scores_without_clips: tuple[str, ...]
    nearest: Mapping[str, str]  # most similar clip for the first few files without a clip
    gone: tuple[str, ...]  # files in the journal that are no longer in the folder; they stay in the journal
    own_columns: tuple[str, ...]  # the clinic's own columns that are kept
    left_out: tuple[str, ...]  # those that are not, with the reason
    hints: tuple[str, ...]  # possible mistakes in the session
    key: Path
    key_made: bool


def log(
    folder: str | os.PathLike[str],
    journal_path: str | os.PathLike[str],
    *,
    update: bool = False,
    key: str | os.PathLike[str] | None = None,
    with_notes: bool = False,
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

    Raises
    ------
    TableError
        With all problems of ``session.csv``, or the first one of ``clips.csv``.
    UsageError
        If the session is not labelled, the journal or the key cannot be used, or the recordings are in the journal
        already as another session.
    NothingFound
        If no line of ``session.csv`` is filled in.
    """
    root, place = Path(folder), Path(journal_path)
    verdicts = {clip_name(clip.file): clip for clip in Session.read(root).clips}
    table = with_clips(read_scores(root), root, verdicts)
    key_path = Path(key) if key is not None else key_beside(place)
    key_check = journal.key_check(place)
    if key_path.resolve() == place.resolve():
        raise UsageError(f"{place}: cannot be both the journal and its key; name the journal STUDY.db")
    if key_check is not None and not os.path.lexists(key_path):
        raise UsageError(
            f"{key_path}: the key of this journal does not exist; name it with --key FILE (with another key, patients "
            "would not be recognised)"
        )
    if not place.parent.is_dir():
        raise UsageError(f"{place}: there is no folder {place.parent} to keep it in")
    key_made = make_key(key_path)
    pseudonyms = open_key(key_path)
    own, left_out = own_columns(table, with_notes)
    with journal.writing(place) as book:
        if book.key_check not in (None, pseudonyms.check):
            raise UsageError(
                f"{key_path}: not the key that {place} was begun with; name that with --key FILE (with another key, "
                "patients would not be recognised)"
            )
        session = _session_code(root, verdicts, book)
        stored = book.stored(session)
        entries = entries_of(verdicts, table, pseudonyms, own, with_notes)
        clips = {pseudonyms.clip(session, name): entry for name, entry in entries.items()}
        if not with_notes:
            clips = {clip: _with_notes_of(entry, stored.get(clip)) for clip, entry in clips.items()}
        _refuse_twice(clips, stored, book, session)
        hints = [*table.hints, *_hints(verdicts, entries, table, book.other_scales(session))]
        both = [(entry, stored[clip]) for clip, entry in clips.items() if clip in stored]
        changes = [change for entry, before in both for change in _changes(entry, before)]
        n_new = len(clips) - len(both)
        n_filled = sum(_fills(entry, before) for entry, before in both)
        renamed = any(entry.file != before.file for entry, before in both)
        written = update or not changes
        if written and (changes or n_new or n_filled or renamed):
            book.begin(pseudonyms.check, session, pseudonyms.day(datetime.now(UTC).date()))
            _write(book, session, clips, stored)
        gone = sorted(stored[clip].file for clip in stored.keys() - clips.keys())
    without_scores = [name for name, entry in entries.items() if entry.scores is None]
    without_clips = [name for name, entry in entries.items() if entry.verdict is None]
    return Logged(
        journal=place,
        session=session,
        n_thrusts=len(entries),
        n_new=n_new,
        n_filled=n_filled,
        changes=tuple(_shown(change, pseudonyms) for change in changes),
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
    )


# --- comparison with the journal -------------------------------------------------------------------------------------


def _session_code(root: Path, verdicts: Mapping[str, LabelledClip], book: journal.Writing) -> str:
    """Return the session's code: that of its folder, or of its recordings in the journal, or a new one."""
    path = root / OUT_NAME / CODE_FILE
    if not path.exists():
        known = book.recordings()
        heard = [clip.sha256 for clip in verdicts.values() if clip.status == "ok"]
        seen = Counter(known[sha256][0] for sha256 in heard if sha256 in known)
        code, n_seen = seen.most_common(1)[0] if seen else ("", 0)
        # most are known: the folder `popdetect` was deleted and made again; a few belong to another session
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
    clips: Mapping[str, Entry], stored: Mapping[str, journal.Stored], book: journal.Writing, session: str
) -> None:
    """Refuse a recording that is in the journal already, from a copied folder or under another name."""
    known = book.recordings()
    copied: Counter[str] = Counter()
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
            copied[where] += 1
    for other, n in copied.items():
        raise UsageError(
            f"{n} of these recordings {'are' if n > 1 else 'is'} in the journal already, as session {other}; they "
            "would count twice. Log the folder they come from, or take them out of this one and label it again"
        )


def _with_notes_of(entry: Entry, stored: journal.Stored | None) -> Entry:
    """Keep the journal's notes if notes are not read."""
    if entry.scores is None or stored is None or stored.scores is None:
        return entry
    return replace(entry, scores={**entry.scores, "notes": stored.scores["notes"]})


def _changes(entry: Entry, stored: journal.Stored) -> list[Change]:
    return [
        Change(entry.name, field, _text(old), _text(now[field]))
        for now, before in ((entry.verdict, stored.verdict), (entry.scores, stored.scores))
        if now is not None and before is not None
        for field, old in before.items()
        if now[field] != old
    ]


def _fills(entry: Entry, stored: journal.Stored) -> bool:
    scored = entry.scores is not None and stored.scores is None
    return scored or (entry.verdict is not None and stored.verdict is None)


def _write(
    book: journal.Writing, session: str, clips: Mapping[str, Entry], stored: Mapping[str, journal.Stored]
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


def _text(value: Value) -> str | None:
    if value is None or value == "":
        return None
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _shown(change: Change, pseudonyms: Pseudonyms) -> Change:
    """Convert days to dates, which the owner of the key may see."""
    if change.field != "day":
        return change
    old, new = (None if day is None else pseudonyms.date(int(day)).isoformat() for day in (change.old, change.new))
    return Change(change.file, "date", old, new)


def _hints(
    verdicts: Mapping[str, LabelledClip], entries: Mapping[str, Entry], table: SessionTable, others: set[str]
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
            "the two are never compared"
        )
    seen: dict[str, str] = {}
    for name, clip in sorted(verdicts.items()):
        if clip.status == "ok" and clip.sha256:
            first = seen.setdefault(clip.sha256, name)
            if first != name:
                yield f"{name} is the same recording as {first}; it counts as a thrust of its own"
