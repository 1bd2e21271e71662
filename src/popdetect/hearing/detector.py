"""The whole line, from sound to verdict; the only place that knows it.

`Stream` takes blocks of any size and carries what it must from one to the next: a clip, a long file and a microphone
are the same to it. `Detector` wraps it for files and arrays.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from popdetect.errors import AudioError
from popdetect.hearing import features, gate, onsets, spectrum
from popdetect.hearing.audio import Recording, Samples
from popdetect.hearing.bundle import DEFAULT_OPERATING_POINT, Model, load
from popdetect.hearing.onsets import Floats, Ints, Located
from popdetect.records import Detection, Event, Label, Verdict

LISTED_FROM = 0.05  # candidates below this probability are not worth a row
TRAIN_S = 0.150  # pops of one thrust follow each other by 10 to 90 ms
MERGE_S = 0.009  # a pop is often doubled within 7 ms; pops 12 ms apart are two
NO_EVENT_LOGIT = -12.0  # what a clip without a candidate counts for
_KEEP_HOPS = 400  # frames kept behind the last judged one: more than any feature looks back
_SPECTRUM_MS = 6.0


@dataclass(frozen=True, slots=True)
class _Judged:
    """A judged candidate, before the operating point has spoken."""

    onset_s: float
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
        self._judged: list[_Judged] = []
        self._best_logit = NO_EVENT_LOGIT
        self._n_samples = 0
        self._quality = _Quality()

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
        events = self._events()
        p_pop = float(self._model.clip_calibration(np.array(self._best_logit)))
        return Detection(
            label=_label(p_pop, self._point.no_pop_below, self._point.pop_from),
            p_pop=p_pop,
            events=events,
            duration_s=self._n_samples / self._rate_hz,
            sample_rate_hz=self._rate_hz,
            channels=self._channels,
            quality=self._quality.flags(),
        )

    def _transform(self, *, to_the_end: bool) -> bool:
        """Frames and rises of all whole segments (or of all there is); whether there were any."""
        n_hops = len(self._samples) // self._shape.hop
        n_new = max(0, n_hops - self._window_hops + 1) - len(self._frames)
        segment = spectrum.SEGMENT_HOPS
        pieces = []
        start = len(self._frames)
        # segments lie at fixed places in the recording, whatever the blocks
        while n_new >= segment or (to_the_end and n_new > 0):
            size = min(segment, n_new)
            sound = self._samples[start * self._shape.hop : (start + size + self._window_hops - 1) * self._shape.hop]
            power = self._shape.power(np.ascontiguousarray(sound[:, 0]))
            for channel in range(1, self._channels):
                power += self._shape.power(np.ascontiguousarray(sound[:, channel]))
            power *= np.float32(1 / self._channels)
            pieces.append(power)
            start += size
            n_new -= size
        if not pieces:
            return False
        fresh = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        rule = self._model.onset_rule
        known = np.concatenate([self._tail, fresh]) if len(self._tail) else fresh
        risen = onsets.rise(known, self._shape.groups, self._window_hops, rule)[len(self._tail) :]
        self._tail = known[-rule.history(self._window_hops) :].copy()
        fresh = spectrum.to_db(fresh, self._shape.present)
        self._frames = _appended(self._frames, fresh)
        self._rises = _appended(self._rises, risen)
        self._groups_db = _appended(self._groups_db, _by_group(fresh, self._shape))
        return True

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
        fresh = onsets.locate(self._samples, both - self._frame0, self._shape, self._rate_hz)
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
        self._best_logit = max(self._best_logit, float(logits.max()))
        listed = np.flatnonzero(self._model.event_calibration(logits) >= LISTED_FROM)
        if not len(listed):
            return
        starts = here.sample[wanted][listed]
        peak_hz, centroid_hz, channel = _spectra(self._samples, starts, self._rate_hz)
        for k, i in enumerate(listed):
            self._judged.append(
                _Judged(
                    onset_s=float(starts[k] + offset) / self._rate_hz,
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

    def _events(self) -> tuple[Event, ...]:
        """The listed candidates, with the operating point's word on each."""
        judged = self._judged
        logits = np.array([j.logit for j in judged])
        times = np.array([j.onset_s for j in judged])
        p_event = self._model.event_calibration(logits)
        counted = count_pops(
            times, p_event, self._model.clip_calibration(logits), self._point.pop_from, self._point.train_from
        )
        return tuple(
            Event(j.onset_s, float(p), bool(c), j.duration_ms, j.peak_hz, j.centroid_hz, j.snr_db, j.channel)
            for j, p, c in zip(judged, p_event, counted, strict=True)
        )


def count_pops(times_s: Floats, p_event: Floats, p_clip: Floats, pop_from: float, train_from: float) -> list[bool]:
    """Which candidates are counted as pops.

    One that alone would make its clip a ``pop`` is; from there, likely ones within 150 ms of a counted one are, and
    so on along the train. Of two within 9 ms the later is the first one's echo, unless only the later is sure.

    Parameters
    ----------
    times_s, p_event, p_clip : ndarray, shape (n,)
        Increasing times; the probability of each as an event, and of a clip of which it is the best.

    Returns
    -------
    list of bool, length n
    """
    n = len(times_s)
    sure = p_clip >= pop_from
    likely = sure | (p_event >= train_from)
    counted = [False] * n
    for order in (range(n), range(n - 1, -1, -1)):  # forwards along trains, then backwards
        last = -np.inf
        for i in order:
            if sure[i] or counted[i] or (likely[i] and abs(times_s[i] - last) <= TRAIN_S):
                counted[i] = True
                last = times_s[i]
    kept: int | None = None
    for i in range(n):
        if not counted[i]:
            continue
        if kept is not None and times_s[i] - times_s[kept] < MERGE_S:
            if sure[i] and not sure[kept]:
                counted[kept] = False
                kept = i
            else:
                counted[i] = False
        else:
            kept = i
    return counted


