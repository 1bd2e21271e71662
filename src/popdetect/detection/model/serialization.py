"""Dataclasses to JSON and plain arrays, and back: the format of a model bundle.

One rule for all records: an array of a dataclass goes to the npz file, under the path of its field with ``_`` between
the parts (``classifier_trees_left``); everything else goes to ``model.json`` under the same names. Reading checks each
value against the annotation of its field and against the ranges below. The ranges are wider than any model that
training makes. They exclude what would crash, never end, or give another answer without a message.

A value that is not allowed raises `Invalid`, with one line that names the field, the value and what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from math import inf, isfinite
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio.arrays import MAX_RATE_HZ, MIN_DURATION_S
from popdetect.detection.model.classifiers import Cascade, Classifier, Linear, Network, Trees
from popdetect.detection.signal import features
from popdetect.detection.signal.onsets import RISE_LIMIT_DB
from popdetect.records import to_json

Arrays = Mapping[str, npt.NDArray[Any]]

CLASSIFIERS: dict[str, type] = {"linear": Linear, "trees": Trees, "network": Network, "cascade": Cascade}
MAX_TEXT = 255  # characters of a name
MAX_NESTING = 20  # levels; a bundle has five, and Python's own readers stop at some hundreds
_WORDS_ONLY = {"kind", "about", "recipe", "title"}  # fields of an object that decide nothing
_MAX_SHOWN = 40

# By the last part of a field's name. Log-odds of ±40 are certainty in double precision; a million still adds up.
_ANY_NUMBER = (-1e6, 1e6)
_RANGES: dict[str, tuple[float, float]] = {
    # shorter: the 150 ms of the neighbours reach across the silence between joined clips;
    # longer: the two hops of the shortest window do not fit into the shortest clip
    "hop_ms": (0.6, 1000 * MIN_DURATION_S / 2),
    # the low band needs a step between two hops; beyond six, features look at frames that are not kept
    "window_hops": (2, features.PAST_HOPS + 1 - features.BEFORE[-1][1]),
    "mel_edges_hz": (0, MAX_RATE_HZ / 2),
    # rises are limited to 40 dB: a rule above finds nothing, a rule near 0 makes every frame a candidate
    "rise_db": (1, RISE_LIMIT_DB),
    "prominence_db": (0, RISE_LIMIT_DB),
    # less than the 260 hops of silence between joined clips, and the 400 that a stream keeps
    "background_hops": (1, 100),
    "radius_hops": (1, 64),
    "base_hops": (1, 250),
    "min_outside": (1, 10_000),
    "slope": (1e-6, 1e6),  # 0 gives all sounds one probability, a negative slope reverses the answer
    "no_pop_below": (0, 1),
    "pop_from": (0, 1),
    "burst_from": (0, 1),
}


class Invalid(ValueError):
    """A value of a bundle that is not allowed; the caller adds the file."""


@dataclass(frozen=True, slots=True)
class ArrayRule:
    """What an array may hold: its kind (numpy's letters), its shape by named sizes, and its range, both ends included.

    `high` may be the name of a size: the array then holds indices from 0 to that size - 1.
    """

    kinds: str
    shape: tuple[str, ...]
    low: float = -1e12
    high: float | str = 1e12
    nan: bool = False


_FEATURE, _WEIGHT = ArrayRule("f", ("features",)), _ANY_NUMBER
_SCALE = ArrayRule("f", ("features",), 1e-12)  # features are divided by it
ARRAYS: dict[str, dict[str, ArrayRule]] = {
    "Linear": {"centre": _FEATURE, "scale": _SCALE, "coef": ArrayRule("f", ("features",), *_WEIGHT)},
    "Network": {
        "centre": _FEATURE,
        "scale": _SCALE,
        "inner": ArrayRule("f", ("features", "n_1"), *_WEIGHT),
        "inner_bias": ArrayRule("f", ("n_1",), *_WEIGHT),
        "middle": ArrayRule("f", ("n_1", "n_2"), *_WEIGHT),
        "middle_bias": ArrayRule("f", ("n_2",), *_WEIGHT),
        "outer": ArrayRule("f", ("n_2",), *_WEIGHT),
    },
    "Trees": {
        "feature": ArrayRule("iu", ("nodes",), 0, "features"),
        # +inf separates NaN from all numbers, and stands at leaves; -inf would separate nothing
        "threshold": ArrayRule("f", ("nodes",), -1e12, inf),
        "left": ArrayRule("iu", ("nodes",), 0, "nodes"),
        "right": ArrayRule("iu", ("nodes",), 0, "nodes"),
        "nan_left": ArrayRule("b", ("nodes",), 0, 1),
        "value": ArrayRule("f", ("nodes",), *_WEIGHT),
        "roots": ArrayRule("iu", ("trees",), 0, "nodes"),
    },
    "FeatureRange": {"low": _FEATURE, "high": _FEATURE},
}
_STORED_AS = {"f": np.float64, "iu": np.int32, "b": np.bool_}


def store(record: Any, field: str, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    """Convert a record to JSON types; its arrays are put into `arrays`."""
    if isinstance(record, Mapping):
        return {name: store(inner, f"{field}.{name}", arrays) for name, inner in record.items()}
    if not is_dataclass(record):
        return to_json(record)
    names = [name for name, kind in CLASSIFIERS.items() if type(record) is kind]
    stored: dict[str, Any] = {"kind": names[0]} if names else {}
    for own in fields(record):
        if own.name in ARRAYS.get(type(record).__name__, ()):
            arrays[f"{field}_{own.name}".replace(".", "_")] = np.asarray(getattr(record, own.name))
        elif own.init:
            stored[own.name] = store(getattr(record, own.name), f"{field}.{own.name}", arrays)
    return stored


def load(kind: Any, value: Any, field: str, arrays: Arrays | None = None, n_features: int = 0) -> Any:
    """Build a value of an annotated type from JSON types and arrays: the inverse of `store`.

    Parameters
    ----------
    kind : type or annotation
        A dataclass, `Classifier`, float, int, str, a Literal of words, ``tuple[X, ...]`` or ``Mapping[str, X]``.
    value : object
        As `json.loads` gives it.
    field : str
        Its path, with dots; names it in messages, and its arrays.
    arrays : mapping, optional
    n_features : int
        Columns of the rows that a classifier gets.

    Raises
    ------
    Invalid
    """
    if kind is Classifier:
        name = value.get("kind") if isinstance(value, dict) else None
        if not isinstance(name, str) or name not in CLASSIFIERS:
            raise _refused(f"{field}.kind", name, " or ".join(map(repr, CLASSIFIERS)))
        kind = CLASSIFIERS[name]
    if is_dataclass(kind):
        return _load_record(kind, value, field, arrays or {}, n_features)
    origin, args = get_origin(kind), get_args(kind)
    if origin is tuple:
        if not isinstance(value, list):
            raise _refused(field, value, "a list")
        return tuple(load(args[0], inner, f"{field}[{index}]") for index, inner in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise _refused(field, value, "an object")
        return {
            load(str, name, f"a name in {field}"): load(args[1], inner, f"{field}.{name[:_MAX_SHOWN]}")
            for name, inner in value.items()
        }
    if origin is Literal:
        if not isinstance(value, str) or value not in args:
            raise _refused(field, value, " or ".join(map(repr, args)))
        return value
    if kind is str:
        if not (isinstance(value, str) and 0 < len(value) <= MAX_TEXT and value.isprintable()):
            raise _refused(field, value, f"a text of 1 to {MAX_TEXT} printable characters")
        return value
    low, high = _RANGES.get(field.split(".")[-1].split("[")[0], _ANY_NUMBER)
    # true is an int to Python; an int too large for a float can still be compared
    if type(value) not in ((int,) if kind is int else (int, float)) or not low <= value <= high:
        raise _refused(field, value, f"a {'whole ' * (kind is int)}number from {low:g} to {high:g}")
    return kind(value)


def _load_record(kind: Any, value: Any, field: str, arrays: Arrays, n_features: int) -> Any:
    if not isinstance(value, dict):
        raise _refused(field, value, "an object")
    rules, hints, sizes = ARRAYS.get(kind.__name__, {}), get_type_hints(kind), {"features": n_features}
    found = {}
    for own in fields(kind):
        if own.name in rules:
            name = f"{field}_{own.name}".replace(".", "_")
            found[own.name] = check_array(arrays, name, rules[own.name], sizes)
        elif own.init:
            if own.name not in value:
                raise Invalid(f"{field}.{own.name} is missing")
            found[own.name] = load(hints[own.name], value[own.name], f"{field}.{own.name}", arrays, n_features)
    unknown = value.keys() - found.keys() - _WORDS_ONLY
    if unknown:
        raise Invalid(f"{field}.{_shown(min(unknown))} is unknown; allowed are {', '.join(found)}")
    try:
        return kind(**found)
    except ValueError as error:
        raise Invalid(f"arrays of {field}: {error}") from None


def check_array(arrays: Arrays, name: str, rule: ArrayRule, sizes: dict[str, int]) -> npt.NDArray[Any]:
    """Return an array that fits a rule, as the type that the code uses.

    Parameters
    ----------
    sizes : dict
        Known sizes by name; a size that is not in it is taken from the array and added.

    Raises
    ------
    Invalid
    """
    if name not in arrays:
        raise Invalid(f"array {name!r} is missing")
    array = arrays[name]
    if array.dtype.kind not in rule.kinds or array.ndim != len(rule.shape):
        kind = {"f": "floating point", "iu": "whole", "b": "boolean", "U": "text"}[rule.kinds]
        raise Invalid(
            f"array {name!r} is {array.dtype} of {array.ndim} dimensions; allowed is {kind} of {len(rule.shape)}"
        )
    shape = tuple(sizes.setdefault(size, n) for size, n in zip(rule.shape, array.shape, strict=True))
    if shape != array.shape or not array.size:
        allowed = f"{shape}, by {', '.join(rule.shape)}" if shape != array.shape else "at least one number"
        raise Invalid(f"array {name!r} has shape {array.shape}; allowed is {allowed}")
    high = sizes[rule.high] - 1 if isinstance(rule.high, str) else rule.high
    fits = (array >= rule.low) & (array <= high)
    if rule.nan:
        fits |= np.isnan(array)
    if not fits.all():
        odd = array[~fits].flat[0]
        raise Invalid(f"array {name!r} has {odd:.12g} in it; allowed are numbers from {rule.low:g} to {high:.12g}")
    return array.astype(_STORED_AS[rule.kinds])


def check_plain(value: Any, field: str = "", level: int = 0) -> None:
    """Refuse what JSON should hold nowhere: infinity and NaN, text that is not UTF-8, and a nesting without end.

    Raises
    ------
    Invalid
    """
    if level > MAX_NESTING:
        raise Invalid(f"{field[:_MAX_SHOWN]} is nested deeper than {MAX_NESTING} levels, the most that is allowed")
    if isinstance(value, float) and not isfinite(value):
        raise _refused(field, value, "a finite number")
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise _refused(field, value, "a text that can be written as UTF-8")
    if isinstance(value, list):
        for index, inner in enumerate(value):
            check_plain(inner, f"{field}[{index}]", level + 1)
    elif isinstance(value, dict):
        for name, inner in value.items():
            check_plain(name, f"a name in {field}", level)
            check_plain(inner, f"{field}.{_shown(name)}".lstrip("."), level + 1)


def _shown(text: str) -> str:
    return (text if text.isprintable() else ascii(text))[:_MAX_SHOWN]


def _refused(field: str, value: Any, allowed: str) -> Invalid:
    """The line that all refusals share, with the value in the words of JSON."""
    if value is None or isinstance(value, bool):
        given = {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, float):
        given = "NaN" if value != value else f"{value:g}"
    elif isinstance(value, int):
        given = f"{value:d}"[:_MAX_SHOWN] if abs(value) < 10**_MAX_SHOWN else "a number of more than 40 digits"
    elif isinstance(value, str):
        given = repr(_shown(value))
    else:
        given = "an object" if isinstance(value, dict) else "a list"
    return Invalid(f"{field} is {given}; allowed is {allowed}")
