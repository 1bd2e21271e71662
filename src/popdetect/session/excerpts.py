"""The sound around each thrust of a recording, cut block by block and kept as the clips of a session folder.

A clip reaches from 1 s before a thrust to 1 s after it. Thrusts whose clips would overlap share one clip, so no pop is
in two clips. A clip begins at a frame of the recording, and has the samples of the recording without any change. So it
has the same pops as the recording has there.

Times are in seconds from the start of the recording; samples have the shape (n_samples, n_channels).
"""

from __future__ import annotations

import io
import math
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from popdetect.detection.audio.recording import Recording, Samples, write_wav
from popdetect.detection.detector import Detector
from popdetect.errors import UsageError
from popdetect.records import Burst
from popdetect.session import labelling
from popdetect.session.files import distinct_names, make_folder, readable, write_files, write_text
from popdetect.session.tables import csv_text

AROUND_S = 1.0  # before and after a thrust: more than any feature and neighbour reaches
SOURCES = "sources.csv"
_FINAL_S = 2.0  # all bursts that started so long ago are known (see `Stream.feed`)
_KEPT_S = 10.0  # of live sound before the latest block: a thrust, and the second before it
SOURCE_COLUMNS = ("file", "source", "start_s", "end_s", "n_bursts", "n_pops")

Source = str | os.PathLike[str] | BinaryIO


class Excerpt(NamedTuple):
    """A part of a recording."""

    start_s: float  # of its first sample
    samples: Samples
    rate_hz: int


def spans(bursts: Iterable[Burst], around_s: float = AROUND_S) -> list[tuple[float, float, list[Burst]]]:
    """Return start, end and bursts of each part to cut, in time order; parts that would overlap are one."""
    found: list[tuple[float, float, list[Burst]]] = []
    for burst in bursts:
        start, end = max(0.0, burst.start_s - around_s), burst.end_s + around_s
        if found and start <= found[-1][1]:
            first, last, members = found.pop()
            start, end, members = first, max(last, end), [*members, burst]
        else:
            members = [burst]
        found.append((start, end, members))
    return found


