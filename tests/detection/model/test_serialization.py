"""Records to JSON and arrays, and back; every value that is not allowed has its own line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest

from popdetect.detection.model import bundle
from popdetect.detection.model import serialization as form
from popdetect.detection.model.classifiers import (
    MAX_DEPTH,
    Calibration,
    Cascade,
    Classifier,
    FeatureRange,
    Linear,
    Network,
    Trees,
    first_feature,
)
from popdetect.errors import UsageError

RNG = np.random.default_rng(3)
LINEAR = Linear(RNG.normal(size=3), np.array([1.0, 2.0, 0.5]), RNG.normal(size=3), -0.5)
NETWORK = Network(
    RNG.normal(size=3), np.ones(3), RNG.normal(size=(3, 4)), RNG.normal(size=4), RNG.normal(size=(4, 2)),
    RNG.normal(size=2), RNG.normal(size=2), 0.25,
)  # fmt: skip


def trees(values: tuple[float, float], combine: Literal["sum", "mean"]) -> Trees:
    """One tree of one split: feature 0 at most 0 goes left."""
    index = np.array([0, 1, 2], np.int32)
    return Trees(
        np.zeros(3, np.int32), np.array([0.0, np.inf, np.inf]), np.array([1, 1, 2], np.int32),
        np.array([2, 1, 2], np.int32), np.array([True, False, False]), np.array([0.0, *values]), index[:1], 0.1,
        combine,
    )  # fmt: skip


TREES = trees((-1.0, 2.0), "sum")
RECORDS: dict[str, tuple[Any, Any]] = {
    "linear": (Classifier, LINEAR),
    "network": (Classifier, NETWORK),
    "trees": (Classifier, TREES),
    "cascade": (Classifier, Cascade(NETWORK, TREES, -2.0)),
    "range": (FeatureRange, FeatureRange(np.full(3, -1.0), np.full(3, 1.0), 2)),
    "calibration": (Calibration, Calibration(0.5, 1.0)),
    "points": (Mapping[str, Calibration], {"one": Calibration(1.0, 0.0), "two": Calibration(2.0, -1.0)}),
}


def same(one: Any, two: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(same(one[name], two[name]) for name in one)
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, two))
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(two) and all(same(getattr(one, f.name), getattr(two, f.name)) for f in fields(one))
    return bool(one == two)


@pytest.mark.parametrize("name", RECORDS)
def test_what_is_stored_is_loaded_again(name: str) -> None:
    kind, record = RECORDS[name]
    arrays: dict[str, npt.NDArray[Any]] = {}
    stored = json.loads(json.dumps(form.store(record, "part", arrays)))

    assert same(record, form.load(kind, stored, "part", arrays, n_features=3))
    assert stored.get("kind") == (name if kind is Classifier else None)


def test_arrays_are_named_by_the_path_of_their_field() -> None:
    arrays: dict[str, npt.NDArray[Any]] = {}
    stored = form.store({"part": Cascade(NETWORK, TREES, -2.0)}, "all", arrays)

    assert {"all_part_network_inner", "all_part_trees_left", "all_part_trees_nan_left"} < set(arrays)
    assert stored == {
        "part": {
            "kind": "cascade",
            "network": {"kind": "network", "bias": 0.25},
            "trees": {"kind": "trees", "baseline": 0.1, "combine": "sum"},
            "trees_from": -2.0,
        }
    }


WORD = Literal["a", "b"]


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (Classifier, {"kind": "tree"}, "x.kind is 'tree'; allowed is 'linear' or 'trees' or 'network' or 'cascade'"),
        (Classifier, None, "x.kind is null; allowed is 'linear' or 'trees' or 'network' or 'cascade'"),
        (Calibration, [1], "x is a list; allowed is an object"),
        (Calibration, {"slope": 1.0}, "x.offset is missing"),
        (Calibration, {"slope": 0, "offset": 1}, "x.slope is 0; allowed is a number from 1e-06 to 1e+06"),
        (Calibration, {"slope": True, "offset": 1}, "x.slope is true; allowed is a number from 1e-06 to 1e+06"),
        (Calibration, {"slope": False, "offset": 1}, "x.slope is false; allowed is a number from 1e-06 to 1e+06"),
        (Calibration, {"slope": 1, "offset": np.nan}, "x.offset is NaN; allowed is a number from -1e+06 to 1e+06"),
        (Calibration, {"slope": 1, "offset": "1"}, "x.offset is '1'; allowed is a number from -1e+06 to 1e+06"),
        (Calibration, {"slope": 1, "offset": 10**41},
         "x.offset is a number of more than 40 digits; allowed is a number from -1e+06 to 1e+06"),
        (Calibration, {"slope": 1, "offset": 0, "more": 1}, "x.more is unknown; allowed are slope, offset"),
        (tuple[float, ...], {"a": 1}, "x is an object; allowed is a list"),
        (tuple[float, ...], [0, 1, "c"], "x[2] is 'c'; allowed is a number from -1e+06 to 1e+06"),
        (Mapping[str, float], 3, "x is 3; allowed is an object"),
        (Mapping[str, float], {"": 3}, "a name in x is ''; allowed is a text of 1 to 255 printable characters"),
        (Mapping[str, float], {"n": 2.5e6}, "x.n is 2.5e+06; allowed is a number from -1e+06 to 1e+06"),
        (WORD, "c", "x is 'c'; allowed is 'a' or 'b'"),
        (str, "\n", "x is \"'\\\\n'\"; allowed is a text of 1 to 255 printable characters"),
        (str, "a" * 256, f"x is '{'a' * 40}'; allowed is a text of 1 to 255 printable characters"),
        (int, 2.0, "x is 2; allowed is a whole number from -1e+06 to 1e+06"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_allowed_is_named(kind: Any, value: Any, message: str) -> None:
    with pytest.raises(form.Invalid) as refused:
        form.load(kind, value, "x")

    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("centre", None, "array 'x_centre' is missing"),
        ("centre", np.zeros(3, int), "array 'x_centre' is int64 of 1 dimensions; allowed is floating point of 1"),
        ("centre", np.zeros((3, 1)), "array 'x_centre' is float64 of 2 dimensions; allowed is floating point of 1"),
        ("centre", np.zeros(2), "array 'x_centre' has shape (2,); allowed is (3,), by features"),
        ("scale", np.zeros(3), "array 'x_scale' has 0 in it; allowed are numbers from 1e-12 to 1e+12"),
        ("coef", np.array([0, np.nan, 0]), "array 'x_coef' has nan in it; allowed are numbers from -1e+06 to 1000000"),
    ],
)
def test_an_array_that_does_not_fit_is_named(name: str, array: npt.NDArray[Any] | None, message: str) -> None:
    arrays: dict[str, npt.NDArray[Any]] = {}
    stored = form.store(LINEAR, "x", arrays)
    arrays.pop(f"x_{name}")
    if array is not None:
        arrays[f"x_{name}"] = array
    with pytest.raises(form.Invalid) as refused:
        form.load(Classifier, stored, "x", arrays, n_features=3)

    assert str(refused.value) == message


def nested(levels: int, inner: Any, *, in_list: bool) -> Any:
    for _ in range(levels):
        inner = [inner] if in_list else {"a": inner}
    return inner


@pytest.mark.parametrize("in_list", [True, False])
def test_twenty_levels_are_allowed_and_no_more(in_list: bool) -> None:
    form.check_plain(nested(form.MAX_NESTING, 1, in_list=in_list))

    with pytest.raises(form.Invalid, match="nested deeper than 20 levels, the most that is allowed"):
        form.check_plain(nested(form.MAX_NESTING + 1, 1, in_list=in_list))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"a": [1, {"b": float("inf")}]}, "a[1].b is inf; allowed is a finite number"),
        ({"a": "\ud800"}, "a is \"'\\\\ud800'\"; allowed is a text that can be written as UTF-8"),
        ({"a": {"\ud800": 1}}, "a name in a is \"'\\\\ud800'\"; allowed is a text that can be written as UTF-8"),
    ],
)
def test_what_json_should_not_hold_is_named(value: Any, message: str) -> None:
    with pytest.raises(form.Invalid) as refused:
        form.check_plain(value)

    assert str(refused.value) == message


def chain(depth: int) -> Trees:
    """One tree that goes left `depth` times."""
    n = depth + 1
    left = np.minimum(np.arange(n) + 1, depth).astype(np.int32)
    return Trees(
        np.zeros(n, np.int32), np.full(n, np.inf), left, left, np.ones(n, np.bool_), np.arange(n, dtype=float),
        np.zeros(1, np.int32), 0.0, "sum",
    )  # fmt: skip


def test_the_deepest_tree_is_walked_to_its_leaf_and_a_deeper_one_refused() -> None:
    assert chain(MAX_DEPTH).logit(np.zeros((1, 1))) == [MAX_DEPTH]
    with pytest.raises(ValueError, match="or are deeper than 1000 steps"):
        chain(MAX_DEPTH + 1)


def test_a_forest_that_is_certain_gives_finite_log_odds() -> None:
    forest = trees((0.0, 1.0), "mean")
    low, high = forest.logit(np.array([[-1.0], [1.0]])).tolist()

    assert low == pytest.approx(-27.6, abs=0.1)
    assert high == pytest.approx(27.6, abs=0.1)


def test_the_first_feature_is_its_own_log_odds() -> None:
    rows = np.random.default_rng(0).normal(size=(20, 4))

    assert first_feature(4).logit(rows).tolist() == rows[:, 0].tolist()


def test_an_unknown_operating_point_names_those_there_are() -> None:
    with pytest.raises(UsageError) as refused:
        bundle.load().operating_point("loose")

    assert str(refused.value) == "operating point 'loose'; this model has: balanced, sensitive, specific"
