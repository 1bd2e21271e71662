"""Corrected share of pops and diluted differences against worked examples."""

import numpy as np
import pytest
from outcome_fakes import one_each, study, thrust

from popdetect.errors import UsageError
from popdetect.intervals import wilson
from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.columns import columns_of
from popdetect.study.analysis.detector_errors import Accuracy, dilution, lang_reiczigel, prevalence, rogan_gladen
from popdetect.study.analysis.estimates import Estimate
from popdetect.study.analysis.outcomes import outcomes


def test_rogan_gladen_of_a_worked_example() -> None:
    # 23 of 150 cows test positive, sensitivity 0.96, specificity 0.89: 5.1 per 100 (example of epi.prev in epiR)
    assert rogan_gladen(23 / 150, Accuracy((96, 100), (89, 100))) == pytest.approx(0.051, abs=5e-4)


def test_an_exact_detector_leaves_the_share_as_it_is() -> None:
    columns = columns_of(one_each([(6, 4)] * 30, [(6, 5)] * 12), "NPRS")
    made = prevalence(columns, Accuracy((10**9, 10**9), (10**9, 10**9)))

    assert made.corrected.value == pytest.approx(30 / 42)
    # Agresti-Coull's interval is what Lang & Reiczigel's becomes; its middle is Wilson's
    assert made.corrected.low is not None
    assert made.corrected.high is not None
    assert (made.corrected.low + made.corrected.high) / 2 == pytest.approx(sum(wilson(30, 42)) / 2, abs=1e-6)


def test_the_interval_of_the_share_covers_the_truth() -> None:
    rng = np.random.default_rng(11)
    for share, se, sp, n, n_se, n_sp in ((0.84, 0.9, 0.85, 150, 60, 30), (0.5, 0.95, 0.8, 80, 200, 50)):
        hits = 0
        for _ in range(1000):
            seen = rng.binomial(n, share * se + (1 - share) * (1 - sp)) / n
            known = Accuracy((int(rng.binomial(n_se, se)), n_se), (int(rng.binomial(n_sp, sp)), n_sp))
            low, high = lang_reiczigel(seen, n, known)
            hits += low <= share <= high
        assert 0.93 <= hits / 1000 <= 0.99


def test_the_less_is_known_of_the_detector_the_wider_the_interval() -> None:
    widths = [np.diff(lang_reiczigel(0.7, 200, Accuracy((9 * m, 10 * m), (8 * m, 10 * m))))[0] for m in (2, 10, 100)]

    assert widths[0] > widths[1] > widths[2]


def test_errors_that_explain_all_pops_are_told() -> None:
    thrusts = one_each([(6, 4), (5, 4)], [(6, 5 - i % 2) for i in range(30)])
    made = outcomes(thrusts, sensitivity=(9, 10), specificity=(8, 10))

    assert made.prevalence.cut
    assert made.prevalence.corrected.value == 0
    assert made.dilution.factor.value is None
    assert "errors alone" in made.dilution.factor.why_not


def test_a_detector_no_better_than_a_coin_corrects_nothing() -> None:
    made = outcomes(study(), sensitivity=(5, 10), specificity=(5, 10))

    assert made.prevalence.corrected.value is None
    assert "say nothing" in made.dilution.corrected.why_not


@pytest.mark.parametrize("counts", [(11, 10), (-1, 10), (0, 0)])
def test_counts_that_cannot_be_are_refused(counts: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="allowed are counts"):
        outcomes([], sensitivity=counts, specificity=(9, 10))


def test_one_count_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="sensitivity without specificity"):
        outcomes([], sensitivity=(9, 10))


@pytest.mark.parametrize(
    ("share", "se", "sp", "factor"),
    [
        (0.84, 0.90, 0.90, 0.61),
        (0.84, 0.80, 0.95, 0.46),
        (0.70, 0.95, 0.95, 0.87),
        (0.50, 0.90, 0.90, 0.80),
        (0.95, 0.95, 0.90, 0.48),
    ],
)
def test_dilution_is_that_of_the_literature_sheet(share: float, se: float, sp: float, factor: float) -> None:
    n = 100_000
    n_pop = round(n * (share * se + (1 - share) * (1 - sp)))
    rest = [thrust("no_pop", patient=f"q{i}") for i in range((n - n_pop) // 100)]
    columns = columns_of([thrust("pop", patient=f"p{i}") for i in range(n_pop // 100)] + rest, "NPRS")
    known = Accuracy((round(se * n), n), (round(sp * n), n))
    main = Difference("", Estimate(-0.5, -0.7, -0.3), se=0.1, df=200.0)
    made = dilution(main, prevalence(columns, known), known, 0)

    assert made.factor.value == pytest.approx(factor, abs=0.006)
    assert made.ppv is not None
    assert made.npv is not None
    assert made.ppv + made.npv - 1 == pytest.approx(made.factor.value)
    assert made.corrected.value == pytest.approx(-0.5 / made.factor.value)
    assert made.corrected.low is not None
    assert made.corrected.high is not None
    assert made.corrected.low < -0.7
    assert made.corrected.low < made.corrected.value < made.corrected.high < 0
