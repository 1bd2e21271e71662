"""Kinds of sounds that are not pops, from the words a manifest describes them by; and which a treatment room may hold.

A folder of sounds has many kinds that are rare where people are treated (gates, guns, cockerels) and few that are not.
Scenes are drawn by family, so that what will be heard most is learned from most.
"""

from __future__ import annotations

from functools import lru_cache

SPEECH = "speech"
# family: the beginnings of descriptions, lower case, that belong to it
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
AWAY = "elsewhere"  # what no treatment room holds
# the two tests that a detector is put to: a room at home, and one in which people are treated
TESTS: dict[str, frozenset[str]] = {
    "everyday": frozenset(FAMILIES) - {"doors and drawers", "latches and tools", "things dropped"},
    "clinic-like": frozenset({
        "cutlery and dishes", "crunching", "steps", SPEECH, "coughs and sneezes", "clicks", "paper and cloth",
    }),
}  # fmt: skip
# backgrounds that are no room: weather, water and engines, of which some crackle as joints do
_OUTSIDE = ("rain", "sea", "wind", "water", "frying", "boat", "helicopter", "juicer", "blender", "train", "stream")


def broad(what: str) -> str:
    """The first words of a description: "speech digit 3" and "speech digit 4" are one kind."""
    return " ".join(what.lower().replace(",", " ").replace(":", " ").replace("(", " ").split()[:2])


@lru_cache(maxsize=4096)
def family(what: str) -> str:
    """The family of a description; `AWAY` if none of them."""
    known = broad(what)
    for name, beginnings in FAMILIES.items():
        if known.startswith(beginnings):
            return name
    return AWAY


def is_room(what: str) -> bool:
    """Whether a background, by its description, could be that of a room in which somebody is treated."""
    return not broad(what).startswith(_OUTSIDE)
