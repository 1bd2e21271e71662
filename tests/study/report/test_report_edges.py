"""Reports of little, of mixed, of damaged, and where they may not be written; and example clips."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from outcome_fakes import one_each, thrust
from report_fakes import KEY, fill, full_study, parsed, report, scored_session, words

from popdetect.cli import main as cli
from popdetect.detection.model import bundle
from popdetect.errors import NothingFound, UsageError
from popdetect.session import labelling as batch
from popdetect.session.session import Session
from popdetect.study.journal import journal
from popdetect.study.journal.journal import CLIP
from popdetect.study.journal.logging import log
from popdetect.study.report.report import write
from popdetect.training.data import simulated_sessions as practice

Capture = pytest.CaptureFixture[str]


def rows(label: Any, n: int = 8, **more: Any) -> list[Any]:
    return [thrust(label, 6, 3 + i % 3, patient=f"p{i}", file=f"{i}.wav", **more) for i in range(n)]


@pytest.mark.parametrize(
    "thrusts",
    [
        [thrust()],
        [thrust(("pop", "no_pop")[i % 2], 6, 3 + i % 3, file=f"{i}.wav") for i in range(9)],
        rows("no_pop"),
        rows("uncertain"),
        rows(None, p_pop=None),
        [thrust("pop", None, None)],
        [thrust("pop", 0, 0, patient=f"p{i}", file=f"{i}.wav") for i in range(4)],
        one_each([(5, 3)] * 4, [(5, 3)] * 4),
    ],
    ids=["one thrust", "one patient", "no pops", "uncertain", "not judged", "no scores", "no pain", "all alike"],
)
def test_too_little_is_said_plainly(tmp_path: Path, thrusts: list[Any]) -> None:
    done, text = report(tmp_path, thrusts)
    said = words(parsed(text))

    assert done.sentences[0].startswith("Pain after thrusts with and without a pop could not be compared:")
    assert "There is no answer" in said
    assert "nan" not in re.findall(r"\w+", said.lower())
    assert "None" not in re.findall(r"\w+", said)


def test_two_scales_are_never_mixed_and_the_greater_is_told(tmp_path: Path) -> None:
    thrusts = one_each([(5, 3), (6, 4), (7, 5)], [(5, 4), (6, 4), (7, 7)])
    thrusts += [thrust("pop", 60, 30, pain_scale="VAS100", patient=f"v{i}", file=f"v{i}.wav") for i in range(3)]
    done, text = report(tmp_path, thrusts)

    assert "this report is on NPRS (6 thrusts); 3 thrusts on VAS100 are left out" in done.notes[0]
    assert done.notes[0] in words(parsed(text))
    other = write(tmp_path / "STUDY.db", tmp_path / "other.html", scale="VAS100")
    assert "pain on VAS100" in words(parsed(other.path.read_text(encoding="utf-8")))


def test_two_models_are_told(tmp_path: Path) -> None:
    study = fill(tmp_path / "STUDY.db", full_study())
    with journal.writing(study, KEY) as book:
        book.begin("key", "s01", lambda run: run)
        for stored in book.stored("s01").values():
            verdict = stored.parts[CLIP]
            book.put(stored.id, CLIP, verdict, verdict | {"model": "ours-1", "model_sha256": "cd" * 32})
    done = write(study, tmp_path / "report.html")
    text = words(parsed(done.path.read_text(encoding="utf-8")))

    assert any("2 models judged" in note for note in done.notes)
    assert "ours-1" in text
    assert "several models judged the clips, each with its own thresholds" in text


def test_thresholds_are_those_that_all_verdicts_agree_with(tmp_path: Path) -> None:
    point = bundle.load().operating_points["balanced"]
    sides = {"pop": point.pop_from + 1e-3, "no_pop": point.no_pop_below - 1e-3, "uncertain": point.no_pop_below + 1e-3}
    _, text = report(tmp_path, [replace(t, p_pop=sides[t.label]) if t.label else t for t in full_study()])

    assert f"Below {point.no_pop_below:.2f} a clip is no pop, from {point.pop_from:.2f} on a pop" in text
    assert "(operating point balanced, the only one that fits)" in text


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_bytes(b"not a database" * 100)
    page = tmp_path / "report.html"
    with pytest.raises(UsageError, match=r"notes\.db"):
        write(tmp_path / "notes.db", page)
    with pytest.raises(UsageError, match="no such journal"):
        write(tmp_path / "gone.db", page)
    with pytest.raises(NothingFound, match="no thrust with a score"):
        write(fill(tmp_path / "EMPTY.db", []), page)
    assert not page.exists()


def test_nothing_is_replaced_unasked_and_the_study_never(tmp_path: Path) -> None:
    study = fill(tmp_path / "STUDY.db", rows("pop"))
    before, key = study.read_bytes(), tmp_path / "STUDY.key"
    key.write_text("key", encoding="utf-8")
    page = tmp_path / "report.html"
    page.write_text("mine", encoding="utf-8")

    with pytest.raises(UsageError, match="--force"):
        write(study, page)
    assert page.read_text(encoding="utf-8") == "mine"
    for kept in (study, key):
        with pytest.raises(UsageError, match="a file of the study; a report never replaces it"):
            write(study, kept, force=True)
    with pytest.raises(UsageError, match="a folder"):
        write(study, tmp_path, force=True)
    with pytest.raises(UsageError, match="cannot be written"):
        write(study, tmp_path / "gone" / "report.html")
    assert write(study, page, force=True).n_bytes == page.stat().st_size
    assert (study.read_bytes(), key.read_text(encoding="utf-8")) == (before, "key")
    assert not list(tmp_path.glob(".*"))


# --- example clips --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with one real session: sound, labels, scores."""
    place = tmp_path_factory.mktemp("Praxis Sonnenhof")
    session = place / "session 7"
    practice.simulate(session, n_clips=12, n_patients=3, seed=3)
    batch.label(session)
    scored_session(session)
    log(session, place / "STUDY.db")
    return place


