"""Session folders with known truth: clips as a clinic would record them, and the labels beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from popdetect import __version__
from popdetect.detection.audio import recording as audio
from popdetect.errors import UsageError
from popdetect.records import Label
from popdetect.session.files import write_text
from popdetect.session.labels import TABLE_NAME, Truth, write_labels
from popdetect.training.data.scenes import Scene, SceneRule, compose
from popdetect.training.data.sounds import Recorded, SoundBank, Synthetic, read_manifest

MARK = "simulation.json"  # how a folder came about; it is there when all else is
NOTE = "simulated sound: no figure from it is clinical accuracy"


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
    bank = bank_of(sounds, role)
    with drafted(folder) as draft:
        truths = []
        for index in range(n_clips):
            patient = index % n_patients
            rng = np.random.default_rng([seed, patient, index])
            truths.append(make_clip(draft, compose(rng, bank, rule), patient, index // n_patients + 1))
            if on_progress:
                on_progress(index + 1, n_clips)
        about = {
            "popdetect_version": __version__,
            "seed": seed,
            "n_clips": n_clips,
            "n_patients": n_patients,
            "rule": asdict(rule),
            "sounds": "recorded" if sounds is not None else "made",
            "role": role,
            "note": NOTE,
        }
        write_truth(draft, truths, about)
    n_pops = sum(len(truth.onsets_s or ()) for truth in truths)
    return Simulated(folder, n_clips, sum(truth.label == "pop" for truth in truths), n_pops)


def bank_of(sounds: Path | None = None, role: str | None = None) -> SoundBank:
    """Made sounds; or the recordings in the folder `sounds`, of this role if one is named.

    Raises
    ------
    UsageError
    """
    if sounds is None:
        return Synthetic()
    return Recorded(read_manifest(sounds, role), made_pop_share=0.0, made_share=0.0)


def clip_file(patient: int, thrust_no: int) -> str:
    """The name of a clip; patients count from 0, thrusts from 1."""
    return f"{patient_name(patient)}/thrust_{thrust_no:02d}.wav"


def patient_name(patient: int) -> str:
    """What a simulated patient is called; they count from 0."""
    return f"p{patient + 1:02d}"


def make_clip(folder: Path, scene: Scene, patient: int, thrust_no: int) -> Truth:
    """Write one clip; what is true of it.

    Raises
    ------
    UsageError
    """
    file = clip_file(patient, thrust_no)
    (folder / file).parent.mkdir(exist_ok=True)
    try:
        audio.write_wav(folder / file, scene.samples, scene.rate_hz)
    except RuntimeError as error:  # soundfile's errors
        raise UsageError(f"{file}: cannot be written: {error}") from error
    label: Label = "pop" if scene.onsets_s else "no_pop"
    return Truth(file, folder / file, label, tuple(scene.onsets_s), patient_name(patient), {"what": scene.what})


def write_truth(folder: Path, truths: Sequence[Truth], about: Mapping[str, Any]) -> None:
    """Write ``labels.csv`` and ``simulation.json``."""
    write_labels(folder / TABLE_NAME, sorted(truths, key=lambda truth: truth.file))
    write_text(folder / MARK, json.dumps(about, indent=1) + "\n")


@contextmanager
def drafted(folder: Path) -> Iterator[Path]:
    """A draft whose files are moved into `folder` when all is well, `MARK` as the last; nothing stays otherwise.

    Raises
    ------
    UsageError
        When `folder` is there and not empty, or cannot be written.
    """
    draft = _make(folder)
    try:
        yield draft
        # into the folder and not over it: it may be where we stand, or a link
        folder.mkdir(parents=True, exist_ok=True)
        for child in sorted(draft.iterdir(), key=lambda child: child.name == MARK):
            child.replace(folder / child.name)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # gone when all went well


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
