"""What phones, messengers and cameras record: AAC, Opus, AMR, ... in m4a, mp4, mov, 3gp, webm, mkv, wma and others.

The only module that imports PyAV (the extra ``phone``), and only when such a file is opened. Samples are float32 of
shape (n_samples, n_channels), at the sample rate of the sound track, full scale ±1. Delays are in samples, times in
seconds.

An encoder puts a delay before the sound. Where the file says by how much (the edit list of mp4 and mov, iTunSMPB, the
codec delay of webm and mkv, the pre-skip of Opus), that is taken out. Where it does not say, the usual delay of its
encoder is taken out; if that encoder is not known, the file has the flag ``delay_unknown``.
"""

from __future__ import annotations

import math
import os
import re
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from popdetect.detection.audio.arrays import MAX_CHANNELS, Samples, as_float
from popdetect.detection.audio.interrupts import defer_interrupts
from popdetect.detection.audio.view import DELAY_UNKNOWN, TRUNCATED, read_at
from popdetect.errors import AudioError, Empty, Truncated, Unreadable, Unsupported, missing_extra

if TYPE_CHECKING:
    import av

_ISO = "m4a, mp4, mov or 3gp"
_MATROSKA = "webm or mkv"
_MAGIC = (  # how a file begins, and what it is then
    (rb".{4}ftyp|.{4}(?:moov|mdat|wide|pnot)|.{4}(?:free|skip).{0,256}?(?:moov|mdat)", _ISO),
    (rb"\x1a\x45\xdf\xa3", _MATROSKA),
    (rb"#!AMR(?:-WB)?\n", "amr"),
    (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "wma or wmv"),
    (rb"RIFF.{4}AVI ", "avi"),
    (rb"FLV\x01", "flv"),
    (rb"\x00\x00\x01\xba", "mpg"),
    (rb"caff.{24}(?:aac[ ehlps]|paac|opus|\.mp[123]|amrn)", "caf"),  # libsndfile reads the others
    (rb"(?:.{4})?\x47.{187}(?:.{4})?\x47.{187}", "mts or ts"),
)
# the readers of FFmpeg that may be used: no playlists, which could open other files or the network
_READERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,amr,asf,asf_o,avi,flv,mpeg,mpegts,aac,loas,caf"
_LATEST_S = 3600.0  # a longer gap in the time stamps is a mistake of the writer
_JITTER_S = 0.010  # time stamps are rounded to 1 ms in webm, and some writers take them from a clock
_SEARCH = 4096
_INDEX = 2**20  # bytes of the index (moov) of an mp4 that are searched; its descriptions of tracks are small


class _Delay(NamedTuple):
    """What a codec puts before the sound if the file does not say, at the rate of the sound."""

    samples: int
    written_by: tuple[bytes, ...] = ()  # encoders known to have it, as they name themselves in the first packet
    is_fixed: bool = False  # the codec itself has this delay, whatever the encoder


# FFmpeg takes out by itself what Vorbis, lossless and uncompressed sound need
_DELAYS = {
    "aac": _Delay(1024, (b"Lavc",)),  # the least that AAC needs; Apple and Fraunhofer encoders have 1600 to 2112
    "mp3": _Delay(1105, (b"LAME", b"Lavc")),  # 576 by the encoder and 529 by the decoder
    "mp2": _Delay(481, is_fixed=True),  # the filter bank
    "ac3": _Delay(256, is_fixed=True),  # half a window
    "eac3": _Delay(256, is_fixed=True),
    "opus": _Delay(312),
    "amrnb": _Delay(40, is_fixed=True),  # the 5 ms that the encoder looks ahead
    "wmav1": _Delay(0),
    "wmav2": _Delay(0),
}
_ANDROID_AAC = 1600  # the AAC encoder of Android: 1024 for the overlap of blocks, 576 to look ahead


def format_name(handle: BinaryIO) -> str:
    """Name the format of a file that only FFmpeg decodes, by its content; empty for all others."""
    try:
        head = read_at(handle, 0, 512)
    except (OSError, ValueError):
        return ""
    for pattern, name in _MAGIC:
        if re.match(pattern, head, re.DOTALL):
            return name
    if head[:3] == b"ID3" and len(head) > 10:  # a tag before the sound, as in mp3
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        head = read_at(handle, 10 + size, 7)
        size += 10
    else:
        size = 0
    n_bytes = _adts_bytes(head)
    return "aac" if n_bytes and (_adts_bytes(read_at(handle, size + n_bytes, 7)) or n_bytes > len(head) < 512) else ""


