"""Whether an mp3 file is complete.

An mp3 has no file header; it is a row of frames, each with a head of four bytes. The first frame may say how long the
stream is (Xing or VBRI header); otherwise the last frame must be complete. Sizes are in bytes. The layout is that of
ISO 11172-3 and 13818-3, layer III.
"""

from __future__ import annotations

from typing import BinaryIO

from popdetect.errors import Unreadable

_KBPS = (
    (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2 and 2.5
    (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1
)
_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_TAIL = 8_192  # about six of the largest frames
_IN_A_ROW = 3  # single bytes often look like the head of a frame; three frames in a row do not occur by chance


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


def ends(handle: BinaryIO, present: int) -> bool:
    """Whether a file of `present` bytes is as long as it says and ends with a whole frame; True if that is unknown.

    Raises Unreadable if the decoder would compute a wrong length.
    """
    start, head = _first(handle)
    announced = _announced(head)
    if max(announced, 1) > present - start:
        return False
    if announced:
        return True
    handle.seek(max(start, present - _TAIL))
    tail = handle.read()
    end, bitrates = _follow(tail)
    if frame_bytes(head[:4]) and len(bitrates | {head[2] >> 4}) > 1:
        # the decoder assumes that all frames are like the first, and drops what lies beyond the length so computed
        raise Unreadable("an mp3 of varying bitrate that does not say how long it is; convert it to wav")
    return end <= len(tail)


def _first(handle: BinaryIO) -> tuple[int, bytes]:
    """Position and first bytes of the first frame, which follows tags with names and pictures."""
    start = 0
    while True:
        handle.seek(start)
        head = handle.read(192)
        if head[:3] != b"ID3" or len(head) < 10:
            return start, head
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        start += 10 + size + (10 if head[5] & 0x10 else 0)


def _announced(frame: bytes) -> int:
    """Size of the whole stream according to the first frame; 0 if it does not say."""
    if not frame_bytes(frame[:4]):
        return 0
    mono, first = frame[3] >> 6 == 3, frame[1] >> 3 & 3 == 3
    at = 4 + ((17 if mono else 32) if first else (9 if mono else 17))
    at += 0 if frame[1] & 1 else 2  # a checksum
    if frame[at : at + 4] in (b"Xing", b"Info") and frame[at + 7 : at + 8] and frame[at + 7] & 2:
        at += 12 if frame[at + 7] & 1 else 8
    elif frame[36:40] == b"VBRI":
        at = 46
    else:
        return 0
    return int.from_bytes(frame[at : at + 4], "big")


def _follow(tail: bytes) -> tuple[int, set[int]]:
    """Where the last frame ends, from the start of `tail`, and the bitrates; 0 and an empty set without frames."""
    for begin in range(len(tail)):
        at, frames, bitrates = begin, 0, set()
        # frames of one stream have one version and one sample rate
        while (
            (size := frame_bytes(tail[at : at + 4]))
            and tail[at + 1] == tail[begin + 1]
            and not (tail[at + 2] ^ tail[begin + 2]) & 0x0C
        ):
            bitrates.add(tail[at + 2] >> 4)
            at += size
            frames += 1
        if frames >= _IN_A_ROW:
            return at, bitrates
    return 0, set()
