"""One clip with known truth: pops and distractors in a room, recorded by a device.

`compose` draws a scene from the ranges of a `SceneRule` and mixes it. Sounds are mixed at 48 kHz and resampled once, at
the end. Levels are in dB above the background:

* A pop: the RMS of its loudest 3 ms in its own octave (the octave band of `dsp.OCTAVES_HZ` in which its first 20 ms are
  loudest), above the RMS of the background in the same band.
* A distractor: its loudest 20 ms above the RMS of the background, both without the rumble below 100 Hz.

A pop with less than `AUDIBLE_DB` over everything else within 20 ms in its own octave is masked. It is moved, or left
out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from popdetect.training.data import dsp
from popdetect.training.data.degradation import DEGRADATIONS, DRAWN, SILENCE
from popdetect.training.data.dsp import RATE_HZ, Rng, Sound, burst_rms, convolve, random_curve, resample, rms, shaped
from popdetect.training.data.sounds import SoundBank

AUDIBLE_DB = 9.0
_AUDIBLE_WITHIN_S = 0.02
_PLACES = 6  # tried for a burst until no more of its pops are masked
_WIDEST_STEP_DB = 3.0  # standard deviation of the levels within a burst
_DIRECT_S = 0.0025  # of an impulse response: later sound is reverberation


@dataclass(frozen=True, slots=True)
class SceneRule:
    """Ranges from which scenes are drawn; levels in dB above the background, shares in [0, 1]."""

    duration_s: float = 3.0
    pop_share: float = 0.5  # of the clips
    # a clip with pops has 1, or 2 to 3, or 4 to this many: each is equally likely
    max_pops: int = 7
    least_gap_ms: float = 12.0  # between the pops of a burst; most gaps are 15 to 70 ms
    pop_db: tuple[float, float] = (20.0, 48.0)
    distractor_db: tuple[float, float] = (5.0, 40.0)
    max_distractors: int = 3  # a clip has 0 to this many
    rates_hz: tuple[int, ...] = (48_000,)
    degraded_share: float = 0.0  # of the clips (see `degradation`)
    room_share: float = 0.5  # of the bursts and of the distractors, through the impulse response of a room
    contact_share: float = 0.0  # of the clips, recorded by a skin-mounted sensor (bandwidth 0.8 to 2.5 kHz)
    channels: int = 1  # 2: two skin-mounted sensors (see `two_sensors`), with no rooms and no degradations


@dataclass(frozen=True, slots=True)
class Scene:
    """A mixed clip."""

    samples: Sound  # shape (n,), or (n, 2) of two sensors, within ±1
    rate_hz: int
    onsets_s: tuple[float, ...]  # true onsets, increasing; empty without pops
    what: str  # pops, distractors, degradation and background, in words, for a table
    groups: tuple[str, ...]  # the sources of the sounds
    levels_db: tuple[float, ...] = ()  # of the pops; of two sensors, on the louder channel
    # of the pops, with two sensors: channel 1 minus channel 2; arrival on channel 2 minus channel 1; 1, 2 or both
    level_differences_db: tuple[float, ...] = ()
    arrival_differences_ms: tuple[float, ...] = ()
    found_on: tuple[str, ...] = ()
    direct_db: float = np.inf  # of the room of the pops: direct sound over reverberation; infinite without a room


class _Placed(NamedTuple):
    """A pop at its level, and where it begins in the mix, in samples."""

    sound: Sound
    start: int
    onset: int
    level_db: float


def compose(rng: Rng, bank: SoundBank, rule: SceneRule) -> Scene:
    """Draw and mix one scene."""
    n = int(rule.duration_s * RATE_HZ)
    ground = bank.background(rng, n)
    mix = ground.sound / np.float32(max(rms(ground.sound), 1e-9))
    floor = np.maximum(dsp.octave_rms(mix), 1e-4)
    contact = rule.contact_share > 0 and bool(rng.random() < rule.contact_share)
    device = contact_curve(rng) if contact else random_curve(rng, 2.0)
    parts, groups = [], {ground.group}
    rate_hz = int(rng.choice(rule.rates_hz))
    degradation = str(rng.choice(DRAWN)) if rng.random() < rule.degraded_share else ""
    if degradation == SILENCE:
        mix = np.zeros_like(mix)

    for _ in range(rng.integers(0, rule.max_distractors + 1)):
        thing = bank.distractor(rng)
        sound = convolve(thing.sound, bank.room(rng)) if rng.random() < rule.room_share else thing.sound
        loudest = burst_rms(sound, 20.0)
        if loudest <= 0:
            continue
        gain = 10 ** (float(rng.uniform(*rule.distractor_db)) / 20) / loudest
        start = int(rng.uniform(-0.1, rule.duration_s - 0.05) * RATE_HZ)
        add(mix, sound * np.float32(gain), start)
        parts.append(thing.what)
        groups.add(thing.group)

    placed: list[_Placed] = []
    direct_db = np.inf
    if rng.random() < rule.pop_share:
        placed, what, group, direct_db = burst(rng, bank, rule, mix, floor, contact=contact)
        for one in placed:
            add(mix, one.sound, one.start)
        if placed:
            parts.insert(0, f"{len(placed)} pop{'s' if len(placed) > 1 else ''} ({what})")
            groups.add(group)

    mix = shaped(mix, *device)
    out = resample(mix, RATE_HZ, rate_hz)
    peak = float(np.abs(out).max()) or 1.0
    out = out * np.float32(10 ** (float(rng.uniform(-26, -1)) / 20) / peak)
    if degradation in DEGRADATIONS:
        out = DEGRADATIONS[degradation](rng, out, rate_hz)
    if degradation:
        parts.append(degradation)
    parts.append(f"in {ground.what}" + (", skin-mounted sensor" if contact else ""))
    return Scene(
        samples=out.astype(np.float32),
        rate_hz=rate_hz,
        onsets_s=tuple(one.onset / RATE_HZ for one in placed),
        what="; ".join(parts),
        groups=tuple(sorted(groups)),
        levels_db=tuple(one.level_db for one in placed),
        direct_db=direct_db,
    )


def contact_curve(rng: Rng) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return (frequencies_hz, gains_db) of a skin-mounted sensor: little above 0.8 to 2.5 kHz."""
    top_hz = float(np.exp(rng.uniform(np.log(800), np.log(2500))))
    frequencies = np.array([20, 60, 150, 400, top_hz, 2 * top_hz, 4 * top_hz])
    gains = np.array([-12, 0, 4, 4, 0, -float(rng.uniform(10, 20)), -float(rng.uniform(25, 45))])
    return frequencies, gains + rng.normal(0, 2, len(gains))


