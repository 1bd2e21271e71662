"""Label files of other programs: Audacity label tracks, Raven selection tables, Praat TextGrids.

`FORMATS` is the table of formats; a new format is a function that writes it, one that reads it, and one entry there.
`MEANINGS` is the table of texts: which text of a label says that there is a pop. Each file holds the labels of one
clip, times in seconds from its start. popdetect writes 6 decimals, in time order; a clip without pops gets a file
without labels. Uncertain pops are named ``pop?``. A file with such a label cannot be read as the truth: a person must
first decide.

The format of a file is recognised by its content, since all three may be named ``.txt``. praatio and crowsetta are not
used for reading: they give no line numbers for messages, and refuse, or change, files that people have. praatio is the
independent reference in the tests.
"""

from __future__ import annotations

import codecs
import math
import re
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Literal, NamedTuple

from popdetect.errors import LeftOutWarning, TableError
from popdetect.records import Detection
from popdetect.session.files import read_bytes, readable


class Mark(NamedTuple):
    """One label of a label file."""

    start_s: float
    end_s: float  # equal to `start_s` for a point
    text: str
    line: int  # in the file, from 1
    channel: str = ""  # as written; empty if the format has none


class LabelFormat(NamedTuple):
    """A format of label files."""

    suffix: str  # added to the whole name of the clip
    write: Callable[[str, Detection], str]  # takes the file's name, returns the text of the label file
    # takes the text of a label file, its name for messages, and the name of its clip (empty: unknown)
    read: Callable[[str, str, str], list[Mark]]
    recognises: Callable[[str], bool]  # whether text is of this format


# --- the text of a label --------------------------------------------------------------------------------------------

Meaning = Literal["pop", "unsure", "undecided", "other"]
UNCERTAIN_NAME = "pop?"

# What the text of a label says. Capital letters, punctuation and a number at the end (`pop 0.97`, `Pop 2`) do not
# count. Of several words the first must be here; words that are nowhere here may follow it (`pop left`, `speech of the
# patient`), but no word of another meaning. Any other text is an error, as it may name a pop or anything else.
MEANINGS: dict[Meaning, tuple[str, ...]] = {
    # an audible pop; a label without text is one, too: marking is quicker than typing
    "pop": ("", "pop", "p", "crack", "cavitation"),
    # a person could not decide: the clip is `uncertain`, and is not scored and not learned from
    "unsure": ("unsure", "not sure", "uncertain", "unclear", "maybe"),
    # as popdetect writes it: nobody has decided yet, which is an error
    "undecided": (UNCERTAIN_NAME, "?"),
    # another sound, or a remark: no pop
    "other": (
        "no", "not", "none", "nopop", "no pop", "not pop", "not a pop", "speech", "talk", "talking", "speaking",
        "voice", "breath", "breathing", "cough", "laugh", "laughter", "noise", "hum", "wind", "music", "phone", "door",
        "knock", "tap", "clap", "bang", "thud", "slam", "step", "steps", "footstep", "footsteps", "bed", "table",
        "couch", "chair", "cloth", "clothes", "rustle", "handling", "mic", "microphone", "artifact", "artefact",
        "silence", "thrust", "start", "end", "other", "ignore",
    ),
}  # fmt: skip
_MEANING = {text: meaning for meaning, texts in MEANINGS.items() for text in texts}


def meaning(text: str) -> Meaning | None:
    """Return what the text of a label says, by `MEANINGS`; None for text that is not in the table.

    >>> meaning("Pop 0.97"), meaning("no_pop"), meaning("door slam"), meaning("pop?"), meaning("knack")
    ('pop', 'other', 'other', 'undecided', None)
    """
    if "?" in text:
        return "undecided"
    plain = re.sub(r"(?<![a-z])\d[\d.,]*%?$|\d+$", "", text.casefold().strip())
    words = re.findall(r"[^\W_]+", plain)
    if (whole := _MEANING.get(" ".join(words))) is not None and (words or not text.strip()):
        return whole
    said = {_MEANING[word] for word in words if word in _MEANING}
    if not words or words[0] not in _MEANING:
        return None
    if said == {"pop", "unsure"}:
        return "unsure"
    return said.pop() if len(said) == 1 else None


def problem(mark: Mark, name: str) -> str:
    """Return why a label cannot be read as the truth, beginning with ``file:line``; empty if it can."""
    said = meaning(mark.text)
    where = f"{name}:{mark.line}: {mark.text.strip()!r} at {mark.start_s} s"
    if said == "undecided":
        return (
            f"{where} is an uncertain pop of the detector; listen to it, then remove the question mark if it is a pop, "
            "or delete the label if it is not (if nobody can tell, write unsure)"
        )
    if said is None:
        return (
            f"{where}: popdetect does not know this text; write {', '.join(filter(None, MEANINGS['pop']))} or nothing "
            "for a pop, unsure if nobody can tell, speech, noise, door or other for what is no pop, or delete the label"
        )
    return ""


