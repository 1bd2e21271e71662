"""Key presses from the terminal, without the Enter key; the terminal is restored afterwards, also after an error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from popdetect.errors import UsageError

if sys.platform == "win32":
    import msvcrt

    @contextmanager
    def _key_by_key() -> Iterator[None]:
        yield

    def _pressed() -> bool:
        found = False
        while msvcrt.kbhit():  # all that wait
            found = True
            msvcrt.getwch()
        return found

else:
    import os
    import select
    import termios
    import tty

    @contextmanager
    def _key_by_key() -> Iterator[None]:
        descriptor = sys.stdin.fileno()
        before = termios.tcgetattr(descriptor)
        tty.setcbreak(descriptor)  # Ctrl-C still interrupts
        try:
            yield
        finally:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)

    def _pressed() -> bool:
        found = False
        while select.select([sys.stdin], [], [], 0)[0]:
            if not os.read(sys.stdin.fileno(), 1024):  # the terminal is gone
                break
            found = True
        return found


@contextmanager
def key_presses() -> Iterator[Callable[[], bool]]:
    """Give a function that says whether a key was pressed since it was last called.

    Raises
    ------
    UsageError
        If standard input is no terminal.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError(
            "--thrust-key reads keys from the terminal, and standard input is none; start it in a terminal"
        )
    with _key_by_key():
        yield _pressed
