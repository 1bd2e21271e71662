"""A network by itself, and with trees after it: whom each asks, and what nothing else may move."""

from __future__ import annotations

import numpy as np
import pytest

from popdetect.detection.model.classifiers import (
    INPUT_LIMIT,
    LOGIT_LIMIT,
    Cascade,
    Network,
    Trees,
    first_feature,
    share_of_trees,
)

N_FEATURES = 3


def network(bias: float = 0.0, outer: float = 1.0) -> Network:
    """One that adds its first two features, as far as they lie above their middle."""
    inner = np.zeros((N_FEATURES, 2))
    inner[0, 0] = inner[1, 1] = 1.0
    return Network(
        centre=np.array([10.0, -5.0, 0.0]),
        scale=np.array([2.0, 0.5, 1.0]),
        inner=inner,
        inner_bias=np.zeros(2),
        middle=np.ones((2, 1)),
        middle_bias=np.zeros(1),
        outer=np.array([outer]),
        bias=bias,
    )


def trees(value: float) -> Trees:
    """One leaf that says the same to everybody."""
    leaf = np.zeros(1, np.int32)
    return Trees(leaf, np.array([np.inf]), leaf, leaf, np.array([True]), np.array([value]), leaf, 0.0, "sum")


def test_a_network_worked_out_by_hand() -> None:
    rows = np.array([[14.0, -5.0, 7.0], [10.0, -4.0, 7.0], [14.0, -4.0, 7.0], [6.0, -9.0, 7.0]])

    np.testing.assert_allclose(network(-1.0).logit(rows), [1.0, 1.0, 3.0, -1.0])


def test_what_was_not_measured_counts_as_the_middle_and_nothing_counts_beyond_the_limit() -> None:
    known = network()
    middle = known.logit(known.centre[None])

    np.testing.assert_array_equal(known.logit(np.full((1, N_FEATURES), np.nan)), middle)
    far = np.array([[10.0 + 2.0 * INPUT_LIMIT, -5.0, 0.0], [1e12, -5.0, 0.0], [np.inf, -5.0, 0.0]])
    np.testing.assert_array_equal(known.logit(far), [INPUT_LIMIT] * 3)


@pytest.mark.parametrize(("outer", "logit"), [(1e5, LOGIT_LIMIT), (-1e5, -LOGIT_LIMIT)])
def test_log_odds_have_an_end(outer: float, logit: float) -> None:
    assert network(outer=outer).logit(np.array([[14.0, -4.0, 0.0]]))[0] == logit


def test_below_the_limit_the_network_decides_and_from_it_on_the_trees_alone() -> None:
    both = Cascade(network(-7.0), trees(5.0), trees_from=-6.0)
    hopeless, on_the_mark, likely = [10.0, -5.0, 0.0], [12.0, -5.0, 0.0], [18.0, -3.0, 0.0]

    np.testing.assert_allclose(both.logit(np.array([hopeless, on_the_mark, likely])), [-7.0, 5.0, 5.0])
    np.testing.assert_array_equal(share_of_trees(both, np.array([hopeless, on_the_mark, likely])), [0.0, 1.0, 1.0])
    np.testing.assert_array_equal(share_of_trees(first_feature(N_FEATURES), np.zeros((2, N_FEATURES))), [1.0, 1.0])
    assert both.logit(np.empty((0, N_FEATURES))).shape == (0,)


def test_company_changes_nothing() -> None:
    """One row alone, and among thousands, whatever order the sums of a matrix product are taken in."""
    rng = np.random.default_rng(0)
    n, inner, middle = 40, rng.normal(0, 0.3, (40, 64)), rng.normal(0, 0.3, (64, 32))
    known = Network(
        np.zeros(n), np.ones(n), inner, rng.normal(0, 1, 64), middle, rng.normal(0, 1, 32), rng.normal(0, 1, 32), 0.1
    )
    rows = rng.normal(0, 1, (3000, n)).astype(np.float32).astype(np.float64)
    together = known.logit(rows)

    np.testing.assert_array_equal([known.logit(row[None])[0] for row in rows[:200]], together[:200])
    np.testing.assert_array_equal(np.concatenate([known.logit(part) for part in np.array_split(rows, 7)]), together)
