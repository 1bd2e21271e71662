"""The check that a bundle is whole, and that the installed code computes what its model was trained on.

``parity.npz`` holds feature rows with the probabilities that scikit-learn gave them. ``golden.npz`` holds short clips
with everything that the detector computed of them when the bundle was written: the inputs and log-odds of the candidate
filter, the feature rows and log-odds of the classifier, the rows and log-odds of the context model, and the detection.
Beside the clips are courses of energy, dB per frame, to find a voice in, and the quality flags near their thresholds.
`verify` computes all of it again. So a change of the feature code that no longer fits the model is noticed.

Clips are integers of 16 bits, shape (n_samples, n_channels).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.detector import Detector
from popdetect.detection.model import bundle
from popdetect.detection.model.bundle import Model
from popdetect.detection.model.classifiers import Classifier, Floats, sigmoid
from popdetect.detection.model.serialization import ArrayRule, Invalid, check_array
from popdetect.detection.signal import candidate_filter, context
from popdetect.detection.signal.quality import Quality
from popdetect.detection.signal.speech import Voice, stretches
from popdetect.errors import ModelError

Clip = tuple[npt.NDArray[np.int16], int]  # samples and their rate, Hz
Arrays = dict[str, npt.NDArray[Any]]

PARITY_TOLERANCE = 1e-5  # of a probability
# Of a number computed of a golden clip, absolute and relative. Other processors and libraries add float32 numbers in
# another order: the kernels of OpenBLAS differ by at most 1e-5. Log-odds are compared for the stored rows: a row on
# the threshold of a tree may go either way. For the same reason the tolerance of probabilities is larger.
GOLDEN_TOLERANCE = 1e-4, 1e-5
P_TOLERANCE = 0.02
EVENT_COLUMNS = ("onset_s", "is_pop", "duration_ms", "peak_hz", "centroid_hz", "snr_db")
_UNFIT = "the installed code and this model do not belong together: use the version it was made with, or train it again"


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of `verify`."""

    model: Model
    worst_parity: float  # greatest difference from scikit-learn's probabilities
    n_rows: int  # how many feature rows were compared
    n_clips: int  # how many golden clips were compared


def verify(path: str | os.PathLike[str] | None = None) -> Verified:
    """Load a bundle, and compute again what its parity rows and golden clips gave when it was written.

    Raises
    ------
    ModelError
        When the bundle is damaged, when a probability differs from scikit-learn's by more than 1e-5, or when anything
        computed of a golden clip differs from what is stored.
    """
    model = bundle.load(path)
    folder = Path(path) if path is not None else bundle.shipped()
    try:
        file = folder / bundle.PARITY
        worst, n_rows = _check_parity(model, bundle.read_arrays(folder, bundle.PARITY, model.info))
        file = folder / bundle.GOLDEN
        arrays = bundle.read_arrays(folder, bundle.GOLDEN, model.info)
        clips = golden_clips(arrays)
        difference = next(differences(model, clips, arrays), "")
    except Invalid as error:
        raise ModelError(f"{file}: {error}; probably damaged or edited: take a fresh copy of the bundle") from None
    if difference:
        raise ModelError(f"{folder}: {difference}; {_UNFIT}")
    if bundle.REPLAY in model.info["files"]:
        bundle.read_arrays(folder, bundle.REPLAY, model.info)
    return Verified(model, worst, n_rows, len(clips))


def _check_parity(model: Model, arrays: Arrays) -> tuple[float, int]:
    sizes = {"features": len(model.feature_names)}
    rows = check_array(arrays, "rows", ArrayRule("f", ("rows", "features"), nan=True), sizes)
    expected = check_array(arrays, "p", ArrayRule("f", ("rows",), 0, 1), sizes)
    worst = float(np.abs(sigmoid(model.classifier.logit(rows)) - expected).max())
    if not worst <= PARITY_TOLERANCE:
        raise Invalid(
            f"probabilities differ from scikit-learn's by {worst:.2g}, allowed is {PARITY_TOLERANCE:.0e}; "
            "the weights do not belong to this bundle"
        )
    return worst, len(rows)


