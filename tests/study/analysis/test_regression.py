"""The models and their choice; statsmodels, by its formulas, is the referee."""

import warnings

import numpy as np
import pytest
import statsmodels.formula.api as smf
from outcome_fakes import frame, one_each, study
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
