#!/usr/bin/env python3
"""How broad the spectra of recorded pops are, beside those of simulated ones: what `simulation.pop` is drawn after.

A row for each recorded pop, cut out at its marked onset, then quantiles of as many simulated ones.

Example: scripts/pop_breadth.py --sounds ../shared/audio
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from popdetect.hearing import tone
from popdetect.hearing.locating import snippets
from popdetect.learning import simulation
from popdetect.learning.dsp import RATE_HZ, Sound
from popdetect.learning.sounds import pops_of, read_manifest

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def main() -> None:
    """Show the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=Path, required=True, metavar="DIR", help="sound folder with a MANIFEST.csv")
    parser.add_argument("--simulated", type=int, default=1000, metavar="N", help="how many to draw (default: 1000)")
    args = parser.parse_args()
    print(f"{'':44}{'entropy':>9}{'spread':>9}{'share':>9}{'flatness':>9}{'peak Hz':>9}")
    for source in read_manifest(args.sounds):
        for number, pop in enumerate(pops_of(source) if source.kind == "pop" else (), start=1):
            _show(f"{source.path.stem[:38]} {number}", _told(pop))
    rng = np.random.default_rng(0)
    rows = [_told(simulation.pop(rng, simulation.draw_voice(rng, skin_share=0.0))) for _ in range(args.simulated)]
    for quantile, row in zip(QUANTILES, np.quantile(rows, QUANTILES, axis=0), strict=True):
        _show(f"simulated in air, quantile {quantile:g}", row)


def _told(pop: Sound) -> np.ndarray:
    start = RATE_HZ // 100
    clip = np.concatenate([np.zeros(start, np.float32), pop, np.zeros(start, np.float32)])[:, None]
    return tone.describe(partial(snippets, clip), np.array([start]), RATE_HZ)[0]


def _show(name: str, row: np.ndarray) -> None:
    entropy, spread, share, flatness, peak = row
    print(f"{name:44}{entropy:9.2f}{spread:9.2f}{share:9.2f}{flatness:9.2f}{np.exp(peak):9.0f}")


if __name__ == "__main__":
    main()
