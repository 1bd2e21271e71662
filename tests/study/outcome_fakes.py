"""Thrusts from a few numbers, and the same as columns of a referee."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.simulation.study import StudyPlan, simulate_study

_NUMBERS = count()


def thrust(label: Any = "pop", before: float | None = 6, after: float | None = 4, **more: Any) -> Thrust:
    # a session of its own, unless one is given
    given: dict[str, Any] = {
        "session": f"s{next(_NUMBERS)}",
        "file": "a.wav",
        "patient": "p",
        "day": 0,
        "p_pop": 0.5,
        "n_pops": None,
    }
    if label in ("pop", "no_pop"):
        given["n_pops"] = int(label == "pop")
    return Thrust(label=label, pain_before=before, pain_after=after, **{"pain_scale": "NPRS", **given, **more})


def one_each(pops: Sequence[tuple[float, float]], others: Sequence[tuple[float, float]]) -> list[Thrust]:
    """One thrust per patient, from (before, after)."""
    rows = [("pop", *pain) for pain in pops] + [("no_pop", *pain) for pain in others]
    return [thrust(label, b, a, patient=f"p{i}", file=f"{i}.wav") for i, (label, b, a) in enumerate(rows)]


def study(seed: int = 1, **plan: Any) -> list[Thrust]:
    return simulate_study(StudyPlan(**plan), seed=seed)


def frame(thrusts: Sequence[Thrust]) -> pd.DataFrame:
    """The decided thrusts, for the referees."""
    rows = [
        {
            "patient": t.patient,
            "pop": float(t.label == "pop"),
            "pre": t.pain_before,
            "post": t.pain_after,
            "expects": t.expects_relief,
            "belief": t.believes_pop_needed,
            "pops": t.n_pops,
            "speed": t.thrust_speed,
        }
        for t in thrusts
        if t.label in ("pop", "no_pop")
    ]
    made = pd.DataFrame(rows)
    made["change"] = made["post"] - made["pre"]
    made["group"] = pd.factorize(made["patient"])[0]
    return made


def with_moments(mean: float, sd: float, n: int, seed: int) -> npt.NDArray[np.float64]:
    """Numbers with exactly this mean and standard deviation, as published summaries give them."""
    drawn = np.random.default_rng(seed).normal(size=n)
    return np.asarray(mean + sd * (drawn - drawn.mean()) / drawn.std(ddof=1))


def by_hand(
    y: npt.NDArray[np.float64], X: npt.NDArray[np.float64], patient: npt.NDArray[Any], weights: npt.NDArray[np.float64]
) -> tuple[float, float, float]:
    """A weighted sum of coefficients, its CR2 error and Satterthwaite degrees of freedom, by the formulas as published.

    Only for small studies: it uses matrices of shape (n, n). Bell & McCaffrey (2002); working covariance: identity.
    """
    bread = np.linalg.inv(X.T @ X)
    leave = np.eye(len(y)) - X @ bread @ X.T
    coef = bread @ X.T @ y
    scores, columns = [], []
    for own in (np.flatnonzero(patient == p) for p in np.unique(patient)):
        values, vectors = np.linalg.eigh(leave[np.ix_(own, own)])
        root = np.where(values > 1e-10, 1 / np.sqrt(np.where(values > 1e-10, values, 1)), 0)
        a = (vectors * root) @ vectors.T
        scores.append(X[own].T @ a @ (y - X @ coef)[own])
        columns.append(leave[:, own] @ a @ X[own] @ bread @ weights)
    meat = sum(np.outer(score, score) for score in scores)
    g = np.column_stack(columns)
    square = g.T @ g
    se = float(np.sqrt(weights @ bread @ meat @ bread @ weights))
    return float(weights @ coef), se, float(np.trace(square) ** 2 / np.trace(square @ square))
