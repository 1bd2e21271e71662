"""The record of one thrust, as the analysis reads it from the journal: the detector's verdict and the answers.

Pain is on the scale that the clinic used: NPRS 0 to 10, whole numbers; VAS100 0 to 100. None is "not asked"; for the
detector's values it means that the clip could not be judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from popdetect.records import Label

PainScale = Literal["NPRS", "VAS100"]
Answer = Literal["yes", "no", "unsure"]
SIMULATED = "simulated"  # own column of session.csv that marks a simulated session with "yes"


@dataclass(frozen=True, slots=True)
class Thrust:
    """A thrust and its clip. The attributes are the columns of `popdetect.study.fields` that the analysis uses."""

    session: str  # pseudonym of the session's folder
    file: str  # code of the clip, unique within the session
    patient: str  # pseudonym, the same in all sessions
    day: int  # days since the patient's first day in the journal, 0 where no date is known
    label: Label | None
    p_pop: float | None
    n_pops: int | None
    pain_before: float | None
    pain_after: float | None
    pain_scale: PainScale
    time_point: str = ""
    session_no: int | None = None
    thrust_no: int | None = None
    region: str = ""
    side: str = ""
    technique: str = ""
    expects_relief: float | None = None  # 0 to 10
    believes_pop_needed: int | None = None  # 1 to 5
    pop_heard_by_patient: Answer | None = None
    pop_heard_by_therapist: Answer | None = None
    thrust_speed: float | None = None  # in `thrust_speed_unit`, from the header of the table
    thrust_speed_unit: str = ""
    adverse_event: str = ""
    notes: str = ""
    model: str = ""
    model_sha256: str = ""
    therapist: str = ""
    site: str = ""
    own: Mapping[str, str] = field(default_factory=dict)  # the clinic's own columns, by header
    simulated: bool = False  # whether the column `SIMULATED` of the table is ``yes``
