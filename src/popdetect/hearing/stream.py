"""Recordings heard block by block, or several short ones at once.

`Stream` takes blocks of any size and carries what it must from one to the next: a clip, a long file and a microphone
are the same to it. `Joined` hears many short clips in one go, which costs half as much as one after the other and
gives the same answers: between two clips lies more "nothing was recorded" than any decision looks across.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from popdetect.hearing import features, gate, onsets, spectrum
from popdetect.hearing.audio import Samples
from popdetect.hearing.bundle import DEFAULT_OPERATING_POINT, Model, OperatingPoint
from popdetect.hearing.counting import count_pops, word
from popdetect.hearing.onsets import Floats, Ints, Located, Take, whole
from popdetect.hearing.quality import Quality
from popdetect.records import Detection, Event

LISTED_FROM = 0.05  # candidates below this probability are not worth a row
NO_EVENT_LOGIT = -12.0  # what a clip without a candidate counts for
_KEEP_HOPS = 400  # frames kept behind the last judged one: more than any feature looks back
_GAP_HOPS = 260  # between joined clips: more than the 100 and the 150 ms that features and neighbours reach
_SPECTRUM_MS = 6.0


@dataclass(frozen=True, slots=True)
class Judged:
    """A judged candidate, before the operating point has spoken."""

    sample: int
    logit: float
    duration_ms: float
    snr_db: float
    peak_hz: float
    centroid_hz: float
    channel: str


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
        self._n_judged = 0  # how many of `_located` have been judged
        self._judged: list[Judged] = []
        self._heard: list[tuple[Ints, Floats]] = []  # sample and log-odds of every judged candidate
        self._n_samples = 0
        self._quality = Quality()

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
        return conclude(
            self._model, self._point, self._judged, best, self._n_samples, self._rate_hz, self._channels, self._quality
        )

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

    def _take_samples(self, index: Ints) -> Samples:
        """Samples by number, counted from the first that is kept."""
        return whole(self._samples)(index)

    def _advance(self, *, to_the_end: bool) -> None:
        """Find, place and judge the candidates that can be, then forget what is no longer needed."""
        self._find(to_the_end=to_the_end)
        hop = self._shape.hop
        if to_the_end:
            n_ready = len(self._located)
        else:
            # a candidate is judged when the frames after it and its last neighbour are known
            horizon = min(
                self._frame0 + len(self._frames) - features.FUTURE_HOPS - 2 * self._window_hops,
                self._picked - int(features.NEIGHBOUR_MS * self._rate_hz / 1000 / hop) - 2 * self._window_hops - 2,
            )
            n_ready = int(np.searchsorted(self._located.sample, horizon * hop))
        if n_ready > self._n_judged:
            self._judge(slice(self._n_judged, n_ready))
            self._n_judged = n_ready
        if not to_the_end:
            self._forget()

    def _find(self, *, to_the_end: bool) -> None:
        rule = self._model.onset_rule
        end = self._frame0 + len(self._frames)
        # the fine envelope looks a little beyond the frame
        until = end if to_the_end else end - rule.radius_hops - max(int(onsets.AFTER_MS), gate.AFTER_HOPS[-1]) - 2
        if until <= self._picked:
            return
        begin = max(self._frame0, self._picked - rule.radius_hops)
        frames = onsets.pick(onsets.greatest(self._rises[begin - self._frame0 :]), rule) + begin
        frames = frames[(frames >= self._picked) & (frames < until)]
        heights = onsets.prominence(self._groups_db, frames - self._frame0, rule)
        stands_out = onsets.greatest(heights) >= rule.prominence_db
        frames, heights = frames[stands_out], heights[stands_out]
        if len(frames):
            looks = gate.describe(self._rises, heights, self._groups_db, frames - self._frame0)
            frames = frames[self._model.gate.logit(looks) >= self._model.gate_from]
        self._picked = until
        if not len(frames):
            return
        # the latest known candidate comes along, so that two that found the same start are told as such
        both = np.concatenate([self._last_pick, frames])
        fresh = onsets.locate(self._take_samples, both - self._frame0, self._shape, self._rate_hz)
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
        logits = self._model.classifier.logit(described.rows)
        self._heard.append((self._located.sample[wanted], logits))
        listed = np.flatnonzero(self._model.event_calibration(logits) >= LISTED_FROM)
        if not len(listed):
            return
        starts = here.sample[wanted][listed]
        peak_hz, centroid_hz, channel = _colour(self._take_samples, starts, self._rate_hz)
        for k, i in enumerate(listed):
            self._judged.append(
                Judged(
                    sample=int(starts[k]) + offset,
                    logit=float(logits[i]),
                    duration_ms=float(described.duration_ms[i]),
                    snr_db=float(described.snr_db[i]),
                    peak_hz=float(peak_hz[k]),
                    centroid_hz=float(centroid_hz[k]),
                    channel=channel[k],
                )
            )

    def _forget(self) -> None:
        hop = self._shape.hop
        waiting = self._located.sample[self._n_judged :]
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
        if len(self._last_pick) and self._last_pick[0] < self._frame0 + _KEEP_HOPS // 4:
            self._last_pick = self._last_pick[:0]


class Joined(Stream):
    """Several short clips of one rate and channel count, heard at once.

    Parameters
    ----------
    model, rate_hz, channels, operating_point
        As of `Stream`.
    """

    def _take_samples(self, index: Ints) -> Samples:
        return self._pieces(index)

    def hear(self, clips: Sequence[Samples]) -> list[Detection]:
        """Judge clips of shape (n, channels); to be called once.

        Returns
        -------
        list of Detection
            The same, to the last digit, as of a `Stream` for each clip.
        """
        hop, window = self._shape.hop, self._window_hops
        n_hops = [-(-len(clip) // hop) + _GAP_HOPS for clip in clips]
        first_hops = np.cumsum([0, *n_hops]).tolist()
        power = np.zeros((first_hops.pop(), self._frames.shape[1]), np.float32)
        for clip, first in zip(clips, first_hops, strict=True):
            n_frames = max(0, len(clip) // hop - window + 1)
            frame_power(clip, power[first : first + n_frames], self._shape)
        starts = [hop * first for first in first_hops]
        # parted in the middle of the gaps: a sound at a clip's very start may be placed a little before it
        ends = np.array([*starts[1:], hop * (len(power) + _GAP_HOPS)]) - hop * (_GAP_HOPS // 2)
        self._pieces = _pieces(clips, starts, ends)
        self._append(power)
        self._advance(to_the_end=True)

        best = np.full(len(clips), NO_EVENT_LOGIT)
        own: list[list[Judged]] = [[] for _ in clips]
        for samples, logits in self._heard:
            np.maximum.at(best, np.searchsorted(ends, samples, side="right"), logits)
        for judged in self._judged:
            index = int(np.searchsorted(ends, judged.sample, side="right"))
            own[index].append(replace(judged, sample=judged.sample - starts[index]))
        detections = []
        for clip, judged_here, logit in zip(clips, own, best.tolist(), strict=True):
            quality = Quality()
            quality.hear(clip)
            here = (len(clip), self._rate_hz, self._channels, quality)
            detections.append(conclude(self._model, self._point, judged_here, logit, *here))
        return detections


def _pieces(clips: Sequence[Samples], starts: Sequence[int], ends: Ints) -> Take:
    """Access to the samples of several clips that lie apart, without laying them in a row."""

    def take(index: Ints) -> Samples:
        out = np.empty((*index.shape, clips[0].shape[1]), np.float32)
        owner = np.searchsorted(ends, index[:, index.shape[1] // 2], side="right")
        for piece in np.unique(owner):
            rows = np.flatnonzero(owner == piece)
            out[rows] = clips[piece].take(index[rows] - starts[piece], axis=0, mode="clip")
        return out

    return take


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


def conclude(
    model: Model,
    point: OperatingPoint,
    judged: Sequence[Judged],
    best_logit: float,
    n_samples: int,
    rate_hz: int,
    channels: int,
    quality: Quality,
) -> Detection:
    """Judged candidates to the verdict on their clip."""
    logits = np.array([j.logit for j in judged])
    times = np.maximum(np.array([j.sample for j in judged]), 0) / rate_hz
    p_event = model.event_calibration(logits)
    counted = count_pops(times, p_event, model.clip_calibration(logits), point.pop_from, point.train_from)
    p_pop = float(model.clip_calibration(np.array(best_logit)))
    return Detection(
        label=word(p_pop, point),
        p_pop=p_pop,
        events=tuple(
            Event(float(t), float(p), bool(c), j.duration_ms, j.peak_hz, j.centroid_hz, j.snr_db, j.channel)
            for j, t, p, c in zip(judged, times, p_event, counted, strict=True)
        ),
        duration_s=n_samples / rate_hz,
        sample_rate_hz=rate_hz,
        channels=channels,
        quality=quality.flags(),
    )


def _colour(take: Take, starts: Ints, rate_hz: int) -> tuple[Floats, Floats, list[str]]:
    """Peak and mean frequency of the first 6 ms of each event (above 60 Hz), and the louder channel of two."""
    size = round(_SPECTRUM_MS * rate_hz / 1000)
    index = starts[:, None] + np.arange(size)
    sound = take(index).astype(np.float64)
    sound -= sound.mean(axis=1, keepdims=True)
    power = np.square(sound).sum(axis=1)
    n_fft = 4 * size  # bins 42 Hz apart
    taper = 0.5 + 0.5 * np.cos(np.pi * np.arange(size) / size)
    spectra = np.square(np.abs(np.fft.rfft(sound * taper[:, None], n_fft, axis=1))).sum(axis=2)
    bins_hz = np.arange(spectra.shape[1]) * (rate_hz / n_fft)
    spectra[:, bins_hz < 60] = 0
    total = np.maximum(spectra.sum(axis=1), 1e-30)
    channel = [""] * len(starts)
    if sound.shape[2] == 2:
        lead_db = 10 * np.log10(np.maximum(power[:, 0], 1e-20) / np.maximum(power[:, 1], 1e-20))
        channel = ["both" if abs(db) < 1 else "1" if db > 0 else "2" for db in lead_db]
    return bins_hz[spectra.argmax(axis=1)], (spectra * bins_hz).sum(axis=1) / total, channel


def _appended(known: spectrum.Array, fresh: spectrum.Array) -> spectrum.Array:
    return np.concatenate([known, fresh]) if len(known) else fresh


def _by_group(frames_db: spectrum.Array, shape: spectrum.Transform) -> spectrum.Array:
    """Frames averaged over the groups of bands that are present; silence stays NaN."""
    if shape.present.all():
        return np.asarray(frames_db @ shape.groups)
    return np.asarray(frames_db[:, shape.present] @ shape.groups[shape.present])


def _no_candidates() -> Located:
    return Located(np.empty(0, np.intp), np.empty((0, onsets.ENVELOPE_BINS)), np.empty(0), np.empty(0))


def _joined(first: Located, second: Located) -> Located:
    if not len(first):
        return second
    return Located(
        np.concatenate([first.sample, second.sample]),
        np.concatenate([first.envelope, second.envelope]),
        np.concatenate([first.before, second.before]),
        np.concatenate([first.glitch, second.glitch]),
    )