class _Recorder:
    """A classifier that keeps the rows it gets and the log-odds it gives."""

    def __init__(self, classifier: Classifier, n_features: int) -> None:
        self._classifier = classifier
        self._rows, self._logits = [np.empty((0, n_features))], [np.empty(0)]

    def logit(self, rows: Floats) -> Floats:
        logits = self._classifier.logit(rows)
        self._rows.append(rows)
        self._logits.append(logits)
        return logits

    @property
    def recorded(self) -> tuple[Floats, Floats]:
        return np.concatenate(self._rows), np.concatenate(self._logits)


def record(model: Model, clip: Clip) -> Arrays:
    """Return everything that the detector computes of one clip, by name."""
    n_columns = model.front_end.n_columns
    filtered = _Recorder(model.candidate_filter, len(candidate_filter.names(n_columns)))
    first = _Recorder(model.classifier, len(model.feature_names))
    final = _Recorder(model.context_model, len(context.names()))
    recorder = Detector(replace(model, candidate_filter=filtered, classifier=first, context_model=final))
    samples, rate_hz = clip
    found = recorder.detect(samples, rate_hz)
    events = [[float(getattr(event, name)) for name in EVENT_COLUMNS] for event in found.events]
    arrays: Arrays = {}
    for part, used in (("filter", filtered), ("feature", first), ("context", final)):
        arrays[f"{part}_rows"], arrays[f"{part}_logit"] = used.recorded
    # not `dropout`: it is newer than the golden clips of bundles of this format, and no probability depends on it
    flags = [flag for flag in found.quality if flag != "dropout"]
    return arrays | {
        "events": np.reshape(np.array(events, np.float64), (-1, len(EVENT_COLUMNS))),
        "p_pop": np.array([found.p_pop, *(event.p_pop for event in found.events)]),
        "words": np.array([found.label, *(event.channel for event in found.events), ";".join(flags)]),
    }


def record_flags(energies_db: npt.NDArray[Any]) -> Arrays:
    """Return the voice found in courses of energy, shape (n, n_frames), and the quality flags near their thresholds."""
    courses = energies_db.astype(np.float32)
    voices = [Voice() for _ in courses]
    for voice, course in zip(voices, courses, strict=True):
        voice.feed(course[:100])
        voice.feed(course[100:])
    cases: list[tuple[str, ...]] = []
    for peak_db in np.arange(-58, -44, 0.25):
        cases.append(_flags([np.full((3, 1), 10 ** (peak_db / 20))]))
    for level in (0.95, 0.9985, 1.0):
        for n_full in range(1, 7):
            block = np.concatenate([np.zeros((3, 2)), np.full((n_full, 2), [level, 0.5]), np.zeros((3, 2))])
            cases += [_flags([block]), _flags([block[:5], block[5:]]), _flags([block[:5], block[:2], block[5:]])]
    for duration_s in (0.2, 0.3, 0.5, 0.8, 1.2, 25.0, 29.5, 30.0, 30.5, 35.0):
        cases += [_flags([np.full((3, 1), 0.5)], duration_s, voice_s) for voice_s in np.arange(0.05, 0.35, 0.004)]
    lags, levels = zip(*map(stretches, courses), strict=True)
    return {
        "voice_lags": np.array(lags),
        "voice_levels": np.array(levels),
        "voice_seconds": np.array([[voice.seconds(0.001)] for voice in voices]),
        "flags": np.array([";".join(flags) for flags in cases]),
    }


def _flags(blocks: Sequence[npt.NDArray[Any]], duration_s: float = 3.0, voice_s: float = 0.0) -> tuple[str, ...]:
    quality = Quality()
    for block in blocks:
        quality.add(block.astype(np.float32))
    return quality.flags(duration_s, voice_s, outside=False)


