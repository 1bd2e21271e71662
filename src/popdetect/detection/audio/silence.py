"""Whether a recording holds any sound: a microphone that is off does not always give exact zeros.

Its samples may stay at a constant offset, or change by one step of the converter (dither). The step is that of 8, 16 or
24 bits, and any gain after the converter scales it. So the rule looks at the values of the samples, not at the type of
the file: a channel holds no sound if its samples have one value, or two or three values at equal steps. A sound with an
amplitude of two steps already has more values.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]

MAX_STEP = 1 / 127  # of full scale: one step of 8 bits, the coarsest that sound is stored in
LEAST_SPAN = 2.0**-22  # two steps of 24 bits: less than any recorder can store, whatever its values are
_MAX_VALUES = 3  # dither changes a sample by at most one step up or down
_HEAD = 64  # samples; most recordings show more values here


class _Channel:
    """The values of one channel so far."""

    def __init__(self) -> None:
        self.lowest, self.highest = np.inf, -np.inf
        self._values: set[float] | None = set()  # None if there are too many

    def add(self, samples: Samples) -> None:
        """Add samples of shape (n,), n > 0."""
        self._add(samples[:_HEAD])
        if self.is_dead:
            self._add(samples[_HEAD:])

    def _add(self, samples: Samples) -> None:
        if not len(samples):
            return
        lowest, highest = float(samples.min()), float(samples.max())
        self.lowest, self.highest = min(self.lowest, lowest), max(self.highest, highest)
        if self._values is None or self.highest - self.lowest > 2 * MAX_STEP:
            return
        between = samples[(samples > lowest) & (samples < highest)]
        self._values |= {lowest, highest}
        if len(between):
            self._values |= {float(between.min()), float(between.max())}
        if len(self._values) > _MAX_VALUES:
            self._values = None

    @property
    def is_dead(self) -> bool:
        """Whether the channel holds no sound so far; once False, it stays False."""
        span = self.highest - self.lowest
        if span <= LEAST_SPAN:
            return True
        if self._values is None or span > 2 * MAX_STEP:
            return False
        if len(self._values) == _MAX_VALUES:
            lowest, middle, highest = sorted(self._values)
            return abs((middle - lowest) - (highest - middle)) < 0.1 * span  # floats of a scaled grid are rounded
        return True


class SilenceCheck:
    """Whether a recording holds any sound, collected block by block; the blocks do not matter."""

    def __init__(self) -> None:
        self._channels: list[_Channel] | None = []  # None once a channel holds sound

    def add(self, block: Samples) -> None:
        """Process the next block, shape (n, channels)."""
        if self._channels is None or not len(block):
            return
        if not self._channels:
            self._channels = [_Channel() for _ in range(block.shape[1])]
        for channel, samples in zip(self._channels, block.T, strict=True):
            channel.add(samples)
            if not channel.is_dead:
                self._channels = None
                return

    @property
    def reason(self) -> str:
        """Why the recording so far holds no sound, in one line; empty if it holds sound."""
        channels = self._channels
        if not channels or not all(channel.is_dead for channel in channels):
            return ""
        if all(channel.lowest == channel.highest == 0 for channel in channels):
            return "digital silence from start to end; the microphone was probably not connected, or muted"
        cause = "the microphone was probably off or muted, or another input was recorded"
        span = max(channel.highest - channel.lowest for channel in channels)
        if span == 0:
            values = ", ".join(f"{value:.3g}" for value in sorted({channel.lowest for channel in channels}))
            return f"no sound: all samples of a channel have the same value ({values} of full scale); {cause}"
        return f"no sound: only the last bit of the samples changes (by {span:.2g} of full scale); {cause}"
