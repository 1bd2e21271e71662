"""One's own labelled clips to a bundle of one's own: what `popdetect train` does."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.errors import AudioError, UsageError
from popdetect.hearing import audio
from popdetect.hearing.bundle import Model
from popdetect.learning import bundling, comparison, provenance, training
from popdetect.learning.comparison import Comparison
from popdetect.learning.training import Example, Progress
from popdetect.learning.truth import Truth


@dataclass(frozen=True, slots=True)
class Retrained:
    """What came of it.

    Attributes
    ----------
    model : Model
        As written to `out` and read back.
    out : Path
    comparison : Comparison
    contests : list of dict
        The classifiers that were tried, the chosen one first.
    left_out : tuple of (str, str)
        Files that could not be used, and why.
    """

    model: Model
    out: Path
    comparison: Comparison
    contests: list[dict[str, Any]]
    left_out: tuple[tuple[str, str], ...]


def train(
    truths: Sequence[Truth],
    out: Path,
    *,
    current: Model | None,
    name: str = "retrained",
    version: str = "1",
    seed: int = 0,
    allow_ungrouped: bool = False,
    force: bool = False,
    on_progress: Progress | None = None,
) -> Retrained:
    """Fit a model to labelled clips and write its bundle, card and metrics.

    The same labels, clips and seed give the same bundle, byte for byte.

    Parameters
    ----------
    truths : sequence of Truth
        Clips labelled ``uncertain`` are left out.
    out : Path
        Folder of the bundle; must not exist unless `force`.
    current : Model or None
        Points out the pops in clips whose onsets nobody marked, and is what the new model is compared with.
    allow_ungrouped : bool
        Accept clips without a `patient_id`: then every clip is its own group and the figures flatter.

    Raises
    ------
    UsageError
        Too little to learn from, or no patients named; says what is needed.
    """
    bundling.check_target(out, force=force)
    usable = sorted((truth for truth in truths if truth.label != "uncertain"), key=lambda truth: truth.file)
    nameless = [truth.file for truth in usable if not truth.patient_id]
    if nameless and not allow_ungrouped:
        raise UsageError(
            f"{len(nameless)} of {len(usable)} clips name no patient (first: {nameless[0]}); a column patient_id keeps "
            "each person on one side of the test. Without one the figures flatter: --allow-ungrouped accepts that"
        )
    examples, left_out, digest = _examples(usable)
    training.check_enough(examples, allow_ungrouped=allow_ungrouped)
    fitted = training.fit(examples, name=name, version=version, seed=seed, teacher=current, on_progress=on_progress)
    compared = comparison.compare(fitted, examples, current, seed=seed)
    contests = provenance.contest(fitted)
    scores: dict[str, Any] = {
        "People held out" if not nameless else "Clips held out (people unknown: these figures flatter)": {
            "about": "Each clip judged by a fit that had not heard its group; calibration and thresholds were fitted "
            "on these same answers, so small sets look a little better than they are.",
            "figures": comparison.figures(compared.new),
        }
    }
    if compared.current is not None and current is not None:
        scores[f"The model before ({current.title}) on the same clips"] = {
            "about": compared.advice,
            "figures": comparison.figures(compared.current),
        }
    facts = {
        **provenance.statements(),
        "provenance": {
            "clips": f"{len(examples)} labelled clips, {sum(e.is_pop for e in examples)} with pops",
            "groups": len({e.group for e in examples}),
            "marked_pops": int(sum(len(e.onsets_s or ()) for e in examples)),
            "clips_without_marks": sum(e.is_pop and e.onsets_s is None for e in examples),
            "seed": seed,
            "sha256_of_labels_and_clips": digest,
            "pointed_out_by": current.title if current is not None else "nobody",
            "libraries": provenance.versions(),
            "guard_false_pops_per_minute": round(compared.guard_new_per_min, 3),
        },
        "advice": compared.advice,
        "scores": scores,
        "contest": contests,
    }
    model = bundling.write(fitted, out, facts, force=force)
    return Retrained(model, out, compared, contests, tuple(left_out))


def _examples(truths: Sequence[Truth]) -> tuple[list[Example], list[tuple[str, str]], str]:
    """Clips that can be read, those that cannot with the reason, and a digest of labels and samples."""
    examples, left_out = [], []
    digest = hashlib.sha256()
    for truth in truths:
        try:
            samples, _ = audio.read(truth.path)
        except AudioError as error:
            left_out.append((truth.file, str(error)))
            continue
        digest.update(repr((truth.file, truth.label, truth.onsets_s, truth.patient_id)).encode())
        digest.update(samples.tobytes())
        group = truth.patient_id or f"clip {truth.file}"
        examples.append(Example(truth.file, group, truth.label == "pop", truth.onsets_s, _Reader(truth.path)))
    return examples, left_out, digest.hexdigest()


@dataclass(frozen=True, slots=True)
class _Reader:
    """A clip that is read again when asked for: a thousand of them need not fit into memory."""

    path: Path

    def __call__(self) -> tuple[npt.NDArray[np.float32], int]:
        return audio.read(self.path)
