"""The model bundle: a folder of JSON and plain arrays. It holds no pickle and no code.

``model.json`` holds everything but the arrays, ``weights.npz`` the arrays. ``golden.npz`` and ``parity.npz`` are for
`verification` alone, ``replay.npz`` (optional) is for training alone. ``CARD.md`` says the same for people.

A SHA-256 shows that nothing changed since the bundle was made; it does not show who made it. So each field is checked
before it is used: whatever is wrong with a bundle is a `ModelError` that names the file and the field.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.arrays import MIN_DURATION_S, MIN_RATE_HZ
from popdetect.detection.model import serialization
from popdetect.detection.model.classifiers import Calibration, Classifier, FeatureRange
from popdetect.detection.model.serialization import Invalid
from popdetect.detection.signal import candidate_filter, context, features
from popdetect.detection.signal.frames import FrontEnd
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.errors import ModelError, UsageError

FORMAT = 4
DEFAULT_NAME = "default"
DEFAULT_OPERATING_POINT = "balanced"
WEIGHTS, PARITY, GOLDEN, REPLAY = "weights.npz", "parity.npz", "golden.npz", "replay.npz"
MAX_UNPACKED_BYTES = 2**29  # half a gigabyte: training's largest model takes a hundredth

Arrays = dict[str, npt.NDArray[Any]]

_FRESH = "probably damaged or edited: take a fresh copy of the bundle"


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The probabilities, 0 to 1, from which a clip or an event gets its label."""

    no_pop_below: float  # clips with a lower `p_pop` are ``no_pop``; at most `pop_from`
    # clips with at least this `p_pop` are ``pop``; those between are ``uncertain``. An event is counted if it alone
    # would make its clip ``pop`` or ``uncertain``
    pop_from: float
    burst_from: float  # within 150 ms of a counted event, an event is counted from this event probability on

    def __str__(self) -> str:
        """Return the thresholds of the label in words."""
        return f"pop from {self.pop_from:.2f}, no pop below {self.no_pop_below:.2f}"


@dataclass(frozen=True, slots=True)
class Model:
    """A bundle, loaded and checked. All fields but the last two have the same names in ``model.json``."""

    name: str
    version: str
    front_end: FrontEnd  # how frames are made
    onset_rule: OnsetRule  # how candidates are chosen
    candidate_filter: Classifier  # discards unlikely candidates, by a few levels around each
    pass_from: float  # log-odds from which a candidate passes the filter
    feature_names: tuple[str, ...]
    classifier: Classifier  # by the features of the candidate alone
    context_model: Classifier  # by the calibrated log-odds of the candidate and of its neighbours
    out_of_distribution: FeatureRange  # of the features in training
    base_calibration: Calibration  # from the classifier's log-odds to calibrated ones
    event_calibration: Calibration  # from the context model's log-odds to the probability that this event is a pop
    clip_calibration: Calibration  # to the probability that a clip whose best event has these log-odds holds a pop
    operating_points: Mapping[str, OperatingPoint]
    info: dict[str, Any]  # all of ``model.json``
    sha256: str  # of ``model.json``, which holds the SHA-256 of the other files

    @property
    def title(self) -> str:
        """Name and version, as written in every row."""
        return f"{self.name}-{self.version}"

    def operating_point(self, name: str) -> OperatingPoint:
        """Look up an operating point; raises UsageError with the names that exist."""
        try:
            return self.operating_points[name]
        except KeyError:
            known = ", ".join(self.operating_points)
            raise UsageError(f"operating point {name!r}; this model has: {known}") from None


STORED = tuple(field.name for field in fields(Model) if field.name not in ("info", "sha256"))


def shipped(name: str = DEFAULT_NAME) -> Path:
    """Return the folder of the bundle that comes with the package, installed or in a checkout."""
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
    hints, found = get_type_hints(Model), {}
    arrays: Arrays = {}
    n_features: dict[str, int] = {}
    file = "model.json"
    try:
        serialization.check_plain(info)
        _check_files(info)
        arrays = read_arrays(folder, WEIGHTS, info)
        for name in STORED:
            if name not in info:
                raise Invalid(f"{name!r} is missing")
            try:
                found[name] = serialization.load(hints[name], info[name], name, arrays, n_features.get(name, 0))
            except Invalid as error:
                file = WEIGHTS if str(error).startswith("array") else file
                raise
            if name == "front_end":
                n_features = _check_front_end(found[name])
        _check_operating_points(found["operating_points"])
    except Invalid as error:
        raise ModelError(f"{folder / file}: {error}; {_FRESH}") from None
    expected = features.names(found["front_end"].n_columns)
    if found["feature_names"] != expected:
        odd = sorted(set(found["feature_names"]) ^ set(expected)) or ["their order"]
        raise ModelError(
            f"{folder / 'model.json'}: feature_names: made for other features than this version computes "
            f"({', '.join(odd[:3])}{' …' if len(odd) > 3 else ''}); train it again with this version"
        )
    return Model(**found, info=info, sha256=sha256)


