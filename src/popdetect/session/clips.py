"""The rows of ``clips.csv``, ``events.csv`` and ``bursts.csv`` as records.

The only module that parses or renders these tables. Records hold numbers as the files do: probabilities with 4
decimals, times in seconds with 5, clip lengths in seconds with 3, event lengths in ms with 2, dB with 1, Hz with none.
Differences of arrival, in ms, have 3 decimals. None, or NaN in an `Event`, is an empty cell and means "not known".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from popdetect.errors import TableError
from popdetect.records import LABELS, Burst, Event, Label, Verdict, bursts
from popdetect.session.files import readable
from popdetect.session.tables import Row, Table, csv_lines, read_table

# --- columns --------------------------------------------------------------------------------------------------------


Unknown = TypeVar("Unknown", float, None)
Record = TypeVar("Record", Event, Burst)
_SHARE, _COUNT = (0.0, 1.0), (0.0, 1e15)  # limits


class _Column(NamedTuple):
    """One column: its name, which is also that of the record's field, and how a cell is read and written."""

    name: str
    parse: Callable[[str], Any] = str
    render: Callable[[Any], str] = str
    rule: str = ""
    is_required: bool = False


def _number(
    name: str,
    decimals: int | None,
    *,
    empty: float | None = None,
    required: bool = False,
    limits: tuple[float, float] = (-1e15, 1e15),
) -> _Column:
    """Return a column of numbers; without `decimals` they are whole."""
    form = "d" if decimals is None else f"z.{decimals}f"  # z: never "-0.0"

    def parse(cell: str) -> float | None:
        if not cell and not required:
            return empty
        value = int(cell) if decimals is None else float(cell)
        if not limits[0] <= value <= limits[1]:  # NaN is not
            raise ValueError
        return value

    def render(value: float | None) -> str:
        return "" if value is None or not math.isfinite(value) else format(value, form)

    return _Column(name, parse, render, "a number is expected", required)


def _word(name: str, *allowed: str) -> _Column:
    def parse(cell: str) -> str:
        if cell not in allowed:
            raise ValueError
        return cell

    return _Column(name, parse, str, f"{', '.join(filter(None, allowed))} or nothing is allowed")


_QUALITY = _Column("quality", lambda cell: tuple(filter(None, cell.split(";"))), ";".join)
_IS_POP = _Column(
    "is_pop", lambda cell: bool(["0", "1"].index(cell)), lambda yes: "1" if yes else "0", "1 or 0 is allowed", True
)
_CLIP = (
    _Column("file"), _Column("status"), _word("label", *LABELS, ""), _number("p_pop", 4, limits=_SHARE),
    _number("n_pops", None, limits=_COUNT), _number("first_pop_s", 5), _number("last_pop_s", 5), _number("snr_db", 1),
    _number("duration_s", 3), _number("sample_rate_hz", None, limits=_COUNT), _number("channels", None, limits=_COUNT),
    _QUALITY, _Column("error"), _Column("model"), _Column("model_sha256"), _Column("popdetect_version"),
    _Column("sha256"),
)  # fmt: skip
_EVENT = (
    _number("onset_s", 5, required=True), _number("p_pop", 4, required=True, limits=_SHARE), _IS_POP,
    _number("duration_ms", 2, empty=math.nan), _number("peak_hz", 0, empty=math.nan),
    _number("centroid_hz", 0, empty=math.nan), _number("snr_db", 1, empty=math.nan), _Column("channel"),
    _word("found_on", "1", "2", "both", ""), _number("level_difference_db", 1), _number("arrival_difference_ms", 3),
)  # fmt: skip
_BURST = (
    _number("start_s", 5, required=True), _number("end_s", 5, required=True),
    _number("n_pops", None, required=True, limits=_COUNT), _number("p_pop", 4, required=True, limits=_SHARE),
    *(_number(name, None, limits=_COUNT) for name in ("n_found_on_1", "n_found_on_2", "n_found_on_both")),
)  # fmt: skip
CLIP_COLUMNS = tuple(column.name for column in _CLIP)
EVENT_COLUMNS = ("file", *(column.name for column in _EVENT))
BURST_COLUMNS = ("file", *(column.name for column in _BURST))


