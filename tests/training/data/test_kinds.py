"""Families of sounds by their description, and the two tests that are made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from popdetect.training.data import manifest
from popdetect.training.data.manifest import read_manifest


@pytest.mark.parametrize(
    ("what", "family"),
    [
        ("door knock", "knocks"),
        ("door close, metal", "doors and drawers"),
        ("Speech (read, studio)", "speech"),
        ("keyboard (mechanical)", "keyboards"),
        ("peeling vegetables", "cutlery and dishes"),
        ("gunshot", manifest.ELSEWHERE),
    ],
)
def test_a_description_belongs_to_one_family(what: str, family: str) -> None:
    assert manifest.family(what) == family


def test_numbered_sounds_are_one_kind() -> None:
    assert manifest.broad("speech digit 3") == manifest.broad("Speech: digit 4") == "speech digit"


def test_the_tests_are_of_families_and_a_clinic_has_no_keyboards_knocks_or_clocks() -> None:
    for families in manifest.TESTS.values():
        assert families <= set(manifest.FAMILIES)
    assert manifest.TESTS["everyday"] - manifest.TESTS["clinic-like"] == {"keyboards", "knocks", "clocks"}
    assert manifest.TESTS["clinic-like"] < manifest.TESTS["everyday"]


@pytest.mark.parametrize(("what", "room"), [("stove fan (ventilation)", True), ("rain", False), ("frying", False)])
def test_weather_and_frying_are_no_rooms(what: str, room: bool) -> None:
    assert manifest.is_room(what) == room


def test_every_family_has_sounds_among_those_that_are_learned_from(shared_audio: Path) -> None:
    train = [source for source in read_manifest(shared_audio, "train") if source.kind == "distractor"]

    assert {manifest.family(source.what) for source in train} == {*manifest.FAMILIES, manifest.ELSEWHERE}
