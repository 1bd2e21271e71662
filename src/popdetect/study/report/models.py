"""What is to be known of the models that judged a study: name, fingerprint, and the card of the shipped one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from popdetect.detection.model.bundle import Model
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.report.tables import Sheet


@dataclass(frozen=True, slots=True)
class Card:
    """One model.

    Attributes
    ----------
    title : str
    paragraphs, limits : tuple of str
    sheets : tuple of Sheet
    """

    title: str
    paragraphs: tuple[str, ...]
    limits: tuple[str, ...] = ()
    sheets: tuple[Sheet, ...] = ()


def cards(thrusts: Sequence[Thrust], shipped: Model | None) -> tuple[Card, ...]:
    """A card for each model that judged, the busiest first."""
    found = Counter((t.model, t.model_sha256) for t in thrusts if t.label is not None)
    return tuple(_card(name, sha256, n, shipped) for (name, sha256), n in sorted(found.items(), key=_busiest))


def _busiest(item: tuple[tuple[str, str], int]) -> tuple[int, tuple[str, str]]:
    return -item[1], item[0]


def _card(name: str, sha256: str, n: int, shipped: Model | None) -> Card:
    title = name or "a model without a name"
    who = f"It judged {n} thrusts of this journal. sha256 of its model.json: {sha256 or 'not recorded'}."
    if shipped is None or shipped.sha256 != sha256:
        return Card(
            title,
            (
                who,
                "It is not the model that comes with this version of popdetect, so its card is not here: `popdetect "
                "model show` with the model's folder prints it. Unless that card says otherwise, take it that no "
                "clinical recording trained it and that none of its figures is clinical accuracy.",
            ),
        )
    info = shipped.info
    learned = info.get("provenance", {})
    paragraphs = [
        who,
        str(info.get("notice", "")).replace("**", ""),
        f"It learned from {learned.get('clips', 'clips that its card names')}; {learned.get('recordings', '')}. "
        f"Simulated: {learned.get('simulated', 'see its card')}.",
        "Meant for: " + "; ".join(map(str, info.get("intended_use", ()))) + ".",
    ]
    sheets = [_scores(i, about, made) for i, (about, made) in enumerate(info.get("scores", {}).items())]
    return Card(title, tuple(paragraphs), tuple(map(str, info.get("limits", ()))), (_points(shipped), *sheets))


def _points(model: Model) -> Sheet:
    rows = tuple(
        (name, f"{point.no_pop_below:.4f}", f"{point.pop_from:.4f}") for name, point in model.operating_points.items()
    )
    return Sheet("operating-points", "Operating points: where probability becomes a word",
                 ("operating point", "no pop below", "pop from"), rows)  # fmt: skip


def _scores(place: int, about: str, made: Mapping[str, Any]) -> Sheet:
    rows = tuple((str(name), *_value(figure)) for name, figure in made.get("figures", {}).items())
    notes = tuple(note for note in (str(made.get("about", "")), "Not clinical accuracy.") if note)
    return Sheet(f"scores-{place}", about, ("figure", "value", "95 % interval"), rows, notes)


def _value(figure: Any) -> tuple[str, str]:
    if isinstance(figure, dict):
        return f"{figure['value']:.3f}", f"{figure['low']:.3f} to {figure['high']:.3f}"
    return (f"{figure:.3f}" if isinstance(figure, float) else str(figure)), ""
