"""Two raters on one session: how well they agree, and where they do not.

Only clips that both have answered are looked at. Kappa is of pop and no pop; clips of which either was uncertain are
left out of it, counted, and among the disagreements if the other was sure. Its interval takes clips of one patient as
belonging together; a patient is known by ``session.csv``, else by the folder the clip is in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from itertools import combinations
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from popdetect.app.answer_log import Book
from popdetect.errors import PopdetectError
from popdetect.session.corrections import CONSENSUS, Correction
from popdetect.session.session import Labelled
from popdetect.session.tables import read_table

SAME_S = 0.005  # two raters' marks this close are of one pop
_WORDS = {"pop": "yes", "no_pop": "no", "uncertain": "unsure"}


def compare(session: Labelled, book: Book) -> dict[str, Any]:
    """Every pair of raters, as JSON types: `raters`, `pairs` (agreement), `disagreements` (by clip)."""
    from popdetect.study.analysis.agreement import agreement  # loads scipy: only where there are two

    names = book.raters()
    said = {name: book.of_rater(name) for name in names}
    settled = book.of_rater(CONSENSUS)
    patients = _patients(session)
    pairs = []
    differ: dict[int, dict[str, Any]] = {}
    for first, second in combinations(names, 2):
        both = [clip for clip in session.clips if clip.file in said[first] and clip.file in said[second]]
        one, two = ([_WORDS[said[name][clip.file].label] for clip in both] for name in (first, second))
        numbers = np.array([patients[clip.file] for clip in both], np.intp)
        made = asdict(agreement(first, second, np.array(one, np.str_), np.array(two, np.str_), numbers))
        for figure in ("kappa", "positive", "negative"):
            for words in ("how", "why_not"):  # a study's words for what is a clip here
                made[figure][words] = made[figure][words].replace("thrust", "clip")
        pairs.append({**made, "n_both": len(both)})
        for clip in both:
            why = _difference(said[first][clip.file], said[second][clip.file])
            if why:
                entry = differ.setdefault(clip.id, {"id": clip.id, "file": clip.file, "about": why, "said": {}})
                entry["said"] |= {name: _said(said[name][clip.file]) for name in (first, second)}
                entry["settled"] = settled[clip.file].label if clip.file in settled else ""
    return {
        "raters": [{"name": name, "n": len(said[name])} for name in names],
        "pairs": pairs,
        "disagreements": [differ[number] for number in sorted(differ)],
    }


def _difference(one: Correction, two: Correction) -> str:
    """``label``, ``pops`` where both marked pops and not the same ones, or nothing."""
    if one.label != two.label:
        return "label"
    mine, theirs = one.onsets_s, two.onsets_s
    if one.label != "pop" or not mine or not theirs:
        return ""
    same = len(mine) == len(theirs) and all(abs(a - b) <= SAME_S for a, b in zip(mine, theirs, strict=True))
    return "" if same else "pops"


def _said(answer: Correction) -> dict[str, Any]:
    return {"label": answer.label, "onsets_s": list(answer.onsets_s)}


def _patients(session: Labelled) -> Mapping[str, int]:
    """A number for each clip's patient."""
    names = {clip.file: str(PurePosixPath(clip.file).parent) for clip in session.clips}
    if len(set(names.values())) == 1:  # all in one folder: nothing is known of whose they are
        names = {clip.file: clip.file for clip in session.clips}
    try:
        rows = read_table(session.folder / "session.csv", any_separator=True).rows
        names |= {row["file"]: f"patient {row['patient_id']}" for row in rows if row["patient_id"]}
    except (PopdetectError, KeyError):
        pass  # not there, or not filled in
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names.values()))}
    return {file: numbers[name] for file, name in names.items()}
