"""From frames to scored candidates, for one recording or several that lie one after another on one time line.

Frames come in any number of turns. A candidate is found, scored by its own features, and scored again with its
neighbours, each as soon as all frames and neighbours that can change the result are known. So the results do not
depend on the turns in which frames come, to the last digit. Hops and samples count from the start of the time line.
"""

from __future__ import annotations

import math
from copy import copy

import numpy as np

from popdetect.detection.conclusion import NO_EVENT_LOGIT, ScoredCandidate, context_logits, spectral_summary
from popdetect.detection.model.bundle import Model, OperatingPoint
from popdetect.detection.signal import candidate_filter, context, features, frames, onsets
from popdetect.detection.signal.frames import Array
from popdetect.detection.signal.onsets import Floats, Ints
from popdetect.detection.signal.refinement import AFTER_MS, Candidates, SnippetReader, candidate_type, locate
from popdetect.detection.signal.two_channels import differences

LISTED_FROM = 0.05  # less probable candidates are listed only if they are counted
_KEEP_HOPS = 400  # frames kept before the last scored one: more than any feature looks back


class Engine:
    """Finds and scores the candidates of one time line.

    Parameters
    ----------
    model : Model
    point : OperatingPoint
    rate_hz : int
    early_hops : int, optional
        Score each candidate once so many frames after it are known, as if the recording ended there (see `live`). By
        default a candidate waits for all that can change its result.
    channel : int, optional
        The channel that is searched, whose power is appended; by default the mean power of all channels.
    """

    def __init__(
        self,
        model: Model,
        point: OperatingPoint,
        rate_hz: int,
        early_hops: int | None = None,
        channel: int | None = None,
    ) -> None:
        self.first_hop = 0  # the first frame that is still needed; those before it are dropped
        self.scored: list[ScoredCandidate] = []  # those listed as events, in time order
        self.known_until = 0  # the first sample at which a candidate may still be added to `scored`
        self.logits: list[tuple[Ints, Floats]] = []  # samples and final log-odds of all candidates
        self._channels = slice(None) if channel is None else slice(channel, channel + 1)
        self._model = model
        self._counts_from = point.no_pop_below
        self._rate_hz = rate_hz
        self._is_early = early_hops is not None
        # the fine envelope and the candidate filter look beyond the frame
        after = max(int(AFTER_MS), candidate_filter.AFTER_HOPS[-1] if early_hops is None else early_hops)
        self._wait_hops = model.onset_rule.radius_hops + after + 2
        self._transform = frames.transform(model.front_end, rate_hz)
        self._window_hops = model.front_end.window_hops
        n_columns = model.front_end.n_columns
        self._frames_db = np.empty((0, n_columns), np.float32)
        self._tail = self._frames_db  # power of the latest frames, the background of the next
        self._rises = np.empty((0, frames.N_GROUPS), np.float32)
        self._groups_db = self._rises
        self._searched = 0  # frames before this one have been searched for candidates
        self._last_found: Ints = np.empty(0, np.intp)  # frame of the latest candidate
        self._found: Candidates = np.empty(0, candidate_type(n_columns))
        self._n_scored = 0  # how many of `_found` have a base score
        self._n_decided = 0  # how many of these have their final score
        self._reach = math.ceil(features.NEIGHBOUR_MS * rate_hz / 1000) + 1

    @property
    def n_hops(self) -> int:
        """Number of frames so far."""
        return self.first_hop + len(self._frames_db)

    @property
    def best_logit(self) -> float:
        """The highest log-odds of all candidates so far."""
        return max([NO_EVENT_LOGIT, *(float(logits.max(initial=NO_EVENT_LOGIT)) for _, logits in self.logits)])

    def append(self, power: Array, each: Array | None = None) -> None:
        """Add frames, given as power of shape (n, n_columns), which is overwritten; `each` channel is not used."""
        rule, transform = self._model.onset_rule, self._transform
        known = np.concatenate([self._tail, power]) if len(self._tail) else power
        rises = onsets.rise(known, transform.groups, self._window_hops, rule)[len(self._tail) :]
        self._tail = known[-rule.history(self._window_hops) :].copy()
        frames_db = frames.to_db(power, transform.present)
        self._frames_db = _appended(self._frames_db, frames_db)
        self._rises = _appended(self._rises, rises)
        self._groups_db = _appended(self._groups_db, frames.group_means(frames_db, transform))

    def advance(self, read: SnippetReader, *, to_the_end: bool) -> None:
        """Find and score all candidates that can be scored now; `to_the_end` if no frames will follow.

        `read` gives the samples at positions on the time line; those of hops before `first_hop` are not asked for.
        """
        self._find(read, to_the_end=to_the_end)
        if to_the_end or self._is_early:
            self._score(len(self._found))
            self._decide(read, len(self._found))
            if not to_the_end:
                self._drop()
            return
        hop = self._transform.hop
        # a candidate is scored when the frames after it and its last neighbour are known
        horizon = hop * min(
            self.n_hops - features.FUTURE_HOPS - 2 * self._window_hops,
            self._searched - int(features.NEIGHBOUR_MS * self._rate_hz / 1000 / hop) - 2 * self._window_hops - 2,
        )
        self._score(int(np.searchsorted(self._found["sample"], horizon)))
        self.known_until = max(self.known_until, horizon - self._reach)
        self._decide(read, int(np.searchsorted(self._found["sample"], self.known_until)))
        self._drop()

    def copy(self) -> Engine:
        """An engine in the same state, with empty lists of results; what is done with it changes nothing here."""
        other = copy(self)
        other.scored, other.logits = [], []
        other._found = self._found.copy()  # scores are written into it; the other arrays are replaced, not changed
        return other

    def _find(self, read: SnippetReader, *, to_the_end: bool) -> None:
        rule, first = self._model.onset_rule, self.first_hop
        until = self.n_hops
        if not to_the_end:
            until -= self._wait_hops
        if until <= self._searched:
            return
        begin = max(first, self._searched - rule.radius_hops)
        found = onsets.pick(onsets.greatest(self._rises[begin - first :]), rule) + begin
        found = found[(found >= self._searched) & (found < until)]
        heights = onsets.prominence(self._groups_db, found - first, rule)
        is_prominent = onsets.greatest(heights) >= rule.prominence_db
        found, heights = found[is_prominent], heights[is_prominent]
        if len(found):
            rows = candidate_filter.describe(self._rises, heights, self._groups_db, self._frames_db, found - first)
            found = found[self._model.candidate_filter.logit(rows) >= self._model.pass_from]
        self._searched = until
        if not len(found):
            return
        # the latest known candidate is located again, to recognise a frame that finds the same onset
        own = self._own(read)
        fresh = locate(own, np.concatenate([self._last_found, found]), self._transform, self._rate_hz)
        self._last_found = found[-1:]
        if len(self._found):
            fresh = fresh[fresh["sample"] > self._found["sample"][-1]]
        self._found = np.concatenate([self._found, fresh])

    def _score(self, until: int) -> None:
        """Score candidates before `until` by their own features."""
        if until <= self._n_scored:
            return
        model, wanted = self._model, slice(self._n_scored, until)
        self._n_scored = until
        rows, duration_ms = features.describe(
            self._frames_db, self._found, self._transform.hop, self._window_hops, self._rate_hz, wanted, self.first_hop
        )
        scored = self._found[wanted]
        scored["log_odds"] = model.base_calibration.log_odds(model.classifier.logit(rows))
        scored["level_db"], scored["spectrum_db"] = features.level_and_spectrum(rows, self._frames_db.shape[1])
        scored["duration_ms"] = duration_ms
        scored["outside"] = model.out_of_distribution.is_outside(rows)

    def _decide(self, read: SnippetReader, until: int) -> None:
        """Score candidates before `until` with their neighbours, and list the likely ones."""
        if until <= self._n_decided:
            return
        model, wanted = self._model, slice(self._n_decided, until)
        self._n_decided = until
        known = self._found[: self._n_scored]
        onset_ms = known["sample"].astype(np.float64) * (1000 / self._rate_hz)
        rows = context.describe(onset_ms, known["log_odds"], known["level_db"], known["spectrum_db"], wanted)
        logits = context_logits(model.context_model, rows)
        self.logits.append((known["sample"][wanted], logits))
        p_event, p_clip = model.event_calibration(logits), model.clip_calibration(logits)
        listed = np.flatnonzero((p_event >= LISTED_FROM) | (p_clip >= self._counts_from))
        if not len(listed):
            return
        p_event, p_clip = p_event[listed], p_clip[listed]
        likely = known[listed + wanted.start]
        snr_db = np.where(np.isnan(likely["level_db"]), features.HEADROOM_LIMIT_DB, likely["level_db"])
        peak_hz, centroid_hz = spectral_summary(self._own(read), likely["sample"], self._rate_hz)
        between = differences(read, likely["sample"], self._rate_hz)
        columns = (likely["sample"], p_event, p_clip, likely["duration_ms"], peak_hz, centroid_hz, snr_db)
        values = zip(*(column.tolist() for column in columns), likely["outside"].tolist(), between, strict=True)
        self.scored += [ScoredCandidate(*row) for row in values]

    def _own(self, read: SnippetReader) -> SnippetReader:
        """The reader of the channels that are searched."""
        if self._channels == slice(None):
            return read
        return lambda starts, size: read(starts, size)[:, self._channels]

    def _drop(self) -> None:
        """Drop frames and candidates that no later result depends on."""
        hop = self._transform.hop
        waiting = self._found["sample"][self._n_decided :]
        oldest = int(waiting[0]) // hop if len(waiting) else self._searched
        n_old = min(oldest, self._searched) - _KEEP_HOPS - self.first_hop
        if n_old <= 0:
            return
        self.first_hop += n_old
        self._frames_db = self._frames_db[n_old:].copy()
        self._rises = self._rises[n_old:].copy()
        self._groups_db = self._groups_db[n_old:].copy()
        n_old = int(np.searchsorted(self._found["sample"], self.first_hop * hop))
        self._found = self._found[n_old:]
        self._n_scored -= n_old
        self._n_decided -= n_old
        self._last_found = self._last_found[self._last_found >= self.first_hop + _KEEP_HOPS // 4]


def _appended(known: Array, fresh: Array) -> Array:
    return np.concatenate([known, fresh]) if len(known) else fresh
