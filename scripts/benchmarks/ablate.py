#!/usr/bin/env python3
"""What each part of the detector buys: fitted without it, and judged on sources that the fit has not heard.

As `bench.py --accuracy` does, with real pops of two recordings that nothing was fitted to. The table goes into the
model card: build_model.py takes it from where this script leaves it.

Example, ten minutes a turn:
scripts/benchmarks/ablate.py --sounds ../shared/audio --out models/ablations.json --scenes 1500 --turns 2
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import corpus
from accuracy import SHIPPED, Looked, candidates, figures
from popdetect.training.data import manifest
from popdetect.training.data.examples import CandidateSet, Example, listen
from popdetect.training.data.sounds import Source, Synthetic, read_manifest
from popdetect.training.evaluation import comparison
from popdetect.training.evaluation.scores import ScoredClip, score
from popdetect.training.models import estimators
from popdetect.training.models.candidate_filter import fit_candidate_filter
from popdetect.training.models.estimators import EstimatorSpec, Perceptron
from popdetect.training.models.fitting import CandidateFinder, Fitted, fit, learn

INSTEAD = {
    "network alone, without the trees": EstimatorSpec("network", "a small network", lambda seed, _: Perceptron(seed)),
    "trees alone (gradient boosting), without the network": estimators.BY_NAME["boosting"],
    "linear classifier in place of network and trees": estimators.BY_NAME["logistic"],
}
WHOLE, NARROW = "all of it", "with a higher onset rule and a narrower gate (fewer candidates)"
Variant = Callable[[Sequence[Example], CandidateSet, CandidateFinder], Fitted]


def main() -> int:
    """Fit each variant in each turn; print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=Path, required=True, metavar="DIR", help="sound folder with a MANIFEST.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="JSON", help="where the table goes")
    parser.add_argument("--scenes", type=int, default=2000, metavar="N", help="mixed clips to learn from (2000)")
    parser.add_argument("--trials", type=int, default=500, metavar="N", help="mixed clips to judge, per source (500)")
    parser.add_argument("--turns", type=int, default=corpus.N_FOLDS, metavar="N", help="folds held out (default: all)")
    args = parser.parse_args()
    run(read_manifest(args.sounds, "train"), args.scenes, args.trials, args.turns, args.out)
    return 0


