"""What the page gets to know of a review session and of a clip, as JSON types.

In blind mode the server sends no result of the detector for a clip before the rater's answer is on disk and the rater
asked for the result, and no figures from which the result could be derived.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from popdetect import __version__
from popdetect.app.answer_log import AnswerLog
from popdetect.app.queue import Queue, estimate, is_corrected
from popdetect.session.clips import LabelledClip
from popdetect.session.corrections import CONSENSUS, Correction
from popdetect.session.label_folders import ClipLabels
from popdetect.session.session import Session


@dataclass(frozen=True, slots=True)
class ReviewSession:
    """One rater who reviews one labelled session, blind or not."""

    session: Session
    queue: Queue
    answers: AnswerLog
    rater: str
    blind: bool
    corrected: Mapping[str, ClipLabels] = field(default_factory=dict)  # label files that a person corrected, by clip


def session_view(review: ReviewSession) -> dict[str, Any]:
    """The clips in the order of the queue, and the rater's progress."""
    clips = review.session.clips
    failed = [clip.id for clip in clips if clip.id not in review.queue]
    last = review.answers.last_answered(review.rater)
    return {
        "version": __version__,
        "folder": review.session.folder.resolve().name,
        "rater": review.rater,
        "blind": review.blind,
        "clips": [item_view(review, clips[number]) for number in (*review.queue, *failed)],
        "last": next((clip.id for clip in clips if clip.file == last), None),
        "progress": progress_view(review),
    }


def progress_view(review: ReviewSession) -> dict[str, Any]:
    """The numbers of answered and of corrected clips, and the estimate of the detector's errors."""
    answers = review.answers.of_rater(review.rater)
    queued = [review.session.clips[number] for number in review.queue]
    done = [clip for clip in queued if clip.file in answers]
    view: dict[str, Any] = {"done": len(done), "of": len(queued), "raters": review.answers.raters()}
    if not review.blind:
        view["corrected"] = sum(is_corrected(clip, answers[clip.file]) for clip in done)
        view["estimate"] = estimate(review.session, review.queue, answers)
    return view


def item_view(review: ReviewSession, clip: LabelledClip) -> dict[str, Any]:
    """The entry of a clip in the list."""
    answer, _ = review.answers.current(clip.file, review.rater)
    view: dict[str, Any] = {"id": clip.id, "file": clip.file, "answer": answer.label if answer else ""}
    if clip.id not in review.queue:
        return view | {"failed": True}
    if not review.blind:
        view |= {"label": clip.label, "p_pop": clip.p_pop, "drawn": review.queue[clip.id]}
        view["corrected"] = answer is not None and is_corrected(clip, answer)
    return view


def clip_view(review: ReviewSession, clip: LabelledClip, rater: str) -> dict[str, Any]:
    """All that the page shows of one clip to `rater`, who is the session's rater or the consensus."""
    answer, version = review.answers.current(clip.file, rater)
    is_hidden = review.blind and (answer is None or not review.answers.has_seen_verdict(clip.file, rater))
    view: dict[str, Any] = {
        "id": clip.id,
        "file": clip.file,
        "duration_s": clip.duration_s or 0.0,
        "status": clip.status,
        "error": clip.error,
        "version": version,
        "answer": None if answer is None else answer_view(answer),
        "hidden": is_hidden,
    }
    if not is_hidden:
        view |= {
            "label": clip.label,
            "p_pop": clip.p_pop,
            "thresholds": _thresholds(review.session),
            "quality": list(clip.quality),
            "marks": [
                {"onset_s": event.onset_s, "p_pop": event.p_pop, "is_pop": event.is_pop} for event in clip.events
            ],
            "drawn": review.queue.get(clip.id, ""),
        }
        if (corrected := review.corrected.get(clip.file)) is not None:
            view["label_file"] = {
                "file": corrected.path.name,
                "label": corrected.label,
                "onsets_s": list(corrected.onsets_s),
            }
    if rater == CONSENSUS:
        found = ((name, review.answers.current(clip.file, name)[0]) for name in review.answers.raters())
        view["said"] = {name: answer_view(given) for name, given in found if given is not None}
    return view


def _thresholds(session: Session) -> dict[str, float] | None:
    """Return the thresholds of the label; None if the run of the session does not say."""
    if session.operating_point is None:
        return None
    _, point = session.operating_point
    return {"no_pop_below": point.no_pop_below, "pop_from": point.pop_from}


def answer_view(answer: Correction) -> dict[str, Any]:
    """Return what the page shows of an answer."""
    return {
        "label": answer.label,
        "onsets_s": list(answer.onsets_s),
        "answered_at": answer.answered_at,
        "blind": answer.blind,
    }
