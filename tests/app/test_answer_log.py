"""The answer log: an answer is on disk before it is confirmed, and nothing in the file is ever changed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from warnings import catch_warnings

import pytest
from damaged_corrections import damaged_files
from hypothesis import given
from hypothesis import strategies as st

from popdetect.app.answer_log import AnswerLog, StaleAnswer
from popdetect.errors import DamagedLinesWarning, TableError, UsageError
from popdetect.records import LABELS, Label
from popdetect.session import corrections
from popdetect.session.corrections import COLUMNS, CONSENSUS, Correction
from popdetect.session.tables import csv_text

ANSWER = Correction("a.wav", "pop", (0.5,), "anna", "", "no_pop", 0.1, "m", "ab", blind=True)


def test_an_answer_is_there_for_whoever_reads(tmp_path: Path) -> None:
    kept, version = AnswerLog(tmp_path / "corrections.csv").answer(ANSWER, 0)

    assert version == 1
    assert corrections.read(tmp_path) == (kept,)
    assert kept == replace(ANSWER, answered_at=kept.answered_at)
    assert kept.answered_at.endswith("Z")


def test_who_saw_an_older_version_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    mine, theirs = AnswerLog(path), AnswerLog(path)
    mine.answer(ANSWER, 0)
    before = path.read_bytes()
    with pytest.raises(StaleAnswer):
        theirs.answer(replace(ANSWER, label="no_pop"), 0)

    assert path.read_bytes() == before
    assert theirs.current("a.wav", "anna")[1] == 1
    assert theirs.answer(replace(ANSWER, rater="ben"), 0)[1] == 1  # another rater's is another matter


def test_taking_back_goes_step_by_step(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "corrections.csv")
    labels: tuple[Label, ...] = ("pop", "no_pop", "uncertain")
    for version, label in enumerate(labels):
        log.answer(replace(ANSWER, label=label, onsets_s=()), version)
    seen = []
    for version in (3, 4, 5):
        log.undo("a.wav", "anna", version)
        now = log.current("a.wav", "anna")[0]
        seen.append(now.label if now else "")

    assert seen == ["no_pop", "pop", ""]
    with pytest.raises(UsageError, match="no answer to undo"):
        log.undo("a.wav", "anna", 6)
    assert len(corrections.load(log.path).answers) == 6  # every step is kept


def test_only_who_did_not_know_answers_blind(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "corrections.csv")
    with pytest.raises(UsageError, match="not answered yet"):
        log.reveal("a.wav", "anna")
    first, version = log.answer(ANSWER, 0)
    log.undo("a.wav", "anna", version)
    second, _ = log.answer(ANSWER, 2)  # a slip of the finger, taken back unseen
    log.reveal("a.wav", "anna")
    third, _ = log.answer(ANSWER, 4)

    assert (first.blind, second.blind, third.blind) == (True, True, False)
    assert log.has_seen_verdict("a.wav", "anna")
    assert not log.has_seen_verdict("a.wav", "ben")


TORN = [b"b.wav,pop", b'"b\nc.wav', b"b.wav,pop,0.5,anna,2026-11-24T10:00:00Z,\xc3", b"\0\0\0\0"]


@pytest.mark.parametrize("torn", TORN)
def test_a_half_written_line_does_not_damage_the_next_answer(tmp_path: Path, torn: bytes) -> None:
    log = AnswerLog(tmp_path / "corrections.csv")
    log.answer(ANSWER, 0)
    before = log.path.read_bytes() + torn
    log.path.write_bytes(before)
    with pytest.warns(DamagedLinesWarning, match=r"corrections\.csv: lines? 3.*copy.*in corrections\.damaged-1\.csv"):
        again = AnswerLog(log.path)
    with pytest.warns(DamagedLinesWarning):
        again.answer(replace(ANSWER, file="z.wav"), 0)

    assert log.path.read_bytes().startswith(before + b"\nz.wav,pop,")
    assert [line.file for line in corrections.load(log.path).answers] == ["a.wav", "z.wav"]
    assert (tmp_path / "corrections.damaged-1.csv").read_bytes() == torn + b"\n"
    assert not (tmp_path / "corrections.damaged-2.csv").exists()


def test_a_stray_quotation_mark_costs_one_line_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    lines = csv_text(COLUMNS, [corrections.row(replace(ANSWER, file=f"{i}.wav")) for i in range(40)]).splitlines(True)
    lines[4] = lines[4].replace("0.5", '"0.5')
    path.write_text("".join(lines))
    with pytest.warns(DamagedLinesWarning, match="line 5 is damaged and left out"):
        log = AnswerLog(path)
    with pytest.warns(DamagedLinesWarning):
        log.answer(ANSWER, 0)

    assert path.read_text().startswith("".join(lines))
    assert [line.file for line in corrections.load(path).answers] == [f"{i}.wav" for i in range(40) if i != 3] + [
        "a.wav"
    ]
    assert (tmp_path / "corrections.damaged-1.csv").read_text() == lines[4]


def test_missing_columns_are_added_after_those_of_others(tmp_path: Path) -> None:
    path = tmp_path / "corrections.csv"
    old = "file,label,onsets_s,rater,answered_at,mood\nb.wav,pop,,ben,2026-11-24T10:00:00Z,good\n"
    path.write_text(old)
    AnswerLog(path).answer(ANSWER, 0)
    AnswerLog(path).answer(replace(ANSWER, label="no_pop"), 1)
    added = path.read_text().removeprefix(old).splitlines()

    assert added[0].startswith("file,label,onsets_s,rater,answered_at,mood,detector_label")
    assert [line[:12] for line in added[1:]] == ["a.wav,pop,0.", "a.wav,no_pop"]
    assert [(line.file, line.blind) for line in corrections.load(path).answers] == [
        ("b.wav", False), ("a.wav", True), ("a.wav", True),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["file;label;onsets_s\na.wav;pop;\n", "file\tlabel\na.wav\tpop\n"])
def test_a_file_of_another_format_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "corrections.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=r"corrections\.csv:1: separated by (semicolons|tabs); save it as"):
        AnswerLog(path)

    assert path.read_text() == text


@given(damaged=damaged_files())
def test_after_damage_answers_are_appended_and_read_back(
    damaged: tuple[bytes, list[Correction]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    raw, intact = damaged
    path = tmp_path_factory.mktemp("damaged") / "corrections.csv"
    path.write_bytes(raw)
    with catch_warnings(action="ignore", category=DamagedLinesWarning):
        log = AnswerLog(path)
        new = replace(ANSWER, rater="not there yet")
        new, version = log.answer(new, log.current(new.file, new.rater)[1])
        again = AnswerLog(path)
    found = iter(corrections.load(path).answers)

    assert path.read_bytes().startswith(raw)
    assert all(answer in found for answer in [*intact, new])
    assert again.current(new.file, new.rater) == (new, version)


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    folder = tmp_path if os.geteuid() else Path("/sys")  # root may write anywhere but among the kernel's own files
    with pytest.raises(UsageError, match="cannot be written"):
        AnswerLog(folder / "corrections.csv").answer(ANSWER, 0)


SAME_CLIP = """
import sys
from pathlib import Path
from popdetect.app.answer_log import AnswerLog, StaleAnswer
from popdetect.session.corrections import Correction
log = AnswerLog(Path(sys.argv[1]))
while (version := log.current("a.wav", "anna")[1]) < 60:
    try:
        print(log.answer(Correction("a.wav", "pop", (), "anna", ""), version)[1])
    except StaleAnswer:
        pass
