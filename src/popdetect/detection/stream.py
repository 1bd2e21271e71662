"""Recordings to detections: whole clips as a batch, and a long file or live sound block by block.

Both use one `Engine`. Recordings of two channels also have a `ChannelSearch`. In a batch the clips lie one after
another on one time line, between them more digital silence than any feature or neighbour reaches across. A batch costs
half the time of the clips one by one. A stream keeps the state of one recording between blocks. The results are the
same to the last digit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.arrays import Samples, as_block, check_recording
from popdetect.detection.audio.silence import SilenceCheck
from popdetect.detection.channel_search import ChannelSearch, TwoChannelEngine, merged
from popdetect.detection.conclusion import NO_EVENT_LOGIT, ScoredCandidate, conclude, events_of, n_final
from popdetect.detection.engine import Engine
from popdetect.detection.model.bundle import Model, OperatingPoint
from popdetect.detection.signal.dropouts import Dropouts
from popdetect.detection.signal.frames import SEGMENT_HOPS, Array, mean_power, total_power, transform
from popdetect.detection.signal.onsets import Ints
from popdetect.detection.signal.quality import Quality
from popdetect.detection.signal.refinement import snippets
from popdetect.detection.signal.speech import STEP_HOPS, Voice, at_equal_times, energy_db, n_stretches, stretches
from popdetect.detection.signal.two_channels import ChannelCheck
from popdetect.records import Detection, Event

_GAP_HOPS = 260  # between the clips of a batch: more than the 100 and the 150 ms that features and neighbours reach


class Stream:
    """One recording that comes in blocks.

    Parameters
    ----------
    model : Model
    point : OperatingPoint
    rate_hz, channels : int
    """

    def __init__(self, model: Model, point: OperatingPoint, rate_hz: int, channels: int) -> None:
        self._model, self._point = model, point
        self._rate_hz, self._channels = rate_hz, channels
        self._engine = (TwoChannelEngine if channels == 2 else Engine)(model, point, rate_hz)
        self._transform = transform(model.front_end, rate_hz)
        self._samples: Samples = np.empty((0, channels), np.float32)  # from hop `first_hop` of the engine on
        self._pending: list[Samples] = []  # blocks that are not in `_samples` yet
        self._n_samples = 0
        self.n_final = 0  # how many events `feed` has returned
        self._silence = SilenceCheck()
        self._quality = Quality()
        self._dropouts = Dropouts(self._transform.hop, rate_hz, model.front_end.n_columns - 1)
        self._voice = Voice()
        self._channel_check = ChannelCheck(rate_hz, channels)

    def feed(self, block: npt.ArrayLike) -> tuple[Event, ...]:
        """Process the next block, and return the events that have become final.

        Parameters
        ----------
        block : array_like
            Shape (n, channels), (channels, n), or (n,) if there is one channel; types and range as of
            `Detector.detect`. Any length, also 0. It may be overwritten afterwards.

        Returns
        -------
        tuple of Event
            In time order. Nothing that follows changes them: the events of all blocks, and those that only `finish`
            finds, are the events of the detection. The pops of a burst are returned together, so `records.bursts` may
            be applied to each turn. Frames are processed by the second, and pops depend on their neighbours, so events
            come 0.3 to 1.5 s after their sound; `provisional` has those that are not final yet.

        Raises
        ------
        AudioError
            If the block cannot be processed; the stream is then as before.
        """
        return self.add(as_block(block, self._channels).copy())

    def add(self, samples: Samples) -> tuple[Event, ...]:
        """Do the same with a block of shape (n, channels), float32, that is checked and will not be overwritten."""
        self._silence.add(samples)
        self._quality.add(samples)
        self._dropouts.add(samples)
        self._channel_check.add(samples)
        self._pending.append(samples)
        self._n_samples += len(samples)
        # segments lie at fixed places in the recording, whatever the blocks
        n_ready = self._n_ready() // SEGMENT_HOPS * SEGMENT_HOPS
        if n_ready <= 0:
            return ()
        self._process(n_ready, to_the_end=False)
        waiting = self._engine.scored[self.n_final :]
        final = waiting[: n_final(self._point, waiting, self._engine.known_until, self._rate_hz)]
        self.n_final += len(final)
        return self._events(final)

    def provisional(self) -> tuple[Event, ...]:
        """Events that are not final yet, as if the recording ended here; the stream stays as it is.

        The last of them may still change, or be given up, when more sound follows: the features of a candidate use the
        100 ms after it, and its neighbours within 150 ms. It takes about as long as feeding one second.
        """
        engine = self._engine.copy()
        samples = np.concatenate([self._samples, *self._pending])
        origin = engine.first_hop * self._transform.hop
        if (n_frames := self._n_ready()) > 0:
            engine.append(*self._power(samples, n_frames))
        engine.advance(partial(read_snippets, [samples], [origin], np.empty(0, np.intp)), to_the_end=True)
        waiting = self._engine.scored[self.n_final :] + engine.scored
        return self._events(waiting)

    def finish(self) -> Detection:
        """Process the rest and return the detection of the whole recording; to be called once.

        Raises
        ------
        Empty, TooShort
        """
        check_recording(self._n_samples, self._rate_hz, self._silence)
        self._process(max(0, self._n_ready()), to_the_end=True)
        return conclude(
            self._point,
            self._engine.scored,
            float(self._model.clip_calibration(np.array([self._engine.best_logit]))[0]),
            self._n_samples,
            self._rate_hz,
            self._channels,
            self._quality,
            self._dropouts,
            self._voice.seconds(self._model.front_end.hop_ms / 1000),
            channel_flags=self._channel_check.flags(),
        )

    def _events(self, scored: Sequence[ScoredCandidate]) -> tuple[Event, ...]:
        return events_of(self._point, scored, self._rate_hz, compare=not self._channel_check.flags())

    def _n_ready(self) -> int:
        """How many more frames the samples so far make."""
        return self._transform.n_frames(self._n_samples) - self._engine.n_hops

    def _power(self, samples: Samples, n_frames: int) -> tuple[Array, Array | None]:
        """Power of the next frames, and of each channel of two; `samples` begin with hop `first_hop` of the engine."""
        power, each = _empty_power(n_frames, self._model.front_end.n_columns, self._channels)
        begin = (self._engine.n_hops - self._engine.first_hop) * self._transform.hop
        mean_power(samples[begin:], power, self._transform, each)
        return power, each

    def _process(self, n_frames: int, *, to_the_end: bool) -> None:
        engine, hop = self._engine, self._transform.hop
        self._samples = np.concatenate([self._samples, *self._pending])
        self._pending.clear()
        first = engine.first_hop
        if n_frames:
            power, each = self._power(self._samples, n_frames)
            total = total_power(power)
            self._dropouts.feed(power[:, 0], total)
            self._voice.feed(at_equal_times(energy_db(total), engine.n_hops, self._rate_hz, self._model.front_end))
            engine.append(power, each)
        engine.advance(
            partial(read_snippets, [self._samples], [first * hop], np.empty(0, np.intp)), to_the_end=to_the_end
        )
        if engine.first_hop > first:
            self._samples = self._samples[(engine.first_hop - first) * hop :].copy()


def detect_batch(model: Model, point: OperatingPoint, rate_hz: int, clips: Sequence[Samples]) -> list[Detection]:
    """Process whole clips of one sample rate and number of channels together; they are checked already."""
    engine, front = Engine(model, point, rate_hz), transform(model.front_end, rate_hz)
    n_frames = [front.n_frames(len(clip)) for clip in clips]
    # clips start where the stretches start in which speech is looked for
    steps = [STEP_HOPS * -(-(-(-len(clip) // front.hop) + _GAP_HOPS) // STEP_HOPS) for clip in clips]
    first_hops = np.cumsum([0, *steps[:-1]])
    power = np.zeros((int(first_hops[-1]) + n_frames[-1], model.front_end.n_columns), np.float32)
    single = []
    for clip, first, n in zip(clips, first_hops.tolist(), n_frames, strict=True):
        _, each = _empty_power(n, model.front_end.n_columns, clip.shape[1])
        mean_power(clip, power[first : first + n], front, each)
        if each is not None:
            search = ChannelSearch(model, point, rate_hz)
            search.append(each)
            search.advance(partial(snippets, clip), to_the_end=True)
            single.append(search)
    low, total = power[:, 0].copy(), total_power(power)  # the engine overwrites `power`
    energy = energy_db(total)
    n_times = []
    for first, n in zip(first_hops.tolist(), n_frames, strict=True):
        at_times = at_equal_times(energy[first : first + n], 0, rate_hz, model.front_end)
        energy[first : first + len(at_times)] = at_times
        n_times.append(len(at_times))
    lags, levels = stretches(energy)
    origins = first_hops * front.hop
    # an onset at the very start of a clip may lie a little before it: the clips part in the middle of the gaps
    borders = origins[1:] - front.hop * (_GAP_HOPS // 2)
    engine.append(power)
    engine.advance(partial(read_snippets, clips, origins.tolist(), borders), to_the_end=True)

    best = np.full(len(clips), NO_EVENT_LOGIT)
    for samples, logits in engine.logits:
        np.maximum.at(best, np.searchsorted(borders, samples, side="right"), logits)
    scored: list[list[ScoredCandidate]] = [[] for _ in clips]
    for candidate in engine.scored:
        scored[int(np.searchsorted(borders, candidate.sample, side="right"))].append(candidate)
    for index, search in enumerate(single):
        best[index] = max(best[index], search.best_logit)
        scored[index] = merged(scored[index], search.scored, rate_hz, int(origins[index]))
    detections = []
    p_pops = model.clip_calibration(best).tolist()
    for index, (clip, origin, first) in enumerate(zip(clips, origins.tolist(), first_hops.tolist(), strict=True)):
        quality, voice, channel_check = Quality(), Voice(), ChannelCheck(rate_hz, clip.shape[1])
        dropouts = Dropouts(front.hop, rate_hz, model.front_end.n_columns - 1)
        channel_check.add(clip)
        quality.add(clip)
        dropouts.add(clip)
        part = slice(first, first + n_frames[index])
        dropouts.feed(low[part], total[part])
        part = slice(first // STEP_HOPS, first // STEP_HOPS + n_stretches(n_times[index]))  # stretches within the clip
        voice.add(lags[part], levels[part])
        detections.append(
            conclude(
                point,
                scored[index],
                p_pops[index],
                len(clip),
                rate_hz,
                clip.shape[1],
                quality,
                dropouts,
                voice.seconds(model.front_end.hop_ms / 1000),
                origin,
                channel_check.flags(),
            )
        )
    return detections


def _empty_power(n_frames: int, n_columns: int, channels: int) -> tuple[Array, Array | None]:
    """Arrays for the power of frames, and for that of each channel if there are two."""
    each = np.empty((2, n_frames, n_columns), np.float32) if channels == 2 else None
    return np.empty((n_frames, n_columns), np.float32), each


def read_snippets(clips: Sequence[Samples], origins: Sequence[int], borders: Ints, starts: Ints, size: int) -> Samples:
    """Read snippets of clips that lie at `origins` on the time line and part at `borders`; see `SnippetReader`."""
    if len(clips) == 1:
        return snippets(clips[0], starts - origins[0], size)
    out = np.empty((len(starts), clips[0].shape[1], size), np.float32)
    # candidates come in time order, so those of one clip lie together
    owner = np.searchsorted(borders, starts + size // 2, side="right")
    cuts = np.searchsorted(owner, np.arange(len(clips) + 1)).tolist()
    for clip, origin, first, last in zip(clips, origins, cuts[:-1], cuts[1:], strict=True):
        if last > first:
            out[first:last] = snippets(clip, starts[first:last] - origin, size)
    return out
