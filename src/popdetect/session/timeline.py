"""A picture of a long recording: the level over the whole time with its thrusts, then each thrust in a small panel.

The recording is read once, block by block: for each column of the picture only the lowest and the highest sample are
kept, and for each panel the sound around its thrust. At most `PANELS` thrusts have a panel, those with the highest
probability, in time order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from popdetect.detection.audio.recording import Recording, Samples
from popdetect.records import Burst, Detection, clock
from popdetect.session.plots import LEAST_CLOSE_S, POP, WAVE, mark, new_figure, png

if TYPE_CHECKING:
    from popdetect.session.plots import Axes

PANELS, PER_ROW = 16, 4
COLUMNS = 1400  # of the whole recording
_TICKS_S = (5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400, 604_800, 31_557_600)
_STEP_S = 0.02  # the extremes of so many seconds are kept until the length is known


def draw(source: str | BinaryIO, detection: Detection, title: str) -> bytes:
    """Draw a long recording; return a PNG 1400 pixels wide, and higher with more thrusts.

    Raises
    ------
    AudioError
        If the recording cannot be read again.
    """
    bursts = shown(detection.bursts)
    extremes, sounds, rate_hz = _read(source, [_span(burst) for burst in bursts])
    n_rows = -(-len(bursts) // PER_ROW)
    figure = new_figure(14, 4.2 + 2.1 * n_rows)
    grid = figure.add_gridspec(1 + n_rows, PER_ROW, height_ratios=[1.7, *[1.0] * n_rows])
    _whole(figure.add_subplot(grid[0, :]), extremes, _step(rate_hz) / rate_hz, detection)
    for number, (burst, sound) in enumerate(zip(bursts, sounds, strict=True)):
        _panel(figure.add_subplot(grid[1 + number // PER_ROW, number % PER_ROW]), burst, sound, rate_hz, detection)
    found = f"{detection.label.replace('_', ' ')}, {detection.pops_in_words} in {_counted(len(detection.bursts))}"
    if len(bursts) < len(detection.bursts):
        found += f"; below, the {len(bursts)} with the highest probability"
    figure.suptitle(f"{title}: {found}", parse_math=False)
    return png(figure)


def shown(bursts: tuple[Burst, ...]) -> list[Burst]:
    """Return the bursts that have a panel, in time order: those with the highest probability."""
    return sorted(sorted(bursts, key=lambda burst: -burst.p_pop)[:PANELS], key=lambda burst: burst.start_s)


def _span(burst: Burst) -> tuple[float, float]:
    spare = max(LEAST_CLOSE_S - (burst.end_s - burst.start_s), 0.1) / 2
    return max(0.0, burst.start_s - spare), burst.end_s + spare


def _step(rate_hz: int) -> int:
    return int(_STEP_S * rate_hz)


def _read(source: str | BinaryIO, spans: list[tuple[float, float]]) -> tuple[Samples, list[tuple[float, Samples]], int]:
    """Return the extremes of each 20 ms, shape (n, 2); and start and sound, shape (n,), of each span."""
    recording = Recording(source)
    rate = recording.rate_hz
    step = _step(rate)
    wanted = [(int(start * rate), int(end * rate)) for start, end in spans]
    pieces: list[list[Samples]] = [[] for _ in wanted]
    extremes: list[Samples] = []
    rest: Samples = np.empty(0, np.float32)
    at = 0
    for block in recording:
        mono = block.mean(axis=1) if block.shape[1] > 1 else block[:, 0]
        for parts, (first, last) in zip(pieces, wanted, strict=True):
            part = mono[max(0, first - at) : max(0, last - at)]
            if len(part):
                parts.append(part.copy())
        at += len(mono)
        rest = np.concatenate([rest, mono])
        whole = rest[: len(rest) // step * step].reshape(-1, step)
        extremes.append(np.stack([whole.min(axis=1), whole.max(axis=1)], axis=1))
        rest = rest[whole.size :].copy()
    sounds = [(first / rate, np.concatenate(parts)) for (first, _), parts in zip(wanted, pieces, strict=True)]
    return np.concatenate(extremes), sounds, rate


def _whole(axis: Axes, extremes: Samples, step_s: float, detection: Detection) -> None:
    size = max(1, len(extremes) // COLUMNS)
    starts = np.arange(0, len(extremes), size)
    low, high = np.minimum.reduceat(extremes[:, 0], starts), np.maximum.reduceat(extremes[:, 1], starts)
    axis.fill_between((starts + size / 2) * step_s, low, high, color=WAVE, linewidth=0.3)
    limit = float(np.abs(extremes).max(initial=1e-6)) * 1.25
    axis.set(xlim=(0, detection.duration_s), ylim=(-limit, limit), ylabel="amplitude", xlabel="time (h:mm:ss)")
    ticks = np.arange(0, detection.duration_s, next(s for s in _TICKS_S if detection.duration_s / s <= 13))
    axis.set_xticks(ticks, [clock(tick, 0) for tick in ticks.tolist()])
    if detection.bursts:
        is_sure = detection.label != "uncertain"
        axis.plot(
            [burst.start_s for burst in detection.bursts],
            [0.95] * len(detection.bursts),
            "v",
            color=POP,
            fillstyle="full" if is_sure else "none",
            transform=axis.get_xaxis_transform(),
            label="thrust with pops" if is_sure else "thrust with uncertain pops",
        )
        axis.legend(loc="lower right")


def _panel(axis: Axes, burst: Burst, sound: tuple[float, Samples], rate_hz: int, detection: Detection) -> None:
    start, wave = sound
    times = start + np.arange(len(wave)) / rate_hz
    axis.plot((times - burst.start_s) * 1000, wave, color=WAVE, linewidth=0.5)
    limit = float(np.abs(wave).max(initial=1e-6)) * 1.3
    span = (float(times[0]), float(times[-1]))
    axis.set(ylim=(-limit, limit), xlim=tuple((t - burst.start_s) * 1000 for t in span), xlabel="ms", yticks=[])
    mark(axis, (axis,), detection, span, zero_s=burst.start_s, unit_s=0.001)
    pops = f"{burst.n_pops} pop{'' if burst.n_pops == 1 else 's'}"
    axis.set_title(f"{clock(burst.start_s)}   {pops}   p {burst.p_pop:.2f}", fontsize=10)


def _counted(n: int) -> str:
    return f"{n} thrust{'' if n == 1 else 's'}"
