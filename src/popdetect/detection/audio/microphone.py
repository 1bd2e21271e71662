"""Input devices through sounddevice (PortAudio); and recordings played as if they were live.

Both give blocks of shape (n, channels), float32, full scale ±1, from the first sample on. Sound that the computer was
too slow to take is replaced by digital silence of the same length, so that later times stay right.
"""

from __future__ import annotations

import math
import queue
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from popdetect.detection.audio.arrays import Samples, check_rate
from popdetect.errors import DeviceLost, NothingFound, PopdetectError, UsageError, missing_extra

BLOCK_S = 0.005  # short blocks, because each pop waits for the end of its block
_WAITING_S = 60.0  # sound that may wait to be processed; more is lost
_SILENT_S = 3.0  # a device that gives no block for so long is lost
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Device:
    """An input device.

    Attributes
    ----------
    number : int
        As the system counts; it may change when devices are connected.
    name : str
    system : str
        The sound system that offers it, such as ``ALSA``, ``Core Audio`` or ``Windows WASAPI``.
    channels : int
        The largest number.
    rate_hz : int
        Its own sample rate.
    is_default : bool
    """

    number: int
    name: str
    system: str
    channels: int
    rate_hz: int
    is_default: bool


def devices() -> tuple[Device, ...]:
    """List the input devices.

    Raises
    ------
    MissingExtra, UsageError
        Without sounddevice, or without the PortAudio library that it needs.
    """
    sd = _sounddevice()
    systems = [system["name"] for system in sd.query_hostapis()]
    default = sd.default.device[0]
    if default < 0:  # PortAudio has none; the first one is used
        default = next((device["index"] for device in sd.query_devices() if device["max_input_channels"] > 0), -1)
    return tuple(
        Device(
            device["index"],
            device["name"],
            systems[device["hostapi"]],
            device["max_input_channels"],
            round(device["default_samplerate"]),
            device["index"] == default,
        )
        for device in sd.query_devices()
        if device["max_input_channels"] > 0
    )


def choose(wanted: int | str | None = None) -> Device:
    """Return the input device with this number, or whose name contains this text; by default that of the system.

    Raises
    ------
    NothingFound
        If there is no input device.
    UsageError
        If none or several fit.
    """
    found = devices()
    if not found:
        raise NothingFound("no input device; connect a microphone, and allow this program to use it in the settings")
    if wanted is None:
        return next(device for device in found if device.is_default)
    text = str(wanted).strip()
    fitting = [device for device in found if text == str(device.number)]
    fitting = fitting or [device for device in found if device.name.lower() == text.lower()]
    fitting = fitting or [device for device in found if text.lower() in device.name.lower()]
    if len({device.name for device in fitting}) == 1:  # Windows lists a device once for each of its sound systems
        return fitting[0]
    some = fitting or found
    listed = ", ".join(f"{device.number} {device.name}" for device in some[:8])
    kind = "several input devices fit" if fitting else "no such input device"
    raise UsageError(f"device {text!r}: {kind}; there {'is' if len(some) == 1 else 'are'} {listed}")


