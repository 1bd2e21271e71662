"""The journal as a csv table: long (a row for each thrust) or wide (a row for each patient and session).

In the wide table the fields of a session come first, once. Then the fields of each thrust follow, numbered from 1:
``label_1``, ``pain_before_1``, ``label_2``, ... in the order of `thrust_no`, then of the files. `n_thrusts` is the
number of thrusts, which distinguishes a missing thrust from an empty value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from popdetect.session.tables import csv_text
from popdetect.study.export.rows import Rows, cell, must_be_clear
from popdetect.study.fields import Field, Value, session_level

N_THRUSTS = "n_thrusts"


def long_table(rows: Rows, fields: Sequence[Field]) -> tuple[str, int]:
    """Return the csv text and its number of rows.

    Raises
    ------
    UsageError
        If the meaning of a number is not exported with it.
    """
    must_be_clear(rows, fields)
    names = [field.name for field in fields]
    return csv_text(names, ({name: cell(row[name]) for name in names} for row in rows.values)), len(rows.values)


def wide_table(rows: Rows, fields: Sequence[Field]) -> tuple[str, int]:
    """Return the csv text and its number of rows.

    Raises
    ------
    UsageError
        If the meaning of a number is not exported with it.
    """
    must_be_clear(rows, fields)
    names = [field.name for field in fields]
    of_session = session_level()
    once = [name for name in names if name in of_session]
    each = [name for name in names if name not in of_session]
    # if a day or a session number differs within a folder, these are two sessions
    visits: dict[tuple[Value, ...], list[Mapping[str, Value]]] = {}
    for row in rows.values:
        visits.setdefault(tuple(row[name] for name in of_session), []).append(row)
    most = max(map(len, visits.values()))
    columns = [*once, N_THRUSTS, *(f"{name}_{i}" for i in range(1, most + 1) for name in each)]
    made = []
    for visit in visits.values():
        line = {name: cell(visit[0][name]) for name in once} | {N_THRUSTS: str(len(visit))}
        for i, row in enumerate(sorted(visit, key=_place), start=1):
            line |= {f"{name}_{i}": cell(row[name]) for name in each}
        made.append(line)
    return csv_text(columns, made), len(made)


def _place(row: Mapping[str, Value]) -> tuple[float, str]:
    number = row["thrust_no"]
    return (float("inf") if number is None else float(number)), str(row["file"])
