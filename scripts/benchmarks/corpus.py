"""Training and test clips from a folder of recorded sounds, split by source.

Every source (recording session, speaker, library) is in one of `N_FOLDS` folds with all its files, and a clip is mixed
from sounds of one fold only. So a model fitted to some folds was not trained on any sound of the others, except
simulated pops, which follow the same rules everywhere.
"""

from __future__ import annotations

import multiprocessing
import shlex
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from families import CLINIC, EVERYDAY, HARD, TESTS, FamilyBank
from popdetect import __version__
from popdetect.detection.audio import recording as audio
from popdetect.training.data import synthesis
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, coloured_noise, random_curve, resample, shaped
from popdetect.training.data.examples import CandidateSet, Example, FeatureExtractor, Use, extract_all
from popdetect.training.data.manifest import Source
from popdetect.training.data.scenes import SceneRule, compose
from popdetect.training.data.sounds import SoundBank
from popdetect.training.models.candidate_filter import CandidateFinder

N_FOLDS = 5
N_SCENES = 8000  # of the shipped model
PIECE_S, MAX_PIECES = 6.0, 8
LOW_RATE = " 8 kHz"
N_JOBS = 2
N_SIMULATED = 1300
HUM = "mains hum"
MOUTHS = 3  # copies of each piece of speech with mouth clicks
MOUTH_DB = (-40.0, -3.0)  # relative to the peak of the speech
SPEECH_RATES_HZ = (48_000, 44_100, 24_000, 16_000, 16_000, 8_000)  # speech is often stored at low rates

Clip = tuple[Sound, int]  # and its rate in Hz

# 16 and 22.05 kHz occur in phones and old recorders
LEARN = SceneRule(
    pop_db=(10.0, 50.0),
    distractor_db=(-5.0, 48.0),
    rates_hz=(48_000, 48_000, 48_000, 44_100, 44_100, 32_000, 24_000, 22_050, 16_000, 8_000),
    degraded_share=0.35,
    contact_share=0.1,
)
TRY = SceneRule(pop_db=(12.0, 48.0), distractor_db=(0.0, 35.0), rates_hz=(48_000, 44_100))


# the rules of further tests, with everyday sounds
RULES = {
    "poor microphone": replace(TRY, degraded_share=1.0, rates_hz=(16_000, 16_000, 22_050, 8_000)),
    "skin-mounted sensor": replace(TRY, contact_share=1.0),
}


TRAINING: tuple[Use, ...] = ("training",)
# what test clips with pops of the role `train` are used for; the hard test would set thresholds that miss many pops
CALIBRATION: dict[str, tuple[Use, ...]] = {
    EVERYDAY: ("calibration", "thresholds"),
    CLINIC: ("calibration", "thresholds"),
    HARD: ("calibration",),
}


class Trial(NamedTuple):
    """A mixed test clip: the test, the source of its pops, the level of its loudest pop in dB (NaN without).

    `direct_db` is that of `scenes.Scene`.
    """

    example: Example
    test: str
    pops: str
    level_db: float
    direct_db: float


class Alone(NamedTuple):
    """A piece of a single recording without pops, as it is or changed."""

    example: Example
    source: Source
    is_unchanged: bool


def made_by() -> dict[str, str]:
    """Return build and command of a table, for the model card."""
    return {"build": f"popdetect {__version__}", "command": shlex.join(sys.argv)}


def fold_of(group: str) -> int:
    """Return the fold of a source, 0 to 4; always the same."""
    return zlib.crc32(group.encode()) % N_FOLDS


def fold_name(fold: int) -> str:
    """Return the group name of the examples of a fold."""
    return f"fold {fold}"


def share_of(n_scenes: int) -> float:
    """Return the share of the other training clips that belongs to so many scenes, as in the shipped model."""
    return min(1.0, n_scenes / N_SCENES)


def scenes(sources: Sequence[Source], n: int, seed: int, rule: SceneRule = LEARN) -> list[Example]:
    """Return mixed training clips, the folds in turn.

    The recordings of pops are assigned to folds in order; folds without one get simulated pops only.
    """
    pops = sorted({source.group for source in sources if source.kind == "pop"})
    banks = []
    for fold in range(N_FOLDS):
        own = [s for s in sources if (pops.index(s.group) if s.kind == "pop" else fold_of(s.group)) == fold]
        made_pops = 0.3 if any(s.kind == "pop" for s in own) else 1.0
        banks.append(
            FamilyBank(
                own, made_pops, made_share=0.3, speech_share=0.2, near_share=0.5, room_share=0.7, made_room_share=0.2
            )
        )
    draw = partial(_scene, banks, seed, rule)
    with multiprocessing.get_context("fork").Pool(N_JOBS) as pool:
        return pool.map(draw, range(n), chunksize=50)


