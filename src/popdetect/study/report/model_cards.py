"""The detector in a report: the cards of the models that judged the clips, and their decision thresholds.

The journal keeps verdict, probability and model of a clip, not the operating point. The operating point is taken from
the session's ``run.json`` if that was given and is of the same model. Otherwise, for the model that comes with
popdetect, it is the one operating point that agrees with all verdicts. Probabilities in the journal have 4 digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from popdetect.detection.model.bundle import Model, OperatingPoint
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.report.tables import Sheet

_ROUNDING = 1e-4


class Card(NamedTuple):
    """One model in words and tables."""

    title: str
    paragraphs: Sequence[str]
    limits: Sequence[str] = ()
    sheets: Sequence[Sheet] = ()


def cards(thrusts: Sequence[Thrust], shipped: Model | None) -> list[Card]:
    """Return a card for each model that judged clips; the one with most clips first."""
    found = Counter((t.model, t.model_sha256) for t in thrusts if t.label is not None)
    by_clips = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [_card(name, sha256, n, shipped) for (name, sha256), n in by_clips]


def _card(name: str, sha256: str, n: int, shipped: Model | None) -> Card:
    title = name or "a model without a name"
    who = f"It judged {n} thrusts of this journal. sha256 of its model.json: {sha256 or 'not recorded'}."
    if shipped is None or shipped.sha256 != sha256:
        other = (
            "It is not the model that comes with this version of popdetect, so its card is not here: `popdetect "
            "model show` with the model's folder prints it. Unless that card says otherwise, assume that it was "
            "not trained on clinical recordings and that none of its figures is clinical accuracy."
        )
        return Card(title, (who, other))
    info = shipped.info
    learned = info.get("provenance", {})
    paragraphs = (
        who,
        str(info.get("notice", "")).replace("**", ""),
        f"It was trained on {learned.get('clips', 'clips that its card names')}; {learned.get('recordings', '')}. "
        f"Simulated: {learned.get('simulated', 'see its card')}.",
        "Intended use: " + "; ".join(map(str, info.get("intended_use", ()))) + ".",
    )
    rows = [(name, f"{at.no_pop_below:.4f}", f"{at.pop_from:.4f}") for name, at in shipped.operating_points.items()]
    caption = "Operating points: the probabilities at which a clip is called no pop or pop"
    sheets = [Sheet("operating-points", caption, ("operating point", "no pop below", "pop from"), rows)]
    for i, (about, made) in enumerate(info.get("scores", {}).items()):
        rows = [(str(name), *_value(figure)) for name, figure in made.get("figures", {}).items()]
        notes = [note for note in (str(made.get("about", "")), "Not clinical accuracy.") if note]
        sheets.append(Sheet(f"scores-{i}", about, ("figure", "value", "95 % interval"), rows, notes))
    return Card(title, paragraphs, [str(limit) for limit in info.get("limits", ())], sheets)


def _value(figure: Any) -> tuple[str, str]:
    if isinstance(figure, dict):
        return f"{figure['value']:.3f}", f"{figure['low']:.3f} to {figure['high']:.3f}"
    return (f"{figure:.3f}" if isinstance(figure, float) else str(figure)), ""


def thresholds(
    thrusts: Sequence[Thrust], model: Model | None, recorded: Mapping[str, tuple[str, OperatingPoint]]
) -> tuple[OperatingPoint | None, str]:
    """Find the decision thresholds of these verdicts.

    Parameters
    ----------
    thrusts : sequence of Thrust
    model : Model or None
        The model that comes with popdetect.
    recorded : mapping of str to (str, OperatingPoint)
        By a model's sha256: the operating point and its name, as a session's ``run.json`` has them.

    Returns
    -------
    point : OperatingPoint or None
        The thresholds; None if they are not known.
    words : str
        A sentence about them.
    """
    judged = [t for t in thrusts if t.label is not None and t.p_pop is not None]
    models = {t.model_sha256 for t in judged}
    sha256 = next(iter(models), "")
    if len(models) != 1:
        why = "no clip was judged" if not models else "several models judged the clips, each with its own thresholds"
    elif sha256 in recorded and _fits(judged, recorded[sha256][1]):
        name, point = recorded[sha256]
        return point, _words(point, f"operating point {name}, as the session's run.json says")
    elif model is not None and model.sha256 == sha256:
        fitting = [(name, point) for name, point in model.operating_points.items() if _fits(judged, point)]
        if len(fitting) == 1:
            name, point = fitting[0]
            return point, _words(point, f"operating point {name}, the only one that fits")
        why = f"{'more than one' if fitting else 'none'} of the model's operating points fits the verdicts"
    else:
        why = "those of this model are not known here"
    return None, f"No thresholds are drawn: {why}."


def _fits(judged: Sequence[Thrust], point: OperatingPoint) -> bool:
    """Return whether all verdicts agree; an out-of-distribution sound is uncertain at any probability."""
    decided = [(t.label, t.p_pop) for t in judged if t.label != "uncertain" and t.p_pop is not None]
    return bool(decided) and all(
        p >= point.pop_from - _ROUNDING if label == "pop" else p < point.no_pop_below + _ROUNDING
        for label, p in decided
    )


def _words(point: OperatingPoint, how: str) -> str:
    low, high = point.no_pop_below, point.pop_from
    return f"Below {low:.2f} a clip is no pop, from {high:.2f} on a pop, between them uncertain ({how})."
