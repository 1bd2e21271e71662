"""Label a folder of recordings: tables, run settings and label files.

`label` lists the folder once; a `Run` decides which verdicts are reused, and writes the results. Rows are in the order
of the clips' names; the number of jobs changes no byte of the tables.
"""

from __future__ import annotations

import os
import platform
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from popdetect import __version__
from popdetect.detection.audio.formats import format_of
from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import DEFAULT_NAME, DEFAULT_OPERATING_POINT, load
from popdetect.errors import LeftOutWarning, UsageError
from popdetect.records import LABELS, Label, Verdict, found_on_channels, to_json
from popdetect.session.clips import LabelledClip, clip_record
from popdetect.session.files import (
    OUT_NAME,
    REASONS,
    Clip,
    Listing,
    PassedOver,
    find_clips,
    make_folder,
    unwritable,
    write_text,
)
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
    passed_over: PassedOver = field(default_factory=PassedOver)  # what is no row
    waiting: tuple[str, ...] = ()  # recordings that a watch did not label any more

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
    def kinds(self) -> Mapping[str, Mapping[str, int]]:
        """Numbers of recordings by sample rate, number of channels, and format."""
        return _kinds(self.session.clips)

    @property
    def n_uncertain_pops(self) -> int:
        """Uncertain pops: those that the uncertain clips would have."""
        return _n_pops(self.session.clips, "uncertain")


def _kinds(clips: Sequence[LabelledClip]) -> dict[str, dict[str, int]]:
    """Count the sample rates, numbers of channels and formats of recordings, the most frequent first.

    Rates and channels are known of decoded recordings only; the format is that of the name.
    """
    counts = {
        "sample_rates_hz": Counter(str(clip.sample_rate_hz) for clip in clips if clip.sample_rate_hz),
        "channels": Counter(str(clip.channels) for clip in clips if clip.channels),
        "formats": Counter(format_of(clip.file) for clip in clips),
    }
    return {name: dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))) for name, found in counts.items()}


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
    run = Run(
        folder,
        out=out,
        model=model,
        operating_point=operating_point,
        formats=formats,
        jobs=jobs,
        force=force,
        detector_factory=detector_factory,
        cluster=cluster,
        ship_bytes=ship_bytes,
    )
    on_progress = on_progress or (lambda done, total: None)
    listing = find_clips(run.folder, run.out)
    clips = listing.clips
    with run:
        to_do = [clip for clip in clips if not run.recall(clip)]
        on_progress(len(clips) - len(to_do), len(clips))
        for n_done, (clip, verdict) in enumerate(run.process(to_do), len(clips) - len(to_do) + 1):
            run.keep(clip, verdict)
            on_progress(n_done, len(clips))
        run.compact(clips)
    return run.write(listing)


