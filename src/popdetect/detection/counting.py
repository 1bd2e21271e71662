"""Judged candidates to counted pops, and probability to a word: what the operating point decides."""

from __future__ import annotations

import math
from collections.abc import Sequence

from popdetect.detection.model.bundle import OperatingPoint
from popdetect.records import Label

TRAIN_S = 0.150  # pops of one thrust follow each other by 10 to 90 ms
_SLACK_S = 1e-9  # a gap of exactly that long is the same gap wherever in the recording it lies
MERGE_S = 0.009  # a pop is often doubled within 7 ms; pops 12 ms apart are two


def word(p_pop: float, point: OperatingPoint) -> Label:
    """``pop``, ``no_pop``, or ``uncertain`` between the two thresholds."""
    if p_pop >= point.pop_from:
        return "pop"
    return "no_pop" if p_pop < point.no_pop_below else "uncertain"


def count_pops(
    times_s: Sequence[float], p_event: Sequence[float], p_clip: Sequence[float], pop_from: float, train_from: float
) -> list[bool]:
    """Which candidates are counted as pops.

    One that alone would make its clip a ``pop`` is; from there, likely ones within 150 ms of a counted one are, and
    so on along the train. Of two within 9 ms the later is the first one's echo, unless only the later is sure.

    Parameters
    ----------
    times_s, p_event, p_clip : sequence of float, length n
        Increasing times; the probability of each as an event, and of a clip of which it is the best.

    Returns
    -------
    list of bool, length n
    """
    n = len(times_s)
    sure = [p >= pop_from for p in p_clip]
    likely = [s or p >= train_from for s, p in zip(sure, p_event, strict=True)]
    counted = [False] * n
    for order in (range(n), range(n - 1, -1, -1)):  # forwards along trains, then backwards
        last = -math.inf
        for i in order:
            if sure[i] or counted[i] or (likely[i] and abs(times_s[i] - last) <= TRAIN_S + _SLACK_S):
                counted[i] = True
                last = times_s[i]
    kept: int | None = None
    for i in range(n):
        if not counted[i]:
            continue
        if kept is not None and times_s[i] - times_s[kept] < MERGE_S - _SLACK_S:
            if sure[i] and not sure[kept]:
                counted[kept] = False
                kept = i
            else:
                counted[i] = False
        else:
            kept = i
    return counted
