"""Thrusts as columns: on one pain scale, missing cells as NaN.

Pain is in NPRS points (VAS100 divided by 10, `UNITS`), so that a study on either scale gives the same fits to the last
digit. Rows are sorted by their values, not by names: neither the order of the journal nor the pseudonyms of patients
change a figure, not even by rounding.

A covariate is an array of numbers (NaN where it was not asked) or of words (empty where it was not asked).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, get_args

import numpy as np
import numpy.typing as npt

from popdetect.errors import UsageError
from popdetect.study.analysis.thrusts import PainScale, Thrust

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]
Words = npt.NDArray[np.str_]

Covariate = Floats | Words

UNITS: dict[PainScale, float] = {"NPRS": 1.0, "VAS100": 10.0}
# columns of a thrust that a comparison can be adjusted for by request
ADJUSTABLE: Final = (
    "therapist", "site", "region", "side", "technique", "session_no", "believes_pop_needed", "thrust_speed",
)  # fmt: skip
_WORDS: Final = ADJUSTABLE[:5]  # codes such as 1 and 2 are words here, too

_Row = tuple[tuple[float, ...], tuple[str, ...], tuple[str, ...]]  # numbers, words, and the columns of `adjust`


@dataclass(frozen=True, slots=True)
class Columns:
    """One array for each column, of shape (n,)."""

    patient: Ints  # number of the patient, from 0
    session: Ints  # number of the patient's session, from 0; counts on over all patients
    label: Words  # ``pop``, ``no_pop``, ``uncertain``, or empty if the clip could not be judged
    before: Floats  # pain in NPRS points, 0 to 10
    after: Floats
    expects: Floats
    belief: Floats
    n_pops: Floats
    speed: Floats
    p_pop: Floats
    thrust_no: Words  # number within the session, as text
    by_patient: Words  # ``yes``, ``no``, ``unsure``, or empty
    by_therapist: Words
    speed_unit: Words
    more: Mapping[str, Covariate]  # the columns of `adjust`, by name

    def __len__(self) -> int:
        return len(self.patient)

    def take(self, rows: Bools) -> Columns:
        """Select rows."""
        own = {field.name: getattr(self, field.name)[rows] for field in fields(self) if field.name != "more"}
        return Columns(**own, more={name: column[rows] for name, column in self.more.items()})

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


def columns_of(thrusts: Sequence[Thrust], scale: PainScale, adjust: Sequence[str] = ()) -> Columns:
    """Return the thrusts on this scale, sorted by their values.

    `adjust` names further columns: those of `ADJUSTABLE`, or the clinic's own. Raises UsageError for an unknown one.
    """
    unit = UNITS[scale]
    own = [thrust for thrust in thrusts if thrust.pain_scale == scale]
    more = {name: _further(own, name) for name in dict.fromkeys(adjust)}
    of_patient: dict[str, dict[tuple[str, int | None], list[_Row]]] = {}
    for thrust, *cells in zip(own, *more.values(), strict=True):
        sessions = of_patient.setdefault(thrust.patient, {})
        sessions.setdefault((thrust.session, thrust.session_no), []).append(_row(thrust, unit, cells))
    patients = sorted(sorted(sorted(rows) for rows in sessions.values()) for sessions in of_patient.values())
    blocks = [block for patient in patients for block in patient]
    rows = [row for block in blocks for row in block]
    patient = np.repeat(np.arange(len(patients)), [sum(map(len, patient)) for patient in patients])
    session = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    numbers = np.array([row[0] for row in rows], float).reshape(len(rows), 7)
    numbers[np.isneginf(numbers)] = np.nan
    words = np.array([row[1] for row in rows], np.str_).reshape(len(rows), 5)
    columns = [_as_covariate(name, [row[2][i] for row in rows]) for i, name in enumerate(more)]
    return Columns(
        patient=patient.astype(np.intp),
        session=session.astype(np.intp),
        label=words[:, 0],
        before=numbers[:, 0],
        after=numbers[:, 1],
        expects=numbers[:, 2],
        belief=numbers[:, 3],
        n_pops=numbers[:, 4],
        speed=numbers[:, 5],
        p_pop=numbers[:, 6],
        thrust_no=words[:, 1],
        by_patient=words[:, 2],
        by_therapist=words[:, 3],
        speed_unit=words[:, 4],
        more=dict(zip(more, columns, strict=True)),
    )


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


def has(column: Covariate) -> Bools:
    """Return whether each cell is filled."""
    return np.asarray(column != "" if column.dtype.kind == "U" else ~np.isnan(column.astype(float)))


def _row(thrust: Thrust, unit: float, more: Sequence[str]) -> _Row:
    pain = [None if p is None else p / unit for p in (thrust.pain_before, thrust.pain_after)]
    answers = (thrust.expects_relief, thrust.believes_pop_needed, thrust.n_pops, thrust.thrust_speed, thrust.p_pop)
    numbers = (*pain, *answers)
    words = (
        thrust.label or "",
        "" if thrust.thrust_no is None else str(thrust.thrust_no),
        thrust.pop_heard_by_patient or "",
        thrust.pop_heard_by_therapist or "",
        thrust.thrust_speed_unit,
    )
    # NaN cannot be sorted, so minus infinity stands for a missing cell during sorting
    return tuple(-np.inf if number is None else float(number) for number in numbers), words, tuple(more)


def _further(thrusts: Sequence[Thrust], name: str) -> list[str]:
    """The cells of a column of `adjust` as text; empty where it was not asked."""
    if name in ADJUSTABLE:
        cells = (getattr(thrust, name) for thrust in thrusts)
        return ["" if cell is None else str(cell) for cell in cells]
    headers = sorted({header for thrust in thrusts for header in thrust.own})
    if name not in headers:
        raise UsageError(
            f"adjust {name!r}: no such column; there are {', '.join([*ADJUSTABLE, *headers])}. Pain before, "
            "expectation of relief and the number of the thrust are adjusted for anyway"
        )
    return [thrust.own.get(name, "").strip() for thrust in thrusts]


def _as_covariate(name: str, cells: Sequence[str]) -> Covariate:
    """Numbers if all filled cells of a column are numbers, else words."""
    if name in _WORDS:
        return np.array(cells, np.str_)
    try:
        return np.array([float(cell.replace(",", ".")) if cell else np.nan for cell in cells], float)
    except ValueError:
        return np.array(cells, np.str_)


def _counted(found: Counter[PainScale]) -> str:
    return " and ".join(f"{n} on {scale}" for scale, n in sorted(found.items()))