class Run(AbstractContextManager["Run"]):
    """The labelling of one folder: its settings, the finished clips, and what is written.

    `label` lists the folder once, `watching.watch` again and again. The parameters are those of `label`. Inside the
    context the file of finished clips is open.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        out: str | os.PathLike[str] | None,
        model: str | os.PathLike[str] | None,
        operating_point: str,
        formats: Iterable[str],
        jobs: int,
        force: bool,
        detector_factory: Factory,
        cluster: str | None = None,
        ship_bytes: bool = False,
        watch: bool = False,
    ) -> None:
        self._begun, self._started = time.perf_counter(), datetime.now(UTC).astimezone()
        self.folder = Path(folder)
        self.out = Path(out) if out is not None else self.folder / OUT_NAME
        self._formats = list(dict.fromkeys([formats] if isinstance(formats, str) else formats))
        for name in self._formats:
            if name not in FORMATS:
                raise UsageError(f"format {name!r}; there are: {', '.join(FORMATS)}")
        check_jobs(jobs)
        if cluster is not None and jobs != 1:
            raise UsageError(f"jobs {jobs} with a cluster; the number of its workers is that of the cluster")
        if ship_bytes and cluster is None:
            raise UsageError("ship_bytes without a cluster; there is nothing to send the recordings to")
        self._settings = {"jobs": jobs, "force": force, "watch": watch}
        if cluster is not None:
            self._settings |= {"cluster": True, "ship_bytes": ship_bytes}  # without the address: it names a computer
        self._force = force
        self._bundle = Path(model).resolve().name if model is not None else DEFAULT_NAME
        make = partial(detector_factory, os.fspath(model) if model is not None else None, operating_point)
        self._detector = make()
        self._work: Work = partial(detect_all, detector=self._detector, make=make, jobs=jobs)
        if cluster is not None:
            from popdetect.session import cluster as dask_cluster  # loads distributed: 0.5 s

            self._work = partial(
                dask_cluster.detect_all, detector=self._detector, address=cluster, ship_bytes=ship_bytes
            )
        self._progress: ProgressFile
        self._finished: dict[str, tuple[Clip, Verdict, LabelledClip]] = {}  # by path
        self._recalled: set[str] = set()  # paths
        self._unwritten: dict[str, Verdict] = {}  # verdicts without their label files, by path
        self._before: dict[str, LabelledClip] = {}  # from which the label files that are there were written

    def __enter__(self) -> Run:
        """Make the folder of the results, and open the file of finished clips there."""
        make_folder(self.out)
        fingerprint = {
            "popdetect_version": __version__,
            "model_sha256": self._detector.model.sha256,
            "operating_point": self._detector.operating_point,
        }
        self._progress = ProgressFile(self.out / "progress.jsonl", fingerprint, fresh=self._force)
        if self._formats:
            with suppress(UsageError):  # damaged tables are about to be replaced
                self._before = written_clips(self.out)
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file, whatever happened."""
        self._progress.__exit__()

    def recall(self, clip: Clip) -> bool:
        """Take over the verdict of an earlier run, if there is one on the clip as it is."""
        verdict = self._progress.recall(clip)
        if verdict is None:
            return False
        self._recalled.add(clip.path)
        self._add(clip, verdict)
        return True

    def process(self, clips: Sequence[Clip]) -> Generator[tuple[Clip, Verdict], None, None]:
        """Yield the verdict of each clip, in the order in which they finish."""
        # closing: an interruption here stops the workers before it goes on
        with closing(self._work(clips)) as results:
            yield from results

    def keep(self, clip: Clip, verdict: Verdict) -> LabelledClip:
        """Keep a verdict in place of any earlier one on the file; return its row."""
        self._progress.add(clip, verdict)
        self._recalled.discard(clip.path)
        return self._add(clip, verdict)

    def _add(self, clip: Clip, verdict: Verdict) -> LabelledClip:
        """Make the record as each verdict comes, not at the end: this process has time while others work."""
        model = self._detector.model
        record = clip_record(len(self._finished), verdict, model.title, model.sha256, __version__)
        self._finished[clip.path] = clip, verdict, record
        self._unwritten[clip.path] = verdict
        return record

    @property
    def clips(self) -> list[Clip]:
        """The finished clips."""
        return [clip for clip, _, _ in self._finished.values()]

    def forget(self, clip: Clip) -> None:
        """Remove a clip that is not there any more, or that has changed."""
        del self._finished[clip.path]
        self._unwritten.pop(clip.path, None)
        self._recalled.discard(clip.path)

    def compact(self, clips: Iterable[Clip]) -> None:
        """Keep only these clips in the file of finished clips."""
        finished = (self._finished[clip.path] for clip in clips if clip.path in self._finished)
        self._progress.compact((clip, verdict) for clip, verdict, _ in finished)

    def write(self, listing: Listing) -> Summary:
        """Write the label files that are missing, then the tables: the finished clips in the order of the listing."""
        folders = [_write_labels(self.out, name, self._unwritten.values(), self._before) for name in self._formats]
        self._before |= {row.file: row for row in (self._finished[path][2] for path in self._unwritten)}
        self._unwritten.clear()
        found = [self._finished[clip.path][2] for clip in listing.clips if clip.path in self._finished]
        rows = tuple([row if row.id == number else replace(row, id=number) for number, row in enumerate(found)])
        waiting = tuple(clip.file for clip in listing.clips if clip.path not in self._finished)
        session = Session(self.folder, self.out, rows, self._describe(rows, listing, waiting))
        *tables, run_path = session.write()
        written = (*tables, *folders, run_path)
        seconds = time.perf_counter() - self._begun
        unlisted = tuple(listing.unlisted)
        return Summary(session, len(self._recalled), seconds, written, unlisted, listing.passed_over, waiting)

    def _describe(self, clips: Sequence[LabelledClip], listing: Listing, waiting: Sequence[str]) -> dict[str, Any]:
        """Return the contents of ``run.json``; JSON types only, `schema_version` first and `inputs` last.

        It is enough to repeat the run and names no person and no computer: paths are given by their last part only.
        Times are ISO 8601 with the offset from UTC.
        """
        detector, passed_over = self._detector, listing.passed_over
        point = detector.model.operating_point(detector.operating_point)
        n_by_label = Counter(clip.label for clip in clips)
        ended = self._started + timedelta(seconds=time.perf_counter() - self._begun)
        return {
            "schema_version": SCHEMA_VERSION,
            "popdetect_version": __version__,
            "started": self._started.isoformat(timespec="seconds"),
            "ended": ended.isoformat(timespec="seconds"),
            "settings": {
                "folder": self.folder.resolve().name,
                "out": self.out.resolve().name,
                "formats": self._formats,
                **self._settings,
            },
            "model": {"title": detector.model.title, "sha256": detector.model.sha256, "bundle": self._bundle},
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
                "judged_now": len(clips) - len(self._recalled),
                "remembered": len(self._recalled),
                **{name: n_by_label[name] for name in LABELS},
                "failed": n_by_label[""],
                "pops": _n_pops(clips, "pop"),
                "uncertain_pops": _n_pops(clips, "uncertain"),
                "bursts": sum(len(clip.bursts) for clip in clips if clip.label == "pop"),
                "uncertain_bursts": sum(len(clip.bursts) for clip in clips if clip.label == "uncertain"),
                "pops_found_on": found_on_counts(clips),
                "passed_over": passed_over.n,
            },
            "recordings": _kinds(clips),
            "unlisted": [{"folder": folder, "error": error} for folder, error in listing.unlisted],
            "passed_over": {
                "counts": {reason: passed_over.n_by_reason[reason] for reason in REASONS},
                "by_extension": dict(sorted(passed_over.n_by_extension.items())),
                "named": [{"file": file, "reason": reason} for file, reason in passed_over.named],
                "not_named": passed_over.n - len(passed_over.named),
            },
            "waiting": list(waiting),
            "inputs": [{"file": clip.file, "status": clip.status, "sha256": clip.sha256} for clip in clips],
        }


def _write_labels(target: Path, name: str, verdicts: Iterable[Verdict], before: Mapping[str, LabelledClip]) -> Path:
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


def found_on_counts(clips: Sequence[LabelledClip]) -> dict[str, int]:
    """Return how many pops of clips labelled ``pop`` are found on channel 1 only, on channel 2 only, and on both."""
    pops = [event for clip in clips if clip.label == "pop" for event in clip.events if event.is_pop]
    return {place: n or 0 for place, n in zip(("1", "2", "both"), found_on_channels(pops), strict=True)}


def _n_pops(clips: Sequence[LabelledClip], label: Label) -> int:
    return sum(clip.n_pops or 0 for clip in clips if clip.label == label)


def _version(module: str, attribute: str = "__version__") -> str:
    # read from the modules that `detection` has loaded: importing them is its task
    return str(getattr(sys.modules.get(module), attribute, ""))
