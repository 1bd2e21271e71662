"""Many clips to verdicts, in this process or in several; yielded as they finish, in any order.

What one clip does never ends the run: an exception becomes a verdict, and so does the death of the process that
decoded it. Only jobs > 1 can survive that: with one job there is no other process.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import load
from popdetect.errors import UsageError
from popdetect.records import Verdict
from popdetect.session.files import Clip

CHUNK = 30  # clips sent at once: three joins of 3 s clips, some 30 ms of work for one round trip
CRASHED = "the decoder crashed on it"

Result = tuple[Clip, Verdict]
Factory = Callable[[str | None, str], Detector]


def load_detector(model: str | None, operating_point: str) -> Detector:
    """Make the detector of a bundle; None is the shipped one.

    Raises
    ------
    ModelError, UsageError
    """
    return Detector(load(model), operating_point)


class DetectorSpec(NamedTuple):
    """How to make the same detector again, in another process."""

    factory: Factory
    model: str | None
    operating_point: str

    def make(self) -> Detector:
        """Make it."""
        return self.factory(self.model, self.operating_point)


def check_jobs(jobs: int) -> None:
    """Refuse a number of processes that cannot be.

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
    """Judge every clip once.

    Parameters
    ----------
    detector : Detector
        Used in this process, and in copies of it.
    spec : DetectorSpec
        How processes that are no copies make the same: it is pickled.
    """
    if jobs == 1:
        _keep_memory()
        with one_thread():
            for i in range(0, len(clips), CHUNK):
                yield from zip(clips[i : i + CHUNK], detect(detector, clips[i : i + CHUNK]), strict=True)
        return
    chunks = deque(_chunks(clips, jobs))
    while chunks:
        suspects = yield from _side_by_side(chunks, detector, spec, min(jobs, len(chunks)))
        yield from _one_by_one(suspects, detector, spec)


def _chunks(clips: Sequence[Clip], jobs: int) -> Iterator[Sequence[Clip]]:
    """Part them: short sessions are spread over all processes too, and smaller parts come last, to end together."""
    size = max(1, min(CHUNK, len(clips) // (4 * jobs)))
    start = 0
    while start < len(clips):
        if len(clips) - start <= 2 * jobs * size:
            size = max(1, min(size, CHUNK // 3))
        yield clips[start : start + size]
        start += size


def one_thread() -> AbstractContextManager[object]:
    """Have numpy multiply matrices with one thread, from this call until the context ends.

    With more, the last digit of a sum depends on how many cores there are; and several processes with a thread per
    core each, for matrices too small to gain from it, were five times slower than one.
    """
    # comes with scikit-learn, loads none of it; imported here because only this needs it
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    limits: AbstractContextManager[object] = threadpool_limits(1, user_api="blas")
    return limits


@cache
def _keep_memory() -> None:
    """Have the C library keep what was freed for the next clip.

    glibc gives memory back to the system when more lies free than twice the largest block it ever freed, and takes it
    anew, page by page, for the next clip: a tenth of the time. So let it free a large one, which costs nothing as no
    page of it is touched (as `bytearray` would, with zeros); elsewhere it does no harm.
    """
    np.empty(31 << 20, np.uint8)


def detect(detector: Detector, clips: Sequence[Clip]) -> list[Verdict]:
    """Judge clips together, whatever happens; one by one if together they cannot be."""
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


def _side_by_side(
    chunks: deque[Sequence[Clip]], detector: Detector, spec: DetectorSpec, jobs: int
) -> Generator[Result, None, list[Clip]]:
    """Work `chunks` off until none is left or a worker dies; the clips that were then in flight are returned."""
    suspects: list[Clip] = []
    broken = False
    with _workers(detector, spec, jobs) as pool:
        flying: dict[Future[list[Verdict]], Sequence[Clip]] = {}
        while flying or (chunks and not broken):
            # two chunks each: one at work, one waiting for it
            while chunks and not broken and len(flying) < 2 * jobs:
                try:
                    with _uninterrupted():
                        flying[pool.submit(_detect_chunk, chunks[0])] = chunks[0]
                    chunks.popleft()
                except BrokenProcessPool:
                    broken = True
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                chunk = flying.pop(future)
                try:
                    verdicts = future.result()
                except BrokenProcessPool:
                    broken = True
                    suspects += chunk
                else:
                    yield from zip(chunk, verdicts, strict=True)
    return suspects


def _one_by_one(suspects: Sequence[Clip], detector: Detector, spec: DetectorSpec) -> Iterator[Result]:
    """Find out which of them kills its process: one process, one clip in flight."""
    left = deque(suspects)
    while left:
        with _workers(detector, spec, 1) as pool:
            try:
                with _uninterrupted():
                    ready = pool.submit(_ready)
                ready.result()
            except BrokenProcessPool:
                raise UsageError(
                    "worker processes die before they judge anything; use 1 job, or, in a script of your own, "
                    'call label() below `if __name__ == "__main__":`'
                ) from None
            untouched = True
            while left:
                clip = left[0]
                try:
                    (verdict,) = pool.submit(_detect_chunk, [clip]).result()
                except BrokenProcessPool:
                    if not untouched:
                        break  # an earlier clip may have done the damage: again, in a process of its own
                    verdict = _failed(clip, CRASHED)
                left.popleft()
                yield clip, verdict
                if verdict.error == CRASHED:
                    break
                untouched = False


@contextmanager
def _workers(detector: Detector, spec: DetectorSpec, jobs: int) -> Iterator[ProcessPoolExecutor]:
    copied = _may_fork()
    context = multiprocessing.get_context("fork" if copied else "spawn")
    stop = context.RawValue("b", 0)  # no lock in it that a dying worker could take along
    pool = ProcessPoolExecutor(jobs, context, _start, (spec, stop, detector if copied else None))
    with one_thread():  # copies inherit it
        gc.freeze()  # the collector would write to what they share with us, and have it copied page by page
        try:
            yield pool
        finally:
            gc.unfreeze()
            stop.value = 1
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C waiting while processes may be started: one that came before `_start` would have them complain.

    They inherit that it waits; here it comes through at the end.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _may_fork() -> bool:
    """Whether this process is Linux's and has one thread only: then a copy of it is whole, and there at once.

    A spawned process imports numpy and loads the model anew, as long as judging 200 clips takes. With other threads,
    a copy may hold a lock whose owner was not copied; macOS and Windows cannot, or must not.
    """
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


class _Worker:
    """What a worker process holds."""

    spec: DetectorSpec
    stop: Any
    limits: object = None
    detector: Detector | None


def _start(spec: DetectorSpec, stop: Any, detector: Detector | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    _Worker.spec, _Worker.stop, _Worker.detector = spec, stop, detector
    if detector is not None:  # a copy, and so are the limits it was made under
        _keep_memory()
        _Worker.limits = True


def _detector() -> Detector:
    """The detector, made if it is not there. Not in `_start`, where an error would look like a dead process."""
    if _Worker.limits is None:
        _Worker.limits = one_thread()  # never left
        _keep_memory()
    if _Worker.detector is None:
        _Worker.detector = _Worker.spec.make()
    return _Worker.detector


def _ready() -> None:
    _detector()


def _detect_chunk(clips: Sequence[Clip]) -> list[Verdict]:
    detector = _detector()
    if _Worker.stop.value:
        return []  # interrupted: nobody waits for these
    return detect(detector, clips)
