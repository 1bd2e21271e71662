"""Stand-ins of this room: a bank of one known sound, examples in memory, a model fitted to them once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from popdetect.training.data.dsp import Rng, Sound
from popdetect.training.data.scenes import Scene, SceneRule, compose
from popdetect.training.data.sounds import Named, Synthetic
from popdetect.training.models import estimators, fitting
from popdetect.training.models.fitting import Example, Fitted

LOGISTIC = estimators.ESTIMATORS[:1]
N_GROUPS = 6


class OneSound:
    """Every pop is the same 5 ms, loud from its first sample; the room is silent, or a hiss."""

    def __init__(self, hiss: float = 0.0, distractor: Sound | None = None) -> None:
        time_ms = np.arange(240) / 48
        self.pop = (np.cos(2 * np.pi * 2.5 * time_ms) * 10 ** (-time_ms / 1.5)).astype(np.float32)
        self._hiss = hiss
        self._distractor = distractor

    def pops(self, rng: Rng, n: int) -> tuple[list[Sound], str, str]:
        return [self.pop] * n, "click", "pops"

    def distractor(self, rng: Rng) -> Named:
        assert self._distractor is not None, "no distractor was asked for"
        return Named(self._distractor, "thing", "things")

    def background(self, rng: Rng, n: int) -> Named:
        return Named(rng.standard_normal(n).astype(np.float32) * np.float32(self._hiss), "hiss", "rooms")

    def room(self, rng: Rng) -> Sound:
        return np.array([1.0], np.float32)


class Says:
    """A classifier of one opinion."""

    def __init__(self, logit: float) -> None:
        self._logit = logit

    def logit(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.full(len(rows), self._logit)


class _Sound:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def __call__(self) -> tuple[npt.NDArray[np.float32], int]:
        return self._scene.samples[:, None], self._scene.rate_hz


@lru_cache(maxsize=4)
def examples(n: int = 60, rates_hz: tuple[int, ...] = (48_000,)) -> tuple[Example, ...]:
    """Clips of one second, of six groups."""
    rule = SceneRule(duration_s=1.0, max_distractors=2, pop_db=(25.0, 45.0), rates_hz=rates_hz)
    made = []
    for i in range(n):
        scene = compose(np.random.default_rng([8, i]), Synthetic(), rule)
        made.append(Example(f"{i:02d}.wav", f"p{i % N_GROUPS}", bool(scene.onsets_s), scene.onsets_s, _Sound(scene)))
    return tuple(made)


@lru_cache(maxsize=1)
def fitted() -> Fitted:
    return fitting.fit(examples(), name="small", version="1", specs=LOGISTIC)
