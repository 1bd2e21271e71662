"""The spectral breadth of simulated pops, which follow the recorded ones."""

from __future__ import annotations

import numpy as np
import pytest

from pop_breadth import breadth
from popdetect.training.data import synthesis
from popdetect.training.data.dsp import RATE_HZ, Sound


def pop(seed: int) -> Sound:
    rng = np.random.default_rng(seed)
    return synthesis.pop(rng, synthesis.draw_voice(rng, 0.0))


def test_breadth_is_none_of_a_tone_and_all_of_an_impulse() -> None:
    time = np.arange(RATE_HZ // 10) / RATE_HZ
    tone, impulse = np.sin(2 * np.pi * 3000 * time), np.zeros(10)
    impulse[1] = 1

    assert np.exp(breadth(tone.astype(np.float32))) < 6
    assert breadth(impulse.astype(np.float32)) == pytest.approx(np.log(115), abs=0.05)
    assert breadth(np.zeros(100, np.float32)) == pytest.approx(0, abs=1e-6)
    assert breadth(tone * np.float32(100)) == pytest.approx(breadth(tone.astype(np.float32)))


def test_pops_are_as_broad_as_recorded_ones_and_mouth_clicks_ring_at_one_pitch() -> None:
    """Of 19 pops of three recordings the breadth is 3.2 to 4.0 (scripts/benchmarks/pop_breadth.py)."""
    dry = [breadth(pop(seed)) for seed in range(200)]
    wet = [breadth(synthesis.mouth_clicks(np.random.default_rng(seed))) for seed in range(200)]

    assert 2.7 < np.quantile(dry, 0.05) < np.quantile(dry, 0.95) < 4.6
    assert 3.4 < np.median(dry) < 4.1
    assert np.median(wet) < np.median(dry) - 0.5
