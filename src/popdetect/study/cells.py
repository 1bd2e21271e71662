"""What people and spreadsheets write in the cells of a table: words for yes, no and "not asked", and dates.

Only what has one meaning is understood: ``ja`` is yes, ``k.A.`` is "not asked", ``03.03.26`` is a date. A date with
slashes can be day first or month first; `day_first` decides it for a whole column, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

# Excel writes a logical value in the language of the computer: TRUE, WAHR, VRAI, VERDADERO, VERO, WAAR
_WORDS: Final = {
    "yes": "yes y ja j oui si sì sí 1 true wahr vrai verdadero vero waar",
    "no": "no n nein non nee 0 false falsch faux falso onwaar",
    "unsure": "unsure unsicher incertain",
}
_ANSWERS: Final = {word: answer for answer, words in _WORDS.items() for word in words.split()}
_NOT_ASKED: Final = frozenset(("na", "n/a", "n.a.", "#n/a", "#nv", "-", "--", "---", "–", "—", "k.a.", "k. a.", "k.a"))
_NO_EVENT: Final = frozenset((
    "none", "nil", "no", "n", "0", "nein", "kein", "keine", "keiner", "keines", "non", "aucun", "aucune", "ninguno",
    "ninguna", "nessuno", "nessuna", "nee", "geen",
))  # fmt: skip

_TIME = re.compile(r"[T ]+[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?$")
_YEAR_FIRST = re.compile(r"([0-9]{4})([-./])([0-9]{1,2})\2([0-9]{1,2})|([0-9]{4})([0-9]{2})([0-9]{2})")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-./])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})")
_SERIAL = re.compile(r"[3-6][0-9]{4}(\.[0-9]+)?")
_SERIAL_ZERO = date(1899, 12, 30)  # day 0 of Excel's serial dates, right from March 1900 on
_LAST_SHORT_YEAR = 68  # 69 to 99 could be 19xx


def answer(cell: str) -> str | None:
    """Return ``yes``, ``no`` or ``unsure`` for a word that means it, in any letter case; else None."""
    return _ANSWERS.get(cell.casefold())


def is_not_asked(cell: str) -> bool:
    """Return whether a cell says that there is no answer, such as ``NA``, ``-`` or ``k.A.``."""
    return cell.casefold() in _NOT_ASKED


def is_no_event(cell: str) -> bool:
    """Return whether a cell says that nothing happened, such as ``keine``, ``none`` or ``0``."""
    return cell.casefold().rstrip(".") in _NO_EVENT or is_not_asked(cell)


def is_serial_date(cell: str) -> bool:
    """Return whether a date is a number of days, as Excel shows a date in a cell without a date format."""
    return _SERIAL.fullmatch(cell) is not None


def has_two_readings(cell: str) -> bool:
    """Return whether a date has slashes or hyphens with the year last, so that day or month may be first."""
    found = _YEAR_LAST.fullmatch(_TIME.sub("", cell))
    return found is not None and found[2] != "."


def day_first(cells: Iterable[str]) -> bool | None:
    """Return whether the day is first in the dates with slashes or hyphens of a column; None if that is not clear.

    It is clear if only one order gives a date in every cell, or if both orders give the same dates.
    """
    unclear = [cell for cell in cells if has_two_readings(cell)]
    readings = [[_year_last(_TIME.sub("", cell), order) for cell in unclear] for order in (True, False)]
    possible = [None not in dates for dates in readings]
    if possible[0] != possible[1]:
        return possible[0]
    return True if possible[0] and readings[0] == readings[1] else None


def read_date(cell: str, day_is_first: bool | None = None) -> date | None:
    """Return the date in a cell, or None if there is none with one meaning.

    Read are ``2026-03-03``, ``2026/03/03``, ``20260303``, ``3.3.2026``, ``3.3.26``, each with a time behind it, and
    Excel's number of days (``46084``). With `day_is_first` given, also ``03/03/2026`` and ``03-03-2026``.
    """
    if is_serial_date(cell):
        return _SERIAL_ZERO + timedelta(days=int(float(cell)))
    plain = _TIME.sub("", cell)
    if found := _YEAR_FIRST.fullmatch(plain):
        return _valid(found[1] or found[5], found[3] or found[6], found[4] or found[7])
    if has_two_readings(plain):
        return None if day_is_first is None else _year_last(plain, day_is_first)
    return _year_last(plain, True)


def _year_last(plain: str, day_is_first: bool) -> date | None:
    found = _YEAR_LAST.fullmatch(plain)
    if found is None:
        return None
    year = found[4]
    if len(year) == 2:
        if int(year) > _LAST_SHORT_YEAR:
            return None
        year = f"20{year}"
    return _valid(year, found[3], found[1]) if day_is_first else _valid(year, found[1], found[3])


def _valid(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:  # the 31st of June
        return None
