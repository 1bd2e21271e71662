"""Which files are recordings, and the errors of those that are not."""

from __future__ import annotations

import io
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from popdetect.detection.audio import recording as audio
from popdetect.errors import AudioError, Empty, NotFinite, TooShort, Truncated, Unreadable

SOUND = (0.3 * np.sin(np.arange(24_000) / 7)).astype(np.float32)


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [
        ("wav", "PCM_U8", 0.01),
        ("wav", "PCM_16", 1e-4),
        ("wav", "PCM_24", 1e-6),
        ("wav", "PCM_32", 1e-7),
        ("wav", "FLOAT", 0),
        ("wav", "DOUBLE", 0),
        ("flac", "PCM_16", 1e-4),
        ("aiff", "PCM_16", 1e-4),
        ("ogg", "VORBIS", 0.1),
        ("mp3", "MPEG_LAYER_III", 0.3),
    ],
)
def test_formats_are_read_as_they_were_written(tmp_path: Path, suffix: str, subtype: str, tolerance: float) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, SOUND, 48_000, subtype=subtype)
    samples, rate_hz = audio.read(path)

    assert rate_hz == 48_000
    assert samples.dtype == np.float32
    assert samples.shape[1] == 1
    assert len(samples) >= len(SOUND)
    if suffix != "mp3":  # which has a delay of its own
        np.testing.assert_allclose(samples[: len(SOUND), 0], SOUND, atol=tolerance + 1e-9)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_rates_and_channels(tmp_path: Path, rate_hz: int, channels: int) -> None:
    sound = np.tile(SOUND[:, None], (1, channels))
    soundfile.write(tmp_path / "a.wav", sound, rate_hz)
    samples, rate = audio.read(tmp_path / "a.wav")

    assert (rate, samples.shape) == (rate_hz, sound.shape)


def test_a_long_file_comes_in_blocks_that_join(tmp_path: Path) -> None:
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 8_000 * 45).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", sound, 8_000, subtype="FLOAT")
    blocks = list(audio.Recording(tmp_path / "a.wav"))

    assert [len(block) for block in blocks] == [160_000, 160_000, 40_000]
    np.testing.assert_array_equal(np.concatenate(blocks)[:, 0], sound)


def test_a_compressed_file_in_blocks_equals_it_read_at_once(tmp_path: Path) -> None:
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, (8_000 * 45, 2)).astype(np.float32)
    for suffix in ("flac", "ogg"):
        path = tmp_path / f"a.{suffix}"
        soundfile.write(path, sound, 8_000)
        blocks = list(audio.Recording(path))

        assert len(blocks) == 3
        np.testing.assert_array_equal(np.concatenate(blocks), soundfile.read(path, dtype="float32")[0])


def test_faults_beyond_the_first_block_count_too(tmp_path: Path) -> None:
    sound = np.zeros((8_000 * 25, 2), np.float32)
    sound[-1, 1] = 0.5  # one channel, one sample: not digital silence
    soundfile.write(tmp_path / "a.wav", sound, 8_000, subtype="FLOAT")
    assert len(audio.read(tmp_path / "a.wav")[0]) == len(sound)

    sound[-1, 1] = np.nan
    soundfile.write(tmp_path / "a.wav", sound, 8_000, subtype="FLOAT")
    with pytest.raises(NotFinite):
        audio.read(tmp_path / "a.wav")


def _wav(sound: np.ndarray, rate_hz: int = 48_000, **how: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate_hz, format=how.pop("format", "WAV"), **how)
    return buffer.getvalue()


