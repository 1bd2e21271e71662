"""The codebook: the meaning of each field, as csv for programs and as Markdown for people. It holds no study data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from popdetect import __version__
from popdetect.study.export.redcap import codes, variable_names
from popdetect.study.export.rows import Rows
from popdetect.study.fields import Field

COLUMNS: Final = (
    "field", "label", "type", "unit", "allowed_values", "empty_means", "source", "exported_by_default",
    "redcap_variable", "redcap_codes",
)  # fmt: skip

CSV_NAME, MARKDOWN_NAME = "codebook.csv", "codebook.md"

_ABOUT: Final = """\
# Codebook

The fields of the study's journal, as popdetect {version} exports them. An empty cell never means zero.

* Patients are keyed pseudonyms, sessions are random codes, days count from the patient's first day in the journal.
* In the wide table the fields of a thrust are numbered (`label_1`, `label_2`, ...), and `n_thrusts` counts them.
* Pain on NPRS (0 to 10) and on VAS100 (0 to 100) is never converted into the other scale.
* Verdicts come from a research tool, not a medical device.
"""


def codebook_lines(rows: Rows, fields: Sequence[Field]) -> list[list[str]]:
    """Return the table of the fields, its header first."""
    variables = variable_names(rows, fields)
    return [list(COLUMNS), *(_line(field, rows, variables[field.name]) for field in fields)]


def codebook_markdown(rows: Rows, fields: Sequence[Field]) -> str:
    """Return the same table as a page, with what is true of all exports."""
    lines = codebook_lines(rows, fields)[1:]
    table = [[column.replace("_", " ") for column in COLUMNS], ["---"] * len(COLUMNS)]
    table += [[re.sub(r"([\\|*_`<])", r"\\\1", " ".join(cell.split())) for cell in line] for line in lines]
    return "\n".join([_ABOUT.format(version=__version__), *(f"| {' | '.join(cells)} |" for cells in table), ""])


def _line(field: Field, rows: Rows, variable: str) -> list[str]:
    here = rows.scales if field.is_pain else rows.speed_units if field.name == "thrust_speed" else ()
    unit = field.unit + (f" (here: {', '.join(filter(None, here))})" if any(here) else "")
    by_default = "yes" if field.by_default else "no"
    about = [field.name, field.label, field.kind, unit, field.allowed, field.missing, field.source]
    return [*about, by_default, variable, codes(field)]
