"""Many clips to verdicts, in this process or in several; yielded as they finish, in any order.

A clip never ends the run: an exception becomes a verdict, and so does the death of the process that decoded the clip.
The latter needs `jobs` > 1; with one job there is no other process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import load
from popdetect.errors import UsageError
from popdetect.records import Verdict
from popdetect.session.files import Clip

CHUNK = 30  # clips sent at once: some 30 ms of work for one message
CRASHED = "the decoder crashed on it"

Result = tuple[Clip, Verdict]
Factory = Callable[[str | None, str], Detector]


def load_detector(model: str | None, operating_point: str) -> Detector:
    """Return the detector of a bundle; None is the bundle that comes with popdetect.

    Raises
    ------
    ModelError, UsageError
    """
    return Detector(load(model), operating_point)


class DetectorSpec(NamedTuple):
    """How to make the same detector in another process."""

    factory: Factory
    model: str | None
    operating_point: str

    def make(self) -> Detector:
        """Make the detector."""
        return self.factory(self.model, self.operating_point)


def check_jobs(jobs: int) -> None:
    """Refuse an impossible number of processes.

    Raises
    ------
    UsageError
    """
    if jobs < 1:
        raise UsageError(f"jobs {jobs}; at least 1 process is needed")
    if os.name == "nt" and jobs > 61:
        raise UsageError(f"jobs {jobs}; Windows allows at most 61 processes")


def detect_all(
    clips: Sequence[Clip], detector: Detector, spec: DetectorSpec, jobs: int
) -> Generator[Result, None, None]:
    """Process every clip once.

    Parameters
    ----------
    detector : Detector
        Used in this process and in copies of it.
    spec : DetectorSpec
        Used in processes that are not copies; it is pickled.
    """
    if jobs == 1:
        with one_thread():
            for i in range(0, len(clips), CHUNK):
                yield from zip(clips[i : i + CHUNK], detect(detector, clips[i : i + CHUNK]), strict=True)
        return
    chunks = deque(_chunks(clips, jobs))
    while chunks:
        suspects = yield from _in_parallel(chunks, detector, spec, min(jobs, len(chunks)))
        for chunk in suspects:
            yield from _isolate(chunk, detector, spec)


def _chunks(clips: Sequence[Clip], jobs: int) -> Iterator[Sequence[Clip]]:
    """Divide the clips so that all processes have work, with smaller chunks at the end, so that they end together."""
    size = max(1, min(CHUNK, len(clips) // (4 * jobs)))
    start = 0
    while start < len(clips):
        if len(clips) - start <= 2 * jobs * size:
            size = max(1, min(size, CHUNK // 3))
        yield clips[start : start + size]
        start += size


def one_thread() -> AbstractContextManager[object]:
    """Have numpy multiply matrices with one thread, from this call until the context ends.

    With more threads, the last digit of a sum depends on the number of cores, and several processes with a thread per
    core each were five times slower than one, as the matrices are small.
    """
    # installed with scikit-learn, without loading it
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def detect(detector: Detector, clips: Sequence[Clip]) -> list[Verdict]:
    """Process clips together, or one by one if that raises an error."""
    try:
        return detector.verdicts([(clip.path, clip.file) for clip in clips])
    except Exception:
        return [_detect_alone(detector, clip) for clip in clips]


def _detect_alone(detector: Detector, clip: Clip) -> Verdict:
    try:
        return detector.verdict(clip.path, clip.file)
    except Exception as error:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return _failed(clip, f"unexpected {' '.join(what.split())}")


def _failed(clip: Clip, why: str) -> Verdict:
    return Verdict(clip.file, "unreadable", None, error=why)


def _in_parallel(
    chunks: deque[Sequence[Clip]], detector: Detector, spec: DetectorSpec, jobs: int
) -> Generator[Result, None, list[Sequence[Clip]]]:
    """Process `chunks` until none is left or a process dies; return the chunks that were then in work."""
    suspects: list[Sequence[Clip]] = []
    with _workers(detector, spec, jobs) as pool:
        running: dict[Future[list[Verdict]], Sequence[Clip]] = {}
        while running or (chunks and not suspects):
            # two chunks for each process: one in work, one waiting
            while chunks and not suspects and len(running) < 2 * jobs:
                try:
                    with _uninterrupted():
                        running[pool.submit(_detect_chunk, chunks[0])] = chunks[0]
                except BrokenProcessPool:
                    break  # the futures in `running` report it, too
                chunks.popleft()
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                chunk = running.pop(future)
                try:
                    verdicts = future.result()
                except BrokenProcessPool:
                    suspects.append(chunk)
                else:
                    yield from zip(chunk, verdicts, strict=True)
            if not running and chunks and not suspects:
                return []  # the pool broke between two chunks: go on with a new one
    return suspects


def _isolate(clips: Sequence[Clip], detector: Detector, spec: DetectorSpec) -> Iterator[Result]:
    """Process clips in a process of their own; if it dies, halve them until the clip that kills it is alone."""
    with _workers(detector, spec, 1) as pool:
        try:
            with _uninterrupted():
                ready = pool.submit(_detector_is_ready)
            ready.result()
        except BrokenProcessPool:
            raise UsageError(
                "worker processes die before they process anything; use 1 job, or, in a script of your own, "
                'call label() below `if __name__ == "__main__":`'
            ) from None
        try:
            verdicts = pool.submit(_detect_chunk, clips).result()
        except BrokenProcessPool:
            verdicts = [_failed(clips[0], CRASHED)] if len(clips) == 1 else []
    if verdicts:
        yield from zip(clips, verdicts, strict=True)
        return
    for half in (clips[: len(clips) // 2], clips[len(clips) // 2 :]):
        yield from _isolate(half, detector, spec)


@contextmanager
def _workers(detector: Detector, spec: DetectorSpec, jobs: int) -> Iterator[ProcessPoolExecutor]:
    copied = _may_fork()
    context = multiprocessing.get_context("fork" if copied else "spawn")
    stop = context.RawValue("b", 0)  # without a lock, which a dying process could hold for ever
    pool = ProcessPoolExecutor(jobs, context, _start, (spec, stop, detector if copied else None))
    with one_thread():  # copies inherit it
        try:
            yield pool
        finally:
            stop.value = 1
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C while processes may start; before `_start` has run, they would print a traceback."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _may_fork() -> bool:
    """Whether this process is on Linux and has one thread: then it can be copied, which saves loading the model.

    With other threads, a copy may contain a lock that nobody releases; macOS and Windows cannot copy safely.
    """
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


class _Worker:
    """The state of a worker process."""

    spec: DetectorSpec
    stop: Any
    limits: object = None
    detector: Detector | None


def _start(spec: DetectorSpec, stop: Any, detector: Detector | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent decides
    _Worker.spec, _Worker.stop, _Worker.detector = spec, stop, detector


def _detector() -> Detector:
    """Return the detector, made at first use: in `_start`, an error would look like a dead process."""
    if _Worker.detector is None:
        _Worker.limits = one_thread()  # until the process ends
        _Worker.detector = _Worker.spec.make()
    return _Worker.detector


def _detector_is_ready() -> None:
    _detector()


def _detect_chunk(clips: Sequence[Clip]) -> list[Verdict]:
    detector = _detector()
    return [] if _Worker.stop.value else detect(detector, clips)  # stopped: nobody reads the verdicts
