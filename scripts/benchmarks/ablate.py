#!/usr/bin/env python3
"""What each part of the detector contributes: fitted without it, and tested on sources that the fit was not trained on.

The test clips are those of `bench.py --accuracy`: real pops of two recordings, none used for training. The table goes
into the model card (build_model.py --tables). Takes about ten minutes per turn.

Example
-------
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
from accuracy import SHIPPED, CandidateRecall, candidates, figures
from families import TESTS
from popdetect.detection.signal.features import names
from popdetect.training.data.examples import CandidateSet, Example, FeatureExtractor, extract_all
from popdetect.training.data.manifest import Source, read_manifest
from popdetect.training.data.sounds import SoundBank
from popdetect.training.evaluation import comparison
from popdetect.training.evaluation.matching import ScoredClip
from popdetect.training.evaluation.scores import score
from popdetect.training.models import estimators
from popdetect.training.models.candidate_filter import CandidateFinder, fit_candidate_filter
from popdetect.training.models.estimators import Perceptron, Strategy
from popdetect.training.models.fitting import Fitted, fit, fit_candidates

INSTEAD = {
    "network alone, without the trees": Strategy(
        "network", "a small network", lambda rows, labels, seed: Perceptron(seed).fit(rows, labels)
    ),
    "trees alone (gradient boosting), without the network": estimators.BY_NAME["boosting"],
    "linear classifier in place of network and trees": estimators.BY_NAME["logistic"],
}
WHOLE, NARROW = "all of it", "with a higher onset rule and a stricter candidate filter (fewer candidates)"
Variant = Callable[[Sequence[Example], CandidateSet, CandidateFinder], Fitted]


def main() -> int:
    """Fit each variant in each turn; print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sounds", type=Path, required=True, metavar="DIR", help="sound folder with a MANIFEST.csv")
    parser.add_argument("--out", type=Path, required=True, metavar="JSON", help="where the table goes")
    parser.add_argument("--scenes", type=int, default=2000, metavar="N", help="mixed clips for training (2000)")
    parser.add_argument("--trials", type=int, default=500, metavar="N", help="mixed test clips per source (500)")
    parser.add_argument("--turns", type=int, default=corpus.N_FOLDS, metavar="N", help="folds held out (default: all)")
    args = parser.parse_args()
    run(read_manifest(args.sounds, "train"), args.scenes, args.trials, args.turns, args.out)
    return 0


