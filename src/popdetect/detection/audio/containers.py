"""Where the sound of a file is, and how much of it: what is there counts more than what the header says.

Recorders write headers before they know how long the recording will be, and many get them wrong. libsndfile believes
the header. So the header is read here too, and where it is wrong, libsndfile gets a right one (`view`); the sound
itself is not read here. Sizes and positions are in bytes.

* A size that cannot be meant (0, or a placeholder near 2**31 or 2**32) says nothing: the sound reaches to the end.
* A small difference is ignored (`view.is_small`), as is a size that counts the header.
* If there is much less sound, the rest is judged, with the flag ``truncated``; if there is much more, all of it is
  judged, with the flag ``longer_than_header``.
* Chunks after the sound, such as names and marks, are not taken for sound.
"""

from __future__ import annotations

import os
import re
import struct
from typing import BinaryIO, NamedTuple

from popdetect.detection.audio import flac, mp3, ogg
from popdetect.detection.audio.view import LONGER, TRUNCATED, Layout, is_small, read_at
from popdetect.errors import Empty, Unreadable

# sizes written by programs that cannot fill in the real one: zero, all bits set, the largest that some program reads
_UNKNOWN = frozenset({0, 0x7FFFF000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1})
_LIMITS = (0x7F000000, 2**31, 2**32, 2**63, 2**64)  # others lie near one of these
_NEAR = 2**16
_NAMES = (  # of chunks; what follows the sound under one of these names is no sound
    rb"fmt |data|fact|LIST|bext|iXML|axml|chna|JUNK|junk|PAD |FLLR|cue |smpl|inst|id3 |ID3 |PEAK|levl|umid|cart|_PMX|"
    rb"DISP|acid|strc|plst|afsp|minf|elm1|regn|SNDM|r64m|ds64|link|mext|qlty|labl|note|ltxt|slnt|wavl|"
    rb"COMM|SSND|FVER|MARK|INST|MIDI|APPL|COMT|NAME|AUTH|ANNO|CHAN|"
    rb"list|mark|info|pakt|kuki|free|strg|ovvw|peak|edct|uuid|midi|chan"
)
_NAME = re.compile(_NAMES)
_SEARCH = 2**20  # how far a lost chunk is looked for
_PADDING = 2**16  # zeros at the end, up to this size, fill a sector of the memory card


class _Kind(NamedTuple):
    """How the chunks of a container are laid out."""

    first: int  # position of the first chunk
    head: struct.Struct  # name and size
    counted: int  # bytes of the head that the size includes
    align: int
    format: bytes  # name of the chunk with the sample rate and the type of the samples
    sound: bytes  # name of the chunk with the sound


_LITTLE, _BIG = struct.Struct("<4sI"), struct.Struct(">4sI")
_KINDS = {  # by the first 12 bytes
    rb"(?:RIFF|RF64|BW64).{4}WAVE": _Kind(12, _LITTLE, 0, 2, b"fmt ", b"data"),
    rb"RIFX.{4}WAVE": _Kind(12, _BIG, 0, 2, b"fmt ", b"data"),
    rb"FORM.{4}AIF[FC]": _Kind(12, _BIG, 0, 2, b"COMM", b"SSND"),
    rb"riff\x2e\x91\xcf\x11": _Kind(40, struct.Struct("<4s12xQ"), 24, 8, b"fmt ", b"data"),  # Wave64
    rb"caff": _Kind(8, struct.Struct(">4sQ"), 0, 1, b"desc", b"data"),
}
_AU_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}  # of a sample, by its type


def inspect(handle: BinaryIO) -> Layout:
    """Find the sound of a recording; changes the position in the file.

    Raises Unreadable if the file cannot be read from start to end, Empty if it has no bytes.
    """
    try:
        present = handle.seek(0, os.SEEK_END)
    except (OSError, ValueError) as error:
        raise Unreadable(f"not a file that can be read from start to end: {error}") from error
    if not present:
        raise Empty("the file is empty (0 bytes); the recorder probably never wrote to it")
    head = read_at(handle, 0, 12)
    for pattern, kind in _KINDS.items():
        if re.match(pattern, head, re.DOTALL):
            return _of_chunks(handle, present, kind, head)
    magic = head[:4]
    if magic in (b".snd", b"dns.") and present >= 24:
        return _of_au(handle, present, ">" if magic == b".snd" else "<")
    if magic == b"OggS":
        return ogg.inspect(handle, present)
    start = mp3.after_names(handle) if magic[:3] == b"ID3" else 0
    if read_at(handle, start, 4) == b"fLaC":
        layout = flac.inspect(handle, [range(start, present)])
        return layout if not start else layout._replace(is_plain=False, parts=layout.parts or [range(start, present)])
    if start or mp3.frame_bytes(magic) or (not _is_known(head) and mp3.is_stream(handle)):
        return mp3.inspect(handle, present)
    return Layout()


