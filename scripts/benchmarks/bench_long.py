"""Speed and memory for long recordings, beside a program that only reads the file; run by ``scripts/bench.py --long``.

Each figure is of a cold process with one thread. The real-time factor is the length of the recording divided by the
processor time of the process, so that other programs do not change it. Files are 16-bit wav with one channel at 48 kHz:
noise of a room with a mixed clip of 3 s every 20 s.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import IO

import numpy as np
import soundfile

from bench_study import POPDETECT
from popdetect.training.data.dsp import RATE_HZ, coloured_noise
from popdetect.training.data.scenes import SceneRule, compose
from popdetect.training.data.sounds import SoundBank

MINUTES = (1, 10, 120)
EVERY_S = 20
_CAT = "import shutil, sys\nshutil.copyfileobj(open(sys.argv[1], 'rb'), sys.stdout.buffer, 1 << 20)"
_STARTER = """
import resource, subprocess, sys, time
begun = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.perf_counter() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss)
"""
_READ = "import sys, soundfile\nfor block in soundfile.blocks(sys.argv[1], 960_000, dtype='float32'): pass"


def run(folder: Path, repeat: int) -> dict[str, float]:
    """Run and print all measurements; medians of `repeat` runs."""
    figures: dict[str, float] = {}
    print(f"long recordings, cold processes, median of {repeat}")
    print(f"  {'minutes':>7}  {'command':20} {'s':>7} {'CPU s':>7} {'x real time':>12} {'MB':>5} {'x reading':>10}")
    for minutes in MINUTES:
        path = folder / f"take_{minutes}.wav"
        write(path, minutes)
        took: dict[str, list[tuple[float, ...]]] = {"read with soundfile": [], "classify": [], "classify -": []}
        for _ in range(repeat):
            took["read with soundfile"].append(measured([sys.executable, "-c", _READ, str(path)]))
            took["classify"].append(measured([*POPDETECT, "classify", str(path), "--quiet"]))
            with subprocess.Popen([sys.executable, "-c", _CAT, str(path)], stdout=subprocess.PIPE) as pipe:
                took["classify -"].append(measured([*POPDETECT, "classify", "-", "--quiet"], pipe.stdout))
        reading = statistics.median(run[1] for run in took["read with soundfile"])
        for name, runs in took.items():
            seconds, cpu, mb = (statistics.median(values) for values in zip(*runs, strict=True))
            factor = 60 * minutes / cpu
            print(f"  {minutes:7d}  {name:20} {seconds:7.2f} {cpu:7.2f} {factor:12.0f} {mb:5.0f} {cpu / reading:10.1f}")
            figures |= {f"{name} {minutes} min, x real time": factor, f"{name} {minutes} min, MB": mb}
    takes = folder / "takes"
    takes.mkdir()
    for number in range(8):
        os.link(folder / f"take_{MINUTES[1]}.wav", takes / f"take_{number}.wav")
    for jobs in (1, 2):
        label = [*POPDETECT, "label", str(takes), "--force", "--quiet", "--jobs", str(jobs)]
        figures[f"label, jobs {jobs}, s"] = seconds = measured(label)[0]
        workers = "1 process" if jobs == 1 else f"{jobs} processes"
        print(f"  label of 8 takes of {MINUTES[1]} minutes, {workers}: {seconds:.2f} s")
    return figures


def measured(command: list[str], source: IO[bytes] | None = None) -> tuple[float, float, float]:
    """Return seconds, processor seconds and peak megabytes of a command with this standard input."""
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    out = subprocess.run(
        [sys.executable, "-c", _STARTER, *command],
        check=True,
        stdout=subprocess.PIPE,
        stdin=source,
        text=True,
        env=alone,
    ).stdout
    seconds, cpu, kilobytes = map(float, out.split())
    return seconds, cpu, kilobytes / (1024 * 1024 if sys.platform == "darwin" else 1024)


def write(path: Path, minutes: int) -> None:
    """Write a take, minute by minute."""
    rng, bank = np.random.default_rng(5), SoundBank()
    with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16") as file:
        for minute in range(minutes):
            sound = coloured_noise(rng, 60 * RATE_HZ, 4) * np.float32(0.003)
            for turn in range(60 // EVERY_S):
                clip = compose(np.random.default_rng([3, minute, turn]), bank, SceneRule()).samples
                sound[(EVERY_S * turn + 5) * RATE_HZ :][: len(clip)] += clip
            file.write(np.clip(sound, -1, 1))


def targets() -> list[tuple[str, str, float]]:
    """Return the targets: figure, sign, limit."""
    return [
        ("classify 120 min, x real time", ">=", 1000.0),
        ("classify 120 min, MB", "<=", 120.0),
        ("classify - 120 min, MB", "<=", 120.0),
    ]
