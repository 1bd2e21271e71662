"""The exported arrays give scikit-learn's probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from popdetect.detection.model.classifiers import Calibration, Linear, Trees, sigmoid
from popdetect.training.models import estimators, export

N_FEATURES = 6


@pytest.fixture(scope="module")
def table() -> tuple[np.ndarray, np.ndarray]:
    """Rows with missing values that matter: the label hangs on what is missing, too."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((3_000, N_FEATURES)).astype(np.float32).astype(np.float64)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    labels = (np.isnan(rows[:, 0]) ^ (np.nan_to_num(rows[:, 1]) > 0)).astype(int)
    return rows, labels


@pytest.mark.parametrize("spec", estimators.ESTIMATORS, ids=lambda spec: spec.name)
def test_probabilities_equal_predict_proba(spec: estimators.Strategy, table: tuple[np.ndarray, np.ndarray]) -> None:
    rows, labels = table
    fitted = spec.fit(rows, labels, 0)
    classifier = export.export_classifier(fitted)

    np.testing.assert_allclose(sigmoid(classifier.logit(rows)), fitted.predict_proba(rows)[:, 1], atol=1e-10)


def test_the_candidate_filter_equals_predict_proba(table: tuple[np.ndarray, np.ndarray]) -> None:
    rows, labels = table
    fitted = estimators.filter_boosting(0).fit(rows, labels)
    classifier = export.export_classifier(fitted)

    assert isinstance(classifier, Trees)
    assert 1 <= classifier.depth <= 3
    np.testing.assert_allclose(sigmoid(classifier.logit(rows)), fitted.predict_proba(rows)[:, 1], atol=1e-10)


def test_one_row_and_many_rows_agree_to_the_bit(table: tuple[np.ndarray, np.ndarray]) -> None:
    rows, labels = table
    classifier = export.export_classifier(estimators.filter_boosting(0).fit(rows, labels))

    np.testing.assert_array_equal(classifier.logit(rows)[:50], [classifier.logit(row[None])[0] for row in rows[:50]])


def test_linear_takes_missing_values_as_the_centre() -> None:
    linear = Linear(np.array([1.0, 2.0]), np.array([1.0, 0.5]), np.array([3.0, -1.0]), 0.25)

    assert linear.logit(np.array([[np.nan, np.nan]]))[0] == 0.25
    assert linear.logit(np.array([[2.0, 2.5]]))[0] == 0.25 + 3.0 - 1.0


def test_a_tree_drawn_by_hand() -> None:
    #          x0 <= 0 (NaN left)
    #         /                  \
    #   value -1          x1 <= inf (NaN right)
    #                      /          \
    #                 value 2       value 5
    tree = Trees(
        feature=np.array([0, 0, 1, 0, 0], np.int32),
        threshold=np.array([0.0, np.inf, np.inf, np.inf, np.inf]),
        left=np.array([1, 1, 3, 3, 4], np.int32),
        right=np.array([2, 1, 4, 3, 4], np.int32),
        nan_left=np.array([True, True, False, True, True]),
        value=np.array([0, -1.0, 0, 2.0, 5.0]),
        roots=np.array([0], np.int32),
        baseline=0.5,
        combine="sum",
    )
    rows = np.array([[-1, 0], [np.nan, 0], [1, 9e9], [1, np.nan]])

    np.testing.assert_array_equal(tree.logit(rows), [-0.5, -0.5, 2.5, 5.5])


def test_calibration_is_monotone_and_does_not_overflow() -> None:
    p = Calibration(1.5, -0.5)(np.array([-1e6, -2.0, 0.0, 2.0, 1e6]))

    assert (np.diff(p) > 0).all()
    assert p[0] == 0
    assert p[-1] == 1


@pytest.mark.parametrize("spec", estimators.ESTIMATORS, ids=lambda spec: spec.name)
def test_no_rows_give_no_probabilities(spec: estimators.Strategy, table: tuple[np.ndarray, np.ndarray]) -> None:
    rows, labels = table
    classifier = export.export_classifier(spec.fit(rows[:200], labels[:200], 0))

    assert classifier.logit(rows[:0]).shape == (0,)


def test_a_value_on_the_threshold_goes_scikit_learns_way() -> None:
    # few values, many ties: thresholds fall on values, rows beyond what was seen, all missing
    rng = np.random.default_rng(1)
    rows = rng.integers(-2, 3, (400, N_FEATURES)).astype(np.float64)
    labels = (rows[:, 0] + rows[:, 1] > 0).astype(int)
    fitted = estimators.filter_boosting(0).fit(rows, labels)
    classifier = export.export_classifier(fitted)
    assert isinstance(classifier, Trees)
    thresholds = classifier.threshold[np.isfinite(classifier.threshold)]
    asked = np.repeat(thresholds[:40, None], N_FEATURES, axis=1)
    asked = np.concatenate([asked, np.nextafter(asked, np.inf), [[1e9] * N_FEATURES, [np.nan] * N_FEATURES]])

    np.testing.assert_allclose(sigmoid(classifier.logit(asked)), fitted.predict_proba(asked)[:, 1], atol=1e-10)
