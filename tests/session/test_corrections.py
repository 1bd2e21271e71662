"""``corrections.csv``: the last line counts, nothing whole is lost, and half a line is no answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popdetect.errors import TableError
from popdetect.session import corrections
from popdetect.session.corrections import COLUMNS, Correction
from popdetect.session.tables import csv_text

ANSWER = Correction("p01/a.wav", "pop", (0.4128, 0.4491), "anna", "2026-11-24T10:00:00Z", "uncertain", 0.46, "m", "ab")


def text(*answers: Correction) -> str:
    return csv_text(COLUMNS, map(corrections.row, answers))


def test_the_last_line_of_each_file_and_rater_counts(tmp_path: Path) -> None:
    other = replace(ANSWER, rater="ben", label="no_pop", onsets_s=())
    changed = replace(ANSWER, label="uncertain", onsets_s=())
    (tmp_path / "corrections.csv").write_text(text(ANSWER, other, changed))

    assert corrections.read(tmp_path) == (changed, other)


def test_what_is_taken_back_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "corrections.csv").write_text(text(ANSWER, replace(ANSWER, label="", onsets_s=(), undone=True)))

    assert corrections.read(tmp_path) == ()
    assert len(corrections.history(tmp_path / "corrections.csv")) == 2


def test_either_folder_of_a_session_is_understood(tmp_path: Path) -> None:
    assert corrections.read(tmp_path) == ()
    (tmp_path / "popdetect").mkdir()
    (tmp_path / "popdetect" / "corrections.csv").write_text(text(ANSWER))

    assert corrections.read(tmp_path) == corrections.read(tmp_path / "popdetect") == (ANSWER,)


@given(name=st.text(st.characters(codec="utf-8"), min_size=1), cut=st.integers(1, 400))
def test_a_cut_anywhere_in_the_last_line_loses_at_most_that_line(name: str, cut: int) -> None:
    first, second = replace(ANSWER, file=name), replace(ANSWER, file=name + "2", label="no_pop", onsets_s=())
    raw, before = text(first, second).encode(), text(first).encode()
    left = raw[: max(len(before), len(raw) - cut)]
    kept = corrections.parse(left[: corrections.whole(left)], "t")

    assert kept in ([first], [first, second])
    assert (kept == [first, second]) == (len(left) >= len(raw) - 1)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("pop,0.41280", "maybe,0.41280", "t:2: label 'maybe'"),
        ("0.41280", "soon", "t:2: onset 'soon'"),
        ("anna", "", "t:2: no rater"),
        ("label,", "verdict,", "t:1: no column label"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(old: str, new: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        corrections.parse(text(ANSWER).replace(old, new, 1).encode(), "t")


def test_columns_of_the_contract_come_first() -> None:
    assert ",".join(COLUMNS).startswith(
        "file,label,onsets_s,rater,answered_at,detector_label,detector_p_pop,model,model_sha256,blind"
    )
