"""The candidate filter, if pops are rare among the candidates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from popdetect.detection.signal import candidate_filter
from popdetect.training.models.candidate_filter import MIN_POP_WEIGHT, default_front_end, fit_filter, weights

N, ONE_IN = 60_000, 300


def candidates() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]]:
    """Rows of which one in `ONE_IN` is a pop, higher in two of its numbers, and marks."""
    rng = np.random.default_rng(0)
    marks = (rng.random(N) < 1 / ONE_IN).astype(np.int8)
    rows = rng.normal(0, 1, (N, len(candidate_filter.names(default_front_end().n_columns))))
    rows[marks == 1, 0] += 3
    rows[marks == 1, 1] += 2
    return rows, marks


def test_rare_pops_do_not_make_the_filter_keep_everything() -> None:
    rows, marks = candidates()
    classifier, pass_from = fit_filter(rows, marks, 0)
    logits = classifier.logit(rows)

    # without weights, they were between -1,100 and 4,900, and all candidates passed
    assert np.abs(logits).max() < 20
    passed = logits >= pass_from
    assert passed[marks == 1].mean() >= 0.98
    assert passed[marks == 0].mean() < 0.2


def test_pops_have_a_higher_weight_only_if_they_are_rare() -> None:
    rare = np.array([1] * 2 + [0] * 998, np.int8)
    given = weights(rare)

    assert given is not None
    assert given[rare == 1].sum() / given.sum() == pytest.approx(MIN_POP_WEIGHT)
    assert (given[rare == 0] == 1).all()
    assert weights(np.array([1] * 2 + [0] * 98, np.int8)) is None
