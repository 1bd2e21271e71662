"""Patients across sessions: which ids of a table mean a patient of the journal.

Excel turns 001 into 1, and people write P-01 or P 1. Ids that differ only so are asked about, once: whether they mean
the same patient is then known to the journal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from popdetect.errors import UsageError
from popdetect.study.journal.pseudonyms import Pseudonyms

Ids = Literal["same", "different"]
_WIDEST = 6  # digits of the ids that are tried to name the other id in a message


class Patient(NamedTuple):
    """An id: the pseudonym of the id, the pseudonym its scores are kept under, and the code of near ids."""

    written: str
    patient: str
    near: str


def patients_of(
    ids: Iterable[str], known: Mapping[str, tuple[str, str]], pseudonyms: Pseudonyms, ids_are: Ids | None, where: str
) -> dict[str, Patient]:
    """Return the patient of each id.

    Parameters
    ----------
    ids : iterable of str
    known : mapping of str to (str, str)
        What the journal knows, as `Writing.patients` returns it.
    pseudonyms : Pseudonyms
    ids_are : {"same", "different"}, optional
        What near ids are.
    where : str
        The table, for messages.

    Raises
    ------
    UsageError
        If an id is near another one and it is not said whether they are the same, or if it is near several patients and
        said to be the same.
    """
    found: dict[str, Patient] = {}
    patients = {written: patient for written, (patient, _) in known.items()}
    names: dict[str, str] = {}  # an id of this table by its pseudonym
    near: dict[str, set[str]] = {}
    for one, code in known.values():
        near.setdefault(code, set()).add(one)
    unclear: list[tuple[str, str]] = []
    for id_ in sorted(ids, key=lambda id_: (-len(id_), id_)):  # 001 before 1
        written, code = pseudonyms.patient(id_), pseudonyms.near(id_)
        patient = patients.get(written, "")
        if not patient:
            others = set(near.get(code, set()))
            # a journal of an older version does not know the codes of near ids
            spelt = {other: text for text in _spellings(id_) if (other := pseudonyms.patient(text)) in patients}
            others |= {patients[other] for other in spelt}
            names |= {patients[other]: text for other, text in spelt.items()}
            if len(others) > 1 and ids_are == "same":
                raise UsageError(
                    f"{where}: patient_id: {id_!r} is near the ids of {len(others)} patients, so that 'same' does not "
                    "say which one is meant; write the id as before"
                )
            if others and ids_are is None:
                unclear.append((id_, names.get(min(others), "")))
            patient = min(others) if others and ids_are == "same" else written
        patients[written] = patient
        names.setdefault(written, id_)
        near.setdefault(code, set()).add(patient)
        found[id_] = Patient(written, patient, code)
    if unclear:
        one, other = unclear[-1]
        like = f"{one!r} and {other!r}" if other else f"{one!r} and another one"
        ids_ = f"{len(unclear)} ids are each" if len(unclear) > 1 else "an id is"
        raise UsageError(
            f"{where}: patient_id: {ids_} nearly the id of a patient in the journal or in this table ({like}); Excel "
            "drops leading zeros. Are they the same patients? Say --ids same or --ids different; nothing was written"
        )
    return found


def _spellings(id_: str) -> list[str]:
    """Return ids that differ from this one in leading zeros only; all its numbers have the same width."""
    plain = re.sub(r"(?<!\d)0+(?=\d)", "", id_.strip())
    parts = re.split(r"(\d+)", plain)
    made = ["".join(p.zfill(width) if p.isdigit() else p for p in parts) for width in range(1, _WIDEST + 1)]
    return [text for text in dict.fromkeys(made) if text != id_]
