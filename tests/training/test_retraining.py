"""TrainingLabels clips to a bundle: end to end, deterministic, and refusing what teaches nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learning_verdicts import hears, verdicts

from popdetect.detection import verification
from popdetect.detection.model import bundle
from popdetect.errors import ModelError, UsageError
from popdetect.session.labels import Truth, read_labels
from popdetect.training import retraining
from popdetect.training.data.examples import mark
from popdetect.training.evaluation import comparison, negative_controls
from popdetect.training.models import bundle_files, estimators, fitting

pytestmark = pytest.mark.usefixtures("small_guard")


@pytest.fixture(scope="module")
def truths(practice: Path) -> list[Truth]:
    return read_labels(practice)


@pytest.fixture(scope="module")
def trained(truths: list[Truth], tmp_path_factory: pytest.TempPathFactory) -> retraining.Retrained:
    return retraining.train(truths, tmp_path_factory.mktemp("models") / "ours", current=bundle.load())


def test_the_bundle_is_whole_and_says_what_it_rests_on(trained: retraining.Retrained) -> None:
    verified = verification.verify(trained.out)
    model, worst = verified.model, verified.worst_parity
    card = (trained.out / "CARD.md").read_text(encoding="utf-8")

    assert worst < 1e-9
    assert model.info["provenance"]["groups"] == 6
    assert "no figure here is clinical accuracy" in card
    assert trained.comparison.advice in card
    for contest in trained.selection:
        assert contest["title"] in card


def test_whole_patients_are_held_out_and_both_models_are_scored_on_the_same_clips(
    trained: retraining.Retrained,
) -> None:
    new, old = trained.comparison.new, trained.comparison.current

    assert old is not None
    assert new.n_clips == old.n_clips == 60
    assert new.n_groups == old.n_groups == 6
    assert trained.comparison.advice.startswith(
        "Adopt: " if trained.comparison.adopt else ("Keep the current model: ", "No clear difference: ")
    )
    assert new.auroc is not None
    assert new.auroc.value > 0.7


def test_the_same_labels_and_seed_give_the_same_bytes(
    truths: list[Truth], trained: retraining.Retrained, tmp_path: Path
) -> None:
    again = retraining.train(list(reversed(truths)), tmp_path / "again", current=bundle.load())

    for path in sorted(trained.out.iterdir()):
        assert path.read_bytes() == (again.out / path.name).read_bytes(), path.name


def test_no_patient_is_refused_unless_it_is_meant(truths: list[Truth], tmp_path: Path) -> None:
    nameless = [replace(truth, patient_id="") for truth in truths]

    with pytest.raises(UsageError, match=r"60 of 60 clips name no patient .*--allow-ungrouped"):
        retraining.train(nameless, tmp_path / "a", current=None)
    assert list(tmp_path.iterdir()) == []


def test_pops_that_nobody_marked_are_pointed_out_by_the_current_model(truths: list[Truth], tmp_path: Path) -> None:
    unmarked = [replace(truth, onsets_s=None) if truth.label == "pop" else truth for truth in truths]
    missing = Truth("gone.wav", Path("gone.wav"), "pop", None, "p01")
    done = retraining.train([*unmarked, missing], tmp_path / "a", current=bundle.load())

    assert done.left_out == (("gone.wav", "no such file; check the name and the folder"),)
    assert done.model.info["provenance"]["pointed_out_by"] == bundle.load().title
    with pytest.raises(UsageError, match="finds the pops"):
        retraining.train(unmarked, tmp_path / "b", current=None)


@pytest.mark.parametrize(
    ("choose", "words"),
    [
        (lambda t: t.label == "pop", "all .* clips are labelled pop; both are needed"),
        (lambda t: t.label == "no_pop", "all .* clips are labelled no_pop"),
        (lambda t: t.patient_id == "p01", "at least 10 of each are needed"),
        (lambda t: t.label == "no_pop" or t.patient_id in ("p01", "p02", "p03", "p04")[:1], "at least 10"),
    ],
)
def test_too_little_is_refused_with_what_is_needed(
    truths: list[Truth], tmp_path: Path, choose: Callable[[Truth], bool], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        retraining.train([t for t in truths if choose(t)], tmp_path / "a", current=None)
    assert list(tmp_path.iterdir()) == []


def test_one_person_only_is_refused(truths: list[Truth], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="clips of 1 patient; at least 3 are needed"):
        retraining.train([replace(t, patient_id="p01") for t in truths], tmp_path / "a", current=None)


def test_nothing_is_overwritten(trained: retraining.Retrained, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()

    with pytest.raises(UsageError, match=r"already holds a model.*--force"):
        bundle_files.check_target(trained.out, force=False)
    with pytest.raises(UsageError, match="not a model bundle"):
        bundle_files.check_target(tmp_path / "thesis", force=True)
    with pytest.raises(UsageError, match="shipped model"):
        bundle_files.check_target(bundle.shipped(), force=True)


def test_a_bundle_that_fails_its_check_leaves_nothing_behind(
    truths: list[Truth], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise ModelError("not today")

    monkeypatch.setattr(verification, "verify", refuse)
    with pytest.raises(ModelError, match="not today"):
        retraining.train(truths, tmp_path / "a", current=None)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_hears_pops_everywhere_is_not_advised(trained: retraining.Retrained) -> None:
    clips = verdicts(15)
    adopt, why = comparison.advise(clips, clips, hears(4), hears(0))

    assert not adopt
    assert "more pops where there are none, in the negative controls: 4.0 pops per minute" in why
    assert comparison.advise(clips, clips, hears(0), hears(0))[0] is False  # no better is not better
    assert negative_controls.run(trained.model).steady_per_min <= 60


def test_marks_take_each_pop_once_and_leave_its_echo_out() -> None:
    onsets = np.array([0.1, 0.4985, 0.5001, 0.507, 0.9])

    np.testing.assert_array_equal(mark(onsets, (0.5,)), [0, -1, 1, -1, 0])
    np.testing.assert_array_equal(mark(onsets, ()), [0, 0, 0, 0, 0])
    np.testing.assert_array_equal(mark(onsets, (0.4985, 0.5001)), [0, 1, 1, -1, 0])


def test_folds_keep_patients_together() -> None:
    groups = [f"p{i % 7}" for i in range(70)]
    parts = estimators.folds(np.arange(70) % 2 == 0, groups, 5, seed=0)

    assert sorted(np.concatenate(parts)) == list(range(70))
    for part in parts:
        inside = {groups[i] for i in part}
        assert inside.isdisjoint({groups[i] for i in range(70) if i not in set(part)})


def test_operating_points_are_in_order_and_ask_for_what_they_say() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(4_000) < 0.5
    p = np.clip(0.3 + 0.2 * (labels - 0.5) + 0.15 * rng.standard_normal(4_000), 0, 1)
    points = fitting.operating_points(p, labels)

    assert list(points) == ["balanced", "sensitive", "specific"]
    assert all(0 <= point.no_pop_below <= point.pop_from <= 1 for point in points.values())
    for name, specificity in (("balanced", 0.95), ("sensitive", 0.90), ("specific", 0.99)):
        point = points[name]
        assert specificity <= (p[~labels] < point.pop_from).mean() == pytest.approx(specificity, abs=0.005)
        uncertain = (p >= point.no_pop_below) & (p < point.pop_from)
        if point.no_pop_below < 0.5:
            assert 0.13 >= uncertain.mean() == pytest.approx(0.13, abs=0.005)
    assert points["sensitive"].pop_from < points["balanced"].pop_from < points["specific"].pop_from
    assert points["sensitive"].no_pop_below < points["balanced"].no_pop_below < points["specific"].no_pop_below
