"""Labelled clips, heard one after another: the candidates of all of them, marked, and to which clip each belongs.

Where only a clip's label is known, a teacher (the current model) points out its pops.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from popdetect.detection.conclusion import NO_EVENT_LOGIT
from popdetect.detection.model.bundle import Model
from popdetect.detection.model.classifiers import Floats
from popdetect.errors import UsageError
from popdetect.training.data.candidates import Listener, mark

Progress = Callable[[str, int, int], None]


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
class Heard:
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
    examples: Sequence[Example], listener: Listener, teacher: Model | None, say: Progress = lambda *_: None
) -> Heard:
    """Candidates of all clips, marked."""
    rows, marks, clips, onsets, durations = [], [], [], [], []
    for index, example in enumerate(examples):
        say("listening", index, len(examples))
        samples, rate_hz = example.sound()
        found = listener.hear(samples, rate_hz)
        true = example.onsets_s
        if true is None:
            true = pointed_out(samples, rate_hz, teacher)
        rows.append(found.rows)
        marks.append(mark(found.onsets_s, true))
        clips.append(np.full(len(found.onsets_s), index))
        onsets.append(found.onsets_s)
        durations.append(found.duration_s)
    return Heard(
        np.concatenate(rows), np.concatenate(marks), np.concatenate(clips), np.concatenate(onsets), np.array(durations)
    )


def best_logits(logits: Floats, clip: npt.NDArray[np.intp], n_clips: int) -> Floats:
    """The greatest log-odds of each clip, shape (n_clips,); clips without a candidate get the detector's floor."""
    tops = np.full(n_clips, NO_EVENT_LOGIT)
    np.maximum.at(tops, clip, logits)
    return tops


def pointed_out(samples: npt.NDArray[np.float32], rate_hz: int, teacher: Model | None) -> tuple[float, ...]:
    """Where the teacher hears pops in a clip that is only known to hold some: the likely ones, or the likeliest."""
    from popdetect.detection.detector import Detector

    if teacher is None:
        raise UsageError("pop clips without onsets_s can only be used where a current model points the pops out")
    events = Detector(teacher).detect_samples(samples, rate_hz).events
    likely = tuple(event.onset_s for event in events if event.p_pop >= 0.5)
    return likely or tuple(event.onset_s for event in sorted(events, key=lambda e: -e.p_pop)[:1])
