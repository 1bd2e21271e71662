"""Agreement of detector, patient and therapist about whether a pop was heard.

Tables of yes and no; ``unsure`` (of the detector: ``uncertain``) and empty answers are left out and counted. Kappa is
low if nearly all thrusts pop, however well two raters agree, so positive and negative agreement are given as well.

With one thrust per patient, kappa has its large-sample interval. Otherwise, and for the agreements, the interval comes
from leaving out one patient at a time (jackknife, t with patients - 1 degrees of freedom). Intervals are limited to
possible values.

References
----------
Cohen (1960), Educ Psychol Meas 20:37; Fleiss, Cohen & Everitt (1969), Psychol Bull 72:323
(variance of kappa); Cicchetti & Feinstein (1990), J Clin Epidemiol 43:551 (positive and negative agreement).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from popdetect.study.analysis.columns import Columns, Floats, Ints, Words
from popdetect.study.analysis.estimates import Estimate, missing, t_reach, z_reach

_OF_DETECTOR = {"pop": "yes", "no_pop": "no", "uncertain": "unsure", "": ""}


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two raters."""

    first: str  # ``detector``, ``patient`` or ``therapist``; or the name of a reviewer
    second: str
    table: dict[str, dict[str, int]]  # ``table[first][second]``, each ``yes`` or ``no``: number of thrusts
    n: int  # thrusts in the table
    n_patients: int  # their patients
    n_unsure: int  # left out: at least one was unsure
    n_not_asked: int  # left out: at least one has no answer
    kappa: Estimate  # agreement beyond chance, at most 1
    positive: Estimate  # of the yes answers of both together, the share on which they agree
    negative: Estimate  # the same of the no answers


def agreements(columns: Columns) -> tuple[Agreement, ...]:
    """Return the agreement of each pair of detector, patient and therapist."""
    answers = {
        "detector": np.array([_OF_DETECTOR[str(label)] for label in columns.label], np.str_),
        "patient": columns.by_patient,
        "therapist": columns.by_therapist,
    }
    pairs = combinations(answers, 2)
    return tuple(agreement(one, two, answers[one], answers[two], columns.patient) for one, two in pairs)


def agreement(first: str, second: str, one: Words, two: Words, patient: Ints) -> Agreement:
    """Compare two columns of answers, each ``yes``, ``no``, ``unsure`` or empty, shape (n,)."""
    asked = (one != "") & (two != "")
    sure = asked & (one != "unsure") & (two != "unsure")
    _, of = np.unique(patient[sure], return_inverse=True)
    n_patients = int(of.max()) + 1 if len(of) else 0
    cell = 2 * (one[sure] == "no") + (two[sure] == "no")
    by_patient = np.zeros((n_patients, 4))
    np.add.at(by_patient, (of, cell), 1)
    a, b, c, d = by_patient.sum(axis=0).astype(int).tolist()
    return Agreement(
        first=first,
        second=second,
        table={"yes": {"yes": a, "no": b}, "no": {"yes": c, "no": d}},
        n=a + b + c + d,
        n_patients=n_patients,
        n_unsure=int((asked & ~sure).sum()),
        n_not_asked=int((~asked).sum()),
        kappa=_kappa(by_patient),
        positive=_share(by_patient, 0, "neither said yes"),
        negative=_share(by_patient, 3, "neither said no"),
    )


def kappa_of(tables: Floats) -> Floats:
    """Cohen's kappa of tables (a, b, c, d), shape (m, 4); NaN if it is 0 / 0."""
    a, b, c, d = tables.T
    n = tables.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = (a + d) / n
        chance = ((a + b) * (a + c) + (c + d) * (b + d)) / n**2
        return np.asarray(np.where(chance < 1, (seen - chance) / (1 - chance), np.nan))


def kappa_se(table: Floats) -> float:
    """Large-sample standard error of kappa for independent thrusts; table (a, b, c, d)."""
    p = table.reshape(2, 2) / table.sum()
    rows, cols = p.sum(axis=1), p.sum(axis=0)
    kappa = float(kappa_of(table[None])[0])
    chance = float(rows @ cols)
    diagonal = sum(p[i, i] * (1 - (rows[i] + cols[i]) * (1 - kappa)) ** 2 for i in range(2))
    others = (1 - kappa) ** 2 * sum(p[i, 1 - i] * (cols[i] + rows[1 - i]) ** 2 for i in range(2))
    less = (kappa - chance * (1 - kappa)) ** 2
    return math.sqrt(max(float(diagonal + others - less), 0.0) / float(table.sum())) / (1 - chance)


def _kappa(by_patient: Floats) -> Estimate:
    total = by_patient.sum(axis=0)
    n = int(total.sum())
    if not n:
        return missing("no thrust that both judged")
    value = float(kappa_of(total[None])[0])
    if math.isnan(value):
        return missing("both gave the same answer for every thrust, always yes or always no: kappa is not defined")
    if not total[1] + total[2]:
        return Estimate(value, why_not="no interval: they never disagreed")
    if n == len(by_patient):
        reach = z_reach() * kappa_se(total)
        return Estimate(value, max(value - reach, -1.0), min(value + reach, 1.0), None, "large-sample interval")
    return _jackknifed(value, kappa_of(total - by_patient), -1.0)


def _share(by_patient: Floats, agreed: int, nothing: str) -> Estimate:
    def share(tables: Floats) -> Floats:
        both = 2 * tables[:, agreed]
        with np.errstate(invalid="ignore"):
            return np.asarray(both / (both + tables[:, 1] + tables[:, 2]))

    total = by_patient.sum(axis=0)
    if not total[agreed] + total[1] + total[2]:
        return missing("no thrust that both judged" if not total.sum() else nothing)
    return _jackknifed(float(share(total[None])[0]), share(total - by_patient), 0.0)


def _jackknifed(value: float, without: Floats, least: float) -> Estimate:
    n = len(without)
    if n < 3:
        return Estimate(value, why_not=f"no interval: {n} patient{'s' if n > 1 else ''} only")
    if np.isnan(without).any():
        return Estimate(value, why_not="no interval: it depends on one patient")
    se = math.sqrt((n - 1) / n * float(np.square(without - without.mean()).sum()))
    if se < 1e-12:
        return Estimate(value, why_not="no interval: it is the same whichever patient is left out")
    reach = t_reach(n - 1) * se
    how = f"jackknife by patient, t with {n - 1} degrees of freedom"
    return Estimate(value, max(value - reach, least), min(value + reach, 1.0), None, how)
