"""Export for REDCap: a file to import, and the data dictionary of its project.

A record is a patient, by pseudonym; a thrust is an instance of the repeating instrument `thrust`. Answers are coded.
Pain has a variable for each scale (``pain_before_nprs``, 0 to 10 in whole numbers; ``pain_before_vas100``, 0 to 100),
because REDCap checks one range for each variable. Names of variables are lower case, at most 26 characters. Instances
are numbered in the order of logging, so that a later import adds to an earlier one. If scores are filled in later for
clips that were logged before, the instances after them get new numbers.

Source: the 18 columns of the data dictionary are those of REDCap's own template (Vanderbilt University).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from popdetect.errors import UsageError
from popdetect.session.tables import csv_lines, csv_text
from popdetect.study import fields as study_fields
from popdetect.study.analysis.thrusts import PainScale
from popdetect.study.export.rows import Rows, cell, must_be_clear
from popdetect.study.fields import SCALES, Field, Value, pains

IMPORT_NAME: Final = "redcap_import.csv"
DICTIONARY_NAME: Final = "redcap_data_dictionary.csv"
RECORD_ID: Final = "record_id"
FIRST_FORM: Final = "patient"
FORM: Final = "thrust"
REPEAT: Final = ("redcap_repeat_instrument", "redcap_repeat_instance")
DICTIONARY_COLUMNS: Final = (
    "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Field Note", "Text Validation Type OR Show Slider Number",
    "Text Validation Min", "Text Validation Max", "Identifier?", "Branching Logic (Show field only if...)",
    "Required Field?", "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name", "Matrix Ranking?",
    "Field Annotation",
)  # fmt: skip
_RECORD: Final = {
    "Variable / Field Name": RECORD_ID,
    "Form Name": FIRST_FORM,
    "Field Type": "text",
    "Field Label": "Patient, by keyed pseudonym",
    "Field Note": "not the clinic's patient id; only the study's key relates the two",
}
MOST_LETTERS: Final = 26
HOW_TO: Final = (
    f"in an empty REDCap project: upload {DICTIONARY_NAME}, make the instrument '{FORM}' repeatable (Project Setup), "
    f"then import {IMPORT_NAME}"
)


class _Variable(NamedTuple):
    """One variable of the project; for pain, with its scale."""

    name: str
    field: Field
    scale: PainScale | None = None


def redcap_files(rows: Rows, fields: Sequence[Field]) -> tuple[dict[str, str], int]:
    """Return the two files by name, and the number of rows to import.

    Raises UsageError if the patient is not among the fields, or the meaning of a number is not exported with it.
    """
    if all(field.name != "patient" for field in fields):
        raise UsageError("columns: a record of REDCap is a patient; add patient (the pseudonym)")
    must_be_clear(rows, [field for field in fields if not field.is_pain])
    variables = _variables(rows, fields)
    lines = [
        [cell(row["patient"]), FORM, str(number), *(_coded(variable, row) for variable in variables)]
        for row, number in zip(rows.values, rows.numbers, strict=True)
    ]
    lines.sort(key=lambda cells: (cells[0], int(cells[2])))
    made = [[RECORD_ID, *REPEAT, *(variable.name for variable in variables)], *lines]
    dictionary = [_RECORD, *(_described(variable, fields, rows) for variable in variables)]
    return {IMPORT_NAME: csv_lines(made), DICTIONARY_NAME: csv_text(DICTIONARY_COLUMNS, dictionary)}, len(lines)


def variable_names(rows: Rows, fields: Sequence[Field]) -> dict[str, str]:
    """Return the variables of each field, for the codebook."""
    found = {"patient": [RECORD_ID]}
    for variable in _variables(rows, fields):
        found.setdefault(variable.field.name, []).append(variable.name)
    return {name: ", ".join(names) for name, names in found.items()}


def codes(field: Field) -> str:
    """Return the codes of a field's choices, as in the dictionary; empty for other kinds."""
    return " | ".join(f"{code}, {choice}" for choice, code in field.codes.items())


