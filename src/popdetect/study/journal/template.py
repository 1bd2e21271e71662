"""A ``session.csv`` to fill in, with one line for each clip, so that nobody types the names of files."""

from __future__ import annotations

import os
from pathlib import Path

from popdetect.errors import UsageError
from popdetect.session.files import OUT_NAME, find_clips, readable, write_text
from popdetect.session.tables import csv_text, read_table
from popdetect.study.fields import session_fields
from popdetect.study.journal.session_table import NAME


def write_template(folder: str | os.PathLike[str]) -> tuple[Path, int]:
    """Write the table beside the clips; where it is, and how many lines it has.

    The clips are those of ``DIR/popdetect/clips.csv``, or what is in the folder where it is not labelled yet.

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
    labelled = root / OUT_NAME / "clips.csv"
    if labelled.exists():
        files = [row["file"] for row in read_table(labelled).rows if row.get("file")]
    else:
        files = [clip.file for clip in find_clips(root).clips]
    # the scale is written out, as it is what the numbers mean
    write_text(
        path, csv_text(tuple(session_fields()), ({"file": file, "pain_scale": "NPRS"} for file in sorted(files)))
    )
    return path, len(files)
