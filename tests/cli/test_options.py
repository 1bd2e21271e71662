"""Options: ranges, paths, defaults, and wrong values."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Capture, parsers, run

from popdetect.cli import main as cli
from popdetect.detection.detector import Detector
from popdetect.detection.model import bundle
from popdetect.session import labelling
from popdetect.training import retraining
from popdetect.training.data import simulated_sessions
from popdetect.training.data.scenes import SceneRule
from popdetect.training.evaluation import evaluation


def ranged() -> list[Any]:
    """Every option that has a range, found in the parser itself."""
    found = []
    for parser in parsers(cli.build_parser()):
        for action in parser._actions:
            limits = inspect.getclosurevars(action.type).nonlocals if inspect.isfunction(action.type) else {}
            if "low" in limits:
                found.append(pytest.param(action.type, limits, id=f"{parser.prog} {action.option_strings[0]}"))
    return found


@pytest.mark.parametrize(("parse", "limits"), ranged())
def test_a_number_is_used_as_given_or_refused(parse: Callable[[str], Any], limits: dict[str, Any]) -> None:
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
def test_an_impossible_path_is_wrong_use(
    command: str, name: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run([name if word == "NAME" else word for word in command.split()], capsys)

    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "the output" not in err
    assert list(tmp_path.iterdir()) == []


def test_the_help_shows_each_default() -> None:
    shown = 0
    for parser in parsers(cli.build_parser()):
        for action in parser._actions:
            if match := re.search(r"default: ([\w.-]+)\)", action.help or ""):
                assert str(action.default) in (match[1], f"{match[1]}.0"), (parser.prog, action.dest)
                shown += 1
            else:  # the help shows no default: off or absent
                assert action.default in (None, False, argparse.SUPPRESS), (parser.prog, action.dest)
    assert shown >= 15


def test_defaults_are_those_of_the_library() -> None:
    def defaults(command: list[str]) -> argparse.Namespace:
        return cli.build_parser().parse_args(command)

    def library(function: Callable[..., object]) -> dict[str, object]:
        parameters = inspect.signature(function).parameters.values()
        return {p.name: p.default for p in parameters}

    label, made = defaults(["label", "x"]), defaults(["simulate", "x"])
    trained, rule = defaults(["train", "x", "--out", "y"]), SceneRule()
    wanted = library(labelling.label)
    assert (label.jobs, label.force, label.out) == (wanted["jobs"], wanted["force"], wanted["out"])
    assert label.operating_point == wanted["operating_point"] == library(Detector)["operating_point"]
    wanted = library(simulated_sessions.simulate)
    assert (made.clips, made.patients, made.seed) == (wanted["n_clips"], wanted["n_patients"], wanted["seed"])
    assert (made.seconds, made.pop_share, made.max_pops) == (rule.duration_s, rule.pop_share, rule.max_pops)
    assert (made.max_distractors, (made.rate,)) == (rule.max_distractors, rule.rates_hz)
    wanted = library(retraining.train)
    assert (trained.name, trained.seed, trained.force) == (wanted["name"], wanted["seed"], wanted["force"])


def test_more_defaults_are_those_of_the_library() -> None:
    scored = cli.build_parser().parse_args(["evaluate", "x"])
    trained = cli.build_parser().parse_args(["train", "x", "--out", "y"])
    label = cli.build_parser().parse_args(["label", "x"])
    made = cli.build_parser().parse_args(["simulate", "x"])

    def default(function: Callable[..., Any], name: str) -> Any:
        return inspect.signature(function).parameters[name].default

    assert scored.seed == default(evaluation.evaluate, "seed")
    assert scored.operating_point == default(Detector, "operating_point") == bundle.DEFAULT_OPERATING_POINT
    assert trained.allow_ungrouped == default(retraining.train, "allow_ungrouped")
    assert label.model is default(labelling.label, "model") is None
    assert not label.formats
    assert tuple(default(labelling.label, "formats")) == ()
    assert made.sounds is default(simulated_sessions.simulate, "sounds") is None
    assert made.role is default(simulated_sessions.simulate, "role") is None


@pytest.mark.parametrize("command", ["classify", "label", "evaluate"])
def test_an_unknown_operating_point_is_refused_with_the_known_names(
    command: str, session: Path, with_pop: Path, capsys: Capture
) -> None:
    target = with_pop if command == "classify" else session
    code, out, err = run([command, str(target), "--operating-point", "bold"], capsys)

    assert (code, out) == (2, "")
    assert all(name in err for name in ("'bold'", *bundle.load().operating_points))
    assert not (session / "popdetect").exists()


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
        (["classify", "-", "-"], "read only once"),
        (["simulate", "x", "--role", "train"], "--sounds"),
    ],
)
def test_a_wrong_value_is_refused(args: list[str], words: str, capsys: Capture) -> None:
    try:
        code = cli.main(args)
    except SystemExit as stopped:  # argparse leaves by itself
        code = int(stopped.code or 0)
    out, err = capsys.readouterr()

    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert out == ""
