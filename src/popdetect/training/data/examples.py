"""Labelled clips to labelled candidates: the rows that a classifier is trained on.

The rows come from the detector itself, so training and detection compute exactly the same features. Times are seconds
from the start of a clip. Rows have shape (n_candidates, n_features), in the order of `features.names`; candidates of
all clips follow each other, clip by clip, in time order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.recording import Samples
from popdetect.detection.conclusion import NO_EVENT_LOGIT
from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import Model, OperatingPoint
from popdetect.detection.model.classifiers import Calibration, Classifier, FeatureRange, Floats, first_feature
from popdetect.detection.signal import candidate_filter, context, features, onsets
from popdetect.detection.signal import frames as spectrum
from popdetect.detection.signal.frames import FrontEnd
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.errors import Empty, UsageError

MATCH_S = 0.005  # a candidate this close to a true onset is that pop
ECHO_S = (-0.002, 0.009)  # other candidates in this interval are the pop's own echo: neither pop nor negative
LONE_REPEATS = 4

OnProgress = Callable[[str, int, int], None]  # (what, done, total)


# What a clip is used for. Clips that are easier than real sessions are for training only: a calibration on them would
# be too optimistic. Clips of a test that is harder than real sessions calibrate, but set no thresholds.
Use = Literal["training", "calibration", "thresholds"]
USES: tuple[Use, ...] = ("training", "calibration", "thresholds")


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled clip whose sound can be read again."""

    file: str
    group: str  # patient or sound source; all clips of a group are on the same side of a train/test split
    is_pop: bool
    onsets_s: tuple[float, ...] | None  # true onsets; None when only the label of the clip is known
    sound: Callable[[], tuple[npt.NDArray[np.float32], int]]  # samples of shape (n, channels); sample rate in Hz
    uses: frozenset[Use] = frozenset(USES)

    @classmethod
    def in_memory(
        cls, file: str, group: str, samples: npt.NDArray[np.float32], rate_hz: int,
        onsets_s: tuple[float, ...] = (), *, uses: Iterable[Use] = USES,
    ) -> Example:  # fmt: skip
        """Return an example from samples of one channel, shape (n,), which are kept in memory."""
        sound = partial(_unchanged, (samples[:, None], rate_hz))  # can be sent to another process
        return cls(file, group, bool(onsets_s), onsets_s, sound, frozenset(uses))


def used_for(use: Use, examples: Sequence[Example]) -> npt.NDArray[np.bool_]:
    """Return which of the examples are used for something, shape (n_examples,)."""
    return np.array([use in example.uses for example in examples], np.bool_)


def _unchanged(clip: tuple[npt.NDArray[np.float32], int]) -> tuple[npt.NDArray[np.float32], int]:
    return clip


