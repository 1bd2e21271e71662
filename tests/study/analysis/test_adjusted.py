"""Adjusted, unadjusted and within-patient differences, and Hedges' g, against referees."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from outcome_fakes import by_hand, frame, one_each, study, thrust, with_moments
from scipy import stats

from popdetect.study.analysis.adjusted import (
    Difference,
    adjusted_difference,
    correction,
    crude_difference,
    hedges_g,
    within_patients,
)
from popdetect.study.analysis.columns import columns_of
from popdetect.study.analysis.estimates import Estimate, missing
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.analysis.thrusts import Thrust


@pytest.fixture(scope="module")
def repeated() -> list[Thrust]:
    return study(seed=3, speed=0.5, interaction=-0.2, effect=-0.8)


def test_hedges_correction_is_the_published_table() -> None:
    # Hedges (1981), table 1
    for nu, c in ((2, 0.5642), (10, 0.9228), (20, 0.9619), (50, 0.9849)):
        assert correction(nu) == pytest.approx(c, abs=1e-4)


def test_hedges_g_of_a_published_example() -> None:
    # Borenstein et al. (2009), Introduction to Meta-Analysis, ch. 4: means 103 and 100, SD 5.5 and 4.5, 50 in each
    # group; g = 0.5924, standard error 0.2024. Here as changes, divided by 100 to fit the scale.
    pops, others = with_moments(1.03, 0.055, 50, 1), with_moments(1.0, 0.045, 50, 2)
    g = outcomes(one_each([(5, 5 + x) for x in pops], [(5, 5 + x) for x in others])).hedges_g

    assert g.value == pytest.approx(0.5924, abs=1e-4)
    assert g.low is not None
    assert g.high is not None
    assert (g.high - g.low) / 2 / stats.t.ppf(0.975, 98) == pytest.approx(0.2024, rel=0.02)


def test_the_crude_difference_is_that_of_the_means(repeated: list[Thrust]) -> None:
    data = frame(repeated)
    crude = next(d for d in outcomes(repeated).others if d.title == "difference of mean changes")
    X = np.column_stack([np.ones(len(data)), data["pop"]])
    referee = by_hand(data["change"].to_numpy(float), X, data["group"].to_numpy(), np.array([0.0, 1.0]))

    assert (crude.estimate.value, crude.se, crude.df) == pytest.approx(referee)


def test_within_patients_is_the_model_with_a_level_for_each(repeated: list[Thrust]) -> None:
    data = frame(repeated)
    both = data.groupby("patient")["pop"].transform(lambda pop: 0 < pop.mean() < 1)
    referee = smf.ols("post ~ pop + pre + C(patient)", data[both]).fit()
    within = next(d for d in outcomes(repeated).others if d.title == "within the same patient")

    assert within.estimate.value == pytest.approx(referee.params["pop"])
    assert within.n == int(both.sum())


def _rows(*pain: tuple[str, str, float | None, float | None]) -> list[Thrust]:
    return [thrust(label, before, after, patient=patient) for label, patient, before, after in pain]


def _adjusted(thrusts: list[Thrust], **covariates: list[float | None]) -> Difference:
    columns = columns_of(thrusts, "NPRS")
    given = {name: np.array(column, float) for name, column in covariates.items()}
    return adjusted_difference(columns, 1.0, given)


def test_groups_too_small_to_compare_are_named() -> None:
    one, other = [("pop", f"a{i}", 6, i % 4) for i in range(4)], [("no_pop", f"b{i}", 5, i % 3) for i in range(4)]
    none = [("pop", "a", 0, 1), ("pop", "b", 0, 0), ("no_pop", "c", 0, 2), ("no_pop", "d", 0, 1)]
    single = "one group is of a single patient who is not in the other: the two cannot be told apart"
    cases = (
        ([], "no complete thrust: there are not two groups to compare"),
        (one, "only thrusts with a pop: there are not two groups to compare"),
        (other, "only thrusts without a pop: there are not two groups to compare"),
        (one[:1] + other, "1 thrusts with and 4 without a pop; at least 2 of each are needed"),
        (one + other[:1], "4 thrusts with and 1 without a pop; at least 2 of each are needed"),
        (none, "pain before was 0 in all thrusts: it could not become less"),
        ([("pop", "a", 6, i) for i in range(3)] + other, single),
        (one + [("no_pop", "b", 6, i) for i in range(3)], single),
    )
    for rows, reason in cases:
        assert _adjusted(_rows(*rows)) == Difference("adjusted difference", missing(reason))
        assert crude_difference(columns_of(_rows(*rows), "NPRS"), 1.0).estimate == missing(reason)
        assert within_patients(columns_of(_rows(*rows), "NPRS"), 1.0).estimate == missing(reason)


def test_two_patients_in_a_group_or_one_in_both_can_be_compared() -> None:
    others = [("no_pop", f"b{i % 5}", 5.0 + i % 2, float(i % 4)) for i in range(9)]
    two = [("pop", f"a{i % 2}", 6.0 - i % 3, float(i % 3)) for i in range(4)]
    shared = [("pop", "b0", 6.0 - i % 3, float(i % 3)) for i in range(4)]

    for pops in (two, shared):
        made = crude_difference(columns_of(_rows(*pops, *others), "NPRS"), 1.0)
        assert made.estimate.low is not None
        assert (made.n, made.n_pop, made.n_no_pop) == (13, 4, 9)


def test_a_covariate_is_used_if_four_of_five_thrusts_have_it() -> None:
    rng = np.random.default_rng(4)
    rows = _rows(
        *(("pop" if i % 2 else "no_pop", f"p{i}", float(4 + i % 5), float(rng.integers(0, 8))) for i in range(20))
    )
    full, more = rng.normal(size=(2, 20)).tolist()
    none = [None] * 20
    seldom, often = [None] * 5 + more[5:], [None] * 4 + more[4:]
    made = _adjusted(rows, full=full, none=none, seldom=seldom, often=often, same=[3.0] * 20)

    assert made.adjusted_for == ("pain before", "full", "often")
    assert made.notes == (
        "none was never asked, so it is not adjusted for",
        "seldom is known for 15 of 20 thrusts only, so it is not adjusted for",
        "same is the same throughout, so it is not adjusted for",
    )
    assert made.left_out == {"often not asked": 4}
    assert made.n == 16


def test_pain_before_that_never_varies_is_not_adjusted_for() -> None:
    rows = _rows(*(("pop" if i % 2 else "no_pop", f"p{i}", 6.0, float(i % 5)) for i in range(14)))
    made = _adjusted(rows)
    crude = crude_difference(columns_of(rows, "NPRS"), 1.0)

    assert made.adjusted_for == ()
    assert made.notes == ("pain before is the same throughout, so it is not adjusted for",)
    assert made.estimate.value == pytest.approx(crude.estimate.value)
    assert (crude.title, crude.notes, crude.adjusted_for) == ("difference of mean changes", (), ())


def test_an_adjusted_difference_is_in_the_unit_of_the_scale(repeated: list[Thrust]) -> None:
    columns = columns_of(repeated, "NPRS")
    for made in (adjusted_difference, lambda *given: crude_difference(*given[:2])):
        points, tens = made(columns, 1.0, {}), made(columns, 10.0, {})
        assert tens.estimate == points.estimate.scaled(10)
        assert tens.se == pytest.approx(10 * (points.se or 0))
        assert tens.df == points.df
    assert within_patients(columns, 10.0).estimate == within_patients(columns, 1.0).estimate.scaled(10)
    crude, crude_tens = crude_difference(columns, 1.0), crude_difference(columns, 10.0)
    assert hedges_g(columns, crude_tens, 10.0).low == pytest.approx(hedges_g(columns, crude, 1.0).low)


def test_within_patients_has_the_interval_of_deviations_by_patient(repeated: list[Thrust]) -> None:
    data = frame(repeated)
    data = data[data.groupby("patient")["pop"].transform(lambda pop: 0 < pop.mean() < 1)]
    apart = data[["post", "pop", "pre"]] - data.groupby("patient")[["post", "pop", "pre"]].transform("mean")
    groups = pd.factorize(data["patient"])[0]
    referee = by_hand(
        apart["post"].to_numpy(float), apart[["pop", "pre"]].to_numpy(float), groups, np.array([1.0, 0.0])
    )
    made = within_patients(columns_of(repeated, "NPRS"), 1.0)

    assert (made.estimate.value, made.se, made.df) == pytest.approx(referee)
    assert made.adjusted_for == ("pain before",)
    assert (made.n_patients, made.n_pop, made.n_no_pop) == (
        len(set(groups)),
        int(data["pop"].sum()),
        int((1 - data["pop"]).sum()),
    )
    assert made.left_out is not None
    assert made.left_out["patient had only one of pop and no pop"] == len(frame(repeated)) - len(data)


def test_within_patients_needs_two_patients_with_both() -> None:
    rows = [(label, f"p{i}", 6.0, float(i % 4)) for i in range(6) for label in ("pop",) * 2]
    rows += [("no_pop", f"q{i}", 5.0, float(i % 3)) for i in range(4)]
    for n in (0, 1):
        more = [("no_pop", f"p{i}", 6.0, 2.0) for i in range(n)]
        made = within_patients(columns_of(_rows(*rows, *more), "NPRS"), 1.0)
        why = f"{n} patients had both a pop and a thrust without"
        assert made == Difference("within the same patient", missing(why))
    two = [("no_pop", f"p{i}", 6.0, 2.0) for i in range(2)]
    assert within_patients(columns_of(_rows(*rows, *two), "NPRS"), 1.0).estimate.value == pytest.approx(-1.5)


def test_pain_before_that_varies_only_between_patients_drops_out_within_them() -> None:
    rows = [
        (label, f"p{i}", 4.0 + i, float((3 * i + 2 * j + (label == "pop")) % 5))
        for i in range(5)
        for j, label in enumerate(("pop", "no_pop", "pop"))
    ]
    made = within_patients(columns_of(_rows(*rows), "NPRS"), 1.0)
    data = frame(_rows(*rows))
    apart = data[["post", "pop"]] - data.groupby("patient")[["post", "pop"]].transform("mean")

    assert made.adjusted_for == ()
    assert made.estimate.value == pytest.approx((apart["post"] @ apart["pop"]) / (apart["pop"] @ apart["pop"]))
    assert made.left_out == {"patient had only one of pop and no pop": 0}


def test_hedges_g_by_hand(repeated: list[Thrust]) -> None:
    columns = columns_of(repeated, "NPRS")
    crude = crude_difference(columns, 1.0)
    data = frame(repeated)
    pops, others = (data[data["pop"] == is_pop]["change"] for is_pop in (1, 0))
    nu = len(data) - 2
    s = ((pops.var() * (len(pops) - 1) + others.var() * (len(others) - 1)) / nu) ** 0.5
    d = (pops.mean() - others.mean()) / s
    assert crude.se is not None
    assert crude.df is not None
    j = 1 - 3 / (4 * nu - 1)  # Hedges' approximation
    reach = stats.t.ppf(0.975, crude.df) * j * ((crude.se / s) ** 2 + d * d / (2 * nu)) ** 0.5
    made = hedges_g(columns, crude, 1.0)

    assert made.value == pytest.approx(j * d, rel=1e-4)
    assert (made.low, made.high) == pytest.approx((j * d - reach, j * d + reach), rel=1e-4)
    assert (made.p, made.how) == (None, "of the unadjusted changes; the interval allows for repeated patients")
    none = Difference("", missing("few"))
    assert hedges_g(columns, none, 1.0) == missing("few")
    assert hedges_g(columns, replace(crude, se=None, estimate=Estimate(1.0, why_not="few")), 1.0) == missing("few")
