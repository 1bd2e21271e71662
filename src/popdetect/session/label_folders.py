"""Which label files of a folder belong to which clips, and what a person says in them.

A clip's label file lies beside it (``a.txt``, ``a.wav.txt``, ``a.TextGrid``, ``a.selections.txt``), in a folder
``labels`` beside it or at the top, or in ``popdetect/audacity``, ``raven`` or ``textgrid``, where `popdetect label`
writes. A file there that is still as popdetect wrote it is not a person's: it does not count, unless the folder is
named by itself (`checked`). Times are in seconds from the start of the clip.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from popdetect.detection.audio.recording import Recording
from popdetect.errors import AudioError, NothingFound, TableError
from popdetect.records import Label
from popdetect.session.clips import LabelledClip, read_clips
from popdetect.session.files import OUT_NAME, find_clips, readable
from popdetect.session.label_files import FORMATS, Mark, clips_of, may_be_label_file, meaning, problem, read_marks

LABELS_NAME = "labels"
SAME_POP_S = 0.002  # one pop, marked in two channels
_SAME_MARK_S = 0.0005  # one label, as two programs round it
_AS_WRITTEN_S = 1.1e-5  # events.csv has 5 decimals
_START_BEYOND_S, _END_BEYOND_S = 0.001, 0.1  # of the clip's end: rounding; a box that was drawn too long


class ClipLabels(NamedTuple):
    """What the label file of one clip says."""

    path: Path  # the label file
    label: Label
    onsets_s: tuple[float, ...]  # increasing; of pops, or of what nobody could decide on if the label is `uncertain`
    where: str  # file:line of the last label; the file alone if it has none


@dataclass(frozen=True)
class FolderLabels:
    """The label files of a folder, by clip; a clip is in one of the first three at most."""

    labels: dict[str, ClipLabels] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)  # why label files cannot be used, each with file:line
    as_written: list[str] = field(default_factory=list)  # clips whose only label files are as popdetect wrote them
    without: list[str] = field(default_factory=list)  # clips without a label file
    strays: list[Path] = field(default_factory=list)  # label files of no clip
    paths: dict[str, Path] = field(default_factory=dict)  # of all clips


def session_of(folder: Path) -> Path | None:
    """Return the session's folder if `folder` is one of popdetect's folders of label files in it, else None."""
    folder = Path(os.path.abspath(folder))  # noqa: PTH100  # resolve() would follow links out of the session
    return folder.parent.parent if folder.name in FORMATS and folder.parent.name == OUT_NAME else None


def read(root: Path, checked: Path | None = None, out: Path | None = None) -> FolderLabels:
    """Read the label files of the clips below `root`, or those in the folder `checked` only.

    `out` is the folder of the session's tables, by default ``popdetect`` in `root`. Files in `checked` count even if
    they are as popdetect wrote them, and `as_written` names these clips, too. Raises UsageError when a folder or a file
    cannot be read at all.
    """
    found = FolderLabels()
    out = root / OUT_NAME if out is None else out
    try:
        clips = find_clips(root, out).clips
    except NothingFound:
        return found
    folders: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for clip in clips:
        *above, name = clip.file.split("/")
        folders[tuple(above)].append(name)
        found.paths[clip.file] = Path(clip.path)
    written = written_clips(out)
    read_in: dict[str, list[ClipLabels]] = defaultdict(list)
    as_written = set()
    for base in [root, *(out / name for name in FORMATS)] if checked is None else [checked]:
        for path in _label_files(base, out):
            folder, named = _clips_of(path.relative_to(base).parts, folders)
            if not named:
                if _has_labels(path):
                    found.strays.append(path)
                continue
            file = "/".join([*folder, named[0]])
            if len(named) > 1:
                found.problems.setdefault(file, []).append(
                    f"{readable(str(path))}:1: this may be the label file of {' and of '.join(named)}; name it "
                    f"{named[0]}{path.suffix}, or {named[1]}{path.suffix}"
                )
                continue
            try:
                marks = read_marks(path, file)
                if base != root and file in written and _is_as_written(marks, written[file]):
                    as_written.add(file)
                    if checked is None:
                        continue
                said = _labels(path, marks, found.paths[file])
                read_in[file].append(said)
            except TableError as error:
                found.problems.setdefault(file, []).extend(error.problems)
    for file, several in read_in.items():
        first = several[0]
        other = next((other for other in several[1:] if not _agree(first, other)), None)
        if other is not None:
            found.problems.setdefault(file, []).append(
                f"{first.where}: {_said(first)}, but {other.where}: {_said(other)}; both are labels of {file}: delete "
                "the wrong file"
            )
        elif file not in found.problems:
            found.labels[file] = first
    used = found.labels.keys() | found.problems.keys()
    found.as_written.extend(sorted(as_written - (used if checked is None else set())))
    found.without.extend(clip.file for clip in clips if clip.file not in used and clip.file not in as_written)
    return found


def beyond(path: Path, at_s: float) -> float | None:
    """Return the length of a recording in seconds if it ends before `at_s`; None if not, or if it cannot be read."""
    try:
        recording = Recording(path)
        for _ in recording:
            if recording.duration_s >= at_s:
                recording.close()
                return None
    except AudioError:
        return None
    return recording.duration_s if recording.duration_s < at_s else None


def _label_files(base: Path, skip: Path) -> Iterator[Path]:
    skipped = os.path.realpath(skip)
    for here, folders, files in os.walk(base):
        folders[:] = [
            name
            for name in sorted(folders)
            if not (name.startswith(".") or name == OUT_NAME or os.path.realpath(Path(here, name)) == skipped)
        ]
        # the longest name first: a.wav.txt before a.txt
        for name in sorted(filter(may_be_label_file, files), key=lambda name: (-len(name), name)):
            yield Path(here, name)


def _clips_of(
    parts: tuple[str, ...], folders: Mapping[tuple[str, ...], list[str]]
) -> tuple[tuple[str, ...], list[str]]:
    """Return the folder and the names of the clips that a label file may belong to."""
    *above, name = parts
    outside = tuple(part for part in above if part.casefold() != LABELS_NAME)
    for folder in dict.fromkeys((tuple(above), outside)):
        if found := clips_of(name, folders.get(folder, [])):
            return folder, found
    return (), []


def _has_labels(path: Path) -> bool:
    try:
        return bool(read_marks(path))
    except TableError:  # some other text
        return path.suffix.lower() != ".txt"


def is_corrected(path: Path, clip: LabelledClip) -> bool:
    """Whether a person changed a label file that popdetect wrote for `clip`; a file that is none is not corrected."""
    try:
        return not _is_as_written(read_marks(path, clip.file), clip)
    except TableError:
        return False


def written_clips(out: Path) -> dict[str, LabelledClip]:
    """Return the rows of a session's tables by file, as far as it is labelled; raises TableError, UsageError."""
    clips, events = out / "clips.csv", out / "events.csv"
    if not (clips.is_file() and events.is_file()):
        return {}
    return {clip.file: clip for clip in read_clips(clips, events, None).clips}