def _is_known(head: bytes) -> bool:
    """Whether a file with these first bytes is of another kind that may have mp3 inside, or is text."""
    return head[:4] in (b"RIFF", b"RIFX", b"FORM") or head[4:8] == b"ftyp" or head.isascii()


def _of_chunks(handle: BinaryIO, present: int, kind: _Kind, magic: bytes) -> Layout:
    """The layout of a file of chunks, of which the first 12 bytes are given."""
    position = searched = kind.first
    large, is_plain, form = 0, True, b""
    while position + kind.head.size <= present:
        name, size = kind.head.unpack(read_at(handle, position, kind.head.size))
        start = position + kind.head.size
        end = start + max(0, size - kind.counted)
        if name == kind.sound:
            break
        if kind.align == 2 and (end > present or not _is_name(name)):
            position = _next(handle, searched, present, kind, is_known=bool(form))
            if position < 0:
                return Layout()
            is_plain, searched = False, position + kind.head.size
            continue
        if name == b"ds64" and size >= 16:  # 64-bit sizes; the second one is that of the sound
            large = struct.unpack("<Q", read_at(handle, start + 8, 8))[0]
        if name == kind.format:
            form = read_at(handle, start, min(end - start, 2**16))
        searched, position = start, _behind(handle, start, end - start, present, kind)
        is_plain &= position == end + -(end - start) % kind.align
    else:
        return Layout()

    announced = size - kind.counted if size > kind.counted else 0
    if size == 0xFFFFFFFF and magic[:4] in (b"RF64", b"BW64"):
        announced = large
    end, flags = _end(handle, present, start, announced, kind, _bytes_per_s(form, kind))
    if end - start not in (0, announced) and form[12:14] in (b"\1\0", b"\0\1") and read_at(handle, end - 1, 1) == b"\0":
        end -= 1  # the padding: in samples of one byte, zero is a click at full scale
    is_plain &= end - start == announced and (magic[:4] != b"RF64" or large == announced) and magic[:4] != b"BW64"
    if end - start <= (8 if kind.sound == b"SSND" else 0):
        return Layout(is_empty=True)
    return Layout(is_plain, flags, _repaired(form, kind, magic, position, start, end))


def _end(
    handle: BinaryIO, present: int, start: int, announced: int, kind: _Kind | None, bytes_per_s: float
) -> tuple[int, tuple[str, ...]]:
    """Where the sound that begins at `start` really ends, and the flags."""
    there = present - start
    end = start + announced
    padding = -announced % kind.align if kind else 0
    if announced and 0 <= present - end <= padding:
        return end, ()
    if end < present and kind and _is_chunk(handle, _behind(handle, start, announced, present, kind), present, kind):
        return end, ()
    follows = _chunks_at_the_end(handle, start, present, kind) if kind else present
    if (
        not announced
        or (announced in _UNKNOWN and end != follows)
        or (announced > 2 * there and any(limit - _NEAR <= announced < limit + _NEAR for limit in _LIMITS))
    ):
        return follows, ()
    if end > present:
        is_whole = announced in (present, present - 8) or is_small(end - follows, bytes_per_s)
        return follows, () if is_whole else (TRUNCATED,)
    if follows < end:  # the size counts some of the chunks after the sound; else they are part of the sound
        return (follows if is_small(end - follows, bytes_per_s) else end), ()
    more = follows - end
    if more <= _PADDING and not read_at(handle, end, more).strip(b"\0"):
        return end, ()
    return follows, () if is_small(more, bytes_per_s) else (LONGER,)


def _is_name(name: bytes) -> bool:
    return re.fullmatch(rb"[ -~]{4}", name) is not None


def _is_chunk(handle: BinaryIO, position: int, present: int, kind: _Kind) -> bool:
    """Whether chunks begin here: one with a known name, or others up to the end of the file."""
    head = read_at(handle, position, 4)
    if _NAME.match(head) or head[:3] == b"TAG":
        return True
    while position + kind.head.size <= present:
        name, size = kind.head.unpack(read_at(handle, position, kind.head.size))
        if not _is_name(name):
            return False
        position = _behind(handle, position + kind.head.size, max(0, size - kind.counted), present, kind)
    return 0 <= position - present <= kind.align - 1  # the last padding is often omitted


def _behind(handle: BinaryIO, start: int, size: int, present: int, kind: _Kind) -> int:
    """Where the next chunk begins behind the content of this one; many programs forget the byte of padding."""
    end = start + size
    padded = end + -size % kind.align
    if padded == end or kind.align != 2 or end >= present:
        return padded
    head = read_at(handle, end, 9)
    if len(head) < 9 or head[0] == 0:
        return padded
    (first, one), (second, other) = kind.head.unpack(head[:8]), kind.head.unpack(head[1:])
    if _NAME.match(first):
        return end
    is_first = _is_name(first) and one <= present - end
    return end if is_first and not (_is_name(second) and other <= present - end) else padded


