"""Live sound to events in two steps: a provisional event soon after each pop, then the final ones.

A final event depends on the 100 ms after it and on its neighbours within 150 ms, so it comes 0.3 to 1.5 s later, from
`stream.Stream`, and is the same as that of the whole recording. A provisional event is scored `EARLY_HOPS` frames after
its onset, as if the recording ended there. Both are computed from the same samples, independently of each other.

Times are in seconds from the first sample.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.arrays import Samples, as_block
from popdetect.detection.conclusion import events_of
from popdetect.detection.engine import Engine
from popdetect.detection.model.bundle import Model, OperatingPoint
from popdetect.detection.signal.frames import mean_power, transform
from popdetect.detection.stream import Stream, read_snippets
from popdetect.records import Detection, Event, LiveEvent, bursts

# Frames after a candidate that are waited for, of 1 ms. With the blocks of a microphone, 50 ms after the end of a pop
# are kept. Fewer are worse: the level 36 to 60 ms after the onset tells a pop from longer sounds.
EARLY_HOPS = 36
_KEPT_S = 1.0  # of early candidates: longer than any of them is a neighbour


class Live:
    """One sound that is still going on.

    Parameters
    ----------
    model : Model
    point : OperatingPoint
    rate_hz, channels : int
    """

    def __init__(self, model: Model, point: OperatingPoint, rate_hz: int, channels: int) -> None:
        self._stream = Stream(model, point, rate_hz, channels)
        self._early = _Early(model, point, rate_hz, channels)
        self._rate_hz, self._channels = rate_hz, channels
        self._n_samples = 0

    @property
    def duration_s(self) -> float:
        """Length of the sound so far, s."""
        return self._n_samples / self._rate_hz

    def feed(self, block: npt.ArrayLike) -> tuple[LiveEvent, ...]:
        """Process the next block, as `Stream.feed`, and return what it tells; short blocks give earlier answers.

        Raises
        ------
        AudioError
            If the block cannot be processed; all is then as before.
        """
        samples = as_block(block, self._channels)
        final = self._stream.feed(samples)
        self._n_samples += len(samples)
        early = (LiveEvent("provisional", self.duration_s, event) for event in self._early.feed(samples))
        return (*early, *self._final(final))

    def finish(self) -> tuple[tuple[LiveEvent, ...], Detection]:
        """Process the rest; return what it tells, and the detection of the whole sound. To be called once.

        Raises
        ------
        Empty, TooShort
        """
        n_known = self._stream.n_final
        detection = self._stream.finish()
        return self._final(detection.events[n_known:]), detection

    def _final(self, events: tuple[Event, ...]) -> tuple[LiveEvent, ...]:
        at_s = self.duration_s
        return (
            *(LiveEvent("event", at_s, event) for event in events),
            *(LiveEvent("burst", at_s, burst=burst) for burst in bursts(events)),
        )


class _Early:
    """Provisional events."""

    def __init__(self, model: Model, point: OperatingPoint, rate_hz: int, channels: int) -> None:
        self._engine = Engine(model, point, rate_hz, EARLY_HOPS)
        self._point, self._rate_hz = point, rate_hz
        self._transform = transform(model.front_end, rate_hz)
        self._n_columns = model.front_end.n_columns
        self._samples: Samples = np.empty((0, channels), np.float32)  # from hop `first_hop` of the engine on

    def feed(self, block: Samples) -> list[Event]:
        """The pops that are known after the next block, and were not before."""
        engine, hop = self._engine, self._transform.hop
        self._samples = np.concatenate([self._samples, block])
        first = engine.first_hop
        n_frames = self._transform.n_frames(first * hop + len(self._samples)) - engine.n_hops
        if n_frames <= 0:
            return []
        power = np.empty((n_frames, self._n_columns), np.float32)
        mean_power(self._samples[(engine.n_hops - first) * hop :], power, self._transform)
        n_before = len(engine.scored)
        engine.append(power)
        engine.advance(partial(read_snippets, [self._samples], [first * hop], np.empty(0, np.intp)), to_the_end=False)
        if engine.first_hop > first:
            self._samples = self._samples[(engine.first_hop - first) * hop :].copy()
        engine.logits.clear()
        if len(engine.scored) == n_before:
            return []
        # counted with the candidates before them; those are said already, or came too late to be said
        events = [event for event in events_of(self._point, engine.scored, self._rate_hz)[n_before:] if event.is_pop]
        oldest = engine.scored[-1].sample - _KEPT_S * self._rate_hz
        engine.scored = [candidate for candidate in engine.scored if candidate.sample >= oldest]
        return events
