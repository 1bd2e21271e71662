"""Negative controls: sound without pops, in which a new model must not find more pops than the current one.

The controls are simulated and always the same: noise and hum, speech-like sound, knocks and footsteps, clicks, cloth.
Clicks serve for the comparison only: a single click with the length and spectrum of a pop cannot be told from one. Own
recordings without pops can be added. Uncertain pops are false pops too. `KINDS` is the table of simulated kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import Model
from popdetect.errors import AudioError, NothingFound
from popdetect.session.files import find_clips
from popdetect.training.data import synthesis
from popdetect.training.data.dsp import RATE_HZ, Sound
from popdetect.training.data.examples import Example

SEED = 20260101
CLIPS_OF_EACH, CLIP_S = 40, 3.0
# kind: the distractors of `synthesis` it is made of
KINDS: dict[str, tuple[str, ...]] = {
    "noise": (), "speech": ("speech-like",), "knock": ("knock", "footstep"), "click": ("click",), "cloth": ("cloth",),
}  # fmt: skip
STEADY = ("noise", "speech")  # any usable model must find almost no pops in these
OWN = "own recordings"
_LEVEL = np.float32(0.01)


@dataclass(frozen=True, slots=True)
class ControlResult:
    """What a model found in the negative controls: false pops and minutes of sound, by kind."""

    n_false: dict[str, int]
    minutes: dict[str, float]

    @property
    def per_min(self) -> float:
        """False pops per minute over all kinds."""
        return self._rate(list(self.minutes))

    @property
    def steady_per_min(self) -> float:
        """False pops per minute of noise and speech."""
        return self._rate(STEADY)

    def worse_than(self, other: ControlResult) -> tuple[str, ...]:
        """Return where there are more false pops: in all controls, in noise and speech, in the own recordings."""
        places = {"the negative controls": list(self.n_false), "noise and speech": STEADY, OWN: (OWN,)}
        return tuple(name for name, kinds in places.items() if self._count(kinds) > other._count(kinds))

    def _count(self, kinds: Sequence[str]) -> int:
        return sum(self.n_false.get(kind, 0) for kind in kinds)

    def _rate(self, kinds: Sequence[str]) -> float:
        return self._count(kinds) / max(sum(self.minutes.get(kind, 0.0) for kind in kinds), 1e-9)


def sound(kind: str, index: int, seed: int = SEED) -> Sound:
    """Return one simulated clip of a kind; the same arguments give the same samples."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind), index])
    mix = synthesis.background(rng, int(CLIP_S * RATE_HZ)) * _LEVEL
    if kind == "noise":
        return mix
    for _ in range(1 if kind == "speech" else int(rng.integers(1, 4))):
        knock = str(rng.choice(KINDS["knock"]))  # drawn for every kind: the sounds of version 0.1.0 stay the same
        thing = synthesis.DISTRACTORS[knock if kind == "knock" else KINDS[kind][0]](rng)[: len(mix)]
        level = 0.2 if kind == "speech" else 10 ** (float(rng.uniform(10, 35)) / 20) * float(_LEVEL)
        start = int(rng.integers(0, len(mix) - len(thing) + 1))
        mix[start : start + len(thing)] += np.float32(level) * thing
    return mix


def training_examples() -> list[Example]:
    """Return other sounds of the same kinds, to limit the false pops of an adapted model; no control is among them."""
    return [
        Example.in_memory(f"{kind} {index}", f"{kind} {index}", sound(kind, index, SEED + 1), RATE_HZ)
        for kind in KINDS
        for index in range(CLIPS_OF_EACH)
    ]


def recordings(folder: Path) -> tuple[Path, ...]:
    """Return the own recordings without pops in a folder; raises UsageError or NothingFound if there are none."""
    return tuple(folder / clip.file for clip in find_clips(folder).clips)


def run(model: Model, own: Sequence[Path] = (), *, seed: int = SEED) -> ControlResult:
    """Count false pops in the simulated controls and in the own recordings.

    Raises NothingFound when none of the own recordings can be processed.
    """
    detector = Detector(model)
    n_false = {
        kind: sum(len(detector.detect(sound(kind, k, seed), RATE_HZ).pops) for k in range(CLIPS_OF_EACH))
        for kind in KINDS
    }
    minutes = dict.fromkeys(KINDS, CLIPS_OF_EACH * CLIP_S / 60)
    if not own:
        return ControlResult(n_false, minutes)
    n_false[OWN], minutes[OWN], why = 0, 0.0, ""
    for path in own:
        try:
            found = detector.detect(path)
        except AudioError as error:
            why = why or f"{path}: {error}"
            continue
        n_false[OWN] += len(found.pops)
        minutes[OWN] += found.duration_s / 60
    if not minutes[OWN]:
        raise NothingFound(f"none of the {len(own)} own recordings without pops could be processed; the first, {why}")
    return ControlResult(n_false, minutes)
