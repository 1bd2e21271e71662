"""Verdicts on clips from candidates and their log-odds, without the sound: the same as the detector would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from popdetect.detection.conclusion import context_logits, count_pops, label_for
from popdetect.detection.model.bundle import DEFAULT_OPERATING_POINT, Model
from popdetect.detection.model.classifiers import Calibration, Floats
from popdetect.detection.signal import features
from popdetect.records import Label
from popdetect.training.data.examples import CandidateSet, Example, best_logits
from popdetect.training.evaluation.matching import ScoredClip
from popdetect.training.models.context_model import context_rows


def final_logits(model: Model, candidates: CandidateSet) -> Floats:
    """Return log-odds after the context model, shape (n,), of candidates that passed the filter of the model."""
    first = model.base_calibration.log_odds(model.classifier.logit(candidates.rows))
    return context_logits(model.context_model, context_rows(candidates, first, model.front_end.n_columns))


def counted(model: Model, candidates: CandidateSet, logits: Floats, lower: float = 0.0) -> npt.NDArray[np.bool_]:
    """Return which candidates are counted at the default operating point, shape (n,), also uncertain pops.

    The log-odds are those after the context model; `lower` (≥ 0) is subtracted after calibration.
    """
    point = model.operating_point(DEFAULT_OPERATING_POINT)
    event, clip = lowered(model.event_calibration, lower), lowered(model.clip_calibration, lower)
    found = np.zeros(len(logits), np.bool_)
    times, p_event, p_clip = candidates.onsets_s.tolist(), event(logits).tolist(), clip(logits).tolist()
    level, _ = features.level_and_spectrum(candidates.rows, model.front_end.n_columns)
    level_db = np.where(np.isnan(level), features.HEADROOM_LIMIT_DB, level).tolist()
    for own in candidates.by_clip():
        found[own] = count_pops(
            times[own], p_event[own], p_clip[own], level_db[own], point.no_pop_below, point.burst_from
        )
    return found


def lowered(calibration: Calibration, by: float) -> Calibration:
    """Return a calibration that gives log-odds lower by `by`."""
    return Calibration(calibration.slope, calibration.offset - by)


def scored(model: Model, candidates: CandidateSet, logits: Floats, examples: Sequence[Example]) -> list[ScoredClip]:
    """Return the verdict on each clip, beside its truth, at the default operating point."""
    point = model.operating_point(DEFAULT_OPERATING_POINT)
    p_clip = model.clip_calibration(best_logits(logits, candidates.clip, len(examples)))
    is_pop = counted(model, candidates, logits)
    made = []
    clips = zip(examples, p_clip.tolist(), candidates.by_clip(), candidates.durations_s.tolist(), strict=True)
    for example, p_pop, own, duration_s in clips:
        found = tuple(candidates.onsets_s[own][is_pop[own]].tolist())
        made.append(scored_clip(example, p_pop, label_for(p_pop, point), found, duration_s))
    return made


def scored_clip(
    example: Example, p_pop: float, label: Label, found: tuple[float, ...], duration_s: float
) -> ScoredClip:
    """Return a verdict beside the truth."""
    return ScoredClip(
        file=example.file,
        group=example.group,
        truth_label="pop" if example.is_pop else "no_pop",
        p_pop=p_pop,
        label=label,
        true_onsets_s=example.onsets_s,
        found_onsets_s=found,
        duration_s=duration_s,
    )