@dataclass(frozen=True, slots=True)
class CandidateSet:
    """The candidates of several clips."""

    rows: Floats  # (n, n_features)
    marks: npt.NDArray[np.int8]  # (n,): 1 pop, 0 not a pop, -1 not used for training
    clip: npt.NDArray[np.intp]  # (n,): index of the clip of each candidate, increasing
    onsets_s: Floats  # (n,)
    durations_s: Floats  # (n_clips,)

    @classmethod
    def empty(cls, n_features: int, duration_s: float) -> CandidateSet:
        """Return one clip without candidates."""
        nothing = np.empty(0, np.intp)
        return cls(np.empty((0, n_features)), nothing.astype(np.int8), nothing, np.empty(0), np.array([duration_s]))

    @classmethod
    def joined(cls, parts: Sequence[CandidateSet]) -> CandidateSet:
        """Return the clips of several sets, one after another."""
        firsts = np.cumsum([0, *(len(part.durations_s) for part in parts)])
        return cls(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.marks for part in parts]),
            np.concatenate([part.clip + first for part, first in zip(parts, firsts, strict=False)]),
            np.concatenate([part.onsets_s for part in parts]),
            np.concatenate([part.durations_s for part in parts]),
        )

    @property
    def n_pops(self) -> int:
        """Number of candidates marked as pops."""
        return int((self.marks == 1).sum())

    def only_of(self, trains: npt.NDArray[np.bool_]) -> CandidateSet:
        """Return the same candidates; those of clips that are not for training, shape (n_clips,), get the mark -1."""
        return replace(self, marks=np.where(trains[self.clip], self.marks, np.int8(-1)))

    def training_rows(self) -> npt.NDArray[np.intp]:
        """Return the indices of the rows to train on; those of pops are repeated, most if the pop is alone in its clip.

        A pop that is alone in its clip is repeated `LONE_REPEATS` times, one of two half as often, and so on. Otherwise
        most of the training pops would be those of bursts.
        """
        is_pop = self.marks == 1
        n_pops = np.bincount(self.clip[is_pop], minlength=len(self.durations_s))[self.clip]
        repeats = np.maximum(np.round(LONE_REPEATS / np.maximum(n_pops, 1)), 1).astype(np.intp)
        return np.repeat(np.arange(len(self.marks)), np.where(self.marks < 0, 0, np.where(is_pop, repeats, 1)))

    def by_clip(self) -> list[slice]:
        """Return the slice of the candidates of each clip."""
        ends = np.searchsorted(self.clip, np.arange(len(self.durations_s) + 1)).tolist()
        return [slice(first, last) for first, last in pairwise(ends)]

    def subset(self, clips: Sequence[int]) -> CandidateSet:
        """Return the candidates of some clips, in increasing order of clips and numbered anew from 0."""
        kept = np.sort(np.asarray(clips, np.intp))
        inside = np.isin(self.clip, kept)
        return CandidateSet(
            self.rows[inside],
            self.marks[inside],
            np.searchsorted(kept, self.clip[inside]).astype(np.intp),
            self.onsets_s[inside],
            self.durations_s[kept],
        )


@dataclass(frozen=True, slots=True)
class ClipCandidates:
    """The candidates of one clip: onsets in seconds, shape (n,), and rows, shape (n, n_features)."""

    onsets_s: Floats
    rows: Floats
    duration_s: float


class _PassAll:
    """A candidate filter that keeps every candidate."""

    def logit(self, rows: Floats) -> Floats:
        return np.zeros(len(rows))


class FeatureExtractor:
    """Extracts the rows that the classifier of a detector would get: runs one whose classifier only records its input.

    Without a candidate filter, all candidates are kept.
    """

    def __init__(
        self, front_end: FrontEnd, onset_rule: OnsetRule, candidate_filter: Classifier | None = None,
        pass_from: float = 0.0,
    ) -> None:  # fmt: skip
        self._rows: list[Floats] = []
        names = features.names(front_end.n_columns)
        self._width = len(names)
        self._detector = Detector(
            Model(
                name="feature extractor",
                version="0",
                front_end=front_end,
                onset_rule=onset_rule,
                candidate_filter=candidate_filter or _PassAll(),
                pass_from=pass_from,
                feature_names=names,
                classifier=self,
                context_model=first_feature(len(context.names())),
                base_calibration=Calibration(1.0, 0.0),
                out_of_distribution=FeatureRange.unbounded(self._width),
                event_calibration=Calibration(1.0, 0.0),
                clip_calibration=Calibration(1.0, 0.0),
                operating_points={"balanced": OperatingPoint(0.0, 0.0, 0.0)},
                info={},
                sha256="",
            )
        )

    def logit(self, rows: Floats) -> Floats:
        """Record the rows; return log-odds of 0 for each, so that the detector keeps them all."""
        self._rows.append(rows)
        return np.zeros(len(rows))

    def extract(self, samples: Samples, rate_hz: int) -> ClipCandidates:
        """Return all candidates of a clip; samples have shape (n,) or (n, channels).

        Raises AudioError when the detector cannot process the samples.
        """
        self._rows = []
        try:
            detection = self._detector.detect(samples, rate_hz)
        except Empty:  # simulated clips may be digital silence
            return ClipCandidates(np.empty(0), np.empty((0, self._width)), len(samples) / rate_hz)
        rows = np.concatenate(self._rows) if self._rows else np.empty((0, self._width))
        return ClipCandidates(np.array([event.onset_s for event in detection.events]), rows, detection.duration_s)


