"""What the arrays of a bundle may hold: their kind, shape and range, and what those of a tree promise each other.

Array names in messages are those of the file, ``gate_left`` or ``classifier_left``, so that each tells its part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.fields import LOG_ODDS_LIMIT

Arrays = Mapping[str, npt.NDArray[Any]]

_KINDS = {"f": "floating point", "iu": "whole", "b": "boolean"}
_INT32 = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Plain:
    """An array of one kind of numbers (numpy's letters), of `n_dim` dimensions, all from `low` to `high`.

    NaN is in no range, unless `may_miss`.
    """

    kinds: str
    low: float = 0.0
    high: float = 1.0
    n_dim: int = 1
    may_miss: bool = False

    def flaw(self, arrays: Arrays, name: str) -> str:
        """What is wrong with the array of this name, in one line; empty if nothing is."""
        if name not in arrays:
            return f"array {name!r} is missing"
        array = arrays[name]
        if array.dtype.kind not in self.kinds or array.ndim != self.n_dim:
            given = f"{array.dtype} of {array.ndim} dimensions"
            return f"array {name!r} is {given}; allowed is {_KINDS[self.kinds]} of {self.n_dim}"
        if not array.size:
            return f"array {name!r} is empty"
        low, high = (np.fmin, np.fmax) if self.may_miss else (np.minimum, np.maximum)
        least, most = low.reduce(array, axis=None), high.reduce(array, axis=None)
        if (least >= self.low and most <= self.high) or (self.may_miss and np.isnan(least)):
            return ""
        if np.isnan(least):
            return f"array {name!r} has NaN in it; allowed are numbers from {self.low:g} to {self.high:g}"
        odd = least if least < self.low else most
        return f"array {name!r} has {odd:.12g} in it; allowed are numbers from {self.low:g} to {self.high:g}"


_ANY = Plain("f", -1e12, 1e12)  # in units of a feature: dB, ms, counts
_LOG_ODDS = Plain("f", -LOG_ODDS_LIMIT, LOG_ODDS_LIMIT)
_INDEX = Plain("iu", -_INT32, _INT32)  # what it may point to is for `_trees_flaw` to say

_OF_KIND = {
    "linear": {
        "centre": _ANY,
        "scale": Plain("f", 1e-12, 1e12),  # features are divided by it
        "coef": _LOG_ODDS,
        "intercept": Plain("f", -LOG_ODDS_LIMIT, LOG_ODDS_LIMIT, n_dim=0),
    },
    "trees": {
        "feature": _INDEX,
        # +inf parts what is missing from the rest, and stands at leaves; -inf would part nothing
        "threshold": Plain("f", -1e12, np.inf),
        "left": _INDEX,
        "right": _INDEX,
        "nan_left": Plain("b"),
        "value": _LOG_ODDS,
        "roots": _INDEX,
    },
    "network": {
        "centre": _ANY,
        "scale": Plain("f", 1e-12, 1e12),
        "inner": Plain("f", -LOG_ODDS_LIMIT, LOG_ODDS_LIMIT, n_dim=2),
        "inner_bias": _LOG_ODDS,
        "middle": Plain("f", -LOG_ODDS_LIMIT, LOG_ODDS_LIMIT, n_dim=2),
        "middle_bias": _LOG_ODDS,
        "outer": _LOG_ODDS,
        "bias": Plain("f", -LOG_ODDS_LIMIT, LOG_ODDS_LIMIT, n_dim=0),
    },
}


def part_flaw(part: str, arrays: Arrays, settings: Mapping[str, Any], n_features: int) -> str:
    """What is wrong with the arrays of gate, classifier or context, whose settings are sound; empty if nothing."""
    if settings["kind"] == "cascade":
        network = part_flaw(f"{part}_network", arrays, {"kind": "network"}, n_features)
        return network or part_flaw(f"{part}_trees", arrays, {**settings["trees"], "kind": "trees"}, n_features)
    rules = _OF_KIND[settings["kind"]]
    flaws = (rule.flaw(arrays, f"{part}_{name}") for name, rule in rules.items())
    found = next(filter(None, flaws), "")
    if found:
        return found
    own = {name: arrays[f"{part}_{name}"] for name in rules}
    if settings["kind"] == "trees":
        found = _trees_flaw(own, settings, n_features)
    else:
        found = _network_flaw(own, n_features) if settings["kind"] == "network" else _linear_flaw(own, n_features)
    return found and f"{part}: {found}"


def span_flaw(arrays: Arrays, n_features: int) -> str:
    """What is wrong with the span of the features; empty if nothing is."""
    for name in ("span_low", "span_high"):
        found = _ANY.flaw(arrays, name)
        if found:
            return found
        if len(arrays[name]) != n_features:
            return f"array {name!r} has {len(arrays[name])} numbers; allowed is one for each of {n_features} features"
    if (arrays["span_low"] > arrays["span_high"]).any():
        return "array 'span_low' has a number above that of 'span_high'; allowed is at most the same"
    return ""


def _linear_flaw(own: Arrays, n_features: int) -> str:
    for name, array in own.items():
        if array.ndim and len(array) != n_features:
            return f"{len(array)} weights in {name!r}; allowed is one for each of the {n_features} features"
    return ""


def _network_flaw(own: Arrays, n_features: int) -> str:
    n_1, n_2 = own["middle"].shape
    shapes = {
        "centre": (n_features,), "scale": (n_features,), "inner": (n_features, n_1), "inner_bias": (n_1,),
        "middle_bias": (n_2,), "outer": (n_2,),
    }  # fmt: skip
    for name, shape in shapes.items():
        if own[name].shape != shape:
            given, features = own[name].shape, f"{n_features} features and {n_1} and {n_2} units"
            return f"{name!r} has shape {given}; allowed is {shape}, for {features}"
    return ""


def _trees_flaw(own: Arrays, settings: Mapping[str, Any], n_features: int) -> str:
    n_nodes, roots = len(own["feature"]), own["roots"]
    lengths = {name: len(array) for name, array in own.items() if name != "roots"}
    if set(lengths.values()) != {n_nodes}:
        return f"the tree arrays differ in length ({', '.join(f'{name} {n}' for name, n in lengths.items())})"
    for name, limit in (("feature", n_features), ("left", n_nodes), ("right", n_nodes), ("roots", n_nodes)):
        least, most = int(own[name].min()), int(own[name].max())
        if least < 0 or most >= limit:
            given = least if least < 0 else most
            return f"a tree points outside itself: {name!r} has {given} in it; allowed is 0 to {limit - 1}"
    if settings.get("n_trees", len(roots)) != len(roots):
        return f"{len(roots)} trees, but n_trees is another number"
    if settings["combine"] == "mean" and not 0 <= own["value"].min() <= own["value"].max() <= 1:
        return "'value' has numbers outside 0 to 1 in it; combine is 'mean', of probabilities"
    depth = settings["depth"]
    steps = _steps_down(own["left"], own["right"], roots, depth)
    if steps > depth:
        return f"depth is {depth}, but the trees are deeper, or go in circles: no leaf is reached in {depth} steps"
    if steps < depth:  # every row would stand still for the rest of the steps
        return f"depth is {depth}; allowed is {steps}, the steps down to the deepest leaf"
    return ""


def _steps_down(left: npt.NDArray[Any], right: npt.NDArray[Any], roots: npt.NDArray[Any], limit: int) -> int:
    """Steps until all leaves are reached, at most one more than `limit`; a leaf leads to itself."""
    own = np.arange(len(left))
    is_leaf = (left == own) & (right == own)
    inner, steps = roots[~is_leaf[roots]], 0
    while len(inner) and steps <= limit:
        # marked, not listed: in a damaged tree two ways may lead to one node, and double at every level
        below = np.zeros(len(left), np.bool_)
        below[left[inner]] = below[right[inner]] = True
        inner = np.flatnonzero(below & ~is_leaf)
        steps += 1
    return steps
