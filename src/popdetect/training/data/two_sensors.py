"""Clips of two skin-mounted sensors with known truth: each pop from a place between them.

`compose` draws a scene as `scenes.compose` does, with contact sensors, and records it with two of them. The sensors lie
4 to 8 cm apart. Each pop comes from a place between them, 1 to 4 cm deep. Its wave reaches the farther sensor later and
weaker: wave speed 40 to 1500 m/s (from shear waves to compression waves of soft tissue), level by 1 / distance and 0.05
to 0.3 dB per mm. One of the sensors couples to the skin 0 to 12 dB less well. Each channel has its own background noise
and its own echo of each pop, 3 to 9 ms later and 10 to 25 dB weaker. Other sounds reach both channels, too.

These are assumptions, chosen so that the differences cover what popdetect measures; they are not measured properties of
patients. A pop is found on a channel if it is audible there: `scenes.AUDIBLE_DB` over everything else within 20 ms, in
its own octave.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from popdetect.training.data import dsp
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, burst_rms, resample, rms, shaped
from popdetect.training.data.scenes import AUDIBLE_DB, Scene, SceneRule, add, burst, contact_curve, loudest_around
from popdetect.training.data.sounds import SoundBank

APART_M = (0.04, 0.08)
DEPTH_M = (0.01, 0.04)
SPEED_M_S = (40.0, 1500.0)
LOSS_DB_PER_MM = (0.05, 0.3)
WEAKER_DB = (0.0, 12.0)
ECHO_MS, ECHO_DB = (3.0, 9.0), (-25.0, -10.0)


class _Path(NamedTuple):
    """How a sound reaches two sensors: gain and delay of each; the least delay is 0."""

    gains: tuple[float, float]
    delays_s: tuple[float, float]


def compose(rng: Rng, bank: SoundBank, rule: SceneRule) -> Scene:
    """Draw and mix one scene of two channels; its onsets are those of the earlier channel."""
    n = int(rule.duration_s * RATE_HZ)
    grounds = [bank.background(rng, n) for _ in range(2)]
    mix = [ground.sound / np.float32(max(rms(ground.sound), 1e-9)) for ground in grounds]
    floor = np.maximum(np.maximum(*(dsp.octave_rms(sound) for sound in mix)), 1e-4)
    parts, groups = [], {ground.group for ground in grounds}
    apart_m = float(rng.uniform(*APART_M))
    coupling = np.ones(2)
    coupling[rng.integers(2)] = 10 ** (-float(rng.uniform(*WEAKER_DB)) / 20)
    speed_m_s = float(np.exp(rng.uniform(*np.log(SPEED_M_S))))
    loss_db = float(rng.uniform(*LOSS_DB_PER_MM))

    def path() -> _Path:
        place_m = float(rng.uniform(-apart_m / 2, apart_m / 2))
        far_m = np.hypot(place_m + np.array([apart_m / 2, -apart_m / 2]), float(rng.uniform(*DEPTH_M)))
        beyond_m = far_m - far_m.min()
        gains = coupling * far_m.min() / far_m * 10 ** (-loss_db * 1000 * beyond_m / 20)
        # the louder channel has the level that was drawn
        first, second = (gains / gains.max()).tolist()
        return _Path((first, second), (float(beyond_m[0] / speed_m_s), float(beyond_m[1] / speed_m_s)))

    for _ in range(rng.integers(0, rule.max_distractors + 1)):
        thing = bank.distractor(rng)
        loudest = burst_rms(thing.sound, 20.0)
        if loudest <= 0:
            continue
        gain = 10 ** (float(rng.uniform(*rule.distractor_db)) / 20) / loudest
        start = int(rng.uniform(-0.1, rule.duration_s - 0.05) * RATE_HZ)
        _record(rng, mix, thing.sound * np.float32(gain), start, path())
        parts.append(thing.what)
        groups.add(thing.group)

    onsets, levels, level_differences, arrivals, found_on = [], [], [], [], []
    if rng.random() < rule.pop_share:
        # audible on a channel as loud as the sum of both is audible on at least one of them
        placed, what, group, _ = burst(rng, bank, rule, mix[0] + mix[1], floor, contact=True)
        before = [sound.copy() for sound in mix]
        for one in placed:
            way = path()
            _record(rng, mix, one.sound, one.start, way)
            octave, level = dsp.own_octave(one.sound)
            heard = [
                loudest_around(before[channel], one.onset, octave) * 10 ** (AUDIBLE_DB / 20) <= level * gain
                for channel, gain in enumerate(way.gains)
            ]
            onsets.append(one.onset / RATE_HZ)
            levels.append(one.level_db)
            level_differences.append(20 * float(np.log10(way.gains[0] / way.gains[1])))
            arrivals.append(1000 * (way.delays_s[1] - way.delays_s[0]))
            found_on.append("both" if all(heard) else "1" if heard[0] else "2")
        if placed:
            parts.insert(0, f"{len(placed)} pop{'s' if len(placed) > 1 else ''} ({what})")
            groups.add(group)

    device = contact_curve(rng)
    rate_hz = int(rng.choice(rule.rates_hz))
    out = np.stack([resample(shaped(sound, *device), RATE_HZ, rate_hz) for sound in mix], axis=1)
    peak = float(np.abs(out).max()) or 1.0
    out *= np.float32(10 ** (float(rng.uniform(-26, -1)) / 20) / peak)
    parts.append(f"in {grounds[0].what}, two skin-mounted sensors")
    return Scene(
        samples=out.astype(np.float32),
        rate_hz=rate_hz,
        onsets_s=tuple(onsets),
        what="; ".join(parts),
        groups=tuple(sorted(groups)),
        levels_db=tuple(levels),
        level_differences_db=tuple(level_differences),
        arrival_differences_ms=tuple(arrivals),
        found_on=tuple(found_on),
    )


def _record(rng: Rng, mix: list[Sound], sound: Sound, start: int, way: _Path) -> None:
    """Add a sound to both channels, with an echo on each."""
    for channel, (gain, delay_s) in enumerate(zip(way.gains, way.delays_s, strict=True)):
        lag_s = float(rng.uniform(*ECHO_MS)) / 1000
        echo = gain * 10 ** (float(rng.uniform(*ECHO_DB)) / 20)
        add(mix[channel], np.float32(gain) * delayed(sound, delay_s), start)
        add(mix[channel], np.float32(echo) * delayed(sound, delay_s + lag_s), start)


def delayed(sound: Sound, delay_s: float) -> Sound:
    """Return a sound that begins `delay_s` later, also by a part of a sample; it becomes longer by the delay."""
    n = len(sound) + int(np.ceil(delay_s * RATE_HZ)) + 1
    n_fft = 1 << (n + 64 - 1).bit_length()
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(n_fft, 1 / RATE_HZ) * delay_s)
    return np.asarray(np.fft.irfft(np.fft.rfft(sound, n_fft) * turn, n_fft)[:n], np.float32)
