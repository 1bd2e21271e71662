"""Whatever is wrong with a bundle, it is a ModelError of one line that names the file and the field."""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_bundle import edit, rewrite

from popdetect.cli import main as cli
from popdetect.detection import verification
from popdetect.detection.model import bundle
from popdetect.errors import ModelError

Arrays = dict[str, np.ndarray]
GONE = object()
NAN, INFINITY, HUGE = float("nan"), float("inf"), 10**400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle.shipped(), tmp_path / "model"))


def put(info: Any, where: str, value: object) -> None:
    """Set (or take away) what lies at a path such as ``front_end.mel_edges_hz.3``."""
    *way, last = (int(key) if key.isdigit() else key for key in where.split("/"))
    for key in way:
        info = info[key]
    if value is GONE:
        del info[last]
    else:
        info[last] = value


def refusal(folder: Path, check: Callable[[Path], object] = bundle.load) -> str:
    with pytest.raises(ModelError) as caught:
        check(folder)
    message = str(caught.value)
    assert message.isprintable(), message  # and so on one line
    assert len(message) < 600
    assert str(folder) in message
    return message


EDGES = "front_end/mel_edges_hz"
FIELDS: list[tuple[str, list[object]]] = [
    ("name", [GONE, None, 5, "", "two\nlines", "\ud800", "x" * 300, ["popdetect"]]),
    ("version", [GONE, 1.0, True, "\x00", {}]),
    ("front_end", [GONE, None, [], "fast", 1]),
    ("front_end/hop_ms", [GONE, 10_000, 0, -1, NAN, INFINITY, HUGE, "1", True, None, [1.0], 0.1, 5.5]),
    ("front_end/window_hops", [GONE, 0, 1, -2, 7, 10**9, HUGE, 2.0, NAN, "2", True, None]),
    (EDGES, [GONE, None, 500, "500 8000", {}, [], [500.0], [500.0, 8000.0], [500.0 + i for i in range(200)]]),
    (f"{EDGES}/0", [-1, NAN, INFINITY, "500", None, HUGE, 1e300]),
    (f"{EDGES}/1", [NAN, "", True, 500.0, 500.5, 400.0, -INFINITY]),
    (f"{EDGES}/10", [96_001, 6000.0, 1e9, [8000.0]]),
    ("onset_rule", [GONE, None, [4.5], "loud"]),
    ("onset_rule/rise_db", [GONE, 0, -4.5, 41, NAN, "4.5", HUGE, None, True]),
    ("onset_rule/prominence_db", [GONE, -1, 1e9, NAN, [7.5]]),
    ("onset_rule/background_hops", [GONE, 0, -8, 8.0, 10**9, HUGE, "8", True, NAN]),
    ("onset_rule/radius_hops", [GONE, 0, -4, 4.5, 10**9, None]),
    ("onset_rule/base_hops", [GONE, 0, -96, 96.0, 10**6, {}]),
    ("onset_rule/colour", [1]),
    ("candidate_filter", [GONE, None, [], "trees"]),
    ("candidate_filter/kind", [GONE, None, "svm", 3, ["trees"], {}]),
    ("candidate_filter/baseline", [GONE, NAN, -INFINITY, "0", [0.0], 1e7]),
    ("candidate_filter/combine", [GONE, None, "max", 1, ["sum"]]),
    ("candidate_filter/colour", [1]),
    ("pass_from", [GONE, NAN, INFINITY, "-5", None, HUGE, True]),
    ("classifier", [GONE, None, 7]),
    ("classifier/kind", [GONE, "forest", False]),
    ("classifier/trees_from", [GONE, NAN, "-6", None, HUGE, True, -INFINITY]),
    ("classifier/trees", [GONE, None, [], "many", 220]),
    ("classifier/trees/baseline", [GONE, NAN, INFINITY, {}]),
    ("classifier/trees/combine", [GONE, "product", NAN]),
    ("classifier/network", [GONE, None, 3]),
    ("classifier/network/bias", [GONE, NAN, "0", 1e300, True]),
    ("context_model", [GONE, None, "none"]),
    ("context_model/kind", [GONE, "neighbours", 0]),
    ("context_model/baseline", [GONE, NAN, "0"]),
    ("out_of_distribution", [GONE, None, 3, {}]),
    ("out_of_distribution/min_outside", [GONE, 0, -1, 2.5, NAN, "3", None, True, HUGE]),
    *(
        (f"{what}_calibration", [GONE, None, [1.0, 0.0], 1.0, {"slope": 1.0}, {"slope": 1.0, "offset": 0.0, "more": 1}])
        for what in ("base", "event", "clip")
    ),
    ("event_calibration/slope", [GONE, 0, -1.0, NAN, INFINITY, "1", None, True, HUGE]),
    ("clip_calibration/offset", [GONE, NAN, -INFINITY, "0", [0.0], HUGE]),
    ("clip_calibration/bias", [0.0]),
    ("operating_points", [GONE, None, [], {}, "balanced", {"": {}}, {"two\nlines": {}}, {"balanced": None}]),
    ("operating_points/balanced", [GONE, None, 0.5, [0.2, 0.8, 0.4], {}]),
    ("operating_points/balanced/no_pop_below", [GONE, NAN, "0.2", -0.1, 0.99, None, [0.2], True]),
    ("operating_points/specific/pop_from", [GONE, NAN, INFINITY, 1.1, 0.01, {}]),
    ("operating_points/sensitive/burst_from", [GONE, NAN, -1, "low", HUGE]),
    ("operating_points/balanced/colour", [0.5]),
    ("feature_names", [GONE, None, "shape_low", {}, [], 138]),
    ("feature_names/3", [5, None, NAN, ["shape_low"], "", "two\nlines"]),
    ("files", [GONE, None, [], "weights.npz"]),
    ("files/weights.npz", [GONE, None, 5, ["sha"], ""]),
    ("files/parity.npz", [GONE, None, 5]),
    ("files/golden.npz", [GONE, None, 5]),
    ("files/other", ["0" * 64]),
    ("scores/more", [NAN, [[{"low": INFINITY}]], "half a sign \ud800", {"\udfff": 1}]),
]  # fmt: skip
MUTATIONS = [(where, value) for where, values in FIELDS for value in values]


