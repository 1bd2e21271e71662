"""Recordings of phones and cameras: sound at the right time, and files that are cut, damaged or empty."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from popdetect.detection.audio.phone import PhoneFile
from popdetect.detection.audio.recording import Recording, read, write_wav
from popdetect.errors import AudioError, Unreadable

Sound = npt.NDArray[np.float32]


def sound(rate_hz: int, channels: int = 1, seconds: float = 1.0, seed: int = 1) -> Sound:
    """Quiet noise from the first sample on, with a few louder clicks; the second channel is half as loud."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate_hz)
    samples = 0.01 * rng.standard_normal(n)
    for at in rng.integers(0, n - rate_hz // 50, 6):
        length = rate_hz // 100
        samples[at : at + length] += 0.5 * rng.standard_normal(length) * np.exp(-np.arange(length) / (length / 6))
    samples = np.convolve(samples, [0.25, 0.5, 0.25], "same")  # codecs drop the highest frequencies
    return np.stack([samples, 0.5 * samples], 1)[:, :channels].astype(np.float32)


def write(
    samples: Sound,
    rate_hz: int,
    codec: str,
    container: str,
    options: dict[str, str] | None = None,
    *,
    picture: bool = False,
    **settings: Any,
) -> bytes:
    """A file of these samples; with `picture`, a video with a black picture."""
    channels = samples.shape[1]
    layout = "mono" if channels == 1 else "stereo"
    with (
        tempfile.TemporaryDirectory() as folder,
        av.open(f"{folder}/a.{container}", "w", options=options or {}) as file,
    ):
        video: Any = file.add_stream("mpeg4", rate=10, width=64, height=48, pix_fmt="yuv420p") if picture else None
        track: Any = file.add_stream(codec, rate=rate_hz, layout=layout)
        for name, value in settings.items():
            setattr(track, name, value)
        integers = np.ascontiguousarray((32767 * samples).round().astype(np.int16).reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(integers, format="s16", layout=layout)
        frame.sample_rate, frame.pts = rate_hz, 0
        if video is not None:
            for n in range(round(10 * len(samples) / rate_hz)):
                black = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
                black.pts = n
                file.mux(video.encode(black))
            file.mux(video.encode(None))
        file.mux(track.encode(frame))
        file.mux(track.encode(None))
        file.close()
        return Path(folder, f"a.{container}").read_bytes()


def shift_ms(samples: Sound, rate_hz: int, original: Sound, original_rate_hz: int) -> float:
    """By how much the sound is late against the original."""
    from scipy.signal import correlate, resample_poly

    expected = original[:, 0]
    if rate_hz != original_rate_hz:
        expected = resample_poly(expected, rate_hz, original_rate_hz)
    match = correlate(samples[:, 0], expected)
    return float(1000 * (np.argmax(match) - (len(expected) - 1)) / rate_hz)


def boxes(data: bytes) -> list[tuple[bytes, int, int]]:
    """Name, start and end of the top-level boxes of an mp4."""
    found, at = [], 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], at, at + size))
        at += size
    return found


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize(
    ("codec", "container", "options"),
    [
        ("aac", "m4a", {}),
        ("aac", "mov", {}),
        ("aac", "mp4", {"use_editlist": "0"}),
        ("aac", "mp4", {"movflags": "frag_keyframe+empty_moov+delay_moov"}),
        ("aac", "mp4", {"movflags": "faststart"}),
        ("aac", "adts", {}),
        ("aac", "mka", {}),
        ("aac", "ts", {}),
        ("libopus", "webm", {}),
        ("libopus", "mp4", {}),
        ("libmp3lame", "mkv", {}),
    ],
)
def test_sound_of_lossy_codecs_is_in_its_place(
    codec: str, container: str, options: dict[str, str], rate_hz: int, channels: int
) -> None:
    if codec == "libopus" and rate_hz == 44_100:
        pytest.skip("Opus has no such rate")
    original = sound(rate_hz, channels)

    recording = Recording(io.BytesIO(write(original, rate_hz, codec, container, options)))
    samples = np.concatenate(list(recording))

    assert samples.dtype == np.float32
    assert samples.shape[1] == recording.channels == channels
    assert abs(shift_ms(samples, recording.rate_hz, original, rate_hz)) < 0.1
    assert len(original) / rate_hz <= len(samples) / recording.rate_hz + 1e-9 < len(original) / rate_hz + 0.3
    assert recording.flags == ()


@pytest.mark.parametrize(("codec", "container"), [("alac", "mov"), ("alac", "m4a"), ("pcm_s16le", "mov")])
def test_sound_without_loss_is_the_same_to_the_bit(codec: str, container: str) -> None:
    original = sound(44_100, 2)
    wav = io.BytesIO()
    write_wav(wav, (32767 * original).round().astype(np.int16), 44_100)

    samples, rate_hz = read(io.BytesIO(write(original, 44_100, codec, container)))

    assert rate_hz == 44_100
    np.testing.assert_array_equal(samples, read(wav)[0])


