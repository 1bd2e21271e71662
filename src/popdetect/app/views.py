"""What the page is told of a session and of a clip, as JSON types.

In blind mode nothing that the detector said of a clip leaves the server before the rater's answer is on disk and they
asked to see it; nor do figures from which it could be told.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from popdetect import __version__
from popdetect.app.answer_log import Book
from popdetect.app.queue import Queue, estimate, is_corrected
from popdetect.session.corrections import CONSENSUS, Correction
from popdetect.session.session import Labelled, LabelledClip


@dataclass(frozen=True, slots=True)
class Sitting:
    """One person in front of one session: what is reviewed, by whom, and whether blind."""

    session: Labelled
    queue: Queue
    book: Book
    rater: str
    blind: bool

    def shows_verdict(self, clip: LabelledClip, rater: str) -> bool:
        """Whether the page may know what the detector said of a clip."""
        if not self.blind:
            return True
        answer, _ = self.book.look(clip.file, rater)
        return answer is not None and self.book.knows_verdict(clip.file, rater)


def session_view(sitting: Sitting) -> dict[str, Any]:
    """The list of clips in their order, and how far the rater is."""
    answers = sitting.book.of_rater(sitting.rater)
    clips = sitting.session.clips
    failed = [clip.id for clip in clips if clip.id not in sitting.queue.drawn]
    last = sitting.book.last_answered(sitting.rater)
    return {
        "version": __version__,
        "folder": sitting.session.folder.resolve().name,
        "rater": sitting.rater,
        "blind": sitting.blind,
        "clips": [_item(sitting, clips[number], answers) for number in (*sitting.queue.order, *failed)],
        "last": next((clip.id for clip in clips if clip.file == last), None),
        "progress": progress_view(sitting),
    }


def progress_view(sitting: Sitting) -> dict[str, Any]:
    """How many are done, how many corrected, and the estimate of the detector's errors."""
    answers = sitting.book.of_rater(sitting.rater)
    judged = [sitting.session.clips[number] for number in sitting.queue.order]
    done = [clip for clip in judged if clip.file in answers]
    made: dict[str, Any] = {"done": len(done), "of": len(judged), "raters": sitting.book.raters()}
    if not sitting.blind:
        made["corrected"] = sum(is_corrected(clip, answers[clip.file]) for clip in done)
        made["estimate"] = asdict(estimate(sitting.session, sitting.queue, answers))
    return made


def item_view(sitting: Sitting, clip: LabelledClip) -> dict[str, Any]:
    """A clip's line in the list."""
    return _item(sitting, clip, sitting.book.of_rater(sitting.rater))


def clip_view(sitting: Sitting, clip: LabelledClip, rater: str) -> dict[str, Any]:
    """All the page shows of one clip to `rater`, who is the sitting's or the consensus."""
    answer, version = sitting.book.look(clip.file, rater)
    made: dict[str, Any] = {
        "id": clip.id,
        "file": clip.file,
        "duration_s": clip.duration_s,
        "status": clip.status,
        "error": clip.error,
        "version": version,
        "answer": None if answer is None else _answer(answer),
        "hidden": not sitting.shows_verdict(clip, rater),
    }
    if not made["hidden"]:
        made |= {
            "label": clip.label,
            "p_pop": clip.p_pop,
            "quality": list(clip.quality),
            "marks": [asdict(mark) for mark in clip.marks],
            "drawn": sitting.queue.drawn.get(clip.id, ""),
        }
    if rater == CONSENSUS:
        found = ((name, sitting.book.look(clip.file, name)[0]) for name in sitting.book.raters())
        made["said"] = {name: _answer(said) for name, said in found if said is not None}
    return made


def _item(sitting: Sitting, clip: LabelledClip, answers: dict[str, Correction]) -> dict[str, Any]:
    answer = answers.get(clip.file)
    made: dict[str, Any] = {"id": clip.id, "file": clip.file, "answer": answer.label if answer else ""}
    if clip.id not in sitting.queue.drawn:
        return made | {"failed": True}
    if not sitting.blind:
        made |= {"label": clip.label, "p_pop": clip.p_pop, "drawn": sitting.queue.drawn[clip.id]}
        made["corrected"] = answer is not None and is_corrected(clip, answer)
    return made


def _answer(answer: Correction) -> dict[str, Any]:
    return {
        "label": answer.label,
        "onsets_s": list(answer.onsets_s),
        "answered_at": answer.answered_at,
        "blind": answer.blind,
    }