@pytest.mark.parametrize(("where", "value"), MUTATIONS, ids=[f"{i}-{where}" for i, (where, _) in enumerate(MUTATIONS)])
def test_a_field_that_cannot_be_is_named(folder: Path, where: str, value: object) -> None:
    edit(folder, lambda info: put(info, where, value))
    message = refusal(folder)

    name = next(key for key in reversed(where.split("/")) if not key.isdigit())
    assert re.search(rf"\b{re.escape(name)}\b", message), message
    assert where.split("/", maxsplit=1)[0] in message


FORMATS = [True, 1.0, "1", None, [1], NAN, HUGE, -1]


@pytest.mark.parametrize("value", FORMATS, ids=[str(i) for i in range(len(FORMATS))])
def test_only_the_number_of_the_format_is_the_format(folder: Path, value: object) -> None:
    edit(folder, lambda info: info.update(format=value))

    assert "this version reads format 4" in refusal(folder)


TEXTS: list[tuple[str, bytes, str]] = [
    ("empty", b"", "not JSON"),
    ("not text", b"\xff\xfe\x00\x80", "not JSON"),
    ("a list", b"[1]", "names no format"),
    ("a number", b"1", "names no format"),
    ("deep", b'{"format": 4, "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested deeper"),
    ("digits", b'{"format": ' + b"9" * 10_000 + b"}", "not JSON"),
    ("second object", b'{"format": 4} {}', "not JSON"),
]


@pytest.mark.parametrize(("text", "words"), [case[1:] for case in TEXTS], ids=[case[0] for case in TEXTS])
def test_what_is_not_a_model_in_json_is_told(folder: Path, text: bytes, words: str) -> None:
    (folder / "model.json").write_bytes(text)

    assert words in refusal(folder)


@pytest.mark.parametrize("levels", [30, 400])
def test_a_nesting_that_json_can_bear_is_still_too_deep(folder: Path, levels: int) -> None:
    nested: object = 0
    for _ in range(levels):
        nested = {"in": nested}
    edit(folder, lambda info: info["provenance"].update(more=nested))

    assert "provenance.more.in" in refusal(folder)
    assert "nested deeper than 20 levels" in refusal(folder)


def _as(name: str, change: Callable[[np.ndarray], object]) -> Callable[[Arrays], None]:
    def to(arrays: Arrays) -> None:
        arrays[name] = np.asarray(change(arrays[name].copy()))

    return to


def _at(name: str, index: object, value: object) -> Callable[[Arrays], None]:
    def to(arrays: Arrays) -> None:
        arrays[name] = arrays[name].copy()
        arrays[name][index] = value

    return to


def _in_circles(arrays: Arrays) -> None:
    inner = np.flatnonzero(arrays["classifier_trees_left"] != np.arange(len(arrays["classifier_trees_left"])))[-1]
    arrays["classifier_trees_left"][inner] = arrays["classifier_trees_roots"][-1]


def _half_a_leaf(arrays: Arrays) -> None:
    root = arrays["classifier_trees_roots"][0]
    arrays["classifier_trees_left"][root] = root


NETWORK_ARRAYS = ("centre", "scale", "inner", "inner_bias", "middle", "middle_bias", "outer")
TREE_ARRAYS = ("feature", "threshold", "left", "right", "nan_left", "value", "roots")
WEIGHTS: list[tuple[str, Callable[[Arrays], object], str]] = [
    *(
        (f"{part}_{name} {what}", _as(f"{part}_{name}", change), f"array '{part}_{name}'")
        for part in ("candidate_filter", "classifier_trees")
        for name in TREE_ARRAYS
        for what, change in (
            ("0-d", lambda a: a[0]),
            ("2-d", lambda a: a[None]),
            ("empty", lambda a: a[:0]),
            ("complex", lambda a: a.astype(complex)),
            ("text", lambda a: a.astype(str)),
            ("bytes", lambda a: a.astype("S8")),
            ("time", lambda a: a.astype(np.int64).astype("M8[s]") if a.dtype.kind in "iu" else a.astype("V8")),
            (
                "other number",
                lambda a: a.astype(float) if a.dtype.kind in "iub" else np.nan_to_num(a, posinf=9).astype(int),
            ),
            ("bool", lambda a: a.astype(bool) if a.dtype.kind != "b" else a.astype(np.int8)),
        )
        if not (what == "time" and name == "nan_left")
    ),
    *(
        (f"no {part}_{name}", lambda a, key=f"{part}_{name}": a.pop(key), f"array '{part}_{name}' is missing")
        for part in ("candidate_filter", "classifier_trees")
        for name in TREE_ARRAYS
    ),
    ("value nan", _at("candidate_filter_value", 3, np.nan), "array 'candidate_filter_value' has nan"),
    ("value inf", _at("classifier_trees_value", 3, np.inf), "array 'classifier_trees_value' has inf"),
    ("value huge", _at("classifier_trees_value", 3, 1e300), "array 'classifier_trees_value' has 1e\\+300"),
    ("threshold nan", _at("candidate_filter_threshold", 0, np.nan), "array 'candidate_filter_threshold' has nan"),
    ("threshold -inf", _at("candidate_filter_threshold", 0, -np.inf), "array 'candidate_filter_threshold' has -inf"),
    (
        "negative feature",
        _at("candidate_filter_feature", 0, -1),
        r"'candidate_filter_feature' has -1 .* 0 to 49",
    ),
    (
        "far feature",
        _at("classifier_trees_feature", 0, 138),
        "'classifier_trees_feature' has 138 in it; allowed are numbers from 0 to 137",
    ),
    ("negative left", _at("classifier_trees_left", 9, -7), "'classifier_trees_left' has -7"),
    ("far right", _at("candidate_filter_right", 9, 10**9), "'candidate_filter_right' has 1000000000"),
    (
        "beyond int32",
        _as("candidate_filter_right", lambda a: a.astype(np.int64) + 2**32),
        "array 'candidate_filter_right' has 4294967",  # which would be a good index again if it were cut to 32 bits
    ),
    ("short", _as("candidate_filter_value", lambda a: a[:-1]), r"'candidate_filter_value' has shape \(359,\)"),
    ("circle", _in_circles, r"arrays of classifier\.trees: the trees go in circles"),
    ("half a leaf", _half_a_leaf, r"arrays of classifier\.trees: the trees go in circles"),
    ("no range", lambda a: a.pop("out_of_distribution_low"), "array 'out_of_distribution_low' is missing"),
    ("short range", _as("out_of_distribution_high", lambda a: a[:-1]), r"has shape \(137,\); allowed is \(138,\)"),
    (
        "range reversed",
        _as("out_of_distribution_low", lambda a: a * 0 + 1e9),
        "arrays of out_of_distribution: 'low' has a number above",
    ),
    ("nan in range", _at("out_of_distribution_high", 3, np.nan), "array 'out_of_distribution_high' has nan"),
    *(
        (f"no network_{name}", lambda a, key=f"classifier_network_{name}": a.pop(key), f"classifier_network_{name}' is")
        for name in NETWORK_ARRAYS
    ),
    *(
        (
            f"short network_{name}",
            _as(f"classifier_network_{name}", lambda a: a[:-1]),
            r"classifier_network_.* has shape",
        )
        for name in NETWORK_ARRAYS
    ),
    ("no spread", _at("classifier_network_scale", 3, 0.0), "array 'classifier_network_scale' has 0 in it"),
    ("nan weight", _at("classifier_network_middle", (3, 3), np.nan), "array 'classifier_network_middle' has nan"),
    ("vast weight", _at("classifier_network_outer", 0, 1e300), "array 'classifier_network_outer' has 1e\\+300"),
    ("flat layer", _as("classifier_network_inner", lambda a: a[0]), "'classifier_network_inner' is float64 of 1"),
]


@pytest.mark.parametrize(("damage", "words"), [case[1:] for case in WEIGHTS], ids=[case[0] for case in WEIGHTS])
def test_an_array_that_cannot_be_is_named(folder: Path, damage: Callable[[Arrays], object], words: str) -> None:
    rewrite(folder, "weights.npz", damage)
    message = refusal(folder)

    assert "weights.npz: " in message
    assert re.search(words, message), message


def test_an_infinite_threshold_is_how_scikit_learn_parts_what_is_missing(folder: Path) -> None:
    with np.load(folder / "weights.npz") as arrays:
        inner = arrays["classifier_trees_left"] != np.arange(len(arrays["classifier_trees_left"]))
        first = int(np.flatnonzero(inner)[0])
    rewrite(folder, "weights.npz", _at("classifier_trees_threshold", first, np.inf))

    bundle.load(folder)


def test_shares_of_a_forest_are_shares(folder: Path) -> None:
    edit(folder, lambda info: info["classifier"]["trees"].update(combine="mean"))

    assert "classifier.trees: 'value' has numbers outside 0 to 1" in refusal(folder)


def pack(folder: Path, name: str, raw: bytes) -> None:
    (folder / name).write_bytes(raw)
    edit(folder, lambda info: info["files"].update({name: hashlib.sha256(raw).hexdigest()}))


def _zip(method: int = zipfile.ZIP_STORED, **members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, raw in members.items():
            archive.writestr(name + ".npy", raw)
    return buffer.getvalue()


def _npy(header: str) -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


PACKED: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "not a file of plain arrays"),
    ("no zip", b"PK\x03\x04 and no more", "not a file of plain arrays"),
    ("a lone array", _npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0,), }"), "not a file of plain arrays"),
    ("a text inside", _zip(candidate_filter_left=b"hello"), "'candidate_filter_left' in it is not an array"),
    ("cut inside", _zip(a=_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (9,), }")), "not a file of plain"),
    ("vast", _zip(a=_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999,), }")), "not a file of"),
    ("vaster", _zip(a=_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (9" + "9" * 40 + ",), }")), "not a fil"),
    ("negative", _zip(a=_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-4,), }")), "not a file of plain"),
    ("odd header", _zip(a=_npy("{'descr': ")), "not a file of plain arrays"),
    ("odd type", _zip(a=_npy("{'descr': 'q9', 'fortran_order': False, 'shape': (), }")), "not a file of plain arrays"),
    ("other packing", _zip(zipfile.ZIP_BZIP2, a=b"1" * 99)[:-60] + b"?" * 60, "not a file of plain arrays"),
]


@pytest.mark.parametrize(("raw", "words"), [case[1:] for case in PACKED], ids=[case[0] for case in PACKED])
@pytest.mark.parametrize("name", ["weights.npz", "parity.npz"])
def test_a_file_that_holds_no_arrays_is_told(folder: Path, name: str, raw: bytes, words: str) -> None:
    pack(folder, name, raw)
    message = refusal(folder, verification.verify)

    assert f"{name}: " in message
    assert words in message


def test_what_unpacks_to_gigabytes_is_not_unpacked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "MAX_UNPACKED_BYTES", 1000)

    assert re.search(r"weights.npz: .*: \d+ bytes when unpacked; allowed are 1000", refusal(folder))


