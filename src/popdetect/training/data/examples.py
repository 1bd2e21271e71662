"""TrainingLabels clips, heard one after another: the candidates of all of them, marked, and to which clip each belongs.

Where only a clip's label is known, a base_model (the current model) points out its pops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.recording import Samples
from popdetect.detection.conclusion import NO_EVENT_LOGIT
from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import Model, OperatingPoint
from popdetect.detection.model.classifiers import Calibration, Classifier, FeatureRange, Floats, first_feature
from popdetect.detection.signal import candidate_filter as gate
from popdetect.detection.signal import context, features, onsets
from popdetect.detection.signal import frames as spectrum
from popdetect.detection.signal.frames import FrontEnd
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.errors import UsageError

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled clip that can be heard again.

    Attributes
    ----------
    file : str
    group : str
        Patient, or source: never on both sides of a split.
    is_pop : bool
    onsets_s : tuple of float or None
        True onsets; None when only the clip's label is known.
    sound : callable
        Gives samples of shape (n, channels) and the rate.
    sets_thresholds : bool
        False for what only teaches: sounds that no session is made of, which would make thresholds too easy.
    """

    file: str
    group: str
    is_pop: bool
    onsets_s: tuple[float, ...] | None
    sound: Callable[[], tuple[npt.NDArray[np.float32], int]]
    sets_thresholds: bool = True


@dataclass(frozen=True, slots=True)
class CandidateSet:
    """What all clips gave: the candidates' rows, and to which clip each belongs.

    Attributes
    ----------
    rows : ndarray, shape (n, n_features)
    marks : ndarray of int8, shape (n,)
        1 pop, 0 not, -1 not to learn from.
    clip : ndarray of int, shape (n,)
    onsets_s : ndarray, shape (n,)
    durations_s : ndarray, shape (n_clips,)
    """

    rows: Floats
    marks: npt.NDArray[np.int8]
    clip: npt.NDArray[np.intp]
    onsets_s: Floats
    durations_s: Floats


def listen(
    examples: Sequence[Example], listener: FeatureExtractor, base_model: Model | None, say: OnProgress = lambda *_: None
) -> CandidateSet:
    """Candidates of all clips, marked."""
    rows, marks, clips, onsets, durations = [], [], [], [], []
    for index, example in enumerate(examples):
        say("listening", index, len(examples))
        samples, rate_hz = example.sound()
        found = listener.hear(samples, rate_hz)
        true = example.onsets_s
        if true is None:
            true = pseudo_labels(samples, rate_hz, base_model)
        rows.append(found.rows)
        marks.append(mark(found.onsets_s, true))
        clips.append(np.full(len(found.onsets_s), index))
        onsets.append(found.onsets_s)
        durations.append(found.duration_s)
    return CandidateSet(
        np.concatenate(rows), np.concatenate(marks), np.concatenate(clips), np.concatenate(onsets), np.array(durations)
    )


def best_logits(logits: Floats, clip: npt.NDArray[np.intp], n_clips: int) -> Floats:
    """The greatest log-odds of each clip, shape (n_clips,); clips without a candidate get the detector's floor."""
    tops = np.full(n_clips, NO_EVENT_LOGIT)
    np.maximum.at(tops, clip, logits)
    return tops


def pseudo_labels(samples: npt.NDArray[np.float32], rate_hz: int, base_model: Model | None) -> tuple[float, ...]:
    """Where the base_model hears pops in a clip that is only known to hold some: the likely ones, or the likeliest."""
    from popdetect.detection.detector import Detector

    if base_model is None:
        raise UsageError("pop clips without onsets_s can only be used where a current model points the pops out")
    events = Detector(base_model).detect(samples, rate_hz).events
    likely = tuple(event.onset_s for event in events if event.p_pop >= 0.5)
    return likely or tuple(event.onset_s for event in sorted(events, key=lambda e: -e.p_pop)[:1])