def _variables(rows: Rows, fields: Sequence[Field]) -> list[_Variable]:
    # all fields of the journal get names, so that a name does not depend on which fields are exported
    taken = {RECORD_ID, *REPEAT, f"{FORM}_complete", f"{FIRST_FORM}_complete"}
    taken |= {field.name for field in study_fields.FIELDS}
    taken |= {f"{pain}_{scale.lower()}" for pain in pains() for scale in SCALES}
    own: dict[str, str] = {}
    for field in rows.fields:
        if field.own:
            own[field.name] = _free_name(field.own, taken)
            taken.add(own[field.name])
    found = []
    # the scale is asked before the pain that depends on it
    pain = next((i for i, field in enumerate(fields) if field.is_pain), len(fields))
    scale = [field for field in fields[pain:] if field.name == "pain_scale"]
    for field in [*fields[:pain], *scale, *(field for field in fields[pain:] if field not in scale)]:
        if field.is_pain:
            found += [_Variable(f"{field.name}_{scale.lower()}", field, scale) for scale in rows.scales]
        elif field.name != "patient":
            found.append(_Variable(own.get(field.name, field.name), field))
    return found


def _free_name(header: str, taken: set[str]) -> str:
    """Return a header as REDCap allows it: a letter first, then letters, digits and single underscores."""
    plain = unicodedata.normalize("NFKD", header.casefold()).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if not plain[:1].isalpha():
        plain = f"own_{plain}".strip("_")
    name, n = plain[:MOST_LETTERS].strip("_"), 1
    while name in taken:
        n += 1
        name = f"{plain[: MOST_LETTERS - len(f'_{n}')].strip('_')}_{n}"
    return name


def _own_kind(field: Field, rows: Rows) -> str:
    """Return REDCap's check of one of the clinic's own columns: integer or number if all its values are such."""
    texts = [text for row in rows.values if (text := cell(row[field.name]))]
    for kind, form in (("integer", r"-?[0-9]{1,9}"), ("number", r"-?[0-9]{1,9}(\.[0-9]+)?")):
        # 007 is a code, no number
        if texts and all(re.fullmatch(form, text) and not re.match(r"-?0[0-9]", text) for text in texts):
            return kind
    return ""


def _described(variable: _Variable, fields: Sequence[Field], rows: Rows) -> dict[str, str]:
    """Return the variable's line of the data dictionary."""
    field = variable.field
    validation: str = field.kind if field.kind in ("integer", "number") else ""
    if field.own and not validation:
        validation = _own_kind(field, rows)
    low, high = ("" if limit is None else f"{limit:g}" for limit in (field.low, field.high))
    label, unit, branching = field.label, field.unit, ""
    if variable.scale:
        validation, high = SCALES[variable.scale][0], str(SCALES[variable.scale][1])
        label, unit = f"{label} ({variable.scale})", f"points of {variable.scale}, 0 to {high}"
        asked = [other.codes[variable.scale] for other in fields if other.name == "pain_scale"]
        branching = f"[pain_scale] = '{asked[0]}'" if asked else ""
    is_notes = field.may_identify and field.name != "file" and not validation
    return {
        "Variable / Field Name": variable.name,
        "Form Name": FORM,
        "Field Type": "radio" if field.kind == "choice" else "notes" if is_notes else "text",
        "Field Label": label.replace("<", "(").replace(">", ")"),  # REDCap reads labels as HTML
        "Choices, Calculations, OR Slider Labels": codes(field),
        "Field Note": "; ".join(part for part in (unit, f"empty: {field.missing}") if part),
        "Text Validation Type OR Show Slider Number": validation,
        "Text Validation Min": low,
        "Text Validation Max": high,
        "Identifier?": "y" if field.may_identify else "",
        "Branching Logic (Show field only if...)": branching,
        "Field Annotation": f"filled in by: {field.source}",
    }


def _coded(variable: _Variable, row: Mapping[str, Value]) -> str:
    if variable.scale and row["pain_scale"] != variable.scale:
        return ""
    value = cell(row[variable.field.name])
    return variable.field.codes[value] if variable.field.kind == "choice" and value else value
