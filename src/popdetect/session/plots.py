"""A picture of one clip: waveform and spectrogram with the pops marked; the adapter to matplotlib for this package.

The colours differ for colour-blind people too, and pops also have a different shape of mark. The right column shows the
300 ms around the pops, because a burst of five pops is one thin line in a clip of three seconds.

The pictures of several clips are in one folder. Each has the name of its clip, with as many folder names as needed to
make it different from the others.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.recording import Samples, read
from popdetect.errors import UsageError
from popdetect.records import Detection, Event
from popdetect.session.files import make_folder, write_files

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    return {file: plot / f"{name}.png" for file, name in _names(files).items()}


def make(source: str | BinaryIO, target: Path, detection: Detection, title: str) -> None:
    """Read a clip again, draw it and write the picture. Raises AudioError, UsageError."""
    write_files({target: draw(*read(source), detection, title)}, durable=False)


def draw(samples: Samples, rate_hz: int, detection: Detection, title: str) -> bytes:
    """Draw a clip; return a PNG of 1400 × 900 pixels. `samples` have the shape (n_samples, n_channels)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 9), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    wave = samples.mean(axis=1)
    times = np.arange(len(wave)) / rate_hz
    window = close_up(points_of_interest(detection.events), detection.duration_s)
    axes = figure.subplots(2, 2 if window else 1, squeeze=False, sharex="col")
    for column, span in enumerate([(0.0, detection.duration_s), *([window] if window else [])]):
        top, bottom = axes[0][column], axes[1][column]
        a, b = int(span[0] * rate_hz), int(span[1] * rate_hz) + 1
        top.plot(times[a:b], wave[a:b], color=WAVE, linewidth=0.5)
        limit = max(float(np.abs(wave[a:b]).max(initial=0)), 1e-6) * 1.15
        top.set(xlim=span, ylim=(-limit, limit), ylabel="amplitude" if column == 0 else "")
        top.set_title("the whole clip" if column == 0 else f"closer: {1000 * (span[1] - span[0]):.0f} ms", fontsize=11)
        window_ms = 8.0 if column == 0 else 3.0
        spectrogram(
            bottom, wave[max(0, a - rate_hz // 50) : b + rate_hz // 50], max(0, a - rate_hz // 50), rate_hz, window_ms
        )
        bottom.set(xlim=span, xlabel="time (s)", ylabel="frequency (kHz)" if column == 0 else "")
        _marks(top, bottom if column else None, detection.events, span)
    pops = detection.pops
    found = f"{len(pops)} pop{'s' if len(pops) != 1 else ''}"
    figure.suptitle(
        f"{title}: {detection.label.replace('_', ' ')}, probability {detection.p_pop:.2f}, {found}",
        fontsize=14,
        parse_math=False,
    )
    handles, names = axes[0][0].get_legend_handles_labels()
    if handles:
        axes[0][0].legend(handles, names, loc="lower right", fontsize=9)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": "popdetect"})
    return out.getvalue()


def _names(files: Sequence[str]) -> dict[str, str]:
    """A name for each different file; a few systems take names that differ in case only for one."""
    parts = {file: ("stdin",) if file == "-" else _parts(file) for file in files}
    named: dict[str, str] = {}
    taken: set[str] = set()

    def take(file: str, name: str) -> None:
        if file not in named and name.casefold() not in taken:
            named[file] = name
            taken.add(name.casefold())

    for depth in range(1, max(map(len, parts.values())) + 1):
        tried = {file: "_".join(parts[file][-depth:]) for file in parts if file not in named}
        seen = Counter(name.casefold() for name in tried.values())
        for file, name in tried.items():
            if seen[name.casefold()] == 1:
                take(file, name)
    for file, whole in ((file, "_".join(parts[file])) for file in parts):
        # one file by two names, or a folder like `a_b` beside `a/b`: they are numbered
        take(file, whole)
        for number in range(2, len(parts) + 2):
            take(file, f"{whole} ({number})")
    return {file: named[file] for file in parts}


def _parts(file: str) -> tuple[str, ...]:
    path = Path(file)
    return path.relative_to(path.anchor).parts or ("clip",)


def points_of_interest(events: Sequence[Event]) -> list[float]:
    """Return the onsets of the pops, or of the likeliest other event, seconds; empty without events."""
    pops = [event for event in events if event.is_pop]
    return [event.onset_s for event in pops or sorted(events, key=lambda event: -event.p_pop)[:1]]


def close_up(times_s: Sequence[float], duration_s: float) -> tuple[float, float] | None:
    """Return the span of a closer view around increasing times, seconds; None without any."""
    if not times_s:
        return None
    spare = max(LEAST_CLOSE_S - (times_s[-1] - times_s[0]), 0.1) / 2
    return max(0.0, times_s[0] - spare), min(duration_s, times_s[-1] + spare)


def _marks(top: Axes, bottom: Axes | None, events: tuple[Event, ...], span: tuple[float, float]) -> None:
    for is_pop, colour, name, marker in ((True, POP, "pop", "v"), (False, OTHER, "looked at, not counted", "x")):
        at = [e.onset_s for e in events if e.is_pop == is_pop and span[0] <= e.onset_s <= span[1]]
        if not at:
            continue
        edge = top.get_ylim()[1]
        top.plot(at, [edge * 0.92] * len(at), marker, color=colour, markersize=7, label=name)
        if bottom is None:  # the whole clip: lines this close would hide what they point at
            continue
        for axis in (top, bottom):
            for onset in at:
                axis.axvline(onset, color=colour, linewidth=0.9, linestyle=":", zorder=1)


def spectrogram(axis: Axes, wave: npt.NDArray[np.float32], start: int, rate_hz: int, window_ms: float) -> None:
    """Draw loudness by time (s) and frequency (kHz) into matplotlib axes; `start` is the first sample's place."""
    size = min(len(wave), max(16, round(window_ms * rate_hz / 1000)))
    hop = max(1, size // 6, len(wave) // 3000)  # no finer than the picture
    starts = np.arange(0, len(wave) - size + 1, hop)
    if not len(starts):
        return
    frames = wave[starts[:, None] + np.arange(size)] * np.hanning(size).astype(np.float32)
    level = 20 * np.log10(np.abs(np.fft.rfft(frames, max(size, 512), axis=1)) + 1e-9)
    top = float(level.max())
    first, last = (start + size / 2) / rate_hz, (start + starts[-1] + size / 2) / rate_hz
    axis.imshow(
        level.T,
        origin="lower",
        aspect="auto",
        extent=(first, max(last, first + 1e-4), 0, rate_hz / 2000),
        cmap="cividis",
        vmin=top - RANGE_DB,
        vmax=top,
        interpolation="nearest",
    )
    axis.set_ylim(0, min(12.0, rate_hz / 2000))
