"""The tables of columns in docs/formats.md, from `popdetect.study.fields`, so that no column is declared twice."""

from __future__ import annotations

import re

from popdetect.study import fields

_PLACE = re.compile(r"(<!-- columns: (\w+) -->\n).*?(<!-- end of columns -->)", re.DOTALL)

# The journal keeps these three in another form than the clinic writes them: meaning, allowed, unit, filled in by.
_WRITTEN = {
    "file": ("Clip, relative to the session folder, with /", "text", "", fields.CLINIC),
    "patient_id": ("Patient, as the clinic names the patient; the journal has a pseudonym", "text", "", fields.CLINIC),
    "date": ("Date of the session; the journal has a number of days", "YYYY-MM-DD or DD.MM.YYYY", "", fields.CLINIC),
}


def table(name: str) -> str:
    """Return a table in Markdown: ``session`` for session.csv, ``journal`` for the journal and its exports."""
    columns = fields.FIELDS if name == "journal" else tuple(fields.session_fields().values())
    lines = [
        "| column | meaning | allowed | unit | filled in by | empty means |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for field in columns:
        title = field.column if name == "session" else field.name
        needed = " (required)" if name == "session" and field.required else ""
        about = (field.label, field.allowed, field.unit, field.source)
        about = _WRITTEN.get(title, about) if name == "session" else about
        cells = (f"`{title}`{needed}", *about, field.missing)
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def filled(text: str) -> str:
    """Return the text of a page with its tables of columns as they are now."""
    return _PLACE.sub(lambda match: f"{match[1]}{table(match[2])}{match[3]}", text)