def read_arrays(folder: Path, name: str, info: Mapping[str, Any]) -> Arrays:
    """Read one npz file of a bundle; raises ModelError if it is missing, changed (SHA-256), or not of plain arrays."""
    path = folder / name
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    if hashlib.sha256(raw).hexdigest() != info["files"][name]:
        raise ModelError(f"{path}: changed since the bundle was made (sha256 differs); take a fresh copy of the bundle")
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            raise Invalid(f"{unpacked} bytes when unpacked; allowed are {MAX_UNPACKED_BYTES}")
        with np.load(io.BytesIO(raw), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        for key, array in arrays.items():
            if not isinstance(array, np.ndarray):  # what is not .npy comes as bytes
                raise Invalid(f"{key!a} in it is not an array")
    except Exception as error:
        # everything: zipfile, zlib, tokenize and numpy have a dozen of their own for damaged bytes
        text = " ".join(str(error).split()) or type(error).__name__
        text = (text if text.isprintable() else ascii(text))[:200]
        raise ModelError(f"{path}: not a file of plain arrays: {text}; {_FRESH}") from error
    return arrays


def _read_json(folder: Path) -> tuple[dict[str, Any], str]:
    """Read a ``model.json`` of this format, and its SHA-256."""
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
    if type(number) is not int or number != FORMAT:  # true and 4.0 equal a number, too
        is_newer = type(number) is int and number > FORMAT
        given = ascii(number)[:40] if isinstance(number, str | int | float) else "no number"
        hint = "update popdetect" if is_newer else "train it again"
        raise ModelError(f"{path}: format {given}; this version reads format {FORMAT}; {hint}")
    return info, hashlib.sha256(raw).hexdigest()


def _check_files(info: Mapping[str, Any]) -> None:
    """Refuse a list of files that is not complete, or names others: no file outside the bundle is ever opened."""
    files = serialization.load(Mapping[str, str], info.get("files"), "files")
    for name in (WEIGHTS, PARITY, GOLDEN):
        if name not in files:
            raise Invalid(f"files.{name} is missing")
    unknown = sorted(files.keys() - {WEIGHTS, PARITY, GOLDEN, REPLAY})
    if unknown:
        raise Invalid(f"files.{unknown[0]} is unknown; a bundle has {WEIGHTS}, {PARITY}, {GOLDEN} and {REPLAY}")


def _check_front_end(front_end: FrontEnd) -> dict[str, int]:
    """Refuse what would leave frames, or all bands, empty at some sample rate; return the features of each part."""
    edges, window_ms = front_end.mel_edges_hz, front_end.hop_ms * front_end.window_hops
    if not 3 <= len(edges) <= 130:
        raise Invalid(f"front_end.mel_edges_hz has {len(edges)} numbers; allowed are 3 to 130, one band and more")
    for index, (lower, upper) in enumerate(pairwise(edges), start=1):
        if upper - lower < 1:  # bands are divided by it
            raise Invalid(
                f"front_end.mel_edges_hz[{index}] is {upper:g}; allowed is at least 1 Hz more than the edge before, "
                f"{lower:g}"
            )
    if window_ms > 1000 * MIN_DURATION_S:
        raise Invalid(
            f"front_end.window_hops is {front_end.window_hops}, a window of {window_ms:g} ms; allowed is at most "
            f"{1000 * MIN_DURATION_S:g} ms, the shortest clip (hop_ms is {front_end.hop_ms:g})"
        )
    half_hz = MIN_RATE_HZ / 2
    if edges[2] > half_hz:
        raise Invalid(
            f"front_end.mel_edges_hz[2] is {edges[2]:g}; allowed is at most {half_hz:g} Hz: "
            f"{MIN_RATE_HZ} Hz recordings must hold a whole band"
        )
    # hops are rounded down to whole samples: at the lowest rates the window is shorter by up to one part in `hop`
    hop = front_end.hop(MIN_RATE_HZ)
    apart_hz, room_hz = 1000 / window_ms * (hop + 1) / hop, min(edges[-1], half_hz) - edges[0]
    if apart_hz >= room_hz:
        raise Invalid(
            f"front_end.mel_edges_hz leaves {room_hz:g} Hz below {half_hz:g} Hz; allowed is more than "
            f"{apart_hz:g} Hz, the resolution of a window of {window_ms:g} ms"
        )
    n_classifier = len(features.names(front_end.n_columns))
    return {
        "candidate_filter": len(candidate_filter.names(front_end.n_columns)),
        "classifier": n_classifier,
        "context_model": len(context.names()),
        "out_of_distribution": n_classifier,
    }


def _check_operating_points(points: Mapping[str, OperatingPoint]) -> None:
    for name, point in points.items():
        if point.no_pop_below > point.pop_from:
            raise Invalid(
                f"operating_points.{name}.no_pop_below is {point.no_pop_below:g}; allowed is at most its pop_from, "
                f"{point.pop_from:g}"
            )
    if DEFAULT_OPERATING_POINT not in points:
        raise Invalid(f"operating_points has no {DEFAULT_OPERATING_POINT!r}, only {', '.join(points) or 'nothing'}")