MATCH_S = 0.005  # a candidate this close to a true onset is that pop
ECHO_S = (-0.002, 0.009)  # other candidates here are a pop's own double or echo: neither pop nor not


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates of one clip: onsets (n,), in seconds, and feature rows (n, n_features)."""

    onsets_s: Floats
    rows: Floats
    quality: tuple[str, ...] = ()
    duration_s: float = 0.0


class _Open:
    """A gate that lets everything pass."""

    def logit(self, rows: Floats) -> Floats:
        return np.zeros(len(rows))


class FeatureExtractor:
    """Collects what the detector would judge.

    Parameters
    ----------
    front_end : FrontEnd
    onset_rule : OnsetRule
    first_look, pass_from : Classifier and float, optional
        The gate; without one everything passes.
    """

    def __init__(
        self,
        front_end: FrontEnd,
        onset_rule: OnsetRule,
        first_look: Classifier | None = None,
        pass_from: float = 0.0,
    ) -> None:
        self._rows: list[Floats] = []
        point = OperatingPoint(0.0, 0.0, 0.0)
        self._detector = Detector(
            Model(
                name="listener",
                version="0",
                front_end=front_end,
                onset_rule=onset_rule,
                candidate_filter=first_look or _Open(),
                pass_from=pass_from,
                feature_names=features.names(front_end.n_columns),
                classifier=self,
                context_model=first_feature(len(context.names())),
                base_calibration=Calibration(1.0, 0.0),
                out_of_distribution=FeatureRange.unbounded(len(features.names(front_end.n_columns))),
                event_calibration=Calibration(1.0, 0.0),
                clip_calibration=Calibration(1.0, 0.0),
                operating_points={"balanced": point},
                info={},
                sha256="",
            )
        )

    def logit(self, rows: Floats) -> Floats:
        """Look on: keep the rows, call everything even."""
        self._rows.append(rows)
        return np.zeros(len(rows))

    def hear(self, source: Samples | str, rate_hz: int | None = None) -> Candidates:
        """All candidates of a clip: samples and their rate, or a file name.

        Raises
        ------
        AudioError
            When the file cannot be judged.
        """
        self._rows = []
        if isinstance(source, str):
            detection = self._detector.detect(source)
        else:
            if rate_hz is None:
                raise TypeError("samples need their rate_hz")
            detection = self._detector.detect(source, rate_hz)
        width = len(features.names(self._detector.model.front_end.n_columns))
        rows = np.concatenate(self._rows) if self._rows else np.empty((0, width))
        onsets = np.array([event.onset_s for event in detection.events])
        return Candidates(onsets, rows, detection.quality, detection.duration_s)


def filter_inputs(samples: Samples, rate_hz: int, front_end: FrontEnd, rule: OnsetRule) -> tuple[Floats, Floats]:
    """What the gate sees of a clip of one channel: about when (n,), in seconds, and rows (n, n_gate_features)."""
    shape = spectrum.transform(front_end, rate_hz)
    power = shape.power(np.ascontiguousarray(samples, dtype=np.float32))
    rises = onsets.rise(power, shape.groups, front_end.window_hops, rule)
    frames_db = spectrum.to_db(power, shape.present)
    groups_db = np.asarray(frames_db[:, shape.present] @ shape.groups[shape.present])
    candidates = onsets.pick(onsets.greatest(rises), rule)
    heights = onsets.prominence(groups_db, candidates, rule)
    stands_out = onsets.greatest(heights) >= rule.prominence_db
    candidates, heights = candidates[stands_out], heights[stands_out]
    when = (candidates + front_end.window_hops / 2) * shape.hop / rate_hz
    return when, gate.describe(rises, heights, groups_db, frames_db, candidates)


def mark(onsets_s: Floats, true_onsets_s: tuple[float, ...]) -> npt.NDArray[np.int8]:
    """Say of each candidate whether it is a pop.

    Each true onset takes the nearest candidate within 5 ms that no other has taken, nearest pairs first.

    Returns
    -------
    ndarray of int8, shape (n,)
        1 pop, 0 not, -1 a pop's own double or echo, which teaches nothing.
    """
    marks = np.zeros(len(onsets_s), np.int8)
    true = np.asarray(true_onsets_s, float)
    if not len(true) or not len(onsets_s):
        return marks
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