def _next(handle: BinaryIO, position: int, present: int, kind: _Kind, *, is_known: bool) -> int:
    """Position of the next chunk that is needed, behind a damaged one; negative if there is none."""
    part = read_at(handle, position, _SEARCH)
    names = re.escape(kind.sound) + (b"" if is_known else b"|" + re.escape(kind.format))
    found = [match.start() for match in re.finditer(rb"(?<![A-Za-z])(?:" + names + rb")", part)]
    # the name may also occur in a text; then its size makes no sense
    for at in found:
        head = part[at : at + kind.head.size]
        if len(head) == kind.head.size and kind.head.unpack(head)[1] <= present - position - at:
            return position + at
    return position + found[0] if found else -1


def _chunks_at_the_end(handle: BinaryIO, start: int, present: int, kind: _Kind) -> int:
    """Where the known chunks begin that reach exactly to the end of the file; its end if there are none."""
    begin = max(start, present - _SEARCH)
    tail = read_at(handle, begin, present - begin)
    end = len(tail)
    if tail[-128:-125] == b"TAG":  # names, as in an mp3
        end -= 128
    for match in _NAME.finditer(tail):
        at = match.start()
        while at + kind.head.size <= end and _NAME.match(tail, at):
            size = max(0, kind.head.unpack_from(tail, at)[1] - kind.counted)
            at += kind.head.size + size
            padded = at + -size % kind.align
            if at < padded < end and not (kind.align == 2 and _NAME.match(tail, at)):
                at = padded
            if at <= end <= padded:
                return begin + match.start()
    return begin + end


def _bytes_per_s(form: bytes, kind: _Kind) -> float:
    """Bytes of a second of sound; 0 if that is not known."""
    if kind.format == b"fmt " and len(form) >= 16:
        order = ">" if kind.head is _BIG else "<"
        tag, _, rate, average, block = struct.unpack(f"{order}HHIIH", form[:14])
        return float(rate * block if tag in (1, 3, 6, 7, 0xFFFE) else average)
    if kind.format == b"COMM" and len(form) >= 18:
        rate_hz = int.from_bytes(form[10:18], "big") * 2.0 ** (int.from_bytes(form[8:10], "big") % 2**15 - 16446)
        channels, _, bits = struct.unpack(">HIH", form[:8])
        return float(rate_hz * channels * -(-bits // 8))
    if kind.format == b"desc" and len(form) >= 24:
        rate_hz, size, frames = struct.unpack(">d8xII", form[:24])
        return float(rate_hz * size / max(frames, 1))
    return 0.0


def _repaired(form: bytes, kind: _Kind, magic: bytes, position: int, start: int, end: int) -> list[bytes | range]:
    """The parts of the file with a right header, of which the sound chunk begins at `position`; none if impossible."""
    size = end - start
    if kind.align != 2:  # only the size of the sound is wrong
        at = position + kind.head.size - 8
        new = struct.pack("<Q" if kind.align == 8 else ">Q", size + kind.counted)
        return [range(at), new, range(at + 8, end)]
    if not form:
        return []
    chunks = [(kind.format, form)]
    if kind.sound == b"SSND":
        name, type_ = b"FORM", magic[8:12]
    else:
        name, type_ = b"RIFX" if kind.head is _BIG else b"RIFF", b"WAVE"
    if size > 2**32 - 2**17 and name == b"RIFF":
        name = b"RF64"
        chunks.insert(0, (b"ds64", struct.pack("<QQQI", size + len(form) + 66, size, 0, 0)))
    inner = b"".join(kind.head.pack(n, len(body)) + body + bytes(len(body) % 2) for n, body in chunks)
    most = 2**32 - 1
    outer = min(4 + len(inner) + 8 + size, most)
    return [
        kind.head.pack(name, outer) + type_ + inner + kind.head.pack(kind.sound, min(size, most)),
        range(start, end),
    ]


def _of_au(handle: BinaryIO, present: int, order: str) -> Layout:
    start, size, kind, rate_hz, channels = struct.unpack(f"{order}5I", read_at(handle, 4, 20))
    if not 24 <= start < present:
        return Layout(is_empty=start == present)
    end, flags = _end(handle, present, start, size, None, rate_hz * channels * _AU_BYTES.get(kind, 0))
    new = struct.pack(f"{order}I", min(end - start, 2**32 - 1))
    return Layout(end - start == size, flags, [range(8), new, range(12, end)])
