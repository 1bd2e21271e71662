"""Hedges' g of the change in pain, pop minus no pop: the difference in units of the changes' spread.

g = J d, d = (mean change with pop - mean change without) / pooled standard deviation of the changes, J = Γ(ν/2) /
(√(ν/2) Γ((ν-1)/2)), ν = n_pop + n_no_pop - 2. Its variance is J² ((SE/s)² + d²/(2ν)), with SE the standard error of the
difference as the model of patients gives it; with independent thrusts of equal spread this is Hedges' own.

References
----------
Hedges (1981), J Educ Stat 6:107; Hedges & Olkin (1985), Statistical Methods for Meta-Analysis, ch. 5.
"""

from __future__ import annotations

import math

import numpy as np

from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.columns import Columns, complete, has
from popdetect.study.analysis.distributions import t_reach
from popdetect.study.analysis.estimates import Estimate, missing


def correction(nu: float) -> float:
    """Hedges' J, below 1: how much d of a small sample must shrink; ν > 1."""
    return math.exp(math.lgamma(nu / 2) - math.lgamma((nu - 1) / 2)) / math.sqrt(nu / 2)


def hedges_g(columns: Columns, crude: Difference, unit: float) -> Estimate:
    """Of the contrast `crude`, made of the same thrusts."""
    if crude.estimate.value is None or crude.se is None or crude.df is None:
        return missing(crude.estimate.why_not)
    kept, _ = complete(("", columns.decided), ("", has(columns.before)), ("", has(columns.after)))
    rows = columns.take(kept)
    change, pop = rows.after - rows.before, rows.is_pop
    nu = len(rows) - 2
    squares = float(sum(np.square(own - own.mean()).sum() for own in (change[pop], change[~pop])))
    spread = math.sqrt(squares / nu)
    d = crude.estimate.value / unit / spread
    se = math.sqrt((crude.se / unit / spread) ** 2 + d * d / (2 * nu))
    j = correction(nu)
    reach = t_reach(crude.df) * j * se
    how = "of the unadjusted changes of thrusts; interval from the standard error that knows the patients"
    return Estimate(j * d, j * d - reach, j * d + reach, None, how)
