"""A bundle is looked at before it is used; each damage has its own word."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popdetect.detection import verification
from popdetect.detection.model import bundle
from popdetect.errors import ModelError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle.shipped(), tmp_path / "model"))


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "model.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    change(info)
    path.write_text(json.dumps(info), encoding="utf-8")


def rewrite(folder: Path, name: str, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    """Change arrays and make the hash fit again."""
    with np.load(folder / name) as archive:
        arrays = dict(archive)
    change(arrays)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    (folder / name).write_bytes(buffer.getvalue())
    edit(folder, lambda info: info["files"].update({name: hashlib.sha256(buffer.getvalue()).hexdigest()}))


def test_the_shipped_bundle_is_whole() -> None:
    verified = verification.verify()
    model, worst, n_rows = verified.model, verified.worst_parity, verified.n_rows

    assert worst < 1e-9
    assert n_rows >= 20
    assert model.title == f"{model.name}-{model.version}"
    assert {p.name for p in bundle.shipped().iterdir()} == {"model.json", "CARD.md", *model.info["files"]}
    assert set(model.info["files"]) - {bundle.REPLAY} == {"weights.npz", "parity.npz", "golden.npz"}


def test_the_card_says_what_no_figure_is() -> None:
    card = (bundle.shipped() / "CARD.md").read_text(encoding="utf-8")

    assert "no figure here is clinical accuracy" in card
    assert "CC0" in card
    assert "dev-test" in card


def _flip(folder: Path) -> None:
    raw = bytearray((folder / "weights.npz").read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / "weights.npz").write_bytes(raw)


def _cut(folder: Path) -> None:
    raw = (folder / "model.json").read_bytes()
    (folder / "model.json").write_bytes(raw[: len(raw) // 2])


def _drop(name: str) -> Callable[[dict[str, np.ndarray]], None]:
    def drop(arrays: dict[str, np.ndarray]) -> None:
        del arrays[name]

    return drop


def _outside(arrays: dict[str, np.ndarray]) -> None:
    arrays["classifier_trees_left"][0] = 10**6


def _set(name: str, value: float) -> Callable[[dict[str, np.ndarray]], None]:
    def change(arrays: dict[str, np.ndarray]) -> None:
        arrays[name][0] = value

    return change


def _short(arrays: dict[str, np.ndarray]) -> None:
    arrays["classifier_trees_value"] = arrays["classifier_trees_value"][:-1]


def _nan(arrays: dict[str, np.ndarray]) -> None:
    arrays["classifier_trees_value"][3] = np.nan


DAMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("no json", lambda f: (f / "model.json").unlink(), "not a model bundle"),
    ("cut json", _cut, "damaged, not JSON"),
    ("no weights", lambda f: (f / "weights.npz").unlink(), "weights.npz: cannot be read"),
    ("changed byte", _flip, "changed since the bundle was made"),
    ("newer format", lambda f: edit(f, lambda i: i.update(format=99)), "format 99; .*update popdetect"),
    ("older format", lambda f: edit(f, lambda i: i.update(format=0)), "train it again"),
    (
        "format 3",
        lambda f: edit(f, lambda i: i.update(format=3)),
        "format 3; this version reads format 4; train it again",
    ),
    ("no format", lambda f: edit(f, lambda i: i.pop("format")), "names no format"),
    ("other features", lambda f: edit(f, lambda i: i["feature_names"].append("colour")), "other features .*colour"),
    ("no calibration", lambda f: edit(f, lambda i: i.pop("event_calibration")), "'event_calibration' is missing"),
    (
        "no array",
        lambda f: rewrite(f, "weights.npz", _drop("classifier_trees_left")),
        "weights.npz: array 'classifier_trees_left' is missing",
    ),
    (
        "outside",
        lambda f: rewrite(f, "weights.npz", _outside),
        "'classifier_trees_left' has 1000000 in it; allowed are numbers from 0",
    ),
    (
        "negative root",
        lambda f: rewrite(f, "weights.npz", _set("classifier_trees_roots", -1)),
        "'classifier_trees_roots' has -1",
    ),
    (
        "no such feature",
        lambda f: rewrite(f, "weights.npz", _set("candidate_filter_feature", 999)),
        "'candidate_filter_feature' has 999",
    ),
    ("short", lambda f: rewrite(f, "weights.npz", _short), "'classifier_trees_value' has shape"),
    ("feature order", lambda f: edit(f, lambda i: i["feature_names"].reverse()), "other features .*their order"),
    (
        "other kind",
        lambda f: edit(f, lambda i: i["classifier"].update(kind="svm")),
        "classifier.kind is 'svm'; allowed is 'linear' or 'trees' or 'network' or 'cascade'",
    ),
    (
        "flat",
        lambda f: edit(f, lambda i: i["clip_calibration"].update(slope=0)),
        "clip_calibration.slope is 0; allowed is a number from",
    ),
    ("nan", lambda f: rewrite(f, "weights.npz", _nan), "'classifier_trees_value' has nan"),
    (
        "thresholds",
        lambda f: edit(f, lambda i: i["operating_points"]["balanced"].update(no_pop_below=0.99, pop_from=0.5)),
        "operating_points.balanced.no_pop_below is 0.99; allowed is at most its pop_from",
    ),
    (
        "no balanced",
        lambda f: edit(f, lambda i: i["operating_points"].pop("balanced")),
        "operating_points has no 'balanced', only",
    ),
]


@pytest.mark.parametrize(("name", "damage", "words"), DAMAGES, ids=[case[0] for case in DAMAGES])
def test_damage_is_named(folder: Path, name: str, damage: Callable[[Path], object], words: str) -> None:
    damage(folder)

    with pytest.raises(ModelError, match=words) as caught:
        bundle.load(folder)
    assert "\n" not in str(caught.value)


def test_weights_of_another_model_fail_the_replay(folder: Path) -> None:
    def shift(arrays: dict[str, np.ndarray]) -> None:
        arrays["classifier_trees_value"] += 0.01

    rewrite(folder, "weights.npz", shift)
    bundle.load(folder)

    with pytest.raises(ModelError, match="probabilities differ from scikit-learn's"):
        verification.verify(folder)


def test_a_pickle_is_never_opened(folder: Path) -> None:
    def smuggle(arrays: dict[str, np.ndarray]) -> None:
        arrays["classifier_trees_value"] = np.array([{"an": "object"}], dtype=object)

    rewrite(folder, "weights.npz", smuggle)

    with pytest.raises(ModelError, match="not a file of plain arrays"):
        bundle.load(folder)


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        bundle.load(tmp_path / "nothing")


REPLAYS: list[tuple[str, Callable[[Path], object], str]] = [
    ("gone", lambda f: (f / "parity.npz").unlink(), "parity.npz: cannot be read"),
    ("changed", lambda f: (f / "parity.npz").write_bytes(b"PK"), "parity.npz: changed since the bundle was made"),
    ("no rows", lambda f: rewrite(f, "parity.npz", _drop("rows")), "'rows' is missing"),
    ("other", lambda f: rewrite(f, "parity.npz", _set("p", 0.5)), "probabilities differ from scikit-learn's"),
    ("nan", lambda f: rewrite(f, "parity.npz", _set("p", np.nan)), "array 'p' has nan"),
    ("no golden clips", lambda f: (f / "golden.npz").unlink(), "golden.npz: cannot be read"),
    ("no rate", lambda f: rewrite(f, "golden.npz", _drop("rates_hz")), "golden.npz: array 'rates_hz' is missing"),
    ("no clip", lambda f: rewrite(f, "golden.npz", _drop("clip_3")), "golden.npz: array 'clip_3' is missing"),
    ("no rows", lambda f: rewrite(f, "golden.npz", _drop("feature_rows_0")), "array 'feature_rows_0' is missing"),
    (
        "other",
        lambda f: rewrite(f, "golden.npz", _set("p_pop_2", 0.1)),
        "p_pop differ .* instead of 0.1 in golden clip 2",
    ),
    ("another rate", lambda f: rewrite(f, "golden.npz", _set("rates_hz", 7)), "array 'rates_hz' has 7 in it"),
]


@pytest.mark.parametrize(("name", "damage", "words"), REPLAYS, ids=[case[0] for case in REPLAYS])
def test_a_replay_that_cannot_be_trusted_is_refused(
    folder: Path, name: str, damage: Callable[[Path], object], words: str
) -> None:
    damage(folder)

    with pytest.raises(ModelError, match=words):
        verification.verify(folder)


def test_the_sha256_of_a_model_is_that_of_its_json() -> None:
    raw = (bundle.shipped() / "model.json").read_bytes()

    assert bundle.load().sha256 == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (bundle.FORMAT - 1, f"format {bundle.FORMAT - 1}; this version reads format {bundle.FORMAT}; train it again"),
        (bundle.FORMAT + 1, f"format {bundle.FORMAT + 1}; this version reads format {bundle.FORMAT}; update popdetect"),
    ],
)
def test_another_format_says_what_to_do(folder: Path, number: int, message: str) -> None:
    edit(folder, lambda info: info.update(format=number))
    with pytest.raises(ModelError) as refused:
        bundle.load(folder)

    assert str(refused.value) == f"{folder / 'model.json'}: {message}"


def test_other_features_are_named_at_most_three(folder: Path) -> None:
    def rename(n: int) -> Callable[[dict[str, Any]], None]:
        return lambda info: info.update(
            feature_names=[*(f"new_{i}" for i in range(n)), *bundle.load().feature_names[n:]]
        )

    own = sorted(bundle.load().feature_names[:1])
    edit(folder, rename(1))
    with pytest.raises(ModelError) as one:
        bundle.load(folder)
    edit(folder, rename(4))
    with pytest.raises(ModelError) as many:
        bundle.load(folder)
    start = f"{folder / 'model.json'}: feature_names: made for other features than this version computes "

    assert str(one.value) == f"{start}({', '.join(sorted([*own, 'new_0']))}); train it again with this version"
    assert str(many.value).startswith(start)
    assert str(many.value).endswith(" …); train it again with this version")
    assert str(many.value).removeprefix(start).count(", ") == 2
