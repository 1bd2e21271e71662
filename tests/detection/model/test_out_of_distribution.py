"""A sound unlike all that was learned from: told, never counted by itself, and never confidently no pop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import Model, load
from popdetect.detection.model.classifiers import FeatureRange
from popdetect.training.data.dsp import RATE_HZ
from popdetect.training.models.calibration import feature_range

Clip = Callable[..., npt.NDArray[np.float32]]
TRAIN = (1.0, 1.03, 1.08)


def stranger(model: Model) -> Model:
    """The same model, to which everything is strange."""
    n = len(model.feature_names)
    return replace(model, out_of_distribution=FeatureRange(np.full(n, 1e9), np.full(n, 1e9), 1))


def test_features_beyond_are_counted_and_the_unknown_is_not() -> None:
    span = FeatureRange(np.array([0.0, 0.0, 0.0]), np.array([1.0, 1.0, 1.0]), 2)
    rows = np.array([[0.5, 0.0, 1.0], [1.1, 0.5, 0.5], [-0.1, 1.1, 0.5], [np.nan, np.nan, 9.0]])

    assert span.n_outside(rows).tolist() == [0, 1, 2, 1]
    assert span.is_outside(rows).tolist() == [False, False, True, False]


def test_hardly_any_sound_learned_from_is_outside_and_a_stranger_is() -> None:
    rows = np.random.default_rng(0).standard_normal((20_000, 12))
    rows[:, 7] = np.nan
    span = feature_range(rows)

    assert span.is_outside(rows).mean() <= 0.001
    assert span.is_outside(np.full((1, 12), 9.0)).all()
    assert not span.is_outside(np.full((1, 12), np.nan)).any()
    assert not FeatureRange.unbounded(12).is_outside(np.full((1, 12), 1e9)).any()


def test_a_teachers_span_only_grows() -> None:
    rng = np.random.default_rng(1)
    teacher = feature_range(rng.standard_normal((5000, 4)))
    own = feature_range(rng.standard_normal((50, 4)) * 3, teacher)

    assert (own.low <= teacher.low).all()
    assert (own.high >= teacher.high).all()
    assert own.min_outside == teacher.min_outside


def test_clear_pops_are_inside(clip: Clip) -> None:
    for seed in range(10):
        assert "outside" not in Detector().detect(clip(TRAIN, seed=seed), RATE_HZ).quality


@pytest.mark.parametrize("point", ["balanced", "sensitive", "specific"])
def test_what_is_strange_is_uncertain_and_flagged(clip: Clip, point: str) -> None:
    model = load()
    usual = Detector(model, point).detect(clip(TRAIN), RATE_HZ)
    strange = Detector(stranger(model), point).detect(clip(TRAIN), RATE_HZ)

    assert usual.label == "pop"
    assert strange.label == "uncertain"
    assert strange.pops == ()
    assert strange.quality == ("outside",)
    assert strange.p_pop == usual.p_pop
    assert [event.p_pop for event in strange.events] == [event.p_pop for event in usual.events]


def test_a_clip_without_a_sound_is_not_strange(clip: Clip) -> None:
    found = Detector(stranger(load())).detect(clip((), noise=0.01), RATE_HZ)

    if not found.events:
        assert (found.label, found.quality) == ("no_pop", ())
