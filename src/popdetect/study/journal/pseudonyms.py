"""Keyed pseudonyms instead of patient ids, shifted days instead of dates, and the key file of a study.

A pseudonym is the first 40 bits of HMAC-SHA256 of the patient's id under a key of 256 random bits, written as
``P-7f3a9c2e`` in 8 letters and digits (without i, l, o and u, which are misread). Without the key nobody can find the
id by trying all ids, as is possible for a plain hash. Two of a thousand patients share a pseudonym in one study of two
million. Ids that differ only in capitals or spaces are the same.

Dates become days since a day between 1900 and 2000 that the key determines, another one for each patient. Differences
between the days of one patient are true; the journal has no dates. A day of logging, or of an answer, has a shift of
its own, so that a known one says nothing about the days of a visit.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

from popdetect.errors import UsageError
from popdetect.session.files import read_bytes, readable

_BITS_PER_LETTER, _LETTERS = 5, "0123456789abcdefghjkmnpqrstvwxyz"
_KEY = re.compile(r"^key ([0-9a-f]{64})$", re.MULTILINE)
_EXPLAINED = """\
# popdetect: the key of a study.
# It turns patient ids into the pseudonyms of the journal. Who has this file and the journal can find out which
# pseudonym is which id; who has the journal alone cannot. So keep it apart from the journal: do not send it along,
# do not publish it. Keep a copy in a safe place: without it the same patient is not recognised in the next session.
key {key}
"""
# the letters beyond ASCII that match ASCII letters in a pattern without regard to case: i, i, s, k
_SPECIAL_CASES = frozenset("İıſ\u212a")
# dates as people and recorders write them: 2024-03-05, 20240305, 20240305141200, 05.03.2024, 5/3/24, 5. März 2024,
# March 5th, 05-Mar-24
_Y, _M, _D = r"(?:19|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_m, _d, _y = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])", r"(?:(?:19|20)?\d\d)"
_MONTH = (
    r"(?:Jan(?:uary?|uar)?|Jän(?:ner)?|Feb(?:ruary?|ruar)?|Mar(?:ch)?|März|Mär|Apr(?:il)?|May|Mai|June?|Juni?|July?|Juli?"
    r"|Aug(?:ust)?|Sept?(?:ember)?|O[ck]t(?:ober)?|Nov(?:ember)?|De[cz](?:ember)?)"
)
_DATES = re.compile(
    rf"(?<!\d)(?:{_Y}([-_.]?){_M}\1{_D}|{_D}([-_.]){_M}\2{_Y})(?!\d(?!\d{{3,5}}(?!\d)))"
    rf"|(?<![\w./-])(?:{_Y}([-_./]){_m}\3{_d}|{_d}([-_./] ?){_m}\4{_y}|{_m}([-/]){_d}\5{_y})(?![\w/])"
    rf"|(?<!\w){_d}(?:\.|st|nd|rd|th)?[ -]?{_MONTH}\b\.?(?:[ ,-]*{_y}\b)?"
    rf"|(?<!\w){_MONTH}\.? {_d}(?:st|nd|rd|th)?\b(?:,? ?{_Y}\b)?"
    rf"|(?<!\w){_MONTH}\.? {_Y}\b"
)
_CENTURY = date(1900, 1, 1).toordinal()


class Pseudonyms:
    """Pseudonyms, days and redaction under one key."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._day_zeros: dict[str, int] = {}
        self._known: dict[str, str] = {}
        self._patterns: dict[str, re.Pattern[str] | None] = {}

    @property
    def check(self) -> str:
        """Value by which a journal recognises its key; it reveals nothing about the key."""
        return self._mac("check", "").hex()[:16]

    def patient(self, patient_id: str) -> str:
        """Return the pseudonym, such as ``P-7f3a9c2e``."""
        found = self._known.get(patient_id)
        if found is None:
            found = self._known[patient_id] = "P-" + _code(self._mac("patient", _same(patient_id)))
        return found

    def clip(self, session: str, file: str) -> str:
        """Return the code of a clip in the journal: 16 hexadecimal digits that reveal nothing about its name."""
        return self._mac("clip", f"{session}/{file}").hex()[:16]

    def near(self, patient_id: str) -> str:
        """Return a code that ids have in common if they differ only in leading zeros, spaces and hyphens."""
        return self._mac("near", _near(patient_id)).hex()[:16]

    def rater(self, name: str) -> str:
        """Return the code of a person who reviewed clips, such as ``R-7f3a9c2e``."""
        return "R-" + _code(self._mac("rater", _same(name)))

    def day(self, when: date, of: str) -> int:
        """Days since the day that the key determines for `of`; only differences are meaningful.

        `of` is a patient's pseudonym for the day of a visit, and another text for other days.
        """
        return when.toordinal() - self._day_zero(of)

    def date(self, day: int, of: str) -> date:
        """Return the date of a `day`."""
        return date.fromordinal(self._day_zero(of) + day)

    def day_moved(self, of: str) -> int:
        """Return the difference between `day` and that of journals before format 4, which had one shift for all."""
        return self._day_zero("") - self._day_zero(of)

    def redacted(self, text: str, patient_ids: Iterable[str]) -> str:
        """Replace the ids in a text by their pseudonyms, and dates by codes.

        Short ids (of two characters, or five digits) are replaced only as separate words: "clip 10.wav" does not name
        the patient "1".
        """
        for patient_id in patient_ids:
            pattern = self._pattern(patient_id)
            if pattern is not None:
                text = pattern.sub(self.patient(patient_id), text)
        return _DATES.sub(lambda found: "D-" + _code(self._mac("date", found[0])), text)

    @staticmethod
    def is_distinct(patient_id: str) -> bool:
        """Return whether a text with this id means the patient; "12" may be another number."""
        plain = patient_id.strip()
        return len(plain) >= 3 and not (plain.isdigit() and len(plain) < 6)

    def _pattern(self, patient_id: str) -> re.Pattern[str] | None:
        if patient_id not in self._patterns:
            plain = unicodedata.normalize("NFC", patient_id.strip())
            edges = ("", "") if self.is_distinct(plain) else (r"(?<![^\W_])", r"(?![^\W_])")
            made = re.compile(edges[0] + re.escape(plain) + edges[1], re.IGNORECASE) if plain else None
            self._patterns[patient_id] = made
        return self._patterns[patient_id]

    def _day_zero(self, of: str) -> int:
        """Ordinal of a day within a hundred years, the same for all journals of this key."""
        if of not in self._day_zeros:
            days = int.from_bytes(self._mac("day zero", of)[:8]) % 36_525
            self._day_zeros[of] = _CENTURY + days
        return self._day_zeros[of]

    def _mac(self, kind: str, text: str) -> bytes:
        return hmac.digest(self._secret, f"{kind}\0{text}".encode(errors="backslashreplace"), "sha256")


