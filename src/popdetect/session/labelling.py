"""A session folder to ``clips.csv``, ``events.csv``, ``run.json`` and label files: the one call behind ``label``.

Decides what is judged anew and what is remembered, and in which order things are written. Rows are in the order of
the clips' names, whatever the order in which they finished; the number of jobs changes no byte of the tables.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from popdetect import __version__
from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import DEFAULT_OPERATING_POINT
from popdetect.errors import UsageError
from popdetect.records import LABELS, Verdict
from popdetect.session import tables
from popdetect.session.files import OUT_NAME, Clip, find_clips, make_folder, unwritable, write_text
from popdetect.session.label_files import FORMATS, label_file
from popdetect.session.progress import Progress
from popdetect.session.run import as_text, describe_run
from popdetect.session.summary import Summary
from popdetect.session.workers import Factory, Recipe, check_jobs, judge_all, load_detector

OnProgress = Callable[[int, int], None]


def label(
    folder: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    operating_point: str = DEFAULT_OPERATING_POINT,
    formats: Iterable[str] = (),
    jobs: int = 1,
    force: bool = False,
    on_progress: OnProgress | None = None,
    detector_factory: Factory = load_detector,
) -> Summary:
    """Judge every clip below a folder and write down what was heard.

    Clips already judged by the same model, operating point and version, and unchanged since, are not judged again.
    When interrupted, call it again with the same arguments: it goes on from there.

    Parameters
    ----------
    folder : path
    out : path, optional
        Where to write; ``popdetect`` in the folder by default.
    model : path, optional
        A bundle; the shipped one by default.
    operating_point : str
        One of the model's.
    formats : iterable of str
        Label files to write as well: names in `popdetect.session.label_files.FORMATS`.
    jobs : int ≥ 1
        Processes. With more than one, a recording that crashes the decoder costs only its own row.
    force : bool
        Judge all clips again.
    on_progress : callable (done, total), optional
        Called at the start with the number of remembered clips, then after each clip.
    detector_factory : callable (model, operating_point), optional
        Makes the detector; must be picklable when `jobs` > 1.

    Returns
    -------
    Summary
        Clips that could not be judged are in it, and in ``clips.csv``; they raise nothing.

    Raises
    ------
    UsageError
        For arguments that cannot be used, or files that cannot be written.
    NothingFound
        When there is no recording below `folder`.
    ModelError
    """
    begun, started = time.perf_counter(), datetime.now(UTC).astimezone()
    root = Path(folder)
    target = Path(out) if out is not None else root / OUT_NAME
    asked = _known_formats(formats)
    check_jobs(jobs)
    model_path = os.fspath(model) if model is not None else None
    recipe = Recipe(detector_factory, model_path, operating_point)
    detector = recipe.make()
    clips, unlisted = find_clips(root, target)
    make_folder(target)

    fingerprint = {
        "popdetect_version": __version__,
        "model_sha256": detector.model.sha256,
        "operating_point": operating_point,
    }
    with Progress(target / "progress.jsonl", fingerprint, fresh=force) as progress:
        told, n_skipped = _judge(clips, progress, detector, recipe, jobs, on_progress)
        verdicts = [told[clip].verdict for clip in clips]
        progress.compact(zip(clips, verdicts, strict=True))

    written = _write_tables(target, [told[clip] for clip in clips])
    written += [_write_labels(target, name, verdicts) for name in asked]
    heard = [(verdict.file, verdict.detection) for verdict in verdicts if verdict.detection is not None]
    labels = Counter(detection.label for _, detection in heard)
    summary = Summary(
        folder=root,
        out=target,
        n_clips=len(clips),
        n_new=len(clips) - n_skipped,
        n_skipped=n_skipped,
        n_by_label={name: labels[name] for name in LABELS},
        n_failed=len(clips) - len(heard),
        failed=tuple((verdict.file, verdict.error) for verdict in verdicts if verdict.detection is None),
        uncertain=tuple(file for file, detection in heard if detection.label == "uncertain"),
        n_pops=sum(len(detection.pops) for _, detection in heard),
        seconds=time.perf_counter() - begun,
        written=(*written, target / "run.json"),
        unlisted=tuple(unlisted),
    )
    settings = {
        "folder": root.resolve().name,
        "out": target.resolve().name,
        "formats": asked,
        "jobs": jobs,
        "force": force,
    }
    run = describe_run(detector, summary, verdicts, settings=settings, model=model_path, started=started)
    write_text(target / "run.json", as_text(run))
    return summary


def _known_formats(formats: Iterable[str]) -> list[str]:
    asked = list(dict.fromkeys([formats] if isinstance(formats, str) else formats))
    for name in asked:
        if name not in FORMATS:
            raise UsageError(f"format {name!r}; there are: {', '.join(FORMATS)}")
    return asked


def _judge(
    clips: Sequence[Clip],
    progress: Progress,
    detector: Detector,
    recipe: Recipe,
    jobs: int,
    on_progress: OnProgress | None,
) -> tuple[dict[Clip, _Told], int]:
    """What is said of every clip, and how many of them were remembered."""
    title, sha256 = detector.model.title, detector.model.sha256

    def tell(verdict: Verdict) -> _Told:
        """As each clip comes, not at the end: while other processes judge, this one has little else to do."""
        clip_row = tables.clip_row(verdict, title, sha256, __version__)
        events = tables.csv_lines(tables.EVENT_COLUMNS, tables.event_rows(verdict))
        return _Told(verdict, tables.csv_lines(tables.CLIP_COLUMNS, [clip_row]), events)

    told = {clip: tell(verdict) for clip in clips if (verdict := progress.recall(clip)) is not None}
    n_skipped = done = len(told)
    total = len(clips)
    if on_progress is not None:
        on_progress(done, total)
    to_do = [clip for clip in clips if clip not in told]
    # closing: an interruption here stops the workers before it goes on
    with closing(judge_all(to_do, detector, recipe, jobs)) as judged:
        for clip, verdict in judged:
            progress.add(clip, verdict)
            told[clip] = tell(verdict)
            done += 1
            if on_progress is not None:
                on_progress(done, total)
    return told, n_skipped


class _Told(NamedTuple):
    """A verdict, and its lines in ``clips.csv`` and ``events.csv``."""

    verdict: Verdict
    clip: str
    events: str


def _write_tables(target: Path, told: Sequence[_Told]) -> list[Path]:
    clips, events = target / "clips.csv", target / "events.csv"
    write_text(clips, "".join([tables.header_text(tables.CLIP_COLUMNS), *(one.clip for one in told)]))
    write_text(events, "".join([tables.header_text(tables.EVENT_COLUMNS), *(one.events for one in told)]))
    return [clips, events]


def _write_labels(target: Path, name: str, verdicts: Sequence[Verdict]) -> Path:
    """One label file per judged clip; the folder they are in."""
    render = FORMATS[name][0]
    made: set[Path] = set()
    for verdict in verdicts:
        path = target / label_file(name, verdict.file)
        if verdict.detection is None:
            _remove(path)  # what an earlier run heard in it is no longer known to be so
            continue
        if path.parent not in made:
            make_folder(path.parent)
            made.add(path.parent)
        text = render(verdict.file, verdict.detection)
        if not _holds(path, text):  # creating a file costs ten times as much as reading one
            write_text(path, text, durable=False)
    return target / name


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except NotADirectoryError:
        pass
    except OSError as error:
        raise unwritable(path, error) from error