def test_amr_is_in_its_place() -> None:
    original = sound(8_000)
    for container in ("amr", "3gp"):
        samples, rate_hz = read(io.BytesIO(write(original, 8_000, "libopencore_amrnb", container, bit_rate=12_200)))
        assert abs(shift_ms(samples, rate_hz, original, 8_000)) < 1, container


def test_wma_is_in_its_place() -> None:
    original = sound(44_100, 2)
    samples, rate_hz = read(io.BytesIO(write(original, 44_100, "wmav2", "wma", bit_rate=64_000)))
    assert abs(shift_ms(samples, rate_hz, original, 44_100)) < 0.1


def test_a_video_is_read_by_its_sound_track() -> None:
    original = sound(48_000)
    for container in ("mp4", "mov", "mkv"):
        samples, rate_hz = read(io.BytesIO(write(original, 48_000, "aac", container, picture=True)))
        assert abs(shift_ms(samples, rate_hz, original, 48_000)) < 0.1, container


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    original = sound(48_000)
    (tmp_path / "a.wav").write_bytes(write(original, 48_000, "aac", "m4a"))
    write_wav(tmp_path / "b.m4a", original, 48_000)

    assert abs(shift_ms(*read(tmp_path / "a.wav"), original, 48_000)) < 0.1
    np.testing.assert_allclose(read(tmp_path / "b.m4a")[0], original, atol=1 / 32_000)


def test_sound_that_is_missing_inside_keeps_the_time_of_what_follows() -> None:
    original = sound(48_000, seconds=2)
    source = av.open(io.BytesIO(write(original, 48_000, "aac", "m4a")))
    target = io.BytesIO()
    with av.open(target, "w", format="matroska") as file:
        track: Any = file.add_stream_from_template(source.streams.audio[0])
        for n, packet in enumerate(source.demux(audio=0)):
            if packet.dts is not None and not 40 <= n < 50:
                packet.stream = track
                file.mux(packet)

    samples, rate_hz = read(target)

    assert abs(len(samples) - len(original)) < 3_000
    assert abs(shift_ms(samples[:36_000], rate_hz, original[:36_000], rate_hz)) < 1
    assert abs(shift_ms(samples[52_000:], rate_hz, original[52_000:], rate_hz)) < 1.5  # times are rounded to 1 ms
    assert not samples[43_000:48_000].any()


