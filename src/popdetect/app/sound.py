"""The sound and the spectrogram of a clip, in a form that browsers can use.

The page always gets a 16-bit wav of at most two channels and 96 kHz, because browsers do not play aiff, and some do not
play 24 bits. The level is not changed, except that sound beyond full scale (±1) is scaled down to full scale. The
spectrogram is an array of bytes of shape (moments, frequency bins): 255 is its maximum, 0 is 70 dB or more below.
"""

from __future__ import annotations

import io
import threading
import wave
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True, slots=True)
class ClipSound:
    """The sound of one clip for the page.

    Attributes
    ----------
    wav : bytes
        16-bit PCM.
    levels : bytes
        Spectrogram, `n_columns` moments of `n_bins` bytes each.
    n_columns, n_bins : int
    first_s, hop_s : float
        The middle of the first window, and the step from one window to the next.
    top_hz : float
        Upper edge of the last bin.
    """

    wav: bytes
    levels: bytes
    n_columns: int
    n_bins: int
    first_s: float
    hop_s: float
    top_hz: float


class SoundCache:
    """Decodes clips and keeps the last few; safe for several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, int], ClipSound] = OrderedDict()
        self._mutex = threading.Lock()

    def get(self, path: Path) -> ClipSound:
        """Decode a clip, or return it from memory.

        Raises
        ------
        AudioError
        """
        try:
            key = (path, path.stat().st_mtime_ns)
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror or error}") from error
        with self._mutex:  # the page asks for sound and spectrogram at the same time: decode once
            if key not in self._kept:
                self._kept[key] = decode(path)
                while len(self._kept) > _N_CACHED:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


def decode(path: Path) -> ClipSound:
    """Decode a recording and compute its spectrogram.

    Raises
    ------
    AudioError
    """
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
    peak = float(np.abs(samples).max())
    if peak > 1:
        samples = samples / peak
    mono = samples.mean(axis=1)
    levels, hop, window, top_hz = spectrogram(mono.astype(np.float32), rate_hz)
    return ClipSound(
        wav=wav_bytes(samples, rate_hz),
        levels=levels.tobytes(),
        n_columns=levels.shape[0],
        n_bins=levels.shape[1],
        first_s=window / 2 / rate_hz,
        hop_s=hop / rate_hz,
        top_hz=top_hz,
    )


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
    whole = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(samples.shape[1])
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(whole.tobytes())
    return out.getvalue()
