"""`popdetect outcomes`: the text, the JSON that says the same, and its refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from journal_fakes import make_session, write_scores

from popdetect.cli import main as cli
from popdetect.records import to_json
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.journal.journal import thrusts

Capture = pytest.CaptureFixture[str]
N = 48


@pytest.fixture
def study(tmp_path: Path, capsys: Capture) -> Path:
    """A journal of 48 thrusts of 12 patients, told apart by pop and no pop in turn."""
    folder = make_session(tmp_path, N)
    rows = [
        {
            "file": f"c{i:02}.wav",
            "patient_id": f"Patient{i // 4}",
            "pain_before": str(4 + i % 5),
            "pain_after": str(max(0, 3 + (7 * i) % 5 - 2 * (i % 3 == 0))),
            "expects_relief": str(i % 11),
            "believes_pop_needed": str(1 + i % 5),
        }
        for i in range(N)
    ]
    write_scores(folder, rows)
    assert cli.main(["log", str(folder), "--journal", str(tmp_path / "STUDY.db")]) == 0
    capsys.readouterr()
    return tmp_path / "STUDY.db"


def test_the_answer_comes_first_and_never_says_no_effect(study: Path, capsys: Capture) -> None:
    assert cli.main(["outcomes", str(study)]) == 0
    out, err = capsys.readouterr()

    assert out.startswith("48 thrusts of 12 patients; pain in points (NPRS, 0 to 10).")
    assert out.index("In short") < out.index("Pain by the detector's verdict") < out.index("Limits")
    assert "no effect" not in out.lower()
    assert err == ""


def test_json_says_what_the_library_says(study: Path, capsys: Capture) -> None:
    args = ["outcomes", str(study), "--json", "--margin", "2", "--sensitivity", "46/50", "--specificity", "40/50"]
    assert cli.main(args) == 0
    told = json.loads(capsys.readouterr().out)
    found = outcomes(thrusts(study), margin=2.0, sensitivity=(46, 50), specificity=(40, 50))

    assert told.pop("schema_version") == 1
    assert told == json.loads(json.dumps(to_json(found)))


@pytest.mark.parametrize("counts", ["50/46", "0.9", "-1/50", "4/0", "46 / 50", "46", "٤/٥"])
def test_counts_that_cannot_be_are_refused(study: Path, capsys: Capture, counts: str) -> None:
    assert cli.main(["outcomes", str(study), f"--sensitivity={counts}", "--specificity=44/50"]) == 2
    assert "46/50" in capsys.readouterr().err


def test_no_journal_and_nothing_in_it_are_told(tmp_path: Path, capsys: Capture) -> None:
    assert cli.main(["outcomes", str(tmp_path / "none.db")]) == 2
    assert "no such journal" in capsys.readouterr().err
    (tmp_path / "text.db").write_text("not a database, but long enough to look like one " * 40)
    assert cli.main(["outcomes", str(tmp_path / "text.db")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