# --- Audacity -------------------------------------------------------------------------------------------------------


def audacity(file_name: str, detection: Detection) -> str:
    """Render an Audacity label track: a point label for each pop, with its probability."""
    return "".join(
        f"{pop.onset_s:.6f}\t{pop.onset_s:.6f}\t{_name(detection)} {pop.p_pop:.2f}\n" for pop in detection.pops
    )


def parse_audacity(text: str, name: str, clip: str = "") -> list[Mark]:
    r"""Read an Audacity label track: start, tab, end, tab, text.

    Lines that begin with ``\\`` (frequency ranges) and blank lines are ignored. A decimal comma is allowed.
    """
    marks = []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("\\"):
            continue
        cells = line.split("\t")
        if len(cells) < 2:
            cells = ["?", "?"]
        try:
            start_s, end_s = map(_float, cells[:2])
        except ValueError:
            raise TableError(
                f"{name}:{number}: {line.strip()!r}; an Audacity label is start, tab, end, tab, text, "
                "with times in seconds"
            ) from None
        marks.append(_checked(Mark(start_s, end_s, " ".join(cells[2:]).strip(), number), name))
    return marks


# --- Raven ----------------------------------------------------------------------------------------------------------

RAVEN_COLUMNS = (
    "Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)", "Begin File",
    "Annotation", "p_pop",
)  # fmt: skip
_RAVEN_TEXTS = ("annotation", "annotations", "label", "labels", "tags")  # the first of these columns has the text


def raven(file_name: str, detection: Detection) -> str:
    """Render a Raven selection table; the boxes extend over all frequencies, as a pop does."""
    lines = ["\t".join(RAVEN_COLUMNS)]
    high_hz = detection.sample_rate_hz / 2
    for number, pop in enumerate(detection.pops, 1):
        channel = pop.channel if pop.channel == "2" else "1"
        end_s = pop.onset_s + pop.duration_ms / 1000
        lines.append(
            f"{number}\tSpectrogram 1\t{channel}\t{pop.onset_s:.6f}\t{end_s:.6f}\t0.0\t{high_hz:.1f}\t"
            f"{_begin_file(file_name)}\t{_name(detection)}\t{pop.p_pop:.4f}"
        )
    return "\n".join(lines) + "\n"


def parse_raven(text: str, name: str, clip: str = "") -> list[Mark]:
    """Read a Raven selection table; the columns may have any order, and only ``Begin Time (s)`` is needed.

    A selection that is shown in several views has a line for each; it is one label. Of a table about several
    recordings, ``File Offset (s)`` is the time, and a selection of another recording than `clip` is an error.
    """
    marks: list[Mark] = []
    seen: set[tuple[str, float, float]] = set()
    columns: list[str] | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        where = f"{name}:{number}"
        if columns is None:
            columns = [cell.casefold() for cell in cells]
            if "begin time (s)" not in columns:
                raise TableError(f"{where}: no column Begin Time (s); the columns are {', '.join(cells)}")
            if not any(column in columns for column in _RAVEN_TEXTS):
                _say("a Raven table has no column Annotation: each selection in it counts as a pop")
            continue
        row = dict(zip(columns, cells, strict=False))
        other = row.get("begin file", "")
        if clip and other and other.casefold() not in (_begin_file(clip).casefold(), Path(clip).stem.casefold()):
            raise TableError(
                f"{where}: this selection is of {other}, and the table lies with {Path(clip).name}; "
                "each clip needs a table of its own"
            )
        start = row.get("file offset (s)") or row.get("begin time (s)", "")
        try:
            start_s = _float(start)
            length_s = _float(row.get("end time (s)") or row["begin time (s)"]) - _float(row["begin time (s)"])
        except (KeyError, ValueError):
            raise TableError(
                f"{where}: from {start!r} to {row.get('end time (s)', '')!r}; times are numbers, in seconds"
            ) from None
        said = next((row.get(column, "") for column in _RAVEN_TEXTS if column in columns), "")
        mark = Mark(start_s, round(start_s + length_s, 9), said, number, row.get("channel", ""))
        key = (row.get("selection", ""), mark.start_s, mark.end_s)
        if key not in seen:
            seen.add(key)
            marks.append(_checked(mark, name))
    return marks


