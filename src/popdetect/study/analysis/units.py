"""The units of analysis: thrusts, or whole sessions where pain was asked once for a session of several thrusts.

Many clinics ask for pain before the first and after the last thrust of a session, and write it on the first and the
last line or copy it to every line. Copied scores are no further information: as thrusts they make the spread within a
session 0, so that any difference looks certain. Such sessions become one unit each: a pop if any thrust popped, no pop
if none did, else uncertain; the number of pops is that of the session.

What a patient was asked once, such as the expectation of relief, counts for all thrusts of that patient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args

from popdetect.errors import UsageError
from popdetect.records import Label
from popdetect.study.analysis.thrusts import Thrust

Unit = Literal["thrust", "session"]
UNITS_OF_ANALYSIS: Final[tuple[Unit, ...]] = get_args(Unit)
_OF_PATIENT: Final = ("expects_relief", "believes_pop_needed")


@dataclass(frozen=True, slots=True)
class Units:
    """What is compared: thrusts, or sessions as records of the same kind."""

    unit: Unit
    why: str  # why this unit, in words
    rows: tuple[Thrust, ...]
    thrusts: tuple[Thrust, ...]  # the single thrusts of these rows
    time_point: str  # of all rows; empty if none was named
    other_time_points: dict[str, tuple[Thrust, ...]]  # the rest, by time point
    n_carried: int  # thrusts whose expectation or belief is that of another line of the patient


def units_of(thrusts: Sequence[Thrust], unit: Unit | None = None, time_point: str | None = None) -> Units:
    """Choose the time point and the unit of analysis.

    Without `time_point` it is the one with most scores; thrusts without a named time point belong to it. Without `unit`
    it is the session if at least half of the sessions of several thrusts have one pair of scores, else the thrust.
    Raises UsageError for a time point that nobody has.
    """
    by_time: dict[str, list[Thrust]] = {}
    full, n_carried = _carried(thrusts)
    for thrust in full:
        by_time.setdefault(thrust.time_point, []).append(thrust)
    named = sorted((name for name in by_time if name), key=lambda name: (-sum(map(_is_scored, by_time[name])), name))
    if time_point is not None and time_point not in named:
        raise UsageError(f"time point {time_point!r}: no thrust has it; there are {', '.join(named) or 'none'}")
    chosen = time_point if time_point is not None else named[0] if named else ""
    unnamed = by_time.get("", []) if chosen == (named[0] if named else "") else []
    own = [*by_time.get(chosen, []), *(unnamed if chosen else [])]
    sessions = _sessions(own)
    several = [rows for rows in sessions if len(rows) > 1 and any(map(_has_pain, rows))]
    n_once = sum(map(_asked_once, several))
    found: Unit = unit or ("session" if several and n_once >= len(several) / 2 else "thrust")
    if found == "session":
        why = f"{n_once} of {len(several)} sessions of several thrusts have one score before and one after"
        rows = tuple(_as_one(rows) for rows in sessions)
    else:
        why = "each thrust has its own scores" if several else "no session has several scored thrusts"
        rows = tuple(own)
    if unit is not None:
        why = f"chosen; {why}"
    others = {name: units_of(by_time[name], unit).rows for name in named if name != chosen}
    return Units(found, why, rows, tuple(own), chosen, others, n_carried)


def _sessions(thrusts: Sequence[Thrust]) -> list[list[Thrust]]:
    """The thrusts of each patient's session, in the order of their numbers and files."""
    found: dict[tuple[str, str, int | None], list[Thrust]] = {}
    for thrust in thrusts:
        found.setdefault((thrust.patient, thrust.session, thrust.session_no), []).append(thrust)
    return [sorted(rows, key=lambda t: (t.thrust_no or 0, t.file)) for rows in found.values()]


