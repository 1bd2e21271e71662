"""Ogg: whole without the mark of its end, cut inside a page, damaged, and with flac inside."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from popdetect.detection.audio import recording as audio
from popdetect.detection.audio.ogg import _checksum, _page_size
from popdetect.errors import Truncated, Unreadable

Samples = npt.NDArray[np.float32]
SOUND = (0.1 * np.random.default_rng(0).standard_normal(5 * 48_000)).astype(np.float32)


def ogg(subtype: str, rate_hz: int = 48_000) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, SOUND, rate_hz, format="OGG", subtype=subtype)
    return buffer.getvalue()


def pages(raw: bytes) -> list[bytes]:
    out = []
    while raw:
        size = _page_size(raw)
        out.append(raw[:size])
        raw = raw[size:]
    return out


def without_mark(page: bytes) -> bytes:
    assert page[5] & 4
    page = page[:5] + bytes([page[5] & ~4]) + page[6:]
    return page[:22] + _checksum(page) + page[26:]


def read(raw: bytes) -> tuple[Samples, tuple[str, ...]]:
    recording = audio.Recording(io.BytesIO(raw))
    return np.concatenate(list(recording)), recording.flags


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_without_the_mark_of_its_end_it_is_whole(subtype: str, rate_hz: int) -> None:
    raw = ogg(subtype, rate_hz)
    whole, _ = read(raw)
    *before, last = pages(raw)
    for other in (b"".join(before) + without_mark(last), raw + bytes(300)):
        samples, flags = read(other)
        np.testing.assert_array_equal(samples, whole)
        assert flags == ()


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_a_cut_inside_a_page_is_flagged_and_one_between_pages_cannot_be_seen(subtype: str) -> None:
    raw = ogg(subtype)
    whole, _ = read(raw)
    all_pages = pages(raw)
    for n in range(5, len(all_pages), 3):
        between = b"".join(all_pages[:n])
        part, flags = read(between)
        assert flags == ()
        assert 0 < len(part) < len(whole)
        np.testing.assert_allclose(part[:-2_000], whole[: len(part) - 2_000], atol=1e-4)
        for more in (1, 4, 27, 100):
            same, flags = read(between + all_pages[n][:more])
            np.testing.assert_array_equal(same, part)
            assert flags == ("truncated",)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_damage_inside_is_noticed_wherever_it_is(subtype: str) -> None:
    raw = ogg(subtype)
    for at in np.linspace(200, len(raw) - 100, 12).astype(int):
        damaged = bytearray(raw)
        damaged[at] ^= 1
        with pytest.raises(Truncated, match="damaged inside"):
            read(bytes(damaged))


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_of_several_recordings_in_one_file_none_is_left_out_in_silence(subtype: str) -> None:
    with pytest.raises(Unreadable, match="several recordings"):
        read(ogg(subtype) * 2)


def test_flac_in_ogg_is_read_like_flac() -> None:
    av = pytest.importorskip("av")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ogg") as container:
        stream = container.add_stream("flac", rate=48_000, layout="mono")
        steps = np.rint(SOUND * 20_000).astype(np.int16)
        for begin in range(0, len(steps), 4_608):
            frame = av.AudioFrame.from_ndarray(steps[None, begin : begin + 4_608], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 48_000, begin
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    raw = buffer.getvalue()
    assert raw.index(b"FLAC") == 29
    samples, flags = read(raw)
    np.testing.assert_array_equal(samples[:, 0], steps / np.float32(32_768))
    assert flags == ()

    part, flags = read(raw[: len(raw) * 2 // 3])
    assert 0.4 * len(SOUND) < len(part) < 0.75 * len(SOUND)
    np.testing.assert_array_equal(part, samples[: len(part)])
    assert flags == ("truncated",)
