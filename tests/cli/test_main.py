"""The command line as a whole: exit codes, help, and which modules each command imports."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import COMMAND, Capture, json_lines, parsers, run

from popdetect import __version__
from popdetect.cli import main as cli
from popdetect.detection.model import bundle


def test_an_internal_error_is_one_line_and_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("something\nodd")

    monkeypatch.setattr(bundle, "load", broken)

    assert cli.main(["model", "show"]) == 1
    err = capsys.readouterr().err
    assert "internal error" in err
    assert err.count("\n") == 1


def test_the_help_has_every_option_and_an_example() -> None:
    for parser in parsers(cli.build_parser()):
        text = parser.format_help()
        assert "  " not in (parser.description or "")  # the lines of a docstring are joined
        for action in parser._actions:
            assert all(option in text for option in action.option_strings)
            assert action.help, (parser.prog, action.dest)
        assert f"example: {parser.prog}" in text


def test_version_does_not_import_numpy() -> None:
    code = (
        "import sys; from popdetect.cli.main import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: print('numpy' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert out.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    "command",
    ["classify CLIP", "classify CLIP --events", "label DIR --out OUT", "evaluate DIR", "simulate OUT --clips 2",
     "model show", "model verify"],
)  # fmt: skip
def test_json_prints_json_lines_only(
    command: str, session: Path, with_pop: Path, tmp_path: Path, capsys: Capture
) -> None:
    paths = {"CLIP": str(with_pop), "DIR": str(session), "OUT": str(tmp_path / "out")}
    code, out, err = run([paths.get(word, word) for word in command.split()] + ["--json"], capsys)

    assert code == 0
    assert len(json_lines(out)) == 1
    assert isinstance(json_lines(out)[0], dict)
    assert err == ""


def test_quiet_prints_results_only(session: Path, with_pop: Path, tmp_path: Path, capsys: Capture) -> None:
    assert run(["classify", str(with_pop), "--quiet"], capsys)[1].count("\n") == 1
    assert run(["label", str(session), "--out", str(tmp_path / "o"), "--quiet"], capsys) == (0, "", "")
    assert run(["simulate", str(tmp_path / "s"), "--clips", "1", "--quiet"], capsys) == (0, "", "")


@pytest.mark.parametrize("parser", list(parsers(cli.build_parser())), ids=lambda parser: parser.prog)
def test_each_help_is_printed_on_standard_output(parser: argparse.ArgumentParser, capsys: Capture) -> None:
    code, out, err = run([*parser.prog.split()[1:], "--help"], capsys)

    assert (code, err) == (0, "")
    assert out.startswith(f"usage: {parser.prog}")
    examples = re.findall(r"^example: popdetect (.*)", out, re.MULTILINE)
    assert examples
    for example in examples:
        cli.build_parser().parse_args(example.split())


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
def test_commands_import_only_what_they_need(args: list[str], banned: set[str], session: Path, tmp_path: Path) -> None:
    words = [{"DIR": str(session), "OUT": str(tmp_path / "out")}.get(word, word) for word in args]
    code = (
        f"import sys; from popdetect.cli.main import main\ntry: main({words!r})\nexcept SystemExit: pass\n"
        f"print(sorted({banned!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("odd")

    monkeypatch.setattr(bundle, "load", broken)
    monkeypatch.setenv("POPDETECT_DEBUG", "1")

    with pytest.raises(RuntimeError, match="odd"):
        cli.main(["model", "show"])


def test_without_a_command_the_help_is_printed_and_the_exit_code_is_2(capsys: Capture) -> None:
    code, out, err = run([], capsys)

    assert (code, out) == (2, "")
    assert all(f"    {name} " in err for name in cli.COMMANDS)


def test_each_command_is_one_module_and_one_line_of_the_table() -> None:
    folder = Path(cli.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__", "main", "options", "terminal", "keyboard"}

    assert modules == set(cli.COMMANDS)


@pytest.mark.parametrize("command", ["classify", "model"])
def test_only_the_module_of_the_command_is_imported(command: str) -> None:
    code = (
        f"import sys; from popdetect.cli import main\nparser = main.build_parser([{command!r}])\n"
        "print([name for name in main.COMMANDS if f'popdetect.cli.{name}' in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == f"[{command!r}]\n"


@pytest.mark.parametrize(("words", "page"), [("classify x --bogus", "classify --help"), ("--bogus", "--help")])
def test_an_unknown_option_names_the_help_of_its_command(words: str, page: str, capsys: Capture) -> None:
    code, out, err = run(words.split(), capsys)

    assert (code, out) == (2, "")
    assert err.startswith("popdetect: unrecognized arguments: --bogus; see `")
    assert err.endswith(f"popdetect {page}`\n")
