"""Test doubles for training: a bank of one known sound, examples in memory, a model fitted to them once."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from popdetect.records import Label
from popdetect.session import corrections
from popdetect.session.corrections import Correction
from popdetect.session.files import write_text
from popdetect.session.labels import Truth
from popdetect.session.tables import csv_text
from popdetect.training.data.dsp import Rng, Sound
from popdetect.training.data.scenes import Scene, SceneRule, compose
from popdetect.training.data.sounds import Burst, Named, SoundBank
from popdetect.training.models import estimators, fitting
from popdetect.training.models.fitting import Example, Fitted

LOGISTIC = estimators.ESTIMATORS[:1]
N_GROUPS = 6


class OneSound(SoundBank):
    """Every pop is the same 5 ms, loud from its first sample; the room is silent, or a hiss."""

    def __init__(self, hiss: float = 0.0, distractor: Sound | None = None) -> None:
        time_ms = np.arange(240) / 48
        self.pop = (np.cos(2 * np.pi * 2.5 * time_ms) * 10 ** (-time_ms / 1.5)).astype(np.float32)
        self._hiss = hiss
        self._distractor = distractor

    def pops(self, rng: Rng, n: int) -> Burst:
        return Burst([self.pop] * n, "click", "pops", [np.inf] * n, [0.0] * n)

    def distractor(self, rng: Rng) -> Named:
        assert self._distractor is not None, "no distractor was asked for"
        return Named(self._distractor, "thing", "things")

    def background(self, rng: Rng, n: int) -> Named:
        return Named(rng.standard_normal(n).astype(np.float32) * np.float32(self._hiss), "hiss", "rooms")

    def room(self, rng: Rng) -> Sound:
        return np.array([1.0], np.float32)


class Says:
    """A classifier that gives all rows the same log-odds."""

    def __init__(self, logit: float) -> None:
        self._logit = logit

    def logit(self, rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.full(len(rows), self._logit)


class _Sound:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def __call__(self) -> tuple[npt.NDArray[np.float32], int]:
        return self._scene.samples[:, None], self._scene.rate_hz


@lru_cache(maxsize=4)
def examples(n: int = 60, rates_hz: tuple[int, ...] = (48_000,)) -> tuple[Example, ...]:
    """Clips of one second, of six groups."""
    rule = SceneRule(duration_s=1.0, max_distractors=2, pop_db=(25.0, 45.0), rates_hz=rates_hz)
    made = []
    for i in range(n):
        scene = compose(np.random.default_rng([8, i]), SoundBank(), rule)
        made.append(Example(f"{i:02d}.wav", f"p{i % N_GROUPS}", bool(scene.onsets_s), scene.onsets_s, _Sound(scene)))
    return tuple(made)


@lru_cache(maxsize=1)
def fitted() -> Fitted:
    return fitting.fit(examples(), name="small", version="1", strategies=LOGISTIC)


def answered(folder: Path, given: Sequence[Correction]) -> Path:
    """The folder, with these answers in it."""
    (folder / "popdetect").mkdir(parents=True, exist_ok=True)
    text = csv_text(corrections.COLUMNS, map(corrections.row, given))
    write_text(folder / "popdetect" / corrections.NAME, text)
    return folder


def said(file: str, label: Label, rater: str = "anna", onsets_s: tuple[float, ...] = (), at: int = 0) -> Correction:
    return Correction(file, label, onsets_s, rater, f"2026-03-01T10:00:{at:02d}Z")


def corrected_copy(practice: Path, folder: Path, truths: Sequence[Truth]) -> Path:
    """The clips of `practice`, each answered with its truth, and who they are of in a ``session.csv``."""
    shutil.copytree(practice, folder)
    (folder / "labels.csv").unlink()
    rows = [{"file": truth.file, "Patient ID": truth.patient_id} for truth in truths]
    write_text(folder / "session.csv", csv_text(("file", "Patient ID"), rows))
    return answered(folder, [said(t.file, t.label, onsets_s=t.onsets_s or ()) for t in truths])
