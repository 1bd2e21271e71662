"""Which of a study's many patient ids may stand in a text, without looking for each of them in turn.

Ids are looked up by their length: a text of 40 letters asks for a hundred pieces of itself, whether there are ten
patients or ten thousand. What is found is what might stand there; whether it does is for
`popdetect.study.journal.pseudonyms.Pseudonyms.redacted` to say. Nothing that it would find is missed.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

# the letters beyond ASCII that a pattern without regard to capitals takes for one within: i, i, s, k
_AKIN = frozenset("İıſ\u212a")


class Mentions:
    """The ids of a study.

    Parameters
    ----------
    patient_ids : sequence of str
        As the clinic writes them, in the order in which they are to be replaced.
    """

    def __init__(self, patient_ids: Sequence[str]) -> None:
        self._all = list(patient_ids)
        self._by_length: dict[int, dict[str, list[int]]] = {}
        self._odd: list[int] = []  # ids whose capitals are not plain: always looked for
        for place, patient_id in enumerate(self._all):
            plain = unicodedata.normalize("NFC", patient_id.strip())
            if plain.isascii():
                self._by_length.setdefault(len(plain), {}).setdefault(plain.lower(), []).append(place)
            else:
                self._odd.append(place)

    def within(self, text: str) -> list[str]:
        """The ids that may stand in `text`, in their order."""
        if _AKIN.intersection(text):
            return self._all
        small, found = text.lower(), set(self._odd)
        for length, places in self._by_length.items():
            for start in range(len(small) - length + 1):
                found.update(places.get(small[start : start + length], ()))
        return [self._all[place] for place in sorted(found)]
