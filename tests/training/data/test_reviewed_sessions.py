"""A reviewed session gives the same labels as a table; which answer counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from learning_fakes import answered, corrected_copy, said

from popdetect.errors import LeftOutWarning, TableError, UsageError
from popdetect.session.corrections import CONSENSUS
from popdetect.session.files import write_text
from popdetect.session.labels import read_labels
from popdetect.training.data import answers


def test_a_reviewed_session_is_the_same_as_the_table_of_its_labels(practice: Path, tmp_path: Path) -> None:
    truths = read_labels(practice)
    found = answers.read([corrected_copy(practice, tmp_path / "session", truths)])

    plain = [replace(truth, path=Path(), extra={}) for truth in found.truths]
    assert plain == [replace(truth, path=Path(), extra={}) for truth in sorted(truths, key=lambda t: t.file)]
    assert all(truth.path.is_file() for truth in found.truths)
    assert (found.n_reviewed, found.disputed) == (len(truths), ())


def test_whose_answer_counts(tmp_path: Path) -> None:
    folder = answered(tmp_path / "s", [
        said("agreed.wav", "pop", "anna", (0.5,), at=9), said("agreed.wav", "pop", "ben", (0.501, 0.6), at=10),
        said("marked.wav", "pop", "anna", (0.5,), at=1), said("marked.wav", "pop", "ben", (), at=30),
        said("settled.wav", "pop", "anna", (0.1,)), said("settled.wav", "no_pop", "ben"),
        said("settled.wav", "no_pop", CONSENSUS),
        said("open.wav", "pop", "anna", (0.1,)), said("open.wav", "no_pop", "ben", at=5),
        said("unsure.wav", "uncertain"),
        said("unmarked.wav", "pop"),
    ])  # fmt: skip
    found = answers.read([folder])

    assert {truth.file: (truth.label, truth.onsets_s) for truth in found.truths} == {
        "agreed.wav": ("pop", (0.501, 0.6)),
        "marked.wav": ("pop", (0.5,)),
        "settled.wav": ("no_pop", ()),
        "unsure.wav": ("uncertain", None),
        "unmarked.wav": ("pop", None),
    }
    assert found.disputed == ("open.wav",)
    assert {truth.patient_id for truth in found.truths} == {""}


def test_several_sources_keep_their_clips_apart(tmp_path: Path) -> None:
    one = answered(tmp_path / "a" / "monday", [said("1.wav", "pop", onsets_s=(0.2,)), said("2.wav", "no_pop")])
    other = answered(tmp_path / "b" / "monday", [said("1.wav", "no_pop")])
    write_text(tmp_path / "labels.csv", "file,label,onsets_s,patient_id\nx.wav,pop,0.5,p9\n")
    found = answers.read([one, other, tmp_path / "labels.csv"])

    names = [truth.file for truth in found.truths]
    assert len(set(names)) == 4
    assert names[:3] == ["a/monday/1.wav", "a/monday/2.wav", "b/monday/1.wav"]
    assert found.n_reviewed == 3
    assert [truth.path for truth in found.truths][:3] == [one / "1.wav", one / "2.wav", other / "1.wav"]
    with pytest.raises(UsageError, match="named twice"):
        answers.read([one, one])


def test_the_same_clip_from_two_tables_is_refused(tmp_path: Path) -> None:
    write_text(tmp_path / "labels.csv", "file,label,onsets_s\ns/1.wav,pop,0.5\n")
    session = answered(tmp_path / "s", [said("1.wav", "no_pop")])

    with pytest.raises(UsageError, match=r"1\.wav is labelled in .* and in .*; name one of them"):
        answers.read([tmp_path / "labels.csv", session])


def test_a_session_without_answers_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no answer in it yet; `popdetect review"):
        answers.read([answered(tmp_path / "s", [])])


def test_label_files_count_for_clips_that_nobody_answered(tmp_path: Path) -> None:
    folder = answered(tmp_path / "s", [said("a.wav", "pop", onsets_s=(0.2,))])
    write_text(folder / "session.csv", "file,patient_id\na.wav,p1\nb.wav,p2\n")
    for name, text in {"a.wav": "", "b.wav": "", "a.txt": "x\n", "b.txt": "0.5\t0.5\tpop\n"}.items():
        write_text(folder / name, text)
    with pytest.warns(LeftOutWarning, match="1 clips have an answer of the review and a label file; the answer counts"):
        found = answers.read([folder])

    assert [(truth.file, truth.label, truth.onsets_s, truth.patient_id) for truth in found.truths] == [
        ("a.wav", "pop", (0.2,), "p1"),
        ("b.wav", "pop", (0.5,), "p2"),
    ]
    assert found.n_reviewed == 1
    write_text(folder / "b.txt", "0.5\t0.5\tx\n")
    with pytest.raises(TableError, match=r"b\.txt:1: 'x' at 0\.5 s"):
        answers.read([folder])


def test_patients_of_clips_with_label_files_are_those_of_the_session(tmp_path: Path) -> None:
    write_text(tmp_path / "session.csv", "file,patient_id\np/a.wav,p1\n")
    (tmp_path / "p").mkdir()
    write_text(tmp_path / "p/a.wav", "")
    write_text(tmp_path / "p/a.txt", "0.5\t0.5\tpop\n")
    (truth,) = answers.read([tmp_path]).truths
    assert (truth.file, truth.patient_id, truth.onsets_s) == ("p/a.wav", "p1", (0.5,))
