"""The records that the packages exchange: frozen dataclasses, with times in seconds from the start of the clip.

A `Detection` is the result for one clip. Its `Event` records are the likely candidates in time order, pops or not. A
`Burst` is the pops of one thrust. A `Verdict` is the result for one file: a `Detection`, or the reason why there is
none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import PurePath
from typing import Any, Literal

Label = Literal["pop", "no_pop", "uncertain"]
LABELS: tuple[Label, ...] = ("pop", "no_pop", "uncertain")
BURST_S = 0.150  # longest time between two pops of one thrust; most follow each other by 10 to 90 ms
ROUNDING_S = 1e-9  # so that a gap of exactly 9 or 150 ms counts the same at any time of the recording


@dataclass(frozen=True, slots=True)
class Event:
    """One candidate: a sudden sound that may be a pop.

    Attributes
    ----------
    onset_s : float ≥ 0
        Start of the sound, seconds from the start of the clip.
    p_pop : float in [0, 1]
        Calibrated probability that this sound is a pop.
    is_pop : bool
        Whether it is counted at the operating point: alone it would make its clip ``pop`` or ``uncertain``, or it
        belongs to the burst of such an event. Counted events of an ``uncertain`` clip are uncertain pops.
    duration_ms : float
        From the onset until the sound stays 20 dB below its peak; at most 8.
    peak_hz, centroid_hz : float
        Strongest frequency and mean frequency of the first 6 ms.
    snr_db : float
        Peak above the level of the background near it, mean over the mel bands; at most 60.
    channel : str
        In recordings of two channels the louder one, ``"1"`` or ``"2"``, or ``"both"`` if they differ by less than
        1 dB; else empty. This and the next three say how the sound reached the sensors, not which joint popped.
    found_on : str
        On which of two channels the sound stands at least 12 dB above the background: ``"1"``, ``"2"`` or ``"both"``;
        empty if on neither, in recordings with another number of channels, and if the channels cannot be compared
        (see the flags ``"same_channels"`` and ``"dead_channel"``). The next two are then None.
    level_difference_db : float or None
        Channel 1 minus channel 2, in the octave in which the sound stands out most. If the sound is found on one
        channel only, the true difference is larger in size, because the level of the other channel is its background.
    arrival_difference_ms : float or None
        Arrival on channel 2 minus arrival on channel 1; positive if later on channel 2. None if the sound is not found
        on both channels, or if its shapes on the two channels do not match well enough.
    """

    onset_s: float
    p_pop: float
    is_pop: bool
    duration_ms: float
    peak_hz: float
    centroid_hz: float
    snr_db: float
    channel: str = ""
    found_on: str = ""
    level_difference_db: float | None = None
    arrival_difference_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Burst:
    """The pops of one thrust: each follows the one before it by at most 150 ms.

    Attributes
    ----------
    start_s : float ≥ 0
        Onset of the first pop, seconds from the start of the clip.
    end_s : float ≥ start_s
        End of the sound that ends last, seconds from the start of the clip.
    n_pops : int ≥ 1
    p_pop : float in [0, 1]
        Probability of the likeliest pop. In a clip labelled ``uncertain``, the pops are uncertain pops.
    n_found_on_1, n_found_on_2, n_found_on_both : int or None
        In recordings of two channels, how many of the pops are found on channel 1 only, on channel 2 only, and on both
        (see `Event`); None if no pop is found on a channel.
    """

    start_s: float
    end_s: float
    n_pops: int
    p_pop: float
    n_found_on_1: int | None = field(default=None, repr=False)
    n_found_on_2: int | None = field(default=None, repr=False)
    n_found_on_both: int | None = field(default=None, repr=False)


def found_on_channels(pops: Iterable[Event]) -> tuple[int, int, int] | tuple[None, None, None]:
    """Return how many events are found on channel 1 only, on channel 2 only, and on both; None if all on neither."""
    places = [pop.found_on for pop in pops if pop.found_on]
    return (places.count("1"), places.count("2"), places.count("both")) if places else (None, None, None)


def bursts(events: Iterable[Event]) -> tuple[Burst, ...]:
    """Group the counted events into bursts; the one such function of the package.

    Parameters
    ----------
    events : iterable of Event
        In time order. Events that are not counted are left out. An unknown length (NaN) counts as 0.

    Returns
    -------
    tuple of Burst, in time order

    Examples
    --------
    >>> times_s = (0.4, 0.43, 0.58, 0.74)
    >>> bursts(Event(t, 0.9, True, 2.0, 2500.0, 3000.0, 30.0) for t in times_s)
    (Burst(start_s=0.4, end_s=0.582, n_pops=3, p_pop=0.9), Burst(start_s=0.74, end_s=0.742, n_pops=1, p_pop=0.9))
    """
    groups: list[list[Event]] = []
    for event in events:
        if not event.is_pop:
            continue
        if groups and event.onset_s - groups[-1][-1].onset_s <= BURST_S + ROUNDING_S:
            groups[-1].append(event)
        else:
            groups.append([event])
    return tuple(
        Burst(
            pops[0].onset_s,
            max(pop.onset_s + (0.0 if math.isnan(pop.duration_ms) else pop.duration_ms / 1000) for pop in pops),
            len(pops),
            max(pop.p_pop for pop in pops),
            *found_on_channels(pops),
        )
        for pops in groups
    )


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One piece of news about live sound; `kind` says which of the other fields are set.

    Attributes
    ----------
    kind : {"provisional", "event", "burst", "gap"}
        ``provisional``: a pop, said within 50 ms of its end. It may be taken back, and a pop may be missing, because
        the sounds after it are not known yet. ``event``: a final event, as of the detection of the whole sound; it may
        be no pop. ``burst``: the final pops of one thrust, after their events. ``gap``: sound was lost.
    at_s : float ≥ 0
        Length of the sound that was known then, s. So the delay of an event is ``at_s - event.onset_s``.
    event : Event or None
        Of ``provisional`` and ``event``.
    burst : Burst or None
        Of ``burst``.
    gap_s : float ≥ 0
        Of ``gap``: length of the lost sound, s. Digital silence takes its place, so that later times stay right.
    """

    kind: Literal["provisional", "event", "burst", "gap"]
    at_s: float
    event: Event | None = None
    burst: Burst | None = None
    gap_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Room:
    """The sound of a room before the first thrust.

    Attributes
    ----------
    duration_s : float
        How long it was measured.
    level_dbfs : float
        Median level of 50 ms, dB of full scale; at least -120.
    peak_dbfs : float
        Highest sample.
    is_clipped : bool
        Whether samples reach full scale.
    hum_hz : int
        50 or 60 if most of the sound below 1 kHz is mains hum of this frequency, else 0.
    problem : str
        Why there is no sound at all, in one line; usually empty.
    """

    duration_s: float
    level_dbfs: float
    peak_dbfs: float
    is_clipped: bool
    hum_hz: int
    problem: str


