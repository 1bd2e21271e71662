"""What the journal and everything made of it must not say: names, paths, and the date of a visit."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import zipfile
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from journal_fakes import CLINIC, log, make_session, scores, write_clips, write_scores

from popdetect.study.export.export import FORMATS, export
from popdetect.study.journal import journal
from popdetect.study.journal.free_text import looks_like, path_names
from popdetect.study.journal.logging import undo
from popdetect.study.journal.pseudonyms import Pseudonyms, open_key
from popdetect.study.report import report

PERSON = "MUSTERMANN_ERIKA_1961"
VISITS = (date(2026, 3, 3), date(2026, 3, 10))
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")


def visit(place: Path, name: str, when: date, **cells: str) -> Path:
    """A session whose folders and files name the patient and the date."""
    folder = place / CLINIC / f"{PERSON} {when:%d.%m.%Y}" / name
    files = [f"{PERSON}/{when:%y%m%d} {PERSON.lower()} {i}.wav" for i in range(6)]
    write_clips(folder, files)
    rows = [
        {**row, "file": file, "patient_id": f"{PERSON}-{i % 2}", "date": when.isoformat(), **cells}
        for i, (row, file) in enumerate(zip(scores(), files, strict=True))
    ]
    write_scores(folder, rows)
    return folder


@pytest.fixture
def study(tmp_path: Path) -> Path:
    place = tmp_path / "STUDY.db"
    for i, when in enumerate(VISITS):
        log(visit(tmp_path, f"s{i}", when), place)
    return place


def everything(study: Path) -> list[bytes]:
    """The journal, every export with all its columns, and the report."""
    made = [study.read_bytes()]
    fields = [*export(study, "csv").columns, *export(study, "csv").left_out]
    book = study.with_name("study.xlsx")
    export(study, "xlsx", book, columns=fields)
    with zipfile.ZipFile(book) as parts:
        made += [parts.read(name) for name in parts.namelist()]
    for format in (name for name in FORMATS if name != "xlsx"):
        columns = fields if format in ("csv", "wide", "redcap") else None
        made += [text.encode() for text in export(study, format, columns=columns).texts.values()]
    out = study.with_name("report.html")
    report.write(study, out)
    return [*made, out.read_bytes()]


def test_no_name_and_no_path_comes_out_without_the_key(study: Path, tmp_path: Path) -> None:
    words = [*PERSON.lower().split("_")[:2], CLINIC, str(tmp_path), "260303", "2026-03-03", "03.03.2026", "wav"]
    for made in everything(study):
        text = made.lower()
        found = [word for word in words if word.lower().encode() in text]
        assert found in ([], ["wav"]), found  # the report explains what a wav file is


def test_the_day_of_logging_does_not_give_the_day_of_a_visit_away(study: Path) -> None:
    """The attack of the issue: the file's time stamp is the day of logging, which gives the shift."""
    today = datetime.fromtimestamp(study.stat().st_mtime, UTC).date()
    with closing(sqlite3.connect(study)) as connection:
        logged = [day for (day,) in connection.execute("SELECT day FROM logs")]
        visits = {day for (day,) in connection.execute("SELECT day FROM scores")}
    guesses = {date.fromordinal(today.toordinal() + day - run) for run in logged for day in visits}

    assert len(logged) == 2
    assert len(set(logged)) == 2
    assert not guesses.intersection(VISITS)


def test_days_have_a_shift_for_each_patient_and_the_key_knows_them(study: Path) -> None:
    key = open_key(study.with_suffix(".key"))
    with closing(sqlite3.connect(study)) as connection:
        rows = set(connection.execute("SELECT patient, day FROM scores"))
        runs = set(connection.execute("SELECT id, day FROM logs"))
    shifts = {(patient, day - key.date(day, patient).toordinal()) for patient, day in rows}

    assert {key.date(day, patient) for patient, day in rows} == set(VISITS)
    assert {key.date(day, f"log {run}") for run, day in runs} == {datetime.now(UTC).date()}
    assert len(shifts) == len({shift for _, shift in shifts}) == 2
    assert [thrust.day for thrust in journal.thrusts(study)] == [0] * 6 + [7] * 6


@POSIX
def test_only_the_owner_can_read_the_journal_and_the_key(study: Path, tmp_path: Path) -> None:
    assert [stat.S_IMODE(path.stat().st_mode) for path in (study, study.with_suffix(".key"))] == [0o600, 0o600]
    study.chmod(0o644)
    hints = log(visit(tmp_path, "s0", VISITS[0]), study).hints
    assert hints[-1] == f"other users of this computer can read the journal; run: chmod 600 {study}"


