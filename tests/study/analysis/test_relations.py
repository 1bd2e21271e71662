"""Dose, belief and thrust speed; statsmodels, by its formulas, is the referee."""

from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from outcome_fakes import by_hand, frame, study, thrust
from scipy import stats
from statsmodels.discrete.conditional_models import ConditionalLogit

from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.estimates import Estimate, missing
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.analysis.relations import Speed
from popdetect.study.analysis.thrusts import Thrust


@pytest.fixture(scope="module")
def repeated() -> list[Thrust]:
    return study(seed=3, speed=0.5, interaction=-0.2, effect=-0.8)


def test_dose_and_belief_are_their_formulas(repeated: list[Thrust]) -> None:
    data = frame(repeated)
    for name in ("pop", "pops", "pre"):
        data[f"{name}_mean"] = data.groupby("patient")[name].transform("mean")
    found = outcomes(repeated)
    dose = smf.mixedlm("post ~ pops + pre + pops_mean + pre_mean + expects", data, groups="patient").fit()
    belief = smf.mixedlm(
        "post ~ pop * I(belief - 3) + pre + pop_mean + pre_mean + expects", data, groups="patient"
    ).fit()

    assert found.dose.per_pop.estimate.value == pytest.approx(dose.params["pops"], abs=1e-4)
    assert found.belief.interaction.estimate.value == pytest.approx(belief.params["pop:I(belief - 3)"], abs=1e-4)
    assert found.belief.interaction.se == pytest.approx(belief.bse["pop:I(belief - 3)"], rel=1e-2)
    at_5 = belief.params["pop"] + 2 * belief.params["pop:I(belief - 3)"]
    assert found.belief.at_5.value == pytest.approx(at_5, abs=1e-4)
    assert sum(found.dose.thrusts_by_pops.values()) == len(data)


def test_speed_and_popping_are_a_logistic_regression(repeated: list[Thrust]) -> None:
    data = frame(repeated)
    both = data[data.groupby("patient")["pop"].transform(lambda pop: 0 < pop.mean() < 1)]
    referee = ConditionalLogit(both["pop"], both[["speed"]], groups=both["group"]).fit(disp=False)
    speed = outcomes(repeated).speed
    assert speed is not None
    assert speed.sd is not None

    assert speed.unit == "m/s2"
    assert speed.odds_ratio.value == pytest.approx(np.exp(referee.params["speed"]), rel=1e-4)
    reach = stats.t.ppf(0.975, both["group"].nunique() - 1) * referee.bse["speed"]
    assert speed.odds_ratio.high == pytest.approx(np.exp(referee.params["speed"] + reach), rel=5e-3)
    assert speed.odds_ratio_per_sd.value == pytest.approx(speed.odds_ratio.value**speed.sd)
    assert "thrust speed" in speed.difference.adjusted_for


def test_speeds_that_separate_are_told() -> None:
    fast = [thrust("pop", 6, i % 4, patient=f"p{i}", thrust_speed=5.0 + i / 10) for i in range(9)]
    slow = [thrust("no_pop", 5, i % 5, patient=f"p{i}", thrust_speed=2.0 + i / 10) for i in range(9)]
    speed = outcomes(fast + slow).speed
    assert speed is not None

    assert speed.odds_ratio.value is None
    assert "separates" in speed.odds_ratio.why_not


def test_two_units_of_speed_are_not_compared() -> None:
    thrusts = study(speed=0.3, thrusts_per_patient=2)
    odd = [thrust(patient="x", thrust_speed=2.0, thrust_speed_unit="g")]
    speed = outcomes(thrusts + odd).speed
    assert speed is not None

    assert speed.difference.estimate.why_not == "speeds are in g and m/s2: not comparable"


def _single(rows: list[tuple[str, float, float]], **more: list[float | None]) -> list[Thrust]:
    """One thrust per patient, from (verdict, before, after) and columns of other answers."""
    return [
        thrust(*row, patient=f"p{i}", **{name: column[i] for name, column in more.items()})
        for i, row in enumerate(rows)
    ]


