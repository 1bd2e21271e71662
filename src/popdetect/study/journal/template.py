"""A ``session.csv`` to fill in, with one line for each clip, so that nobody types the names of files."""

from __future__ import annotations

import os
from pathlib import Path

from popdetect.errors import UsageError
from popdetect.session.files import find_clips, readable, write_text
from popdetect.session.session import Session, is_labelled
from popdetect.session.tables import csv_text
from popdetect.study.fields import session_fields
from popdetect.study.journal.session_table import NAME


def write_template(folder: str | os.PathLike[str]) -> tuple[Path, int]:
    """Write the table beside the clips; where it is, and how many lines it has.

    The clips are those of the labelled session, or the recordings in the folder if it is not labelled yet.

    Raises
    ------
    UsageError
        When there is a table already; what was typed into it is never overwritten.
    NothingFound
        When there is no clip.
    """
    root = Path(folder)
    path = root / NAME
    if os.path.lexists(path):
        raise UsageError(
            f"{readable(str(path))}: is there already and is not overwritten; move it away to get a new one"
        )
    if is_labelled(root):
        files = [clip.file for clip in Session.read(root).clips]
    else:
        files = [clip.file for clip in find_clips(root).clips]
    # the scale is written out, as it is what the numbers mean
    write_text(
        path, csv_text(tuple(session_fields()), ({"file": file, "pain_scale": "NPRS"} for file in sorted(files)))
    )
    return path, len(files)