PARITY: list[tuple[str, Callable[[Arrays], object], str]] = [
    ("no p", lambda a: a.pop("p"), "array 'p' is missing"),
    ("p 2-d", _as("p", lambda a: a[None]), "array 'p' is float64 of 2 dimensions"),
    ("p text", _as("p", lambda a: a.astype(str)), "array 'p' is <U"),
    ("p inf", _at("p", 0, np.inf), "array 'p' has inf"),
    ("rows 1-d", _as("rows", lambda a: a[0]), "array 'rows' is float64 of 1 dimensions"),
    ("rows bool", _as("rows", lambda a: a > 0), "array 'rows' is bool"),
    ("rows inf", _at("rows", 0, np.inf), "array 'rows' has inf"),
    ("no row", _as("rows", lambda a: a[:0]), r"array 'rows' has shape \(0, 138\); allowed is at least one"),
    ("narrow", _as("rows", lambda a: a[:, :-1]), r"array 'rows' has shape \(24, 137\); allowed is \(24, 138\)"),
    ("fewer rows", _as("rows", lambda a: a[:-1]), r"array 'p' has shape \(24,\); allowed is \(23,\)"),
    ("other rows", _as("rows", lambda a: a[::-1]), "probabilities differ"),
]


@pytest.mark.parametrize(("damage", "words"), [case[1:] for case in PARITY], ids=[case[0] for case in PARITY])
def test_a_replay_that_cannot_be_is_named(folder: Path, damage: Callable[[Arrays], object], words: str) -> None:
    rewrite(folder, "parity.npz", damage)
    message = refusal(folder, verification.verify)

    assert re.search(words, message), message


