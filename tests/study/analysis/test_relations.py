"""Dose, belief and thrust speed; statsmodels, by its formulas, is the referee."""

import numpy as np
import pytest
import statsmodels.formula.api as smf
from outcome_fakes import frame, study, thrust
from scipy import stats

from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.analysis.thrusts import Thrust


@pytest.fixture(scope="module")
def repeated() -> list[Thrust]:
    return study(seed=3, speed=0.5, interaction=-0.2, effect=-0.8)


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
