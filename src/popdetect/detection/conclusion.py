"""From scored candidates to the detection of their clip: context scores, counted pops, label, spectral summary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from popdetect.detection.model.bundle import OperatingPoint
from popdetect.detection.model.classifiers import Classifier
from popdetect.detection.signal import context
from popdetect.detection.signal.dropouts import DEAD_SHARE, Dropouts
from popdetect.detection.signal.onsets import Floats, Ints
from popdetect.detection.signal.quality import Quality
from popdetect.detection.signal.refinement import SnippetReader
from popdetect.detection.signal.two_channels import Difference
from popdetect.records import BURST_S, ROUNDING_S, Detection, Event, Label

NO_EVENT_LOGIT = -12.0  # log-odds of a clip without a candidate, and the lowest of any clip
CONTEXT_FROM = -5.0  # base log-odds below which no neighbours make a pop of a sound: most candidates
REFLECTION_S, REFLECTION_DB = 0.020, 12.0  # a reflection in a room is later and weaker; pops of a burst differ less
MERGE_S = 0.009  # a pop often has an echo within 7 ms; pops 12 ms apart are two
_SPECTRUM_MS = 6.0
_NEIGHBOURS = [context.names().index(name) for name in ("best_before", "best_after")]


class ScoredCandidate(NamedTuple):
    """A candidate with its probabilities; the operating point is not applied yet."""

    sample: int  # onset
    p_event: float  # probability that it is a pop
    p_clip: float  # probability that a clip holds a pop if this is its likeliest candidate
    duration_ms: float  # this and the next three as of `records.Event`
    peak_hz: float
    centroid_hz: float
    snr_db: float
    outside: bool  # whether it is out of distribution: unlike the sounds of the training data
    difference: Difference = Difference()  # between two channels


def context_logits(classifier: Classifier, rows: Floats) -> Floats:
    """Final log-odds of candidates, shape (n,), by the context model and rows of `signal.context.describe`.

    The context takes no evidence away from a sound that is alone: a candidate without a likelier neighbour does not
    fall below its base score. One beside a likelier sound may be its echo. Candidates with a base score below
    `CONTEXT_FROM` keep it.
    """
    logits = rows[:, 0].copy()
    likely = np.flatnonzero(logits >= CONTEXT_FROM)
    if len(likely):
        own = logits[likely]
        with_context = classifier.logit(rows[likely])
        leads = rows[likely][:, _NEIGHBOURS].max(axis=1) <= own
        logits[likely] = np.where(leads, np.maximum(own, with_context), with_context)
    return logits


def label_for(p_pop: float, point: OperatingPoint) -> Label:
    """``pop``, ``no_pop``, or ``uncertain`` between the two thresholds."""
    if p_pop >= point.pop_from:
        return "pop"
    return "no_pop" if p_pop < point.no_pop_below else "uncertain"


def count_pops(
    times_s: Sequence[float],
    p_event: Sequence[float],
    p_clip: Sequence[float],
    level_db: Sequence[float],
    counts_from: float,
    burst_from: float,
) -> list[bool]:
    """Which candidates are counted as pops.

    A candidate that alone would make its clip ``pop`` or ``uncertain`` is counted. A likely candidate within 150 ms of
    a counted one is counted too, and so on along the burst. Of two within 9 ms the later is taken as an echo of the
    first, unless the first is counted only as part of the burst and the later one is counted alone. A sound that
    follows a counted one within 20 ms and is 12 dB weaker is its reflection in the room: the pops of a burst have
    similar levels.

    A burst of likely candidates is counted independently of what is more than 150 ms away from it; see `n_final`.

    `level_db` is the level above the floor. `counts_from` is the threshold of `p_clip`: the `no_pop_below` of the
    operating point. `burst_from` is that of `p_event` within a burst; see `ScoredCandidate`.
    """
    n = len(times_s)
    alone = [p >= counts_from for p in p_clip]
    likely = [a or p >= burst_from for a, p in zip(alone, p_event, strict=True)]
    counted = [False] * n
    for order in (range(n), range(n - 1, -1, -1)):  # along the bursts forwards, then backwards
        last = -math.inf
        for i in order:
            if alone[i] or counted[i] or (likely[i] and abs(times_s[i] - last) <= BURST_S + ROUNDING_S):
                counted[i] = True
                last = times_s[i]
    kept: int | None = None
    for i in [index for index in range(n) if counted[index]]:
        if kept is not None and times_s[i] - times_s[kept] < MERGE_S - ROUNDING_S:
            if not alone[i] or alone[kept]:
                counted[i] = False
                continue
            counted[kept] = False
        kept = i
    pops: list[int] = []
    for i in [index for index in range(n) if counted[index]]:
        near = (k for k in reversed(pops) if times_s[i] - times_s[k] <= REFLECTION_S + ROUNDING_S)
        counted[i] = all(level_db[k] - level_db[i] < REFLECTION_DB for k in near)
        if counted[i]:
            pops.append(i)
    return counted


def events_of(
    point: OperatingPoint,
    scored: Sequence[ScoredCandidate],
    rate_hz: int,
    first_sample: int = 0,
    *,
    compare: bool = True,
) -> tuple[Event, ...]:
    """The events of a clip from its candidates, whose samples are counted from `first_sample` of the clip.

    An out-of-distribution sound is not counted on its own. Without `compare`, what compares two channels is left out,
    because one of them is dead or both are the same signal; only the louder channel is given.
    """
    times = [max(c.sample - first_sample, 0) / rate_hz for c in scored]
    counted = count_pops(
        times,
        [c.p_event for c in scored],
        [_p_alone(c) for c in scored],
        [c.snr_db for c in scored],
        point.no_pop_below,
        point.burst_from,
    )
    return tuple(
        Event(t, c.p_event, n, *c[3:7], *(c.difference if compare else c.difference[:1]))
        for c, t, n in zip(scored, times, counted, strict=True)
    )


def n_final(point: OperatingPoint, scored: Sequence[ScoredCandidate], known_until: int, rate_hz: int) -> int:
    """How many of the first candidates no later candidate can change; all later ones are at `known_until` or after it.

    What is counted depends on likely candidates that follow each other by at most 150 ms. Such a burst is final once
    no further candidate can belong to it.
    """
    reach = (BURST_S + ROUNDING_S) * rate_hz
    n, next_likely = len(scored), known_until
    for index in range(len(scored) - 1, -1, -1):
        candidate = scored[index]
        if _p_alone(candidate) < point.no_pop_below and candidate.p_event < point.burst_from:
            continue
        sample = max(candidate.sample, 0)
        if next_likely - sample > reach:
            break
        n, next_likely = index, sample
    return n


def _p_alone(candidate: ScoredCandidate) -> float:
    return 0.0 if candidate.outside else candidate.p_clip


def conclude(
    point: OperatingPoint,
    scored: Sequence[ScoredCandidate],
    p_pop: float,
    n_samples: int,
    rate_hz: int,
    channels: int,
    quality: Quality,
    dropouts: Dropouts,
    voice_s: float,
    first_sample: int = 0,
    channel_flags: tuple[str, ...] = (),
) -> Detection:
    """The detection of a clip from its candidates, whose samples are counted from `first_sample` of the clip.

    A clip labelled ``no_pop`` has no counted event, a clip labelled ``pop`` at least one. The counted events of an
    ``uncertain`` clip are uncertain pops.

    An out-of-distribution sound does not make its clip a ``pop``. If it is the likeliest sound, and no other sound
    would make the clip a ``pop``, the label is ``uncertain`` with the flag ``outside``. A clip of which a drop-out has
    taken more than half is not called ``no_pop``, but ``uncertain`` with the flag ``dropout``. Only ``uncertain`` clips
    with one of these flags may have no counted event. `channel_flags` are those of `signal.two_channels.ChannelCheck`.
    """
    is_sure = max(map(_p_alone, scored), default=0.0) >= point.pop_from
    unknown = bool(scored) and not is_sure and max(scored, key=attrgetter("p_event")).outside
    duration_s = n_samples / rate_hz
    label = "uncertain" if unknown else label_for(p_pop, point)
    has_dropout, dead_share = dropouts.finish()
    if has_dropout and dead_share > DEAD_SHARE and label == "no_pop":
        label = "uncertain"
    return Detection(
        label=label,
        p_pop=p_pop,
        events=events_of(point, scored, rate_hz, first_sample, compare=not channel_flags),
        duration_s=duration_s,
        sample_rate_hz=rate_hz,
        channels=channels,
        quality=quality.flags(duration_s, voice_s, outside=unknown, dropout=has_dropout) + channel_flags,
    )


def spectral_summary(read: SnippetReader, starts: Ints, rate_hz: int) -> tuple[Floats, Floats]:
    """Peak and mean frequency of the first 6 ms of each event (above 60 Hz), Hz."""
    size = round(_SPECTRUM_MS * rate_hz / 1000)
    sound = read(starts, size).astype(np.float64)
    sound -= sound.mean(axis=2, keepdims=True)
    n_fft = 4 * size  # bins 42 Hz apart
    taper = 0.5 + 0.5 * np.cos(np.pi * np.arange(size) / size)
    spectra = np.square(np.abs(np.fft.rfft(sound * taper, n_fft, axis=2))).sum(axis=1)
    bins_hz = np.arange(spectra.shape[1]) * (rate_hz / n_fft)
    spectra[:, bins_hz < 60] = 0
    total = np.maximum(spectra.sum(axis=1), 1e-30)
    return bins_hz[spectra.argmax(axis=1)], (spectra * bins_hz).sum(axis=1) / total
