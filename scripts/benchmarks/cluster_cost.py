#!/usr/bin/env python3
"""What a clip costs on a Dask cluster: processor time of each process, and bytes over the network.

Copies one simulated clip of 3 s, starts a scheduler and workers on this computer, and labels the copies. Processor
times are those of the processes, so other work on the computer changes them little. Bytes are those of the loopback
interface: run it in a network namespace of its own (``unshare -n``, then ``ip link set lo up``) if other programs use
it. Linux only.

Example
-------
scripts/benchmarks/cluster_cost.py --clips 1500 --workers 2
"""

from __future__ import annotations

import argparse
import os
import pickle
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soundfile

from popdetect.detection.detector import Detector
from popdetect.session import cluster, workers
from popdetect.session.files import find_clips
from popdetect.training.data.simulated_sessions import simulate

FORMATS = {
    "wav": {},
    "wav 24 bits": {"subtype": "PCM_24"},
    "flac": {},
    "ogg": {},
    "mp3": {},
    "m4a": {},
}
START = "import sys; from distributed.cli.dask_{0} import main; main(sys.argv[1:])"


def main() -> None:
    """Print the three tables."""
    cluster.CONNECT_S = 60.0
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1500, help="copies of the clip")
    parser.add_argument("--workers", type=int, default=2, help="worker processes, one thread each")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        source = _clip(root / "one")
        for number in range(args.clips):
            (root / f"{number}.wav").write_bytes(source.read_bytes())
        clips = [clip for clip in find_clips(root).clips if "/" not in clip.file]
        print(f"{len(clips)} wav clips of {clips[0].size} bytes, {args.workers} workers")
        print(f"the detector as it is sent to each worker, once: {len(pickle.dumps(Detector()))} bytes")
        _formats(source)
        print("process          CPU ms per clip   bytes per clip")
        _alone(clips)
        for ship_bytes in (False, True):
            _on_cluster(clips, args.workers, ship_bytes)


def _clip(folder: Path) -> Path:
    simulate(folder, n_clips=5, n_patients=1, seed=5)
    first = sorted(folder.rglob("*.wav"))[0]
    samples, rate_hz = soundfile.read(first)
    soundfile.write(first, np.resize(samples, 3 * rate_hz), rate_hz, subtype="PCM_16")
    return first


def _formats(source: Path) -> None:
    """Print the processor time of one clip by format, in one process, without a cluster."""
    print("format           CPU ms per clip   bytes of the file")
    samples, rate_hz = soundfile.read(source)
    detector = Detector()
    for name, options in FORMATS.items():
        path = source.with_name(f"clip_{name.replace(' ', '_')}.{name.split()[0]}")
        if name == "m4a":
            _write_m4a(path, samples, rate_hz)
        else:
            soundfile.write(path, samples, rate_hz, **options)
        chunk = [(path, path.name)] * 30
        used = []
        for _ in range(7):
            before = time.process_time()
            assert all(verdict.status == "ok" for verdict in detector.verdicts(chunk))
            used.append((time.process_time() - before) / len(chunk))
        print(f"{name:16} {1000 * statistics.median(used):15.2f} {path.stat().st_size:16}")


def _write_m4a(path: Path, samples: npt.NDArray[np.float64], rate_hz: int) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        file.mux([*stream.encode(frame), *stream.encode(None)])


def _alone(clips: list) -> None:
    detector, before = Detector(), time.process_time()
    for _ in workers.detect_all(clips, detector, Detector, 1):
        pass
    print(f"{'alone':16} {1000 * (time.process_time() - before) / len(clips):15.2f}")


def _on_cluster(clips: list, n_workers: int, ship_bytes: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    words = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show"]
    worker = ["worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
    started = [_start(words)]
    try:
        time.sleep(5)
        started += [_start(worker) for _ in range(n_workers)]
        time.sleep(12)
        warm = cluster.detect_all(clips[:60], Detector(), address, ship_bytes=ship_bytes)
        assert len(list(warm)) == 60
        cpu, sent, own = [_cpu_s(one.pid) for one in started], _loopback(), time.process_time()
        n = sum(1 for _ in cluster.detect_all(clips, Detector(), address, ship_bytes=ship_bytes))
        own, sent = time.process_time() - own, _loopback() - sent
        used = [_cpu_s(one.pid) - before for one, before in zip(started, cpu, strict=True)]
        how = "bytes" if ship_bytes else "paths"
        print(f"{how + ': client':16} {1000 * own / n:15.2f} {sent / n:16.0f}")
        print(f"{how + ': scheduler':16} {1000 * used[0] / n:15.2f}")
        print(f"{how + ': workers':16} {1000 * sum(used[1:]) / n:15.2f}")
    finally:
        for one in started:
            one.terminate()
            one.wait()


def _start(words: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", START.format(words[0]), *words[1:]]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _cpu_s(pid: int) -> float:
    values = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def _loopback() -> int:
    line = next(line for line in Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("lo:"))
    return int(line.split()[1])


if __name__ == "__main__":
    main()
