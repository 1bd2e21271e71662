"""Ctrl-C while C code calls back into Python: no exception can come out of there, so it has to wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back() -> Iterator[None]:
    """Note an interruption (SIGINT) that falls in here, and let it through at the end.

    A KeyboardInterrupt raised in a callback of cffi is printed and forgotten, and what was asked for is taken to have
    failed: a good recording would be called unreadable, and the command would go on
    (https://cffi.readthedocs.io/en/stable/using.html#callbacks). Whatever handler is installed is called, once and
    late. Outside the main thread, where Python never raises it, and where nobody in Python handles it, nothing is done.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            signal.raise_signal(signal.SIGINT)
