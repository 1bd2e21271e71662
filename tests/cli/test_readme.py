"""The README's commands, run in order as a newcomer would."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from popdetect.cli.main import main

README = Path(__file__).resolve().parents[2] / "README.md"


def sessions() -> list[tuple[str, list[str]]]:
    """Each `$ command` of the console blocks with the lines shown under it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def test_the_readme_shows_the_three_uses() -> None:
    verbs = {shlex.split(command)[1] for command, _ in sessions()}

    assert {"classify", "label", "train"} <= verbs


def test_every_command_of_the_readme_works_and_says_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command, shown in sessions():
        words = shlex.split(command)
        assert words[0] == "popdetect", command
        code = main(words[1:])
        out = capsys.readouterr().out.splitlines()

        assert code == 0, command
        # figures of a model move a little between machines; what is said around them does not
        wordy = [re.sub(r"[-\d.…/]+", "#", line).split() for line in out]
        for line in shown:
            if line and line != "..." and not line.startswith(("  worth a listen", "Adopt", "Keep", "No clear")):
                assert re.sub(r"[-\d.…/]+", "#", line).split()[:1] in [w[:1] for w in wordy], (command, line)


def test_pictures_of_the_readme_are_there() -> None:
    for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README.read_text(encoding="utf-8")):
        assert (README.parent / target).is_file(), target
