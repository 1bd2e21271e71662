"""Label a folder of recordings: tables, run settings and label files.

Decides which clips are processed and which verdicts are reused, and writes the results. Rows are in the order of the
clips' names; the number of jobs changes no byte of the tables.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from popdetect import __version__
from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import DEFAULT_NAME, DEFAULT_OPERATING_POINT, load
from popdetect.errors import LeftOutWarning, UsageError
from popdetect.records import LABELS, Label, Verdict, found_on_channels, to_json
from popdetect.session.clips import LabelledClip, clip_record
from popdetect.session.files import OUT_NAME, Clip, find_clips, make_folder, unwritable, write_text
from popdetect.session.label_files import FORMATS, label_file
from popdetect.session.label_folders import is_corrected, written_clips
from popdetect.session.progress import ProgressFile
from popdetect.session.session import Session
from popdetect.session.workers import Result, check_jobs, detect_all

SCHEMA_VERSION = 1  # of run.json

Factory = Callable[[str | None, str], Detector]
OnProgress = Callable[[int, int], None]
Work = Callable[[Sequence[Clip]], Generator[Result, None, None]]  # processes every clip once, in any order


def load_detector(model: str | None, operating_point: str) -> Detector:
    """Return the detector of a bundle; None is the one that comes with popdetect. Raises ModelError, UsageError."""
    return Detector(load(model), operating_point)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did."""

    session: Session  # as written
    n_skipped: int  # clips remembered from an earlier run
    seconds: float
    written: tuple[Path, ...]  # the tables, and the folder of each format's label files
    unlisted: tuple[tuple[str, str], ...]  # folders that could not be listed, and why

    @property
    def folder(self) -> Path:
        """The folder of the recordings."""
        return self.session.folder

    @property
    def out(self) -> Path:
        """The folder of the tables."""
        return self.session.out

    @property
    def n_clips(self) -> int:
        """All clips of the folder."""
        return len(self.session.clips)

    @property
    def n_new(self) -> int:
        """Clips processed in this run."""
        return self.n_clips - self.n_skipped

    @property
    def n_by_label(self) -> Mapping[str, int]:
        """Clips per label; every label is there."""
        counts = Counter(clip.label for clip in self.session.clips)
        return {name: counts[name] for name in LABELS}

    @property
    def failed(self) -> tuple[tuple[str, str], ...]:
        """File and error of each clip without a label."""
        return tuple((clip.file, clip.error) for clip in self.session.clips if not clip.label)

    @property
    def n_failed(self) -> int:
        """Clips without a label."""
        return len(self.failed)

    @property
    def uncertain(self) -> tuple[str, ...]:
        """Files that a person should listen to."""
        return tuple(clip.file for clip in self.session.clips if clip.label == "uncertain")

    @property
    def truncated(self) -> tuple[str, ...]:
        """Files with much less sound than their header says; they are labelled by what is there."""
        return tuple(clip.file for clip in self.session.clips if "truncated" in clip.quality)

    @property
    def n_pops(self) -> int:
        """Pops in all clips labelled ``pop`` together."""
        return _n_pops(self.session.clips, "pop")

    @property
    def pops_found_on(self) -> Mapping[str, int]:
        """Pops of two channels, in clips labelled ``pop``: found on channel ``1`` only, ``2`` only, or ``both``."""
        return found_on_counts(self.session.clips)

    @property
    def n_uncertain_pops(self) -> int:
        """Uncertain pops: those that the uncertain clips would have."""
        return _n_pops(self.session.clips, "uncertain")