@pytest.mark.parametrize("path", ["mo\0del", "\0"])
def test_a_path_that_can_be_none_is_a_missing_model(path: str) -> None:
    for check in (bundle.load, verification.verify):
        with pytest.raises(ModelError, match=r"not a path \(it has a null byte in it\)") as caught:
            check(path)
        assert str(caught.value).isprintable()


def test_damage_deep_inside_is_exit_code_5(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder, lambda info: info["front_end"].update(hop_ms=10_000))

    assert cli.main(["model", "verify", str(folder)]) == 5
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "front_end.hop_ms is 10000; allowed is a number from" in err


# --- at random, the same each time ---------------------------------------------------------------------------------

ODD: list[Any] = [
    None, True, False, 0, 1, -1, 2, 7, 10**6, 10**30, HUGE, -HUGE, 0.0, -0.0, 0.5, 1e-300, 1e300, NAN, INFINITY,
    -INFINITY, "", "trees", "linear", "sum", "mean", "balanced", "\n", "\ud800", "é" * 300, [], {}, [0], [[]], {"": 0},
    {"kind": "linear"},
]  # fmt: skip
READ_ONLY_BY_PEOPLE = ("provenance", "scores", "contest", "limits", "intended_use", "licence")


def verdict(folder: Path) -> str:
    """What `verify` has against a bundle; empty if nothing. Any other error is the test's failure."""
    try:
        verification.verify(folder)
    except ModelError as error:
        return str(error)
    return ""


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in inner for place in [(*way, key), *_places(one, (*way, key))]]