class Mentions:
    """Find which of many patient ids a text may hold, faster than by a pattern for each; in the order given."""

    def __init__(self, patient_ids: Sequence[str]) -> None:
        self._all = list(patient_ids)
        plain = [unicodedata.normalize("NFC", patient_id.strip()) for patient_id in patient_ids]
        # an id beyond ASCII may match in several spellings: it is always returned
        self._small = [text.lower() if text.isascii() else "" for text in plain]
        self._known: dict[str, list[str]] = {}

    def within(self, text: str) -> list[str]:
        """Return the ids that may be in `text`, in their order; `Pseudonyms.redacted` decides."""
        if _SPECIAL_CASES.intersection(text):
            return self._all
        found = self._known.get(text)
        if found is None:
            small = text.lower()
            found = [patient for patient, id_ in zip(self._all, self._small, strict=True) if id_ in small]
            self._known[text] = found
        return found


def new_code(letter: str) -> str:
    """Return a random code, such as ``S-7f3a9c2e``."""
    return f"{letter}-{_code(secrets.token_bytes(8))}"


def key_beside(journal: Path) -> Path:
    """Return the default place of the key: ``STUDY.key`` beside ``STUDY.db``."""
    return journal.with_suffix(".key")


def may_write(place: Path, journal: Path, *, force: bool, what: str) -> None:
    """Raise UsageError if `place` exists and `force` is not given, or is the journal or its key."""
    if not os.path.lexists(place):
        return
    name = readable(str(place))
    for kept in (journal, key_beside(journal)):
        if kept.exists() and place.exists() and place.samefile(kept):
            raise UsageError(f"{name}: a file of the study; {what} never replaces it: choose another name")
    if not force:
        raise UsageError(f"{name}: exists already; --force replaces it")


def open_key(path: Path) -> Pseudonyms:
    """Read a key; raises UsageError if it does not exist, is not a key, or others can read it."""
    name = readable(str(path))
    raw = read_bytes(path)
    found = _KEY.search(raw.decode("utf-8", "replace"))
    if found is None:
        raise UsageError(f"{name}: not a key of popdetect; a line 'key' with 64 hexadecimal digits is expected in it")
    mode = path.stat().st_mode & 0o777
    if os.name == "posix" and mode & 0o077:
        raise UsageError(
            f"{name}: others can read this key (its mode is {mode:04o}); run: chmod 600 {name}   (a disk without "
            "permissions, such as a USB stick, is no place for a key: keep it elsewhere and name it with --key)"
        )
    return Pseudonyms(bytes.fromhex(found[1]))


def make_key(path: Path) -> bool:
    """Make a key that only its owner can read, unless there is one; return whether it was made.

    The file is written completely or not at all; if two runs make it at once, one of them succeeds. Raises UsageError.
    """
    if os.path.lexists(path):
        return False
    temporary = path.parent / f".{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as handle:
            handle.write(_EXPLAINED.format(key=secrets.token_hex(32)))
            handle.flush()
            os.fsync(handle.fileno())
        try:
            os.link(temporary, path)  # unlike a rename, it does not replace the key of another run
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            temporary.rename(path)
    except OSError as error:
        name = readable(str(path))
        raise UsageError(f"{name}: a key cannot be made there: {error.strerror}; choose a place with --key") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return True


def _same(patient_id: str) -> str:
    folded = unicodedata.normalize("NFC", patient_id).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


def _near(patient_id: str) -> str:
    text = re.sub(r"(?<=\d)\.0$", "", _same(unicodedata.normalize("NFKC", patient_id)))  # 1 as Excel's 1.0
    text = re.sub(r"(?<=\d)[\s_./-]+(?=\d)", "-", text)  # 1-1 is not 11
    text = re.sub(r"(?<!\d)[\s_./-]+|[\s_./-]+(?!\d)", "", text)
    return re.sub(r"(?<!\d)0+(?=\d)", "", text)


def _code(mac: bytes) -> str:
    number = int.from_bytes(mac[:5])
    return "".join(_LETTERS[number >> shift & 31] for shift in range(35, -1, -_BITS_PER_LETTER))
