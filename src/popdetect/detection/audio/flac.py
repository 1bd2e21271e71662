"""How long a flac file is. Positions are in bytes of the stream, which may lie in parts of a file.

The head of a flac says how many samples it has; written to a pipe, it says 0, and libsndfile refuses it. A recording
that was cut off has fewer. Each frame says which samples it has, so the last whole frame tells the length. The layout
is that of RFC 9639.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from popdetect.detection.audio.view import LONGER, TRUNCATED, Layout, Part, View, is_small

_TOTAL_AT = 21  # position of the byte whose lower half begins the number of samples; four more bytes follow
_TAIL = 2**20
_BITS = {1: 8, 2: 12, 4: 16, 5: 20, 6: 24, 7: 32}


def _table(polynomial: int, bits: int) -> list[int]:
    """The checksums of all bytes."""
    table = []
    for byte in range(256):
        crc = byte << bits - 8
        for _ in range(8):
            crc = crc << 1 ^ (polynomial if crc >> bits - 1 else 0)
        table.append(crc)
    return table


_CRC8, _CRC16 = _table(0x107, 8), _table(0x18005, 16)


class _Frame(NamedTuple):
    at: int
    first: int  # its first sample
    n_samples: int


def inspect(handle: BinaryIO, parts: Sequence[Part]) -> Layout:
    """The layout of a flac stream that lies in parts of a file."""
    view = View(handle, parts)
    present = view.seek(0, 2)
    head = _read(view, 0, 42)
    if head[:4] != b"fLaC" or len(head) < 42:
        return Layout()
    announced = (head[_TOTAL_AT] & 15) << 32 | int.from_bytes(head[_TOTAL_AT + 1 : _TOTAL_AT + 5], "big")
    rate_hz = int.from_bytes(head[18:21], "big") >> 4
    largest = int.from_bytes(head[15:18], "big")  # frame, bytes; 0 if unknown
    tail = b""
    for size in (largest + 256, _TAIL):
        begin = max(42, present - size)
        tail = _read(view, begin, present - begin)
        frames = _frames(tail, head)
        last = frames[-1] if frames else _Frame(0, 0, 0)
        if last.first + last.n_samples == announced > 0 and not _crc16(tail[last.at :]):
            return Layout()
    end = len(tail) - (128 if tail[-128:-125] == b"TAG" else 0)  # names, as in an mp3
    if not frames:
        return Layout()
    # the last frame that is whole, or that begins where a whole frame ends
    for last, before in zip(reversed(frames), [*reversed(frames[:-1]), None], strict=True):
        is_whole = not _crc16(tail[last.at : end])
        if is_whole or (before is not None and not _crc16(tail[before.at : last.at])):
            break
    total = last.first + (last.n_samples if is_whole else 0)
    end = begin + (end if is_whole else last.at)
    if not total:
        return Layout(is_empty=True)
    flags: tuple[str, ...] = ()
    if not is_small(abs(announced - total), rate_hz) if announced else not is_whole:
        flags = (LONGER,) if announced and announced < total else (TRUNCATED,)
    new = bytes([head[_TOTAL_AT] & 0xF0 | total >> 32]) + (total & 2**32 - 1).to_bytes(4, "big")
    return Layout(False, flags, [head[:_TOTAL_AT] + new, *_cut(parts, _TOTAL_AT + 5, end)])


def _cut(parts: Sequence[Part], start: int, end: int) -> list[Part]:
    """The parts of a stream between two of its positions."""
    out: list[Part] = []
    at = 0
    for part in parts:
        out.append(part[max(0, start - at) : max(0, end - at)])
        at += len(part)
    return [part for part in out if len(part)]


def _read(view: View, position: int, size: int) -> bytes:
    buffer = bytearray(size)
    view.seek(position)
    return bytes(buffer[: view.readinto(buffer)])


def _frames(tail: bytes, head: bytes) -> list[_Frame]:
    """Heads of frames in the last bytes of a stream with this head; rarely, sound looks like one."""
    bits = (int.from_bytes(head[20:22], "big") >> 4 & 31) + 1
    block, largest = int.from_bytes(head[8:10], "big"), int.from_bytes(head[10:12], "big")
    channels = (head[20] >> 1 & 7) + 1
    found = []
    for match in re.finditer(rb"\xff[\xf8\xf9]", tail):
        at = match.start()
        part = tail[at : at + 16]
        if len(part) < 6 or part[3] & 1:
            continue
        stereo = part[3] >> 4 in (8, 9, 10)  # one of the channels is stored as a difference
        if _BITS.get(part[3] >> 1 & 7, bits) != bits or channels != (2 if stereo else (part[3] >> 4) + 1):
            continue
        number, used = _number(part[4:11])
        size_code, rate_code, at_size = part[2] >> 4, part[2] & 15, 4 + used
        end = at_size + (0, 1, 2)[(size_code in (6, 7)) + (size_code == 7)]
        end += 1 if rate_code == 12 else 2 if rate_code in (13, 14) else 0
        if not used or size_code == 0 or rate_code == 15 or len(part) <= end or _crc8(part[:end]) != part[end]:
            continue
        if size_code in (6, 7):
            n_samples = int.from_bytes(part[at_size : at_size + size_code - 5], "big") + 1
        else:
            n_samples = 192 if size_code == 1 else 576 << size_code - 2 if size_code < 6 else 256 << size_code - 8
        if n_samples <= largest:
            found.append(_Frame(at, number if part[1] & 1 else number * block, n_samples))
    return found


def _number(part: bytes) -> tuple[int, int]:
    """A number coded as UTF-8 is, with up to 36 bits, and its bytes; 0 bytes if it is none."""
    first = part[0] if part else 255
    if first < 0x80:
        return first, 1
    n = 8 - (first ^ 0xFF).bit_length()
    if not 2 <= n <= 7 or len(part) < n or any(byte & 0xC0 != 0x80 for byte in part[1:n]):
        return 0, 0
    value = first & (0x7F >> n)
    for byte in part[1:n]:
        value = value << 6 | byte & 0x3F
    return value, n


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


def _crc16(data: bytes) -> int:
    """0 for a whole frame, which ends with its own checksum."""
    crc = 0
    for byte in data:
        crc = (crc & 0xFF) << 8 ^ _CRC16[crc >> 8 ^ byte]
    return crc
