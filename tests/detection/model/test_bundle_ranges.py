"""What a bundle may say is what the code can bear: models at the ends of every range hear clips of all rates."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popdetect.detection import verification
from popdetect.detection.audio.arrays import MIN_DURATION_S
from popdetect.detection.detector import Detector
from popdetect.detection.model import bundle
from popdetect.detection.signal import candidate_filter, context, features
from popdetect.errors import ModelError
from popdetect.training.models import bundle_files

RATES_HZ = (8_000, 8_999, 11_025, 22_050, 44_100, 192_000)
EDGES_HZ = [500.0, 1000.0, 2000.0, 3500.0, 5000.0, 8000.0]
RULE = {"rise_db": 4.5, "background_hops": 8, "radius_hops": 4, "prominence_db": 7.5, "base_hops": 96}
LEAST = {"rise_db": 1, "background_hops": 1, "radius_hops": 1, "prominence_db": 0, "base_hops": 1}
MOST = {"rise_db": 40, "background_hops": 100, "radius_hops": 64, "prominence_db": 40, "base_hops": 250}


def tiny(folder: Path, front: dict[str, Any], rule: dict[str, float] = RULE, **arrays: np.ndarray) -> Path:
    """A bundle of two linear classifiers, from nothing."""
    n_columns = len(front["mel_edges_hz"]) - 1
    names = features.names(n_columns)
    weights: dict[str, np.ndarray] = {}
    sizes = {
        "candidate_filter": len(candidate_filter.names(n_columns)),
        "classifier": len(names),
        "context_model": len(context.names()),
    }
    for part, n in sizes.items():
        weights |= {f"{part}_centre": np.zeros(n), f"{part}_scale": np.ones(n), f"{part}_coef": np.full(n, 0.01)}
    weights |= {
        "out_of_distribution_low": np.full(len(names), -1e9),
        "out_of_distribution_high": np.full(len(names), 1e9),
    }
    raw = bundle_files.npz_bytes(weights | arrays)
    parity = bundle_files.npz_bytes({"rows": np.zeros((2, len(names))), "p": np.full(2, 1 / (1 + np.exp(-0.5)))})
    platt = {"slope": 1, "offset": 0}
    linear = {"kind": "linear", "intercept": 0.5}
    hashes = {name: hashlib.sha256(one).hexdigest() for name, one in {"weights.npz": raw, "parity.npz": parity}.items()}
    info = {
        "format": bundle.FORMAT, "name": "tiny", "version": "0", "front_end": front, "onset_rule": rule,
        "candidate_filter": linear, "pass_from": -1000, "feature_names": names, "classifier": linear,
        "context_model": linear, "out_of_distribution": {"min_outside": 5},
        "base_calibration": platt, "event_calibration": platt, "clip_calibration": platt,
        "operating_points": {"balanced": {"no_pop_below": 0, "pop_from": 1, "burst_from": 0}},
        "files": {**hashes, "golden.npz": "none yet"},
    }  # fmt: skip
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps(info))
    (folder / "weights.npz").write_bytes(raw)
    (folder / "parity.npz").write_bytes(parity)
    return folder


def add_golden(folder: Path) -> None:
    """Give it the golden clips, with what it makes of them."""
    golden = bundle_files.npz_bytes(verification.golden_arrays(bundle.load(folder), *bundle_files.golden_inputs()))
    (folder / "golden.npz").write_bytes(golden)
    info = json.loads((folder / "model.json").read_text())
    info["files"]["golden.npz"] = hashlib.sha256(golden).hexdigest()
    (folder / "model.json").write_text(json.dumps(info))


def front(hop_ms: float = 1.0, window_hops: int = 2, edges: list[float] = EDGES_HZ) -> dict[str, Any]:
    return {"hop_ms": hop_ms, "window_hops": window_hops, "mel_edges_hz": edges}


FRONTS = {
    "shortest hop": front(0.6, 2),
    "shortest hop, longest window": front(0.6, 6),
    "longest hop": front(5.0, 2),
    "longest window": front(1.5, 6),
    "one band": front(edges=[500, 2000, 4000]),
    "one band at the top": front(edges=[2500, 3400, 4000]),
    "all bands": front(1.5, 6, list(np.linspace(0, 4000, 130))),
    "to the highest rate": front(edges=[0, 1, 4000, 48_000, 96_000]),
}


@pytest.mark.parametrize("name", FRONTS)
@pytest.mark.parametrize("rule", [RULE, LEAST, MOST], ids=["usual", "least", "most"])
def test_models_at_the_ends_of_the_ranges_can_be_used(tmp_path: Path, name: str, rule: dict[str, float]) -> None:
    folder = tiny(tmp_path / "model", FRONTS[name], rule)
    add_golden(folder)
    verified = verification.verify(folder)
    model = verified.model
    assert (verified.n_rows, verified.n_clips) == (2, 11)
    detector = Detector(model)
    rng = np.random.default_rng(0)
    for rate_hz in RATES_HZ:
        for duration_s in (MIN_DURATION_S, 0.6):
            sound = rng.normal(0, 1e-3, (math.ceil(duration_s * rate_hz), 2)).astype(np.float32)
            sound[len(sound) // 2 :: rate_hz // 4] = 0.5
            sound[len(sound) // 2 + 1 :: rate_hz // 4] = -0.4
            sound[len(sound) // 2 + 2 :: rate_hz // 4] = 0.3
            detection = detector.detect(sound, rate_hz)
            assert 0 <= detection.p_pop <= 1
            assert all(0 <= event.p_pop <= 1 for event in detection.events)


NOT_TOGETHER = [
    (front(2.0, 6), "front_end.window_hops is 6, a window of 12 ms; allowed is at most 10 ms"),
    (front(edges=[500, 2000, 4500, 8000]), r"front_end.mel_edges_hz\[2\] is 4500; allowed is at most 4000 Hz"),
    (front(edges=[3500, 3700, 4000, 8000]), "mel_edges_hz leaves 500 Hz below 4000 Hz; allowed is more than 562.5"),
    (front(edges=[500, 2000, 1000, 8000]), r"front_end.mel_edges_hz\[2\] is 1000; allowed is at least 1 Hz more than"),
    (front(edges=[500, 1000, 1000, 8000]), r"front_end.mel_edges_hz\[2\] is 1000; allowed is at least 1 Hz more than"),
]  # fmt: skip


@pytest.mark.parametrize(("front_end", "words"), NOT_TOGETHER, ids=[str(i) for i in range(len(NOT_TOGETHER))])
def test_what_cannot_be_together_is_refused(tmp_path: Path, front_end: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        bundle.load(tiny(tmp_path / "model", front_end))


@pytest.mark.parametrize("part", ["candidate_filter", "classifier"])
@pytest.mark.parametrize(
    ("array", "value", "words"),
    [
        ("scale", 0.0, "has 0 in it; allowed are numbers from 1e-12"),
        ("scale", -1.0, "has -1 in it"),
        ("scale", np.nan, "has nan in it"),
        ("scale", np.inf, "has inf in it"),
        ("centre", np.nan, "has nan in it"),
        ("coef", -np.inf, "has -inf in it"),
    ],
)
def test_a_linear_weight_that_cannot_be_is_named(
    tmp_path: Path, part: str, array: str, value: float, words: str
) -> None:
    n = len((candidate_filter if part == "candidate_filter" else features).names(len(EDGES_HZ) - 1))
    odd = np.r_[np.ones(n - 1), value]

    with pytest.raises(ModelError, match=rf"weights\.npz: array '{part}_{array}' {words}"):
        bundle.load(tiny(tmp_path / "model", front(), **{f"{part}_{array}": odd}))


def test_linear_weights_are_one_for_each_feature(tmp_path: Path) -> None:
    for index, (part, size) in enumerate(itertools.product(("candidate_filter", "classifier"), (1, 39, 200))):
        with pytest.raises(ModelError, match=rf"array '{part}_coef' has shape \({size},\); allowed is \("):
            bundle.load(tiny(tmp_path / str(index), front(), **{f"{part}_coef": np.ones(size)}))


def test_a_circle_of_two_ways_is_found_in_time(tmp_path: Path) -> None:
    """Each node leads to the next by both ways, and the last to the first: followed one by one, 2^1000 ways."""
    n = 500
    on = np.arange(1, n + 1) % n
    trees = {
        "feature": np.zeros(n, np.int32), "threshold": np.zeros(n), "left": on, "right": on,
        "nan_left": np.zeros(n, np.bool_), "value": np.zeros(n), "roots": np.zeros(1, np.int64),
    }  # fmt: skip
    trees = {f"candidate_filter_{name}": array for name, array in trees.items()}
    folder = tiny(tmp_path / "model", front(), **trees)
    info = json.loads((folder / "model.json").read_text())
    info["candidate_filter"] = {"kind": "trees", "combine": "sum", "baseline": 0}
    (folder / "model.json").write_text(json.dumps(info))

    with pytest.raises(ModelError, match="candidate_filter: the trees go in circles, or are deeper than 1000 steps"):
        bundle.load(folder)


def test_numbers_may_be_of_any_width(tmp_path: Path) -> None:
    n = len(candidate_filter.names(len(EDGES_HZ) - 1))
    folder = tiny(
        tmp_path / "model",
        front(),
        candidate_filter_coef=np.ones(n, np.float32),
        candidate_filter_scale=np.ones(n, ">f8"),
    )

    assert np.isfinite(bundle.load(folder).candidate_filter.logit(np.zeros((1, n)))).all()
    with np.load(io.BytesIO((folder / "weights.npz").read_bytes())) as arrays:
        assert arrays["candidate_filter_coef"].dtype == np.float32
