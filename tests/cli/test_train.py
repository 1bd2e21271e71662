"""``popdetect train``: a new model, the comparison, and what is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from commands import Capture, json_lines, run

from popdetect.cli import main as cli
from popdetect.detection.model.bundle import shipped
from popdetect.training.data import simulated_sessions
from popdetect.training.data.scenes import SceneRule


def test_too_few_clips_are_refused_with_the_number_needed(session: Path, tmp_path: Path, capsys: Capture) -> None:
    code = cli.main(["train", str(session / "labels.csv"), "--out", str(tmp_path / "ours")])

    assert code == 2
    assert re.search(r"at least \d+ of each are needed", capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_train_makes_a_model_and_reports_what_it_left_out(tmp_path: Path, capsys: Capture) -> None:
    folder, ours = tmp_path / "s", tmp_path / "ours"
    simulated_sessions.simulate(folder, n_clips=24, n_patients=4, seed=2, rule=SceneRule(duration_s=1.0))
    with (folder / "labels.csv").open("a", encoding="utf-8") as table:
        table.write("broken.wav,no_pop,,p01,\n")
    (folder / "broken.wav").write_text("not sound")
    code, out, err = run(["train", str(folder / "labels.csv"), "--out", str(ours), "--json"], capsys)
    (report,) = json_lines(out)

    assert code == 3
    assert report["left_out"] == [["broken.wav", "this is text, not audio, whatever its name says"]]
    assert err == "popdetect: left out broken.wav: this is text, not audio, whatever its name says\n"
    assert report["new"]["n_clips"] == report["current"]["n_clips"] == 24
    assert report["adopt"] in (True, False)
    assert report["advice"].startswith("Adopt: ") == report["adopt"]
    # the rows that came with the shipped model travel on
    assert {p.name for p in ours.iterdir()} == {p.name for p in shipped().iterdir()}
    clip = str(next(folder.rglob("thrust_01.wav")))
    (row,) = json_lines(run(["classify", clip, "--model", str(ours), "--json"], capsys)[1])
    assert (row["model"], row["model_sha256"]) == (report["model"], report["model_sha256"])
    before = {p.name: p.read_bytes() for p in ours.iterdir()}
    code, out, err = run(["train", str(folder / "labels.csv"), "--out", str(ours)], capsys)
    assert (code, out) == (2, "")
    assert "--force" in err
    assert before == {p.name: p.read_bytes() for p in ours.iterdir()}
