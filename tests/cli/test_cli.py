"""The command line: what goes where, which exit code, and no surprise."""

from __future__ import annotations

import argparse
import csv
import inspect
import io
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from popdetect import __version__
from popdetect.cli import main as cli
from popdetect.detection.detector import Detector
from popdetect.detection.model import bundle
from popdetect.detection.model.bundle import shipped
from popdetect.session import labelling as batch
from popdetect.training import retraining
from popdetect.training.data import simulated_sessions as sessions
from popdetect.training.data.scenes import SceneRule
from popdetect.training.evaluation import evaluation

Capture = pytest.CaptureFixture[str]
COMMAND = [sys.executable, "-m", "popdetect"]


@pytest.fixture(autouse=True)
def _nothing_half_written(tmp_path: Path) -> Iterator[None]:
    yield
    assert [p for p in tmp_path.rglob("*") if p.name.startswith(".") or p.suffix in (".part", ".tmp")] == []


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "Übung 1"
    sessions.simulate(folder, n_clips=8, n_patients=2, seed=1, rule=SceneRule(duration_s=1.0))
    return folder


@pytest.fixture(scope="module")
def with_pop(session: Path) -> Path:
    table = (session / "labels.csv").read_text(encoding="utf-8").splitlines()
    return session / next(line.split(",")[0] for line in table if ",pop," in line)


@pytest.fixture(scope="module")
def without_pop(session: Path) -> Path:
    table = (session / "labels.csv").read_text(encoding="utf-8").splitlines()
    return session / next(line.split(",")[0] for line in table if ",no_pop," in line)


