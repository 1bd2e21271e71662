"""The sound and the spectrogram of a clip, in a form that browsers can use.

The page always gets a 16-bit wav of at most two channels and 96 kHz, because browsers do not play aiff, and some do not
play 24 bits. The level is not changed, except that sound beyond full scale (±1) is scaled down to full scale. The
spectrogram is an array of bytes of shape (moments, frequency bins): 255 is its maximum, 0 is 70 dB or more below.
"""

from __future__ import annotations

import io
import threading
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio import recording as audio
from popdetect.errors import Unreadable

MAX_DURATION_S = 600.0
MAX_RATE_HZ = 96_000
TOP_HZ = 12_000.0
RANGE_DB = 70.0
WINDOW_MS = 5.0
MAX_COLUMNS = 6000  # moments of a spectrogram: one per millisecond, for six seconds
_N_CACHED = 6  # clips in memory: the one on the page, the next ones, and those before


class ClipSound(NamedTuple):
    """The sound of one clip for the page.

    `wav` is 16-bit PCM. `levels` is the spectrogram, described by `about`: it has ``columns`` moments of ``bins`` bytes
    each; ``first_s`` is the middle of the first window, ``hop_s`` the step to the next; the last bin ends at
    ``top_hz``.
    """

    wav: bytes
    levels: bytes
    about: dict[str, float]


class SoundCache:
    """Decodes clips and keeps the last few; safe for several threads."""

    def __init__(self) -> None:
        self._decode = lru_cache(_N_CACHED)(lambda path, mtime_ns: decode(path))
        self._mutex = threading.Lock()

    def get(self, path: Path) -> ClipSound:
        """Decode a clip, or return it from memory if it is unchanged; raises AudioError."""
        try:
            mtime_ns = path.stat().st_mtime_ns
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror or error}") from error
        with self._mutex:  # the page asks for sound and spectrogram at the same time: decode once
            return self._decode(path, mtime_ns)


def decode(path: Path) -> ClipSound:
    """Decode a recording and compute its spectrogram; raises AudioError."""
    recording = audio.Recording(path)
    blocks = []
    for block in recording:
        blocks.append(block)
        if recording.duration_s > MAX_DURATION_S:
            recording.close()
            raise Unreadable(f"longer than {MAX_DURATION_S / 60:.0f} minutes; cut it into clips to review it")
    samples, rate_hz = np.concatenate(blocks), recording.rate_hz
    if samples.shape[1] > 2:
        samples = samples.mean(axis=1, keepdims=True)
    step = -(-rate_hz // MAX_RATE_HZ)
    if step > 1:
        whole = samples[: len(samples) // step * step]
        samples, rate_hz = whole.reshape(-1, step, samples.shape[1]).mean(axis=1), rate_hz // step
    samples = samples / max(1.0, float(np.abs(samples).max()))
    levels, hop, window, top_hz = spectrogram(samples.mean(axis=1).astype(np.float32), rate_hz)
    about = {"columns": levels.shape[0], "bins": levels.shape[1], "first_s": window / 2 / rate_hz}
    return ClipSound(wav_bytes(samples, rate_hz), levels.tobytes(), about | {"hop_s": hop / rate_hz, "top_hz": top_hz})


def spectrogram(mono: npt.NDArray[np.float32], rate_hz: int) -> tuple[npt.NDArray[np.uint8], int, int, float]:
    """Return levels of shape (n_moments, n_bins), hop and window in samples, and the upper edge in Hz."""
    window = min(len(mono), max(16, round(WINDOW_MS * rate_hz / 1000)))
    hop = max(1, rate_hz // 1000, -(-len(mono) // MAX_COLUMNS))
    size = 1 << (max(window, rate_hz // 94) - 1).bit_length()
    n_bins = min(size // 2, round(TOP_HZ / rate_hz * size))
    frames = np.lib.stride_tricks.sliding_window_view(mono, window)[::hop]
    hann = np.hanning(window + 2)[1:-1].astype(np.float32)
    level = np.empty((len(frames), n_bins), np.float32)
    for begin in range(0, len(frames), 1000):  # in parts: long clips need no more memory
        part = np.fft.rfft(frames[begin : begin + 1000] * hann, size, axis=1)[:, :n_bins]
        level[begin : begin + 1000] = 20 * np.log10(np.abs(part) + 1e-9)
    scaled = (level - (level.max() - RANGE_DB)) * (255 / RANGE_DB)
    return np.clip(scaled, 0, 255).astype(np.uint8), hop, window, n_bins * rate_hz / size


def wav_bytes(samples: npt.NDArray[np.floating], rate_hz: int) -> bytes:
    """Render a 16-bit wav, samples of shape (n, channels), full scale ±1."""
    out = io.BytesIO()
    audio.write_wav(out, np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16), rate_hz)
    return out.getvalue()
