"""One writer at a time, over all processes: a lock on a small hidden file beside what is written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from popdetect.session.files import unwritable

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)

    def _unlock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)

    def _unlock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of `path`, which need not exist; waits for whoever has it. A process that dies lets go.

    Raises
    ------
    UsageError
        When the lock's file cannot be made.
    """
    beside = path.with_name(f".{path.name}.lock")
    try:
        handle = beside.open("a+b")
    except OSError as error:
        raise unwritable(path, error) from error
    with handle:
        _lock(handle.fileno())
        try:
            yield
        finally:
            handle.seek(0)
            _unlock(handle.fileno())
