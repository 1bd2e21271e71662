"""Many clips to verdicts on a Dask cluster; the only module that imports distributed.

`detect_all` gives the same verdicts as that of `workers`. Each worker process gets the detector itself, with its model,
from this process, so no worker can use another model; a worker with another version of popdetect is refused. Clips are
sent by their paths on shared storage, or as bytes. A worker that dies costs nothing but time: its clips are processed
elsewhere. A clip that kills each worker it comes to gets a verdict. The number of chunks in flight does not depend on
the number of clips.
"""

from __future__ import annotations

import hashlib
import logging
import os
import queue
import socket
import tempfile
import threading
import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from distributed import Client, Future, KilledWorker, WorkerPlugin
from distributed.protocol import pickle

from popdetect import __version__
from popdetect.detection.detector import Detector
from popdetect.errors import UsageError
from popdetect.records import Verdict
from popdetect.session.files import Clip
from popdetect.session.workers import CRASHED, Result, chunks, detect_chunk, one_thread

CONNECT_S = 10.0  # time to reach the scheduler and its first worker
NO_WORKER_S = 60.0  # without a worker for so long, the run ends; one that died needs some seconds to start again
IN_FLIGHT = 2  # chunks for each thread of the cluster: one in work, one waiting


class _Task(NamedTuple):
    """One clip as a worker needs it."""

    file: str
    path: str  # absolute
    size: int  # bytes, as listed; -1 if unknown
    raw: bytes | None  # its content, if it is sent


class _Job(NamedTuple):
    """What is equal for all chunks of a run."""

    client: Client
    key: str  # names the detector in the worker processes
    detector: Detector
    ship_bytes: bool


def detect_all(
    clips: Sequence[Clip], detector: Detector, address: str, *, ship_bytes: bool = False
) -> Generator[Result, None, None]:
    """Process every clip once, on the workers of the Dask scheduler at `address`, in any order.

    Raises UsageError when the scheduler or its workers cannot be used, or are lost.
    """
    if not clips:
        return
    with _connected(address) as client:
        job = _Job(client, _set_up(client, detector), detector, ship_bytes)
        suspects = yield from _run(job, chunks(clips, max(1, _n_threads(client))))
        for clip in suspects:  # alone on the cluster: a dead worker is then due to this clip
            yield from _run(job, iter([[clip]]), alone=True)


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    log = logging.getLogger("distributed")
    level, client = log.level, None
    log.setLevel(logging.CRITICAL)  # what it would print is raised here as one line
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions of other packages; that of popdetect is checked
            client = Client(address, timeout=CONNECT_S, set_as_default=False)
            client.wait_for_workers(1, timeout=CONNECT_S)
    except (OSError, ValueError, TypeError, RuntimeError) as error:
        what = "has no worker; start one: dask worker" if client is not None else "cannot be reached"
        if client is not None:
            client.close()
        log.setLevel(level)
        raise UsageError(
            f"cluster {address}: the Dask scheduler {what}{' ' + address if client is not None else ''} "
            f"(waited {CONNECT_S:g} s; an address is like tcp://10.0.0.5:8786)"
        ) from error
    try:
        yield client
    finally:
        client.close()
        log.setLevel(level)


def _set_up(client: Client, detector: Detector) -> str:
    """Send the detector to all workers, also to those that come later; return its key."""

    def version() -> str:  # sent as code, as an older popdetect does not have this module
        import popdetect

        return popdetect.__version__

    found = client.run(version, on_error="return")
    wrong = {worker: said for worker, said in found.items() if said != __version__}
    if wrong:
        worker, said = next(iter(wrong.items()))
        has = f"has popdetect {said}" if isinstance(said, str) else f"cannot import popdetect ({said})"
        raise UsageError(
            f"the worker {worker} {has}, and this is {__version__}; {len(wrong)} of {len(found)} workers differ: "
            "install the same version on all, as results of two versions must not be mixed"
        )
    with one_thread():
        raw = pickle.dumps(detector)
    setup = _SetUp(hashlib.sha256(raw).hexdigest(), detector.model.sha256, raw)
    try:
        client.register_plugin(setup, name=setup.key)
    except Exception as error:
        raise UsageError(f"the workers cannot use this model: {_reason(error)}") from error
    return setup.key


class _SetUp(WorkerPlugin):  # type: ignore[misc, unused-ignore]
    """Makes the detector in a worker process, once."""

    def __init__(self, key: str, model_sha256: str, raw: bytes) -> None:
        self.key, self.model_sha256, self.version, self._raw = key, model_sha256, __version__, raw

    def setup(self, worker: Any) -> None:
        if self.version != __version__:
            raise RuntimeError(f"popdetect {__version__} on {socket.gethostname()}, {self.version} is needed")
        if hashlib.sha256(self._raw).hexdigest() != self.key:
            raise RuntimeError(f"the model arrived damaged on {socket.gethostname()}")
        detector = pickle.loads(self._raw)
        if detector.model.sha256 != self.model_sha256:
            raise RuntimeError(f"another model on {socket.gethostname()}")
        one_thread()  # until the process ends
        _detectors[self.key] = detector

    def teardown(self, worker: Any) -> None:
        _detectors.pop(self.key, None)


