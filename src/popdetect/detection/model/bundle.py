"""The model bundle: a folder of JSON and plain arrays, looked at before it is used.

``model.json`` holds everything but the arrays, ``weights.npz`` the arrays, ``parity.npz`` a few feature rows with
the probabilities that scikit-learn gave them (and rows for gate and context with their log-odds), ``CARD.md`` the same
facts for people. ``replay.npz``, where there is one, is for training alone (`learning.replay`): deciding never opens
it. No pickle, no code. A sha256 proves that nothing changed since the bundle was made; it does not prove who made it.
So each field is looked at before it is used, by `bundle_fields` and `bundle_arrays`: whatever is wrong with a bundle is
a `ModelError` that names the file and the field.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.arrays import Plain, part_flaw, span_flaw
from popdetect.detection.model.classifiers import Calibration, Classifier, Floats, sigmoid
from popdetect.detection.model.fields import DEFAULT_OPERATING_POINT as DEFAULT_OPERATING_POINT
from popdetect.detection.model.fields import flaw
from popdetect.detection.model.kinds import told
from popdetect.detection.model.loading import thaw
from popdetect.detection.model.out_of_distribution import Span
from popdetect.detection.signal import candidate_filter as gate
from popdetect.detection.signal import context, features
from popdetect.detection.signal.frames import FrontEnd
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.errors import ModelError, UsageError

FORMAT = 3
DEFAULT_NAME = "default"
REPLAY_NAME = "replay.npz"  # optional: rows of the training material
PARITY_TOLERANCE = 1e-5
MAX_UNPACKED_BYTES = 2**29  # half a gigabyte: training's largest model takes a hundredth

Arrays = dict[str, npt.NDArray[Any]]

_FRESH = "probably damaged or edited: take a fresh copy of the bundle"


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
        The first opinion on a candidate, by its own sound.
    context : Classifier
        The second, by the calibrated first opinions on it and on its neighbours.
    span : Span
        Of the features that the classifier learned from.
    first_calibration, event_calibration, clip_calibration : Calibration
        From the classifier's log-odds to those of a pop; from the context's to the probability that this event is a
        pop, and that a clip whose best event has these log-odds holds a pop.
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
    context: Classifier
    first_calibration: Calibration
    span: Span
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
    package = Path(__file__).resolve().parents[2]
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
    front = info["front_end"]
    front_end = FrontEnd(float(front["hop_ms"]), front["window_hops"], tuple(map(float, front["mel_edges_hz"])))
    feature_names = tuple(info["features"])
    expected = features.names(front_end.n_columns)
    if feature_names != expected:
        odd = sorted(set(feature_names) ^ set(expected)) or ["their order"]
        raise ModelError(
            f"{folder / 'model.json'}: features: made for other features than this version computes "
            f"({', '.join(odd[:3])}{' …' if len(odd) > 3 else ''}); train it again with this version"
        )
    arrays = _read_arrays(folder / "weights.npz", info)
    for part, n_features in (
        ("gate", len(gate.names(front_end.n_columns))),
        ("classifier", len(expected)),
        ("context", len(context.names())),
    ):
        _refuse(folder / "weights.npz", part_flaw(part, arrays, info[part], n_features))
    _refuse(folder / "weights.npz", span_flaw(arrays, len(expected)))
    return Model(
        name=info["name"],
        version=info["version"],
        front_end=front_end,
        onset_rule=OnsetRule(**info["onset_rule"]),
        gate=_thawed("gate", arrays, info["gate"]),
        gate_from=float(info["gate"]["pass_from"]),
        feature_names=feature_names,
        classifier=_thawed("classifier", arrays, info["classifier"]),
        context=_thawed("context", arrays, info["context"]),
        first_calibration=Calibration(**info["calibration"]["first"]),
        span=Span(
            arrays["span_low"].astype(np.float64), arrays["span_high"].astype(np.float64), info["span"]["outside_from"]
        ),
        event_calibration=Calibration(**info["calibration"]["event"]),
        clip_calibration=Calibration(**info["calibration"]["clip"]),
        operating_points={name: OperatingPoint(**point) for name, point in info["operating_points"].items()},
        info=info,
        sha256=sha256,
    )


def verify(path: str | os.PathLike[str] | None = None) -> tuple[Model, float, int]:
    """Load a bundle, replay its parity rows and those of its gate and its context, and check the rows that travel.

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
        When a check fails, `worst` exceeds 1e-5, or the log-odds of gate or context differ by more than that from those
        they had when the bundle was written.
    """
    model = load(path)
    folder = Path(path) if path is not None else shipped()
    parity = folder / "parity.npz"
    arrays = _read_arrays(parity, model.info)
    logit, n_rows = _replayed(parity, arrays, ("rows", "p"), model.classifier, len(model.feature_names))
    worst = float(np.abs(sigmoid(logit) - arrays["p"]).max())
    if not worst <= PARITY_TOLERANCE:
        raise ModelError(
            f"{folder}: probabilities differ from scikit-learn's by {worst:.2g}, allowed is {PARITY_TOLERANCE:.0e}; "
            "the weights do not belong to this bundle"
        )
    for part, own, n_features in (
        ("gate", model.gate, len(gate.names(model.front_end.n_columns))),
        ("context", model.context, len(context.names())),
    ):
        logit, _ = _replayed(parity, arrays, (f"{part}_rows", f"{part}_logit"), own, n_features)
        off = float(np.abs(logit - arrays[f"{part}_logit"]).max())
        if not off <= PARITY_TOLERANCE:
            raise ModelError(
                f"{folder}: the {part}'s log-odds differ by {off:.2g} from {part}_logit in parity.npz, allowed is "
                f"{PARITY_TOLERANCE:.0e}; the {part} does not belong to this bundle"
            )
    replay_arrays(folder, model.info)
    return model, worst, n_rows


def replay_arrays(folder: Path, info: Mapping[str, Any]) -> Arrays | None:
    """The arrays of ``replay.npz``, whose hash is checked; None where the bundle names no such file.

    Raises
    ------
    ModelError
        When it is named, and missing or changed.
    """
    return _read_arrays(folder / REPLAY_NAME, info) if REPLAY_NAME in info["files"] else None


def _replayed(
    path: Path, arrays: Arrays, names: tuple[str, str], classifier: Classifier, n_features: int
) -> tuple[Floats, int]:
    """The log-odds of stored rows, and how many there are; refused when rows and answers do not fit together."""
    rows_name, answers_name = names
    _refuse(path, Plain("f", -1e12, 1e12, n_dim=2, may_miss=True).flaw(arrays, rows_name))
    # an answer of NaN or of infinity differs from every replay, and is told then
    _refuse(path, Plain("f", -np.inf, np.inf, may_miss=True).flaw(arrays, answers_name))
    rows, answers = arrays[rows_name], arrays[answers_name]
    if rows.shape != (len(answers), n_features):
        allowed = f"({len(answers)}, {n_features}), one row for each of {answers_name!r}, one column for each feature"
        _refuse(path, f"array {rows_name!r} has shape {rows.shape}; allowed is {allowed}")
    return classifier.logit(rows.astype(np.float64)), len(rows)


def _refuse(path: Path, wrong: str) -> None:
    """Raise what was found in a file, if anything."""
    if wrong:
        raise ModelError(f"{path}: {wrong}; {_FRESH}")


def _read_json(folder: Path) -> tuple[dict[str, Any], str]:
    """The checked ``model.json`` and its sha256."""
    path = folder / "model.json"
    if "\0" in str(path):
        raise ModelError(f"{str(folder)!r}: not a path (it has a null byte in it); name the folder of a model bundle")
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
    except RecursionError:
        raise ModelError(f"{path}: damaged, nested deeper than any model; take a fresh copy of the bundle") from None
    if not isinstance(info, dict) or "format" not in info:
        raise ModelError(f"{path}: not a model bundle (it names no format)")
    number = info["format"]
    if type(number) is not int or number != FORMAT:  # true and 1.0 equal 1, too
        hint = "update popdetect" if type(number) is int and number > FORMAT else "train it again"
        raise ModelError(f"{path}: format {told(number)}; this version reads format {FORMAT}; {hint}")
    _refuse(path, flaw(info))
    return info, hashlib.sha256(raw).hexdigest()


def _read_arrays(path: Path, info: Mapping[str, Any]) -> Arrays:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(raw).hexdigest() != info["files"][path.name]:
        raise ModelError(f"{path}: changed since the bundle was made (sha256 differs); take a fresh copy of the bundle")
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        arrays = _unpacked(raw) if unpacked <= MAX_UNPACKED_BYTES else {}
    except Exception as error:
        # everything: zipfile, zlib, tokenize and numpy have a dozen of their own for bytes that break their promises
        raise ModelError(f"{path}: not a file of plain arrays: {_one_line(error)}; {_FRESH}") from error
    if unpacked > MAX_UNPACKED_BYTES:
        _refuse(path, f"{unpacked} bytes when unpacked; allowed are {MAX_UNPACKED_BYTES}")
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):  # what is not .npy comes as bytes
            _refuse(path, f"{told(name)} in it is not an array")
    return arrays


def _unpacked(raw: bytes) -> Arrays:
    with np.load(io.BytesIO(raw), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:200] if text.isprintable() else ascii(text)[:200]


def _thawed(part: str, arrays: Arrays, settings: Mapping[str, Any]) -> Classifier:
    own = {name.removeprefix(f"{part}_"): a for name, a in arrays.items() if name.startswith(f"{part}_")}
    return thaw(settings["kind"], own, settings)
