"""The model bundle: a folder of JSON and plain arrays, looked at before it is used.

``model.json`` holds everything but the arrays, ``weights.npz`` the arrays, ``parity.npz`` a few feature rows with
the probabilities that scikit-learn gave them, ``CARD.md`` the same facts for people. No pickle, no code.
A sha256 proves that nothing changed since the bundle was made; it does not prove who made it.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.errors import ModelError, UsageError
from popdetect.hearing import features, gate
from popdetect.hearing.classifier import Calibration, Classifier, Linear, Trees, sigmoid, thaw
from popdetect.hearing.onsets import OnsetRule
from popdetect.hearing.spectrum import FrontEnd

FORMAT = 1
DEFAULT_NAME = "default"
PARITY_TOLERANCE = 1e-5
DEFAULT_OPERATING_POINT = "balanced"

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Where probability becomes a word.

    Attributes
    ----------
    no_pop_below : float in [0, 1]
        Clips with a lower `p_pop` are ``no_pop``.
    pop_from : float in [0, 1], at least `no_pop_below`
        Clips with at least this `p_pop` are ``pop``; those between are ``uncertain``. A single event that would
        carry a clip over it is counted as a pop.
    train_from : float in [0, 1]
        Within 150 ms of a counted pop, an event is counted from this event probability on.
    """

    no_pop_below: float
    pop_from: float
    train_from: float


@dataclass(frozen=True, slots=True)
class Model:
    """A bundle, loaded and checked.

    Attributes
    ----------
    name, version : str
    front_end, onset_rule : what makes frames and candidates
    gate : Classifier
        The first look; `gate_from` is the least log-odds that it lets pass.
    gate_from : float
    feature_names : tuple of str
    classifier : Classifier
    event_calibration, clip_calibration : Calibration
        From log-odds to the probability that this event is a pop, and that a clip whose best event has these
        log-odds holds a pop.
    operating_points : mapping of str to OperatingPoint
    info : dict
        The whole of ``model.json``.
    sha256 : str
        Of ``model.json``, which holds the sha256 of the other files.
    """

    name: str
    version: str
    front_end: FrontEnd
    onset_rule: OnsetRule
    gate: Classifier
    gate_from: float
    feature_names: tuple[str, ...]
    classifier: Classifier
    event_calibration: Calibration
    clip_calibration: Calibration
    operating_points: Mapping[str, OperatingPoint]
    info: dict[str, Any]
    sha256: str

    @property
    def title(self) -> str:
        """Name and version, as written in every row."""
        return f"{self.name}-{self.version}"

    def operating_point(self, name: str) -> OperatingPoint:
        """Look up an operating point.

        Raises
        ------
        UsageError
            With the names there are.
        """
        try:
            return self.operating_points[name]
        except KeyError:
            known = ", ".join(self.operating_points)
            raise UsageError(f"operating point {name!r}; this model has: {known}") from None


