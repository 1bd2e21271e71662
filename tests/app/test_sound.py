"""The sound and the spectrogram of a clip, as the page gets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from popdetect.app import sound
from popdetect.app.sound import SoundCache, decode, spectrogram, wav_bytes
from popdetect.errors import Unreadable


def test_a_click_is_at_its_time_in_the_spectrogram() -> None:
    for rate_hz in (8_000, 44_100, 48_000, 96_000):
        mono = np.zeros(rate_hz, np.float32)
        mono[rate_hz // 2] = 0.5
        levels, hop, window, top_hz = spectrogram(mono, rate_hz)
        loudest = int(levels.astype(int).sum(axis=1).argmax())

        assert (loudest * hop + window / 2) / rate_hz == pytest.approx(0.5, abs=0.0016)
        assert levels.max() == 255
        assert top_hz <= min(12_100, rate_hz / 2)


def test_16_bit_sound_is_not_changed(rng: np.random.Generator) -> None:
    whole = rng.integers(-32768, 32768, (500, 2)).astype("<i2")
    made = wav_bytes(whole / np.float64(32768), 48_000)

    assert made[44:] == whole.tobytes()


def test_sound_beyond_full_scale_is_scaled_down_and_other_sound_is_not(tmp_path: Path) -> None:
    for peak, expected in ((0.25, 0.25), (2.0, 1.0)):
        path = tmp_path / f"{peak}.wav"
        soundfile.write(path, np.array([0, peak, -peak / 2, 0] * 4000), 16_000, subtype="FLOAT")
        samples = np.frombuffer(decode(path).wav[44:], "<i2") / 32768

        assert samples.max() == pytest.approx(expected, abs=1 / 32767)
        assert samples.min() == pytest.approx(-expected / 2, abs=1 / 32767)


def test_more_than_two_channels_become_their_mean(tmp_path: Path, rng: np.random.Generator) -> None:
    channels = rng.integers(-8000, 8000, (16_000, 4)).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", channels, 16_000)
    samples = np.frombuffer(decode(tmp_path / "a.wav").wav[44:], "<i2")

    np.testing.assert_allclose(samples, channels.mean(axis=1), atol=0.5)


def test_a_clip_is_decoded_again_only_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.1 * np.sin(np.arange(16_000)), 16_000)
    cache = SoundCache()
    first = cache.get(path)
    assert cache.get(path) is first
    soundfile.write(path, 0.1 * np.sin(np.arange(8_000)), 16_000)
    assert len(cache.get(path).wav) < len(first.wav)
    monkeypatch.setattr(sound, "MAX_DURATION_S", 0.4)
    with pytest.raises(Unreadable, match="cut it into clips"):
        decode(path)
    path.unlink()
    with pytest.raises(Unreadable, match="cannot be read"):
        cache.get(path)
