"""Optional packages: a missing one gives one line that names the extra, and pyproject.toml declares each extra."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from popdetect.errors import EXTRAS, missing_extra

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "popdetect"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# Distribution names that differ from the import name, and packages that a named dependency always installs.
IMPORTED_AS = {
    "scikit-learn": {"sklearn", "scipy"},
    "jinja2": {"jinja2", "markupsafe"},
    "statsmodels": {"statsmodels", "pandas"},
}

BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
sys.argv = ["popdetect", *{words!r}]
from popdetect.__main__ import run
sys.exit(run())
"""


def provides(requirements: list[str]) -> set[str]:
    names = set()
    for requirement in requirements:
        name = requirement.split(">")[0].split("<")[0].strip().lower()
        names |= IMPORTED_AS.get(name, {name})
    return names


def run_without(extras: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process that cannot import the packages of `extras`."""
    names = sorted(set.union(*(provides(PROJECT["optional-dependencies"][extra]) for extra in extras)))
    return subprocess.run(
        [sys.executable, "-c", BLOCKED.format(names=names, words=list(words))], capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled session and its journal."""
    folder = tmp_path_factory.mktemp("study")
    from popdetect.cli.main import main

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        simulate = ["simulate", "cohort", "--study", "--no-sound", "--clips", "40", "--patients", "8", "--seed", "2"]
        assert main([*simulate, "--quiet"]) == 0
        assert main(["log", "cohort", "--journal", "STUDY.db", "--quiet"]) == 0
        assert main(["simulate", "clips", "--clips", "2", "--patients", "1", "--seed", "2", "--quiet"]) == 0
        assert main(["label", "clips", "--quiet"]) == 0
    return folder


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("plot", ["classify", "clips/p01/thrust_01.wav", "--plot", "clip.png"]),
        ("study", ["outcomes", "STUDY.db"]),
        ("study", ["report", "STUDY.db", "-o", "report.html"]),
        ("app", ["review", "clips", "--no-browser"]),
    ],
)
def test_a_missing_extra_is_one_line_that_names_it(
    extra: str, words: list[str], study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study)

    done = run_without([extra], *words)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"popdetect: {words[0]} needs the extra '{extra}': pip install 'popdetect[{extra}]'\n"


def test_a_recording_of_a_phone_without_the_extra_is_a_row_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(2_000))
    (tmp_path / "b.wav").write_bytes(b"\x1a\x45\xdf\xa3" + bytes(2_000))

    done = run_without(["phone"], "classify", "--json", str(tmp_path / "a.m4a"), str(tmp_path / "b.wav"))

    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["status"] for row in rows] == ["unsupported", "unsupported"], done.stderr
    assert rows[0]["error"] == "m4a, mp4, mov or 3gp needs the extra 'phone': pip install 'popdetect[phone]'"


@pytest.mark.parametrize(
    "words",
    [
        ["classify", "clips/p01/thrust_01.wav"],
        ["label", "clips", "--force"],
        ["export", "STUDY.db", "--format", "csv"],
    ],
)
def test_the_main_uses_need_no_extra(words: list[str], study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study)

    done = run_without(["plot", "study", "app", "phone"], *words)

    assert done.returncode == 0, done.stderr


def test_other_import_errors_are_not_explained_as_a_missing_extra() -> None:
    assert missing_extra(ModuleNotFoundError("No module named 'popdetect.lost'", name="popdetect.lost"), "x") is None
    assert missing_extra(ImportError("cannot import name 'x'", name="matplotlib"), "x") is None
    assert missing_extra(ValueError("matplotlib"), "x") is None


def test_every_imported_package_is_a_dependency_or_in_its_extra() -> None:
    known = set(sys.stdlib_module_names) | {"popdetect"}
    base = provides(PROJECT["dependencies"])
    extras = {name: provides(found) for name, found in PROJECT["optional-dependencies"].items()}
    imported = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.split(".")[0])

    for name in imported - known - base:
        assert name in extras[EXTRAS[name]], name


def test_all_holds_each_extra_of_a_command() -> None:
    assert PROJECT["optional-dependencies"]["all"] == [f"popdetect[{','.join(dict.fromkeys(EXTRAS.values()))}]"]
