"""Files to samples: the one door to soundfile.

Decides whether a file is a recording that can be judged. Samples are float32 of shape (n_samples, n_channels),
full scale ±1, at the file's own rate: nothing is resampled, mixed or normalised here.

A file that is shorter than its header promises, which `containers` tells, is not judged: half a clip may have lost its
pops.
"""

from __future__ import annotations

import io
import math
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

from popdetect.detection.audio.containers import Guarded, promise
from popdetect.detection.audio.interrupts import held_back
from popdetect.errors import AudioError, Empty, NotFinite, TooShort, Truncated, Unreadable

Samples = npt.NDArray[np.float32]

EXTENSIONS = frozenset({".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc"})
MIN_RATE_HZ = 8_000
MAX_RATE_HZ = 192_000
MIN_DURATION_S = 0.010  # a pop and a few milliseconds around it
_STEP_16 = np.float32(2.0**-15)
BLOCK_S = 20.0  # decoded at once: whole short clips, and flat memory on long files

_NO_END = 2**62  # what libsndfile says of a length that is not known


class Recording:
    """An open recording; iterate it once for its blocks.

    Parameters
    ----------
    source : path or binary file object
        A file object must be seekable; wrap standard input in `io.BytesIO`.

    Attributes
    ----------
    rate_hz : int, 8000 to 192000
    channels : int ≥ 1
    peak : float
        Greatest magnitude in the latest block.

    Raises
    ------
    AudioError
        One of its children, on opening or while iterating; the message is one line for a person.
    """

    def __init__(self, source: str | os.PathLike[str] | BinaryIO) -> None:
        handle = _open(source)
        try:
            said = promise(handle)
            if said.present == 0:
                raise Empty("the file is empty (0 bytes); the recorder probably never wrote to it")
            if said.missing and not said.promised:
                raise Truncated("cut off: the end of the stream is missing; copy the file again from the recorder")
            if 0 < said.missing < said.promised:
                raise Truncated(
                    f"cut off: its header promises {said.promised} bytes of sound, "
                    f"{said.promised - said.missing} are there; copy the file again from the recorder"
                )
            handle.seek(0)
            self._file = _decoder(handle, said.unset_at)
            self.rate_hz = int(self._file.samplerate)
            self.channels = int(self._file.channels)
            if not MIN_RATE_HZ <= self.rate_hz <= MAX_RATE_HZ:
                raise Unreadable(f"sample rate {self.rate_hz} Hz; {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz can be judged")
            if self._file.frames == 0 or said.missing:
                raise Empty("a header but no samples; the recorder was probably stopped before it wrote any")
        except BaseException:
            handle.close()
            raise
        self._handle = handle
        self._frames = int(self._file.frames)
        self.n_samples = 0
        self.peak = 0.0

    def __iter__(self) -> Iterator[Samples]:
        """Yield blocks of shape (n, channels), float32, until the end; checks them as they pass."""
        block_size = int(BLOCK_S * self.rate_hz)
        silent = True
        try:
            while True:
                try:
                    with held_back():
                        block, high, low = self._read(block_size)
                except soundfile.LibsndfileError as error:
                    if self._frames >= _NO_END:
                        raise Unreadable("a flac that does not say how long it is; convert it to wav") from error
                    # an error throws away the block before it: where it stopped cannot be told
                    raise Truncated(
                        f"cut short, or damaged inside: its header promises {self._frames / self.rate_hz:.2f} s, "
                        "and decoding stops before that; copy the file again from the recorder"
                    ) from error
                if not len(block):
                    break
                self.n_samples += len(block)
                # one NaN makes the extremes so, and Inf is one: two quick passes, and no array of booleans
                if not (math.isfinite(high) and math.isfinite(low)):
                    bad = int((~np.isfinite(block)).sum())
                    raise NotFinite(f"{bad} samples are not numbers (NaN or infinite); export the recording again")
                silent = silent and high == low == 0.0
                self.peak = max(high, -low)
                yield block
                if len(block) < block_size:
                    break
        finally:
            self.close()
        if self.n_samples < self._frames * 0.99 and self._file.format in ("FLAC", "OGG"):
            raise Truncated(f"cut off: its header promises {self._frames} samples, {self.n_samples} could be decoded")
        if self.n_samples < MIN_DURATION_S * self.rate_hz:
            raise TooShort(
                f"{self.n_samples} samples ({1000 * self.n_samples / self.rate_hz:.2f} ms); "
                f"at least {1000 * MIN_DURATION_S:.0f} ms ({math.ceil(MIN_DURATION_S * self.rate_hz)}) are needed"
            )
        if silent:
            # not "no pop": a dead microphone would fill a study with them
            raise Empty("digital silence from start to end; the microphone was probably not connected, or muted")

    def _read(self, size: int) -> tuple[Samples, float, float]:
        """The next samples, and the greatest and the least of them."""
        if self._file.subtype != "PCM_16":
            block = self._file.read(size, dtype="float32", always_2d=True)
            return (block, float(block.max()), float(block.min())) if len(block) else (block, 0.0, 0.0)
        # the same numbers to the bit as when libsndfile makes them floats, in a third of the time
        whole = self._file.read(size, dtype="int16", always_2d=True)
        block = np.multiply(whole, _STEP_16, dtype=np.float32)
        if not len(whole):
            return block, 0.0, 0.0
        return block, float(whole.max()) * float(_STEP_16), float(whole.min()) * float(_STEP_16)

    @property
    def duration_s(self) -> float:
        """Seconds decoded so far; the whole length once iterated."""
        return self.n_samples / self.rate_hz

    def close(self) -> None:
        """Let go of the file; harmless when done twice."""
        self._file.close()
        self._handle.close()


