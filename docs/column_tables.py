"""The tables of columns in docs/formats.md, from `popdetect.study.fields`, so that no column is declared twice."""

from __future__ import annotations

import re

from popdetect.study import fields

_PLACE = re.compile(r"(<!-- columns: (\w+) -->\n).*?(<!-- end of columns -->)", re.DOTALL)


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
        cells = (f"`{title}`{needed}", field.label, field.allowed, field.unit, field.source, field.missing)
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def filled(text: str) -> str:
    """Return the text of a page with its tables of columns as they are now."""
    return _PLACE.sub(lambda match: f"{match[1]}{table(match[2])}{match[3]}", text)
