"""The table of columns: each column of ``session.csv`` and of the journal, declared once.

An entry of `FIELDS` says what the column means, its unit and allowed values, who fills it in, where it is kept and
whether it is exported. Parsing of ``session.csv``, the SQL tables and their migration, exports, codebook and REDCap
dictionary are derived from it. To add a column, add one entry with the next number of `since`.

`FIELDS` is in the order of exports. Pain is in points of its scale, times are in seconds. An empty cell means "not
asked", or what `Field.missing` says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Final, Literal

from popdetect.records import LABELS
from popdetect.study import cells
from popdetect.study.analysis.thrusts import PainScale

Kind = Literal["text", "integer", "number", "choice"]
Level = Literal["session", "thrust", "clip"]
Value = str | int | float | None

DETECTOR: Final = "popdetect (detector)"
LOGGING: Final = "popdetect (log)"
CLINIC: Final = "clinic, in session.csv"
PATIENT: Final = "patient, in session.csv"
THERAPIST: Final = "therapist, in session.csv"

# each pain scale: kind of number, and highest score; the lowest is 0
SCALES: Final[dict[PainScale, tuple[Kind, int]]] = {"NPRS": ("integer", 10), "VAS100": ("number", 100)}
ANSWERS: Final = ("yes", "no", "unsure")
PAIN_UNIT: Final = "points of pain_scale"
NEVER_EMPTY: Final = "never empty"

_NUMBER = re.compile(r"[-+]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)")
# a declared outcome: range, unit (may be missing), and direction
_OUTCOME = re.compile(
    r"[^\[]*\[\s*(-?\d+(?:[.,]\d+)?)\s*(?:-|–|to|bis)\s*(-?\d+(?:[.,]\d+)?)\s*([^\d,;\]]*)"
    r"[,;]\s*(?:(?:lower|higher) is better|(?:niedriger|höher) ist besser)\s*\]",
    re.IGNORECASE,
)
_MOST = 1e9  # larger numbers are typing errors


@dataclass(frozen=True, slots=True)
class Field:
    """One column."""

    name: str  # in the journal and in exports
    label: str  # the meaning, for the codebook
    kind: Kind
    source: str  # who fills it in: the clinic, the patient, the therapist, or popdetect
    unit: str = ""
    low: float | None = None  # limits, both allowed
    high: float | None = None
    choices: tuple[str, ...] = ()  # the words allowed, where `kind` is "choice"
    missing: str = "not asked"  # what an empty cell means
    # what has one value: all thrusts of a patient's session, a thrust, or a clip; columns of clips are in the journal's
    # table ``thrusts``, the others in ``scores``
    level: Level = "thrust"
    since: int = 1  # format of the journal (see `schema`) that first had the column
    by_default: bool = True  # exported unless columns are named; else only by request
    may_identify: bool = False  # whether a person's name may stand in it
    # column of ``session.csv``; None: `name`, where a person fills it in; empty: not in ``session.csv``
    header: str | None = None
    required: bool = False  # whether ``session.csv`` must have the column
    csv_after: str = ""  # in ``session.csv`` it stands behind this field; by default in the order of `FIELDS`
    is_key: bool = False  # whether it identifies a row of the journal; `schema` creates these columns itself
    short: str = ""  # name in the report's table of filled cells; empty if it is not counted there
    own: str = ""  # header of a column that the clinic added; empty for all others

    @property
    def column(self) -> str:
        """Name in ``session.csv``; empty if it is not there."""
        if self.header is not None:
            return self.header
        return self.name if self.source in (CLINIC, PATIENT, THERAPIST) else ""

    @property
    def is_pain(self) -> bool:
        """Whether it is a pain score, whose limits depend on the scale."""
        return self.unit == PAIN_UNIT

    @property
    def is_answer(self) -> bool:
        """Whether a cell says that somebody answered, or that something happened."""
        return self.source in (PATIENT, THERAPIST) or self.name in ("thrust_speed", "adverse_event", "notes")

    @property
    def is_date(self) -> bool:
        """Whether ``session.csv`` has a date, of which the journal keeps a number of days."""
        return self.column == "date"

    @property
    def allowed(self) -> str:
        """Allowed values, in words."""
        if self.is_pain:
            return "; ".join(f"{scale}: {_number_words(kind, 0, highest)}" for scale, (kind, highest) in SCALES.items())
        if self.kind == "choice":
            return ", ".join(self.choices)
        return "text" if self.kind == "text" else _number_words(self.kind, self.low, self.high)

    @property
    def codes(self) -> dict[str, str]:
        """REDCap's code of each choice: 0 for no and no_pop, as REDCap codes a no; the others count from 1."""
        yes = [choice for choice in self.choices if choice not in ("no", "no_pop")]
        return {choice: str(yes.index(choice) + 1 if choice in yes else 0) for choice in self.choices}

    def parse(self, cell: str, scale: PainScale = "NPRS", *, day_first: bool | None = None) -> Value | date:
        """Value of a cell of ``session.csv`` that is not empty; None (for text, "") if it says "not asked".

        A decimal comma is read as a point. What other words and dates are understood is the task of `cells`. Pain
        scores are on the `scale`; `day_first` is the order of a date with slashes. Raises ValueError for a value that
        is not allowed; it says what is allowed.
        """
        # NA can be the initials of a person
        if cells.is_not_asked(cell) and not (self.may_identify and cell.casefold() == "na"):
            return "" if self.kind == "text" else None
        if self.kind == "text":
            return "" if self.name == "adverse_event" and cells.is_no_event(cell) else cell
        if self.is_date:
            found = cells.read_date(cell, day_first)
            if found is None:
                unclear = cells.has_two_readings(cell) and day_first is None
                hint = "; day and month cannot be told apart in this column" if unclear else ""
                raise ValueError(f"allowed: a date as YYYY-MM-DD (or DD.MM.YYYY){hint}")
            return found
        if self.kind == "choice":
            for choice in self.choices:
                if choice.lower() == cell.lower():
                    return choice
            word = cells.answer(cell)
            if word in self.choices:
                return word
            raise ValueError(f"allowed: {self.allowed}; leave it empty where it was not asked")
        kind, high = SCALES[scale] if self.is_pain else (self.kind, self.high)
        low = self.low
        value = float(cell.replace(",", ".")) if _NUMBER.fullmatch(cell) else None
        limits = -_MOST if low is None else low, _MOST if high is None else high
        if value is not None and limits[0] <= value <= limits[1] and (kind != "integer" or value == int(value)):
            return int(value) if kind == "integer" else value
        allowed = _number_words(kind, low, high) + (f" ({scale})" if self.is_pain else "")
        if value is None:
            raise ValueError(f"not a number; allowed: {allowed}, without a unit")
        hint = ""
        if self.is_pain and scale == "NPRS" and 10 < value <= 100:
            hint = "; if pain was asked on a line of 100 mm, write VAS100 as pain_scale"
        raise ValueError(f"allowed: {allowed}{hint}")


