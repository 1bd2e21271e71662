"""The book of answers: each is on disk before it is told to be kept, and none is written over another.

A clip's version, for one rater, is the number of lines about it. Whoever answers says which version they saw; if the
book has a newer one, by another tab or another process, nothing is written and they are told (`Stale`). Lines are
appended under a lock that all processes share, and waited for until the disk has them. What a crash left of a line
that was never told to be kept is cut off first.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from popdetect.errors import UsageError
from popdetect.session import corrections
from popdetect.session.corrections import COLUMNS, Correction
from popdetect.session.files import read_bytes, unwritable, write_text
from popdetect.session.locks import locked
from popdetect.session.tables import csv_text, parse_table

Key = tuple[str, str]


class Stale(Exception):
    """The clip was answered meanwhile, elsewhere; nothing was written."""


class Book:
    """``corrections.csv`` of one session, shared with other tabs and processes.

    Parameters
    ----------
    path : Path
        Made with the first answer; its folder must exist.

    Raises
    ------
    TableError, UsageError
        When what is there cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.RLock()
        self._state = (-1, -1)
        self._lines: dict[Key, list[Correction]] = {}
        self._order: list[Key] = []
        with self._mutex:
            self._refresh()

    def of_rater(self, rater: str) -> dict[str, Correction]:
        """What counts of one rater, by file; without answers taken back."""
        with self._mutex:
            self._refresh()
            now = {file: lines[-1] for (file, name), lines in self._lines.items() if name == rater}
        return {file: answer for file, answer in now.items() if answer.label}

    def raters(self) -> list[str]:
        """Everybody with an answer that counts, in the order of their names; not the consensus."""
        with self._mutex:
            self._refresh()
            found = {key[1] for key, lines in self._lines.items() if lines[-1].label}
        return sorted(found - {corrections.CONSENSUS})

    def look(self, file: str, rater: str) -> tuple[Correction | None, int]:
        """What counts of a clip, and its version."""
        with self._mutex:
            self._refresh()
            lines = self._lines.get((file, rater), [])
        return (lines[-1] if lines and lines[-1].label else None), len(lines)

    def knows_verdict(self, file: str, rater: str) -> bool:
        """Whether the rater has been shown what the detector said of a clip, as far as the book tells."""
        with self._mutex:
            self._refresh()
            return any(line.revealed or not line.blind for line in self._lines.get((file, rater), []))

    def last_answered(self, rater: str) -> str:
        """The file of the rater's latest answer that was not taken back; empty without one."""
        with self._mutex:
            self._refresh()
            for file, name in reversed(self._order):
                if name == rater and _standing(self._lines[file, name]):
                    return file
        return ""

    def answer(self, made: Correction, seen: int) -> tuple[Correction, int]:
        """Keep an answer by somebody who saw version `seen`; returns it as kept, with its version.

        It is only kept as blind if the rater had not been shown the detector's verdict on an earlier line.

        Raises
        ------
        Stale
        UsageError
            When it cannot be written; nothing of it is.
        """
        with self._mutex, locked(self.path):
            self._agree(made.file, made.rater, seen)
            blind = made.blind and not self.knows_verdict(made.file, made.rater)
            return self._append(replace(made, blind=blind, answered_at=_now()), seen)

    def undo(self, file: str, rater: str, seen: int) -> tuple[Correction, int]:
        """Take back the last answer to a clip; what counted before it counts again.

        Raises
        ------
        Stale, UsageError
        """
        with self._mutex, locked(self.path):
            self._agree(file, rater, seen)
            lines = self._lines.get((file, rater), [])
            standing = _standing(lines)
            if not standing:
                raise UsageError(f"{file}: there is no answer to take back")
            empty = replace(standing[-1], label="", onsets_s=())
            before = standing[-2] if len(standing) > 1 else empty
            return self._append(replace(before, undone=True, revealed=False, answered_at=_now()), seen)

    def reveal(self, file: str, rater: str) -> int:
        """Note that from now on the rater knows what the detector said of an answered clip; returns the version.

        Raises
        ------
        UsageError
        """
        with self._mutex, locked(self.path):
            self._refresh()
            lines = self._lines.get((file, rater), [])
            if not lines or not lines[-1].label:
                raise UsageError(f"{file}: not answered yet; the detector's verdict is shown after the answer")
            if self.knows_verdict(file, rater):
                return len(lines)
            return self._append(replace(lines[-1], revealed=True, undone=False, answered_at=_now()), len(lines))[1]

    def _agree(self, file: str, rater: str, seen: int) -> None:
        self._refresh()
        if len(self._lines.get((file, rater), [])) != seen:
            raise Stale(file)

    def _append(self, line: Correction, seen: int) -> tuple[Correction, int]:
        raw = read_bytes(self.path) if self.path.exists() else b""
        end = corrections.whole(raw)
        columns = parse_table(raw[:end], str(self.path)).columns if raw[:end].strip() else []
        cells = corrections.row(line)
        if any(column not in columns for column in COLUMNS):  # new, or of an earlier version: columns are added
            rows = parse_table(raw[:end], str(self.path)).rows if columns else []
            columns += [column for column in COLUMNS if column not in columns]
            write_text(self.path, csv_text(columns, [*rows, cells]))
            _settle_folder(self.path.parent)
        else:
            text = csv_text(columns, [{column: cells.get(column, "") for column in columns}])
            tail = text[len(csv_text(columns, [])) :].encode()
            _write_end(self.path, end, tail if raw[:end].endswith(b"\n") else b"\n" + tail)
        self._refresh()
        return line, seen + 1

    def _refresh(self) -> None:
        """Read again what others may have added; cheap while nobody has."""
        try:
            about = self.path.stat()
            state = (about.st_size, about.st_mtime_ns)
        except OSError:
            state = (0, 0)
        if state == self._state:
            return
        lines: dict[Key, list[Correction]] = {}
        order: list[Key] = []
        for line in corrections.history(self.path):
            lines.setdefault((line.file, line.rater), []).append(line)
            if not (line.revealed or line.undone):
                order.append((line.file, line.rater))
        self._lines, self._order, self._state = lines, order, state


def _standing(lines: list[Correction]) -> list[Correction]:
    """The answers not taken back, oldest first."""
    stack: list[Correction] = []
    for line in lines:
        if line.undone:
            stack = stack[:-1]
        elif not line.revealed:
            stack.append(line)
    return stack


def _write_end(path: Path, end: int, tail: bytes) -> None:
    """Put `tail` in the place of whatever follows the first `end` bytes, and wait for the disk."""
    try:
        with path.open("r+b") as handle:
            handle.truncate(end)
            handle.seek(end)
            try:
                handle.write(tail)
                handle.flush()
                os.fsync(handle.fileno())
            except OSError:
                handle.truncate(end)
                raise
    except OSError as error:
        raise unwritable(path, error) from error


def _settle_folder(folder: Path) -> None:
    """Wait until the disk knows the file's name, where a folder can be waited for."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
