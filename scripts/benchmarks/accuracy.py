"""Accuracy on sources that no fit was trained on, with a forecast for a new recording: `bench.py --accuracy`.

One fit gives everything. Its training clips hold simulated pops only, so every recorded pop is new to it. Each test
clip gets the log-odds of a fit without the fold of its distractors and its background, and the calibration and
thresholds of the clips of other folds with pops of other sources. Only the candidate filter is fitted to all folds.

Levels of pops and the rules of the tests are in `corpus` and `training.data.scenes`. Test clips with pops of the
dev-test recording, and those of the tests `corpus.RULES`, never set thresholds.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import corpus
import false_pops
import peers
from corpus import Alone, Trial
from families import TESTS
from popdetect.detection.model.bundle import Model
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.records import to_json
from popdetect.training.data.examples import Example, OnProgress
from popdetect.training.data.manifest import Source, read_manifest
from popdetect.training.evaluation.held_out import scored
from popdetect.training.evaluation.matching import ScoredClip
from popdetect.training.evaluation.scores import score
from popdetect.training.models import estimators
from popdetect.training.models.candidate_filter import default_front_end, fit_candidate_filter
from popdetect.training.models.fitting import Fitted, calibrated_on, fit_candidates

SHIPPED = [estimators.BY_NAME["cascade"]]  # the estimator of the shipped model
Judged = list[tuple[Trial, ScoredClip]]
# rows of the table below those of all clips: clips without pops are the same in each. By the number of pops, the level
# of the loudest one, and how far the direct sound is above the reverberation of their room (infinite without a room)
SUBSETS: dict[str, Callable[[int, float, float], bool]] = {
    "one pop": lambda n, level, direct: n == 1,
    "one pop, 20 dB and above": lambda n, level, direct: n == 1 and level >= 20,
    "2 or 3 pops": lambda n, level, direct: 2 <= n <= 3,
    "4 pops and more": lambda n, level, direct: n >= 4,
    "12 to 20 dB": lambda n, level, direct: level < 20,
    "20 to 28 dB": lambda n, level, direct: 20 <= level < 28,
    "28 to 36 dB": lambda n, level, direct: 28 <= level < 36,
    "36 dB and above": lambda n, level, direct: level >= 36,
    "without a room": lambda n, level, direct: direct == np.inf,
    "in a room, mostly direct sound": lambda n, level, direct: 0 <= direct < np.inf,
    "in a room, mostly reverberation": lambda n, level, direct: direct < 0,
}


class Material(NamedTuple):
    """Training clips with simulated pops: mixed ones, and pieces of single recordings; and test clips."""

    scenes: list[Example]
    simulated: list[Example]  # single simulated sounds without pops
    singles: list[Alone]
    trials: list[Trial]

    @property
    def examples(self) -> list[Example]:
        """All clips, in the order of the fit."""
        return [
            *self.scenes,
            *self.simulated,
            *(one.example for one in self.singles),
            *(trial.example for trial in self.trials),
        ]


def material(
    sounds: Path, n_scenes: int, n_trials: int, tests: Sequence[str] = (*TESTS, *corpus.RULES)
) -> Material:  # fmt: skip
    """Mix all clips; `n_trials` for each test and source of pops."""
    train, dev = read_manifest(sounds, "train"), read_manifest(sounds, "dev-test")
    without_pops = [source for source in train if source.kind != "pop"]
    trials = []
    for test in tests:
        for pops in pops_of(train):
            trials += corpus.trials(train, pops, n_trials, test)
        for pops in pops_of(dev):
            own = [source for source in dev if source.kind == "pop" and source.group == pops]
            clips = corpus.trials([*without_pops, *own], pops, n_trials, test)
            trials += [one._replace(example=replace(one.example, uses=frozenset())) for one in clips]
    scenes = corpus.scenes(without_pops, n_scenes, 1)
    share = corpus.share_of(n_scenes)
    simulated = corpus.simulated(round(share * corpus.N_SIMULATED))
    return Material(scenes, simulated, corpus.alone(without_pops, share), trials)


def pops_of(sources: Sequence[Source]) -> list[str]:
    """Return the groups of the recordings of pops whose onsets are marked."""
    return sorted({source.group for source in sources if source.kind == "pop" and source.onsets_s})


def run(sounds: Path, *, n_scenes: int, n_trials: int, others: bool = True, out: Path | None = None) -> dict[str, Any]:
    """Fit, test, print the table; write it with the same clips for other methods if `others`."""
    clips = material(sounds, n_scenes, n_trials)
    print(f"{len(clips.examples) - len(clips.trials)} training clips, {len(clips.trials)} test clips", flush=True)
    fitted = fit_to(clips, name="trial", version="0")
    result = forecast(fitted, clips)
    print_table(result["rows"])
    if others:
        names = {trial.example.file for trial in clips.trials if trial.test in TESTS}
        judged = {"popdetect": [pair for pair in judge(fitted, clips) if pair[0].example.file in names]}
        rows = {
            f"{who}: {test}": figures(
                [pair for pair in pairs if pair[0].test == test], has_onsets=who not in _NO_ONSETS
            )
            for who, pairs in (judged | _other_methods(clips, names)).items()
            for test in TESTS
        }
        print_table(rows)
        result = {"about": f"{result['about']}; the same clips for all methods", **corpus.made_by(), "rows": rows}
    if out is not None:
        out.write_text(json.dumps(result, indent=1) + "\n")
    return result


def fit_to(
    clips: Material, *, name: str, version: str, seed: int = 1, on_progress: OnProgress = lambda *_: None
) -> Fitted:
    """Fit the shipped model's estimator; the candidate filter is small, and is fitted to a part of the clips."""
    own = [*clips.scenes[: len(clips.scenes) // 4], *(one.example for one in clips.singles[::8])]
    finder = fit_candidate_filter(own, default_front_end(), OnsetRule(), seed, on_progress)
    candidates = corpus.extract(clips.examples, finder)
    return fit_candidates(
        clips.examples, candidates, finder, name=name, version=version, seed=seed, strategies=SHIPPED,
        on_progress=on_progress,
    )  # fmt: skip


def forecast(fitted: Fitted, clips: Material) -> dict[str, Any]:
    """Return the table of the tests, the forecast for a new recording, and the false pops in single recordings."""
    judged = judge(fitted, clips)
    rows: dict[str, Any] = {}
    for test in (*TESTS, *corpus.RULES):
        own = [pair for pair in judged if pair[0].test == test]
        if not own:
            continue
        rows[f"{test}: all clips"] = figures(own)
        for name in SUBSETS if test in TESTS else ():
            rows[f"{test}: {name}"] = figures(subset(own, name))
        for pops in sorted({trial.pops for trial, _ in own}):
            rows[f"{test}: pops of {pops}"] = figures([pair for pair in own if pair[0].pops == pops])
    n_tests = len(clips.trials)
    n_train = len(clips.examples) - n_tests
    return {
        "about": f"{n_train} training clips with simulated pops, {n_tests} test clips with recorded pops. Each clip is "
        "tested with a fit, a calibration and thresholds without its sources; only the candidate filter was fitted to "
        "training clips of all folds. Levels are in the pop's own octave. Clips without pops are the same in all rows "
        "of a test",
        **corpus.made_by(),
        "rows": rows,
        "forecast": {test: _next_recording([p for p in judged if p[0].test == test]) for test in TESTS},
        "false_pops": {"sources held out": false_pops.table(_false_pops(fitted, clips))},
    }


def subset(judged: Judged, name: str) -> Judged:
    """Return the clips of one of `SUBSETS`, and all clips without pops."""
    belongs = SUBSETS[name]
    return [
        (trial, verdict)
        for trial, verdict in judged
        if not trial.example.is_pop or belongs(len(trial.example.onsets_s or ()), trial.level_db, trial.direct_db)
    ]


def judge(fitted: Fitted, clips: Material) -> Judged:
    """Return the test clips with verdicts by fits, calibrations and thresholds without their sources."""
    first = len(clips.examples) - len(clips.trials)
    judged: Judged = []
    for cell, model in _cells(fitted, clips):
        index = np.array([first + i for i in cell])
        inside = np.isin(fitted.candidates.clip, index)
        trials = [clips.trials[i] for i in cell]
        verdicts = scored(
            model, fitted.candidates.subset(index.tolist()), fitted.held_out_logits[inside], [t.example for t in trials]
        )
        group = f"{trials[0].example.group}, {trials[0].pops}"
        judged += [(trial, replace(verdict, group=group)) for trial, verdict in zip(trials, verdicts, strict=True)]
    return judged


def _cells(fitted: Fitted, clips: Material) -> Iterator[tuple[list[int], Model]]:
    """Test clips of one fold with pops of one source; the model with thresholds of other folds and other pops."""
    examples = clips.examples
    first = len(clips.examples) - len(clips.trials)
    cells: dict[tuple[str, str], list[int]] = {}
    for i, trial in enumerate(clips.trials):
        cells.setdefault((trial.example.group, trial.pops), []).append(i)
    for (fold, pops), cell in cells.items():
        chosen = np.zeros(len(examples), np.bool_)
        for i, trial in enumerate(clips.trials):
            chosen[first + i] = trial.example.group != fold and trial.pops != pops
        yield cell, calibrated_on(chosen, fitted.model, fitted.candidates, fitted.held_out_logits, examples)


def _false_pops(fitted: Fitted, clips: Material) -> list[false_pops.RecordingResult]:
    """Pops found in unchanged pieces of single recordings, by fits without their sources."""
    chosen = [i for i, single in enumerate(clips.singles) if single.is_unchanged]
    index = np.array(chosen) + len(clips.scenes) + len(clips.simulated)
    inside = np.isin(fitted.candidates.clip, index)
    verdicts = scored(
        fitted.model,
        fitted.candidates.subset(index.tolist()),
        fitted.held_out_logits[inside],
        [clips.singles[i].example for i in chosen],
    )
    return [
        false_pops.result(
            false_pops.kind_of(clips.singles[i].source), verdict.label, len(verdict.found_onsets_s), verdict.duration_s
        )
        for i, verdict in zip(chosen, verdicts, strict=True)
    ]


def figures(judged: Judged, *, has_onsets: bool = True) -> dict[str, Any]:
    """Return the figures of some clips; intervals resample folds and sources of pops together."""
    clips = [verdict for _, verdict in judged]
    scores = score(clips, seed=1)
    known = to_json(scores)
    wrong = [clip for clip in clips if (clip.p_pop >= 0.5) != (clip.truth_label == "pop")]
    return {
        "clips": f"{scores.n_clips} ({scores.n_pop})",
        "auroc": known["auroc"],
        "sensitivity_at_95": known["sensitivity_at_specificity_95"],
        "sensitivity": known["sensitivity"],
        "specificity": known["specificity"],
        "uncertain": known["uncertain_share"],
        "errors_uncertain": f"{sum(clip.label == 'uncertain' for clip in wrong)} of {len(wrong)}",
        "f1": known["events"]["f1"] if has_onsets else None,
        "timing_ms": known["events"]["median_error_ms"] if has_onsets else None,
        "count_error": known["events"]["count_error"] if has_onsets else None,
        "ece": known["ece"],
    }


def _next_recording(judged: Judged) -> dict[str, Any]:
    """Return 95 % prediction intervals for clips of a new room with pops of a new person.

    The units are the cells of one fold and one source of pops. Their differences include chance within a cell.
    """
    from scipy.stats import t

    by_cell: dict[str, list[ScoredClip]] = {}
    for _, verdict in judged:
        by_cell.setdefault(verdict.group, []).append(verdict)
    found = {}
    for key, name in (("auroc", "auroc"), ("sensitivity_at_95", "sensitivity_at_specificity_95")):
        values = [to_json(score(clips, seed=1, n_boot=0))[name] for clips in by_cell.values()]
        cells = np.array([value["value"] for value in values if value is not None])
        mean, reach = (
            float(cells.mean()),
            float(t.ppf(0.975, len(cells) - 1) * cells.std(ddof=1) * np.sqrt(1 + 1 / len(cells))),
        )
        found[key] = {"value": mean, "low": max(mean - reach, 0.0), "high": min(mean + reach, 1.0)}
    return {"cells": len(by_cell), **found}


_NO_ONSETS = frozenset(peer.name for peer in peers.PEERS if not peer.has_onsets)


def _other_methods(clips: Material, names: set[str]) -> dict[str, Judged]:
    """Train other methods on the same clips, and test them on the same test clips."""
    learn = clips.examples[: -len(clips.trials)]
    trials = [trial for trial in clips.trials if trial.example.file in names]
    everything = [*learn, *(trial.example for trial in trials)]
    jobs = [_mono(example) for example in everything]
    found: list[list[peers.Description]] = []
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        for i, one in enumerate(pool.imap(peers.describe_all, jobs, 8)):
            found.append(one)
            if i % 500 == 0:
                print(f"peers: described {i} of {len(jobs)}", flush=True)
    of_clip = dict(zip(map(id, everything), found, strict=True))
    judged: dict[str, Judged] = {}
    for k, peer in enumerate(peers.PEERS):
        judged[peer.name] = []
        for fold in range(corpus.N_FOLDS):
            own = [example for example in learn if example.group != corpus.fold_name(fold)]
            decide = _scorer(peer, [of_clip[id(e)][k].numbers for e in own], [e.is_pop for e in own])
            judged[peer.name] += [
                (trial, _scored(trial, of_clip[id(trial.example)][k], decide))
                for trial in trials
                if trial.example.group == corpus.fold_name(fold)
            ]
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


def _scored(trial: Trial, found: peers.Description, decide: Any) -> ScoredClip:
    p_pop = decide(found.numbers)
    samples, rate_hz = trial.example.sound()
    return ScoredClip(
        file=trial.example.file,
        group=f"{trial.example.group}, {trial.pops}",
        truth_label="pop" if trial.example.is_pop else "no_pop",
        p_pop=p_pop,
        label="pop" if p_pop >= 0.5 else "no_pop",
        true_onsets_s=trial.example.onsets_s,
        found_onsets_s=found.onsets_s if p_pop >= 0.5 else (),
        duration_s=len(samples) / rate_hz,
    )


def print_table(rows: dict[str, dict[str, Any]]) -> None:
    """Print one line per row, with 95 % intervals."""
    for name, row in rows.items():
        cells = "  ".join(f"{key} {_cell(value)}" for key, value in row.items())
        print(f"{name:50} {cells}", flush=True)


def _cell(figure: Any) -> str:
    if not isinstance(figure, dict):
        return "-" if figure is None else f"{figure:.3f}" if isinstance(figure, float) else str(figure)
    if figure.get("low") is None:
        return f"{figure['value']:.3f}"
    return f"{figure['value']:.3f} ({figure['low']:.3f}-{figure['high']:.3f})"
