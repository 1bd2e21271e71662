"""How long an mp3 is, and by how much its encoder delayed the sound.

An mp3 has no file header; it is a row of frames, each with a head of four bytes. The first frame may be a tag instead
of sound: the Xing or Info tag says how long the stream is, and its LAME part, by how many samples the sound is delayed.
If the tag is missing, or does not fit to the frames, the decoder would guess a wrong length, start late or print
warnings. Then the frames are counted, and the decoder gets a tag that fits. Positions and sizes are in bytes. The
layout is that of ISO 11172-3 and 13818-3, layer III.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

from popdetect.detection.audio.view import DELAY_UNKNOWN, LONGER, TRUNCATED, Layout, Part, read_at
from popdetect.errors import Truncated

_KBPS = (
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2 and 2.5
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1
)
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_BLOCK = 2**20  # read at a time
_IN_A_ROW = 3  # single bytes often look like the head of a frame; three frames in a row do not occur by chance
_LAME_DELAY = 576  # samples, of LAME since 1999
_SEARCH = 2**16  # LAME writes its name into the padding of frames at the start and the end
_LAME_SIZE = 36
_NEAR = 2**13  # four of the largest frames
_MESSAGES = threading.Lock()


class _Tag(NamedTuple):
    """What the first frame says."""

    size: int = 0  # of the frame; 0 if it is no tag
    n_frames: int = 0  # of sound; 0 if it does not say
    n_bytes: int = 0  # of the stream with the tag; 0 if it does not say
    delay: int | None = None  # samples
    padding: int = 0  # samples at the end that are no sound


class _Frames(NamedTuple):
    """The frames that are there."""

    parts: list[Part]
    n_frames: int
    is_cut: bool  # whether the last frame is not whole
    n_bitrates: int


@contextmanager
def without_messages() -> Iterator[None]:
    """Discard what the decoder of mp3 writes to the standard error stream: it has no other way to be silent.

    It prints a line for each frame that it cannot decode. Meanwhile, messages of other threads are lost too, so this is
    used for mp3 only.
    """
    with _MESSAGES:
        try:
            saved = os.dup(2)
        except OSError:  # no standard error stream
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.close(nowhere)


def frame_bytes(head: bytes) -> int:
    """Bytes of the frame whose first four bytes are `head`; 0 if it is no frame."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, rate, bitrate = head[1] >> 3 & 3, head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or rate == 3 or not 0 < bitrate < 15:
        return 0
    first = version == 3
    bits = (144_000 if first else 72_000) * _KBPS[first][bitrate - 1]
    return bits // _RATES_HZ[version][rate] + (head[2] >> 1 & 1)


def inspect(handle: BinaryIO, present: int) -> Layout:
    """The layout of an mp3 file of `present` bytes.

    Raises Truncated if frames in the middle are damaged: the sound near them is noise, and the rest comes too early.
    """
    start = after_names(handle)
    end = _before_names(handle, start, present)
    head = read_at(handle, start, 1024)
    tag = _tag(head)
    frames = _frames(handle, start + tag.size, end)
    is_right = tag.delay is not None and tag.n_frames == frames.n_frames and not frames.is_cut
    if is_right and 0 <= end - start - tag.n_bytes <= tag.size and len(frames.parts) == 1:
        return Layout()
    if not frames.n_frames:
        return Layout(is_empty=tag.size > 0)
    flags: tuple[str, ...] = ()
    if not tag.n_frames:
        flags = (TRUNCATED,) if frames.is_cut else ()
    elif abs(tag.n_frames - frames.n_frames) > (not frames.is_cut):  # some encoders count the tag
        flags = (TRUNCATED if tag.n_frames > frames.n_frames else LONGER,)
    padding = 0 if flags else tag.padding
    delay = tag.delay
    if delay is None:
        if b"LAME" in read_at(handle, start, _SEARCH) + read_at(handle, max(start, end - _SEARCH), _SEARCH):
            delay = _LAME_DELAY
        else:
            flags += (DELAY_UNKNOWN,)
    if delay is None and frames.n_bitrates == 1:
        return Layout(False, flags, frames.parts)  # the decoder guesses the length right
    first = read_at(handle, frames.parts[0][0], 4)
    new = _new_tag(first, frames.n_frames, sum(map(len, frames.parts)), delay, padding)
    return Layout(False, flags, [new, *frames.parts])


def after_names(handle: BinaryIO) -> int:
    """Where a file begins behind its tags with names and pictures (ID3)."""
    start = 0
    while (head := read_at(handle, start, 10))[:3] == b"ID3" and len(head) == 10:
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        start += 10 + size + (10 if head[5] & 0x10 else 0)
    return start


def _before_names(handle: BinaryIO, start: int, end: int) -> int:
    """Where the frames end before such tags at the end of the file (ID3, APE)."""
    if read_at(handle, max(start, end - 128), 3) == b"TAG":
        end -= 128
    foot = read_at(handle, max(start, end - 32), 32)
    if foot[:8] == b"APETAGEX":
        end -= int.from_bytes(foot[12:16], "little") + (32 if foot[23] & 0x80 else 0)
    return max(start, end)