def run(train: list[Source], n_scenes: int, n_trials: int, n_turns: int, out: Path) -> None:
    """Fit all variants turn by turn; write the table after each turn."""
    without_pops = [source for source in train if source.kind != "pop"]
    clips = corpus.to_learn_from(without_pops, n_scenes)
    simulated = [
        corpus.mixed(f"made {i}", corpus.fold_name(i % corpus.N_FOLDS), [3, i], SoundBank(), corpus.LEARN)
        for i in range(n_scenes)
    ]
    pops = sorted({source.group for source in train if source.kind == "pop"})
    trials = [
        example for test in TESTS for one in pops for example in corpus.trials(train, one, n_trials // 2, 7, test)
    ]
    verdicts: dict[str, list[ScoredClip]] = {}
    found = {WHOLE: CandidateRecall(), NARROW: CandidateRecall()}
    for fold in range(n_turns):
        name = corpus.fold_name(fold)
        own = [example for example in clips if example.group != name]
        of_fold = [example for example in trials if example.group == name]
        whole = fit(own, name="trial", version="0", strategies=SHIPPED)
        model = whole.model
        finder = CandidateFinder.of(model)
        verdicts.setdefault(WHOLE, []).extend(comparison.detect_all(model, of_fold))
        found[WHOLE] += candidates(model, of_fold)
        for title, variant in variants(simulated, name).items():
            begun = time.perf_counter()
            fitted = variant(own, whole.candidates, finder)
            verdicts.setdefault(title, []).extend(comparison.detect_all(fitted.model, of_fold))
            if title == NARROW:
                found[title] += candidates(fitted.model, of_fold)
            print(f"fold {fold}, {title}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
        about = (
            f"{len(clips)} clips for training, {len(trials) * (fold + 1) // corpus.N_FOLDS} for testing, everyday and "
            f"clinic-like, with pops of {', '.join(pops)}, {fold + 1} turn{'s' * (fold > 0)}"
        )
        _write(out, about, verdicts, found)


def _write(out: Path, about: str, verdicts: dict[str, list[ScoredClip]], found: dict[str, CandidateRecall]) -> None:
    table = {title: figures(score(scored, seed=1)) for title, scored in verdicts.items()}
    for title, recall in found.items():
        table[title]["among_candidates"] = recall.share
        print(f"{title}: {recall}")
    for title, of in table.items():
        print(f"{title:60} AUROC {of['auroc']['value']:.3f}  sensitivity {of['sensitivity_at_95']['value']:.3f}  "
              f"event F1 {of['f1']['value']:.3f}", flush=True)  # fmt: skip
    out.write_text(json.dumps({"about": about, **corpus.made_by(), "rows": table}, indent=1) + "\n")


def variants(simulated: list[Example], fold: str) -> dict[str, Variant]:
    """Return the fits of each variant, by the name of the row."""
    neighbours = ("n_", "gap_", "level_", "unlike_", "rhythm")
    return {
        "without the context model": lambda e, c, finder: _fit(e, c, finder, with_context=False),
        "without neighbours at all, nor rhythm": lambda e, c, finder: _fit(
            e, _hidden(c, finder, neighbours), finder, with_context=False
        ),
        "without what follows in 1 to 100 ms (decay by band)": _without(
            "after_", "share_", "loudest_after", "busy_after"
        ),
        "without what comes before": _without("before_", "loudest_before", "busy_before"),
        "without the fine envelope (rise, doubles)": _without("fine_", "attack", "decay", "second_", "one_sample"),
        "without the spectrum at the peak": _without("shape_", "headroom_mel", "headroom_low"),
        "without the band below 450 Hz": _without("_low", "_g0"),
        "without single recordings (mixed clips only)": lambda e, c, finder: _fit(*_mixed_only(e, c), finder),
        "without recorded sounds (all simulated)": lambda e, c, finder: _fit_simulated(simulated, fold, finder),
        **{title: _with(spec) for title, spec in INSTEAD.items()},
        NARROW: lambda e, c, finder: _fit_narrow(e, finder),
    }


def _fit(examples: Sequence[Example], candidates: CandidateSet, finder: CandidateFinder, **how: Any) -> Fitted:
    return fit_candidates(examples, candidates, finder, name="trial", version="0", **{"strategies": SHIPPED, **how})


def _without(*parts: str) -> Variant:
    return lambda examples, candidates, finder: _fit(examples, _hidden(candidates, finder, parts), finder)


def _with(spec: Strategy) -> Variant:
    return lambda examples, candidates, finder: _fit(examples, candidates, finder, strategies=[spec])


def _hidden(candidates: CandidateSet, finder: CandidateFinder, parts: Sequence[str]) -> CandidateSet:
    """Replace features by NaN whose names begin with one of `parts` (or end with it, if it begins with _)."""
    rows = candidates.rows.copy()
    for column, name in enumerate(names(finder.front_end.n_columns)):
        if any(name.endswith(part) if part.startswith("_") else name.startswith(part) for part in parts):
            rows[:, column] = np.nan
    return replace(candidates, rows=rows)


def _mixed_only(examples: Sequence[Example], candidates: CandidateSet) -> tuple[list[Example], CandidateSet]:
    kept = [i for i, example in enumerate(examples) if example.file.startswith("scene")]
    return [examples[i] for i in kept], candidates.subset(kept)


def _fit_simulated(simulated: list[Example], fold: str, finder: CandidateFinder) -> Fitted:
    own = [example for example in simulated if example.group != fold]
    return _fit(own, extract_all(own, FeatureExtractor(*finder), None), finder)


def _fit_narrow(examples: Sequence[Example], finder: CandidateFinder) -> Fitted:
    """A higher onset rule, and a candidate filter that discards more."""
    rule = replace(finder.onset_rule, rise_db=4.5, prominence_db=7.5, radius_hops=4)
    narrow = fit_candidate_filter(examples, finder.front_end, rule, 0, lambda *_: None, kept_share=0.975)
    return _fit(examples, extract_all(examples, FeatureExtractor(*narrow), None), narrow)


if __name__ == "__main__":
    sys.exit(main())
