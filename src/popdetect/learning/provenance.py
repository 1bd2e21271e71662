"""What a card says besides figures: intended use, limits, library versions, the contest of classifiers."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from popdetect.learning.training import Fitted

_LIBRARIES = ("popdetect", "numpy", "scipy", "scikit-learn", "librosa", "soundfile", "soxr")


def statements() -> dict[str, Any]:
    """``intended_use``, ``limits`` and ``licence`` of every model made here."""
    return {
        "licence": "MIT; the sounds it learned from keep their own licences and are not part of it",
        "intended_use": [
            "marking audible joint pops in short recordings of manual treatment, for research and documentation",
            "as a second listener: uncertain clips belong before a person",
        ],
        "limits": [
            "no clinical recording was learned from, and none was tested on",
            "it hears sounds like joint pops; it cannot say which joint, which side, or whether a treatment worked",
            "a lone click of the same length and colour cannot be told from a pop",
            "probabilities hold for clips of about 3 s of which half hold a pop",
            "an Activator or a drop table makes transients of its own: such techniques are outside its range",
        ],
    }


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that shape a model."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def contest(fitted: Fitted) -> list[dict[str, Any]]:
    """How the candidate classifiers did, the chosen one first."""
    return [
        {
            "title": c.recipe.title,
            "average_precision": round(c.average_precision, 4),
            "clip_auroc": round(c.clip_auroc, 4),
        }
        for c in fitted.contests
    ]
