"""Fitting a network and a cascade: what is learned, and what cannot be learned by heart."""

from __future__ import annotations

import numpy as np

from popdetect.detection.model.classifiers import Cascade as Frozen
from popdetect.detection.model.classifiers import sigmoid
from popdetect.training.models import estimators, export
from popdetect.training.models.estimators import TREES_FROM, Perceptron


def material(seed: int, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """A bent edge between two kinds, of which one is rare, with gaps in the rows."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 1, (n, 6)).astype(np.float32).astype(np.float64)
    labels = (rows[:, 0] ** 2 + rows[:, 1] > 2.5).astype(np.int8)
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows, labels


def test_a_network_learns_a_bent_edge_that_no_line_follows() -> None:
    rows, labels = material(0)
    others, truth = material(1)
    fitted, line = Perceptron(0).fit(rows, labels), estimators.BY_NAME["logistic"].fit(rows, labels, 0)

    assert estimators.auroc(truth, fitted.logit(others)) > 0.93
    assert estimators.auroc(truth, line.predict_proba(others)[:, 1]) < 0.85


def test_weights_count_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(0, 1, (1, 6)), 2000, axis=0)
    labels = (np.arange(2000) % 2).astype(np.int8)
    rows[:, 0] += rng.normal(0, 1, 2000)  # says nothing
    fitted = Perceptron(0).fit(rows, labels, np.where(labels == 1, 9.0, 1.0))

    assert 0.85 < float(fitted.predict_proba(rows)[:, 1].mean()) < 0.95


def test_the_hopeless_never_reach_the_trees_and_the_whole_is_exported_without_loss() -> None:
    rows, labels = material(2, 6000)
    labels[rows[:, 2] < 0.8] = 0
    rows[:, 3] = np.where(labels == 1, 0.0, rows[:, 3] - 6)
    fitted = estimators.BY_NAME["cascade"].fit(rows, labels, 0)
    exported = export.export_classifier(fitted)

    assert isinstance(exported, Frozen)
    hopeless = exported.network.logit(rows) < TREES_FROM
    assert 0.2 < hopeless.mean() < 1
    np.testing.assert_array_equal(exported.logit(rows)[hopeless], exported.network.logit(rows)[hopeless])
    np.testing.assert_allclose(sigmoid(exported.logit(rows)), fitted.predict_proba(rows)[:, 1], atol=1e-9)


def test_where_the_network_doubts_nothing_the_trees_still_see_both_kinds() -> None:
    rows = np.zeros((60, 6))
    labels = (np.arange(60) % 12 == 0).astype(np.int8)
    rows[:, 0] = 20.0 * labels
    fitted = estimators.BY_NAME["cascade"].fit(rows, labels, 0)

    assert (fitted.predict_proba(rows)[:, 1][labels == 1] > fitted.predict_proba(rows)[:, 1][labels == 0].max()).all()
