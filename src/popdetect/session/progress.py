r"""Finished clips, so that an interrupted run continues where it stopped.

``progress.jsonl``: the first line is a fingerprint of everything that changes verdicts; then one line per clip,
in the order in which they finished. Only verdicts with status ``ok`` are kept: a clip that failed may have been locked
or incomplete, and is tried again. Floats are read back bit for bit.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from popdetect.records import Detection, Event, Verdict
from popdetect.session.files import Clip, read_bytes, unwritable, write_text

FORMAT = 2

_dump = json.JSONEncoder(separators=(",", ":")).encode
_event_values = attrgetter(*(field.name for field in fields(Event)))
_KEYS = ("label", "p_pop", "duration_s", "sample_rate_hz", "channels", "quality")  # fields of a Detection


class ProgressFile(AbstractContextManager["ProgressFile"]):
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
        When the file cannot be read or written; also by its methods.
    """

    def __init__(self, path: Path, fingerprint: Mapping[str, str], *, fresh: bool = False) -> None:
        self._path = path
        self._header = _dump({"progress": FORMAT, **fingerprint}) + "\n"
        text = "" if fresh or not path.exists() else read_bytes(path).decode("utf-8", "replace")
        if not text.startswith(self._header):
            text = self._header
            write_text(path, text)
        self._known = dict(_entries(text[len(self._header) :]))
        try:
            self._file = path.open("a", encoding="utf-8", newline="")
            if not text.endswith("\n"):
                self._file.write("\n")  # the next line must not be added to one that a crash cut off
        except OSError as error:
            raise unwritable(path, error) from error

    def recall(self, clip: Clip) -> Verdict | None:
        """Return the verdict on this file (same name, size and time of change), or None."""
        entry = self._known.get(clip.file)
        if entry is None or entry.get("size") != clip.size or entry.get("mtime_ns") != clip.mtime_ns:
            return None
        try:
            values: dict[str, Any] = {name: entry[name] for name in _KEYS}
            values["quality"] = tuple(values["quality"])
            found = Detection(**values, events=tuple(Event(*event) for event in entry["events"]))
            return Verdict(clip.file, "ok", found, sha256=entry["sha256"])
        except (KeyError, TypeError):
            return None

    def add(self, clip: Clip, verdict: Verdict) -> None:
        """Keep a verdict; after the return it survives the end of the process."""
        if verdict.detection is None:
            return
        try:
            self._file.write(_line(clip, verdict.detection, verdict.sha256))
            self._file.flush()
        except OSError as error:
            raise unwritable(self._path, error) from error

    def compact(self, finished: Iterable[tuple[Clip, Verdict]]) -> None:
        """Keep only `finished`, and close."""
        self.__exit__()
        lines = [
            _line(clip, verdict.detection, verdict.sha256)
            for clip, verdict in finished
            if verdict.detection is not None
        ]
        # its lines are on the disk already
        write_text(self._path, "".join([self._header, *lines]), durable=False)

    def __exit__(self, *error: object) -> None:
        """Close, whatever happened."""
        with contextlib.suppress(OSError):  # closing writes again what could not be written; `add` has reported it
            self._file.close()


def _entries(text: str) -> Iterable[tuple[str, dict[str, Any]]]:
    for line in text.split("\n"):
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # incomplete: its clip is processed again
        if isinstance(entry, dict) and isinstance(entry.get("file"), str):
            yield entry["file"], entry


def _line(clip: Clip, found: Detection, sha256: str) -> str:
    values = {"file": clip.file, "size": clip.size, "mtime_ns": clip.mtime_ns, "sha256": sha256}
    values |= {name: getattr(found, name) for name in _KEYS}
    values["events"] = [_event_values(event) for event in found.events]
    return _dump(values) + "\n"