def _is_as_written(marks: list[Mark], clip: LabelledClip) -> bool:
    said = {"undecided" if clip.label == "uncertain" else "pop"}
    return (
        len(marks) == len(clip.pops_s)
        and all(abs(mark.start_s - onset) <= _AS_WRITTEN_S for mark, onset in zip(marks, clip.pops_s, strict=True))
        and {meaning(mark.text) for mark in marks} <= said
    )


def _labels(path: Path, marks: list[Mark], clip: Path) -> ClipLabels:
    """Return what the labels say together; raises TableError with all that cannot be used."""
    name = readable(str(path))
    problems = [text for mark in marks if (text := problem(mark, name))]
    if marks:
        length_s = beyond(clip, max(max(m.start_s - _START_BEYOND_S, m.end_s - _END_BEYOND_S) for m in marks))
        for mark in marks if length_s is not None else ():
            if mark.start_s - _START_BEYOND_S > (length_s or 0) or mark.end_s - _END_BEYOND_S > (length_s or 0):
                problems.append(
                    f"{name}:{mark.line}: from {mark.start_s} to {mark.end_s} s, but {clip.name} ends at "
                    f"{length_s:.3f} s; is this the label file of another clip?"
                )
    if problems:
        raise TableError(*problems)
    unsure = [mark for mark in marks if meaning(mark.text) == "unsure"]
    counted = unsure or [mark for mark in marks if meaning(mark.text) == "pop"]
    kept: list[Mark] = []
    for mark in counted:
        twin = next((m for m in kept if m.channel != mark.channel and mark.start_s - m.start_s <= SAME_POP_S), None)
        if twin is None and all(mark.start_s != other.start_s for other in kept):
            kept.append(mark)
    label: Label = "uncertain" if unsure else "pop" if counted else "no_pop"
    where = f"{name}:{counted[-1].line}" if counted else name
    return ClipLabels(path, label, tuple(mark.start_s for mark in kept), where)


def _agree(one: ClipLabels, other: ClipLabels) -> bool:
    return (
        one.label == other.label
        and len(one.onsets_s) == len(other.onsets_s)
        and all(abs(a - b) <= _SAME_MARK_S for a, b in zip(one.onsets_s, other.onsets_s, strict=True))
    )


def _said(labels: ClipLabels) -> str:
    times = " ".join(f"{onset:.4f}" for onset in labels.onsets_s[:3])
    n = len(labels.onsets_s)
    more = f" and {n - 3} more" if n > 3 else ""
    return f"{labels.label}{f' at {times}{more} s' if n else ''}"
