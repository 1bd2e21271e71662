"""A picture of one clip: waveform and spectrogram with the pops marked; the adapter to matplotlib for this package.

The colours differ for colour-blind people too, and pops also have a different shape of mark: a filled triangle with
dotted lines, or, if they are uncertain, an open triangle with dashed lines. The right column shows the
300 ms around the pops, because a burst of five pops is one thin line in a clip of three seconds. Long recordings have
another picture, see `timeline`.

The pictures of several clips are in one folder. Each has the name of its clip, with as many folder names as needed to
make it different from the others.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.recording import Samples, read
from popdetect.errors import UsageError
from popdetect.records import Detection, Event
from popdetect.session.files import distinct_names, make_folder, write_files

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure

POP, OTHER, WAVE = "#D55E00", "#56B4E9", "#333333"  # Okabe and Ito's palette
LEAST_CLOSE_S = 0.3
RANGE_DB = 70.0


def places(plot: Path, files: Sequence[str]) -> dict[str, Path]:
    """Return the place of each file's picture: `plot` itself for one file, in that folder for several.

    The same files in the same order have the same pictures, and no two files share one. The folder is made.

    Raises
    ------
    UsageError
        For a name that is not a picture's, or a folder that cannot be made.
    """
    import matplotlib  # noqa: F401  # if it is missing, that is reported before the first result

    if len(files) == 1 and not plot.is_dir():
        if plot.suffix.lower() != ".png":
            raise UsageError(f"{plot}: pictures are PNG files; give a name that ends in .png")
        return {files[0]: plot}
    if plot.suffix.lower() == ".png" and not plot.is_dir():
        raise UsageError(f"{plot}: {len(files)} files need {len(files)} pictures; name a folder instead")
    make_folder(plot)
    return {file: plot / f"{name}.png" for file, name in distinct_names(files).items()}


def make(source: str | BinaryIO, target: Path, detection: Detection, title: str) -> None:
    """Read a clip again, draw it and write the picture. Raises AudioError, UsageError."""
    if "long" in detection.quality:
        from popdetect.session import timeline

        picture = timeline.draw(source, detection, title)
    else:
        picture = draw(*read(source), detection, title)
    write_files({target: picture}, durable=False)


def draw(samples: Samples, rate_hz: int, detection: Detection, title: str) -> bytes:
    """Draw a clip; return a PNG of 1400 × 900 pixels. `samples` have the shape (n_samples, n_channels)."""
    wave = samples.mean(axis=1)
    times = np.arange(len(wave)) / rate_hz
    views = [("the whole clip", (0.0, detection.duration_s), 8.0)]
    window = close_up(points_of_interest(detection.events), detection.duration_s)
    if window:
        views.append((f"closer: {1000 * (window[1] - window[0]):.0f} ms", window, 3.0))
    figure = new_figure(14, 9)
    axes = figure.subplots(2, len(views), squeeze=False, sharex="col")
    for (top, bottom), (name, span, window_ms) in zip(axes.T, views, strict=True):
        a, b = int(span[0] * rate_hz), int(span[1] * rate_hz) + 1
        top.plot(times[a:b], wave[a:b], color=WAVE, linewidth=0.5)
        limit = float(np.abs(wave[a:b]).max(initial=1e-6)) * 1.15
        top.set(title=name, xlim=span, ylim=(-limit, limit))
        margin = rate_hz // 50  # so that there are windows around both ends
        a = max(0, a - margin)
        spectrogram(bottom, wave[a : b + margin], a, rate_hz, window_ms)
        bottom.set_xlabel("time (s)")
        # no lines in the whole clip: lines this close would hide what they mark
        mark(top, (top, bottom) if span is window else (), detection, span)
    axes[0][0].set_ylabel("amplitude")
    axes[1][0].set_ylabel("frequency (kHz)")
    if detection.events:
        axes[0][0].legend(loc="lower right")
    found = f"{detection.label.replace('_', ' ')}, probability {detection.p_pop:.2f}, {detection.pops_in_words}"
    figure.suptitle(f"{title}: {found}", parse_math=False)
    return png(figure)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure; sizes in hundreds of pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG with 100 pixels for each inch."""
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100, metadata={"Software": "popdetect"})
    return out.getvalue()


def points_of_interest(events: Sequence[Event]) -> list[float]:
    """Return the onsets of the pops, also uncertain ones, or of the likeliest event, seconds; empty without events."""
    pops = [event for event in events if event.is_pop]
    return [event.onset_s for event in pops or sorted(events, key=lambda event: -event.p_pop)[:1]]


def close_up(times_s: Sequence[float], duration_s: float) -> tuple[float, float] | None:
    """Return the span of a closer view around increasing times, seconds; None without any."""
    if not times_s:
        return None
    spare = max(LEAST_CLOSE_S - (times_s[-1] - times_s[0]), 0.1) / 2
    return max(0.0, times_s[0] - spare), min(duration_s, times_s[-1] + spare)


def mark(
    top: Axes,
    with_lines: Sequence[Axes],
    detection: Detection,
    span: tuple[float, float],
    zero_s: float = 0.0,
    unit_s: float = 1.0,
) -> None:
    """Mark the events of a span, s: triangles and crosses at the top of some axes, lines through others.

    The time of the axes begins at `zero_s` and is in units of `unit_s`.
    """
    is_sure = detection.label != "uncertain"
    pop = ("pop", "full", ":") if is_sure else ("uncertain pop", "none", "--")
    kinds = ((True, POP, "v", *pop), (False, OTHER, "x", "looked at, not counted", "full", ":"))
    for is_pop, colour, marker, name, fill, line in kinds:
        here = [e.onset_s for e in detection.events if e.is_pop == is_pop and span[0] <= e.onset_s <= span[1]]
        at = [(onset - zero_s) / unit_s for onset in here]
        if at:
            near_top, across = [0.96] * len(at), top.get_xaxis_transform()
            top.plot(at, near_top, marker, color=colour, fillstyle=fill, label=name, transform=across)
        for axis in with_lines:
            for onset in at:
                axis.axvline(onset, color=colour, linewidth=0.9, linestyle=line, zorder=1)  # behind the waveform


def spectrogram(axis: Axes, wave: npt.NDArray[np.float32], start: int, rate_hz: int, window_ms: float) -> None:
    """Draw loudness by time (s) and frequency (kHz) into matplotlib axes; `start` is the first sample's place."""
    size = min(len(wave), round(window_ms * rate_hz / 1000))
    hop = max(1, size // 6, len(wave) // 3000)  # no finer than the picture
    starts = np.arange(0, len(wave) - size + 1, hop)
    frames = wave[starts[:, None] + np.arange(size)] * np.hanning(size)
    level = 20 * np.log10(np.abs(np.fft.rfft(frames, max(size, 512))) + 1e-9)
    loudest = float(level.max())
    # each column of the image is as wide as a hop, around the middle of its window
    left, right = start + (size - hop) / 2, start + starts[-1] + (size + hop) / 2
    axis.imshow(
        level.T,
        origin="lower",
        aspect="auto",
        extent=(left / rate_hz, right / rate_hz, 0, rate_hz / 2000),
        cmap="cividis",
        vmin=loudest - RANGE_DB,
        vmax=loudest,
    )
    axis.set_ylim(0, min(12.0, rate_hz / 2000))
