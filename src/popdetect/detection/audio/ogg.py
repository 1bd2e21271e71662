"""Ogg files without a marked end, and FLAC in Ogg. Positions are in bytes.

An Ogg file is a row of pages; the last one has a mark. Some recorders (Android's MediaMuxer) leave out the mark, and
libsndfile then drops the end of the sound or fails. The layout is that of RFC 3533; for FLAC in Ogg, of
https://xiph.org/flac/ogg_mapping.html.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from popdetect.detection.audio import flac
from popdetect.detection.audio.view import TRUNCATED, Layout, Part, read_at

_PAGE = 65_307  # the largest page
_HEAD = 27  # a page begins with 27 bytes and the sizes of its segments
_LAST = 0x04  # the mark of the last page
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def inspect(handle: BinaryIO, present: int) -> Layout:
    """The layout of an Ogg file of `present` bytes."""
    first = read_at(handle, 0, _HEAD + 255 + 9)
    if len(first) > _HEAD and first[_HEAD + first[26] :].startswith(b"\x7fFLAC"):
        return _flac(handle, present)
    # the last whole page, and what follows it
    begin = max(0, present - 2 * _PAGE)
    tail = read_at(handle, begin, 2 * _PAGE)
    at = end = len(tail)
    while at >= 0:
        at = tail.rfind(b"OggS", 0, at)
        page = tail[at : at + _page_size(tail[at:])] if at >= 0 else b""
        if len(page) > _HEAD and page[22:26] == _checksum(page):
            end = at + len(page)
            break
    if at < 0:
        return Layout(flags=(TRUNCATED,))
    is_cut = b"OggS".startswith(tail[end : end + 4]) and end < len(tail)
    flags = (TRUNCATED,) if is_cut else ()
    if page[5] & _LAST and end == len(tail):
        return Layout()
    page = page[:5] + bytes([page[5] | _LAST]) + page[6:]
    page = page[:22] + _checksum(page) + page[26:]
    return Layout(False, flags, [range(begin + at), page])


def _flac(handle: BinaryIO, present: int) -> Layout:
    """FLAC without its pages: the first packet has 9 bytes before the stream; the others are parts of the stream."""
    parts: list[Part] = []
    position, is_cut = 0, False
    while position < present:
        head = read_at(handle, position, _HEAD + 255)
        size = _page_size(head)
        start = position + _HEAD + head[26] if size else 0
        if not size or position + size > present:
            is_cut = True
            break
        parts.append(range(start if parts else start + 9, position + size))
        position += size
    layout = flac.inspect(handle, parts)
    flags = layout.flags or ((TRUNCATED,) if is_cut else ())
    return layout._replace(is_plain=False, flags=flags, parts=layout.parts or parts)


def _page_size(head: bytes) -> int:
    """Bytes of the page that begins with `head`; 0 if it is no page, or its head is not whole."""
    if head[:4] != b"OggS" or len(head) < _HEAD or len(head) < _HEAD + head[26]:
        return 0
    return _HEAD + head[26] + sum(head[_HEAD : _HEAD + head[26]])


def _checksum(page: bytes) -> bytes:
    """The checksum of a page: the CRC of zlib with the bits in the opposite order, and without its inversions."""
    blank = page[:22] + bytes(4) + page[26:]
    crc = zlib.crc32(blank.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2).to_bytes(4, "little")
