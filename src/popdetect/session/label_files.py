"""Label files of other programs: Audacity label tracks, Raven selection tables, Praat TextGrids.

`FORMATS` is the table of formats; a new format is a function that writes it, one that reads it, and one entry there.
Each file holds the pops of one clip, times in seconds from its start with 6 decimals, in time order. A clip without
pops gets a file without labels. Uncertain pops are named ``pop?``. A file with such a label cannot be read as the
truth: a person must first decide, and either remove the question mark or delete the label.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from popdetect.errors import TableError
from popdetect.records import Detection
from popdetect.session.files import read_bytes


class LabelFormat(NamedTuple):
    """A format of label files."""

    suffix: str  # added to the whole name of the clip
    write: Callable[[str, Detection], str]  # takes the file's name, returns the text of the label file
    # returns the onsets in s, ascending, and the place of the last one as file:line; None: popdetect only writes it
    read: Callable[[Path], tuple[tuple[float, ...], str]] | None = None


UNCERTAIN_NAME = "pop?"
RAVEN_COLUMNS = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)", "Begin File",
    "Annotation", "p_pop",
)  # fmt: skip


def audacity(file_name: str, detection: Detection) -> str:
    """Render an Audacity label track: a point label for each pop, with its probability."""
    return "".join(
        f"{pop.onset_s:.6f}\t{pop.onset_s:.6f}\t{_name(detection)} {pop.p_pop:.2f}\n" for pop in detection.pops
    )


def raven(file_name: str, detection: Detection) -> str:
    """Render a Raven selection table; the boxes extend over all frequencies, as a pop does."""
    lines = ["\t".join(RAVEN_COLUMNS)]
    begin_file = " ".join(file_name.rsplit("/", 1)[-1].split())
    high_hz = detection.sample_rate_hz / 2
    for number, pop in enumerate(detection.pops, 1):
        channel = pop.channel if pop.channel == "2" else "1"
        end_s = pop.onset_s + pop.duration_ms / 1000
        lines.append(
            f"{number}\tSpectrogram 1\t{channel}\t{pop.onset_s:.6f}\t{end_s:.6f}\t0.0\t{high_hz:.1f}\t"
            f"{begin_file}\t{_name(detection)}\t{pop.p_pop:.4f}"
        )
    return "\n".join(lines) + "\n"


_TEXTGRID = """\
File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = {end_s:.6f}
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "TextTier"
        name = "pops"
        xmin = 0
        xmax = {end_s:.6f}
        points: size = {size}
"""
_POINT = """\
        points [{number}]:
            number = {onset_s:.6f}
            mark = "{label}"
"""


def textgrid(file_name: str, detection: Detection) -> str:
    """Render a Praat TextGrid, long text format, with one tier of points named ``pops``."""
    pops = detection.pops
    points = [
        _POINT.format(number=n, onset_s=pop.onset_s, label=f"{_name(detection)} {pop.p_pop:.2f}")
        for n, pop in enumerate(pops, 1)
    ]
    return _TEXTGRID.format(end_s=detection.duration_s, size=len(pops)) + "".join(points)


def label_file(format_name: str, file: str) -> str:
    """Return the path of a clip's label file, relative to the output folder; it contains the clip's whole name.

    >>> label_file("audacity", "a/b.wav")
    'audacity/a/b.wav.txt'
    """
    return f"{format_name}/{file}{FORMATS[format_name].suffix}"


def read_beside(clip: Path) -> tuple[tuple[float, ...], str]:
    """Read the label file beside a clip: onsets in seconds, ascending, and where; no onsets if there is no label file.

    ``a.wav.txt`` or ``a.txt`` belong to ``a.wav``, in this order; the formats are tried in the order of `FORMATS`.
    Raises TableError, UsageError.
    """
    for form in FORMATS.values():
        for name in (clip.name, clip.stem):
            path = clip.with_name(name + form.suffix)
            if form.read is not None and path.is_file():
                return form.read(path)
    return (), str(clip)


def read_audacity(path: Path) -> tuple[tuple[float, ...], str]:
    r"""Read the onsets of an Audacity label track: the start of each label, whatever its text, except ``pop?``.

    A label whose text begins with ``pop?`` is an uncertain pop that nobody decided on, and an error.
    Lines that begin with ``\\`` (frequency ranges) and blank lines are ignored. A decimal comma is allowed.

    Raises
    ------
    TableError
        Beginning with ``file:line:``.
    UsageError
        When the file cannot be read at all.
    """
    onsets_s = []
    where = str(path)
    # the times and the name are ASCII: other text in another encoding does no harm
    text = read_bytes(path).decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("\\"):
            continue
        where = f"{path}:{number}"
        try:
            # Python accepts 1_000 for a number, Audacity does not write it
            cells = line.split("\t")
            start_s, end_s = (float(cell.replace(",", ".").replace("_", "?")) for cell in cells[:2])
        except ValueError:
            raise TableError(
                f"{where}: {line.strip()!r}; an Audacity label is start, tab, end, tab, text, with times in seconds"
            ) from None
        if not (math.isfinite(end_s) and 0 <= start_s <= end_s):
            raise TableError(
                f"{where}: from {start_s} to {end_s} s; a label starts at 0 s or later and ends after its start"
            )
        if "".join(cells[2:3]).strip().lower().startswith(UNCERTAIN_NAME):
            raise TableError(
                f"{where}: {cells[2].strip()!r} at {start_s} s is an uncertain pop of the detector; listen to it, then "
                "remove the question mark if it is a pop, or delete the label if it is not"
            )
        onsets_s.append(start_s)
    return tuple(sorted(onsets_s)), where


def _name(detection: Detection) -> str:
    return UNCERTAIN_NAME if detection.label == "uncertain" else "pop"


FORMATS = {
    "audacity": LabelFormat(".txt", audacity, read_audacity),
    "raven": LabelFormat(".selections.txt", raven),
    "textgrid": LabelFormat(".TextGrid", textgrid),
}
