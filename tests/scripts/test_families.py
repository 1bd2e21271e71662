"""Families of sounds by their descriptions, the two tests of a detector, and the bank that draws by family."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

import families
from families import FamilyBank
from popdetect.errors import UsageError
from popdetect.training.data.dsp import Sound
from popdetect.training.data.manifest import Source, broad, read_manifest


@pytest.mark.parametrize(
    ("what", "family"),
    [
        ("door knock", "knocks"),
        ("door close, metal", "doors and drawers"),
        ("Speech (read, studio)", "speech"),
        ("keyboard (mechanical)", "keyboards"),
        ("peeling vegetables", "cutlery and dishes"),
        ("gunshot", families.ELSEWHERE),
    ],
)
def test_a_description_belongs_to_one_family(what: str, family: str) -> None:
    assert families.family(what) == family


def test_numbered_sounds_are_one_kind() -> None:
    assert broad("speech digit 3") == broad("Speech: digit 4") == "speech digit"


def test_the_tests_are_of_families_and_a_clinic_has_no_keyboards_knocks_or_clocks() -> None:
    for own in families.TESTS.values():
        assert own <= set(families.FAMILIES)
    assert families.TESTS["everyday"] - families.TESTS["clinic-like"] == {"keyboards", "knocks", "clocks"}
    assert families.TESTS["clinic-like"] < families.TESTS["everyday"]


@pytest.mark.parametrize(("what", "room"), [("stove fan (ventilation)", True), ("rain", False), ("frying", False)])
def test_weather_and_frying_are_no_rooms(what: str, room: bool) -> None:
    assert families.is_room(what) == room


def test_every_family_has_sounds_among_those_that_are_learned_from(shared_audio: Path) -> None:
    train = [source for source in read_manifest(shared_audio, "train") if source.kind == "distractor"]

    assert {families.family(source.what) for source in train} == {*families.FAMILIES, families.ELSEWHERE}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    noise = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    rows = [
        "path,role,kind,what,group",
        "knock.wav,train,distractor,door knock,door",
        "bell.wav,train,distractor,bell,bell",
        "fan.wav,train,background,fan,fan",
        "rain.wav,train,background,rain,sky",
    ]
    for row in rows[1:]:
        soundfile.write(tmp_path / row.split(",")[0], noise, 16_000)
    (tmp_path / "MANIFEST.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def test_only_the_chosen_families_are_distractors(folder: Path) -> None:
    sources = read_manifest(folder, "train")
    knocks = FamilyBank(sources, made_share=0.0, only=frozenset({"knocks"}))
    assert {knocks.distractor(np.random.default_rng(seed)).group for seed in range(30)} == {"door"}

    near = FamilyBank(sources, made_share=0.0, near_share=1.0)  # a bell is of no family
    assert {near.distractor(np.random.default_rng(seed)).group for seed in range(30)} == {"door"}

    with pytest.raises(UsageError, match="no sound of these kinds among the distractors: keyboards"):
        FamilyBank(sources, made_share=0.0, only=frozenset({"keyboards"}))


def test_shares_of_room_backgrounds_and_of_simulated_ones(folder: Path) -> None:
    sources = read_manifest(folder, "train")

    def groups(**shares: float) -> set[str]:
        bank = FamilyBank(sources, **shares)
        return {bank.background(np.random.default_rng(seed), 100).group for seed in range(40)}

    assert groups() == {"fan", "sky"}
    assert groups(room_share=1.0) == {"fan"}
    assert groups(made_room_share=1.0) == {"simulated"}


def drips(per_s: float, seconds: float = 8.0) -> Sound:
    """Return quiet noise with short clicks of 3 kHz, evenly spaced."""
    sound = 0.001 * np.random.default_rng(1).standard_normal(int(seconds * 16_000))
    drip = 0.1 * np.sin(2 * np.pi * 3000 * np.arange(160) / 16_000) * np.exp(-np.arange(160) / 40)
    for at_s in np.arange(0.5 / per_s, seconds - 0.1, 1 / per_s) if per_s else ():
        start = int(at_s * 16_000)
        sound[start : start + 160] += drip
    return sound.astype(np.float32)


def hum() -> Sound:
    """Return a swelling tone below 1 kHz with noise: no click."""
    time_s = np.arange(8 * 16_000) / 16_000
    noise = 0.01 * np.random.default_rng(2).standard_normal(len(time_s))
    return np.asarray(noise + 0.3 * np.sin(2 * np.pi * 200 * time_s) * np.sin(2 * np.pi * time_s), np.float32)


BACKGROUNDS = {
    "steady noise": (drips(0.0), False),
    "a hum": (hum(), False),
    "noise after digital silence": (np.concatenate([np.zeros(64_000, np.float32), drips(0.0)]), False),
    "two drips a second": (drips(2.0), True),
    "a drip in four seconds": (drips(0.25), False),
}


@pytest.mark.parametrize("what", BACKGROUNDS)
def test_a_background_clicks_if_more_than_one_event_in_two_seconds_stands_out(what: str, tmp_path: Path) -> None:
    sound, expected = BACKGROUNDS[what]
    soundfile.write(tmp_path / "b.wav", sound, 16_000, subtype="FLOAT")

    assert families.clicks(Source(tmp_path / "b.wav", "train", "background", what, "g", "", "")) is expected


def test_hard_clips_have_backgrounds_that_click_and_rooms_do_not(tmp_path: Path) -> None:
    for name, sound in (("fan", drips(0.0)), ("tap", drips(2.0)), ("rain", drips(0.0))):
        soundfile.write(tmp_path / f"{name}.wav", sound, 16_000, subtype="FLOAT")
    sources = [
        Source(tmp_path / f"{name}.wav", "train", "background", name, name, "", "") for name in ("fan", "tap", "rain")
    ]

    def groups(**shares: float) -> set[str]:
        bank = FamilyBank(sources, **shares)
        return {bank.background(np.random.default_rng(seed), 100).group for seed in range(40)}

    assert groups(room_share=1.0) == {"fan"}
    assert groups(room_share=1.0, clicking_share=1.0) == {"tap"}
    assert groups(room_share=1.0, clicking_share=0.5) == {"fan", "tap"}
    assert groups() == {"fan", "tap", "rain"}
