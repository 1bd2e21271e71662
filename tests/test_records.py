"""Records as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest

from popdetect.records import Detection, Event, to_json


@dataclass(frozen=True)
class _Outer:
    path: PurePosixPath
    inner: tuple[Event, ...]
    more: dict[Any, Any]


EVENT = Event(0.5, 0.9, True, 2.0, 2500.0, 3000.0, 30.0)


def test_a_detection_is_one_line_in_a_notebook() -> None:
    events = (EVENT, Event(0.6, 0.1, False, 2.0, 2500.0, 3000.0, 30.0))

    assert repr(Detection("pop", 0.987, events, 1.53, 48_000, 2)) == "<Detection pop: p_pop 0.99, 1 pop in 1.5 s>"
    assert repr(Detection("no_pop", 0.0, (), 1.0, 48_000, 1)) == "<Detection no_pop: p_pop 0.00, 0 pops in 1.0 s>"


def test_a_record_becomes_json_types_with_all_fields_in_order() -> None:
    made = to_json(_Outer(PurePosixPath("a/b"), (EVENT,), {1: {"z", "a"}, "x": np.float32(0.5), "y": np.arange(2)}))

    assert made == {"path": "a/b", "inner": [asdict(EVENT)], "more": {"1": ["a", "z"], "x": 0.5, "y": [0, 1]}}
    assert json.loads(json.dumps(made)) == made
    assert list(made["inner"][0]) == list(asdict(EVENT))


@pytest.mark.parametrize(
    "value", [np.int64(3), np.bool_(True), np.float64(0.1), np.array(2.5), np.zeros((2, 0)), None, True, "é", 1e300]
)
def test_numbers_keep_their_value_and_lose_numpys_type(value: object) -> None:
    made = to_json(value)

    assert json.loads(json.dumps(made)) == made
    assert type(made) in (int, bool, float, list, str, type(None))
    assert np.array_equal(made, value)


def test_a_detection_is_what_asdict_gives_with_lists_for_tuples() -> None:
    detection = Detection("pop", 0.9, (EVENT,), 3.0, 48_000, 1, ("clipped",))

    assert to_json(detection) == json.loads(json.dumps(asdict(detection)))


@pytest.mark.parametrize("value", [object(), 1j, b"bytes", Event])
def test_what_has_no_json_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="has no JSON form"):
        to_json({"a": [value]})
