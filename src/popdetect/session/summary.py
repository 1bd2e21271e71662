"""What a run over a folder did, for whoever asked for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    folder, out : Path
    n_clips, n_new, n_skipped : int
        All; judged in this run; remembered from an earlier one.
    n_by_label : mapping of str to int
        Clips per label, of those that could be judged; every label is there.
    n_failed : int
    failed : tuple of (str, str)
        File and error.
    uncertain : tuple of str
        Files that a person should hear.
    n_pops : int
        In all clips together.
    seconds : float
    written : tuple of Path
        The tables, and the folder of each format's label files.
    unlisted : tuple of (str, str)
        Folders that could not be looked into, and why.
    """

    folder: Path
    out: Path
    n_clips: int
    n_new: int
    n_skipped: int
    n_by_label: Mapping[str, int]
    n_failed: int
    failed: tuple[tuple[str, str], ...]
    uncertain: tuple[str, ...]
    n_pops: int
    seconds: float
    written: tuple[Path, ...]
    unlisted: tuple[tuple[str, str], ...] = ()