def test_what_was_replaced_does_not_stay_in_unused_space(tmp_path: Path) -> None:
    study, folder = tmp_path / "STUDY.db", make_session(tmp_path, 60)
    write_scores(folder, [{**row, "technique": "as Erika " * 5} for row in scores(60)])
    log(folder, study)
    write_scores(folder, [{**row, "technique": "a"} for row in scores(60)])
    log(folder, study, update=True)
    with closing(sqlite3.connect(study)) as connection:
        ((n_kept,),) = connection.execute("SELECT count(*) FROM history WHERE old LIKE 'as Erika%'")
    assert study.read_bytes().count(b"as Erika") == n_kept * 5 == 300  # in the history only


# --- free text ------------------------------------------------------------------------------------------------------

KEY = Pseudonyms(b"1" * 32)


@pytest.mark.parametrize(
    "text",
    [
        "2024-03-05", "20240305", "2024/3/5", "05.03.2024", "5.3.24", "5. 3. 2024", "5/3/2024", "03/05/24",
        "5. März 2024", "March 5th, 2024", "05-Mar-24", "5 MARCH 2024".title(), "Dezember 2024",
    ],
)  # fmt: skip
def test_dates_in_any_common_form_are_replaced(text: str) -> None:
    left = KEY.redacted(f"seen {text}, dizzy", [])
    assert re.fullmatch(r"seen D-[0-9a-z]{8}, dizzy", left), left
    assert looks_like(left) == ["a date"]


@pytest.mark.parametrize("text", ["C5/6", "L4/5/S1", "2 of 3", "1.5 m/s", "grade 3", "50/50", "3-4 times", "take 2024"])
def test_other_numbers_are_no_dates(text: str) -> None:
    assert KEY.redacted(text, []) == text
    assert looks_like(text) == []


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Frau Meier was dizzy", ["a name"]), ("told Dr. Berg", ["a name"]), ("Erika Mustermann", ["a name"]),
        ("Mustermann, Erika", ["a name"]), ("as mustermann", ["a name"]), ("call 0176 1234567", ["a phone number"]),
        ("+49 30 123456", ["a phone number"]), ("a.b@c.de", ["an e-mail address"]), ("on 5.3. again", ["a date"]),
        ("geb. 1961", ["a date"]), ("like P017", ["another patient's id"]),
        ("like P-0123abcd", ["another patient's id"]), ("HVLA thrust, supine", []), ("Schwindel", []),
        ("dizzy for 10 minutes", []), ("P-7f3a9c2e again", []), ("", []),
    ],
)  # fmt: skip
def test_what_looks_like_a_person(text: str, kinds: list[str]) -> None:
    assert looks_like(text, "P-7f3a9c2e", {"mustermann"}, lambda word: word == "P017") == kinds


def test_words_in_the_file_names_of_one_patient_are_likely_names() -> None:
    files = [("meier_anna/clip 1.wav", "1"), ("meier_anna/cavitation.wav", "1"), ("berg/cavitation.wav", "2")]
    assert path_names(set(files)) == {"meier": "1", "anna": "1", "berg": "2"}


def test_free_text_that_may_identify_somebody_is_named(tmp_path: Path) -> None:
    study = tmp_path / "STUDY.db"
    log(make_session(tmp_path, 3, "before"), study)
    folder = make_session(tmp_path)
    rows = [{**row, "patient_id": f"Someone{i}", "technique": "Toggle Recoil"} for i, row in enumerate(scores())]
    rows[1] |= {"technique": "as Frau Meier", "adverse_event": "dizzy until 5. März"}
    rows[2] |= {"room": "0176 1234567", "notes": "like patient0"}
    write_scores(folder, rows)
    done = log(folder, study, with_notes=True)

    (code,) = re.findall(r"D-[0-9a-z]{8}", done.hints[1])
    assert done.hints == (
        "technique: a text looks like a name: 'as Frau Meier' in line 3; take it out of the table, and log it again",
        f"adverse_event: a text looks like a date: 'dizzy until {code}' in line 3; "
        "take it out of the table, and log it again",
        "notes: a text looks like another patient's id: 'like patient0' in line 4; take it out of the table, and log "
        "it again",
        "room: a text looks like a phone number: '0176 1234567' in line 4; take it out of the table, and log it again",
    )


def test_free_text_is_exported_by_request_only(tmp_path: Path) -> None:
    study, folder = tmp_path / "STUDY.db", make_session(tmp_path)
    texts = {"technique": "t", "adverse_event": "e", "notes": "n", "room": "r", "therapist": "m", "site": "s"}
    write_scores(folder, [{**row, **texts} for row in scores()])
    log(folder, study, with_notes=True)
    for format in ("csv", "wide", "redcap"):
        assert not set(texts) & set(export(study, format).columns)
    assert set(texts) <= set(export(study, "csv").left_out)


def test_a_log_that_was_taken_back_left_no_name_of_a_file(study: Path, tmp_path: Path) -> None:
    undo(visit(tmp_path, "s1", VISITS[1]), study)
    assert PERSON.lower().encode() not in study.read_bytes().lower()
