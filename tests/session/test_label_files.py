"""What other programs will find in label files, and what is read from the files that they and people write."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popdetect.errors import LeftOutWarning, TableError, UsageError
from popdetect.records import Detection, Event
from popdetect.session.label_files import (
    FORMATS,
    MEANINGS,
    RAVEN_COLUMNS,
    Mark,
    audacity,
    clips_of,
    label_file,
    meaning,
    problem,
    raven,
    read_marks,
    textgrid,
)

POPS = (
    Event(0.25, 0.974, True, 4.0, 900.0, 1500.0, 30.0, "both"),
    Event(0.3, 0.2, False, 2.0, 900.0, 1500.0, 10.0),
    Event(0.4, 0.8, True, 2.5, 900.0, 1500.0, 20.0, "2"),
)
HEARD = Detection("pop", 0.98, POPS, 1.5, 48_000, 2)
NONE = Detection("no_pop", 0.02, (), 1.5, 48_000, 1)


def pops_at(times_s: list[float]) -> Detection:
    events = tuple(Event(t, 0.9, True, 3.0, 900.0, 1500.0, 30.0) for t in sorted(times_s))
    return Detection("pop" if events else "no_pop", 0.9, events, 100.0, 44_100, 1)


def test_audacity_has_a_point_per_pop() -> None:
    assert audacity("a.wav", HEARD) == "0.250000\t0.250000\tpop 0.97\n0.400000\t0.400000\tpop 0.80\n"
    assert audacity("a.wav", NONE) == ""


def test_raven_has_a_box_per_pop() -> None:
    lines = [line.split("\t") for line in raven("p1/a\tb.wav", HEARD).splitlines()]
    assert tuple(lines[0]) == RAVEN_COLUMNS
    assert lines[1] == ["1", "Spectrogram 1", "1", "0.250000", "0.254000", "0.0", "24000.0", "a b.wav", "pop", "0.9740"]
    assert lines[2] == ["2", "Spectrogram 1", "2", "0.400000", "0.402500", "0.0", "24000.0", "a b.wav", "pop", "0.8000"]
    assert len(lines) == 3
    assert raven("a.wav", NONE).splitlines() == ["\t".join(RAVEN_COLUMNS)]


def test_a_textgrid_has_one_tier_of_points() -> None:
    text = textgrid("a.wav", HEARD)
    assert text.startswith('File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 1.500000\n')
    assert "points: size = 2" in text
    assert re.findall(r"number = (\S+)\n +mark = (.+)\n", text) == [
        ("0.250000", '"pop 0.97"'),
        ("0.400000", '"pop 0.80"'),
    ]
    assert "points: size = 0" in textgrid("a.wav", NONE)


def test_uncertain_pops_have_a_question_mark_in_every_format() -> None:
    unsure = replace(HEARD, label="uncertain")
    assert audacity("a.wav", unsure) == audacity("a.wav", HEARD).replace("pop", "pop?")
    assert raven("a.wav", unsure) == raven("a.wav", HEARD).replace("\tpop\t", "\tpop?\t") != raven("a.wav", HEARD)
    assert re.findall(r"mark = (.+)\n", textgrid("a.wav", unsure)) == ['"pop? 0.97"', '"pop? 0.80"']


def test_clips_that_differ_in_their_extension_do_not_share_a_label_file() -> None:
    assert label_file("audacity", "a/b.wav") == "audacity/a/b.wav.txt"
    assert label_file("raven", "a/b.flac") == "raven/a/b.flac.selections.txt"
    assert label_file("textgrid", "b.wav") == "textgrid/b.wav.TextGrid"
    assert set(FORMATS) == {"audacity", "raven", "textgrid"}


@given(st.lists(st.floats(0, 100), max_size=8))
def test_all_formats_tell_the_same_times(times_s: list[float]) -> None:
    heard = pops_at(times_s)
    expected = [f"{pop.onset_s:.6f}" for pop in heard.pops]
    assert [line.split("\t")[0] for line in audacity("a", heard).splitlines()] == expected
    assert [line.split("\t")[3] for line in raven("a", heard).splitlines()[1:]] == expected
    assert re.findall(r"number = (\S+)", textgrid("a", heard)) == expected


# --- reading --------------------------------------------------------------------------------------------------------

texts = st.sampled_from(["pop", "no_pop", "uncertain"])


@st.composite
def detections(draw: st.DrawFn) -> Detection:
    """Any detection with counted and other events, in time order."""
    label = draw(texts)
    event = st.builds(
        Event,
        onset_s=st.floats(0, 5000),
        p_pop=st.floats(0, 1),
        is_pop=st.booleans() if label != "no_pop" else st.just(False),
        duration_ms=st.floats(0, 8),
        peak_hz=st.just(900.0),
        centroid_hz=st.just(1500.0),
        snr_db=st.just(20.0),
        channel=st.sampled_from(["", "1", "2", "both"]),
    )
    events = sorted(draw(st.lists(event, max_size=8)), key=lambda event: event.onset_s)
    return Detection(label, 0.5, tuple(events), 5001.0, 48_000, 2)


@pytest.mark.parametrize("name", FORMATS)
@given(detection=detections(), file=st.sampled_from(["a.wav", "p 1/b  c.wav", "\u00e4.flac"]))
def test_what_is_written_reads_back(
    name: str, detection: Detection, file: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"round_trip_{name}"
    path.write_text(FORMATS[name].write(file, detection), encoding="utf-8")
    marks = read_marks(path, file)

    assert [mark.start_s for mark in marks] == [float(f"{pop.onset_s:.6f}") for pop in detection.pops]
    expected = "undecided" if detection.label == "uncertain" else "pop"
    assert [meaning(mark.text) for mark in marks] == [expected] * len(detection.pops)
    if name == "raven":
        for mark, pop in zip(marks, detection.pops, strict=True):
            assert mark.end_s == pytest.approx(pop.onset_s + pop.duration_ms / 1000, abs=2e-6)
            assert mark.channel == ("2" if pop.channel == "2" else "1")
    else:
        assert all(mark.end_s == mark.start_s for mark in marks)


def written(folder: Path, text: str | bytes, name: str = "a.txt") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def starts(path: Path, clip: str = "") -> list[float]:
    return [mark.start_s for mark in read_marks(path, clip)]


def refused(path: Path, clip: str = "") -> str:
    with pytest.raises(TableError) as caught:
        read_marks(path, clip)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "pop"), ("  ", "pop"), ("pop", "pop"), (" Pop 0.97", "pop"), ("POP2", "pop"), ("pop!", "pop"),
        ("p", "pop"), ("pop left", "pop"), ("crack", "pop"), ("Cavitation 3", "pop"), ("pop 85%", "pop"),
        ("pop?", "undecided"), ("pop? 0.80", "undecided"), ("?", "undecided"), (" Pop? knock", "undecided"),
        ("unsure", "unsure"), ("maybe pop", "unsure"), ("pop, not sure", None), ("not sure", "unsure"),
        ("speech", "other"), ("Speech of the patient", "other"), ("noise", "other"), ("door", "other"),
        ("door slam", "other"), ("no pop", "other"), ("no_pop", "other"), ("No pop.", "other"), ("thrust 2", "other"),
        ("x", None), ("knack", None), ("pops", None), ("loud pop", None), ("pop of the door", None),
        ("speech pop", None), ("1", None), ("0.97", None), ("!", None), ("not a pop", "other"), ("\u00e4", None),
    ],
)  # fmt: skip
def test_the_text_of_a_label_matters(text: str, said: str | None) -> None:
    assert meaning(text) == said
    assert bool(problem(Mark(0.5, 0.5, text, 3), "a.txt")) == (said in (None, "undecided"))


def test_no_text_has_two_meanings() -> None:
    texts = [text for texts in MEANINGS.values() for text in texts]
    assert len(texts) == len(set(texts))
    assert all(meaning(text) == said for said, texts in MEANINGS.items() for text in texts)


def test_a_text_that_does_not_count_is_named_with_its_line_and_what_is_allowed() -> None:
    unknown = problem(Mark(0.5, 0.6, "x", 3), "b/a.txt")
    assert unknown.startswith("b/a.txt:3: 'x' at 0.5 s: popdetect does not know this text; write pop, p, crack")
    undecided = problem(Mark(0.5, 0.6, "pop? 0.80", 3), "b/a.txt")
    assert undecided.startswith("b/a.txt:3: 'pop? 0.80' at 0.5 s is an uncertain pop of the detector; ")
    assert re.search("remove the question mark .* or delete the label", undecided)


def test_what_audacity_and_people_write_is_understood(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbf2.5\t2.6\tpop \xe4\r\n\\\t100.0\t9000.0\r\n1,0\t1.0\n\n3\t3\ta\tb")
    assert read_marks(path) == [Mark(1.0, 1.0, "", 3), Mark(2.5, 2.6, "pop \u00e4", 1), Mark(3.0, 3.0, "a b", 5)]


@pytest.mark.parametrize(
    "line",
    ["1.0", "pop\t1\t1", "1_5\t2\tpop", "2.0\t1.0\tpop", "-1\t1\tpop", "nan\tnan\tpop", "1\tinf\tpop", "1 1 pop"],
)
def test_a_line_that_is_no_label_is_named(tmp_path: Path, line: str) -> None:
    path = written(tmp_path, f"1.0\t1.0\tpop\n{line}\n")
    assert refused(path).startswith(f"{path}:2: ")


def test_a_missing_label_track_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_marks(tmp_path / "a.txt")


# --- Raven ----------------------------------------------------------------------------------------------------------

TABLE = """\
Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tAnnotation
1\tWaveform 1\t1\t0.500\t0.503\t0\t24000\tpop
1\tSpectrogram 1\t1\t0.500\t0.503\t0\t24000\tpop
2\tSpectrogram 1\t2\t0.250\t0.253\t0\t24000\tspeech
"""


def by_column(change: Callable[[list[str]], list[str]]) -> str:
    return "".join("\t".join(change(line.split("\t"))) + "\n" for line in TABLE.splitlines())


@pytest.mark.parametrize(
    "variant",
    [
        TABLE,
        TABLE.replace("\n", "\r\n"),
        "\ufeff" + TABLE,
        TABLE.replace("Begin Time (s)", "begin time (S) "),
        by_column(lambda cells: cells[::-1]),
        by_column(lambda cells: [*cells, cells[0] + " extra"]),
        by_column(lambda cells: [cells[0], cells[2], cells[3], cells[4], cells[7]]),
        by_column(lambda cells: [*cells, {"Selection": "Begin File"}.get(cells[0], "A.WAV")]),
        by_column(lambda cells: [*cells, {"Selection": "File Offset (s)"}.get(cells[0], cells[3])]),
        TABLE.replace("Annotation", "Label"),
        TABLE.replace("0.500", "0,500"),
        "".join(TABLE.splitlines(keepends=True)[i] for i in (0, 3, 2, 1)) + "\n",
    ],
    ids=["plain", "crlf", "bom", "case", "order", "extra", "few", "file", "offset", "label", "comma", "sorted"],
)
def test_raven_tables_come_in_many_forms(tmp_path: Path, variant: str) -> None:
    marks = read_marks(written(tmp_path, variant, "a.selections.txt"), "p1/a.wav")
    assert [(m.start_s, m.end_s, m.text, m.channel) for m in marks] == [
        (0.25, 0.253, "speech", "2"),
        (0.5, 0.503, "pop", "1"),
    ]


def test_raven_measures_time_in_the_file_of_a_selection(tmp_path: Path) -> None:
    text = "Begin Time (s)\tEnd Time (s)\tBegin File\tFile Offset (s)\tAnnotation\n7.5\t7.6\ta.wav\t1.5\tpop\n"
    (mark,) = read_marks(written(tmp_path, text), "a.wav")
    assert (mark.start_s, mark.end_s) == (1.5, 1.6)
    path = written(tmp_path, text.replace("a.wav", "b.wav"))
    assert refused(path, "a.wav").startswith(f"{path}:2: this selection is of b.wav, and the table lies with a.wav")


def test_a_raven_table_without_texts_has_pops_and_this_is_said(tmp_path: Path) -> None:
    path = written(tmp_path, "Begin Time (s)\n0.25\n")
    with pytest.warns(LeftOutWarning, match="no column Annotation: each selection in it counts as a pop"):
        assert [(mark.start_s, meaning(mark.text)) for mark in read_marks(path)] == [(0.25, "pop")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Selection\tAnnotation\n1\tpop\n", ":1: no column Begin Time (s); the columns are Selection, Annotation"),
        (TABLE.replace("0.250\t", "\t"), ":4: from '' to '0.253'"),
        (TABLE.replace("0.250\t", "-0.25\t"), ":4: from -0.25 to 0.253 s; a label starts at 0 s or later"),
        (TABLE.replace("0.250\t", "nan\t"), ":4: from nan"),
        (TABLE.replace("0.250\t", "1\t"), ":4: from 1.0 to 0.253 s"),
        (TABLE + "3\tSpectrogram 1\n", ":5: "),
    ],
)
def test_a_raven_line_that_cannot_be_used_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    assert f"{path}{words}" in refused(path)


# --- Praat ----------------------------------------------------------------------------------------------------------

Tier = tuple[str, str, list[tuple[float, float, str]]]
INTERVALS: Tier = (
    "IntervalTier", "all sounds",
    [(0, 0.25, ""), (0.25, 0.5, 'say "a!"'), (0.5, 0.75, " "), (0.75, 1, "pop"), (1, 2, "")],
)  # fmt: skip
POINTS: Tier = ("TextTier", "events", [(0.125, 0.125, "pop 0.9 [1]"), (1.5, 1.5, "")])


def long_form(*tiers: Tier) -> str:
    """As Praat saves a TextGrid; strings have doubled quotation marks."""
    text = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0 \nxmax = 2 \ntiers? <exists> \n'
    text += f"size = {len(tiers)} \nitem []: \n"
    for number, (form, name, marks) in enumerate(tiers, 1):
        kind = "intervals" if form == "IntervalTier" else "points"
        text += f'    item [{number}]:\n        class = "{form}" \n        name = "{name}" \n        xmin = 0 \n'
        text += f"        xmax = 2 \n        {kind}: size = {len(marks)} \n"
        for i, (start_s, end_s, said) in enumerate(marks, 1):
            said = said.replace('"', '""')
            text += f"        {kind} [{i}]:\n"
            if form == "IntervalTier":
                text += f'            xmin = {start_s} \n            xmax = {end_s} \n            text = "{said}" \n'
            else:
                text += f'            number = {start_s} \n            mark = "{said}" \n'
    return text


def short_form(*tiers: Tier) -> str:
    text = f'File type = "ooTextFile"\nObject class = "TextGrid"\n\n0\n2\n<exists>\n{len(tiers)}\n'
    for form, name, marks in tiers:
        text += f'"{form}"\n"{name}"\n0\n2\n{len(marks)}\n'
        for start_s, end_s, said in marks:
            said = said.replace('"', '""')
            text += f'{start_s}\n{end_s}\n"{said}"\n' if form == "IntervalTier" else f'{start_s}\n"{said}"\n'
    return text


@pytest.mark.parametrize("form", [long_form, short_form])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("bom", "encoding"),
    [("", "utf-8"), ("\ufeff", "utf-8"), ("\ufeff", "utf-16-be"), ("\ufeff", "utf-16-le"), ("", "utf-16-be"),
     ("", "utf-16-le")],
)  # fmt: skip
def test_textgrids_come_in_many_forms(
    tmp_path: Path, form: Callable[..., str], line_end: str, bom: str, encoding: str
) -> None:
    text = bom + form(INTERVALS, POINTS).replace('say "a!"', 'say "\u00e4!"').replace('say ""a!""', 'say ""\u00e4!""')
    marks = read_marks(written(tmp_path, text.replace("\n", line_end).encode(encoding), "a.TextGrid"))
    assert [mark[:3] for mark in marks] == [
        (0.125, 0.125, "pop 0.9 [1]"),
        (0.25, 0.5, 'say "\u00e4!"'),
        (0.75, 1.0, "pop"),
        (1.5, 1.5, ""),
    ]


words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=9)


@given(
    times=st.lists(st.integers(0, 1999), unique=True, min_size=1, max_size=7),
    said=st.lists(words, min_size=7, max_size=7),
    kind=st.sampled_from(["short_textgrid", "long_textgrid"]),
)
def test_textgrids_are_read_as_praatio_reads_and_writes_them(
    times: list[int], said: list[str], kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    textgrids = pytest.importorskip("praatio.textgrid", reason="praatio is not installed")
    path = str(tmp_path_factory.getbasetemp() / "praatio.TextGrid")
    points = [(t / 1000, word) for t, word in zip(sorted(times), said, strict=False)]
    regions = [(a, b, word) for (a, word), (b, _) in pairwise(points)]
    grid = textgrids.Textgrid(0, 2)
    if points:
        grid.addTier(textgrids.PointTier("points", points, 0, 2))
    if regions:
        grid.addTier(textgrids.IntervalTier("regions", regions, 0, 2))
    grid.save(path, kind, includeBlankSpaces=True)
    expected = sorted([(t, t, word) for t, word in points] + regions)

    assert sorted(mark[:3] for mark in read_marks(Path(path))) == expected
    again = textgrids.openTextgrid(path, includeEmptyIntervals=False)
    assert sum(len(tier.entries) for tier in again.tiers) == len(expected)


def test_praatio_reads_what_is_written(tmp_path: Path) -> None:
    textgrids = pytest.importorskip("praatio.textgrid", reason="praatio is not installed")
    grid = textgrids.openTextgrid(str(written(tmp_path, textgrid("a.wav", HEARD), "a.TextGrid")), False)
    assert [tuple(point) for point in grid.getTier("pops").entries] == [(0.25, "pop 0.97"), (0.4, "pop 0.80")]


def test_a_tier_of_pops_counts_alone_and_this_is_said(tmp_path: Path) -> None:
    path = written(
        tmp_path, long_form(("IntervalTier", "words", [(0, 2, "now breathe out")]), (*POINTS[:1], "Pops", POINTS[2]))
    )
    with pytest.warns(LeftOutWarning, match="the tier 'words' is left out, because the tier 'Pops' has the labels"):
        assert starts(path) == [0.125, 1.5]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (long_form(POINTS).replace("1.5", "-1.5"), ":19: from -1.5"),
        (long_form(POINTS).replace("1.5", "nan"), ":19: from nan"),
        (long_form(POINTS).replace("number = 1.5", "number = soon"), ":20: '\"\"' stands where a time is expected"),
        (long_form(POINTS).replace("size = 2", "size = 3"), ":20: the file ends where a time is expected"),
        (long_form(POINTS).replace("size = 2", "size = 2.5"), ":14: 2.5 is no number of tiers or labels"),
        (long_form(POINTS).replace("TextTier", "PitchTier"), ":10: a tier of the class 'PitchTier'"),
        (long_form(POINTS).replace('"TextGrid"', '"Pitch 1"'), ":2: a Praat file of the class 'Pitch 1'"),
        (long_form(POINTS).replace("xmin = 0", "xmin = 12", 1), ":4: the TextGrid starts at 12.0 s"),
        ("ooBinaryFile\x08TextGrid\0\0", ":1: a binary Praat file; in Praat: Save > Save as text file"),
        (long_form(POINTS)[:90], ": the file ends where"),
    ],
)  # fmt: skip
def test_a_textgrid_that_cannot_be_used_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    assert words in refused(path)
    assert refused(path).startswith(f"{path}:")


def test_a_textgrid_without_tiers_has_no_labels(tmp_path: Path) -> None:
    assert starts(written(tmp_path, short_form().replace("<exists>\n0", "<absent>"))) == []
    assert starts(written(tmp_path, short_form())) == []


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "clips"),
    [
        ("a.txt", ["a.wav"]), ("a.wav.txt", ["a.wav"]), ("A.TXT", ["a.wav"]), ("a.TextGrid", ["a.wav"]),
        ("a.wav.textgrid", ["a.wav"]), ("a.selections.txt", ["a.wav"]), ("a.wav.selections.txt", ["a.wav"]),
        ("a.Table.1.selections.txt", ["a.wav"]), ("b_c.TextGrid", ["b c.flac"]), ("b_c_flac.TextGrid", ["b c.flac"]),
        ("b_c.txt", []), ("d.txt", ["d.mp3", "d.wav"]), ("d.mp3.txt", ["d.mp3"]), ("D.txt", ["d.mp3", "d.wav"]),
        ("notes.txt", []), ("ab.txt", []), (".txt", []), ("a.wav", []), ("e.txt.txt", ["e.txt.wav"]),
    ],
)  # fmt: skip
def test_a_label_file_belongs_to_the_clip_of_its_name(name: str, clips: list[str]) -> None:
    assert clips_of(name, ["a.wav", "b c.flac", "d.mp3", "d.wav", "e.txt.wav"]) == clips
