"""Sensitivity analyses: the answer again, under other assumptions about what is uncertain or missing.

Each is the main difference with one assumption changed. Where values are drawn (missing answers, wrong verdicts), the
draws are analysed one by one and combined by Rubin's rules, with the degrees of freedom of Barnard and Rubin.

Missing pain and expectation are drawn by chained linear regressions on each other, the verdict, and the mean of the
patient's other thrusts. This assumes that what is missing depends only on what was recorded.

Differential errors: a share `WRONG` of one verdict is assumed wrong, but only where pain after was better, or only
where it was worse, than pain before lets expect. Ordinary corrections assume that errors do not depend on pain.

References
----------
Rubin (1987), Multiple Imputation for Nonresponse in Surveys; Barnard & Rubin (1999), Biometrika 86:948; White, Royston
& Wood (2011), Stat Med 30:377 (chained equations).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from popdetect.study.analysis.adjusted import Difference, adjusted_difference, usual
from popdetect.study.analysis.columns import Bools, Columns, Floats, has
from popdetect.study.analysis.estimates import Estimate, missing, t_reach, t_two_sided

N_DRAWS: Final = 20
N_ROUNDS: Final = 5  # of the chained regressions, for each draw
WRONG: Final = 0.1


def alternatives(columns: Columns, unit: float, seed: int = 0) -> tuple[Difference, ...]:
    """Return the main difference under other assumptions; pain in the unit of the scale."""
    rng = np.random.default_rng([seed, 6])
    uncertain = columns.label == "uncertain"
    likelier = np.where(columns.p_pop >= 0.5, "pop", "no_pop")
    judged = replace(columns, label=np.where(uncertain, likelier, columns.label)).take(has(columns.p_pop))
    return (
        _main(_as(columns, uncertain, "pop"), unit, "uncertain clips counted as pop"),
        _main(_as(columns, uncertain, "no_pop"), unit, "uncertain clips counted as no pop"),
        adjusted_difference(
            judged,
            unit,
            usual(judged),
            "the detector's probability in place of its verdict",
            exposure=judged.p_pop,
        ),
        _main(columns.take(_complete_patients(columns)), unit, "patients without any missing answer only"),
        _pooled("missing answers imputed", [_main(drawn, unit) for drawn in _imputed(columns, rng)]),
        *(
            _pooled(
                f"{100 * WRONG:.0f} % of the verdicts {name} wrong, where pain was {side} than expected",
                [_main(drawn, unit) for drawn in _relabelled(columns, verdict, side == "better", rng)],
            )
            for verdict, name in (("no_pop", "no pop"), ("pop", "pop"))
            for side in ("better", "worse")
        ),
    )


def _main(columns: Columns, unit: float, title: str = "") -> Difference:
    return adjusted_difference(columns, unit, usual(columns), title)


def _as(columns: Columns, rows: Bools, label: str) -> Columns:
    return replace(columns, label=np.where(rows, label, columns.label))


def _complete_patients(columns: Columns) -> Bools:
    """Whether the patient of each thrust has pain before and after in all judged thrusts, and expectation if asked."""
    there = has(columns.before) & has(columns.after)
    if has(columns.expects).any():
        there &= has(columns.expects)
    incomplete = np.unique(columns.patient[~there])
    return np.asarray(~np.isin(columns.patient, incomplete))


def _imputed(columns: Columns, rng: np.random.Generator) -> Iterator[Columns]:
    """Yield `N_DRAWS` copies in which no pain and, if it was asked at all, no expectation is missing."""
    rows = columns.take(columns.decided)
    names = [name for name in ("before", "after", "expects") if has(getattr(rows, name)).any()]
    gaps = {name: ~has(getattr(rows, name)) for name in names}
    if len(names) < 2 or not any(gap.any() for gap in gaps.values()):
        return
    limits = dict.fromkeys(names, (0.0, 10.0))
    pop = rows.is_pop.astype(float)
    for _ in range(N_DRAWS):
        filled = {name: _start(getattr(rows, name), gaps[name], rng) for name in names}
        for _ in range(N_ROUNDS):
            for name in names:
                if gaps[name].any():
                    others = [filled[other] for other in names if other != name]
                    own = _of_others(filled[name], rows.patient)
                    X = np.column_stack([np.ones(len(rows)), pop, own, *others])
                    drawn = _draw(filled[name], X, gaps[name], rng)
                    filled[name][gaps[name]] = np.clip(drawn, *limits[name])
        yield replace(rows, **filled)  # type: ignore[arg-type]  # all of them are columns of numbers


def _start(column: Floats, gap: Bools, rng: np.random.Generator) -> Floats:
    """The column with random values of its own in its gaps."""
    filled = column.copy()
    filled[gap] = rng.choice(column[~gap], int(gap.sum()))
    return filled


def _of_others(column: Floats, patient: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Floats:
    """The mean of the patient's other thrusts; where there is none, the mean of all."""
    _, of = np.unique(patient, return_inverse=True)
    n = np.bincount(of)[of] - 1
    total = np.bincount(of, column)[of] - column
    return np.where(n > 0, total / np.maximum(n, 1), column.mean())