FEW = [("pop" if i % 2 else "no_pop", 4.0 + i % 5, float((3 * i + i // 4) % 7)) for i in range(24)]


def test_the_slope_among_pops_is_its_formula() -> None:
    rng = np.random.default_rng(6)
    n_pops = [float(1 + rng.integers(0, 3)) if row[0] == "pop" else 0.0 for row in FEW]
    thrusts = _single(FEW, n_pops=[*n_pops])  # type: ignore[list-item]
    data = frame(thrusts)
    pops = data[data["pop"] == 1]
    one = smf.ols("post ~ pops + pre", pops).fit(cov_type="HC2", use_t=True)
    every = smf.ols("post ~ pops + pre", data).fit(cov_type="HC2", use_t=True)
    extra = [thrust("pop", 6, None, patient="x", n_pops=1), thrust("pop", 6, 3, patient="y", n_pops=None)]
    dose = outcomes([*thrusts, *extra, thrust("uncertain", 6, 3, patient="z", n_pops=5)]).dose

    further, per_pop = dose.per_further_pop, dose.per_pop
    assert further.estimate.value == pytest.approx(one.params["pops"])
    assert further.se == pytest.approx(one.bse["pops"])
    assert (further.title, further.adjusted_for) == ("per further pop, among thrusts with a pop", ("pain before",))
    assert (further.n, further.n_pop, further.n_no_pop) == (12, 12, 0)
    out = {"no pop, uncertain or not judged": 13, "no pain after": 1, "number of pops not known": 1}
    assert further.left_out == out
    assert per_pop.estimate.value == pytest.approx(every.params["pops"])
    assert per_pop.se == pytest.approx(every.bse["pops"])
    assert per_pop.title == "per pop"
    assert per_pop.left_out == {"verdict uncertain": 1, "no pain after": 1, "number of pops not known": 1}
    counted = {str(n): n_pops.count(n) + (n == 1) for n in (1, 2, 3)}
    assert dose.thrusts_by_pops == {"0": 12, **counted}


def test_no_pop_counts_as_0_pops_even_if_the_count_is_empty() -> None:
    n_pops: list[float | None] = [1.0 + (i // 2) % 2 if row[0] == "pop" else None for i, row in enumerate(FEW)]
    empty = outcomes(_single(FEW, n_pops=n_pops)).dose
    zero = outcomes(_single(FEW, n_pops=[n or 0.0 for n in n_pops])).dose

    assert empty == zero
    assert empty.per_pop.n == 24


def test_no_thrust_without_a_pop_is_not_counted() -> None:
    found = outcomes([thrust("pop", 6, 4, n_pops=2), thrust("pop", 5, 4, n_pops=2), thrust("pop", 5, 4, n_pops=1)])

    assert found.dose.thrusts_by_pops == {"1": 1, "2": 2}


def test_too_little_for_a_slope_among_pops_is_told() -> None:
    title = "per further pop, among thrusts with a pop"
    three = [thrust("pop", 6, i, patient=f"p{i}", n_pops=i + 1) for i in range(3)]
    cases = (
        (three, "3 thrusts with a pop, a count and pain before and after"),
        ([thrust("pop", 0, i, patient=f"p{i}", n_pops=i + 1) for i in range(5)],
         "5 thrusts with a pop, a count and pain before and after"),
        ([thrust("pop", 6, i, patient=f"p{i}", n_pops=2) for i in range(5)],
         "every thrust has the same number of pops"),
    )  # fmt: skip
    for rows, reason in cases:
        assert outcomes(rows).dose.per_further_pop == Difference(title, missing(reason))
    four = [thrust("pop", 6, after, patient=f"p{i}", n_pops=1 + i % 2) for i, after in enumerate((3, 2, 5, 1))]
    made = outcomes(four).dose.per_further_pop
    # the same pain before in all: not adjusted for
    assert (made.adjusted_for, made.estimate.value) == ((), pytest.approx(1.5 - 4.0))


def test_belief_of_single_thrusts_is_its_formula() -> None:
    beliefs: list[float | None] = [float(1 + (i * 7 // 3) % 5) for i in range(24)]
    thrusts = _single(FEW, believes_pop_needed=beliefs)
    data = frame(thrusts)
    own = data["belief"].to_numpy(float) - 3
    X = np.column_stack([np.ones(24), data["pop"], own, data["pop"] * own, data["pre"]])
    found = outcomes([*thrusts, thrust("pop", 6, 3, patient="x")]).belief

    interaction = by_hand(data["post"].to_numpy(float), X, np.arange(24), np.eye(5)[3])
    assert (found.interaction.estimate.value, found.interaction.se, found.interaction.df) == pytest.approx(interaction)
    relative = 100 * (data["post"] - data["pre"]) / data["pre"]
    value, se, df = by_hand(relative.to_numpy(float), X[:, :4], np.arange(24), np.eye(4)[3])
    assert found.relative.value == pytest.approx(value)
    assert (found.relative.high or 0) - value == pytest.approx(stats.t.ppf(0.975, df) * se)
    assert found.interaction.left_out == {"belief not asked": 1}
    assert found.interaction.title == "change of the difference per point of belief that a pop is needed"
    for estimate, steps in ((found.at_1, -2), (found.at_5, 2)):
        weights = np.array([0.0, 1.0, 0.0, steps, 0.0])
        value, se, df = by_hand(data["post"].to_numpy(float), X, np.arange(24), weights)
        reach = stats.t.ppf(0.975, df) * se
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx((value, value - reach, value + reach))
    tens = [
        replace(t, pain_scale="VAS100", pain_before=10 * (t.pain_before or 0), pain_after=10 * (t.pain_after or 0))
        for t in thrusts
    ]
    assert outcomes(tens).belief.at_1 == found.at_1.scaled(10)


def test_one_belief_for_all_is_told() -> None:
    title = "change of the difference per point of belief that a pop is needed"
    nothing = missing("all patients gave the same belief")
    found = outcomes(_single(FEW, believes_pop_needed=[4.0] * 24)).belief

    assert found.interaction == Difference(title, nothing)
    assert (found.at_1, found.at_5) == (nothing, nothing)
    two = outcomes(_single(FEW, believes_pop_needed=[4.0 + (i // 2) % 2 for i in range(24)])).belief
    assert two.at_5.value is not None


def test_speed_of_single_thrusts_is_a_logistic_regression() -> None:
    rng = np.random.default_rng(3)
    speeds: list[float | None] = [float(300 + 30 * (row[0] == "pop") + 40 * rng.normal()) for row in FEW]
    extra = [thrust("pop", 6, 3, patient="x"), thrust("uncertain", 6, 3, patient="y", thrust_speed=900.0)]
    speed = outcomes([*_single(FEW, thrust_speed=speeds), *extra]).speed
    assert speed is not None
    referee = sm.Logit([float(row[0] == "pop") for row in FEW], sm.add_constant(np.array(speeds, float))).fit(disp=0)
    slope, se, sd = referee.params[1], referee.bse[1], np.std(np.array(speeds, float), ddof=1)
    reach = stats.t.ppf(0.975, 22) * se

    assert (speed.unit, speed.n, speed.n_patients, speed.sd) == ("", 24, 24, pytest.approx(sd))
    assert speed.left_out == {"verdict uncertain": 1, "speed not given": 1}
    one, per_sd = speed.odds_ratio, speed.odds_ratio_per_sd
    expected = (np.exp(slope), np.exp(slope - reach), np.exp(slope + reach))
    assert (one.value, one.low, one.high) == pytest.approx(expected, rel=1e-5)
    assert (per_sd.value, per_sd.low, per_sd.high) == pytest.approx([edge**sd for edge in expected], rel=1e-4)
    assert one.p == per_sd.p == pytest.approx(2 * stats.t.sf(abs(slope / se), 22), rel=1e-4)
    assert one.how == per_sd.how == "logistic regression, one thrust per patient"
    assert speed.difference.title == "adjusted difference, thrust speed held equal"


def test_speed_of_repeated_patients_names_its_method(repeated: list[Thrust]) -> None:
    speed = outcomes(repeated).speed
    assert speed is not None

    verdicts: dict[str, set[str | None]] = {}
    for t in repeated:
        if t.label in ("pop", "no_pop") and t.thrust_speed is not None:
            verdicts.setdefault(t.patient, set()).add(t.label)
    df = sum(len(labels) == 2 for labels in verdicts.values()) - 1
    how = f"conditional logistic regression within patients, t with {df} degrees of freedom"
    assert speed.odds_ratio.how == how


def test_speeds_that_cannot_be_used_are_told_in_full() -> None:
    title = "adjusted difference, thrust speed held equal"
    some: list[float | None] = [float(i % 5) if i < 12 else None for i in range(24)]
    seldom, same = (outcomes(_single(FEW, thrust_speed=speeds)).speed for speeds in (some, [3.0] * 24))
    units = outcomes([thrust(thrust_speed=2.0), thrust(thrust_speed=2.0, thrust_speed_unit="m/s")]).speed
    single = outcomes([thrust(thrust_speed=2.0)]).speed
    assert seldom is not None
    assert same is not None
    assert single is not None

    few = "thrust speed is known for 12 of 24 thrusts only, so it is not adjusted for"
    assert seldom.difference == Difference(title, missing(few))
    assert seldom.odds_ratio.value is not None
    alike = missing("thrust speed is the same throughout, so it is not adjusted for")
    assert same.difference == Difference(title, alike)
    assert same.odds_ratio == same.odds_ratio_per_sd == missing("the thrust speed is the same throughout")
    assert (single.sd, single.odds_ratio) == (None, missing("only one of pop and no pop occurs"))
    nothing = missing("speeds are in (no unit) and m/s: not comparable")
    assert units == Speed(" / m/s", Difference(title, nothing), nothing, nothing, None, 0, 0, {})
    assert outcomes([thrust()]).speed is None


def test_an_odds_ratio_without_bounds_is_not_given() -> None:
    speeds: list[float | None] = [1e-4 * (i % 7) for i in range(24)]
    speed = outcomes(_single(FEW, thrust_speed=speeds)).speed
    assert speed is not None

    why = "the odds ratio is too large or too small to be useful: the speeds hardly overlap"
    assert speed.odds_ratio == Estimate(why_not=why)
    assert speed.odds_ratio_per_sd.value is not None
