"""Accuracy of one fit: nothing that judges a test clip has seen its sources."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile
from learning_fakes import LOGISTIC

import accuracy
import corpus
from accuracy import Judged, Material
from corpus import Trial
from popdetect.detection.signal.onsets import OnsetRule
from popdetect.training.data.examples import used_for
from popdetect.training.data.manifest import Source
from popdetect.training.data.scenes import SceneRule
from popdetect.training.models.candidate_filter import default_front_end, fit_candidate_filter
from popdetect.training.models.estimators import Strategy
from popdetect.training.models.fitting import Fitted, fit_candidates

RATE_HZ = 16_000
PEOPLE = ("anna", "ben")
TEST = "everyday"
SHORT = SceneRule(duration_s=0.7, max_pops=3, max_distractors=1, pop_db=(25.0, 45.0), rates_hz=(RATE_HZ,))


class Small(NamedTuple):
    clips: Material
    fitted: Fitted
    learned: list[np.ndarray]  # rows of each fit


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """A few dozen scenes, and recorded pops of two people."""
    folder = tmp_path_factory.mktemp("sounds")
    sources = []
    for k, person in enumerate(PEOPLE):
        sound = 1e-4 * np.random.default_rng(k).standard_normal(RATE_HZ)
        for at in (2000, 6000, 10_000):
            sound[at : at + 80] += np.cos((0.9 + k / 5) * np.arange(80)) * np.exp(-np.arange(80) / 12)
        soundfile.write(folder / f"{person}.wav", sound, RATE_HZ, subtype="FLOAT")
        onsets_s = tuple(at / RATE_HZ for at in (2000, 6000, 10_000))
        sources.append(Source(folder / f"{person}.wav", "train", "pop", "neck", person, "", "", onsets_s=onsets_s))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "TRY", SHORT)
        trials = [trial for person in PEOPLE for trial in corpus.trials(sources, person, 40, TEST)]
        poor = corpus.trials(sources, PEOPLE[0], 1, "skin-mounted sensor")
    clips = Material(corpus.scenes([], 100, 1, SHORT), [], [], [*trials, *poor])
    learned: list[np.ndarray] = []

    def fit(rows: np.ndarray, labels: np.ndarray, seed: int) -> Any:
        learned.append(rows)
        return LOGISTIC[0].fit(rows, labels, seed)

    finder = fit_candidate_filter(clips.scenes, default_front_end(), OnsetRule(), 0, lambda *_: None)
    candidates = corpus.extract(clips.examples, finder)
    fitted = fit_candidates(
        clips.examples, candidates, finder, name="small", version="0", strategies=[Strategy("spy", "spy", fit)]
    )
    return Small(clips, fitted, learned)


def judged(small: Small, changed: Callable[[Trial], bool] = lambda _: False) -> Judged:
    """Judge all clips; the log-odds of `changed` ones are made wrong."""
    logits = small.fitted.held_out_logits.copy()
    first = len(small.clips.scenes)
    for i, trial in enumerate(small.clips.trials):
        if changed(trial):
            logits[small.fitted.candidates.clip == first + i] *= -3
    return accuracy.judge(replace(small.fitted, held_out_logits=logits), small.clips)


def test_every_test_clip_is_judged_once_with_its_own_truth(small: Small) -> None:
    found = judged(small)

    assert sorted(trial.example.file for trial, _ in found) == sorted(t.example.file for t in small.clips.trials)
    for trial, verdict in found:
        assert verdict.file == trial.example.file
        assert verdict.true_onsets_s == trial.example.onsets_s
        assert verdict.group == f"{trial.example.group}, {trial.pops}"
    own = [pair for pair in found if pair[0].test == TEST]
    assert accuracy.figures(own)["auroc"]["value"] > 0.8


@pytest.mark.parametrize("kind", ["fold", "pops", "sets no thresholds"])
def test_thresholds_come_from_other_folds_and_other_pops(small: Small, kind: str) -> None:
    fold, pops = corpus.fold_name(2), PEOPLE[1]

    def excluded(trial: Trial) -> bool:
        if kind == "fold":
            return trial.example.group == fold and trial.pops != pops
        if kind == "pops":
            return trial.pops == pops and trial.example.group != fold
        return "thresholds" not in trial.example.uses

    def of_cell(pairs: Judged) -> list[Any]:
        return [verdict for trial, verdict in pairs if (trial.example.group, trial.pops) == (fold, pops)]

    assert any(excluded(trial) for trial in small.clips.trials)
    plain = of_cell(judged(small))
    assert len(plain) == 8
    assert of_cell(judged(small, excluded)) == plain
    # the other clips do set them
    others = judged(small, lambda trial: trial.example.group != fold and trial.pops != pops)
    assert [one.p_pop for one in of_cell(others)] != [one.p_pop for one in plain]


def test_no_fit_is_trained_on_a_test_clip_or_on_the_fold_it_is_judged_without(small: Small) -> None:
    candidates = small.fitted.candidates
    examples = small.clips.examples
    of_trials = {row.tobytes() for row in candidates.rows[candidates.clip >= len(small.clips.scenes)]}
    groups = np.array([example.group for example in examples])[candidates.clip]
    known = candidates.only_of(used_for("training", examples)).marks >= 0
    *folds, last = [{row.tobytes() for row in rows} for rows in small.learned]

    assert len(of_trials) > 50
    assert not any(of_trials & rows for rows in (*folds, last))
    of_fold = [{r.tobytes() for r in candidates.rows[known & (groups == corpus.fold_name(k))]} for k in range(5)]
    assert sorted(k for rows in folds for k in range(5) if not rows & of_fold[k]) == [0, 1, 2, 3, 4]
    for rows, logits_of in ((rows, [k for k in range(5) if not rows & of_fold[k]]) for rows in folds):
        assert len(logits_of) == 1
        assert rows == set().union(*(of_fold[k] for k in range(5) if k not in logits_of))


def test_log_odds_of_test_clips_are_those_of_the_fit_without_their_fold(small: Small) -> None:
    """Fitted again without a fold, the classifier gives its test clips the same log-odds."""
    candidates, groups = small.fitted.candidates, np.array([example.group for example in small.clips.examples])
    learn = candidates.only_of(used_for("training", small.clips.examples))
    rows = learn.training_rows()
    for fold in range(2):
        test = groups[candidates.clip] == corpus.fold_name(fold)
        own = rows[~test[rows]]
        again = LOGISTIC[0].fit(learn.rows[own], learn.marks[own], 0)
        p = again.predict_proba(candidates.rows[test])[:, 1]
        np.testing.assert_allclose(1 / (1 + np.exp(-small.fitted.selection[0].logits[test])), p, atol=1e-6)


def test_subsets_hold_all_clips_without_pops_and_their_own_pops(small: Small) -> None:
    found = judged(small)
    without = sum(not trial.example.is_pop for trial, _ in found)
    for name in accuracy.SUBSETS:
        part = accuracy.subset(found, name)
        assert sum(not trial.example.is_pop for trial, _ in part) == without
    one = accuracy.subset(found, "one pop, 20 dB and above")
    assert {len(trial.example.onsets_s or ()) for trial, _ in one} == {0, 1}
    n_pops = [sum(trial.example.is_pop for trial, _ in accuracy.subset(found, name)) for name in accuracy.SUBSETS]
    of_number, of_level, of_room = n_pops[0] + n_pops[2] + n_pops[3], sum(n_pops[4:8]), sum(n_pops[8:])
    assert of_number == of_level == of_room == sum(trial.example.is_pop for trial, _ in found)
