"""What headers promise: cuts are noticed in every container, and nothing whole is called cut."""

from __future__ import annotations

import io
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from popdetect.detection.audio import recording as audio
from popdetect.detection.audio.containers import GuardedFile, sound_size
from popdetect.errors import AudioError, Empty, Truncated, Unreadable

SOUND = (0.1 * np.random.default_rng(0).standard_normal(48_000)).astype(np.float32)
PLACEHOLDERS = [0, 0x7FFF_F000, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF]


def encoded(kind: str, rate_hz: int = 48_000, **how: Any) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, SOUND, rate_hz, format=kind, **how)
    return buffer.getvalue()


def without_promise(mp3: bytes) -> bytes:
    """An mp3 as encoders write it that do not go back: the frame that tells the length is left out."""
    second = mp3.index(mp3[:2], 2)
    assert b"Xing" in mp3[:second] or b"Info" in mp3[:second]
    return mp3[second:]


def id3(size: int) -> bytes:
    return b"ID3\x04\0\0" + bytes((size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127)) + bytes(size)


CONTAINERS = {
    "wav": encoded("WAV"),
    "wav, big-endian": encoded("WAV", endian="BIG"),
    "rf64": encoded("RF64"),
    "aiff": encoded("AIFF"),
    "au": encoded("AU"),
    "au, little-endian": encoded("AU", endian="LITTLE"),
    "w64": encoded("W64"),
    "caf": encoded("CAF"),
    "flac": encoded("FLAC"),
    "ogg": encoded("OGG"),
    "mp3": encoded("MP3"),
    "mp3, 16 kHz": encoded("MP3", rate_hz=16_000),
    "mp3 that promises nothing": without_promise(encoded("MP3", bitrate_mode="CONSTANT", compression_level=0.5)),
    "mp3 with tags": id3(1_000)
    + without_promise(encoded("MP3", bitrate_mode="CONSTANT", compression_level=0.5))
    + b"TAG"
    + bytes(125),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_half_of_it_is_truncated_and_all_of_it_is_not(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = CONTAINERS[name]
    (tmp_path / "a").write_bytes(raw)
    assert len(audio.read(io.BytesIO(raw))[0]) == len(audio.read(tmp_path / "a")[0]) >= 0.9 * len(SOUND)

    end = len(raw) - (128 if "tags" in name else 0)  # a lost tag is no loss of sound
    for size in (len(raw) // 2, end * 9 // 10, end - 5):
        (tmp_path / "a").write_bytes(raw[:size])
        for source in (tmp_path / "a", io.BytesIO(raw[:size])):
            with pytest.raises(Truncated, match=r"cut (off|short)"):
                audio.read(source)
    assert capfd.readouterr() == ("", "")  # the decoders' own warnings


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


def test_a_size_that_is_no_placeholder_is_a_promise() -> None:
    raw = bytearray(CONTAINERS["wav"])
    at = raw.index(b"data")
    for size in (len(raw), 0x7FFF_EFFE, 0xFFFF_FFFE):
        raw[at + 4 : at + 8] = struct.pack("<I", size)
        with pytest.raises(Truncated, match=f"promises {size} bytes of sound, 96000 are there"):
            audio.read(io.BytesIO(raw))


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


def test_a_promise_is_kept_or_not() -> None:
    raw = CONTAINERS["wav"]

    assert sound_size(io.BytesIO(raw)) == (len(raw), 96_000, 0, 0)
    assert sound_size(io.BytesIO(raw[:-100])) == (len(raw) - 100, 96_000, 100, 0)
    assert sound_size(io.BytesIO(b"")) == sound_size(io.BytesIO()) == (0, 0, 0, 0)
    assert sound_size(io.BytesIO(b"RIFF")) == (4, 0, 0, 0)


def test_fraunhofers_promise_counts_too() -> None:
    frame = bytearray(417)  # MPEG 1, layer III, 128 kbit/s, 44.1 kHz
    frame[:4] = b"\xff\xfb\x90\x00"
    first = frame.copy()
    first[36:50] = b"VBRI" + bytes(6) + struct.pack(">I", 5 * 417)

    assert not sound_size(io.BytesIO(first + frame * 4)).missing
    assert sound_size(io.BytesIO(first + frame * 3)).missing  # ends with a whole frame, and yet too early


def test_an_mp3_whose_length_would_be_guessed_wrong_is_refused() -> None:
    with pytest.raises(Unreadable, match="varying bitrate"):
        audio.read(io.BytesIO(without_promise(CONTAINERS["mp3"])))


def test_a_flac_of_unknown_length_is_told_as_one() -> None:
    raw = bytearray(CONTAINERS["flac"])
    raw[21] &= 0xF0
    raw[22:26] = bytes(4)

    with pytest.raises(Unreadable, match="does not say how long it is"):
        audio.read(io.BytesIO(raw))


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


def test_a_place_before_the_start_is_passed_over() -> None:
    guarded = GuardedFile(io.BytesIO(b"0123456789"), unset_at=4)
    buffer = bytearray(6)

    assert guarded.seek(2) == 2
    assert guarded.seek(-1) == 2
    assert guarded.readinto(buffer) == 6
    assert (buffer, guarded.tell()) == (b"23\xff\xff\xff\xff", 8)
    assert guarded.seek(0, 2) == 10
    assert guarded.readinto(buffer) == 0
