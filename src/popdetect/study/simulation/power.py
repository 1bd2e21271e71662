"""Sample size by simulation: how often a study of this kind shows a difference, or equivalence.

The studies are drawn by `study.simulate_study` and analysed as `outcomes` analyses them, with the detector's errors and
missing answers. So the power is that of the analysis that will be made, not that of a formula.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from popdetect.errors import UsageError
from popdetect.intervals import wilson
from popdetect.study.analysis.adjusted import adjusted_difference, usual
from popdetect.study.analysis.columns import UNITS, columns_of
from popdetect.study.analysis.equivalence import equivalence
from popdetect.study.analysis.units import units_of
from popdetect.study.simulation.study import StudyPlan, simulate_study

Goal = Literal["difference", "equivalence"]
MOST_PATIENTS: Final = 5_000
_FIRST: Final = 8  # patients, where the search begins

OnStudy = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SimulatedPower:
    """The results of many simulated studies with one number of patients."""

    n_patients: int
    n_studies: int
    difference: float  # share of studies that show a difference
    equivalence: float  # share that show equivalence
    difference_between: tuple[float, float]  # 95 % interval of the simulation
    equivalence_between: tuple[float, float]
    half_width: float | None  # median half width of the 95 % interval, in points of the scale

    def share(self, goal: Goal) -> float:
        """Share of studies that reach the goal."""
        return self.difference if goal == "difference" else self.equivalence


def simulated_power(
    plan: StudyPlan, margin: float, *, n_studies: int = 300, seed: int = 0, on_study: OnStudy | None = None
) -> SimulatedPower:
    """Simulate studies of `plan` and analyse them.

    Parameters
    ----------
    margin : float, above 0
        NPRS points.
    on_study : callable (done, total), optional
    """
    shown = {"difference": 0, "equivalence": 0}
    widths = []
    points = UNITS[plan.scale]
    for index in range(n_studies):
        drawn = np.random.SeedSequence([seed, plan.n_patients, index])
        thrusts = simulate_study(plan, seed=int(drawn.generate_state(1)[0]))
        columns = columns_of(units_of(thrusts).rows, plan.scale)
        main = adjusted_difference(columns, points, usual(columns))
        found = equivalence(main, margin * points).conclusion
        if found in shown:
            shown[found] += 1
        if main.estimate.low is not None and main.estimate.high is not None:
            widths.append((main.estimate.high - main.estimate.low) / 2)
        if on_study:
            on_study(index + 1, n_studies)
    return SimulatedPower(
        n_patients=plan.n_patients,
        n_studies=n_studies,
        difference=shown["difference"] / n_studies,
        equivalence=shown["equivalence"] / n_studies,
        difference_between=wilson(shown["difference"], n_studies),
        equivalence_between=wilson(shown["equivalence"], n_studies),
        half_width=float(np.median(widths)) if widths else None,
    )


def patients_needed(
    plan: StudyPlan,
    margin: float,
    goal: Goal,
    power: float = 0.8,
    *,
    n_studies: int = 300,
    seed: int = 0,
    on_study: OnStudy | None = None,
) -> list[SimulatedPower]:
    """Search the number of patients with which the share of `power` of the studies reaches the goal.

    The number is doubled until it is enough, and then narrowed to about a tenth. The tried numbers are returned, in
    ascending order; the answer is the smallest that is enough. Raises UsageError if `MOST_PATIENTS` are not enough.
    """
    tried: dict[int, SimulatedPower] = {}

    def enough(n: int) -> bool:
        tried[n] = simulated_power(
            replace(plan, n_patients=n), margin, n_studies=n_studies, seed=seed, on_study=on_study
        )
        return tried[n].share(goal) >= power

    low, high = 0, _FIRST
    while not enough(high):
        low, high = high, 2 * high
        if high > MOST_PATIENTS:
            raise UsageError(
                f"{low} patients show {goal} in {100 * tried[low].share(goal):.0f} % of the studies; more than "
                f"{MOST_PATIENTS} would be needed: the effect is too small, or too near the margin, for such a study"
            )
    while high - low > max(1, high // 10):
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return [tried[n] for n in sorted(tried)]
