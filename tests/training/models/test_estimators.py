"""Frozen classifiers say what scikit-learn's say; folds keep groups together."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.naive_bayes import GaussianNB

from popdetect.detection.model import serialization
from popdetect.detection.model.classifiers import Cascade, Classifier, Trees, sigmoid
from popdetect.detection.signal import context
from popdetect.training.models import bundle_files, estimators, export
from popdetect.training.models.calibration import platt

FITS = {strategy.name: strategy.fit for strategy in estimators.ESTIMATORS} | {
    "candidate filter": lambda rows, labels, seed: estimators.filter_boosting(seed).fit(rows, labels)
}
OF_TREES = sorted(FITS.keys() - {"logistic", "cascade"})


def material(seed: int = 0, n: int = 400, missing: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """Rows in float32, as features are; the label hangs on two columns, and on one being missing."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 10, (n, 8)).astype(np.float32).astype(np.float64)
    labels = (rows[:, 0] + 5 * np.sin(rows[:, 1] / 3) + rng.normal(0, 3, n) > 2).astype(np.int8)
    rows[rng.random(rows.shape) < missing] = np.nan
    rows[labels == 1, 5] = np.where(rng.random((labels == 1).sum()) < 0.7, np.nan, rows[labels == 1, 5])
    rows[:, 6] = 3.0  # says nothing
    rows[rng.random(n) < 0.5, 7] = -60.0  # many ties
    return rows, labels


def stored(classifier: Classifier) -> tuple[Any, bytes]:
    """All that a bundle holds of it."""
    arrays: dict[str, np.ndarray] = {}
    settings = serialization.store(classifier, "own", arrays)
    return settings, bundle_files.npz_bytes(arrays)


@pytest.fixture(scope="module", params=sorted(FITS))
def pair(request: pytest.FixtureRequest) -> tuple[Any, Classifier]:
    rows, labels = material()
    fitted = FITS[request.param](rows, labels, 3)
    return fitted, export.export_classifier(fitted)


def test_exported_is_predict_proba(pair: tuple[Any, Classifier]) -> None:
    fitted, exported = pair
    for seed, missing in ((0, 0.15), (1, 0.0), (2, 0.5), (3, 0.95)):
        rows, _ = material(seed, missing=missing)
        np.testing.assert_allclose(sigmoid(exported.logit(rows)), fitted.predict_proba(rows)[:, 1], atol=1e-9)
    nothing = np.full((3, 8), np.nan)
    np.testing.assert_allclose(sigmoid(exported.logit(nothing)), fitted.predict_proba(nothing)[:, 1], atol=1e-9)
    assert exported.logit(np.empty((0, 8))).shape == (0,)


@pytest.mark.parametrize("pair", OF_TREES, indirect=True)
def test_on_a_threshold_both_go_the_same_way(pair: tuple[Any, Classifier]) -> None:
    """Rows made of the very thresholds (to float32, as features are), and their neighbours."""
    fitted, exported = pair
    parts = exported.trees if isinstance(exported, Cascade) else exported
    if not isinstance(parts, Trees):
        pytest.skip("no thresholds")
    edges = parts.threshold[np.isfinite(parts.threshold)].astype(np.float32)
    values = np.concatenate([edges, np.nextafter(edges, np.float32(np.inf)), np.nextafter(edges, -np.float32(np.inf))])
    rows = np.random.default_rng(0).choice(values, (500, 8)).astype(np.float64)

    np.testing.assert_allclose(sigmoid(exported.logit(rows)), fitted.predict_proba(rows)[:, 1], atol=1e-9)


def test_settings_and_arrays_through_a_file_make_the_same_classifier(pair: tuple[Any, Classifier]) -> None:
    _, exported = pair
    arrays: dict[str, np.ndarray] = {}
    settings = json.loads(json.dumps(serialization.store(exported, "own", arrays)))
    with np.load(io.BytesIO(bundle_files.npz_bytes(arrays)), allow_pickle=False) as archive:
        loaded = serialization.load(Classifier, settings, "own", dict(archive), 8)
    rows, _ = material(9)

    np.testing.assert_array_equal(loaded.logit(rows), exported.logit(rows))
    for array in arrays.values():
        assert array.dtype.kind in "fib"
        assert not (array.dtype.kind == "f" and np.isnan(array).any())


