"""What there is to export: each field of the journal, its meaning, unit, allowed values, and who filled it in.

Decides which fields an export has unless others are asked for: everything measured or chosen from a few words. Left out
unless named are free text, names of files and the clinic's own columns, in which somebody's name may stand, and what
only describes the recording.

An empty cell means "not asked", or what `Field.missing` says. Pain is in points of its scale, times are in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from popdetect.records import LABELS
from popdetect.study.journal.cells import ANSWERS, SCALES

Kind = Literal["text", "integer", "number", "choice"]

DETECTOR: Final = "popdetect (detector)"
LOGGING: Final = "popdetect (log)"
CLINIC: Final = "clinic, in session.csv"
PATIENT: Final = "patient, in session.csv"
THERAPIST: Final = "therapist, in session.csv"

_NOT_JUDGED: Final = "no clip, or it could not be judged"


@dataclass(frozen=True, slots=True)
class Field:
    """One column of an export.

    Attributes
    ----------
    name, label : str
    kind : {"text", "integer", "number", "choice"}
    source : str
        Who filled it in.
    unit : str
    low, high : float or None
        Limits, both allowed.
    choices : tuple of str
        The words allowed, where `kind` is "choice".
    missing : str
        What an empty cell means.
    by_default : bool
        Whether it is exported unless columns are named.
    may_identify : bool
        Whether a person's name may stand in it.
    own : str
        Header of the clinic's own column; empty for all others.
    """

    name: str
    label: str
    kind: Kind
    source: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    missing: str = "not asked"
    by_default: bool = True
    may_identify: bool = False
    own: str = ""

    @property
    def allowed(self) -> str:
        """Allowed values, in words."""
        if self.name in PAINS:
            return "NPRS: whole number 0 to 10; VAS100: number 0 to 100"
        if self.kind == "choice":
            return ", ".join(self.choices)
        if self.kind == "text":
            return "text"
        number = "whole number" if self.kind == "integer" else "number"
        if self.low is None:
            return number
        return f"{number}, at least {self.low:g}" if self.high is None else f"{number} {self.low:g} to {self.high:g}"


PAINS: Final = ("pain_before", "pain_after")
# one value for all thrusts of a patient's session
OF_SESSION: Final = ("session", "patient", "day", "session_no", "pain_scale")

FIELDS: Final = (
    Field("session", "Session folder, by its random code", "text", LOGGING, missing="never empty"),
    Field("patient", "Patient, by keyed pseudonym", "text", LOGGING, missing="never empty"),
    Field("day", "Day, counted from the first day of the journal", "integer", CLINIC, "days", 0,
          missing="no date known"),
    Field("session_no", "Number of the patient's session", "integer", CLINIC, low=1),
    Field("thrust_no", "Number of the thrust within the session", "integer", CLINIC, low=1),
    Field("region", "Region of the spine", "text", CLINIC),
    Field("side", "Side", "text", CLINIC),
    Field("technique", "Technique", "text", CLINIC),
    Field("time_point", "When pain was asked after the thrust", "text", CLINIC),
    Field("label", "Verdict: an audible pop, or not", "choice", DETECTOR, choices=LABELS, missing=_NOT_JUDGED),
    Field("p_pop", "Probability that the clip holds a pop", "number", DETECTOR, "probability", 0, 1,
          missing=_NOT_JUDGED),
    Field("n_pops", "Number of pops heard", "integer", DETECTOR, "pops", 0, missing=_NOT_JUDGED),
    Field("pain_before", "Pain before the thrust", "number", PATIENT, "points of pain_scale", 0, 100),
    Field("pain_after", "Pain after the thrust", "number", PATIENT, "points of pain_scale", 0, 100),
    Field("pain_scale", "Scale of pain", "choice", CLINIC, choices=tuple(SCALES), missing="never empty"),
    Field("expects_relief", "Relief expected, from none to full", "number", PATIENT, "points", 0, 10),
    Field("believes_pop_needed", "Belief that a pop is needed, from not at all to fully", "integer", PATIENT, "points",
          1, 5),
    Field("pop_heard_by_patient", "Patient heard a pop", "choice", PATIENT, choices=ANSWERS),
    Field("pop_heard_by_therapist", "Therapist heard a pop", "choice", THERAPIST, choices=ANSWERS),
    Field("thrust_speed", "Speed of the thrust", "number", CLINIC, "as in thrust_speed_unit", 0),
    Field("thrust_speed_unit", "Unit of thrust_speed", "text", CLINIC, missing="no speed, or its unit was not given"),
    Field("model", "Model that judged the clip", "text", DETECTOR, missing="no clip"),
    Field("file", "Name of the clip; ids and dates in it are replaced", "text", CLINIC,
          missing="never empty", by_default=False, may_identify=True),
    Field("adverse_event", "Adverse event", "text", CLINIC, by_default=False, may_identify=True),
    Field("notes", "Notes", "text", CLINIC, missing="none, or not kept (log --with-notes)",
          by_default=False, may_identify=True),
    Field("status", "Whether the clip could be judged: ok, or why not", "text", DETECTOR,
          missing="no clip", by_default=False),
    Field("first_pop_s", "First pop, from the start of the clip", "number", DETECTOR, "s", 0,
          missing="no pop", by_default=False),
    Field("last_pop_s", "Last pop, from the start of the clip", "number", DETECTOR, "s", 0,
          missing="no pop", by_default=False),
    Field("snr_db", "Likeliest pop above the noise floor", "number", DETECTOR, "dB",
          missing="no candidate", by_default=False),
    Field("duration_s", "Length of the clip", "number", DETECTOR, "s", 0, missing=_NOT_JUDGED, by_default=False),
    Field("sample_rate_hz", "Sample rate of the clip", "integer", DETECTOR, "Hz", 1,
          missing=_NOT_JUDGED, by_default=False),
    Field("channels", "Channels of the clip", "integer", DETECTOR, "channels", 1,
          missing=_NOT_JUDGED, by_default=False),
    Field("quality", "Flags of the recording, joined by ;", "text", DETECTOR,
          missing="nothing to be said", by_default=False),
    Field("model_sha256", "Fingerprint of the model", "text", DETECTOR, missing="no clip", by_default=False),
    Field("popdetect_version", "Version of popdetect that judged", "text", DETECTOR,
          missing="no clip", by_default=False),
    Field("sha256", "Fingerprint of the recording", "text", DETECTOR, missing="no clip", by_default=False),
)  # fmt: skip


def own_field(header: str) -> Field:
    """A column of the clinic's own, by its header; as ``own.label`` where popdetect has a field of that name."""
    name = f"own.{header}" if any(field.name == header for field in FIELDS) else header
    about = f"The clinic's own column {header!r}"
    return Field(name, about, "text", CLINIC, missing="empty", by_default=False, may_identify=True, own=header)
