#!/usr/bin/env python3
"""Adapt the model to simulated clinics that sound unlike what it learned from, with a growing number of clips.

Each clinic (`clinics`) has a microphone, a room, pops and noises outside the ranges of the training
material. Of each, 0, 15, 30 and 60 clips are answered, from the truth; the adapted model is judged on clips of other
people of the same clinic, and on sound without pops of which neither training nor the guard set of `popdetect train`
has a second. Writes a table (Markdown) and a picture. No figure from simulated sound is clinical accuracy.

Example: scripts/benchmarks/adaptation.py --clinics 12 --out docs
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import clinics
from popdetect.detection.model import bundle
from popdetect.errors import PopdetectError, UsageError
from popdetect.training.evaluation import comparison, negative_controls
from popdetect.training.evaluation.scores import score
from popdetect.training.models import fitting, replay

SIZES = (0, 15, 30, 60)
GUARD_SEED = 77_000  # of sounds that nothing else hears
PER_PATIENT = 5
TEST_CLIPS, TEST_PATIENTS, TEST_FIRST = 120, 24, 1000


def main() -> int:
    """Run, write, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, metavar="BUNDLE", help="model to adapt (default: the shipped one)")
    parser.add_argument("--clinics", type=int, default=12, metavar="N", help="how many (default: 12)")
    parser.add_argument("--first", type=int, default=100, metavar="SEED", help="seed of the first (default: 100)")
    parser.add_argument("--out", type=Path, default=Path("docs"), metavar="DIR", help="for adaptation.md and .png")
    args = parser.parse_args()
    try:
        folder = args.model or bundle.shipped()
        model = bundle.load(folder)
        rows = replay.read(folder, model)
        if rows is None:
            raise UsageError(f"{folder}: no rows travel with this bundle, so it cannot be adapted; build it again")
        found = []
        for seed in range(args.first, args.first + args.clinics):
            found.append(one_clinic(model, rows, seed))
            print(json.dumps(found[-1]), file=sys.stderr, flush=True)
        text = table(found, model.title)
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "adaptation.md").write_text(text, encoding="utf-8")
        picture(found, args.out / "adaptation.png")
        print(text)
    except PopdetectError as error:
        print(f"adaptation: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def one_clinic(model: bundle.Model, rows: replay.Replay, seed: int) -> dict[str, Any]:
    """What each size gave in one clinic."""
    clinic = clinics.draw(seed)
    own = clinics.clips(clinic, max(SIZES), max(SIZES) // PER_PATIENT)
    test = clinics.clips(clinic, TEST_CLIPS, TEST_PATIENTS, first=TEST_FIRST)
    current = comparison.judged(model, test)
    told = {"guard": negative_controls.listen(model), "fresh": negative_controls.made(model, seed=GUARD_SEED)}
    sizes: dict[str, Any] = {"0": _figures(current, told["fresh"])}
    for n in SIZES[1:]:
        began = time.process_time()
        try:
            # the first n clips are of as many people as come first: five clips of each
            examples = _first(own, n)
            fitting.check_enough(examples, adapts=True)
            fitted = fitting.fit(examples, name="adapted", version="1", base_model=model, replay=rows)
        except UsageError as error:
            print(f"clinic {seed}, {n} clips: {error}", file=sys.stderr)
            continue
        seconds = time.process_time() - began
        theirs = comparison.judged(model, examples)
        ours = comparison.held_out(fitted, examples)
        adopt, _ = comparison.advise(ours, theirs, negative_controls.listen(fitted.model), told["guard"])
        judged = comparison.judged(fitted.model, test)
        fresh = negative_controls.made(fitted.model, seed=GUARD_SEED)
        sizes[str(n)] = {
            **_figures(judged, fresh),
            "way": fitted.selection[0].recipe.name,
            "adopt": adopt,
            "cpu_s": round(seconds, 1),
        }
    return {"clinic": seed, "sizes": sizes}


def _first(own: list[fitting.Example], n: int) -> list[fitting.Example]:
    people = sorted({example.group for example in own})[: n // PER_PATIENT]
    return [example for example in own if example.group in people]


def _figures(judged: list[Any], fresh: negative_controls.ControlResult) -> dict[str, Any]:
    scores = score(judged, n_boot=0)
    return {
        "f1": round(scores.events.f1.value, 4) if scores.events.f1 else None,
        "auroc": round(scores.auroc.value, 4) if scores.auroc else None,
        "false_per_min": round(scores.false_pops_per_minute.value, 3) if scores.false_pops_per_minute else None,
        "guard": sum(fresh.n_false.values()),
        "steady": sum(fresh.n_false[kind] for kind in negative_controls.STEADY),
    }


def _column(found: list[dict[str, Any]], n: int, key: str) -> np.ndarray:
    """One figure of every clinic, NaN where it could not be adapted with so few."""
    cells = [one["sizes"].get(str(n), {}).get(key) for one in found]
    return np.array([np.nan if cell is None else float(cell) for cell in cells])


def mean_of(values: np.ndarray) -> tuple[float, float, float]:
    """Mean over clinics with its 95 % interval, clinics resampled."""
    known = values[~np.isnan(values)]
    if not len(known):
        return np.nan, np.nan, np.nan
    drawn = known[np.random.default_rng(0).integers(0, len(known), (4000, len(known)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(known.mean()), float(low), float(high)


def table(found: list[dict[str, Any]], title: str) -> str:
    """Markdown: a row for each size, and one for each clinic."""
    said = lambda values, digits=3: "{:.{d}f} ({:.{d}f} to {:.{d}f})".format(*mean_of(values), d=digits)  # noqa: E731
    base_f1, base_guard = _column(found, 0, "f1"), _column(found, 0, "guard")
    minutes = negative_controls.CLIPS_OF_EACH * negative_controls.CLIP_S / 60 * len(negative_controls.KINDS)
    heads = [
        "corrected clips", "event F1 (±5 ms)", "gain", "clinics with a gain", "clip AUROC",
        "false pops/min, the clinic's clips without pops", "false pops, guard sounds", "clinics with more than before",
        "advised to adopt", "seconds of CPU",
    ]  # fmt: skip
    lines = [
        "# Adapting to a clinic",
        "",
        f"{title}, adapted to {len(found)} simulated clinics whose microphone, room, pops and noises lie outside of "
        f"what it learned from. Judged on {TEST_CLIPS} clips of {TEST_PATIENTS} other people of the same clinic, and "
        f"on {minutes:.0f} min of made sound without pops (noise, speech-like sound, knocks, clicks, cloth), of the "
        "kinds of the guard set of `popdetect train`, but none of its sounds. Means over the clinics that had enough "
        "clips of each kind, with 95 % intervals (clinics resampled). Advice needs 5 people, 15 clips have 3. "
        "Simulated sound: no figure here is clinical accuracy. Made by `scripts/benchmarks/adaptation.py`.",
        "",
        "![Event F1 by number of corrected clips](adaptation.png)",
        "",
        f"| {' | '.join(heads)} |",
        "| --- " * len(heads) + "|",
    ]
    for n in SIZES:
        f1, guard = _column(found, n, "f1"), _column(found, n, "guard")
        known = ~np.isnan(f1)
        row = [str(n), said(f1)]
        if n:
            row += [said(f1 - base_f1), f"{int((f1 > base_f1)[known].sum())} of {int(known.sum())}"]
        else:
            row += ["", ""]
        row += [said(_column(found, n, "auroc")), said(_column(found, n, "false_per_min"), 1), said(guard, 1)]
        if n:
            adopted = _column(found, n, "adopt")
            row += [
                f"{int((guard > base_guard)[known].sum())} of {int(known.sum())}",
                f"{int(np.nansum(adopted))} of {int(known.sum())}",
                f"{np.nanmean(_column(found, n, 'cpu_s')):.0f}",
            ]
        else:
            row += ["", "", ""]
        lines.append(f"| {' | '.join(row)} |")
    lines += ["", "| clinic | " + " | ".join(f"F1 with {n}" for n in SIZES) + " | guard sounds with each |"]
    lines.append("| --- " * (len(SIZES) + 2) + "|")
    for one in found:
        f1s = [one["sizes"].get(str(n), {}).get("f1") for n in SIZES]
        guards = [one["sizes"].get(str(n), {}).get("guard") for n in SIZES]
        cells = ["-" if cell is None else f"{cell:.3f}" for cell in f1s]
        spoken = ", ".join("-" if cell is None else str(cell) for cell in guards)
        lines.append(f"| {one['clinic']} | {' | '.join(cells)} | {spoken} |")
    return "\n".join(lines) + "\n"


def picture(found: list[dict[str, Any]], path: Path) -> None:
    """The curve: every clinic, and their mean; beside it the false pops on the guard sounds."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), dpi=110, layout="constrained")
    for axes, key, colour, label in (
        (left, "f1", "#0072B2", "held-out event F1 (±5 ms)"),
        (right, "guard", "#D55E00", "false pops in 10 min without pops"),
    ):
        columns = [_column(found, n, key) for n in SIZES]
        for index in range(len(found)):
            axes.plot(SIZES, [column[index] for column in columns], color="0.75", linewidth=0.9, zorder=2)
        middle = [mean_of(column) for column in columns]
        axes.fill_between(SIZES, [m[1] for m in middle], [m[2] for m in middle], color=colour, alpha=0.2, linewidth=0)
        axes.plot(SIZES, [m[0] for m in middle], "o-", color=colour, linewidth=2.2, zorder=3)
        axes.set_xticks(SIZES)
        axes.set_xlabel("corrected clips")
        axes.set_title(label, fontsize=11)
        axes.grid(color="0.93")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    left.set_ylim(0, 1)
    right.set_ylim(bottom=0)
    figure.suptitle(
        f"{len(found)} simulated clinics (grey), their mean and its 95 % interval", fontsize=10, color="0.3"
    )
    figure.savefig(path, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