@pytest.mark.parametrize("what", sorted(FITS))
def test_the_same_seed_fits_the_same(what: str) -> None:
    rows, labels = material()
    one, same = (export.export_classifier(FITS[what](rows, labels, 5)) for _ in range(2))

    assert stored(one) == stored(same)


@pytest.mark.parametrize("what", sorted(FITS))
def test_a_column_that_was_never_measured_is_borne(what: str) -> None:
    """Bands above half the sample rate: in a session recorded at 8 kHz no clip has them."""
    rows, labels = material()
    rows[:, 2] = np.nan
    fitted = FITS[what](rows, labels, 0)
    exported = export.export_classifier(fitted)

    np.testing.assert_allclose(sigmoid(exported.logit(rows)), fitted.predict_proba(rows)[:, 1], atol=1e-9)
    # a clip of another rate comes along: features without training values decide nothing
    before = exported.logit(rows)
    for value in (0.0, -80.0, 1e6):
        rows[:, 2] = value
        np.testing.assert_array_equal(exported.logit(rows), before)
        np.testing.assert_allclose(sigmoid(exported.logit(rows)), fitted.predict_proba(rows)[:, 1], atol=1e-9)


@pytest.mark.parametrize("make", [lambda: estimators.boosting(5, 400), lambda: estimators.filter_boosting(5)])
def test_the_guard_changes_nothing_if_every_column_has_values(make: Callable[[], Any]) -> None:
    rows, labels = material()
    guarded, bare = make().fit(rows, labels), make().estimator.fit(rows, labels)

    np.testing.assert_array_equal(guarded.predict_proba(rows), bare.predict_proba(rows))
    assert stored(export.export_classifier(guarded)) == stored(export.export_classifier(bare))


def test_other_estimators_cannot_be_exported() -> None:
    with pytest.raises(TypeError, match="cannot export a GaussianNB"):
        export.export_classifier(GaussianNB())


@given(n_groups=st.integers(5, 20), n=st.integers(60, 120), seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_folds_are_a_partition_of_whole_groups(n_groups: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, groups = np.arange(n) % 2 == 0, [f"p{g}" for g in rng.integers(0, n_groups, n)]
    parts = estimators.folds(labels, groups, 5, seed)

    assert sorted(np.concatenate(parts).tolist()) == list(range(n))
    home = {group: k for k, part in enumerate(parts) for group in {groups[i] for i in part}}
    assert all(home[groups[i]] == k for k, part in enumerate(parts) for i in part)
    for one, same in zip(parts, estimators.folds(labels, groups, 5, seed), strict=True):
        np.testing.assert_array_equal(one, same)


def test_platt_scaling_finds_slope_and_offset_and_never_a_negative_slope() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 20_000)
    labels = rng.random(20_000) < sigmoid(0.7 * logits - 0.5)

    fitted = platt(logits, labels)
    assert (fitted.slope, fitted.offset) == pytest.approx((0.7, -0.5), abs=0.05)
    assert platt(-logits, labels).slope == 0.05


def test_areas_are_1_when_all_is_right_and_half_when_all_is_even() -> None:
    labels = np.array([0, 0, 1, 1])

    assert estimators.auroc(labels, np.array([0.0, 1, 2, 3])) == 1
    assert estimators.average_precision(labels, np.array([0.0, 1, 2, 3])) == 1
    assert estimators.auroc(labels, np.zeros(4)) == 0.5


def test_a_exported_context_is_predict_proba_and_never_holds_a_likelier_neighbour_against_a_pop() -> None:
    rng = np.random.default_rng(4)
    rows = rng.normal(0, 3, (3000, len(context.names()))).astype(np.float32).astype(np.float64)
    labels = (rows[:, 0] + rows[:, context.names().index("best_after")] + rng.normal(0, 2, 3000) > 2).astype(np.int8)
    rows[rng.random(rows.shape) < 0.1] = np.nan
    fitted = estimators.context_boosting(0).fit(rows, labels)
    exported = export.export_classifier(fitted)

    np.testing.assert_allclose(sigmoid(exported.logit(rows)), fitted.predict_proba(rows)[:, 1], atol=1e-9)
    along = np.repeat(np.nan_to_num(rows[:1]), 50, axis=0)
    along[:, context.names().index("best_after")] = np.linspace(-8, 8, 50)
    steps = np.diff(exported.logit(along))
    assert (steps >= -1e-12).all()
    assert steps.max() > 0
