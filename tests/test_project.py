"""The rules of the project: imports, docstrings, printing, randomness, records, errors and words."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from popdetect import __version__, errors, records
from popdetect.cli.main import build_parser

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "popdetect"
MODULES = sorted(SOURCE.rglob("*.py"))

# Each library and the sub-packages that may import it. In each folder one module does: the adapter of the library.
LIBRARIES = {
    "soundfile": {"detection", "training"},
    "av": {"detection"},
    "distributed": {"session"},
    "openpyxl": {"session"},
    "librosa": {"training"},
    "sklearn": {"training"},
    "scipy": {"training", "study"},
    "statsmodels": {"study"},
    "pandas": {"frames.py"},
    "matplotlib": {"session", "study"},
    "jinja2": {"study"},
    "markupsafe": {"study"},
    "sqlite3": {"study"},
    "tqdm": {"cli"},
    "threadpoolctl": {"session"},
    "starlette": {"app"},
    "uvicorn": {"app"},
    "sounddevice": {"detection"},
}
# Two modules: the routes and the access control around them; the estimators and their export.
TWO_ADAPTERS = {("starlette", "app"), ("sklearn", "training/models")}

# Names of numpy.random that do not change the state of the process.
SEEDED = {"default_rng", "Generator", "SeedSequence", "PCG64", "BitGenerator"}


def name_of(path: Path) -> str:
    """``popdetect.detection.audio.recording`` of its file."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported(path: Path) -> set[str]:
    """Libraries that a module imports when it runs; imports for annotations only do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = [ast.Pass()]
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names


def test_each_library_has_one_adapter_in_each_package_that_may_import_it() -> None:
    known = (set(sys.stdlib_module_names) | {"numpy", "popdetect"}) - set(LIBRARIES)
    adapters: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for path in MODULES:
        place = path.relative_to(SOURCE)
        for library in imported(path) - known:
            assert place.parts[0] in LIBRARIES.get(library, ()), f"{place} must not import {library}"
            adapters[library, place.parent.as_posix()].add(place.name)

    assert len(adapters) > 10
    for key, modules in adapters.items():
        assert len(modules) <= 1 + (key in TWO_ADAPTERS), (key, modules)


def test_the_import_contract_holds() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    if not tool.exists():
        pytest.skip("import-linter is not installed beside this Python")
    run = subprocess.run([str(tool), "--no-cache"], cwd=ROOT, capture_output=True, text=True)

    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_modules_have_a_docstring_and_stay_small(path: Path) -> None:
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


def test_the_tree_of_errors_has_each_error_and_its_exit_code() -> None:
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
        "benchmarks/cluster_cost.py",
    ],
)
def test_scripts_help(script: str) -> None:
    path = ROOT / "scripts" / script
    command = [sys.executable, str(path)] if script.endswith(".py") else ["bash", str(path)]
    run = subprocess.run([*command, "--help"], capture_output=True, text=True)

    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()


def test_the_changelog_has_this_version() -> None:
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
            assert frozen, f"{module.__name__}.{name}"
    assert seen > 20
    for record in (records.Event, records.Detection, records.Verdict):
        assert not hasattr(record, "__dict__") or "__slots__" in vars(record)


def test_random_numbers_are_seeded_and_nothing_is_global() -> None:
    for path in MODULES:
        for node in nodes(path):
            assert not isinstance(node, ast.Global), path
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
                assert node.attr in SEEDED, f"{path}:{node.lineno}: {ast.unparse(node)}"
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("default_rng"):
                assert node.args or node.keywords, f"{path}:{node.lineno}: a generator without a seed"
            if isinstance(node, ast.Import):
                assert all(alias.name != "random" for alias in node.names), path


@pytest.mark.parametrize("package", ["detection", "session", "training", "app"])
def test_importing_a_package_does_no_work_and_loads_little(package: str) -> None:
    """No output, no file; detection, session and app do not load the libraries of training."""
    names = [name_of(path) for path in MODULES if path.relative_to(SOURCE).parts[0] == package]
    heavy = {"librosa", "numba", "matplotlib", "tqdm"}
    if package != "training":
        heavy |= {"sklearn", "scipy", "joblib"}
    code = f"import sys\nfor name in {names!r}: __import__(name)\nprint(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)

    assert (done.stderr, done.stdout) == ("", "[]\n")


def test_the_tree_of_errors_is_the_tree_of_classes() -> None:
    tree = (errors.__doc__ or "").split("UserWarning")[0]
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.PopdetectError)]
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
        assert (code is not None) >= own, error  # its own exit code is in the picture


def test_statuses_are_those_of_the_errors() -> None:
    described = set(re.findall(r"``(\w+)``", inspect.getdoc(records.Verdict).split("detection :")[0]))  # type: ignore[union-attr]
    classes = [errors.AudioError, *errors.AudioError.__subclasses__()]

    assert described == {"ok"} | {error.status for error in classes}


def test_public_functions_and_classes_have_a_docstring() -> None:
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                assert ast.get_docstring(node), f"{path}:{node.lineno}: {node.name}"


def test_options_named_in_the_documents_exist() -> None:
    parsers = [build_parser()]
    known: set[str] = set()
    while parsers:
        for action in parsers.pop()._actions:
            known |= set(action.option_strings)
            if action.nargs == "A...":  # the commands below
                parsers += list((action.choices or {}).values())
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for command in re.findall(r"`(?:popdetect [^`]*)?(--[a-z][a-z-]*)[^`]*`", page.read_text(encoding="utf-8")):
            assert command in known, (page.name, command)
