"""``popdetect label``: the tables, runs that are continued, and agreement with classify."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from commands import COMMAND, Capture, json_lines, run

from popdetect.cli import main as cli
from popdetect.cli.label import as_text
from popdetect.session import labelling
from popdetect.session.session import Session


def test_a_second_run_skips_finished_clips(session: Path, tmp_path: Path, capsys: Capture) -> None:
    args = ["label", str(session), "--out", str(tmp_path / "out"), "--formats", "audacity,raven,textgrid", "--json"]

    assert cli.main(args) == 0
    first = json.loads(capsys.readouterr().out)
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").glob("*.csv")}
    assert cli.main(args) == 0
    second = json.loads(capsys.readouterr().out)

    assert (first["n_clips"], first["n_new"], first["n_skipped"]) == (8, 8, 0)
    assert (second["n_new"], second["n_skipped"]) == (0, 8)
    assert before == {p.name: p.read_bytes() for p in (tmp_path / "out").glob("*.csv")}
    assert set(before) == {"clips.csv", "events.csv", "bursts.csv"}
    assert all((tmp_path / "out" / name).is_dir() for name in ("audacity", "raven", "textgrid"))


def test_label_gives_the_results_of_classify(session: Path, tmp_path: Path, capsys: Capture) -> None:
    cli.main(["label", str(session), "--out", str(tmp_path / "out"), "--quiet"])
    table = (tmp_path / "out" / "clips.csv").read_text(encoding="utf-8").splitlines()
    columns = table[0].split(",")
    rows = [dict(zip(columns, line.split(","), strict=True)) for line in table[1:]]
    cli.main(["classify", *(str(session / row["file"]) for row in rows), "--json"])
    classified = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [row["label"] for row in rows] == [row["label"] for row in classified]
    # the table has four decimals and JSON six: rounding twice may differ by one in the last place
    shown = [float(row["p_pop"]) for row in rows]
    assert shown == pytest.approx([row["p_pop"] for row in classified], abs=0.5001e-4)
    assert [row["sha256"] for row in rows] == [row["sha256"] for row in classified]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a child alone")
@pytest.mark.slow
def test_an_interrupted_run_continues_and_gives_the_same_tables(session: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    clips = sorted(session.rglob("*.wav"))
    for index in range(3_000):
        os.link(clips[index % len(clips)], many / f"clip_{index:04d}.wav")
    command = [sys.executable, "-m", "popdetect", "label", str(many), "--quiet"]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    record = many / "popdetect" / "progress.jsonl"
    while run.poll() is None and not (record.is_file() and record.stat().st_size > 50_000):
        time.sleep(0.01)
    run.send_signal(signal.SIGINT)
    _, words = run.communicate()

    assert run.returncode == 130
    assert "interrupted" in words
    assert "Traceback" not in words
    assert not (many / "popdetect" / "clips.csv").exists()
    again = subprocess.run([*command[:-1], "--json"], capture_output=True, text=True, check=True)
    assert json.loads(again.stdout)["n_skipped"] > 0
    resumed = (many / "popdetect" / "clips.csv").read_bytes()
    subprocess.run([*command, "--force"], check=True)
    assert (many / "popdetect" / "clips.csv").read_bytes() == resumed


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a child alone")
@pytest.mark.slow
def test_an_interrupted_run_with_two_jobs_leaves_no_process_and_continues(session: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    many.mkdir()
    clips = sorted(session.rglob("*.wav"))
    for index in range(1_500):
        os.link(clips[index % len(clips)], many / f"clip_{index:04d}.wav")
    command = [*COMMAND, "label", str(many), "--jobs", "2"]
    # a group of its own, all of which gets the signal, as from Ctrl-C
    job = subprocess.Popen(
        [*command, "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    record = many / "popdetect" / "progress.jsonl"
    deadline = time.monotonic() + 30
    while job.poll() is None and not (record.is_file() and record.stat().st_size > 20_000):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(job.pid, signal.SIGINT)
    out, words = job.communicate(timeout=30)  # returns only when no worker holds the pipes any more

    assert (job.returncode, out) == (130, "")
    assert "interrupted" in words
    assert "Traceback" not in words
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert 0 < json.loads(again.stdout)["n_skipped"] < 1_500
    resumed = (many / "popdetect" / "clips.csv").read_bytes()
    subprocess.run([*command[:-2], "--force", "--quiet"], check=True)
    assert (many / "popdetect" / "clips.csv").read_bytes() == resumed


def test_the_table_agrees_with_the_json(session: Path, tmp_path: Path, capsys: Capture) -> None:
    (summary,) = json_lines(run(["label", str(session), "--out", str(tmp_path / "o"), "--json"], capsys)[1])
    with (tmp_path / "o" / "clips.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))

    assert summary["n_clips"] == len(rows)
    n_pops = {name: sum(int(row["n_pops"]) for row in rows if row["label"] == name) for name in ("pop", "uncertain")}
    assert (summary["n_pops"], summary["n_uncertain_pops"]) == (n_pops["pop"], n_pops["uncertain"])
    for name in ("pop", "no_pop", "uncertain"):
        assert summary[f"n_{name}"] == sum(row["label"] == name for row in rows)
    assert all(Path(path).exists() for path in summary["written"])


@pytest.mark.parametrize(
    ("uncertain", "words"),
    [
        ([], "0 uncertain, 0 failed"),
        ([2, 1], "2 uncertain (3 uncertain pops), 0 failed"),
        ([1], "1 uncertain (1 uncertain pop), 0 failed"),
    ],
)
def test_the_summary_says_how_many_pops_are_uncertain(tmp_path: Path, uncertain: list[int], words: str) -> None:
    clips = [("pop", 4), ("no_pop", 0), *(("uncertain", n) for n in uncertain)]
    table = [f"{i}.wav,ok,{label},0.5,{n}" for i, (label, n) in enumerate(clips)]
    (tmp_path / "popdetect").mkdir()
    (tmp_path / "popdetect" / "clips.csv").write_text("\n".join(["file,status,label,p_pop,n_pops", *table, ""]))
    summary = labelling.Summary(Session.read(tmp_path), 0, 1.0, (), ())

    assert as_text(summary).splitlines()[0] == f"{len(clips)} clips: 1 pop (4 pops), 1 no pop, {words}"


def test_a_subfolder_that_cannot_be_read_gives_exit_code_3(
    session: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "p02":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)

    code, out, err = run(["label", str(session), "--out", str(tmp_path / "out"), "--json"], capsys)
    (summary,) = json_lines(out)
    written = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))

    assert code == 3
    assert err == "popdetect: the folder p02/ cannot be read: Permission denied\n"
    assert summary["unlisted"] == written["unlisted"] == [{"folder": "p02/", "error": "Permission denied"}]


def test_progress_on_a_terminal_only(
    session: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ["label", str(session), "--out", str(tmp_path / "out"), "--force"]

    assert run(args, capsys)[2] == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert "clips" in run(args, capsys)[2]
    assert run([*args, "--quiet"], capsys)[1:] == ("", "")


def test_an_interruption_is_exit_code_130(session: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(labelling, "label", interrupted)
    code, out, err = run(["label", str(session)], capsys)

    assert (code, out) == (130, "")
    assert "continue" in err
