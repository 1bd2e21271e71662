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
    "clips": "clips (with pops)",
    "auroc": "clip AUROC",
    "sensitivity_at_95": "sensitivity at specificity 0.95",
    "sensitivity": "sensitivity (uncertain counts as missed)",
    "specificity": "specificity (uncertain counts as wrong)",
    "uncertain": "share of uncertain clips",
    "errors_uncertain": "errors at probability 0.5 that are uncertain",
    "f1": "event F1 (±5 ms)",
    "timing_ms": "median timing error, ms",
    "count_error": "count error",
    "ece": "ECE",
    "among_candidates": "true pops among the candidates",
}
# figures at the top of the card: part of a test, figure, text
TOP_FIGURES = (
    ("all clips", "clips", "clips (with pops)"),
    ("all clips", "auroc", "clip AUROC"),
    ("all clips", "sensitivity_at_95", "sensitivity at specificity 0.95"),
    ("one pop, 20 dB and above", "sensitivity_at_95", "the same, clips with one pop of 20 dB and above"),
    ("4 pops and more", "sensitivity_at_95", "the same, clips with 4 pops and more"),
    ("all clips", "sensitivity", "called pop, of the clips with pops"),
    ("all clips", "specificity", "called no_pop, of the clips without"),
    ("all clips", "uncertain", "share of uncertain clips"),
    ("all clips", "errors_uncertain", "errors at probability 0.5 that are uncertain"),
    ("all clips", "f1", "event F1 (±5 ms)"),
    ("all clips", "count_error", "mean absolute count error per clip"),
    ("all clips", "ece", "calibration error (ECE) of the clip probability"),
)
TOP = "New people and rooms"
_HELD_OUT = (
    "Mixed clips of real pops and sounds; each is tested with a fit, a calibration and thresholds without its sources. "
    "Pops are 12 to 48 dB above the background in their own octave; a third of the clips with pops hold one. The "
    "forecast is a 95 % prediction interval for one new person and room, recorded before the final fit."
)
TESTS_ABOUT = {
    "everyday": f"Sounds of a room at home. {_HELD_OUT}",
    "clinic-like": f"Sounds of a room in which people are treated. {_HELD_OUT}",
    "hard": f"Sounds that click or crackle, with backgrounds that click by themselves. {_HELD_OUT}",
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
        lines += table(
            ["kind", "recordings", "minutes", "pops", "pops per minute", "uncertain pops"], map(_rate, rows.items())
        )
    return lines


def top_scores(unheard: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the sections at the top of the card, one for each test: the forecast for a new recording first."""
    sections = {}
    for test, known in unheard["forecast"].items():
        figures: dict[str, Any] = {
            f"forecast for one new recording: {COLUMNS[key]}": known[key] for key in ("auroc", "sensitivity_at_95")
        }
        for part, key, title in TOP_FIGURES:
            row = unheard["rows"].get(f"{test}: {part}")
            if row is not None:
                figures[title] = row[key]
        sections[f"{TOP}, {test}"] = {"about": TESTS_ABOUT[test], "figures": figures, **_origin(unheard)}
    return sections


def _origin(measured: Mapping[str, Any]) -> dict[str, Any]:
    return {key: measured[key] for key in ("build", "command") if key in measured}


def _trials(title: str, what: str, measured: Mapping[str, Any], info: Mapping[str, Any]) -> list[str]:
    """Figures on sources that the fit was not trained on; columns without any value are left out."""
    columns = {key: head for key, head in COLUMNS.items() if any(key in row for row in measured["rows"].values())}
    rows = [[name, *(figure(row.get(key)) for key in columns)] for name, row in measured["rows"].items()]
    about = f"{measured['about']}. Intervals are 95 %, folds and sources of pops resampled."
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
    uncertain = str(row.get("uncertain_pops", "not known"))
    return [kind, str(row["recordings"]), f"{row['minutes']:.1f}", str(row["pops"]), text, uncertain]
