"""A bundle is written whole or not at all, and the same bytes for the same model."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_fakes import Says, examples, fitted

from popdetect.detection import verification
from popdetect.detection.detector import Detector
from popdetect.detection.model import bundle
from popdetect.detection.signal import candidate_filter
from popdetect.errors import ModelError, UsageError
from popdetect.training.models import bundle_files, card

FACTS: dict[str, Any] = {**card.own_statements(20, 10, 3, 1.0), "provenance": {"seed": 0}, "scores": {}}
NAMES = ["CARD.md", "golden.npz", "model.json", "parity.npz", "weights.npz"]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    bundle_files.write(fitted(), tmp_path / "ours", FACTS)
    return tmp_path / "ours"


def test_what_is_written_is_what_was_fitted(written: Path) -> None:
    verified = verification.verify(written)
    model, worst, n = verified.model, verified.worst_parity, verified.n_rows
    own = fitted().model
    rows = fitted().candidates.rows

    assert sorted(contents(written)) == NAMES
    assert worst <= 1e-9
    assert n > 10
    np.testing.assert_array_equal(model.classifier.logit(rows), own.classifier.logit(rows))
    looks = np.random.default_rng(0).normal(-10, 10, (99, len(candidate_filter.names(own.front_end.n_columns))))
    np.testing.assert_array_equal(model.candidate_filter.logit(looks), own.candidate_filter.logit(looks))
    for name in (
        "name", "version", "front_end", "onset_rule", "pass_from", "feature_names", "base_calibration",
        "event_calibration", "clip_calibration", "operating_points",
    ):  # fmt: skip
        assert getattr(model, name) == getattr(own, name), name


def test_the_model_read_back_decides_as_the_fitted_one(tmp_path: Path) -> None:
    model = bundle_files.write(fitted(), tmp_path / "ours", FACTS)
    for example in examples()[:10]:
        sound = example.sound()
        assert Detector(model).detect(*sound) == Detector(fitted().model).detect(*sound)


def test_the_same_model_is_the_same_bytes_wherever_and_whenever_it_is_written(written: Path, tmp_path: Path) -> None:
    bundle_files.write(fitted(), tmp_path / "deeper" / "down" / "there", FACTS)

    assert contents(tmp_path / "deeper" / "down" / "there") == contents(written)


def test_parity_rows_reach_from_the_least_to_the_most_likely_pop(written: Path) -> None:
    with np.load(written / "parity.npz", allow_pickle=False) as parity:
        p, rows = parity["p"], parity["rows"]

    assert len(p) == len(rows) <= bundle_files.N_PARITY_ROWS
    assert p.min() < 0.05
    assert p.max() > 0.9
    np.testing.assert_allclose(p, fitted().estimator.predict_proba(rows)[:, 1])


def test_golden_clips_tell_another_candidate_filter(written: Path) -> None:
    info = json.loads((written / "model.json").read_text(encoding="utf-8"))
    info["candidate_filter"]["baseline"] += 0.01
    (written / "model.json").write_text(json.dumps(info), encoding="utf-8")

    bundle.load(written)
    with pytest.raises(ModelError, match=r"filter_logit differ from those the model was trained on: .* golden clip 0;"):
        verification.verify(written)


def test_what_exists_is_not_overwritten(written: Path, tmp_path: Path) -> None:
    before = contents(written)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()

    with pytest.raises(UsageError, match=r"ours already holds a model; .*, or replace it with --force"):
        bundle_files.write(fitted(), written, FACTS)
    for name in ("thesis", "file", "empty"):
        for force in (False, True):
            with pytest.raises(UsageError, match=rf"{name} exists and is not a model bundle"):
                bundle_files.write(fitted(), tmp_path / name, FACTS, force=force)
    assert contents(written) == before
    assert (tmp_path / "thesis" / "chapter.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "file", "ours", "thesis"]


def test_force_replaces_a_bundle_and_leaves_nothing_of_it(written: Path, tmp_path: Path) -> None:
    (written / "old.txt").write_text("of the old one")
    renamed = replace(fitted(), model=replace(fitted().model, name="newer"))
    model = bundle_files.write(renamed, written, FACTS, force=True)

    assert model.title == "newer-1"
    assert sorted(contents(written)) == NAMES
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


def test_the_shipped_model_is_only_replaced_where_that_is_meant(
    written: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shipped = tmp_path / "shipped"
    shutil.copytree(written, shipped)
    (tmp_path / "link").symlink_to(shipped)
    monkeypatch.setattr(bundle, "shipped", lambda: shipped)

    for name in ("shipped", "link"):
        with pytest.raises(UsageError, match="is the shipped model, which is not replaced"):
            bundle_files.write(fitted(), tmp_path / name, FACTS, force=True)
    with pytest.raises(UsageError, match="--force"):
        bundle_files.write(fitted(), shipped, FACTS, replace_shipped=True)
    bundle_files.write(fitted(), shipped, FACTS, force=True, replace_shipped=True)
    verification.verify(shipped)


@pytest.mark.parametrize(
    "error", [ModelError("not today"), OSError(28, "No space left on device"), KeyboardInterrupt()]
)
def test_what_fails_leaves_nothing_half_written_and_the_old_one_as_it_was(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    before = contents(written)

    def refuse(folder: Path) -> None:
        raise error

    monkeypatch.setattr(verification, "verify", refuse)
    for folder in (written, tmp_path / "new"):
        with pytest.raises((ModelError, UsageError, KeyboardInterrupt), match=r"not today|No space left|^$"):
            bundle_files.write(fitted(), folder, FACTS, force=True)
    assert contents(written) == before
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


def test_where_the_new_one_cannot_be_moved_into_place_the_old_one_comes_back(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, move = contents(written), Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if Path(target) == written and not (self.name.endswith("-old")):
            raise OSError(13, "Permission denied")
        return move(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(UsageError, match="cannot be written: Permission denied"):
        bundle_files.write(fitted(), written, FACTS, force=True)
    assert written.is_dir()
    assert contents(written) == before
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


def test_where_the_old_one_cannot_come_back_either_its_place_is_named(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, move = contents(written), Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if Path(target) == written:
            raise OSError(13, "Permission denied")
        return move(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(UsageError, match=r"Permission denied; the one before now lies in \S+-old$"):
        bundle_files.write(fitted(), written, FACTS, force=True)
    (left,) = tmp_path.iterdir()
    assert left.name.endswith("-old")
    assert contents(left) == before


def test_an_interruption_between_the_two_renames_brings_the_old_one_back(
    written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, move = contents(written), Path.replace

    def interrupt(self: Path, target: Path) -> Path:
        if Path(target) == written and not (self.name.endswith("-old")):
            raise KeyboardInterrupt
        return move(self, target)

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        bundle_files.write(fitted(), written, FACTS, force=True)
    assert contents(written) == before
    assert [path.name for path in tmp_path.iterdir()] == ["ours"]


def test_of_a_link_what_it_leads_to_is_replaced(written: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(written)
    newer = replace(fitted(), model=replace(fitted().model, name="newer"))
    bundle_files.write(newer, tmp_path / "link", FACTS, force=True)

    assert bundle.load(written).title == "newer-1"
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "ours"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")

    with pytest.raises(UsageError, match=r"file.ours: the bundle cannot be written there: "):
        bundle_files.write(fitted(), tmp_path / "file" / "ours", FACTS)
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")

    with pytest.raises(UsageError, match="circle: the bundle cannot be written: "):
        bundle_files.write(fitted(), tmp_path / "circle", FACTS, force=True)
    with pytest.raises(UsageError, match="null byte"):
        bundle_files.write(fitted(), tmp_path / "mo\0del", FACTS)
    assert [path.name for path in tmp_path.iterdir()] == ["circle"]


def test_a_classifier_that_is_not_scikit_learns_is_not_written(tmp_path: Path) -> None:
    odd = replace(fitted(), model=replace(fitted().model, classifier=Says(0.0)))

    with pytest.raises(ModelError, match=r"differs from scikit-learn's by 0\.\d+; internal error"):
        bundle_files.write(odd, tmp_path / "ours", FACTS)
    assert list(tmp_path.iterdir()) == []


def test_arrays_come_back_as_they_went_whatever_their_shape_and_order() -> None:
    arrays = {
        "b": np.arange(6, dtype=np.int32).reshape(2, 3).T,
        "a": np.array(0.5),
        "c": np.array([True, False]),
        "d": np.empty((0, 3)),
        "e": np.array([np.inf, np.nan, -0.0]),
    }
    raw = bundle_files.npz_bytes(arrays)
    with np.load(io.BytesIO(raw), allow_pickle=False) as archive:
        assert archive.files == sorted(arrays)
        for name, array in arrays.items():
            assert archive[name].dtype == array.dtype
            assert archive[name].shape == array.shape
            np.testing.assert_array_equal(archive[name], array)
    with zipfile.ZipFile(io.BytesIO(raw)) as parts:
        assert {part.date_time for part in parts.infolist()} == {(1980, 1, 1, 0, 0, 0)}  # not when it was written
    assert bundle_files.npz_bytes(dict(reversed(arrays.items()))) == raw
    assert bundle_files.npz_bytes({**arrays, "a": np.array(0.25)}) != raw
    with pytest.raises(ValueError, match="Object arrays"):
        bundle_files.npz_bytes({"a": np.array([None])})