_NOT_JUDGED: Final = "no clip, or it could not be judged"
_detected = partial(Field, source=DETECTOR, missing=_NOT_JUDGED, level="clip", by_default=False)
FIELDS: tuple[Field, ...] = (
    Field("session", "Session folder, by its random code", "text", LOGGING, missing=NEVER_EMPTY, level="session",
          is_key=True),
    Field("patient", "Patient, by keyed pseudonym", "text", LOGGING, missing=NEVER_EMPTY, level="session",
          header="patient_id", required=True),
    Field("day", "Day, counted from the patient's first day in the journal", "integer", CLINIC, "days",
          missing="no date known", level="session", header="date"),
    Field("session_no", "Number of the patient's session", "integer", CLINIC, low=1, level="session"),
    Field("thrust_no", "Number of the thrust within the session", "integer", CLINIC, low=1),
    Field("region", "Region of the spine", "text", CLINIC),
    Field("side", "Side", "text", CLINIC),
    Field("technique", "Technique", "text", CLINIC, by_default=False, may_identify=True),
    Field("therapist", "Therapist, by a code or initials", "text", CLINIC, since=3, by_default=False,
          may_identify=True),
    Field("site", "Site: the clinic or practice of the treatment", "text", CLINIC, since=3, by_default=False,
          may_identify=True),
    Field("time_point", "When pain was asked after the thrust", "text", CLINIC, csv_after="pain_scale"),
    _detected("label", "Verdict: an audible pop, or not", "choice", choices=LABELS, by_default=True),
    _detected("p_pop", "Probability that the clip holds a pop", "number", unit="probability", low=0, high=1,
              by_default=True),
    _detected("n_pops", "Number of pops detected (uncertain pops if the verdict is uncertain)", "integer", unit="pops",
              low=0, by_default=True),
    Field("pain_before", "Pain before the thrust", "number", PATIENT, PAIN_UNIT, 0, 100, required=True,
          short="pain before"),
    Field("pain_after", "Pain after the thrust", "number", PATIENT, PAIN_UNIT, 0, 100, required=True,
          short="pain after"),
    Field("pain_scale", "Scale of pain", "choice", CLINIC, choices=tuple(SCALES), missing=NEVER_EMPTY,
          level="session"),
    Field("expects_relief", "Relief expected, from none to full", "number", PATIENT, "points", 0, 10,
          short="expectation of relief"),
    Field("believes_pop_needed", "Belief that a pop is needed, from not at all to fully", "integer", PATIENT, "points",
          1, 5, short="belief that a pop is needed"),
    Field("pop_heard_by_patient", "Patient heard a pop", "choice", PATIENT, choices=ANSWERS,
          short="pop heard by patient"),
    Field("pop_heard_by_therapist", "Therapist heard a pop", "choice", THERAPIST, choices=ANSWERS,
          short="pop heard by therapist"),
    Field("thrust_speed", "Speed of the thrust", "number", CLINIC, "as in thrust_speed_unit", 0,
          short="thrust speed"),
    Field("thrust_speed_unit", "Unit of thrust_speed", "text", CLINIC, missing="no speed, or its unit was not given",
          since=2, header=""),
    _detected("model", "Model that judged the clip", "text", missing="no clip", by_default=True),
    Field("file", "Clip, by a code", "text", LOGGING, missing=NEVER_EMPTY, level="clip", by_default=False,
          header="file", required=True, is_key=True),
    Field("adverse_event", "Adverse event", "text", CLINIC, missing="no event, or not asked", by_default=False,
          may_identify=True, short="adverse event noted"),
    Field("notes", "Notes", "text", CLINIC, missing="none, or not kept (log --with-notes)", by_default=False,
          may_identify=True),
    _detected("status", "Whether the clip could be judged: ok, or why not", "text", missing="no clip"),
    _detected("first_pop_s", "First pop, from the start of the clip", "number", unit="s", low=0, missing="no pop"),
    _detected("last_pop_s", "Last pop, from the start of the clip", "number", unit="s", low=0, missing="no pop"),
    _detected("snr_db", "Likeliest pop above the noise floor", "number", unit="dB", missing="no candidate"),
    _detected("duration_s", "Length of the clip", "number", unit="s", low=0),
    _detected("sample_rate_hz", "Sample rate of the clip", "integer", unit="Hz", low=1),
    _detected("channels", "Channels of the clip", "integer", unit="channels", low=1),
    _detected("quality", "Flags of the recording, joined by ;", "text", missing="no flag"),
    _detected("model_sha256", "Fingerprint of the model", "text", missing="no clip"),
    _detected("popdetect_version", "Version of popdetect that judged", "text", missing="no clip"),
    _detected("sha256", "Fingerprint of the recording", "text", missing="no clip"),
)  # fmt: skip


