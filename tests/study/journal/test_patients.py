"""Ids of patients that are nearly alike: asked about once, and never two patients in silence."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from journal_fakes import log, make_session, scores, told, write_scores

from popdetect.cli import main as cli
from popdetect.errors import UsageError
from popdetect.study.journal.journal import thrusts
from popdetect.study.journal.logging import undo
from popdetect.study.journal.pseudonyms import Pseudonyms

KEY = Pseudonyms(b"1" * 32)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return tmp_path / "STUDY.db"


def session(place: Path, name: str, ids: list[str]) -> Path:
    """A session with one clip for each id."""
    folder = make_session(place, len(ids), name)
    write_scores(folder, [{**row, "patient_id": id_} for row, id_ in zip(scores(len(ids)), ids, strict=True)])
    return folder


def n_patients(study: Path) -> int:
    return len({thrust.patient for thrust in thrusts(study)})


@pytest.mark.parametrize(
    "ids",
    [
        ("001", "1", "01", "1.0", " 1"), ("P-01", "P1", "p 001", "P.1"), ("1-1", "01 01", "1/1"),
        ("Müller 7", "müller-07"), ("A0", "A00", "a-0"),
    ],
)  # fmt: skip
def test_near_ids_have_one_code(ids: tuple[str, ...]) -> None:
    assert len({KEY.near(id_) for id_ in ids}) == 1


def test_other_ids_have_other_codes() -> None:
    ids = ("1", "10", "11", "1-1", "P1", "P10", "100", "1P", "P", "0", "S1-P1", "S11-P")
    assert len({KEY.near(id_) for id_ in ids}) == len(ids)


def test_lost_zeros_are_asked_about_and_nothing_is_written(tmp_path: Path, study: Path) -> None:
    log(session(tmp_path, "l", [f"{i:03}" for i in range(1, 7)]), study)
    before = study.read_bytes()
    later = session(tmp_path, "m", [str(i) for i in range(1, 7)])
    with pytest.raises(UsageError) as caught:
        log(later, study)

    assert str(caught.value) == (
        f"{later / 'session.csv'}: patient_id: 6 ids are each nearly the id of a patient in the journal or in this "
        "table ('6' and '006'); Excel drops leading zeros. Are they the same patients? Say --ids same or --ids "
        "different; nothing was written"
    )
    assert study.read_bytes() == before


def test_the_same_patients_are_one_and_are_not_asked_about_again(tmp_path: Path, study: Path) -> None:
    log(session(tmp_path, "l", ["001", "002"]), study)
    later = session(tmp_path, "m", ["1", "2"])
    assert log(later, study, ids="same").n_new == 2
    assert n_patients(study) == 2
    assert told(log(later, study)) == (0, 0, 0, True)
    assert log(session(tmp_path, "n", ["1", "002"]), study).n_new == 2
    assert n_patients(study) == 2


def test_different_patients_are_two_and_a_third_one_is_asked_about(tmp_path: Path, study: Path) -> None:
    log(session(tmp_path, "l", ["001", "002"]), study)
    later = session(tmp_path, "m", ["1"])
    log(later, study, ids="different")
    assert n_patients(study) == 3
    assert told(log(later, study)) == (0, 0, 0, True)
    third = session(tmp_path, "n", ["01"])
    with pytest.raises(UsageError, match="Say --ids same or --ids different"):
        log(third, study)
    with pytest.raises(UsageError, match=r"'01' is near the ids of 2 patients"):
        log(third, study, ids="same")


def test_two_spellings_in_one_table_are_asked_about_before_a_journal_is_made(tmp_path: Path, study: Path) -> None:
    folder = session(tmp_path, "l", ["P1", "P-01", "P2"])
    with pytest.raises(UsageError, match=r"an id is nearly the id of a patient .* \('P1' and 'P-01'\)"):
        log(folder, study)
    assert not study.exists()
    log(folder, study, ids="same")
    assert n_patients(study) == 2


def test_a_journal_that_does_not_know_near_ids_yet(tmp_path: Path, study: Path) -> None:
    """As one that was migrated: only leading zeros are recognised."""
    log(session(tmp_path, "l", ["001"]), study)
    with closing(sqlite3.connect(study)) as connection:
        connection.execute("UPDATE patients SET near = ''")
        connection.commit()
    with pytest.raises(UsageError, match=r"\('1' and '001'\)"):
        log(session(tmp_path, "m", ["1"]), study)


def test_taking_a_log_back_forgets_what_was_said(tmp_path: Path, study: Path) -> None:
    log(session(tmp_path, "l", ["001"]), study)
    later = session(tmp_path, "m", ["1"])
    log(later, study, ids="different")
    undo(later, study)
    with pytest.raises(UsageError, match="Say --ids"):
        log(later, study)
    log(later, study, ids="same")
    assert n_patients(study) == 1


def test_the_option(tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log(session(tmp_path, "l", ["001"]), study)
    later = session(tmp_path, "m", ["1"])
    assert cli.main(["log", str(later), "--journal", str(study)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert cli.main(["log", str(later), "--journal", str(study), "--ids", "same", "--quiet"]) == 0
    assert n_patients(study) == 1
