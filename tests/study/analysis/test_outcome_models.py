"""The models of the outcomes; statsmodels, by its formulas, is the referee."""

import warnings

import numpy as np
import pytest
import statsmodels.formula.api as smf
from outcome_fakes import frame, one_each, study, thrust
from scipy import stats

from popdetect.study.analysis import regression
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.analysis.thrusts import Thrust


@pytest.fixture(scope="module")
def repeated() -> list[Thrust]:
    return study(seed=3, speed=0.5, interaction=-0.2, effect=-0.8)


def test_several_thrusts_per_patient_are_a_mixed_model(repeated: list[Thrust]) -> None:
    main = outcomes(repeated).main
    data = frame(repeated)
    referee = smf.mixedlm("post ~ pop + pre + expects", data, groups="patient").fit(reml=True)

    assert main.model == "mixed"
    assert main.estimate.value == pytest.approx(referee.params["pop"], abs=1e-4)
    assert main.se == pytest.approx(referee.bse["pop"], rel=1e-3)
    # pop and pain before differ within patients; the intercept and expectation do not
    assert main.df == data["patient"].nunique() - 2
    reach = stats.t.ppf(0.975, main.df) * referee.bse["pop"]
    assert main.estimate.low == pytest.approx(referee.params["pop"] - reach, abs=1e-3)
    assert main.estimate.high == pytest.approx(referee.params["pop"] + reach, abs=1e-3)
    between = float(referee.cov_re.iloc[0, 0])
    assert main.patient_share == pytest.approx(between / (between + referee.scale), abs=2e-3)
    assert (main.n, main.n_pop) == (len(data), int(data["pop"].sum()))


def test_one_thrust_per_patient_is_least_squares_with_hc3() -> None:
    thrusts = study(seed=2, n_patients=70, thrusts_per_patient=1)
    main = outcomes(thrusts).main
    referee = smf.ols("post ~ pop + pre + expects", frame(thrusts)).fit(cov_type="HC3", use_t=True)

    assert main.model == "hc3"
    assert main.why == "one thrust per patient"
    assert (main.estimate.low, main.estimate.high) == pytest.approx(referee.conf_int().loc["pop"].tolist())
    assert main.estimate.p == pytest.approx(referee.pvalues["pop"])


def test_no_spread_between_patients_is_cluster_robust_and_says_so() -> None:
    for seed in range(20):
        thrusts = study(seed=seed, n_patients=20, thrusts_per_patient=4, patient_sd=0.0)
        main = outcomes(thrusts).main
        if main.model == "cluster":
            break
    data = frame(thrusts)
    referee = smf.ols("post ~ pop + pre + expects", data).fit(cov_type="cluster", cov_kwds={"groups": data["group"]})

    assert "no spread between patients" in main.why
    assert main.estimate.value == pytest.approx(referee.params["pop"])
    assert main.se == pytest.approx(referee.bse["pop"])
    assert main.df is not None
    assert main.df <= data["group"].nunique() - 2


def test_a_failing_optimiser_falls_back_in_words(repeated: list[Thrust], monkeypatch: pytest.MonkeyPatch) -> None:
    def singular(*_: object, **__: object) -> None:
        warnings.warn("the Hessian is singular", RuntimeWarning, stacklevel=1)
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(regression.MixedLM, "fit", singular)
    main = outcomes(repeated).main

    assert main.model == "cluster"
    assert main.why == "the mixed model could not be fitted"
    assert main.estimate.low is not None


def test_group_means_are_those_of_the_textbook() -> None:
    thrusts = study(seed=5, n_patients=60, thrusts_per_patient=1)
    data = frame(thrusts)
    for group, is_pop in zip(outcomes(thrusts).groups, (1.0, 0.0), strict=False):
        changes = data[data["pop"] == is_pop]["change"]
        interval = stats.ttest_1samp(changes, 0).confidence_interval(0.95)

        assert group.n_scored == len(changes)
        assert group.change.value == pytest.approx(changes.mean())
        assert group.sd_change == pytest.approx(changes.std())
        assert (group.change.low, group.change.high) == pytest.approx((interval.low, interval.high))


