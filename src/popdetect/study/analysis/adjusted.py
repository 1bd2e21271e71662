"""Differences in pain after, pop minus no pop: adjusted (analysis of covariance), unadjusted, and as Hedges' g.

A negative difference is less pain after a pop. Nobody was randomised to a pop, so every difference is an association.

The adjusted difference models pain after given pain before. A model of the change would mistake regression to the mean
for an effect if the groups differ in pain before. A covariate is used if it varies and at least the share `ENOUGH` of
the comparable thrusts has it; otherwise it is left out, with a note, because too few complete cases would remain. The
number of the thrust within the session is a covariate with a level for each number: a thrust is often repeated until it
pops, and the first may help most. Levels of fewer than `MIN_LEVEL` thrusts are combined.

Patients who pop more may also fare better for other reasons. So where patients had both pops and thrusts without,
the difference is the one within patients: the patient's share of pops and mean pain before are terms of the model
(Mundlak). The difference between patients is given beside it.

Hedges' g of the change is J d, with d = (mean change with pop - mean change without) / pooled standard deviation of
the changes, J = Γ(ν/2) / (√(ν/2) Γ((ν-1)/2)), ν = n_pop + n_no_pop - 2. Its variance is J² ((SE/s)² + d²/(2ν)), with SE
the standard error of the difference that allows for repeated patients; for independent thrusts of equal spread this is
Hedges' own variance.

References
----------
Vickers & Altman (2001), BMJ 323:1123 (analysis of covariance for change from baseline); Hedges (1981), J Educ Stat
6:107; Hedges & Olkin (1985), Statistical Methods for Meta-Analysis, ch. 5; Mundlak (1978), Econometrica 46:69.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from popdetect.study.analysis.columns import Bools, Columns, Covariate, Floats, Ints, complete, decided, has, scored
from popdetect.study.analysis.estimates import Estimate, TooLittle, missing, t_reach
from popdetect.study.analysis.regression import ModelKind, Regression, fit

ENOUGH = 0.8
EXPECTATION = "expectation of relief"
BEFORE = "pain before"
NUMBER = "number of the thrust"
SHARE = "the patient's share of pops"
MIN_LEVEL = 5  # thrusts
# from so many patients, and so many with both pops and thrusts without, the difference is the one within patients
MIN_PATIENTS_WITHIN, MIN_BOTH = 8, 2


@dataclass(frozen=True, slots=True)
class Difference:
    """One comparison of pop and no pop."""

    title: str
    estimate: Estimate  # pop minus no pop, in the unit of the pain scale
    se: float | None = None  # standard error, in the same unit
    df: float | None = None  # degrees of freedom of Student's t
    adjusted_for: tuple[str, ...] = ()
    model: ModelKind | None = None
    why: str = ""  # why this model
    patient_share: float | None = None  # share of the remaining variance that lies between patients (ICC)
    n: int = 0
    n_pop: int = 0
    n_no_pop: int = 0
    n_patients: int = 0
    left_out: dict[str, int] | None = None  # unusable thrusts, by the first reason that applies
    notes: tuple[str, ...] = ()
    is_within: bool = False  # whether it is the difference within patients


@dataclass(frozen=True, slots=True)
class Ready:
    """Thrusts that can be compared, and the covariates.

    `terms` are centred, so that the intercept is an average patient and the variance estimate converges well.
    """

    rows: Columns
    exposure: Floats  # what is compared: 1 for the verdict pop and 0 for no pop, or the number of pops
    terms: dict[str, Floats]
    adjusted_for: tuple[str, ...]  # names of the covariates; one can have several terms
    left_out: dict[str, int]
    notes: tuple[str, ...]

    @property
    def is_within(self) -> bool:
        """Whether the coefficient of the exposure is the difference within patients."""
        return SHARE in self.terms


def usual(columns: Columns) -> dict[str, Covariate]:
    """Return the covariates of every adjusted figure beside pain before: expectation, and those asked for."""
    return {EXPECTATION: columns.expects, **columns.more}


def ready(
    columns: Columns,
    covariates: Mapping[str, Covariate],
    *more: tuple[str, Bools],
    exposure: Floats | None = None,
    split: bool = True,
) -> Ready:
    """Select the complete cases and the covariates; pain before and the thrust's number are always among them.

    A covariate is used if enough cells are filled; `more` are further conditions that a thrust must meet. With `split`
    the patients' means of exposure and pain before are terms, where patients had both verdicts. Raises TooLittle if
    there are not two groups of two thrusts, or pain before is always 0 and could not decrease.
    """
    compared = columns.is_pop.astype(float) if exposure is None else exposure
    base = [*decided(columns), *scored(columns), *more]
    kept, _ = complete(*base)
    notes, used = [], {}
    for name, column in {NUMBER: columns.thrust_no, **covariates}.items():
        n_there = int((kept & has(column)).sum())
        if not n_there:
            if name != NUMBER:
                notes.append(f"{name} was never asked, so it is not adjusted for")
        elif n_there < ENOUGH * kept.sum():
            notes.append(f"{name} is known for {n_there} of {int(kept.sum())} thrusts only, so it is not adjusted for")
        else:
            used[name] = column
    kept, left_out = complete(*base, *((f"{name} not asked", has(column)) for name, column in used.items()))
    rows, compared = columns.take(kept), compared[kept]
    _two_groups(rows)
    terms: dict[str, Floats] = {}
    adjusted_for = []
    if split and _n_both(rows) >= MIN_BOTH and len(np.unique(rows.patient)) >= MIN_PATIENTS_WITHIN:
        # a term that is constant within patients equals its own mean
        means = {SHARE: compared, f"the patient's mean {BEFORE}": rows.before}
        terms = {
            name: own - own.mean()
            for name, column in means.items()
            if np.ptp(own := _means(column, rows.patient)) > 1e-12 and np.abs(own - column).max() > 1e-12
        }
    for name, column in {BEFORE: columns.before, **used}.items():
        made = _terms(name, column[kept])
        if made:
            adjusted_for.append(name)
            terms |= made
        elif name != NUMBER:
            notes.append(f"{name} is the same throughout, so it is not adjusted for")
    return Ready(rows, compared, terms, tuple(adjusted_for), left_out, tuple(notes))


def adjusted_difference(
    columns: Columns,
    unit: float,
    covariates: Mapping[str, Covariate],
    title: str = "adjusted difference",
    *,
    exposure: Floats | None = None,
    split: bool = True,
) -> Difference:
    """Difference in pain after, adjusted for pain before and covariates; the model is that of `regression.fit`."""
    try:
        data = ready(columns, covariates, exposure=exposure, split=split)
        made = fit(data.rows.after, {"pop": data.exposure, **data.terms}, data.rows.patient, data.rows.session)
    except TooLittle as reason:
        return Difference(title, missing(reason))
    return described(title, made, {"pop": 1.0}, data, unit)


def between_patients(columns: Columns, unit: float, covariates: Mapping[str, Covariate]) -> Difference:
    """Difference between patients, by the model of the main one: a patient whose thrusts all pop, against none."""
    title = "between patients (all thrusts pop, against none)"
    try:
        data = ready(columns, covariates)
        if not data.is_within:
            raise TooLittle(
                "too few patients had both a pop and a thrust without: the answer is already between patients"
            )
        made = fit(data.rows.after, {"pop": data.exposure, **data.terms}, data.rows.patient, data.rows.session)
    except TooLittle as reason:
        return Difference(title, missing(reason))
    return described(title, made, {"pop": 1.0, SHARE: 1.0}, data, unit)


def change_difference(columns: Columns, unit: float, covariates: Mapping[str, Covariate]) -> Difference:
    """Difference of the changes by the model of the main one, but without pain before.

    The two rest on different assumptions: the adjusted one, that patients with the same recorded pain before are
    comparable; this one, that pain would have changed equally. Where they disagree, neither can be trusted.
    """
    title = "difference of changes, same covariates"
    try:
        data = ready(columns, covariates)
        terms = {name: term for name, term in data.terms.items() if not name.endswith(BEFORE)}
        change = data.rows.after - data.rows.before
        made = fit(change, {"pop": data.exposure, **terms}, data.rows.patient, data.rows.session)
    except TooLittle as reason:
        return Difference(title, missing(reason))
    used = tuple(name for name in data.adjusted_for if name != BEFORE)
    return described(title, made, {"pop": 1.0}, replace(data, terms=terms, adjusted_for=used), unit)


def crude_difference(columns: Columns, unit: float) -> Difference:
    """Difference of the mean changes, not adjusted for anything."""
    title = "difference of mean changes"
    try:
        data = ready(columns, {}, split=False)
        change = data.rows.after - data.rows.before
        made = fit(change, {"pop": data.exposure}, data.rows.patient, mixed=False)
    except TooLittle as reason:
        return Difference(title, missing(reason))
    return described(title, made, {"pop": 1.0}, replace(data, terms={}, adjusted_for=(), notes=()), unit)


def within_patients(columns: Columns, unit: float) -> Difference:
    """Difference between thrusts of the same patient; constant differences between patients cannot explain it.

    Least squares on the deviations from each patient's means (fixed effects), over the patients that had both.
    """
    title = "within the same patient"
    try:
        data = ready(columns, {}, split=False)
        both = _had_both(data.rows)
        n_both = _n_both(data.rows)
        if n_both < 2:
            raise TooLittle(f"{n_both} patients had both a pop and a thrust without")
        own = data.rows.take(both)
        terms = {name: term[both] for name, term in {"pop": data.exposure, **data.terms}.items()}
        apart = {name: term - _means(term, own.patient) for name, term in terms.items()}
        apart = {name: term for name, term in apart.items() if np.abs(term).max() > 1e-12}
        made = fit(own.after - _means(own.after, own.patient), apart, own.patient, intercept=False, mixed=False)
    except TooLittle as reason:
        return Difference(title, missing(reason))
    left_out = {**data.left_out, "patient had only one of pop and no pop": int((~both).sum())}
    names = {name.partition(": ")[0] for name in apart}
    used = tuple(name for name in data.adjusted_for if name in names)
    kept = replace(data, rows=own, terms=apart, adjusted_for=used, left_out=left_out)
    return described(title, made, {"pop": 1.0}, kept, unit)


def correction(nu: float) -> float:
    """Hedges' J, below 1: the small-sample correction of d; ν > 1."""
    return math.exp(math.lgamma(nu / 2) - math.lgamma((nu - 1) / 2)) / math.sqrt(nu / 2)


