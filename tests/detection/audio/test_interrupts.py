"""Ctrl-C that comes while libsndfile calls back into Python."""

from __future__ import annotations

import io
import signal
import threading
from types import FrameType
from typing import Any

import numpy as np
import pytest
import soundfile

from popdetect.detection.audio import recording as audio
from popdetect.detection.audio.interrupts import defer_interrupts

SOUND = (0.3 * np.sin(np.arange(24_000) / 7)).astype(np.float32)


class Pressed(io.BytesIO):
    """A recording; Ctrl-C is pressed in the call of the given number that libsndfile makes of it."""

    def __init__(self, raw: bytes, at: int) -> None:
        super().__init__(raw)
        self.calls, self._at = 0, at

    def _called(self) -> None:
        self.calls += 1
        if self.calls == self._at:
            signal.raise_signal(signal.SIGINT)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go there."""
        self._called()
        return super().seek(offset, whence)

    def tell(self) -> int:
        """Where it is."""
        self._called()
        return super().tell()

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer."""
        self._called()
        return super().readinto(buffer)


def recorded(kind: str) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, SOUND, 48_000, format=kind)
    return out.getvalue()


@pytest.fixture
def pressed() -> Any:
    """The numbers of the signals that came to a handler of somebody else's."""
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = signal.signal(signal.SIGINT, handle)
    yield came
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_wherever_ctrl_c_is_pressed_it_comes_through_and_nothing_else_does(kind: str) -> None:
    raw = recorded(kind)
    untouched = Pressed(raw, -1)
    audio.read(untouched)

    assert untouched.calls > 10
    for at in range(1, untouched.calls + 1):
        # pytest makes an exception that cffi swallowed a failure
        with pytest.raises(KeyboardInterrupt):
            audio.read(Pressed(raw, at))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_user_s_own_is_called_once_and_the_recording_read(pressed: list[int]) -> None:
    handle = signal.getsignal(signal.SIGINT)
    samples, _ = audio.read(Pressed(recorded("wav"), 20))

    assert pressed == [signal.SIGINT]
    assert len(samples) == len(SOUND)
    assert signal.getsignal(signal.SIGINT) is handle


def test_an_error_meanwhile_is_not_lost() -> None:
    def interrupted_and_failing() -> None:
        with defer_interrupts():
            signal.raise_signal(signal.SIGINT)
            raise ValueError("meanwhile")

    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted_and_failing()

    assert isinstance(caught.value.__context__, ValueError)


def test_in_a_thread_and_where_ctrl_c_is_ignored_nothing_changes() -> None:
    raw, lengths = recorded("wav"), []
    thread = threading.Thread(target=lambda: lengths.append(len(audio.read(io.BytesIO(raw))[0])))
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        lengths.append(len(audio.read(Pressed(raw, 20))[0]))

        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert lengths == [len(SOUND)] * 2