class PhoneFile:
    """The sound track of an open file, with the methods of `soundfile.SoundFile` that `Recording` uses.

    Parameters
    ----------
    handle : binary file object
        Is not closed.
    name : str
        What `format_name` returned.

    Raises
    ------
    Unsupported
        When PyAV is not installed.
    Unreadable, Truncated, Empty

    Attributes
    ----------
    samplerate, channels : int
    flags : tuple of str
        ``truncated`` and ``delay_unknown``.
    """

    frames = -1  # not known before the end
    subtype = format = ""

    def __init__(self, handle: BinaryIO, name: str) -> None:
        try:
            import av
        except ModuleNotFoundError as error:
            if missing := missing_extra(error, name):
                raise Unsupported(str(missing)) from None
            raise
        self._name = name
        self._errors = av.error.FFmpegError
        self.flags: tuple[str, ...] = (TRUNCATED,) if _is_cut(handle, name) else ()
        handle.seek(0)
        with defer_interrupts():
            try:
                # only what reading needs, so that PyAV does not close the file
                self._container = av.open(
                    _Reader(handle), mode="r", options={"format_whitelist": _READERS}, metadata_errors="replace"
                )
            except (self._errors, OSError, ValueError) as error:
                raise _unreadable(handle, name, error) from error
            try:
                if name == _ISO and _is_protected(handle):
                    raise Unreadable("protected by DRM, as music that was bought; only its own player decodes it")
                self._track = _sound_track(self._container, name)
                self._begin()
            except BaseException:
                self.close()
                raise

    def read(self, size: int, **_: object) -> Samples:
        """Return the next samples, at most `size`; fewer only at the end."""
        while self._waiting < size and (more := next(self._parts, None)) is not None:
            self._keep(more)
        taken: list[Samples] = []
        missing = size
        while missing and self._blocks:
            block = self._blocks.popleft()
            if len(block) > missing:
                self._blocks.appendleft(block[missing:])
                block = block[:missing]
            taken.append(block)
            missing -= len(block)
        self._waiting -= size - missing
        return np.concatenate(taken) if taken else np.empty((0, self.channels), np.float32)

    def close(self) -> None:
        """Release the decoder; may be called twice."""
        self._container.close()

    def _keep(self, block: Samples) -> None:
        self._blocks.append(block)
        self._waiting += len(block)

    def _begin(self) -> None:
        """Decode the first samples: only they tell the rate, which HE-AAC doubles, and whether there is any sound."""
        codec = self._track.codec_context
        self._codec = re.sub("float$|_latm$|_fixed$", "", codec.name)
        self._is_ours = self._codec in _DELAYS and not (self._codec[:3] == "wma" and not self._is_by_ffmpeg)
        if self._is_ours:  # FFmpeg counts the delay of Opus and of HE-AAC at a wrong rate
            codec.flags2 |= _SKIP_MANUAL
        self._blocks: deque[Samples] = deque()
        self._waiting = 0
        self._is_damaged = False
        self.samplerate = self.channels = 0
        self._parts = self._sound()
        if self._codec[:3] == "wma" and not self._is_by_ffmpeg and self._codec != "wmalossless":
            self.flags += (DELAY_UNKNOWN,)
        first = next(self._parts, None)
        if first is None:
            if self._is_damaged:
                raise Unreadable(f"a damaged {self._name} file: none of its sound can be decoded; copy it again")
            if self.flags:
                raise Truncated("cut off: no sound is left that can be decoded; copy the file again from the recorder")
            raise Empty("a sound track without samples; the recorder was probably stopped before it wrote any")
        self._keep(first)

    @property
    def _is_by_ffmpeg(self) -> bool:
        return str(self._container.metadata.get("encoder", "")).startswith("Lavf")

    def _packets(self) -> Iterator[Any]:
        """Packets of the sound track; one that cannot be read is the end, as in a file that was cut off."""
        packets = self._container.demux(self._track)
        while True:
            try:
                packet = next(packets, None)
            except self._errors as error:
                if isinstance(error, OSError) and error.errno and error.errno < 200 and not isinstance(error, EOFError):
                    raise Unreadable(f"cannot be read: {error.strerror or error}") from error
                self._note_loss()
                return
            if packet is None:
                return
            yield packet

    def _note_loss(self) -> None:
        self._is_damaged = True
        if TRUNCATED not in self.flags:
            self.flags += (TRUNCATED,)

    def _sound(self) -> Iterator[Samples]:
        """Samples from the first after the delay, at the times that the file says."""
        skip: float | None = None  # samples still to leave out; None before the first packet
        n_samples = 0  # since the first frame, with those left out
        origin_s: float | None = None  # time of the first frame
        expected_s = math.nan  # time of the next frame if there is no gap
        for packet in self._packets():
            begin, end = _stated_skip(packet) if self._is_ours else (0, 0)
            try:
                frames = packet.decode()
            except self._errors:
                self._note_loss()
                continue
            for frame in frames:
                block = self._floats(frame)
                if block is None:
                    self._note_loss()
                    continue
                time_s = math.nan if frame.pts is None else float(frame.pts * frame.time_base)
                if skip is None:
                    skip = self._delay(begin, packet, time_s, len(block)) if self._is_ours else 0
                elif begin:
                    skip += begin
                begin = 0
                if origin_s is None:
                    origin_s = time_s
                elif (missing := self._gap(time_s, expected_s, origin_s, n_samples)) > 0:
                    n_samples += missing
                    yield from self._silence(missing)
                expected_s = time_s + len(block) / self.samplerate
                n_samples += len(block)
                left_out = int(min(skip, len(block)))
                skip -= len(block) if packet.is_discard and self._is_ours else left_out
                skip = max(0, skip)
                if packet.is_discard and self._is_ours:
                    continue
                block = block[left_out : len(block) - min(end, len(block))]
                if len(block):
                    yield block

    def _floats(self, frame: av.AudioFrame) -> Samples | None:
        """The samples of a frame, shape (n, channels); None if they are none, as after damage to floats."""
        channels = len(frame.layout.channels)
        if not self.samplerate:
            self.samplerate, self.channels = frame.sample_rate, channels
            if channels > MAX_CHANNELS:
                raise Unreadable(f"{channels} channels; at most {MAX_CHANNELS} can be processed")
        if (frame.sample_rate, channels) != (self.samplerate, self.channels):
            raise Unreadable(
                f"the sound changes from {self.samplerate} Hz and {self.channels} channels to {frame.sample_rate} Hz "
                f"and {channels} channels inside the file; convert it to wav"
            )
        array = frame.to_ndarray()
        try:
            return as_float(array.T if frame.format.is_planar else array.reshape(-1, channels))
        except AudioError:
            return None

    def _delay(self, stated: int, packet: Any, time_s: float, n: int) -> int:
        """How many samples of delay there are before the sound."""
        rate_hz = self.samplerate
        delay = _DELAYS[self._codec]
        if self._codec == "opus":
            head = bytes(self._track.codec_context.extradata or b"")
            pre_skip = int.from_bytes(head[10:12], "little") if head[:8] == b"OpusHead" else 0
            stated = max(stated, pre_skip)
        elif self._codec == "amrnb":
            return delay.samples if stated <= 50 else stated  # FFmpeg states 50 for these 40
        elif stated and time_s < 0:
            # counted at half the rate if the sound is HE-AAC and the file does not say so
            stated *= max(1, round(-time_s * rate_hz / stated))
        if stated:
            return stated
        if self._codec[:3] == "wma":
            return n  # by FFmpeg's encoder: one frame
        start = bytes(packet)[:_SEARCH]
        if any(name in start for name in delay.written_by):
            return delay.samples
        if not delay.is_fixed:
            self.flags += (DELAY_UNKNOWN,)
        if self._codec == "aac" and "com.android.version" in self._container.metadata:
            return _ANDROID_AAC
        return delay.samples

    def _gap(self, time_s: float, expected_s: float, origin_s: float, n_samples: int) -> int:
        """How many samples are missing before a frame, by its time; 0 if the time is not known.

        A slow drift between the time stamps and the sound is no gap: sound is never cut or moved for it.
        """
        jump_s = min(time_s - expected_s, time_s - origin_s - n_samples / self.samplerate)
        return round(jump_s * self.samplerate) if _JITTER_S < jump_s < _LATEST_S else 0

    def _silence(self, n: int) -> Iterator[Samples]:
        for start in range(0, n, self.samplerate):
            yield np.zeros((min(self.samplerate, n - start), self.channels), np.float32)


