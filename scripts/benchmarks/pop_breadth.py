#!/usr/bin/env python3
"""Compare the spectral breadth of recorded pops with that of simulated ones, which follow the recorded ones.

Breadth is the spectral entropy of the first 5 ms. Prints one row per recording of pops, then quantiles
of simulated pops and mouth clicks. Takes some seconds.

Example
-------
scripts/benchmarks/pop_breadth.py --sounds ../shared/audio
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from popdetect.training.data import synthesis
from popdetect.training.data.dsp import RATE_HZ, Sound
from popdetect.training.data.manifest import read_manifest
from popdetect.training.data.sounds import SoundBank, pops_of

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=Path, required=True, metavar="DIR", help="sound folder with a MANIFEST.csv")
    parser.add_argument("--simulated", type=int, default=1000, metavar="N", help="how many to draw (default: 1000)")
    args = parser.parse_args()
    for source in read_manifest(args.sounds):
        if source.kind == "pop":
            values = ", ".join(f"{breadth(pop.sound):.2f}" for pop in pops_of(source))
            print(f"{source.path.stem[:40]:42}{values}")
    rng, bank = np.random.default_rng(0), SoundBank()
    made = {
        "simulated pops, as scenes have them": lambda: bank.pops(rng, 1).pops[0],
        "simulated mouth clicks": lambda: synthesis.mouth_clicks(rng),
    }
    print("\n" + " " * 42 + "".join(format(f"{quantile:.0%}", ">7") for quantile in QUANTILES))
    for name, draw in made.items():
        found = np.quantile([breadth(draw()) for _ in range(args.simulated)], QUANTILES)
        print(f"{name:42}{''.join(f'{value:7.2f}' for value in found)}")


def breadth(sound: Sound) -> float:
    """Return the spectral entropy (nats) of the first 5 ms, 0.6 to 12 kHz: how broad the spectrum is.

    0 if all power lies in one bin of 100 Hz; 4.74 if it is spread evenly over all 115 bins.
    """
    size = RATE_HZ // 200
    first = np.zeros(size)
    first[: len(sound)] = sound[:size]
    taper = np.cos(np.pi / 2 * np.arange(size) / size)
    power = np.square(np.abs(np.fft.rfft((first - first.mean()) * taper, 2 * size)))[6:121]
    share = power / max(float(power.sum()), 1e-30) + 1e-12
    return float(-(share * np.log(share)).sum())


if __name__ == "__main__":
    main()