# Functions rather than constants: they follow `FIELDS` if a test adds a field.


def session_fields() -> dict[str, Field]:
    """Fields of ``session.csv`` by column, in the order of the template; the file is first."""
    found = sorted((field for field in FIELDS if field.column), key=lambda field: not field.is_key)
    for field in [field for field in found if field.csv_after]:
        found.remove(field)
        found.insert([other.name for other in found].index(field.csv_after) + 1, field)
    return {field.column: field for field in found}


def clip_columns() -> tuple[str, ...]:
    """Columns of the journal about a clip; the detector fills them in."""
    return tuple(field.name for field in FIELDS if field.level == "clip" and not field.is_key)


def score_columns() -> tuple[str, ...]:
    """Columns of the journal about a thrust and its session; ``own`` has the clinic's own columns as JSON."""
    return (*(field.name for field in FIELDS if field.level != "clip" and not field.is_key), "own")


def session_level() -> tuple[str, ...]:
    """Fields with one value for all thrusts of a patient's session."""
    return tuple(field.name for field in FIELDS if field.level == "session")


def pains() -> tuple[str, ...]:
    """Fields that are pain scores."""
    return tuple(field.name for field in FIELDS if field.is_pain)


def own_field(header: str) -> Field:
    """A column of the clinic's own, by its header; named ``own.header`` if popdetect has a field of that name.

    A header such as ``NDI before [0-100, lower is better]`` declares an outcome: numbers within this range.
    """
    name = f"own.{header}" if any(field.name == header for field in FIELDS) else header
    about = f"The clinic's own column {header!r}"
    outcome = _OUTCOME.fullmatch(header.strip())
    if outcome is not None:
        low, high = float(outcome[1].replace(",", ".")), float(outcome[2].replace(",", "."))
        return Field(name, about, "number", CLINIC, outcome[3].strip(), low, high, own=header)
    return Field(name, about, "text", CLINIC, missing="empty", by_default=False, may_identify=True, own=header)


def plain_header(header: str) -> str:
    """A header in lower case, with single underscores instead of spaces and hyphens."""
    return re.sub(r"[\s_-]+", "_", header.strip()).lower()


def _number_words(kind: Kind, low: float | None, high: float | None) -> str:
    number = "whole number" if kind == "integer" else "number"
    if low is None:
        return number
    return f"{number}, at least {low:g}" if high is None else f"{number} {low:g} to {high:g}"
