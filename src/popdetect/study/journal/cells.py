"""What a cell of ``session.csv`` may say, field by field, and how it is understood.

Each rule takes the cell's text, never empty, and gives the value or raises `ValueError` with what is allowed. Decimal
commas are read as points. Pain is 0 to 10 in whole numbers (NPRS) or 0 to 100 (VAS100).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Final

from popdetect.study.analysis.thrusts import PainScale

Rule = Callable[[str], object]

SCALES: Final[dict[str, PainScale]] = {"NPRS": "NPRS", "VAS100": "VAS100"}
ANSWERS: Final = ("yes", "no", "unsure")

_NUMBER = re.compile(r"[-+]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)")
_ISO = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})")
_DOTTED = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")


def pain(text: str, scale: PainScale) -> float:
    """NPRS or VAS100."""
    if scale == "VAS100":
        return _between(text, 0, 100, "0 to 100 (VAS100)")
    rule = "a whole number 0 to 10 (NPRS)"
    value = _number(text, rule)
    if 10 < value <= 100:
        raise ValueError(f"{rule} is allowed; if pain was asked on a line of 100 mm, write VAS100 as pain_scale")
    return _whole(text, 0, 10, rule)


def scale(text: str) -> PainScale:
    """The name of a scale, in capitals or not."""
    found = SCALES.get(text.upper())
    if found is None:
        raise ValueError("NPRS (0 to 10) or VAS100 (0 to 100) is allowed")
    return found


def expectation(text: str) -> float:
    """From 0, no relief at all, to 10."""
    return _between(text, 0, 10, "0 to 10")


def belief(text: str) -> int:
    """From 1, a pop is not needed, to 5."""
    return _whole(text, 1, 5, "a whole number 1 to 5")


def count(text: str) -> int:
    """Of sessions and thrusts."""
    return _whole(text, 1, 100_000, "a whole number from 1 on")


def answer(text: str) -> str:
    """Yes, no or unsure."""
    if text.lower() not in ANSWERS:
        raise ValueError("yes, no or unsure is allowed; leave it empty where it was not asked")
    return text.lower()


def speed(text: str) -> float:
    """At least 0, in the unit of the header."""
    return _between(text, 0, 1e9, "a number of at least 0, without its unit,")


def day(text: str) -> date:
    """A date, as 2024-03-05 or 5.3.2024; with slashes it would be a guess which number is the month."""
    iso, dotted = _ISO.fullmatch(text), _DOTTED.fullmatch(text)
    try:
        if iso:
            return date(int(iso[1]), int(iso[2]), int(iso[3]))
        if dotted:
            return date(int(dotted[3]), int(dotted[2]), int(dotted[1]))
    except ValueError:
        pass  # the 31st of June
    raise ValueError("a date as YYYY-MM-DD (or DD.MM.YYYY) is allowed")


def text(text: str) -> str:
    """Whatever it says."""
    return text


def looks_like_a_date(cell: str) -> bool:
    """Whether a cell nobody described holds a date, in any of the common forms."""
    return re.fullmatch(r"[0-9]{1,4}([-./])[0-9]{1,2}\1[0-9]{1,4}([ T].*)?", cell) is not None


def _between(text: str, low: float, high: float, rule: str) -> float:
    value = _number(text, rule)
    if not low <= value <= high:
        raise ValueError(f"{rule} is allowed")
    return value


def _whole(text: str, low: int, high: int, rule: str) -> int:
    value = _between(text, low, high, rule)
    if value != int(value):
        raise ValueError(f"{rule} is allowed")
    return int(value)


def _number(text: str, rule: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"not a number; {rule} is allowed")
    return float(text.replace(",", "."))
