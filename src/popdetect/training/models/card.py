"""The model card: ``model.json`` in words, for people who must decide whether to trust a number."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.bundle import Model
from popdetect.training.models import card
from popdetect.training.models.fitting import Fitted

MANY = 4  # items of a list that stand in one line


def render(info: Mapping[str, Any]) -> str:
    """Markdown of a bundle's facts; every section only says what ``model.json`` says."""
    lines = [f"# {info['name']} {info['version']}", "", info.get("notice", card.NOTICE), ""]
    lines += _section("What it is for", info.get("intended_use"))
    lines += _section("What it cannot do", info.get("limits"))
    lines += ["## What it learned from", "", *_facts(info.get("provenance", {})), ""]
    for title, scores in info.get("scores", {}).items():
        lines += [f"## {title}", ""]
        if scores.get("about"):
            lines += [scores["about"], ""]
        lines += _table(scores["figures"])
    lines += _trials("Sounds and pops that no fit had heard", "test, and source of the pops", info.get("unheard"))
    lines += _section("Whether more clips are worth it", info.get("learning_curve", {}).get("sentence"))
    lines += _scored_strategy(info.get("contest", []))
    lines += _trials("What each part buys", "fitted", info.get("ablations"))
    lines += _trials("Beside other strategies", "way, and source of the pops", info.get("peers"))
    for title, rows in info.get("unheard", {}).get("false_pops", {}).items():
        lines += _false_pops(title, _HELD_OUT, rows)
    if info.get("voices"):
        lines += _false_pops("recorded voices", info["voices"]["about"], info["voices"]["false_pops"])
    lines += [
        "## Operating points",
        "",
        "| name | no_pop below | pop from | pops of a train from |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {name} | {p['no_pop_below']:.3f} | {p['pop_from']:.3f} | {p['burst_from']:.3f} |"
        for name, p in info["operating_points"].items()
    ]
    lines += [
        "",
        "Clips between the first two thresholds are `uncertain`. Probabilities are calibrated "
        f"{info.get('calibrated_on', card.CALIBRATED_ON)}; with another share of pops they shift.",
        "",
        "## Inside",
        "",
        f"* frames: {info['front_end']['about']}, hop {info['front_end']['hop_ms']:g} ms, window "
        f"{info['front_end']['hop_ms'] * info['front_end']['window_hops']:g} ms, "
        f"{len(info['front_end']['mel_edges_hz']) - 2} bands, {info['front_end']['mel_edges_hz'][0]:g} to "
        f"{info['front_end']['mel_edges_hz'][-1]:g} Hz",
        f"* classifier: {info['classifier']['title']}, {len(info['feature_names'])} features",
        f"* context (a second opinion, with the neighbours within 150 ms): {_second(info['context_model'])}",
        f"* sha256 of the weights: `{info['files']['weights.npz']}`",
        "",
        "The sha256 shows that nothing was changed; it does not show who made it.",
        "",
    ]
    return "\n".join(lines)


def _second(context: Mapping[str, Any]) -> str:
    if context["kind"] == "trees":
        return "small trees"
    return "none, too few pops to learn it from"


def _section(title: str, text: Any) -> list[str]:
    if not text:
        return []
    body = [f"* {line}" for line in text] if isinstance(text, list) else [str(text)]
    return [f"## {title}", "", *body, ""]


