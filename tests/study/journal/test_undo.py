"""``log --undo``: the journal is as before, and what was taken back stays in the history."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from journal_fakes import code_of, log, make_session, scores, told, write_clips, write_scores

from popdetect.cli import main as cli
from popdetect.errors import UsageError
from popdetect.study.journal import journal
from popdetect.study.journal.journal import records, thrusts
from popdetect.study.journal.logging import undo


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return tmp_path / "STUDY.db"


def values(study: Path) -> list[Any]:
    """All rows that hold values of patients."""
    with closing(sqlite3.connect(study)) as connection:
        return [
            sorted(connection.execute(query).fetchall(), key=repr)
            for query in (
                "SELECT * FROM scores",
                "SELECT * FROM answers",
                "SELECT written, patient, near FROM patients",
                "SELECT * FROM thrusts WHERE status IS NOT NULL",
            )
        ]


def test_each_log_can_be_taken_back_in_turn(tmp_path: Path, study: Path) -> None:
    other, folder = make_session(tmp_path, 3, "other"), make_session(tmp_path)
    log(other, study)
    states = [values(study)]

    rows = [{**row, "date": "2024-03-05", "room": "blue", "technique": "a"} for row in scores(5)]
    write_scores(folder, rows)
    log(folder, study)  # new thrusts
    states.append(values(study))

    rows[2] |= {"pain_after": "", "room": "", "technique": "", "date": ""}
    rows[3] |= {"patient_id": "Patient9", "time_point": "next day"}
    write_scores(folder, [*rows, {**scores()[5], "file": "lost.wav"}])
    write_clips(folder, [row["file"] for row in scores()], c01={"label": "pop", "p_pop": "0.9100", "snr_db": ""})
    log(folder, study, update=True)  # changed values, and a score without a clip
    states.append(values(study))

    write_scores(folder, [*rows, scores()[5]])
    log(folder, study)  # the score has its clip now
    assert len(thrusts(study)) == 9
    for state in reversed(states):
        undo(folder, study)
        assert values(study) == state
    with pytest.raises(UsageError, match=r"session 7: nothing of this session is in .*STUDY.db to take back"):
        undo(folder, study)
    assert len(thrusts(study)) == 3


def test_what_was_taken_back_is_in_the_history_and_can_be_logged_again(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path)
    first = log(folder, study)
    before = [{**record, "id": 0} for record in records(study)]
    done = undo(folder, study)

    assert (done.session, done.n_removed, done.n_left) == (first.session, 6, 0)
    assert records(study) == []
    assert journal.recordings(study) == {}
    code = code_of(study, first.session, "c00.wav")
    kept = {(change.field, change.old, change.new) for change in journal.history(study) if change.file == code}
    assert {("pain_before", "4", None), ("label", "pop", None), ("pain_scale", "NPRS", None)} <= kept
    assert told(log(folder, study)) == (6, 0, 0, True)
    assert [{**record, "id": 0} for record in records(study)] == before


def test_nothing_to_take_back(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path)
    with pytest.raises(UsageError, match="no such journal"):
        undo(folder, study)
    assert not study.with_suffix(".key").exists()
    log(make_session(tmp_path, name="other"), study)
    before = study.read_bytes()
    with pytest.raises(UsageError, match="nothing of this session"):
        undo(folder, study)
    assert study.read_bytes() == before
    assert not (folder / "popdetect" / "session_id.txt").exists()


def test_scores_without_a_clip_leave_with_their_line(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path)
    write_scores(folder, [*scores()[:3], *({**row, "file": f"x/{row['file']}"} for row in scores()[3:])])
    assert len(log(folder, study).scores_without_clips) == 3
    assert len(thrusts(study)) == 6
    write_scores(folder, scores())
    done = log(folder, study)

    assert (done.n_removed, done.n_filled, done.scores_without_clips) == (3, 3, ())
    assert len(thrusts(study)) == 6
    assert {thrust.label for thrust in thrusts(study)} == {"pop", "no_pop", "uncertain"}
    assert told(log(folder, study)) == (0, 0, 0, True)
    assert {"pain_before", "patient"} <= {change.field for change in journal.history(study)}


def test_the_command(tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_session(tmp_path)
    session = log(folder, study).session
    assert cli.main(["log", str(folder), "--journal", str(study), "--undo"]) == 0
    assert capsys.readouterr().out == (
        f"{study}: session {session}: the last log was taken back: 6 thrusts removed, 0 values as before; "
        "nothing of the session is left\n"
    )
    log(folder, study)
    assert cli.main(["log", str(folder), "--journal", str(study), "--undo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_removed"] == 6
    for other in ("--init", "--update"):
        assert cli.main(["log", str(folder), "--journal", str(study), "--undo", other]) == 2
