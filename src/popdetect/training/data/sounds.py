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
import numpy.typing as npt

from popdetect.detection.audio import recording as audio
from popdetect.errors import AudioError, UsageError
from popdetect.training.data import dsp, synthesis
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, faded, random_curve, resample, shaped, stretched
from popdetect.training.data.manifest import MARKS_NAME, Source, broad

SPEECH_SHARE = 0.15  # of the recorded distractors, if there is speech: people talk in treatment rooms


class Named(NamedTuple):
    """A sound, a description of it, and the group (source) it came from."""

    sound: Sound
    what: str
    group: str


class Burst(NamedTuple):
    """The pops of one thrust, what they are, and the group they came from."""

    pops: list[Sound]
    what: str
    group: str
    # of each pop: the level above the background, in dB, up to which the noise of its own recording stays below
    limits_db: list[float]
    leads_s: list[float]  # of each pop: from its first sample to its onset


class SoundBank:
    """Simulated sounds (see `synthesis`); a subclass replaces those for which it has others."""

    def pops(self, rng: Rng, n: int) -> Burst:
        """Return `n` pops of one voice, recorded through the air."""
        return _simulated(rng, n, "simulated, air", skin_share=0.0)

    def contact_pops(self, rng: Rng, n: int) -> Burst:
        """Return `n` simulated pops of one voice, recorded by a skin-mounted sensor."""
        return _simulated(rng, n, "simulated, skin-mounted", skin_share=1.0)

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


def _simulated(rng: Rng, n: int, what: str, skin_share: float) -> Burst:
    voice = synthesis.draw_voice(rng, skin_share)
    curve = random_curve(rng, 3.0)
    pops = [shaped(synthesis.pop(rng, voice), *curve) for _ in range(n)]
    return Burst(pops, what, "simulated", [np.inf] * n, [0.0] * n)


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

    def pops(self, rng: Rng, n: int) -> Burst:
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
        pops, limits_db, leads_s = [], [], []
        for index in chosen:
            own = factor * float(np.exp(rng.normal(0, 0.06)))
            pops.append(flip * shaped(stretched(cuts[index].sound, own), *curve))
            limits_db.append(cuts[index].limit_db)
            leads_s.append(own * cuts[index].lead_s)
        return Burst(pops, source.what, source.group, limits_db, leads_s)

    def distractor(self, rng: Rng) -> Named:
        """See `SoundBank.distractor`. A kind is drawn first, so that kinds with many files are not more frequent."""
        if not self.distractors or rng.random() < self.made_share:
            return super().distractor(rng)
        source = draw(rng, self.drawn_from(rng))
        sound = _load(source.path)
        longest = int(rng.uniform(0.3, 1.5) * RATE_HZ)
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
        return self.distractors

    def background(self, rng: Rng, n: int) -> Named:
        """See `SoundBank.background`. Short recordings are looped with a crossfade."""
        groups = self.groups["background"]
        if not groups:
            return super().background(rng, n)
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


class Cut(NamedTuple):
    """A recorded pop, peak 1."""

    sound: Sound
    limit_db: float  # up to this level above a background, the noise of its own recording stays below
    lead_s: float  # from its first sample to its onset: `LEAD_S`, or less at the start of a recording


LEAD_S = 0.0005
_LONGEST_S, _SHORTEST_S = 0.060, 0.006
_NEXT_S = 0.0012  # a pop ends this long before the next one
_SILENT = 1e-5  # relative to the loudest millisecond
_OWN_NOISE_DB = 3.0  # a pop stands this much less above the background than above its own noise


@lru_cache(maxsize=64)
def pops_of(source: Source) -> tuple[Cut, ...]:
    """Return the marked pops of a recording with their natural tails.

    A pop ends where its own octave falls to twice the power of the noise (the 10th percentile of the recording in that
    octave), before the next pop, or after 60 ms. A cut edge would be a cue for a detector, so the last 30 % are faded.

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
        start = max(0, round((onset - LEAD_S) * RATE_HZ))
        stop = min(int((end - _NEXT_S) * RATE_HZ), start + int(_LONGEST_S * RATE_HZ), len(sound))
        if stop - start < _SHORTEST_S * RATE_HZ:  # the first half of a double pop: too short to be used alone
            continue
        octave, loudest = dsp.own_octave(sound[start:stop])
        levels = _levels(dsp.in_octave(sound, octave))
        sounding = levels[levels >= _SILENT * levels.max()]  # digital silence is not the noise of a recording
        noise = max(float(np.quantile(sounding, 0.1)), 1e-9)
        ended = np.flatnonzero(levels[start // _STEP : stop // _STEP] ** 2 < 2 * noise**2)
        late = ended[ended * _STEP >= _SHORTEST_S * RATE_HZ]
        if len(late):
            stop = start + int(late[0]) * _STEP
        cut = faded(sound[start:stop], 0.1, 300 * (stop - start) / RATE_HZ)
        limit_db = 20 * np.log10(max(loudest, 1e-9) / noise) - _OWN_NOISE_DB
        cuts.append(Cut(cut / max(float(np.abs(cut).max()), 1e-9), float(limit_db), onset - start / RATE_HZ))
    if not cuts:
        marks = " ".join(f"{onset:g}" for onset in source.onsets_s)
        raise UsageError(
            f"{source.path}: none of its pop onsets ({marks}) is followed by 6 ms of sound before the next or the end; "
            f"are they seconds from the start of the file ({MARKS_NAME})?"
        )
    return tuple(cuts)


_STEP = RATE_HZ // 1000


def _levels(sound: Sound) -> npt.NDArray[np.float64]:
    """Return the RMS of every millisecond, averaged over 3 ms."""
    n_steps = max(len(sound) // _STEP, 1)
    power = np.square(np.resize(sound, n_steps * _STEP).astype(np.float64)).reshape(n_steps, _STEP).mean(axis=1)
    return np.asarray(np.sqrt(np.convolve(np.pad(power, 1, mode="edge"), np.full(3, 1 / 3), "valid")))


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
