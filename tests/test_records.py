"""Records as JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pytest

from popdetect.records import Burst, Detection, Event, bursts, to_json


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


def pops(*times_s: float) -> list[Event]:
    return [replace(EVENT, onset_s=time) for time in times_s]


def test_pops_at_most_150_ms_apart_are_one_burst_at_any_time() -> None:
    for start in (0.0, 7_199.95, 86_000.1):
        found = bursts(pops(start, start + 0.15, start + 0.3, start + 0.4501))
        assert [(burst.start_s, burst.n_pops) for burst in found] == [(start, 3), (start + 0.4501, 1)]
        assert found[0].end_s == pytest.approx(start + 0.302)


def test_a_burst_has_the_counted_events_only_and_the_probability_of_the_likeliest() -> None:
    first, between, last = pops(0.1, 0.2, 0.3)
    events = (replace(first, p_pop=0.6), replace(between, is_pop=False), replace(last, p_pop=0.8))

    assert bursts(events) == (Burst(0.1, 0.1 + 0.002, 1, 0.6), Burst(0.3, 0.3 + 0.002, 1, 0.8))
    assert Detection("pop", 0.9, events, 1.0, 48_000, 1).bursts == bursts(events)
    assert bursts(()) == ()


def test_a_burst_ends_with_the_sound_that_ends_last_and_an_unknown_length_is_0() -> None:
    (burst,) = bursts([replace(EVENT, duration_ms=8.0), replace(EVENT, onset_s=0.503, duration_ms=math.nan)])

    assert burst == Burst(0.5, 0.508, 2, 0.9)
