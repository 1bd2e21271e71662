"""Where the detector's probability became a word in these thrusts, as far as that is known.

The journal keeps verdict, probability and model, not the operating point. It is taken from a session's ``run.json``
where that was given and is of the same model; else, for the model that comes with popdetect, it is the one operating
point that all verdicts agree with. Probabilities in the journal are rounded to 4 digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from popdetect.detection.model.bundle import Model, OperatingPoint
from popdetect.study.analysis.thrusts import Thrust

_ROUNDING = 1e-4


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The two thresholds, None where they are not known, and a sentence that says how they are.

    Attributes
    ----------
    no_pop_below, pop_from : float in [0, 1], or None
    words : str
    """

    no_pop_below: float | None
    pop_from: float | None
    words: str


def thresholds(
    thrusts: Sequence[Thrust], model: Model | None, recorded: Mapping[str, tuple[str, OperatingPoint]]
) -> Thresholds:
    """Find them out.

    Parameters
    ----------
    thrusts : sequence of Thrust
    model : Model or None
        The model that comes with popdetect.
    recorded : mapping of str to (str, OperatingPoint)
        By a model's sha256: the operating point and its name, as a session's ``run.json`` has them.
    """
    judged = [t for t in thrusts if t.label is not None and t.p_pop is not None]
    models = {t.model_sha256 for t in judged}
    if len(models) != 1:
        why = "no clip was judged" if not models else "several models judged, each with thresholds of its own"
        return Thresholds(None, None, f"No thresholds are drawn: {why}.")
    sha256 = models.pop()
    if sha256 in recorded and _fits(judged, recorded[sha256][1]):
        name, point = recorded[sha256]
        return _known(point, f"operating point {name}, as the session's run.json says")
    if model is not None and model.sha256 == sha256:
        fitting = [(name, point) for name, point in model.operating_points.items() if _fits(judged, point)]
        if len(fitting) == 1:
            name, point = fitting[0]
            return _known(point, f"operating point {name}, the only one that fits")
        why = "more than one" if fitting else "none"
        return Thresholds(
            None, None, f"No thresholds are drawn: {why} of the model's operating points fits the verdicts."
        )
    return Thresholds(None, None, "No thresholds are drawn: those of this model are not known here.")


def _fits(judged: Sequence[Thrust], point: OperatingPoint) -> bool:
    """Whether all verdicts agree. A sound unlike all that was learned from is uncertain at any probability."""
    decided = [(t.label, t.p_pop) for t in judged if t.label != "uncertain" and t.p_pop is not None]
    return bool(decided) and all(
        p >= point.pop_from - _ROUNDING if label == "pop" else p < point.no_pop_below + _ROUNDING
        for label, p in decided
    )


def _known(point: OperatingPoint, how: str) -> Thresholds:
    low, high = point.no_pop_below, point.pop_from
    words = f"Below {low:.2f} a clip is no pop, from {high:.2f} on a pop, between them uncertain ({how})."
    return Thresholds(low, high, words)