def hedges_g(columns: Columns, crude: Difference, unit: float) -> Estimate:
    """Hedges' g of the unadjusted difference `crude`."""
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
    how = "of the unadjusted changes; the interval allows for repeated patients"
    return Estimate(j * d, j * d - reach, j * d + reach, None, how)


def described(title: str, made: Regression, weights: Mapping[str, float], data: Ready, unit: float) -> Difference:
    """Difference from a weighted sum of a model's coefficients, in the unit of the scale."""
    estimate = made.estimate(weights)
    no_scatter = estimate.low is None
    return Difference(
        title=title,
        estimate=estimate.scaled(unit),
        se=None if no_scatter else unit * made.se(weights),
        df=None if no_scatter else made.df(weights),
        adjusted_for=data.adjusted_for,
        is_within=data.is_within,
        model=made.model,
        why=made.why,
        patient_share=made.patient_share,
        n=made.n,
        n_pop=int(data.rows.is_pop.sum()),
        n_no_pop=int((~data.rows.is_pop).sum()),
        n_patients=made.n_patients,
        left_out=data.left_out,
        notes=data.notes,
    )


def _two_groups(rows: Columns) -> None:
    n_pop = int(rows.is_pop.sum())
    n_no_pop = len(rows) - n_pop
    if not n_pop or not n_no_pop:
        there = "no complete thrust" if not len(rows) else f"only thrusts {'with' if n_pop else 'without'} a pop"
        raise TooLittle(f"{there}: there are not two groups to compare")
    if min(n_pop, n_no_pop) < 2:
        raise TooLittle(f"{n_pop} thrusts with and {n_no_pop} without a pop; at least 2 of each are needed")
    if not rows.before.any():
        raise TooLittle("pain before was 0 in all thrusts: it could not become less")
    patients = [set(rows.patient[rows.is_pop].tolist()), set(rows.patient[~rows.is_pop].tolist())]
    if len(rows) > len(patients[0] | patients[1]) and not patients[0] & patients[1] and min(map(len, patients)) < 2:
        raise TooLittle("one group is of a single patient who is not in the other: the two cannot be told apart")


