"""In which order clips are reviewed, and what the answers say of the detector's errors.

First what the detector was uncertain of, then what lies close to a threshold, then all others in an order that chance
decides (a hash of name and seed, so that it stays as it is when clips come or go). Any beginning of that order is a
simple random sample of the clips the detector was sure of. Their share of errors is therefore estimated from the
answers from its first clip to the last before one is missing, and from no others: what a person chose to look at, by a
filter or by passing clips over, is not random. The interval is Wilson's.

Where the person must not know what the detector said, uncertain and close clips are mixed with as many random ones, so
that a clip's place tells nothing.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from popdetect.intervals import wilson
from popdetect.session.corrections import Correction
from popdetect.session.session import Labelled, LabelledClip

Drawn = Literal["uncertain", "near", "random"]
NEAR_LOGIT = 1.0  # so close to a threshold, in natural log-odds, that a person should hear it
LEAST_MIXED = 20  # random clips among the first of a blind queue
SAME_POP_S = 0.002  # a mark moved by less is the same mark


@dataclass(frozen=True, slots=True)
class Queue:
    """The order of the clips.

    Attributes
    ----------
    order : tuple of int
        Clips by id; those that could not be judged are not in it.
    drawn : mapping of int to {"uncertain", "near", "random"}
        Why each is where it is.
    chance : tuple of int
        Those drawn at random, in the order in which they were drawn.
    """

    order: tuple[int, ...]
    drawn: Mapping[int, Drawn]
    chance: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ErrorEstimate:
    """How often the detector is wrong where it was sure.

    Attributes
    ----------
    n, k : int
        Randomly drawn clips with an answer of pop or no pop, and those of another than the detector's.
    n_unsure : int
        Drawn and heard, but the person was uncertain too: left out.
    n_sure : int
        Clips the detector was sure of and that were drawn from.
    share, low, high : float in [0, 1], or None
        k / n with its 95 % interval.
    waits_for : int or None
        The first drawn clip without an answer; answers beyond it do not count yet.
    """

    n: int
    k: int
    n_unsure: int
    n_sure: int
    share: float | None
    low: float | None
    high: float | None
    waits_for: int | None


def line_up(session: Labelled, *, seed: int = 0, blind: bool = False) -> Queue:
    """Decide the order; the same session and seed give the same."""
    judged = [clip for clip in session.clips if clip.label and clip.p_pop is not None]
    drawn = {clip.id: _why(clip, session.thresholds) for clip in judged}
    shuffled = sorted((clip for clip in judged), key=lambda clip: _chance(clip.file, seed))
    chance = tuple(clip.id for clip in shuffled if drawn[clip.id] == "random")
    worth = [clip for clip in shuffled if drawn[clip.id] != "random"]
    if blind:
        first = {clip.id for clip in worth} | set(chance[: max(LEAST_MIXED, len(worth))])
        order = [clip.id for clip in shuffled if clip.id in first]
        order += [number for number in chance if number not in first]
    else:
        worth.sort(key=lambda clip: (drawn[clip.id] != "uncertain", _distance(clip, session.thresholds)))
        order = [*(clip.id for clip in worth), *chance]
    return Queue(tuple(order), drawn, chance)


def estimate(session: Labelled, queue: Queue, answers: Mapping[str, Correction]) -> ErrorEstimate:
    """Estimate the share of errors from one person's answers, by file."""
    n = k = n_unsure = 0
    waits_for = None
    for number in queue.chance:
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
    return ErrorEstimate(n, k, n_unsure, len(queue.chance), k / n if n else None, low, high, waits_for)


def is_corrected(clip: LabelledClip, answer: Correction) -> bool:
    """Whether a person said something else than the detector: another label, or other pops where they marked any."""
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


def _chance(file: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{file}".encode()).digest()