class Detector:
    """A model at an operating point, ready for recordings.

    Parameters
    ----------
    model : Model, optional
        The shipped one by default.
    operating_point : str
        One of the model's.

    Raises
    ------
    ModelError, UsageError
    """

    def __init__(self, model: Model | None = None, operating_point: str = DEFAULT_OPERATING_POINT) -> None:
        self.model = model if model is not None else load()
        self.model.operating_point(operating_point)  # an unknown one is refused before the first clip
        self.operating_point = operating_point

    def stream(self, rate_hz: int, channels: int) -> Stream:
        """Begin a recording that comes in blocks."""
        return Stream(self.model, rate_hz, channels, self.operating_point)

    def detect(self, source: str | os.PathLike[str] | BinaryIO) -> Detection:
        """Judge a file.

        Raises
        ------
        AudioError
            When it cannot be judged.
        """
        recording = Recording(source)
        stream = self.stream(recording.rate_hz, recording.channels)
        for block in recording:
            stream.feed(block)
        return stream.finish()

    def detect_samples(self, samples: Samples, rate_hz: int) -> Detection:
        """Judge samples in memory, of shape (n,) or (n, channels), full scale ±1."""
        block = np.asarray(samples, np.float32)
        block = block[:, None] if block.ndim == 1 else block
        stream = self.stream(rate_hz, block.shape[1])
        stream.feed(block)
        return stream.finish()

    def verdict(self, source: str | os.PathLike[str] | BinaryIO, name: str, *, hash_file: bool = True) -> Verdict:
        """Judge a file and never raise for what is wrong with it.

        Returns
        -------
        Verdict
            With `file` = `name`; an `AudioError` becomes its status and message.
        """
        sha256 = _sha256(source) if hash_file else ""
        try:
            return Verdict(name, "ok", self.detect(source), sha256=sha256)
        except AudioError as error:
            return Verdict(name, error.status, None, error=str(error), sha256=sha256)


class _Quality:
    """What a person should know before trusting the verdict."""

    def __init__(self) -> None:
        self._peak = 0.0
        self._n_clipped = 0

    def hear(self, block: Samples) -> None:
        if not len(block):
            return
        peak = max(float(block.max()), -float(block.min()))
        self._peak = max(self._peak, peak)
        if peak >= 0.999:
            full = np.abs(block) >= 0.999
            self._n_clipped += int((full[1:] & full[:-1]).sum())

    def flags(self) -> tuple[str, ...]:
        flags = []
        if self._n_clipped >= 3:
            flags.append("clipped")
        if self._peak < 10 ** (-50 / 20):  # 100 steps of 16 bits
            flags.append("quiet")
        return tuple(flags)


def _label(p_pop: float, no_pop_below: float, pop_from: float) -> Label:
    if p_pop >= pop_from:
        return "pop"
    return "no_pop" if p_pop < no_pop_below else "uncertain"


def _spectra(samples: Samples, starts: Ints, rate_hz: int) -> tuple[Floats, Floats, list[str]]:
    """Peak and mean frequency of the first 6 ms of each event (above 60 Hz), and the louder channel of two."""
    size = round(_SPECTRUM_MS * rate_hz / 1000)
    index = starts[:, None] + np.arange(size)
    inside = index < len(samples)
    sound = np.where(inside[:, :, None], samples[np.minimum(index, len(samples) - 1)], 0).astype(np.float64)
    sound -= sound.mean(axis=1, keepdims=True)
    power = np.square(sound).sum(axis=1)
    n_fft = 4 * size  # bins 42 Hz apart
    taper = 0.5 + 0.5 * np.cos(np.pi * np.arange(size) / size)
    spectra = np.square(np.abs(np.fft.rfft(sound * taper[:, None], n_fft, axis=1))).sum(axis=2)
    bins_hz = np.arange(spectra.shape[1]) * (rate_hz / n_fft)
    spectra[:, bins_hz < 60] = 0
    total = np.maximum(spectra.sum(axis=1), 1e-30)
    channel = [""] * len(starts)
    if samples.shape[1] == 2:
        lead_db = 10 * np.log10(np.maximum(power[:, 0], 1e-20) / np.maximum(power[:, 1], 1e-20))
        channel = ["both" if abs(db) < 1 else "1" if db > 0 else "2" for db in lead_db]
    return bins_hz[spectra.argmax(axis=1)], spectra @ bins_hz / total, channel


def _sha256(source: str | os.PathLike[str] | BinaryIO) -> str:
    try:
        if isinstance(source, str | os.PathLike):
            with open(source, "rb") as handle:  # noqa: PTH123  # a name from outside may be anything
                return hashlib.file_digest(handle, "sha256").hexdigest()
        digest = hashlib.file_digest(source, "sha256").hexdigest()  # type: ignore[arg-type]
        source.seek(0)
        return digest
    except (OSError, ValueError):
        return ""


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
