"""What `log` does to the journal: the laws first, then what it names."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from journal_fakes import CLINIC, bare, by_name, code_of, log, make_session, scores, told, write_clips, write_scores

from popdetect.errors import NothingFound, TableError, UsageError
from popdetect.study.journal import journal
from popdetect.study.journal.journal import thrusts


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return tmp_path / "STUDY.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_session(tmp_path)


def history(study: Path) -> list[tuple[str | None, ...]]:
    names = {code_of(study, t.session, f"c{i:02}.wav"): f"c{i:02}.wav" for t in thrusts(study) for i in range(9)}
    return [(names[found.file], found.field, found.old, found.new) for found in journal.history(study)]


# --- laws -----------------------------------------------------------------------------------------------------------


def test_logging_twice_changes_no_byte(folder: Path, study: Path) -> None:
    first = log(folder, study)
    before = study.read_bytes()
    again = log(folder, study)

    assert told(first) == (6, 0, 0, True)
    assert told(again) == (0, 0, 0, True)
    assert study.read_bytes() == before
    assert sorted(path.name for path in study.parent.iterdir()) == [CLINIC, "STUDY.db", "STUDY.key"]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(6)), clips=st.permutations(range(6)))
def test_the_order_of_rows_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], clips: list[int]
) -> None:
    place = tmp_path_factory.mktemp("order")
    rows, study = scores(), place / "STUDY.db"
    log(make_session(place), study)
    mixed = place / CLINIC / "session 7"
    write_scores(mixed, [rows[i] for i in order])
    table = (mixed / "popdetect" / "clips.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (mixed / "popdetect" / "clips.csv").write_text(
        "".join([table[0], *(table[1 + i] for i in clips)]), encoding="utf-8"
    )
    before = study.read_bytes()

    assert told(log(mixed, study)) == (0, 0, 0, True)
    assert study.read_bytes() == before


def test_a_moved_folder_is_the_same_session(folder: Path, study: Path, tmp_path: Path) -> None:
    first = log(folder, study)
    moved = tmp_path / "elsewhere"
    shutil.move(folder, moved)
    again = log(moved, study)

    assert told(again) == (0, 0, 0, True)
    assert again.session == first.session


def test_a_folder_labelled_from_scratch_is_the_same_session(folder: Path, study: Path) -> None:
    first = log(folder, study)
    (folder / "popdetect" / "session_id.txt").unlink()
    again = log(folder, study)

    assert told(again) == (0, 0, 0, True)
    assert again.session == first.session


def test_two_sessions_stand_side_by_side_and_patients_are_recognised(tmp_path: Path, study: Path) -> None:
    log(make_session(tmp_path, name="a"), study)
    log(make_session(tmp_path, name="b"), study)
    found = thrusts(study)

    assert len({thrust.session for thrust in found}) == 2
    assert len(found) == 12
    assert len({thrust.patient for thrust in found}) == 3


def test_nothing_of_the_clinic_is_in_the_bytes(tmp_path: Path, study: Path) -> None:
    folder = tmp_path / CLINIC / "Frau Müller"
    files = ["Patient0/2024-03-05 c1.wav", "REC20240305141200 patient0.wav", "Patient1.wav"]
    write_clips(folder, files)
    rows = [
        {"file": file, "patient_id": f"Patient{i // 2}", "pain_before": "5", "pain_after": "3", "date": "2024-03-05",
         "notes": "Erika Mustermann came late", "technique": "as for Patient0" if i < 2 else "", "birth_date": "1970",
         "Vorname": "Erika", "seen": "05.03.2024", "room": f"blue, patient{i // 2}"}
        for i, file in enumerate(files)
    ]  # fmt: skip
    write_scores(folder, rows)
    done = log(folder, study)
    log(folder, study, update=True)
    raw = study.read_bytes().lower()

    secrets = ["patient0", "patient1", "erika", "müller", CLINIC, str(tmp_path), "/home", "2024", "1970", "session 7"]
    for secret in secrets:
        assert secret.lower().encode() not in raw, secret
    assert b"blue" in raw
    assert done.own_columns == ("room",)
    assert [line.split(" ")[0] for line in done.left_out] == ["Vorname", "birth_date", "seen", "notes"]
    assert len({thrust.file for thrust in thrusts(study)}) == 3


# --- changes --------------------------------------------------------------------------------------------------------


def test_a_changed_value_is_shown_and_waits_for_update(folder: Path, study: Path) -> None:
    log(folder, study)
    rows = scores(7)
    rows[2]["pain_after"] = "1"
    rows[3]["patient_id"] = "Patient9"
    write_scores(folder, rows)  # and a row that is new
    before = study.read_bytes()
    asked = log(folder, study)

    assert told(asked) == (1, 0, 2, False)
    assert [(c.file, c.field) for c in asked.changes] == [("c02.wav", "pain_after"), ("c03.wav", "patient")]
    assert (asked.changes[0].old, asked.changes[0].new) == ("2", "1")
    assert study.read_bytes() == before

    done = log(folder, study, update=True)
    assert told(done) == (1, 0, 2, True)
    assert history(study)[0] == ("c02.wav", "pain_after", "2", "1")
    assert by_name(study, ["c02.wav"])["c02.wav"].pain_after == 1
    assert told(log(folder, study)) == (0, 0, 0, True)


def test_every_old_value_stays(folder: Path, study: Path) -> None:
    log(folder, study)
    for value in ("1", "", "8"):
        write_scores(folder, [{**row, "pain_after": value} for row in scores(1)] + scores()[1:])
        log(folder, study, update=True)

    assert history(study) == [
        ("c00.wav", "pain_after", "2", "1"),
        ("c00.wav", "pain_after", "1", None),
        ("c00.wav", "pain_after", None, "8"),
    ]


def test_a_new_verdict_is_a_change_too(folder: Path, study: Path) -> None:
    log(folder, study)
    files = [row["file"] for row in scores()]
    write_clips(folder, files, c01={"label": "pop", "p_pop": "0.9100", "n_pops": "2"})
    changes = log(folder, study).changes

    assert [(c.field, c.old, c.new) for c in changes] == [
        ("label", "no_pop", "pop"), ("p_pop", "0.5", "0.91"), ("n_pops", "0", "2")
    ]  # fmt: skip


def test_dates_are_shown_as_dates_and_kept_as_days(folder: Path, study: Path) -> None:
    write_scores(folder, [{**row, "date": f"2024-02-2{i + 1}"} for i, row in enumerate(scores())])
    log(folder, study)
    assert [thrust.day for thrust in thrusts(study)] == [0, 0, 0, 3, 3, 3]  # of each patient
    earlier = make_session(study.parent, name="earlier")
    write_scores(earlier, [{**row, "date": "01.02.2024"} for row in scores()])
    log(earlier, study)
    # the days of the first session stay
    assert [thrust.day for thrust in thrusts(study)] == [0, 0, 0, 3, 3, 3, -20, -21, -22, -20, -21, -22]

    write_scores(folder, [{**row, "date": f"2024-02-1{i + 1}"} for i, row in enumerate(scores())])
    (change, *_) = log(folder, study).changes
    assert (change.field, change.old, change.new) == ("date", "2024-02-21", "2024-02-11")


def test_notes_are_kept_only_where_asked_for_and_not_lost_again(folder: Path, study: Path) -> None:
    write_scores(folder, [{**row, "notes": "felt dizzy"} for row in scores()])
    assert "notes" in log(folder, study).left_out[0]
    assert {thrust.notes for thrust in thrusts(study)} == {""}
    assert log(folder, study, with_notes=True).changes[0].new == "felt dizzy"
    log(folder, study, with_notes=True, update=True)
    assert told(log(folder, study)) == (0, 0, 0, True)
    assert {thrust.notes for thrust in thrusts(study)} == {"felt dizzy"}


# --- what does not fit ----------------------------------------------------------------------------------------------


def test_unmatched_are_named_and_not_dropped(folder: Path, study: Path) -> None:
    rows = scores()
    rows[1]["file"] = "c1.wav"
    write_scores(folder, rows)
    done = log(folder, study)

    assert done.clips_without_scores == ("c01.wav",)
    assert done.scores_without_clips == ("c1.wav",)
    assert done.nearest == {"c1.wav": "c01.wav"}
    assert done.n_new == done.n_thrusts == 7
    found = by_name(study, ["c1.wav", "c01.wav"])
    assert "c01.wav" not in found
    assert (found["c1.wav"].label, found["c1.wav"].pain_after, found["c1.wav"].model) == (None, 2, "")


def test_what_was_missing_is_completed_without_update(folder: Path, study: Path) -> None:
    write_scores(folder, scores()[:4])
    assert log(folder, study).clips_without_scores == ("c04.wav", "c05.wav")
    write_scores(folder, scores(7))
    assert log(folder, study).scores_without_clips == ("c06.wav",)
    write_clips(folder, [row["file"] for row in scores(7)])
    assert told(log(folder, study)) == (0, 1, 0, True)
    whole = study.with_name("whole.db")
    log(folder, whole, key=study.with_suffix(".key"))
    assert bare(study) == bare(whole)


def test_what_left_the_folder_stays_in_the_journal(folder: Path, study: Path) -> None:
    log(folder, study)
    write_clips(folder, [row["file"] for row in scores(5)])
    write_scores(folder, scores(5))

    done = log(folder, study, update=True)
    assert done.gone == (code_of(study, done.session, "c05.wav"),)
    assert len(thrusts(study)) == 6


def test_a_recording_counts_once(folder: Path, study: Path) -> None:
    log(folder, study)
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    (copy / "popdetect" / "session_id.txt").write_text("S-00000000\n")
    with pytest.raises(UsageError, match=r"6 of these recordings are in the journal already, as session S-"):
        log(copy, study)

    table = folder / "popdetect" / "clips.csv"
    table.write_text(table.read_text().replace("c03.wav", "renamed.wav"))
    with pytest.raises(UsageError, match=r"renamed.wav: this recording is in the journal under another name"):
        log(folder, study)
    assert len(thrusts(study)) == 6


def test_accents_in_two_pieces_and_backslashes_are_the_same_file(tmp_path: Path, study: Path) -> None:
    folder = tmp_path / "s"
    write_clips(folder, ["a/hu\u0308fte.wav"])
    write_scores(folder, [{"file": "a\\h\u00fcfte.wav", "patient_id": "1", "pain_before": "3", "pain_after": "1"}])
    done = log(folder, study)

    assert (done.clips_without_scores, done.scores_without_clips) == ((), ())


def test_names_stay_apart_in_the_journal(tmp_path: Path, study: Path) -> None:
    folder, files = tmp_path / "s", ["P01.wav", "p01.wav"]
    write_clips(folder, files)
    write_scores(folder, [{"file": f, "patient_id": "P01", "pain_before": "3", "pain_after": "1"} for f in files])
    log(folder, study)
    assert told(log(folder, study)) == (0, 0, 0, True)
    assert len({thrust.file for thrust in thrusts(study)}) == 2


def test_sessions_on_another_scale_are_noted(folder: Path, study: Path, tmp_path: Path) -> None:
    log(folder, study)
    other = make_session(tmp_path, name="other")
    write_scores(other, [{**row, "pain_before": "64,5", "pain_scale": "VAS100"} for row in scores()])

    assert "pain is on VAS100 here and on NPRS" in log(other, study).hints[0]
    assert {thrust.pain_scale for thrust in thrusts(study)} == {"NPRS", "VAS100"}


def test_own_columns_are_carried_through(folder: Path, study: Path) -> None:
    write_scores(folder, [{**row, "room": "grün", "empty": ""} for row in scores()])
    assert log(folder, study).own_columns == ("room",)
    with sqlite3.connect(study) as connection:
        (own,) = connection.execute("SELECT DISTINCT own FROM scores").fetchone()
    connection.close()
    assert json.loads(own) == {"room": "grün"}


def test_recordings_can_be_found_again(folder: Path, study: Path) -> None:
    done = log(folder, study)
    assert {key: len(sha256) for key, sha256 in journal.recordings(study).items()} == {
        (done.session, code_of(study, done.session, row["file"])): 64 for row in scores()
    }


# --- wrong use ------------------------------------------------------------------------------------------------------


def _unlabelled(folder: Path) -> None:
    shutil.rmtree(folder / "popdetect")


def _unscored(folder: Path) -> None:
    (folder / "session.csv").unlink()


def _unfilled(folder: Path) -> None:
    write_scores(folder, [{"file": row["file"], "pain_scale": "NPRS"} for row in scores()])


def _no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def _other_table(folder: Path) -> None:
    (folder / "popdetect" / "clips.csv").write_text("a,b\n1,2\n")


def _odd_label(folder: Path) -> None:
    write_clips(folder, ["c00.wav"], c00={"label": "bang"})


def _odd_number(folder: Path) -> None:
    write_clips(folder, ["c00.wav"], c00={"p_pop": "much"})


def _no_number(folder: Path) -> None:
    write_clips(folder, ["c00.wav"], c00={"p_pop": "nan"})


def _huge_number(folder: Path) -> None:
    write_clips(folder, ["c00.wav"], c00={"n_pops": "9" * 30})


def _odd_code(folder: Path) -> None:
    (folder / "popdetect" / "session_id.txt").write_text("mine")


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (_unlabelled, UsageError, "label the session first: popdetect label"),
        (_unscored, UsageError, "popdetect log --init"),
        (_unfilled, NothingFound, "no line is filled in"),
        (_no_folder, UsageError, "no such folder"),
        (_other_table, TableError, "clips.csv:1: no column file, status, label, p_pop"),
        (_odd_label, TableError, "clips.csv:2: label: 'bang': pop, no_pop, uncertain"),
        (_odd_number, TableError, "clips.csv:2: p_pop: 'much': a number"),
        (_no_number, TableError, "clips.csv:2: p_pop: 'nan': a number"),
        (_huge_number, TableError, "clips.csv:2: n_pops: '9+': a number"),
        (_odd_code, UsageError, "a code such as S-7f3a9c2e"),
    ],
)
def test_a_session_that_cannot_be_logged_says_why(
    folder: Path, study: Path, spoil: Callable[[Path], None], error: type[Exception], said: str
) -> None:
    spoil(folder)
    with pytest.raises(error, match=said):
        log(folder, study)
    assert not study.exists() or study.stat().st_size == 0 or thrusts(study) == []


def test_another_patients_id_in_a_note_is_a_pseudonym_too(tmp_path: Path) -> None:
    folder = make_session(tmp_path)
    rows = [{**row, "notes": "as with PATIENT1, 12 minutes later", "device": "Patient2's"} for row in scores()]
    write_scores(folder, rows)
    log(folder, tmp_path / "STUDY.db", with_notes=True)

    raw = (tmp_path / "STUDY.db").read_bytes().lower()
    assert b"12 minutes later" in raw
    assert b"patient1" not in raw
    assert b"patient2" not in raw
