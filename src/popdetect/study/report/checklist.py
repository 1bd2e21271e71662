"""The checklist of the report: items of STROBE, STARD and CIRCLe SMT, and where this page has them.

An item without a place says why. The items are in our words. CIRCLe SMT (Groeneweg et al. 2017) has 24 items; they are
not numbered here, because only what they are about was available.
"""

from __future__ import annotations

import csv
from importlib import resources
from typing import Final, NamedTuple

from popdetect.study.report.tables import Sheet

_NO: Final = "not reported here: "


class Item(NamedTuple):
    """An item of a guideline; `where` is the anchor of a part of the page, empty if the page does not have it."""

    guideline: str
    about: str
    where: str
    words: str


ITEMS: Final = (
    Item("STROBE 1, STARD 1", "title and summary", "answer", "The answer"),
    Item("STROBE 2, 3; STARD 3, 4", "background and objectives", "methods", "Methods; background: yours to add"),
    Item("STROBE 4; STARD 5", "study design", "methods", "Methods; recruitment: yours to add"),
    Item("STROBE 5; STARD 8", "setting and dates", "", f"{_NO}the journal has no places and no dates"),
    Item("STROBE 6; STARD 6, 7, 9", "eligibility and selection", "", f"{_NO}yours to add"),
    Item("STROBE 7, 8", "outcomes, exposure, covariates and how they were measured", "methods", "Methods"),
    Item("STROBE 9", "sources of bias", "answer", "The answer, limits"),
    Item("STROBE 10; STARD 18", "how the size of the study was chosen", "verdict", "What this sample can show"),
    Item("STROBE 11, 12", "statistical methods, missing data, sensitivity analyses", "methods", "Methods"),
    Item("STROBE 13; STARD 19", "numbers at each stage", "flow", "From the journal to the answer"),
    Item("STROBE 14; STARD 20", "patients and missing values", "table-1", "Table 1; age and sex: yours to add"),
    Item("STROBE 15", "outcome data", "groups", "Pain by the detector's verdict"),
    Item("STROBE 16", "main results with intervals", "differences", "Pain after, pop minus no pop"),
    Item("STROBE 17", "other analyses", "tables", "All figures"),
    Item("STROBE 18, 20, 21; STARD 26, 27", "discussion", "answer", "Limits; interpretation: yours to add"),
    Item("STROBE 19", "limitations", "answer", "The answer, limits"),
    Item("STROBE 22; STARD 30", "funding", "", f"{_NO}yours to add"),
    Item("STARD 10, 12", "index test and its thresholds", "model", "The detector"),
    Item("STARD 11, 13", "reference standard and blinding", "heard-counts", "Who heard a pop; blinding: yours to add"),
    Item("STARD 14, 23, 24", "accuracy of the detector", "errors", "How often it pops, and the detector's errors"),
    Item("STARD 15, 16", "uncertain and missing verdicts", "flow", "From the journal to the answer"),
    Item("STARD 25", "adverse events", "harms", "Adverse events, by their words"),
    Item("STARD 28, 29", "registration and protocol", "answer", "Limits, if a plan was given"),
    Item("CIRCLe SMT", "region, side and technique", "table-1", "Table 1"),
    Item("CIRCLe SMT", "number of thrusts", "table-1", "Table 1, attempts"),
    Item("CIRCLe SMT", "therapist", "table-1", "Table 1, as numbers; training and experience: yours to add"),
    Item("CIRCLe SMT", "force, position, preload", "", f"{_NO}a sound recording does not measure them"),
    Item("CIRCLe SMT", "harms", "harms", "Adverse events, by their words"),
)  # fmt: skip


def context() -> Sheet:
    """Return the five studies of the review of 2022, as published; figures and sources are in ``context.csv``."""
    text = (resources.files("popdetect.study.report") / "context.csv").read_text(encoding="utf-8")
    columns, *rows = csv.reader(text.splitlines())
    notes = (
        "The studies of Moorman & Newell 2022 (Chiropr Man Ther 30:42) as their abstracts and the review give them. "
        "No study found better pain outcomes with a pop, and no study used recordings: all pops were heard by ear.",
        "They are not pooled with this study or with each other: pain was measured in different ways and at times from "
        "minutes to 4 weeks, one study had people without pain, in one thrusts were repeated until they popped, "
        "and the abstracts give no difference with a standard error.",
    )
    return Sheet("context-studies", "The studies of the 2022 review, as context", columns, rows, notes)
