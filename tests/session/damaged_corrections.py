"""Answers, and files of answers with random damage, for the property tests."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from itertools import accumulate

from hypothesis import strategies as st

from popdetect.session import corrections
from popdetect.session.corrections import COLUMNS, Correction
from popdetect.session.tables import csv_lines, csv_text

ANSWER = Correction("p01/a.wav", "pop", (0.4128, 0.4491), "anna", "2026-11-24T10:00:00Z", "uncertain", 0.46, "m", "ab")


def text(*answers: Correction) -> str:
    return csv_text(COLUMNS, map(corrections.row, answers))


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@st.composite
def damaged_files(draw: st.DrawFn) -> tuple[bytes, list[Correction]]:
    """A file with one to three damaged places, and the answers in its lines without damage."""
    names = draw(
        st.lists(st.one_of(NAMES, st.sampled_from(['"b\nc".wav', "\n,d.wav", "e\r\n.wav"])), min_size=1, max_size=9)
    )
    answers = [replace(ANSWER, file=f"{name}{i}", undone=i == 4) for i, name in enumerate(names)]
    records = [text().encode(), *(csv_lines([list(corrections.row(answer).values())]).encode() for answer in answers)]
    ends = list(accumulate(map(len, records)))
    raw, hit = bytearray().join(records), set()
    places = draw(st.lists(st.integers(0, len(raw) - 1), min_size=1, max_size=3, unique=True))
    for place in sorted(places, reverse=True):
        record = bisect_right(ends, place)
        # a line ends where the next begins: whoever damages the line end damages both
        hit |= {record, record + 1} if place == ends[record] - 1 else {record}
        raw[place : place + 1] = draw(st.one_of(st.binary(max_size=3), st.sampled_from([b'"', b"\n", b",", b"\0"])))
    return bytes(raw), [answer for i, answer in enumerate(answers) if i + 1 not in hit]
