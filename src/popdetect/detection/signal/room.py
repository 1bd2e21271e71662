"""The sound of a room: its level, clipping, mains hum, and whether a microphone gives any sound.

Levels are in dB of full scale, of the loudest channel.
"""

from __future__ import annotations

import numpy as np

from popdetect.detection.audio.arrays import Samples
from popdetect.detection.audio.silence import SilenceCheck
from popdetect.detection.signal.quality import CLIPPED_FROM
from popdetect.records import Room

LOWEST_DB = -120.0
_PIECE_S = 0.05
_HUM_BELOW_HZ = 1000.0
_HUM_SHARE = 0.5  # of the power from 30 Hz to 1 kHz


def measure_room(samples: Samples, rate_hz: int) -> Room:
    """Measure a sound of shape (n, channels), which should have no thrust in it."""
    silence = SilenceCheck()
    silence.add(samples)
    size = max(1, min(len(samples), round(_PIECE_S * rate_hz)))
    pieces = samples[: len(samples) // size * size].reshape(-1, size, samples.shape[1])
    level = np.median(np.sqrt(np.square(pieces).mean(axis=1)).max(axis=1)) if pieces.size else 0.0
    peak = float(np.abs(samples).max(initial=0))
    full = np.abs(samples) >= CLIPPED_FROM
    return Room(
        duration_s=len(samples) / rate_hz,
        level_dbfs=to_dbfs(float(level)),
        peak_dbfs=to_dbfs(peak),
        is_clipped=int((full[1:] & full[:-1]).sum()) >= 3,
        hum_hz=_hum(samples, rate_hz),
        problem=silence.reason,
    )


def to_dbfs(amplitude: float) -> float:
    """Level of an amplitude, full scale 1, in dB; at least -120."""
    return max(LOWEST_DB, 20 * float(np.log10(max(amplitude, 1e-12))))


def _hum(samples: Samples, rate_hz: int) -> int:
    """50 or 60 if the harmonics of this frequency have most of the power below 1 kHz, else 0."""
    if len(samples) < rate_hz // 2:
        return 0
    taper = np.hanning(len(samples))[:, None]
    power = np.square(np.abs(np.fft.rfft((samples - samples.mean(axis=0)) * taper, axis=0))).sum(axis=1)
    bins_hz = np.arange(len(power)) * (rate_hz / len(samples))
    band = (bins_hz >= 30) & (bins_hz < _HUM_BELOW_HZ)
    width_hz = max(1.0, 2.5 * rate_hz / len(samples))
    for mains_hz in (50, 60):
        off_hz = np.abs(bins_hz - mains_hz * np.maximum(np.round(bins_hz / mains_hz), 1))
        if power[band & (off_hz <= width_hz)].sum() > _HUM_SHARE * power[band].sum() > 0:
            return mains_hz
    return 0