_SKIP_MANUAL = 1 << 29  # AV_CODEC_FLAG2_SKIP_MANUAL


class _Reader:
    """A file object for PyAV."""

    def __init__(self, handle: BinaryIO) -> None:
        self.read, self.seek, self.tell = handle.read, handle.seek, handle.tell


def _adts_bytes(head: bytes) -> int:
    """Bytes of the AAC frame that begins with these bytes; 0 if it is none."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return 0
    return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5


def _stated_skip(packet: Any) -> tuple[int, int]:
    """How many samples to leave out at the begin and at the end of a packet, as the file says."""
    if not packet.has_sidedata("skip_samples"):
        return 0, 0
    data = bytes(packet.get_sidedata("skip_samples"))
    return int.from_bytes(data[:4], "little"), int.from_bytes(data[4:8], "little")


def _sound_track(container: av.container.InputContainer, name: str) -> Any:
    """The default sound track, or the first that can be decoded."""
    tracks = [track for track in container.streams if track.type == "audio"]
    best = container.streams.best("audio")
    for track in sorted(tracks, key=lambda track: track is not best):
        if track.codec_context is not None:
            return track
    if not tracks:
        what = "a video" if any(track.type == "video" for track in container.streams) else f"a file ({name})"
        raise Unreadable(f"{what} without a sound track; the microphone was probably off, or not allowed for the app")
    raise Unreadable(f"the sound track of this file ({name}) has a codec that cannot be decoded; export it as wav")


def _boxes(handle: BinaryIO) -> tuple[list[tuple[bytes, int]], bool]:
    """Names and positions of the outermost boxes of an mp4, and whether the last one ends behind the file."""
    present = handle.seek(0, os.SEEK_END)
    names: list[tuple[bytes, int]] = []
    position = 0
    while position + 8 <= present:
        head = read_at(handle, position, 16)
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        names.append((head[4:8], position))
        if not size:  # up to the end of the file
            return names, False
        if size < 8:
            break
        position += size
    return names, position > present


def _is_cut(handle: BinaryIO, name: str) -> bool:
    """Whether the outermost structure of a file ends beyond the end of the file."""
    if name == _ISO:
        return _boxes(handle)[1]
    present = handle.seek(0, os.SEEK_END)
    head = read_at(handle, 0, 512)
    if name == "avi":
        return int.from_bytes(head[4:8], "little") + 8 > present
    if name == _MATROSKA and (at := head.find(b"\x18\x53\x80\x67")) >= 0 and len(head) > at + 12 and head[at + 4]:
        length = 9 - head[at + 4].bit_length()
        size = int.from_bytes(head[at + 4 : at + 4 + length], "big") & (1 << 7 * length) - 1
        return size != (1 << 7 * length) - 1 and at + 4 + length + size > present
    return False


def _is_protected(handle: BinaryIO) -> bool:
    """Whether a sound track of an mp4 is encrypted; changes nothing but the position in the file."""
    position = handle.tell()
    try:
        moov = next((at for box, at in _boxes(handle)[0] if box == b"moov"), 0)
        return bool(re.search(rb"stsd.{12}(?:drms|enca)", read_at(handle, moov, _INDEX), re.DOTALL))
    finally:
        handle.seek(position)


def _unreadable(handle: BinaryIO, name: str, error: Exception) -> AudioError:
    """Why a file cannot be opened."""
    if name == _ISO:
        boxes, is_cut = _boxes(handle)
        if all(box != b"moov" for box, _ in boxes):
            return Unreadable(
                f"an {name} file without its index (moov), which is written last: the recording was probably broken "
                "off (battery, memory, app closed), or the file was not copied whole; copy it again from the phone"
            )
        if is_cut:
            return Truncated("cut off: no sound is left that can be decoded; copy the file again from the recorder")
    reason = " ".join(str(getattr(error, "strerror", None) or error).split()).rstrip(".")
    return Unreadable(f"a damaged {name} file: {reason}")
