"""The order in which clips are reviewed, and the detector's share of errors estimated from the answers.

Clips that the detector called uncertain come first, then clips close to a threshold, then all others in random order.
The random order is that of a hash of file name and seed, so it does not change when clips are added or removed. The
first clips of the random order, however many, are a simple random sample of the clips the detector was sure of. The
share of errors is estimated from the answers to them, up to the first clip without an answer, and from no others: clips
that a person chose, by a filter or by skipping clips, are not a random sample. The interval is Wilson's, at 95 %.

In blind mode, uncertain and close clips are mixed with as many random ones, so that the position of a clip does not
reveal the detector's result.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from popdetect.intervals import wilson
from popdetect.session.clips import LabelledClip
from popdetect.session.corrections import Correction
from popdetect.session.session import Session

Drawn = Literal["uncertain", "near", "random"]
NEAR_LOGIT = 1.0  # natural log-odds: a clip this close to a threshold is worth a person's time
MIN_MIXED = 20  # random clips at the beginning of a blind queue, at least
SAME_POP_S = 0.002  # a mark moved by no more is not a correction


@dataclass(frozen=True, slots=True)
class Queue:
    """The order of the clips.

    Attributes
    ----------
    order : tuple of int
        Clips by id, without those that could not be processed.
    drawn : mapping of int to {"uncertain", "near", "random"}
        Why each clip is at its place in the order.
    random : tuple of int
        The clips in random order, a part of `order`.
    """

    order: tuple[int, ...]
    drawn: Mapping[int, Drawn]
    random: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ErrorEstimate:
    """The detector's share of errors among the clips it was sure of.

    Attributes
    ----------
    n, k : int
        Random clips that the rater called pop or no pop, and how many of them the detector labelled differently.
    n_unsure : int
        Random clips that the rater called uncertain; left out.
    n_sure : int
        All random clips, answered or not: the clips the detector was sure of.
    share, low, high : float in [0, 1], or None
        k / n with its 95 % interval.
    waits_for : int or None
        The first random clip without an answer; answers to clips after it do not count yet.
    """

    n: int
    k: int
    n_unsure: int
    n_sure: int
    share: float | None
    low: float | None
    high: float | None
    waits_for: int | None


def make_queue(session: Session, *, seed: int = 0, blind: bool = False) -> Queue:
    """Make the queue; the same session and seed give the same queue."""
    labelled = [clip for clip in session.clips if clip.label and clip.p_pop is not None]
    drawn = {clip.id: _why(clip, session.thresholds) for clip in labelled}
    shuffled = sorted(labelled, key=lambda clip: hashlib.sha256(f"{seed}\0{clip.file}".encode()).digest())
    random = tuple(clip.id for clip in shuffled if drawn[clip.id] == "random")
    unsure = [clip for clip in shuffled if drawn[clip.id] != "random"]
    if blind:
        first = {clip.id for clip in unsure} | set(random[: max(MIN_MIXED, len(unsure))])
        order = [clip.id for clip in shuffled if clip.id in first]
        order += [number for number in random if number not in first]
    else:
        unsure.sort(key=lambda clip: (drawn[clip.id] != "uncertain", _distance(clip, session.thresholds)))
        order = [*(clip.id for clip in unsure), *random]
    return Queue(tuple(order), drawn, random)


def estimate(session: Session, queue: Queue, answers: Mapping[str, Correction]) -> ErrorEstimate:
    """Estimate the share of errors from the answers of one rater, by file."""
    n = k = n_unsure = 0
    waits_for = None
    for number in queue.random:
        clip = session.clips[number]
        answer = answers.get(clip.file)
        if answer is None or not answer.label:
            waits_for = number
            break
        if answer.label == "uncertain":
            n_unsure += 1
            continue
        n += 1
        k += answer.label != clip.label
    low, high = wilson(k, n) if n else (None, None)
    return ErrorEstimate(n, k, n_unsure, len(queue.random), k / n if n else None, low, high, waits_for)


def is_corrected(clip: LabelledClip, answer: Correction) -> bool:
    """Whether an answer differs from the detector's result: another label, or marks at other times."""
    if answer.label != clip.label:
        return True
    marked, found = answer.onsets_s, clip.pops_s
    if answer.label != "pop" or not marked:
        return False
    if len(marked) != len(found):
        return True
    return any(abs(mine - theirs) > SAME_POP_S for mine, theirs in zip(marked, found, strict=True))


def _why(clip: LabelledClip, thresholds: tuple[float, float]) -> Drawn:
    if clip.label == "uncertain":
        return "uncertain"
    return "near" if _distance(clip, thresholds) <= NEAR_LOGIT else "random"


def _distance(clip: LabelledClip, thresholds: tuple[float, float]) -> float:
    return min(abs(_logit(clip.p_pop or 0.0) - _logit(threshold)) for threshold in thresholds)


def _logit(p: float) -> float:
    inner = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(inner / (1 - inner))
