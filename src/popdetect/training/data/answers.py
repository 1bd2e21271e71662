"""What was answered in reviewed sessions, or marked in label files, as the truth; several sources together.

Decides whose answer counts. A clip that one person answered has that answer. Where several did, ``consensus`` settles
it; else they must agree on the label, and the marks are those of the last answer that has any. Where they disagree, and
nobody settled it, the clip is left out, and named. A ``pop`` without marks says that there was one: where it was is
for the current model to point out, and no score of events counts the clip. In a reviewed session, a label file counts
for a clip that nobody answered.
"""

from __future__ import annotations

import posixpath
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from popdetect.errors import LeftOutWarning, TableError, UsageError
from popdetect.session import corrections, label_folders, labels
from popdetect.session.corrections import Correction
from popdetect.session.labels import TABLE_NAME, Truth
from popdetect.session.tables import read_table

SCORES_NAME = "session.csv"
FROM_REVIEW = "from_review"  # among a truth's other columns: it is an answer


@dataclass(frozen=True, slots=True)
class TrainingLabels:
    """Clips with their truth, from one source or several."""

    truths: tuple[Truth, ...]  # with `uncertain` ones
    disputed: tuple[str, ...] = ()  # clips that people labelled differently, and nobody settled
    n_reviewed: int = 0  # clips of these whose truth is an answer in a review


def read(sources: Sequence[Path]) -> TrainingLabels:
    """Read tables, folders with ``pop/`` and ``no_pop/``, folders with label files, and sessions that were reviewed.

    A folder with ``popdetect/corrections.csv`` in it is a reviewed session, whatever else it holds. Of several sources
    the clips' names begin with the name of their folder. Patients of a folder are those of its ``session.csv``, else of
    a ``labels.csv`` in it. Raises TableError or UsageError for what cannot be used, and for a clip that comes from two
    sources; warns, with LeftOutWarning, of clips and label files that do not count.
    """
    found = [_of(source) for source in sources]
    if len(sources) == 1:
        return found[0]
    names = _names(sources)
    truths, disputed = [], []
    came_from: dict[Path, Path] = {}
    for source, name, one in zip(sources, names, found, strict=True):
        for truth in one.truths:
            path = truth.path.absolute()
            if came_from.setdefault(path, source) != source:
                raise UsageError(f"{truth.path} is labelled in {came_from[path]} and in {source}; name one of them")
            extra = {"group": name, **truth.extra}
            truths.append(replace(truth, file=f"{name}/{truth.file}", extra=extra))
        disputed += [f"{name}/{file}" for file in one.disputed]
    return TrainingLabels(tuple(truths), tuple(disputed), sum(one.n_reviewed for one in found))


def is_reviewed(source: Path) -> bool:
    """Whether it is a session's folder with answers in it."""
    return source.is_dir() and corrections.place(source).is_file()


def _of(source: Path) -> TrainingLabels:
    if not is_reviewed(source):
        truths = labels.read_labels(source)
        patients = {} if source.is_file() else _patients(label_folders.session_of(source) or source)
        if any(patients.values()):
            truths = [
                replace(one, patient_id=one.patient_id or patients.get(posixpath.normpath(one.file), ""))
                for one in truths
            ]
        return TrainingLabels(tuple(truths))
    answers = corrections.read(source)
    if not answers:
        raise UsageError(f"{corrections.place(source)}: no answer in it yet; `popdetect review {source}` asks for them")
    root = source if corrections.place(source).parent != source else source.parent
    patients = _patients(root)
    truths, disputed = [], []
    for file, given in groupby(answers, key=lambda answer: answer.file):
        answer = _settled(list(given))
        if answer is None:
            disputed.append(file)
            continue
        onsets_s = {"pop": answer.onsets_s or None, "no_pop": ()}.get(answer.label)
        patient = patients.get(posixpath.normpath(file), "")
        truths.append(Truth(file, root / file, answer.label or "uncertain", onsets_s, patient, {FROM_REVIEW: "1"}))
    n_reviewed = len(truths)
    truths += _from_label_files(root, {answer.file for answer in answers}, patients)
    return TrainingLabels(tuple(truths), tuple(disputed), n_reviewed)


def _from_label_files(root: Path, answered: set[str], patients: dict[str, str]) -> list[Truth]:
    """Return the truth of clips of a reviewed session that nobody answered and that have a label file."""
    found = label_folders.read(root)
    problems = [text for file, texts in sorted(found.problems.items()) if file not in answered for text in texts]
    if problems:
        raise TableError(*problems)
    both = sorted(answered & (found.labels.keys() | found.problems.keys()))
    if both:
        text = f"{root}: {len(both)} clips have an answer of the review and a label file; the answer counts"
        warnings.warn(text, LeftOutWarning, stacklevel=2)
    return [
        Truth(
            file, found.paths[file], said.label, said.onsets_s if said.label != "uncertain" else None,
            patients.get(posixpath.normpath(file), ""),
        )
        for file, said in sorted(found.labels.items())
        if file not in answered
    ]  # fmt: skip


def _settled(given: list[Correction]) -> Correction | None:
    """The answer that counts; None where people disagree."""
    consensus = [answer for answer in given if answer.rater == corrections.CONSENSUS]
    if consensus:
        return consensus[0]
    if len({answer.label for answer in given}) > 1:
        return None
    # of answers given in one second, the rater's name decides, so that the order in the file does not
    return max(given, key=lambda answer: (bool(answer.onsets_s), answer.answered_at, answer.rater))


def _patients(root: Path) -> dict[str, str]:
    """Who each clip is of, by its name; empty where nobody wrote it down."""
    table = root / SCORES_NAME
    if table.is_file():
        read_in = read_table(table, by_hand=True)
        columns = {column.strip().lower().replace(" ", "_"): column for column in read_in.columns}
        if "file" not in columns:
            raise TableError(f"{table}:{read_in.header_line}: no column file; it names the clips")
        if "patient_id" in columns:
            file, patient = columns["file"], columns["patient_id"]
            return {_plain(row[file]): row[patient].strip() for row in read_in.rows if row[file].strip()}
    if (root / TABLE_NAME).is_file():
        return {_plain(truth.file): truth.patient_id for truth in labels.read_labels(root / TABLE_NAME)}
    return {}


def _plain(file: str) -> str:
    """A clip's name as the tables of a session have it."""
    return posixpath.normpath(file.strip().replace("\\", "/"))


def _names(sources: Sequence[Path]) -> list[str]:
    """The name of each source's folder, with as many of those above it as tell it from the others."""
    parts = [(source if source.is_dir() else source.parent).resolve().parts for source in sources]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(set(parts)):
            break
    if len(set(names)) != len(names):
        twice = next(str(source) for source, name in zip(sources, names, strict=True) if names.count(name) > 1)
        raise UsageError(f"{twice}: its folder is named twice; each session once")
    return names
