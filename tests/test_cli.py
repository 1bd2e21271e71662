"""The command line: what goes where, which exit code, and no surprise."""

from __future__ import annotations

import argparse
import inspect
import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from popdetect import cli
from popdetect.hearing import bundle
from popdetect.hearing.detector import Detector
from popdetect.learning import retraining, sessions
from popdetect.learning.scenes import SceneRule
from popdetect.sessions import batch

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "Übung 1"
    sessions.simulate(folder, n_clips=8, n_patients=2, seed=1, rule=SceneRule(duration_s=1.0))
    return folder


@pytest.fixture(scope="module")
def with_pop(session: Path) -> Path:
    table = (session / "labels.csv").read_text(encoding="utf-8").splitlines()
    return session / next(line.split(",")[0] for line in table if ",pop," in line)


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    subs = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not subs:
        yield parser
    for sub in subs:
        for child in sub.choices.values():
            yield from parsers(child)


def test_classify_prints_a_row(with_pop: Path, capsys: Capture) -> None:
    code = cli.main(["classify", str(with_pop)])
    out, err = capsys.readouterr()

    assert code == 0
    assert out.splitlines()[0].split() == ["file", "label", "p_pop", "pops", "onsets", "(s)"]
    assert len(out.splitlines()) == 2
    assert err == ""


