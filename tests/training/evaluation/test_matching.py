"""Matching of found and true onsets; mir_eval is the reference."""

from itertools import combinations, permutations
from random import Random

import mir_eval
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popdetect.training.evaluation.matching import match

times_ms = st.lists(st.integers(0, 60), max_size=8, unique=True)
MS = 1000
TOLERANCE_MS = 5


def seconds(times: list[int]) -> list[float]:
    return [time / MS for time in times]


def brute_force(true: list[int], found: list[int]) -> int:
    """The greatest possible number of pairs, by trying all."""
    short, long = sorted((true, found), key=len)
    for size in range(len(short), 0, -1):
        for chosen in combinations(short, size):
            for partners in permutations(long, size):
                if all(abs(a - b) <= TOLERANCE_MS for a, b in zip(chosen, partners, strict=True)):
                    return size
    return 0


@pytest.mark.parametrize(
    ("true", "found", "pairs", "missed", "false"),
    [
        # each character is a millisecond
        ("..|..........|..", "..|..........|..", 2, 0, 0),
        ("..|.............", ".......|........", 1, 0, 0),  # the edge counts
        ("..|.............", "........|.......", 0, 1, 1),
        ("..|.............", ".|.|............", 1, 0, 1),  # a double is one hit and one false alarm
        (".|...|..........", "..............|.", 0, 2, 1),
        ("|....|....|.....", ".....|....|....|", 3, 0, 0),  # pairing the nearest first would find two
        ("................", ".....|..........", 0, 0, 1),
        (".....|..........", "................", 0, 1, 0),
        ("................", "................", 0, 0, 0),
    ],
)
def test_drawn_onsets_are_paired_as_drawn(true: str, found: str, pairs: int, missed: int, false: int) -> None:
    result = match(*(seconds([k for k, mark in enumerate(line) if mark == "|"]) for line in (true, found)))

    assert (pairs, missed, false) == (len(result.pairs), len(result.missed), len(result.false))


@given(times_ms, times_ms)
def test_every_onset_is_there_exactly_once(true: list[int], found: list[int]) -> None:
    result = match(seconds(true), seconds(found))

    assert sorted(seconds(true)) == sorted([a for a, _ in result.pairs] + list(result.missed))
    assert sorted(seconds(found)) == sorted([b for _, b in result.pairs] + list(result.false))
    assert all(round(abs(error) * MS) <= TOLERANCE_MS for error in result.errors_s)


@given(times_ms, times_ms)
def test_mir_eval_finds_as_many_pairs(true: list[int], found: list[int]) -> None:
    # whole milliseconds are exact in floats, so its edges do not lie
    theirs = mir_eval.util.match_events(np.array(true, float), np.array(found, float), float(TOLERANCE_MS))

    assert len(theirs) == len(match(seconds(true), seconds(found)).pairs)


@given(
    st.lists(st.integers(0, 25), max_size=4, unique=True),
    st.lists(st.integers(0, 25), max_size=4, unique=True),
)
def test_no_other_pairing_is_larger(true: list[int], found: list[int]) -> None:
    assert brute_force(true, found) == len(match(seconds(true), seconds(found)).pairs)


@given(times_ms, times_ms, st.integers(0, 600))
def test_shifting_both_changes_nothing_at_any_edge(true: list[int], found: list[int], shift: int) -> None:
    here = match(seconds(true), seconds(found))
    there = match(seconds([t + shift * MS for t in true]), seconds([t + shift * MS for t in found]))

    assert len(here.pairs) == len(there.pairs)


@given(times_ms, times_ms, st.randoms(use_true_random=False))
def test_the_order_given_does_not_matter(true: list[int], found: list[int], random: Random) -> None:
    result = match(seconds(true), seconds(found))
    random.shuffle(found)

    assert match(seconds(true[::-1]), seconds(found)) == result


@given(times_ms, times_ms, st.integers(0, 10), st.integers(0, 10))
def test_a_wider_tolerance_only_adds_pairs(true: list[int], found: list[int], narrow: int, more: int) -> None:
    fewer = match(seconds(true), seconds(found), narrow / MS)

    assert len(fewer.pairs) <= len(match(seconds(true), seconds(found), (narrow + more) / MS).pairs)


def test_the_edge_counts_wherever_it_lies() -> None:
    # in floats, seconds and microseconds alike, some of these lie beyond it
    assert all(match([k / MS], [(k + TOLERANCE_MS) / MS]).pairs for k in range(60_000))
    assert not any(match([k / MS], [(k + TOLERANCE_MS + 0.001) / MS]).pairs for k in range(60_000))


def test_the_sign_of_an_error_says_late() -> None:
    assert match([0.1], [0.102]).errors_s == pytest.approx([0.002])
