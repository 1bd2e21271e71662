"""One clip with known truth: pops and distractors in a room, heard by a device.

First a `SceneRule` (what may happen) is drawn into a scene, then mixed. Levels are what a detector meets, not what a
source has: a pop's loudest 3 ms, and a distractor's loudest 20 ms, stand some dB above the RMS of the background
(both without the rumble below 100 Hz).
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile

from popdetect.training.data.degradation import automatic_gain, suppress_noise
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, burst_rms, convolve, random_curve, resample, rms, shaped
from popdetect.training.data.sounds import SoundBank

# "silence": no background at all, as after a noise gate or in a clean recording of one thing alone
DEGRADATIONS = ("silence", "silence", "silence", "mp3", "ogg", "clipped", "noise suppression", "automatic gain")


@dataclass(frozen=True, slots=True)
class SceneRule:
    """Ranges that scenes are drawn from; levels in dB above the background, shares in [0, 1].

    Attributes
    ----------
    duration_s : float
    pop_share : float
        How many clips hold pops.
    max_pops : int
        1 to this many, drawn evenly.
    gap_ms : tuple of float
        Between pops of a train: 12 ms at the least; most lie at 20 to 60.
    pop_db, distractor_db : tuple of float
        Range of levels.
    max_distractors : int
        0 to this many.
    rates_hz : tuple of int
        Sample rates to draw from.
    far_share : float
        How many trains are heard across the room: as its impulse response has them, without more of the direct sound.
    degraded_share : float
        How many clips are worn by a codec, by clipping or by what phones do, or have no background at all.
    """

    duration_s: float = 3.0
    pop_share: float = 0.5
    max_pops: int = 7
    gap_ms: tuple[float, float] = (12.0, 90.0)
    pop_db: tuple[float, float] = (15.0, 45.0)
    distractor_db: tuple[float, float] = (5.0, 40.0)
    max_distractors: int = 3
    rates_hz: tuple[int, ...] = (48_000,)
    degraded_share: float = 0.0
    far_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A mixed clip.

    Attributes
    ----------
    samples : ndarray of float32, shape (n,)
        Within ±1.
    rate_hz : int
    onsets_s : tuple of float
        True onsets, increasing; empty without pops.
    what : str
        The pops, the distractors and the background, for a table.
    groups : tuple of str
        The sources that went into it.
    is_far : bool
        Whether its pops, if it has any, are heard across the room.
    """

    samples: Sound
    rate_hz: int
    onsets_s: tuple[float, ...]
    what: str
    groups: tuple[str, ...]
    is_far: bool = False


def compose(rng: Rng, bank: SoundBank, rule: SceneRule) -> Scene:
    """Draw and mix one scene."""
    n = int(rule.duration_s * RATE_HZ)
    ground = bank.background(rng, n)
    level = max(rms(ground.sound), 1e-9)
    mix = ground.sound / np.float32(level)
    device = random_curve(rng, 2.0)
    said, groups = [], {ground.group}
    rate_hz = int(rng.choice(rule.rates_hz))
    degradation = str(rng.choice(DEGRADATIONS)) if rng.random() < rule.degraded_share else ""
    if degradation == "silence":
        mix = np.zeros_like(mix)

    for _ in range(rng.integers(0, rule.max_distractors + 1)):
        thing = bank.distractor(rng)
        sound = convolve(thing.sound, bank.room(rng)) if rng.random() < 0.3 else thing.sound
        loudest = burst_rms(sound, 20.0)
        if loudest <= 0:
            continue
        gain = 10 ** (float(rng.uniform(*rule.distractor_db)) / 20) / loudest
        start = int(rng.uniform(-0.1, rule.duration_s - 0.05) * RATE_HZ)
        _add(mix, sound * np.float32(gain), start)
        said.append(thing.what)
        groups.add(thing.group)

    onsets: tuple[float, ...] = ()
    is_far = rule.far_share > 0 and bool(rng.random() < rule.far_share)
    if rng.random() < rule.pop_share:
        onsets, what, group = _add_train(rng, bank, rule, mix, is_far=is_far)
        said.insert(0, f"{len(onsets)} pops ({what})")
        groups.add(group)

    mix = shaped(mix, *device)
    out = resample(mix, RATE_HZ, rate_hz)
    peak = float(np.abs(out).max()) or 1.0
    out = out * np.float32(10 ** (float(rng.uniform(-26, -1)) / 20) / peak)
    if degradation == "clipped":
        out = np.clip(out * np.float32(10 ** (float(rng.uniform(3, 20)) / 20)), -1, 1)
    elif degradation == "noise suppression":
        out = suppress_noise(rng, out, rate_hz)
    elif degradation == "automatic gain":
        out = automatic_gain(rng, out, rate_hz)
    elif degradation in ("mp3", "ogg"):
        out = _through_codec(out, rate_hz, degradation)
    if degradation:
        said.append(degradation)
    what = "; ".join([*said, f"in {ground.what}"])
    return Scene(out.astype(np.float32), rate_hz, onsets, what, tuple(sorted(groups)), is_far)