def test_classify_json_is_a_line_a_file_with_all_that_traces_it(session: Path, capsys: Capture) -> None:
    files = sorted(map(str, session.rglob("*.wav")))
    code = cli.main(["classify", *files, "--json", "--events"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert code == 0
    assert [row["file"] for row in rows] == files
    for row in rows:
        assert row["schema_version"] == 1
        assert row["n_pops"] == len(row["pops_s"]) == sum(event["is_pop"] for event in row["events"])
        assert (row["label"] == "pop") == (row["n_pops"] > 0)
        assert len(row["sha256"]) == len(row["model_sha256"]) == 64


def test_classify_reads_standard_input(with_pop: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.main(["classify", str(with_pop), "--json"])
    by_name = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(with_pop.read_bytes())))
    code = cli.main(["classify", "-", "--json"])
    piped = json.loads(capsys.readouterr().out)

    assert code == 0
    assert piped == {**by_name, "file": "-"}


def test_plot_writes_a_picture(with_pop: Path, tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "clip.png"
    code = cli.main(["classify", str(with_pop), "--plot", str(target)])
    raw = target.read_bytes()

    assert code == 0
    assert raw[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", raw[16:24]) == (1400, 900)
    assert list(tmp_path.iterdir()) == [target]


def test_plot_of_several_files_wants_a_folder(session: Path, tmp_path: Path, capsys: Capture) -> None:
    files = sorted(map(str, session.rglob("*.wav")))[:2]

    assert cli.main(["classify", *files, "--plot", str(tmp_path / "a.png")]) == 2
    assert "name a folder instead" in capsys.readouterr().err
    assert cli.main(["classify", *files, "--plot", str(tmp_path / "pictures"), "--quiet"]) == 0
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 2


def test_label_then_label_again_skips(session: Path, tmp_path: Path, capsys: Capture) -> None:
    args = ["label", str(session), "--out", str(tmp_path / "out"), "--formats", "audacity,raven,textgrid", "--json"]

    assert cli.main(args) == 0
    first = json.loads(capsys.readouterr().out)
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").glob("*.csv")}
    assert cli.main(args) == 0
    second = json.loads(capsys.readouterr().out)

    assert (first["n_clips"], first["n_new"], first["n_skipped"]) == (8, 8, 0)
    assert (second["n_new"], second["n_skipped"]) == (0, 8)
    assert before == {p.name: p.read_bytes() for p in (tmp_path / "out").glob("*.csv")}
    assert set(before) == {"clips.csv", "events.csv"}
    assert all((tmp_path / "out" / name).is_dir() for name in ("audacity", "raven", "textgrid"))


def test_label_says_what_classify_says(session: Path, tmp_path: Path, capsys: Capture) -> None:
    cli.main(["label", str(session), "--out", str(tmp_path / "out"), "--quiet"])
    table = (tmp_path / "out" / "clips.csv").read_text(encoding="utf-8").splitlines()
    columns = table[0].split(",")
    rows = [dict(zip(columns, line.split(","), strict=True)) for line in table[1:]]
    cli.main(["classify", *(str(session / row["file"]) for row in rows), "--json"])
    judged = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [row["label"] for row in rows] == [row["label"] for row in judged]
    assert [row["p_pop"] for row in rows] == [f"{row['p_pop']:.4f}" for row in judged]
    assert [row["sha256"] for row in rows] == [row["sha256"] for row in judged]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a child alone")
def test_an_interrupted_label_goes_on_and_ends_the_same(session: Path, tmp_path: Path) -> None:
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


def test_evaluate_and_model_speak_json(session: Path, capsys: Capture) -> None:
    assert cli.main(["evaluate", str(session), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scores"]["n_clips"] == 8
    assert cli.main(["model", "verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parity"] < 1e-5
    assert cli.main(["model", "show"]) == 0
    assert "no figure here is clinical accuracy" in capsys.readouterr().out


def test_train_refuses_too_little_and_says_what_is_needed(session: Path, tmp_path: Path, capsys: Capture) -> None:
    code = cli.main(["train", str(session / "labels.csv"), "--out", str(tmp_path / "ours")])

    assert code == 2
    assert "at least 10 of each are needed" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_demo_shows_the_table_and_starts_at_once_the_second_time(tmp_path: Path, capsys: Capture) -> None:
    assert cli.main(["demo", str(tmp_path / "demo")]) == 0
    first = capsys.readouterr().out
    made = (tmp_path / "demo" / "simulation.json").stat().st_mtime_ns
    assert cli.main(["demo", str(tmp_path / "demo")]) == 0

    assert "24 clips:" in first
    assert "not clinical accuracy" in first
    assert "24 were done before" in capsys.readouterr().out
    assert (tmp_path / "demo" / "simulation.json").stat().st_mtime_ns == made


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["label", ".", "--jobs", "0"], "a number from 1 to 256"),
        (["label", ".", "--jobs", "two"], "a number from 1 to 256"),
        (["label", ".", "--formats", "praat"], "audacity, raven, textgrid"),
        (["simulate", "x", "--pop-share", "1.5"], "a number from 0 to 1"),
        (["simulate", "x", "--rate", "4000"], "a number from 8000 to 192000 Hz"),
        (["classify", "x.wav", "--operating-point", "bold"], "balanced, sensitive, specific"),
        (["classify", "x.wav", "--plot", "a.jpg"], "ends in .png"),
        (["classify", "-", "-"], "read once"),
        (["simulate", "x", "--role", "train"], "--sounds"),
    ],
)
def test_wrong_use_is_refused_and_never_clamped(args: list[str], words: str, capsys: Capture) -> None:
    try:
        code = cli.main(args)
    except SystemExit as stopped:  # argparse leaves by itself
        code = int(stopped.code or 0)
    out, err = capsys.readouterr()

    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert out == ""


def test_our_own_errors_are_said_to_be_ours(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("something\nodd")

    monkeypatch.setattr(bundle, "load", broken)

    assert cli.main(["model", "show"]) == 1
    err = capsys.readouterr().err
    assert "an error of our own" in err
    assert err.count("\n") == 1


def test_help_mentions_every_option_and_has_an_example() -> None:
    for parser in parsers(cli._parser()):
        text = parser.format_help()
        for action in parser._actions:
            assert all(option in text for option in action.option_strings)
            assert action.help, (parser.prog, action.dest)
        assert f"example: {parser.prog}" in text


def test_every_default_comes_from_the_library() -> None:
    def defaults(command: list[str]) -> argparse.Namespace:
        return cli._parser().parse_args(command)

    def library(function: object) -> dict[str, object]:
        parameters = inspect.signature(function).parameters.values()  # type: ignore[arg-type]
        return {p.name: p.default for p in parameters}

    label, made = defaults(["label", "x"]), defaults(["simulate", "x"])
    trained, rule = defaults(["train", "x", "--out", "y"]), SceneRule()
    wanted = library(batch.label)
    assert (label.jobs, label.force, label.out) == (wanted["jobs"], wanted["force"], wanted["out"])
    assert label.operating_point == wanted["operating_point"] == library(Detector)["operating_point"]
    wanted = library(sessions.simulate)
    assert (made.clips, made.patients, made.seed) == (wanted["n_clips"], wanted["n_patients"], wanted["seed"])
    assert (made.seconds, made.pop_share, made.max_pops) == (rule.duration_s, rule.pop_share, rule.max_pops)
    assert (made.max_distractors, (made.rate,)) == (rule.max_distractors, rule.rates_hz)
    wanted = library(retraining.train)
    assert (trained.name, trained.seed, trained.force) == (wanted["name"], wanted["seed"], wanted["force"])


def test_version_loads_not_even_numpy() -> None:
    code = (
        "import sys; from popdetect.cli import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: print('numpy' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert out.splitlines()[-1] == "False"


def test_classify_loads_nothing_heavy(with_pop: Path) -> None:
    code = (
        f"import sys; from popdetect.cli import main; main(['classify', {str(with_pop)!r}, '--quiet'])\n"
        "heavy = {'librosa', 'sklearn', 'scipy', 'numba', 'matplotlib', 'tqdm', 'threadpoolctl', 'multiprocessing'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert out.splitlines()[-1] == "[]"
