"""The model card (``CARD.md``) and the facts in ``model.json`` that it is rendered from.

The card shows scores and limits first, then the measurements, the model, its training material, and attributions
last. It says nothing that is not in ``model.json``. The shipped model was trained on mixed and simulated sounds, a
retrained one on its user's clips: `statements` and `own_statements` give their intended use and limits.
"""

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
from popdetect.training.models.fitting import Fitted

DIGESTS_KEY = "clip_digests"
ATTRIBUTIONS_KEY = "attributions"
_DIGEST_DIGITS = 16  # 64 bits: no two of a million clips are expected to have the same digest
_LIBRARIES = ("popdetect", "numpy", "scipy", "scikit-learn", "librosa", "soundfile", "soxr")
_LONG_LIST = 4  # longer lists have one line for each item

# used for bundles that do not have these texts in model.json
NOTICE = (
    "A research tool, not a medical device. There is no public recording of a spinal manipulation: no clinical "
    "recording was used, and **no figure here is clinical accuracy**."
)
CALIBRATED_ON = "on groups of sounds that the classifier was not trained on, half of them with pops"

_INTENDED_USE = [
    "marking audible joint pops in short recordings of manual treatment, for research and documentation",
    "as a second opinion beside a human listener: a person should check uncertain clips",
]
_CANNOT = [
    "it detects sounds like joint pops; it cannot say which joint, which side, or whether a treatment worked",
    "a single click with the length and spectrum of a pop cannot be told from a pop, nor can some mouth clicks in "
    "pauses of speech",
]
_OUT_OF_RANGE = "an Activator or a drop table makes clicks of its own: such techniques are not supported"


@dataclass(frozen=True, slots=True)
class OwnClips:
    """The clips that a retrained model was trained on.

    Attributes
    ----------
    n_clips, n_pop : int
    n_people : int or None
        None if some clips name no patient.
    typical_s : float
        Median duration.
    """

    n_clips: int
    n_pop: int
    n_people: int | None
    typical_s: float

    @property
    def people(self) -> str:
        """The number of people, in words."""
        if self.n_people is None:
            return "an unknown number of people"
        return f"{self.n_people} people" if self.n_people != 1 else "one person"

    @property
    def share(self) -> str:
        """The share of clips with pops, in words."""
        return f"{self.n_pop} of {self.n_clips} ({100 * self.n_pop / self.n_clips:.0f} %) with pops"


def statements() -> dict[str, Any]:
    """Return notice, licence, intended use and limits of a model trained on mixed and simulated sounds."""
    return {
        "notice": NOTICE,
        "calibrated_on": CALIBRATED_ON,
        "licence": "MIT; the training sounds keep their own licences and are not part of it",
        "intended_use": list(_INTENDED_USE),
        "limits": [
            "it was neither trained nor tested on clinical recordings",
            *_CANNOT,
            "probabilities hold for clips of about 3 s, half of them with a pop",
            _OUT_OF_RANGE,
        ],
    }


