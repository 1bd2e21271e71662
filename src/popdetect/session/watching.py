"""Label a folder as recordings arrive in it.

The folder is listed again and again, which works on network drives, too. A file waits until its size and its time of
change have stayed the same for `SETTLED_S`: before, it may be half copied. One that was last changed more than `OLD_S`
ago does not wait. A file that changes is labelled again, and one that is gone loses its row. The tables are written
whole after each round that changed something. Times are in seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Final

from popdetect.detection.model.bundle import DEFAULT_OPERATING_POINT
from popdetect.session.clips import LabelledClip
from popdetect.session.files import Clip, Listing, list_folder
from popdetect.session.labelling import Factory, Run, Summary, load_detector

INTERVAL_S: Final = 1.0  # between two listings
SETTLED_S: Final = 2.0
OLD_S: Final = 60.0

OnClip = Callable[[LabelledClip], None]


def watch(
    folder: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    operating_point: str = DEFAULT_OPERATING_POINT,
    formats: Iterable[str] = (),
    jobs: int = 1,
    force: bool = False,
    on_clip: OnClip | None = None,
    stopped: Callable[[], bool] | None = None,
    detector_factory: Factory = load_detector,
) -> Summary:
    """Label what is there, then what arrives, until `stopped` is true or Ctrl-C is pressed; then return the summary.

    Parameters
    ----------
    folder, out, model, operating_point, formats, jobs, force, detector_factory
        As for `labelling.label`.
    on_clip : callable (LabelledClip), optional
        Called after each clip.
    stopped : callable () -> bool, optional
        Asked before each listing.

    Raises
    ------
    UsageError, ModelError
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
        watch=True,
    )
    arrivals = _Arrivals()
    with run:
        listing = list_folder(run.folder, run.out)
        changed = True  # the tables are written at the start, even without any clip
        try:
            while True:
                changed |= _update(run, listing, arrivals, on_clip or (lambda row: None))
                if changed:
                    run.write(listing)
                    changed = False
                if stopped is not None and stopped():
                    break
                time.sleep(INTERVAL_S)
                listing = list_folder(run.folder, run.out)
        except KeyboardInterrupt:
            pass  # how a watch ends: what is finished is written below
        run.compact(listing.clips)
        return run.write(listing)


class _Arrivals:
    """Since when each file has been as it is."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[Clip, float]] = {}  # by path; the clip as listed, and the time of the clock

    def settled(self, clips: Iterable[Clip]) -> list[Clip]:
        """Return the clips that have not changed for `SETTLED_S`."""
        now, before = time.monotonic(), self._since
        self._since = {
            clip.path: before[clip.path] if before.get(clip.path, (None,))[0] == clip else (clip, now) for clip in clips
        }
        old_ns = time.time_ns() - int(OLD_S * 1e9)
        return [clip for clip, since in self._since.values() if now - since >= SETTLED_S or 0 < clip.mtime_ns < old_ns]


def _update(run: Run, listing: Listing, arrivals: _Arrivals, on_clip: OnClip) -> bool:
    """Forget what is gone or changed, and label what has settled; return whether any row changed."""
    there = set(listing.clips)
    finished = run.clips
    gone = [clip for clip in finished if clip not in there]
    for clip in gone:
        run.forget(clip)
    known = {clip.path for clip in run.clips}
    settled = [clip for clip in arrivals.settled(listing.clips) if clip.path not in known]
    recalled = [clip for clip in settled if run.recall(clip)]
    to_do = [clip for clip in settled if clip not in set(recalled)]
    with closing(run.process(to_do)) as results:
        for clip, verdict in results:
            on_clip(run.keep(clip, verdict))
    return bool(gone or settled)