def _add_train(
    rng: Rng, bank: SoundBank, rule: SceneRule, mix: Sound, *, is_far: bool
) -> tuple[tuple[float, ...], str, str]:
    """Mix a train of pops into `mix`; returns their onsets, what they are and their group."""
    n_pops = int(rng.integers(1, rule.max_pops + 1))
    pops, what, group = bank.pops(rng, n_pops)
    low, high = rule.gap_ms
    gaps_ms = np.clip(np.exp(rng.normal(np.log(35), 0.55, n_pops - 1)), low, high)
    if rng.random() < 0.1:  # a slow train, as fingers pulled one by one
        gaps_ms = rng.uniform(60, 250, n_pops - 1)
    times = np.concatenate([[0.0], np.cumsum(gaps_ms) / 1000])
    room_left = rule.duration_s - times[-1] - 0.06
    times += float(rng.uniform(0.005, max(room_left, 0.006)))
    response = bank.room(rng) if is_far or rng.random() < 0.5 else None
    wet = 10 ** (float(rng.uniform(-25, 0)) / 20)
    level_db = float(rng.uniform(*rule.pop_db))
    onsets = []
    for time, sound in zip(times, pops, strict=True):
        heard = sound
        if response is not None:
            heard = convolve(sound, response)
            if not is_far:
                heard *= np.float32(wet)
                heard[: len(sound)] += sound
        loudest = burst_rms(heard[: int(0.02 * RATE_HZ)], 3.0)
        # within a train pops differ by some dB; none falls out of the rule's range
        own_db = float(np.clip(level_db + rng.normal(0, 4), *rule.pop_db))
        start = round(float(time) * RATE_HZ)
        if start >= len(mix) - 0.02 * RATE_HZ:
            break
        _add(mix, heard * np.float32(10 ** (own_db / 20) / max(loudest, 1e-9)), start)
        onsets.append(start / RATE_HZ)
    return tuple(onsets), what, group


def _add(mix: Sound, sound: Sound, start: int) -> None:
    """Add `sound` to `mix` from sample `start`, which may lie before its beginning."""
    skip = max(0, -start)
    stop = min(len(mix), start + len(sound))
    if stop > start + skip:
        mix[start + skip : stop] += sound[skip : stop - start]


def _through_codec(sound: Sound, rate_hz: int, codec: str) -> Sound:
    """Encode and decode; the codec's own delay is taken out, so that the truth stays true."""
    kind = {"mp3": ("MP3", "MPEG_LAYER_III"), "ogg": ("OGG", "VORBIS")}[codec]
    if codec == "mp3" and rate_hz not in (16_000, 22_050, 24_000, 32_000, 44_100, 48_000):
        return sound
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate_hz, format=kind[0], subtype=kind[1])
    buffer.seek(0)
    worn, _ = soundfile.read(buffer, dtype="float32")
    worn = worn[: len(sound) + 4000]
    size = 1 << (len(sound) + len(worn)).bit_length()
    match = np.fft.irfft(np.fft.rfft(worn, size) * np.conj(np.fft.rfft(sound, size)), size)
    delay = int(np.argmax(match[:4000]))
    worn = worn[delay : delay + len(sound)]
    return np.asarray(np.pad(worn, (0, len(sound) - len(worn))), np.float32)
