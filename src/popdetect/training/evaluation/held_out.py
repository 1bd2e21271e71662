"""Candidates and their log-odds to verdicts on clips, without the sound: as the detector would judge them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from popdetect.detection.conclusion import context_logits, count_pops, label_for
from popdetect.detection.model.bundle import DEFAULT_OPERATING_POINT, Model
from popdetect.detection.model.classifiers import Calibration, Floats
from popdetect.records import Label
from popdetect.training.data.examples import CandidateSet, Example, best_logits
from popdetect.training.evaluation.scores import ScoredClip
from popdetect.training.models.context_model import context_rows


def final_logits(model: Model, heard: CandidateSet) -> Floats:
    """Log-odds after the context, shape (n,), of candidates that the model's own first look let pass."""
    first = model.base_calibration.log_odds(model.classifier.logit(heard.rows))
    return context_logits(model.context_model, context_rows(heard, first, model.front_end.n_columns))


def counted(model: Model, heard: CandidateSet, logits: Floats, lower: float = 0.0) -> npt.NDArray[np.bool_]:
    """Which candidates are counted as pops at the default operating point, shape (n,).

    Parameters
    ----------
    logits : ndarray, shape (n,)
        After the context.
    lower : float ≥ 0
        Taken off all calibrated log-odds.
    """
    point = model.operating_point(DEFAULT_OPERATING_POINT)
    event, clip = lowered(model.event_calibration, lower), lowered(model.clip_calibration, lower)
    found = np.zeros(len(logits), np.bool_)
    times, p_event, p_clip = heard.onsets_s.tolist(), event(logits).tolist(), clip(logits).tolist()
    for own in of_clips(heard):
        found[own] = count_pops(times[own], p_event[own], p_clip[own], point.pop_from, point.burst_from)
    return found


def of_clips(heard: CandidateSet) -> list[slice]:
    """Where each clip's candidates lie: they come clip by clip."""
    ends = np.searchsorted(heard.clip, np.arange(len(heard.durations_s) + 1)).tolist()
    return [slice(first, last) for first, last in pairwise(ends)]


def lowered(calibration: Calibration, by: float) -> Calibration:
    """The same, with so much taken off the log-odds."""
    return Calibration(calibration.slope, calibration.offset - by)


def scored(model: Model, heard: CandidateSet, logits: Floats, examples: Sequence[Example]) -> list[ScoredClip]:
    """Each clip as judged by these log-odds, at the default operating point."""
    point = model.operating_point(DEFAULT_OPERATING_POINT)
    p_clip = model.clip_calibration(best_logits(logits, heard.clip, len(examples)))
    is_pop = counted(model, heard, logits)
    made = []
    clips = zip(examples, p_clip.tolist(), of_clips(heard), heard.durations_s.tolist(), strict=True)
    for example, p_pop, own, duration_s in clips:
        found = tuple(heard.onsets_s[own][is_pop[own]].tolist())
        made.append(clip_of(example, p_pop, label_for(p_pop, point), found, duration_s))
    return made


def clip_of(example: Example, p_pop: float, label: Label, found: tuple[float, ...], duration_s: float) -> ScoredClip:
    """A verdict beside the truth."""
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


def part_of(heard: CandidateSet, clips: Sequence[int]) -> CandidateSet:
    """The same for some of the clips, in their order."""
    kept = np.sort(np.asarray(clips, np.intp))
    inside = np.isin(heard.clip, kept)
    return CandidateSet(
        heard.rows[inside],
        heard.marks[inside],
        np.searchsorted(kept, heard.clip[inside]).astype(np.intp),
        heard.onsets_s[inside],
        heard.durations_s[kept],
    )
