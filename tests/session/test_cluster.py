"""Labelling on a Dask cluster: a scheduler and worker processes on this computer."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import session_fakes

from popdetect.errors import UsageError
from popdetect.session import labelling
from popdetect.training.data.simulated_sessions import simulate

pytest.importorskip("distributed", reason="the extra 'cluster' is not installed")
from popdetect.session import cluster

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning")

label: Callable[..., Any] = partial(labelling.label, detector_factory=session_fakes.make)
ROOT = Path(__file__).resolve().parents[2]
START = "import sys; from distributed.cli.dask_{0} import main; main(sys.argv[1:])"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


class Cluster:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        port = free_port()
        self.address = f"tcp://127.0.0.1:{port}"
        self._start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show")
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.1)

    def worker(self, *options: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start a worker process; with ``--nanny``, one that is started again when it dies."""
        nanny = () if "--nanny" in options else ("--no-nanny",)
        words = ("--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard", *nanny, *options)
        return self._start("worker", self.address, *words, **settings)

    def end(self) -> None:
        for process in self._started[::-1]:
            process.terminate()
        for process in self._started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, kind: str, *words: str, **settings: str) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join([str(ROOT / "src"), str(Path(__file__).parent)])
        own = {
            "PYTHONPATH": paths,
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
            "DASK_TEMPORARY_DIRECTORY": str(self._folder),
        }
        environment = {**os.environ, **own, **settings}
        command = [sys.executable, "-c", START.format(kind), *words]
        started = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._started.append(started)
        return started


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy computer needs some time to start a worker."""
    monkeypatch.setattr(cluster, "CONNECT_S", 60.0)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler with two workers that are started again when they die."""
    made = Cluster(tmp_path_factory.mktemp("dask"))
    for _ in range(2):
        made.worker("--nanny")
    yield made
    made.end()


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler without workers, for one test."""
    made = Cluster(tmp_path_factory.mktemp("dask"))
    yield made
    made.end()


def tables(folder: Path) -> list[bytes]:
    return [(folder / "popdetect" / name).read_bytes() for name in ("clips.csv", "events.csv")]


@pytest.mark.parametrize("ship_bytes", [False, True])
def test_a_cluster_writes_the_same_bytes_as_one_process(session: Path, two: Cluster, ship_bytes: bool) -> None:
    label(session)
    alone = tables(session)
    done: list[tuple[int, int]] = []
    summary = label(
        session, cluster=two.address, ship_bytes=ship_bytes, force=True, on_progress=lambda *state: done.append(state)
    )

    assert tables(session) == alone
    assert done == [(n, 40) for n in range(41)]
    assert (summary.n_new, summary.n_failed) == (40, 1)
    assert {"cluster": True, "ship_bytes": ship_bytes}.items() <= summary.session.run["settings"].items()
    assert two.address not in (session / "popdetect/run.json").read_text()


@pytest.mark.slow
def test_real_clips_on_a_cluster_are_those_of_one_process(tmp_path: Path, two: Cluster) -> None:
    simulate(tmp_path, n_clips=12, n_patients=3, seed=5)
    (tmp_path / "cut.wav").write_bytes(next(tmp_path.glob("p*/*.wav")).read_bytes()[:-9999])
    labelling.label(tmp_path)
    alone = tables(tmp_path)
    for ship_bytes in (False, True):
        labelling.label(tmp_path, cluster=two.address, ship_bytes=ship_bytes, force=True)
        assert tables(tmp_path) == alone


def test_numpy_has_one_thread_on_a_worker(session: Path, two: Cluster) -> None:
    labelling.label(session, cluster=two.address, detector_factory=session_fakes.make_telling)
    assert "RuntimeError: {1}" in (session / "popdetect/clips.csv").read_text()


@pytest.mark.slow
def test_clips_that_kill_their_worker_cost_only_their_rows(session: Path, two: Cluster) -> None:
    label(session)
    alone = [row for row in tables(session)[0].decode().splitlines() if "clip 11" not in row]
    (session / "p1/clip 11.wav").write_bytes(b"killer")
    summary = label(session, cluster=two.address, force=True)

    assert summary.failed == (("p1/clip 07.wav", "cut off"), ("p1/clip 11.wav", "the decoder crashed on it"))
    assert [row for row in tables(session)[0].decode().splitlines() if "clip 11" not in row] == alone


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_no_byte(session: Path, own: Cluster) -> None:
    label(session)
    alone = tables(session)
    workers = [own.worker(), own.worker()]
    killed: list[int] = []

    def on_progress(done: int, total: int) -> None:
        if done >= 6 and not killed:
            killed.append(done)
            workers[0].send_signal(signal.SIGKILL if os.name != "nt" else signal.SIGTERM)

    summary = labelling.label(
        session, cluster=own.address, force=True, on_progress=on_progress, detector_factory=session_fakes.make_slow
    )
    assert killed
    assert workers[0].wait(10) != 0
    assert summary.n_new == 40
    assert tables(session) == alone


def test_an_interruption_keeps_finished_clips_and_cancels_the_rest(session: Path, two: Cluster) -> None:
    label(session)
    alone = tables(session)

    def interrupt(done: int, total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label(session, cluster=two.address, force=True, on_progress=interrupt)
    with cluster._connected(two.address) as client:
        deadline = time.monotonic() + 20
        while any(client.processing().values()):
            assert time.monotonic() < deadline, "chunks are still in work"
            time.sleep(0.1)
    summary = label(session, cluster=two.address)
    assert summary.n_skipped >= 6
    assert tables(session) == alone


@pytest.mark.slow
def test_few_chunks_are_in_flight_however_many_clips_there_are(
    session: Path, two: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 0
    submit = cluster.Client.submit

    def counting(client: Any, *args: Any, **options: Any) -> Any:
        nonlocal most
        made = submit(client, *args, **options)
        most = max(most, len(client.futures))
        return made

    monkeypatch.setattr(cluster.Client, "submit", counting)
    for i in range(600):
        (session / f"more {i}.wav").write_bytes(f"more {i}".encode())
    label(session, cluster=two.address)
    assert 2 <= most <= 2 * cluster.IN_FLIGHT + 2  # of 22; those that are finished are released a moment later


@pytest.mark.slow
def test_a_worker_with_another_version_is_refused(session: Path, own: Cluster, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "src/popdetect", other / "popdetect", ignore=shutil.ignore_patterns("__pycache__"))
    init = other / "popdetect/__init__.py"
    init.write_text(init.read_text().replace('__version__ = "', '__version__ = "9.'))
    worker = own.worker(PYTHONPATH=str(other))
    with pytest.raises(
        UsageError, match=r"the worker tcp://127\.0\.0\.1:\d+ has popdetect 9\..*; 1 of 1 workers differ"
    ):
        label(session, cluster=own.address)
    assert worker.poll() is None


def test_a_worker_that_does_not_see_the_folder_is_named(session: Path, two: Cluster, tmp_path: Path) -> None:
    clips = labelling.find_clips(session).clips
    elsewhere = [clip._replace(path=str(tmp_path / "nowhere" / clip.file)) for clip in clips]
    detector: Any = session_fakes.make(None, "balanced")
    lost = cluster._Task("a.wav", elsewhere[0].path, 5, None)
    with cluster._connected(two.address) as client:
        key = cluster._set_up(client, detector)
        assert client.submit(cluster._detect_on_worker, key, [lost], pure=False).result() == [None]
    with pytest.raises(UsageError, match=r"a worker does not see this file.*--ship-bytes"):
        list(cluster._results(cluster._Job(client, key, detector, False), clips[:1], [None]))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:PORT", "127.0.0.1:PORT", "nonsense://x", "tcp://"])
def test_a_scheduler_that_cannot_be_reached_is_one_line(
    session: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 1.0)
    with pytest.raises(UsageError) as refused:
        label(session, cluster=address.replace("PORT", str(free_port())))
    assert "the Dask scheduler cannot be reached (waited 1 s" in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_a_scheduler_without_workers_is_one_line(session: Path, own: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 2.0)
    with pytest.raises(UsageError, match=r"has no worker; start one: dask worker tcp://127"):
        label(session, cluster=own.address)


@pytest.mark.slow
def test_a_cluster_that_loses_all_workers_ends_the_run_and_keeps_what_is_done(
    session: Path, own: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "NO_WORKER_S", 2.0)
    worker = own.worker()

    def on_progress(done: int, total: int) -> None:
        if done == 10:
            worker.kill()

    with pytest.raises(UsageError, match="the cluster has no worker any more; finished clips are kept"):
        label(session, cluster=own.address, on_progress=on_progress, detector_factory=session_fakes.make_slow)
    assert label(session).n_skipped >= 9


def test_jobs_and_a_cluster_exclude_each_other(session: Path) -> None:
    with pytest.raises(UsageError, match="jobs 2 with a cluster"):
        label(session, jobs=2, cluster="tcp://127.0.0.1:1")
    with pytest.raises(UsageError, match="ship_bytes without a cluster"):
        label(session, ship_bytes=True)