@dataclass(frozen=True, slots=True)
class Level:
    """The level of the latest sound, dB of full scale, at least -120; and the length of the sound so far, s."""

    at_s: float
    rms_dbfs: float
    peak_dbfs: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """A thrust that a person marked, and whether it had a pop.

    Attributes
    ----------
    number : int ≥ 1
    time_s : float
        When it was marked, seconds from the start of the sound.
    n_pops : int ≥ 0
        Pops of the bursts that start within the window around it, and not nearer to another attempt.
    """

    number: int
    time_s: float
    n_pops: int


@dataclass(frozen=True, slots=True)
class Listened:
    """What was heard in all.

    Attributes
    ----------
    duration_s : float
    n_pops : int ≥ 0
    thrusts : tuple of Burst
        In time order.
    attempts : tuple of Attempt
        In time order; empty if none were marked.
    median_pops : float or None
        Of the attempts with a pop; None without any.
    lost_s : float ≥ 0
        Length of the lost sound.
    quality : tuple of str
        Flags, as of `Detection`.
    clips : tuple of str
        Names of the clips that were written.
    """

    duration_s: float
    n_pops: int
    thrusts: tuple[Burst, ...]
    attempts: tuple[Attempt, ...]
    median_pops: float | None
    lost_s: float
    quality: tuple[str, ...]
    clips: tuple[str, ...]

    @property
    def n_hits(self) -> int:
        """Number of attempts with a pop."""
        return sum(attempt.n_pops > 0 for attempt in self.attempts)


