"""Pops on one channel of two while the other channel is louder: the mean power of the channels would hide them.

Two sensors on the skin may have other gains, contacts and noise. `ChannelSearch` compares the background of the two
channels in blocks of 100 frames. Where one channel is at least 6 dB louder, in any group of bands, the other one is
also searched by itself, with an `Engine` of its own. Elsewhere the mean power loses little, and a second search would
only add work and false pops.

The separate search of a channel begins some blocks earlier and ends some blocks later, farther than any feature or
neighbour reaches. So its results are those of a search through the whole recording. Blocks lie at fixed places of the
recording, so the turns in which frames come do not matter. Swapped channels give the same candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from popdetect.detection.conclusion import MERGE_S, NO_EVENT_LOGIT, ScoredCandidate
from popdetect.detection.engine import Engine
from popdetect.detection.model.bundle import Model, OperatingPoint
from popdetect.detection.signal import frames
from popdetect.detection.signal.frames import Array
from popdetect.detection.signal.refinement import SnippetReader

MASKED_DB = 6.0  # the background of the other channel is louder by this, so it hides pops of this channel
BLOCK_HOPS = 100
_EVERY = 4  # frames from which the background is taken; their median is not raised by pops
_LEAD, _TRAIL = 5, 4  # blocks: candidates depend on neighbours within 150 ms, and these on 250 ms before and 100 after


class _Run:
    """One separate search of a channel."""

    def __init__(self, engine: Engine, origin: int) -> None:
        self.engine = engine
        self.origin = origin  # hops from the start of the recording to the first frame of the engine
        self.last = 0  # the latest block that is searched


class ChannelSearch:
    """Searches the channels of one recording of two channels, each where the other one is louder."""

    def __init__(self, model: Model, point: OperatingPoint, rate_hz: int) -> None:
        self.scored: list[ScoredCandidate] = []  # in time order up to `known_until`
        self.known_until = 0  # the first sample at which a candidate may still be added
        self.best_logit = NO_EVENT_LOGIT
        self._make = (model, point, rate_hz)
        self._transform = frames.transform(model.front_end, rate_hz)
        self._power: Array = np.empty((2, 0, model.front_end.n_columns), np.float32)
        self._first_hop = 0  # of `_power`
        self._n_blocks = 0  # blocks whose background is known
        self._masked: npt.NDArray[np.bool_] = np.zeros((2, 0), np.bool_)  # of all blocks: whether they are hidden
        self._runs: list[_Run | None] = [None, None]

    @property
    def first_hop(self) -> int:
        """The first frame whose samples are still needed."""
        needed = [run.origin + run.engine.first_hop for run in self._runs if run is not None]
        return min([max(0, self._n_blocks - _LEAD) * BLOCK_HOPS, *needed])

    def append(self, power: Array) -> None:
        """Add frames of both channels, shape (2, n, n_columns)."""
        self._power = np.concatenate([self._power, power], axis=1)

    def advance(self, read: SnippetReader, *, to_the_end: bool) -> None:
        """Search the blocks that can be searched now; parameters as of `Engine.advance`."""
        size, known = BLOCK_HOPS, self._first_hop + self._power.shape[1]
        first, until = self._n_blocks, -(-known // size) if to_the_end else known // size
        part = self._power[:, first * size - self._first_hop :]
        self._masked = np.concatenate([self._masked, self._compare(part, until - first)], axis=1)
        wanted = self._masked.copy()
        wanted[:, 1:] |= self._masked[:, :-1]
        for channel in range(2):
            self._search(channel, wanted[channel], read, min(until * size, known), to_the_end=to_the_end)
        self._n_blocks = until
        self.scored.sort(key=attrgetter("sample"))
        runs = [run for run in self._runs if run is not None]
        hop = self._transform.hop
        # a candidate may lie a little before the frame that finds it
        self.known_until = min([(until - 1) * size * hop, *(run.origin * hop + run.engine.known_until for run in runs)])
        n_old = max(0, (until - _LEAD) * size - self._first_hop)
        self._power = self._power[:, n_old:].copy()
        self._first_hop += n_old

    def copy(self) -> ChannelSearch:
        """A search in the same state; what is done with it changes nothing here."""
        other = copy(self)
        other.scored = self.scored.copy()
        other._runs = [None if run is None else copy(run) for run in self._runs]
        for run in other._runs:
            if run is not None:
                run.engine = run.engine.copy()
        return other

    def _compare(self, power: Array, n_blocks: int) -> npt.NDArray[np.bool_]:
        """Whether each channel is hidden in each of the next blocks, shape (2, n_blocks)."""
        if n_blocks <= 0:
            return np.zeros((2, 0), np.bool_)
        n_whole = min(n_blocks, power.shape[1] // BLOCK_HOPS)
        whole = power[:, : n_whole * BLOCK_HOPS].reshape(2, n_whole, BLOCK_HOPS, power.shape[2])[:, :, ::_EVERY]
        background = [np.median(whole, axis=2)]
        if n_whole < n_blocks:  # the last block of the recording is shorter
            background.append(np.median(power[:, None, n_whole * BLOCK_HOPS :: _EVERY], axis=2))
        levels = np.concatenate(background, axis=1)
        db = frames.to_db(levels.reshape(2 * n_blocks, power.shape[2]), self._transform.present)
        groups = frames.group_means(db, self._transform).reshape(2, n_blocks, -1)
        lead = groups[0] - groups[1]  # NaN where a channel is silent: then it hides nothing
        return np.stack([(lead <= -MASKED_DB).any(axis=1), (lead >= MASKED_DB).any(axis=1)])

    def _search(
        self, channel: int, wanted: npt.NDArray[np.bool_], read: SnippetReader, known: int, *, to_the_end: bool
    ) -> None:
        """Search one channel in the blocks from `_n_blocks` on."""
        first = self._n_blocks
        run = self._runs[channel]
        if run is None and not wanted[first:].any():
            return
        for block in range(first, len(wanted)):
            if run is None and wanted[block]:
                run = _Run(Engine(*self._make, channel=channel), max(0, block - _LEAD) * BLOCK_HOPS)
            if run is None:
                continue
            if wanted[block]:
                run.last = block
            elif block - run.last >= _TRAIL:
                self._feed(run, channel, block * BLOCK_HOPS)
                self._take(run, wanted, read, to_the_end=True)
                run = None
        if run is not None:
            self._feed(run, channel, known)
            self._take(run, wanted, read, to_the_end=to_the_end)
        self._runs[channel] = None if to_the_end else run

    def _feed(self, run: _Run, channel: int, until: int) -> None:
        begin = run.origin + run.engine.n_hops
        if until > begin:
            run.engine.append(self._power[channel, begin - self._first_hop : until - self._first_hop].copy())

    def _take(self, run: _Run, wanted: npt.NDArray[np.bool_], read: SnippetReader, *, to_the_end: bool) -> None:
        """Let the engine of a run find what it can, and take over what lies in wanted blocks."""
        engine, shift = run.engine, run.origin * self._transform.hop
        engine.advance(lambda starts, size: read(starts + shift, size), to_the_end=to_the_end)
        in_block = BLOCK_HOPS * self._transform.hop
        for samples, logits in engine.logits:
            blocks = np.clip((samples + shift) // in_block, 0, len(wanted) - 1)
            self.best_logit = max(self.best_logit, float(logits[wanted[blocks]].max(initial=NO_EVENT_LOGIT)))
        for candidate in engine.scored:
            sample = candidate.sample + shift
            if wanted[min(max(sample, 0) // in_block, len(wanted) - 1)]:
                self.scored.append(candidate._replace(sample=sample))
        engine.logits.clear()
        engine.scored.clear()


class TwoChannelEngine:
    """An `Engine` for two channels: it searches their mean power, and each channel where the other one is louder.

    It is used like an `Engine`.
    """

    def __init__(self, model: Model, point: OperatingPoint, rate_hz: int) -> None:
        self.scored: list[ScoredCandidate] = []
        self.known_until = 0
        self._rate_hz = rate_hz
        self._mean = Engine(model, point, rate_hz)
        self._single = ChannelSearch(model, point, rate_hz)
        self._n_taken = (0, 0)  # how many candidates of each have been taken into `scored`

    @property
    def n_hops(self) -> int:
        """Number of frames so far."""
        return self._mean.n_hops

    @property
    def first_hop(self) -> int:
        """The first frame whose samples are still needed."""
        return min(self._mean.first_hop, self._single.first_hop)

    @property
    def best_logit(self) -> float:
        """The highest log-odds of all candidates so far."""
        return max(self._mean.best_logit, self._single.best_logit)

    def append(self, power: Array, each: Array | None) -> None:
        """Add frames: the mean power, and the power of each channel, shape (2, n, n_columns)."""
        assert each is not None
        self._single.append(each)
        self._mean.append(power)

    def advance(self, read: SnippetReader, *, to_the_end: bool) -> None:
        """See `Engine.advance`."""
        self._mean.advance(read, to_the_end=to_the_end)
        self._single.advance(read, to_the_end=to_the_end)
        n_mean, n_single = self._n_taken
        mean, single = self._mean.scored[n_mean:], self._single.scored[n_single:]
        if not to_the_end:
            # candidates that are near each other are merged together
            edge = min(self._mean.known_until, self._single.known_until)
            for one in sorted([*mean, *single], key=attrgetter("sample"), reverse=True):
                if edge - one.sample > MERGE_S * self._rate_hz:
                    break
                edge = min(edge, one.sample)
            self.known_until = edge
            mean = [one for one in mean if one.sample < edge]
            single = [one for one in single if one.sample < edge]
        self._n_taken = n_mean + len(mean), n_single + len(single)
        self.scored += merged(mean, single, self._rate_hz)

    def copy(self) -> TwoChannelEngine:
        """See `Engine.copy`."""
        other = copy(self)
        n_mean, n_single = self._n_taken
        other.scored, other._n_taken = [], (0, 0)
        other._mean, other._single = self._mean.copy(), self._single.copy()
        other._mean.scored = self._mean.scored[n_mean:]
        other._single.scored = self._single.scored[n_single:]
        return other


def merged(
    mean: Sequence[ScoredCandidate], single: Sequence[ScoredCandidate], rate_hz: int, first_sample: int = 0
) -> list[ScoredCandidate]:
    """Candidates of the mean power and of single channels, in time order, each sound once.

    Of candidates of different searches within 9 ms, the likeliest is kept. The samples of `single` are counted from
    `first_sample` of those of `mean`.
    """
    if not single:
        return list(mean)
    reach = MERGE_S * rate_hz
    kept: list[tuple[ScoredCandidate, int]] = []
    pool = [(one, 0) for one in mean] + [(one._replace(sample=one.sample + first_sample), 1) for one in single]
    for one, source in sorted(pool, key=lambda pair: (-pair[0].p_event, pair[1], pair[0].sample)):
        near = (other for other, own in kept if (own, source) != (0, 0) and abs(other.sample - one.sample) < reach)
        if next(near, None) is None:
            kept.append((one, source))
    return sorted((one for one, _ in kept), key=attrgetter("sample"))
