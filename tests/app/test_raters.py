"""The comparison of raters: which clips count, how patients are known, and what is a disagreement."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from popdetect.app.answer_log import AnswerLog
from popdetect.app.raters import SAME_POP_S, compare
from popdetect.session.corrections import CONSENSUS, Correction

Given = tuple[str, tuple[float, ...]]
POP, OTHER_POP, NO_POP, UNSURE = ("pop", (0.5,)), ("pop", (0.6,)), ("no_pop", ()), ("uncertain", ())


def compared(folder: Path, given: dict[str, dict[str, Given]], files: list[str] | None = None) -> dict[str, Any]:
    """Compare the answers of raters, by rater and file."""
    log = AnswerLog(folder / "corrections.csv")
    for rater, answers in given.items():
        for file, (label, onsets_s) in answers.items():
            log.answer(Correction(file, label, onsets_s, rater, ""), 0)  # type: ignore[arg-type]
    names = files or sorted({file for answers in given.values() for file in answers})
    clips = tuple(SimpleNamespace(id=number, file=file) for number, file in enumerate(names))
    return compare(SimpleNamespace(folder=folder, clips=clips), log)  # type: ignore[arg-type]


def test_only_clips_that_both_answered_are_compared(tmp_path: Path) -> None:
    found = compared(tmp_path, {"anna": {"a": POP, "b": NO_POP, "c": UNSURE}, "ben": {"b": NO_POP, "c": POP, "d": POP}})
    (pair,) = found["pairs"]

    assert found["raters"] == [{"name": "anna", "n": 3}, {"name": "ben", "n": 3}]
    assert (pair["first"], pair["second"], pair["n_both"], pair["n"], pair["n_unsure"]) == ("anna", "ben", 2, 1, 1)
    assert [(one["file"], one["about"], one["settled"]) for one in found["disagreements"]] == [("c", "label", "")]
    assert {name: said["label"] for name, said in found["disagreements"][0]["said"].items()} == {
        "anna": "uncertain", "ben": "pop",
    }  # fmt: skip


def test_kappa_is_that_of_the_table(tmp_path: Path) -> None:
    """By hand: observed 15/20 = 0.75; by chance 0.6 * 0.55 + 0.4 * 0.45 = 0.51."""
    table = [(POP, POP)] * 9 + [(POP, NO_POP)] * 3 + [(NO_POP, POP)] * 2 + [(NO_POP, NO_POP)] * 6
    found = compared(
        tmp_path,
        {
            "anna": {f"p{i}/{i}": one for i, (one, _) in enumerate(table)},
            "ben": {f"p{i}/{i}": two for i, (_, two) in enumerate(table)},
        },
    )
    (pair,) = found["pairs"]

    assert pair["kappa"]["value"] == pytest.approx((0.75 - 0.51) / (1 - 0.51))
    assert pair["table"] == {"yes": {"yes": 9, "no": 3}, "no": {"yes": 2, "no": 6}}
    assert not any("thrust" in pair[figure][words] for figure in ("kappa", "positive") for words in ("how", "why_not"))


@pytest.mark.parametrize(
    ("one", "two", "about"),
    [
        (POP, POP, ""),
        (POP, OTHER_POP, "pops"),
        (POP, ("pop", (0.5 + 0.9 * SAME_POP_S,)), ""),
        (POP, ("pop", (0.5, 0.6)), "pops"),
        (POP, ("pop", ()), ""),  # not marked is no disagreement about the time
        (UNSURE, UNSURE, ""),
        (UNSURE, NO_POP, "label"),
        (UNSURE, ("uncertain", (0.1,)), ""),
        (("uncertain", (0.2,)), ("uncertain", (0.1,)), ""),
    ],
)
def test_a_disagreement_is_another_label_or_other_pops(tmp_path: Path, one: Given, two: Given, about: str) -> None:
    found = compared(tmp_path, {"anna": {"a": one}, "ben": {"a": two}})

    assert [entry["about"] for entry in found["disagreements"]] == ([about] if about else [])


def test_the_consensus_is_shown_with_the_disagreement(tmp_path: Path) -> None:
    found = compared(tmp_path, {"anna": {"a": POP}, "ben": {"a": NO_POP}, CONSENSUS: {"a": NO_POP}})

    assert len(found["pairs"]) == 1
    assert [entry["settled"] for entry in found["disagreements"]] == ["no_pop"]


def test_three_raters_are_three_pairs_and_one_entry_per_clip(tmp_path: Path) -> None:
    found = compared(tmp_path, {"anna": {"a": POP}, "ben": {"a": NO_POP}, "cleo": {"a": NO_POP}})

    assert [(pair["first"], pair["second"]) for pair in found["pairs"]] == [
        ("anna", "ben"), ("anna", "cleo"), ("ben", "cleo"),
    ]  # fmt: skip
    assert [sorted(entry["said"]) for entry in found["disagreements"]] == [["anna", "ben", "cleo"]]


def test_clips_of_one_folder_are_each_of_another_patient(tmp_path: Path) -> None:
    given = {f"{i}.wav": label for i, label in enumerate((POP, NO_POP, POP, NO_POP))}
    (pair,) = compared(tmp_path, {"anna": given, "ben": given})["pairs"]

    assert pair["n_patients"] == 4


TABLES = [None, "file,patient_id\np1/0,x\np1/1,x\np2/2,x\np2/3,x\n", "no such columns\n1\n"]


@pytest.mark.parametrize(("table", "n_patients"), list(zip(TABLES, (2, 1, 2), strict=True)))
def test_patients_are_those_of_the_table_else_of_the_folders(
    tmp_path: Path, table: str | None, n_patients: int
) -> None:
    if table:
        (tmp_path / "session.csv").write_text(table)
    given = {f"p{1 + i // 2}/{i}": label for i, label in enumerate((POP, NO_POP, POP, NO_POP))}
    (pair,) = compared(tmp_path, {"anna": given, "ben": {**given, "p1/0": NO_POP}})["pairs"]

    assert pair["n_patients"] == n_patients
