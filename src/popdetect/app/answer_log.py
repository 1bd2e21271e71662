"""The answers of one session's review: read, appended, undone; shared by tabs and processes.

The version of a clip, for one rater, is the number of lines about it in ``corrections.csv``. Each write names the
version that the rater saw. If there is a newer one, from another tab or process, nothing is written and `StaleAnswer`
is raised. Lines are appended under a lock that all processes share, and a write returns only when the disk has them.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from popdetect.errors import UsageError
from popdetect.session import append_only, corrections
from popdetect.session.corrections import COLUMNS, CONSENSUS, Correction
from popdetect.session.tables import csv_lines


class StaleAnswer(Exception):
    """The clip has a newer answer than the rater saw; nothing was written."""


class AnswerLog:
    """``corrections.csv`` of one session; safe for several threads and processes.

    Damaged lines in it are left out, copied to a file beside it, and reported as a `DamagedLinesWarning`.

    Parameters
    ----------
    path : Path
        Made with the first answer; its folder must exist.

    Raises
    ------
    TableError
        When the file is no comma-separated UTF-8 text.
    UsageError
        When it cannot be read, or its folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.RLock()
        self._state = (-1, -1)
        self._log = corrections.Log([], [], [])
        self._of_clip: dict[tuple[str, str], list[Correction]] = {}
        with self._mutex, append_only.locked(path):
            self._refresh()
            self._report_damage()

    def of_rater(self, rater: str) -> dict[str, Correction]:
        """Answers of one rater that count, by file; without undone ones."""
        with self._mutex:
            self._refresh()
            return {file: of[-1] for (file, name), of in self._of_clip.items() if name == rater and of[-1].label}

    def raters(self) -> list[str]:
        """Names of all raters with an answer that counts, sorted; without the consensus."""
        with self._mutex:
            self._refresh()
            found = {name for (_, name), of in self._of_clip.items() if of[-1].label}
        return sorted(found - {CONSENSUS})

    def current(self, file: str, rater: str) -> tuple[Correction | None, int]:
        """The answer to a clip that counts, if any, and the clip's version."""
        with self._mutex:
            self._refresh()
            of = self._of_clip.get((file, rater), [])
        return (of[-1] if of and of[-1].label else None), len(of)

    def has_seen_verdict(self, file: str, rater: str) -> bool:
        """Whether the rater has been shown the detector's result for a clip, according to the lines about it."""
        with self._mutex:
            self._refresh()
            return any(line.revealed or not line.blind for line in self._of_clip.get((file, rater), []))

    def last_answered(self, rater: str) -> str:
        """The file of the rater's latest answer that is not undone; empty without one."""
        with self._mutex:
            self._refresh()
            for line in reversed(self._log.answers):
                is_answer = line.rater == rater and not (line.revealed or line.undone)
                if is_answer and _not_undone(self._of_clip[line.file, rater]):
                    return line.file
        return ""

    def answer(self, given: Correction, version: int) -> tuple[Correction, int]:
        """Append an answer of a rater who saw `version` of the clip; return it as written, and the new version.

        The answer is marked as blind only if the rater had not seen the detector's result for the clip before.

        Raises
        ------
        StaleAnswer
        UsageError
            When it cannot be written.
        """
        with self._mutex, append_only.locked(self.path):
            self._check(given.file, given.rater, version)
            blind = given.blind and not self.has_seen_verdict(given.file, given.rater)
            return self._append(replace(given, blind=blind))

    def undo(self, file: str, rater: str, version: int) -> tuple[Correction, int]:
        """Undo the last answer to a clip, so that the one before it counts again; return as `answer`.

        Raises
        ------
        StaleAnswer, UsageError
        """
        with self._mutex, append_only.locked(self.path):
            self._check(file, rater, version)
            answers = _not_undone(self._of_clip.get((file, rater), []))
            if not answers:
                raise UsageError(f"{file}: there is no answer to undo")
            before = answers[-2] if len(answers) > 1 else replace(answers[-1], label="", onsets_s=())
            return self._append(replace(before, undone=True))

    def reveal(self, file: str, rater: str) -> tuple[Correction, int]:
        """Note that the rater now sees the detector's result for an answered clip; return as `answer`.

        Raises
        ------
        UsageError
        """
        with self._mutex, append_only.locked(self.path):
            answer, version = self.current(file, rater)
            if answer is None:
                raise UsageError(f"{file}: not answered yet; the detector's result is shown after the answer")
            if self.has_seen_verdict(file, rater):
                return answer, version
            return self._append(replace(answer, revealed=True, undone=False))

    def _check(self, file: str, rater: str, version: int) -> None:
        if self.current(file, rater)[1] != version:
            raise StaleAnswer(file)

    def _append(self, line: Correction) -> tuple[Correction, int]:
        """Append a line under the names of the columns; the caller holds the lock."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = replace(line, answered_at=now)
        columns = self._log.columns
        missing = [column for column in COLUMNS if column not in columns]
        if missing:  # a new file, one with fewer columns, or one with a damaged header
            columns = columns + missing
        row = corrections.row(line)
        cells = [row.get(column, "") for column in columns]
        append_only.append(self.path, csv_lines([columns, cells] if missing else [cells]))
        self._refresh()
        self._report_damage()
        return line, len(self._of_clip[line.file, line.rater])

    def _refresh(self) -> None:
        """Read the file again if its size or time of change differ."""
        try:
            about = self.path.stat()
            state = (about.st_size, about.st_mtime_ns)
        except OSError:
            state = (0, 0)
        if state == self._state:
            return
        log = corrections.load(self.path)
        of_clip: dict[tuple[str, str], list[Correction]] = {}
        for line in log.answers:
            of_clip.setdefault((line.file, line.rater), []).append(line)
        self._log, self._of_clip, self._state = log, of_clip, state

    def _report_damage(self) -> None:
        """Copy damaged lines and warn of them; the caller holds the lock, so no line is half-written by another."""
        damaged = self._log.damaged
        if damaged:
            append_only.warn_of_damage(self.path, damaged, append_only.set_aside(self.path, damaged))


def _not_undone(lines: list[Correction]) -> list[Correction]:
    """The answers among the lines of one clip and rater that are not undone, oldest first."""
    answers: list[Correction] = []
    for line in lines:
        if line.undone:
            answers = answers[:-1]
        elif not line.revealed:
            answers.append(line)
    return answers