def extract_all(
    examples: Sequence[Example],
    extractor: FeatureExtractor,
    base_model: Model | None,
    on_progress: OnProgress = lambda *_: None,
    what: str = "extracting features",
) -> CandidateSet:
    """Return the marked candidates of all clips.

    Where only the label of a pop clip is known, `base_model` gives pseudo-labels.
    """
    found, marks = [], []
    for index, example in enumerate(examples):
        on_progress(what, index, len(examples))
        samples, rate_hz = example.sound()
        found.append(extractor.extract(samples, rate_hz))
        true = example.onsets_s
        if true is None:
            true = pseudo_labels(samples, rate_hz, base_model)
        marks.append(mark(found[-1].onsets_s, true))
    return CandidateSet(
        np.concatenate([one.rows for one in found]),
        np.concatenate(marks),
        np.repeat(np.arange(len(found)), [len(one.onsets_s) for one in found]),
        np.concatenate([one.onsets_s for one in found]),
        np.array([one.duration_s for one in found]),
    )


def pseudo_labels(samples: npt.NDArray[np.float32], rate_hz: int, base_model: Model | None) -> tuple[float, ...]:
    """Return onsets of the pops that a model finds in a clip labelled ``pop``: all with p ≥ 0.5, else the likeliest.

    Raises UsageError without a model.
    """
    if base_model is None:
        raise UsageError("pop clips without onsets_s need a current model, which finds the pops in them")
    events = Detector(base_model).detect(samples, rate_hz).events
    likely = tuple(event.onset_s for event in events if event.p_pop >= 0.5)
    return likely or tuple(event.onset_s for event in sorted(events, key=lambda e: -e.p_pop)[:1])


def filter_inputs(samples: Samples, rate_hz: int, front_end: FrontEnd, rule: OnsetRule) -> tuple[Floats, Floats]:
    """Return what the candidate filter gets from a clip of one channel.

    These are approximate onsets (to the hop of the front end), shape (n,), and rows, shape (n, n_filter_features).
    """
    shape = spectrum.transform(front_end, rate_hz)
    power = shape.power(np.ascontiguousarray(samples, dtype=np.float32))
    rises = onsets.rise(power, shape.groups, front_end.window_hops, rule)
    frames_db = spectrum.to_db(power, shape.present)
    groups_db = np.asarray(frames_db[:, shape.present] @ shape.groups[shape.present])
    candidates = onsets.pick(onsets.greatest(rises), rule)
    heights = onsets.prominence(groups_db, candidates, rule)
    stands_out = onsets.greatest(heights) >= rule.prominence_db
    candidates, heights = candidates[stands_out], heights[stands_out]
    when_s = (candidates + front_end.window_hops / 2) * shape.hop / rate_hz
    return when_s, candidate_filter.describe(rises, heights, groups_db, frames_db, candidates)


def mark(onsets_s: Floats, true_onsets_s: tuple[float, ...]) -> npt.NDArray[np.int8]:
    """Return which candidates are pops, shape (n,): 1 pop, 0 not a pop, -1 the echo of a pop (not used for training).

    Each true onset takes the nearest free candidate within 5 ms; the nearest pairs are matched first.
    """
    marks = np.zeros(len(onsets_s), np.int8)
    true = np.asarray(true_onsets_s, float)
    lag = onsets_s[:, None] - true
    marks[((lag > ECHO_S[0]) & (lag < ECHO_S[1])).any(axis=1)] = -1
    taken: set[int] = set()
    for flat in np.argsort(np.abs(lag), axis=None, kind="stable"):
        candidate, pop = divmod(int(flat), len(true))
        if abs(lag[candidate, pop]) > MATCH_S:
            break
        if pop not in taken and marks[candidate] != 1:
            marks[candidate] = 1
            taken.add(pop)
    return marks


def best_logits(logits: Floats, clip: npt.NDArray[np.intp], n_clips: int) -> Floats:
    """Return the greatest log-odds of each clip, shape (n_clips,); `NO_EVENT_LOGIT` for clips without candidates."""
    tops = np.full(n_clips, NO_EVENT_LOGIT)
    np.maximum.at(tops, clip, logits)
    return tops
