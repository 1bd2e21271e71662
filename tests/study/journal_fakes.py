"""Sessions as ``popdetect label`` and a clinic leave them, without sound; and programs that die while they log."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from popdetect.session.clips import CLIP_COLUMNS
from popdetect.session.tables import csv_text
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.journal.journal import thrusts
from popdetect.study.journal.logging import Logged, log
from popdetect.study.journal.pseudonyms import key_beside, open_key

CLINIC = "Praxis Sonnenhof"
HEADER = ("file", "patient_id", "pain_before", "pain_after")


def write_clips(folder: Path, files: Sequence[str], **changed: Mapping[str, str]) -> None:
    """``clips.csv``; `changed` has cells of single files, by their stems."""
    rows = []
    for i, file in enumerate(files):
        label = ("pop", "no_pop", "uncertain")[i % 3]
        row = {
            "file": file, "status": "ok", "label": label, "p_pop": f"{0.9 - 0.4 * (i % 3):.4f}",
            "n_pops": str(int(label == "pop")), "duration_s": "2.000", "sample_rate_hz": "48000", "channels": "1",
            "error": f"/home/{CLINIC}/secret", "model": "default-1", "model_sha256": "ab" * 32,
            "popdetect_version": "0.1.0", "sha256": hashlib.sha256(f"{folder.name}/{file}".encode()).hexdigest(),
        }  # fmt: skip
        rows.append(row | dict(changed.get(Path(file).stem, {})))
    (folder / "popdetect").mkdir(parents=True, exist_ok=True)
    (folder / "popdetect" / "clips.csv").write_text(csv_text(CLIP_COLUMNS, rows), encoding="utf-8")


def write_scores(folder: Path, rows: Sequence[Mapping[str, str]]) -> None:
    columns = list(dict.fromkeys([*HEADER, *(column for row in rows for column in row)]))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "session.csv").write_text(csv_text(columns, rows), encoding="utf-8")


def scores(n: int = 6) -> list[dict[str, str]]:
    return [
        {"file": f"c{i:02}.wav", "patient_id": f"Patient{i % 3}", "pain_before": str(4 + i % 5), "pain_after": "2"}
        for i in range(n)
    ]


def make_session(place: Path, n: int = 6, name: str = "session 7") -> Path:
    """A session of `n` clips of three patients, labelled and scored."""
    folder = place / CLINIC / name
    write_clips(folder, [row["file"] for row in scores(n)])
    write_scores(folder, scores(n))
    return folder


def told(logged: Logged) -> tuple[int, int, int, bool]:
    return logged.n_new, logged.n_filled, len(logged.changes), logged.written


def bare(journal: Path) -> list[Thrust]:
    """The thrusts, each session's code aside, which is drawn by chance, and the clip's, which depends on it."""
    return [replace(thrust, session="", file="") for thrust in thrusts(journal)]


def code_of(journal: Path, session: str, name: str) -> str:
    """The code of a clip in the journal."""
    return f"C-{open_key(key_beside(journal)).clip(session, name)}"


def by_name(journal: Path, names: Sequence[str]) -> dict[str, Thrust]:
    """The thrusts of clips that have these names, in any session."""
    found = thrusts(journal)
    return {name: t for t in found for name in names if t.file == code_of(journal, t.session, name)}


def run(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, which may be killed."""
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


__all__ = [
    "CLINIC",
    "bare",
    "by_name",
    "code_of",
    "log",
    "make_session",
    "run",
    "scores",
    "told",
    "write_clips",
    "write_scores",
]
