"""Ogg files without a marked end, cut or damaged ones, and FLAC in Ogg. Positions are in bytes.

An Ogg file is a row of pages; the last one has a mark. Some recorders (Android's MediaMuxer) leave out the mark, and
libsndfile then drops the end of the sound or fails. The layout is that of RFC 3533; for FLAC in Ogg, of
https://xiph.org/flac/ogg_mapping.html.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

from popdetect.detection.audio import flac
from popdetect.detection.audio.view import TRUNCATED, Layout, Part, read_at
from popdetect.errors import Truncated, Unreadable

_HEAD = 27  # a page begins with 27 bytes and the sizes of its segments
_FIRST, _LAST = 0x02, 0x04  # the marks of the first and of the last page of a stream
_SEARCH = 2**17  # twice the largest page
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def inspect(handle: BinaryIO, present: int) -> Layout:
    """The layout of an Ogg file of `present` bytes.

    Raises Truncated if a page is damaged: the decoder leaves it out, and what follows would come too early. Raises
    Unreadable for several recordings one after another, of which the decoder reads the first only.
    """
    position, begin, page, was_first = 0, 0, b"", False
    parts: list[Part] = []  # of a flac stream in pages; empty for other streams
    while position < present:
        size = _page_size(read_at(handle, position, _HEAD + 255))
        if not size or position + size > present:
            break
        begin, page = position, read_at(handle, position, size)
        start = _HEAD + page[26]
        if page[22:26] != _checksum(page):
            raise Truncated("damaged inside; copy the file again from the recorder")
        is_first = bool(page[5] & _FIRST)
        if is_first and begin and not was_first:
            raise Unreadable("several recordings one after another in one ogg file; split it, or convert it to wav")
        was_first = is_first
        if not begin and page.startswith(b"\x7fFLAC", start):
            parts.append(range(start + 9, size))  # 9 bytes stand before the stream
        elif parts:
            parts.append(range(position + start, position + size))
        position += size
    rest = read_at(handle, position, _SEARCH)
    if b"OggS" in rest[1:]:
        raise Truncated("damaged inside; copy the file again from the recorder")
    flags = (TRUNCATED,) if rest and (rest.startswith(b"OggS") or b"OggS".startswith(rest)) else ()
    if parts:
        layout = flac.inspect(handle, parts)
        return Layout(False, layout.flags or flags, layout.parts or parts, layout.is_empty)
    if not page or (page[5] & _LAST and not rest):
        return Layout(flags=flags)
    page = page[:5] + bytes([page[5] | _LAST]) + page[6:]
    return Layout(False, flags, [range(begin), page[:22] + _checksum(page) + page[26:]])


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
