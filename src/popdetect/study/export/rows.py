"""The rows of the journal for an export, and the selection of its fields.

Values become text without loss: ``float`` of a number's text is the number, there is never an exponent, and "not asked"
is empty.
"""

from __future__ import annotations

import difflib
import json
import os
from collections import Counter
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
    """Read a journal; raises NothingFound if no thrust has a score yet, and UsageError if it is not a journal."""
    records = journal.records(path)
    if not records:
        raise NothingFound(
            f"{readable(os.fspath(path))}: no thrust with scores in it yet, so nothing to export; "
            "`popdetect log DIR --journal` adds a session with its session.csv"
        )
    owns = [json.loads(str(record["own"])) for record in records]
    own = tuple(own_field(header) for header in dict.fromkeys(header for kept in owns for header in sorted(kept)))
    values = tuple(
        {
            field.name: kept.get(field.own, "") if field.own else record[field.name]
            for field in study_fields.FIELDS + own
        }
        for record, kept in zip(records, owns, strict=True)
    )
    counts: Counter[Value] = Counter()
    numbers = [0] * len(records)
    for i, record in sorted(enumerate(records), key=lambda numbered: int(numbered[1]["id"] or 0)):
        counts[record["patient"]] += 1
        numbers[i] = counts[record["patient"]]
    return Rows(values, study_fields.FIELDS + own, tuple(numbers))


def chosen(rows: Rows, columns: Sequence[str] | None) -> tuple[Field, ...]:
    """Return the fields asked for, in that order; by default those that hold no names.

    Raises UsageError for an unknown field, or one that is named twice.
    """
    if columns is None:
        return tuple(field for field in rows.fields if field.by_default)
    known = {field.name: field for field in rows.fields}
    if not columns:
        raise UsageError(f"columns: none named; there are: {', '.join(known)}")
    for name, n in Counter(columns).items():
        if name not in known:
            raise UsageError(f"columns: {name!r}: {_unknown(name, list(known))}")
        if n > 1:
            raise UsageError(f"columns: {name!r} is named twice; name it once")
    return tuple(known[name] for name in columns)


def must_be_clear(rows: Rows, fields: Sequence[Field]) -> None:
    """Raise UsageError for numbers on several scales or in several units without the field of their scale or unit."""
    names = {field.name for field in fields}
    speed_units = [unit or "no unit" for unit in rows.speed_units]
    for numbers, is_on, unit, found in (
        (pains(), "pain is on", "pain_scale", rows.scales),
        (("thrust_speed",), "thrust_speed is in", "thrust_speed_unit", speed_units),
    ):
        if names.intersection(numbers) and unit not in names and len(found) > 1:
            words = f" and {is_on.split()[-1]} ".join(found)
            raise UsageError(f"columns: {is_on} {words} in this journal; without {unit} they are ambiguous: add {unit}")


def cell(value: Value) -> str:
    """Return a value as text."""
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    return "" if value is None else str(value)


def _unknown(name: str, known: list[str]) -> str:
    if name == "patient_id":
        return "not in the journal, which knows patients by pseudonyms only: patient is that"
    if name == "date":
        return "not in the journal, which counts days from its first: day is that"
    near = difflib.get_close_matches(name, known, 1, 0.6)
    meant = f"is {near[0]} meant? " if near else ""
    return f"no such field in this journal; {meant}There are: {', '.join(known)}"