@dataclass(frozen=True, slots=True)
class Detection:
    """The result for one clip.

    Attributes
    ----------
    label : {"pop", "no_pop", "uncertain"}
    p_pop : float in [0, 1]
        Calibrated probability that the clip holds at least one pop.
    events : tuple of Event
        Candidates with a probability of at least 0.05, and all that could make the clip ``uncertain``, in time order;
        see `pops` for those counted.
    duration_s : float
    sample_rate_hz, channels : int
    quality : tuple of str
        Flags: ``"clipped"``, ``"quiet"``, ``"speech"``, ``"outside"`` (out of distribution), ``"long"``,
        ``"dropout"``; with two channels ``"same_channels"`` (one microphone recorded twice) and ``"dead_channel"`` (one
        of them holds no sound); of the file ``"truncated"``, ``"longer_than_header"``, ``"delay_unknown"``; usually
        none.
    """

    label: Label
    p_pop: float
    events: tuple[Event, ...]
    duration_s: float
    sample_rate_hz: int
    channels: int
    quality: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return one line: the label, the probability, the pops and the length."""
        return f"<Detection {self.label}: p_pop {self.p_pop:.2f}, {self.pops_in_words} in {self.duration_s:.1f} s>"

    @property
    def pops(self) -> tuple[Event, ...]:
        """The counted events. If the label is ``uncertain``, they are uncertain pops: a person should listen."""
        return tuple(event for event in self.events if event.is_pop)

    @property
    def onsets_s(self) -> tuple[float, ...]:
        """Onsets of `pops`, s."""
        return tuple(event.onset_s for event in self.pops)

    @property
    def n_pops(self) -> int:
        """Number of `pops`: 0 if the label is ``no_pop``, at least 1 if it is ``pop``.

        If it is ``uncertain``, the number of uncertain pops: at least 1, or 0 with one of the flags ``"outside"`` and
        ``"dropout"``.
        """
        return len(self.pops)

    @property
    def bursts(self) -> tuple[Burst, ...]:
        """The `pops` by thrust, in time order."""
        return bursts(self.events)

    @property
    def pops_in_words(self) -> str:
        """Number and kind of `pops`, such as ``2 pops`` or ``1 uncertain pop``."""
        return pops_in_words(self.label, self.n_pops)

    def to_frame(self) -> Any:
        """Return the events as a `pandas.DataFrame`, one row each; the columns are the attributes of `Event`.

        Raises
        ------
        MissingExtra
            If pandas is not installed.
        """
        from popdetect.frames import frame

        names = [each.name for each in fields(Event)]
        return frame(({name: getattr(event, name) for name in names} for event in self.events), names)

    @property
    def snr_db(self) -> float | None:
        """Level of the likeliest event above the background, dB; None without events."""
        if not self.events:
            return None
        return max(self.events, key=lambda event: event.p_pop).snr_db


def pops_in_words(label: str, n_pops: int) -> str:
    """Return the number and kind of the counted events of a clip.

    >>> pops_in_words("pop", 2), pops_in_words("uncertain", 1)
    ('2 pops', '1 uncertain pop')
    """
    kind = "uncertain pop" if label == "uncertain" and n_pops else "pop"
    return f"{n_pops} {kind}{'' if n_pops == 1 else 's'}"


def clock(seconds: float, decimals: int = 3) -> str:
    """Return a time of a long recording as h:mm:ss, with decimals of the second.

    >>> clock(7_205.0625), clock(59.6, 0)
    ('2:00:05.062', '0:01:00')
    """
    per_second = 10**decimals
    ticks = round(seconds * per_second)
    fraction = f".{ticks % per_second:0{decimals}d}" if decimals else ""
    whole = ticks // per_second
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}{fraction}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result for one file: a detection, or the reason why there is none.

    Attributes
    ----------
    file : str
        The name as given, or relative to the session folder with ``/`` separators.
    status : str
        ``ok``, ``empty``, ``truncated``, ``unreadable``, ``unsupported``, ``not_finite`` or ``too_short``.
    detection : Detection or None
        Present if the status is ``ok``.
    error : str
        The reason in one line; empty if the status is ``ok``.
    sha256 : str
        Of the bytes of the file; empty if it cannot be read or was not asked for.
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
        return {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return [to_json(inner) for inner in sorted(value)]
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no JSON form; a dataclass, mapping, sequence, path or number does")