def cut(source: Source, parts: Sequence[tuple[float, float]], hop_ms: float = 1.0) -> Iterator[Excerpt]:
    """Yield parts of a recording, given by start and end, in time order and not overlapping; raises AudioError.

    Only one block and the part that is not complete are in memory. Each part begins with a whole frame of `hop_ms`, at
    its start or less than a frame before it; the last may be cut off by the end of the recording.
    """
    recording = Recording(source)
    rate = recording.rate_hz
    hop = max(1, int(rate * hop_ms / 1000 + 1e-9))
    wanted = [(int(start * rate) // hop * hop, max(0, int(np.ceil(end * rate)))) for start, end in parts]
    at, number = 0, 0
    pieces: list[Samples] = []
    for block in recording:
        while number < len(wanted):
            first, last = wanted[number]
            piece = block[max(0, first - at) : max(0, last - at)]
            if len(piece):
                pieces.append(piece)
            if last > at + len(block):
                pieces = [piece.copy() for piece in pieces]  # a view would keep the whole block
                break
            if pieces:
                yield Excerpt(first / rate, np.concatenate(pieces), rate)
            pieces, number = [], number + 1
        at += len(block)
    if pieces:
        yield Excerpt(wanted[number][0] / rate, np.concatenate(pieces), rate)


class ClipFolder:
    """A new session folder for clips around the thrusts of recordings.

    Parameters
    ----------
    folder : Path
        Must not exist, or be empty: nothing that is there is overwritten.
    files : sequence of str
        Names of all recordings, as in `Verdict.file`; the clips are named by them.
    hop_ms : float
        Time between the frames of the model, `FrontEnd.hop_ms`.

    Raises
    ------
    UsageError
    """

    def __init__(self, folder: Path, files: Sequence[str], hop_ms: float) -> None:
        make_folder(folder)
        try:
            is_empty = next(folder.iterdir(), None) is None
        except OSError as error:
            raise UsageError(f"{readable(str(folder))}: cannot be listed: {error.strerror or error}") from error
        if not is_empty:
            raise UsageError(f"{readable(str(folder))}: not empty; the clips need a new or an empty folder")
        self.folder = folder
        self._hop_ms = hop_ms
        self._names = _stems(files)
        self._rows: list[dict[str, str]] = []

    @property
    def n_clips(self) -> int:
        """Number of clips so far."""
        return len(self._rows)

    def add(self, source: Source, file: str, bursts: Sequence[Burst]) -> list[str]:
        """Write the clips around the bursts of a recording; return their names. Raises AudioError, UsageError."""
        parts = spans(bursts)
        made: list[str] = []
        excerpts = cut(source, [(start, end) for start, end, _ in parts], self._hop_ms)
        for excerpt, (_, _, members) in zip(excerpts, parts, strict=True):
            made.append(self.write(excerpt, file, members))
        return made

    def write(self, excerpt: Excerpt, file: str, members: Sequence[Burst]) -> str:
        """Write one clip, with the bursts in it; return its name. Raises UsageError."""
        name = f"{self._names[file]}_{_time(members[0].start_s)}.wav"
        sound = io.BytesIO()
        write_wav(sound, excerpt.samples, excerpt.rate_hz, exact=True)
        write_files({self.folder / name: sound.getvalue()}, durable=False)
        end_s = excerpt.start_s + len(excerpt.samples) / excerpt.rate_hz
        values = (name, file, f"{excerpt.start_s:.5f}", f"{end_s:.5f}", str(len(members)))
        n_pops = str(sum(burst.n_pops for burst in members))
        self._rows.append(dict(zip(SOURCE_COLUMNS, (*values, n_pops), strict=True)))
        return name

    def finish(self, detector: Detector, model: str | os.PathLike[str] | None = None) -> None:
        """Write ``sources.csv`` and label the clips, so that the folder is a session; does nothing without clips."""
        if not self._rows:
            return
        write_text(self.folder / SOURCES, csv_text(SOURCE_COLUMNS, self._rows))
        labelling.label(
            self.folder,
            model=model,
            operating_point=detector.operating_point,
            detector_factory=lambda _model, _point: detector,
        )


class LiveExcerpts:
    """The parts of one sound around its bursts, while it goes on; only the latest sound is in memory.

    Parameters
    ----------
    rate_hz : int
    hop_ms : float
        As of `cut`.
    """

    def __init__(self, rate_hz: int, hop_ms: float = 1.0) -> None:
        self._rate_hz = rate_hz
        self._hop = max(1, int(rate_hz * hop_ms / 1000 + 1e-9))
        self._blocks: deque[Samples] = deque()
        self._first = self._n_samples = 0  # where the blocks begin and end, in samples
        self._waiting: list[Burst] = []

    def add(self, block: Samples, found: Sequence[Burst]) -> Iterator[tuple[Excerpt, list[Burst]]]:
        """Add the next samples, which are kept, and the bursts that became final with them; yield complete parts."""
        oldest = self._n_samples - int(_KEPT_S * self._rate_hz)
        if self._waiting:
            oldest = min(oldest, int((self._waiting[0].start_s - AROUND_S) * self._rate_hz) - self._hop)
        while self._blocks and self._first + len(self._blocks[0]) <= oldest:
            self._first += len(self._blocks.popleft())
        self._blocks.append(block)
        self._n_samples += len(block)
        self._waiting += found
        return self._parts(self._n_samples / self._rate_hz - _FINAL_S)

    def finish(self, found: Sequence[Burst] = ()) -> Iterator[tuple[Excerpt, list[Burst]]]:
        """Yield the other parts, after the last bursts."""
        self._waiting += found
        return self._parts(math.inf)

    def _parts(self, until_s: float) -> Iterator[tuple[Excerpt, list[Burst]]]:
        """Yield the parts that end before this time."""
        for start_s, end_s, members in spans(self._waiting):
            if end_s > until_s:
                return
            self._waiting = self._waiting[len(members) :]
            first = max(int(start_s * self._rate_hz) // self._hop * self._hop, self._first)
            last = math.ceil(end_s * self._rate_hz)
            samples = np.concatenate(self._blocks)[first - self._first : last - self._first]
            yield Excerpt(first / self._rate_hz, samples, self._rate_hz), members


def _stems(files: Sequence[str]) -> dict[str, str]:
    """A name for each recording, without its extension where that is enough to tell them apart."""
    names = distinct_names(files)
    plain = {file: Path(name).stem for file, name in names.items()}
    seen = Counter(name.casefold() for name in plain.values())
    return {file: plain[file] if seen[plain[file].casefold()] == 1 else names[file].replace(".", "_") for file in names}


def _time(seconds: float) -> str:
    """A time that may be part of a file name, such as ``00h12m03s456``."""
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}h{ms // 60_000 % 60:02d}m{ms // 1000 % 60:02d}s{ms % 1000:03d}"
