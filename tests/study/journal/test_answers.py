"""Answers of the review in the journal: beside the detector's, with who said it, how and when."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from journal_fakes import code_of, log, make_session, scores, told, write_scores

from popdetect.cli import main as cli
from popdetect.errors import UsageError
from popdetect.session.corrections import COLUMNS, Correction, row
from popdetect.session.tables import csv_text
from popdetect.study.journal import journal
from popdetect.study.journal.logging import undo
from popdetect.study.journal.pseudonyms import open_key
from popdetect.study.journal.sources import accuracy, blinded, sourced

LABELS = ("pop", "no_pop", "uncertain")  # of the detector, in turn


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return tmp_path / "STUDY.db"


def review(folder: Path, answers: Sequence[tuple[int, Any, str]], **more: Any) -> None:
    """``corrections.csv`` with (clip, label, rater)."""
    values = {"answered_at": "2026-03-05T10:00:00.000Z", "blind": True, "drawn": "random"} | more
    lines = [
        Correction(f"c{i:02}.wav", label, (0.5, 0.75) if label == "pop" else (), rater, **values)
        for i, label, rater in answers
    ]
    text = csv_text(COLUMNS, [row(line) for line in lines])
    (folder / "popdetect" / "corrections.csv").write_text(text, encoding="utf-8")


def labels(study: Path, source: str) -> list[Any]:
    return [(thrust.label, thrust.n_pops) for thrust in journal.thrusts(study, source)]


def test_a_rater_who_overturns_every_verdict_is_in_the_journal(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path)
    log(folder, study)
    before = labels(study, "detector")
    review(folder, [(i, "no_pop" if i % 3 == 0 else "pop", "Anna Berg") for i in range(6)])
    done = log(folder, study)

    assert (done.n_answers, list(done.raters), done.written) == (6, ["Anna Berg"], True)
    assert labels(study, "detector") == before
    human = [("no_pop", 0), ("pop", 2), ("pop", 2)] * 2
    assert labels(study, "Anna Berg") == labels(study, done.raters["Anna Berg"]) == human
    assert told(log(folder, study)) == (0, 0, 0, True)
    assert log(folder, study).n_answers == 0
    assert b"Anna" not in study.read_bytes()
    key = open_key(study.with_suffix(".key"))
    with closing(sqlite3.connect(study)) as connection:
        (rater, blind, drawn, day), *_ = connection.execute("SELECT rater, blind, drawn, answer_day FROM answers")
    assert (rater, blind, drawn) == (done.raters["Anna Berg"], 1, "random")
    assert key.date(day, f"{rater} {done.session}").isoformat() == "2026-03-05"


def test_answers_follow_the_review_and_can_be_taken_back(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path)
    review(folder, [(0, "no_pop", "a"), (1, "pop", "a")])
    log(folder, study)
    review(folder, [(0, "pop", "a")])  # one changed, one undone
    assert log(folder, study).n_answers == 1
    assert [(one.label, one.n_pops) for one in journal.answers(study)] == [("pop", 2)]
    undo(folder, study)
    assert [(one.label, one.n_pops) for one in journal.answers(study)] == [("no_pop", 0), ("pop", 2)]
    (folder / "popdetect" / "corrections.csv").unlink()
    log(folder, study)
    assert len(journal.answers(study)) == 2  # a review that is gone takes nothing away


def test_the_consensus_is_what_was_agreed_on_or_what_all_said(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path)
    two = [(i, label, rater) for i, label in enumerate(("pop", "no_pop", "pop")) for rater in ("a", "b")]
    two[1] = (0, "no_pop", "b")
    review(folder, [*two, (0, "no_pop", "consensus"), (3, "no_pop", "a")])
    log(folder, study)

    assert [label for label, _ in labels(study, "consensus")] == ["no_pop", "no_pop", "pop", None, None, None]


def test_a_source_without_answers_is_refused(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path)
    review(folder, [(0, "pop", "a")])
    code = log(folder, study).raters["a"]
    for source in ("b", "consensus", ""):
        with pytest.raises(
            UsageError, match=rf"source '{source}': no answer .*there are detector, {code} \(1 answers\)"
        ):
            journal.thrusts(study, source)


def test_sensitivity_and_specificity_come_from_the_blinded_random_sample(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path, 30)  # the detector: 10 pop, 10 no_pop, 10 uncertain
    human = [(i, "pop" if i % 3 == 0 else "no_pop", "a") for i in range(30)]
    human[0], human[1] = (0, "no_pop", "a"), (1, "uncertain", "a")
    review(folder, human)
    log(folder, study)
    assert accuracy(study) == ((9, 9), (9, 10))

    for more in ({"blind": False}, {"drawn": "uncertain"}):
        review(folder, human, **more)
        log(folder, study)
        assert accuracy(study) is None
    review(folder, human[:12])
    log(folder, study)
    assert accuracy(study) is None  # too few


def test_what_was_the_same_at_the_thrust_counts_for_all_its_time_points(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path)
    rows = [{**row, "time_point": "directly after", "region": "L4", "expects_relief": "7"} for row in scores()]
    later = [{**row, "time_point": "1 week", "pain_before": "", "pain_after": "5"} for row in scores()[:2]]
    empty = {**scores()[2], "time_point": "1 week", "pain_before": "", "pain_after": ""}
    write_scores(folder, [*rows, *later, empty])
    done = log(folder, study)
    found = journal.thrusts(study)

    assert (done.n_thrusts, done.n_new) == (6, 6)
    assert [(t.time_point, t.pain_before, t.pain_after, t.region) for t in found[:3]] == [
        ("directly after", 4, 2, "L4"), ("1 week", 4, 5, "L4"), ("directly after", 5, 2, "L4"),
    ]  # fmt: skip
    assert len(found) == 8
    assert found[0].file == found[1].file == code_of(study, found[0].session, "c00.wav")
    assert told(log(folder, study)) == (0, 0, 0, True)

    write_scores(folder, [*rows, *later, {**empty, "pain_after": "3"}])
    assert told(log(folder, study)) == (0, 1, 0, True)  # asked later: no change of a value
    write_scores(folder, [*rows, *({**row, "time_point": "7 days"} for row in later)])
    changes = log(folder, study).changes
    assert [(change.file, change.field, change.old, change.new) for change in changes] == [
        ("c00.wav", "time_point", "1 week", "7 days"), ("c01.wav", "time_point", "1 week", "7 days"),
        ("c02.wav", "time_point", "1 week", None),
    ]  # fmt: skip
    assert log(folder, study, update=True).written
    assert sorted({t.time_point for t in journal.thrusts(study)}) == ["7 days", "directly after"]
    undo(folder, study)
    assert sorted({t.time_point for t in journal.thrusts(study)}) == ["1 week", "directly after"]


def test_outcomes_and_report_use_the_source_that_is_named(
    tmp_path: Path, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_session(tmp_path, 30)
    human = [(i, ("pop", "no_pop", "uncertain")[i % 2 if i < 28 else 2], "a") for i in range(30)]
    review(folder, human)
    log(folder, study)
    found = sourced(study)

    assert (found.sensitivity, found.specificity) == ((5, 9), (5, 10))
    assert found.caveats == (
        "The labels are the detector's. People reviewed 30 of the clips, and heard something else in 19 of them; "
        "--source consensus, or --source and a rater, uses their answers.",
        "Sensitivity (5 of 9) and specificity (5 of 10) of the detector are from the blinded random sample of reviewed "
        "clips.",
    )
    assert sum(blinded(study).values()) == 30
    assert sourced(study, "detector", (9, 10), (8, 10)).sensitivity == (9, 10)

    def run(*args: str) -> tuple[int, str]:
        code = cli.main([args[0], str(study), *args[1:]])
        out, err = capsys.readouterr()
        return code, " ".join((out + err).split())

    assert "and heard something else in 19 of them" in run("outcomes")[1]
    code, text = run("outcomes", "--source", "a")
    assert code == 0
    assert "The labels are those of the rater a, of 30 of 30 clips." in text
    assert "sensitivity" not in " ".join(sourced(study, "a").caveats)
    assert run("outcomes", "--source", "a", "--sensitivity", "9/10", "--specificity", "9/10")[0] == 2
    assert run("outcomes", "--source", "nobody")[0] == 2
    for source in ("detector", "a"):
        page = tmp_path / f"{source}.html"
        assert run("report", "-o", str(page), "--source", source)[0] == 0
        text = page.read_text(encoding="utf-8")
        assert "blind answers of people" in text
        assert ("From the review, counted on" in text) == (source == "detector")


def test_a_line_without_a_file_is_about_all_clips_of_the_patients_session(tmp_path: Path, study: Path) -> None:
    folder = make_session(tmp_path)
    later = {"patient_id": "Patient1", "time_point": "1 week", "pain_after": "1"}
    empty = {"patient_id": "Patient2", "time_point": "1 week"}
    write_scores(folder, [*scores(), later, empty])
    log(folder, study)
    found = [t for t in journal.thrusts(study) if t.time_point]

    assert [(t.pain_before, t.pain_after, t.label) for t in found] == [(5, 1, "no_pop"), (8, 1, "no_pop")]
    assert len(journal.thrusts(study)) == 8
    assert told(log(folder, study)) == (0, 0, 0, True)
    for cells, said in (
        ({"patient_id": "Nobody"}, "8: file: empty, and no other line is of a clip of this patient's session"),
        ({"session_no": "2"}, "8: file: empty, and no other line"),
        ({"time_point": ""}, r"8: file: empty; the name of the clip is expected \(without one"),
    ):
        write_scores(folder, [*scores(), {**later, **cells}])
        with pytest.raises(UsageError, match=rf"session.csv:{said}"):
            log(folder, study)
