"""The rules of the house: rooms, doors, words, and no work at import."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from popdetect import __version__, errors, records
from popdetect.cli import main as cli

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "popdetect"
MODULES = sorted(SOURCE.rglob("*.py"))

# each third-party library and the modules that may import it
DOORS = {
    "soundfile": {"detection/audio/recording.py", "training/data/scenes.py"},  # scenes: a codec's wear
    "librosa": {"training/data/dsp.py"},
    "sklearn": {
        "training/models/cascades.py",
        "training/models/estimators.py",
        "training/models/export.py",
        "training/evaluation/scores.py",
    },
    "scipy": {"training/evaluation/scores.py", "study/analysis/distributions.py"},
    "statsmodels": {"study/analysis/regression.py"},
    "matplotlib": {"session/plots.py", "study/report/drawing.py"},
    "pandas": {"frames.py"},
    "jinja2": {"study/report/page.py"},
    "markupsafe": {"study/report/page.py"},
    "tqdm": {"cli/terminal.py"},
    "threadpoolctl": {"session/workers.py"},
    "starlette": {"app/routes.py", "app/access.py"},
    "uvicorn": {"app/routes.py"},
}

# numpy.random that is no state of the whole process
SEEDED = {"default_rng", "Generator", "SeedSequence", "PCG64", "BitGenerator"}
# dataclasses that are workers rather than records
CHANGING = {"popdetect.training.data.sounds.Recorded"}


def name_of(path: Path) -> str:
    """``popdetect.detection.audio.recording`` of its file."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_each_library_has_one_door() -> None:
    known = set(sys.stdlib_module_names) | {"numpy", "popdetect"}
    found: dict[str, set[str]] = {}
    for path in MODULES:
        for name in imported(path) - known:
            found.setdefault(name, set()).add(path.relative_to(SOURCE).as_posix())

    assert found == DOORS


def test_the_file_of_the_journal_is_the_door_to_sqlite() -> None:
    assert [path.relative_to(SOURCE).as_posix() for path in MODULES if "sqlite3" in imported(path)] == [
        "study/journal/database.py"
    ]


def test_the_import_contract_holds() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    if not tool.exists():
        pytest.skip("import-linter is not installed beside this Python")
    run = subprocess.run([str(tool), "--no-cache"], cwd=ROOT, capture_output=True, text=True)

    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_modules_say_what_they_decide_and_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    limit = 500

    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= limit
    assert path.stem not in ("utils", "helpers", "misc")
    assert "np.random.seed" not in text


def test_nothing_but_the_command_line_prints() -> None:
    for path in MODULES:
        if "cli" in path.relative_to(SOURCE).parts:
            continue
        calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
        assert not any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls), path


def test_the_tree_of_errors_names_each_and_its_exit_code() -> None:
    tree = errors.__doc__ or ""
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]

    for error in classes:
        assert re.search(rf"\b{error.__name__}\b", tree), error
    for name, code in re.findall(r"[├└]── (\w+).*exit code (\d)", tree):
        assert getattr(errors, name).exit_code == int(code)


@pytest.mark.parametrize(
    "script",
    [
        "demo",
        "test",
        "retrain.py",
        "build_model.py",
        "bench.py",
        "benchmarks/bench_review.py",
        "benchmarks/plain_script.py",
        "benchmarks/interval_coverage.py",
        "benchmarks/adaptation.py",
    ],
)
def test_scripts_help(script: str) -> None:
    path = ROOT / "scripts" / script
    command = [sys.executable, str(path)] if script.endswith(".py") else ["bash", str(path)]
    run = subprocess.run([*command, "--help"], capture_output=True, text=True)

    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()


def test_the_changelog_knows_this_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_records_are_frozen() -> None:
    seen = 0
    for path in MODULES:
        if path.name == "__main__.py":
            continue
        module = importlib.import_module(name_of(path))
        for name, made in inspect.getmembers(module, inspect.isclass):
            if made.__module__ != module.__name__ or not dataclasses.is_dataclass(made):
                continue
            seen += 1
            frozen = made.__dataclass_params__.frozen  # type: ignore[attr-defined]
            assert frozen is (f"{module.__name__}.{name}" not in CHANGING), f"{module.__name__}.{name}"
    assert seen > 20
    for noun in (records.Event, records.Detection, records.Verdict):
        assert not hasattr(noun, "__dict__") or "__slots__" in vars(noun)


