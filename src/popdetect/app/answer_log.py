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
from popdetect.session import corrections
from popdetect.session.corrections import COLUMNS, CONSENSUS, Correction
from popdetect.session.files import append, locked
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
        with self._mutex, locked(path):
            self._lines()
            self._report_damage()

    def of_rater(self, rater: str) -> dict[str, Correction]:
        """Answers of one rater that count, by file; without undone ones."""
        return {file: of[-1] for (file, name), of in self._lines().items() if name == rater and of[-1].label}

    def raters(self) -> list[str]:
        """Names of all raters with an answer that counts, sorted; without the consensus."""
        return sorted({name for (_, name), of in self._lines().items() if of[-1].label} - {CONSENSUS})

    def current(self, file: str, rater: str) -> tuple[Correction | None, int]:
        """The answer to a clip that counts, if any, and the clip's version."""
        of = self._lines().get((file, rater), [])
        return (of[-1] if of and of[-1].label else None), len(of)

    def has_seen_verdict(self, file: str, rater: str) -> bool:
        """Whether the rater has been shown the detector's result for a clip, according to the lines about it."""
        return any(line.revealed or not line.blind for line in self._lines().get((file, rater), []))

    def last_answered(self, rater: str) -> str:
        """The file of the rater's latest answer that is not undone; empty without one."""
        with self._mutex:
            of_clip, lines = self._lines(), self._log.answers
        answers = (line for line in reversed(lines) if line.rater == rater and not (line.revealed or line.undone))
        return next((line.file for line in answers if _not_undone(of_clip[line.file, rater])), "")

    def answer(self, given: Correction, version: int) -> tuple[Correction, int]:
        """Append an answer of a rater who saw `version` of the clip; return it as written, and the new version.

        The answer is marked as blind only if the rater had not seen the detector's result for the clip before. Raises
        StaleAnswer, or UsageError if it cannot be written.
        """
        with self._mutex, locked(self.path):
            self._check(given.file, given.rater, version)
            blind = given.blind and not self.has_seen_verdict(given.file, given.rater)
            return self._append(replace(given, blind=blind))

    def undo(self, file: str, rater: str, version: int) -> tuple[Correction, int]:
        """Undo the last answer to a clip, so that the one before it counts again; as `answer`."""
        with self._mutex, locked(self.path):
            self._check(file, rater, version)
            answers = _not_undone(self._of_clip.get((file, rater), []))
            if not answers:
                raise UsageError(f"{file}: there is no answer to undo")
            before = answers[-2] if len(answers) > 1 else replace(answers[-1], label="", onsets_s=())
            return self._append(replace(before, undone=True))

    def reveal(self, file: str, rater: str) -> tuple[Correction, int]:
        """Note that the rater now sees the detector's result for an answered clip; as `answer`."""
        with self._mutex, locked(self.path):
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
        missing = [column for column in COLUMNS if column not in self._log.columns]
        columns = self._log.columns + missing  # a new file, one with fewer columns, or one with a damaged header
        row = corrections.row(line)
        cells = [row.get(column, "") for column in columns]
        append(self.path, csv_lines([columns, cells] if missing else [cells]))
        of_clip = self._lines()
        self._report_damage()
        return line, len(of_clip[line.file, line.rater])

    def _lines(self) -> dict[tuple[str, str], list[Correction]]:
        """The lines of each clip and rater; the file is read again if its size or time of change differ."""
        with self._mutex:
            try:
                about = self.path.stat()
                state = (about.st_size, about.st_mtime_ns)
            except OSError:
                state = (0, 0)
            if state != self._state:
                self._log, self._of_clip, self._state = corrections.load(self.path), {}, state
                for line in self._log.answers:
                    self._of_clip.setdefault((line.file, line.rater), []).append(line)
            return self._of_clip

    def _report_damage(self) -> None:
        """Copy damaged lines and warn of them; the caller holds the lock, so no line is half-written by another."""
        damaged = self._log.damaged
        if damaged:
            corrections.warn_of_damage(self.path, damaged, corrections.set_aside(self.path, damaged))


def _not_undone(lines: list[Correction]) -> list[Correction]:
    """The answers among the lines of one clip and rater that are not undone, oldest first."""
    answers: list[Correction] = []
    for line in lines:
        if line.undone:
            answers = answers[:-1]
        elif not line.revealed:
            answers.append(line)
    return answers