def _struck(info: dict[str, Any], rng: random.Random) -> None:
    deciding = {key: value for key, value in info.items() if key not in READ_ONLY_BY_PEOPLE}
    places = _places(deciding)
    places = [place for place in places if place[0] != "features" or rng.random() < 0.05]
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        *way, last = rng.choice(places)
        at: Any = info
        try:
            for key in way:
                at = at[key]
            old = at[last]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier stroke has taken the ground away
        stroke = rng.randrange(5)
        if stroke == 0:
            del at[last]
        elif stroke == 1 and isinstance(old, (int, float)) and not isinstance(old, bool):
            at[last] = old * rng.choice([-1, 0, 0.5, 1.001, 2, 1000, 10**9])
        elif stroke == 2:
            at[last] = [old] if rng.random() < 0.5 else {str(last): old}
        elif stroke == 3 and isinstance(at, dict):
            at[rng.choice(["", "more", "depth", "kind", "\n\ud800"])] = rng.choice(ODD)
        else:
            at[last] = rng.choice(ODD)


def test_random_strokes_at_model_json_end_in_a_model_or_a_model_error(folder: Path) -> None:
    rng = random.Random(0)
    told = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    # long tables for people would take most of the strokes
    whole = json.dumps(
        {key: value for key, value in told.items() if key not in ("unheard", "voices", "ablations", "peers")}
    )
    verdicts = []
    for _ in range(400):
        info = json.loads(whole)
        _struck(info, rng)
        text = json.dumps(info)
        (folder / "model.json").write_text(text, encoding="utf-8")
        verdicts.append(verdict(folder))
        assert verdicts[-1].isprintable(), text
        assert len(verdicts[-1]) < 600, text
        if not verdicts[-1]:
            json.dumps(bundle.load(folder).info, allow_nan=False, ensure_ascii=False).encode()
    assert 10 < verdicts.count("") < 200
    assert len(set(verdicts)) > 150  # and not all for the same reason


