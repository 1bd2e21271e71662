"""Material by source: what is heard alone, in which copies, and that no fold hears another's sounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from popdetect.learning import corpus
from popdetect.learning.dsp import Sound
from popdetect.learning.sounds import Source

RATE_HZ = 16_000


def tone(frequency_hz: float, seconds: float) -> Sound:
    return (0.1 * np.sin(2 * np.pi * frequency_hz * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def strongest_hz(sound: Sound, rate_hz: int) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(sound)))) * rate_hz / len(sound)


@pytest.fixture
def sources(tmp_path: Path) -> list[Source]:
    made = {
        "voice": ("distractor", "speech (en)", tone(500, 13.0)),
        "door": ("distractor", "door", tone(300, 0.5)),
        "dumb": ("distractor", "door", np.concatenate([tone(200, 6.0), np.zeros(6 * RATE_HZ, np.float32)])),
        "fan": ("background", "fan", tone(100, 2.0)),
        "cracks": ("pop", "knuckle", tone(3000, 0.5)),
        "hall": ("impulse_response", "hall", tone(50, 0.5)),
    }
    for name, (_, _, sound) in made.items():
        soundfile.write(tmp_path / f"{name}.wav", sound, RATE_HZ, subtype="FLOAT")
    return [Source(tmp_path / f"{n}.wav", "train", kind, what, n, "", "") for n, (kind, what, _) in made.items()]


def test_what_is_no_pop_is_heard_as_it_is_and_in_copies_and_teaches_only(sources: list[Source]) -> None:
    examples = corpus.alone(sources)
    as_they_are = [example for example in examples if "copy" not in example.file]
    # 13 s are two pieces of 6 s, and silence teaches nothing
    n_pieces = {"voice": 2, "door": 1, "dumb": 1, "fan": 1, "cracks": 0, "hall": 0}

    assert {name: sum(f"{name}.wav" in example.file for example in as_they_are) for name in n_pieces} == n_pieces
    assert len(examples) == 5 + 2 * corpus.COPIES_OF_SPEECH + 3 * corpus.COPIES_OF_OTHERS
    assert len({example.file for example in examples}) == len(examples)
    for example in examples:
        group = next(name for name in n_pieces if f"{name}.wav" in example.file)
        assert example.group == corpus.fold_name(corpus.fold_of(group))
        assert (example.is_pop, example.onsets_s, example.sets_thresholds) == (False, (), False)
    piece, rate_hz = as_they_are[1].sound()
    assert rate_hz == RATE_HZ
    np.testing.assert_allclose(piece[:, 0], tone(500, 13.0)[6 * RATE_HZ : 12 * RATE_HZ], atol=0.1 / 32_767)
    assert piece.dtype == np.float32


def test_less_of_it_keeps_the_proportion_of_mixed_to_recorded_clips(sources: list[Source]) -> None:
    often = [replace(source, group=f"{source.group} {n}") for n in range(10) for source in sources]
    whole, part = corpus.alone(often), corpus.alone(often, 0.5)

    assert 0.35 * len(whole) < len(part) < 0.65 * len(whole)
    of_file = {example.file: example.sound()[0].tobytes() for example in whole}
    assert all(of_file[example.file] == example.sound()[0].tobytes() for example in part)
    assert corpus.alone(often, 0.0) == []


def test_copies_are_the_same_whenever_they_are_made_and_differ_from_each_other(sources: list[Source]) -> None:
    once, again = corpus.alone(sources[1:2]), corpus.alone(sources[1:2])

    for first, second in zip(once, again, strict=True):
        assert first.file == second.file
        np.testing.assert_array_equal(first.sound()[0], second.sound()[0])
    assert len({example.sound()[0].tobytes() for example in once}) == len(once)


def test_a_copy_is_slower_or_faster_and_never_sharper_than_what_was_recorded() -> None:
    sound = tone(500, 2.0)
    copies = [corpus.elsewhere(np.random.default_rng(seed), sound, RATE_HZ) for seed in range(40)]
    lengths_s = np.array([len(copy) / rate_hz for copy, rate_hz in copies])
    pitches_hz = np.array([strongest_hz(copy, rate_hz) for copy, rate_hz in copies])

    assert {rate_hz for _, rate_hz in copies} == {8_000, 16_000}
    assert lengths_s.min() >= 1.6
    assert lengths_s.max() <= 2.5
    assert np.ptp(lengths_s) > 0.6
    np.testing.assert_allclose(pitches_hz, 500 * 2.0 / lengths_s, rtol=0.01)
    assert all(copy.dtype == np.float32 and np.isfinite(copy).all() for copy, _ in copies)


def test_a_scene_is_mixed_of_one_fold_s_sounds_alone(sources: list[Source], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fold has its own; what a bank is made of is written down."""
    everywhere = [replace(s, group=f"{s.group} {n}") for n in range(40) for s in sources if s.kind != "pop"]
    banks: list[set[int]] = []
    real = corpus.Recorded

    def recorded(own: list[Source], *args: float, **options: float) -> corpus.SoundBank:
        banks.append({corpus.fold_of(source.group) for source in own})
        return real(own, *args, **options)

    monkeypatch.setattr(corpus, "Recorded", recorded)
    examples = corpus.scenes(everywhere, 10, seed=3)

    assert banks == [{0}, {1}, {2}, {3}, {4}]
    assert [example.group for example in examples] == [corpus.fold_name(i % 5) for i in range(10)]
    assert all(example.is_pop == bool(example.onsets_s) for example in examples)
