"""Pain scores and pops as a FHIR Bundle (type collection) of Observations, valid in R4, R4B and R5.

* NPRS is LOINC 72514-3 (0-10 verbal numeric rating) with `valueInteger`. VAS100 is another question with another range:
  it is LOINC 38214-3 (visual analog score) with `valueQuantity`, and `method` states that the line goes to 100, which
  the code leaves open. Nothing is converted.
* The subject is the patient's pseudonym as a logical identifier. There is no Patient resource, because the journal has
  no data about the patient.
* The journal has no dates: `effectiveDateTime` is marked as masked. If the day within the study is known, an extension
  has it, as a duration in days since the first day of the patient in the journal. An empty score gives no Observation.
* The pop is an Observation of its own for each judged clip, without a LOINC code, because there is none: `valueBoolean`
  is true for ``pop`` and false for ``no_pop``; for ``uncertain`` it is missing, as `dataAbsentReason` says. The
  probability is a component.
* Extensions: ``urn:x-popdetect:pain-timing`` (``before`` or ``after`` the thrust), ``urn:x-popdetect:thrust-number``
  (pairs the two; the patient's thrusts from 1, as REDCap's instances), ``urn:x-popdetect:day-offset``.

Sources: HL7 FHIR R4 (4.0.1), Observation and Bundle; LOINC 72514-3 and 38214-3.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from popdetect.errors import NothingFound, UsageError
from popdetect.study.export.rows import Rows
from popdetect.study.fields import Value, pains

FHIR_FIELDS: Final = ("patient", "day", "pain_before", "pain_after", "pain_scale", "label", "p_pop")
URN: Final = "urn:x-popdetect"
_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, URN)
_CODINGS: Final = {
    "NPRS": ("72514-3", "Pain severity - 0-10 verbal numeric rating [Score] - Reported"),
    "VAS100": ("38214-3", "Pain severity [Score] Visual analog score"),
}
_CATEGORIES: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
_SURVEY: Final = {"system": _CATEGORIES, "code": "survey", "display": "Survey"}
_PROCEDURE: Final = {"system": _CATEGORIES, "code": "procedure", "display": "Procedure"}
_UNKNOWN: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/data-absent-reason", "code": "unknown", "display": "Unknown",
}  # fmt: skip
_MASKED: Final = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}


def bundle(rows: Rows, names: Sequence[str]) -> tuple[str, int, tuple[str, ...]]:
    """Return the JSON text, the number of Observations, and remarks.

    Raises UsageError if fields other than `FHIR_FIELDS` are asked for, or too few for an Observation, and NothingFound
    if there is no pain score.
    """
    others = [name for name in names if name not in FHIR_FIELDS]
    if others:
        raise UsageError(
            f"columns: {', '.join(others)}: not in a FHIR export, which has pain scores and pops only; "
            f"allowed are {', '.join(FHIR_FIELDS)}"
        )
    asked = [pain for pain in pains() if pain in names]
    missing = [name for name in ("patient", "pain_scale") if name not in names]
    missing += [] if asked else ["pain_before or pain_after"]
    if missing:
        raise UsageError(f"columns: an Observation needs its subject, code and value: add {', '.join(missing)}")
    entries: list[dict[str, Any]] = []
    pops: dict[str, dict[str, Any]] = {}
    n_odd = 0
    for row, number in zip(rows.values, rows.numbers, strict=True):
        for pain in asked:
            value = row[pain]
            if not isinstance(value, int | float):
                continue
            if row["pain_scale"] == "NPRS" and value != int(value):
                n_odd += 1  # `valueInteger` cannot hold it
                continue
            made = _observation(row, pain, value, number, "day" in names)
            entries.append({"fullUrl": f"urn:uuid:{made['id']}", "resource": made})
        if "label" in names and row["label"]:
            pop = _pop(row, number, "day" in names, "p_pop" in names)
            # a clip whose pain was asked at several time points has one pop
            pops.setdefault(pop["id"], {"fullUrl": f"urn:uuid:{pop['id']}", "resource": pop})
    if not entries:
        raise NothingFound("no pain score in the journal, so no Observation to export")
    hints = [f"{n_odd} pain scores on NPRS are not whole numbers and are left out"] if n_odd else []
    if "VAS100" in rows.scales:
        hints.append("pain on VAS100 is LOINC 38214-3 (visual analog score), not the 0 to 10 rating of 72514-3")
    made_bundle = {"resourceType": "Bundle", "type": "collection", "entry": [*entries, *pops.values()]}
    return json.dumps(made_bundle, ensure_ascii=False, indent=1) + "\n", len(entries) + len(pops), tuple(hints)


def _observation(row: Mapping[str, Value], pain: str, value: float, number: int, with_day: bool) -> dict[str, Any]:
    timing = pain.removeprefix("pain_")
    code, display = _CODINGS[str(row["pain_scale"])]
    coding = {"system": "http://loinc.org", "code": code, "display": display}
    extensions = [{"url": f"{URN}:pain-timing", "valueCode": timing}, *_extensions(row, number, with_day)]
    identity = (row["session"], row["file"], pain, row["time_point"])
    made: dict[str, Any] = {
        "resourceType": "Observation",
        # the same in every export; the random code of the session is not exported
        "id": str(uuid.uuid5(_SPACE, "/".join(filter(None, map(str, identity))))),
        "extension": extensions,
        "status": "final",
        "category": [{"coding": [_SURVEY]}],
        "code": {"coding": [coding], "text": f"Pain {timing} the thrust ({row['pain_scale']})"},
        "subject": {"type": "Patient", "identifier": {"system": f"{URN}:patient", "value": row["patient"]}},
        "_effectiveDateTime": {"extension": [_MASKED]},
    }
    if row["pain_scale"] == "NPRS":
        return made | {"valueInteger": int(value)}
    exact = int(value) if value == int(value) else value
    quantity = {"value": exact, "unit": "score", "system": "http://unitsofmeasure.org", "code": "{score}"}
    return made | {"valueQuantity": quantity, "method": {"text": "Visual analog scale, 0 to 100"}}


def _extensions(row: Mapping[str, Value], number: int, with_day: bool) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"url": f"{URN}:thrust-number", "valuePositiveInt": number}]
    if with_day and row["day"] is not None:
        days = {"value": row["day"], "unit": "days", "system": "http://unitsofmeasure.org", "code": "d"}
        found.append({"url": f"{URN}:day-offset", "valueDuration": days})
    return found


def _pop(row: Mapping[str, Value], number: int, with_day: bool, with_probability: bool) -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Observation",
        "id": str(uuid.uuid5(_SPACE, f"{row['session']}/{row['file']}/pop")),
        "extension": _extensions(row, number, with_day),
        "status": "final",
        "category": [{"coding": [_PROCEDURE]}],
        "code": {"text": "Audible pop (joint cavitation) detected"},
        "subject": {"type": "Patient", "identifier": {"system": f"{URN}:patient", "value": row["patient"]}},
        "_effectiveDateTime": {"extension": [_MASKED]},
        "method": {"text": "Sound recording, judged by popdetect (a research tool, not a medical device)"},
    }
    if row["label"] == "uncertain":
        made["dataAbsentReason"] = {"coding": [_UNKNOWN], "text": "The detector's verdict is uncertain"}
    else:
        made["valueBoolean"] = row["label"] == "pop"
    if with_probability and row["p_pop"] is not None:
        one = {"value": row["p_pop"], "unit": "probability", "system": "http://unitsofmeasure.org", "code": "1"}
        made["component"] = [{"code": {"text": "Probability of an audible pop"}, "valueQuantity": one}]
    return made
