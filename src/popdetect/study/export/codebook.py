"""The codebook: the meaning of each field, as csv for programs and as Markdown for people. It holds no study data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from popdetect import __version__
from popdetect.session.tables import csv_text
from popdetect.study.export.redcap import codes, variable_names
from popdetect.study.export.rows import Rows
from popdetect.study.fields import Field

CSV_NAME: Final = "codebook.csv"
MARKDOWN_NAME: Final = "codebook.md"
COLUMNS: Final = (
    "field", "label", "type", "unit", "allowed_values", "empty_means", "source", "exported_by_default",
    "redcap_variable", "redcap_codes",
)  # fmt: skip

_ABOUT: Final = """\
# Codebook

The fields of the study's journal, as popdetect {version} exports them. An empty cell never means zero.

* Patients are keyed pseudonyms, sessions are random codes, days count from the first day of the journal.
* In the wide table the fields of a thrust are numbered (`label_1`, `label_2`, ...), and `n_thrusts` counts them.
* Pain on NPRS (0 to 10) and on VAS100 (0 to 100) is never converted into the other scale.
* Verdicts come from a research tool, not a medical device.
"""


def codebook_files(rows: Rows, fields: Sequence[Field]) -> tuple[dict[str, str], int]:
    """Return the two files by name, and the number of fields."""
    variables = variable_names(rows, fields)
    lines = [_line(field, rows, variables.get(field.name, "")) for field in fields]
    return {CSV_NAME: csv_text(COLUMNS, lines), MARKDOWN_NAME: _markdown(lines)}, len(lines)


def _line(field: Field, rows: Rows, variable: str) -> dict[str, str]:
    unit = field.unit
    if field.name == "thrust_speed" and any(rows.speed_units):
        unit += f" (here: {', '.join(filter(None, rows.speed_units))})"
    if field.is_pain:
        unit += f" (here: {', '.join(rows.scales)})"
    by_default = "yes" if field.by_default else "no"
    cells = (
        field.name, field.label, field.kind, unit, field.allowed, field.missing, field.source, by_default, variable,
        codes(field),
    )  # fmt: skip
    return dict(zip(COLUMNS, cells, strict=True))


def _markdown(lines: Sequence[dict[str, str]]) -> str:
    heads = [column.replace("_", " ") for column in COLUMNS]
    table = [heads, ["---"] * len(heads), *([_escaped(line[column]) for column in COLUMNS] for line in lines)]
    return "\n".join([_ABOUT.format(version=__version__), *(f"| {' | '.join(cells)} |" for cells in table), ""])


def _escaped(text: str) -> str:
    flat = " ".join(text.split())
    for special in ("\\", "|", "*", "_", "`", "<"):
        flat = flat.replace(special, f"\\{special}")
    return flat
