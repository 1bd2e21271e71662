"""Label files that other programs open: Audacity label tracks, Raven selection tables, Praat TextGrids.

Each holds the counted pops of one clip, times in seconds from its start with 6 decimals, in time order. A clip in
which none was found gets a file that says so.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable

from popdetect.errors import TableError
from popdetect.records import Detection, Event
from popdetect.session.files import read_bytes

Writer = Callable[[str, Detection], str]

RAVEN_COLUMNS = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)", "Begin File",
    "Annotation", "p_pop",
)  # fmt: skip


def audacity(file_name: str, detection: Detection) -> str:
    """Render an Audacity label track: a point per pop, ``pop`` and its probability."""
    return "".join(f"{pop.onset_s:.6f}\t{pop.onset_s:.6f}\t{_said(pop)}\n" for pop in detection.pops)


def raven(file_name: str, detection: Detection) -> str:
    """Render a Raven selection table; the boxes are as high as the recording goes, for a pop is broad in frequency."""
    lines = ["\t".join(RAVEN_COLUMNS)]
    begin_file = " ".join(file_name.rsplit("/", 1)[-1].split())
    high_hz = detection.sample_rate_hz / 2
    for number, pop in enumerate(detection.pops, 1):
        channel = pop.channel if pop.channel == "2" else "1"
        end_s = pop.onset_s + pop.duration_ms / 1000
        lines.append(
            f"{number}\tSpectrogram 1\t{channel}\t{pop.onset_s:.6f}\t{end_s:.6f}\t0.0\t{high_hz:.1f}\t"
            f"{begin_file}\tpop\t{pop.p_pop:.4f}"
        )
    return "\n".join(lines) + "\n"


def textgrid(file_name: str, detection: Detection) -> str:
    """Render a Praat TextGrid, long text format, with one tier of points named ``pops``."""
    pops = detection.pops
    end_s = f"{detection.duration_s:.6f}"
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end_s}",
        "tiers? <exists>",
        "size = 1",
        "item []:",
        "    item [1]:",
        '        class = "TextTier"',
        f"        name = {_quoted('pops')}",
        "        xmin = 0",
        f"        xmax = {end_s}",
        f"        points: size = {len(pops)}",
    ]
    for number, pop in enumerate(pops, 1):
        lines += [
            f"        points [{number}]:",
            f"            number = {pop.onset_s:.6f}",
            f"            mark = {_quoted(_said(pop))}",
        ]
    return "\n".join(lines) + "\n"


FORMATS: dict[str, tuple[Writer, str]] = {
    "audacity": (audacity, ".txt"),
    "raven": (raven, ".selections.txt"),
    "textgrid": (textgrid, ".TextGrid"),
}


def label_file(format_name: str, file: str) -> str:
    """Where the labels of a clip go, relative to the output folder; the clip's whole name stays in it.

    >>> label_file("audacity", "a/b.wav")
    'audacity/a/b.wav.txt'
    """
    return f"{format_name}/{file}{FORMATS[format_name][1]}"


def read_audacity(path: str | os.PathLike[str]) -> tuple[float, ...]:
    r"""Read the onset times of an Audacity label track: where each label starts, whatever it says.

    Lines that begin with ``\`` (frequency ranges) and blank ones are passed over.

    Returns
    -------
    tuple of float
        Seconds, ascending.

    Raises
    ------
    TableError
        Beginning with ``file:line:``.
    UsageError
        When the file cannot be read at all.
    """
    name = os.fspath(path)
    onsets_s = []
    # only the times matter, and they are ASCII: a label in another encoding does no harm
    for number, line in enumerate(read_bytes(path).decode("utf-8-sig", "replace").split("\n"), 1):
        if line.strip() and not line.startswith("\\"):
            onsets_s.append(_start_s(line, f"{name}:{number}"))
    return tuple(sorted(onsets_s))


def _start_s(line: str, where: str) -> float:
    try:
        start_s, end_s = (float(cell) for cell in line.split("\t")[:2])
    except ValueError:
        raise TableError(f"{where}: not start, tab, end, tab, label with times in seconds: {line.strip()!r}") from None
    if not (math.isfinite(end_s) and 0 <= start_s <= end_s):
        raise TableError(f"{where}: from {start_s} to {end_s} s; times go forward from 0")
    return start_s


def _said(pop: Event) -> str:
    return f"pop {pop.p_pop:.2f}"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