def label(
    folder: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    operating_point: str = DEFAULT_OPERATING_POINT,
    formats: Iterable[str] = (),
    jobs: int = 1,
    cluster: str | None = None,
    ship_bytes: bool = False,
    force: bool = False,
    on_progress: OnProgress | None = None,
    detector_factory: Factory = load_detector,
) -> Summary:
    """Label every clip below a folder and write the results; `popdetect.label` explains the other parameters.

    Clips that the same model, operating point and version have labelled are skipped if they are unchanged. If a run is
    interrupted, a call with the same arguments continues it. With more than one process, a recording that crashes the
    decoder costs only its own row.

    Parameters
    ----------
    cluster : str, optional
        Address of a Dask scheduler, such as ``tcp://10.0.0.5:8786``, whose workers do the work in place of `jobs`.
    ship_bytes : bool
        Send the recordings to the cluster, which then needs no shared storage.
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
    asked = list(dict.fromkeys([formats] if isinstance(formats, str) else formats))
    for name in asked:
        if name not in FORMATS:
            raise UsageError(f"format {name!r}; there are: {', '.join(FORMATS)}")
    check_jobs(jobs)
    if cluster is not None and jobs != 1:
        raise UsageError(f"jobs {jobs} with a cluster; the number of its workers is that of the cluster")
    if ship_bytes and cluster is None:
        raise UsageError("ship_bytes without a cluster; there is nothing to send the recordings to")
    make = partial(detector_factory, os.fspath(model) if model is not None else None, operating_point)
    detector = make()
    clips, unlisted = find_clips(root, target)
    make_folder(target)

    fingerprint = {
        "popdetect_version": __version__,
        "model_sha256": detector.model.sha256,
        "operating_point": operating_point,
    }
    with ProgressFile(target / "progress.jsonl", fingerprint, fresh=force) as progress:
        work: Work = partial(detect_all, detector=detector, make=make, jobs=jobs)
        if cluster is not None:
            from popdetect.session import cluster as dask_cluster  # loads distributed: 0.5 s

            work = partial(dask_cluster.detect_all, detector=detector, address=cluster, ship_bytes=ship_bytes)
        done, n_skipped = _detect(clips, progress, detector, work, on_progress or (lambda done, total: None))
        verdicts, records = zip(*(done[clip] for clip in clips), strict=True)
        progress.compact(zip(clips, verdicts, strict=True))

    before: dict[str, LabelledClip] = {}
    if asked:
        with contextlib.suppress(UsageError):  # damaged tables are about to be replaced
            before = written_clips(target)
    folders = [_write_labels(target, name, verdicts, before) for name in asked]
    settings = {
        "folder": root.resolve().name,
        "out": target.resolve().name,
        "formats": asked,
        "jobs": jobs,
        "force": force,
    }
    if cluster is not None:
        settings |= {"cluster": True, "ship_bytes": ship_bytes}  # without the address, which names a computer
    bundle = Path(model).resolve().name if model is not None else DEFAULT_NAME
    ended = started + timedelta(seconds=time.perf_counter() - begun)
    run = _describe(detector, bundle, records, n_skipped, unlisted, settings, started, ended)
    session = Session(root, target, records, run)
    *tables, run_path = session.write()
    return Summary(session, n_skipped, time.perf_counter() - begun, (*tables, *folders, run_path), tuple(unlisted))


def _detect(
    clips: Sequence[Clip],
    progress: ProgressFile,
    detector: Detector,
    work: Work,
    on_progress: OnProgress,
) -> tuple[dict[Clip, tuple[Verdict, LabelledClip]], int]:
    """Return verdict and record of every clip, and how many verdicts were remembered."""
    number_of = {clip: number for number, clip in enumerate(clips)}
    done: dict[Clip, tuple[Verdict, LabelledClip]] = {}

    def keep(clip: Clip, verdict: Verdict) -> None:
        """Make the record as each verdict comes, not at the end: this process has time while others work."""
        model = detector.model
        done[clip] = verdict, clip_record(number_of[clip], verdict, model.title, model.sha256, __version__)

    for clip in clips:
        if (known := progress.recall(clip)) is not None:
            keep(clip, known)
    n_skipped = len(done)
    on_progress(n_skipped, len(clips))
    to_do = [clip for clip in clips if clip not in done]
    # closing: an interruption here stops the workers before it goes on
    with contextlib.closing(work(to_do)) as results:
        for clip, verdict in results:
            progress.add(clip, verdict)
            keep(clip, verdict)
            on_progress(len(done), len(clips))
    return done, n_skipped


def _write_labels(target: Path, name: str, verdicts: Sequence[Verdict], before: Mapping[str, LabelledClip]) -> Path:
    """Write a label file for each clip with a label; return their folder.

    A file that a person changed since the earlier run, whose clips are `before`, is kept, with a LeftOutWarning.
    """
    made: set[Path] = set()
    kept: list[Path] = []
    for verdict in verdicts:
        path = target / label_file(name, verdict.file)
        if verdict.detection is None:
            try:
                path.unlink(missing_ok=True)  # the label file of an earlier run may be wrong by now
            except NotADirectoryError:
                pass
            except OSError as error:
                raise unwritable(path, error) from error
            continue
        if path.parent not in made:
            make_folder(path.parent)
            made.add(path.parent)
        text = FORMATS[name].write(verdict.file, verdict.detection)
        if _holds(path, text):  # creating a file takes ten times as long as reading one
            continue
        if verdict.file in before and path.exists() and is_corrected(path, before[verdict.file]):
            kept.append(path)
        else:
            write_text(path, text, durable=False)
    if kept:
        n = "1 label file" if len(kept) == 1 else f"{len(kept)} label files"
        said = f"{n} that a person changed: kept as is, the first is {kept[0]}; delete a file to have it written again"
        warnings.warn(said, LeftOutWarning, stacklevel=2)
    return target / name


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def _describe(
    detector: Detector,
    bundle: str,
    clips: Sequence[LabelledClip],
    n_skipped: int,
    unlisted: Sequence[tuple[str, str]],
    settings: Mapping[str, Any],
    started: datetime,
    ended: datetime,
) -> dict[str, Any]:
    """Return the contents of ``run.json``; JSON types only, `schema_version` first and `inputs` last.

    It is enough to repeat the run and names no person and no computer: paths are given by their last part only. Times
    are ISO 8601 with the offset from UTC.
    """
    point = detector.model.operating_point(detector.operating_point)
    n_by_label = Counter(clip.label for clip in clips)
    return {
        "schema_version": SCHEMA_VERSION,
        "popdetect_version": __version__,
        "started": started.isoformat(timespec="seconds"),
        "ended": ended.isoformat(timespec="seconds"),
        "settings": settings,
        "model": {"title": detector.model.title, "sha256": detector.model.sha256, "bundle": bundle},
        "operating_point": {"name": detector.operating_point, **to_json(point), "train_from": point.burst_from},
        "versions": {
            "python": platform.python_version(),
            "numpy": _version("numpy"),
            "soundfile": _version("soundfile"),
            "libsndfile": _version("soundfile", "__libsndfile_version__"),
        },
        "platform": {
            "system": platform.system(),
            "release": platform.release(),
            "processor": platform.machine(),  # x86_64, arm64; not the computer's name
        },
        "counts": {
            "clips": len(clips),
            "judged_now": len(clips) - n_skipped,
            "remembered": n_skipped,
            **{name: n_by_label[name] for name in LABELS},
            "failed": n_by_label[""],
            "pops": _n_pops(clips, "pop"),
            "uncertain_pops": _n_pops(clips, "uncertain"),
            "bursts": sum(len(clip.bursts) for clip in clips if clip.label == "pop"),
            "uncertain_bursts": sum(len(clip.bursts) for clip in clips if clip.label == "uncertain"),
            "pops_found_on": found_on_counts(clips),
        },
        "unlisted": [{"folder": folder, "error": error} for folder, error in unlisted],
        "inputs": [{"file": clip.file, "status": clip.status, "sha256": clip.sha256} for clip in clips],
    }


def found_on_counts(clips: Sequence[LabelledClip]) -> dict[str, int]:
    """Return how many pops of clips labelled ``pop`` are found on channel 1 only, on channel 2 only, and on both."""
    pops = [event for clip in clips if clip.label == "pop" for event in clip.events if event.is_pop]
    return {place: n or 0 for place, n in zip(("1", "2", "both"), found_on_channels(pops), strict=True)}


def _n_pops(clips: Sequence[LabelledClip], label: Label) -> int:
    return sum(clip.n_pops or 0 for clip in clips if clip.label == label)


def _version(module: str, attribute: str = "__version__") -> str:
    # read from the modules that `detection` has loaded: importing them is its task
    return str(getattr(sys.modules.get(module), attribute, ""))
