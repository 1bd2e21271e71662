"""What a person should know of a recording before trusting the verdict."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.recording import Samples
from popdetect.detection.signal.speech import is_speech

LONG_FROM_S = 30.0  # the probability of a clip is calibrated on clips of about 3 s
CLIPPED_FROM = 0.999  # of full scale, at two samples in a row
QUIET_BELOW_DB = -50.0  # of full scale: a hundred steps of 16 bits


class Quality:
    """Flags of one recording, gathered block by block."""

    def __init__(self) -> None:
        self._peak = 0.0
        self._n_clipped = 0
        self._last_full: npt.NDArray[np.bool_] | None = None  # the latest sample, where it was at full scale

    def hear(self, block: Samples, peak: float | None = None) -> None:
        """Look at a block, whose greatest magnitude may be known."""
        if not len(block):
            return
        if peak is None:
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

    def flags(self, duration_s: float, voice_s: float, *, outside: bool) -> tuple[str, ...]:
        """What a person should know, in this order; nothing, most of the time.

        ``clipped``: louder than the recorder could take. ``quiet``: hardly louder than its steps. ``speech``: somebody
        spoke, or something swings as a voice does. ``outside``: the likeliest sound is unlike all learned from.
        ``long``: far longer than the clips that the probability was calibrated on.

        Parameters
        ----------
        duration_s, voice_s : float
            Of the recording, and of a voice in it.
        outside : bool
        """
        flags = []
        if self._n_clipped >= 3:
            flags.append("clipped")
        if self._peak < 10 ** (QUIET_BELOW_DB / 20):
            flags.append("quiet")
        if is_speech(voice_s, duration_s):
            flags.append("speech")
        if outside:
            flags.append("outside")
        if duration_s > LONG_FROM_S:
            flags.append("long")
        return tuple(flags)
