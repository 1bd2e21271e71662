"""Ids in texts: what is looked up by length is what looking for each in turn would find."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popdetect.study.journal.pseudonyms import Mentions, Pseudonyms

KEY = Pseudonyms(b"k" * 32)
LETTERS = "aAbB1 -_.sSkKſ\u212aıİßüÜ"
words = st.text(LETTERS, max_size=5)


@settings(max_examples=400)
@given(st.lists(words.filter(str.strip), max_size=6), st.lists(words, max_size=5))
def test_nothing_is_missed(ids: list[str], parts: list[str]) -> None:
    text = "".join(part for pair in zip([*parts, ""], [*ids, ""], strict=False) for part in pair)

    assert KEY.redacted(text, Mentions(ids).within(text)) == KEY.redacted(text, ids)


def test_the_order_is_kept_and_others_are_not_named() -> None:
    mentions = Mentions(["P100", "P10", "meier", "P7"])

    assert mentions.within("after p100 came MEIER") == ["P100", "P10", "meier"]
    assert mentions.within("nobody") == []
    assert mentions.within("") == []
    assert Mentions([]).within("P10") == []


@pytest.mark.parametrize("n", [10, 5000])
def test_many_patients_are_as_good_as_few(n: int) -> None:
    found = Mentions([f"patient-{i}" for i in range(n)]).within("a thrust on patient-9, as on PATIENT-4")

    assert found == ["patient-4", "patient-9"]
