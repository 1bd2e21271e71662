"""Judged candidates to the verdict on their clip; and what a listed event sounds like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from popdetect.detection.counting import count_pops, word
from popdetect.detection.model.bundle import OperatingPoint
from popdetect.detection.signal.onsets import Floats, Ints
from popdetect.detection.signal.quality import Quality
from popdetect.detection.signal.refinement import Take
from popdetect.records import Detection, Event

NO_EVENT_LOGIT = -12.0  # what a clip without a candidate counts for
_SPECTRUM_MS = 6.0


@dataclass(frozen=True, slots=True)
class Judged:
    """A judged candidate, before the operating point has spoken.

    `p_event` is its probability, `p_clip` that of a clip of which it is the likeliest sound; neither says whether it
    lies outside the span of what was learned from.
    """

    sample: int
    p_event: float
    p_clip: float
    duration_ms: float
    snr_db: float
    peak_hz: float
    centroid_hz: float
    channel: str
    outside: bool


def conclude(
    point: OperatingPoint,
    judged: Sequence[Judged],
    p_pop: float,
    n_samples: int,
    rate_hz: int,
    channels: int,
    quality: Quality,
    voice_s: float,
    first_sample: int = 0,
) -> Detection:
    """Judged candidates to the verdict on their clip, which begins at `first_sample` of what was heard.

    A sound outside the span of what was learned from is never counted as a pop by itself, and a clip in which it is
    the likeliest is neither ``pop`` on its account nor ``no_pop``.
    """
    times = [max(j.sample - first_sample, 0) / rate_hz for j in judged]
    p_event = [j.p_event for j in judged]
    alone = [0.0 if j.outside else j.p_clip for j in judged]
    counted = count_pops(times, p_event, alone, point.pop_from, point.train_from)
    strange = bool(judged) and not any(counted) and max(judged, key=attrgetter("p_event")).outside
    duration_s = n_samples / rate_hz
    return Detection(
        label="uncertain" if strange else word(p_pop, point),
        p_pop=p_pop,
        events=tuple(
            Event(t, p, c, j.duration_ms, j.peak_hz, j.centroid_hz, j.snr_db, j.channel)
            for j, t, p, c in zip(judged, times, p_event, counted, strict=True)
        ),
        duration_s=duration_s,
        sample_rate_hz=rate_hz,
        channels=channels,
        quality=quality.flags(duration_s, voice_s, outside=strange),
    )


def colour(take: Take, starts: Ints, rate_hz: int) -> tuple[Floats, Floats, list[str]]:
    """Peak and mean frequency of the first 6 ms of each event (above 60 Hz), and the louder channel of two."""
    size = round(_SPECTRUM_MS * rate_hz / 1000)
    sound = take(starts, size).astype(np.float64)
    sound -= sound.mean(axis=2, keepdims=True)
    power = np.square(sound).sum(axis=2)
    n_fft = 4 * size  # bins 42 Hz apart
    taper = 0.5 + 0.5 * np.cos(np.pi * np.arange(size) / size)
    spectra = np.square(np.abs(np.fft.rfft(sound * taper, n_fft, axis=2))).sum(axis=1)
    bins_hz = np.arange(spectra.shape[1]) * (rate_hz / n_fft)
    spectra[:, bins_hz < 60] = 0
    total = np.maximum(spectra.sum(axis=1), 1e-30)
    channel = [""] * len(starts)
    if sound.shape[1] == 2:
        lead_db = 10 * np.log10(np.maximum(power[:, 0], 1e-20) / np.maximum(power[:, 1], 1e-20))
        channel = ["both" if abs(db) < 1 else "1" if db > 0 else "2" for db in lead_db]
    return bins_hz[spectra.argmax(axis=1)], (spectra * bins_hz).sum(axis=1) / total, channel
