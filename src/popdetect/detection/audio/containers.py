"""How much sound the header of a file announces, and how much of it is in the file. Sizes are in bytes.

libsndfile opens a recording that was cut in half without an error. So the header is read here too; the sound is not.
"""

from __future__ import annotations

import os
import re
import struct
from typing import Any, BinaryIO, NamedTuple

from popdetect.detection.audio import mp3
from popdetect.errors import Unreadable

# sizes written by recorders that cannot fill in the real one: zero, all bits set, the largest that some program reads
_UNKNOWN = frozenset({0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1})
_OGG_PAGE = 65_307  # the largest page


class SoundSize(NamedTuple):
    """How long a file says it is, and how long it is."""

    present: int  # bytes in the file, with its header
    announced: int = 0  # bytes of sound according to the header; 0 if it does not say
    missing: int = 0  # how many of these are not in the file; 1 if the end of an ogg or mp3 is missing
    unset_at: int = 0  # position of the size in a wav whose header has size 0 although sound follows; else 0


class _Chunks(NamedTuple):
    """How the chunks of a container are laid out."""

    first: int  # position of the first chunk
    head: struct.Struct  # name and size
    counted: int  # bytes of the head that the size includes
    align: int
    sound: bytes  # name of the chunk with the sound


_LAYOUTS = {  # by the first 12 bytes
    rb"(?:RIFF|RF64).{4}WAVE": _Chunks(12, struct.Struct("<4sI"), 0, 2, b"data"),
    rb"RIFX.{4}WAVE": _Chunks(12, struct.Struct(">4sI"), 0, 2, b"data"),
    rb"FORM.{4}AIF[FC]": _Chunks(12, struct.Struct(">4sI"), 0, 2, b"SSND"),
    rb"riff\x2e\x91\xcf\x11": _Chunks(40, struct.Struct("<4s12xQ"), 24, 8, b"data"),  # Wave64
    rb"caff": _Chunks(8, struct.Struct(">4sQ"), 0, 1, b"data"),
}


def sound_size(handle: BinaryIO) -> SoundSize:
    """Compare the size that the header of a recording announces with the file; changes the position in the file.

    Raises Unreadable if the file cannot be read from start to end.
    """
    try:
        present = handle.seek(0, os.SEEK_END)
        handle.seek(0)
    except (OSError, ValueError) as error:
        raise Unreadable(f"not a file that can be read from start to end: {error}") from error
    head = handle.read(12)
    for pattern, chunks in _LAYOUTS.items():
        if re.match(pattern, head, re.DOTALL):
            return _of_chunks(handle, present, chunks)
    kind = head[:4]
    if kind in (b".snd", b"dns.") and len(head) == 12:  # AU, big-endian and little-endian
        start, size = struct.unpack(">II" if kind == b".snd" else "<II", head[4:])
        return _compared(present, size, present - start)
    if kind == b"OggS":
        return SoundSize(present, missing=not _ogg_ends(handle, present))
    if kind[:3] == b"ID3" or mp3.frame_bytes(kind):
        return SoundSize(present, missing=not mp3.ends(handle, present))
    return SoundSize(present)


class GuardedFile:
    """A file object for libsndfile that raises no exceptions: its C code cannot pass them on, and prints a traceback.

    A damaged size can make libsndfile seek to a negative position: the position then stays, and libsndfile notices.
    The size at `unset_at`, which is 0, is read as "unknown", which libsndfile understands.
    """

    def __init__(self, handle: BinaryIO, unset_at: int = 0) -> None:
        self._handle: Any = handle  # `BinaryIO` lacks `readinto`
        self._unset_at = unset_at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Change the position if the new one exists; return the position."""
        try:
            return int(self._handle.seek(offset, whence))
        except (OSError, ValueError, OverflowError):
            return self.tell()

    def tell(self) -> int:
        """Return the position."""
        return int(self._handle.tell())

    def readinto(self, buffer: Any) -> int:
        """Read into the buffer; return the number of bytes read."""
        begin = self.tell() if self._unset_at else 0
        try:
            n = int(self._handle.readinto(buffer))
        except OSError:
            return 0
        if self._unset_at:
            first, last = (min(max(0, at - begin), n) for at in (self._unset_at, self._unset_at + 4))
            buffer[first:last] = b"\xff" * (last - first)
        return n


def _compared(present: int, size: int, there: int) -> SoundSize:
    # a file as long as the placeholder says: then it is a real size
    if size == 0 or (size in _UNKNOWN and size > there):
        return SoundSize(present)
    return SoundSize(present, size, max(0, size - max(0, there)))


def _of_chunks(handle: BinaryIO, present: int, chunks: _Chunks) -> SoundSize:
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
                return SoundSize(present, unset_at=start - 4)
            return _compared(present, size - counted if size > counted else 0, present - start)
        if name == b"ds64":  # RF64: 64-bit sizes; the second one is that of the sound
            fields = handle.read(16)
            large = struct.unpack("<Q", fields[8:])[0] if len(fields) == 16 else 0
        position = start + max(0, size - counted)
        position += -position % align
    return SoundSize(present)


def _only_chunks(handle: BinaryIO, position: int, present: int) -> bool:
    """Whether only whole chunks, such as a list of names, follow up to the end of a wav."""
    while position + 8 <= present:
        handle.seek(position)
        name, size = struct.unpack("<4sI", handle.read(8))
        if not re.fullmatch(rb"[ -~]{4}", name):
            return False
        position += 8 + size + size % 2
    return position - 1 <= present  # the last padding byte is often omitted


def _ogg_ends(handle: BinaryIO, present: int) -> bool:
    """Whether the last page of an Ogg stream is complete and marked as the last."""
    handle.seek(max(0, present - _OGG_PAGE))
    tail = handle.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return False
    n_segments = tail[at + 26]
    lacing = tail[at + 27 : at + 27 + n_segments]
    whole = len(lacing) == n_segments and len(tail) >= at + 27 + n_segments + sum(lacing)
    return whole and bool(tail[at + 5] & 0x04)