def is_stream(handle: BinaryIO) -> bool:
    """Whether frames begin near the start of a file: part of a longer mp3 may begin within a frame."""
    return _resynchronised(handle, 0, _NEAR, b"") < _NEAR


def _tag(frame: bytes) -> _Tag:
    """The tag that begins with these bytes, if it is one."""
    size = frame_bytes(frame[:4])
    if not size:
        return _Tag()
    at = _tag_at(frame)
    if frame[36:40] == b"VBRI":
        return _Tag(size, int.from_bytes(frame[50:54], "big"), int.from_bytes(frame[46:50], "big"))
    if frame[at : at + 4] not in (b"Xing", b"Info"):
        return _Tag()
    has, at = frame[at + 7], at + 8
    numbers = []
    for bit, n in ((1, 4), (2, 4), (4, 100), (8, 4)):
        numbers.append(int.from_bytes(frame[at : at + n], "big") if has & bit else 0)
        at += n if has & bit else 0
    part = frame[at : at + _LAME_SIZE]
    if len(part) < _LAME_SIZE or not part[:4].isalnum():
        return _Tag(size, numbers[0], numbers[1])
    both = int.from_bytes(part[21:24], "big")
    return _Tag(size, numbers[0], numbers[1], both >> 12, both & 0xFFF)


def _tag_at(head: bytes) -> int:
    """Where a tag begins in a frame: behind its head, a checksum, and the side information of layer III."""
    mono, first = head[3] >> 6 == 3, head[1] >> 3 & 3 == 3
    return 4 + (0 if head[1] & 1 else 2) + ((17 if mono else 32) if first else (9 if mono else 17))


def _new_tag(head: bytes, n_frames: int, n_bytes: int, delay: int | None, padding: int) -> bytes:
    """A frame with a tag for a stream whose frames have a head like this one.

    Without a delay, the decoder takes out its own of 529 samples only.
    """
    for bitrate in range(1, 15):  # the smallest frame that has room for the tag
        new = bytes([0xFF, head[1] | 1, bitrate << 4 | head[2] & 0x0C, head[3]])
        size, at = frame_bytes(new), _tag_at(new)
        if size >= at + 120 + _LAME_SIZE:
            break
    steps = bytes(256 * percent // 100 for percent in range(100))
    xing = b"Xing\0\0\0\x0f" + n_frames.to_bytes(4, "big") + (n_bytes + size).to_bytes(4, "big") + steps + bytes(4)
    lame = b""
    if delay is not None:
        lame = b"LAME3.100" + bytes(12) + (delay << 12 | padding).to_bytes(3, "big") + bytes(12)
    return (new.ljust(at, b"\0") + xing + lame).ljust(size, b"\0")


def _frames(handle: BinaryIO, start: int, end: int) -> _Frames:
    """All whole frames between two positions; what lies between them is left out."""
    parts: list[Part] = []
    begin, block, like = start, b"", b""
    position, run, n_frames, is_cut = start, start, 0, False
    bitrates = set()
    while position + 4 <= end:
        at = position - begin
        if at < 0 or at + 4 > len(block):
            begin, block, at = position, read_at(handle, position, min(_BLOCK, end - position)), 0
        head = block[at : at + 4]
        size = frame_bytes(head)
        if size and _is_alike(head, like):
            if position + size > end:
                is_cut = True
                break
            position += size
            n_frames += 1
            bitrates.add(head[2] >> 4)
            continue
        if position > run:
            parts.append(range(run, position))
        gap = position
        run = position = _resynchronised(handle, position + bool(like), end, like)
        if position < end:
            if n_frames and read_at(handle, gap, 3) not in (b"ID3", b"TAG", b"APE"):  # files one after another
                raise Truncated("damaged inside; copy the file again from the recorder")
            like = read_at(handle, position, 4)
    if position > run:
        parts.append(range(run, position))
    return _Frames(parts, n_frames, is_cut, len(bitrates))


def _is_alike(head: bytes, like: bytes) -> bool:
    """Whether frames with these heads can belong to one stream: of one version, layer and sample rate."""
    return bool(like) and (head[1] ^ like[1]) & 0xFE == 0 and not (head[2] ^ like[2]) & 0x0C


def _resynchronised(handle: BinaryIO, position: int, end: int, like: bytes) -> int:
    """Position of the next frame that is followed by others; `end` if there is none."""
    while position < end:
        block = read_at(handle, position, min(_BLOCK, end - position))
        for match in re.finditer(rb"\xff[\xe2-\xff]", block):
            at, n = match.start(), 0
            first = block[at : at + 4]
            while n < _IN_A_ROW and (size := frame_bytes(block[at : at + 4])) and _is_alike(block[at : at + 4], first):
                if like and not _is_alike(first, like):
                    break
                at, n = at + size, n + 1
            if n == _IN_A_ROW or (n and at == len(block) and position + at == end):
                return position + match.start()
        if len(block) < _BLOCK:
            break
        position += len(block) - 4 * 1441
    return end
