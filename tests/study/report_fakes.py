"""Journals of given thrusts, and reports as a parser and a browser see them."""

from __future__ import annotations

import csv
import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import html5lib
import pytest

from popdetect.detection.model import bundle
from popdetect.session.tables import csv_text
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.fields import FIELDS, clip_columns, score_columns
from popdetect.study.journal import journal
from popdetect.study.journal.journal import CLIP, Part
from popdetect.study.journal.pseudonyms import Pseudonyms
from popdetect.study.report.report import Written, write
from popdetect.study.simulation.study import StudyPlan, simulate_study

FULL = StudyPlan(n_patients=30, speed=0.5, missing=0.05, unjudged=0.02, interaction=-0.2, pop_spread=0.5)


KEY = Pseudonyms(b"1" * 32)


def fill(place: Path, thrusts: Sequence[Thrust], sha256: str | None = None) -> Path:
    """A journal of these thrusts, judged by the shipped model unless another is named."""
    model = bundle.load()
    with journal.writing(place, KEY) as book:
        for session in dict.fromkeys(thrust.session for thrust in thrusts):
            book.begin("key", session, lambda run: 0)
        for patient in dict.fromkeys(thrust.patient for thrust in thrusts):
            first = min(thrust.day for thrust in thrusts if thrust.patient == patient)
            book.set_patient(patient, patient, patient, first)
        for i, thrust in enumerate(thrusts):
            number = book.thrust(thrust.session, f"{i}")
            verdict: dict[str, Any] = dict.fromkeys(clip_columns())
            verdict |= {"status": "ok" if thrust.label else "unreadable", "model": thrust.model or model.title}
            verdict |= {"label": thrust.label, "p_pop": thrust.p_pop, "n_pops": thrust.n_pops, "quality": ""}
            verdict |= {"model_sha256": sha256 or model.sha256, "sha256": hashlib.sha256(f"{i}".encode()).hexdigest()}
            book.put(number, CLIP, None, verdict)
            scores: dict[str, Any] = dict.fromkeys(score_columns())
            scores |= {field.name: "" for field in FIELDS if field.kind == "text" and field.name in scores}
            scores |= {column: getattr(thrust, column) for column in scores if hasattr(thrust, column)}
            book.put(number, Part("scores", thrust.time_point), None, scores | {"own": "{}"})
    return place


def report(place: Path, thrusts: Sequence[Thrust], **options: Any) -> tuple[Written, str]:
    """The report of a journal of these thrusts, and its text."""
    done = write(fill(place / "STUDY.db", thrusts), place / "report.html", **options)
    return done, done.path.read_text(encoding="utf-8")


def full_study(seed: int = 1) -> list[Thrust]:
    return simulate_study(FULL, seed=seed)


def parsed(text: str) -> Any:
    """The tree of a page; anything that HTML does not allow is an error."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(text)


def words(tree: Any) -> str:
    """All text that a reader meets, in one line."""
    hidden = {"style", "script", "head"}
    found: list[str] = []

    def walk(node: Any) -> None:
        if str(node.tag).rsplit("}", 1)[-1] in hidden:
            return
        found.append(node.text or "")
        for child in node:
            walk(child)
            found.append(child.tail or "")

    walk(tree)
    return " ".join(" ".join(found).split())


def chromium() -> str:
    """The browser; skips where there is none."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not installed: the report is not looked at in a browser")
    return path


def browse(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the browser without a window and without a network."""
    command = [chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    offline = ["--proxy-server=127.0.0.1:9", "--disable-background-networking"]
    return subprocess.run([*command, *offline, *arguments], capture_output=True, text=True, timeout=180)


def scored_session(folder: Path) -> None:
    """A ``session.csv`` beside labelled clips: what was heard by people follows what the detector heard, mostly."""
    with (folder / "popdetect" / "clips.csv").open(encoding="utf-8", newline="") as handle:
        clips = list(csv.DictReader(handle))
    rows = []
    for i, clip in enumerate(clips):
        heard = "yes" if (clip["label"] == "pop") != (i % 4 == 0) else "no"
        rows.append(
            {
                "file": clip["file"], "patient_id": f"Erika Muster {i % 3}", "pain_before": str(5 + i % 3),
                "pain_after": str(2 + i % 4), "pop_heard_by_patient": heard, "pop_heard_by_therapist": heard,
            }
        )  # fmt: skip
    (folder / "session.csv").write_text(csv_text(list(rows[0]), rows), encoding="utf-8")
