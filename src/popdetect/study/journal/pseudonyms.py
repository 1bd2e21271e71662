"""Who a patient is, kept out of the journal: keyed pseudonyms, shifted days, and the key they hang on.

A pseudonym is the first 40 bits of HMAC-SHA256 of the patient's id under a key of 256 random bits, written as
``P-7f3a9c2e`` in 8 letters and digits (without i, l, o and u, which are misread). Without the key it cannot be undone
by trying all ids, as a plain hash of "P017" could be within a second. That two of a thousand patients share one happens
in one study of two million. Ids are the same if they differ in capitals or spaces only.

Days are kept as days since a day that the key determines, anywhere from 1900 to 2000. Differences between days are
true; the calendar is not in the journal.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import re
import secrets
import unicodedata
from collections.abc import Iterable
from datetime import date, timedelta
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
# dates in the names of files, as recorders write them: 2024-03-05, 20240305, 20240305141200, 05.03.2024
_Y, _M, _D = r"(?:19|20)\d\d", r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_DATES = re.compile(rf"(?<!\d)(?:{_Y}([-_.]?){_M}\1{_D}|{_D}([-_.]){_M}\2{_Y})(?!\d(?!\d{{3,5}}(?!\d)))")


class Pseudonyms:
    """What the key knows."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        # a day within a hundred years, the same for all journals of this key
        self._day_zero = date(1900, 1, 1) + timedelta(days=int.from_bytes(self._mac("day zero", "")[:8]) % 36_525)
        self._known: dict[str, str] = {}
        self._patterns: dict[str, re.Pattern[str] | None] = {}

    @property
    def check(self) -> str:
        """A value by which a journal knows its key again; it says nothing of the key."""
        return self._mac("check", "").hex()[:16]

    def patient(self, patient_id: str) -> str:
        """``P-7f3a9c2e``."""
        found = self._known.get(patient_id)
        if found is None:
            found = self._known[patient_id] = "P-" + _code(self._mac("patient", _same(patient_id)))
        return found

    def clip(self, session: str, file: str) -> str:
        """By what a clip is known again in the journal: 16 hexadecimal digits that tell nothing of its name."""
        return self._mac("clip", f"{session}/{file}").hex()[:16]

    def day(self, when: date) -> int:
        """Days since the day that the key determines; only differences mean something."""
        return (when - self._day_zero).days

    def date(self, day: int) -> date:
        """Undo `day`."""
        return self._day_zero + timedelta(days=day)

    def redacted(self, text: str, patient_ids: Iterable[str]) -> str:
        """`text` with the ids in it replaced by their pseudonyms, and dates by codes.

        Short ids (of two characters, or five digits) are replaced only where they stand alone: the patient "1" is not
        meant by "clip 10.wav".
        """
        for patient_id in patient_ids:
            pattern = self._pattern(patient_id)
            if pattern is not None:
                text = pattern.sub(self.patient(patient_id), text)
        return _DATES.sub(lambda found: "D-" + _code(self._mac("date", found[0])), text)

    @staticmethod
    def is_telling(patient_id: str) -> bool:
        """Whether an id is one wherever it stands; "12" may be a number of something else."""
        plain = patient_id.strip()
        return len(plain) >= 3 and not (plain.isdigit() and len(plain) < 6)

    def _pattern(self, patient_id: str) -> re.Pattern[str] | None:
        if patient_id not in self._patterns:
            plain = unicodedata.normalize("NFC", patient_id.strip())
            edges = ("", "") if self.is_telling(plain) else (r"(?<![^\W_])", r"(?![^\W_])")
            made = re.compile(edges[0] + re.escape(plain) + edges[1], re.IGNORECASE) if plain else None
            self._patterns[patient_id] = made
        return self._patterns[patient_id]

    def _mac(self, kind: str, text: str) -> bytes:
        return hmac.digest(self._secret, f"{kind}\0{text}".encode(errors="backslashreplace"), "sha256")


def new_code(letter: str) -> str:
    """A code that stands for nothing but itself, such as ``S-7f3a9c2e``."""
    return f"{letter}-{_code(secrets.token_bytes(8))}"


def key_beside(journal: Path) -> Path:
    """Where the key is unless told otherwise: ``STUDY.key`` beside ``STUDY.db``."""
    return journal.with_suffix(".key")


def open_key(path: Path) -> Pseudonyms:
    """Read a key.

    Raises
    ------
    UsageError
        When it is not there, is not a key, or others may read it.
    """
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
    """Make a key that only its owner can read, unless there is one; whether it was made.

    It is there whole or not at all, and of two that make it at once one wins.

    Raises
    ------
    UsageError
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
            os.link(temporary, path)  # unlike a rename, it does not replace what another run has made meanwhile
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


def _code(mac: bytes) -> str:
    number = int.from_bytes(mac[:5])
    return "".join(_LETTERS[number >> shift & 31] for shift in range(35, -1, -_BITS_PER_LETTER))
