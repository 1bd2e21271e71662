"""The nouns that flow through the house. Frozen values; times in seconds from the start of the clip.

A `Detection` is what is known of one clip; its `Event` list holds every candidate worth mentioning, in time
order, pops or not. A `Verdict` is a `Detection`, or the reason why there is none, beside the file it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import PurePath
from typing import Any, Literal

Label = Literal["pop", "no_pop", "uncertain"]
LABELS: tuple[Label, ...] = ("pop", "no_pop", "uncertain")


class _Packed:
    """A dataclass that is sent to another process as its values in order: half the time of its fields by name."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        """How it is pickled."""
        names: Iterable[str] = type(self).__slots__
        return type(self), tuple([getattr(self, name) for name in names])


@dataclass(frozen=True, slots=True)
class Event(_Packed):
    """One candidate: a sudden sound that may be a pop.

    Attributes
    ----------
    onset_s : float ≥ 0
        When it starts, seconds from the start of the clip.
    p_pop : float in [0, 1]
        Calibrated probability that this sound is a pop.
    is_pop : bool
        Whether the operating point counts it.
    duration_ms : float
        From the onset until the sound stays 20 dB below its peak; at most 8.
    peak_hz, centroid_hz : float
        Strongest frequency and mean frequency of the first 6 ms.
    snr_db : float
        Peak above the local floor, mean over the mel bands; at most 60.
    channel : str
        In recordings of two channels the louder one, ``"1"`` or ``"2"``, or ``"both"`` within 1 dB; else empty.
    """

    onset_s: float
    p_pop: float
    is_pop: bool
    duration_ms: float
    peak_hz: float
    centroid_hz: float
    snr_db: float
    channel: str = ""


@dataclass(frozen=True, slots=True)
class Detection(_Packed):
    """The verdict on one clip.

    Attributes
    ----------
    label : {"pop", "no_pop", "uncertain"}
    p_pop : float in [0, 1]
        Calibrated probability that the clip holds at least one pop.
    events : tuple of Event
        In time order.
    duration_s : float
    sample_rate_hz, channels : int
    quality : tuple of str
        Flags such as ``"clipped"`` or ``"quiet"``; empty when nothing is to be said.
    """

    label: Label
    p_pop: float
    events: tuple[Event, ...]
    duration_s: float
    sample_rate_hz: int
    channels: int
    quality: tuple[str, ...] = ()

    @property
    def pops(self) -> tuple[Event, ...]:
        """The events counted as pops."""
        return tuple(event for event in self.events if event.is_pop)

    @property
    def snr_db(self) -> float | None:
        """How far the likeliest event stands above the floor, dB; None without events."""
        if not self.events:
            return None
        return max(self.events, key=lambda event: event.p_pop).snr_db


@dataclass(frozen=True, slots=True)
class Verdict(_Packed):
    """What `classify` and `label` say of one file: a detection, or why there is none.

    Attributes
    ----------
    file : str
        The name as given, or relative to the session folder with ``/`` separators.
    status : str
        ``ok``, ``empty``, ``truncated``, ``unreadable``, ``not_finite`` or ``too_short``.
    detection : Detection or None
        None unless the status is ``ok``.
    error : str
        One line; empty when the status is ``ok``.
    sha256 : str
        Of the file's bytes; empty if they could not be read.
    """

    file: str
    status: str
    detection: Detection | None
    error: str = ""
    sha256: str = ""


def to_json(value: Any) -> Any:
    """Convert a record to the types that `json.dumps` writes; the one such function of the package.

    Parameters
    ----------
    value : object
        Dataclasses become objects with all their fields in order. Mappings become objects, with their keys as text.
        Tuples, lists and numpy arrays become lists, sets become sorted lists. Numpy numbers become Python's, paths
        become text. Text, numbers, booleans and None stay. NaN stays NaN: write with ``allow_nan=False``.

    Raises
    ------
    TypeError
        For a value of any other type.
    """
    if hasattr(value, "dtype") and hasattr(value, "tolist"):  # numpy's arrays and scalars, without importing numpy
        return value.tolist()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return [to_json(inner) for inner in sorted(value)]
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form; a dataclass, mapping, sequence, path or number does")
