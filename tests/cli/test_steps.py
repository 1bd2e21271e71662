"""The printed next steps work as printed, in a shell that does not find popdetect on PATH."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import popdetect
from popdetect.cli import terminal

pytestmark = pytest.mark.skipif(os.name == "nt", reason="runs commands in sh")


@pytest.fixture
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed script of an environment in a folder whose name has a space."""
    path = tmp_path_factory.mktemp("steps") / "my study" / ".venv" / "bin" / "popdetect"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!{sys.executable}\nimport sys\nfrom popdetect.__main__ import run\nsys.exit(run())\n")
    path.chmod(0o755)
    return path


def shell(command: str, folder: Path) -> str:
    """What a command prints that must succeed; the shell has only the programs of the system."""
    bare = os.pathsep.join(folder for folder in ("/usr/bin", "/bin") if not Path(folder, "popdetect").exists())
    environment = os.environ | {"PATH": bare, "PYTHONPATH": str(Path(popdetect.__file__).parents[1])}
    done = subprocess.run(["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def printed(output: str) -> list[str]:
    """The lines that begin with a command."""
    return [line.strip() for line in output.splitlines() if re.match(r"  (\S*/)?popdetect ", line)]


def test_next_steps_of_simulate_work_from_the_folder_of_the_environment(program: Path) -> None:
    folder = program.parents[2]
    first = shell(".venv/bin/popdetect simulate 'a b' --study --clips 12 --patients 3 --seconds 0.5", folder)

    assert printed(first) == [
        ".venv/bin/popdetect label 'a b'",
        ".venv/bin/popdetect log 'a b' --journal practice.db",
        ".venv/bin/popdetect outcomes practice.db",
    ]
    for command in printed(first):
        shell(command, folder)


def test_next_steps_of_a_template_work_from_another_folder(program: Path) -> None:
    folder = program.parents[3]
    shell("'my study/.venv/bin/popdetect' simulate s --clips 2 --seconds 0.5", folder)
    template = shell(f"'{program}' log s --init", folder)
    steps = [line.strip() for line in template.splitlines() if line.startswith("  ")]

    assert steps == [
        "'my study/.venv/bin/popdetect' label s",
        "'my study/.venv/bin/popdetect' log s --journal STUDY.db",
    ]
    shell(steps[0], folder)


@pytest.mark.slow
def test_next_steps_of_scripts_demo_work_in_the_folder_of_the_reader(program: Path) -> None:
    root, here = program.parents[2], program.parents[3]
    (root / "scripts").mkdir()
    for name in ("demo", "setup_env"):
        shutil.copy(Path(__file__).parents[2] / "scripts" / name, root / "scripts" / name)
    (root / "pyproject.toml").write_text("")
    # an environment that setup_env finds complete: a Python, and the checksum of pyproject.toml
    program.with_name("python").symlink_to(sys.executable)
    (root / ".venv" / ".installed-all").write_text(shell("cksum < 'my study/pyproject.toml'", here))
    output = shell(f"PYTHON='{sys.executable}' 'my study/scripts/demo' d --quiet", here)
    commands = [line.strip() for line in output.splitlines() if line.startswith("  'my study/.venv/bin/popdetect' ")]

    assert (here / "d" / "report.html").is_file()
    assert len(commands) == 6
    for command in commands:
        if " review " not in command:  # serves a page until Ctrl-C
            shell(command, here)


def test_the_program_is_its_name_if_it_is_on_path(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program.parent))

    assert terminal.command("label", Path("a b")) == "popdetect label 'a b'"


def test_without_an_installed_script_the_python_of_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", ["/somewhere/popdetect/__main__.py"])
    monkeypatch.chdir("/")

    assert terminal.command("demo").endswith(" -m popdetect demo")


def test_a_program_in_the_current_folder_is_named_with_a_dot(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "argv", ["./popdetect"])
    monkeypatch.chdir(program.parent)

    assert terminal.command("demo") == "./popdetect demo"
