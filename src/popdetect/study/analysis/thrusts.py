"""The record of one thrust, as the analysis reads it from the journal: the detector's verdict and the answers.

Pain is on the scale that the clinic used: NPRS 0 to 10, whole numbers; VAS100 0 to 100. None is "not asked"; for the
detector's values it means that the clip could not be judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from popdetect.records import Label

PainScale = Literal["NPRS", "VAS100"]
Answer = Literal["yes", "no", "unsure"]
SIMULATED = "simulated"  # own column of session.csv that marks a simulated session with "yes"


@dataclass(frozen=True, slots=True)
class Thrust:
    """A thrust and its clip. The attributes are the columns of `popdetect.study.fields` that the analysis uses.

    Attributes
    ----------
    session : str
        Pseudonym of the session's folder; `file` is unique within it.
    file : str
        Name of the clip, relative to the session.
    patient : str
        Pseudonym, the same in all sessions.
    day : int
        Days since the first session of the journal, 0 where no date is known.
    label : {"pop", "no_pop", "uncertain"} or None
    p_pop : float in [0, 1] or None
    n_pops : int or None
    pain_before, pain_after : float or None
    pain_scale : {"NPRS", "VAS100"}
    expects_relief : float 0 to 10, or None
    believes_pop_needed : int 1 to 5, or None
    pop_heard_by_patient, pop_heard_by_therapist : {"yes", "no", "unsure"} or None
    thrust_speed : float or None
        In `thrust_speed_unit`, from the header of the table.
    simulated : bool
        Whether the column `SIMULATED` of the table is ``yes``.
    """

    session: str
    file: str
    patient: str
    day: int
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
    expects_relief: float | None = None
    believes_pop_needed: int | None = None
    pop_heard_by_patient: Answer | None = None
    pop_heard_by_therapist: Answer | None = None
    thrust_speed: float | None = None
    thrust_speed_unit: str = ""
    adverse_event: str = ""
    notes: str = ""
    model: str = ""
    model_sha256: str = ""
    simulated: bool = False
