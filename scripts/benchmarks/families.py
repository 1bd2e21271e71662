"""Families of recorded sounds, by their descriptions, and the sound bank that draws by family.

`FAMILIES` sorts the distractors by their descriptions (column ``what`` of the manifest). Sound folders hold many kinds
that are rare where people are treated (gates, guns, cockerels) and few that are common there; scenes draw families
first, so that training sees most of what is common.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import numpy as np

from popdetect.detection.audio import recording
from popdetect.errors import UsageError
from popdetect.training.data.dsp import Rng
from popdetect.training.data.manifest import Source, broad
from popdetect.training.data.sounds import SPEECH_SHARE, Named, Recorded, SoundBank, recorded_background

SPEECH, CRACKLING, OUTDOORS = "speech", "crackling", "steps outdoors"
# family: how the descriptions that belong to it begin, in lower case. A new kind of distractor is one entry here.
FAMILIES: dict[str, tuple[str, ...]] = {
    "keyboards": ("keyboard",),
    "cutlery and dishes": ("cutlery", "plates", "dish", "washing dish", "peeling", "knife", "glass", "soda can"),
    "crunching": ("eating", "apple", "pencil"),
    # bubbles, ice and twigs that really pop
    CRACKLING: ("bubble wrap", "ice crack", "twigs", "snap", "fire crack", "wood / tool breaking"),
    "knocks": ("door knock", "knock", "tap on", "wood block", "wood /", "stone", "table football", "hit"),
    OUTDOORS: (
        "gravel", *(f"footstep{s} {ground}" for s in ("", "s") for ground in (
            "gravel", "grass", "snow", "ice", "rock", "dirt", "sand", "water", "leaves", "mud",
        )),
    ),
    "steps": ("footstep",),
    SPEECH: ("speech",),
    "coughs and sneezes": ("cough", "sneeze", "throat", "laughter", "snoring"),
    "doors and drawers": (
        "drawer", "cupboard", "fridge", "door", "close_door", "open_door", "wooden chest", "wood creak",
    ),
    "latches and tools": (
        "lock", "mechanical latch", "tool", "shears", "reload", "device handling", "cart", "match struck",
    ),
    "clicks": ("mechanical click", "switch", "light switch", "ui click", "ui switch", "ui mouse", "thermostat", "zip"),
    "clocks": ("clock", "watch"),
    "paper and cloth": (
        "page", "book", "cardboard", "package", "playing cards", "tissue", "leaves", "sweeping", "erasing", "cloth",
        "peel", "scraping", "plastic",
    ),
    "things dropped": ("keys", "coin", "pin ", "metal object", "metal hit", "dice", "chess", "finger snap", "clap"),
}  # fmt: skip
EVERYDAY, CLINIC, HARD = "everyday", "clinic-like", "hard"
ELSEWHERE = "elsewhere"  # sounds that do not occur in a treatment room
# the distractors of the tests of a detector: a room at home, a room in which people are treated, and things that click
# (before backgrounds that click by themselves)
TESTS: dict[str, frozenset[str]] = {
    EVERYDAY: frozenset(FAMILIES) - {"doors and drawers", "latches and tools", "things dropped", CRACKLING, OUTDOORS},
    CLINIC: frozenset({
        "cutlery and dishes", "crunching", "steps", SPEECH, "coughs and sneezes", "clicks", "paper and cloth",
    }),
    HARD: frozenset({
        "keyboards", "cutlery and dishes", "crunching", CRACKLING, OUTDOORS, "knocks", "steps", "latches and tools",
        "clicks", "clocks", "things dropped",
    }),
}  # fmt: skip
# backgrounds that are not rooms: weather, water and engines; some of them crackle as joints do
_OUTSIDE = ("rain", "sea", "wind", "water", "frying", "boat", "helicopter", "juicer", "blender", "train", "stream")


@lru_cache(maxsize=4096)
def family(what: str) -> str:
    """Return the family of a description; `ELSEWHERE` if it belongs to none."""
    known = broad(what)
    return next((name for name, beginnings in FAMILIES.items() if known.startswith(beginnings)), ELSEWHERE)


def is_room(what: str) -> bool:
    """Return whether the description of a background fits a room in which people are treated."""
    return not broad(what).startswith(_OUTSIDE)


MEDIAN_MS, APART_MS, CLICKS_PER_S = 200, 20, 0.5


@lru_cache(maxsize=4096)
def clicks(source: Source) -> bool:
    """Return whether a recording has more than 0.5 events a second that rise 10 dB above the median of 200 ms.

    Levels are those of milliseconds in 1 to 8 kHz.
    """
    samples, rate_hz = recording.read(source.path)
    sound = samples.mean(axis=1)
    spectrum = np.fft.rfft(sound)
    bins_hz = np.fft.rfftfreq(len(sound), 1 / rate_hz)
    spectrum[(bins_hz < 1000) | (bins_hz > 8000)] = 0
    step = max(rate_hz // 1000, 1)
    power = np.square(np.fft.irfft(spectrum, len(sound)))[: len(sound) // step * step].reshape(-1, step).mean(axis=1)
    power = np.convolve(power, np.full(3, 1 / 3), "same")  # 3 ms: steady noise hardly rises 10 dB
    size = len(power) // MEDIAN_MS * MEDIAN_MS
    blocks = power[:size].reshape(-1, MEDIAN_MS)
    loud = (blocks > 10 * np.median(blocks, axis=1, keepdims=True)).ravel()
    n_events = int((np.diff(np.flatnonzero(loud), prepend=-APART_MS) >= APART_MS).sum())
    return n_events > CLICKS_PER_S * len(sound) / rate_hz


class FamilyBank(Recorded):
    """Recorded sounds, drawn by family.

    Parameters
    ----------
    sources, made_pop_share, made_share
        As in `Recorded`.
    speech_share : float
        Share of speech among the distractors, if there are recordings of speech.
    near_share : float
        Share of the other distractors drawn from `FAMILIES`, each family equally often; the rest are of any kind.
    only : set of str, optional
        Only distractors of these families; default: all.
    room_share : float
        Share of backgrounds that are rooms (`is_room`); the rest are of any kind.
    made_room_share : float
        Share of simulated backgrounds.
    clicking_share : float
        Share of backgrounds that click by themselves (`clicks`); without it, rooms are those that do not.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        made_pop_share: float = 0.6,
        made_share: float = 0.1,
        *,
        speech_share: float = SPEECH_SHARE,
        near_share: float = 0.0,
        only: frozenset[str] | None = None,
        room_share: float = 0.0,
        made_room_share: float = 0.0,
        clicking_share: float = 0.0,
    ) -> None:
        super().__init__(sources, made_pop_share, made_share)
        self.speech_share, self.near_share = speech_share, near_share
        self.room_share, self.made_room_share = room_share, made_room_share
        self.clicking_share = clicking_share
        backgrounds = [(group, own) for group, of in self.groups["background"].items() for own in of]
        self.clicking: dict[str, list[Source]] = {}
        self.rooms: dict[str, list[Source]] = {}
        for group, own in backgrounds if room_share or clicking_share else ():
            if clicks(own):
                self.clicking.setdefault(group, []).append(own)
            elif is_room(own.what):
                self.rooms.setdefault(group, []).append(own)
        self.families: dict[str, dict[str, list[Source]]] = {}
        for kind, own in self.distractors.items():
            if only is None or family(kind) in only:
                self.families.setdefault(family(kind), {})[kind] = own
        if self.distractors and not self.families:
            raise UsageError(f"no sound of these kinds among the distractors: {', '.join(sorted(only or ()))}")

    def drawn_from(self, rng: Rng) -> Mapping[str, list[Source]]:
        """See `Recorded.drawn_from`."""
        near = sorted(name for name in self.families if name != ELSEWHERE)
        if SPEECH in near and rng.random() < self.speech_share:
            return self.families[SPEECH]
        if near and rng.random() < self.near_share:
            return self.families[str(rng.choice(near))]
        return {kind: own for of_family in self.families.values() for kind, own in of_family.items()}

    def background(self, rng: Rng, n: int) -> Named:
        """See `Recorded.background`."""
        groups = self.groups["background"]
        if not groups or rng.random() < self.made_room_share:
            return SoundBank.background(self, rng, n)
        if self.clicking and rng.random() < self.clicking_share:
            return recorded_background(rng, n, self.clicking)
        return recorded_background(rng, n, self.rooms if self.rooms and rng.random() < self.room_share else groups)
