"""Quality flags of a recording: what a person should know before trusting its label."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.arrays import Samples
from popdetect.detection.signal.speech import is_speech

LONG_FROM_S = 30.0  # s; the probability of a clip is calibrated on clips of about 3 s
CLIPPED_FROM = 0.999  # of full scale, at two samples in a row
QUIET_BELOW_DB = -50.0  # of full scale: a hundred steps of 16 bits


class Quality:
    """Flags of one recording, collected block by block."""

    def __init__(self) -> None:
        self._peak = 0.0
        self._n_clipped = 0
        self._last_full: npt.NDArray[np.bool_] | None = None  # which channels of the latest sample were at full scale

    def add(self, block: Samples) -> None:
        """Process the next block, shape (n, channels)."""
        if not len(block):
            return
        peak = max(float(block.max()), -float(block.min()))
        self._peak = max(self._peak, peak)
        if peak >= CLIPPED_FROM:
            full = np.abs(block) >= CLIPPED_FROM
            self._n_clipped += int((full[1:] & full[:-1]).sum())
            if self._last_full is not None:
                self._n_clipped += int((full[0] & self._last_full).sum())
            self._last_full = full[-1]
        else:
            self._last_full = None

    def flags(self, duration_s: float, voice_s: float, *, outside: bool, dropout: bool = False) -> tuple[str, ...]:
        """The flags, in this order; for most recordings none.

        ``clipped``: louder than the recorder can store. ``quiet``: only a little above the steps of 16 bits.
        ``speech``: somebody spoke, or a sound swings like a voice. ``outside``: the likeliest sound is out of
        distribution. ``long``: far longer than the clips that the probability was calibrated on. ``dropout``:
        the sound breaks off, and nothing is recorded for a while; see `signal.dropouts`.
        """
        flags = {
            "clipped": self._n_clipped >= 3,
            "quiet": self._peak < 10 ** (QUIET_BELOW_DB / 20),
            "speech": is_speech(voice_s, duration_s),
            "outside": outside,
            "long": duration_s > LONG_FROM_S,
            "dropout": dropout,
        }
        return tuple(name for name, is_set in flags.items() if is_set)
