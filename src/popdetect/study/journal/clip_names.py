"""Names of clips in ``session.csv``, and the clips of the session that they mean.

People retype names: in capitals, with backslashes, without ``.wav``. A name that is no clip exactly means the one
clip that differs in letter case only, or else the one whose extension is missing in the table. Where several clips are
possible, none is meant. Names with accents are compared composed (macOS decomposes them).
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

FULL_PATH = "a full path"
UPWARDS = "a path with '..'"
_FULL_PATH = re.compile(r"/|~|[A-Za-z]:/|file:", re.IGNORECASE)


def clip_name(text: str) -> str:
    """Name of a clip as tables have it: relative, with ``/``, accents composed."""
    name = unicodedata.normalize("NFC", text.strip()).replace("\\", "/")
    return re.sub(r"^(\./)+", "", name)


def leads_elsewhere(name: str) -> str:
    """Return in words why a name, as `clip_name` gives it, leads out of the session folder; empty if it does not.

    Such paths are refused, because they name folders, computers and people.
    """
    if _FULL_PATH.match(name):
        return FULL_PATH
    return UPWARDS if ".." in name.split("/") else ""


def meant(names: Iterable[str], clips: Collection[str]) -> dict[str, str]:
    """Return the clip that each name means, for the names that mean one; both as `clip_name` gives them."""
    by_case: dict[str, list[str]] = defaultdict(list)
    by_stem: dict[str, list[str]] = defaultdict(list)
    for clip in clips:
        by_case[_folded(clip)].append(clip)
        by_stem[_folded(_without_extension(clip))].append(clip)
    there = set(clips)
    found = {}
    for name in names:
        folded = _folded(name)
        possible = [name] if name in there else by_case.get(folded) or by_stem.get(folded, [])
        if len(possible) == 1:
            found[name] = possible[0]
    return found


def nearest(names: Collection[str], clips: Iterable[str], n_most: int = 5) -> Mapping[str, str]:
    """Return the most similar clip for the first few names; comparing all would take long."""
    few = {_folded(clip): clip for clip in list(clips)[:500]}
    near = {name: difflib.get_close_matches(_folded(name), few, 1, 0.6) for name in list(names)[:n_most]}
    return {name: few[found[0]] for name, found in near.items() if found}


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())


def _without_extension(name: str) -> str:
    return re.sub(r"(?<=[^/])\.[^./]+$", "", name)
