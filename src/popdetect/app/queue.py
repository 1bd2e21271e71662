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
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from popdetect.intervals import wilson
from popdetect.session.clips import LabelledClip
from popdetect.session.corrections import Correction
from popdetect.session.session import Session

# Why each clip is in the queue, by its id, in the order of the review; without clips that could not be processed.
Queue = Mapping[int, Literal["uncertain", "near", "random"]]
NEAR_LOGIT = 1.0  # natural log-odds: a clip this close to a threshold is worth a person's time
MIN_MIXED = 20  # random clips at the beginning of a blind queue, at least
SAME_POP_S = 0.002  # a mark moved by no more is not a correction


def make_queue(session: Session, *, seed: int = 0, blind: bool = False) -> Queue:
    """Make the queue; the same session and seed give the same queue."""
    clips = [clip for clip in session.clips if clip.label and clip.p_pop is not None]
    clips.sort(key=lambda clip: hashlib.sha256(f"{seed}\0{clip.file}".encode()).digest())
    limits = [_logit(threshold) for threshold in session.thresholds]
    distance = {clip.id: min(abs(_logit(clip.p_pop or 0.0) - limit) for limit in limits) for clip in clips}
    queue: Queue = {
        clip.id: "uncertain" if clip.label == "uncertain" else "near" if distance[clip.id] <= NEAR_LOGIT else "random"
        for clip in clips
    }
    random = in_random_order(queue)
    unsure = [number for number in queue if queue[number] != "random"]
    if blind:
        first = {*unsure, *random[: max(MIN_MIXED, len(unsure))]}
        order = sorted(queue, key=lambda number: number not in first)
    else:
        order = sorted(unsure, key=lambda number: (queue[number] != "uncertain", distance[number])) + random
    return {number: queue[number] for number in order}


def in_random_order(queue: Queue) -> list[int]:
    """Return the clips that the detector was sure of, which are in random order."""
    return [number for number, why in queue.items() if why == "random"]


def estimate(session: Session, queue: Queue, answers: Mapping[str, Correction]) -> dict[str, Any]:
    """Estimate the detector's share of errors among the clips it was sure of, from the answers of one rater, by file.

    Returns
    -------
    dict
        ``n``, ``k``: random clips that the rater called pop or no pop, and how many of them the detector labelled
        differently. ``n_unsure``: random clips that the rater called uncertain; left out. ``n_sure``: all random clips,
        answered or not. ``share``, ``low``, ``high``: k / n with its 95 % interval, or None. ``waits_for``: the first
        random clip without an answer, or None; answers to clips after it do not count yet.
    """
    n = k = n_unsure = 0
    waits_for = None
    random = in_random_order(queue)
    for number in random:
        clip = session.clips[number]
        answer = answers.get(clip.file)
        if answer is None:
            waits_for = number
            break
        if answer.label == "uncertain":
            n_unsure += 1
            continue
        n += 1
        k += answer.label != clip.label
    low, high = wilson(k, n) if n else (None, None)
    counts = {"n": n, "k": k, "n_unsure": n_unsure, "n_sure": len(random)}
    return counts | {"share": k / n if n else None, "low": low, "high": high, "waits_for": waits_for}


def is_corrected(clip: LabelledClip, answer: Correction) -> bool:
    """Whether an answer differs from the detector's result: another label, or marks at other times."""
    if answer.label != clip.label:
        return True
    return answer.label == "pop" and bool(answer.onsets_s) and not same_pops(answer.onsets_s, clip.pops_s, SAME_POP_S)


def same_pops(one: Sequence[float], two: Sequence[float], within_s: float) -> bool:
    """Whether two sorted lists of onsets, in seconds, are as many and differ by at most `within_s` each."""
    return len(one) == len(two) and all(abs(a - b) <= within_s for a, b in zip(one, two, strict=True))


def _logit(p: float) -> float:
    inner = min(max(p, 1e-6), 1 - 1e-6)
    return math.log(inner / (1 - inner))