def own_statements(clips: OwnClips) -> dict[str, Any]:
    """Return the same for a model that was retrained on its user's clips."""
    grouped = clips.n_people is not None and clips.n_people > 1
    held_out = "clips of people" if grouped else "clips"
    note = "" if grouped else ", although it may know others of the same person"
    return {
        "notice": (
            "A research tool, not a medical device. It was trained on its user's own labelled clips, "
            f"{clips.n_clips} of {clips.people}; popdetect cannot know whether they are clinical recordings. The "
            "figures are from these people only, and **no figure here is clinical accuracy** beyond them."
        ),
        "calibrated_on": f"on {held_out} that the classifier was not trained on{note}, {clips.share}",
        "licence": "decided by whoever made it; the clips it was trained on are not part of it",
        "intended_use": list(_INTENDED_USE),
        "limits": [
            f"it was trained on its user's own {clips.n_clips} labelled clips of {clips.people}, and tested on the "
            "same people only: with other people, rooms or recorders it may be worse",
            "wrong labels among them were learned like right ones",
            *_CANNOT,
            f"probabilities hold for clips like these: about {clips.typical_s:.1f} s long, {clips.share}",
            _OUT_OF_RANGE,
        ],
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that influence a model."""
    found = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


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


def join_digests(digests: Iterable[str]) -> str:
    """Return digests as a bundle stores them: sorted, on one line, separated by spaces."""
    return " ".join(sorted(set(digests)))


def known_digests(model: Model | None) -> frozenset[str]:
    """Return the digests of the clips that a model was trained on; empty if it does not say."""
    provenance: Any = model.info.get("provenance") if model is not None else None
    known = provenance.get(DIGESTS_KEY, "") if isinstance(provenance, dict) else ""
    return frozenset(known.split()) if isinstance(known, str) else frozenset()


def render(info: Mapping[str, Any]) -> str:
    """Return the card as Markdown."""
    facts = dict(info.get("provenance", {}))
    attributions = facts.pop(ATTRIBUTIONS_KEY, None)
    lines = [f"# {info['name']} {info['version']}", "", info.get("notice", NOTICE), ""]
    for title, scores in info.get("scores", {}).items():
        lines += [f"## {title}", "", *_paragraph(scores.get("about")), *_origin(scores, info)]
        lines += _table(["figure", "value (95 % interval)"], [[k, figure(v)] for k, v in scores["figures"].items()])
    lines += _section("What it cannot do", info.get("limits"))
    lines += _section("What it is for", info.get("intended_use"))
    lines += _section("Whether more clips are worth labelling", info.get("learning_curve", {}).get("sentence"))
    lines += _trials("New sounds and pops", "test, and source of the pops", info.get("unheard"), info)
    lines += _trials("What each part contributes", "fitted", info.get("ablations"), info)
    lines += _trials("Comparison with other methods", "method, and source of the pops", info.get("peers"), info)
    for title, rows in info.get("unheard", {}).get("false_pops", {}).items():
        lines += _false_pops(title, {**info["unheard"], "about": _SINGLE_SOUNDS}, rows, info)
    if info.get("voices"):
        lines += _false_pops("recorded voices", info["voices"], info["voices"]["false_pops"], info)
    lines += _selection(info.get("contest", []))
    lines += _operating_points(info)
    lines += _inside(info)
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


def _paragraph(text: Any) -> list[str]:
    return [str(text), ""] if text else []


def _section(title: str, text: Any) -> list[str]:
    if not text:
        return []
    body = [f"* {line}" for line in text] if isinstance(text, list) else [str(text)]
    return [f"## {title}", "", *body, ""]


def _table(heads: list[str], rows: Iterable[Iterable[str]]) -> list[str]:
    return [_row(heads), _row(["---"] * len(heads)), *map(_row, rows), ""]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _origin(table: Mapping[str, Any], info: Mapping[str, Any]) -> list[str]:
    """The build and the command that made a table."""
    build = table.get("build", f"popdetect {info.get('provenance', {}).get('libraries', {}).get('popdetect', '?')}")
    command = table.get("command") or info.get("provenance", {}).get("command")
    return [f"Build: {build}." + (f" Command: `{command}`." if command else ""), ""]


# keys of the tables of trials, and their titles; a new figure in these tables is one entry
_COLUMNS = {
    "auroc": "clip AUROC",
    "sensitivity_at_95": "sensitivity at specificity 0.95",
    "f1": "event F1 (±5 ms)",
    "timing_ms": "median timing error, ms",
    "count_error": "count error",
    "ece": "ECE",
    "among_candidates": "true pops among the candidates",
}


def _trials(title: str, what: str, table: Mapping[str, Any] | None, info: Mapping[str, Any]) -> list[str]:
    """A table of figures on sources that the fit was not trained on; columns without any value are left out."""
    if not table:
        return []
    columns = {key: head for key, head in _COLUMNS.items() if any(key in row for row in table["rows"].values())}
    rows = [[name, *(figure(row.get(key)) for key in columns)] for name, row in table["rows"].items()]
    about = f"{table['about']}. Intervals are 95 %, whole folds resampled."
    return [f"## {title}", "", about, "", *_origin(table, info), *_table([what, *columns.values()], rows)]


_SINGLE_SOUNDS = "Recordings of single sounds that are not pops, unchanged, each tested with a fit without its source"


def _false_pops(title: str, table: Mapping[str, Any], rows: Mapping[str, Any], info: Mapping[str, Any]) -> list[str]:
    """Pops found in sound without pops, by kind of sound."""
    lines = [f"## False pops, {title}", "", f"{table['about']}. Exact 95 % Poisson limits.", "", *_origin(table, info)]
    cells = []
    for kind, row in rows.items():
        rate = row["a_minute"]
        text = f"{rate['value']:.2f} ({rate['low']:.2f} to {rate['high']:.2f})"
        cells.append([kind, str(row["recordings"]), f"{row['minutes']:.1f}", str(row["pops"]), text])
    return [*lines, *_table(["kind", "recordings", "minutes", "pops", "pops per minute"], cells)]


def _selection(scores: list[Mapping[str, Any]]) -> list[str]:
    if not scores:
        return []
    rows = [[one["title"], f"{one['average_precision']:.3f}", f"{one['clip_auroc']:.3f}"] for one in scores]
    heads = ["classifier", "average precision of events", "clip AUROC"]
    return ["## Classifiers that were compared", "", *_table(heads, rows)]


def _operating_points(info: Mapping[str, Any]) -> list[str]:
    rows = [
        [name, *(f"{point[key]:.3f}" for key in ("no_pop_below", "pop_from", "burst_from"))]
        for name, point in info["operating_points"].items()
    ]
    return [
        "## Operating points",
        "",
        *_table(["name", "no_pop below", "pop from", "pops of a burst from"], rows),
        "Clips between the first two thresholds are `uncertain`. Probabilities are calibrated "
        f"{info.get('calibrated_on', CALIBRATED_ON)}; with another share of pops they are shifted.",
        "",
    ]


def _inside(info: Mapping[str, Any]) -> list[str]:
    front, context = info["front_end"], info["context_model"]
    trees = "small trees" if context["kind"] == "trees" else "none (too few pops to fit it)"
    return [
        "## Inside",
        "",
        f"* frames: {front['about']}, hop {front['hop_ms']:g} ms, window {front['hop_ms'] * front['window_hops']:g} "
        f"ms, {len(front['mel_edges_hz']) - 2} bands, {front['mel_edges_hz'][0]:g} to {front['mel_edges_hz'][-1]:g} Hz",
        f"* classifier: {info['classifier']['title']}, {len(info['feature_names'])} features",
        f"* context model (uses the neighbours within 150 ms): {trees}",
        f"* sha256 of the weights: `{info['files']['weights.npz']}`",
        "",
        "The sha256 shows that nothing was changed; it does not show who made the model.",
        "",
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
