"""The book of answers: on disk before it is told, never written over, whole after a crash."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from popdetect.app.answer_log import Book, Stale
from popdetect.errors import TableError, UsageError
from popdetect.records import Label
from popdetect.session import corrections
from popdetect.session.corrections import Correction

ANSWER = Correction("a.wav", "pop", (0.5,), "anna", "", "no_pop", 0.1, "m", "ab", blind=True)


def test_an_answer_is_there_for_whoever_reads(tmp_path: Path) -> None:
    kept, version = Book(tmp_path / "corrections.csv").answer(ANSWER, 0)

    assert version == 1
    assert corrections.read(tmp_path) == (kept,)
    assert kept == replace(ANSWER, answered_at=kept.answered_at)
    assert kept.answered_at.endswith("Z")


def test_who_saw_an_older_version_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    mine, theirs = Book(path), Book(path)
    mine.answer(ANSWER, 0)
    before = path.read_bytes()
    with pytest.raises(Stale):
        theirs.answer(replace(ANSWER, label="no_pop"), 0)

    assert path.read_bytes() == before
    assert theirs.look("a.wav", "anna")[1] == 1
    assert theirs.answer(replace(ANSWER, rater="ben"), 0)[1] == 1  # another rater's is another matter


def test_taking_back_goes_step_by_step(tmp_path: Path) -> None:
    book = Book(tmp_path / "corrections.csv")
    labels: tuple[Label, ...] = ("pop", "no_pop", "uncertain")
    for version, label in enumerate(labels):
        book.answer(replace(ANSWER, label=label, onsets_s=()), version)
    seen = []
    for version in (3, 4, 5):
        book.undo("a.wav", "anna", version)
        now = book.look("a.wav", "anna")[0]
        seen.append(now.label if now else "")

    assert seen == ["no_pop", "pop", ""]
    with pytest.raises(UsageError, match="no answer to take back"):
        book.undo("a.wav", "anna", 6)
    assert len(corrections.history(book.path)) == 6  # every step is kept


def test_only_who_did_not_know_answers_blind(tmp_path: Path) -> None:
    book = Book(tmp_path / "corrections.csv")
    with pytest.raises(UsageError, match="not answered yet"):
        book.reveal("a.wav", "anna")
    first, version = book.answer(ANSWER, 0)
    book.undo("a.wav", "anna", version)
    second, _ = book.answer(ANSWER, 2)  # a slip of the finger, taken back unseen
    book.reveal("a.wav", "anna")
    third, _ = book.answer(ANSWER, 4)

    assert (first.blind, second.blind, third.blind) == (True, True, False)
    assert book.knows_verdict("a.wav", "anna")
    assert not book.knows_verdict("a.wav", "ben")


@pytest.mark.parametrize("torn", [b"b.wav,pop", b'"b\nc.wav', b"b.wav,pop,0.5,anna,2026-11-24T10:00:00Z,\xc3"])
def test_a_torn_line_is_cut_off_and_nothing_else(tmp_path: Path, torn: bytes) -> None:
    book = Book(tmp_path / "corrections.csv")
    book.answer(ANSWER, 0)
    before = book.path.read_bytes()
    book.path.write_bytes(before + torn)
    again = Book(book.path)
    again.answer(replace(ANSWER, file="z.wav"), 0)
    text = book.path.read_bytes()

    assert text.startswith(before)
    assert torn not in text
    assert [line.file for line in corrections.history(book.path)] == ["a.wav", "z.wav"]


def test_columns_of_others_are_carried_and_ours_are_added(tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text("file,label,onsets_s,rater,answered_at,mood\nb.wav,pop,,ben,2026-11-24T10:00:00Z,good\n")
    Book(path).answer(ANSWER, 0)
    lines = path.read_text().splitlines()

    assert lines[0].startswith("file,label,onsets_s,rater,answered_at,mood,detector_label")
    assert "good" in lines[1]
    assert len(lines) == 3


def test_a_file_somebody_broke_is_told_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text("file;label\na.wav;pop\n")
    with pytest.raises(TableError, match=r"corrections\.csv:1: separated by semicolons"):
        Book(path)

    assert path.read_text() == "file;label\na.wav;pop\n"


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    folder = tmp_path if os.geteuid() else Path("/sys")  # root may write anywhere but among the kernel's own files
    with pytest.raises(UsageError, match="cannot be written"):
        Book(folder / "corrections.csv").answer(ANSWER, 0)


def test_many_processes_lose_no_answer(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom dataclasses import replace\nfrom pathlib import Path\n"
        "from popdetect.app.answer_log import Book\nfrom popdetect.session.corrections import Correction\n"
        "book = Book(Path(sys.argv[1]))\n"
        "for i in range(20): book.answer(Correction(f'{i}.wav', 'pop', (), sys.argv[2], ''), 0)\n"
    )
    path = tmp_path / "corrections.csv"
    running = [subprocess.Popen([sys.executable, "-c", code, str(path), f"rater {n}"]) for n in range(3)]

    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(corrections.history(path)) == len(corrections.read(tmp_path)) == 60
