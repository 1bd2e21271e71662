"""A clip's sound and spectrogram, as a browser takes them.

Whatever the recording's format, the page gets a 16-bit wav of at most two channels and 96 kHz: browsers do not play
aiff, and not everywhere 24 bits. The level is left alone, but for sound beyond full scale, which is scaled down to it.
The spectrogram is a matrix of bytes, a row for each moment, over 70 dB below its own maximum.
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
from popdetect.errors import AudioError, Unreadable

LONGEST_S = 600.0
TOP_RATE_HZ = 96_000
TOP_HZ = 12_000.0
RANGE_DB = 70.0
WINDOW_MS = 5.0
MOST_COLUMNS = 6000  # moments of a spectrogram: each millisecond of six seconds
_KEPT = 6  # clips in memory: the one on the page, the next, and those just heard


@dataclass(frozen=True, slots=True)
class Heard:
    """One clip, ready for the page.

    Attributes
    ----------
    wav : bytes
        16-bit PCM.
    levels : bytes
        Spectrogram, `n_columns` rows (moments) of `n_bins` bytes; 0 is 70 dB below 255.
    n_columns, n_bins : int
    first_s, hop_s : float
        The middle of the first window, and the step between windows.
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


class Sounds:
    """Decodes clips, and keeps the last few; fit for several threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, int], Heard] = OrderedDict()
        self._mutex = threading.Lock()

    def of(self, path: Path) -> Heard:
        """Decode a clip.

        Raises
        ------
        AudioError
        """
        try:
            key = (path, path.stat().st_mtime_ns)
        except OSError as error:
            raise Unreadable(f"cannot be read: {error.strerror or error}") from error
        with self._mutex:  # one at a time: sound and spectrogram of a clip are asked for at once
            if key not in self._kept:
                self._kept[key] = hear(path)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


def hear(path: Path) -> Heard:
    """Decode a recording, and make its spectrogram.

    Raises
    ------
    AudioError
    """
    recording = audio.Recording(path)
    blocks = []
    for block in recording:
        blocks.append(block)
        if recording.duration_s > LONGEST_S:
            recording.close()
            raise _too_long()
    samples, rate_hz = np.concatenate(blocks), recording.rate_hz
    if samples.shape[1] > 2:
        samples = samples.mean(axis=1, keepdims=True)
    step = -(-rate_hz // TOP_RATE_HZ)
    if step > 1:
        whole = samples[: len(samples) // step * step]
        samples, rate_hz = whole.reshape(-1, step, samples.shape[1]).mean(axis=1), rate_hz // step
    peak = float(np.abs(samples).max())
    if peak > 1:
        samples = samples / peak
    mono = samples.mean(axis=1)
    levels, hop, window, top_hz = spectrogram(mono.astype(np.float32), rate_hz)
    return Heard(
        wav=wav_bytes(samples, rate_hz),
        levels=levels.tobytes(),
        n_columns=levels.shape[0],
        n_bins=levels.shape[1],
        first_s=window / 2 / rate_hz,
        hop_s=hop / rate_hz,
        top_hz=top_hz,
    )


def spectrogram(mono: npt.NDArray[np.float32], rate_hz: int) -> tuple[npt.NDArray[np.uint8], int, int, float]:
    """Levels of shape (n_moments, n_bins), the hop and the window in samples, and the top in Hz."""
    window = min(len(mono), max(16, round(WINDOW_MS * rate_hz / 1000)))
    hop = max(1, rate_hz // 1000, -(-len(mono) // MOST_COLUMNS))
    size = 1 << (max(window, rate_hz // 94) - 1).bit_length()
    n_bins = min(size // 2, round(TOP_HZ / rate_hz * size))
    frames = np.lib.stride_tricks.sliding_window_view(mono, window)[::hop]
    hann = np.hanning(window + 2)[1:-1].astype(np.float32)
    level = np.empty((len(frames), n_bins), np.float32)
    for begin in range(0, len(frames), 1000):  # flat memory on long clips
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


def _too_long() -> AudioError:
    return Unreadable(f"longer than {LONGEST_S / 60:.0f} minutes; cut it into clips to review it")
