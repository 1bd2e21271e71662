#!/usr/bin/env python3
"""What each part of the detector contributes: fitted without it, and tested as in `bench.py --accuracy`.

All variants have the same clips and candidates; only the fit differs. The table goes into the model card
(build_model.py --tables). Takes some minutes per variant.

Example
-------
scripts/benchmarks/ablate.py --sounds ../shared/audio --out models/ablations.json --scenes 2000
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import accuracy
import corpus
from accuracy import SHIPPED, Material
from families import TESTS
from popdetect.detection.signal.features import names
from popdetect.training.data.examples import CandidateSet, Example
from popdetect.training.models import estimators
from popdetect.training.models.candidate_filter import CandidateFinder
from popdetect.training.models.estimators import Perceptron, Strategy
from popdetect.training.models.fitting import Fitted, fit_candidates

WHOLE = "all of it"
INSTEAD = {
    "network alone, without the trees": Strategy(
        "network", "a small network", lambda rows, labels, seed: Perceptron(seed).fit(rows, labels)
    ),
    "trees alone (gradient boosting), without the network": estimators.BY_NAME["boosting"],
    "linear classifier in place of network and trees": estimators.BY_NAME["logistic"],
}
# the beginnings of the names of the features that a variant does not have, or their ends, if they begin with _
WITHOUT = {
    "without neighbours, rhythm and the context model": ("n_", "gap_", "level_", "unlike_", "rhythm"),
    "without what follows in 1 to 100 ms (decay by band)": ("after_", "share_", "loudest_after", "busy_after"),
    "without what comes before": ("before_", "loudest_before", "busy_before"),
    "without the fine envelope (rise, doubles)": ("fine_", "attack", "decay", "second_", "one_sample"),
    "without the spectrum at the peak": ("shape_", "headroom_mel", "headroom_low"),
    "without the band below 450 Hz": ("_low", "_g0"),
}
ONE_POP = "one pop, 20 dB and above"

Variant = tuple[str, list[Example], CandidateSet, dict[str, Any]]  # the last: options of fit_candidates


class Unrepeated(CandidateSet):
    """Candidates of which each is trained on once."""

    def training_rows(self) -> npt.NDArray[np.intp]:
        """See `CandidateSet.training_rows`."""
        return np.flatnonzero(self.marks >= 0)


def main() -> int:
    """Fit and test each variant; print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=Path, required=True, metavar="DIR", help="sound folder with a MANIFEST.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="JSON", help="where the table goes")
    parser.add_argument("--scenes", type=int, default=2000, metavar="N", help="mixed clips for training (2000)")
    parser.add_argument(
        "--trials", type=int, default=200, metavar="N", help="test clips for each test and source of pops (200)"
    )
    args = parser.parse_args()
    clips = accuracy.material(args.sounds, args.scenes, args.trials, tests=tuple(TESTS))
    about = (
        f"{len(clips.examples) - len(clips.trials)} clips for training, {len(clips.trials)} for testing; the same "
        "clips and candidates for all variants"
    )
    rows: dict[str, Any] = {}
    for title, fitted in fits(clips):
        rows |= table(title, fitted, clips)
        args.out.write_text(json.dumps({"about": about, **corpus.made_by(), "rows": rows}, indent=1) + "\n")
    return 0


def table(title: str, fitted: Fitted, clips: Material) -> dict[str, Any]:
    """Return and print the rows of a variant: one for each test, and one of the lone pops of all tests."""
    judged = accuracy.judge(fitted, clips)
    parts = {test: [pair for pair in judged if pair[0].test == test] for test in TESTS}
    parts[ONE_POP] = accuracy.subset(judged, ONE_POP)
    rows = {f"{title}: {name}": accuracy.figures(pairs) for name, pairs in parts.items()}
    accuracy.print_table(rows)
    return rows


def fits(clips: Material) -> Iterator[tuple[str, Fitted]]:
    """Yield the title and the fit of each variant, all of it first."""
    whole = accuracy.fit_to(clips, name="trial", version="0")
    yield WHOLE, whole
    finder = CandidateFinder.of(whole.model)
    for title, examples, candidates, how in variants(clips, whole.candidates, finder):
        begun = time.perf_counter()
        how = {"strategies": SHIPPED, "seed": 1, **how}
        fitted = fit_candidates(examples, candidates, finder, name="trial", version="0", **how)
        print(f"{title}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
        yield title, fitted


def variants(clips: Material, candidates: CandidateSet, finder: CandidateFinder) -> Iterator[Variant]:
    """Yield the variants one by one: each may have its own copy of the candidates."""
    examples, c = clips.examples, candidates
    for title, strategy in INSTEAD.items():
        yield title, examples, c, {"strategies": [strategy]}
    yield "without the context model", examples, c, {"with_context": False}
    for title, parts in WITHOUT.items():
        yield title, examples, hidden(c, finder, parts), {"with_context": "context" not in title}
    once = Unrepeated(c.rows, c.marks, c.clip, c.onsets_s, c.durations_s)
    yield "without repeats of lone pops", examples, once, {}
    singles = {one.example.file for one in clips.singles}
    mixed = [replace(example, uses=frozenset()) if example.file in singles else example for example in examples]
    yield "without single recordings (mixed clips only)", mixed, c, {}


def hidden(candidates: CandidateSet, finder: CandidateFinder, parts: tuple[str, ...]) -> CandidateSet:
    """Set features to 0 whose names begin with one of `parts` (or end with it, if it begins with _)."""
    rows = candidates.rows.copy()
    for column, name in enumerate(names(finder.front_end.n_columns)):
        if any(name.endswith(part) if part.startswith("_") else name.startswith(part) for part in parts):
            rows[:, column] = 0.0
    return replace(candidates, rows=rows)


if __name__ == "__main__":
    sys.exit(main())
