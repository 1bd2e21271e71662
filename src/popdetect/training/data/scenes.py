"""One clip with known truth: pops and distractors in a room, recorded by a device.

`compose` draws a scene from the ranges of a `SceneRule` and mixes it. Levels are what a detector meets: the loudest
3 ms of a pop and the loudest 20 ms of a distractor are a number of dB above the RMS of the background (all without
the rumble below 100 Hz). Sounds are mixed at 48 kHz and resampled once, at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popdetect.training.data.degradation import DEGRADATIONS, DRAWN, SILENCE
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, burst_rms, convolve, random_curve, resample, rms, shaped
from popdetect.training.data.sounds import SoundBank


@dataclass(frozen=True, slots=True)
class SceneRule:
    """Ranges from which scenes are drawn; levels in dB above the background, shares in [0, 1]."""

    duration_s: float = 3.0
    pop_share: float = 0.5  # of the clips
    max_pops: int = 7  # a clip with pops has 1 to this many, all numbers equally likely
    gap_ms: tuple[float, float] = (12.0, 90.0)  # between the pops of a burst; most gaps are 20 to 60 ms
    pop_db: tuple[float, float] = (15.0, 45.0)
    distractor_db: tuple[float, float] = (5.0, 40.0)
    max_distractors: int = 3  # a clip has 0 to this many
    rates_hz: tuple[int, ...] = (48_000,)
    degraded_share: float = 0.0  # of the clips (see `degradation`)
    # of the bursts, recorded from across the room: through its impulse response alone, with no extra direct sound
    far_share: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A mixed clip."""

    samples: Sound  # shape (n,), within ±1
    rate_hz: int
    onsets_s: tuple[float, ...]  # true onsets, increasing; empty without pops
    what: str  # pops, distractors, degradation and background, in words, for a table
    groups: tuple[str, ...]  # the sources of the sounds
    is_far: bool = False  # pops are recorded from across the room


def compose(rng: Rng, bank: SoundBank, rule: SceneRule) -> Scene:
    """Draw and mix one scene."""
    n = int(rule.duration_s * RATE_HZ)
    ground = bank.background(rng, n)
    level = max(rms(ground.sound), 1e-9)
    mix = ground.sound / np.float32(level)
    device = random_curve(rng, 2.0)
    parts, groups = [], {ground.group}
    rate_hz = int(rng.choice(rule.rates_hz))
    degradation = str(rng.choice(DRAWN)) if rng.random() < rule.degraded_share else ""
    if degradation == SILENCE:
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
        parts.append(thing.what)
        groups.add(thing.group)

    onsets: tuple[float, ...] = ()
    is_far = rule.far_share > 0 and bool(rng.random() < rule.far_share)
    if rng.random() < rule.pop_share:
        onsets, what, group = _add_burst(rng, bank, rule, mix, is_far=is_far)
        parts.insert(0, f"{len(onsets)} pops ({what})")
        groups.add(group)

    mix = shaped(mix, *device)
    out = resample(mix, RATE_HZ, rate_hz)
    peak = float(np.abs(out).max()) or 1.0
    out = out * np.float32(10 ** (float(rng.uniform(-26, -1)) / 20) / peak)
    if degradation in DEGRADATIONS:
        out = DEGRADATIONS[degradation](rng, out, rate_hz)
    if degradation:
        parts.append(degradation)
    parts.append(f"in {ground.what}")
    return Scene(out.astype(np.float32), rate_hz, onsets, "; ".join(parts), tuple(sorted(groups)), is_far)


def _add_burst(
    rng: Rng, bank: SoundBank, rule: SceneRule, mix: Sound, *, is_far: bool
) -> tuple[tuple[float, ...], str, str]:
    """Mix a burst of pops into `mix`; return their onsets in seconds, what they are, and their group."""
    n_pops = int(rng.integers(1, rule.max_pops + 1))
    pops, what, group = bank.pops(rng, n_pops)
    low, high = rule.gap_ms
    gaps_ms = np.clip(np.exp(rng.normal(np.log(35), 0.55, n_pops - 1)), low, high)
    if rng.random() < 0.1:  # a slow burst, as when fingers are pulled one by one
        gaps_ms = rng.uniform(60, 250, n_pops - 1)
    times = np.concatenate([[0.0], np.cumsum(gaps_ms) / 1000])
    room_left = rule.duration_s - times[-1] - 0.06
    times += float(rng.uniform(0.005, max(room_left, 0.006)))
    response = bank.room(rng) if is_far or rng.random() < 0.5 else None
    wet = 10 ** (float(rng.uniform(-25, 0)) / 20)
    level_db = float(rng.uniform(*rule.pop_db))
    onsets = []
    for time, sound in zip(times, pops, strict=True):
        recorded = sound
        if response is not None:
            recorded = convolve(sound, response)
            if not is_far:
                recorded *= np.float32(wet)
                recorded[: len(sound)] += sound
        loudest = burst_rms(recorded[: int(0.02 * RATE_HZ)], 3.0)
        # the pops of a burst differ by some dB; each stays in the range of the rule
        own_db = float(np.clip(level_db + rng.normal(0, 4), *rule.pop_db))
        start = round(float(time) * RATE_HZ)
        if start >= len(mix) - 0.02 * RATE_HZ:
            break
        _add(mix, recorded * np.float32(10 ** (own_db / 20) / max(loudest, 1e-9)), start)
        onsets.append(start / RATE_HZ)
    return tuple(onsets), what, group


def _add(mix: Sound, sound: Sound, start: int) -> None:
    """Add `sound` to `mix` from sample `start`, which may be negative."""
    skip = max(0, -start)
    stop = min(len(mix), start + len(sound))
    if stop > start + skip:
        mix[start + skip : stop] += sound[skip : stop - start]
