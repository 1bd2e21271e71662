"""Prepare a session folder for the journal: verdicts as numbers, scores under pseudonyms.

It selects which of the clinic's own columns are kept. Error messages are left out,
because they may name folders of this computer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from popdetect.errors import NothingFound, TableError, UsageError
from popdetect.session.clips import LabelledClip
from popdetect.session.corrections import CONSENSUS, Correction
from popdetect.session.files import readable
from popdetect.study import fields
from popdetect.study.fields import Value, clip_columns
from popdetect.study.journal.clip_names import clip_name, meant, nearest
from popdetect.study.journal.journal import CLIP, Part
from popdetect.study.journal.patients import Patient
from popdetect.study.journal.pseudonyms import Mentions, Pseudonyms
from popdetect.study.journal.schema import own_json
from popdetect.study.journal.session_table import NAME, SessionRow, SessionTable, read_session_table, table_of

# headers of own columns that are likely to identify a person; in English and German
_PERSONAL = re.compile(
    r"name|birth|geburt|\bdob\b|address|adresse|phone|telefon|mobile|handy|mail|street|stra(ss|ß)e|zip|plz|postcode"
    r"|insur|versich|passport|\bmrn\b|\bssn\b",
    re.IGNORECASE,
)
# a cell of an own column that holds a date, in any of the common forms
_DATE = re.compile(r"[0-9]{1,4}([-./])[0-9]{1,2}\1[0-9]{1,4}([ T].*)?")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the session: its name here, and its parts for the journal."""

    name: str
    parts: Mapping[Part, Mapping[str, Value]]

    @property
    def scores(self) -> dict[Part, Mapping[str, Value]]:
        """The lines of scores."""
        return {part: values for part, values in self.parts.items() if part.kind == "scores"}


def read_scores(root: Path) -> SessionTable:
    """Read the session's table; raises UsageError, TableError, or NothingFound if no line is filled in."""
    path = table_of(root)
    if path is None:
        raise UsageError(
            f"{root / NAME}: not there; `popdetect log --init {root}` makes one, with a line for each clip"
        )
    table = read_session_table(path)
    if not table.rows:
        raise NothingFound(f"{path}: no line is filled in; write at least patient_id, pain_before and pain_after")
    return table


def with_clips(table: SessionTable, root: Path, clips: Collection[str]) -> SessionTable:
    """Return the table with the names of the clips that its lines mean; lines that mean none keep theirs.

    A line without a file becomes one for each clip of the patient's session.

    Raises
    ------
    UsageError
        If no line means a clip of the session: then the table is not of this folder.
    TableError
        If two lines mean the same clip and time point, or a line without a file no clip.
    """
    path = readable(str(table_of(root)))
    names = [row.file for row in table.rows if row.file]
    found = meant(names, clips)
    if not found:
        named = names[0] if names else ""
        near = nearest([named], clips)
        hint = f"is {near[named]!r} meant?" if near else f"the first clip is {min(clips, default='')!r}"
        n = len(names)
        none = f"none of the {n} names in file is" if n > 1 else "the name in file is not"
        raise UsageError(f"{path}: {none} a clip of this session; nothing was written: {named!r}: {hint}")
    problems: list[str] = []
    lines_of: dict[tuple[str, object], int] = {}
    rows = [replace(row, file=found.get(row.file, row.file)) for row in table.rows]
    for row in [row for row in rows if not row.file]:
        own = [one.file for one in rows if one.file and _same_session(one, row)]
        at = rows.index(row)
        rows[at : at + 1] = [replace(row, file=file) for file in dict.fromkeys(own)]
        if not own:
            problems.append(f"{path}:{row.line}: file: empty, and no other line is of a clip of this patient's session")
    written = {row.line: row.file for row in table.rows}
    for row in rows:
        first = lines_of.setdefault((row.file, row.values["time_point"]), row.line)
        if first != row.line:
            problems.append(
                f"{path}:{row.line}: file: {written[row.line]!r} is the clip {row.file!r}, as in line {first}; each "
                "clip has one line for each time_point: delete one of them"
            )
    if problems:
        raise TableError(*problems)
    return replace(table, rows=tuple(rows))


def _same_session(row: SessionRow, asked: SessionRow) -> bool:
    """Whether a line of a clip is of the patient's session that another line is about."""
    number = asked.values["session_no"]
    return row.patient_id == asked.patient_id and number in (None, row.values["session_no"])


