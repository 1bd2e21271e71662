"""Agreement of the raters of one session, and the clips on which they disagree.

Only clips that both raters of a pair have answered are compared. Kappa is computed from the answers pop and no pop.
Clips that either rater called uncertain are left out of it and counted; they are disagreements if the other rater did
not call them uncertain. The interval of kappa takes clips of one patient as dependent. Patients come from
``session.csv``; without it, all clips of one folder are taken as of one patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from itertools import combinations
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from popdetect.app.answer_log import AnswerLog
from popdetect.app.queue import same_pops
from popdetect.app.views import answer_view
from popdetect.errors import PopdetectError
from popdetect.records import to_json
from popdetect.session.corrections import CONSENSUS, Correction
from popdetect.session.session import Session
from popdetect.session.tables import read_table

SAME_POP_S = 0.005  # marks of two raters that are no further apart mark the same pop
_STUDY_WORDS = {"pop": "yes", "no_pop": "no", "uncertain": "unsure"}


def compare(session: Session, answers: AnswerLog) -> dict[str, Any]:
    """Compare every pair of raters; as JSON types: `raters`, `pairs` (agreement), `disagreements` (by clip)."""
    from popdetect.study.analysis.agreement import agreement  # loads scipy, which starts slowly

    names = answers.raters()
    said = {name: answers.of_rater(name) for name in names}
    settled = answers.of_rater(CONSENSUS)
    patients = _patients(session)
    pairs = []
    differ: dict[int, dict[str, Any]] = {}
    for first, second in combinations(names, 2):
        both = [clip for clip in session.clips if clip.file in said[first] and clip.file in said[second]]
        one, two = ([_STUDY_WORDS[said[name][clip.file].label] for clip in both] for name in (first, second))
        numbers = np.array([patients[clip.file] for clip in both], np.intp)
        made = to_json(agreement(first, second, np.array(one, np.str_), np.array(two, np.str_), numbers))
        for figure in ("kappa", "positive", "negative"):
            for words in ("how", "why_not"):  # one thrust of a study is one clip here
                made[figure][words] = made[figure][words].replace("thrust", "clip")
        pairs.append({**made, "n_both": len(both)})
        for clip in both:
            why = _difference(said[first][clip.file], said[second][clip.file])
            if why:
                entry = differ.setdefault(clip.id, {"id": clip.id, "file": clip.file, "about": why, "said": {}})
                entry["said"] |= {name: answer_view(said[name][clip.file]) for name in (first, second)}
                entry["settled"] = settled[clip.file].label if clip.file in settled else ""
    return {
        "raters": [{"name": name, "n": len(said[name])} for name in names],
        "pairs": pairs,
        "disagreements": [differ[number] for number in sorted(differ)],
    }


def _difference(one: Correction, two: Correction) -> str:
    """``label``; ``pops`` if both marked pops, but not the same ones; empty if there is no difference."""
    if one.label != two.label:
        return "label"
    both_marked = one.label == "pop" and one.onsets_s and two.onsets_s
    return "pops" if both_marked and not same_pops(one.onsets_s, two.onsets_s, SAME_POP_S) else ""


def _patients(session: Session) -> Mapping[str, int]:
    """A number for the patient of each clip, by file."""
    names = {clip.file: str(PurePosixPath(clip.file).parent) for clip in session.clips}
    if len(set(names.values())) == 1:  # one folder for all clips: the patients are unknown
        names = {clip.file: clip.file for clip in session.clips}
    with suppress(PopdetectError, KeyError):  # session.csv may be missing or have no patients
        rows = read_table(session.folder / "session.csv", by_hand=True).rows
        names |= {row["file"]: f"patient {row['patient_id']}" for row in rows if row["patient_id"]}
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names.values()))}
    return {file: numbers[name] for file, name in names.items()}
