"""Promised and present: how much sound a file's own header announces, and how much of it is there.

libsndfile is forgiving where we must not be: it opens a recording cut in half in silence. So the header is read here
too, a few bytes of it and never the sound. Sizes are in bytes.
"""

from __future__ import annotations

import io
import os
import re
import struct
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

from popdetect.detection.audio import mp3
from popdetect.errors import Unreadable

# what recorders that cannot go back leave in a size: none yet, all bits set, and the largest that some program can read
_UNKNOWN = frozenset({0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1})
_OGG_PAGE = 65_307  # the largest there can be


class Promise(NamedTuple):
    """What a file says of its own length.

    Attributes
    ----------
    present : int
        Bytes in the file, header and all.
    promised : int
        Bytes of sound; 0 where the header does not say.
    missing : int
        How many of them are not there. Of ogg and mp3, which need not promise anything, 1 if the end is not one.
    unset_at : int
        Where a wav has the size 0 though sound follows; 0 if it has not.
    """

    present: int
    promised: int = 0
    missing: int = 0
    unset_at: int = 0


class _Chunks(NamedTuple):
    """How the chunks of a container are laid out: where they begin, and what stands at the head of each."""

    first: int
    head: struct.Struct  # name and size
    counted: int  # bytes of the head that the size includes
    align: int
    sound: bytes


_RIFF = _Chunks(12, struct.Struct("<4sI"), 0, 2, b"data")
_RIFX = _Chunks(12, struct.Struct(">4sI"), 0, 2, b"data")
_AIFF = _Chunks(12, struct.Struct(">4sI"), 0, 2, b"SSND")
_W64 = _Chunks(40, struct.Struct("<4s12xQ"), 24, 8, b"data")
_CAF = _Chunks(8, struct.Struct(">4sQ"), 0, 1, b"data")


def promise(handle: BinaryIO) -> Promise:
    """Compare what the header of a recording promises with what is there; the position is left anywhere.

    Raises
    ------
    Unreadable
        When the file cannot be read from start to end.
    """
    try:
        present = handle.seek(0, os.SEEK_END)
        handle.seek(0)
    except (OSError, io.UnsupportedOperation) as error:
        raise Unreadable(f"not a file that can be read from start to end: {error}") from error
    head = handle.read(12)
    kind, form = head[:4], head[8:]
    if kind in (b"RIFF", b"RF64") and form == b"WAVE":
        return _of_chunks(handle, present, _RIFF)
    if kind == b"RIFX" and form == b"WAVE":
        return _of_chunks(handle, present, _RIFX)
    if kind == b"FORM" and form in (b"AIFF", b"AIFC"):
        return _of_chunks(handle, present, _AIFF)
    if kind == b"riff" and head[4:8] == b"\x2e\x91\xcf\x11":
        return _of_chunks(handle, present, _W64)
    if kind == b"caff":
        return _of_chunks(handle, present, _CAF)
    if kind in (b".snd", b"dns.") and len(head) == 12:  # AU, and AU the other way round
        start, size = struct.unpack(">II" if kind == b".snd" else "<II", head[4:])
        return _compared(present, size, present - start)
    if kind == b"OggS":
        return Promise(present, missing=not _ogg_ends(handle, present))
    if kind[:3] == b"ID3" or mp3.frame_bytes(kind):
        return Promise(present, missing=not mp3.ends(handle, present))
    return Promise(present)


class _Fills(Protocol):
    """What every binary file can do, and `BinaryIO` does not say."""

    def readinto(self, buffer: Any) -> int: ...


class Guarded:
    """A file object for libsndfile, from whose C code no exception can be raised; soundfile prints a traceback instead.

    A damaged size makes it seek before the start: that is passed over, and it sees that it is not where it wanted to
    be. And a size that was never set reads as one that is not known, which libsndfile understands.
    """

    def __init__(self, handle: BinaryIO, unset_at: int = 0) -> None:
        self._handle = handle
        self._unset_at = unset_at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go there, if there is such a place."""
        try:
            return self._handle.seek(offset, whence)
        except (OSError, ValueError, OverflowError):
            return self._handle.tell()

    def tell(self) -> int:
        """Where it is."""
        return self._handle.tell()

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as there is something to read."""
        begin = self._handle.tell() if self._unset_at else 0
        try:
            n = int(cast(_Fills, self._handle).readinto(buffer))
        except OSError:
            return 0
        if self._unset_at:
            first = min(max(0, self._unset_at - begin), n)
            last = min(max(0, self._unset_at + 4 - begin), n)
            buffer[first:last] = b"\xff" * (last - first)
        return n


def _compared(present: int, size: int, there: int) -> Promise:
    # a placeholder that the file is long enough for is no placeholder
    if size == 0 or (size in _UNKNOWN and size > there):
        return Promise(present)
    return Promise(present, size, max(0, size - max(0, there)))


def _of_chunks(handle: BinaryIO, present: int, chunks: _Chunks) -> Promise:
    first, head, counted, align, sound = chunks
    position, large = first, 0
    while position + head.size <= present:
        handle.seek(position)
        name, size = head.unpack(handle.read(head.size))
        start = position + head.size
        if name == sound:
            if size == 0xFFFFFFFF and large:
                size = large
            if not size and chunks.sound == b"data" and head.size == 8 and not _only_chunks(handle, start, present):
                return Promise(present, unset_at=start - 4)
            return _compared(present, size - counted if size > counted else 0, present - start)
        if name == b"ds64":  # RF64: the 64-bit sizes, of which the second is the sound's
            fields = handle.read(16)
            large = struct.unpack("<Q", fields[8:])[0] if len(fields) == 16 else 0
        position = start + max(0, size - counted)
        position += -position % align
    return Promise(present)


def _only_chunks(handle: BinaryIO, position: int, present: int) -> bool:
    """Whether there is nothing from here to the end of a wav but whole chunks, such as a list of names."""
    while position + 8 <= present:
        handle.seek(position)
        name, size = struct.unpack("<4sI", handle.read(8))
        if not re.fullmatch(rb"[ -~]{4}", name):
            return False
        position += 8 + size + size % 2
    return position - 1 <= present  # the last byte of padding is often left out


def _ogg_ends(handle: BinaryIO, present: int) -> bool:
    """Whether the last page of an Ogg stream says that it is the last, and is all there."""
    handle.seek(max(0, present - _OGG_PAGE))
    tail = handle.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return False
    n_segments = tail[at + 26]
    lacing = tail[at + 27 : at + 27 + n_segments]
    whole = len(lacing) == n_segments and len(tail) >= at + 27 + n_segments + sum(lacing)
    return whole and bool(tail[at + 5] & 0x04)
