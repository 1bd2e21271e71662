"""``popdetect demo``: the whole way, once and again, and never over anybody's study."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from popdetect.cli import main as cli
from popdetect.study.journal import journal
from popdetect.study.simulation import demonstration
from popdetect.study.simulation import session as simulated

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "out"
    assert cli.main(["demo", str(folder), "--quiet"]) == 0
    return folder


def run(capsys: Capture, *args: object) -> tuple[int, str, str]:
    code = cli.main([*map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


def test_it_goes_the_whole_way(demo: Path, capsys: Capture) -> None:
    there = {path.name for path in demo.iterdir()}
    assert there == {"session", "demo.db", "demo.key", "report.html"}
    thrusts = journal.thrusts(demo / "demo.db")
    assert len(thrusts) == demonstration.PLAN.n_thrusts
    assert all(thrust.simulated and thrust.label for thrust in thrusts)

    code, out, err = run(capsys, "demo", demo)
    assert code == 0
    assert "writing the report" in err
    assert "making" not in err
    lines = out.splitlines()
    assert [line[:4] for line in lines if line.startswith(("  1. ", "  2. ", "  3. "))] == ["  1.", "  2.", "  3."]
    assert "in which a pop changes pain by -1.5 points" in out
    assert "60 were finished before" in out
    assert "the scores are not clinical accuracy" in out
    assert "not a medical device" in out
    for name in ("report.html", "demo.db", "demo.key", "session"):
        assert str(demo / name) in out
    assert "keep it elsewhere" in out


def test_a_second_run_makes_nothing_anew(demo: Path, capsys: Capture) -> None:
    kept = [demo / "session" / "simulation.json", demo / "demo.key", demo / "session" / "p01" / "thrust_01.wav"]
    before = [path.stat().st_mtime_ns for path in kept]
    code, out, _ = run(capsys, "demo", demo, "--json")
    told = json.loads(out)

    assert code == 0
    assert [path.stat().st_mtime_ns for path in kept] == before
    assert told["logged"]["n_new"] == 0
    assert told["labelled"]["n_skipped"] == 60
    assert len(told["sentences"]) == 3
    assert told["true_effect_points"] == demonstration.PLAN.effect
    assert told["simulated"] is True
    assert Path(told["report"]).is_file()


def test_what_was_put_in_lies_in_the_interval_and_the_report_says_it_is_simulated(demo: Path, capsys: Capture) -> None:
    code, out, _ = run(capsys, "outcomes", demo / "demo.db", "--json")
    main = json.loads(out)["main"]["estimate"]

    assert code == 0
    assert main["low"] < demonstration.PLAN.effect < main["high"]
    assert "simulated" in (demo / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["STUDY.db", "demo.db", "notes"])
def test_a_folder_that_is_not_its_own_is_left_alone(name: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / name).write_bytes(b"mine")
    code, out, err = run(capsys, "demo", tmp_path)

    assert (code, out) == (2, "")
    assert "not of an earlier demo" in err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"mine"


def test_a_file_in_its_place_is_told(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "f").write_text("x")
    code, _, err = run(capsys, "demo", tmp_path / "f")

    assert code == 2
    assert err.count("\n") == 1


def test_interrupted_while_simulating_it_begins_again(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compose(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(simulated.sessions, "compose", compose)
        code, _, err = run(capsys, "demo", tmp_path / "demo")
    assert code == 130
    assert "start again" in err
    # what is left is not in the way of the next run
    demonstration._must_be_empty(tmp_path / "demo")
