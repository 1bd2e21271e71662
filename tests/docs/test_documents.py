"""The documents: their commands run, their code runs, their shown outputs are the real ones.

The rule for what may vary is in the docstring of `documents`. After a change of wording, run ``python docs/refresh.py``
and read the difference.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from documents import NOTEBOOKS, PAGES, ROOT, blocks, differences, run_document, run_notebook

import column_tables
from popdetect.cli.main import COMMANDS, build_parser
from popdetect.session import corrections
from popdetect.session.clips import BURST_COLUMNS, CLIP_COLUMNS, EVENT_COLUMNS
from popdetect.session.excerpts import SOURCE_COLUMNS

README = ROOT / "README.md"


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def runs_something(path: Path) -> bool:
    return any(block.kind in ("console", "python") for block in blocks(path.read_text(encoding="utf-8")))


RUN = [path for path in PAGES if runs_something(path)]


@pytest.mark.slow
@pytest.mark.parametrize("path", RUN, ids=name_of)
def test_outputs_are_as_shown(path: Path, tmp_path: Path) -> None:
    for one in run_document(path, tmp_path):
        place = f"{name_of(path)}:{one.block.line}: {one.what}"
        expected = int(one.block.rules.get("exit code", 0))
        assert one.exit_code in (None, expected), (place, *one.real)
        found = differences(one.shown, one.real, one.tolerance)
        assert not found, "\n".join([place, *found])
        assert set(one.shown) != {"..."}, f"{place}: nothing of the output is shown"


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_notebooks_give_their_stored_outputs(path: Path, tmp_path: Path) -> None:
    for cell, stored, real in run_notebook(path, tmp_path):
        found = differences(stored.splitlines(), real.splitlines())
        assert not found, "\n".join(["".join(cell["source"]), *found])


def test_there_is_something_to_test() -> None:
    assert README in RUN
    assert len(RUN) >= 5
    assert NOTEBOOKS


def test_the_quickstart_imports_nothing_but_popdetect() -> None:
    text = (ROOT / "docs" / "quickstart.ipynb").read_text(encoding="utf-8")

    assert set(re.findall(r"^\s*\"(?:import|from) (\w+)", text, re.MULTILINE)) == {"popdetect"}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_commands_that_are_not_run_are_valid_and_give_the_reason(path: Path) -> None:
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.kind == "console" and "not run" not in block.rules:
            continue
        for line in block.text.splitlines():
            if line.removeprefix("$ ").startswith("popdetect ") and block.kind in ("bash", "console", "sh"):
                assert block.rules.get("not run"), f"{name_of(path)}:{block.line}: {line}"
                words = shlex.split(line.removeprefix("$ "), comments=True)
                build_parser().parse_args(words[1:])


def test_every_command_is_in_the_documents() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)

    for verb in COMMANDS:
        assert re.search(rf"popdetect {verb}\b", text), verb


def test_the_readme_is_short_and_shows_the_three_uses() -> None:
    text = README.read_text(encoding="utf-8")

    assert len(text.splitlines()) <= 150
    for verb in ("classify", "label", "train"):
        assert f"$ popdetect {verb} " in text
    for script in ("scripts/demo", "scripts/test"):
        assert script in text
        assert (ROOT / script).is_file()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_local_links_and_pictures_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (path.parent / target).is_file(), target


def test_the_figures_of_the_model_are_those_of_its_card() -> None:
    accuracy = (ROOT / "docs" / "measured.md").read_text(encoding="utf-8").split("## ")[1]
    card = (ROOT / "models" / "default" / "CARD.md").read_text(encoding="utf-8")
    figures = re.findall(r"[\d.]+ \([\d.]+ to [\d.]+\)", accuracy)

    assert len(figures) > 15
    assert [figure for figure in figures if figure not in card] == []


FORMATS = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")


def test_the_generated_tables_of_columns_are_current() -> None:
    assert column_tables.filled(FORMATS) == FORMATS, "run python docs/refresh.py docs/formats.md"


@pytest.mark.parametrize(
    ("section", "columns"),
    [
        ("clips.csv", CLIP_COLUMNS),
        ("events.csv", EVENT_COLUMNS),
        ("bursts.csv", BURST_COLUMNS),
        ("sources.csv", SOURCE_COLUMNS),
        ("corrections.csv", corrections.COLUMNS),
    ],
)
def test_every_column_is_described(section: str, columns: tuple[str, ...]) -> None:
    text = FORMATS.split(f"## {section}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]

    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(columns)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_each_picture_says_which_command_made_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for match in re.finditer(r"!\[[^]]*\]\([^)]+\)", text):
        assert re.search(r"Made (by|with) `", text[match.end() : match.end() + 500]), match[0]
