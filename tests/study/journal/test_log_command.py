"""``popdetect log``: what is printed where, and which exit code."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from journal_fakes import make_session, scores, write_scores

from popdetect.cli import main as cli

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_session(tmp_path)


def run(capsys: Capture, *args: object) -> tuple[int, str, str]:
    code = cli.main(["log", *map(str, args)])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def test_the_first_time_it_explains_the_key_and_then_says_nothing_new(folder: Path, capsys: Capture) -> None:
    study = folder.parent / "STUDY.db"
    code, out, err = run(capsys, folder, "--journal", study)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith(f"{study}: session S-")
    assert out.splitlines()[0].endswith(": 6 thrusts, 6 new")
    assert "Made the key" in out
    assert "Keep it away from the journal" in out

    code, out, err = run(capsys, folder, "--journal", study)
    assert (code, err) == (0, "")
    assert out.endswith("6 thrusts, nothing new\n")
    assert len(out.splitlines()) == 1
    assert run(capsys, folder, "--journal", study, "--quiet") == (0, "", "")


def test_a_change_is_shown_and_is_wrong_use_without_update(folder: Path, capsys: Capture) -> None:
    study = folder.parent / "STUDY.db"
    run(capsys, folder, "--journal", study)
    write_scores(folder, [{**row, "pain_after": "" if i else "9"} for i, row in enumerate(scores())])
    code, out, err = run(capsys, folder, "--journal", study)
    assert code == 2
    assert "  differs: c00.wav: pain_after: 2 → 9" in out.splitlines()
    assert "  differs: c01.wav: pain_after: 2 → not asked" in out.splitlines()
    assert err.splitlines() == [
        "popdetect: nothing was written: 6 values differ from the journal; use --update to replace them"
    ]
    code, out, err = run(capsys, folder, "--journal", study, "--update")
    assert (code, err) == (0, "")
    assert "6 thrusts, 0 new, 6 values changed" in out


def test_what_does_not_fit_together_is_exit_code_3(folder: Path, capsys: Capture) -> None:
    rows = scores()
    rows[0]["file"] = "other.wav"
    write_scores(folder, rows)
    for _ in range(2):  # the second time nothing is new, and the session is as incomplete
        code, out, err = run(capsys, folder, "--journal", folder.parent / "STUDY.db")
        assert (code, err) == (3, "")
        assert "  clips without scores (1):\n    c00.wav\n" in out
        assert "  scores without clips (1):\n    other.wav" in out


def test_json_is_one_object_with_everything(folder: Path, capsys: Capture) -> None:
    write_scores(folder, [{**row, "room": "1", "notes": "n"} for row in scores(5)])
    code, out, err = run(capsys, folder, "--journal", folder.parent / "STUDY.db", "--json")
    made = json.loads(out)
    assert (code, err) == (3, "")
    assert made["clips_without_scores"] == ["c05.wav"]
    assert (made["n_thrusts"], made["n_new"], made["written"], made["key_made"]) == (6, 6, True, True)
    assert made["own_columns"] == ["room"]
    assert made["not_kept"] == ["notes (free text may hold names; --with-notes keeps it)"]


def test_every_kind_of_problem_of_a_table_has_one_line(folder: Path, capsys: Capture) -> None:
    write_scores(folder, [{**row, "pain_after": "x", "pain_before": str(9 + i)} for i, row in enumerate(scores())])
    code, out, err = run(capsys, folder, "--journal", folder.parent / "STUDY.db")
    assert (code, out) == (2, "")
    where = f"popdetect: {folder / 'session.csv'}"
    assert err.splitlines() == [
        f"{where}:2: pain_after: 'x' in 6 lines (2, 3, 4, 5 …): not a number; allowed: whole number 0 to 10 (NPRS), "
        "without a unit",
        f"{where}:4: pain_before: '11', '12', '13', '14' in 4 lines (4, 5, 6, 7): allowed: whole number 0 to 10 "
        "(NPRS); if pain was asked on a line of 100 mm, write VAS100 as pain_scale",
    ]
    assert not (folder.parent / "STUDY.db").exists()
    assert not (folder.parent / "STUDY.key").exists()


def test_init_then_fill_in_then_log(folder: Path, capsys: Capture) -> None:
    (folder / "session.csv").unlink()
    code, out, err = run(capsys, "--init", folder)
    assert (code, err) == (0, "")
    assert "6 lines, one for each clip" in out
    code, out, err = run(capsys, folder, "--journal", folder.parent / "STUDY.db")
    assert (code, out) == (4, "")
    assert "no line is filled in" in err
    before = (folder / "session.csv").read_bytes()
    code, out, err = run(capsys, "--init", folder)
    assert (code, err) == (0, "")
    assert "6 lines, 0 of them for new clips. What is filled in was not changed." in out
    assert (folder / "session.csv").read_bytes() == before
    code, out, err = run(capsys, "--xlsx", folder, "--journal", folder.parent / "STUDY.db")
    assert (code, out) == (2, "")
    assert "--xlsx is for --init" in err


def test_the_journal_must_be_named(folder: Path, capsys: Capture) -> None:
    code, out, err = run(capsys, folder)
    assert (code, out) == (2, "")
    assert "--journal STUDY.db" in err


def test_ten_thousand_thrusts_take_five_seconds(tmp_path: Path) -> None:
    """The goal of the design, starting Python included; machines of tests are slow, so twice that is a failure."""
    folder = make_session(tmp_path, 10_000)
    write_scores(folder, [{**row, "date": "2024-03-05", "thrust_no": "1", "room": "a"} for row in scores(10_000)])
    command = [sys.executable, "-m", "popdetect", "log", str(folder), "--journal", str(tmp_path / "S.db"), "--json"]
    for n_new in (10_000, 0):
        begun = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True)
        taken_s = time.perf_counter() - begun
        assert json.loads(done.stdout)["n_new"] == n_new
        assert taken_s < 10
