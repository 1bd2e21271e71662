"""The guard set: sound without pops, on which a new model may hear no more of them than the current one.

Made sound, always the same: noise and hum, speech-like sound, knocks and footsteps, clicks, cloth. Clicks are there to
be compared on, not to be perfect on: a lone click of a pop's length and colour cannot be told from one. One's own
recordings without pops can be added.
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
STEADY = ("noise", "speech")  # what any model, compared with none, must be silent on
KINDS = (*STEADY, "knock", "click", "cloth")
OWN = "own recordings"
_LEVEL = np.float32(0.01)


@dataclass(frozen=True, slots=True)
class ControlResult:
    """What a model heard on it: false pops and minutes of sound, by kind."""

    n_false: dict[str, int]
    minutes: dict[str, float]

    @property
    def per_min(self) -> float:
        """False pops per minute of all of it."""
        return self._rate(list(self.minutes))

    @property
    def steady_per_min(self) -> float:
        """False pops per minute of noise and speech."""
        return self._rate(STEADY)

    def worse_than(self, other: ControlResult) -> tuple[str, ...]:
        """What it hears more false pops on: all of it, or noise and speech, or the own recordings."""
        found = []
        if sum(self.n_false.values()) > sum(other.n_false.values()):
            found.append("the guard set")
        for name, kinds in (("noise and speech", STEADY), (OWN, (OWN,))):
            if self._count(kinds) > other._count(kinds):
                found.append(name)
        return tuple(found)

    def _count(self, kinds: Sequence[str]) -> int:
        return sum(self.n_false.get(kind, 0) for kind in kinds)

    def _rate(self, kinds: Sequence[str]) -> float:
        return self._count(kinds) / max(sum(self.minutes.get(kind, 0.0) for kind in kinds), 1e-9)


def sound(kind: str, index: int, seed: int = SEED) -> Sound:
    """One made clip of a kind, the same ever."""
    rng = np.random.default_rng([seed, KINDS.index(kind), index])
    mix = synthesis.background(rng, int(CLIP_S * RATE_HZ)) * _LEVEL
    if kind == "noise":
        return mix
    for _ in range(1 if kind == "speech" else int(rng.integers(1, 4))):
        name = {"speech": "speech-like", "knock": str(rng.choice(["knock", "footstep"]))}.get(kind, kind)
        thing = synthesis.DISTRACTORS[name](rng)[: len(mix)]
        level = 0.2 if kind == "speech" else 10 ** (float(rng.uniform(10, 35)) / 20) * float(_LEVEL)
        start = int(rng.integers(0, len(mix) - len(thing) + 1))
        mix[start : start + len(thing)] += np.float32(level) * thing
    return mix


def negatives() -> list[Example]:
    """Other sounds of the same kinds, for an adapted model to be held by; none of the guard set is among them."""
    return [
        _silent(f"{kind} {index}", sound(kind, index, SEED + 1)) for kind in KINDS for index in range(CLIPS_OF_EACH)
    ]


def _silent(name: str, samples: Sound) -> Example:
    clip = (samples[:, None], RATE_HZ)
    return Example(name, name, False, (), lambda: clip)


def made(model: Model, *, seed: int = SEED) -> ControlResult:
    """False pops on the made sounds."""
    detector = Detector(model)
    counts = {
        kind: sum(len(detector.detect(sound(kind, index, seed), RATE_HZ).pops) for index in range(CLIPS_OF_EACH))
        for kind in KINDS
    }
    return ControlResult(counts, dict.fromkeys(KINDS, CLIPS_OF_EACH * CLIP_S / 60))


def recordings(folder: Path) -> tuple[Path, ...]:
    """One's own recordings without pops.

    Raises
    ------
    UsageError, NothingFound
        No such folder, or no recording in it.
    """
    return tuple(folder / clip.file for clip in find_clips(folder).clips)


def listen(model: Model, own: Sequence[Path] = ()) -> ControlResult:
    """False pops on the made sounds, and on one's own recordings.

    Raises
    ------
    NothingFound
        When not one of the own recordings can be judged.
    """
    guard = made(model)
    if not own:
        return guard
    detector = Detector(model)
    n_false, minutes, why = 0, 0.0, ""
    for path in own:
        try:
            found = detector.detect(path)
        except AudioError as error:
            why = why or f"{path}: {error}"
            continue
        n_false += len(found.pops)
        minutes += found.duration_s / 60
    if not minutes:
        raise NothingFound(f"none of the {len(own)} recordings of the guard set could be judged; the first, {why}")
    return ControlResult({**guard.n_false, OWN: n_false}, {**guard.minutes, OWN: minutes})