def _carried(thrusts: Sequence[Thrust]) -> tuple[list[Thrust], int]:
    """Fill in what a patient was asked on another line: the latest answer before, else the first; and how many."""
    by_patient: dict[str, list[int]] = {}
    for i in sorted(range(len(thrusts)), key=lambda i: _time(thrusts[i])):
        by_patient.setdefault(thrusts[i].patient, []).append(i)
    found, n_carried = list(thrusts), 0
    for own in by_patient.values():
        known: dict[str, Any] = {
            name: next((value for i in own if (value := getattr(thrusts[i], name)) is not None), None)
            for name in _OF_PATIENT
        }
        for i in own:
            known |= {name: value for name in _OF_PATIENT if (value := getattr(thrusts[i], name)) is not None}
            missing = {name: value for name, value in known.items() if getattr(thrusts[i], name) != value}
            if missing:
                found[i] = replace(thrusts[i], **missing)
                n_carried += 1
    return found, n_carried


def _time(thrust: Thrust) -> tuple[float, ...]:
    """Sort key of a patient's thrusts in time; where the time is not known, by the answers, not by names."""
    answers = (getattr(thrust, name) for name in _OF_PATIENT)
    known = (-1.0 if answer is None else float(answer) for answer in answers)
    return thrust.day, thrust.session_no or 0, thrust.thrust_no or 0, *known


def _is_scored(thrust: Thrust) -> bool:
    return thrust.pain_before is not None and thrust.pain_after is not None


def _has_pain(thrust: Thrust) -> bool:
    return thrust.pain_before is not None or thrust.pain_after is not None


def _asked_once(rows: Sequence[Thrust]) -> bool:
    """Whether a session of several thrusts has one score before and one after: copied, or on some lines only."""
    before = {t.pain_before for t in rows if t.pain_before is not None}
    after = {t.pain_after for t in rows if t.pain_after is not None}
    return len(before) == len(after) == 1


def _as_one(rows: Sequence[Thrust]) -> Thrust:
    """One record for a session: its first score before, its last score after, and its pops together."""
    first, last = rows[0], rows[-1]
    if len(rows) == 1:
        return first
    labels = [t.label for t in rows if t.label is not None]
    label: Label | None = None
    if "pop" in labels:
        label = "pop"
    elif labels and len(labels) == len(rows):
        label = "uncertain" if "uncertain" in labels else "no_pop"
    elif labels:
        label = "uncertain"  # a thrust that was not judged may have popped
    pops = [t.n_pops or 0 for t in rows if t.label == "pop"]
    p_pops = [t.p_pop for t in rows if t.p_pop is not None]
    heard: dict[str, Any] = {
        name: _any_heard([getattr(t, name) for t in rows])
        for name in ("pop_heard_by_patient", "pop_heard_by_therapist")
    }
    speeds = [t.thrust_speed for t in rows if t.thrust_speed is not None]
    return replace(
        first,
        label=label,
        p_pop=max(p_pops) if p_pops else None,
        n_pops=sum(pops) if label == "pop" else 0 if label == "no_pop" else None,
        pain_before=next((t.pain_before for t in rows if t.pain_before is not None), None),
        pain_after=next((t.pain_after for t in reversed(rows) if t.pain_after is not None), None),
        thrust_no=None,
        expects_relief=next((t.expects_relief for t in rows if t.expects_relief is not None), None),
        believes_pop_needed=next((t.believes_pop_needed for t in rows if t.believes_pop_needed is not None), None),
        thrust_speed=sum(speeds) / len(speeds) if speeds else None,
        adverse_event="; ".join(dict.fromkeys(t.adverse_event for t in rows if t.adverse_event)),
        notes=last.notes,
        simulated=any(t.simulated for t in rows),
        **heard,
    )


def _any_heard(answers: Sequence[str | None]) -> str | None:
    """``yes`` if a pop was heard in any thrust, ``no`` if in none, ``unsure`` if an answer was; else None."""
    counts = Counter(answers)
    return next((word for word in ("yes", "unsure") if counts[word]), "no" if counts["no"] == len(answers) else None)
