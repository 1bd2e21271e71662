#!/usr/bin/env python3
"""Measure recordings of two channels on simulated sensors: errors of the differences, hidden pops, and false pops.

Prints three tables. The errors of level and arrival are given by the level of the pop above the background on the
weaker channel. Hidden pops lie on one channel; the other has only noise. False pops come from recordings of two sensors
without pops. Takes some minutes.

Example
-------
scripts/benchmarks/two_sensors.py --clips 200
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from popdetect.detection import channel_search
from popdetect.detection.detector import Detector
from popdetect.records import Event
from popdetect.training.data.dsp import RATE_HZ, Sound
from popdetect.training.data.scenes import SceneRule, compose
from popdetect.training.data.sounds import SoundBank
from popdetect.training.data.two_sensors import compose as compose_two

LEVELS_DB = ((0, 15), (15, 25), (25, 35), (35, 60))
NEAR_S = 0.004


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=200, metavar="N", help="clips of each kind (default: 200)")
    args = parser.parse_args()
    detector, bank = Detector(), SoundBank()
    differences(detector, bank, args.clips)
    hidden(detector, bank, args.clips)
    false_pops(detector, bank, args.clips)


def differences(detector: Detector, bank: SoundBank, n_clips: int) -> None:
    """Print the errors of the differences, and how often the channels on which a pop is found are right."""
    rows: list[tuple[float, float, float | None]] = []
    places = []
    for index in range(n_clips):
        scene = compose_two(np.random.default_rng([7, index]), bank, SceneRule(pop_share=1.0))
        pops = detector.detect(scene.samples, scene.rate_hz).pops
        truths = (scene.levels_db, scene.level_differences_db, scene.arrival_differences_ms, scene.found_on)
        for onset, level_db, between_db, arrival_ms, place in zip(scene.onsets_s, *truths, strict=True):
            pop = nearest(pops, onset)
            if pop is None or not pop.found_on:
                continue
            places.append(pop.found_on == place)
            if pop.found_on == place == "both" and pop.level_difference_db is not None:
                measured = pop.arrival_difference_ms
                late = None if measured is None else abs(measured - arrival_ms)
                rows.append((level_db - abs(between_db), abs(pop.level_difference_db - between_db), late))
    print(f"channels on which a pop is found: right for {np.mean(places):.1%} of {len(places)} pops")
    print("\nerrors (median, 90th percentile), by the level above the background on the weaker channel")
    print(f"{'dB':>9}{'pops':>6}{'level, dB':>15}{'arrival known':>15}{'arrival, ms':>18}")
    for low, high in LEVELS_DB:
        own = [row for row in rows if low <= row[0] < high]
        if own:
            late = [row[2] for row in own if row[2] is not None]
            level = "{:.2f}, {:.2f}".format(*np.quantile([row[1] for row in own], (0.5, 0.9)))
            arrival = "{:.4f}, {:.4f}".format(*np.quantile(late, (0.5, 0.9)))
            print(f"{low:4} to {high:2}{len(own):6}{level:>15}{len(late) / len(own):15.0%}{arrival:>18}")


def nearest(pops: tuple[Event, ...], onset_s: float) -> Event | None:
    """Return the pop within 4 ms, if there is exactly one."""
    near = [pop for pop in pops if abs(pop.onset_s - onset_s) < NEAR_S]
    return near[0] if len(near) == 1 else None


def hidden(detector: Detector, bank: SoundBank, n_clips: int) -> None:
    """Print the share of pops of one sensor that are found beside a channel of noise."""
    rule = SceneRule(pop_share=1.0, contact_share=1.0, rates_hz=(RATE_HZ,))
    scenes = [compose(np.random.default_rng([9, index]), bank, rule) for index in range(n_clips)]
    n_pops = sum(len(scene.onsets_s) for scene in scenes)

    def share(louder_db: float | None) -> float:
        found = 0
        for index, scene in enumerate(scenes):
            samples = scene.samples if louder_db is None else beside_noise(bank, scene.samples, index, louder_db)
            onsets = np.array([*detector.detect(samples, RATE_HZ).onsets_s, np.inf])
            found += sum(bool(np.abs(onsets - onset).min() < NEAR_S) for onset in scene.onsets_s)
        return found / n_pops

    print(f"\npops found, of {n_pops} on one channel, beside a channel of noise")
    print(f"that channel alone: {share(None):.1%}")
    print(f"{'noise louder by':>16}{'mean power only':>17}{'with each channel':>19}")
    for louder_db in (0, 10, 20, 40):
        with mean_power_only():
            without = share(louder_db)
        print(f"{louder_db:13} dB{without:17.1%}{share(louder_db):19.1%}")


def beside_noise(bank: SoundBank, sound: Sound, seed: int, louder_db: float) -> npt.NDArray[np.float32]:
    """Return a recording of two channels: the sound, and noise louder than its background (median magnitudes)."""
    noise = bank.background(np.random.default_rng([10, seed]), len(sound)).sound
    level = np.median(np.abs(sound)) / np.median(np.abs(noise)) * 10 ** (louder_db / 20)
    both = np.stack([sound, noise * np.float32(level)], axis=1)
    return np.asarray(both / np.abs(both).max(), np.float32)


def false_pops(detector: Detector, bank: SoundBank, n_clips: int) -> None:
    """Print how many clips of two sensors without pops are labelled pop."""
    rule = SceneRule(pop_share=0.0, rates_hz=(RATE_HZ,))
    clips = [compose_two(np.random.default_rng([11, index]), bank, rule).samples for index in range(n_clips)]
    minutes = sum(map(len, clips)) / RATE_HZ / 60

    def count(sounds: list[Sound]) -> str:
        found = [detector.detect(sound, RATE_HZ) for sound in sounds]
        pops = sum(one.n_pops for one in found if one.label == "pop")
        return f"{sum(one.label == 'pop' for one in found):6} clips labelled pop, {pops / minutes:5.1f} false pops/min"

    print(f"\n{n_clips} clips of two sensors without pops ({minutes:.1f} min), up to 3 other sounds in each")
    with mean_power_only():
        print(f"{'mean power only':30}{count(clips)}")
    print(f"{'with each channel':30}{count(clips)}")
    print(f"{'the two channels as two clips':30}{count([clip[:, k] for clip in clips for k in (0, 1)])}")


@contextmanager
def mean_power_only() -> Iterator[None]:
    """Search no channel by itself, as before there was such a search."""
    before, channel_search.MASKED_DB = channel_search.MASKED_DB, np.inf
    try:
        yield
    finally:
        channel_search.MASKED_DB = before


if __name__ == "__main__":
    main()
