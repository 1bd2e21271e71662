"""A journal of two sessions with all that must not get out, and exports read back by the standard library."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from journal_fakes import CLINIC, scores, write_clips, write_scores

from popdetect.study.export.export import Exported, export
from popdetect.study.journal.logging import log

# whatever of these shows in an export has leaked
SECRETS = ("Patient0", "Patient1", "Patient2", CLINIC, "secret", "/home", "2024", "STUDY.db")

ASKED = {
    "date": "2024-03-05", "session_no": "1", "region": "lumbar", "side": "left", "technique": "HVLA",
    "time_point": "after 5 min", "expects_relief": "7.5", "believes_pop_needed": "4", "pop_heard_by_patient": "yes",
    "pop_heard_by_therapist": "unsure", "thrust_speed (mm/s)": "120.25", "adverse_event": "dizzy, briefly",
    "notes": 'said "ouch"\nand left', "room": "A|3", "label": "blue",
}  # fmt: skip


def make_study(place: Path, *, second_scale: str = "NPRS") -> Path:
    """Patients 0 to 2, two thrusts each in the first session, with all columns; another session a week later."""
    study = place / "STUDY.db"
    first = place / CLINIC / "s1"
    write_clips(first, [row["file"] for row in scores()])
    rows = [
        row | ASKED | {"thrust_no": str(2 - i // 3), "bed": f"of {row['patient_id']}"} for i, row in enumerate(scores())
    ]
    rows[5] |= dict.fromkeys(("pain_after", "expects_relief", "pop_heard_by_patient", "notes", "room"), "")
    write_scores(first, rows)
    log(first, study, with_notes=True)
    second = place / CLINIC / "s2"
    write_clips(second, [row["file"] for row in scores(2)])
    write_scores(second, [row | {"date": "2024-03-12", "pain_scale": second_scale} for row in scores(2)])
    log(second, study)
    return study


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def one(study: Path, format: str, columns: Sequence[str] | None = None) -> list[dict[str, str]]:
    """A table of one file."""
    return table(export(study, format, columns=columns).texts[""])


def observations(study: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The pain scores of a FHIR export."""
    return [made for made in resources(study, columns) if "coding" in made["code"]]


def resources(study: Path, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
    made = json.loads(export(study, "fhir", columns=columns).texts[""])
    return [entry["resource"] for entry in made["entry"]]


__all__ = ["ASKED", "SECRETS", "Exported", "export", "make_study", "observations", "one", "resources", "table"]
