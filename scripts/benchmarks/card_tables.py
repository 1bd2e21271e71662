"""The tables of the shipped model's card: new sounds, ablations, other methods, false pops.

The benchmarks measure them (see `build_model.py`), and ``model.json`` keeps their figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from popdetect.training.models.card import figure, origin, table

TRIALS = (  # key in model.json, title, heading of the first column
    ("unheard", "New sounds and pops", "test, and source of the pops"),
    ("ablations", "What each part contributes", "fitted"),
    ("peers", "Comparison with other methods", "method, and source of the pops"),
)
# keys of a row of these tables, and their headings; a new figure is one entry
COLUMNS = {
    "auroc": "clip AUROC",
    "sensitivity_at_95": "sensitivity at specificity 0.95",
    "f1": "event F1 (±5 ms)",
    "timing_ms": "median timing error, ms",
    "count_error": "count error",
    "ece": "ECE",
    "among_candidates": "true pops among the candidates",
}
SINGLE_SOUNDS = "Recordings of single sounds that are not pops, unchanged, each tested with a fit without its source"


def render(info: Mapping[str, Any]) -> list[str]:
    """Return the lines of all tables whose figures are in `info`, the content of ``model.json``."""
    lines = []
    for key, title, what in TRIALS:
        if key in info:
            lines += _trials(title, what, info[key], info)
    for title, about, measured, rows in _false_pops(info):
        lines += [f"## False pops, {title}", "", f"{about}. Exact 95 % Poisson limits.", "", *origin(measured, info)]
        lines += table(["kind", "recordings", "minutes", "pops", "pops per minute"], map(_rate, rows.items()))
    return lines


def _trials(title: str, what: str, measured: Mapping[str, Any], info: Mapping[str, Any]) -> list[str]:
    """Figures on sources that the fit was not trained on; columns without any value are left out."""
    columns = {key: head for key, head in COLUMNS.items() if any(key in row for row in measured["rows"].values())}
    rows = [[name, *(figure(row.get(key)) for key in columns)] for name, row in measured["rows"].items()]
    about = f"{measured['about']}. Intervals are 95 %, whole folds resampled."
    return [f"## {title}", "", about, "", *origin(measured, info), *table([what, *columns.values()], rows)]


def _false_pops(info: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    """Title, description, measurement and rows of each table of pops found in sound without pops."""
    unheard, voices = info.get("unheard", {}), info.get("voices")
    for title, rows in unheard.get("false_pops", {}).items():
        yield title, SINGLE_SOUNDS, unheard, rows
    if voices:
        yield "recorded voices", voices["about"], voices, voices["false_pops"]


def _rate(item: tuple[str, Mapping[str, Any]]) -> list[str]:
    """The row of a kind of sound."""
    kind, row = item
    rate = row["a_minute"]
    text = f"{rate['value']:.2f} ({rate['low']:.2f} to {rate['high']:.2f})"
    return [kind, str(row["recordings"]), f"{row['minutes']:.1f}", str(row["pops"]), text]
