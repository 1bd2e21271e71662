"""Simulated studies in which a simple analysis finds a difference that pops do not make.

Each function draws one study: ``draw(rng, effect)`` returns its thrusts, with `effect` the true difference in pain
after (NPRS points; negative is less pain). Used by `interval_coverage.py` and by the tests of false conclusions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from popdetect.study.analysis.thrusts import Thrust

Draw = Callable[[np.random.Generator, float], list[Thrust]]


def scored(patient: int, pop: bool, before: float, after: float, **more: Any) -> Thrust:
    """A thrust on the NPRS, whole numbers from 0 to 10; `session_no` and `thrust_no` are 1 unless given."""
    numbers = {"session_no": 1, "thrust_no": 1, **more}
    pains = [float(np.clip(np.rint(score), 0, 10)) for score in (before, after)]
    return Thrust(
        session=f"{patient}-{numbers['session_no']}",
        file=f"{patient}-{numbers['session_no']}-{numbers['thrust_no']}.wav",
        patient=f"p{patient}",
        day=numbers["session_no"],
        label="pop" if pop else "no_pop",
        p_pop=0.9 if pop else 0.1,
        n_pops=int(pop),
        pain_before=pains[0],
        pain_after=pains[1],
        pain_scale="NPRS",
        **numbers,
    )


def _chance(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))


def rare_pops(rng: np.random.Generator, effect: float = 0.0) -> list[Thrust]:
    """12 patients, 4 thrusts each, 2 pops in all."""
    pops = set(rng.choice(48, 2, replace=False).tolist())
    own, before = rng.normal(0, 0.7, 12), rng.normal(6, 1, 48)
    after = before - 1 + own[np.arange(48) // 4] + effect * np.isin(np.arange(48), list(pops)) + rng.normal(0, 1, 48)
    return [scored(i // 4, i in pops, before[i], after[i], session_no=i % 4 + 1) for i in range(48)]


def rare_thrusts_without(rng: np.random.Generator, effect: float = 0.0) -> list[Thrust]:
    """80 patients with one thrust, 95 % of them pops."""
    before = rng.normal(6, 1, 80)
    after = before - 1 + effect * (np.arange(80) >= 4) + rng.normal(0, 1.2, 80)
    return [scored(i, i >= 4, before[i], after[i]) for i in range(80)]


def unequal_patients(rng: np.random.Generator, effect: float = 0.0) -> list[Thrust]:
    """12 patients with 1 to 40 thrusts; those with more have more scatter."""
    rows = []
    for patient, n in enumerate((1, 1, 2, 2, 2, 3, 3, 4, 5, 8, 20, 40)):
        own = rng.normal(0, 1)
        for number in range(1, n + 1):
            pop, before = bool(rng.random() < 0.6), rng.normal(6, 1)
            after = before - 1 + own + effect * pop + rng.normal(0, 1 + patient / 6)
            rows.append(scored(patient, pop, before, after, session_no=number))
    return rows


def repeated_until_it_pops(rng: np.random.Generator, effect: float = 0.0) -> list[Thrust]:
    """Up to three thrusts in a session, until one pops (the protocol of Flynn 2006); the first helps most."""
    rows = []
    for patient in range(30):
        own, share = rng.normal(0, 0.7), _chance(rng.normal(0.2, 0.8))
        for session in (1, 2):
            pain = rng.normal(6.3, 0.9)
            for number, relief in enumerate((1.2, 0.5, 0.1), 1):
                pop = bool(rng.random() < share)
                after = pain - relief + 0.4 * own + effect * pop + rng.normal(0, 0.8)
                rows.append(scored(patient, pop, pain, after, session_no=session, thrust_no=number))
                pain = after
                if pop:
                    break
    return rows


def first_thrust_helps_most(rng: np.random.Generator, effect: float = 0.0) -> list[Thrust]:
    """Later thrusts of a session pop less and help less."""
    rows = []
    for patient in range(25):
        own = rng.normal(0, 0.7)
        for session in (1, 2):
            for number, (share, relief) in enumerate(((0.8, 1.2), (0.5, 0.5), (0.3, 0.1)), 1):
                pop, pain = bool(rng.random() < share), rng.normal(6.3, 0.9)
                after = pain - relief + own + effect * pop + rng.normal(0, 0.8)
                rows.append(scored(patient, pop, pain, after, session_no=session, thrust_no=number))
    return rows


def confounded_patients(rng: np.random.Generator, effect: float = 0.0) -> list[Thrust]:
    """A trait of the patient makes both pops and relief likelier."""
    rows = []
    for patient in range(40):
        trait = rng.normal()
        for session in range(1, 5):
            pop, pain = bool(rng.random() < _chance(0.4 + 1.2 * trait)), rng.normal(6.3, 0.9)
            after = pain - 1 - 0.6 * trait + effect * pop + rng.normal()
            rows.append(scored(patient, pop, pain, after, session_no=session))
    return rows


def skilled_therapists(rng: np.random.Generator, effect: float = 0.0) -> list[Thrust]:
    """A therapist's skill makes both pops and relief likelier; 6 therapists, one thrust for each of 90 patients."""
    skill = rng.normal(0, 1, 6)
    rows = []
    for i in range(90):
        own = float(skill[i % 6])
        pop, pain = bool(rng.random() < _chance(0.3 + own)), rng.normal(6.3, 0.9)
        rows.append(scored(i, pop, pain, pain - 1 - 0.5 * own + effect * pop + rng.normal(), therapist=f"t{i % 6}"))
    return rows


def session_pain(rng: np.random.Generator, effect: float = 0.0) -> list[Thrust]:
    """30 patients, one session of four thrusts each, pain copied to each; any pop has the effect."""
    rows = []
    for patient in range(30):
        pops = (rng.random(4) < 0.2).tolist()
        before = rng.normal(6.3, 1)
        after = before - 0.8 + effect * any(pops) + rng.normal(0, 1)
        rows += [scored(patient, pop, before, after, thrust_no=number) for number, pop in enumerate(pops, 1)]
    return rows


def pain_and_errors(rng: np.random.Generator, effect: float = 0.0) -> list[Thrust]:
    """The detector misses more pops in patients who move more in pain: its errors depend on pain after."""
    rows = []
    for patient in range(40):
        own = rng.normal(0, 0.7)
        for session in range(1, 5):
            pop, pain = bool(rng.random() < 0.6), rng.normal(6.3, 0.9)
            after = pain - 1 + own + effect * pop + rng.normal()
            found = pop and bool(rng.random() < _chance(2.5 - 0.5 * (after - 4)))
            rows.append(scored(patient, found, pain, after, session_no=session))
    return rows


def less_pops_in_worse_pain(rng: np.random.Generator, effect: float = 0.0) -> list[Thrust]:
    """Pain before is recorded with error, and pops are rarer in worse pain; 150 patients with one thrust."""
    rows = []
    for i in range(150):
        true = rng.normal(5.5, 1.5)
        pop = bool(rng.random() < _chance(-1.2 * (true - 5.5)))
        rows.append(scored(i, pop, true + rng.normal(0, 1.2), true - 1 + effect * pop + rng.normal(0, 0.8)))
    return rows
