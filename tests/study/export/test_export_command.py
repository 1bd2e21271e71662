"""``popdetect export``: files whole or not at all, never over anything, and what is printed where."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from export_fakes import export, make_study, table
from journal_fakes import make_session, scores, write_scores

from popdetect.cli import main as cli
from popdetect.session import files
from popdetect.study.export import export as exporting
from popdetect.study.journal import journal
from popdetect.study.journal.logging import log
from popdetect.study.journal.pseudonyms import Pseudonyms

Capture = pytest.CaptureFixture[str]
FORMATS = [format for format in exporting.FORMATS if format != "xlsx"]  # of text
NAMES = {
    "redcap": ["redcap_data_dictionary.csv", "redcap_import.csv"],
    "codebook": ["codebook.csv", "codebook.md"],
}

KEY = Pseudonyms(b"1" * 32)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path)


def run(capsys: Capture, *args: object) -> tuple[int, str, str]:
    code = cli.main(["export", *map(str, args)])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


@pytest.mark.parametrize("format", FORMATS)
def test_files_are_what_the_library_makes(study: Path, capsys: Capture, format: str) -> None:
    out = study.parent / "out"
    code, said, err = run(capsys, study, "--format", format, "-o", out)
    texts = export(study, format).texts

    assert (code, err) == (0, "")
    assert said.startswith(f"{out}")
    if format in NAMES:
        assert sorted(path.name for path in out.iterdir()) == NAMES[format]
        assert {path.name: path.read_bytes().decode() for path in out.iterdir()} == dict(texts)
    else:
        assert out.read_bytes().decode() == texts[""]
    assert not list(study.parent.rglob("*.tmp"))


def test_long_csv_is_the_default_and_goes_to_standard_output(study: Path, capsys: Capture) -> None:
    code, out, err = run(capsys, study, "--columns", "label, pain_before")
    assert code == 0
    assert out == export(study, "csv", columns=["label", "pain_before"]).texts[""]
    assert err.startswith("popdetect: left out: session, patient, day")
    assert run(capsys, study, "--columns", "label,pain_before", "--quiet") == (0, out, "")


def test_an_own_header_with_a_comma_is_named_in_quotes(study: Path, capsys: Capture) -> None:
    folder = make_session(study.parent, 1, "s3")
    write_scores(folder, [row | {"how, exactly": "softly"} for row in scores(1)])
    log(folder, study)
    code, out, _ = run(capsys, study, "--columns", 'label, "how, exactly"')
    assert code == 0
    assert table(out)[-1] == {"label": "pop", "how, exactly": "softly"}


def test_what_is_left_out_is_told(study: Path, capsys: Capture) -> None:
    _, out, _ = run(capsys, study, "-o", study.parent / "a.csv")
    assert out.splitlines()[0] == f"{study.parent / 'a.csv'}: 8 thrusts"
    assert "left out: technique, file, adverse_event, notes" in out
    assert "use --columns to choose the fields" in out
    _, out, _ = run(capsys, study, "--format", "redcap", "-o", study.parent / "r")
    assert "upload redcap_data_dictionary.csv, make the instrument 'thrust' repeatable" in out
    assert run(capsys, study, "-o", study.parent / "b.csv", "--quiet") == (0, "", "")


def test_json_is_one_object(study: Path, capsys: Capture) -> None:
    out = study.parent / "wide.csv"
    code, said, err = run(capsys, study, "--format", "wide", "-o", out, "--json")
    made = json.loads(said)

    assert (code, err) == (0, "")
    assert made["written"] == [str(out)]
    assert (made["format"], made["rows"], made["row"]) == ("wide", 5, "patient session")
    assert made["rows"] == len(table(out.read_text(encoding="utf-8")))
    assert "notes" in made["left_out"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--json"], "--json reports which files were written; name the place with -o"),
        (["--format", "redcap"], "redcap is two files; name the place with -o"),
        (["--format", "xlsx"], "a workbook is a file whose name ends with .xlsx; name it with -o study.xlsx"),
        (["--format", "xlsx", "-o", "a.csv"], "a workbook is a file whose name ends with .xlsx"),
        (["--format", "csv", "-o", "a.xlsx"], "a.xlsx: csv is text, not .xlsx; --format xlsx makes a workbook"),
        (["-o", "a.pdf"], "a.pdf: csv is text, not .pdf; the format csv cannot be such a file"),
        (["--format", "fhir", "--excel", "de"], "excel: for the formats csv, wide, codebook only, not fhir"),
        (["--columns", ""], "columns: none named"),
        (["--columns", "patient_id"], "pseudonyms only"),
    ],
)
def test_wrong_use_is_one_line(study: Path, capsys: Capture, args: list[str], said: str) -> None:
    code, out, err = run(capsys, study, *args)

    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert said in err


def test_an_empty_journal_is_exit_code_4(tmp_path: Path, capsys: Capture) -> None:
    with journal.writing(tmp_path / "S.db", KEY) as book:
        book.begin("check", "S-00000000", lambda run: run)
    code, out, err = run(capsys, tmp_path / "S.db", "-o", tmp_path / "out.csv")

    assert (code, out, len(err.splitlines())) == (4, "", 1)
    assert "nothing to export" in err
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_overwritten_without_force(study: Path, capsys: Capture, format: str) -> None:
    out = study.parent / "out"
    last = out / NAMES[format][-1] if format in NAMES else out
    last.parent.mkdir(exist_ok=True)
    last.write_text("mine", encoding="utf-8")
    code, _, err = run(capsys, study, "--format", format, "-o", out)

    assert code == 2
    assert f"{last}: exists already; --force replaces it" in err
    assert last.read_text(encoding="utf-8") == "mine"
    assert not out.is_dir() or list(out.iterdir()) == [last]
    assert run(capsys, study, "--format", format, "-o", out, "--force")[0] == 0
    assert last.read_text(encoding="utf-8") != "mine"


@pytest.mark.parametrize("name", ["STUDY.db", "STUDY.key"])
def test_the_study_itself_is_never_replaced(study: Path, capsys: Capture, name: str) -> None:
    before = (study.parent / name).read_bytes()
    link = study.parent / "link.csv"
    link.hardlink_to(study.parent / name)
    for out in (study.parent / name, link):
        code, _, err = run(capsys, study, "-o", out, "--force")
        assert code == 2
        assert "an export never replaces it" in err
    assert (study.parent / name).read_bytes() == before


def test_a_place_that_cannot_be_written(study: Path, capsys: Capture) -> None:
    for format, out, said in (
        ("csv", study.parent, "a folder; csv is one file"),
        ("csv", study.parent / "none" / "a.csv", "cannot be written"),
        ("redcap", study, "cannot be written"),
    ):
        code, _, err = run(capsys, study, "--format", format, "-o", out)
        assert (code, len(err.splitlines())) == (2, 1)
        assert said in err


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_of_two_files_both_appear_or_none(
    there: bool, fails: str, study: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    out = study.parent / "out"
    if there:
        export(study, "redcap", out)
        for name in NAMES["redcap"]:
            (out / name).write_text(f"old {name}", encoding="utf-8")
    calls = 0
    owner, real = {"fsync": (files.os, os.fsync), "replace": (Path, Path.replace)}[fails]

    def second_time(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError(28, "No space left on device")
        return real(*args)

    monkeypatch.setattr(owner, fails, second_time)
    code, _, err = run(capsys, study, "--format", "redcap", "-o", out, "--force")

    assert (code, calls) == (2, 2)
    assert "No space left on device" in err
    told = {path.name: path.read_text(encoding="utf-8") for path in out.iterdir()}
    assert told == ({name: f"old {name}" for name in NAMES["redcap"]} if there else {})
