"""Simulated session folders with known truth: ``p01/thrust_01.wav`` and so on, ``labels.csv``, ``simulation.json``."""

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
from popdetect.training.data import two_sensors
from popdetect.training.data.manifest import read_manifest
from popdetect.training.data.scenes import Scene, SceneRule, compose
from popdetect.training.data.sounds import Recorded, SoundBank

PARAMETERS = "simulation.json"  # how the folder was simulated; it is written last
_OLD_NAMES = {"degraded_share": "worn_share"}  # names in PARAMETERS that are those of version 0.1.0
NOTE = "simulated sound: no figure from it is clinical accuracy"


@dataclass(frozen=True, slots=True)
class Simulated:
    """What was written: the folder, the number of clips, of clips with pops, and of pops."""

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
    """Write a simulated session folder, which must not exist or be empty; the same arguments give the same bytes.

    Recordings of the folder `sounds` (only those of `role`, if given) are mixed instead of simulated sounds. Clips are
    drawn independently: clips of one patient are not more similar than others. So figures of simulated sessions do not
    show the effect of holding out whole patients. Raises UsageError for numbers out of range, or if the folder cannot
    be written.
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
            truths.append(make_clip(draft, draw_scene(rng, bank, rule), patient, index // n_patients + 1))
            if on_progress:
                on_progress(index + 1, n_clips)
        about = {
            "popdetect_version": __version__,
            "seed": seed,
            "n_clips": n_clips,
            "n_patients": n_patients,
            "rule": {_OLD_NAMES.get(name, name): value for name, value in asdict(rule).items()},
            "sounds": "recorded" if sounds is not None else "made",
            "role": role,
            "note": NOTE,
        }
        write_truth(draft, truths, about)
    n_pops = sum(len(truth.onsets_s or ()) for truth in truths)
    return Simulated(folder, n_clips, sum(truth.label == "pop" for truth in truths), n_pops)


def draw_scene(rng: np.random.Generator, bank: SoundBank, rule: SceneRule) -> Scene:
    """Draw and mix one scene, of one channel or of two sensors."""
    return (two_sensors.compose if rule.channels == 2 else compose)(rng, bank, rule)


def bank_of(sounds: Path | None = None, role: str | None = None) -> SoundBank:
    """Return simulated sounds, or the recordings in the folder `sounds` (only those of `role`, if given)."""
    return SoundBank() if sounds is None else Recorded(read_manifest(sounds, role), made_pop_share=0.0, made_share=0.0)


def clip_file(patient: int, thrust_no: int) -> str:
    """Return the name of a clip; patients count from 0, thrusts from 1."""
    return f"{patient_name(patient)}/thrust_{thrust_no:02d}.wav"


def patient_name(patient: int) -> str:
    """Return the name of a simulated patient; patients count from 0."""
    return f"p{patient + 1:02d}"


def make_clip(folder: Path, scene: Scene, patient: int, thrust_no: int) -> Truth:
    """Write one clip; return its line of ``labels.csv``; raises UsageError if it cannot be written."""
    file = clip_file(patient, thrust_no)
    (folder / file).parent.mkdir(exist_ok=True)
    try:
        audio.write_wav(folder / file, scene.samples, scene.rate_hz)
    except RuntimeError as error:  # soundfile's errors
        raise UsageError(f"{file}: cannot be written: {error}") from error
    label: Label = "pop" if scene.onsets_s else "no_pop"
    extra = {"what": scene.what}
    if scene.samples.ndim == 2:
        extra |= {
            "level_differences_db": " ".join(f"{difference:.2f}" for difference in scene.level_differences_db),
            "arrival_differences_ms": " ".join(f"{difference:.4f}" for difference in scene.arrival_differences_ms),
            "found_on": " ".join(scene.found_on),
        }
    return Truth(file, folder / file, label, tuple(scene.onsets_s), patient_name(patient), extra)


def write_truth(folder: Path, truths: Sequence[Truth], about: Mapping[str, Any]) -> None:
    """Write ``labels.csv`` and ``simulation.json``."""
    write_labels(folder / TABLE_NAME, sorted(truths, key=lambda truth: truth.file))
    write_text(folder / PARAMETERS, json.dumps(about, indent=1) + "\n")


@contextmanager
def drafted(folder: Path) -> Iterator[Path]:
    """Yield a draft folder; its files are moved into `folder` at the end, `PARAMETERS` last. On errors nothing is kept.

    Raises UsageError if `folder` exists and is not empty, or cannot be written.
    """
    draft = folder.resolve().with_name(f".{folder.resolve().name}.part")
    doing = "created"
    try:
        if folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; name a folder that does not exist yet")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        doing = "written"
        yield draft
        # move into the folder instead of replacing it: it may be the working directory or a link
        folder.mkdir(parents=True, exist_ok=True)
        for child in sorted(draft.iterdir(), key=lambda child: child.name == PARAMETERS):
            child.replace(folder / child.name)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be {doing}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # it no longer exists if all went well
