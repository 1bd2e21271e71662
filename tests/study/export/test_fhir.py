"""FHIR: what R4 requires of a Bundle and an Observation, by hand; and that no scale passes for another."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from export_fakes import export, make_study, observations, resources
from fhir.resources.bundle import Bundle
from fhir.resources.R4B.bundle import Bundle as BundleR4B
from journal_fakes import make_session, scores, write_scores

from popdetect.errors import NothingFound, UsageError
from popdetect.study.journal import journal
from popdetect.study.journal.logging import log

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
SURVEY = "http://terminology.hl7.org/CodeSystem/observation-category"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return make_study(tmp_path, second_scale="VAS100")


def extensions(made: dict[str, Any]) -> dict[str, Any]:
    """Their values by the last part of their urls."""
    found = {}
    for extension in made["extension"]:
        (value,) = (value for key, value in extension.items() if key.startswith("value"))
        found[extension["url"].rsplit(":", 1)[1]] = value
    return found


def test_the_bundle_is_a_collection(study: Path) -> None:
    made = json.loads(export(study, "fhir").texts[""])

    assert set(made) == {"resourceType", "type", "entry"}
    assert (made["resourceType"], made["type"]) == ("Bundle", "collection")
    urls = [entry["fullUrl"] for entry in made["entry"]]
    assert len(urls) == len(set(urls))
    for entry in made["entry"]:
        assert set(entry) == {"fullUrl", "resource"}  # no search, request or response in a collection
        assert re.fullmatch(f"urn:uuid:{UUID}", entry["fullUrl"])
        assert entry["fullUrl"].endswith(entry["resource"]["id"])


def test_each_observation_has_what_r4_requires(study: Path) -> None:
    for made in observations(study):
        assert made["resourceType"] == "Observation"
        assert made["status"] == "final"
        (category,) = made["category"]
        assert (category["coding"][0]["system"], category["coding"][0]["code"]) == (SURVEY, "survey")
        (coding,) = made["code"]["coding"]
        assert coding["system"] == "http://loinc.org"
        assert coding["display"]
        assert set(made["subject"]) == {"type", "identifier"}
        assert made["subject"]["type"] == "Patient"
        assert re.fullmatch(r"P-[0-9a-z]{8}", made["subject"]["identifier"]["value"])
        assert made["subject"]["identifier"]["system"].startswith("urn:")
        assert sum(key.startswith("value") for key in made) == 1
        assert "dataAbsentReason" not in made  # obs-6: only where there is no value
        # no date, and said so; a primitive without a value must have an extension
        assert "effectiveDateTime" not in made
        (absent,) = made["_effectiveDateTime"]["extension"]
        assert absent == {
            "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
            "valueCode": "masked",
        }
        for extension in made["extension"]:
            assert len(extension) == 2


def test_nprs_is_72514_3_with_an_integer_and_vas100_is_not(study: Path) -> None:
    codes = {"72514-3": 0, "38214-3": 0}
    for made in observations(study):
        code = made["code"]["coding"][0]["code"]
        codes[code] += 1
        if code == "72514-3":
            assert type(made["valueInteger"]) is int
            assert 0 <= made["valueInteger"] <= 10
            assert "method" not in made
        else:
            assert "0 to 100" in made["method"]["text"]
            assert made["valueQuantity"]["system"] == "http://unitsofmeasure.org"
            assert made["valueQuantity"]["code"] == "{score}"
    assert codes == {"72514-3": 11, "38214-3": 4}
    assert any("VAS100 is LOINC 38214-3" in hint for hint in export(study, "fhir").hints)


def test_values_out_are_values_in(study: Path) -> None:
    out = []
    for made in observations(study):
        more = extensions(made)
        value = made["valueInteger"] if "valueInteger" in made else made["valueQuantity"]["value"]
        patient = made["subject"]["identifier"]["value"]
        out.append((patient, more["day-offset"]["value"], more["pain-timing"], value))
    records = journal.records(study)
    into = [
        (record["patient"], record["day"], timing, record[f"pain_{timing}"])
        for record in records
        for timing in ("before", "after")
        if record[f"pain_{timing}"] is not None
    ]
    assert out == into
    assert len(into) == 2 * len(records) - 1  # what was not asked is no observation


def test_before_and_after_of_a_thrust_have_its_number(study: Path) -> None:
    pairs = [
        (made["subject"]["identifier"]["value"], extensions(made)["thrust-number"], extensions(made)["pain-timing"])
        for made in observations(study)
    ]
    assert len(pairs) == len(set(pairs))
    assert len({pair[:2] for pair in pairs}) == 8


def test_a_day_that_is_not_known_is_not_there(tmp_path: Path) -> None:
    log(make_session(tmp_path), tmp_path / "S.db")
    for made in observations(tmp_path / "S.db"):
        assert "day-offset" not in extensions(made)


def test_only_what_was_asked_for(study: Path) -> None:
    made = observations(study, ["patient", "pain_scale", "pain_after"])

    assert len(made) == 7
    for one in made:
        assert set(extensions(one)) == {"pain-timing", "thrust-number"}
        assert extensions(one)["pain-timing"] == "after"
    with pytest.raises(UsageError, match="columns: n_pops: not in a FHIR export"):
        export(study, "fhir", columns=["patient", "n_pops"])
    with pytest.raises(UsageError, match="add patient, pain_scale, pain_before or pain_after"):
        export(study, "fhir", columns=["day"])


def test_ids_stay_when_more_is_logged(study: Path) -> None:
    before = {made["id"]: made for made in observations(study)}
    log(make_session(study.parent, 3, "s0"), study)
    after = {made["id"]: made for made in observations(study)}

    assert {key: after[key] for key in before} == before
    assert len(after) == len(before) + 6


def test_no_pain_is_nothing_to_export(tmp_path: Path) -> None:
    folder = make_session(tmp_path)
    write_scores(folder, [row | {"pain_before": "", "pain_after": "", "expects_relief": "3"} for row in scores()])
    log(folder, tmp_path / "S.db")
    with pytest.raises(NothingFound, match="no pain score"):
        export(tmp_path / "S.db", "fhir")


def test_the_bundle_is_valid_in_r4b_and_r5(study: Path) -> None:
    text = export(study, "fhir").texts[""]
    for bundle in (Bundle, BundleR4B):
        assert len(bundle.model_validate_json(text).entry) == len(json.loads(text)["entry"])


def test_a_pop_is_an_observation_of_its_own(study: Path) -> None:
    pops = [made for made in resources(study) if "coding" not in made["code"]]
    records = journal.records(study)
    assert len(pops) == len(records) == 8
    for made, record in zip(pops, records, strict=True):
        assert made["code"]["text"] == "Audible pop (joint cavitation) detected"
        assert made.get("valueBoolean") == {"pop": True, "no_pop": False, "uncertain": None}[str(record["label"])]
        assert ("dataAbsentReason" in made) == (record["label"] == "uncertain")
        assert made["component"][0]["valueQuantity"]["value"] == record["p_pop"]
        assert made["subject"]["identifier"]["value"] == record["patient"]