def test_group_means_know_the_patients(repeated: list[Thrust]) -> None:
    data = frame(repeated)
    pops = data[data["pop"] == 1]
    codes = {"groups": pops["patient"].astype("category").cat.codes}
    referee = smf.ols("change ~ 1", pops).fit(cov_type="cluster", cov_kwds=codes, use_t=True)
    group = outcomes(repeated).groups[0]

    assert (group.change.low, group.change.high) == pytest.approx(referee.conf_int().iloc[0].tolist())
    assert group.mean_before == pytest.approx(pops["pre"].mean())
    assert group.mean_after == pytest.approx(pops["post"].mean())


def test_the_crude_difference_is_that_of_the_means(repeated: list[Thrust]) -> None:
    data = frame(repeated)
    crude = next(d for d in outcomes(repeated).others if d.title == "difference of mean changes")
    referee = smf.ols("change ~ pop", data).fit(cov_type="cluster", cov_kwds={"groups": data["group"]}, use_t=True)

    assert crude.estimate.value == pytest.approx(referee.params["pop"])
    assert crude.estimate.p == pytest.approx(referee.pvalues["pop"])


def test_within_patients_is_the_model_with_a_level_for_each(repeated: list[Thrust]) -> None:
    data = frame(repeated)
    both = data.groupby("patient")["pop"].transform(lambda pop: 0 < pop.mean() < 1)
    referee = smf.ols("post ~ pop + pre + C(patient)", data[both]).fit()
    within = next(d for d in outcomes(repeated).others if d.title == "within the same patient")

    assert within.estimate.value == pytest.approx(referee.params["pop"])
    assert within.n == int(both.sum())


def test_dose_and_belief_are_their_formulas(repeated: list[Thrust]) -> None:
    data = frame(repeated)
    found = outcomes(repeated)
    dose = smf.mixedlm("post ~ pops + pre + expects", data, groups="patient").fit()
    belief = smf.mixedlm("post ~ pop * I(belief - 3) + pre + expects", data, groups="patient").fit()

    assert found.dose.per_pop.estimate.value == pytest.approx(dose.params["pops"], abs=1e-4)
    assert found.belief.interaction.estimate.value == pytest.approx(belief.params["pop:I(belief - 3)"], abs=1e-4)
    assert found.belief.interaction.se == pytest.approx(belief.bse["pop:I(belief - 3)"], rel=1e-3)
    at_5 = belief.params["pop"] + 2 * belief.params["pop:I(belief - 3)"]
    assert found.belief.at_5.value == pytest.approx(at_5, abs=1e-4)
    assert sum(found.dose.thrusts_by_pops.values()) == len(data)


def test_speed_and_popping_are_a_logistic_regression(repeated: list[Thrust]) -> None:
    data = frame(repeated)
    referee = smf.logit("pop ~ speed", data).fit(disp=0, cov_type="cluster", cov_kwds={"groups": data["group"]})
    speed = outcomes(repeated).speed
    assert speed is not None
    assert speed.sd is not None

    assert speed.unit == "m/s2"
    assert speed.odds_ratio.value == pytest.approx(np.exp(referee.params["speed"]), rel=1e-6)
    reach = stats.t.ppf(0.975, data["group"].nunique() - 2) * referee.bse["speed"]
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


def test_one_thrust_that_alone_decides_is_refused() -> None:
    x = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
    with pytest.raises(regression.TooLittle, match="one thrust alone"):
        regression.fit(np.array([1.0, 2.0, 1.5, 2.5, 3.0]), {"x": x}, np.arange(5))


def test_scores_without_scatter_give_no_false_certainty() -> None:
    alike = outcomes(one_each([(6, 4)] * 5, [(6, 5)] * 5))

    assert alike.main.estimate.value is None
    assert alike.main.estimate.why_not
    assert alike.groups[0].change.value == -2
    assert alike.groups[0].change.low is None
