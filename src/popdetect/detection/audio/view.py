"""What the decoder reads in place of a file whose header is wrong: parts of the file, and bytes that replace others.

Positions and sizes are in bytes. Only the parts are stored, never the sound, so a view of a long recording is small.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, BinaryIO, NamedTuple

Part = bytes | range  # bytes in place of some of the file, or a range of positions in the file

TRUNCATED = "truncated"  # quality flag: much less sound than the header says
LONGER = "longer_than_header"  # quality flag: much more
DELAY_UNKNOWN = "delay_unknown"  # quality flag: a file that does not say by how much its encoder delayed the sound

# A smaller difference between the header and the file is no loss. Recorders count the header as sound (44 bytes, or 36,
# 8 or 68), or leave out the last padding. No pop fits into 5 ms with what the detector needs after its onset.
_SMALL_BYTES = 64
_SMALL_S = 0.005


def is_small(n_bytes: int, bytes_per_s: float) -> bool:
    """Whether a difference between the header and the file is too small to matter."""
    return n_bytes <= max(_SMALL_BYTES, _SMALL_S * bytes_per_s)


def read_at(handle: BinaryIO, position: int, size: int) -> bytes:
    """Up to `size` bytes at a position; fewer only at the end of the file."""
    handle.seek(position)
    data = handle.read(size)
    while len(data) < size and (more := handle.read(size - len(data))):  # an unbuffered file may give less at a time
        data += more
    return data


class Layout(NamedTuple):
    """Where the sound of a file is, judged by what is there."""

    is_plain: bool = True  # the decoder can read the file as it is
    flags: tuple[str, ...] = ()  # quality flags
    parts: Sequence[Part] = ()  # what the decoder reads if the file is not plain; none if that is not known
    is_empty: bool = False  # a header without sound


class View:
    """A file object for libsndfile that has the given parts one after another; without parts, it is the whole file.

    It raises no exceptions: the C code of libsndfile cannot pass them on, and prints a traceback. A damaged size can
    make libsndfile seek to a negative position: the position then stays, and libsndfile notices.
    """

    def __init__(self, handle: BinaryIO, parts: Sequence[Part] = ()) -> None:
        self._handle: Any = handle  # `BinaryIO` lacks `readinto`
        self._parts = [part for part in parts if len(part)] or [range(handle.seek(0, os.SEEK_END))]
        self._starts = [0, *accumulate(len(part) for part in self._parts)]
        self._position = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Change the position if the new one exists; return the position."""
        position = (0, self._position, self._starts[-1])[whence] + offset
        if position >= 0:
            self._position = position
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Read into the buffer; return the number of bytes read."""
        target = memoryview(buffer)
        n = 0
        while n < len(target) and self._position < self._starts[-1]:
            index = bisect_right(self._starts, self._position) - 1
            part, begin = self._parts[index], self._position - self._starts[index]
            size = min(len(target) - n, len(part) - begin)
            if isinstance(part, bytes):
                target[n : n + size] = part[begin : begin + size]
            else:
                try:
                    self._handle.seek(part[begin])
                    size = self._handle.readinto(target[n : n + size])
                except (OSError, ValueError):
                    size = 0
                if not size:
                    break
            n += size
            self._position += size
        return n