def run(train: list[Source], n_scenes: int, n_trials: int, n_turns: int, out: Path) -> None:
    """Write the table, by variant the figures over all turns; after each turn, so that nothing is lost."""
    without_pops = [source for source in train if source.kind != "pop"]
    clips = corpus.to_learn_from(without_pops, n_scenes)
    made = [
        corpus.mixed(f"made {i}", corpus.fold_name(i % corpus.N_FOLDS), [3, i], Synthetic(), corpus.LEARN)
        for i in range(n_scenes)
    ]
    pops = sorted({source.group for source in train if source.kind == "pop"})
    trials = [
        example
        for test in manifest.TESTS
        for one in pops
        for example in corpus.trials(train, one, n_trials // 2, 7, test)
    ]
    judged: dict[str, list[ScoredClip]] = {}
    looked_at = {WHOLE: Looked(), NARROW: Looked()}
    for fold in range(n_turns):
        name = corpus.fold_name(fold)
        own = [example for example in clips if example.group != name]
        of_fold = [example for example in trials if example.group == name]
        whole = fit(own, name="trial", version="0", specs=SHIPPED)
        model = whole.model
        look = CandidateFinder.of(model)
        judged.setdefault(WHOLE, []).extend(comparison.judged(model, of_fold))
        looked_at[WHOLE] += candidates(model, of_fold)
        for title, variant in variants(made, name).items():
            begun = time.perf_counter()
            fitted = variant(own, whole.heard, look)
            judged.setdefault(title, []).extend(comparison.judged(fitted.model, of_fold))
            if title == NARROW:
                looked_at[title] += candidates(fitted.model, of_fold)
            print(f"fold {fold}, {title}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
        about = (
            f"{len(clips)} clips to learn from, {len(trials) * (fold + 1) // corpus.N_FOLDS} to judge, everyday and "
            f"clinic-like, with pops of {', '.join(pops)}, {fold + 1} turn{'s' * (fold > 0)}"
        )
        _write(out, about, judged, looked_at)


def _write(out: Path, about: str, judged: dict[str, list[ScoredClip]], looked_at: dict[str, Looked]) -> None:
    table = {title: figures(score(scored, seed=1)) for title, scored in judged.items()}
    for title, looked in looked_at.items():
        table[title]["among_candidates"] = looked.share
        print(f"{title}: {looked}")
    for title, of in table.items():
        print(f"{title:60} AUROC {of['auroc']['value']:.3f}  sensitivity {of['sensitivity_at_95']['value']:.3f}  "
              f"event F1 {of['f1']['value']:.3f}", flush=True)  # fmt: skip
    out.write_text(json.dumps({"about": about, "rows": table}, indent=1) + "\n")


def variants(made: list[Example], fold: str) -> dict[str, Variant]:
    """What is left out, and how to fit without it."""
    return {
        "without the neighbours' opinions (context)": lambda e, h, look: _learn(e, h, look, with_context=False),
        "without neighbours at all, nor rhythm": lambda e, h, look: _learn(
            e, _blind(h, look, ("n_", "gap_", "level_", "unlike_", "rhythm")), look, with_context=False
        ),
        "without what follows in 1 to 100 ms (decay by band)": _without(
            "after_", "share_", "loudest_after", "busy_after"
        ),
        "without what comes before": _without("before_", "loudest_before", "busy_before"),
        "without the fine envelope (rise, doubles)": _without("fine_", "attack", "decay", "second_", "one_sample"),
        "without the spectrum at the peak": _without("shape_", "headroom_mel", "headroom_low"),
        "without the band below 450 Hz": _without("_low", "_g0"),
        "without recordings alone (mixes only)": lambda e, h, look: _learn(*_mixes(e, h), look),
        "without recorded sounds (all simulated)": lambda e, h, look: _of_made(made, fold, look),
        **{title: _by(recipe) for title, recipe in INSTEAD.items()},
        NARROW: lambda e, h, look: _narrow(e, look),
    }


def _learn(examples: Sequence[Example], heard: CandidateSet, look: CandidateFinder, **how: Any) -> Fitted:
    return learn(examples, heard, look, name="trial", version="0", **{"specs": SHIPPED, **how})


def _without(*beginnings: str) -> Variant:
    return lambda examples, heard, look: _learn(examples, _blind(heard, look, beginnings), look)


def _by(recipe: EstimatorSpec) -> Variant:
    return lambda examples, heard, look: _learn(examples, heard, look, specs=[recipe])


def _blind(heard: CandidateSet, look: CandidateFinder, parts: Sequence[str]) -> CandidateSet:
    """Features whose names begin with one of these (or end with it, if it begins with _) were never measured."""
    from popdetect.detection.signal.features import names

    rows = heard.rows.copy()
    for column, name in enumerate(names(look.front_end.n_columns)):
        if any(name.endswith(part) if part.startswith("_") else name.startswith(part) for part in parts):
            rows[:, column] = np.nan
    return replace(heard, rows=rows)


def _mixes(examples: Sequence[Example], heard: CandidateSet) -> tuple[list[Example], CandidateSet]:
    kept = [i for i, example in enumerate(examples) if example.file.startswith("scene")]
    number = np.full(len(examples), -1)
    number[kept] = np.arange(len(kept))
    own = number[heard.clip] >= 0
    part = CandidateSet(
        heard.rows[own], heard.marks[own], number[heard.clip[own]], heard.onsets_s[own], heard.durations_s[kept]
    )
    return [examples[i] for i in kept], part


def _of_made(made: list[Example], fold: str, look: CandidateFinder) -> Fitted:
    own = [example for example in made if example.group != fold]
    return _learn(own, listen(own, look.listener(), None), look)


def _narrow(examples: Sequence[Example], look: CandidateFinder) -> Fitted:
    """A higher onset rule, and a gate that sends more away."""
    rule = replace(look.onset_rule, rise_db=4.5, prominence_db=7.5, radius_hops=4)
    narrow = fit_candidate_filter(examples, look.front_end, rule, 0, lambda *_: None, keeps=0.975)
    return _learn(examples, listen(examples, narrow.listener(), None), narrow)


if __name__ == "__main__":
    sys.exit(main())