def test_random_strokes_at_the_arrays_end_in_a_model_or_a_model_error(folder: Path) -> None:
    rng = np.random.default_rng(0)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    with np.load(folder / "weights.npz") as archive:
        whole = dict(archive)
    odd = [-1, 0, 1, 137, 359, 10**6, 2**31 - 1]
    for _ in range(120):
        arrays = {name: array.copy() for name, array in whole.items()}
        name = str(rng.choice(sorted(arrays)))
        for _ in range(rng.integers(1, 4)):
            value = rng.choice(odd) if arrays[name].dtype.kind == "i" else rng.choice([np.nan, np.inf, 1e300, 0.25])
            arrays[name].reshape(-1)[rng.integers(arrays[name].size)] = value
        rewrite(folder, "weights.npz", partial(dict.update, **arrays))
        said = verdict(folder)
        assert said.isprintable()
        assert not said or name.split("_")[0] in said or "differ" in said
        for file, raw in kept.items():
            (folder / file).write_bytes(raw)


def test_random_bytes_in_the_files_end_in_a_model_or_a_model_error(folder: Path) -> None:
    """With the hash made to fit, so that the readers of zip and npy meet the damage."""
    rng = random.Random(0)
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    for _ in range(150):
        raw = bytearray(kept["parity.npz"])
        ends = [*range(200), *range(len(raw) - 400, len(raw))]  # headers and directory; between them lie the numbers
        for _ in range(rng.randint(1, 4)):
            raw[rng.choice(ends)] = rng.randrange(256)
        if rng.random() < 0.2:
            raw = raw[: rng.randrange(len(raw))]
        pack(folder, "parity.npz", bytes(raw))
        assert verdict(folder).isprintable()
        (folder / "model.json").write_bytes(kept["model.json"])
