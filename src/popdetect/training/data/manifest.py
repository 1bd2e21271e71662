"""A folder of recorded sounds: ``MANIFEST.csv`` (one line per file) and ``pop_onsets.csv`` (one line per marked pop).

Columns of the manifest are ``path`` (relative to the folder), ``role``, ``kind``, ``what``, ``group``, and where known
``licence`` and ``sha256``. Onsets are seconds from the start of the file. Lines that cannot be used raise an error with
their number.

`FAMILIES` sorts the distractors by their descriptions (column ``what``). Sound folders hold many kinds that are rare
where people are treated (gates, guns, cockerels) and few that are common there; scenes draw families first, so
that training sees most of what is common.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from popdetect.errors import TableError, UsageError
from popdetect.session.tables import read_table

NAME = "MANIFEST.csv"
MARKS_NAME = "pop_onsets.csv"
COLUMNS = ("path", "role", "kind", "what", "group")
MARK_COLUMNS = ("path", "onset_s")

SPEECH = "speech"
# family: how the descriptions that belong to it begin, in lower case. A new kind of distractor is one entry here.
FAMILIES: dict[str, tuple[str, ...]] = {
    "keyboards": ("keyboard",),
    "cutlery and dishes": ("cutlery", "plates", "dish", "washing dish", "peeling", "knife", "glass", "soda can"),
    "crunching": ("eating", "apple", "bubble wrap", "ice crack", "twigs", "gravel", "snap", "fire crack", "pencil"),
    "knocks": ("door knock", "knock", "tap on", "wood block", "wood /", "stone", "table football", "hit"),
    "steps": ("footstep",),
    SPEECH: ("speech",),
    "coughs and sneezes": ("cough", "sneeze", "throat", "laughter", "snoring"),
    "doors and drawers": (
        "drawer", "cupboard", "fridge", "door", "close_door", "open_door", "wooden chest", "wood creak",
    ),
    "latches and tools": (
        "lock", "mechanical latch", "tool", "shears", "reload", "device handling", "cart", "match struck",
    ),
    "clicks": ("mechanical click", "switch", "light switch", "ui click", "ui switch", "ui mouse", "thermostat", "zip"),
    "clocks": ("clock", "watch"),
    "paper and cloth": (
        "page", "book", "cardboard", "package", "playing cards", "tissue", "leaves", "sweeping", "erasing", "cloth",
        "peel", "scraping", "plastic",
    ),
    "things dropped": ("keys", "coin", "pin ", "metal object", "metal hit", "dice", "chess", "finger snap", "clap"),
}  # fmt: skip
ELSEWHERE = "elsewhere"  # sounds that do not occur in a treatment room
# the distractors of the two tests of a detector: a room at home, and a room in which people are treated
TESTS: dict[str, frozenset[str]] = {
    "everyday": frozenset(FAMILIES) - {"doors and drawers", "latches and tools", "things dropped"},
    "clinic-like": frozenset({
        "cutlery and dishes", "crunching", "steps", SPEECH, "coughs and sneezes", "clicks", "paper and cloth",
    }),
}  # fmt: skip
# backgrounds that are not rooms: weather, water and engines; some of them crackle as joints do
_OUTSIDE = ("rain", "sea", "wind", "water", "frying", "boat", "helicopter", "juicer", "blender", "train", "stream")


def broad(what: str) -> str:
    """Return the first two words of a description: "speech digit 3" and "speech digit 4" are one kind."""
    return " ".join(what.lower().replace(",", " ").replace(":", " ").replace("(", " ").split()[:2])


@lru_cache(maxsize=4096)
def family(what: str) -> str:
    """Return the family of a description; `ELSEWHERE` if it belongs to none."""
    known = broad(what)
    for name, beginnings in FAMILIES.items():
        if known.startswith(beginnings):
            return name
    return ELSEWHERE


def is_room(what: str) -> bool:
    """Return whether the description of a background fits a room in which people are treated."""
    return not broad(what).startswith(_OUTSIDE)


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
    """Read ``MANIFEST.csv`` of a sound folder, with the pop onsets of ``pop_onsets.csv``.

    Parameters
    ----------
    folder : Path
    role : str, optional
        Only the sounds of this role, such as ``train`` or ``dev-test``.

    Returns
    -------
    list of Source
        Sorted by path; at least one.

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
            raise TableError(
                f"{manifest}:{line}: path {row['path']!r} is already on line {seen[row['path']]}; a file has one line"
            )
        seen[row["path"]] = line
    onsets = _onsets(folder / MARKS_NAME)
    sources = [
        Source(
            path=folder / row["path"],
            role=row["role"],
            kind=row["kind"],
            what=row["what"],
            group=row["group"],
            licence=row.get("licence", ""),
            sha256=row.get("sha256", ""),
            onsets_s=tuple(sorted(onsets.get(row["path"], ()))),
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
    if not path.is_file():
        return onsets
    for line, row in _rows(path, MARK_COLUMNS, "mark"):
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
