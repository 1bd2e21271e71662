"""The model card (``CARD.md``) and the facts in ``model.json`` that it is rendered from.

The card shows scores and limits first, then the measurements, the model, its training material, and attributions
last. It says nothing that is not in ``model.json``. `own_statements` gives intended use and limits of a model that was
retrained on its user's clips; ``scripts/build_model.py`` has those of the shipped model.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.model.bundle import Model
from popdetect.training.models.fitting import Fitted

DIGESTS_KEY = "clip_digests"
ATTRIBUTIONS_KEY = "attributions"
_DIGEST_DIGITS = 16  # 64 bits: no two of a million clips are expected to have the same digest
_LIBRARIES = ("popdetect", "numpy", "scipy", "scikit-learn", "librosa", "soundfile", "soxr")
_LONG_LIST = 4  # longer lists have one line for each item

INTENDED_USE = [
    "marking audible joint pops in short recordings of manual treatment, for research and documentation",
    "as a second opinion beside a human listener: a person should check uncertain clips",
]
CANNOT = [
    "it detects sounds like joint pops; it cannot say which joint, which side, or whether a treatment worked",
    "a single click with the length and spectrum of a pop cannot be told from a pop, nor can some mouth clicks in "
    "pauses of speech",
]
OUT_OF_RANGE = "an Activator or a drop table makes clicks of its own: such techniques are not supported"


def own_statements(n_clips: int, n_pop: int, n_people: int | None, typical_s: float) -> dict[str, Any]:
    """Return notice, licence, intended use and limits of a model that was retrained on its user's clips.

    `n_people` is None if some clips name no patient; `typical_s` is the median duration of the clips.
    """
    people = {None: "an unknown number of people", 1: "one person"}.get(n_people, f"{n_people} people")
    share = f"{n_pop} of {n_clips} ({100 * n_pop / n_clips:.0f} %) with pops"
    grouped = n_people is not None and n_people > 1
    held_out = "clips of people" if grouped else "clips"
    note = "" if grouped else ", although it may know others of the same person"
    return {
        "notice": (
            "A research tool, not a medical device. It was trained on its user's own labelled clips, "
            f"{n_clips} of {people}; popdetect cannot know whether they are clinical recordings. The "
            "figures are from these people only, and **no figure here is clinical accuracy** beyond them."
        ),
        "calibrated_on": f"on {held_out} that the classifier was not trained on{note}, {share}",
        "licence": "decided by whoever made it; the clips it was trained on are not part of it",
        "intended_use": INTENDED_USE,
        "limits": [
            f"it was trained on its user's own {n_clips} labelled clips of {people}, and tested on the "
            "same people only: with other people, rooms or recorders it may be worse",
            "wrong labels among them were learned like right ones",
            *CANNOT,
            f"probabilities hold for clips like these: about {typical_s:.1f} s long, {share}",
            OUT_OF_RANGE,
        ],
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that influence a model."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, **{name: version(name) for name in _LIBRARIES}}


def selection_table(fitted: Fitted) -> list[dict[str, Any]]:
    """Return the scores of all strategies, the chosen one first."""
    return [
        {
            "title": one.strategy.title,
            "average_precision": round(one.average_precision, 4),
            "clip_auroc": round(one.clip_auroc, 4),
        }
        for one in fitted.selection
    ]


def clip_digest(samples: npt.NDArray[np.float32], rate_hz: int) -> str:
    """Return a short digest of a clip's samples, shape (n, channels), and rate: the first digits of a SHA-256.

    A bundle keeps the digests of its training clips, because figures of a model on its own training clips are too high.
    They do not depend on file names, and no sound can be recovered from them.
    """
    state = hashlib.sha256(repr((samples.shape, rate_hz)).encode())
    state.update(np.ascontiguousarray(samples, "<f4").tobytes())
    return state.hexdigest()[:_DIGEST_DIGITS]


def known_digests(model: Model | None) -> frozenset[str]:
    """Return the digests of the clips that a model was trained on; empty if it does not say."""
    provenance = model.info.get("provenance", {}) if model is not None else {}
    return frozenset(provenance.get(DIGESTS_KEY, "").split())


def render(info: Mapping[str, Any], tables: Sequence[str] = ()) -> str:
    """Return the card as Markdown; `tables` are lines about further measurements in `info`."""
    facts = dict(info.get("provenance", {}))
    attributions = facts.pop(ATTRIBUTIONS_KEY, None)
    lines = [f"# {info['name']} {info['version']}", "", info["notice"], ""]
    for title, scores in info.get("scores", {}).items():
        lines += [f"## {title}", "", scores["about"], "", *origin(scores, info)]
        lines += table(["figure", "value (95 % interval)"], [[k, figure(v)] for k, v in scores["figures"].items()])
    lines += _section("What it cannot do", info.get("limits"))
    lines += _section("What it is for", info.get("intended_use"))
    lines += _section("Whether more clips are worth labelling", info.get("learning_curve", {}).get("sentence"))
    lines += tables
    if info.get("contest"):
        heads = ["classifier", "average precision of events", "clip AUROC"]
        rows = [[one["title"], figure(one["average_precision"]), figure(one["clip_auroc"])] for one in info["contest"]]
        lines += ["## Classifiers that were compared", "", *table(heads, rows)]
    keys = ("no_pop_below", "pop_from", "burst_from")
    points = [[name, *(figure(point[key]) for key in keys)] for name, point in info["operating_points"].items()]
    lines += ["## Operating points", "", *table(["name", "no_pop below", "pop from", "pops of a burst from"], points)]
    lines += [
        "Clips between the first two thresholds are `uncertain`. Probabilities are calibrated "
        f"{info['calibrated_on']}; with another share of pops they are shifted.",
        "",
    ]
    lines += _section("Inside", _inside(info))
    lines += ["The sha256 shows that nothing was changed; it does not show who made the model.", ""]
    lines += ["## Training material", "", *_facts(facts), ""]
    lines += _section("Attributions", attributions)
    return "\n".join(lines).rstrip("\n") + "\n"


def figure(value: Any) -> str:
    """Return a number with its interval as text; "not known" for None."""
    if value is None:
        return "not known"
    if isinstance(value, Mapping):
        low, high = value.get("low"), value.get("high")
        interval = f" ({low:.3f} to {high:.3f})" if low is not None and high is not None else ""
        return f"{value['value']:.3f}{interval}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return a table in Markdown, and an empty line."""
    heads = list(heads)
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)] + [""]


