"""Thrusts as columns: on one pain scale, missing cells as NaN.

Pain is in NPRS points (VAS100 divided by 10, `UNITS`), so that a study on either scale gives the same fits to the last
digit. Rows are sorted by their values, not by names: neither the order of the journal nor the pseudonyms of patients
change a figure, not even by rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import get_args

import numpy as np
import numpy.typing as npt

from popdetect.errors import UsageError
from popdetect.study.analysis.thrusts import PainScale, Thrust

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]
Words = npt.NDArray[np.str_]

UNITS: dict[PainScale, float] = {"NPRS": 1.0, "VAS100": 10.0}


@dataclass(frozen=True, slots=True)
class Columns:
    """One array for each column, of shape (n,)."""

    patient: Ints  # number of the patient, from 0
    label: Words  # ``pop``, ``no_pop``, ``uncertain``, or empty if the clip could not be judged
    before: Floats  # pain in NPRS points, 0 to 10
    after: Floats
    expects: Floats
    belief: Floats
    n_pops: Floats
    speed: Floats
    by_patient: Words  # ``yes``, ``no``, ``unsure``, or empty
    by_therapist: Words
    speed_unit: Words
    time_point: Words

    def __len__(self) -> int:
        return len(self.patient)

    def take(self, rows: Bools) -> Columns:
        """Select rows."""
        return Columns(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def is_pop(self) -> Bools:
        """Thrusts with the verdict pop."""
        return np.asarray(self.label == "pop")

    @property
    def decided(self) -> Bools:
        """Thrusts with the verdict pop or no pop."""
        return np.asarray((self.label == "pop") | (self.label == "no_pop"))


def scale_of(thrusts: Sequence[Thrust], scale: PainScale | None = None) -> PainScale:
    """Return the pain scale of a comparison.

    Raises UsageError for two scales and no choice between them, or a scale without a thrust.
    """
    if scale is not None and scale not in UNITS:
        raise UsageError(f"scale {scale!r}: allowed are {' and '.join(get_args(PainScale))}")
    found = Counter(thrust.pain_scale for thrust in thrusts)
    if scale is not None:
        if found and scale not in found:
            raise UsageError(f"scale {scale}: no thrust was scored on it; the journal has {_counted(found)}")
        return scale
    if len(found) > 1:
        raise UsageError(
            f"two pain scales in one comparison: {_counted(found)}; they cannot be mixed, choose one of them"
        )
    return next(iter(found), "NPRS")


def columns_of(thrusts: Sequence[Thrust], scale: PainScale) -> Columns:
    """Return the thrusts on this scale, sorted by their values."""
    unit = UNITS[scale]
    of_patient: dict[str, list[tuple[tuple[float, ...], tuple[str, ...]]]] = {}
    for thrust in thrusts:
        if thrust.pain_scale == scale:
            of_patient.setdefault(thrust.patient, []).append(_row(thrust, unit))
    blocks = sorted(sorted(rows) for rows in of_patient.values())
    patient = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks]).astype(np.intp)
    rows = [row for block in blocks for row in block]
    numbers = np.array([row[0] for row in rows], float).reshape(len(rows), 6)
    numbers[np.isneginf(numbers)] = np.nan
    words = np.array([row[1] for row in rows], np.str_).reshape(len(rows), 5)
    return Columns(patient, words[:, 0], *numbers.T, *words[:, 1:].T)


def complete(*needs: tuple[str, Bools]) -> tuple[Bools, dict[str, int]]:
    """Return the rows that meet all conditions, and the number left out by the first condition that they miss."""
    kept = np.ones_like(needs[0][1])
    left_out = {}
    for reason, there in needs:
        n_lost = int((kept & ~there).sum())
        if n_lost:
            left_out[reason] = n_lost
        kept = kept & there
    return kept, left_out


def decided(columns: Columns) -> tuple[tuple[str, Bools], ...]:
    """Return the conditions of a verdict pop or no pop, for `complete`."""
    return (("clip could not be judged", columns.label != ""), ("verdict uncertain", columns.label != "uncertain"))


def scored(columns: Columns) -> tuple[tuple[str, Bools], ...]:
    """Return the conditions of pain before and after, for `complete`."""
    return (("no pain before", has(columns.before)), ("no pain after", has(columns.after)))


def has(column: Floats) -> Bools:
    """Return whether each cell is filled."""
    return np.asarray(~np.isnan(column))


def _row(thrust: Thrust, unit: float) -> tuple[tuple[float, ...], tuple[str, ...]]:
    pain = [None if p is None else p / unit for p in (thrust.pain_before, thrust.pain_after)]
    numbers = (*pain, thrust.expects_relief, thrust.believes_pop_needed, thrust.n_pops, thrust.thrust_speed)
    words = (
        thrust.label or "",
        thrust.pop_heard_by_patient or "",
        thrust.pop_heard_by_therapist or "",
        thrust.thrust_speed_unit,
        thrust.time_point,
    )
    # NaN cannot be sorted, so minus infinity stands for a missing cell during sorting
    return tuple(-np.inf if number is None else float(number) for number in numbers), words


def _counted(found: Counter[PainScale]) -> str:
    return " and ".join(f"{n} on {scale}" for scale, n in sorted(found.items()))
