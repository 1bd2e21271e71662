"""Many clips to verdicts, in this process or in several; yielded as they finish, in any order.

A clip never ends the run: an exception becomes a verdict, and so does the death of the process that decoded the clip.
The latter needs `jobs` > 1; with one job there is no other process. Worker processes end when this process does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from popdetect.detection.detector import Detector
from popdetect.errors import UsageError
from popdetect.records import Verdict
from popdetect.session.files import Clip

CHUNK = 30  # clips sent at once: some 30 ms of work for one message
CHUNK_BYTES = 32 << 20  # of files sent at once: 30 clips of 3 s with 2 channels of 24 bits at 48 kHz
CRASHED = "the decoder crashed on it"

Result = tuple[Clip, Verdict]
Make = Callable[[], Detector]


def check_jobs(jobs: int) -> None:
    """Refuse an impossible number of processes; raises UsageError."""
    if jobs < 1:
        raise UsageError(f"jobs {jobs}; at least 1 process is needed")
    if os.name == "nt" and jobs > 61:
        raise UsageError(f"jobs {jobs}; Windows allows at most 61 processes")


def detect_all(clips: Sequence[Clip], detector: Detector, make: Make, jobs: int) -> Generator[Result, None, None]:
    """Process every clip once.

    `detector` is used in this process and in copies of it. `make` makes the same detector in other processes; it is
    pickled.
    """
    if jobs == 1:
        _keep_memory()
        with one_thread():
            for chunk in _small(clips):
                yield from zip(chunk, detect_chunk(detector, chunk), strict=True)
        return
    waiting = deque(chunks(clips, jobs))
    while waiting:
        suspects = yield from _in_parallel(waiting, detector, make, min(jobs, len(waiting)))
        yield from _one_by_one(suspects, detector, make)


def chunks(clips: Sequence[Clip], jobs: int) -> Iterator[Sequence[Clip]]:
    """Divide the clips so that all processes have work, with smaller chunks at the end, so that they end together."""
    size = max(1, min(CHUNK, len(clips) // (4 * jobs)))
    start = 0
    while start < len(clips):
        if len(clips) - start <= 2 * jobs * size:
            size = max(1, min(size, CHUNK // 3))
        yield from _small(clips[start : start + size])
        start += size


def _small(clips: Sequence[Clip]) -> Iterator[Sequence[Clip]]:
    """Divide clips into chunks, with long recordings alone: a chunk that is interrupted is processed again."""
    start, n_bytes = 0, 0
    for index, clip in enumerate(clips):
        if index > start and (index - start == CHUNK or n_bytes + clip.size > CHUNK_BYTES):
            yield clips[start:index]
            start, n_bytes = index, 0
        n_bytes += clip.size
    if clips:
        yield clips[start:]


def one_thread() -> AbstractContextManager[object]:
    """Have numpy multiply matrices with one thread, from this call until the context ends.

    With more threads, the last digit of a sum depends on the number of cores, and several processes with a thread per
    core each were five times slower than one, as the matrices are small.
    """
    # installed with scikit-learn, without loading it
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


def _keep_memory() -> None:
    """Let the C library keep freed memory for the next clip; without it, `label` takes 8 % longer.

    glibc returns freed memory to the system unless a larger block was freed before. This frees one, untouched.
    """
    np.empty(31 << 20, np.uint8)


def detect_chunk(detector: Detector, clips: Sequence[Clip]) -> list[Verdict]:
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
        return Verdict(clip.file, "unreadable", None, error=f"unexpected {' '.join(what.split())}")


def _in_parallel(
    chunks: deque[Sequence[Clip]], detector: Detector, make: Make, jobs: int
) -> Generator[Result, None, list[Clip]]:
    """Process `chunks` until none is left or a process dies; return the clips that were then in work."""
    suspects: list[Clip] = []
    running: dict[Future[list[Verdict]], Sequence[Clip]] = {}
    is_broken = False
    with _workers(detector, make, jobs) as pool:
        while running or (chunks and not is_broken):
            # two chunks for each process: one in work, one waiting
            while chunks and not is_broken and len(running) < 2 * jobs:
                try:
                    with _uninterrupted():
                        running[pool.submit(_detect_chunk, chunks[0])] = chunks[0]
                    chunks.popleft()
                except BrokenProcessPool:
                    is_broken = True
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                chunk = running.pop(future)
                try:
                    yield from zip(chunk, future.result(), strict=True)
                except BrokenProcessPool:
                    is_broken = True
                    suspects += chunk
    return suspects


def _one_by_one(suspects: Sequence[Clip], detector: Detector, make: Make) -> Iterator[Result]:
    """Process clips one at a time in another process; a clip that kills it gets a verdict, and a new one goes on."""
    clips = deque(suspects)
    while clips:
        with _workers(detector, make, 1) as pool:
            try:
                with _uninterrupted():
                    ready = pool.submit(_detect_chunk, ())
                ready.result()
            except BrokenProcessPool:
                raise UsageError(
                    "worker processes die before they process anything; use 1 job, or, in a script of your own, "
                    'call label() below `if __name__ == "__main__":`'
                ) from None
            is_alive = is_first = True
            while clips and is_alive:
                clip = clips.popleft()
                try:
                    (verdict,) = pool.submit(_detect_chunk, (clip,)).result()
                except BrokenProcessPool:
                    if not is_first:  # an earlier clip may have caused it: again, in a new process
                        clips.appendleft(clip)
                        break
                    is_alive, verdict = False, Verdict(clip.file, "unreadable", None, error=CRASHED)
                is_first = False
                yield clip, verdict


@contextmanager
def _workers(detector: Detector, make: Make, jobs: int) -> Iterator[ProcessPoolExecutor]:
    is_copied = _may_fork()
    context = multiprocessing.get_context("fork" if is_copied else "spawn")
    stop = context.RawValue("b", 0)  # without a lock, which a dying process could hold for ever
    pool = ProcessPoolExecutor(jobs, context, _start, (make, stop, detector if is_copied else None))
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

    make: Make
    stop: Any
    detector: Detector | None


def _start(make: Make, stop: Any, detector: Detector | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _keep_memory()
    one_thread()  # until the process ends
    _Worker.make, _Worker.stop, _Worker.detector = make, stop, detector


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _detect_chunk(clips: Sequence[Clip]) -> list[Verdict]:
    if _Worker.detector is None:  # made here, as an error in `_start` would look like a dead process
        _Worker.detector = _Worker.make()
    return [] if _Worker.stop.value else detect_chunk(_Worker.detector, clips)  # stopped: nobody reads the verdicts