_detectors: dict[str, Detector] = {}  # of a worker process, by key
_one_at_a_time = threading.Lock()  # a worker process may have several threads


def _detect_on_worker(key: str, tasks: Sequence[_Task]) -> list[Verdict | None]:
    """Process a chunk in a worker process; None for a clip that is not the same file here."""
    if key not in _detectors:
        raise RuntimeError(
            f"the worker on {socket.gethostname()} did not get the model; is its popdetect {__version__}?"
        )
    with tempfile.TemporaryDirectory(prefix="popdetect-") as folder:
        clips = []
        for number, task in enumerate(tasks):
            path = task.path
            if task.raw is not None:  # as a file of the same type, so that it is decoded in the same way
                sent = Path(folder, f"{number}{Path(task.path).suffix}")
                sent.write_bytes(task.raw)
                path = str(sent)
            elif task.size != _size(task.path):
                path = ""
            clips.append(Clip(task.file, path, task.size, -1))
        with _one_at_a_time:
            verdicts = iter(detect_chunk(_detectors[key], [clip for clip in clips if clip.path]))
        return [next(verdicts) if clip.path else None for clip in clips]


def _run(job: _Job, parts: Iterator[Sequence[Clip]], *, alone: bool = False) -> Generator[Result, None, list[Clip]]:
    """Process all parts; return the clips of those that were in work on several workers that died."""
    suspects: list[Clip] = []
    running: dict[Future, Sequence[Clip]] = {}
    done: queue.Queue[Future] = queue.Queue()
    limit, asked_at, worker_seen_at = 1 if alone else IN_FLIGHT * max(1, _n_threads(job.client)), 0.0, time.monotonic()
    try:
        while True:
            while len(running) < limit and (chunk := next(parts, None)) is not None:
                tasks, here = _tasks(chunk, job.ship_bytes)
                yield from zip(here, detect_chunk(job.detector, here), strict=True)
                sent = [clip for clip in chunk if clip not in here]
                if tasks:
                    future = job.client.submit(_detect_on_worker, job.key, tasks, pure=False)
                    running[future] = sent
                    future.add_done_callback(done.put)
            if not running:
                return suspects
            if time.monotonic() - asked_at > 5:  # workers come and go
                asked_at, n_threads = time.monotonic(), _n_threads(job.client)
                worker_seen_at = asked_at if n_threads else worker_seen_at
                limit = 1 if alone else IN_FLIGHT * max(1, n_threads)
                if asked_at - worker_seen_at > NO_WORKER_S:
                    raise UsageError(
                        "the cluster has no worker any more; finished clips are kept: run the command again"
                    )
            try:
                future = done.get(timeout=1)
            except queue.Empty:
                continue
            chunk = running.pop(future)
            if future.status not in ("finished", "error"):
                raise UsageError("the connection to the Dask scheduler was lost; finished clips are kept: run it again")
            error = None if future.status == "finished" else future.exception(timeout=CONNECT_S)
            if error is None:
                yield from _results(job, chunk, future.result())
            elif not isinstance(error, KilledWorker):
                raise UsageError(f"the cluster: {_reason(error)}; finished clips are kept") from error
            elif alone:
                yield chunk[0], Verdict(chunk[0].file, "unreadable", None, error=CRASHED)
            else:
                suspects += chunk
            future.release()
    except (OSError, RuntimeError, CancelledError) as error:  # of distributed
        raise UsageError(f"the cluster was lost: {_reason(error)}; finished clips are kept: run it again") from error
    finally:
        if running and job.client.status == "running":
            job.client.cancel(list(running), force=True)


def _results(job: _Job, clips: Sequence[Clip], verdicts: Sequence[Verdict | None]) -> Iterator[Result]:
    for clip, verdict in zip(clips, verdicts, strict=True):
        if verdict is None:
            if _size(clip.path) == clip.size:
                raise UsageError(
                    f"{clip.path}: a worker does not see this file, or sees one of another size; give a folder that "
                    "all workers see under the same path, or send the recordings with --ship-bytes"
                )
            (verdict,) = detect_chunk(job.detector, [clip])  # it changed after it was listed
        yield clip, verdict


def _tasks(chunk: Sequence[Clip], ship_bytes: bool) -> tuple[list[_Task], list[Clip]]:
    """Return the clips to send, and those that cannot be read here and so are for this process."""
    tasks, here = [], []
    for clip in chunk:
        raw = None
        try:
            raw = Path(clip.path).read_bytes() if ship_bytes and clip.size >= 0 else None
        except OSError:
            here.append(clip)
            continue
        if clip.size < 0:
            here.append(clip)
        else:
            tasks.append(_Task(clip.file, os.path.abspath(clip.path), clip.size, raw))  # noqa: PTH100  # links stay
    return tasks, here


def _n_threads(client: Client) -> int:
    return sum(client.nthreads().values())


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return -1


def _reason(error: BaseException) -> str:
    return " ".join(f"{error or type(error).__name__}".split())
