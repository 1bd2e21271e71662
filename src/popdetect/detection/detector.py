"""From recordings to verdicts; with `stream`, the only place that knows the whole line."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

from popdetect.detection.audio.recording import Recording, Samples
from popdetect.detection.joined import Joined
from popdetect.detection.model.bundle import DEFAULT_OPERATING_POINT, Model, load
from popdetect.detection.stream import Stream
from popdetect.errors import AudioError
from popdetect.records import Detection, Verdict

JOIN_SAMPLES = 1_300_000  # of all channels together: some nine clips of 3 s; more gains no more
HELD_BYTES = 8 << 20  # longer files are read twice: for their hash, then block by block

_Source = str | os.PathLike[str] | BinaryIO


class Detector:
    """A model at an operating point, ready for recordings.

    Parameters
    ----------
    model : Model, optional
        The shipped one by default.
    operating_point : str
        One of the model's.

    Raises
    ------
    ModelError, UsageError
    """

    def __init__(self, model: Model | None = None, operating_point: str = DEFAULT_OPERATING_POINT) -> None:
        self.model = model if model is not None else load()
        self.model.operating_point(operating_point)  # an unknown one is refused before the first clip
        self.operating_point = operating_point

    def stream(self, rate_hz: int, channels: int) -> Stream:
        """Begin a recording that comes in blocks."""
        return Stream(self.model, rate_hz, channels, self.operating_point)

    def detect(self, source: str | os.PathLike[str] | BinaryIO) -> Detection:
        """Judge a file.

        Raises
        ------
        AudioError
            When it cannot be judged.
        """
        recording = Recording(source)
        stream = self.stream(recording.rate_hz, recording.channels)
        for block in recording:
            stream.feed(block)
        return stream.finish()

    def detect_samples(self, samples: Samples, rate_hz: int) -> Detection:
        """Judge samples in memory, of shape (n,) or (n, channels), full scale ±1."""
        block = np.asarray(samples, np.float32)
        block = block[:, None] if block.ndim == 1 else block
        stream = self.stream(rate_hz, block.shape[1])
        stream.feed(block)
        return stream.finish()

    def verdict(self, source: str | os.PathLike[str] | BinaryIO, name: str, *, hash_file: bool = True) -> Verdict:
        """Judge a file and never raise for what is wrong with it.

        Returns
        -------
        Verdict
            With `file` = `name`; an `AudioError` becomes its status and message.
        """
        if hash_file:
            source, sha256 = _held(source)
        else:
            sha256 = ""
        try:
            return Verdict(name, "ok", self.detect(source), sha256=sha256)
        except AudioError as error:
            return Verdict(name, error.status, None, error=str(error), sha256=sha256)

    def verdicts(self, sources: Sequence[tuple[str | os.PathLike[str], str]]) -> list[Verdict]:
        """Judge many files, as `verdict` does one; short ones together, which takes half the time.

        Parameters
        ----------
        sources : sequence of (path, name)

        Returns
        -------
        list of Verdict
            In the same order, and the same as one by one.
        """
        found: dict[int, Verdict] = {}
        waiting: dict[tuple[int, int], list[tuple[int, Samples, float, str]]] = {}
        for index, (path, name) in enumerate(sources):
            source, sha256 = _held(path)
            try:
                recording = Recording(source)
                key = (recording.rate_hz, recording.channels)
                blocks = iter(recording)
                first = next(blocks)
                peak = recording.peak
                second = next(blocks, None)
                if second is not None:  # a long recording is heard by itself
                    stream = self.stream(*key)
                    stream.feed(first)
                    stream.feed(second)
                    for block in blocks:
                        stream.feed(block)
                    found[index] = Verdict(name, "ok", stream.finish(), sha256=sha256)
                    continue
            except AudioError as error:
                found[index] = Verdict(name, error.status, None, error=str(error), sha256=sha256)
                continue
            group = waiting.setdefault(key, [])
            group.append((index, first, peak, sha256))
            if sum(samples.size for _, samples, _, _ in group) >= JOIN_SAMPLES:
                self._join(key, waiting.pop(key), sources, found)
        for key, group in waiting.items():
            self._join(key, group, sources, found)
        return [found[index] for index in range(len(sources))]

    def _join(
        self,
        key: tuple[int, int],
        group: list[tuple[int, Samples, float, str]],
        sources: Sequence[tuple[str | os.PathLike[str], str]],
        found: dict[int, Verdict],
    ) -> None:
        joined = Joined(self.model, *key, self.operating_point)
        detections = joined.hear([samples for _, samples, _, _ in group], [peak for _, _, peak, _ in group])
        for (index, _, _, sha256), detection in zip(group, detections, strict=True):
            found[index] = Verdict(sources[index][1], "ok", detection, sha256=sha256)


def _held(source: _Source) -> tuple[_Source, str]:
    """What to hear in place of `source`, and the sha256 of its bytes; "" where it cannot be read, which hearing tells.

    A short recording is read once, into memory, for both.
    """
    try:
        if not isinstance(source, str | os.PathLike):
            digest = _digest(source)
            source.seek(0)
            return source, digest
        facts = os.stat(source)  # noqa: PTH116  # a name from outside may be anything, and Path is felt
        if not stat.S_ISREG(facts.st_mode):  # opening a pipe waits for someone to write to it
            return source, ""
        with open(source, "rb", buffering=0) as handle:  # noqa: PTH123
            if facts.st_size > HELD_BYTES:
                return source, _digest(handle)
            whole = handle.readall()
        return io.BytesIO(whole), hashlib.sha256(whole).hexdigest()
    except (OSError, ValueError):
        return source, ""


def _digest(handle: Any) -> str:
    # `hashlib.file_digest` fills a quarter of a megabyte with zeros first: half the time of a short clip
    state, part = hashlib.sha256(), memoryview(bytearray(1 << 16))
    while n := handle.readinto(part):
        state.update(part[:n])
    return state.hexdigest()