def _draw(column: Floats, X: Floats, gap: Bools, rng: np.random.Generator) -> Floats:
    """Values for the gaps, from a linear regression whose coefficients and spread are drawn, too."""
    known = ~gap
    a, b = X[known], column[known]
    inverse = np.linalg.pinv(a.T @ a)
    coef = inverse @ a.T @ b
    df = max(len(b) - X.shape[1], 1)
    sd = math.sqrt(float(np.square(b - a @ coef).sum()) / rng.chisquare(df))
    values, vectors = np.linalg.eigh(inverse)
    coef = coef + sd * (vectors * np.sqrt(np.clip(values, 0, None))) @ rng.normal(size=len(coef))
    return np.asarray(X[gap] @ coef + sd * rng.normal(size=int(gap.sum())))


def _relabelled(columns: Columns, verdict: str, better: bool, rng: np.random.Generator) -> Iterator[Columns]:
    """Yield `N_DRAWS` copies in which a share of one verdict, on one side of the expected pain after, is the other."""
    there = columns.decided & has(columns.before) & has(columns.after)
    own = there & (columns.label == verdict)
    if not own.any():
        return
    slope, level = np.polyfit(columns.before[there], columns.after[there], 1) if there.sum() > 2 else (0.0, 0.0)
    rest = columns.after - (level + slope * columns.before)
    side = np.flatnonzero(own & ((rest < 0) if better else (rest > 0)))
    n_wrong = min(len(side), round(WRONG * int(own.sum())))
    for _ in range(N_DRAWS):
        label = columns.label.astype("<U9")
        label[rng.choice(side, n_wrong, replace=False)] = "pop" if verdict == "no_pop" else "no_pop"
        yield replace(columns, label=label)


def _pooled(title: str, drawn: Sequence[Difference]) -> Difference:
    """Combine the differences of several draws by Rubin's rules."""
    if not drawn:
        return Difference(title, missing("nothing is missing" if "imputed" in title else "no such verdict"))
    failed = next((one.estimate.why_not for one in drawn if one.se is None or one.df is None), None)
    if failed is not None:
        return Difference(title, missing(failed))
    m = len(drawn)
    values = np.array([one.estimate.value for one in drawn], float)
    within = float(np.mean([(one.se or 0.0) ** 2 for one in drawn]))
    between = float(values.var(ddof=1))
    total = within + (1 + 1 / m) * between
    complete = float(np.mean([one.df or 0.0 for one in drawn]))
    df = pooled_df(within, between, m, complete)
    value, se = float(values.mean()), math.sqrt(total)
    reach = t_reach(df) * se
    how = f"{m} draws combined by Rubin's rules, t with {df:.1f} degrees of freedom"
    estimate = Estimate(value, value - reach, value + reach, t_two_sided(value / se, df), how)
    return replace(drawn[0], title=title, estimate=estimate, se=se, df=df)


def pooled_df(within: float, between: float, m: int, complete: float) -> float:
    """Degrees of freedom after Barnard and Rubin, from the variances within and between m draws."""
    observed_share = within / (within + (1 + 1 / m) * between)
    observed = (complete + 1) / (complete + 3) * complete * observed_share
    lost = 1 - observed_share
    return observed if lost < 1e-12 else 1 / (lost**2 / (m - 1) + 1 / observed)
