"""Free text that may say who a patient is: what looks like a name, a date, a phone number or an id.

It finds the common forms only. A text without a finding can still identify a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

A_NAME = "a name"
_TITLE = r"(?:Herrn?|Frau|Hr\.|Fr\.|Mrs?\.?|Ms\.?|Miss|Dr\.?|Prof\.?|Mme\.?|Sr\.|Sra\.)"
_WORD = r"[A-ZÀ-ÖØ-ÞŠŽ][a-zà-öø-ÿšž'-]{2,}"
_NAME = re.compile(rf"(?<!\w){_TITLE} ?{_WORD}|(?<!\w){_WORD},? {_WORD}(?!\w)")
_DATE = re.compile(
    r"\bD-[0-9a-z]{8}\b"  # a date that was replaced by a code
    r"|(?<![\w.])(?:0?[1-9]|[12]\d|3[01])\.(?:0?[1-9]|1[0-2])\.(?!\d)"  # 5.3.
    r"|(?<!\w)(?:born|geb\.?|geboren|\*) ?(?:19|20)\d\d\b",
    re.IGNORECASE,
)
_PHONE = re.compile(r"(?<![\w.])(?:\+|00?)[1-9][\d ()/-]{5,}\d(?!\w)")
_MAIL = re.compile(r"\S@\S+\.\w")
_LETTERS = re.compile(r"[^\W\d_]{3,}")
# words of file names that are no names
_USUAL = re.compile(
    r"thrusts?|clips?|takes?|rec(ord(ing)?s?)?|sessions?|left|right|links|rechts|patient|audio|voice|memo|sound|aufnahme"
    r"|sitzung|hvla|neck|back|lumbar|cervical|thoracic|hws|bws|lws|test|new|neu|kopie|copy|track|pops?|the|und|and"
)


def path_names(files: Collection[tuple[str, str]]) -> dict[str, str]:
    """Return the words that stand in the names of one patient's files only, in lower case, with that patient.

    `files` are names of files, relative to the session, each with its patient.
    """
    found: dict[str, set[str]] = {}
    for file, patient in files:
        for word in _LETTERS.findall(file.rsplit(".", 1)[0]):
            found.setdefault(word.casefold(), set()).add(patient)
    return {word: min(of) for word, of in found.items() if len(of) == 1 and not _USUAL.fullmatch(word)}


def looks_like(
    text: str, own: str = "", words: Collection[str] = (), is_patient: Callable[[str], bool] = lambda _: False
) -> list[str]:
    """Return what a text looks like it has in it, in words.

    Parameters
    ----------
    text : str
        As it goes into the journal: ids of the session's patients and dates are replaced already.
    own : str
        Pseudonym of the patient; a text may name it.
    words : collection of str
        Words that are likely to be names, in lower case.
    is_patient : callable
        Whether a word is the id of a patient in the journal.
    """
    found = []
    if _NAME.search(text) or any(word.casefold() in words for word in _LETTERS.findall(text)):
        found.append(A_NAME)
    if _DATE.search(text):
        found.append("a date")
    if _PHONE.search(text):
        found.append("a phone number")
    if _MAIL.search(text):
        found.append("an e-mail address")
    others = [code for code in re.findall(r"\bP-[0-9a-z]{8}\b", text) if code != own]
    tokens = [word for word in re.findall(r"[\w-]{3,}", text) if not word.isdigit() or len(word) > 3]
    if others or any(map(is_patient, tokens)):
        found.append("another patient's id")
    return found