def _scene(banks: Sequence[SoundBank], seed: int, rule: SceneRule, i: int) -> Example:
    return scene(f"scene {i}", fold_name(i % N_FOLDS), [seed, i], banks[i % N_FOLDS], rule)


def alone(sources: Sequence[Source], share: float = 1.0) -> list[Alone]:
    """Return every single recording without pops: mixed clips always contain the noise of a room, real ones may not.

    Long recordings give several pieces. Speech is added at a telephone's sample rate too; one in four of the others is
    used at that rate instead. All are also used slower or faster: other voices, other keys, other cutlery. Mouth clicks
    are rare in the recordings, but of all speech sounds they resemble pops most, so speech is also used with simulated
    mouth clicks. These clips set no thresholds: most are easier than those of a session.

    Parameters
    ----------
    share : float, 0 to 1
        Share of these clips to draw.
    """
    singles = []
    drawn = np.random.default_rng(0)
    for index, source in enumerate(sources):
        if source.kind not in ("distractor", "background"):
            continue
        samples, rate_hz = audio.read(source.path)
        sound = np.ascontiguousarray(samples.mean(axis=1))
        speaks = "speech" in source.what.lower()
        size = int(PIECE_S * rate_hz)
        for piece in range(max(1, min(len(sound) // size, MAX_PIECES))):
            part = sound[piece * size : (piece + 1) * size]
            if not np.abs(part).max() > 0:
                continue
            name, group = f"alone {index} {piece} {source.path.name}", fold_name(fold_of(source.group))
            for how, heard in _variants(part, rate_hz, (index, piece), speaks=speaks).items():
                if drawn.random() < share:
                    example = Example.in_memory(f"{name}{how}", group, *heard(), uses=TRAINING)
                    singles.append(Alone(example, source, is_unchanged=how in ("", LOW_RATE)))
    return singles


def simulated(n: int = N_SIMULATED) -> list[Example]:
    """Return clips of single simulated sounds without pops: mains hum, and each of `DISTRACTORS`, in nearly no noise.

    Recordings of a clean sound without a room are rare in the collections; an electric hum alone is in none of them.
    """
    kinds = (*sorted(synthesis.DISTRACTORS), *[HUM] * 6, *["speech-like"] * 4, *["click"] * 2)
    return [
        Example.in_memory(f"simulated {i}", fold_name(i % N_FOLDS), *_single(kinds[i % len(kinds)], i), uses=TRAINING)
        for i in range(n)
    ]


def _single(kind: str, i: int) -> Clip:
    rng = np.random.default_rng([31, i])
    size = int(PIECE_S / 2 * RATE_HZ)
    sound = synthesis.mains_hum(rng, size).astype(np.float32) if kind == HUM else np.zeros(size, np.float32)
    while kind != HUM and (rng.random() < 0.8 or not sound.any()):
        part = synthesis.DISTRACTORS[kind](rng)[:size]
        start = int(rng.integers(0, size - len(part) + 1))
        sound[start : start + len(part)] += part * np.float32(10 ** (rng.uniform(-20, 0) / 20))
    noise = coloured_noise(rng, size, float(rng.uniform(0, 9)))
    sound = sound / np.float32(max(float(np.abs(sound).max()), 1e-9))
    mix = shaped(sound + noise * np.float32(10 ** (rng.uniform(-80, -30) / 20)), *random_curve(rng, 3.0))
    own_hz = int(rng.choice(LEARN.rates_hz))
    mix *= np.float32(10 ** (rng.uniform(-30, -1) / 20) / max(float(np.abs(mix).max()), 1e-9))
    return resample(mix, RATE_HZ, own_hz), own_hz


def _variants(part: Sound, rate_hz: int, place: tuple[int, int], *, speaks: bool) -> dict[str, Callable[[], Clip]]:
    """Return the variants of a piece of a recording, by the end of their names."""
    index, piece = place
    lower = rate_hz > 8000 and (speaks or index % 4 == 0)
    strategies: dict[str, Callable[[], Clip]] = {}
    for pace in (1.0, *_paces(index + piece, speaks=speaks)):
        how = "" if pace == 1 else f" x{pace:g}"
        if lower:
            strategies[f"{how}{LOW_RATE}"] = partial(_heard, part, rate_hz, pace, 8000)
        if speaks or not lower:
            strategies[how] = partial(_heard, part, rate_hz, pace, rate_hz)
    for number in range(MOUTHS if speaks else 0):
        rng = np.random.default_rng([index, piece, number])
        strategies[f" mouth {number}"] = partial(with_mouth_clicks, rng, part, rate_hz)
    return strategies


def _heard(part: Sound, rate_hz: int, pace: float, own_hz: int) -> Clip:
    return resample(_paced(part, pace), rate_hz, own_hz), own_hz


def with_mouth_clicks(rng: Rng, speech: Sound, rate_hz: int) -> Clip:
    """Return speech with mouth clicks, changed to another voice and microphone.

    Returns
    -------
    sound : ndarray of float32, shape (n,)
        Up to a quarter slower or faster, with shifted pitch, and equalised; with one to three bursts of clicks.
    rate_hz : int
        One of `SPEECH_RATES_HZ`, at most that of the recording.
    """
    paced = _paced(speech, float(rng.uniform(0.8, 1.25)))
    sound = shaped(resample(paced, rate_hz, RATE_HZ), *random_curve(rng, 3.0)).copy()
    peak = np.abs(sound).max()
    for _ in range(rng.integers(1, 4)):
        clicks = synthesis.mouth_clicks(rng) * np.float32(peak * 10 ** (rng.uniform(*MOUTH_DB) / 20))
        if len(clicks) < len(sound):
            start = int(rng.integers(0, len(sound) - len(clicks)))
            sound[start : start + len(clicks)] += clicks
    own_hz = min(int(rng.choice(SPEECH_RATES_HZ)), rate_hz)
    return resample(sound, RATE_HZ, own_hz), own_hz


def _paces(index: int, *, speaks: bool) -> tuple[float, ...]:
    """Return the factors by which a recording is also slowed down: two for voices, one for other sounds."""
    slower, faster = (1.12, 1.2)[index % 2], (0.84, 0.9)[index % 2]
    return (slower, faster) if speaks else ((slower, faster)[index // 2 % 2],)


def _paced(sound: Sound, pace: float) -> Sound:
    """Play `pace` times slower, with shifted pitch."""
    return resample(sound, 1000, round(1000 * pace))


def extract(examples: Sequence[Example], finder: CandidateFinder, block: int = 200) -> CandidateSet:
    """Return the candidates of all clips, in several processes; the same as `examples.extract_all`."""
    blocks = [examples[first : first + block] for first in range(0, len(examples), block)]
    global _blocks, _finder  # the processes are forked: sound in memory is not copied
    _blocks, _finder = blocks, finder
    with multiprocessing.get_context("fork").Pool(N_JOBS) as pool:
        return CandidateSet.joined(pool.map(_extract, range(len(blocks)), chunksize=1))


_blocks: list[Sequence[Example]] = []
_finder: CandidateFinder | None = None


def _extract(block: int) -> CandidateSet:
    assert _finder is not None
    with threadpool_limits(1):
        return extract_all(_blocks[block], FeatureExtractor(*_finder), None)


def trials(sources: Sequence[Source], pops: str, n: int, test: str, seed: int = 7) -> list[Trial]:
    """Return mixed test clips, the folds in turn: real pops of one source; all other sounds but rooms are recorded.

    Backgrounds and distractors are those of one of `TESTS`. Nothing is trained on these clips.
    """
    of_pops = [source for source in sources if source.kind == "pop" and source.group == pops]
    rule = RULES.get(test, TRY)
    banks = []
    for fold in range(N_FOLDS):
        own = [source for source in sources if source.kind != "pop" and fold_of(source.group) == fold]
        banks.append(test_bank([*own, *of_pops], test))
    salt = zlib.crc32(f"{test} {pops}".encode())
    made = []
    for i in range(n):
        mix = compose(np.random.default_rng([seed, salt, i]), banks[i % N_FOLDS], rule)
        example = Example.in_memory(
            f"{test} {pops} {i}", fold_name(i % N_FOLDS), mix.samples, mix.rate_hz, mix.onsets_s,
            uses=CALIBRATION.get(test, ()),
        )  # fmt: skip
        made.append(Trial(example, test, pops, max(mix.levels_db, default=float("nan")), mix.direct_db))
    return made


def test_bank(sources: Sequence[Source], test: str) -> FamilyBank:
    """Return the sounds of a test."""
    clicking = float(test == HARD)
    families = TESTS.get(test, TESTS[EVERYDAY])
    return FamilyBank(
        sources, made_pop_share=0.0, made_share=0.0, only=families, room_share=1.0, clicking_share=clicking
    )


def scene(file: str, group: str, seed: list[int], bank: SoundBank, rule: SceneRule) -> Example:
    """Return one mixed clip for training; it sets no thresholds, because most of its pops are simulated."""
    mix = compose(np.random.default_rng(seed), bank, rule)
    return Example.in_memory(file, group, mix.samples, mix.rate_hz, mix.onsets_s, uses=TRAINING)
