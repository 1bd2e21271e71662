"""The detector: files and arrays to detections, one by one or many together."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from numbers import Integral
from typing import BinaryIO

import numpy.typing as npt

from popdetect.detection.audio.arrays import ArrayRecording, Samples, check_rate
from popdetect.detection.audio.recording import Recording
from popdetect.detection.live import Live
from popdetect.detection.model.bundle import DEFAULT_OPERATING_POINT, Model, load
from popdetect.detection.stream import Stream, detect_batch
from popdetect.errors import AudioError, UsageError
from popdetect.records import Detection, Verdict

BATCH_SAMPLES = 1_300_000  # of all channels together: about nine clips of 3 s; larger batches are no faster

Source = str | os.PathLike[str] | BinaryIO
OnProgress = Callable[[float, float], None]  # seconds processed of a long recording, and how long it says it is


class Detector:
    """A model at an operating point.

    Parameters
    ----------
    model : Model, optional
        The shipped one by default; `popdetect.load_model` loads another.
    operating_point : str
        One of the model's.

    Raises
    ------
    ModelError, UsageError

    Examples
    --------
    >>> import numpy as np
    >>> noise = 0.01 * np.random.default_rng(0).standard_normal(48_000)
    >>> Detector().detect(noise, 48_000).label
    'no_pop'
    """

    def __init__(self, model: Model | None = None, operating_point: str = DEFAULT_OPERATING_POINT) -> None:
        self.model = model if model is not None else load()
        self._point = self.model.operating_point(operating_point)
        self.operating_point = operating_point

    def __repr__(self) -> str:
        return f"<Detector {self.model.title}, operating point {self.operating_point!r}>"

    def detect(self, source: Source | npt.ArrayLike, sr: float | None = None) -> Detection:
        """Find the pops of one recording.

        Parameters
        ----------
        source : path, binary file object or array_like
            Samples have shape (n,), (n, channels) or (channels, n); the axis of channels is the one with at most
            32 entries. Floats have full scale ±1; int8, int16, int32 and uint8 are scaled by the range of their type.
        sr : whole number, 8000 to 192000
            Sample rate of an array, Hz; not for files.

        Returns
        -------
        Detection

        Raises
        ------
        AudioError
            `Empty` (no samples, or no sound), `TooShort` (below 10 ms), `NotFinite`, `Truncated`, or
            `Unreadable` (anything else that cannot be processed).
        UsageError
            If `sr` is missing for an array, or given for a file.
        """
        recording = _opened(source, sr)
        found = self._begin(recording)
        if not isinstance(found, Detection):
            found = detect_batch(self.model, self._point, recording.rate_hz, [found])[0]
        return _flagged(found, recording.flags)

    def stream(self, sr: float, channels: int = 1) -> Stream:
        """Begin a recording that comes in blocks: ``feed`` the blocks, then ``finish``.

        Parameters
        ----------
        sr : whole number, 8000 to 192000
            Hz.
        channels : int ≥ 1

        Raises
        ------
        Unreadable, UsageError
        """
        return Stream(self.model, self._point, check_rate(sr), _checked(channels))

    def live(self, sr: float, channels: int = 1) -> Live:
        """Begin a sound that is still going on: like `stream`, with provisional pops soon after each; see `Live`."""
        return Live(self.model, self._point, check_rate(sr), _checked(channels))

    def verdict(
        self, source: Source, name: str, *, hash_file: bool = True, on_progress: OnProgress | None = None
    ) -> Verdict:
        """Find the pops of one file, `name` in the verdict; see `verdicts`."""
        return self.verdicts([(source, name)], hash_files=hash_file, on_progress=on_progress)[0]

    def verdicts(
        self,
        sources: Sequence[tuple[Source, str]],
        *,
        hash_files: bool = True,
        on_progress: OnProgress | None = None,
    ) -> list[Verdict]:
        """Find the pops of many files, given with their names; an `AudioError` is reported in the verdict.

        The verdicts have the order of the files, with the SHA-256 of each if `hash_files`. Short files are processed
        together, which takes half the time and changes no verdict. `on_progress` is called after each block of a
        long file.
        """
        made: dict[int, Verdict] = {}
        waiting: dict[tuple[int, int], list[tuple[int, Samples, str, tuple[str, ...]]]] = {}

        def process(key: tuple[int, int]) -> None:
            group = waiting.pop(key)
            detections = detect_batch(self.model, self._point, key[0], [samples for _, samples, _, _ in group])
            for (index, _, sha256, flags), detection in zip(group, detections, strict=True):
                made[index] = Verdict(sources[index][1], "ok", _flagged(detection, flags), sha256=sha256)

        for index, (source, name) in enumerate(sources):
            sha256 = _sha256(source) if hash_files else ""
            try:
                recording = Recording(source)
                found = self._begin(recording, on_progress)
            except AudioError as error:
                made[index] = Verdict(name, error.status, None, error=str(error), sha256=sha256)
                continue
            if isinstance(found, Detection):
                made[index] = Verdict(name, "ok", _flagged(found, recording.flags), sha256=sha256)
                continue
            key = (recording.rate_hz, recording.channels)
            group = waiting.setdefault(key, [])
            group.append((index, found, sha256, recording.flags))
            if sum(samples.size for _, samples, _, _ in group) >= BATCH_SAMPLES:
                process(key)
        for key in list(waiting):
            process(key)
        return [made[index] for index in range(len(sources))]

    def _begin(
        self, recording: Recording | ArrayRecording, on_progress: OnProgress | None = None
    ) -> Samples | Detection:
        """The samples of a recording of one block; a longer one is processed block by block."""
        blocks = iter(recording)
        first = next(blocks)
        second = next(blocks, None)
        if second is None:
            return first
        stream = self.stream(recording.rate_hz, recording.channels)
        n_samples = 0
        for block in chain([first, second], blocks):
            stream.add(block)
            n_samples += len(block)
            if on_progress is not None:
                on_progress(n_samples / recording.rate_hz, recording.announced_s)
        return stream.finish()


def _checked(channels: int) -> int:
    if not isinstance(channels, Integral) or channels < 1:
        raise UsageError(f"channels {channels!r}; a whole number of at least 1 is needed")
    return int(channels)


def _opened(source: Source | npt.ArrayLike, sr: float | None) -> Recording | ArrayRecording:
    is_file = isinstance(source, str | os.PathLike) or hasattr(source, "read")
    if sr is None and not is_file:
        raise UsageError(
            f"{type(source).__name__} without a sample rate; give a file name, a binary file object, "
            "or samples with their sample rate: detect(y, sr)"
        )
    if sr is not None and is_file:
        raise UsageError(f"sample rate {sr} for a file, which has its own; leave it out")
    return Recording(source) if sr is None else ArrayRecording(source, sr)  # type: ignore[arg-type]


def _flagged(found: Detection, flags: tuple[str, ...]) -> Detection:
    """The detection with the flags of its file after those of its sound."""
    return replace(found, quality=found.quality + flags) if flags else found


def _sha256(source: Source) -> str:
    """SHA-256 of the bytes of a file; empty if it cannot be read. The position of a file object becomes its start."""
    try:
        if not isinstance(source, str | os.PathLike):
            source.seek(0)
            digest = hashlib.file_digest(source, "sha256").hexdigest()  # type: ignore[arg-type]
            source.seek(0)
            return digest
        if not stat.S_ISREG(os.stat(source).st_mode):  # noqa: PTH116  # opening a pipe would wait for data
            return ""
        with open(source, "rb", buffering=0) as handle:  # noqa: PTH123
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""