def test_examples_are_of_the_journal_and_name_nobody(clinic: Path) -> None:
    session = clinic / "session 7"
    done = write(clinic / "STUDY.db", clinic / "report.html", sessions=[session], force=True)
    text = done.path.read_text(encoding="utf-8")
    clips = [words(item) for item in parsed(text).findall(".//ul[@class='clips']/li")]

    assert done.n_examples == len(clips) >= 3
    assert any("Clear pop" in clip for clip in clips)
    known = {str(record["sha256"])[:8] for record in journal.records(clinic / "STUDY.db")}
    for clip in clips:
        assert re.search(r"P-\w{8}", clip)
        assert re.search(r"recording (\w{8})", clip)[1] in known  # type: ignore[index]
        assert re.search(r"Spectrogram from [\d.]+ to [\d.]+ s of the clip", clip)
    for secret in ("Praxis", "Sonnenhof", "Erika", "Muster", "session 7", ".wav", "thrust_0", str(clinic)):
        assert secret not in text
    assert "as the session&#39;s run.json says" in text


def test_uncertain_examples_show_the_thresholds_and_uncertain_pops(clinic: Path, tmp_path: Path) -> None:
    session = tmp_path / "session 7"
    shutil.copytree(clinic / "session 7", session)
    table = session / "popdetect" / "clips.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(",ok,pop,", ",ok,uncertain,"), encoding="utf-8")
    log(session, tmp_path / "STUDY.db")
    point = Session.read(session).operating_point
    text = write(tmp_path / "STUDY.db", tmp_path / "report.html", sessions=[session]).path.read_text(encoding="utf-8")
    clips = [words(item) for item in parsed(text).findall(".//ul[@class='clips']/li")]
    unsure = [clip for clip in clips if "Most uncertain" in clip]

    assert point is not None
    assert len(unsure) == 2
    for clip in unsure:
        assert re.search(rf"uncertain, probability [\d.]+ \({re.escape(str(point[1]))}\), \d+ uncertain pops?\b", clip)
        assert "; uncertain pops marked at " in clip
    assert not any("uncertain pop" in clip or "(pop from" in clip for clip in clips if "Most uncertain" not in clip)


def test_clips_gone_or_changed_are_told_and_passed_over(clinic: Path, tmp_path: Path) -> None:
    session = tmp_path / "session 7"
    shutil.copytree(clinic / "session 7", session)
    clips = sorted(session.rglob("*.wav"))
    for clip in clips[::2]:
        clip.unlink()
    clips[1].write_bytes(clips[1].read_bytes()[:-2])
    done = write(clinic / "STUDY.db", tmp_path / "report.html", sessions=[session])
    assert 0 < done.n_examples < 10
    assert "gone from the folder, or changed since" in done.notes[0]

    for clip in clips[1::2]:
        clip.unlink()
    done = write(clinic / "STUDY.db", tmp_path / "report.html", sessions=[session], force=True)
    assert done.n_examples == 0
    assert "Example clips" not in done.path.read_text(encoding="utf-8")


def test_a_folder_that_does_not_belong_is_refused(clinic: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    (other / "popdetect").mkdir(parents=True)
    study, page = clinic / "STUDY.db", tmp_path / "report.html"
    with pytest.raises(UsageError, match="not labelled"):
        write(study, page, sessions=[other])
    (other / "popdetect" / "clips.csv").write_text(
        "file,status,label,p_pop,sha256\na.wav,ok,pop,0.9,00\n", encoding="utf-8"
    )
    with pytest.raises(UsageError, match="none of its clips is in the journal"):
        write(study, page, sessions=[other])
    with pytest.raises(UsageError, match="no such folder"):
        write(study, page, sessions=[tmp_path / "gone"])
    assert not page.exists()


# --- the command ----------------------------------------------------------------------------------------------------


def test_the_command_says_the_answer(clinic: Path, tmp_path: Path, capsys: Capture) -> None:
    page = tmp_path / "report.html"
    arguments = ["report", str(clinic / "STUDY.db"), "-o", str(page), "--session", str(clinic / "session 7")]
    assert cli.main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["written"] == str(page)
    assert told["bytes"] == page.stat().st_size
    assert len(told["sentences"]) == 3

    assert cli.main(arguments) == 2
    assert "--force" in capsys.readouterr().err
    assert cli.main([*arguments, "--force", "--title", "Pilot"]) == 0
    out = capsys.readouterr().out
    for sentence in told["sentences"]:
        assert sentence in out
    assert "<title>Pilot</title>" in page.read_text(encoding="utf-8")
    assert cli.main([*arguments, "--force", "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_the_command_in_the_page_has_the_options_and_no_names(clinic: Path, tmp_path: Path) -> None:
    done = write(
        clinic / "STUDY.db", tmp_path / "Erika.html", margin=1.5, sensitivity=(46, 50), specificity=(44, 50), seed=3
    )
    text = done.path.read_text(encoding="utf-8")
    said = "popdetect report STUDY.db -o report.html --margin 1.5 --sensitivity 46/50 --specificity 44/50 --seed 3"

    assert said in text
    assert "Erika" not in text
    assert cli.build_parser().parse_args(said.split()[1:]).margin == 1.5
    assert os.fspath(clinic) not in text
