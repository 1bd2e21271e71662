"""What other programs will find in label files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popdetect.errors import TableError, UsageError
from popdetect.records import Detection, Event
from popdetect.session.label_files import FORMATS, RAVEN_COLUMNS, audacity, label_file, raven, read_audacity, textgrid

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


@pytest.mark.parametrize("text", ["pop? 0.80", "pop?", " Pop? knock"])
def test_an_uncertain_pop_that_nobody_decided_on_is_not_read_as_truth(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"0.1\t0.1\tpop 0.97\n0.4\t0.4\t{text}\n")
    with pytest.raises(TableError, match=rf"^{re.escape(str(path))}:2: .*remove the question mark .* or delete"):
        read_audacity(path)
    path.write_text(path.read_text().replace("?", ""))
    assert read_audacity(path)[0] == (0.1, 0.4)


def test_clips_that_differ_in_their_extension_do_not_share_a_label_file() -> None:
    assert label_file("audacity", "a/b.wav") == "audacity/a/b.wav.txt"
    assert label_file("raven", "a/b.flac") == "raven/a/b.flac.selections.txt"
    assert label_file("textgrid", "b.wav") == "textgrid/b.wav.TextGrid"
    assert set(FORMATS) == {"audacity", "raven", "textgrid"}


@given(st.lists(st.floats(0, 100), max_size=8))
def test_onsets_come_back_from_audacity(tmp_path_factory: pytest.TempPathFactory, times_s: list[float]) -> None:
    path = tmp_path_factory.mktemp("a") / "a.txt"
    path.write_text(audacity("a.wav", pops_at(times_s)), encoding="utf-8")
    assert read_audacity(path)[0] == tuple(sorted(float(f"{t:.6f}") for t in times_s))


@given(st.lists(st.floats(0, 100), max_size=8))
def test_all_formats_tell_the_same_times(times_s: list[float]) -> None:
    heard = pops_at(times_s)
    expected = [f"{pop.onset_s:.6f}" for pop in heard.pops]
    assert [line.split("\t")[0] for line in audacity("a", heard).splitlines()] == expected
    assert [line.split("\t")[3] for line in raven("a", heard).splitlines()[1:]] == expected
    assert re.findall(r"number = (\S+)", textgrid("a", heard)) == expected


def test_what_audacity_and_people_write_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbf2.5\t2.6\tpop \xe4\r\n\\\t100.0\t9000.0\r\n1,0\t1.0\n\n3\t3\ta\tb")
    assert read_audacity(path) == ((1.0, 2.5, 3.0), f"{path}:5")


@pytest.mark.parametrize(
    "line",
    ["1.0", "pop\t1\t1", "1_5\t2\tpop", "2.0\t1.0\tpop", "-1\t1\tpop", "nan\tnan\tpop", "1\tinf\tpop", "1 1 pop"],
)
def test_a_line_that_is_no_label_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"1.0\t1.0\tpop\n{line}\n")
    with pytest.raises(TableError, match=rf"^{re.escape(str(path))}:2: "):
        read_audacity(path)


def test_a_missing_label_track_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_audacity(tmp_path / "a.txt")
