"""Which label files count as the truth about which clips, and what is said about those that do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import session_fakes

from popdetect.detection.audio.recording import write_wav
from popdetect.errors import LeftOutWarning, TableError, UsageError
from popdetect.session import label_folders, labelling
from popdetect.session.label_files import read_marks
from popdetect.session.labels import Truth, read_labels
from popdetect.session.session import Session

LENGTH_S = 2.0
GRID = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2\n<exists>\n1\n"TextTier"\n"pops"\n0\n2\n'


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder of three clips of two seconds, one of them in a sub-folder."""
    for name in ("a.wav", "b.wav", "p1/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_wav(tmp_path / name, np.sin(np.arange(16_000)), 8000)
    return tmp_path


def add(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def said(folder: Path) -> dict[str, tuple[str, tuple[float, ...] | None]]:
    return {truth.file: (truth.label, truth.onsets_s) for truth in read_labels(folder)}


def refused(folder: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read_labels(folder)
    return str(caught.value)


def test_a_flat_folder_of_clips_with_label_files_is_the_truth(clips: Path) -> None:
    add(clips, "a.txt", "0.5\t0.6\tpop\n0.25\t0.25\t\n0.7\t0.9\tspeech\n")
    add(clips, "b.wav.txt", "")
    add(clips, "p1/c.TextGrid", GRID + '1\n1.5\n"pop"\n')

    assert read_labels(clips) == [
        Truth("a.wav", clips / "a.wav", "pop", (0.25, 0.5)),
        Truth("b.wav", clips / "b.wav", "no_pop", ()),
        Truth("p1/c.wav", clips / "p1/c.wav", "pop", (1.5,)),
    ]


def test_labels_of_other_sounds_alone_are_no_pop_and_undecidable_ones_make_a_clip_uncertain(clips: Path) -> None:
    add(clips, "a.txt", "0.5\t0.6\tspeech\n1\t1\tdoor\n")
    add(clips, "b.txt", "0.5\t0.5\tpop\n1\t1\tunsure\n")
    add(clips, "p1/c.txt", "\\\t1\t2\n")

    assert said(clips) == {"a.wav": ("no_pop", ()), "b.wav": ("uncertain", (1.0,)), "p1/c.wav": ("no_pop", ())}


def test_a_clip_without_a_label_file_is_left_out_and_named(clips: Path) -> None:
    add(clips, "a.txt", "")
    with pytest.warns(LeftOutWarning, match=r"no label file for 2 clips \(b.wav, p1/c.wav\): left out"):
        assert said(clips) == {"a.wav": ("no_pop", ())}


@pytest.mark.parametrize(("names"), [("labels/a.txt", "labels/p1/c.wav.txt"), ("Labels/a.wav.txt", "p1/labels/c.txt")])
def test_label_files_may_lie_in_a_folder_labels(clips: Path, names: tuple[str, str]) -> None:
    for name in names:
        add(clips, name, "0.5\t0.5\tpop\n")
    with pytest.warns(LeftOutWarning, match=r"no label file for 1 clip \(b.wav\)"):
        assert said(clips) == {"a.wav": ("pop", (0.5,)), "p1/c.wav": ("pop", (0.5,))}


def test_label_files_of_no_clip_are_named_and_other_texts_are_not(clips: Path) -> None:
    for name in ("a.txt", "b.txt", "p1/c.txt"):
        add(clips, name, "")
    add(clips, "README.txt", "Recorded on Monday.\n")
    add(clips, "empty.txt", "")
    stray = add(clips, "p1/a.txt", "0.5\t0.5\tpop\n")
    with pytest.warns(LeftOutWarning) as told:
        read_labels(clips)
    assert [str(one.message) for one in told] == [f"{clips}: label files that belong to no clip are left out: {stray}"]


def test_label_files_that_disagree_are_named_both(clips: Path) -> None:
    other, one = add(clips, "a.wav.txt", "0.5\t0.5\tpop\n"), add(clips, "a.TextGrid", GRID + '1\n0.501\n"pop"\n')
    assert refused(clips) == (
        f"{one}:13: pop at 0.5010 s, but {other}:1: pop at 0.5000 s; both are labels of a.wav: delete the wrong file"
    )
    add(clips, "a.TextGrid", GRID + '1\n0.5004\n"pop"\n')
    add(clips, "a.txt", "0.5\t0.5\tpop\n")
    with pytest.warns(LeftOutWarning, match="no label file for 2 clips"):
        assert said(clips) == {"a.wav": ("pop", (0.5004,))}
    add(clips, "labels/a.txt", "")
    assert f"{clips / 'labels/a.txt'}: no_pop" in refused(clips)


def test_a_label_file_of_two_clips_is_refused(clips: Path) -> None:
    write_wav(clips / "a.flac.wav", np.sin(np.arange(8000)), 8000)
    (clips / "a.aiff").write_bytes(b"")
    path = add(clips, "a.txt", "")
    assert refused(clips) == (
        f"{path}:1: this may be the label file of a.aiff and of a.wav; name it a.aiff.txt, or a.wav.txt"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1.0\t1.0\tpop\n2.0\t2.0\tpop\n", ""),
        ("1.0\t1.0\tpop\n2.0\t2.05\tpop\n", ""),
        ("1.0\t1.0\tpop\n2.01\t2.01\tpop\n", ":2: from 2.01 to 2.01 s, but a.wav ends at 2.000 s"),
        ("7\t7\tspeech\n1.0\t1.0\tpop\n", ":1: from 7.0 to 7.0 s, but a.wav ends at 2.000 s"),
        ("1.0\t3.0\tpop\n", ":1: from 1.0 to 3.0 s, but a.wav ends at 2.000 s"),
    ],
)
def test_a_label_beyond_the_end_of_the_clip_is_named(clips: Path, text: str, words: str) -> None:
    path = add(clips, "a.txt", text)
    add(clips, "b.txt", "")
    add(clips, "p1/c.txt", "")
    if words:
        assert refused(clips).startswith(f"{path}{words}")
    else:
        assert said(clips)["a.wav"] == ("pop", (1.0, 2.0))


def test_all_that_cannot_be_used_is_named_at_once(clips: Path) -> None:
    a, b = add(clips, "a.txt", "0.1\t0.1\tx\n0.5\t0.5\tpop\n0.7\t0.7\tpop?\n"), add(clips, "b.txt", "soon\n")
    with pytest.raises(TableError) as caught:
        read_labels(clips)
    assert [text.split(": ")[0] for text in caught.value.problems] == [f"{a}:1", f"{a}:3", f"{b}:1"]


def test_a_pop_that_is_marked_in_two_channels_is_one(clips: Path) -> None:
    head = "Selection\tChannel\tBegin Time (s)\tAnnotation\n"
    rows = ["1\t1\t0.5\tpop", "2\t2\t0.501\tpop", "3\t1\t0.504\tpop", "4\t1\t0.505\tpop", "5\t2\t1\tpop"]
    add(clips, "a.selections.txt", head + "\n".join(rows))
    with pytest.warns(LeftOutWarning):
        assert said(clips) == {"a.wav": ("pop", (0.5, 0.504, 0.505, 1.0))}


def test_a_table_of_labels_counts_before_label_files_and_this_is_said(clips: Path) -> None:
    add(clips, "labels.csv", "file,label,onsets_s\na.wav,pop,0.5\n")
    add(clips, "a.txt", "0.6\t0.6\tpop\n")
    with pytest.warns(LeftOutWarning, match=r"the label files of 1 clip \(a.wav\): labels.csv counts"):
        assert said(clips) == {"a.wav": ("pop", (0.5,))}


# --- label files that popdetect wrote -------------------------------------------------------------------------------

FORMATS = ("audacity", "raven", "textgrid")


@pytest.fixture
def labelled(session: Path) -> Path:
    """A session of 40 clips, one broken, with label files in all formats."""
    labelling.label(session, formats=FORMATS, detector_factory=session_fakes.make)
    return session


def test_the_detectors_own_label_files_are_no_truth(labelled: Path) -> None:
    found = label_folders.read(labelled)

    assert (found.labels, found.problems, len(found.as_written)) == ({}, {}, 39)
    assert found.without == ["p1/clip 07.wav"]
    assert refused(labelled) == (
        f"{labelled}: the label files in popdetect are as popdetect wrote them, and so are the detector's, not a "
        f"person's; if somebody checked them, name their folder: {labelled / 'popdetect/audacity'}"
    )


@pytest.mark.parametrize("name", FORMATS)
def test_a_corrected_label_file_is_the_truth_of_its_clip(labelled: Path, name: str) -> None:
    clip = next(clip for clip in Session.read(labelled).clips if clip.label == "pop" and clip.pops_s)
    path = next((labelled / "popdetect" / name / clip.file).parent.glob(f"{Path(clip.file).name}.*"))
    onset = f"{read_marks(path)[0].start_s:.6f}"
    moved = f"{clip.pops_s[0] - 0.01:.6f}"
    assert onset in path.read_text()
    path.write_text(path.read_text().replace(onset, moved))

    with pytest.warns(LeftOutWarning) as told:
        truths = said(labelled)
    assert truths[clip.file][1] == pytest.approx(sorted([float(moved), *clip.pops_s[1:]]), abs=1e-5)
    assert len(truths) == 1
    words = [str(one.message) for one in told]
    assert words[0] == f"{labelled}: no label file for 1 clip (p1/clip 07.wav): left out"
    assert "label files as popdetect wrote them for 38 clips (" in words[1]
    assert words[1].endswith(
        f"left out; if somebody checked them, name their folder: {labelled / 'popdetect/audacity'}"
    )


def test_a_question_mark_that_was_removed_is_a_correction_and_one_that_is_left_is_not(labelled: Path) -> None:
    unsure = [clip for clip in Session.read(labelled).clips if clip.label == "uncertain" and len(clip.pops_s)]
    path = labelled / "popdetect/audacity" / f"{unsure[0].file}.txt"
    path.write_text(path.read_text().replace("pop?", "pop"))
    with pytest.warns(LeftOutWarning):
        assert list(said(labelled)) == [unsure[0].file]
    other = labelled / "popdetect/audacity" / f"{unsure[1].file}.txt"
    other.write_text(other.read_text() + "0.9\t0.9\tpop\n")
    assert refused(labelled).startswith(f"{other}:1: 'pop? ")


def test_a_folder_of_label_files_that_is_named_counts_as_checked(labelled: Path) -> None:
    session = Session.read(labelled)
    for clip in session.clips:
        path = labelled / "popdetect/audacity" / f"{clip.file}.txt"
        if clip.label == "uncertain" and path.exists():
            path.write_text("")
    folder = labelled / "popdetect/audacity"
    with pytest.warns(LeftOutWarning) as told:
        truths = said(folder)

    expected = {clip.file: clip.pops_s if clip.label == "pop" else () for clip in session.clips if clip.label}
    assert truths.keys() == expected.keys()
    for file, (label, onsets_s) in truths.items():
        assert label == ("pop" if expected[file] else "no_pop")
        assert onsets_s == pytest.approx(expected[file], abs=1e-5)
    assert all(truth.path == labelled / truth.file for truth in read_all(folder))
    assert "unchanged label files of" in str(told[1].message)
    assert str(told[1].message).endswith(": they count as checked by a person")


def read_all(folder: Path) -> list[Truth]:
    with pytest.warns(LeftOutWarning):
        return read_labels(folder)


def test_a_label_file_beside_the_clip_counts_before_what_popdetect_wrote(labelled: Path) -> None:
    add(labelled, "p0/clip 00.txt", "0.125\t0.125\tpop\n")
    with pytest.warns(LeftOutWarning):
        assert said(labelled) == {"p0/clip 00.wav": ("pop", (0.125,))}
