"""A recording heard block by block.

`Stream` takes blocks of any size and carries what it must from one to the next: a clip, a long file and a microphone
are the same to it. Candidates are found, judged by themselves, and judged once more among their neighbours, each as
soon as everything that bears on it has been heard.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.recording import Samples
from popdetect.detection.conclusion import NO_EVENT_LOGIT, Judged, colour, conclude
from popdetect.detection.model.bundle import DEFAULT_OPERATING_POINT, Model
from popdetect.detection.signal import candidate_filter as gate
from popdetect.detection.signal import context, features, onsets
from popdetect.detection.signal import frames as spectrum
from popdetect.detection.signal import refinement as locating
from popdetect.detection.signal.onsets import Floats, Ints
from popdetect.detection.signal.quality import Quality
from popdetect.detection.signal.refinement import Located
from popdetect.detection.signal.speech import Voice, energy_db
from popdetect.records import Detection

LISTED_FROM = 0.05  # candidates below this probability are not worth a row
_KEEP_HOPS = 400  # frames kept behind the last judged one: more than any feature looks back


@dataclass(frozen=True, slots=True)
class _Opinions:
    """First opinions on candidates: absolute samples, log-odds, and what neighbours are compared by; axis 0 is n."""

    sample: Ints
    log_odds: Floats
    level_db: Floats
    shape_db: Floats
    duration_ms: Floats
    snr_db: Floats
    outside: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.sample)

    def since(self, first: int) -> _Opinions:
        """Without the first ones."""
        return _Opinions(*(getattr(self, field.name)[first:] for field in fields(self)))

    def and_then(self, later: _Opinions) -> _Opinions:
        """These and later ones."""
        pairs = ((getattr(self, field.name), getattr(later, field.name)) for field in fields(self))
        return _Opinions(*(np.concatenate(pair) for pair in pairs))


class Stream:
    """One recording, heard block by block.

    Parameters
    ----------
    model : Model
    rate_hz, channels : int
    operating_point : str
    """

    def __init__(
        self, model: Model, rate_hz: int, channels: int, operating_point: str = DEFAULT_OPERATING_POINT
    ) -> None:
        self._model = model
        self._point = model.operating_point(operating_point)
        self._rate_hz = rate_hz
        self._channels = channels
        self._shape = spectrum.transform(model.front_end, rate_hz)
        self._window_hops = model.front_end.window_hops
        self._samples: Samples = np.empty((0, channels), np.float32)
        self._waiting = self._samples
        self._frames = np.empty((0, model.front_end.n_columns), np.float32)
        self._tail = self._frames  # power of the latest frames, the background of the next
        self._rises = np.empty((0, spectrum.N_GROUPS), np.float32)
        self._groups_db = self._rises  # frames by group
        self._frame0 = 0  # absolute index of the first frame (and hop) that is kept
        self._picked = 0  # frames before this one have been searched for candidates
        self._last_pick: Ints = np.empty(0, np.intp)  # the latest candidate frame, absolute
        self._located = _no_candidates()  # absolute samples; neighbours of those to come, then those
        self._n_judged = 0  # how many of `_located` have been judged by themselves
        self._opinions: _Opinions | None = None  # on those, as far back as neighbours reach
        self._n_decided = 0  # how many of `_opinions` have been judged among their neighbours
        self._reach = math.ceil(features.NEIGHBOUR_MS * rate_hz / 1000) + 1
        self._judged: list[Judged] = []
        self._heard: list[tuple[Ints, Floats]] = []  # sample and final log-odds of every candidate
        self._n_samples = 0
        self._quality = Quality()
        self._voice = Voice()

    def feed(self, block: Samples) -> None:
        """Hear `block`, shape (n, channels), float32; it is kept until the next, and must not change."""
        # one block late: of a clip that comes in one block, everything is judged at once, in `finish`
        if len(self._waiting):
            self._take(self._waiting)
            if self._transform(to_the_end=False):
                self._advance(to_the_end=False)
        self._waiting = block
        self._n_samples += len(block)
        self._quality.hear(block)

    def _take(self, block: Samples) -> None:
        self._samples = block if not len(self._samples) else np.concatenate([self._samples, block])

    def finish(self) -> Detection:
        """Judge what is left, and the whole."""
        self._take(self._waiting)
        self._transform(to_the_end=True)
        self._advance(to_the_end=True)
        best = max((float(logits.max()) for _, logits in self._heard), default=NO_EVENT_LOGIT)
        p_pop = float(self._model.clip_calibration(np.array(best)))
        here = (self._n_samples, self._rate_hz, self._channels, self._quality)
        voice_s = self._voice.seconds(self._shape.hop / self._rate_hz)
        return conclude(self._point, self._judged, p_pop, *here, voice_s)

    def _transform(self, *, to_the_end: bool) -> bool:
        """Frames and rises of all whole segments (or of all there is); whether there were any."""
        start = len(self._frames)
        n_hops = len(self._samples) // self._shape.hop
        n_new = max(0, n_hops - self._window_hops + 1) - start
        if not to_the_end:
            # segments lie at fixed places in the recording, whatever the blocks
            n_new -= n_new % spectrum.SEGMENT_HOPS
        if n_new <= 0:
            return False
        fresh = np.empty((n_new, self._frames.shape[1]), np.float32)
        frame_power(self._samples[start * self._shape.hop :], fresh, self._shape)
        self._voice.hear(energy_db(fresh))
        self._append(fresh)
        return True

    def _append(self, fresh: spectrum.Array) -> None:
        """Take new frames' power (which is overwritten): their rise, and their level in dB."""
        rule = self._model.onset_rule
        known = np.concatenate([self._tail, fresh]) if len(self._tail) else fresh
        risen = onsets.rise(known, self._shape.groups, self._window_hops, rule)[len(self._tail) :]
        self._tail = known[-rule.history(self._window_hops) :].copy()
        fresh = spectrum.to_db(fresh, self._shape.present)
        self._frames = _appended(self._frames, fresh)
        self._rises = _appended(self._rises, risen)
        self._groups_db = _appended(self._groups_db, _by_group(fresh, self._shape))

    def _take_samples(self, starts: Ints, size: int) -> Samples:
        """Pieces by their first samples, counted from the first that is kept."""
        return locating.snippets(self._samples, starts, size)

    def _advance(self, *, to_the_end: bool) -> None:
        """Find, place and judge the candidates that can be, then forget what is no longer needed."""
        self._find(to_the_end=to_the_end)
        hop = self._shape.hop
        horizon, n_ready = 0, len(self._located)
        if not to_the_end:
            # a candidate is judged when the frames after it and its last neighbour are known
            horizon = min(
                self._frame0 + len(self._frames) - features.FUTURE_HOPS - 2 * self._window_hops,
                self._picked - int(features.NEIGHBOUR_MS * self._rate_hz / 1000 / hop) - 2 * self._window_hops - 2,
            )
            n_ready = int(np.searchsorted(self._located.sample, horizon * hop))
        if n_ready > self._n_judged:
            self._judge(slice(self._n_judged, n_ready))
            self._n_judged = n_ready
        if self._opinions is not None:
            final = self._opinions.sample + self._reach < horizon * hop
            self._decide(self._opinions, len(final) if to_the_end else int(final.sum()))
        if not to_the_end:
            self._forget()

    def _find(self, *, to_the_end: bool) -> None:
        rule = self._model.onset_rule
        end = self._frame0 + len(self._frames)
        # the fine envelope looks a little beyond the frame
        until = end if to_the_end else end - rule.radius_hops - max(int(locating.AFTER_MS), gate.AFTER_HOPS[-1]) - 2
        if until <= self._picked:
            return
        begin = max(self._frame0, self._picked - rule.radius_hops)
        frames = onsets.pick(onsets.greatest(self._rises[begin - self._frame0 :]), rule) + begin
        frames = frames[(frames >= self._picked) & (frames < until)]
        heights = onsets.prominence(self._groups_db, frames - self._frame0, rule)
        stands_out = onsets.greatest(heights) >= rule.prominence_db
        frames, heights = frames[stands_out], heights[stands_out]
        if len(frames):
            looks = gate.describe(self._rises, heights, self._groups_db, self._frames, frames - self._frame0)
            frames = frames[self._model.gate.logit(looks) >= self._model.gate_from]
        self._picked = until
        if not len(frames):
            return
        # the latest known candidate comes along, so that two that found the same start are told as such
        both = np.concatenate([self._last_pick, frames])
        fresh = locating.locate(self._take_samples, both - self._frame0, self._shape, self._rate_hz)
        offset = self._frame0 * self._shape.hop
        fresh = Located(fresh.sample + offset, fresh.envelope, fresh.before, fresh.glitch)
        self._last_pick = frames[-1:]
        if len(self._located):
            fresh = fresh.take(fresh.sample > self._located.sample[-1])
        self._located = _joined(self._located, fresh)

    def _judge(self, wanted: slice) -> None:
        hop, offset = self._shape.hop, self._frame0 * self._shape.hop
        here = Located(
            self._located.sample - offset, self._located.envelope, self._located.before, self._located.glitch
        )
        described = features.describe(self._frames, here, hop, self._window_hops, self._rate_hz, wanted)
        level_db, shape_db = features.level_and_shape(described.rows, self._frames.shape[1])
        fresh = _Opinions(
            sample=self._located.sample[wanted],
            log_odds=self._model.first_calibration.log_odds(self._model.classifier.logit(described.rows)),
            level_db=level_db,
            shape_db=shape_db,
            duration_ms=described.duration_ms,
            snr_db=described.snr_db,
            outside=self._model.span.outside(described.rows),
        )
        self._opinions = fresh if self._opinions is None else self._opinions.and_then(fresh)

    def _decide(self, known: _Opinions, n_ready: int) -> None:
        """Judge the candidates up to `n_ready` among their neighbours, and list the likely ones."""
        wanted = slice(self._n_decided, n_ready)
        self._n_decided = max(n_ready, self._n_decided)
        onset_ms = known.sample.astype(np.float64) * (1000 / self._rate_hz)
        rows = context.describe(onset_ms, known.log_odds, known.level_db, known.shape_db, wanted)
        if not len(rows):
            return
        logits = context.second_opinion(self._model.context, rows)
        self._heard.append((known.sample[wanted], logits))
        p_event = self._model.event_calibration(logits)
        listed = np.flatnonzero(p_event >= LISTED_FROM)
        if not len(listed):
            return
        p_clip = self._model.clip_calibration(logits[listed])
        of_all = listed + wanted.start
        starts = known.sample[of_all] - self._frame0 * self._shape.hop
        peak_hz, centroid_hz, channel = colour(self._take_samples, starts, self._rate_hz)
        for k, (i, j) in enumerate(zip(listed, of_all, strict=True)):
            self._judged.append(
                Judged(
                    sample=int(known.sample[j]),
                    p_event=float(p_event[i]),
                    p_clip=float(p_clip[k]),
                    duration_ms=float(known.duration_ms[j]),
                    snr_db=float(known.snr_db[j]),
                    peak_hz=float(peak_hz[k]),
                    centroid_hz=float(centroid_hz[k]),
                    channel=channel[k],
                    outside=bool(known.outside[j]),
                )
            )

    def _forget(self) -> None:
        hop = self._shape.hop
        waiting = self._located.sample[self._n_judged :]
        if self._opinions is not None and self._n_decided < len(self._opinions):
            waiting = self._opinions.sample[self._n_decided :]
        oldest = int(waiting[0]) // hop if len(waiting) else self._picked
        drop = min(oldest, self._picked) - _KEEP_HOPS - self._frame0
        if drop <= 0:
            return
        self._frame0 += drop
        self._frames = self._frames[drop:].copy()
        self._rises = self._rises[drop:].copy()
        self._groups_db = self._groups_db[drop:].copy()
        self._samples = self._samples[drop * hop :].copy()
        gone = int(np.searchsorted(self._located.sample, (self._frame0 + _KEEP_HOPS // 4) * hop))
        gone = min(gone, self._n_judged)
        self._located = self._located.take(np.arange(gone, len(self._located)))
        self._n_judged -= gone
        if self._opinions is not None:
            gone = int(np.searchsorted(self._opinions.sample, self._frame0 * hop))
            gone = min(gone, self._n_decided)
            self._opinions = self._opinions.since(gone)
            self._n_decided -= gone
        if len(self._last_pick) and self._last_pick[0] < self._frame0 + _KEEP_HOPS // 4:
            self._last_pick = self._last_pick[:0]


def frame_power(samples: Samples, out: spectrum.Array, shape: spectrum.Transform) -> None:
    """Power of the first frames, as many as `out` has rows, mean over channels, by segments of a fixed size."""
    n_frames = len(out)
    n_channels = samples.shape[1]
    for start in range(0, n_frames, spectrum.SEGMENT_HOPS):
        size = min(spectrum.SEGMENT_HOPS, n_frames - start)
        sound = samples[start * shape.hop : (start + size + len(shape.kernels) - 1) * shape.hop]
        power = shape.power(np.ascontiguousarray(sound[:, 0]))
        for channel in range(1, n_channels):
            power += shape.power(np.ascontiguousarray(sound[:, channel]))
        if n_channels > 1:
            power *= np.float32(1 / n_channels)
        out[start : start + size] = power


def _appended(known: spectrum.Array, fresh: spectrum.Array) -> spectrum.Array:
    return np.concatenate([known, fresh]) if len(known) else fresh


def _by_group(frames_db: spectrum.Array, shape: spectrum.Transform) -> spectrum.Array:
    """Frames averaged over the groups of bands that are present; silence stays NaN."""
    if shape.present.all():
        return np.asarray(frames_db @ shape.groups)
    return np.asarray(frames_db[:, shape.present] @ shape.groups[shape.present])


def _no_candidates() -> Located:
    return Located(np.empty(0, np.intp), np.empty((0, locating.ENVELOPE_BINS)), np.empty(0), np.empty(0))


def _joined(first: Located, second: Located) -> Located:
    if not len(first):
        return second
    return Located(
        np.concatenate([first.sample, second.sample]),
        np.concatenate([first.envelope, second.envelope]),
        np.concatenate([first.before, second.before]),
        np.concatenate([first.glitch, second.glitch]),
    )
