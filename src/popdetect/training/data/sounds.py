"""The sources of the sounds in a scene: simulated, or recorded.

`SoundBank` simulates pops, distractors, backgrounds and rooms. `Recorded` takes them from a folder with a
``MANIFEST.csv`` (see `manifest`) and adds simulated ones where recordings are few. Each sound carries the group it came
from, so that no source is on both sides of a train/test split. Sounds are float32 at 48 kHz.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from popdetect.detection.audio import recording as audio
from popdetect.errors import AudioError, UsageError
from popdetect.training.data import synthesis
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, faded, random_curve, resample, shaped, stretched
from popdetect.training.data.manifest import MARKS_NAME, Source, broad

SPEECH_SHARE = 0.15  # of the recorded distractors, if there is speech: people talk in treatment rooms


class Named(NamedTuple):
    """A sound, a description of it, and the group (source) it came from."""

    sound: Sound
    what: str
    group: str


class SoundBank:
    """Simulated sounds (see `synthesis`); a subclass replaces those for which it has others."""

    def pops(self, rng: Rng, n: int) -> tuple[list[Sound], str, str]:
        """Return `n` pops of one voice, each starting at its first sample; their description; their group."""
        voice = synthesis.draw_voice(rng)
        curve = random_curve(rng, 3.0)
        kind = "simulated, skin-mounted" if voice.skin else "simulated, air"
        return [shaped(synthesis.pop(rng, voice), *curve) for _ in range(n)], kind, "simulated"

    def distractor(self, rng: Rng) -> Named:
        """Return a sound that is not a pop."""
        what = str(rng.choice(sorted(synthesis.DISTRACTORS)))
        return Named(synthesis.DISTRACTORS[what](rng), what, "simulated")

    def background(self, rng: Rng, n: int) -> Named:
        """Return `n` samples of background sound."""
        return Named(synthesis.background(rng, n), "room noise", "simulated")

    def room(self, rng: Rng) -> Sound:
        """Return an impulse response that begins with the direct sound."""
        return synthesis.room(rng)


class Recorded(SoundBank):
    """Recorded sounds, mixed with simulated ones.

    Parameters
    ----------
    sources : iterable of Source
        The recordings, usually of one role or of one fold.
    made_pop_share : float
        Share of simulated pop voices; without recorded pops all are simulated.
    made_share : float
        Share of simulated distractors and rooms.
    """

    def __init__(self, sources: Iterable[Source], made_pop_share: float = 0.6, made_share: float = 0.1) -> None:
        self.made_pop_share, self.made_share = made_pop_share, made_share
        self.groups: dict[str, dict[str, list[Source]]] = defaultdict(dict)  # sources by kind of sound and group
        self.distractors: dict[str, list[Source]] = {}  # by description: the numbered files of a thing are together
        for source in sources:
            self.groups[source.kind].setdefault(source.group, []).append(source)
            if source.kind == "distractor":
                self.distractors.setdefault(broad(source.what), []).append(source)

    def pops(self, rng: Rng, n: int) -> tuple[list[Sound], str, str]:
        """See `SoundBank.pops`. Recorded pops are stretched, inverted and equalised at random."""
        groups = self.groups["pop"]
        if not groups or rng.random() < self.made_pop_share:
            return super().pops(rng, n)
        source = draw(rng, groups)
        cuts = pops_of(source)
        factor = float(np.exp(rng.normal(0, 0.2)))
        curve = random_curve(rng, 3.0)
        chosen = rng.permutation(len(cuts))[np.arange(n) % len(cuts)]
        flip = float(rng.choice([-1, 1]))
        pops = []
        for index in chosen:
            own = factor * float(np.exp(rng.normal(0, 0.06)))
            pops.append(flip * shaped(stretched(cuts[index], own), *curve))
        return pops, source.what, source.group

    def distractor(self, rng: Rng) -> Named:
        """See `SoundBank.distractor`. A kind is drawn first, so that kinds with many files are not more frequent."""
        if not self.distractors or rng.random() < self.made_share:
            return super().distractor(rng)
        source = draw(rng, self.drawn_from(rng))
        sound = _load(source.path)
        longest = int(rng.uniform(0.3, 2.5) * RATE_HZ)
        if len(sound) > longest:
            # the loudest of four excerpts: silence would not be a distractor
            starts = rng.integers(0, len(sound) - longest, 4)
            energy = [float(np.square(sound[s : s + longest]).sum()) for s in starts]
            start = int(starts[int(np.argmax(energy))])
            sound = faded(sound[start : start + longest], 5, 20)
        return Named(sound, source.what, source.group)

    def drawn_from(self, rng: Rng) -> Mapping[str, list[Source]]:
        """Return the kinds of distractors, with their files, of which the next one is drawn."""
        speech = {kind: own for kind, own in self.distractors.items() if kind.startswith("speech")}
        if speech and rng.random() < SPEECH_SHARE:
            return speech
        rng.random()  # not used: a seed gives the clips of version 0.1.0
        return self.distractors

    def background(self, rng: Rng, n: int) -> Named:
        """See `SoundBank.background`. Short recordings are looped with a crossfade."""
        groups = self.groups["background"]
        if not groups:
            return super().background(rng, n)
        rng.random(2)  # not used: a seed gives the clips of version 0.1.0
        return recorded_background(rng, n, groups)

    def room(self, rng: Rng) -> Sound:
        """See `SoundBank.room`."""
        groups = self.groups["impulse_response"]
        if not groups or rng.random() < max(self.made_share, 0.3):
            return super().room(rng)
        response = _load(draw(rng, groups).path)
        start = int(np.argmax(np.abs(response)))
        response = response[start : start + RATE_HZ]
        return faded(response / max(float(np.abs(response).max()), 1e-9), 0, 50)


def recorded_background(rng: Rng, n: int, groups: Mapping[str, list[Source]]) -> Named:
    """Return `n` samples of one of the recordings."""
    source = draw(rng, groups)
    return Named(_looped(_load(source.path), n, rng), source.what, source.group)


def draw(rng: Rng, groups: Mapping[str, list[Source]]) -> Source:
    """Draw a group, then one of its files."""
    names = sorted(groups)
    members = groups[names[int(rng.integers(len(names)))]]
    return members[int(rng.integers(len(members)))]


@lru_cache(maxsize=4096)
def _load(path: Path) -> Sound:
    """Read a recording as one channel at 48 kHz."""
    try:
        samples, rate_hz = audio.read(path)
    except AudioError as error:
        raise UsageError(f"{path}: {error}") from error
    return resample(np.ascontiguousarray(samples.mean(axis=1)), rate_hz, RATE_HZ)


@lru_cache(maxsize=64)
def pops_of(source: Source) -> tuple[Sound, ...]:
    """Return the marked pops of a recording, each cut from its onset to just before the next one, at most 40 ms.

    Raises
    ------
    UsageError
        No onsets are marked, or no pop is long enough.
    """
    if not source.onsets_s:
        raise UsageError(f"{source.path}: its pop onsets are not known; {MARKS_NAME} beside the manifest lists them")
    sound = _load(source.path)
    ends = [*source.onsets_s[1:], len(sound) / RATE_HZ]
    cuts = []
    for onset, end in zip(source.onsets_s, ends, strict=True):
        start = max(0, int((onset - 0.0003) * RATE_HZ))
        stop = min(int((end - 0.0015) * RATE_HZ), start + int(0.040 * RATE_HZ), len(sound))
        if stop - start < 0.004 * RATE_HZ:  # the first half of a double pop: too short to be used alone
            continue
        cut = faded(sound[start:stop], 0.1, min(5.0, 250 * (stop - start) / RATE_HZ))
        cuts.append(cut / max(float(np.abs(cut).max()), 1e-9))
    if not cuts:
        marks = " ".join(f"{onset:g}" for onset in source.onsets_s)
        raise UsageError(
            f"{source.path}: none of its pop onsets ({marks}) is followed by 4 ms of sound before the next or the end; "
            f"are they seconds from the start of the file ({MARKS_NAME})?"
        )
    return tuple(cuts)


def _looped(sound: Sound, n: int, rng: Rng) -> Sound:
    overlap = min(len(sound) // 4, RATE_HZ // 10)
    out = sound
    ramp = np.linspace(0, 1, max(overlap, 1), dtype=np.float32)
    while len(out) < n + 1:
        if overlap < 2:
            out = np.concatenate([out, sound]) if len(sound) else np.zeros(n + 1, np.float32)
            continue
        joint = out[-overlap:] * np.sqrt(1 - ramp) + sound[:overlap] * np.sqrt(ramp)
        out = np.concatenate([out[:-overlap], joint, sound[overlap:]])
    start = int(rng.integers(0, len(out) - n))
    return out[start : start + n]
