"""A folder of recorded sounds as material, parted by source: some to learn from, the others kept back for trials.

Every source (recording session, speaker, library) lies in one of `N_FOLDS` folds, with all its files; a clip is mixed
from sounds of one fold alone. So a model fitted to some folds has heard nothing of the others, except simulated pops,
which follow the same rules everywhere.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from popdetect.detection.audio import recording as audio
from popdetect.training.data import manifest, synthesis
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, random_curve, resample, shaped
from popdetect.training.data.examples import Example
from popdetect.training.data.scenes import SceneRule, compose
from popdetect.training.data.sounds import Recorded, SoundBank, Source

N_FOLDS = 5
N_SCENES = 8000  # of the shipped model
PIECE_S, MAX_PIECES = 6.0, 8
MOUTHS = 3  # how many times a piece of speech is heard with mouth clicks in it
MOUTH_DB = (-40.0, -3.0)  # of the speech's peak
SPEECH_RATES_HZ = (48_000, 44_100, 24_000, 16_000, 16_000, 8_000)  # speech is kept at low rates more than anything

Clip = tuple[Sound, int]  # and its rate in Hz

# 16 and 22.05 kHz are what phones and old recorders give; levels reach a little below those we hope to hear at
LEARN = SceneRule(
    pop_db=(12.0, 48.0),
    distractor_db=(0.0, 42.0),
    rates_hz=(48_000, 48_000, 48_000, 44_100, 44_100, 32_000, 24_000, 22_050, 16_000, 8_000),
    degraded_share=0.35,
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
    """Mixed clips, and recordings alone: fewer of them to fewer scenes, so that they weigh as in the shipped model."""
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
    """Every recording that is not of pops, as it is: a mix always has a room's noise in it, and a clip may not.

    Long ones give several pieces. Speech is heard at a telephone's rate as well, one in four of the others instead.
    All are also heard slower or faster than they were: other voices, other keys, other cutlery. Lips and tongue click
    in few of the recordings, and are what sounds most like pops in speech: so speech is heard with made mouth clicks
    as well. They set no threshold: most are easier than what a session holds.

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
        speaks = "speech" in source.what.lower()
        size = int(PIECE_S * rate_hz)
        for piece in range(max(1, min(len(sound) // size, MAX_PIECES))):
            part = sound[piece * size : (piece + 1) * size]
            if not np.abs(part).max() > 0:
                continue
            name, group = f"alone {index} {piece} {source.path.name}", fold_name(fold_of(source.group))
            for how, heard in _variants(part, rate_hz, (index, piece), speaks=speaks).items():
                if drawn.random() < share:
                    examples.append(_kept(f"{name}{how}", group, *heard(), (), sets_thresholds=False))
    return examples


def _variants(part: Sound, rate_hz: int, place: tuple[int, int], *, speaks: bool) -> dict[str, Callable[[], Clip]]:
    """How a piece of a recording is heard, by the end of its name."""
    index, piece = place
    lower = rate_hz > 8000 and (speaks or index % 4 == 0)
    strategies: dict[str, Callable[[], Clip]] = {}
    for pace in (1.0, *_paces(index + piece, speaks=speaks)):
        how = "" if pace == 1 else f" x{pace:g}"
        if lower:
            strategies[f"{how} 8 kHz"] = partial(_heard, part, rate_hz, pace, 8000)
        if speaks or not lower:
            strategies[how] = partial(_heard, part, rate_hz, pace, rate_hz)
    for number in range(MOUTHS if speaks else 0):
        rng = np.random.default_rng([index, piece, number])
        strategies[f" mouth {number}"] = partial(with_mouth_clicks, rng, part, rate_hz)
    return strategies


def _heard(part: Sound, rate_hz: int, pace: float, own_hz: int) -> Clip:
    return resample(_paced(part, pace), rate_hz, own_hz), own_hz


def with_mouth_clicks(rng: Rng, speech: Sound, rate_hz: int) -> Clip:
    """The like of recorded speech, another voice at another microphone, whose lips and tongue click.

    Returns
    -------
    sound : ndarray of float32, shape (n,)
        A fifth slower or faster at most, pitch and all, and coloured; with one to three trains of clicks, where they
        fit in.
    rate_hz : int
        One of `SPEECH_RATES_HZ`, at most the recording's own.
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
    """How many times slower a recording is heard besides: a voice both strategies, other things one way."""
    slower, faster = (1.12, 1.2)[index % 2], (0.84, 0.9)[index % 2]
    return (slower, faster) if speaks else ((slower, faster)[index // 2 % 2],)


def _paced(sound: Sound, pace: float) -> Sound:
    """Played `pace` times slower, pitch and all."""
    return resample(sound, 1000, round(1000 * pace))


def trials(sources: Sequence[Source], pops: str, n: int, seed: int, test: str = "everyday") -> list[Example]:
    """Mixed clips to be tried on, the folds in turn: real pops of one source, everything else recorded, too.

    In rooms alone, and with the distractors of one of `manifest.TESTS`.
    """
    of_pops = [source for source in sources if source.kind == "pop" and source.group == pops]
    banks = []
    for fold in range(N_FOLDS):
        own = [source for source in sources if source.kind != "pop" and fold_of(source.group) == fold]
        banks.append(
            Recorded([*own, *of_pops], made_pop_share=0.0, made_share=0.0, only=manifest.TESTS[test], room_share=1.0)
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
    clip = (samples[:, None], rate_hz)
    return Example(file, group, bool(onsets_s), onsets_s, lambda: clip, sets_thresholds)