class Microphone:
    """An open input device; iterate it for its blocks, until it is closed.

    Parameters
    ----------
    device : int or str, optional
        See `choose`.
    rate_hz : int, optional
        8000 to 192000; by default the device's own.
    channels : int

    Attributes
    ----------
    device : Device
    rate_hz, channels : int
    latency_s : float
        Time from the sound to the block, as the system states it.
    gaps : list of (float, float)
        Start and length of lost sound, s.

    Raises
    ------
    MissingExtra, NothingFound, UsageError
        If there is no such device, or it cannot record like this.
    """

    def __init__(self, device: int | str | None = None, rate_hz: float | None = None, channels: int = 1) -> None:
        sd = _sounddevice()
        self.device = choose(device)
        self.rate_hz = check_rate(rate_hz or self.device.rate_hz)
        self.channels = channels
        self.gaps: list[tuple[float, float]] = []
        if not 1 <= channels <= self.device.channels:
            raise UsageError(f"{channels} channels; {self.device.name} has 1 to {self.device.channels}")
        # with how many samples were lost before them
        self._blocks: queue.SimpleQueue[tuple[Samples, int]] = queue.SimpleQueue()
        self._n_samples = 0  # given to the reader
        self._n_lost = 0  # because too much waited
        self._next_s = math.nan  # when the next block should begin, by the clock of the device
        self._is_closed = False
        try:
            self._stream = sd.InputStream(
                device=self.device.number,
                samplerate=self.rate_hz,
                channels=channels,
                dtype="float32",
                latency="low",
                blocksize=round(BLOCK_S * self.rate_hz),
                callback=self._take,
            )
            self._stream.start()
        except sd.PortAudioError as error:
            raise UsageError(
                f"{self.device.name} cannot record {channels} channels at {self.rate_hz} Hz: {_reason(error)}; another "
                f"program may use it, or another sample rate is needed (its own is {self.device.rate_hz} Hz)"
            ) from error
        self.latency_s = float(self._stream.latency)

    def _take(self, samples: Any, n: int, at: Any, status: Any) -> None:
        """Take a block from the device; called by PortAudio in its own thread."""
        lost = self._n_lost
        if status.input_overflow:
            # the clock of the device tells how much was thrown away before this block
            gap_s = at.inputBufferAdcTime - self._next_s
            lost += round(gap_s * self.rate_hz) if gap_s > 0 else 1
        self._next_s = at.inputBufferAdcTime + n / self.rate_hz
        if self._blocks.qsize() > _WAITING_S / BLOCK_S:
            self._n_lost = lost + n
            return
        self._n_lost = 0
        self._blocks.put((samples.copy(), lost))

    def __iter__(self) -> Iterator[Samples]:
        """Yield blocks. An empty block comes when nothing arrived for 0.1 s.

        Raises
        ------
        DeviceLost
            If the device stops.
        """
        silent_since = time.monotonic()
        while not self._is_closed:
            try:
                samples, lost = self._blocks.get(timeout=_POLL_S)
            except queue.Empty:
                if not self._stream.active or time.monotonic() - silent_since > _SILENT_S:
                    raise DeviceLost(
                        f"{self.device.name} gives no more sound after {self._n_samples / self.rate_hz:.1f} s; it was "
                        "probably disconnected or switched off"
                    ) from None
                yield np.empty((0, self.channels), np.float32)
                continue
            if lost:
                self.gaps.append((self._n_samples / self.rate_hz, lost / self.rate_hz))
                yield from self._silence(lost)
            self._n_samples += len(samples)
            yield samples
            silent_since = time.monotonic()

    def _silence(self, n: int) -> Iterator[Samples]:
        self._n_samples += n
        for size in [self.rate_hz] * (n // self.rate_hz) + [n % self.rate_hz]:
            yield np.zeros((size, self.channels), np.float32)

    def close(self) -> None:
        """Stop recording; may be called twice."""
        self._is_closed = True
        self._stream.close(ignore_errors=True)


def paced(blocks: Iterable[Samples], rate_hz: int, pace: float = 1.0) -> Iterator[Samples]:
    """Yield recorded blocks as a microphone gives them: in pieces of 5 ms, each when its last sample has passed.

    Parameters
    ----------
    blocks : iterable of ndarray, shape (n, channels)
    rate_hz : int
    pace : float ≥ 0
        1 for real time, 2 for twice as fast; 0 does not wait.
    """
    size = max(1, round(BLOCK_S * rate_hz))
    begun, n_samples = time.monotonic(), 0
    for block in blocks:
        for start in range(0, len(block), size):
            piece = block[start : start + size]
            n_samples += len(piece)
            if pace and (wait_s := begun + n_samples / (rate_hz * pace) - time.monotonic()) > 0:
                time.sleep(wait_s)
            yield piece


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        raise missing_extra(error, "listen") or error from None
    except OSError as error:  # the wheels for Windows and Mac contain the library
        raise UsageError(
            "listen needs the library PortAudio: on Debian and Ubuntu `sudo apt install libportaudio2`, elsewhere the "
            "package portaudio"
        ) from error
    return sounddevice


def _reason(error: PopdetectError | Exception) -> str:
    return " ".join(str(error.args[0] if error.args else error).split()).rstrip(".")
