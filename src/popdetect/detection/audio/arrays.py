"""Samples in memory: checks, and conversion to what the detector processes.

The detector processes float32 arrays of shape (n_samples, n_channels), full scale ±1. The checks of a block and of a
whole recording are the same for files, arrays and live sound.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.silence import Samples as Samples
from popdetect.detection.audio.silence import SilenceCheck
from popdetect.errors import Empty, NotFinite, TooShort, Unreadable

MIN_RATE_HZ = 8_000
MAX_RATE_HZ = 192_000
MIN_DURATION_S = 0.010  # a pop and a few milliseconds around it
BLOCK_S = 20.0  # long recordings are processed in blocks of this length, to limit memory
MAX_CHANNELS = 32  # of an array; tells the axis of channels from the axis of time
MAX_LEVEL = 100.0  # 40 dB above full scale, more than any real recording; floats above it are unscaled integers

# the integer types that sound is stored in: largest magnitude, and what is subtracted after dividing by it
_INTEGERS = {"int8": (2**7, 0), "int16": (2**15, 0), "int32": (2**31, 0), "uint8": (2**7, 1)}


class ArrayRecording:
    """A recording in memory; iterate it for its blocks, like `recording.Recording`.

    Parameters
    ----------
    samples : array_like
        Shape (n,), (n, channels) or (channels, n). The axis of channels is the one with at most 32 entries. Floats have
        full scale ±1; int8, int16, int32 and uint8 are scaled by the range of their type.
    rate_hz : whole number, 8000 to 192000

    Raises
    ------
    Unreadable, NotFinite, Empty, TooShort
    """

    flags: tuple[str, ...] = ()  # quality flags of the file; an array has none

    def __init__(self, samples: npt.ArrayLike, rate_hz: float) -> None:
        self.rate_hz = check_rate(rate_hz)
        self._samples = as_float(_time_first(_as_array(samples)))
        self.channels = self._samples.shape[1]
        silence = SilenceCheck()
        silence.add(self._samples)
        check_recording(len(self._samples), self.rate_hz, silence)
        self.announced_s = len(self._samples) / self.rate_hz

    def __iter__(self) -> Iterator[Samples]:
        """Yield blocks of shape (n, channels), float32."""
        size = int(BLOCK_S * self.rate_hz)
        return (self._samples[start : start + size] for start in range(0, len(self._samples), size))


def as_block(samples: npt.ArrayLike, channels: int) -> Samples:
    """Check one block of live sound, which may be empty, and convert it to float32 of shape (n, channels).

    It has shape (n, channels), (channels, n), or (n,) if there is one channel. Where both axes fit, the first is time.
    Raises Unreadable, NotFinite.
    """
    array = _as_array(samples)
    if array.ndim == 1 and channels == 1:
        array = array[:, None]
    if array.ndim != 2 or channels not in array.shape:
        raise Unreadable(f"a block of shape {array.shape}; allowed are (n, {channels}) and ({channels}, n) samples")
    return as_float(array if array.shape[1] == channels else array.T)


def check_rate(rate_hz: float) -> int:
    """Return a sample rate as int; raises Unreadable if it is not a whole number from 8000 to 192000."""
    if not isinstance(rate_hz, numbers.Real) or not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
        given = f"{rate_hz} Hz" if isinstance(rate_hz, numbers.Real) else repr(rate_hz)
        raise Unreadable(f"sample rate {given}; {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz can be processed")
    if rate_hz != int(rate_hz):
        raise Unreadable(f"sample rate {rate_hz} Hz; a whole number of Hz is needed, resample the recording")
    return int(rate_hz)


def check_finite(block: npt.NDArray[Any], highest: float, lowest: float) -> None:
    """Refuse a block with samples that are not numbers (NotFinite), given its extremes: NaN and infinity reach them."""
    if not (math.isfinite(highest) and math.isfinite(lowest)):
        bad = int((~np.isfinite(block)).sum())
        raise NotFinite(f"{bad} samples are not numbers (NaN or infinite); export the recording again")


def check_recording(n_samples: int, rate_hz: int, silence: SilenceCheck) -> None:
    """Refuse a whole recording without samples (Empty), with too few (TooShort), or without sound (Empty)."""
    if not n_samples:
        raise Empty("no samples; the recording is empty")
    if n_samples < MIN_DURATION_S * rate_hz:
        raise TooShort(
            f"{n_samples} samples ({1000 * n_samples / rate_hz:.2f} ms); "
            f"at least {1000 * MIN_DURATION_S:.0f} ms ({math.ceil(MIN_DURATION_S * rate_hz)}) are needed"
        )
    if silence.reason:
        # not "no pop": recordings of a microphone that was off would enter a study as "no pop"
        raise Empty(silence.reason)


def as_float(array: npt.NDArray[Any]) -> Samples:
    """Convert samples of any type that sound is stored in to float32 with full scale ±1, in C order.

    Raises Unreadable for another type or for floats far above full scale, and NotFinite.
    """
    kind = array.dtype.name
    if kind in _INTEGERS:
        full_scale, offset = _INTEGERS[kind]
        floats: Samples = np.multiply(array, np.float32(1 / full_scale), dtype=np.float32)
        return np.ascontiguousarray(floats - np.float32(offset) if offset else floats)
    if array.dtype.kind != "f":
        raise Unreadable(f"samples of type {kind}; allowed are floats with full scale ±1, and {', '.join(_INTEGERS)}")
    if array.size:
        highest, lowest = float(array.max()), float(array.min())
        check_finite(array, highest, lowest)
        if max(highest, -lowest) > MAX_LEVEL:
            raise Unreadable(
                f"float samples up to {max(highest, -lowest):g}; their full scale is ±1; "
                "divide samples that come from 16-bit integers by 32768"
            )
    return np.ascontiguousarray(array, np.float32)


def _as_array(samples: npt.ArrayLike) -> npt.NDArray[Any]:
    try:
        return np.asarray(samples)
    except ValueError as error:  # lists of different lengths
        raise Unreadable(f"samples that are no array: {error}") from None


def _time_first(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array with shape (n, channels)."""
    if array.ndim not in (1, 2):
        raise Unreadable(f"samples of shape {array.shape}; allowed are (n,), (n, channels) and (channels, n)")
    if array.ndim == 1 or not array.size:
        return array.reshape(-1, 1)
    if min(array.shape) > MAX_CHANNELS:
        raise Unreadable(
            f"samples of shape {array.shape}; allowed are (n, channels) and (channels, n) with at most {MAX_CHANNELS} "
            "channels; this is probably a spectrogram"
        )
    return array if array.shape[0] >= array.shape[1] else array.T
