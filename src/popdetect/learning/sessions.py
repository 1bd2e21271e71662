"""Session folders with known truth: clips as a clinic would record them, and the labels beside them."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from popdetect import __version__
from popdetect.errors import UsageError
from popdetect.hearing import audio
from popdetect.learning.scenes import SceneRule, compose
from popdetect.learning.sounds import Recorded, SoundBank, Synthetic, read_manifest

LABEL_COLUMNS = ("file", "label", "onsets_s", "patient_id", "what")


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was written: the folder, how many clips, and how many of them hold how many pops."""

    folder: Path
    n_clips: int
    n_pop_clips: int
    n_pops: int


def simulate(
    folder: Path,
    *,
    n_clips: int = 60,
    n_patients: int = 12,
    seed: int = 0,
    rule: SceneRule | None = None,
    sounds: Path | None = None,
    role: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Simulated:
    """Write a session folder: ``p01/thrust_01.wav`` …, ``labels.csv``, ``simulation.json``.

    The same arguments give the same files, byte for byte. Clips are drawn one by one: those of one patient have no more
    in common than any others, so holding out whole patients is tested for its working, not for its effect.

    Parameters
    ----------
    folder : Path
        Must not exist or be empty.
    n_clips, n_patients : int ≥ 1
    seed : int ≥ 0
    rule : SceneRule, optional
    sounds : Path, optional
        A sound folder with a ``MANIFEST.csv``: its recordings are mixed instead of made sounds.
    role : str, optional
        Only the sounds of this role.

    Raises
    ------
    UsageError
        Numbers out of range, or the folder cannot be written.
    """
    if n_clips < 1 or n_patients < 1 or seed < 0:
        raise UsageError(f"{n_clips} clips of {n_patients} patients with seed {seed}; at least 1, 1 and 0 are allowed")
    if role is not None and sounds is None:
        raise UsageError("a role chooses among recorded sounds; name their folder with --sounds")
    rule = rule or SceneRule()
    bank: SoundBank = Synthetic()
    if sounds is not None:
        sources = read_manifest(sounds, role)
        bank = Recorded(sources, made_pop_share=0.0, made_share=0.0)
    draft = _make(folder)
    try:
        made = _fill(draft, bank, rule, n_clips, n_patients, seed, on_progress)
        about = {
            "popdetect_version": __version__,
            "seed": seed,
            "n_clips": n_clips,
            "n_patients": n_patients,
            "rule": asdict(rule),
            "sounds": "recorded" if sounds is not None else "made",
            "role": role,
            "note": "simulated sound: no figure from it is clinical accuracy",
        }
        (draft / "simulation.json").write_bytes((json.dumps(about, indent=1) + "\n").encode())
        # into the folder and not over it: it may be where we stand, or a link
        folder.mkdir(parents=True, exist_ok=True)
        for child in sorted(draft.iterdir(), key=lambda child: child.name == "simulation.json"):
            child.replace(folder / child.name)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # gone when all went well
    return Simulated(folder, *made)


def _fill(
    folder: Path,
    bank: SoundBank,
    rule: SceneRule,
    n_clips: int,
    n_patients: int,
    seed: int,
    on_progress: Callable[[int, int], None] | None,
) -> tuple[int, int, int]:
    """Write the clips and their labels; how many clips, clips with pops, and pops."""
    rows = []
    n_pops = 0
    for index in range(n_clips):
        patient = index % n_patients
        rng = np.random.default_rng([seed, patient, index])
        scene = compose(rng, bank, rule)
        file = f"p{patient + 1:02d}/thrust_{index // n_patients + 1:02d}.wav"
        (folder / file).parent.mkdir(exist_ok=True)
        try:
            audio.write_wav(folder / file, scene.samples, scene.rate_hz)
        except RuntimeError as error:  # soundfile's errors
            raise UsageError(f"{file}: cannot be written: {error}") from error
        n_pops += len(scene.onsets_s)
        onsets = " ".join(f"{onset:.5f}" for onset in scene.onsets_s)
        label = "pop" if scene.onsets_s else "no_pop"
        rows.append((file, label, onsets, f"p{patient + 1:02d}", scene.what))
        if on_progress:
            on_progress(index + 1, n_clips)
    rows.sort()
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(LABEL_COLUMNS)
    writer.writerows(rows)
    (folder / "labels.csv").write_bytes(table.getvalue().encode())
    return n_clips, sum(row[1] == "pop" for row in rows), n_pops


def _make(folder: Path) -> Path:
    """Make a draft folder beside `folder`, which must be empty or not there yet."""
    draft = folder.resolve().with_name(f".{folder.resolve().name}.part")
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; name a folder that does not exist yet")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be made: {error.strerror or error}") from error
    return draft
