"""The rows of the journal for an export, and the selection of its fields.

Values become text without loss: ``float`` of a number's text is the number, there is never an exponent, and "not asked"
is empty.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from popdetect.errors import NothingFound, UsageError
from popdetect.session.files import readable
from popdetect.study import fields as study_fields
from popdetect.study.analysis.thrusts import PainScale
from popdetect.study.fields import Field, Value, own_field, pains
from popdetect.study.journal import journal


@dataclass(frozen=True, slots=True)
class Rows:
    """A journal, read for an export.

    Attributes
    ----------
    values : tuple of mapping of str to value
        One for each thrust, by the names of `fields`; None and "" are "not asked".
    fields : tuple of Field
        All fields that can be exported, the clinic's own columns last.
    numbers : tuple of int
        Number of each thrust within its patient, from 1, in the order of logging; later sessions do not change it.
    """

    values: tuple[Mapping[str, Value], ...]
    fields: tuple[Field, ...]
    numbers: tuple[int, ...]

    @property
    def scales(self) -> tuple[PainScale, ...]:
        """The pain scales in the journal."""
        found = {row["pain_scale"] for row in self.values}
        return tuple(scale for scale in study_fields.SCALES if scale in found)

    @property
    def speed_units(self) -> tuple[str, ...]:
        """The units of speeds in the journal; "" for a speed without unit."""
        return tuple(sorted({str(row["thrust_speed_unit"]) for row in self.values if row["thrust_speed"] is not None}))


def read(path: str | os.PathLike[str]) -> Rows:
    """Read a journal.

    Raises
    ------
    NothingFound
        If no thrust has a score yet.
    UsageError
        If it is not a journal.
    """
    records = journal.records(path)
    if not records:
        raise NothingFound(
            f"{readable(os.fspath(path))}: no thrust with scores in it yet, so nothing to export; "
            "`popdetect log DIR --journal` adds a session with its session.csv"
        )
    owns = [json.loads(str(record["own"])) for record in records]
    own = tuple(own_field(header) for header in dict.fromkeys(header for kept in owns for header in sorted(kept)))
    values: list[dict[str, Value]] = []
    for record, kept in zip(records, owns, strict=True):
        row = {field.name: record[field.name] for field in study_fields.FIELDS}
        values.append(row | {field.name: kept.get(field.own, "") for field in own})
    counts: dict[str, int] = {}
    numbers = [0] * len(records)
    for i in sorted(range(len(records)), key=lambda i: int(records[i]["id"] or 0)):
        patient = str(records[i]["patient"])
        counts[patient] = numbers[i] = counts.get(patient, 0) + 1
    return Rows(tuple(values), study_fields.FIELDS + own, tuple(numbers))


def chosen(rows: Rows, columns: Sequence[str] | None) -> tuple[Field, ...]:
    """Return the fields asked for, in that order; by default those that hold no names.

    Raises
    ------
    UsageError
        For an unknown field, or one that is named twice.
    """
    if columns is None:
        return tuple(field for field in rows.fields if field.by_default)
    known = {field.name: field for field in rows.fields}
    if not columns:
        raise UsageError(f"columns: none named; there are: {', '.join(known)}")
    for i, name in enumerate(columns):
        if name not in known:
            raise UsageError(f"columns: {name!r}: {_unknown(name, list(known))}")
        if name in columns[:i]:
            raise UsageError(f"columns: {name!r} is named twice; name it once")
    return tuple(known[name] for name in columns)


def must_be_clear(rows: Rows, fields: Sequence[Field]) -> None:
    """Check that numbers on several scales or in several units are exported together with their scale or unit.

    Raises
    ------
    UsageError
    """
    names = {field.name for field in fields}
    if names.intersection(pains()) and "pain_scale" not in names and len(rows.scales) > 1:
        raise UsageError(
            f"columns: pain is on {' and on '.join(rows.scales)} in this journal; without pain_scale they are "
            "ambiguous: add pain_scale"
        )
    if "thrust_speed" in names and "thrust_speed_unit" not in names and len(rows.speed_units) > 1:
        units = " and in ".join(unit or "no unit" for unit in rows.speed_units)
        raise UsageError(
            f"columns: thrust_speed is in {units} in this journal; without thrust_speed_unit they are ambiguous: "
            "add thrust_speed_unit"
        )


def cell(value: Value) -> str:
    """Return a value as text."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    return str(value)


def _unknown(name: str, known: list[str]) -> str:
    if name == "patient_id":
        return "not in the journal, which knows patients by pseudonyms only: patient is that"
    if name == "date":
        return "not in the journal, which counts days from its first: day is that"
    near = difflib.get_close_matches(name, known, 1, 0.6)
    meant = f"is {near[0]} meant? " if near else ""
    return f"no such field in this journal; {meant}There are: {', '.join(known)}"
