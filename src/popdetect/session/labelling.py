"""Label a folder of recordings: tables, run settings and label files.

Decides which clips are processed and which verdicts are reused, and writes the results. Rows are in the order of the
clips' names; the number of jobs changes no byte of the tables.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from popdetect import __version__
from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import DEFAULT_OPERATING_POINT
from popdetect.errors import UsageError
from popdetect.records import Verdict
from popdetect.session.clips import LabelledClip, clip_record
from popdetect.session.files import OUT_NAME, Clip, find_clips, make_folder, unwritable, write_text
from popdetect.session.label_files import FORMATS, label_file
from popdetect.session.progress import ProgressFile
from popdetect.session.run import Summary, describe_run
from popdetect.session.session import Session
from popdetect.session.workers import DetectorSpec, Factory, check_jobs, detect_all, load_detector

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
    """Label every clip below a folder and write the results.

    Clips that the same model, operating point and version have labelled are skipped if they are unchanged. If a run is
    interrupted, a call with the same arguments continues it.

    Parameters
    ----------
    folder : path
    out : path, optional
        Where to write; ``popdetect`` in the folder by default.
    model : path, optional
        A bundle; the one that comes with popdetect by default.
    operating_point : str
        One of the model's.
    formats : iterable of str
        Label files to write as well: names in `popdetect.session.label_files.FORMATS`.
    jobs : int ≥ 1
        Processes. With more than one, a recording that crashes the decoder costs only its own row.
    force : bool
        Process all clips again.
    on_progress : callable (done, total), optional
        Called at the start with the number of skipped clips, then after each clip.
    detector_factory : callable (model, operating_point), optional
        Makes the detector; must be picklable when `jobs` > 1.

    Returns
    -------
    Summary
        Clips that cannot be processed are in it and in the tables; they raise no error.

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
    spec = DetectorSpec(detector_factory, model_path, operating_point)
    detector = spec.make()
    clips, unlisted = find_clips(root, target)
    make_folder(target)

    fingerprint = {
        "popdetect_version": __version__,
        "model_sha256": detector.model.sha256,
        "operating_point": operating_point,
    }
    with ProgressFile(target / "progress.jsonl", fingerprint, fresh=force) as progress:
        done, n_skipped = _detect(clips, progress, detector, spec, jobs, on_progress)
        results = [done[clip] for clip in clips]
        progress.compact([(clip, verdict) for clip, (verdict, _) in zip(clips, results, strict=True)])

    folders = [_write_labels(target, name, [verdict for verdict, _ in results]) for name in asked]
    records = tuple([record for _, record in results])
    settings = {
        "folder": root.resolve().name,
        "out": target.resolve().name,
        "formats": asked,
        "jobs": jobs,
        "force": force,
    }
    seconds = time.perf_counter() - begun
    run = describe_run(
        detector, records, n_skipped, unlisted, settings=settings, model=model_path, started=started, seconds=seconds
    )
    session = Session(root, target, records, run)
    *tables, run_path = session.write()
    return Summary(session, n_skipped, time.perf_counter() - begun, (*tables, *folders, run_path), tuple(unlisted))


def _known_formats(formats: Iterable[str]) -> list[str]:
    asked = list(dict.fromkeys([formats] if isinstance(formats, str) else formats))
    for name in asked:
        if name not in FORMATS:
            raise UsageError(f"format {name!r}; there are: {', '.join(FORMATS)}")
    return asked


def _detect(
    clips: Sequence[Clip],
    progress: ProgressFile,
    detector: Detector,
    spec: DetectorSpec,
    jobs: int,
    on_progress: OnProgress | None,
) -> tuple[dict[Clip, tuple[Verdict, LabelledClip]], int]:
    """Return verdict and record of every clip, and how many verdicts were remembered."""
    title, sha256 = detector.model.title, detector.model.sha256
    number_of = {clip: number for number, clip in enumerate(clips)}

    def with_record(clip: Clip, verdict: Verdict) -> tuple[Verdict, LabelledClip]:
        """Made as each verdict comes, not at the end: this process has time while others work."""
        return verdict, clip_record(number_of[clip], verdict, title, sha256, __version__)

    known = {clip: with_record(clip, verdict) for clip in clips if (verdict := progress.recall(clip)) is not None}
    n_skipped = done = len(known)
    total = len(clips)
    if on_progress is not None:
        on_progress(done, total)
    to_do = [clip for clip in clips if clip not in known]
    # closing: an interruption here stops the workers before it goes on
    with closing(detect_all(to_do, detector, spec, jobs)) as results:
        for clip, verdict in results:
            progress.add(clip, verdict)
            known[clip] = with_record(clip, verdict)
            done += 1
            if on_progress is not None:
                on_progress(done, total)
    return known, n_skipped


def _write_labels(target: Path, name: str, verdicts: Sequence[Verdict]) -> Path:
    """Write a label file for each clip with a label; return their folder."""
    render = FORMATS[name].write
    made: set[Path] = set()
    for verdict in verdicts:
        path = target / label_file(name, verdict.file)
        if verdict.detection is None:
            _remove(path)  # the label file of an earlier run may be wrong by now
            continue
        if path.parent not in made:
            make_folder(path.parent)
            made.add(path.parent)
        text = render(verdict.file, verdict.detection)
        if not _holds(path, text):  # creating a file takes ten times as long as reading one
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