# --- records --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """One row of ``clips.csv`` and its rows of ``events.csv`` and ``bursts.csv``.

    Attributes
    ----------
    id : int
        Position in the table, from 0.
    file : str
        Relative to the folder, with ``/``.
    status : str
        ``ok``, or why there is no label.
    label : {"pop", "no_pop", "uncertain", ""}
        Empty unless the status is ``ok``.
    p_pop : float in [0, 1], or None
    n_pops : int or None
    first_pop_s, last_pop_s, snr_db, duration_s : float or None
    sample_rate_hz, channels : int or None
    quality : tuple of str
    error, model, model_sha256, popdetect_version, sha256 : str
    events : tuple of Event
        In time order.
    bursts : tuple of Burst
        The counted events by thrust, in time order.
    extra : dict of str to str
        Cells of columns that popdetect does not know.
    event_extra, burst_extra : tuple of dict
        The same of each event and each burst; empty if there are no such columns.
    """

    id: int
    file: str
    status: str
    label: Label | Literal[""] = ""
    p_pop: float | None = None
    n_pops: int | None = None
    first_pop_s: float | None = None
    last_pop_s: float | None = None
    snr_db: float | None = None
    duration_s: float | None = None
    sample_rate_hz: int | None = None
    channels: int | None = None
    quality: tuple[str, ...] = ()
    error: str = ""
    model: str = ""
    model_sha256: str = ""
    popdetect_version: str = ""
    sha256: str = ""
    events: tuple[Event, ...] = ()
    extra: Row = field(default_factory=dict)
    event_extra: tuple[Row, ...] = ()
    bursts: tuple[Burst, ...] = ()
    burst_extra: tuple[Row, ...] = ()

    @property
    def pops_s(self) -> tuple[float, ...]:
        """Onsets of the events counted as pops, seconds."""
        return tuple(event.onset_s for event in self.events if event.is_pop)


def clip_record(number: int, verdict: Verdict, model: str, model_sha256: str, version: str) -> LabelledClip:
    """Return the record of a verdict, its numbers rounded as in the files."""
    made_by: dict[str, Any] = {"error": verdict.error, "model": model, "model_sha256": model_sha256}
    made_by |= {"popdetect_version": version, "sha256": verdict.sha256}
    found = verdict.detection
    if found is None:
        return LabelledClip(number, verdict.file, verdict.status, **made_by)
    events = tuple(
        [
            Event(
                round(event.onset_s, 5),
                round(event.p_pop, 4),
                event.is_pop,
                _rounded(event.duration_ms, 2, math.nan),
                _rounded(event.peak_hz, 0, math.nan),
                _rounded(event.centroid_hz, 0, math.nan),
                _rounded(event.snr_db, 1, math.nan),
                event.channel,
                event.found_on,
                _rounded(event.level_difference_db, 1, None),
                _rounded(event.arrival_difference_ms, 3, None),
            )
            for event in found.events
        ]
    )
    pops_s = [event.onset_s for event in events if event.is_pop]
    return LabelledClip(
        number,
        verdict.file,
        verdict.status,
        found.label,
        _rounded(found.p_pop, 4, None),
        len(pops_s),
        pops_s[0] if pops_s else None,
        pops_s[-1] if pops_s else None,
        _rounded(found.snr_db, 1, None),
        _rounded(found.duration_s, 3, None),
        found.sample_rate_hz,
        found.channels,
        found.quality,
        **made_by,
        events=events,
        bursts=tuple(
            [
                replace(
                    burst,
                    start_s=round(burst.start_s, 5),
                    end_s=round(burst.end_s, 5),
                    p_pop=round(burst.p_pop, 4),
                )
                for burst in found.bursts
            ]
        ),
    )


def _rounded(value: float | None, decimals: int, unknown: Unknown) -> float | Unknown:
    return round(value, decimals) if value is not None and math.isfinite(value) else unknown


# --- reading --------------------------------------------------------------------------------------------------------


class Tables(NamedTuple):
    """What the tables of a session hold: the clips, and the header line of each table."""

    clips: tuple[LabelledClip, ...]
    clip_columns: tuple[str, ...]
    event_columns: tuple[str, ...]
    burst_columns: tuple[str, ...]


def read_clips(path: Path, events_path: Path | None, bursts_path: Path | None) -> Tables:
    """Read the tables; a path is None without that table. Without bursts, they are those of the events.

    Raises
    ------
    TableError
        Beginning with ``file:line:``, for a line or a header that cannot be used.
    UsageError
        When a file cannot be read at all.
    """
    table = _checked(path, ("file", "status", "label", "p_pop"))
    events, event_columns = _of_files(events_path, EVENT_COLUMNS, Event, _EVENT, "onset_s")
    groups, burst_columns = _of_files(bursts_path, BURST_COLUMNS, Burst, _BURST, "start_s")
    clips = _clips(table, str(path), events, groups if bursts_path is not None else None)
    return Tables(clips, tuple(table.columns), event_columns, burst_columns)


def _checked(path: Path, required: Sequence[str]) -> Table:
    table = read_table(path)
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise TableError(
            f"{readable(str(path))}:{table.header_line}: no column {', '.join(missing)}; "
            "this is not what `popdetect label` wrote: label again"
        )
    return table


def _clips(
    table: Table,
    name: str,
    events: Mapping[str, list[tuple[Event, Row]]],
    groups: Mapping[str, list[tuple[Burst, Row]]] | None,
) -> tuple[LabelledClip, ...]:
    others = [column for column in table.columns if column not in CLIP_COLUMNS]
    seen: dict[str, int] = {}
    clips: list[LabelledClip] = []
    for row, line in zip(table.rows, table.lines, strict=True):
        file = row["file"]
        if not any(row.values()):
            continue  # spreadsheets leave lines of separators behind
        if not file or file in seen:
            known = f"{file!r} is already on line {seen[file]}" if file else "empty"
            raise TableError(f"{name}:{line}: file: {known}; each line is of one clip: label again")
        seen[file] = line
        own = tuple([event for event, _ in events.get(file, [])])
        clips.append(
            LabelledClip(
                id=len(clips),
                **_values(_CLIP, row, f"{name}:{line}"),
                events=own,
                extra={column: row[column] for column in others},
                event_extra=_extras(events.get(file, [])),
                bursts=bursts(own) if groups is None else tuple([burst for burst, _ in groups.get(file, [])]),
                burst_extra=() if groups is None else _extras(groups.get(file, [])),
            )
        )
    return tuple(clips)


def _extras(own: Sequence[tuple[Any, Row]]) -> tuple[Row, ...]:
    return tuple([extra for _, extra in own]) if own and own[0][1] else ()


def _of_files(
    path: Path | None, names: tuple[str, ...], record: Callable[..., Record], columns: Sequence[_Column], time: str
) -> tuple[dict[str, list[tuple[Record, Row]]], tuple[str, ...]]:
    """Return the records of a table and their unknown cells by file, in the order of `time`; and its header line."""
    found: dict[str, list[tuple[Record, Row]]] = {}
    if path is None:
        return found, names
    table = _checked(path, ("file", *(column.name for column in columns if column.is_required)))
    others = [column for column in table.columns if column not in names]
    for row, line in zip(table.rows, table.lines, strict=True):
        if any(row.values()):
            made = record(**_values(columns, row, f"{path}:{line}"))
            found.setdefault(row["file"], []).append((made, {column: row[column] for column in others}))
    for own in found.values():
        own.sort(key=lambda pair: float(getattr(pair[0], time)))
    return found, tuple(table.columns)


def _values(columns: Sequence[_Column], row: Row, where: str) -> dict[str, Any]:
    values = {}
    for column in columns:
        cell = row.get(column.name, "")
        try:
            values[column.name] = column.parse(cell)
        except ValueError:
            raise TableError(f"{where}: {column.name}: {cell!r}: {column.rule}; label again") from None
    return values


# --- writing --------------------------------------------------------------------------------------------------------


def clips_text(clips: Iterable[LabelledClip], columns: Sequence[str]) -> str:
    """Render ``clips.csv`` with these columns."""
    return _rendered(_CLIP, columns, ((clip.file, clip, clip.extra) for clip in clips))


def events_text(clips: Iterable[LabelledClip], columns: Sequence[str]) -> str:
    """Render ``events.csv`` with these columns."""
    return _rendered(_EVENT, columns, event_rows(clips))


def bursts_text(clips: Iterable[LabelledClip], columns: Sequence[str]) -> str:
    """Render ``bursts.csv`` with these columns."""
    return _rendered(_BURST, columns, burst_rows(clips))


def event_rows(clips: Iterable[LabelledClip]) -> Iterable[tuple[str, Event, Row]]:
    """List the events of all clips: file, event, and cells of columns that popdetect does not know."""
    for clip in clips:
        for number, event in enumerate(clip.events):
            yield clip.file, event, clip.event_extra[number] if clip.event_extra else {}


def burst_rows(clips: Iterable[LabelledClip]) -> Iterable[tuple[str, Burst, Row]]:
    """List the bursts of all clips, in the same form."""
    for clip in clips:
        for number, burst in enumerate(clip.bursts):
            yield clip.file, burst, clip.burst_extra[number] if clip.burst_extra else {}


def _rendered(known: Sequence[_Column], columns: Sequence[str], rows: Iterable[tuple[str, Any, Row]]) -> str:
    """Render records under a header of `columns`."""
    by_name = {column.name: column.render for column in known}
    plan = [(name, by_name.get(name)) for name in columns]
    lines = [
        [
            file if name == "file" else render(getattr(record, name)) if render is not None else extra.get(name, "")
            for name, render in plan
        ]
        for file, record, extra in rows
    ]
    return csv_lines([list(columns), *lines])