def _had_both(rows: Columns) -> Bools:
    """Whether the patient of each thrust had both verdicts."""
    share = _means(rows.is_pop.astype(float), rows.patient)
    return np.asarray((share > 0) & (share < 1))


def _n_both(rows: Columns) -> int:
    return len(np.unique(rows.patient[_had_both(rows)]))


def _means(column: Floats, patient: Ints) -> Floats:
    """The mean of each row's patient."""
    _, of = np.unique(patient, return_inverse=True)
    return np.asarray((np.bincount(of, column) / np.bincount(of))[of])


def _terms(name: str, column: Covariate) -> dict[str, Floats]:
    """The terms of a covariate without missing cells; none if it is the same throughout.

    Words have a term for each level but the most frequent one.
    """
    if column.dtype.kind != "U":
        numbers = column.astype(float)
        return {name: numbers - numbers.mean()} if np.ptp(numbers) > 1e-12 else {}
    levels, of, n = np.unique(column, return_inverse=True, return_counts=True)
    rare = n < MIN_LEVEL
    groups = [of == i for i in np.flatnonzero(~rare)] + ([rare[of]] if rare.any() else [])
    names = [str(level) for level in levels[~rare]] + (["others"] if rare.any() else [])
    most = int(np.argmax([group.sum() for group in groups]))
    return {
        f"{name}: {level}": group - group.mean()
        for i, (level, group) in enumerate(zip(names, groups, strict=True))
        if i != most
    }
