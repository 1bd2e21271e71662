"""Laws of the inputs of the context model: which candidates are neighbours, and how they are described."""

from __future__ import annotations

import numpy as np
import pytest

from popdetect.detection.conclusion import CONTEXT_FROM, context_logits
from popdetect.detection.model.bundle import load
from popdetect.detection.model.classifiers import first_feature, sigmoid
from popdetect.detection.signal import context

N_COLUMNS = 10


def rows_of(
    onset_ms: list[float], log_odds: list[float], wanted: slice | None = None, level: float = 30.0
) -> list[dict[str, float]]:
    """Rows as dictionaries, of sounds that are otherwise alike."""
    n = len(onset_ms)
    rows = context.describe(
        np.array(onset_ms, float), np.array(log_odds, float), np.full(n, level), np.zeros((n, N_COLUMNS)), wanted
    )
    return [dict(zip(context.names(), row.tolist(), strict=True)) for row in rows]


def test_one_alone_has_its_first_feature_and_no_neighbour() -> None:
    (row,) = rows_of([500], [1.25])

    assert row["own"] == 1.25
    assert row["level_db"] == 30
    assert row["best_before"] == row["best_after"] == row["echo"] == context.NO_NEIGHBOUR
    assert row["sum"] == row["sum_before"] == row["count_after"] == row["unlikely_after"] == 0
    assert all(np.isnan(row[f"{kind}_{side}"]) for kind in ("gap_ms", "step_db", "unlike_db") for side in _SIDES)


_SIDES = ("before", "after")


def test_a_neighbour_is_described_on_its_side() -> None:
    first, second = rows_of([500, 530], [1.0, 3.0])

    assert (first["best_after"], first["best_before"]) == (3.0, context.NO_NEIGHBOUR)
    assert (second["best_before"], second["best_after"]) == (1.0, context.NO_NEIGHBOUR)
    assert first["gap_ms_after"] == second["gap_ms_before"] == 30
    assert first["sum_after"] == pytest.approx(float(sigmoid(np.array(3.0))), rel=1e-6)
    assert first["sum"] == pytest.approx(np.log1p(first["sum_after"]), rel=1e-6)
    assert first["count_after"] == 1


def test_the_likeliest_neighbour_is_used_and_the_hardly_likely_are_counted() -> None:
    n = 4
    spectra = np.zeros((n, N_COLUMNS))
    spectra[2] = 6.0
    level = np.array([30.0, 28.0, 36.0, 20.0])
    rows = context.describe(np.array([0.0, 20, 50, 90]), np.array([0.0, -5.0, 2.0, -3.0]), level, spectra)
    row = dict(zip(context.names(), rows[0].tolist(), strict=True))

    assert (row["best_after"], row["gap_ms_after"], row["step_db_after"], row["unlike_db_after"]) == (2, 50, 6, 6)
    assert (row["count_after"], row["unlikely_after"]) == (3, 2)


def test_neighbours_below_log_odds_of_minus_2_are_counted_as_unlikely() -> None:
    row, *_ = rows_of([500, 520, 540, 560, 580], [0.0, -1.99, -2.0, -2.01, -1.5])

    assert (row["count_after"], row["unlikely_after"]) == (4, 1)


@pytest.mark.parametrize("at_ms", [0.0, 123.456, 7_200_000.0])
def test_the_reach_is_150_ms_and_an_echo_is_within_9(at_ms: float) -> None:
    def first(gap_ms: float) -> dict[str, float]:
        return rows_of([at_ms, at_ms + gap_ms], [0.0, 1.0])[0]

    assert first(150.0)["count_after"] == 1
    assert first(150.1)["count_after"] == 0
    assert (first(9.0)["count_after"], first(9.0)["echo"]) == (0, 1.0)
    assert (first(9.1)["count_after"], first(9.1)["echo"]) == (1, context.NO_NEIGHBOUR)


def test_describing_some_is_describing_all_and_taking_some() -> None:
    rng = np.random.default_rng(0)
    onset_ms = np.sort(rng.uniform(0, 2000, 80))
    given = (onset_ms, rng.normal(-2, 3, 80), rng.uniform(5, 60, 80), rng.normal(0, 5, (80, N_COLUMNS)))

    np.testing.assert_array_equal(context.describe(*given, slice(30, 50)), context.describe(*given)[30:50])


def test_what_lies_further_off_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    own = np.array([1000.0, 1030, 1100])
    far = np.array([100.0, 400, 849, 1251, 1300, 2000])
    onset_ms = np.sort(np.concatenate([own, far]))
    level, spectra, log_odds = rng.uniform(5, 50, 9), rng.normal(0, 4, (9, N_COLUMNS)), rng.normal(0, 2, 9)
    inside = np.isin(onset_ms, own)
    alone = context.describe(own, log_odds[inside], level[inside], spectra[inside])

    np.testing.assert_array_equal(context.describe(onset_ms, log_odds, level, spectra)[inside], alone)


def test_no_number_is_lost_where_nothing_could_be_measured() -> None:
    spectra = np.full((2, N_COLUMNS), np.nan)
    row = context.describe(np.array([0.0, 30]), np.zeros(2), np.full(2, np.nan), spectra)[0]

    assert not np.isnan(row[[0, 1, 2, 3]]).any()
    assert context.describe(np.empty(0), np.empty(0), np.empty(0), np.empty((0, N_COLUMNS))).shape == (0, 18)


def test_first_feature_repeats_the_first_number() -> None:
    rows = np.random.default_rng(2).normal(0, 3, (20, 18))
    rows[:, 5] = np.nan

    np.testing.assert_array_equal(first_feature(18).logit(rows), rows[:, 0])


@pytest.mark.parametrize("name", ["own", "best_before", "best_after", "sum_before", "sum_after", "sum"])
def test_a_likelier_neighbour_never_makes_a_pop_less_likely(name: str) -> None:
    """The shipped context, along each base score, whatever the other inputs."""
    model, rng = load(), np.random.default_rng(3)
    given = rows_of([0, 31, 64, 90, 160], [1.0, 3.0, -1.0, 0.5, -4.0])
    column = context.names().index(name)
    for row in given:
        rows = np.repeat(np.array([list(row.values())]), 60, axis=0)
        rows[:, 1] += rng.normal(0, 5)
        rows[:, column] = np.linspace(-8, 6, 60)
        assert (np.diff(model.context_model.logit(rows)) >= -1e-12).all()


def test_unlikely_candidates_keep_their_base_score_and_only_they() -> None:
    context_of_two = first_feature(18)
    rows = np.zeros((4, 18))
    rows[:, 0] = (-9.0, CONTEXT_FROM, 0.0, -5.001)
    logits = context_logits(_Always(), rows)

    assert logits.tolist() == [-9.0, 1.5, 1.5, -5.001]
    assert context_logits(context_of_two, rows).tolist() == rows[:, 0].tolist()
    assert context_logits(_Always(), rows[:0]).shape == (0,)


class _Always:
    def logit(self, rows: np.ndarray) -> np.ndarray:
        return np.full(len(rows), 1.5)
