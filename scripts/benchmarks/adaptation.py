#!/usr/bin/env python3
"""Adapt the model to simulated clinics that differ from its training material, with a growing number of clips.

Each clinic (`clinics`) has a microphone, a room, pops and noises outside the ranges of the training material. 0, 15, 30
and 60 clips of each are labelled with the truth; the adapted model is tested on clips of other people of the same
clinic, and on new sound without pops (not used in training, nor in the negative controls of `popdetect train`). Writes
a table (Markdown) and a figure. Takes about five minutes per clinic. No figure from simulated sound is clinical
accuracy.

Example
-------
scripts/benchmarks/adaptation.py --clinics 12 --out docs
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
from popdetect.training.data.examples import Example
from popdetect.training.evaluation import comparison, negative_controls
from popdetect.training.evaluation.scores import score
from popdetect.training.models import fitting, replay

SIZES = (0, 15, 30, 60)
CONTROL_SEED = 77_000  # of sounds that are used nowhere else
PER_PATIENT = 5
TEST_CLIPS, TEST_PATIENTS, TEST_FIRST = 120, 24, 1000


def main() -> int:
    """Run, write, print."""
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
            raise UsageError(f"{folder}: this bundle has no replay rows, so it cannot be adapted; build it again")
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
    """Return the figures of each size in one clinic."""
    clinic = clinics.draw(seed)
    own = clinics.clips(clinic, max(SIZES), max(SIZES) // PER_PATIENT)
    test = clinics.clips(clinic, TEST_CLIPS, TEST_PATIENTS, first=TEST_FIRST)
    current = comparison.detect_all(model, test)
    controls = {"controls": negative_controls.run(model), "fresh": negative_controls.run(model, seed=CONTROL_SEED)}
    sizes: dict[str, Any] = {"0": _figures(current, controls["fresh"])}
    for n in SIZES[1:]:
        began = time.process_time()
        try:
            # the first n clips, five of each person
            examples = _first(own, n)
            fitting.check_enough(examples, adapts=True)
            fitted = fitting.fit(examples, name="adapted", version="1", base=model, replay=rows)
        except UsageError as error:
            print(f"clinic {seed}, {n} clips: {error}", file=sys.stderr)
            continue
        seconds = time.process_time() - began
        theirs = comparison.detect_all(model, examples)
        ours = comparison.held_out(fitted, examples)
        adopt, _ = comparison.advise(ours, theirs, negative_controls.run(fitted.model), controls["controls"])
        verdicts = comparison.detect_all(fitted.model, test)
        fresh = negative_controls.run(fitted.model, seed=CONTROL_SEED)
        sizes[str(n)] = {
            **_figures(verdicts, fresh),
            "strategy": fitted.selection[0].strategy.name,
            "adopt": adopt,
            "cpu_s": round(seconds, 1),
        }
    return {"clinic": seed, "sizes": sizes}


def _first(own: list[Example], n: int) -> list[Example]:
    people = sorted({example.group for example in own})[: n // PER_PATIENT]
    return [example for example in own if example.group in people]


def _figures(verdicts: list[Any], fresh: negative_controls.ControlResult) -> dict[str, Any]:
    scores = score(verdicts, n_boot=0)
    return {
        "f1": round(scores.events.f1.value, 4) if scores.events.f1 else None,
        "auroc": round(scores.auroc.value, 4) if scores.auroc else None,
        "false_per_min": round(scores.false_pops_per_minute.value, 3) if scores.false_pops_per_minute else None,
        "controls": sum(fresh.n_false.values()),
        "steady": sum(fresh.n_false[kind] for kind in negative_controls.STEADY),
    }


def _column(found: list[dict[str, Any]], n: int, key: str) -> np.ndarray:
    """One figure of every clinic; NaN if there were too few clips to adapt."""
    cells = [one["sizes"].get(str(n), {}).get(key) for one in found]
    return np.array([np.nan if cell is None else float(cell) for cell in cells])


def mean_of(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean over clinics with its 95 % interval; clinics are resampled."""
    known = values[~np.isnan(values)]
    if not len(known):
        return np.nan, np.nan, np.nan
    drawn = known[np.random.default_rng(0).integers(0, len(known), (4000, len(known)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(known.mean()), float(low), float(high)


def table(found: list[dict[str, Any]], title: str) -> str:
    """Return the page as Markdown: a row per size, and one per clinic."""
    interval = lambda values, digits=3: "{:.{d}f} ({:.{d}f} to {:.{d}f})".format(*mean_of(values), d=digits)  # noqa: E731
    base_f1, base_guard = _column(found, 0, "f1"), _column(found, 0, "controls")
    minutes = negative_controls.CLIPS_OF_EACH * negative_controls.CLIP_S / 60 * len(negative_controls.KINDS)
    heads = [
        "corrected clips", "event F1 (±5 ms)", "gain", "clinics with a gain", "clip AUROC",
        "false pops/min, the clinic's clips without pops", "false pops, negative controls",
        "clinics with more than before", "advised to adopt", "seconds of CPU",
    ]  # fmt: skip
    lines = [
        "# Adapting to a clinic",
        "",
        f"{title}, adapted to {len(found)} simulated clinics whose microphone, room, pops and noises lie outside the "
        f"ranges of its training material. Tested on {TEST_CLIPS} clips of {TEST_PATIENTS} other people of the same "
        f"clinic, and on {minutes:.0f} min of simulated sound without pops (noise, speech-like sound, knocks, clicks, "
        "cloth): the kinds of the negative controls of `popdetect train`, but other sounds. Means over the clinics "
        "with enough clips of each kind, with 95 % intervals (clinics resampled). Advice needs 5 people, 15 clips have "
        "3. Simulated sound: no figure here is clinical accuracy. Made by `scripts/benchmarks/adaptation.py`.",
        "",
        "![Event F1 by number of corrected clips](adaptation.png)",
        "",
        f"| {' | '.join(heads)} |",
        "| --- " * len(heads) + "|",
    ]
    for n in SIZES:
        f1, guard = _column(found, n, "f1"), _column(found, n, "controls")
        known = ~np.isnan(f1)
        row = [str(n), interval(f1)]
        if n:
            row += [interval(f1 - base_f1), f"{int((f1 > base_f1)[known].sum())} of {int(known.sum())}"]
        else:
            row += ["", ""]
        row += [
            interval(_column(found, n, "auroc")),
            interval(_column(found, n, "false_per_min"), 1),
            interval(guard, 1),
        ]
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
    lines += [
        "",
        "| clinic | " + " | ".join(f"F1 with {n}" for n in SIZES) + " | false pops in negative controls, by size |",
    ]
    lines.append("| --- " * (len(SIZES) + 2) + "|")
    for one in found:
        f1s = [one["sizes"].get(str(n), {}).get("f1") for n in SIZES]
        guards = [one["sizes"].get(str(n), {}).get("controls") for n in SIZES]
        cells = ["-" if cell is None else f"{cell:.3f}" for cell in f1s]
        listed = ", ".join("-" if cell is None else str(cell) for cell in guards)
        lines.append(f"| {one['clinic']} | {' | '.join(cells)} | {listed} |")
    return "\n".join(lines) + "\n"


def picture(found: list[dict[str, Any]], path: Path) -> None:
    """Draw event F1 of every clinic and their mean; beside it the false pops in sound without pops."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), dpi=110, layout="constrained")
    for axes, key, colour, label in (
        (left, "f1", "#0072B2", "held-out event F1 (±5 ms)"),
        (right, "controls", "#D55E00", "false pops in 10 min without pops"),
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
