"""Simulate a study with a known effect: patients, thrusts, pops, pain, and a detector with chosen error rates.

Pain after = pain before + change + effect · pop + interaction · pop · (belief - 3) + expectation · (expects - 5) +
patient + noise, all in NPRS points, rounded to the scale and limited to it. `StudyPlan.effect` is then the true
adjusted difference at belief 3; with the belief drawn evenly from 1 to 5 it is also the average one. Pain before is
drawn far enough from both ends of the scale that limiting is rare (less than 1 in 200), because it would reduce the
effect.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from popdetect.errors import UsageError
from popdetect.records import Label
from popdetect.study.analysis.columns import UNITS
from popdetect.study.analysis.thrusts import Answer, PainScale, Thrust

SPEED_UNIT = "m/s2"
SIMULATED_MODEL = "simulated"  # name of the model if no detector judged the clips

# range of the probability of each verdict
_P_POP: Final[dict[Label, tuple[float, float]]] = {"pop": (0.75, 1.0), "no_pop": (0.0, 0.25), "uncertain": (0.3, 0.7)}

# number of pops of a thrust, given the patient's number from 0, the thrust's from 1, and whether it pops at all
Pops = Callable[[int, int, bool], int]


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """The true values of a simulated study.

    Attributes
    ----------
    n_patients : int ≥ 1
    thrusts_per_patient : float ≥ 1
        On average; each patient has at least one.
    n_thrusts : int or None
        Planned in all, distributed evenly; None for a random number for each patient.
    effect : float
        Of a pop on pain after, NPRS points; negative relieves.
    expectation : float
        NPRS points per point of expected relief.
    interaction : float
        Change of the effect per point of belief that a pop is needed.
    per_further_pop : float
        NPRS points for each pop after the first.
    change : float
        Mean change without a pop.
    pop_share : float in (0, 1)
    pop_spread : float ≥ 0
        Standard deviation between patients of the log-odds of a pop.
    patient_sd, noise_sd : float ≥ 0
        Spread of pain after between patients and between thrusts.
    sensitivity, specificity : float in [0, 1]
        Of the detector, among its decided clips.
    patient_error, therapist_error : float in [0, 1]
        Share of thrusts in which that person hears the opposite.
    uncertain, unjudged, unsure, missing : float in [0, 1]
        Share of uncertain clips, of clips without verdict, of unsure answers, of empty cells.
    dropout : float in [0, 1]
        Chance after each thrust that the patient does not come back.
    speed : float or None
        Log-odds of a pop per m/s² of thrust speed; None for no speeds.
    scale : {"NPRS", "VAS100"}
    """

    n_patients: int = 40
    thrusts_per_patient: float = 6.0
    n_thrusts: int | None = None
    effect: float = -0.5
    expectation: float = -0.1
    interaction: float = 0.0
    per_further_pop: float = 0.0
    change: float = -1.0
    pop_share: float = 0.65
    pop_spread: float = 0.0
    patient_sd: float = 0.7
    noise_sd: float = 1.0
    sensitivity: float = 1.0
    specificity: float = 1.0
    patient_error: float = 0.1
    therapist_error: float = 0.05
    uncertain: float = 0.05
    unjudged: float = 0.0
    unsure: float = 0.05
    missing: float = 0.0
    dropout: float = 0.0
    speed: float | None = None
    scale: PainScale = "NPRS"

    def __post_init__(self) -> None:
        if self.n_patients < 1 or self.thrusts_per_patient < 1:
            raise UsageError("a simulated study needs at least one patient and one thrust for each")
        if self.n_thrusts is not None and self.n_thrusts < self.n_patients:
            raise UsageError(f"{self.n_thrusts} thrusts of {self.n_patients} patients; each needs at least one")
        if not 0 < self.pop_share < 1:
            raise UsageError(f"pop_share {self.pop_share:g}: above 0 and below 1 is allowed; a study needs both kinds")
        errors = ("sensitivity", "specificity", "patient_error", "therapist_error")
        for name in (*errors, "uncertain", "unjudged", "unsure", "missing", "dropout"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} {getattr(self, name):g}: allowed is 0 to 1")


class Known(NamedTuple):
    """A simulated thrust and its true values.

    Attributes
    ----------
    thrust : Thrust
        The observed values.
    patient_number : int
        From 0.
    n_pops : int
        True number of pops.
    effect : float
        Effect of the pops on pain after, in NPRS points.
    is_cut : bool
        Whether pain after was limited to an end of the scale.
    """

    thrust: Thrust
    patient_number: int
    n_pops: int
    effect: float
    is_cut: bool


def simulate_study(plan: StudyPlan | None = None, *, seed: int = 0) -> list[Thrust]:
    """Draw the observed values of a study, patient by patient, in the order of their thrusts; `seed` is at least 0."""
    return [known.thrust for known in simulate_known(plan, seed=seed)]


def simulate_known(plan: StudyPlan | None = None, *, seed: int = 0, pops: Pops | None = None) -> list[Known]:
    """Draw a study as `simulate_study` does, with its true values.

    `pops` makes the sound of each thrust and returns its number of pops; by default that is random.
    """
    plan = plan or StudyPlan()
    rng = np.random.default_rng([seed, 4])
    return [known for number in range(plan.n_patients) for known in _patient(plan, rng, number, seed, pops)]


def _patient(plan: StudyPlan, rng: np.random.Generator, number: int, seed: int, pops: Pops | None) -> Iterator[Known]:
    """Draw a patient, and the thrusts until the patient drops out."""
    patient = hashlib.sha256(f"{seed} {number}".encode()).hexdigest()[:12]
    own = float(rng.normal(0, plan.patient_sd))
    log_odds = np.log(plan.pop_share / (1 - plan.pop_share)) + rng.normal(0, plan.pop_spread)
    expects = int(np.clip(np.rint(rng.normal(5, 2)), 0, 10))
    belief = int(rng.integers(1, 6))
    if plan.n_thrusts is None:
        n_thrusts = 1 + int(rng.poisson(plan.thrusts_per_patient - 1))
    else:
        n_thrusts = plan.n_thrusts // plan.n_patients + (number < plan.n_thrusts % plan.n_patients)
    unit = UNITS[plan.scale]

    def score(points: float) -> float:
        return float(np.clip(np.rint(points * unit), 0, 10 * unit))

    def kept(value: float) -> float | None:
        return None if rng.random() < plan.missing else value

    for thrust_no in range(1, n_thrusts + 1):
        faster = float(rng.normal(0, 1))
        popped = bool(rng.random() < 1 / (1 + np.exp(-(log_odds + (plan.speed or 0.0) * faster))))
        n_pops = 1 + int(rng.poisson(1.5)) if popped else 0
        if pops is not None:
            n_pops = pops(number, thrust_no, popped)
            popped = n_pops > 0
        before = score(rng.normal(6.3, 0.9))
        effect = plan.effect + plan.interaction * (belief - 3) + plan.per_further_pop * max(n_pops - 1, 0)
        felt = before / unit + plan.change + effect * popped + plan.expectation * (expects - 5)
        felt += own + rng.normal(0, plan.noise_sd)
        label = _verdict(plan, rng, popped)
        thrust = Thrust(
            session=f"s{thrust_no:02d}",
            file=f"{patient}_{thrust_no:02d}.wav",
            patient=patient,
            day=7 * (thrust_no - 1),
            label=label,
            p_pop=None if label is None else round(float(rng.uniform(*_P_POP[label])), 4),
            n_pops=None if label is None else 0 if label == "no_pop" else max(n_pops, 1),
            pain_before=kept(before),
            pain_after=kept(score(felt)),
            pain_scale=plan.scale,
            time_point="immediate",
            session_no=thrust_no,
            thrust_no=1,
            region="lumbar",
            expects_relief=kept(float(expects)),
            believes_pop_needed=belief if kept(1.0) else None,
            pop_heard_by_patient=_answer(plan, rng, popped, plan.patient_error),
            pop_heard_by_therapist=_answer(plan, rng, popped, plan.therapist_error),
            thrust_speed=None if plan.speed is None else kept(round(4 + faster, 2)),
            thrust_speed_unit="" if plan.speed is None else SPEED_UNIT,
            model=SIMULATED_MODEL,
        )
        yield Known(thrust, number, n_pops, effect * popped, not 0 <= felt <= 10)
        if rng.random() < plan.dropout:
            break


def _verdict(plan: StudyPlan, rng: np.random.Generator, popped: bool) -> Label | None:
    judged, sure, right = rng.random(3)
    if judged < plan.unjudged:
        return None
    if sure < plan.uncertain:
        return "uncertain"
    correct = right < (plan.sensitivity if popped else plan.specificity)
    return "pop" if popped == correct else "no_pop"


def _answer(plan: StudyPlan, rng: np.random.Generator, popped: bool, error: float) -> Answer | None:
    empty, unsure, wrong = rng.random(3)
    if empty < plan.missing:
        return None
    if unsure < plan.unsure:
        return "unsure"
    return "yes" if popped != (wrong < error) else "no"
