"""Made sounds that several tests of detection use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from popdetect.detection.detector import Detector
from popdetect.training.data import synthesis as simulation
from popdetect.training.data.dsp import RATE_HZ, coloured_noise

Sound = npt.NDArray[np.float32]
VOICE = simulation.PopVoice(centre_hz=2500, decay20_ms=1.5, double_share=0.0, skin=False)


@pytest.fixture(scope="session")
def detector() -> Detector:
    return Detector()


@pytest.fixture(scope="session")
def clip() -> Callable[..., Sound]:
    """Pops at some times, 30 dB above a room's noise, at 48 kHz."""

    def make(onsets_s: tuple[float, ...], duration_s: float = 3.0, seed: int = 0, noise: float = 0.003) -> Sound:
        rng = np.random.default_rng(seed)
        sound = coloured_noise(rng, int(duration_s * RATE_HZ), 4) * np.float32(noise)
        for onset in onsets_s:
            pop = simulation.pop(rng, VOICE) * np.float32(0.4)
            start = round(onset * RATE_HZ)
            size = min(len(pop), len(sound) - start)
            sound[start : start + size] += pop[:size]
        return sound

    return make