def read(source: str | os.PathLike[str] | BinaryIO) -> tuple[Samples, int]:
    """Read a whole recording.

    Returns
    -------
    samples : ndarray of float32, shape (n_samples, n_channels)
    rate_hz : int

    Raises
    ------
    AudioError
    """
    recording = Recording(source)
    blocks = list(recording)
    return (blocks[0] if len(blocks) == 1 else np.concatenate(blocks)), recording.rate_hz


def write_wav(target: str | os.PathLike[str], samples: npt.NDArray[np.floating], rate_hz: int) -> None:
    """Write a 16-bit wav; `samples` of shape (n,) or (n, channels), full scale ±1."""
    soundfile.write(os.fspath(target), samples, rate_hz, subtype="PCM_16", format="WAV")


def _open(source: str | os.PathLike[str] | BinaryIO) -> BinaryIO:
    if not isinstance(source, str | os.PathLike):
        return source
    try:
        mode = os.stat(source).st_mode  # noqa: PTH116  # a thousand times a second, Path is felt
        if stat.S_ISDIR(mode):
            raise Unreadable("this is a folder, not a recording; `popdetect label` takes folders")
        if not stat.S_ISREG(mode):  # opening a pipe waits for someone to write to it
            raise Unreadable("not a regular file (a pipe, a device or a socket); `popdetect classify -` reads a pipe")
        # unbuffered: libsndfile reads on from where we stand
        return open(source, "rb", buffering=0)  # noqa: PTH123  # closed by whoever asked
    except Unreadable:
        raise
    except FileNotFoundError:
        raise Unreadable("no such file; check the name and the folder") from None
    except PermissionError:
        raise Unreadable("no permission to read it; check the file's owner and rights") from None
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be opened: {getattr(error, 'strerror', None) or error}") from error


def _decoder(handle: BinaryIO, unset_at: int) -> soundfile.SoundFile:
    """Libsndfile on the file's own descriptor where there is one: ten times fewer calls than through Python."""
    try:
        descriptor = handle.fileno()
    except (AttributeError, OSError, io.UnsupportedOperation):
        descriptor = None
    try:
        if descriptor is not None and os.name != "nt" and not unset_at:
            return soundfile.SoundFile(descriptor, closefd=False)
        with held_back():
            return soundfile.SoundFile(Guarded(handle, unset_at))
    except (soundfile.SoundFileError, TypeError) as error:
        raise _unreadable(handle, error) from error


def _unreadable(handle: BinaryIO, error: Exception) -> AudioError:
    handle.seek(0)
    head = handle.read(64)
    if head[4:8] == b"ftyp":
        return Unreadable("m4a/AAC is not supported; export it as wav, or set the phone to record wav")
    if head[:4] in (b"RIFF", b"RIFX", b"FORM", b"fLaC", b"OggS"):
        return Unreadable(f"a damaged {head[:4].decode('ascii')} file: {_say(error)}")
    if head and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head):
        return Unreadable("this is text, not audio, whatever its name says")
    return Unreadable(f"not a recording that can be decoded (wav, flac, ogg, mp3 and aiff can): {_say(error)}")


def _say(error: Exception) -> str:
    text = str(getattr(error, "error_string", "") or "the decoder gives no reason")
    return " ".join(text.split()).rstrip(".")
