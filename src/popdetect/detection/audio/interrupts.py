"""Ctrl-C while C code calls back into Python: an exception cannot pass through C code, so it must wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def defer_interrupts() -> Iterator[None]:
    """Delay an interruption (SIGINT) that arrives inside the `with` block until its end.

    cffi prints a KeyboardInterrupt that is raised in a callback, and then ignores it; the decoder takes the call as
    failed. Without this, a good recording would be reported as unreadable and the command would go on
    (https://cffi.readthedocs.io/en/stable/using.html#callbacks). The installed handler is called once, at the end.
    Does nothing outside the main thread (Python raises KeyboardInterrupt only there) or without a Python handler.
    """
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if received:
            signal.raise_signal(signal.SIGINT)
