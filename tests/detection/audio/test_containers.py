"""Sound is judged by what is there: wrong sizes change nothing; cuts and overlong files are flagged."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from popdetect.detection.audio import recording as audio
from popdetect.detection.audio.containers import inspect
from popdetect.detection.audio.view import View
from popdetect.detection.detector import Detector
from popdetect.errors import AudioError, Empty, Truncated, Unreadable

SOUND = (0.1 * np.random.default_rng(0).standard_normal(48_000)).astype(np.float32)
# 0, and what streaming programs write: sox, ffmpeg, gstreamer, Java, and others
PLACEHOLDERS = [
    0, 0x7F00_0008, 0x7FFF_F000, 0x7FFF_FFDB, 0x7FFF_FFFF, 0x8000_0000, 0x8000_0024, 0xFFFF_0000, 0xFFFF_FF00,
    0xFFFF_FF9B, 0xFFFF_FFDB, 0xFFFF_FFFE, 0xFFFF_FFFF,
]  # fmt: skip


def encoded(kind: str, rate_hz: int = 48_000, sound: npt.NDArray[np.float32] = SOUND, **how: Any) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate_hz, format=kind, **how)
    return buffer.getvalue()


def without_tag(mp3: bytes) -> bytes:
    """An mp3 as encoders write it that do not go back: the frame that tells the length is left out."""
    second = mp3.index(mp3[:2], 2)
    assert b"Xing" in mp3[:second] or b"Info" in mp3[:second]
    return mp3[second:]


def id3(size: int) -> bytes:
    return b"ID3\x04\0\0" + bytes((size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127)) + bytes(size)


CONTAINERS = {
    "wav": encoded("WAV"),
    "wav, big-endian": encoded("WAV", endian="BIG"),
    "wav, adpcm": encoded("WAV", subtype="MS_ADPCM"),
    "wav, gsm": encoded("WAV", subtype="GSM610", rate_hz=8_000),
    "wavex": encoded("WAVEX", subtype="PCM_24"),
    "rf64": encoded("RF64"),
    "aiff": encoded("AIFF"),
    "aifc": encoded("AIFF", endian="LITTLE"),
    "au": encoded("AU"),
    "au, little-endian": encoded("AU", endian="LITTLE"),
    "w64": encoded("W64"),
    "caf": encoded("CAF"),
    "flac": encoded("FLAC"),
    "ogg": encoded("OGG"),
    "opus": encoded("OGG", subtype="OPUS"),
    "mp3": encoded("MP3"),
    "mp3, 16 kHz": encoded("MP3", rate_hz=16_000),
    "mp3 with names": id3(1_000) + encoded("MP3") + b"TAG" + bytes(125),
}
COMPRESSED = ("flac", "ogg", "opus", "mp3")


def read(raw: bytes) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """The samples of a file in memory, and its flags."""
    recording = audio.Recording(io.BytesIO(raw))
    return np.concatenate(list(recording)), recording.flags


@pytest.mark.parametrize("name", CONTAINERS)
def test_half_of_it_is_judged_and_flagged_and_all_of_it_is_not(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = CONTAINERS[name]
    whole, flags = read(raw)
    assert flags == ()
    assert abs(len(whole) - len(SOUND)) < 3_000

    end = len(raw) - (128 if "names" in name else 0)
    for size in (len(raw) // 2, end * 9 // 10):
        if name in ("ogg", "opus") and size == len(raw) // 2:
            with pytest.raises(Truncated, match="no sound is left"):  # only its head is
                read(raw[:size])
            continue
        part, flags = read(raw[:size])
        assert flags == ("truncated",)
        page = 0.5 if name in ("ogg", "opus") else 0.15  # a page of half a second cannot be decoded in part
        assert (size / len(raw) - page) * len(whole) < len(part) < (size / len(raw) + 0.15) * len(whole)
        if not name.startswith(("mp3", "ogg", "opus")):
            same = len(part) - 200  # the last block of a GSM file
            np.testing.assert_array_equal(part[:same], whole[:same])
        (tmp_path / "a").write_bytes(raw[:size])
        recording = audio.Recording(tmp_path / "a")
        np.testing.assert_array_equal(np.concatenate(list(recording)), part)
        assert recording.flags == flags
    assert capfd.readouterr() == ("", "")  # the decoders' own warnings


@pytest.mark.parametrize("name", [name for name in CONTAINERS if not name.startswith(COMPRESSED)])
@pytest.mark.parametrize("lost", [1, 2, 8, 36, 44, 64])
def test_a_few_bytes_less_are_no_cut(name: str, lost: int) -> None:
    whole, _ = read(CONTAINERS[name])
    part, flags = read(CONTAINERS[name][:-lost])

    assert flags == ()
    assert len(whole) - len(part) <= {"wav, adpcm": 4_084, "wav, gsm": 320}.get(name, lost)  # a block, or samples


def chunk(name: bytes, content: bytes, *, padded: bool = True) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2 if padded else 0)


names = st.sampled_from([b"LIST", b"bext", b"iXML", b"JUNK", b"cue ", b"id3 ", b"PAD ", b"fact"])
contents = st.binary(max_size=90) | st.integers(0, 700).map(bytes) | st.text("abc <>/", max_size=70).map(str.encode)
chunks = st.builds(lambda n, c, p: chunk(n, c, padded=p), names, contents, st.booleans())
chunks_before = chunks | st.builds(lambda c: chunk(b"abcd", c), contents)


@settings(max_examples=150, derandomize=True)
@given(
    subtype=st.sampled_from(["PCM_U8", "PCM_16", "PCM_24", "FLOAT"]),
    channels=st.integers(1, 3),
    n=st.integers(1_000, 2_000),
    before=st.lists(chunks_before, max_size=3),
    after=st.lists(chunks, max_size=2),
    size=st.integers(2, 60) | st.sampled_from(["right", "file", "file - 8", "header", "half", *PLACEHOLDERS]),
    riff_size=st.sampled_from([None, 0, 36, 0xFFFF_FFFF]),
    magic=st.sampled_from([b"RIFF", b"RF64", b"BW64"]),
)
def test_whole_sound_is_read_whole_whatever_the_header_says(
    subtype: str,
    channels: int,
    n: int,
    before: list[bytes],
    after: list[bytes],
    size: int | str,
    riff_size: int | None,
    magic: bytes,
) -> None:
    sound = np.resize(SOUND, (n // 2 * 2 if subtype == "PCM_U8" else n, channels))
    clean = encoded("WAV", sound=sound, subtype=subtype)
    whole, _ = read(clean)
    at = clean.index(b"data")
    right = struct.unpack("<I", clean[at + 4 : at + 8])[0]
    data = clean[at + 8 : at + 8 + right]
    form = clean[12 : 20 + clean[16]]
    tail = b"".join(after)
    head = 12 + len(form) + sum(map(len, before)) + 8
    total = head + right + right % 2 * bool(after) + len(tail)
    named = {"right": right, "file": total, "file - 8": total - 8, "header": right + head, "half": right // 2}
    told = named[size] if isinstance(size, str) else size if size in PLACEHOLDERS else right + size
    # a size that ends where one of the chunks after the sound ends is taken as it is
    edges = [right + right % 2 + len(b"".join(after[: n + 1])) for n in range(len(after))]
    assume(all(abs(told - edge) > 1 for edge in edges))
    raw = magic + struct.pack("<I", total - 8 if riff_size is None else riff_size) + b"WAVE"
    raw += b"".join(before[:1]) + form + b"".join(before[1:]) + b"data" + struct.pack("<I", told)
    raw += data + bytes(right % 2 * bool(after)) + tail
    samples, flags = read(raw)

    np.testing.assert_array_equal(samples, whole)
    assert flags == (("longer_than_header",) if size == "half" else ())


@pytest.mark.parametrize("size", PLACEHOLDERS)
@pytest.mark.parametrize("riff_size", [None, 0, 36, 0x7FFF_F024, 0xFFFF_FFFF])
def test_a_recorder_that_could_not_go_back_is_read(tmp_path: Path, size: int, riff_size: int | None) -> None:
    raw = bytearray(CONTAINERS["wav"])
    at = raw.index(b"data")
    raw[at + 4 : at + 8] = struct.pack("<I", size)
    if riff_size is not None:
        raw[4:8] = struct.pack("<I", riff_size)
    (tmp_path / "a.wav").write_bytes(raw)
    whole, _ = audio.read(io.BytesIO(CONTAINERS["wav"]))

    for source in (tmp_path / "a.wav", io.BytesIO(raw)):
        np.testing.assert_array_equal(audio.read(source)[0], whole)


WAV = CONTAINERS["wav"]
AIFF = CONTAINERS["aiff"]


@pytest.mark.parametrize(
    "raw",
    [
        *(WAV[:40] + struct.pack("<I", 96_000 - less) + WAV[44:] for less in (44, 36, 8, 2)),
        WAV[:36] + b"\0\0" + WAV[36:],  # two bytes more in the format chunk than it says
        WAV[:16] + struct.pack("<I", 18) + WAV[20:],  # two bytes less
        WAV[:36] + bytes(468) + WAV[36:],  # zeros up to the next sector
        WAV[:12] + b"LIST" + struct.pack("<I", 10) + b"INFOISFT" + bytes(20) + WAV[12:],
        WAV[:12] + b"LIST" + struct.pack("<I", 50) + b"INFOISFT" + bytes(20) + WAV[12:],
        WAV[:36] + b"bext" + struct.pack("<I", 0x7000_0000) + bytes(602) + WAV[36:],
        WAV[:36] + chunk(b"iXML", b"<BWFXML><x>data fmt </x></BWF>.", padded=False) + WAV[36:],
        WAV[:36] + chunk(b"abcd", b"12345", padded=False) + WAV[36:],
        WAV[:36] + chunk(b"bext", b"abcde", padded=False) + b"data" + b"\xff" * 4 + WAV[44:],
        WAV[:36] + b"iXML" + struct.pack("<I", 27) + b"<BWFXML>\0\xff data <xy>metadata</xy></BWFXML> " + WAV[36:],
        *(
            WAV[:36] + chunk(b"JUNK", bytes(2_000)) + b"data" + struct.pack("<I", n) + WAV[44:]
            for n in (98_052, 98_044)
        ),
        WAV + b"LIST" + struct.pack("<I", 500) + b"INFO" + bytes(30),
        WAV + chunk(b"Zoom", b"abcde", padded=False),
        WAV + b"TAG" + bytes(125),
        AIFF[:12] + b"NAME\0\0\0\5abcde" + AIFF[12:],
        AIFF + b"NAME\0\0\0\5abcde",
    ],
)
def test_chunks_with_other_mistakes_are_read(raw: bytes) -> None:
    samples, flags = read(raw)

    np.testing.assert_array_equal(samples, read(WAV)[0])
    assert flags == ()


def test_the_padding_of_8_bit_samples_is_no_click() -> None:
    raw = encoded("WAV", sound=SOUND[:999], subtype="PCM_U8")
    raw = raw[:40] + b"\xff" * 4 + raw[44:1_043] + b"\0" + chunk(b"LIST", b"INFO")
    samples, _ = read(raw)

    assert len(samples) == 999
    assert np.abs(samples).max() < 0.6


@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "AIFF", "AU", "W64", "CAF"])
def test_the_repaired_header_of_a_right_file_gives_the_same_samples(kind: str) -> None:
    for subtype in soundfile.available_subtypes(kind):
        for channels, endian in ((1, "FILE"), (2, "FILE"), (2, "LITTLE"), (2, "BIG")):
            buffer = io.BytesIO()
            sound = np.resize(SOUND, (8_000, channels))
            with suppress(soundfile.SoundFileError, ValueError):
                soundfile.write(buffer, sound, 8_000, format=kind, subtype=subtype, endian=endian)
            if not buffer.getvalue() or "DWVW" in subtype:
                continue
            parts = inspect(buffer).parts
            repaired, rate_hz = soundfile.read(View(buffer, parts), always_2d=True)
            buffer.seek(0)
            right, _ = soundfile.read(buffer, always_2d=True)
            assert rate_hz == 8_000
            np.testing.assert_array_equal(repaired[:8_000], right[:8_000], f"{subtype} {endian}")


@pytest.mark.parametrize("large", [None, 0, 2**32 - 1, 2**64 - 1])
@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_rf64_and_bw64_that_were_never_closed_are_read(magic: bytes, large: int | None) -> None:
    raw = CONTAINERS["wav"]
    sizes = b"" if large is None else chunk(b"ds64", struct.pack("<QQQI", large, large, 0, 0))
    raw = magic + b"\xff" * 4 + b"WAVE" + sizes + raw[12:40] + b"\xff" * 4 + raw[44:]
    samples, flags = read(raw)

    np.testing.assert_array_equal(samples, read(CONTAINERS["wav"])[0])
    assert flags == ()


@pytest.mark.parametrize(
    ("name", "at", "form", "sizes"),
    [
        ("aiff", CONTAINERS["aiff"].index(b"SSND") + 4, ">I", [0, 0x7F00_0008, 2**31 - 1, 2**32 - 1, 96_052]),
        ("aifc", CONTAINERS["aifc"].index(b"SSND") + 4, ">I", [0, 0x7F00_0008, 2**31 - 1, 2**32 - 1, 96_052]),
        ("au", 8, ">I", [0, 2**32 - 1, 2**31 - 40, 96_024, 96_001]),
        ("au, little-endian", 8, "<I", [0, 2**32 - 1, 96_024]),
        ("w64", CONTAINERS["w64"].index(b"data\xf3") + 16, "<Q", [0, 24, 2**63 - 1, 96_024 + 44]),
        ("caf", CONTAINERS["caf"].index(b"data\0") + 4, ">Q", [0, 2**64 - 1, 96_004 + 44]),
    ],
)
def test_wrong_sizes_of_other_containers(name: str, at: int, form: str, sizes: list[int]) -> None:
    whole, _ = read(CONTAINERS[name])
    for size in sizes:
        raw = bytearray(CONTAINERS[name])
        raw[at : at + struct.calcsize(form)] = struct.pack(form, size)
        samples, flags = read(bytes(raw))
        np.testing.assert_array_equal(samples, whole, str(size))
        assert flags == ()
    raw = bytearray(CONTAINERS[name])
    raw[at : at + struct.calcsize(form)] = struct.pack(form, 48_000)
    samples, flags = read(bytes(raw))
    np.testing.assert_array_equal(samples, whole)
    assert flags == ("longer_than_header",)


def test_a_size_that_is_no_placeholder_is_a_promise() -> None:
    raw = bytearray(CONTAINERS["wav"])
    at = raw.index(b"data")
    for size in (100_000, 2 * len(raw), 0x4000_0000, 0x7FF0_0000):
        raw[at + 4 : at + 8] = struct.pack("<I", size)
        assert read(bytes(raw))[1] == ("truncated",)


def test_what_lies_in_the_sound_stays_sound() -> None:
    stale = CONTAINERS["wav"][:44]
    sound = CONTAINERS["wav"][44:]
    data = sound[:1_000] + stale + sound[1_000:]
    for told in (len(data), len(data) + 44, 0xFFFF_FF9B):
        raw = CONTAINERS["wav"][:40] + struct.pack("<I", told) + data + chunk(b"LIST", b"INFO")
        assert len(read(raw)[0]) == len(data) // 2


def test_zeros_that_fill_the_last_sector_are_no_sound() -> None:
    raw = CONTAINERS["wav"]

    assert [len(array) for array in read(raw + bytes(512))[:1]] == [len(SOUND)]
    assert read(raw + bytes(512))[1] == ()


def test_a_wav_of_more_than_4_gib_whose_size_wrapped_is_read_to_its_end() -> None:
    class Long(io.RawIOBase):
        """5 GiB of one second that repeats; the size in the header is what is left of it in 32 bits."""

        size = 44 + 5 * 2**30 + 9_600

        def __init__(self) -> None:
            self._at = 0
            self._head = CONTAINERS["wav"][:40] + struct.pack("<I", (self.size - 44) % 2**32 - 2**30)
            self._second = CONTAINERS["wav"][44:]

        def seek(self, offset: int, whence: int = 0) -> int:
            self._at = (0, self._at, self.size)[whence] + offset
            return self._at

        def tell(self) -> int:
            return self._at

        def readinto(self, buffer: Any) -> int:
            n = max(0, min(len(buffer), self.size - self._at))
            begin = (self._at - 44) % 96_000
            data = (self._head[self._at :] if self._at < 44 else b"") + self._second[begin:] + self._second * 2
            n = min(n, len(data))
            buffer[:n] = data[:n]
            self._at += n
            return n

    handle: Any = Long()
    layout = inspect(handle)
    recording = audio.Recording(handle)
    first = next(iter(recording))

    assert layout.flags == recording.flags == ("longer_than_header",)
    assert len(layout.parts[-1]) == 5 * 2**30 + 9_600
    assert recording._frames == (5 * 2**30 + 9_600) // 2
    np.testing.assert_array_equal(first[:48_000], read(CONTAINERS["wav"])[0])


@pytest.mark.parametrize(
    "behind", [b"", b"LIST\x04\0\0\0INFO", b"LIST\x05\0\0\0INFO\0", b"id3 \x04\0\0\0abcdPAD \0\0\0\0"]
)
def test_no_sound_with_nothing_but_chunks_behind_is_empty(behind: bytes) -> None:
    head = CONTAINERS["wav"][:36] + b"data" + bytes(4)

    with pytest.raises(Empty, match="a header but no samples"):
        audio.read(io.BytesIO(head + behind))


def test_a_header_whose_sound_was_never_written_is_empty() -> None:
    raw = CONTAINERS["wav"]

    with pytest.raises(Empty, match="a header but no samples"):
        audio.read(io.BytesIO(raw[: raw.index(b"data") + 8]))


def test_a_file_with_a_right_header_is_left_to_the_decoder() -> None:
    for name in ("wav", "rf64", "aiff", "au", "w64", "caf", "flac", "ogg", "opus", "mp3"):
        assert inspect(io.BytesIO(CONTAINERS[name])).is_plain, name
    with pytest.raises(Empty, match="0 bytes"):
        inspect(io.BytesIO(b""))
    assert inspect(io.BytesIO(b"RIFF")).is_plain


def test_onsets_are_those_of_the_clean_recording(detector: Detector, clip: Any, tmp_path: Path) -> None:
    sound = clip((0.4, 0.9), 1.5)
    soundfile.write(tmp_path / "a.wav", sound, 48_000, subtype="PCM_16")
    raw = (tmp_path / "a.wav").read_bytes()
    clean = detector.verdict(io.BytesIO(raw), "a.wav").detection
    assert clean is not None
    assert clean.n_pops == 2
    for size in (len(raw), len(raw) - 8, 0xFFFF_FF9B, 0, 1_000):
        found = detector.verdict(io.BytesIO(raw[:40] + struct.pack("<I", size) + raw[44:]), "a.wav").detection
        assert found is not None
        assert found.events == clean.events
        assert found.quality == (("longer_than_header",) if size == 1_000 else ())
    half = detector.verdict(io.BytesIO(raw[: len(raw) // 2]), "a.wav")
    assert (half.status, half.error) == ("ok", "")
    assert half.detection is not None
    assert half.detection.quality == ("truncated",)
    assert half.detection.onsets_s == pytest.approx(clean.onsets_s[:1])
    assert half.detection.duration_s == pytest.approx(0.75, abs=0.001)


def test_a_damaged_aiff_in_memory_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    raw = bytearray(CONTAINERS["aiff"])
    raw[raw.index(b"SSND")] = 255  # libsndfile then seeks before the start

    with pytest.raises(Unreadable, match="a damaged FORM file"):
        audio.read(io.BytesIO(raw))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", CONTAINERS)
def test_no_damage_does_more_than_make_it_unreadable(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    chance = np.random.default_rng(1)
    for turn in range(40):
        raw = bytearray(CONTAINERS[name])
        for at in chance.integers(0, 200 if turn % 2 else len(raw), int(chance.integers(1, 8))):
            raw[at] = int(chance.choice([0, 127, 255, chance.integers(0, 256)]))
        (tmp_path / "a").write_bytes(raw)
        for source in (tmp_path / "a", io.BytesIO(raw)):
            with suppress(AudioError):
                audio.read(source)
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_view_has_its_parts_one_after_another() -> None:
    view = View(io.BytesIO(b"0123456789"), [b"ab", range(3, 6), b"", range(8, 10)])
    buffer = bytearray(6)

    assert (view.readinto(buffer), buffer, view.tell()) == (6, b"ab3458", 6)
    assert (view.seek(-1, 2), view.readinto(buffer), buffer[:1], view.readinto(buffer)) == (6, 1, b"9", 0)
    assert (view.seek(1), view.seek(-1), view.seek(2, 1)) == (1, 1, 3)
    assert View(io.BytesIO(b"0123")).seek(0, 2) == 4
