"""Mp3: the length without a tag, the delay of the encoder, and no messages of the decoder."""

from __future__ import annotations

import io
import os
import threading

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from popdetect.detection.audio import recording as audio
from popdetect.detection.audio.mp3 import without_messages
from popdetect.errors import Truncated

Samples = npt.NDArray[np.float32]


def sound(rate_hz: int, channels: int = 1) -> Samples:
    rng = np.random.default_rng(0)
    noise = np.cumsum(rng.standard_normal((3 * rate_hz, channels)), axis=0)
    noise -= np.stack([np.convolve(column, np.ones(50) / 50, "same") for column in noise.T], axis=1)
    return (0.2 * noise / np.abs(noise).max()).astype(np.float32)


def mp3(samples: Samples, rate_hz: int, mode: str) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format="MP3", bitrate_mode=mode, compression_level=0.4)
    return buffer.getvalue()


def without_tag(raw: bytes) -> bytes:
    """As an encoder writes it that cannot go back to the first frame."""
    second = raw.index(raw[:2], 2)
    assert b"Xing" in raw[:second] or b"Info" in raw[:second]
    return raw[second:]


def read(raw: bytes) -> tuple[Samples, tuple[str, ...]]:
    recording = audio.Recording(io.BytesIO(raw))
    return np.concatenate(list(recording)), recording.flags


def delay(late: Samples, original: Samples) -> int:
    """By how many samples a recording is late."""
    n = 2 * len(original)
    match = np.fft.irfft(np.fft.rfft(late[: len(original), 0], n) * np.conj(np.fft.rfft(original[:, 0], n)))
    best = int(np.argmax(match))
    return best if best < n // 2 else best - n


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE", "AVERAGE"])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
def test_without_a_tag_it_is_whole_and_in_time(
    rate_hz: int, channels: int, mode: str, capfd: pytest.CaptureFixture[str]
) -> None:
    original = sound(rate_hz, channels)
    raw = mp3(original, rate_hz, mode)
    assert delay(read(raw)[0], original) == 0
    samples, flags = read(without_tag(raw))

    assert flags == ()
    assert delay(samples, original) == 0
    assert 0 <= len(samples) - len(original) < 1_152 + 600  # the padding of the last frame is not known
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_of_an_unknown_encoder_the_delay_is_flagged(mode: str, rate_hz: int) -> None:
    original = sound(rate_hz)
    raw = without_tag(mp3(original, rate_hz, mode)).replace(b"LAME", b"XXXX")
    samples, flags = read(raw)

    assert flags == ("delay_unknown",)
    late = 576 + (529 if mode == "CONSTANT" else 0)  # the second is the decoder's own, and known
    assert delay(samples, original) == late
    assert len(samples) >= len(original) + late


def test_a_tag_without_the_delay_is_flagged_too() -> None:
    raw = without_tag(mp3(sound(48_000), 48_000, "CONSTANT")).replace(b"LAME", b"XXXX")
    frame = bytearray(raw[:4] + bytes(480 - 4))
    frame[21:33] = b"Xing\0\0\0\x01" + (126).to_bytes(4, "big")
    assert read(bytes(frame) + raw)[1] == ("delay_unknown",)


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_what_is_around_the_frames_changes_nothing_and_prints_nothing(
    mode: str, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = mp3(sound(48_000), 48_000, mode)
    names = b"ID3\x04\0\0\0\0\x07\x68" + bytes(1_000)
    ape = b"APETAGEX" + (2_000).to_bytes(4, "little") + (32).to_bytes(4, "little") + bytes(16)
    whole, _ = read(raw)
    for other in (
        raw + bytes(5_000),
        raw + b"TAG" + bytes(125),
        names + raw,
        raw + ape,
        names + raw + ape + b"TAG" + bytes(125),
    ):
        samples, flags = read(other)
        np.testing.assert_array_equal(samples, whole)
        assert flags == ()
    assert capfd.readouterr() == ("", "")


def test_fraunhofers_tag_counts_too() -> None:
    frame = bytearray(417)  # MPEG 1, layer III, 128 kbit/s, 44.1 kHz
    frame[:4] = b"\xff\xfb\x90\x00"
    first = frame.copy()
    first[36:54] = b"VBRI" + bytes(6) + (41 * 417).to_bytes(4, "big") + (40).to_bytes(4, "big")
    layouts = [audio.containers.inspect(io.BytesIO(first + frame * n)) for n in (20, 40, 60)]

    assert [layout.flags[:-1] for layout in layouts] == [("truncated",), (), ("longer_than_header",)]
    assert all(layout.flags[-1] == "delay_unknown" for layout in layouts)


def test_a_part_of_a_longer_mp3_is_read(capfd: pytest.CaptureFixture[str]) -> None:
    original = sound(48_000)
    samples, flags = read(mp3(original, 48_000, "CONSTANT")[5_000:])

    assert flags == ()
    assert 0.85 * len(original) < len(samples) < len(original)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_damage_inside_is_no_recording_and_prints_nothing(mode: str, capfd: pytest.CaptureFixture[str]) -> None:
    raw = mp3(sound(48_000), 48_000, mode)
    middle = len(raw) // 2
    for damaged in (raw[:middle] + b"ABC" * 100 + raw[middle:], raw[:middle] + bytes(1_500) + raw[middle + 1_500 :]):
        with pytest.raises(Truncated, match="damaged inside"):
            read(damaged)
    chance = np.random.default_rng(0)
    for _ in range(20):  # damage that may spare the heads of the frames
        damaged = bytearray(raw)
        damaged[middle : middle + 20] = chance.bytes(20)
        try:
            read(bytes(damaged))
        except Truncated:
            continue
    assert capfd.readouterr() == ("", "")


def test_the_error_stream_is_back_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    with without_messages():
        os.write(2, b"lost")
    os.write(2, b"kept")
    raw = mp3(sound(8_000), 8_000, "CONSTANT")
    threads = [threading.Thread(target=read, args=(raw,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b", kept")

    assert capfd.readouterr().err == "kept, kept"
