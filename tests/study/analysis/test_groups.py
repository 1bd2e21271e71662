"""Group means and responders against textbooks and referees."""

from dataclasses import replace

import numpy as np
import pytest
from outcome_fakes import by_hand, frame, one_each, study, thrust
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from popdetect.study.analysis.estimates import Estimate, missing, newcombe
from popdetect.study.analysis.groups import Share, share_of
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.analysis.thrusts import Thrust


@pytest.fixture(scope="module")
def repeated() -> list[Thrust]:
    return study(seed=3, speed=0.5, interaction=-0.2, effect=-0.8)


def test_responders_are_counted_among_those_who_could() -> None:
    pops = [(1, 0), (2, 0), (6, 4), (10, 7), (10, 8), (0, 0)]
    points, percent = outcomes(one_each(pops, [(7, 7), (4, 2), (3, 2), (1, 1)])).responders

    # from 1 and from 0 nobody loses 2 points; 6 to 4 is a third, 10 to 7 is exactly 30 %, 3 to 2 is a third
    assert (points.pop.k, points.pop.n) == (4, 4)
    assert (percent.pop.k, percent.pop.n) == (4, 5)
    assert (points.no_pop.k, points.no_pop.n) == (1, 3)
    assert (percent.no_pop.k, percent.no_pop.n) == (2, 4)
    assert points.left_out == {"too little pain before to reach it": 3}
    assert percent.pop.share.low == pytest.approx(proportion_confint(4, 5, method="wilson")[0])
    assert (points.difference.low, points.difference.high) == pytest.approx(newcombe(4, 4, 1, 3))


def test_the_difference_of_responders_knows_the_patients() -> None:
    thrusts = study(seed=8)
    data = frame(thrusts)
    data["better"] = (data["pre"] - data["post"] >= 2).astype(float)
    X = np.column_stack([np.ones(len(data)), data["pop"]])
    value, se, df = by_hand(data["better"].to_numpy(float), X, data["group"].to_numpy(), np.array([0.0, 1.0]))
    made = outcomes(thrusts).responders[0].difference

    assert made.value == pytest.approx(value)
    assert made.p == pytest.approx(2 * stats.t.sf(abs(value) / se, df))


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
    value, se, df = by_hand(
        pops["change"].to_numpy(float), np.ones((len(pops), 1)), pops["group"].to_numpy(), np.ones(1)
    )
    reach = stats.t.ppf(0.975, df) * se
    group = outcomes(repeated).groups[0]

    assert (group.change.low, group.change.high) == pytest.approx((value - reach, value + reach))
    assert group.mean_before == pytest.approx(pops["pre"].mean())
    assert group.mean_after == pytest.approx(pops["post"].mean())


def test_a_group_counts_its_thrusts_its_patients_and_who_is_left_out() -> None:
    rows = [
        *(thrust("pop", 6, after, patient=f"p{i // 2}") for i, after in enumerate((5, 4, 3, 2, 4, None))),
        thrust("pop", None, 3, patient="q"),
        thrust("uncertain", 8, 7, patient="p0"),
    ]
    pop, no_pop, uncertain = outcomes(rows).groups

    assert (pop.label, no_pop.label, uncertain.label) == ("pop", "no_pop", "uncertain")
    assert (pop.n_thrusts, pop.n_patients, pop.n_scored, pop.n_scored_patients) == (7, 4, 5, 3)
    assert pop.left_out == {"no pain before": 1, "no pain after": 1}
    assert (pop.mean_before, pop.mean_after) == pytest.approx((6.0, 3.6))
    assert pop.change.value == pytest.approx(-2.4)
    assert pop.change.p is None
    assert pop.sd_change == pytest.approx(stats.tstd([-1, -2, -3, -4, -2]))
    assert (uncertain.change.value, uncertain.sd_change) == (-1.0, None)
    assert uncertain.change.why_not == "no interval: one thrust"


def test_a_group_with_too_little_says_why_and_keeps_its_mean() -> None:
    of_one_patient = [thrust("pop", 6, after, patient="p") for after in (5, 3, 4)]
    alike = [thrust("no_pop", 6, 4, patient=f"p{i}") for i in range(3)]
    pop, no_pop, uncertain = outcomes(of_one_patient + alike).groups

    reason = "no interval: all thrusts are of one patient: nothing can be said about other patients"
    assert pop.change == Estimate(-2.0, why_not=reason)
    assert no_pop.change == Estimate(-2.0, why_not="no interval: all changes are equal")
    assert no_pop.sd_change == 0
    assert uncertain.change == missing("no thrust with pain before and after")
    assert (uncertain.mean_before, uncertain.mean_after, uncertain.sd_change) == (None, None, None)


