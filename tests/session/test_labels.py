"""The truth a person wrote, and the ways people write it."""

from pathlib import Path

import numpy as np
import pytest

from popdetect.detection.audio.formats import LOOKED_FOR
from popdetect.detection.audio.recording import write_wav
from popdetect.errors import TableError, UsageError
from popdetect.session.labels import Truth, read_labels, write_labels

TABLE = "file,label,onsets_s,patient_id,side\npop/a.wav,pop,0.5 0.512,p1,left\nb.wav,no_pop,,p2,\nc.wav,uncertain,,,\n"


def written(folder: Path, text: str | bytes, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_table_says_what_when_and_whose(tmp_path: Path) -> None:
    truths = read_labels(written(tmp_path, TABLE))

    assert truths == [
        Truth("pop/a.wav", tmp_path / "pop" / "a.wav", "pop", (0.5, 0.512), "p1", {"side": "left"}),
        Truth("b.wav", tmp_path / "b.wav", "no_pop", (), "p2", {"side": ""}),
        Truth("c.wav", tmp_path / "c.wav", "uncertain", None, "", {"side": ""}),
    ]


@pytest.mark.parametrize(
    "variant",
    [
        TABLE.replace("\n", "\r\n"),
        TABLE.replace("\n", "\r"),
        "\ufeff" + TABLE,
        TABLE.replace(",", ";"),
        TABLE.replace(",", ";").replace("0.5 0.512", "0,5  0,512"),
        TABLE.replace(",", " , "),
        TABLE.replace("0.5 0.512", '"0.512 0.5"'),
        TABLE.replace("file,label", "File,LABEL").replace("no_pop", "No_Pop"),
        TABLE.replace("\n", "\n\n"),
        TABLE.replace("\n", "\n,,,,\n"),
        TABLE.replace("b.wav,no_pop,,p2,", "b.wav,no_pop,,p2"),
    ],
    ids=["crlf", "cr", "bom", "semicolon", "decimal-comma", "spaces", "quoted", "case", "blank", "empty", "short"],
)
def test_spreadsheets_write_the_same_table_in_many_ways(tmp_path: Path, variant: str) -> None:
    plain = read_labels(written(tmp_path, TABLE, "plain.csv"))

    assert read_labels(written(tmp_path, variant)) == plain


def test_a_pop_without_onsets_is_not_marked_and_an_onset_at_zero_is(tmp_path: Path) -> None:
    truths = read_labels(written(tmp_path, "file,label,onsets_s\na.wav,pop,\nb.wav,pop,0\n"))

    assert [truth.onsets_s for truth in truths] == [None, (0.0,)]
    assert truths[0].patient_id == ""


def test_a_folder_with_a_table_is_its_table(tmp_path: Path) -> None:
    path = written(tmp_path, TABLE)
    (tmp_path / "pop").mkdir()
    (tmp_path / "no_pop").mkdir()

    assert read_labels(tmp_path) == read_labels(path)


def test_a_clip_may_lie_anywhere(tmp_path: Path) -> None:
    (truth,) = read_labels(written(tmp_path, "file,label,onsets_s\n../other/a.wav,pop,\n"))

    assert truth.path == tmp_path / "../other/a.wav"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("file,label,onsets_s\na.wav,crack,\n", 2, "label 'crack'; pop, no_pop, uncertain are allowed"),
        ("file,label,onsets_s\na.wav,,\n", 2, "label ''"),
        ("file,label,onsets_s\n\na.wav,pop,0.1 soon\n", 3, "onset 'soon'; seconds from the start"),
        ("file,label,onsets_s\na.wav,pop,-0.1\n", 2, "onset '-0.1'"),
        ("file,label,onsets_s\na.wav,pop,nan\n", 2, "onset 'nan'"),
        ("file,label,onsets_s\na.wav,pop,1_0\n", 2, "onset '1_0'"),
        ("file,label,onsets_s\na.wav,no_pop,0.1\n", 2, "no_pop with onsets 0.1"),
        ("file,label,onsets_s\na.wav,pop,\nb.wav,pop,\n./a.wav,pop,\n", 4, "already on line 2"),
        ("file,label,onsets_s\n,pop,\n", 2, "no file name"),
        ("file,label\na.wav,pop\n", 1, "no column onsets_s; the columns are file, label"),
        ("file,label,onsets_s,file\na.wav,pop,,\n", 1, "two columns are named 'file'"),
        ("file,label,onsets_s\na.wav,pop,0.1,0.2\n", 2, "4 cells, the header names 3 columns"),
        ("file,label,onsets_s\n", 1, "a header and no clips"),
        ("", 1, "an empty table"),
        ("\n \n", 1, "an empty table"),
        ('file,label,onsets_s\na.wav,"pop,\n', 2, "quotation mark left open"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, text: str | bytes, line: int, words: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(TableError) as caught:
        read_labels(path)

    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)


@pytest.fixture
def sorted_clips(tmp_path: Path) -> Path:
    for name in ("pop/b.wav", "pop/a.WAV", "pop/deep/c.flac", "no_pop/d.mp3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("pop/notes.txt", "pop/._b.wav"):
        (tmp_path / name).touch()
    return tmp_path


def test_two_folders_are_two_labels(sorted_clips: Path) -> None:
    truths = read_labels(sorted_clips)

    assert [(truth.file, truth.label, truth.onsets_s) for truth in truths] == [
        ("pop/a.WAV", "pop", None),
        ("pop/b.wav", "pop", None),
        ("pop/deep/c.flac", "pop", None),
        ("no_pop/d.mp3", "no_pop", ()),
    ]
    assert all(truth.path.is_file() and truth.patient_id == "" for truth in truths)


def test_a_label_track_beside_a_clip_says_when(sorted_clips: Path) -> None:
    track = "0.612\t0.612\tpop\n0.5\t0.503\tpop\n\\\t300.0\t4000.0\n\n"
    written(sorted_clips / "pop", track, "b.wav.txt")
    written(sorted_clips / "no_pop", "", "d.mp3.txt")
    written(sorted_clips / "pop/deep", "0,25\t0,25\tpop\n", "c.txt")  # without the clip's extension
    written(sorted_clips / "pop", "0.5\t0.5\tpop\n0.6120001\t0.7\tpop\n", "b.txt")  # says the same

    onsets_s = {truth.file: truth.onsets_s for truth in read_labels(sorted_clips)}

    assert onsets_s["pop/b.wav"] == (0.5, 0.612)
    assert onsets_s["pop/deep/c.flac"] == (0.25,)
    assert onsets_s["no_pop/d.mp3"] == ()


@pytest.mark.parametrize(
    ("name", "track", "words"),
    [
        ("pop/b.wav.txt", "0.5\t0.5\tpop\nsoon\tlater\n", "b.wav.txt:2: 'soon"),
        ("no_pop/d.mp3.txt", "0.5\t0.5\tpop\n", "d.mp3.txt:1: no_pop with onsets 0.5"),
        ("pop/b.wav.txt", "", "b.wav.txt:1: no pop is labelled, but pop/b.wav is in the folder pop"),
        ("pop/b.wav.txt", "1\t2\tspeech\n", "b.wav.txt:1: no pop is labelled, but pop/b.wav is in the folder pop"),
    ],
)
def test_a_label_track_that_cannot_be_used_is_named(sorted_clips: Path, name: str, track: str, words: str) -> None:
    written(sorted_clips, track, name)

    with pytest.raises(TableError) as caught:
        read_labels(sorted_clips)

    assert words in str(caught.value)


def test_where_there_is_no_truth_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file or folder"):
        read_labels(tmp_path / "nowhere.csv")
    with pytest.raises(UsageError, match="missing: pop, no_pop"):
        read_labels(tmp_path)
    (tmp_path / "pop").mkdir()
    with pytest.raises(UsageError, match="missing: no_pop"):
        read_labels(tmp_path)
    (tmp_path / "no_pop").mkdir()
    with pytest.raises(UsageError, match="no clips in pop and no_pop"):
        read_labels(tmp_path)


def test_a_column_that_comes_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("file,label,onsets_s,File\na.wav,pop,,b.wav\n")
    with pytest.raises(TableError) as refused:
        read_labels(path)

    assert str(refused.value) == f"{path}:1: two columns are named 'file'"


def test_a_decimal_comma_between_onsets_has_its_hint(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("file,label,onsets_s\na.wav,pop,0.1,0.2\n")
    with pytest.raises(TableError, match="several onsets are separated by spaces"):
        read_labels(path)


def test_empty_class_folders_name_the_formats(tmp_path: Path) -> None:
    for name in ("pop", "no_pop"):
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError) as refused:
        read_labels(tmp_path)

    assert str(refused.value) == f"{tmp_path}: no clips in pop and no_pop; looked for {LOOKED_FOR}"


def refused(source: Path) -> str:
    """The message of the error that reading raises."""
    with pytest.raises((TableError, UsageError)) as caught:
        read_labels(source)
    return str(caught.value)


def test_messages_name_what_was_given_and_what_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    for text, message in {
        "file,side\na.wav,left\n": "1: no column label, onsets_s; the columns are file, side",
        "file,label,onsets_s\na.wav,pop,0.1,0.2\n": (
            "2: 4 cells, the header names 3 columns; put quotes around a cell that has a comma in it; "
            "several onsets are separated by spaces"
        ),
        "file,label,onsets_s\na.wav,no_pop,0.2 0.1\n": (
            "2: no_pop with onsets 0.1 0.2; "
            "a no_pop clip has none (is its label wrong, or do they belong to another clip?)"
        ),
        "file,label,onsets_s\na.wav,pop,soon\n": (
            "2: onset 'soon'; seconds from the start of the clip are allowed, 0 or more, separated by spaces"
        ),
        "file,label,onsets_s\na.wav,pop,inf\n": (
            "2: onset 'inf'; seconds from the start of the clip are allowed, 0 or more, separated by spaces"
        ),
        "file,label,onsets_s\n,pop,\n": (
            "2: no file name; each line names a clip, relative to the folder of the table"
        ),
        "file,label,onsets_s\na.wav,Bang,\n": "2: label 'Bang'; pop, no_pop, uncertain are allowed",
        "file,label,onsets_s\na.wav,pop,\nb/../a.wav,pop,\n": (
            "3: b/../a.wav is already on line 2; a clip has one line"
        ),
        "file,label,onsets_s\n": "1: a header and no clips; at least one clip is needed",
    }.items():
        path.write_text(text)
        assert refused(path) == f"{path}:{message}"


def test_messages_name_the_folder_and_what_is_missing(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert refused(nowhere) == (
        f"{nowhere}: no such file or folder; a labels.csv or a folder of labelled clips is needed"
    )
    assert refused(tmp_path) == (
        f"{tmp_path}: neither answers of popdetect review, nor labels.csv, nor the folders pop and no_pop in it "
        "(missing: pop, no_pop), nor clips with label files"
    )


def test_columns_that_popdetect_does_not_know_keep_their_name_and_text(tmp_path: Path) -> None:
    text = "PATIENT_ID,Side,file,label,onsets_s,Side of knee\np 7,Left,a.wav,POP,0.5,a \u00e4\n"
    (truth,) = read_labels(written(tmp_path, text))

    assert truth.patient_id == "p 7"
    assert truth.extra == {"Side": "Left", "Side of knee": "a \u00e4"}
    assert (truth.label, truth.onsets_s) == ("pop", (0.5,))


def test_onsets_are_exact_and_may_have_a_decimal_comma(tmp_path: Path) -> None:
    (truth,) = read_labels(written(tmp_path, "file;label;onsets_s\na.wav;pop;1,25 0.5 1e-3 3\n"))

    assert truth.onsets_s == (0.001, 0.5, 1.25, 3.0)


TRUTHS = [
    Truth("pop/\u00e4, b.wav", Path("pop/\u00e4, b.wav"), "pop", (0.0, 0.123456789, 12.5), "p1", {"side": "left"}),
    Truth("b.wav", Path("b.wav"), "no_pop", (), "", {"note": "a\nb"}),
    Truth("c.wav", Path("c.wav"), "pop", None, "p2"),
    Truth("d.wav", Path("d.wav"), "uncertain", (1.0,)),
]


def test_a_written_table_has_a_line_for_each_clip(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.csv", TRUTHS)

    assert (tmp_path / "labels.csv").read_bytes().decode("utf-8") == (
        "file,label,onsets_s,patient_id,side,note\n"
        '"pop/\u00e4, b.wav",pop,0.00000 0.12346 12.50000,p1,left,\n'
        'b.wav,no_pop,,,,"a\nb"\n'
        "c.wav,pop,,p2,,\n"
        "d.wav,uncertain,1.00000,,,\n"
    )


def test_a_written_table_reads_back(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.csv", TRUTHS)
    read = read_labels(tmp_path)

    assert [(truth.file, truth.label, truth.patient_id) for truth in read] == [
        (truth.file, truth.label, truth.patient_id) for truth in TRUTHS
    ]
    assert [truth.onsets_s for truth in read] == [(0.0, 0.12346, 12.5), (), None, (1.0,)]
    assert read[1].extra == {"side": "", "note": "a\nb"}
    write_labels(tmp_path / "again.csv", read)
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "labels.csv").read_bytes()


def test_an_onset_beyond_the_end_of_the_clip_is_named(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", np.sin(np.arange(8000)), 8000)
    path = written(tmp_path, "file,label,onsets_s\na.wav,pop,0.5 1.0\n")
    assert read_labels(path)[0].onsets_s == (0.5, 1.0)
    written(tmp_path, "file,label,onsets_s\n\na.wav,pop,1.01 0.5\n")
    assert refused(path) == (f"{path}:3: onset 1.01 s, but a.wav ends at 1.000 s; is this the line of another clip?")
