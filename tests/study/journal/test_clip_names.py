"""Names of clips as people type them: matched where one clip is meant, and refused where they lead elsewhere."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_fakes import log, make_session, scores, write_clips, write_scores

from popdetect.cli import main as cli
from popdetect.errors import TableError, UsageError
from popdetect.study.journal.clip_names import clip_name, leads_elsewhere, meant, nearest
from popdetect.study.journal.journal import thrusts

CLIPS = ["p01/thrust_01.wav", "p01/thrust_02.wav", "hüfte/Übung.WAV"]


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("P01/THRUST_01.WAV", CLIPS[0]),
        ("p01\\Thrust_02.wav", CLIPS[1]),
        ("./p01/thrust_02", CLIPS[1]),
        ("HÜFTE/übung.wav", CLIPS[2]),
        (unicodedata.normalize("NFD", "hüfte/Übung.WAV"), CLIPS[2]),
        ("thrust_01.wav", None),
        ("p01/thrust_01.mp3", None),
        ("", None),
    ],
)
def test_a_name_means_the_clip_that_differs_in_spelling_only(name: str, clip: str | None) -> None:
    assert meant([clip_name(name)], CLIPS).get(clip_name(name)) == clip


def test_of_several_clips_none_is_meant_unless_the_name_is_exact() -> None:
    clips = ["a.wav", "A.wav", "b.wav", "b.flac"]
    assert meant(["a.wav", "A.WAV", "b", "b.flac"], clips) == {"a.wav": "a.wav", "b.flac": "b.flac"}


@given(st.lists(st.text("abAB01/. ü", min_size=1, max_size=8), max_size=6))
def test_an_exact_name_always_means_itself(names: list[str]) -> None:
    clips = [clip_name(name) for name in names]
    assert meant(clips, clips) == {clip: clip for clip in clips}


def test_the_nearest_name_is_found_in_any_case() -> None:
    assert nearest(["P01/THRUST_1.WAV"], CLIPS) == {"P01/THRUST_1.WAV": CLIPS[0]}


ELSEWHERE = [
    r"C:\Users\Maria Muster\p01\c00.wav", "d:/x/c00.wav", r"\\server\share\c00.wav", "/home/maria/c00.wav",
    "~/c00.wav", "file:///c:/c00.wav", "../c00.wav", r"a\..\..\c00.wav",
]  # fmt: skip


@pytest.mark.parametrize("path", ELSEWHERE)
def test_a_path_that_leads_elsewhere_is_refused_and_nothing_is_written(tmp_path: Path, path: str) -> None:
    folder, study = make_session(tmp_path), tmp_path / "STUDY.db"
    write_scores(folder, [{**scores()[0], "file": path}, *scores()[1:]])
    with pytest.raises(TableError, match=r"session.csv:2: file: a (full path|path with '\.\.') '.*'; allowed: a name"):
        log(folder, study)
    assert not study.exists()
    assert not study.with_suffix(".key").exists()


@pytest.mark.parametrize("name", ["c:x.wav", "a..b.wav", ".hidden.wav", "a/b.wav", "filed/x.wav"])
def test_other_names_lead_nowhere_else(name: str) -> None:
    assert leads_elsewhere(name) == ""


def test_many_paths_are_one_line_for_each_kind(tmp_path: Path) -> None:
    folder = make_session(tmp_path, 24)
    rows = [{**row, "file": ("../" if i % 2 else "C:\\x\\") + row["file"]} for i, row in enumerate(scores(24))]
    write_scores(folder, rows)
    with pytest.raises(TableError) as caught:
        log(folder, tmp_path / "STUDY.db")
    assert [problem.split("session.csv:")[1] for problem in caught.value.lines] == [
        "2: file: 12 lines have a full path, such as 'C:\\\\x\\\\c00.wav'; allowed: a name relative to the session "
        "folder, such as a/clip_01.wav",
        "3: file: 12 lines have a path with '..', such as '../c01.wav'; allowed: a name relative to the session "
        "folder, such as a/clip_01.wav",
    ]


def test_names_in_capitals_are_logged_as_their_clips(tmp_path: Path) -> None:
    folder, study = make_session(tmp_path), tmp_path / "STUDY.db"
    log(folder, study)
    before = study.read_bytes()
    write_scores(folder, [{**row, "file": row["file"].upper()} for row in scores()])
    done = log(folder, study)

    assert (done.n_new, done.scores_without_clips, done.clips_without_scores) == (0, (), ())
    assert study.read_bytes() == before
    assert len(thrusts(study)) == 6


def test_two_names_of_one_clip_are_refused(tmp_path: Path) -> None:
    folder = make_session(tmp_path)
    write_scores(folder, [*scores(), {**scores()[0], "file": "C00.WAV"}])
    with pytest.raises(TableError, match=r"session.csv:8: file: 'C00.WAV' is the clip 'c00.wav', as in line 2"):
        log(folder, tmp_path / "STUDY.db")


def test_where_no_name_is_a_clip_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, study = make_session(tmp_path), tmp_path / "STUDY.db"
    write_clips(folder, [f"p01/thrust_{i}.wav" for i in range(6)])
    write_scores(folder, [{**row, "file": f"session/p01/thrust_{i}.wav"} for i, row in enumerate(scores())])
    code = cli.main(["log", str(folder), "--journal", str(study)])
    out, err = capsys.readouterr()

    assert (code, out) == (2, "")
    assert err == (
        f"popdetect: {folder / 'session.csv'}: none of the 6 names in file is a clip of this session; nothing was "
        "written: 'session/p01/thrust_0.wav': is 'p01/thrust_0.wav' meant?\n"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.parent.name]
    with pytest.raises(UsageError, match="such journal"):
        thrusts(study)
