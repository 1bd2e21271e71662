"""Flac: from a pipe, cut, longer than its head says, with names around it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from popdetect.detection.audio import recording as audio

Samples = npt.NDArray[np.float32]
N = 40_000
NAMES = b"ID3\x04\0\0\0\0\x07\x68" + bytes(1_000)


def flac(channels: int = 1, subtype: str = "PCM_16", rate_hz: int = 48_000) -> bytes:
    rng = np.random.default_rng(0)
    left = 0.1 * rng.standard_normal(N)
    sound = np.stack([left * (1 - 0.01 * channel) for channel in range(channels)], axis=1)
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, rate_hz, format="FLAC", subtype=subtype)
    return buffer.getvalue()


def saying(raw: bytes, n_samples: int) -> bytes:
    """The same with another number of samples in its head."""
    return raw[:21] + bytes([raw[21] & 0xF0]) + n_samples.to_bytes(4, "big") + raw[26:]


def read(raw: bytes) -> tuple[Samples, tuple[str, ...]]:
    recording = audio.Recording(io.BytesIO(raw))
    return np.concatenate(list(recording)), recording.flags


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_the_length_is_found_from_the_frames(channels: int, subtype: str, rate_hz: int) -> None:
    raw = flac(channels, subtype, rate_hz)
    whole = soundfile.read(io.BytesIO(raw), dtype="float32", always_2d=True)[0]
    for other, expected in (
        (raw, ()), (saying(raw, 0), ()), (saying(raw, N - 1), ()), (saying(raw, N + 30), ()),
        (saying(raw, N // 2), ("longer_than_header",)), (saying(raw, 2 * N), ("truncated",)),
        (NAMES + raw, ()), (saying(raw, 0) + b"TAG" + bytes(125), ()),
    ):  # fmt: skip
        samples, flags = read(other)
        np.testing.assert_array_equal(samples, whole)
        assert flags == expected


@pytest.mark.parametrize("said", [0, N])
def test_a_cut_leaves_the_whole_frames(said: int, tmp_path: Path) -> None:
    raw = saying(flac(2), said)
    whole, _ = read(raw)
    for size in (len(raw) // 3, len(raw) // 2, len(raw) - 3_000, len(raw) - 1):
        part, flags = read(raw[:size])
        assert flags == ("truncated",)
        assert len(part) % 4_096 == 0
        assert len(part) >= (size / len(raw)) * N - 2 * 4_096
        np.testing.assert_array_equal(part, whole[: len(part)])
        (tmp_path / "a.flac").write_bytes(raw[:size])
        np.testing.assert_array_equal(audio.read(tmp_path / "a.flac")[0], part)