def run(args: list[str], capsys: Capture) -> tuple[int, str, str]:
    """Exit code, standard output and standard error, argparse's own exits included."""
    try:
        code = cli.main(args)
    except SystemExit as stopped:  # of --help and --version
        code = int(stopped.code or 0)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def json_lines(text: str) -> list[Any]:
    """Strict JSON Lines: one object a line, no NaN and no Infinity, no colour."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    assert "\x1b" not in text
    return [json.loads(line, parse_constant=refuse) for line in text.rstrip("\n").split("\n")]


def pixels(png: bytes) -> bytes:
    """The decompressed image data of a PNG."""
    at, data = 8, b""
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    return zlib.decompress(data)


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
    # the table has four decimals and JSON six: rounding twice may differ by one in the last place
    said = [float(row["p_pop"]) for row in rows]
    assert said == pytest.approx([row["p_pop"] for row in judged], abs=0.5001e-4)
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
    assert re.search(r"at least \d+ of each are needed", capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


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

    def library(function: Callable[..., object]) -> dict[str, object]:
        parameters = inspect.signature(function).parameters.values()
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
        "import sys; from popdetect.cli.main import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: print('numpy' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert out.splitlines()[-1] == "False"


def test_classify_loads_nothing_heavy(with_pop: Path) -> None:
    code = (
        f"import sys; from popdetect.cli.main import main; main(['classify', {str(with_pop)!r}, '--quiet'])\n"
        "heavy = {'librosa', 'sklearn', 'scipy', 'numba', 'matplotlib', 'tqdm', 'threadpoolctl', 'multiprocessing'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert out.splitlines()[-1] == "[]"


# --- what every command promises ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    ["classify CLIP", "classify CLIP --events", "label DIR --out OUT", "evaluate DIR", "simulate OUT --clips 2",
     "model show", "model verify"],
)  # fmt: skip
def test_json_is_lines_of_json_on_stdout_and_nothing_else(
    command: str, session: Path, with_pop: Path, tmp_path: Path, capsys: Capture
) -> None:
    paths = {"CLIP": str(with_pop), "DIR": str(session), "OUT": str(tmp_path / "out")}
    code, out, err = run([paths.get(word, word) for word in command.split()] + ["--json"], capsys)

    assert code == 0
    assert len(json_lines(out)) == 1
    assert isinstance(json_lines(out)[0], dict)
    assert err == ""


def test_train_makes_a_model_and_tells_what_it_left_out(tmp_path: Path, capsys: Capture) -> None:
    folder, ours = tmp_path / "s", tmp_path / "ours"
    sessions.simulate(folder, n_clips=24, n_patients=4, seed=2, rule=SceneRule(duration_s=1.0))
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


def test_quiet_leaves_results_only(session: Path, with_pop: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(["classify", str(with_pop), "--quiet"], capsys)[1].count("\n") == 1
    assert run(["label", str(session), "--out", str(tmp_path / "o"), "--quiet"], capsys) == (0, "", "")
    assert run(["simulate", str(tmp_path / "s"), "--clips", "1", "--quiet"], capsys) == (0, "", "")


def test_events_lists_each_candidate(with_pop: Path, capsys: Capture) -> None:
    (row,) = json_lines(run(["classify", str(with_pop), "--events", "--json"], capsys)[1])
    lines = run(["classify", str(with_pop), "--events"], capsys)[1].splitlines()[2:]

    assert len(lines) == len(row["events"]) > 0
    for line, event in zip(lines, row["events"], strict=True):
        assert line.split()[:2] == ["pop" if event["is_pop"] else "other", f"{event['onset_s']:.4f}"]
        assert event["p_pop"] >= 0.05
    assert "events" not in json_lines(run(["classify", str(with_pop), "--json"], capsys)[1])[0]


def test_every_operating_point_of_the_model_can_be_chosen(with_pop: Path, capsys: Capture) -> None:
    for name in bundle.load().operating_points:
        code, out, _ = run(["classify", str(with_pop), "--operating-point", name, "--json"], capsys)
        assert (code, json_lines(out)[0]["operating_point"]) == (0, name)


@pytest.mark.parametrize("command", ["classify", "label", "evaluate"])
def test_an_unknown_operating_point_is_refused_with_those_there_are(
    command: str, session: Path, with_pop: Path, capsys: Capture
) -> None:
    target = with_pop if command == "classify" else session
    code, out, err = run([command, str(target), "--operating-point", "bold"], capsys)

    assert (code, out) == (2, "")
    assert all(name in err for name in ("'bold'", *bundle.load().operating_points))
    assert not (session / "popdetect").exists()


def ranged() -> list[Any]:
    """Every option that has a range, found in the parser itself."""
    found = []
    for parser in parsers(cli._parser()):
        for action in parser._actions:
            limits = inspect.getclosurevars(action.type).nonlocals if inspect.isfunction(action.type) else {}
            if "low" in limits:
                found.append(pytest.param(action.type, limits, id=f"{parser.prog} {action.option_strings[0]}"))
    return found


@pytest.mark.parametrize(("parse", "limits"), ranged())
def test_a_number_is_taken_as_given_or_refused(parse: Callable[[str], Any], limits: dict[str, Any]) -> None:
    low, high, kind = limits["low"], limits["high"], limits["kind"]

    assert (parse(str(low)), parse(str(high))) == (low, high)
    # Python takes the last six for numbers
    foreign = (
        f"{high}_0",
        f" {high}",
        f"{high}\n",
        f"+{high}",
        str(high).translate(str.maketrans("0123456789", "０１２３４５６７８９")),
    )
    for wrong in (str(low - 1), str(high + 1), "nan", "inf", "-inf", "1e400", "x", "", "0x10", "NaN", *foreign):
        with pytest.raises(argparse.ArgumentTypeError, match=f"^{re.escape(repr(wrong))}: a number"):
            parse(wrong)
    if kind is int:
        with pytest.raises(argparse.ArgumentTypeError):
            parse(f"{low}.5")
        with pytest.raises(argparse.ArgumentTypeError):
            parse(f"{high}e0")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (f"{verb} {option} NAME", name)
        for verb, option in (
            ("label", ""), ("label . --out", ""), ("train", "--out m"), ("train labels.csv --out", ""),
            ("evaluate", ""), ("simulate", ""), ("simulate s --sounds", ""), ("classify a.wav --plot", ""),
            ("demo", ""),
        )
        for name in ("", "a\0b", "x" * 300)
    ],
)  # fmt: skip
def test_what_cannot_be_a_path_is_wrong_use(
    command: str, name: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run([name if word == "NAME" else word for word in command.split()], capsys)

    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "the output" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a\0b.wav", "x" * 300 + ".wav", ""])
def test_what_cannot_be_a_recording_is_a_row(name: str, with_pop: Path, capsys: Capture) -> None:
    code, out, err = run(["classify", name, str(with_pop), "--json"], capsys)

    assert (code, err) == (3, "")
    assert [row["status"] for row in json_lines(out)] == ["unreadable", "ok"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_named_pipe_is_not_waited_for(options: list[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "link.wav").symlink_to("pipe.wav")
    files = [str(tmp_path / "pipe.wav"), str(tmp_path / "link.wav"), os.devnull]
    done = subprocess.run([*COMMAND, "classify", *files, *options], capture_output=True, text=True, timeout=30)

    assert (done.returncode, done.stderr) == (4, "")
    assert done.stdout.count("not a regular file") == 3
    done = subprocess.run([*COMMAND, "label", str(tmp_path)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 4
    assert "no recording in it" in done.stderr


def test_why_there_is_no_verdict_stands_beside_its_status(with_pop: Path, tmp_path: Path, capsys: Capture) -> None:
    gone = tmp_path / "gone.wav"
    line = run(["classify", str(gone), "--quiet"], capsys)[1]

    assert line == f"{gone}  unreadable: no such file; check the name and the folder\n"


def test_help_tells_each_default_as_it_is() -> None:
    told = 0
    for parser in parsers(cli._parser()):
        for action in parser._actions:
            if match := re.search(r"\(default: ([\w.-]+)\)", action.help or ""):
                assert str(action.default) in (match[1], f"{match[1]}.0"), (parser.prog, action.dest)
                told += 1
            else:  # what is not told is off or absent
                assert action.default in (None, False, argparse.SUPPRESS), (parser.prog, action.dest)
    assert told >= 15


def test_more_defaults_come_from_the_library() -> None:
    scored = cli._parser().parse_args(["evaluate", "x"])
    trained = cli._parser().parse_args(["train", "x", "--out", "y"])
    label = cli._parser().parse_args(["label", "x"])
    made = cli._parser().parse_args(["simulate", "x"])

    def default(function: Callable[..., Any], name: str) -> Any:
        return inspect.signature(function).parameters[name].default

    assert scored.seed == default(evaluation.evaluate, "seed")
    assert scored.operating_point == default(Detector, "operating_point") == bundle.DEFAULT_OPERATING_POINT
    assert trained.allow_ungrouped == default(retraining.train, "allow_ungrouped")
    assert label.model is default(batch.label, "model") is None
    assert not label.formats
    assert tuple(default(batch.label, "formats")) == ()
    assert made.sounds is default(sessions.simulate, "sounds") is None
    assert made.role is default(sessions.simulate, "role") is None


@pytest.mark.parametrize("parser", list(parsers(cli._parser())), ids=lambda parser: parser.prog)
def test_the_help_of_every_command_goes_to_stdout(parser: argparse.ArgumentParser, capsys: Capture) -> None:
    code, out, err = run([*parser.prog.split()[1:], "--help"], capsys)

    assert (code, err) == (0, "")
    assert out.startswith(f"usage: {parser.prog}")
    example = re.search(r"example: (popdetect .*)", " ".join(out.split()))
    assert example is not None
    cli._parser().parse_args(example[1].split()[1:])  # the example itself is right


# --- pictures -------------------------------------------------------------------------------------------------------


def test_pictures_differ_between_clips_and_not_between_runs(
    with_pop: Path, without_pop: Path, tmp_path: Path, capsys: Capture
) -> None:
    for name, clip in (("a", with_pop), ("b", without_pop), ("c", with_pop)):
        assert run(["classify", str(clip), "--plot", str(tmp_path / f"{name}.png")], capsys)[0] == 0
    a, b, c = (pixels((tmp_path / f"{name}.png").read_bytes()) for name in "abc")

    assert len(a) == len(b) == 900 * (1 + 4 * 1400)
    assert a != b
    assert a == c


@pytest.mark.parametrize("target", ["a.jpg", "a", "a.png.gz", "file/a.png", "nowhere/a.png"])
def test_a_picture_that_cannot_be_is_refused(target: str, with_pop: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("in the way")
    code, _, err = run(["classify", str(with_pop), "--plot", str(tmp_path / target)], capsys)

    assert code == 2
    assert err.count("\n") == 1
    assert str(tmp_path / target) in err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_no_picture_of_what_could_not_be_heard(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "x.wav").write_bytes(b"")

    assert run(["classify", str(tmp_path / "x.wav"), "--plot", str(tmp_path / "x.png")], capsys)[0] == 4
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]


# --- terminals, pipes, signals --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("terminal", "no_color", "painted"),
    [(True, None, True), (True, "1", False), (True, "", True), (False, None, False)],
)
def test_colour_on_a_terminal_only_and_never_with_no_color(
    terminal: bool,
    no_color: str | None,
    painted: bool,
    with_pop: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)

    assert ("\x1b[" in run(["classify", str(with_pop)], capsys)[1]) is painted


def test_progress_on_a_terminal_only(
    session: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ["label", str(session), "--out", str(tmp_path / "out"), "--force"]

    assert run(args, capsys)[2] == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert "clips" in run(args, capsys)[2]
    assert run([*args, "--quiet"], capsys)[1:] == ("", "")


@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise on Windows")
def test_a_reader_that_goes_away_is_no_error(with_pop: Path) -> None:
    many = subprocess.Popen(
        [*COMMAND, "classify", *[str(with_pop)] * 200], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert many.stdout is not None
    many.stdout.close()
    assert many.stderr is not None
    words = many.stderr.read()
    many.stderr.close()

    assert (many.wait(), words) == (0, "")


def test_an_interruption_is_130_in_words(session: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(batch, "label", interrupted)
    code, out, err = run(["label", str(session)], capsys)

    assert (code, out) == (130, "")
    assert "goes on from there" in err


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for a child alone")
def test_an_interrupted_label_with_two_jobs_leaves_no_process_and_goes_on(session: Path, tmp_path: Path) -> None:
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


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(bundle, "load", broken)
    monkeypatch.setenv("POPDETECT_DEBUG", "1")

    with pytest.raises(RuntimeError, match="odd"):
        cli.main(["model", "show"])


# --- as a process ---------------------------------------------------------------------------------------------------


def test_the_installed_command_is_the_module() -> None:
    script = shutil.which("popdetect", path=str(Path(sys.executable).parent))
    if script is None:
        pytest.skip("popdetect is not installed beside this Python")
    outs = [subprocess.run([*c, "--version"], capture_output=True, text=True) for c in ([script], COMMAND)]

    assert [(o.returncode, o.stdout, o.stderr) for o in outs] == [(0, f"popdetect {__version__}\n", "")] * 2


@pytest.mark.parametrize(
    ("args", "banned"),
    [
        (["--help"], {"numpy", "soundfile"}),
        (["label", "DIR", "--out", "OUT", "--quiet"], {"librosa", "sklearn", "scipy", "numba", "matplotlib", "tqdm"}),
        (["model", "verify"], {"librosa", "sklearn", "scipy", "numba", "matplotlib", "tqdm"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_commands_load_what_they_need(args: list[str], banned: set[str], session: Path, tmp_path: Path) -> None:
    words = [{"DIR": str(session), "OUT": str(tmp_path / "out")}.get(word, word) for word in args]
    code = (
        f"import sys; from popdetect.cli.main import main\ntry: main({words!r})\nexcept SystemExit: pass\n"
        f"print(sorted({banned!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_label_and_its_table_agree_with_the_json(session: Path, tmp_path: Path, capsys: Capture) -> None:
    (summary,) = json_lines(run(["label", str(session), "--out", str(tmp_path / "o"), "--json"], capsys)[1])
    with (tmp_path / "o" / "clips.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))

    assert summary["n_clips"] == len(rows)
    assert summary["n_pops"] == sum(int(row["n_pops"]) for row in rows)
    for name in ("pop", "no_pop", "uncertain"):
        assert summary[f"n_{name}"] == sum(row["label"] == name for row in rows)
    assert all(Path(path).exists() for path in summary["written"])


# --- once defects ---


def test_columns_stand_under_their_names_however_short_the_file_s(
    with_pop: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(with_pop.read_bytes())))
    code, out, _ = run(["classify", "-"], capsys)
    header, line = out.splitlines()

    assert code == 0
    assert header.index("label") == line.index("pop")


def test_standard_input_can_be_drawn(
    with_pop: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(with_pop.read_bytes())))

    assert run(["classify", "-", "--plot", str(tmp_path / "a.png")], capsys)[0] == 0


def test_clips_of_one_name_in_two_folders_keep_both_pictures(session: Path, tmp_path: Path, capsys: Capture) -> None:
    files = [str(session / patient / "thrust_01.wav") for patient in ("p01", "p02")]
    run(["classify", *files, "--plot", str(tmp_path / "pictures")], capsys)

    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 2


@pytest.mark.parametrize("names", [("a/x/t.wav", "b/x/t.wav"), ("-", "stdin"), ("a/t.wav", "b/t.wav", "a_t.wav")])
def test_each_file_has_a_picture_of_its_own(
    names: tuple[str, ...], with_pop: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(with_pop.read_bytes())))
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(with_pop, tmp_path / name)
    run(["classify", *names, "--plot", "pictures"], capsys)

    assert len(list((tmp_path / "pictures").rglob("*.png"))) == len(names)


def test_what_was_interrupted_while_simulating_goes_on(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = sessions.compose, []

    def compose(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(sessions, "compose", compose)
    code, _, err = run(["simulate", str(tmp_path / "s"), "--clips", "4"], capsys)
    assert code == 130
    assert "start again" in err
    assert run(["simulate", str(tmp_path / "s"), "--clips", "4"], capsys)[0] == 0


def test_the_card_can_be_piped_into_head(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def gone(*args: object, **options: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", gone)
    monkeypatch.setattr(os, "dup2", lambda *args: None)
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1, raising=False)

    assert cli.main(["model", "show"]) == 0


def test_a_folder_that_cannot_be_looked_into_is_not_success(
    session: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "p02":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)

    code, out, err = run(["label", str(session), "--out", str(tmp_path / "out"), "--json"], capsys)
    (summary,) = json_lines(out)
    written = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))

    assert code == 3
    assert err == "popdetect: could not look into p02/: Permission denied\n"
    assert summary["unlisted"] == written["unlisted"] == [{"folder": "p02/", "error": "Permission denied"}]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_not_our_error(with_pop: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, "classify", str(with_pop)], stdout=full, stderr=subprocess.PIPE, text=True)

    assert "of our own" not in done.stderr


def test_a_closed_standard_input_is_wrong_use(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    assert run(["classify", "-"], capsys)[0] in (2, 4)


def test_a_folder_named_like_a_picture_is_told_as_what_it_is(with_pop: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.png").mkdir()

    assert "name a folder instead" not in run(["classify", str(with_pop), "--plot", str(tmp_path / "a.png")], capsys)[2]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_json_gives_the_name_that_was_given(with_pop: Path, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "two\nlines.wav"
    shutil.copy(with_pop, file)
    (row,) = json_lines(run(["classify", str(file), "--json"], capsys)[1])

    assert row["file"] == str(file)
