"""The picture of a long recording."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

from popdetect.records import Burst, Detection, Event  # noqa: E402
from popdetect.session import plots, timeline  # noqa: E402


def take(path: Path, n_thrusts: int, label: str = "pop", duration_s: float = 45.0) -> Detection:
    rate = 8_000
    sound = 0.01 * np.random.default_rng(0).standard_normal(int(duration_s * rate)).astype(np.float32)
    times = np.linspace(0.05, duration_s - 0.02, n_thrusts)
    sound[(times * rate).astype(int)] = 0.9
    soundfile.write(path, sound, rate)
    events = tuple(Event(float(t), 0.5 + 0.01 * (i % 40), True, 2.0, 2500.0, 3000.0, 30.0) for i, t in enumerate(times))
    return Detection(label, 0.9, events, duration_s, rate, 1, ("long",))  # type: ignore[arg-type]


@pytest.mark.parametrize(("n_thrusts", "label"), [(0, "no_pop"), (1, "uncertain"), (5, "pop"), (60, "pop")])
def test_the_picture_grows_with_the_thrusts_up_to_a_limit(tmp_path: Path, n_thrusts: int, label: str) -> None:
    detection = take(tmp_path / "a.wav", n_thrusts, label)
    plots.make(str(tmp_path / "a.wav"), tmp_path / "a.png", detection, "a.wav")
    image = Image.open(tmp_path / "a.png")
    rows = -(-min(n_thrusts, timeline.PANELS) // timeline.PER_ROW)

    assert image.width == 1400
    assert image.height == pytest.approx(420 + 210 * rows, abs=1)
    assert np.asarray(image.convert("L")).min() < 100


def test_the_sound_of_a_panel_is_that_around_its_thrust(tmp_path: Path) -> None:
    detection = take(tmp_path / "a.wav", 5)
    spans = [timeline._span(burst) for burst in detection.bursts]
    extremes, sounds, rate = timeline._read(str(tmp_path / "a.wav"), spans)

    assert len(extremes) == 2_250
    assert float(extremes.max()) == pytest.approx(0.9, abs=1e-3)
    for (start, sound), burst in zip(sounds, detection.bursts, strict=True):
        assert start + float(np.argmax(sound)) / rate == pytest.approx(burst.start_s, abs=2 / rate)


def test_the_thrusts_with_the_highest_probability_are_shown_in_time_order() -> None:
    bursts = tuple(Burst(float(t), t + 0.01, 1, 0.3 if t % 2 else 0.8) for t in range(2 * timeline.PANELS))

    assert [burst.start_s for burst in timeline.shown(bursts)] == list(range(0, 2 * timeline.PANELS, 2))


def test_a_clip_that_is_not_long_has_the_picture_of_a_clip(tmp_path: Path) -> None:
    detection = take(tmp_path / "a.wav", 3, duration_s=5.0)
    short = Detection(detection.label, detection.p_pop, detection.events, 5.0, 8_000, 1)
    plots.make(str(tmp_path / "a.wav"), tmp_path / "a.png", short, "a.wav")

    assert Image.open(io.BytesIO((tmp_path / "a.png").read_bytes())).size == (1400, 900)
