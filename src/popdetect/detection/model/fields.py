"""What ``model.json`` may say: every field that decides something, its kind, and the range that the code can bear.

The ranges are wider than any model that training makes; they shut out what would crash, never end, or silently give
another answer. What only people read (provenance, scores, limits) must be sound JSON and is not looked at further.
Lengths are counted in hops, levels are dB, frequencies Hz.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from popdetect.detection.audio.arrays import MAX_RATE_HZ, MIN_DURATION_S, MIN_RATE_HZ
from popdetect.detection.model.kinds import (
    ByKind,
    Fields,
    Kind,
    ListOf,
    Named,
    Number,
    Text,
    Word,
    oddity,
    refused,
    told,
)
from popdetect.detection.signal import features
from popdetect.detection.signal.onsets import RISE_LIMIT_DB

DEFAULT_OPERATING_POINT = "balanced"

# log-odds of ±40 are certainty to double precision; a million of them still add up without overflow
LOG_ODDS_LIMIT = 1e6
MAX_DEPTH = 1000  # steps down a tree, each taken by all rows: training's deepest take 10

# Shorter, and the 150 ms in which neighbours are looked for reach across the 260 hops between joined clips.
# Longer, and the two hops of the shortest window do not fit into the shortest clip any more.
_HOP_MS = Number(0.6, 1000 * MIN_DURATION_S / 2)
# One hop has no step to its neighbour, which the low band is made of. More than six, and the earliest frames that the
# features look at would lie before those that are kept for them.
_WINDOW_HOPS = Number(2, features.PAST_HOPS + 1 - features.BEFORE[-1][1], whole=True)
# One band takes three edges; 128 bands are as many as the shortest window could tell apart, and more.
_MEL_EDGES_HZ = ListOf(Number(0, MAX_RATE_HZ / 2), 3, 130)
_NARROWEST_HZ = 1.0  # between two edges: bands are divided by it

_ONSET_RULE = Fields(
    {
        # rises are limited to 40 dB: a rule above that finds nothing, one near 0 calls every frame a candidate
        "rise_db": Number(1, RISE_LIMIT_DB),
        "prominence_db": Number(0, RISE_LIMIT_DB),
        # all look back less than the 260 hops of silence between joined clips, and the 400 that a stream keeps
        "background_hops": Number(1, 100, whole=True),
        "radius_hops": Number(1, 64, whole=True),
        "base_hops": Number(1, 250, whole=True),
    }
)

_LOG_ODDS = Number(-LOG_ODDS_LIMIT, LOG_ODDS_LIMIT)
_SHARE = Number(0, 1)
# a slope of 0 would give all sounds one probability, a negative one would turn the answer round
_CALIBRATION = Fields({"slope": Number(1e-6, 1e6), "offset": _LOG_ODDS})
_OPERATING_POINT = Fields({"no_pop_below": _SHARE, "pop_from": _SHARE, "train_from": _SHARE})


_TREES: dict[str, Kind] = {
    "combine": Word(("sum", "mean")),
    "depth": Number(0, MAX_DEPTH, whole=True),
    "baseline": _LOG_ODDS,
}
_CASCADE: dict[str, Kind] = {"ask_from": _LOG_ODDS, "trees": Fields(_TREES, others=True)}


def _classifier(**more: Kind) -> ByKind:
    own: dict[str, dict[str, Kind]] = {"linear": {}, "trees": _TREES, "network": {}, "cascade": _CASCADE}
    return ByKind({kind: Fields({**fields, **more}, others=True) for kind, fields in own.items()})


MODEL = Fields(
    {
        "name": Text(),
        "version": Text(),
        "front_end": Fields(
            {"hop_ms": _HOP_MS, "window_hops": _WINDOW_HOPS, "mel_edges_hz": _MEL_EDGES_HZ}, others=True
        ),
        "onset_rule": _ONSET_RULE,
        "gate": _classifier(pass_from=_LOG_ODDS),
        "classifier": _classifier(),
        "context": _classifier(),
        "span": Fields({"outside_from": Number(1, 10_000, whole=True)}),
        "calibration": Fields({"first": _CALIBRATION, "event": _CALIBRATION, "clip": _CALIBRATION}),
        "operating_points": Named(_OPERATING_POINT),
        "features": ListOf(Text(), 1, 10_000),
        "files": Fields({"weights.npz": Text(), "parity.npz": Text()}, others=True),
    },
    others=True,
)


def flaw(info: Mapping[str, Any]) -> str:
    """What is wrong with a ``model.json``, field by field and then between fields; empty if nothing is."""
    return (
        MODEL.flaw(info, "")
        or _front_end_flaw(info["front_end"])
        or _points_flaw(info["operating_points"])
        or oddity(info)
    )


def _front_end_flaw(front: Mapping[str, Any]) -> str:
    """What would leave frames, or all bands, empty at some sample rate."""
    hop_ms, window_hops, edges = front["hop_ms"], front["window_hops"], front["mel_edges_hz"]
    for index, (lower, upper) in enumerate(pairwise(edges), start=1):
        if upper - lower < _NARROWEST_HZ:
            allowed = f"at least {_NARROWEST_HZ:g} Hz more than the edge before, {told(lower)}"
            return refused(f"front_end.mel_edges_hz[{index}]", upper, allowed)
    window_ms = hop_ms * window_hops
    if window_ms > 1000 * MIN_DURATION_S:
        allowed = f"at most {1000 * MIN_DURATION_S:g} ms, the shortest clip (hop_ms is {hop_ms:g})"
        return f"front_end.window_hops is {window_hops}, a window of {window_ms:g} ms; allowed is {allowed}"
    half_hz = MIN_RATE_HZ / 2
    if edges[2] > half_hz:
        allowed = f"at most {half_hz:g} Hz: {MIN_RATE_HZ} Hz recordings must hold a whole band"
        return refused("front_end.mel_edges_hz[2]", edges[2], allowed)
    # hops are rounded down to whole samples: at the lowest rates the window is shorter by up to one part in `hop`
    hop = int(MIN_RATE_HZ * hop_ms / 1000 + 1e-9)
    apart_hz, room_hz = 1000 / window_ms * (hop + 1) / hop, min(edges[-1], half_hz) - edges[0]
    if apart_hz >= room_hz:
        return (
            f"front_end.mel_edges_hz leaves {room_hz:g} Hz below {half_hz:g} Hz; allowed is more than "
            f"{apart_hz:g} Hz, what a window of {window_ms:g} ms can tell apart"
        )
    return ""


def _points_flaw(points: Mapping[str, Mapping[str, float]]) -> str:
    for name, point in points.items():
        if point["no_pop_below"] > point["pop_from"]:
            return (
                f"operating point {name!r} is not in order: operating_points.{name}.no_pop_below is "
                f"{told(point['no_pop_below'])}; allowed is at most its pop_from, {told(point['pop_from'])}"
            )
    if DEFAULT_OPERATING_POINT not in points:
        return f"no operating point {DEFAULT_OPERATING_POINT!r} in operating_points, only {told(', '.join(points))}"
    return ""
