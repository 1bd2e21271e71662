"""The plan of a study, as a file made before the data: what will be compared, and how.

``popdetect plan`` writes it and ``popdetect outcomes`` reads it. The file is JSON and ends with the SHA-256 of its
other fields, so that a later change is noticed. The date is the one of the computer on which the plan was made: a plan
proves nothing by itself; register it, or send it to somebody, before the first thrust.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from popdetect.errors import UsageError
from popdetect.study.analysis.thrusts import PainScale
from popdetect.study.analysis.units import Unit

SCHEMA_VERSION: Final = 1
DEFAULTS: Final[Mapping[str, Any]] = {"margin": 1.0, "scale": None, "unit": None, "time_point": None, "adjust": ()}


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided before the data."""

    made: str  # ISO 8601 date
    margin: float = 1.0  # NPRS points
    scale: PainScale | None = None
    unit: Unit | None = None
    time_point: str | None = None
    adjust: tuple[str, ...] = ()
    n_patients: int | None = None  # planned
    assumed: Mapping[str, Any] = field(default_factory=dict)  # of the simulation behind the number of patients
    expected: Mapping[str, Any] = field(default_factory=dict)  # its results
    popdetect_version: str = ""

    @property
    def sha256(self) -> str:
        """Fingerprint of the plan."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def as_text(self) -> str:
        """The contents of the file."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self), "sha256": self.sha256}, indent=1) + "\n"


def read_plan(path: Path) -> Plan:
    """Read a plan; raises UsageError if it is not one, or was changed after it was made."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored.pop("schema_version") != SCHEMA_VERSION:
            raise UsageError(f"{path}: a plan of another version of popdetect")
        sha256 = stored.pop("sha256")
        plan = Plan(**{**stored, "adjust": tuple(stored["adjust"])})
        changed = plan.sha256 != sha256
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{path}: no plan of popdetect; `popdetect plan -o {path.name}` makes one") from error
    if changed:
        raise UsageError(f"{path}: the plan was changed after it was made (its sha256 does not fit); use the original")
    return plan


def settings(plan: Plan, given: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings of an analysis after a plan, and in words how the `given` ones differ from it.

    Settings that have their default take the planned value.
    """
    used, deviations = dict(given), []
    for one in fields(Plan):
        if one.name not in DEFAULTS or one.name not in given:
            continue
        planned, value = getattr(plan, one.name), given[one.name]
        if isinstance(value, Sequence) and not isinstance(value, str):
            value = tuple(value)
        if value is None or value == DEFAULTS[one.name]:
            used[one.name] = planned
        elif value != planned:
            deviations.append(f"{one.name.replace('_', ' ')} {_words(value)}, planned {_words(planned)}")
    return used, tuple(deviations)


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return " and ".join(value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value or "as recognised")