def shipped(name: str = DEFAULT_NAME) -> Path:
    """Where the bundle that comes with the package lies, installed or in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for models in (package / "models", package.parent.parent / "models"):
        if (models / name).is_dir():
            return models / name
    return package / "models" / name


def load(path: str | os.PathLike[str] | None = None) -> Model:
    """Read and check a bundle; the shipped one by default.

    Raises
    ------
    ModelError
        Names the file and what is wrong with it.
    """
    folder = Path(path) if path is not None else shipped()
    info, sha256 = _read_json(folder)
    arrays = _read_arrays(folder / "weights.npz", info)
    try:
        front = info["front_end"]
        front_end = FrontEnd(
            float(front["hop_ms"]), int(front["window_hops"]), tuple(map(float, front["mel_edges_hz"]))
        )
        rule = OnsetRule(**info["onset_rule"])
        feature_names = tuple(info["features"])
        settings = info["classifier"]
        classifier = _thawed("classifier", arrays, settings)
        model = Model(
            name=str(info["name"]),
            version=str(info["version"]),
            front_end=front_end,
            onset_rule=rule,
            gate=_thawed("gate", arrays, info["gate"]),
            gate_from=float(info["gate"]["pass_from"]),
            feature_names=feature_names,
            classifier=classifier,
            event_calibration=Calibration(**info["calibration"]["event"]),
            clip_calibration=Calibration(**info["calibration"]["clip"]),
            operating_points={k: OperatingPoint(**v) for k, v in info["operating_points"].items()},
            info=info,
            sha256=sha256,
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ModelError(f"{folder / 'model.json'}: {_missing(error)}; take a fresh copy of the bundle") from error
    _check(folder, model)
    return model


def verify(path: str | os.PathLike[str] | None = None) -> tuple[Model, float, int]:
    """Load a bundle and replay its parity rows.

    Returns
    -------
    model : Model
    worst : float
        Greatest difference from scikit-learn's `predict_proba` on the parity rows.
    n : int
        How many rows were compared.

    Raises
    ------
    ModelError
        When a check fails, or `worst` exceeds 1e-5.
    """
    model = load(path)
    folder = Path(path) if path is not None else shipped()
    parity = _read_arrays(folder / "parity.npz", model.info)
    try:
        rows, expected = parity["rows"].astype(np.float64), parity["p"].astype(np.float64)
        worst = float(np.abs(sigmoid(model.classifier.logit(rows)) - expected).max())
    except (KeyError, ValueError, IndexError) as error:
        raise ModelError(f"{folder / 'parity.npz'}: {_missing(error)}") from error
    if not worst <= PARITY_TOLERANCE:
        raise ModelError(
            f"{folder}: probabilities differ from scikit-learn's by {worst:.2g}, allowed is {PARITY_TOLERANCE:.0e}; "
            "the weights do not belong to this bundle"
        )
    return model, worst, len(rows)


def _read_json(folder: Path) -> tuple[dict[str, Any], str]:
    path = folder / "model.json"
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        what = "has no model.json, so it is not a model bundle" if folder.is_dir() else "does not exist"
        raise ModelError(f"{folder}: {what}; `popdetect model show` without a path shows the shipped one") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        info = json.loads(raw)
    except ValueError as error:
        raise ModelError(f"{path}: damaged, not JSON any more ({error})") from error
    if not isinstance(info, dict) or "format" not in info:
        raise ModelError(f"{path}: not a model bundle (it names no format)")
    if info["format"] != FORMAT:
        hint = "update popdetect" if isinstance(info["format"], int) and info["format"] > FORMAT else "train it again"
        raise ModelError(f"{path}: format {info['format']!r}; this version reads format {FORMAT}; {hint}")
    return info, hashlib.sha256(raw).hexdigest()


def _read_arrays(path: Path, info: Mapping[str, Any]) -> Arrays:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    files = info.get("files")
    expected = files.get(path.name) if isinstance(files, dict) else None
    if hashlib.sha256(raw).hexdigest() != expected:
        raise ModelError(f"{path}: changed since the bundle was made (sha256 differs); take a fresh copy of the bundle")
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile, KeyError) as error:
        raise ModelError(f"{path}: not a file of plain arrays: {error}") from error
    for name, array in arrays.items():
        if path.name == "weights.npz" and array.dtype.kind == "f" and not np.isfinite(array[~np.isinf(array)]).all():
            raise ModelError(f"{path}: array {name!r} has NaN in it")
    return arrays


def _check(folder: Path, model: Model) -> None:
    """What the arrays promise each other."""

    def refuse(why: str) -> ModelError:
        return ModelError(f"{folder}: {why}; take a fresh copy of the bundle")

    expected = features.names(model.front_end.n_columns)
    if model.feature_names != expected:
        odd = sorted(set(model.feature_names) ^ set(expected)) or ["their order"]
        raise ModelError(
            f"{folder}: made for other features than this version computes ({', '.join(odd[:3])}"
            f"{' …' if len(odd) > 3 else ''}); train it again with this version"
        )
    for part, classifier, n in (
        ("gate", model.gate, len(gate.names())),
        ("classifier", model.classifier, len(expected)),
    ):
        problem = _odd_weights(classifier, n)
        if problem:
            raise refuse(f"{part}: {problem}")
    for name, point in model.operating_points.items():
        if not 0 <= point.no_pop_below <= point.pop_from <= 1 or not 0 <= point.train_from <= 1:
            raise refuse(f"operating point {name!r} is not in order")
    if DEFAULT_OPERATING_POINT not in model.operating_points:
        raise refuse(f"no operating point {DEFAULT_OPERATING_POINT!r}")
    numbers = [model.event_calibration.slope, model.event_calibration.offset, model.clip_calibration.slope,
               model.clip_calibration.offset, model.gate_from, *model.front_end.mel_edges_hz]  # fmt: skip
    if not np.isfinite(numbers).all() or model.event_calibration.slope <= 0 or model.clip_calibration.slope <= 0:
        raise refuse("calibration or band edges are not usable numbers")


def _thawed(part: str, arrays: Arrays, settings: Mapping[str, Any]) -> Classifier:
    own = {name.removeprefix(f"{part}_"): a for name, a in arrays.items() if name.startswith(f"{part}_")}
    return thaw(settings["kind"], own, settings)


def _odd_weights(classifier: Classifier, n_features: int) -> str:
    """What is wrong with a classifier's arrays; empty if nothing is."""
    if isinstance(classifier, Trees):
        nodes = len(classifier.feature)
        along = (classifier.threshold, classifier.left, classifier.right, classifier.nan_left, classifier.value)
        if {len(a) for a in along} != {nodes}:
            return "the tree arrays differ in length"
        inside = (
            (classifier.feature, n_features),
            (classifier.left, nodes),
            (classifier.right, nodes),
            (classifier.roots, nodes),
        )
        if any(len(a) == 0 or a.min() < 0 or a.max() >= limit for a, limit in inside):
            return "a tree points outside itself"
        return "" if 0 <= classifier.depth <= 1000 else f"tree depth {classifier.depth}"
    if isinstance(classifier, Linear) and any(
        len(a) != n_features for a in (classifier.centre, classifier.scale, classifier.coef)
    ):
        return f"weights for another number of features than {n_features}"
    return ""


def _missing(error: Exception) -> str:
    return f"{error.args[0]!r} is missing" if isinstance(error, KeyError) and error.args else str(error)
