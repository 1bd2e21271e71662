"""The arrays and settings of a bundle back to a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.cascade import Cascade
from popdetect.detection.model.classifiers import Classifier, Linear, Trees
from popdetect.detection.model.network import Network

Arrays = Mapping[str, npt.NDArray[np.generic]]


def thaw(kind: str, arrays: Arrays, settings: Mapping[str, Any]) -> Classifier:
    """Rebuild a classifier.

    Raises
    ------
    KeyError, ValueError, TypeError
        When something is missing or of the wrong kind; `bundle.load` names it.
    """
    if kind == "linear":
        centre, scale, coef = (_floats(arrays, name) for name in ("centre", "scale", "coef"))
        return Linear(centre, scale, coef, _number(arrays, "intercept"))
    if kind == "trees":
        return _trees(arrays, settings)
    if kind == "network":
        return _network(arrays)
    if kind == "cascade":
        trees = _trees(_of("trees", arrays), settings["trees"])
        return Cascade(_network(_of("network", arrays)), trees, float(settings["ask_from"]))
    raise ValueError(f"classifier kind {kind!r}; 'linear', 'trees', 'network' and 'cascade' are known")


def _of(part: str, arrays: Arrays) -> Arrays:
    return {name.removeprefix(f"{part}_"): array for name, array in arrays.items() if name.startswith(f"{part}_")}


def _floats(arrays: Arrays, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(arrays[name], np.float64)


def _number(arrays: Arrays, name: str) -> float:
    return float(arrays[name][()].item())


def _trees(arrays: Arrays, settings: Mapping[str, Any]) -> Trees:
    combine = settings["combine"]
    if combine not in ("sum", "mean"):
        raise ValueError(f"combine is {combine!r}; 'sum' and 'mean' are known")
    return Trees(
        feature=np.asarray(arrays["feature"], np.int32),
        threshold=_floats(arrays, "threshold"),
        left=np.asarray(arrays["left"], np.int32),
        right=np.asarray(arrays["right"], np.int32),
        nan_left=np.asarray(arrays["nan_left"], np.bool_),
        value=_floats(arrays, "value"),
        roots=np.asarray(arrays["roots"], np.int32),
        depth=int(str(settings["depth"])),
        baseline=float(str(settings["baseline"])),
        combine=combine,
    )


def _network(arrays: Arrays) -> Network:
    return Network(
        centre=_floats(arrays, "centre"),
        scale=_floats(arrays, "scale"),
        inner=_floats(arrays, "inner"),
        inner_bias=_floats(arrays, "inner_bias"),
        middle=_floats(arrays, "middle"),
        middle_bias=_floats(arrays, "middle_bias"),
        outer=_floats(arrays, "outer"),
        bias=_number(arrays, "bias"),
    )
