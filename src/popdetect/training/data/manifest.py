"""A folder of recorded sounds: ``MANIFEST.csv`` (one line per file) and ``pop_onsets.csv`` (one line per marked pop).

Columns of the manifest are ``path`` (relative to the folder), ``role``, ``kind``, ``what``, ``group``, and where known
``licence`` and ``sha256``. Onsets are seconds from the start of the file. Lines that cannot be used raise an error with
their number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from popdetect.errors import TableError, UsageError
from popdetect.session.tables import read_table

NAME = "MANIFEST.csv"
MARKS_NAME = "pop_onsets.csv"
COLUMNS = ("path", "role", "kind", "what", "group")
MARK_COLUMNS = ("path", "onset_s")


def broad(what: str) -> str:
    """Return the first two words of a description: "speech digit 3" and "speech digit 4" are one kind."""
    return " ".join(what.lower().replace(",", " ").replace(":", " ").replace("(", " ").split()[:2])


@dataclass(frozen=True, slots=True)
class Source:
    """A line of the manifest."""

    path: Path
    role: str
    kind: str
    what: str
    group: str
    licence: str
    sha256: str
    onsets_s: tuple[float, ...] = ()


def read_manifest(folder: Path, role: str | None = None) -> list[Source]:
    """Read the sounds of a folder, or only those of a role such as ``train``, with their pop onsets; sorted by path.

    Raises
    ------
    TableError
        For a line of either table that cannot be used; starts with ``file:line``.
    UsageError
        No such folder or manifest, or no sound of this role.
    """
    manifest = folder / NAME
    if not manifest.is_file():
        raise UsageError(f"{folder}: no {NAME} there; a sound folder has one, with columns {', '.join(COLUMNS)}")
    rows = _rows(manifest, COLUMNS, "sound")
    seen: dict[str, int] = {}
    for line, row in rows:
        if row["path"] in seen:
            first = seen[row["path"]]
            raise TableError(f"{manifest}:{line}: path {row['path']!r} is already on line {first}; a file has one line")
        seen[row["path"]] = line
    onsets = _onsets(folder / MARKS_NAME)
    sources = [
        Source(
            path=folder / row["path"],
            onsets_s=tuple(sorted(onsets.get(row["path"], ()))),
            **{name: row.get(name, "") for name in ("role", "kind", "what", "group", "licence", "sha256")},
        )
        for _, row in rows
        if role is None or row["role"] == role
    ]
    if not sources:
        known = ", ".join(sorted({row["role"] for _, row in rows}))
        raise UsageError(f"{manifest}: no sound of role {role!r}; it has: {known}")
    return sorted(sources, key=lambda source: source.path.as_posix())


def _onsets(path: Path) -> dict[str, list[float]]:
    """Return the onsets that a person was sure of, by file; empty where the table is missing."""
    onsets: dict[str, list[float]] = {}
    for line, row in _rows(path, MARK_COLUMNS, "mark") if path.is_file() else ():
        try:
            onset_s = float(row["onset_s"].replace("_", "?"))  # float() would accept 1_000
        except ValueError:
            onset_s = math.nan
        if not math.isfinite(onset_s) or onset_s < 0:
            raise TableError(
                f"{path}:{line}: onset_s {row['onset_s']!r}; seconds from the start of the file are allowed, 0 or more"
            )
        if row.get("confidence") != "low":
            onsets.setdefault(row["path"], []).append(onset_s)
    return onsets


def _rows(path: Path, needed: tuple[str, ...], thing: str) -> list[tuple[int, dict[str, str]]]:
    """Return line numbers and cells by column; at least one line, and no needed cell is empty."""
    table = read_table(path, by_hand=True)
    missing = sorted(set(needed) - set(table.columns))
    if missing:
        raise TableError(
            f"{path}:{table.header_line}: column {', '.join(missing)} is missing; "
            f"the columns are {', '.join(filter(None, table.columns))}"
        )
    rows = list(zip(table.lines, table.rows, strict=True))
    for line, row in rows:
        for name in needed:
            if not row[name]:
                raise TableError(
                    f"{path}:{line}: column {name} is empty; every {thing} needs {', '.join(needed)} (a cell left out?)"
                )
    if not rows:
        raise TableError(f"{path}:{table.header_line}: a header and no {thing}s; at least one line is needed")
    return rows
