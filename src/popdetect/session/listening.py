"""Listening: live sound to what a person or a program is told, in the order in which it becomes known.

Times are in seconds from the first sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.arrays import Samples, as_block
from popdetect.detection.detector import Detector
from popdetect.detection.signal.room import measure_room, to_dbfs
from popdetect.errors import AudioError, DeviceLost, Empty, NothingFound, TooShort
from popdetect.records import Attempt, Burst, Level, Listened, LiveEvent, Room
from popdetect.session.excerpts import ClipFolder, LiveExcerpts

Told = Room | Level | LiveEvent | Attempt | Listened

LEVEL_S = 0.1  # between two levels
BEFORE_S = 1.0  # a person may mark a thrust a little late
_FINAL_S = 2.0  # all bursts that started so long ago are known
_REPEAT_S = 0.3  # a key that is held down repeats; that is one attempt


def listen(
    detector: Detector,
    blocks: Iterable[npt.ArrayLike],
    rate_hz: float,
    channels: int,
    *,
    gaps: Sequence[tuple[float, float]] = (),
    calibrate_s: float = 0.0,
    seconds: float | None = None,
    clips: ClipFolder | None = None,
    name: str = "live",
    marked: Callable[[], bool] = lambda: False,
    window_s: float = 3.0,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Told]:
    """Yield what `blocks` tell; a `Listened` comes last.

    Parameters
    ----------
    detector : Detector
    blocks : iterable of array_like
        See `Stream.feed`.
    rate_hz, channels : int
    gaps : sequence of (float, float)
        Start and length of lost sound, s, to which the source adds while it is read, as `Microphone.gaps`.
    calibrate_s : float
        Yield a `Room` after so much sound; 0 for none. Pops in it are found too.
    seconds : float, optional
        Stop after so much sound.
    clips : ClipFolder, optional
        Write the sound around each thrust as clips of this folder; `ClipFolder.finish` is left to the caller.
    name : str
        What the source is called there, one of the `files` of the folder.
    marked, stopped : callable
        Asked after each block: whether a person has marked a thrust, and whether to stop.
    window_s : float
        A burst belongs to an attempt if it starts within `BEFORE_S` before it and this time after it.

    Raises
    ------
    DeviceLost
        After the `Listened`: the microphone stopped.
    AudioError
        After the `Listened`: a block that cannot be processed.
    NothingFound
        There was no sound.
    UsageError
    """
    live = detector.live(rate_hz, channels)
    excerpts = LiveExcerpts(int(rate_hz), detector.model.front_end.hop_ms)
    attempts = _Attempts(window_s)
    level = _LevelMeter(int(rate_hz))
    room: list[Samples] = []
    thrusts: list[Burst] = []
    written: list[str] = []
    n_gaps = 0
    failed: DeviceLost | AudioError | None = None
    n_left = round(seconds * rate_hz) if seconds is not None else None

    def told(items: Sequence[LiveEvent]) -> Iterator[LiveEvent]:
        thrusts.extend(item.burst for item in items if item.burst)
        yield from items

    try:
        for block in blocks:
            samples = as_block(block, channels).copy()[:n_left]
            for start_s, length_s in gaps[n_gaps:]:
                n_gaps += 1
                yield LiveEvent("gap", start_s, gap_s=length_s)
            n_known = len(thrusts)
            yield from told(live.feed(samples))
            if clips:
                for excerpt, members in excerpts.add(samples, thrusts[n_known:]):
                    written.append(clips.write(excerpt, name, members))
            if len(samples):
                yield from level.add(samples)
            if calibrate_s and len(samples):
                room.append(samples)
                if live.duration_s >= calibrate_s:
                    calibrate_s = 0
                    yield measure_room(np.concatenate(room), int(rate_hz))
                    room.clear()
            if marked():
                attempts.mark(live.duration_s)
            yield from attempts.decided(thrusts, live.duration_s)
            n_left = None if n_left is None else n_left - len(samples)
            if stopped() or n_left == 0:
                break
    except (DeviceLost, AudioError) as error:
        failed = error
    n_known = len(thrusts)
    quality: tuple[str, ...] = ()
    try:
        last, detection = live.finish()
        quality = detection.quality
        yield from told(last)
    except (Empty, TooShort) as error:
        if failed is None:
            raise NothingFound(f"nothing to hear: {error}") from error
    finally:
        if clips:
            for excerpt, members in excerpts.finish(thrusts[n_known:]):
                written.append(clips.write(excerpt, name, members))
    yield from attempts.decided(thrusts, np.inf)
    yield Listened(
        live.duration_s,
        sum(burst.n_pops for burst in thrusts),
        tuple(thrusts),
        tuple(attempts.done),
        median([attempt.n_pops for attempt in attempts.done if attempt.n_pops] or [0]) or None,
        sum(length_s for _, length_s in gaps),
        tuple(flag for flag in quality if flag != "long"),
        tuple(written),
    )
    if failed:
        raise failed


class _Attempts:
    """Thrusts that a person marks, and the bursts that belong to them."""

    def __init__(self, window_s: float) -> None:
        self.done: list[Attempt] = []
        self._window_s = window_s
        self._times_s: list[float] = []

    def mark(self, time_s: float) -> None:
        """Note an attempt."""
        if not self._times_s or time_s - self._times_s[-1] >= _REPEAT_S:
            self._times_s.append(time_s)

    def decided(self, thrusts: Sequence[Burst], known_s: float) -> Iterator[Attempt]:
        """Yield the attempts whose bursts are known after so much sound."""
        while len(self.done) < len(self._times_s):
            time_s = self._times_s[len(self.done)]
            if known_s < time_s + self._window_s + _FINAL_S:
                return
            own = [burst for burst in thrusts if self._owner_s(burst) == time_s]
            self.done.append(Attempt(len(self.done) + 1, time_s, sum(burst.n_pops for burst in own)))
            yield self.done[-1]

    def _owner_s(self, burst: Burst) -> float | None:
        """The time of the attempt to which a burst belongs: the nearest one in whose window it starts."""
        fitting = [t for t in self._times_s if t - BEFORE_S <= burst.start_s <= t + self._window_s]
        return min(fitting, key=lambda t: abs(t - burst.start_s), default=None)


class _LevelMeter:
    """The level of each tenth of a second."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._n_samples = self._n_new = 0
        self._energy = self._peak = 0.0

    def add(self, samples: Samples) -> Iterator[Level]:
        """Add samples, shape (n, channels); yield the level of those since the last one, if it is time."""
        self._n_samples += len(samples)
        self._n_new += len(samples)
        self._energy += float(np.square(samples).sum(axis=0).max())
        self._peak = max(self._peak, float(np.abs(samples).max()))
        if self._n_new >= LEVEL_S * self._rate_hz:
            rms = (self._energy / self._n_new) ** 0.5
            yield Level(self._n_samples / self._rate_hz, to_dbfs(rms), to_dbfs(self._peak))
            self._n_new, self._energy, self._peak = 0, 0.0, 0.0
