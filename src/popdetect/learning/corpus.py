"""A folder of recorded sounds as material, parted by source: some to learn from, the others kept back for trials.

Every source (recording session, speaker, library) lies in one of `N_FOLDS` folds, with all its files; a clip is mixed
from sounds of one fold alone. So a model fitted to some folds has heard nothing of the others, except simulated pops,
which follow the same rules everywhere.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from popdetect.hearing import audio
from popdetect.learning import kinds
from popdetect.learning.dsp import RATE_HZ, Rng, Sound, coloured_noise, random_curve, resample, shaped
from popdetect.learning.listening import Example
from popdetect.learning.scenes import SceneRule, compose
from popdetect.learning.sounds import Recorded, SoundBank, Source

N_FOLDS = 5
N_SCENES = 8000  # of the shipped model
PIECE_S, MAX_PIECES = 6.0, 8
COPIES_OF_SPEECH, COPIES_OF_OTHERS = 8, 4
COPY_RATES_HZ = (48_000, 44_100, 24_000, 16_000, 16_000, 8_000)  # speech is kept at low rates more than anything

# 16 and 22.05 kHz are what phones and old recorders give; levels reach a little below those we hope to hear at
LEARN = SceneRule(
    pop_db=(12.0, 48.0),
    distractor_db=(0.0, 42.0),
    rates_hz=(48_000, 48_000, 48_000, 44_100, 44_100, 32_000, 24_000, 22_050, 16_000, 8_000),
    worn_share=0.35,
    far_share=0.4,
)
TRY = SceneRule(pop_db=(15.0, 45.0), distractor_db=(0.0, 40.0), rates_hz=(48_000, 44_100))


def fold_of(group: str) -> int:
    """Where a source belongs: 0 to 4, the same ever."""
    return zlib.crc32(group.encode()) % N_FOLDS


def fold_name(fold: int) -> str:
    """The group of its examples."""
    return f"fold {fold}"


def to_learn_from(sources: Sequence[Source], n_scenes: int = N_SCENES, seed: int = 1) -> list[Example]:
    """All there is, or less of it, as mixed and as recorded clips weigh against each other in the shipped model."""
    return [*scenes(sources, n_scenes, seed), *alone(sources, min(1.0, n_scenes / N_SCENES))]


def scenes(sources: Sequence[Source], n: int, seed: int, rule: SceneRule = LEARN) -> list[Example]:
    """Mixed clips to learn from, the folds in turn.

    The pop recordings are dealt to the folds in order: a fold that has one hears it much, the others hear made pops.
    """
    pops = sorted({source.group for source in sources if source.kind == "pop"})
    banks = []
    for fold in range(N_FOLDS):
        own = [s for s in sources if (pops.index(s.group) if s.kind == "pop" else fold_of(s.group)) == fold]
        made_pops = 0.3 if any(s.kind == "pop" for s in own) else 1.0
        banks.append(Recorded(own, made_pops, speech_share=0.25, near_share=0.4, room_share=0.7, made_room_share=0.2))
    return [mixed(f"scene {i}", fold_name(i % N_FOLDS), [seed, i], banks[i % N_FOLDS], rule) for i in range(n)]


def alone(sources: Sequence[Source], share: float = 1.0) -> list[Example]:
    """Every recording that is not of pops, as it is, and copies of it: a mix always has a room in it, a clip may not.

    Long ones give several pieces. Speech has twice as many copies as other sounds: lips and creaking voices make what
    sounds most like pops. They set no threshold: most are easier than what a session holds.

    Parameters
    ----------
    share : float, 0 to 1
        How many of these to draw.
    """
    examples = []
    drawn = np.random.default_rng(0)
    for index, source in enumerate(sources):
        if source.kind not in ("distractor", "background"):
            continue
        samples, rate_hz = audio.read(source.path)
        sound = np.ascontiguousarray(samples.mean(axis=1))
        n_copies = COPIES_OF_SPEECH if "speech" in source.what.lower() else COPIES_OF_OTHERS
        size = int(PIECE_S * rate_hz)
        for piece in range(max(1, min(len(sound) // size, MAX_PIECES))):
            part = sound[piece * size : (piece + 1) * size]
            if not np.abs(part).max() > 0:
                continue
            name, group = f"alone {index} {piece} {source.path.name}", fold_name(fold_of(source.group))
            for number in (None, *range(n_copies)):
                if drawn.random() >= share:
                    continue
                if number is None:
                    how, copy, copy_hz = "", part, rate_hz
                else:
                    how = f" copy {number}"
                    copy, copy_hz = elsewhere(np.random.default_rng([index, piece, number]), part, rate_hz)
                examples.append(_kept(f"{name}{how}", group, copy, copy_hz, (), sets_thresholds=False))
    return examples


def elsewhere(rng: Rng, sound: Sound, rate_hz: int) -> tuple[Sound, int]:
    """The like of a recording: another voice or thing, another microphone in another noise, another recorder.

    Returns
    -------
    sound : ndarray of float32, shape (n,)
        A fifth slower or faster at most, pitch and all; coloured, and half of them in noise 45 to 75 dB under the peak.
    rate_hz : int
        One of `COPY_RATES_HZ`, where the recording's own is not lower.
    """
    paced = resample(sound, 1000, round(1000 * rng.uniform(0.8, 1.25)))
    copy = shaped(resample(paced, rate_hz, RATE_HZ), *random_curve(rng, 3.0))
    if rng.random() < 0.5:
        under_peak = 10 ** (rng.uniform(-75.0, -45.0) / 20)
        copy = copy + coloured_noise(rng, len(copy), 2.0) * np.float32(under_peak * np.abs(copy).max())
    copy_hz = min(int(rng.choice(COPY_RATES_HZ)), rate_hz)
    return resample(copy, RATE_HZ, copy_hz), copy_hz


def trials(sources: Sequence[Source], pops: str, n: int, seed: int, test: str = "everyday") -> list[Example]:
    """Mixed clips to be tried on, the folds in turn: real pops of one source, everything else recorded, too.

    In rooms alone, and with the distractors of one of `kinds.TESTS`.
    """
    of_pops = [source for source in sources if source.kind == "pop" and source.group == pops]
    banks = []
    for fold in range(N_FOLDS):
        own = [source for source in sources if source.kind != "pop" and fold_of(source.group) == fold]
        banks.append(
            Recorded([*own, *of_pops], made_pop_share=0.0, made_share=0.0, only=kinds.TESTS[test], room_share=1.0)
        )
    salt = zlib.crc32(f"{test} {pops}".encode())
    return [
        mixed(f"{test} {pops} {i}", fold_name(i % N_FOLDS), [seed, salt, i], banks[i % N_FOLDS], TRY) for i in range(n)
    ]


def mixed(file: str, group: str, seed: list[int], bank: SoundBank, rule: SceneRule) -> Example:
    """One scene as an example, whose sound is kept in memory.

    Those heard across the room set no threshold: there are more of them than in any practice.
    """
    scene = compose(np.random.default_rng(seed), bank, rule)
    near = not scene.is_far
    return _kept(file, group, scene.samples, scene.rate_hz, scene.onsets_s, sets_thresholds=near)


def _kept(
    file: str, group: str, samples: Sound, rate_hz: int, onsets_s: tuple[float, ...], *, sets_thresholds: bool = True
) -> Example:
    # hours of sound, kept as recorders keep it, in half the memory; decisions do not depend on the level
    step = max(float(np.abs(samples).max()), 1e-9) / 32_767
    kept = np.rint(samples / np.float32(step)).astype(np.int16)
    return Example(
        file, group, bool(onsets_s), onsets_s, lambda: (kept[:, None] * np.float32(step), rate_hz), sets_thresholds
    )