def own_columns(table: SessionTable, with_notes: bool) -> tuple[list[str], list[str]]:
    """Return the clinic's own columns that are kept, and those that are not, with the reason."""
    kept, left_out = [], []
    values: dict[str, list[str]] = {}
    for row in table.rows:
        for column, cell in row.own.items():
            values.setdefault(column, []).append(cell)
    for column, said in sorted(values.items()):
        if _PERSONAL.search(column):
            left_out.append(f"{column} (may identify a person; rename it if it does not)")
        elif any(_DATE.fullmatch(cell) for cell in said):
            left_out.append(f"{column} (holds dates; the journal keeps days from the column date only)")
        else:
            kept.append(column)
    if not with_notes and any(row.values["notes"] for row in table.rows):
        left_out.append("notes (free text may hold names; --with-notes keeps it)")
    return kept, left_out


def entries_of(
    verdicts: Mapping[str, LabelledClip],
    table: SessionTable,
    pseudonyms: Pseudonyms,
    patients: Mapping[str, Patient],
    own: Sequence[str],
    with_notes: bool,
) -> tuple[dict[str, Entry], list[tuple[SessionRow, Mapping[str, Value]]]]:
    """Return every file of the session, sorted by name, so that the order of rows does not matter; and its scores."""
    everybody = sorted(patients, key=lambda patient: (-len(patient), patient))
    # a note may name another patient; an id that could be any number is replaced only in its own rows
    distinct = Mentions([patient for patient in everybody if pseudonyms.is_distinct(patient)])
    parts: dict[str, dict[Part, Mapping[str, Value]]] = {
        name: {CLIP: _verdict(verdicts[name])} if name in verdicts else {}
        for name in sorted(verdicts.keys() | {row.file for row in table.rows})
    }
    scored: list[tuple[SessionRow, Mapping[str, Value]]] = []
    for row in table.rows:
        scores = _scores(row, table, pseudonyms, patients[row.patient_id], distinct, own, with_notes)
        parts[row.file][Part("scores", str(scores["time_point"]))] = scores
        scored.append((row, scores))
    return {name: Entry(name, found) for name, found in parts.items()}, scored


def answers_of(
    corrections: Sequence[Correction], pseudonyms: Pseudonyms, session: str
) -> tuple[dict[str, dict[Part, Mapping[str, Value]]], dict[str, str]]:
    """Return the answers of the review for the journal, by clip, and the codes of the raters by name."""
    found: dict[str, dict[Part, Mapping[str, Value]]] = {}
    raters: dict[str, str] = {}
    for answer in corrections:
        code = CONSENSUS if answer.rater == CONSENSUS else pseudonyms.rater(answer.rater)
        raters[answer.rater] = code
        n_pops = {"pop": len(answer.onsets_s) or None, "no_pop": 0}.get(answer.label)
        found.setdefault(clip_name(answer.file), {})[Part("answer", code)] = {
            "answer": answer.label,
            "answer_n_pops": n_pops,
            "answer_onsets_s": " ".join(f"{onset:.5f}" for onset in answer.onsets_s),
            "answer_day": _day(answer.answered_at, pseudonyms, f"{code} {session}"),
            "blind": int(answer.blind),
            "drawn": answer.drawn,
            "seen_label": answer.detector_label,
            "seen_p_pop": answer.detector_p_pop,
            "seen_model": answer.model,
            "seen_model_sha256": answer.model_sha256,
        }
    return found, raters


def _day(when: str, pseudonyms: Pseudonyms, of: str) -> int | None:
    try:
        return pseudonyms.day(datetime.fromisoformat(when).date(), of)
    except ValueError:
        return None


def _verdict(clip: LabelledClip) -> dict[str, Value]:
    """Return a clip's results for the journal, without its `error`, which may name places on this computer."""
    values: dict[str, Value] = {column: getattr(clip, column) for column in clip_columns()}
    return values | {"label": clip.label or None, "quality": ";".join(clip.quality)}


def _scores(
    row: SessionRow,
    table: SessionTable,
    pseudonyms: Pseudonyms,
    patient: Patient,
    distinct: Mentions,
    own: Sequence[str],
    with_notes: bool,
) -> dict[str, Value]:
    def redacted(text: str, own: bool = True) -> str:
        if not text:
            return ""
        return pseudonyms.redacted(text, [*[row.patient_id] * own, *distinct.within(text)])

    choices = {field.name for field in fields.FIELDS if field.choices}
    values: dict[str, Value] = {}
    for name, value in row.values.items():
        if isinstance(value, date):
            values[name] = pseudonyms.day(value, patient.patient)
        else:
            # "1 week" does not name patient 1
            is_text = isinstance(value, str) and name not in choices
            values[name] = redacted(str(value), name != "time_point") if is_text else value
    values["patient"] = patient.patient
    values["pain_scale"] = table.pain_scale
    values["thrust_speed_unit"] = table.thrust_speed_unit if values["thrust_speed"] is not None else ""
    if not with_notes:
        values["notes"] = ""
    values["own"] = own_json(
        {
            # a declared outcome is a number: 41 does not name patient 41
            column: redacted(row.own[column], fields.own_field(column).kind == "text")
            for column in own
            if column in row.own
        }
    )
    return values
