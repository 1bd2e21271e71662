"""The golden clips: what they are, that the shipped model fits the code, and that they notice changed feature code."""

from __future__ import annotations

import re

import make
import numpy as np
import pytest
from mutants import Mutant, mutants, noticed, reason

from popdetect.detection import verification
from popdetect.detection.model import bundle

MODULES = ("frames", "onsets", "refinement", "features", "candidate_filter", "context", "speech", "quality")


def test_the_clips_cover_rates_channels_labels_and_flags() -> None:
    folder = bundle.shipped()
    arrays = bundle.read_arrays(folder, bundle.GOLDEN, bundle.load(folder).info)
    clips = verification.golden_clips(arrays)
    words = [arrays[f"words_{index}"].tolist() for index in range(len(clips))]

    assert 8 <= len(clips) <= 12
    assert {8_000, 16_000, 44_100, 48_000} <= {rate_hz for _, rate_hz in clips}
    assert {samples.shape[1] for samples, _ in clips} == {1, 2}
    assert all(0.2 <= len(samples) / rate_hz <= 1 for samples, rate_hz in clips)
    assert {one[0] for one in words} == {"pop", "no_pop", "uncertain"}
    assert {"clipped", "quiet", "speech"} <= {flag for one in words for flag in one[-1].split(";")}
    assert (folder / bundle.GOLDEN).stat().st_size < 300_000


def test_the_script_makes_the_same_clips_again() -> None:
    """To one step of 16 bits, as other versions of numpy may round."""
    folder = bundle.shipped()
    arrays = bundle.read_arrays(folder, bundle.GOLDEN, bundle.load(folder).info)
    stored = verification.golden_clips(arrays)
    made = make.clips()

    assert [rate_hz for _, rate_hz in made] == [rate_hz for _, rate_hz in stored]
    for (samples, _), (expected, _) in zip(made, stored, strict=True):
        assert samples.shape == expected.shape
        assert np.abs(samples.astype(int) - expected.astype(int)).max() <= 1
    np.testing.assert_allclose(make.energies_db().astype(float), arrays["energies_db"].astype(float), atol=0.1)


def _mutant(module: str, text: str, old: float, new: float) -> Mutant:
    (found,) = [one for one in mutants(module) if text in one.text and one.old == old and one.new == new]
    return found


@pytest.mark.parametrize(
    ("module", "line", "old", "new", "words"),
    [
        ("features", "at = np.clip(", 2, 3, "feature_rows differ .*headroom.* golden clip 0"),
        ("features", "NEIGHBOUR_MS = ", 150.0, 150.0 * 1.1, "rows differ"),
        ("candidate_filter", "_LOW_DB, _HIGH_DB", 10.0, 11.0, "filter_rows differ from those .* instead of"),
        ("quality", "CLIPPED_FROM", 0.999, 0.999 * 1.1, "flags differ"),
    ],
)
def test_a_changed_constant_is_named(module: str, line: str, old: float, new: float, words: str) -> None:
    """The first is the change that once moved 61 of 120 clips while every test passed."""
    found = noticed(_mutant(module, line, old, new))

    assert found.startswith("ModelError: ")
    assert "\n" not in found
    assert "the installed code and this model do not belong together" in found
    assert re.search(words, found), found


def test_unchanged_code_is_not_blamed() -> None:
    assert noticed(None) == ""


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_every_constant_of_the_feature_code_is_noticed(module: str) -> None:
    """Each number in a constant of the module, made a little greater and a little smaller."""
    of_constants = mutants(module, constants_only=True)
    missed = [one for one in of_constants if not noticed(one)]

    assert of_constants
    assert [str(one) for one in missed if not reason(one)] == []
    assert len(missed) <= 2, missed  # the few exceptions; no module has two of them


@pytest.mark.slow
def test_other_numbers_of_the_feature_code_are_noticed_or_have_a_reason() -> None:
    """One in eight numeric literals of all modules; `mutants.py` tries all of them."""
    tried = [one for module in MODULES for one in mutants(module)][::8]
    missed = [one for one in tried if not noticed(one)]

    assert [f"{one} | {one.text}" for one in missed if not reason(one)] == []
