r"""Finished clips, so that an interrupted run continues where it stopped.

``progress.jsonl``: the first line is a fingerprint of everything that changes verdicts; then one line per clip,
in the order in which they finished. Only verdicts with status ``ok`` are kept: a clip that failed may have been locked
or incomplete, and is tried again. Floats are read back bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from popdetect.errors import UsageError
from popdetect.records import Detection, Event, Verdict
from popdetect.session.files import Clip, unwritable, write_text

FORMAT = 1

_dump = json.JSONEncoder(separators=(",", ":")).encode
_event_values = attrgetter(*(field.name for field in fields(Event)))


class ProgressFile:
    """The finished clips of one output folder, in a file open for appending.

    Parameters
    ----------
    path : Path
        Made if missing; its folder must exist.
    fingerprint : mapping of str to str
        A file with another fingerprint is started again.
    fresh : bool
        Start again in any case.

    Raises
    ------
    UsageError
        When the file cannot be read or written.
    """

    def __init__(self, path: Path, fingerprint: Mapping[str, str], *, fresh: bool = False) -> None:
        self._path = path
        self._header = _dump({"progress": FORMAT, **fingerprint}) + "\n"
        self._known: dict[str, dict[str, Any]] = {}
        self._lines: dict[Clip, str] = {}  # written in this run
        text = "" if fresh else _text(path)
        if text.startswith(self._header):
            self._known = dict(_entries(text[len(self._header) :]))
        else:
            write_text(path, self._header)
            text = ""
        try:
            self._file: TextIO = path.open("a", encoding="utf-8", newline="")
            if text and not text.endswith("\n"):
                self._file.write("\n")  # the next line must not be added to one that a crash cut off
        except OSError as error:
            raise unwritable(path, error) from error

    def recall(self, clip: Clip) -> Verdict | None:
        """Return the verdict on this file (same name, size and time of change), or None."""
        entry = self._known.get(clip.file)
        if entry is None or entry.get("size") != clip.size or entry.get("mtime_ns") != clip.mtime_ns:
            return None
        try:
            return _verdict(clip.file, entry)
        except (KeyError, TypeError):
            return None

    def add(self, clip: Clip, verdict: Verdict) -> None:
        """Keep a verdict; after the return it survives the end of the process.

        Raises
        ------
        UsageError
        """
        if verdict.status != "ok":
            return
        try:
            line = self._lines[clip] = _line(clip, verdict)
            self._file.write(line)
            self._file.flush()
        except OSError as error:
            raise unwritable(self._path, error) from error

    def compact(self, finished: Iterable[tuple[Clip, Verdict]]) -> None:
        """Keep only `finished`, and close."""
        self.close()
        lines = [self._lines.get(clip) or _line(clip, verdict) for clip, verdict in finished if verdict.status == "ok"]
        # its lines are on the disk already
        write_text(self._path, "".join([self._header, *lines]), durable=False)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._file.close()

    def __enter__(self) -> ProgressFile:
        """Return the file, which is open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, whatever happened."""
        self.close()


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as handle:
            return handle.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error


def _entries(text: str) -> Iterable[tuple[str, dict[str, Any]]]:
    for line in text.split("\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # incomplete: its clip is processed again
        if isinstance(entry, dict) and isinstance(entry.get("file"), str):
            yield entry["file"], entry


def _line(clip: Clip, verdict: Verdict) -> str:
    found = verdict.detection
    assert found is not None  # the status is ok
    return (
        _dump(
            {
                "file": clip.file,
                "size": clip.size,
                "mtime_ns": clip.mtime_ns,
                "sha256": verdict.sha256,
                "label": found.label,
                "p_pop": found.p_pop,
                "duration_s": found.duration_s,
                "sample_rate_hz": found.sample_rate_hz,
                "channels": found.channels,
                "quality": found.quality,
                "events": [_event_values(event) for event in found.events],
            }
        )
        + "\n"
    )


def _verdict(file: str, entry: Mapping[str, Any]) -> Verdict:
    found = Detection(
        label=entry["label"],
        p_pop=entry["p_pop"],
        events=tuple(Event(*values) for values in entry["events"]),
        duration_s=entry["duration_s"],
        sample_rate_hz=entry["sample_rate_hz"],
        channels=entry["channels"],
        quality=tuple(entry["quality"]),
    )
    return Verdict(file, "ok", found, sha256=entry["sha256"])