def _facts(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, value in facts.items():
        if name == card.KEY:
            lines.append(f"* clips known again: {len(str(value).split())}, by digests of their samples in model.json")
        elif isinstance(value, Mapping):
            lines.append(f"* {name.replace('_', ' ')}:")
            lines += [f"    * {key}: {item}" for key, item in value.items()]
        elif isinstance(value, list) and len(value) > MANY:
            lines += [f"* {name.replace('_', ' ')}:", *(f"    * {item}" for item in value)]
        elif isinstance(value, list):
            lines.append(f"* {name.replace('_', ' ')}: {', '.join(map(str, value))}")
        else:
            lines.append(f"* {name.replace('_', ' ')}: {value}")
    return lines


def figure(value: Any) -> str:
    """A number with its interval, or what can be said instead."""
    if value is None:
        return "not known"
    if isinstance(value, Mapping):
        low, high = value.get("low"), value.get("high")
        span = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
        return f"{value['value']:.3f}{span}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _table(figures: Mapping[str, Any]) -> list[str]:
    rows = [f"| {name} | {figure(value)} |" for name, value in figures.items()]
    return ["| figure | value (95 % interval) |", "| --- | --- |", *rows, ""]


_COLUMNS = {
    "auroc": "clip AUROC",
    "sensitivity_at_95": "sensitivity at specificity 0.95",
    "f1": "event F1 (±5 ms)",
    "timing_ms": "median timing error, ms",
    "count_error": "count error",
    "ece": "ECE",
    "among_candidates": "true pops among the candidates",
}


def _trials(title: str, what: str, table: Mapping[str, Any] | None) -> list[str]:
    """Rows of figures on sources that no fit had heard; a column that no row knows is left out."""
    if not table:
        return []
    columns = {key: head for key, head in _COLUMNS.items() if any(key in row for row in table["rows"].values())}
    lines = [
        f"## {title}",
        "",
        f"{table['about']}. Intervals are 95 %, whole folds resampled.",
        "",
        f"| {' | '.join([what, *columns.values()])} |",
        f"|{' --- |' * (len(columns) + 1)}",
    ]
    for name, row in table["rows"].items():
        lines.append(f"| {' | '.join([name, *(figure(row.get(key)) for key in columns)])} |")
    return [*lines, ""]


_HELD_OUT = "Recordings of one thing that is no pop, as they are, each judged by a fit that did not learn from it"


def _false_pops(title: str, about: str, rows: Mapping[str, Any]) -> list[str]:
    """Pops heard where there are none, by kind of sound."""
    lines = [
        f"## False pops, {title}",
        "",
        f"{about}. Exact 95 % Poisson limits.",
        "",
        "| kind | recordings | minutes | pops | a minute |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind, row in rows.items():
        rate = row["a_minute"]
        span = f"{rate['value']:.2f} ({rate['low']:.2f} to {rate['high']:.2f})"
        lines.append(f"| {kind} | {row['recordings']} | {row['minutes']:.1f} | {row['pops']} | {span} |")
    return [*lines, ""]


def _scored_strategy(selection: list[Mapping[str, Any]]) -> list[str]:
    if not selection:
        return []
    lines = [
        "## Classifiers that were compared",
        "",
        "| classifier | average precision of events | clip AUROC |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {c['title']} | {c['average_precision']:.3f} | {c['clip_auroc']:.3f} |" for c in selection]
    return [*lines, ""]


_LIBRARIES = ("popdetect", "numpy", "scipy", "scikit-learn", "librosa", "soundfile", "soxr")


# what a bundle of before these words were its own means by saying nothing
NOTICE = (
    "A research tool, not a medical device. There is no public recording of a spinal manipulation: no clinical "
    "recording was used, and **no figure here is clinical accuracy**."
)
CALIBRATED_ON = "on groups of sounds that the classifier had not heard, half of them with pops"

_INTENDED_USE = [
    "marking audible joint pops in short recordings of manual treatment, for research and documentation",
    "as a second listener: uncertain clips belong before a person",
]
_CANNOT = [
    "it hears sounds like joint pops; it cannot say which joint, which side, or whether a treatment worked",
    "a lone click of the same length and colour cannot be told from a pop, nor can some in the pauses of speech",
]
_OUTSIDE = "an Activator or a drop table makes transients of its own: such techniques are outside its range"


@dataclass(frozen=True, slots=True)
class OwnClips:
    """What a retrained model learned from.

    Attributes
    ----------
    n_clips, n_pop : int
    n_people : int or None
        None where some clips name no_context.
    typical_s : float
        Median duration.
    """

    n_clips: int
    n_pop: int
    n_people: int | None
    typical_s: float

    @property
    def people(self) -> str:
        """Whose clips they are, in words."""
        if self.n_people is None:
            return "people who are not named"
        return f"{self.n_people} people" if self.n_people != 1 else "one person"

    @property
    def share(self) -> str:
        """How many hold pops, in words."""
        return f"{self.n_pop} of {self.n_clips} ({100 * self.n_pop / self.n_clips:.0f} %) with pops"


def statements() -> dict[str, Any]:
    """What a model of mixed and made sounds says of itself: ``notice``, ``licence``, ``intended_use``, ``limits``."""
    return {
        "notice": NOTICE,
        "calibrated_on": CALIBRATED_ON,
        "licence": "MIT; the sounds it learned from keep their own licences and are not part of it",
        "intended_use": list(_INTENDED_USE),
        "limits": [
            "no clinical recording was learned from, and none was tested on",
            *_CANNOT,
            "probabilities hold for clips of about 3 s of which half hold a pop",
            _OUTSIDE,
        ],
    }


def own_statements(clips: OwnClips) -> dict[str, Any]:
    """What a model retrained on its user's clips says of itself, under the same names."""
    judged = (
        "clips of people that the classifier had not heard"
        if clips.n_people is not None and clips.n_people > 1
        else "clips that the classifier had not heard, though it may have heard others of the same person"
    )
    return {
        "notice": (
            "A research tool, not a medical device. It learned from its user's own labelled clips, "
            f"{clips.n_clips} of {clips.people}; popdetect cannot know whether they are clinical recordings. The "
            "figures are from these people only, and **no figure here is clinical accuracy** beyond them."
        ),
        "calibrated_on": f"on {judged}, {clips.share}",
        "licence": "up to who made it; the clips it learned from are not part of it",
        "intended_use": list(_INTENDED_USE),
        "limits": [
            f"it learned from its user's own {clips.n_clips} labelled clips of {clips.people}, and was tested on the "
            "same people only: with others, in other rooms, with other recorders it may do worse",
            "a wrong label among them was learned as if it were right",
            *_CANNOT,
            f"probabilities hold for clips like these: about {clips.typical_s:.1f} s long, {clips.share}",
            _OUTSIDE,
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
        for c in fitted.selection
    ]


KEY = "clip_digests"
_DIGITS = 16  # 64 bits: among a million clips, two alike are not to be expected


def digest(samples: npt.NDArray[np.float32], rate_hz: int) -> str:
    """Of one clip's samples, shape (n, channels), and rate: the first digits of a sha256."""
    state = hashlib.sha256(repr((samples.shape, rate_hz)).encode())
    state.update(np.ascontiguousarray(samples, "<f4").tobytes())
    return state.hexdigest()[:_DIGITS]


def written(digests: Iterable[str]) -> str:
    """As a bundle's provenance keeps them: one line, sorted, separated by spaces."""
    return " ".join(sorted(set(digests)))


def known_digests(model: Model | None) -> frozenset[str]:
    """The digests of the clips that a model learned from; none where it does not say."""
    provenance: Any = model.info.get("provenance") if model is not None else None
    known = provenance.get(KEY, "") if isinstance(provenance, dict) else ""
    return frozenset(known.split()) if isinstance(known, str) else frozenset()