def _half(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def _damaged(raw: bytes) -> bytes:
    return raw[: len(raw) // 2] + bytes(200) + raw[len(raw) // 2 + 200 :]


def _poisoned(value: float) -> np.ndarray:
    sound = SOUND.copy()
    sound[1000] = value
    return sound


BAD: list[tuple[str, Callable[[], bytes], type[AudioError], str]] = [
    ("nothing", lambda: b"", Empty, "0 bytes"),
    ("header only", lambda: _wav(SOUND[:0]), Empty, "header but no samples"),
    ("aiff header only", lambda: _wav(SOUND[:0], format="AIFF"), Empty, "header but no samples"),
    ("ogg header only", lambda: _wav(SOUND[:0], format="OGG"), Empty, "header but no samples"),
    ("half an ogg", lambda: _half(_wav(SOUND, format="OGG")), Truncated, "cut off: no sound is left"),
    ("a damaged flac", lambda: _damaged(_wav(SOUND, format="FLAC")), Truncated, r"damaged inside.* promises 0\.50 s"),
    ("text", lambda: b"file,label\nclip.wav,pop\n", Unreadable, "text, not audio"),
    ("m4a", lambda: b"\x00\x00\x00\x20ftypM4A " + bytes(64), Unreadable, "without its index"),
    ("rubbish", lambda: bytes(range(256)), Unreadable, "not a recording"),
    ("nan", lambda: _wav(_poisoned(np.nan), subtype="FLOAT"), NotFinite, "1 samples are not numbers"),
    ("inf", lambda: _wav(_poisoned(np.inf), subtype="FLOAT"), NotFinite, "1 samples are not numbers"),
    ("one sample", lambda: _wav(SOUND[1:2]), TooShort, "1 samples"),
    ("just too short", lambda: _wav(SOUND[1:480]), TooShort, r"479 samples \(9\.98 ms\); at least 10 ms \(480\)"),
    ("silence", lambda: _wav(SOUND * 0), Empty, "digital silence"),
    ("4 kHz", lambda: _wav(SOUND, 4_000), Unreadable, "sample rate 4000 Hz; 8000 to 192000"),
]


@pytest.mark.parametrize(("name", "make", "error", "words"), BAD, ids=[case[0] for case in BAD])
def test_what_is_wrong_is_said_in_one_line(
    tmp_path: Path, name: str, make: Callable[[], bytes], error: type[AudioError], words: str
) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(make())

    with pytest.raises(error, match=words) as caught:
        audio.read(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(error):
        audio.read(io.BytesIO(make()))


def test_missing_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no such file"):
        audio.read(tmp_path / "nothing.wav")
    with pytest.raises(Unreadable, match="folder"):
        audio.read(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_a_device_and_a_socket_are_refused_before_they_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "link.wav").symlink_to("pipe.wav")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket.wav"))
        for name in ("pipe.wav", "link.wav", "socket.wav", os.devnull):
            with pytest.raises(Unreadable, match="not a regular file"):
                audio.read(tmp_path / name)


@pytest.mark.parametrize("name", ["x" * 300 + ".wav", "a\0b.wav"])
def test_a_name_that_no_file_can_have_is_unreadable(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unreadable, match="cannot be opened"):
        audio.read(tmp_path / name)


def test_a_streamed_wav_of_unknown_size_is_read(tmp_path: Path) -> None:
    raw = bytearray(_wav(SOUND))
    at = raw.index(b"data")
    raw[at + 4 : at + 8] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "a.wav").write_bytes(raw)

    assert len(audio.read(tmp_path / "a.wav")[0]) == len(SOUND)


def test_chunks_before_the_sound_do_not_look_like_a_cut(tmp_path: Path) -> None:
    raw = _wav(SOUND)
    odd = b"LIST" + struct.pack("<I", 5) + b"abcde\0"
    (tmp_path / "a.wav").write_bytes(raw[:12] + odd + raw[12:])

    assert len(audio.read(tmp_path / "a.wav")[0]) == len(SOUND)


@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "AIFF", "FLAC", "OGG", "MP3"])
def test_a_file_in_memory_reads_as_it_does_from_disk(tmp_path: Path, kind: str) -> None:
    raw = _wav(SOUND, format=kind)
    (tmp_path / "a").write_bytes(raw)
    from_memory, from_disk = audio.read(io.BytesIO(raw)), audio.read(tmp_path / "a")

    assert from_memory[1] == from_disk[1] == 48_000
    np.testing.assert_array_equal(from_memory[0], from_disk[0])


@pytest.mark.parametrize("kind", ["WAV", "RF64", "AIFF", "AU", "W64", "FLAC", "OGG", "MP3"])
def test_no_cut_goes_unnoticed_wherever_it_is(kind: str) -> None:
    raw = _wav(SOUND, format=kind)

    for share in (0.001, 0.005, 0.02, 0.1, 0.35, 0.7, 0.95):
        try:
            recording = audio.Recording(io.BytesIO(raw[: int(len(raw) * share)]))
            for _ in recording:
                pass
        except AudioError:
            assert share < 0.5 or kind == "OGG"  # hardly more than its head
        else:
            assert recording.flags == ("truncated",)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff"])
@pytest.mark.parametrize("channels", [1, 2])
def test_16_bit_samples_are_the_decoders_own_to_the_bit(tmp_path: Path, suffix: str, channels: int) -> None:
    steps = np.concatenate([np.arange(-32768, 32768, 7), [32767, -32768]]).astype(np.int16)
    path = tmp_path / f"all{suffix}"
    soundfile.write(path, np.stack([steps] * channels, axis=1), 48_000, subtype="PCM_16")
    samples, _ = audio.read(path)

    np.testing.assert_array_equal(samples, soundfile.read(path, dtype="float32", always_2d=True)[0])
