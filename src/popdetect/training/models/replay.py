"""Replay rows: a sample of a model's training rows, stored with its bundle so that it can be adapted.

A few dozen clips of one clinic show little of other people's noise. So ``replay.npz`` carries rows of the training
material: features, not sound, in half precision; each with its mark and its held-out log-odds. It is read by training
only, never for detection. A bundle without it detects as well, but cannot be adapted, only trained anew.
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

NAME = bundle.REPLAY
HALF = 6e4  # a little less than the greatest number of half precision


@dataclass(frozen=True, slots=True)
class Replay:
    """Training rows of a model.

    Attributes
    ----------
    rows : ndarray, shape (n, n_features)
    marks : ndarray of int8, shape (n,)
        1 pop, 0 not.
    logits : ndarray, shape (n,)
        Held-out log-odds of the classifier.
    weights : ndarray, shape (n,)
        The number of training rows that each row stands for.
    """

    rows: Floats
    marks: npt.NDArray[np.int8]
    logits: Floats
    weights: Floats


def to_start_from(path: Path | None) -> tuple[Model, Replay | None, tuple[Model, Replay | None] | None]:
    """Return the model of a bundle (None: the shipped one), its replay rows, and the shipped model with its rows.

    The shipped model is adapted instead of a model that was trained on some of the clips. It is None if it is itself
    the model to adapt, or if that model has no replay rows. Raises ModelError.
    """
    current = bundle.load(path)
    rows = read(path or bundle.shipped(), current)
    if path is None or rows is None:
        return current, rows, None
    shipped = bundle.load()
    return current, rows, (shipped, read(bundle.shipped(), shipped))


def arrays(replay: Replay) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of ``replay.npz``; feature by feature, which compresses better than row by row."""
    return {
        "rows": np.ascontiguousarray(replay.rows.T.astype(np.float16)),
        "marks": replay.marks.astype(np.int8),
        "logits": replay.logits.astype(np.float16),
        "weights": replay.weights.astype(np.float32),
    }


def read(folder: Path, model: Model) -> Replay | None:
    """Return the replay rows of a bundle, None if it has none; raises ModelError if they are missing or changed."""
    if NAME not in model.info["files"]:
        return None
    found, sizes = bundle.read_arrays(folder, NAME, model.info), {"features": len(model.feature_names)}
    try:
        rows = check_array(found, "rows", ArrayRule("f", ("features", "rows"), -HALF, HALF, nan=True), sizes)
        marks = check_array(found, "marks", ArrayRule("iu", ("rows",), 0, 1), sizes)
        logits = check_array(found, "logits", ArrayRule("f", ("rows",), -HALF, HALF), sizes)
        weights = check_array(found, "weights", ArrayRule("f", ("rows",), 1e-6, 1e9), sizes)
        if len(set(marks.tolist())) < 2:
            raise Invalid("all rows have one mark; pops and others are needed")
    except Invalid as error:
        raise ModelError(
            f"{folder / NAME}: {error}; probably damaged or edited: take a fresh copy of the bundle"
        ) from None
    return Replay(rows.T, marks.astype(np.int8), logits, weights)