def _begin_file(file: str) -> str:
    return " ".join(file.rsplit("/", 1)[-1].split())


# --- Praat ----------------------------------------------------------------------------------------------------------

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
# Praat reads strings, numbers and flags that stand free, and takes all else for a comment. So the long and the short
# text format are one.
_TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"|(?<!\S)(?P<number>[-+]?(?:\d[\d.]*(?:[eE][-+]?\d+)?|nan|inf|--undefined--))(?=[\s!]|\Z)'
    r"|<(?P<flag>exists|absent)>|![^\n]*|\[[^\]\n]*\]:?"
)
_POP_TIERS = ("pop", "pops")


def textgrid(file_name: str, detection: Detection) -> str:
    """Render a Praat TextGrid, long text format, with one tier of points named ``pops``."""
    pops = detection.pops
    points = [
        _POINT.format(number=n, onset_s=pop.onset_s, label=f"{_name(detection)} {pop.p_pop:.2f}")
        for n, pop in enumerate(pops, 1)
    ]
    return _TEXTGRID.format(end_s=detection.duration_s, size=len(pops)) + "".join(points)


def parse_textgrid(text: str, name: str, clip: str = "") -> list[Mark]:
    """Read a TextGrid, long or short text format, with tiers of points and of intervals.

    If a tier is named ``pop`` or ``pops``, the others are left out, and this is said. Intervals without text are the
    gaps between labels. The result is in the order of the tiers.
    """
    tokens = [(match.lastgroup, match) for match in _TOKEN.finditer(text) if match.lastgroup]
    at = 0

    def following(kind: str, what: str) -> tuple[str, int]:
        nonlocal at
        place = tokens[at][1].start() if at < len(tokens) else len(text.rstrip())
        line = text.count("\n", 0, place) + 1
        if at == len(tokens) or tokens[at][0] != kind:
            found = "the file ends" if at == len(tokens) else f"{tokens[at][1].group().strip()!r} stands"
            raise TableError(f"{name}:{line}: {found} where {what} is expected; save the TextGrid again in Praat")
        at += 1
        return tokens[at - 1][1].group(kind), line

    def seconds(what: str) -> tuple[float, int]:
        word, line = following("number", what)
        try:
            return float(word), line
        except ValueError:
            return math.nan, line

    following("text", "the type of the file")
    object_class, line = following("text", "the class of the object")
    if object_class != "TextGrid":
        raise TableError(f"{name}:{line}: a Praat file of the class {object_class!r}; a TextGrid is needed")
    begin_s, line = seconds("a start time")
    if begin_s != 0:
        raise TableError(
            f"{name}:{line}: the TextGrid starts at {begin_s} s; that of a clip starts at 0 s "
            "(in Praat: Modify > Shift times to)"
        )
    seconds("an end time")
    tiers: list[tuple[str, list[Mark]]] = []
    if following("flag", "<exists>")[0] == "exists":
        for _ in range(_size(*seconds("the number of tiers"), name)):
            tier_class, line = following("text", "the class of a tier")
            if tier_class not in ("IntervalTier", "TextTier"):
                raise TableError(f"{name}:{line}: a tier of the class {tier_class!r}; IntervalTier and TextTier exist")
            tier = following("text", "the name of a tier")[0].replace('""', '"')
            seconds("a start time")
            seconds("an end time")
            marks = []
            for _ in range(_size(*seconds("the number of labels"), name)):
                start_s, line = seconds("a time")
                end_s = seconds("an end time")[0] if tier_class == "IntervalTier" else start_s
                said = following("text", "the text of a label")[0].replace('""', '"').strip()
                if said or tier_class == "TextTier":
                    marks.append(_checked(Mark(start_s, end_s, said, line), name))
            tiers.append((tier, marks))
    named = [tier for tier, _ in tiers if tier.strip().casefold() in _POP_TIERS]
    for tier, marks in tiers:
        if named and tier not in named and marks:
            _say(f"TextGrid: the tier {tier!r} is left out, because the tier {named[0]!r} has the labels of pops")
    return [mark for tier, marks in tiers for mark in marks if tier in named or not named]


def _size(size: float, line: int, name: str) -> int:
    if not (size >= 0 and size == int(size)):  # NaN is not
        raise TableError(f"{name}:{line}: {size} is no number of tiers or labels; save the TextGrid again in Praat")
    return int(size)


# --- reading --------------------------------------------------------------------------------------------------------


