"""The rules of the house: rooms, doors, words, and no work at import."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from popdetect import __version__, errors

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "popdetect"
MODULES = sorted(SOURCE.rglob("*.py"))

# each third-party library and the modules that may import it
DOORS = {
    "soundfile": {"hearing/audio.py", "learning/scenes.py"},  # scenes: a codec's wear
    "librosa": {"learning/dsp.py"},
    "sklearn": {"learning/estimators.py", "learning/scores.py"},
    "scipy": {"learning/scores.py"},
    "matplotlib": {"sessions/picture.py"},
    "tqdm": {"cli.py"},
    "threadpoolctl": {"sessions/pool.py"},
}


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


def test_the_import_contract_holds() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    if not tool.exists():
        pytest.skip("import-linter is not installed beside this Python")
    run = subprocess.run([str(tool), "--no-cache"], cwd=ROOT, capture_output=True, text=True)

    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_modules_say_what_they_decide_and_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    limit = 480

    assert ast.get_docstring(ast.parse(text))
    assert len(text.splitlines()) <= limit
    assert path.stem not in ("utils", "helpers", "misc")
    assert "np.random.seed" not in text


def test_nothing_but_the_command_line_prints() -> None:
    for path in MODULES:
        if path.name == "cli.py":
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


@pytest.mark.parametrize("script", ["demo", "test", "retrain.py", "build_model.py", "bench.py", "plain_script.py"])
def test_scripts_help(script: str) -> None:
    path = ROOT / "scripts" / script
    command = [sys.executable, str(path)] if script.endswith(".py") else ["bash", str(path)]
    run = subprocess.run([*command, "--help"], capture_output=True, text=True)

    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()


def test_the_changelog_knows_this_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
