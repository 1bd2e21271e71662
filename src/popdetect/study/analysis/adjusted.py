"""Pain after, pop against no pop, made comparable: analysis of covariance.

Post on pre rather than change on pop, because change mistakes regression to the mean for an effect wherever the groups
began apart. A difference is pop minus no pop in pain after: **negative is less pain after a pop**. Nobody was
randomised to a pop, so every difference is an association.

A covariate is used when at least `ENOUGH` of the thrusts that can be compared have it and it varies; otherwise it is
left out and the note says so, because complete cases would leave too little of the study.

References
----------
Vickers & Altman (2001), BMJ 323:1123 (analysis of covariance for change from baseline).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from popdetect.study.analysis.columns import Bools, Columns, Floats, Ints, complete, has
from popdetect.study.analysis.estimates import Estimate, TooLittle, missing
from popdetect.study.analysis.regression import Fit, Model, fit, fit_robust

ENOUGH = 0.8
EXPECTATION = "expectation of relief"
BEFORE = "pain before"


@dataclass(frozen=True, slots=True)
class Difference:
    """One comparison of pop and no pop.

    Attributes
    ----------
    title : str
    estimate : Estimate
        Pop minus no pop, in the unit of the pain scale.
    se, df : float or None
        Standard error, and degrees of freedom of Student's t.
    adjusted_for : tuple of str
    model : {"mixed", "cluster", "hc3"} or None
    why : str
        Why this model.
    patient_share : float or None
        Share of the remaining variance that lies between patients (ICC).
    n, n_pop, n_no_pop, n_patients : int
    left_out : dict of str to int
        Thrusts that this comparison could not use, each under the first reason.
    notes : tuple of str
    """

    title: str
    estimate: Estimate
    se: float | None = None
    df: float | None = None
    adjusted_for: tuple[str, ...] = ()
    model: Model | None = None
    why: str = ""
    patient_share: float | None = None
    n: int = 0
    n_pop: int = 0
    n_no_pop: int = 0
    n_patients: int = 0
    left_out: dict[str, int] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ready:
    """Thrusts that can be compared, and what to adjust for.

    `terms` are centred, so that the intercept is an ordinary patient and the search for the variance is well behaved.
    """

    rows: Columns
    terms: dict[str, Floats]
    left_out: dict[str, int]
    notes: tuple[str, ...]

    @property
    def pop(self) -> Floats:
        """1 where a pop was heard, else 0."""
        return self.rows.is_pop.astype(float)


def ready(columns: Columns, covariates: Mapping[str, Floats], *more: tuple[str, Bools]) -> Ready:
    """Choose the complete cases and the covariates, of which `pain before` is always one.

    Parameters
    ----------
    columns : Columns
    covariates : mapping of name to column
        Used when enough of them are filled.
    more : (reason, bool array)
        What else a thrust must have.

    Raises
    ------
    TooLittle
        Not two groups of two thrusts; or no pain before that could have become less.
    """
    base = [
        ("clip could not be judged", columns.label != ""),
        ("verdict uncertain", columns.label != "uncertain"),
        ("no pain before", has(columns.before)),
        ("no pain after", has(columns.after)),
        *more,
    ]
    kept, _ = complete(*base)
    notes, used = [], {}
    for name, column in covariates.items():
        n_there = int((kept & has(column)).sum())
        if not n_there:
            notes.append(f"{name} was never asked, so it is not adjusted for")
        elif n_there < ENOUGH * kept.sum():
            notes.append(f"{name} is known for {n_there} of {int(kept.sum())} thrusts only, so it is not adjusted for")
        else:
            used[name] = column
    kept, left_out = complete(*base, *((f"{name} not asked", has(column)) for name, column in used.items()))
    rows = columns.take(kept)
    _two_groups(rows)
    terms = {}
    for name, column in {BEFORE: columns.before, **used}.items():
        own = column[kept]
        if np.ptp(own) < 1e-12:
            notes.append(f"{name} is the same throughout, so it is not adjusted for")
        else:
            terms[name] = own - own.mean()
    return Ready(rows, terms, left_out, tuple(notes))


def adjusted_difference(
    columns: Columns, unit: float, covariates: Mapping[str, Floats], title: str = "adjusted difference"
) -> Difference:
    """Post on pop, pre and covariates, by the model that suits the patients."""
    try:
        data = ready(columns, covariates)
        made = fit(data.rows.after, {"pop": data.pop, **data.terms}, data.rows.patient)
    except TooLittle as reason:
        return Difference(title, missing(reason))
    return described(title, made, {"pop": 1.0}, data, unit)


def crude_difference(columns: Columns, unit: float) -> Difference:
    """Difference of the mean changes: nothing adjusted for, which is why it stands beside and not first."""
    title = "difference of mean changes"
    try:
        data = ready(columns, {})
        change = data.rows.after - data.rows.before
        made = fit_robust(change, {"pop": data.pop}, data.rows.patient)
    except TooLittle as reason:
        return Difference(title, missing(reason))
    return described(title, made, {"pop": 1.0}, Ready(data.rows, {}, data.left_out, ()), unit)


def within_patients(columns: Columns, unit: float) -> Difference:
    """Pops against no pops of the same patient: what differs between patients cannot explain it.

    Least squares on the deviations from each patient's means (fixed effects), over the patients that had both.
    """
    title = "within the same patient"
    try:
        data = ready(columns, {})
        _, of = np.unique(data.rows.patient, return_inverse=True)
        n = np.bincount(of)
        share = np.bincount(of, data.pop) / n
        both = ((share > 0) & (share < 1))[of]
        n_both = len(np.unique(of[both]))
        if n_both < 2:
            raise TooLittle(f"{n_both} patients had both a pop and a thrust without")
        own = data.rows.take(both)
        terms = {name: term[both] for name, term in {"pop": data.pop, **data.terms}.items()}
        _, of = np.unique(own.patient, return_inverse=True)
        apart = {name: _from_mean(term, of) for name, term in terms.items()}
        apart = {name: term for name, term in apart.items() if np.abs(term).max() > 1e-12}
        made = fit_robust(_from_mean(own.after, of), apart, own.patient, intercept=False)
    except TooLittle as reason:
        return Difference(title, missing(reason))
    left_out = {**data.left_out, "patient had only one of pop and no pop": int((~both).sum())}
    kept = {name: term for name, term in data.terms.items() if name in apart}
    return described(title, made, {"pop": 1.0}, Ready(own, kept, left_out, data.notes), unit)


def described(title: str, made: Fit, weights: Mapping[str, float], data: Ready, unit: float) -> Difference:
    """A weighted sum of a fit's coefficients, in the scale's unit, with all that belongs to it."""
    estimate = made.estimate(weights)
    no_scatter = estimate.low is None
    return Difference(
        title=title,
        estimate=estimate.scaled(unit),
        se=None if no_scatter else unit * made.se(weights),
        df=made.df,
        adjusted_for=tuple(data.terms),
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


def _from_mean(column: Floats, of: Ints) -> Floats:
    return np.asarray(column - (np.bincount(of, column) / np.bincount(of))[of])
