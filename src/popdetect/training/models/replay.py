"""What a model learned from, in little: rows that travel with its bundle, so that it can be adapted and not destroyed.

A few dozen clips of one clinic teach little of what everybody else's noise sounds like. So ``replay.npz`` carries
whole clips out of the training material, as feature rows and not as sound: half-precision numbers, each with its mark
and the log-odds that a fit which had not heard its source gave it. It is read when a model is trained, never when one
decides; its sha256 stands in ``model.json``. A bundle without one is as good a detector and cannot be adapted, only
trained anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model import bundle
from popdetect.detection.model.bundle import Model
from popdetect.detection.model.classifiers import Floats
from popdetect.detection.model.serialization import ArrayRule, Invalid, check_array
from popdetect.errors import ModelError
from popdetect.training.data.examples import CandidateSet

NAME = bundle.REPLAY
MAX_ROWS = 4_500  # at some 200 bytes packed: more made no adapted model better
_HALF = 6e4  # the greatest number that half precision holds, and a little less


@dataclass(frozen=True, slots=True)
class Replay:
    """Rows to be learned from again.

    Attributes
    ----------
    rows : ndarray, shape (n, n_features)
    marks : ndarray of int8, shape (n,)
        1 pop, 0 not.
    logits : ndarray, shape (n,)
        Of the model's recipe, fitted without the row's source.
    weights : ndarray, shape (n,)
        How many rows of the material each stands for.
    """

    rows: Floats
    marks: npt.NDArray[np.int8]
    logits: Floats
    weights: Floats


def of(heard: CandidateSet, logits: Floats, seed: int, n_rows: int = MAX_ROWS) -> Replay:
    """Choose rows: all pops and all that are hard to tell from them count the same as what is easy, up to a third each.

    Parameters
    ----------
    heard : CandidateSet
        All that the model learned from.
    logits : ndarray, shape (n,)
        Each by a fit that had not heard its group.
    """
    rng = np.random.default_rng([seed, 777])
    pops = np.flatnonzero(heard.marks == 1)
    others = np.flatnonzero(heard.marks == 0)
    hard = others[logits[others] > -3.0]
    easy = others[logits[others] <= -3.0]
    kinds = [kind for kind in (pops, hard, easy) if len(kind)]
    chosen, weights = [], []
    for kind in kinds:
        few = np.sort(rng.permutation(kind)[: n_rows // len(kinds)])
        chosen.append(few)
        weights.append(np.full(len(few), len(kind) / len(few)))
    index = np.concatenate(chosen)
    order = np.argsort(index, kind="stable")
    index = index[order]
    return Replay(
        np.clip(heard.rows[index], -_HALF, _HALF), heard.marks[index], logits[index], np.concatenate(weights)[order]
    )


def to_start_from(path: Path | None) -> tuple[Model, Replay | None, tuple[Model, Replay | None] | None]:
    """The model to adapt, the rows that travel with it, and the shipped model with its own.

    The last is None where the shipped model is the one to adapt, or where the other has no rows: it is what is adapted
    instead of a model that has heard some of the clips.

    Parameters
    ----------
    path : Path or None
        A bundle; None is the shipped one.

    Raises
    ------
    ModelError
    """
    current = bundle.load(path)
    rows = read(path or bundle.shipped(), current)
    if path is None or rows is None:
        return current, rows, None
    shipped = bundle.load()
    return current, rows, (shipped, read(bundle.shipped(), shipped))


def arrays(replay: Replay) -> dict[str, npt.NDArray[Any]]:
    """As they are written: features one after another, which packs better than rows."""
    return {
        "rows": np.ascontiguousarray(replay.rows.T.astype(np.float16)),
        "marks": replay.marks.astype(np.int8),
        "logits": replay.logits.astype(np.float16),
        "weights": replay.weights.astype(np.float32),
    }


def read(folder: Path, model: bundle.Model) -> Replay | None:
    """The rows that travel with a bundle; None where none do.

    Raises
    ------
    ModelError
        When they are missing though the bundle names them, or are not what was written; names the file.
    """
    if NAME not in model.info["files"]:
        return None
    found, sizes = bundle.read_arrays(folder, NAME, model.info), {"features": len(model.feature_names)}
    try:
        rows = check_array(found, "rows", ArrayRule("f", ("features", "rows"), -_HALF, _HALF, nan=True), sizes)
        marks = check_array(found, "marks", ArrayRule("iu", ("rows",), 0, 1), sizes)
        logits = check_array(found, "logits", ArrayRule("f", ("rows",), -_HALF, _HALF), sizes)
        weights = check_array(found, "weights", ArrayRule("f", ("rows",), 1e-6, 1e9), sizes)
        if len(set(marks.tolist())) < 2:
            raise Invalid("all rows have one mark; pops and others are needed")
    except Invalid as error:
        raise ModelError(
            f"{folder / NAME}: {error}; probably damaged or edited: take a fresh copy of the bundle"
        ) from None
    return Replay(rows.T, marks.astype(np.int8), logits, weights)