def test_group_figures_on_vas_are_ten_times_as_large() -> None:
    pain = [(6, 4), (5, 4), (8, 3), (7, 7)]
    nprs = outcomes(one_each(pain, [(6, 6), (7, 5)])).groups[0]
    vas = [replace(t, pain_scale="VAS100") for t in one_each([(10 * b, 10 * a) for b, a in pain], [(60, 60)])]
    tens = outcomes(vas).groups[0]

    assert tens.mean_after == pytest.approx(10 * (nprs.mean_after or 0))
    assert tens.sd_change == pytest.approx(10 * (nprs.sd_change or 0))
    assert tens.change.low == pytest.approx(10 * (nprs.change.low or 0))


def test_responders_without_pain_scores_or_a_verdict_are_left_out() -> None:
    rows = [thrust("pop", 6, 4), thrust("pop", None, 4), thrust("no_pop", 6, None), thrust("no_pop", 1, 0)]
    points, percent = outcomes([*rows, thrust("uncertain", 6, 1), thrust(None, 6, 1)]).responders

    out = {"clip could not be judged": 1, "verdict uncertain": 1, "no pain before": 1, "no pain after": 1}
    assert points.left_out == {**out, "too little pain before to reach it": 1}
    assert percent.left_out == out
    assert (points.mark, percent.mark) == ("2 points", "30 %")
    assert points.no_pop.share == missing("no thrust that could reach it")
    assert points.difference == missing("not both groups have a thrust that could reach it")
    assert (percent.no_pop.k, percent.no_pop.n) == (1, 1)


def test_the_interval_of_responders_says_what_it_assumes() -> None:
    wilson_how = "Wilson; assumes independent thrusts, so it is too narrow if patients repeat"
    newcombe_how = "Newcombe from the Wilson intervals"
    single = outcomes(one_each([(6, 4), (6, 5), (6, 3)], [(6, 4), (6, 6)])).responders[0]
    rows = [thrust("pop", 6, 4, patient=f"p{i // 2}") for i in range(4)]
    certain = outcomes([*rows, thrust("no_pop", 6, 4, patient="p0"), thrust("no_pop", 6, 6, patient="p1")])
    difference = certain.responders[0].difference

    assert single.pop.share.how == wilson_how
    assert single.difference.value == pytest.approx(2 / 3 - 1 / 2)
    assert (single.difference.low, single.difference.high) == pytest.approx(newcombe(2, 3, 1, 2))
    assert (single.difference.p, single.difference.how) == (None, newcombe_how)
    assert (
        difference.how == newcombe_how + "; assumes independent thrusts, because a share of none or all has no spread"
    )
    assert (difference.low, difference.high) == pytest.approx(newcombe(4, 4, 1, 2))


def test_responders_of_few_patients_have_no_interval() -> None:
    rows = [
        thrust(label, 6, after, patient=patient)
        for patient in "abc"
        for label, after in (("pop", 4), ("pop", 6), ("no_pop", 6), ("no_pop", 3 if patient == "a" else 6))
    ]
    made = outcomes(rows).responders[0].difference

    assert made.value == pytest.approx(1 / 2 - 1 / 6)
    assert made.why_not == (
        "no interval: only 3 patients; a comparison needs at least 4 to estimate how patients differ"
    )


def test_a_share_of_no_thrust_is_missing() -> None:
    assert share_of(0, 0) == Share(0, 0, missing("no thrust that could reach it"))


def test_a_group_without_responders_has_newcombes_interval() -> None:
    rows = [thrust("pop", 6, 6, patient=f"p{i // 2}") for i in range(4)]
    rows += [thrust("no_pop", 6, after, patient=f"p{i}") for i, after in enumerate((4, 6))]
    made = outcomes(rows).responders[0].difference

    assert made.value == -0.5
    assert (made.low, made.high) == pytest.approx(newcombe(0, 4, 1, 2))
    assert made.how.endswith("because a share of none or all has no spread")
