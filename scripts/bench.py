#!/usr/bin/env python3
"""Measure start-up, throughput, memory and growth, as ratios to other programs.

Absolute times depend on the machine, so each pair is run in turn and the medians are compared. Takes about ten minutes;
with --clips 50 --repeat 1 about three.

Examples
--------
scripts/bench.py
scripts/bench.py --clips 200 --repeat 3
scripts/bench.py --full --json bench.json
scripts/bench.py --study
    Instead: log, outcomes and report of 100, 1,000 and 10,000 thrusts.
scripts/bench.py --long
    Instead: classify and label of recordings of 1 minute, 10 minutes and 2 hours (needs 1 GB of disk).
scripts/bench.py --accuracy --sounds ../shared/audio
    Instead: accuracy on recordings that were not used for training, compared with other methods (needs
    pip install "popdetect[peers]"; half an hour).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path

# set before numpy is loaded, as the command line does
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))

import numpy as np
import soundfile

import bench_live
import bench_long
import bench_study
from popdetect.detection.audio import recording as audio
from popdetect.session import labelling as batch
from popdetect.training.data.manifest import read_manifest
from popdetect.training.data.scenes import SceneRule, compose
from popdetect.training.data.sounds import Recorded, SoundBank

N_SCENES = 1000  # distinct clips; larger sessions are links to them
PLAIN_CLIPS = 40
PLAIN = Path(__file__).parent / "benchmarks" / "plain_script.py"
CLASSIFY = [sys.executable, "-m", "popdetect", "classify"]


def main() -> int:
    """Run, print, compare with the targets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000, metavar="N", help="clips of a session (default: 1000)")
    parser.add_argument("--repeat", type=int, default=7, metavar="N", help="runs of each start-up (default: 7)")
    parser.add_argument("--full", action="store_true", help="also 10,000 clips")
    parser.add_argument(
        "--sounds", type=Path, metavar="DIR", help="mix recordings of this folder, not simulated sounds"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    parser.add_argument("--study", action="store_true", help="measure log, outcomes and report instead")
    parser.add_argument("--long", action="store_true", help="measure long recordings instead")
    parser.add_argument("--live", action="store_true", help="measure how soon listen says a pop instead (a minute)")
    parser.add_argument("--accuracy", action="store_true", help="measure accuracy instead")
    parser.add_argument("--scenes", type=int, default=2000, metavar="N", help="mixed clips for training (2000)")
    parser.add_argument(
        "--trials", type=int, default=200, metavar="N", help="test clips for each test and source of pops (200)"
    )
    parser.add_argument("--no-peers", action="store_true", help="popdetect alone")
    args = parser.parse_args()
    if args.accuracy:
        if args.sounds is None:
            parser.error("--accuracy needs --sounds, a folder of recordings with a MANIFEST.csv")
        import accuracy

        missing = [] if args.no_peers else [name for name in ("auditok", "pyopen_wakeword") if not find_spec(name)]
        if missing:  # reported before the long work
            parser.error(f"{' and '.join(missing)} not installed: pip install 'popdetect[peers]', or --no-peers")
        how = {"n_scenes": args.scenes, "n_trials": args.trials, "others": not args.no_peers}
        accuracy.run(args.sounds, out=args.json, **how)
        return 0
    with tempfile.TemporaryDirectory(prefix="popdetect-bench-") as folder:
        if args.live:
            figures = bench_live.run()
        elif args.study:
            figures = bench_study.run(Path(folder), args.repeat)
            targets(figures, bench_study.targets())
        elif args.long:
            figures = bench_long.run(Path(folder), args.repeat)
            targets(figures, bench_long.targets())
        else:
            figures = run(Path(folder), args)
            targets(figures, wanted(figures))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def run(folder: Path, args: argparse.Namespace) -> dict[str, float]:
    """Run all measurements in `folder`."""
    blas = {name: os.environ[name] for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE") if name in os.environ}
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, {blas or 'default BLAS kernel'}")
    scenes = make_scenes(folder / "scenes", args.sounds)
    print(f"{N_SCENES} scenes of 3 s at 48 kHz from {args.sounds or 'simulated sounds'}\n")
    figures: dict[str, float] = {}
    start_up(folder, scenes[0], args.repeat, figures)
    throughput(folder, scenes, args.clips, figures)
    decoding(folder, scenes, figures)
    memory_and_growth(folder, scenes, (100, 1000, 10_000) if args.full else (100, 1000), figures)
    return figures


def make_scenes(folder: Path, sounds: Path | None) -> list[Path]:
    """Write the distinct clips; return their paths."""
    folder.mkdir()
    bank: SoundBank = Recorded(read_manifest(sounds), 0.5, 0.0) if sounds else SoundBank()
    paths = []
    for index in range(N_SCENES):
        scene = compose(np.random.default_rng([3, index]), bank, SceneRule())
        paths.append(folder / f"scene_{index:03d}.wav")
        audio.write_wav(paths[-1], scene.samples, scene.rate_hz)
    return paths


def session(folder: Path, scenes: list[Path], n: int) -> Path:
    """Make a folder of `n` clips."""
    folder.mkdir()
    for index in range(n):
        os.link(scenes[index % len(scenes)], folder / f"clip_{index:05d}.wav")
    return folder


def start_up(folder: Path, clip: Path, repeat: int, figures: dict[str, float]) -> None:
    """Measure cold processes, in turn."""
    model = folder / "plain.joblib"
    subprocess.run([sys.executable, str(PLAIN), "--fit", str(model)], check=True)
    commands = {
        "python -c 'import numpy, soundfile'": [sys.executable, "-c", "import numpy, soundfile"],
        "popdetect classify clip.wav": [*CLASSIFY, str(clip)],
        "plain librosa + scikit-learn script": [sys.executable, str(PLAIN), str(model), str(clip)],
        "python -c pass": [sys.executable, "-c", "pass"],
        "popdetect --version": [sys.executable, "-m", "popdetect", "--version"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(repeat + 1):
        for name, command in commands.items():
            begun = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn:  # the first warms the disk cache
                times[name].append(time.perf_counter() - begun)
    print(f"start-up, cold process, median of {repeat} (least to most)")
    medians = {}
    for name, seconds in times.items():
        medians[name] = statistics.median(seconds)
        print(f"  {name:40} {medians[name]:7.3f} s  ({min(seconds):.3f} to {max(seconds):.3f})")
    imports, ours, plain, bare, version = medians.values()
    figures["classify_over_imports"] = ours / imports
    figures["plain_over_classify"] = plain / ours
    figures["version_over_bare_python"] = version / bare
    for name in ("classify_over_imports", "plain_over_classify", "version_over_bare_python"):
        print(f"  {name.replace('_', ' '):40} {figures[name]:7.2f}")
    for name, command in list(commands.items())[1:3]:
        figures[f"peak_mb {name.split()[0]}"] = peak_mb(command)
        print(f"  peak memory, {name:27} {figures[f'peak_mb {name.split()[0]}']:7.0f} MB")


def throughput(folder: Path, scenes: list[Path], n: int, figures: dict[str, float]) -> None:
    """Measure decoding, `label` with one and two jobs, and the plain script in one warm process."""
    clips = session(folder / "session", scenes, n)
    paths = sorted(clips.glob("*.wav"))
    # a fresh process, as for a user
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        times = fresh.submit(seconds_per_clip, clips).result()
    plain = plain_seconds(folder, paths[:PLAIN_CLIPS])
    print(f"\nthroughput, {n} clips of 3 s at 48 kHz, median of 5 (least to most)")
    for name, seconds in times.items():
        print(f"  {name:40} {1000 * statistics.median(seconds):7.3f} ms a clip  "
              f"({1000 * min(seconds):.3f} to {1000 * max(seconds):.3f})")  # fmt: skip
    print(f"  {f'plain script, {len(paths[:PLAIN_CLIPS])} clips, warm':40} {1000 * plain:7.3f} ms a clip")
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    figures["label_over_decoding"] = medians["label --jobs 1"] / medians["bare decoding"]
    figures["plain_over_label"] = plain / medians["label --jobs 1"]
    figures["one_job_over_two"] = medians["label --jobs 1"] / medians["label --jobs 2"]
    for name in ("label_over_decoding", "plain_over_label", "one_job_over_two"):
        print(f"  {name.replace('_', ' '):40} {figures[name]:7.2f}")
    shutil.rmtree(clips)


def seconds_per_clip(clips: Path) -> dict[str, list[float]]:
    """Return seconds per clip of decoding and of `label`, run in turn in this process."""
    paths = sorted(clips.glob("*.wav"))

    def decode() -> None:
        for path in paths:
            soundfile.read(path, dtype="float32")

    def label(jobs: int) -> Callable[[], object]:
        return lambda: batch.label(clips, jobs=jobs, force=True)

    work = {"bare decoding": decode, "label --jobs 1": label(1), "label --jobs 2": label(2)}
    times: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(6):
        for name, do in work.items():
            begun = time.perf_counter()
            do()
            if turn:
                times[name].append((time.perf_counter() - begun) / len(paths))
    return times


def decoding(folder: Path, scenes: list[Path], figures: dict[str, float]) -> None:
    """Measure the cost of decoding each format, over that of wav, side by side: all scenes in a row, in one file."""
    import av

    from popdetect.detection.audio.recording import Recording

    samples = np.concatenate([soundfile.read(path, dtype="int16")[0] for path in scenes])[: 48_000 * 60]
    samples = samples if samples.ndim == 1 else samples[:, 0]
    formats = {
        "wav": "",
        "flac": "",
        "ogg": "",
        "mp3": "",
        "m4a": "aac",
        "mov": "alac",
        "webm": "libopus",
        "wma": "wmav2",
    }
    paths = {}
    for name, codec in formats.items():
        paths[name] = path = folder / f"decoding.{name}"
        if not codec:
            with soundfile.SoundFile(path, "w", 48_000, 1) as sound:
                for start in range(0, len(samples), 48_000):  # libsndfile crashes on a long ogg in one piece
                    sound.write(samples[start : start + 48_000])
            continue
        with av.open(str(path), "w") as file:
            track = file.add_stream(codec, rate=48_000, layout="mono", bit_rate=96_000)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None, :]), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 0
            file.mux(track.encode(frame))
            file.mux(track.encode(None))
    times: dict[str, list[float]] = {name: [] for name in paths}
    for turn in range(4):
        for name, path in paths.items():
            begun = time.perf_counter()
            for _ in Recording(path):
                pass
            if turn:
                times[name].append(time.perf_counter() - begun)
    print(f"\nDecoding {len(samples) / 48_000:.0f} s in one file, over wav")
    for name in list(paths)[1:]:
        figures[f"decoding_{name}_over_wav"] = ratio = min(times[name]) / min(times["wav"])
        print(f"  {name:40} {ratio:7.1f}   {len(samples) / 48_000 / min(times[name]):7.0f} times real time")


def plain_seconds(folder: Path, paths: list[Path]) -> float:
    """Return seconds per clip of the plain script, without its start-up."""
    sys.path.insert(0, str(PLAIN.parent))
    import joblib

    import plain_script

    model = joblib.load(folder / "plain.joblib")
    plain_script.features(str(paths[0]))
    begun = time.perf_counter()
    for path in paths:
        model.predict_proba([plain_script.features(str(path))])
    return (time.perf_counter() - begun) / len(paths)


def memory_and_growth(folder: Path, scenes: list[Path], sizes: tuple[int, ...], figures: dict[str, float]) -> None:
    """Measure a cold `label` of growing sessions."""
    print("\ngrowth, cold process")
    for n in sizes:
        clips = session(folder / f"session_{n}", scenes, n)
        command = [sys.executable, "-m", "popdetect", "label", str(clips), "--quiet"]
        begun = time.perf_counter()
        figures[f"label_mb {n}"] = peak_mb(command)
        figures[f"label_s {n}"] = time.perf_counter() - begun
        print(f"  {n:6d} clips {figures[f'label_s {n}']:9.2f} s {figures[f'label_mb {n}']:7.0f} MB")
        begun = time.perf_counter()
        subprocess.run([*command, "--force", "--jobs", "2"], check=True)
        figures[f"label_two_jobs_s {n}"] = time.perf_counter() - begun
        figures[f"one_job_over_two {n}"] = figures[f"label_s {n}"] / figures[f"label_two_jobs_s {n}"]
        times_faster = figures[f"one_job_over_two {n}"]
        print(f"         two jobs {figures[f'label_two_jobs_s {n}']:6.2f} s, {times_faster:.2f} times as fast")
        shutil.rmtree(clips)


def peak_mb(command: list[str]) -> float:
    """Return the peak resident memory of a command, in MB."""
    return bench_study.measured(command)[1]


def wanted(figures: dict[str, float]) -> list[tuple[str, str, float]]:
    """Return the targets: figure, sign, limit."""
    found = [
        ("classify_over_imports", "<=", 2.5),
        ("plain_over_classify", ">=", 8.0),
        ("label_over_decoding", "<=", 6.0),
        ("plain_over_label", ">=", 10.0),
        ("one_job_over_two", ">=", 1.7),
        ("peak_mb popdetect", "<=", 80.0),
    ]
    if "one_job_over_two 10000" in figures:  # two processes take a quarter of a second to start
        found.append(("one_job_over_two 10000", ">=", 1.7))
    return found


def targets(figures: dict[str, float], wanted: list[tuple[str, str, float]]) -> None:
    """Print each target, what was measured, and whether the target is met."""
    print("\ntargets")
    for name, sign, limit in wanted:
        met = figures[name] <= limit if sign == "<=" else figures[name] >= limit
        print(f"  {name.replace('_', ' '):40} {figures[name]:7.2f}  {sign} {limit:g}  {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    sys.exit(main())
