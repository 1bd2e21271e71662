"""Drop-outs: stretches in which a recording suddenly holds nothing, because a cable, radio link or driver failed.

A stretch is digital silence of at least 50 ms: the samples are zero, or stay at one value. Digital silence alone is no
fault. Noise gates, edited clips and coarse steps (8 bits) put it between sounds. There the sound fades out, or falls
below one step, before the silence begins. In a drop-out it breaks off: the last 3 frames are as loud as the 20 frames
before, or at most 10 dB softer. A fade of 10 ms or longer is softer than that. A single sound between digital silence
may be cut off while it still rings. So where the sound itself began out of digital silence, the last frames must also
be within 20 dB of its loudest frame.

A pop in digital silence leaves no trace. So if more than half of a clip with a drop-out is digital silence, "no pop"
would be a statement about the smaller part of it; then the label is ``uncertain`` (`conclusion.conclude`).
"""

from __future__ import annotations

import numpy as np

from popdetect.detection.audio.arrays import Samples
from popdetect.detection.signal.frames import POWER_FLOOR, Array

LEAST_S = 0.050
FADED_DB = 10.0
RINGING_DB = 20.0
DEAD_SHARE = 0.5  # of a clip with a drop-out; if more is digital silence, the clip is not called "no pop"
_LOW_FLOOR = np.float32(1e-13)  # of the low band of a frame; dither of 16 bits is a hundred times above
_STEADY = np.float32(1e-3)  # relative change of power from one frame to the next; noise changes more
_EDGE, _BEFORE = 3, 20  # frames: the last ones before the silence, and those before them
_FINE, _COARSE = 2.0**-15, 2.0**-7  # steps of 16 and of 8 bits
_HEAD = 64


class Dropouts:
    """Digital silence of one recording, collected as samples and frames come; the blocks do not matter.

    Parameters
    ----------
    hop : int
        Samples between frames.
    rate_hz : int
    n_bands : int
        Mel bands of a frame.
    """

    def __init__(self, hop: int, rate_hz: int, n_bands: int) -> None:
        # white noise of this level, 2 steps, has this power in a frame (measured; a band weighs its bins by 1 / width)
        self._power_of_steps = 0.0015 * n_bands * hop * 4.0
        self._floor = np.float32(n_bands * POWER_FLOOR)
        self._least = int(LEAST_S * rate_hz / hop) - 3  # frames at both ends may lie partly in the sound
        self._before: Array = np.empty(0, np.float32)  # the frames before the next ones
        self._n_frames = 0
        self._n_dead = 0  # frames in stretches that are long enough
        self._n_open = 0  # dead frames of the stretch that has not ended yet
        self._from_silence = False  # whether a stretch that is long enough came before
        self._loudest = 0.0  # power of the loudest frame since then
        self._open_edge = 0.0  # power at which the sound broke off before it; 0 if it faded out
        self._edge = 0.0  # the highest such power before a stretch
        self._is_coarse = True  # whether all samples so far are whole steps of 8 bits

    def add(self, block: Samples) -> None:
        """Process the next samples, shape (n, channels)."""
        if self._is_coarse:
            self._is_coarse = _is_coarse(block[:_HEAD]) and _is_coarse(block)

    def feed(self, low: Array, total: Array) -> None:
        """Process the next frames: power of the low band (column 0), and over all mel bands (`frames.total_power`)."""
        n, n_before = len(total), len(self._before)
        known = np.concatenate([self._before, total])
        self._before = known[-(_EDGE + 1 + _BEFORE) :]
        self._n_frames += n
        dead = low <= _LOW_FLOOR
        if not (self._n_open or dead.any()):
            self._loudest = max(self._loudest, float(total.max(initial=0)))
            return
        # where a hop is shorter than 1 ms, a constant offset has some power in the lowest band, always the same
        latest = known[n_before - 1 : -1] if n_before else np.concatenate([[np.inf], known[:-1]])
        dead &= (total <= self._floor) | (np.abs(total - latest) <= _STEADY * total)
        borders = np.flatnonzero(np.diff(dead, prepend=False, append=False))
        live_from = 0
        for start, end in borders.reshape(-1, 2).tolist():
            if start > 0 and end < n and end - start < self._least:
                continue
            if start > 0 or not self._n_open:
                self._close()
                self._loudest = max(self._loudest, float(total[live_from:start].max(initial=0)))
                edge = _edge(known, n_before + start)
                rings = self._from_silence and edge < self._loudest * 10 ** (-RINGING_DB / 10)
                self._open_edge = 0.0 if rings else edge
            self._n_open += end - start
            live_from = end
        if n and not dead[-1]:
            self._close()
            self._loudest = max(self._loudest, float(total[live_from:].max(initial=0)))

    def _close(self) -> None:
        if self._n_open >= self._least:
            self._n_dead += self._n_open
            self._edge = max(self._edge, self._open_edge)
            self._from_silence, self._loudest = True, 0.0
        self._n_open, self._open_edge = 0, 0.0

    def finish(self) -> tuple[bool, float]:
        """Whether the recording has a drop-out, and which share of it is digital silence; to be called once."""
        self._close()
        step = _COARSE if self._is_coarse else _FINE
        return self._edge > self._power_of_steps * step**2, self._n_dead / max(self._n_frames, 1)


def _is_coarse(samples: Samples) -> bool:
    steps = samples * np.float32(1 / _COARSE)
    return bool((steps == np.rint(steps)).all())


def _edge(known: Array, at: int) -> float:
    """Mean power of the last frames before the silence that starts at frame `at`; 0 if the sound has faded out."""
    last = max(0, at - 1)  # the frame before the silence lies partly in it
    first = max(0, last - _EDGE)
    edge = known[first:last]
    if not len(edge):
        return 0.0
    before = known[max(0, first - _BEFORE) : first]
    power = float(edge.mean())
    return power if not len(before) or power >= float(before.mean()) * 10 ** (-FADED_DB / 10) else 0.0
