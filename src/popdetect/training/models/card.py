"""The model card: ``model.json`` in words, for people who must decide whether to trust a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from popdetect.training.models import overlap, provenance

MANY = 4  # items of a list that stand in one line


def render(info: Mapping[str, Any]) -> str:
    """Markdown of a bundle's facts; every section only says what ``model.json`` says."""
    lines = [f"# {info['name']} {info['version']}", "", info.get("notice", provenance.NOTICE), ""]
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
    lines += _contest(info.get("contest", []))
    lines += _trials("What each part buys", "fitted", info.get("ablations"))
    lines += _trials("Beside other ways", "way, and source of the pops", info.get("peers"))
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
        f"| {name} | {p['no_pop_below']:.3f} | {p['pop_from']:.3f} | {p['train_from']:.3f} |"
        for name, p in info["operating_points"].items()
    ]
    lines += [
        "",
        "Clips between the first two thresholds are `uncertain`. Probabilities are calibrated "
        f"{info.get('calibrated_on', provenance.CALIBRATED_ON)}; with another share of pops they shift.",
        "",
        "## Inside",
        "",
        f"* frames: {info['front_end']['about']}, hop {info['front_end']['hop_ms']:g} ms, window "
        f"{info['front_end']['hop_ms'] * info['front_end']['window_hops']:g} ms, "
        f"{len(info['front_end']['mel_edges_hz']) - 2} bands, {info['front_end']['mel_edges_hz'][0]:g} to "
        f"{info['front_end']['mel_edges_hz'][-1]:g} Hz",
        f"* classifier: {info['classifier']['title']}, {len(info['features'])} features",
        f"* context (a second opinion, with the neighbours within 150 ms): {_second(info['context'])}",
        f"* sha256 of the weights: `{info['files']['weights.npz']}`",
        "",
        "The sha256 shows that nothing was changed; it does not show who made it.",
        "",
    ]
    return "\n".join(lines)


def _second(context: Mapping[str, Any]) -> str:
    if context["kind"] == "trees":
        return f"{context['n_trees']} small trees"
    return "none, too few pops to learn it from"


def _section(title: str, text: Any) -> list[str]:
    if not text:
        return []
    body = [f"* {line}" for line in text] if isinstance(text, list) else [str(text)]
    return [f"## {title}", "", *body, ""]


def _facts(facts: Mapping[str, Any]) -> list[str]:
    lines = []
    for name, value in facts.items():
        if name == overlap.KEY:
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


def _contest(contests: list[Mapping[str, Any]]) -> list[str]:
    if not contests:
        return []
    lines = [
        "## Classifiers that were compared",
        "",
        "| classifier | average precision of events | clip AUROC |",
        "| --- | --- | --- |",
    ]
    lines += [f"| {c['title']} | {c['average_precision']:.3f} | {c['clip_auroc']:.3f} |" for c in contests]
    return [*lines, ""]