def read_marks(path: Path, clip: str = "") -> list[Mark]:
    """Read a label file of any format: its labels, sorted by start, whatever their text.

    `clip` is the name of the clip that the file belongs to; empty if it is not known.

    Raises
    ------
    TableError
        Beginning with ``file:line:``, for a line that is no label.
    UsageError
        When the file cannot be read at all.

    Warns
    -----
    LeftOutWarning
        For tiers of a TextGrid that are left out, and tables without a column of texts.
    """
    text, name = _decoded(path), readable(str(path))
    if text.startswith("ooBinaryFile"):
        raise TableError(f"{name}:1: a binary Praat file; in Praat: Save > Save as text file")
    # what is of no format is read as Audacity's, whose message says how a label is written
    form = next((form for form in FORMATS.values() if form.recognises(text)), FORMATS["audacity"])
    return sorted(form.read(text, name, clip), key=lambda mark: mark.start_s)


def label_file(format_name: str, file: str) -> str:
    """Return the path of a clip's label file, relative to the output folder; it contains the clip's whole name.

    >>> label_file("audacity", "a/b.wav")
    'audacity/a/b.wav.txt'
    """
    return f"{format_name}/{file}{FORMATS[format_name].suffix}"


_SUFFIXES = tuple(
    re.compile(pattern + r"\Z", re.IGNORECASE)
    for pattern in (r"\.txt", r"\.selections\.txt", r"\.table\.\d+\.selections\.txt", r"\.textgrid")
)


def may_be_label_file(name: str) -> bool:
    """Whether a file may hold labels, by its name."""
    return not name.startswith(".") and any(suffix.search(name) for suffix in _SUFFIXES)


def clips_of(name: str, clips: Collection[str]) -> list[str]:
    """Return the clips of a folder that a label file may belong to, by its name; more than one is ambiguous.

    ``a.wav.txt`` belongs to ``a.wav``, and so does ``a.txt``; ``a.Table.1.selections.txt`` is Raven's own name. Capital
    letters count only if they decide. Praat writes ``a_b_wav.TextGrid`` for ``a b.wav``.

    >>> clips_of("a.txt", ["a.wav", "b.wav"]), clips_of("a_b.TextGrid", ["a b.wav"])
    (['a.wav'], ['a b.wav'])
    """
    bases = [name[: match.start()] for suffix in _SUFFIXES if (match := suffix.search(name))]
    same: tuple[Callable[[str], str], ...] = (str, str.casefold)
    if name.lower().endswith(".textgrid"):
        same = (*same, lambda word: re.sub(r"\W", "_", word))
    for base in bases:
        for form in same:
            for part in (str, lambda clip: Path(clip).stem):
                if found := [clip for clip in clips if form(part(clip)) == form(base)]:
                    return found
    return []


def _decoded(path: Path) -> str:
    r"""Return the text of a file, with ``\n`` at the end of lines.

    Files are UTF-8 or UTF-16, with or without a byte order mark, or else Windows-1252.
    """
    raw = read_bytes(path)
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif b"\0" in raw[:100]:  # most characters of a label file are ASCII: one of their two bytes is zero
        encoding = "utf-16-be" if raw[:1] == b"\0" else "utf-16-le"
    else:
        encoding = "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.removeprefix(codecs.BOM_UTF8).decode("cp1252", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _float(cell: str) -> float:
    # Python accepts 1_000 for a number; no program writes it. A decimal comma is safe, as tabs separate
    return float(cell.replace(",", ".").replace("_", "?"))


def _checked(mark: Mark, name: str) -> Mark:
    if not (math.isfinite(mark.end_s) and 0 <= mark.start_s <= mark.end_s):
        raise TableError(
            f"{name}:{mark.line}: from {mark.start_s} to {mark.end_s} s; a label starts at 0 s or later and ends after "
            "its start"
        )
    return mark


def _say(text: str) -> None:
    warnings.warn(text, LeftOutWarning, stacklevel=2)


def _name(detection: Detection) -> str:
    return UNCERTAIN_NAME if detection.label == "uncertain" else "pop"


def _is_raven(text: str) -> bool:
    first = text.lstrip().split("\n", 1)[0].casefold().split("\t")
    return any(cell.strip() in ("selection", "begin time (s)") for cell in first)


FORMATS = {
    "audacity": LabelFormat(
        ".txt", audacity, parse_audacity, lambda text: re.match(r"[\\\s\d.-]*(\t|\Z)", text) is not None
    ),
    "raven": LabelFormat(".selections.txt", raven, parse_raven, _is_raven),
    "textgrid": LabelFormat(
        ".TextGrid", textgrid, parse_textgrid, lambda text: re.match(r'[^\n]*"?ooTextFile', text) is not None
    ),
}
