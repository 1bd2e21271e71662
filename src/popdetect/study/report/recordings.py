"""Recordings of a journal that are in labelled session folders, and the events to mark in them.

A recording belongs to the journal if its sha256 is in it. The sha256 of the file is computed again before the recording
is shown. Events are those of the session if it was labelled by the model of the journal's verdict; otherwise only the
first and the last pop are known. Times are in seconds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from popdetect.detection.model.bundle import OperatingPoint
from popdetect.errors import UsageError
from popdetect.records import Event
from popdetect.session.clips import LabelledClip
from popdetect.session.files import read_bytes, readable
from popdetect.session.session import Session
from popdetect.study.journal.journal import Values


@dataclass(frozen=True, slots=True)
class KnownClip:
    """A clip of the journal, and the session it is in."""

    session: Session
    clip: LabelledClip

    def sound(self) -> bytes | None:
        """Return the bytes of the file; None if it is missing, unreadable or changed since."""
        path = self.session.sounds.get(self.clip.file)
        if path is None:
            return None
        try:
            raw = read_bytes(path)
        except UsageError:
            return None
        return raw if hashlib.sha256(raw).hexdigest() == self.clip.sha256 else None

    def events(self, record: Values) -> tuple[Event, ...]:
        """Return the events behind the journal's verdict; none if another model labelled the session since."""
        same = self.clip.model_sha256 == record["model_sha256"] and self.clip.label == (record["label"] or "")
        return self.clip.events if same else ()


@dataclass(frozen=True, slots=True)
class KnownClips:
    """What session folders have of a journal.

    Attributes
    ----------
    by_sha256 : mapping of str to KnownClip
    points : mapping of str to (str, OperatingPoint)
        By the sha256 of the model: name and thresholds of the operating point of the run.
    """

    by_sha256: Mapping[str, KnownClip]
    points: Mapping[str, tuple[str, OperatingPoint]]


def find_known(folders: Sequence[str | os.PathLike[str]], known: set[str]) -> KnownClips:
    """Look into session folders for clips whose sha256 is `known`.

    Raises
    ------
    UsageError
        For a folder that is missing, is not labelled, or has no clip of the journal.
    """
    clips: dict[str, KnownClip] = {}
    points: dict[str, tuple[str, OperatingPoint]] = {}
    for folder in folders:
        session = Session.read(folder)
        own = {clip.sha256: KnownClip(session, clip) for clip in session.clips if clip.sha256 in known}
        if not own:
            raise UsageError(
                f"{readable(str(Path(folder)))}: none of its clips is in the journal; is it a session of another "
                "study, or not logged yet?"
            )
        clips |= own
        if session.operating_point is not None:
            points[session.clips[0].model_sha256] = session.operating_point
    return KnownClips(clips, points)