"""


def test_of_two_processes_with_the_same_version_one_is_stale(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SAME_CLIP, str(tmp_path / "corrections.csv")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    versions = [int(line) for process in running for line in process.communicate(timeout=60)[0].split()]

    assert sorted(versions) == list(range(1, 61))  # each version was written by one process


STEPS = st.one_of(st.sampled_from(["undo", "reveal"]), st.sampled_from(LABELS))


@given(st.lists(st.tuples(st.sampled_from(["a.wav", "b.wav"]), STEPS), max_size=12), st.booleans())
def test_answers_undone_and_revealed_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]], blind: bool
) -> None:
    log = AnswerLog(tmp_path_factory.mktemp("log") / "corrections.csv")
    stacks: dict[str, list[Correction]] = {"a.wav": [], "b.wav": []}
    order: list[str] = []
    seen: set[str] = set()
    for file, step in steps:
        version = log.current(file, "anna")[1]
        if step in LABELS:
            given_answer = replace(ANSWER, file=file, label=step, onsets_s=(0.1 * len(order),), blind=blind)  # type: ignore[arg-type]
            kept, _ = log.answer(given_answer, version)
            assert kept.blind == (blind and file not in seen)
            seen |= set() if blind else {file}
            stacks[file].append(kept)
            order.append(file)
        elif not stacks[file]:
            with pytest.raises(UsageError):
                log.undo(file, "anna", version) if step == "undo" else log.reveal(file, "anna")
        elif step == "undo":
            log.undo(file, "anna", version)
            stacks[file].pop()
        else:
            log.reveal(file, "anna")
            seen.add(file)

    for name, stack in stacks.items():
        answer, _ = AnswerLog(log.path).current(name, "anna")
        assert (answer and (answer.label, answer.onsets_s)) == (
            (stack[-1].label, pytest.approx(stack[-1].onsets_s)) if stack else None
        )
        assert log.has_seen_verdict(name, "anna") == (name in seen)
    assert set(log.of_rater("anna")) == {name for name, stack in stacks.items() if stack}
    assert log.last_answered("anna") == next((name for name in reversed(order) if stacks[name]), "")


def test_the_consensus_is_no_rater(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "corrections.csv")
    for rater in ("ben", "anna", CONSENSUS):
        log.answer(replace(ANSWER, rater=rater), 0)

    assert log.raters() == ["anna", "ben"]
    assert set(log.of_rater(CONSENSUS)) == {"a.wav"}


def test_an_undone_only_answer_leaves_an_empty_line(tmp_path: Path) -> None:
    log = AnswerLog(tmp_path / "corrections.csv")
    log.answer(ANSWER, 0)
    line, _ = log.undo("a.wav", "anna", 1)

    assert (line.label, line.onsets_s, line.undone) == ("", (), True)


def test_many_processes_lose_no_answer(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom dataclasses import replace\nfrom pathlib import Path\n"
        "from popdetect.app.answer_log import AnswerLog\nfrom popdetect.session.corrections import Correction\n"
        "log = AnswerLog(Path(sys.argv[1]))\n"
        "for i in range(20): log.answer(Correction(f'{i}.wav', 'pop', (), sys.argv[2], ''), 0)\n"
    )
    path = tmp_path / "corrections.csv"
    running = [subprocess.Popen([sys.executable, "-c", code, str(path), f"rater {n}"]) for n in range(3)]

    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(corrections.load(path).answers) == len(corrections.read(tmp_path)) == 60