def number_of_pops(rng: Rng, most: int) -> int:
    """Draw 1, or 2 to 3, or 4 to `most`, each with the same probability."""
    kinds = [(low, min(high, most)) for low, high in ((1, 1), (2, 3), (4, most)) if low <= most]
    low, high = kinds[int(rng.integers(len(kinds)))]
    return int(rng.integers(low, high + 1))


def burst(
    rng: Rng, bank: SoundBank, rule: SceneRule, mix: Sound, floor: npt.NDArray[np.float64], *, contact: bool
) -> tuple[list[_Placed], str, str, float]:
    """Draw a burst and its place in `mix`; return the audible pops, what they are, their group, `Scene.direct_db`."""
    n_pops = number_of_pops(rng, rule.max_pops)
    drawn = bank.contact_pops(rng, n_pops) if contact else bank.pops(rng, n_pops)
    gaps_ms = rule.least_gap_ms + rng.gamma(1.2, 22.0, n_pops - 1)
    if rng.random() < 0.1:  # a slow burst, as when fingers are pulled one by one
        gaps_ms = rng.uniform(60, 250, n_pops - 1)
    times = np.concatenate([[0.0], np.cumsum(gaps_ms) / 1000])
    response = bank.room(rng) if rng.random() < rule.room_share and not contact else None
    level_db = float(rng.uniform(*rule.pop_db))
    pops, octaves = [], []
    for sound, limit_db, lead_s in zip(drawn.pops, drawn.limits_db, drawn.leads_s, strict=True):
        recorded = sound if response is None else convolve(sound, response)
        octave, loudest = dsp.own_octave(recorded)
        own_db = min(float(np.clip(level_db + rng.normal(0, _WIDEST_STEP_DB), *rule.pop_db)), limit_db)
        gain = 10 ** (own_db / 20) * floor[octave] / max(loudest, 1e-9)
        pops.append((recorded * np.float32(gain), own_db, round(lead_s * RATE_HZ)))
        octaves.append((octave, gain * loudest))
    best: list[_Placed] = []
    for _ in range(_PLACES):
        begin = float(rng.uniform(0.005, max(rule.duration_s - times[-1] - 0.06, 0.006)))
        placed = []
        for time, (sound, own_db, lead), (octave, level) in zip(begin + times, pops, octaves, strict=True):
            onset = round(float(time) * RATE_HZ)
            inside = onset < len(mix) - 0.02 * RATE_HZ
            if inside and loudest_around(mix, onset, octave) * 10 ** (AUDIBLE_DB / 20) <= level:
                placed.append(_Placed(sound, onset - lead, onset, own_db))
        best = max(best, placed, key=len)
        if len(best) == n_pops:
            break
    return best, drawn.what, drawn.group, np.inf if response is None else _direct_db(response)


def _direct_db(response: Sound) -> float:
    """Return the energy of an impulse response up to `_DIRECT_S` over that of the rest, in dB."""
    energy = np.square(response.astype(np.float64))
    first = round(_DIRECT_S * RATE_HZ)
    return float(10 * np.log10(energy[:first].sum() / max(float(energy[first:].sum()), 1e-12)))


def loudest_around(mix: Sound, onset: int, octave: int) -> float:
    """Return the RMS of the loudest 3 ms within 20 ms of a sample, in an octave band."""
    reach, margin = int(_AUDIBLE_WITHIN_S * RATE_HZ), int(0.01 * RATE_HZ)
    begin = max(onset - reach, 0)
    first = max(begin - margin, 0)
    part = dsp.in_octave(mix[first : onset + reach + margin], octave)
    return dsp.loudest_rms(part[begin - first : onset + reach - first])


def add(mix: Sound, sound: Sound, start: int) -> None:
    """Add `sound` to `mix` from sample `start`, which may be negative."""
    skip = max(0, -start)
    stop = min(len(mix), start + len(sound))
    if stop > start + skip:
        mix[start + skip : stop] += sound[skip : stop - start]
