"""What is known of a candidate: ratios and times, so that level and the rest of the clip do not enter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from popdetect.detection.signal import candidate_filter as gate
from popdetect.detection.signal import features
from popdetect.detection.signal.frames import transform
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.training.data.dsp import RATE_HZ, resample
from popdetect.training.data.examples import FeatureExtractor, filter_inputs
from popdetect.training.models.fitting import default_front_end

FRONT, RULE = default_front_end(), OnsetRule()
NAMES = features.names(FRONT.n_columns)
Clip = Callable[..., np.ndarray]


def row_at(sound: np.ndarray, onset_s: float, rate_hz: int = RATE_HZ) -> dict[str, float]:
    found = FeatureExtractor(FRONT, RULE).extract(sound, rate_hz)
    index = int(np.argmin(np.abs(found.onsets_s - onset_s)))
    assert abs(found.onsets_s[index] - onset_s) < 0.001
    return dict(zip(NAMES, found.rows[index].tolist(), strict=True))


def test_names_are_as_many_as_values_and_each_once(clip: Clip) -> None:
    found = FeatureExtractor(FRONT, RULE).extract(clip((0.5,)), RATE_HZ)

    assert found.rows.shape == (len(found.onsets_s), len(NAMES))
    assert len(set(NAMES)) == len(NAMES)


def test_gain_does_not_enter(clip: Clip) -> None:
    sound = clip((0.5, 0.54))
    plain, louder = row_at(sound, 0.5), row_at(sound * np.float32(4), 0.5)

    assert plain == pytest.approx(louder, abs=1e-3, nan_ok=True)


def test_what_is_more_than_150_ms_away_does_not_enter(clip: Clip) -> None:
    near, more = row_at(clip((0.5,)), 0.5), row_at(clip((0.5, 0.75, 1.2)), 0.5)

    assert near == pytest.approx(more, abs=1e-3, nan_ok=True)


def test_neighbours_are_counted_on_the_side_where_they_are(clip: Clip) -> None:
    row = row_at(clip((0.5, 0.54, 0.58)), 0.5)

    assert row["n_after"] >= 2
    assert row["gap_after_ms"] == pytest.approx(40, abs=0.5)


def test_a_short_pop_decays_fast_and_a_ringing_tone_does_not(clip: Clip) -> None:
    sound = clip((0.5,))
    time = np.arange(RATE_HZ // 2) / RATE_HZ
    sound[2 * RATE_HZ : 2 * RATE_HZ + len(time)] += 0.4 * np.sin(2 * np.pi * 2500 * time) * np.exp(-time / 0.1)
    pop, tone = row_at(sound, 0.5), row_at(sound, 2.0)

    assert pop["decay20_ms"] < 6 < tone["decay20_ms"]
    assert pop["after_13_20ms_g3"] < tone["after_13_20ms_g3"] - 6


def test_bands_that_the_rate_cannot_hold_are_unknown_and_the_rest_is_not(clip: Clip) -> None:
    row = row_at(resample(clip((0.5,)), RATE_HZ, 8_000), 0.5, 8_000)
    unknown = {name for name, value in row.items() if np.isnan(value)}

    assert {"shape_mel09", "headroom_mel09"} <= unknown
    assert not unknown & {"shape_mel01", "headroom_mean", "attack_ms", "decay20_ms", "n_after"}


def test_the_gate_sees_as_many_values_as_it_names_and_no_gain(clip: Clip) -> None:
    sound = clip((0.5, 1.0))
    when, looks = filter_inputs(sound, RATE_HZ, FRONT, RULE)
    _, louder = filter_inputs(sound * np.float32(4), RATE_HZ, FRONT, RULE)

    assert looks.shape == (len(when), len(gate.names(FRONT.n_columns)))
    assert np.isfinite(looks).all()
    np.testing.assert_allclose(looks, louder, atol=1e-3)


def test_the_gate_sees_the_spectrum_against_its_strongest_band_at_every_rate(clip: Clip) -> None:
    sound = clip((0.5,))
    for rate_hz in (RATE_HZ, 8_000):
        when, looks = filter_inputs(resample(sound, RATE_HZ, rate_hz), rate_hz, FRONT, RULE)
        spectrum = looks[np.abs(when - 0.5).argmin(), -FRONT.n_columns :]
        missing = ~transform(FRONT, rate_hz).present

        assert spectrum.max() == 0
        assert spectrum.min() >= -40
        np.testing.assert_array_equal(spectrum[missing], -40)


def test_a_clip_without_candidates_has_empty_rows() -> None:
    when, looks = filter_inputs(np.full(RATE_HZ, 0.1, np.float32), RATE_HZ, FRONT, RULE)

    assert len(when) == 0
    assert looks.shape == (0, len(gate.names(FRONT.n_columns)))
    assert FeatureExtractor(FRONT, RULE).extract(np.full(RATE_HZ, 0.1, np.float32), RATE_HZ).rows.shape == (
        0,
        len(NAMES),
    )


def test_silence_before_the_clip_is_as_nothing(clip: Clip) -> None:
    sound = clip((0.03, 0.5))
    later = np.concatenate([np.zeros(48 * 300, np.float32), sound])

    # also where a feature would look beyond the start; there one frame more is half silence, half sound
    assert row_at(sound, 0.03) == pytest.approx(row_at(later, 0.33), abs=0.2, nan_ok=True)
    assert row_at(sound, 0.5) == pytest.approx(row_at(later, 0.8), abs=1e-4, nan_ok=True)


def test_the_middle_pop_of_three_has_a_neighbour_on_each_side(clip: Clip) -> None:
    row = row_at(clip((0.5, 0.54, 0.6), noise=0.0003), 0.54)

    assert (row["gap_before_ms"], row["gap_after_ms"]) == pytest.approx((40, 60), abs=0.5)
    assert row["rhythm"] == pytest.approx(np.log(60 / 40), abs=0.02)
