"""Accuracy of popdetect and other methods on recordings that none was trained on: `bench.py --accuracy`.

Every source is in one of five folds. In each turn, all methods are trained on mixed clips and single recordings of four
folds, with simulated pops only, and tested on mixed clips of the fifth fold with the real pops of a recording that is
used for testing only. The dev-test sounds are tested with fits to all five folds. All methods get the same clips.
popdetect fits candidate filter, classifier and context model anew in each turn; also measured are the share of true
pops among its candidates, and its false pops in recordings without pops.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import corpus
import false_pops
import peers
from families import TESTS
from popdetect.detection.model.bundle import Model
from popdetect.records import to_json
from popdetect.training.data.examples import Example, FeatureExtractor, mark
from popdetect.training.data.manifest import Source, read_manifest
from popdetect.training.data.sounds import Recorded
from popdetect.training.evaluation import comparison
from popdetect.training.evaluation.matching import ScoredClip
from popdetect.training.evaluation.scores import Scores, score
from popdetect.training.models import estimators
from popdetect.training.models.candidate_filter import CandidateFinder
from popdetect.training.models.fitting import fit

OURS = "popdetect"
DEV = "dev-test"
SHIPPED = [estimators.BY_NAME["cascade"]]  # the estimator of the shipped model
Verdicts = dict[str, dict[str, list[ScoredClip]]]  # by method, by source of the pops


class Material(NamedTuple):
    """Training clips (simulated pops), test clips, and recordings without pops by the fold that they are tested in.

    Attributes
    ----------
    learn : list of Example
        Group is the fold.
    trials : dict
        By test and source of pops; group is the fold.
    silent : dict
        By fold; None is dev-test, tested with fits to all folds.
    """

    learn: list[Example]
    trials: dict[str, list[Example]]
    silent: dict[int | None, list[Source]]


def run(sounds: Path, *, n_scenes: int, n_trials: int, others: bool = True, out: Path | None = None) -> dict[str, Any]:
    """Fit, test, print the table."""
    learn, trials, silent = material(sounds, n_scenes, n_trials)
    print(f"{len(learn)} training clips, {', '.join(f'{len(t)} with pops of {p}' for p, t in trials.items())}")
    judged: Verdicts = {OURS: {pops: [] for pops in trials}}
    recalls = {pops: CandidateRecall() for pops in trials}
    heard: dict[str, list[false_pops.RecordingResult]] = {"sources held out": [], DEV: []}
    for fold in silent:
        own = _of_other_folds(learn, fold)
        begun = time.perf_counter()
        model = fit(own, name="trial", version="0", strategies=SHIPPED).model
        for pops, clips in _of_fold(trials, fold).items():
            judged[OURS][pops] += comparison.detect_all(model, clips)
            recalls[pops] += candidates(model, clips)
        heard[DEV if fold is None else "sources held out"] += false_pops.detect_all(model, silent[fold])
        print(f"{OURS}: {_turn(fold)}, {len(own)} clips, {time.perf_counter() - begun:.0f} s", flush=True)
    if others:
        judged |= _other_methods(learn, trials)
    table = {who: {pops: figures(score(clips, seed=1)) for pops, clips in by.items()} for who, by in judged.items()}
    for pops, recall in recalls.items():
        table[OURS][pops]["among_candidates"] = recall.share
    for peer in peers.PEERS:
        for row in table.get(peer.name, {}).values() if not peer.has_onsets else ():
            row |= {"f1": None, "timing_ms": None, "count_error": None}  # this method finds no single pops
    print_table(table)
    for pops, recall in recalls.items():
        print(f"{pops}: {recall}")
    false = {title: false_pops.table(of) for title, of in heard.items()}
    for title, rows in false.items():
        false_pops.print_table(title, rows)
    if out is not None:
        about = (
            f"{len(learn)} training clips with simulated pops (four fifths of them in each turn, all for {DEV}); "
            f"{n_trials} test clips for each source of real pops"
        )
        result = {"about": about, **corpus.made_by(), "rows": table[OURS], "false_pops": false}
        if others:
            about += (
                "; the same clips for all methods; fewer training clips than the shipped model had, and fewer of them "
                "with pops, so the figures serve for the comparison only"
            )
            rows_of_all = {f"{who}: {pops}": row for who, by in table.items() for pops, row in by.items()}
            result = {"about": about, **corpus.made_by(), "rows": rows_of_all}
        out.write_text(json.dumps(result, indent=1) + "\n")
    return table


@dataclass(frozen=True)
class CandidateRecall:
    """The number of true pops among the candidates of some clips, and the number of candidates."""

    n_found: int = 0
    n_true: int = 0
    n_candidates: int = 0
    duration_s: float = 0.0

    def __add__(self, other: CandidateRecall) -> CandidateRecall:
        """Return the sum."""
        return CandidateRecall(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))

    @property
    def share(self) -> float:
        """Share of true pops among the candidates."""
        return self.n_found / max(self.n_true, 1)

    def __str__(self) -> str:
        """In words."""
        rate = self.n_candidates / self.duration_s
        return f"{self.n_found} of {self.n_true} true pops among the candidates, {rate:.1f} candidates a second"


def candidates(model: Model, clips: Sequence[Example]) -> CandidateRecall:
    """Count what passes the candidate filter of a model."""
    extractor = FeatureExtractor(*CandidateFinder.of(model))
    recall = CandidateRecall()
    for example in clips:
        found = extractor.extract(*example.sound())
        true = example.onsets_s or ()
        n_found = int((mark(found.onsets_s, true) == 1).sum())
        recall += CandidateRecall(n_found, len(true), len(found.onsets_s), found.duration_s)
    return recall


def material(sounds: Path, n_scenes: int, n_trials: int) -> Material:
    """Mix all clips; see `Material`."""
    train, dev = read_manifest(sounds, "train"), read_manifest(sounds, "dev-test")
    without_pops = [source for source in train if source.kind != "pop"]
    learn = corpus.to_learn_from(without_pops, n_scenes)
    trials = {
        f"{test}, {pops}": corpus.trials(train, pops, n_trials, 7, test) for test in TESTS for pops in _pops_of(train)
    }
    bank = Recorded(dev, made_pop_share=0.0, made_share=0.0)
    (neck,) = _pops_of(dev)
    trials[f"{DEV}, {neck}"] = [
        corpus.mixed(f"dev-test {i}", f"part {i % 10}", [7, 10**6 + i], bank, corpus.TRY) for i in range(n_trials)
    ]
    silent: dict[int | None, list[Source]] = {
        fold: [source for source in without_pops if corpus.fold_of(source.group) == fold]
        for fold in range(corpus.N_FOLDS)
    }
    return Material(learn, trials, {**silent, None: dev})


def _pops_of(sources: Sequence[Any]) -> list[str]:
    return sorted({source.group for source in sources if source.kind == "pop"})


def _of_other_folds(examples: Sequence[Example], fold: int | None) -> list[Example]:
    return [e for e in examples if fold is None or e.group != corpus.fold_name(fold)]


def _of_fold(trials: dict[str, list[Example]], fold: int | None) -> dict[str, list[Example]]:
    """The clips that a fit without `fold` judges; those of dev-test go to the fit to everything."""
    if fold is None:
        return {pops: clips for pops, clips in trials.items() if pops.startswith(DEV)}
    name = corpus.fold_name(fold)
    return {pops: [e for e in clips if e.group == name] for pops, clips in trials.items() if not pops.startswith(DEV)}


def _turn(fold: int | None) -> str:
    return "all folds, for dev-test" if fold is None else f"without fold {fold}"


def _other_methods(learn: list[Example], trials: dict[str, list[Example]]) -> Verdicts:
    everything = [*learn, *(example for clips in trials.values() for example in clips)]
    jobs = [_mono(example) for example in everything]
    heard: list[list[peers.Description]] = []
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for i, one in enumerate(pool.imap(peers.describe_all, jobs, 8)):
            heard.append(one)
            if i % 500 == 0:
                print(f"peers: described {i} of {len(jobs)}", flush=True)
    of_clip = dict(zip(map(id, everything), heard, strict=True))
    judged: Verdicts = {}
    for k, peer in enumerate(peers.PEERS):
        by: dict[str, list[ScoredClip]] = {pops: [] for pops in trials}
        for fold in (*range(corpus.N_FOLDS), None):
            own = _of_other_folds(learn, fold)
            decide = _scorer(peer, [of_clip[id(e)][k].numbers for e in own], [e.is_pop for e in own])
            for pops, clips in _of_fold(trials, fold).items():
                by[pops] += [_scored(e, of_clip[id(e)][k], decide) for e in clips]
        judged[peer.name] = by
        print(f"peers: {peer.name} done", flush=True)
    return judged


def _mono(example: Example) -> tuple[np.ndarray, int]:
    samples, rate_hz = example.sound()
    return samples[:, 0], rate_hz


def _scorer(peer: peers.Peer, rows: list[np.ndarray], labels: list[bool]) -> Any:
    """Fit; return a function from numbers to a score in [0, 1], which calls a pop from 0.5 on."""
    if peer.classifier is None:
        return lambda numbers: float(1 / (1 + np.exp(-(np.clip(numbers[0], 0, 100) - 12) / 10)))
    fitted = peer.classifier().fit(np.stack(rows), labels)
    if hasattr(fitted, "predict_proba"):
        return lambda numbers: float(fitted.predict_proba(numbers[None])[0, 1])
    return lambda numbers: float(1 / (1 + np.exp(-fitted.decision_function(numbers[None])[0])))


def _scored(example: Example, heard: peers.Description, decide: Any) -> ScoredClip:
    p_pop = decide(heard.numbers)
    samples, rate_hz = example.sound()
    return ScoredClip(
        file=example.file,
        group=example.group,
        truth_label="pop" if example.is_pop else "no_pop",
        p_pop=p_pop,
        label="pop" if p_pop >= 0.5 else "no_pop",
        true_onsets_s=example.onsets_s,
        found_onsets_s=heard.onsets_s if p_pop >= 0.5 else (),
        duration_s=len(samples) / rate_hz,
    )


def figures(scores: Scores) -> dict[str, Any]:
    """Return the figures of one method on one source."""
    known = to_json(scores)
    return {
        "clips": scores.n_clips,
        "auroc": known["auroc"],
        "sensitivity_at_95": known["sensitivity_at_specificity_95"],
        "f1": known["events"]["f1"],
        "timing_ms": known["events"]["median_error_ms"],
        "count_error": known["events"]["count_error"],
        "ece": known["ece"],
    }


def print_table(table: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Print one row per method and source, with 95 % intervals (whole folds resampled)."""
    print(f"\n{'':50} {'pops of':18} {'clip AUROC':22} {'sens. at spec. 0.95':22} {'event F1, 5 ms':22} count  ECE")
    for who, by in table.items():
        for pops, f in by.items():
            cells = [_cell(f[name]) for name in ("auroc", "sensitivity_at_95", "f1")]
            rest = f"{_value(f['count_error']):5.2f}  {_value(f['ece']):.3f}"
            print(f"{who:50} {pops:18} {cells[0]:22} {cells[1]:22} {cells[2]:22} {rest}")


def _value(figure: Any) -> float:
    value = figure["value"] if isinstance(figure, dict) else figure
    return float("nan") if value is None else float(value)


def _cell(figure: Any) -> str:
    if not isinstance(figure, dict):
        return "-" if figure is None else f"{figure:.3f}"
    if figure["low"] is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"
