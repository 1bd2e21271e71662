"""Clips around the thrusts of one sound, cut while it is processed: a session folder, ready to be labelled.

A clip has the thrust and 1 s on each side. Between two thrusts that are closer, the clips meet in the middle, so each
pop is in one clip only. The table ``thrusts.csv`` says where each clip was. Times are in seconds from the start of the
sound.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from popdetect.detection.audio.recording import Samples, write_wav
from popdetect.errors import UsageError
from popdetect.records import Burst
from popdetect.session.files import append, make_folder, unwritable, write_files
from popdetect.session.tables import csv_lines

TABLE = "thrusts.csv"
COLUMNS = ("file", "clip_start_s", "start_s", "end_s", "n_pops", "p_pop")
MARGIN_S = 1.0
# A burst is reported up to 1.5 s after its last pop. So much sound must follow a clip before the clip is written, so
# that the next thrust is known
_SETTLED_S = 2.0
_KEPT_S = 10.0  # of sound before the block that is added: a thrust and its margin


class ThrustClips:
    """Writes a clip for each burst.

    Parameters
    ----------
    folder : path
        It may exist if it is empty.
    rate_hz : int

    Raises
    ------
    UsageError
        If the folder has files in it, or cannot be made.
    """

    def __init__(self, folder: Path, rate_hz: int) -> None:
        try:
            is_used = folder.exists() and any(folder.iterdir())
        except OSError as error:
            raise unwritable(folder, error) from error
        if is_used:
            raise UsageError(f"{folder}: the folder is not empty; name a new folder for the clips of the thrusts")
        make_folder(folder)
        self.folder = folder
        self.files: list[str] = []  # of the clips so far
        self._rate_hz = rate_hz
        self._blocks: deque[Samples] = deque()  # the latest sound
        self._first = self._n_samples = 0  # where they begin and end, in samples
        self._waiting: list[Burst] = []
        self._last_end_s = -np.inf  # of the thrust before the first one that waits

    def add(self, block: Samples, found: Sequence[Burst]) -> None:
        """Add the next samples, shape (n, channels), and the bursts that have become final with them, in time order.

        The array is kept; it must not change afterwards.
        """
        oldest = self._n_samples - int(_KEPT_S * self._rate_hz)
        if self._waiting:
            oldest = min(oldest, int((self._waiting[0].start_s - MARGIN_S) * self._rate_hz))
        while self._blocks and self._first + len(self._blocks[0]) <= oldest:
            self._first += len(self._blocks.popleft())
        self._blocks.append(block)
        self._n_samples += len(block)
        self._waiting += found
        self._write_settled()

    def finish(self, found: Sequence[Burst] = ()) -> None:
        """Write the clips that wait for sound after them, after adding the last bursts."""
        self._waiting += found
        self._write_settled(at_the_end=True)

    def _write_settled(self, *, at_the_end: bool = False) -> None:
        known_s = self._n_samples / self._rate_hz
        while self._waiting and (at_the_end or self._waiting[0].end_s + MARGIN_S + _SETTLED_S <= known_s):
            burst = self._waiting.pop(0)
            next_s = self._waiting[0].start_s if self._waiting else np.inf
            start_s = max(burst.start_s - MARGIN_S, (self._last_end_s + burst.start_s) / 2)
            end_s = min(burst.end_s + MARGIN_S, (burst.end_s + next_s) / 2)
            self._last_end_s = burst.end_s
            self._write(burst, start_s, end_s)

    def _write(self, burst: Burst, start_s: float, end_s: float) -> None:
        start = max(round(start_s * self._rate_hz), self._first)
        wav = io.BytesIO()
        samples = np.concatenate(self._blocks)[start - self._first : round(end_s * self._rate_hz) - self._first]
        write_wav(wav, samples, self._rate_hz)
        name = f"thrust_{len(self.files) + 1:03d}.wav"
        write_files({self.folder / name: wav.getvalue()}, durable=False)
        times = (start / self._rate_hz, burst.start_s, burst.end_s)
        row = [name, *(f"{time:.5f}" for time in times), str(burst.n_pops), f"{burst.p_pop:.4f}"]
        header = [] if self.files else [list(COLUMNS)]
        append(self.folder / TABLE, csv_lines([*header, row]), durable=False)
        self.files.append(name)
