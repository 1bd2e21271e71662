"""How often it really pops: the share of pop verdicts, corrected for the detector's errors.

π = (AP + Sp - 1) / (Se + Sp - 1), AP the apparent share among clips called pop or no pop. The interval carries three
uncertainties: of AP (with patients: thrusts count as many as they are worth), of sensitivity and of specificity, by the
counts behind them. Those counts must be of **decided** clips, as uncertain ones are left out here: of the clips with a
pop that were called pop or no_pop, how many were called pop; likewise for those without. The model card's own figures
count uncertain as wrong.

References
----------
Rogan & Gladen (1978), Am J Epidemiol 107:71; Lang & Reiczigel (2014), Prev Vet Med 113:13 (interval); Korn & Graubard
(1998), Surv Methodol 24:193 (effective number).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from popdetect.errors import UsageError
from popdetect.intervals import wilson
from popdetect.study.analysis.columns import Columns
from popdetect.study.analysis.distributions import t_reach, z_reach
from popdetect.study.analysis.estimates import Estimate, TooLittle, missing
from popdetect.study.analysis.regression import fit_robust

Counts = tuple[int, int]
NOT_GIVEN = "the counts behind the detector's sensitivity and specificity were not given"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What is known of the detector's errors: right verdicts of all decided ones, with a pop and without.

    Raises
    ------
    UsageError
        Counts that cannot be.
    """

    sensitivity: Counts
    specificity: Counts

    def __post_init__(self) -> None:
        for name, (right, n) in (("sensitivity", self.sensitivity), ("specificity", self.specificity)):
            if n < 1 or not 0 <= right <= n:
                raise UsageError(f"{name} {right} of {n}: allowed are counts, 0 ≤ right ≤ n and n ≥ 1")

    @property
    def rates(self) -> tuple[float, float]:
        """Sensitivity and specificity, each in [0, 1]."""
        return self.sensitivity[0] / self.sensitivity[1], self.specificity[0] / self.specificity[1]

    @property
    def youden(self) -> float:
        """Sensitivity + specificity - 1: what the detector adds to a coin, at most 1."""
        return sum(self.rates) - 1


@dataclass(frozen=True, slots=True)
class Prevalence:
    """The share of thrusts with a pop.

    Attributes
    ----------
    n_pop, n : int
        Clips called pop, of those called pop or no pop.
    n_effective : float or None
        How many independent thrusts these are worth, at most `n`; None where nothing is known of the spread.
    apparent, corrected : Estimate
        In [0, 1].
    sensitivity, specificity : Estimate
        As given, with Wilson's intervals.
    cut : bool
        The correction led below 0 or above 1 and was cut there: the errors alone could explain what was heard.
    """

    n_pop: int
    n: int
    n_effective: float | None
    apparent: Estimate
    corrected: Estimate
    sensitivity: Estimate
    specificity: Estimate
    cut: bool = False


def prevalence(columns: Columns, accuracy: Accuracy | None) -> Prevalence:
    """Apparent and corrected share of pops among the decided clips."""
    rows = columns.take(columns.decided)
    n, k = len(rows), int(rows.is_pop.sum())
    rates = (_rate(accuracy.sensitivity), _rate(accuracy.specificity)) if accuracy else (missing(NOT_GIVEN),) * 2
    if not n:
        nothing = missing("no clip was called pop or no pop")
        return Prevalence(0, 0, None, nothing, nothing, *rates)
    worth, how, why_not = _worth(rows)
    share = k / n
    if worth is None:
        apparent = Estimate(share, why_not=why_not)
    else:
        apparent = Estimate(share, *wilson(share * worth, worth), None, f"Wilson, {how}")
    if accuracy is None:
        return Prevalence(k, n, worth, apparent, missing(NOT_GIVEN), *rates)
    corrected, cut = _corrected(share, worth, accuracy, how or why_not)
    return Prevalence(k, n, worth, apparent, corrected, *rates, cut)


def rogan_gladen(apparent: float, accuracy: Accuracy) -> float:
    """The corrected share, not cut: below 0 or above 1 where errors alone could explain more than was seen."""
    return (apparent + accuracy.rates[1] - 1) / accuracy.youden


def lang_reiczigel(apparent: float, n: float, accuracy: Accuracy) -> tuple[float, float]:
    """The 95 % interval of the corrected share, cut to [0, 1]."""
    z = z_reach()
    n_ap = n + z * z
    ap = (n * apparent + z * z / 2) / n_ap
    (right_se, n_se), (right_sp, n_sp) = accuracy.sensitivity, accuracy.specificity
    se, sp = (right_se + 1) / (n_se + 2), (right_sp + 1) / (n_sp + 2)
    share = (ap + sp - 1) / (se + sp - 1)
    of_se, of_sp = se * (1 - se) / (n_se + 2), sp * (1 - sp) / (n_sp + 2)
    shift = 2 * z * z * (share * of_se - (1 - share) * of_sp)
    variance = (ap * (1 - ap) / n_ap + share**2 * of_se + (1 - share) ** 2 * of_sp) / (se + sp - 1) ** 2
    reach = z * math.sqrt(variance)
    return min(max(share + shift - reach, 0.0), 1.0), max(min(share + shift + reach, 1.0), 0.0)


def _rate(counts: Counts) -> Estimate:
    right, n = counts
    return Estimate(right / n, *wilson(right, n), None, "Wilson")


def _corrected(share: float, worth: float | None, accuracy: Accuracy, how: str) -> tuple[Estimate, bool]:
    if accuracy.youden <= 0:
        reason = "sensitivity + specificity is not above 1: the verdicts say nothing about pops"
        return missing(reason), False
    raw = rogan_gladen(share, accuracy)
    value = min(max(raw, 0.0), 1.0)
    cut = abs(raw - value) > 1e-12
    if worth is None:
        return Estimate(value, why_not=how), cut
    if (accuracy.sensitivity[0] + 1) / (accuracy.sensitivity[1] + 2) + (accuracy.specificity[0] + 1) / (
        accuracy.specificity[1] + 2
    ) <= 1.05:
        return Estimate(value, why_not="no interval: the errors are known too little"), cut
    low, high = lang_reiczigel(share, worth, accuracy)
    return Estimate(value, min(low, value), max(high, value), None, f"Lang & Reiczigel, {how}"), cut


def _worth(rows: Columns) -> tuple[float | None, str, str]:
    """How many independent thrusts these are worth; how that is known; or why it is not."""
    n, n_patients = len(rows), len(np.unique(rows.patient))
    if n_patients == n:
        return float(n), "one thrust per patient", ""
    if n_patients < 2:
        return None, "", "no interval: all thrusts are of one patient"
    share = float(rows.is_pop.mean())
    if share in (0.0, 1.0):
        # no spread to learn from, so the worst case: thrusts of a patient are all alike
        return float(n_patients), "each patient counted as one thrust, because all verdicts are alike", ""
    try:
        made = fit_robust(rows.is_pop.astype(float), {}, rows.patient)
    except TooLittle as reason:
        return None, "", f"no interval: {reason}"
    inflation = max(made.se({"one": 1.0}) ** 2 / (share * (1 - share) / n), 1.0)
    worth = n / inflation * (z_reach() / t_reach(made.df)) ** 2
    return worth, f"{n} thrusts of {n_patients} patients counted as {worth:.0f} independent ones", ""