def test_a_cut_file_is_judged_by_what_is_there() -> None:
    original = sound(48_000, seconds=3)
    for container, options in (
        ("mp4", {"movflags": "faststart"}),
        ("mp4", {"movflags": "frag_keyframe+empty_moov+delay_moov", "frag_duration": "300000"}),
        ("mka", {}),
    ):
        data = write(original, 48_000, "aac", container, options)
        recording = Recording(io.BytesIO(data[: len(data) * 6 // 10]))
        samples = np.concatenate(list(recording))

        assert recording.flags == ("truncated",), (container, options)
        assert 0.4 * len(original) < len(samples) < 0.7 * len(original)
        assert abs(shift_ms(samples, 48_000, original[: len(samples)], 48_000)) < 0.1


def test_a_file_without_its_index_says_why() -> None:
    data = write(sound(48_000), 48_000, "aac", "mov")
    moov = next(start for name, start, _ in boxes(data) if name == b"moov")
    with pytest.raises(Unreadable, match=r"without its index \(moov\).*broken off"):
        Recording(io.BytesIO(data[:moov]))


def test_a_video_without_sound_says_so() -> None:
    target = io.BytesIO()
    target.name = "clip.mp4"  # type: ignore[misc]
    with av.open(target, "w") as file:
        video: Any = file.add_stream("mpeg4", rate=10, width=64, height=48, pix_fmt="yuv420p")
        file.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        file.mux(video.encode(None))
    with pytest.raises(Unreadable, match="a video without a sound track"):
        Recording(target)


def test_without_a_word_about_the_delay_and_about_the_encoder_the_file_is_flagged() -> None:
    original = sound(48_000)
    data = write(original, 48_000, "aac", "mp4", {"use_editlist": "0"}).replace(b"Lavc", b"none")

    recording = Recording(io.BytesIO(data))
    samples = np.concatenate(list(recording))

    assert recording.flags == ("delay_unknown",)
    assert abs(shift_ms(samples, 48_000, original, 48_000)) < 0.1  # 1024 samples, the least that AAC needs


def test_the_delay_in_itunsmpb_is_taken_out() -> None:
    original = sound(44_100)
    data = write(original, 44_100, "aac", "m4a", {"use_editlist": "0"}).replace(b"Lavc", b"none")

    def box(name: bytes, content: bytes) -> bytes:
        return (8 + len(content)).to_bytes(4, "big") + name + content

    words = f" 00000000 {1024:08X} {500:08X} {44_100:016X}".encode()
    item = box(b"mean", bytes(4) + b"com.apple.iTunes") + box(b"name", bytes(4) + b"iTunSMPB")
    item += box(b"data", (1).to_bytes(4, "big") + bytes(4) + words)
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    tags = box(b"udta", box(b"meta", bytes(4) + handler + box(b"ilst", box(b"----", item))))
    name, start, end = boxes(data)[-1]
    assert name == b"moov"  # the last, so that no position changes
    index = data[start + 8 : end].replace(b"udta", b"free")
    recording = Recording(io.BytesIO(data[:start] + box(b"moov", index + tags)))
    samples = np.concatenate(list(recording))

    assert recording.flags == ()
    assert abs(shift_ms(samples, 44_100, original, 44_100)) < 0.1


def test_damaged_packets_are_flagged_and_what_follows_stays_in_its_place() -> None:
    original = sound(48_000, seconds=2)
    data = bytearray(write(original, 48_000, "aac", "m4a", bit_rate=128_000))
    _, start, end = next(box for box in boxes(bytes(data)) if box[0] == b"mdat")
    middle = (start + end) // 2
    data[middle - 1_000 : middle + 1_000] = bytes([0xFF]) * 2_000

    recording = Recording(io.BytesIO(bytes(data)))
    samples = np.concatenate(list(recording))

    assert recording.flags == ("truncated",)
    assert abs(shift_ms(samples[:36_000], 48_000, original[:36_000], 48_000)) < 1
    assert abs(shift_ms(samples[64_000:], 48_000, original[64_000:], 48_000)) < 1


def test_a_protected_file_says_so() -> None:
    data = write(sound(48_000), 48_000, "aac", "m4a")
    at = data.index(b"mp4a", data.index(b"stsd"))
    with pytest.raises(Unreadable, match="protected by DRM"):
        Recording(io.BytesIO(data[:at] + b"drms" + data[at + 4 :]))


def test_the_default_sound_track_is_read(tmp_path: Path) -> None:
    first, second = sound(48_000, seed=1), sound(48_000, seed=2)
    with av.open(str(tmp_path / "a.mka"), "w") as file:
        tracks: list[Any] = [file.add_stream("pcm_s16le", rate=48_000, layout="mono") for _ in range(2)]
        tracks[0].disposition = 0
        tracks[1].disposition = 1  # default
        for track, samples in zip(tracks, (first, second), strict=True):
            integers = (32767 * samples).round().astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(integers, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, 0
            file.mux(track.encode(frame))
            file.mux(track.encode(None))

    np.testing.assert_allclose(read(tmp_path / "a.mka")[0], second, atol=1e-4)


def test_the_size_of_reads_does_not_change_the_samples() -> None:
    data = write(sound(16_000, 2), 16_000, "aac", "m4a")
    whole = read(io.BytesIO(data))[0]
    for size in (1, 333, 1_024, 5_000):
        file = PhoneFile(io.BytesIO(data), "m4a")
        parts = []
        while len(part := file.read(size)):
            parts.append(part)
        file.close()
        assert {len(part) for part in parts[:-1]} == {size}
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_file_object_stays_open_and_a_playlist_opens_nothing(tmp_path: Path) -> None:
    handle = io.BytesIO(write(sound(16_000), 16_000, "aac", "m4a"))
    list(Recording(handle))
    assert not handle.closed

    secret = tmp_path / "secret.aac"
    secret.write_bytes(write(sound(16_000), 16_000, "aac", "adts"))
    (tmp_path / "a.m4a").write_text(f"#EXTM3U\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n", encoding="utf-8")
    with pytest.raises(Unreadable, match="this is text"):
        Recording(tmp_path / "a.m4a")


def test_nothing_of_ffmpeg_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    data = bytearray(write(sound(48_000), 48_000, "aac", "m4a", picture=False))
    rng = np.random.default_rng(5)
    for at in rng.integers(40, len(data), 300):
        data[at] = rng.integers(256)
    for cut in (len(data), len(data) // 2):
        with contextlib.suppress(AudioError):
            list(Recording(io.BytesIO(bytes(data[:cut]))))
    with contextlib.suppress(AudioError):
        list(Recording(io.BytesIO(write(sound(16_000), 16_000, "aac", "adts")[:3_000] + b"\xff\xf1" * 2_000)))

    assert capfd.readouterr() == ("", "")


def test_sound_at_a_rate_that_cannot_be_processed_is_refused() -> None:
    with pytest.raises(Unreadable, match="sample rate 7350 Hz"):
        Recording(io.BytesIO(write(sound(7_350), 7_350, "aac", "m4a")))


def test_damage_anywhere_is_at_most_an_audio_error() -> None:
    rng = np.random.default_rng(2)
    for codec, container in (("aac", "m4a"), ("aac", "mka"), ("aac", "adts"), ("aac", "ts"), ("pcm_s16le", "mov")):
        data = write(sound(16_000, seconds=0.5), 16_000, codec, container)
        for _ in range(12):
            damaged = bytearray(data[: rng.integers(len(data) // 2, len(data) + 1)])
            for at in rng.integers(0, len(damaged), 30):
                damaged[at] = rng.integers(256)
            with contextlib.suppress(AudioError):
                list(Recording(io.BytesIO(bytes(damaged))))