def golden_arrays(model: Model, clips: Sequence[Clip], energies_db: npt.NDArray[Any]) -> Arrays:
    """Return the arrays of a ``golden.npz``: the clips and courses of energy, and all that is computed of them."""
    arrays: Arrays = {"rates_hz": np.array([rate_hz for _, rate_hz in clips]), "energies_db": energies_db}
    arrays |= record_flags(energies_db)
    for index, clip in enumerate(clips):
        arrays[f"clip_{index}"] = clip[0]
        for name, array in record(model, clip).items():
            # rows hold numbers of float32; log-odds and probabilities are not rounded
            arrays[f"{name}_{index}"] = array.astype(np.float32) if name.endswith("_rows") else array
    return arrays


def golden_clips(arrays: Mapping[str, npt.NDArray[Any]]) -> list[Clip]:
    """Return the clips of a ``golden.npz``; raises Invalid."""
    rates_hz = check_array(arrays, "rates_hz", ArrayRule("iu", ("clips",), 8_000, 192_000), {}).tolist()
    clips = []
    for index, rate_hz in enumerate(rates_hz):
        rule = ArrayRule("iu", ("samples", "channels"), -(2**15), 2**15 - 1)
        clips.append((check_array(arrays, f"clip_{index}", rule, {}).astype(np.int16), rate_hz))
    return clips


def differences(model: Model, clips: Sequence[Clip], expected: Mapping[str, npt.NDArray[Any]]) -> Iterator[str]:
    """Yield one line for each array of each clip that is not as expected, in the order in which they are computed."""
    columns: dict[str, Sequence[str]] = {
        "filter_rows": candidate_filter.names(model.front_end.n_columns),
        "feature_rows": model.feature_names,
        "context_rows": context.names(),
        "events": EVENT_COLUMNS,
    }
    energies_db = check_array(expected, "energies_db", ArrayRule("f", ("courses", "frames"), -200, 200), {})
    for name, array in record_flags(energies_db).items():
        difference = _difference(array, _stored(expected, name))
        if difference:
            yield f"{name} differ from those the model was trained on: {difference}"
    parts = {"filter": model.candidate_filter, "feature": model.classifier, "context": model.context_model}
    for index, clip in enumerate(clips):
        found = record(model, clip)
        for part, classifier in parts.items():
            rows = _stored(expected, f"{part}_rows_{index}")
            if rows.shape == found[f"{part}_rows"].shape:
                found[f"{part}_logit"] = classifier.logit(rows.astype(np.float64))
        for name, array in found.items():
            absolute = P_TOLERANCE if name == "p_pop" else GOLDEN_TOLERANCE[0]
            difference = _difference(array, _stored(expected, f"{name}_{index}"), columns.get(name, ()), absolute)
            if difference:
                yield f"{name} differ from those the model was trained on: {difference} in golden clip {index}"


def _stored(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> npt.NDArray[Any]:
    if name not in arrays:
        raise Invalid(f"array {name!r} is missing")
    return arrays[name]


def _difference(
    found: npt.NDArray[Any],
    expected: npt.NDArray[Any],
    columns: Sequence[str] = (),
    absolute: float = GOLDEN_TOLERANCE[0],
) -> str:
    """Say in a few words where two arrays differ; empty if nowhere."""
    if found.shape != expected.shape:
        return f"{len(found)} rows instead of {len(expected)}" if expected.ndim else "another shape"
    if found.dtype.kind == "U" or expected.dtype.kind not in "fiu":
        at = np.flatnonzero(found != expected) if expected.dtype.kind == "U" else np.array([0])
        return f"{str(found[at[0]])!r} instead of {str(expected[at[0]])!a}" if len(at) else ""
    off = np.abs(found - expected) - (absolute + GOLDEN_TOLERANCE[1] * np.abs(expected))
    off = np.where(np.isnan(found) & np.isnan(expected), -np.inf, np.where(np.isnan(off), np.inf, off))
    if not off.size or off.max() <= 0:
        return ""
    worst = np.unravel_index(off.argmax(), off.shape)
    of = f"{columns[int(worst[1])]} " if len(columns) else ""
    return f"{of}{found[worst]:.6g} instead of {expected[worst]:.6g}"