def origin(measured: Mapping[str, Any], info: Mapping[str, Any]) -> list[str]:
    """Return the build and the command that measured something, and an empty line."""
    provenance = info.get("provenance", {})
    build = measured.get("build", f"popdetect {provenance.get('libraries', {}).get('popdetect', '?')}")
    command = measured.get("command") or provenance.get("command")
    return [f"Build: {build}." + (f" Command: `{command}`." if command else ""), ""]


def _section(title: str, text: Any) -> list[str]:
    if not text:
        return []
    body = [f"* {line}" for line in text] if isinstance(text, list) else [str(text)]
    return [f"## {title}", "", *body, ""]


def _inside(info: Mapping[str, Any]) -> list[str]:
    front = info["front_end"]
    edges_hz, hop_ms = front["mel_edges_hz"], front["hop_ms"]
    context = "small trees" if info["context_model"]["kind"] == "trees" else "none (too few pops to fit it)"
    return [
        f"frames: {front['about']}, hop {hop_ms:g} ms, window {hop_ms * front['window_hops']:g} ms, "
        f"{len(edges_hz) - 2} bands, {edges_hz[0]:g} to {edges_hz[-1]:g} Hz",
        f"classifier: {info['classifier']['title']}, {len(info['feature_names'])} features",
        f"context model (uses the neighbours within 150 ms): {context}",
        f"sha256 of the weights: `{info['files']['weights.npz']}`",
    ]


def _facts(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, value in facts.items():
        title = name.replace("_", " ")
        if name == DIGESTS_KEY:
            lines.append(f"* digests of training clips: {len(str(value).split())}, in model.json")
        elif isinstance(value, Mapping):
            lines += [f"* {title}:", *(f"    * {key}: {item}" for key, item in value.items())]
        elif isinstance(value, list) and len(value) > _LONG_LIST:
            lines += [f"* {title}:", *(f"    * {item}" for item in value)]
        else:
            lines.append(f"* {title}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return lines