def test_chance_is_seeded_and_nothing_is_global() -> None:
    for path in MODULES:
        for node in nodes(path):
            assert not isinstance(node, ast.Global), path
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
                assert node.attr in SEEDED, f"{path}:{node.lineno}: {ast.unparse(node)}"
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("default_rng"):
                assert node.args or node.keywords, f"{path}:{node.lineno}: a generator without a seed"
            if isinstance(node, ast.Import):
                assert all(alias.name != "random" for alias in node.names), path


@pytest.mark.parametrize("room", ["detection", "session", "training", "app"])
def test_a_room_can_be_entered_without_noise_or_weight(room: str) -> None:
    """No work at import: no output, no file, and hearing and sessions load nothing of the learning libraries."""
    names = [name_of(path) for path in MODULES if path.relative_to(SOURCE).parts[0] == room]
    heavy = {"librosa", "numba", "matplotlib", "tqdm"}
    if room != "training":
        heavy |= {"sklearn", "scipy", "joblib"}
    code = f"import sys\nfor name in {names!r}: __import__(name)\nprint(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)

    assert (done.stderr, done.stdout) == ("", "[]\n")


def test_the_tree_of_errors_is_the_tree_of_classes() -> None:
    tree = errors.__doc__ or ""
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]
    drawn: dict[str, str] = {}
    above = {0: "PopdetectError"}
    for indent, name in re.findall(r"^    ((?:[│ ]   )*)[├└]── (\w+)", tree, re.MULTILINE):
        depth = len(indent) // 4 + 1
        drawn[name] = above[depth - 1]
        above[depth] = name

    assert drawn == {c.__name__: c.__bases__[0].__name__ for c in classes if c is not errors.PopdetectError}
    for error in classes:
        assert error.__doc__
        code = re.search(rf"── {error.__name__} .*exit code (\d)", tree)
        own = error.exit_code != error.__bases__[0].exit_code if error is not errors.PopdetectError else False
        assert (code is not None) >= own, error  # a code of its own is in the picture


def test_statuses_are_those_of_the_errors() -> None:
    told = set(re.findall(r"``(\w+)``", inspect.getdoc(records.Verdict).split("detection :")[0]))  # type: ignore[union-attr]
    classes = [errors.AudioError, *errors.AudioError.__subclasses__()]

    assert told == {"ok"} | {error.status for error in classes}


def test_public_things_are_described() -> None:
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}:{node.lineno}: {node.name}"


def readme_commands() -> list[str]:
    """Every popdetect command of the README: in blocks, after `$` or not, and in running text."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"```(?:console|bash|sh|shell)\n(.*?)```", text, re.DOTALL):
        joined = re.sub(r"\\\n\s*", " ", block)
        found += [line.removeprefix("$ ") for line in joined.splitlines() if re.match(r"(\$ )?popdetect ", line)]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return found + [" ".join(code.split()) for code in re.findall(r"`(popdetect [^`]+)`", prose)]


@pytest.mark.parametrize("command", readme_commands())
def test_commands_of_the_readme_are_understood(command: str) -> None:
    words = shlex.split(command, comments=True)
    for end in ("|", ">", "&&", ";"):
        words = words[: words.index(end)] if end in words else words

    assert callable(cli.build_parser().parse_args(words[1:]).run)


def test_the_readme_names_options_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    subs = [cli.build_parser()]
    known: set[str] = set()
    while subs:
        for action in subs.pop()._actions:
            known |= set(action.option_strings)
            if action.nargs == "A...":
                subs += list((action.choices or {}).values())
    for code in re.findall(r"`(--[a-z][a-z-]*)", text):
        assert code in known, code


def test_scripts_of_the_readme_are_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    for name in set(re.findall(r"\b(scripts/[\w./]+\w|\.ci/run)", text)):
        assert (ROOT / name).is_file(), name
