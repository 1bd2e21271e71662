"""What a field of a JSON file may hold, said as data: ``Number(0, 1)``, ``ListOf(Text())``, ``Fields({...})``.

Each kind answers one question: what is wrong with this value? The answer is one line that names the field, what it
holds and what is allowed, or an empty text. Nothing is converted, and nothing is mended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

MAX_TEXT = 255  # characters of a name
MAX_NESTING = 20  # levels; a bundle has five, and Python's own readers give up at some hundreds
_MAX_TOLD = 40


class Kind(Protocol):
    """Anything that tells what is wrong with a value."""

    def flaw(self, value: object, field: str) -> str:
        """What is wrong, in one line; empty if nothing is."""
        ...


def told(value: object) -> str:
    """A value as a message shows it: short, on one line, in the words of JSON."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return "NaN" if value != value else f"{value:g}"
    if isinstance(value, (int, str)):
        text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
        return text if len(text) <= _MAX_TOLD else f"{text[:_MAX_TOLD]}…"
    return "an object" if isinstance(value, Mapping) else "a list"


def refused(field: str, value: object, allowed: str) -> str:
    """The line that all kinds share."""
    return f"{field} is {told(value)}; allowed is {allowed}"


def _inside(field: str, key: str) -> str:
    name = key[:_MAX_TOLD] if key.isprintable() else ascii(key)[:_MAX_TOLD]
    return f"{field}.{name}" if field else name


@dataclass(frozen=True, slots=True)
class Number:
    """A number from `low` to `high`, both included, never NaN; a `whole` one is written without a point."""

    low: float
    high: float
    whole: bool = False

    def flaw(self, value: object, field: str) -> str:
        """See `Kind`."""
        of_kind = isinstance(value, int) or (isinstance(value, float) and not self.whole)
        # true is an int to Python; and an int too large for a float can still be compared
        if of_kind and not isinstance(value, bool) and self.low <= value <= self.high:  # type: ignore[operator]
            return ""
        return refused(field, value, f"a {'whole ' * self.whole}number from {self.low:g} to {self.high:g}")


@dataclass(frozen=True, slots=True)
class Text:
    """A name that can be printed on one line."""

    def flaw(self, value: object, field: str) -> str:
        """See `Kind`."""
        if isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable():
            return ""
        return refused(field, value, f"a text of 1 to {MAX_TEXT} printable characters")


@dataclass(frozen=True, slots=True)
class Word:
    """One of a few words."""

    words: tuple[str, ...]

    def flaw(self, value: object, field: str) -> str:
        """See `Kind`."""
        if isinstance(value, str) and value in self.words:
            return ""
        return refused(field, value, " or ".join(map(repr, self.words)))


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of `least` to `most` values of one kind."""

    kind: Kind
    least: int
    most: int

    def flaw(self, value: object, field: str) -> str:
        """See `Kind`."""
        allowed = f"a list of {self.least} to {self.most}"
        if not isinstance(value, list):
            return refused(field, value, allowed)
        if not self.least <= len(value) <= self.most:
            return f"{field} is a list of {len(value)}; allowed is {allowed}"
        flaws = (self.kind.flaw(one, f"{field}[{index}]") for index, one in enumerate(value))
        return next(filter(None, flaws), "")


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with all of these fields; with `others` besides them, or with none."""

    kinds: Mapping[str, Kind]
    others: bool = False

    def flaw(self, value: object, field: str) -> str:
        """See `Kind`."""
        if not isinstance(value, dict):
            return refused(field, value, "an object")
        for key, kind in self.kinds.items():
            name = _inside(field, key)
            found = kind.flaw(value[key], name) if key in value else f"{name!r} is missing"
            if found:
                return found
        unknown = () if self.others else value.keys() - self.kinds.keys()
        return f"{_inside(field, min(unknown))} is unknown; allowed are {', '.join(self.kinds)}" if unknown else ""


@dataclass(frozen=True, slots=True)
class Named:
    """An object of any names, all with values of one kind."""

    kind: Kind

    def flaw(self, value: object, field: str) -> str:
        """See `Kind`."""
        if not isinstance(value, dict):
            return refused(field, value, "an object")
        for name, one in value.items():
            found = Text().flaw(name, f"a name in {field}") or self.kind.flaw(one, _inside(field, name))
            if found:
                return found
        return ""


@dataclass(frozen=True, slots=True)
class ByKind:
    """An object whose field ``kind`` says which fields the others are."""

    kinds: Mapping[str, Kind]

    def flaw(self, value: object, field: str) -> str:
        """See `Kind`."""
        first = Fields({"kind": Word(tuple(self.kinds))}, others=True).flaw(value, field)
        return first or self.kinds[value["kind"]].flaw(value, field)  # type: ignore[index]


def oddity(value: object) -> str:
    """What JSON should not hold anywhere: NaN and infinity, half characters, and a nesting without end."""
    waiting: list[tuple[object, str, int]] = [(value, "", 0)]
    while waiting:  # not by recursion, which is what a deep nesting would break
        one, field, level = waiting.pop()
        if isinstance(one, float) and not isfinite(one):
            return refused(field, one, "a finite number")
        if isinstance(one, str) and not one.isascii() and any("\ud800" <= sign <= "\udfff" for sign in one):
            return refused(field, one, "a text that can be written as UTF-8")
        if not isinstance(one, (dict, list)):
            continue
        if level >= MAX_NESTING:
            return f"{field[:_MAX_TOLD]}… is nested deeper than {MAX_NESTING} levels, the most that is allowed"
        if isinstance(one, dict):
            keys = [(key, "a name in " + (field or "it"), level + 1) for key in one if not key.isascii()]
            waiting += [*keys, *((inner, _inside(field, key), level + 1) for key, inner in one.items())]
        else:
            waiting += [(inner, f"{field}[{index}]", level + 1) for index, inner in enumerate(one)]
    return ""
