"""The gate, where pops are rare among the candidates."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from popdetect.detection.signal import candidate_filter as gate
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.training.data.examples import Example
from popdetect.training.models import candidate_filter
from popdetect.training.models.candidate_filter import LEAST_SHARE, default_front_end, fit_candidate_filter, weights

N, ONE_IN = 60_000, 300


def candidates() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int8]]:
    """Rows of which one in `ONE_IN` is a pop, higher in two of its numbers, and marks."""
    rng = np.random.default_rng(0)
    marks = (rng.random(N) < 1 / ONE_IN).astype(np.int8)
    rows = rng.normal(0, 1, (N, len(gate.names(default_front_end().n_columns))))
    rows[marks == 1, 0] += 3
    rows[marks == 1, 1] += 2
    return rows, marks


def test_rare_pops_do_not_throw_the_gate_off(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, marks = candidates()
    monkeypatch.setattr(candidate_filter, "filter_inputs", lambda *_: (np.zeros(N), rows))
    monkeypatch.setattr(candidate_filter, "mark", lambda *_: marks)
    clip = Example("a", "g", True, (0.1,), lambda: (np.zeros((10, 1), np.float32), 48_000))
    look = fit_candidate_filter([clip], default_front_end(), OnsetRule(), 0, lambda *_: None)
    logits = look.candidate_filter.logit(rows)

    # unweighted, they lay between -1,100 and 4,900, and all candidates passed
    assert np.abs(logits).max() < 20
    passed = logits >= look.pass_from
    assert passed[marks == 1].mean() >= 0.98
    assert passed[marks == 0].mean() < 0.2


def test_pops_count_for_more_only_where_they_are_rare() -> None:
    rare = np.array([1] * 2 + [0] * 998, np.int8)
    given = weights(rare)

    assert given is not None
    assert given[rare == 1].sum() / given.sum() == pytest.approx(LEAST_SHARE)
    assert (given[rare == 0] == 1).all()
    assert weights(np.array([1] * 2 + [0] * 98, np.int8)) is None
