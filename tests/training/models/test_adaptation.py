"""Adapting a model: replay rows, incremental boosting, recalibration, controls, label issues, learning curve."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from learning_fakes import Says, corrected_copy, examples
from learning_verdicts import verdicts

from popdetect.detection import verification
from popdetect.detection.detector import Detector
from popdetect.detection.model import bundle
from popdetect.detection.model.classifiers import Calibration, Cascade, sigmoid
from popdetect.errors import ModelError, UsageError
from popdetect.session.labels import Truth, read_labels
from popdetect.training import retraining
from popdetect.training.data import answers
from popdetect.training.data.examples import CandidateSet, Example, FeatureExtractor, extract_all
from popdetect.training.evaluation import learning_curve, negative_controls
from popdetect.training.evaluation.held_out import counted, final_logits
from popdetect.training.evaluation.scores import ScoredClip
from popdetect.training.models import adaptation, bundle_files, estimators, export, fitting
from popdetect.training.models import replay as replay_rows
from popdetect.training.models.calibration import recalibrate
from popdetect.training.models.candidate_filter import CandidateFinder
from popdetect.training.models.replay import Replay

pytestmark = pytest.mark.usefixtures("small_guard")


@lru_cache(maxsize=1)
def heard() -> CandidateSet:
    model = bundle.load()
    return extract_all(examples(), FeatureExtractor(*CandidateFinder.of(model)), None)


@lru_cache(maxsize=1)
def rows() -> Replay:
    """As if the shipped model was trained on a few simulated clips."""
    known = heard().marks >= 0
    logits = bundle.load().classifier.logit(heard().rows)
    return Replay(heard().rows[known], heard().marks[known], logits[known], np.ones(known.sum()))


@pytest.fixture(scope="module")
def travelling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped bundle with those rows beside it."""
    folder = tmp_path_factory.mktemp("bundles") / "base"
    shutil.copytree(bundle.shipped(), folder)
    with_rows(folder, bundle_files.npz_bytes(replay_rows.arrays(rows())))
    return folder


def with_rows(folder: Path, raw: bytes) -> None:
    (folder / replay_rows.NAME).write_bytes(raw)
    info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    info["files"][replay_rows.NAME] = hashlib.sha256(raw).hexdigest()
    (folder / "model.json").write_text(json.dumps(info), encoding="utf-8")


# --- rows that travel -----------------------------------------------------------------------------------------------


def test_rows_come_back_as_half_precision_leaves_them(travelling: Path) -> None:
    found = replay_rows.read(travelling, bundle.load(travelling))

    assert found is not None
    np.testing.assert_allclose(found.rows, rows().rows, rtol=1e-3, atol=1e-6)
    np.testing.assert_array_equal(found.marks, rows().marks)
    np.testing.assert_allclose(found.logits, rows().logits, atol=0.01)
    assert verification.verify(travelling).worst_parity < 1e-9


def damage_missing(folder: Path) -> None:
    (folder / replay_rows.NAME).unlink()


def damage_changed(folder: Path) -> None:
    raw = bytearray((folder / replay_rows.NAME).read_bytes())
    raw[len(raw) // 2] ^= 1
    (folder / replay_rows.NAME).write_bytes(bytes(raw))


def damage_no_archive(folder: Path) -> None:
    with_rows(folder, b"no archive at all")


def damage_short(folder: Path) -> None:
    with_rows(folder, bundle_files.npz_bytes({**replay_rows.arrays(rows()), "marks": np.array([0, 1], np.int8)}))


def damage_one_kind(folder: Path) -> None:
    arrays = replay_rows.arrays(rows())
    with_rows(folder, bundle_files.npz_bytes({**arrays, "marks": np.zeros_like(arrays["marks"])}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_missing, "cannot be read"),
        (damage_changed, "changed since the bundle was made"),
        (damage_no_archive, "not a file of plain arrays"),
        (damage_short, r"'marks' has shape \(2,\)"),
        (damage_one_kind, "all rows have one mark"),
    ],
)
def test_damaged_rows_are_named_and_the_model_still_decides(
    travelling: Path, tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    folder = tmp_path / "base"
    shutil.copytree(travelling, folder)
    damage(folder)
    model = bundle.load(folder)  # deciding never opens the rows

    with pytest.raises(ModelError, match=rf"replay\.npz: .*{words}"):
        replay_rows.read(folder, model)


def test_a_bundle_without_rows_says_so_and_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(bundle.shipped(), folder)
    info = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    info["files"].pop(replay_rows.NAME, None)
    (folder / "model.json").write_text(json.dumps(info), encoding="utf-8")

    assert replay_rows.read(folder, verification.verify(folder).model) is None


# --- corrections ----------------------------------------------------------------------------------------------------


def corrected(marks: np.ndarray) -> adaptation.Boosted:
    base = bundle.load().classifier
    start = base.logit(heard().rows)
    return adaptation.boost(base, heard().rows, marks, start, np.ones(len(marks)), 0)


def test_incremental_boosting_keeps_the_trees_of_the_base_and_is_exported_exactly() -> None:
    base = bundle.load().classifier
    assert isinstance(base, Cascade)
    boosted = corrected(np.maximum(heard().marks, 0))
    exported = export.export_classifier(boosted)

    assert isinstance(exported, Cascade)
    n = len(base.trees.feature)
    for name in ("feature", "threshold", "left", "right", "nan_left", "value"):
        np.testing.assert_array_equal(getattr(exported.trees, name)[:n], getattr(base.trees, name))
    for name in ("centre", "scale", "inner", "middle", "outer"):
        np.testing.assert_array_equal(getattr(exported.network, name), getattr(base.network, name))
    assert len(exported.trees.roots) == len(base.trees.roots) + adaptation.N_TREES
    strange = heard().rows.copy()
    strange[::3, ::5] = np.nan
    for asked in (heard().rows, strange):
        p = boosted.predict_proba(asked)[:, 1]
        np.testing.assert_allclose(sigmoid(exported.logit(asked)), p, atol=1e-9)


def test_incremental_boosting_corrects_errors_of_the_base() -> None:
    marks = np.maximum(heard().marks, 0)
    before = bundle.load().classifier.logit(heard().rows)
    after = corrected(marks).logit(heard().rows)

    def loss(logits: np.ndarray) -> float:
        return float(np.logaddexp(0, np.where(marks == 1, -logits, logits)).mean())

    assert loss(after) < 0.8 * loss(before)


def test_trees_are_added_only_to_sums_of_trees() -> None:
    assert not adaptation.can_boost(Says(0.0))
    with pytest.raises(TypeError, match="no trees can be added to a Says"):
        export.add_trees(Says(0.0), [], 0.1)


def test_a_recalibration_depends_on_the_number_of_clips() -> None:
    before = Calibration(0.8, -0.5)
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20_000)
    labels = rng.random(len(logits)) < sigmoid(0.5 * logits + 1.0)
    none = recalibrate(before, logits[:0], labels[:0])
    few, many = (recalibrate(before, logits[:n], labels[:n]) for n in (20, 20_000))

    assert (none.slope, none.offset) == pytest.approx((0.8, -0.5))
    assert (many.slope, many.offset) == pytest.approx((0.5, 1.0), abs=0.05)
    assert before.offset < few.offset < many.offset


def test_an_adapted_model_finds_no_more_false_pops_than_its_base_model() -> None:
    base_model = bundle.load()
    eager = replace(base_model, event_calibration=Calibration(1.0, 1.5), clip_calibration=Calibration(1.0, 1.5))
    logits = final_logits(base_model, heard())
    silent = heard().subset([i for i, example in enumerate(examples()) if not example.is_pop])
    held = adaptation.limit_false_pops(eager, base_model, silent)

    def heard_pops(model: bundle.Model, among: CandidateSet) -> int:
        return int(counted(model, among, final_logits(model, among)).sum())

    assert heard_pops(held, silent) <= heard_pops(base_model, silent)
    assert counted(eager, heard(), logits).sum() >= counted(held, heard(), logits).sum()
    assert adaptation.limit_false_pops(base_model, base_model, silent).clip_calibration == base_model.clip_calibration


# --- the whole ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def truths(practice: Path) -> list[Truth]:
    return read_labels(practice)


@pytest.fixture(scope="module")
def flipped(truths: list[Truth]) -> list[Truth]:
    """The truths with one wrong label: of the pop clip of which the model is most certain."""
    detector = Detector(bundle.load())
    clearest = max((t for t in truths if t.label == "pop"), key=lambda t: detector.detect(t.path).p_pop)
    return [replace(t, label="no_pop", onsets_s=()) if t is clearest else t for t in truths]


@pytest.fixture(scope="module")
def adapted(
    practice: Path, truths: list[Truth], travelling: Path, tmp_path_factory: pytest.TempPathFactory
) -> retraining.Retrained:
    """By a reviewed session."""
    folder = tmp_path_factory.mktemp("adapted")
    session = corrected_copy(practice, folder / "session", truths)
    found = answers.read([session]).truths
    return retraining.train(found, folder / "ours", current=bundle.load(travelling), replay=rows())


def test_an_adapted_bundle_is_whole_and_can_be_adapted_again(adapted: retraining.Retrained) -> None:
    verified = verification.verify(adapted.out)
    model, worst = verified.model, verified.worst_parity
    carried = replay_rows.read(adapted.out, model)

    assert worst < 1e-9
    assert carried is not None
    np.testing.assert_array_equal(carried.marks, rows().marks)
    assert "adapted_from" in model.info["provenance"]
    assert model.operating_points == bundle.load().operating_points  # too few clips for others


def test_a_reviewed_session_and_its_table_give_the_same_bytes(
    adapted: retraining.Retrained, truths: list[Truth], travelling: Path, tmp_path: Path
) -> None:
    again = retraining.train(truths[::-1], tmp_path / "ours", current=bundle.load(travelling), replay=rows())

    for path in sorted(adapted.out.iterdir()):
        assert path.read_bytes() == (again.out / path.name).read_bytes(), path.name


def test_a_wrong_label_is_listed_as_a_label_issue(
    flipped: list[Truth], truths: list[Truth], travelling: Path, tmp_path: Path
) -> None:
    done = retraining.train(flipped, tmp_path / "ours", current=bundle.load(travelling), replay=rows())
    turned = next(t for t, was in zip(flipped, truths, strict=True) if t.label != was.label)
    true = next(t for t in truths if t.file == turned.file)
    slip = next((slip for slip in done.label_issues if slip.file == turned.file), None)

    assert slip is not None
    assert (slip.label, slip.p_pop >= 0.9) == ("no_pop", True)
    assert any(abs(look - onset) < 0.005 for look in slip.look_s for onset in true.onsets_s or ())
    assert len(done.label_issues) < 10


def test_clips_known_to_the_current_model_are_used_to_adapt_the_origin(
    adapted: retraining.Retrained, truths: list[Truth], tmp_path: Path
) -> None:
    done = retraining.train(
        truths, tmp_path / "second", current=adapted.model, replay=rows(), origin=(bundle.load(), rows())
    )

    assert done.model.info["provenance"]["adapted_from"].startswith(bundle.load().title)
    assert done.comparison.n_seen_by_current == len(truths)


def test_fewer_clips_are_enough_to_adapt_than_to_begin(truths: list[Truth]) -> None:
    some = [example for example in examples() if example.is_pop][:6]
    others = [example for example in examples() if not example.is_pop][:6]

    fitting.check_enough([*some, *others], adapts=True)
    with pytest.raises(UsageError, match="at least 10 of each"):
        fitting.check_enough([*some, *others])
    with pytest.raises(UsageError, match="at least 5 of each"):
        fitting.check_enough([*some, *others[:3]], adapts=True)


def test_reviewed_clips_of_nobody_are_refused_with_what_helps(practice: Path, tmp_path: Path) -> None:
    truths = [replace(t, patient_id="") for t in read_labels(practice)]
    session = corrected_copy(practice, tmp_path / "session", truths)

    with pytest.raises(UsageError, match=r"60 of 60 clips name no patient .*log --init.*--allow-ungrouped"):
        retraining.train(answers.read([session]).truths, tmp_path / "ours", current=None)


def test_the_training_negatives_are_not_the_negative_controls() -> None:
    for kind in negative_controls.KINDS:
        assert not np.array_equal(
            negative_controls.sound(kind, 0), negative_controls.sound(kind, 0, negative_controls.SEED + 1)
        )
        np.testing.assert_array_equal(negative_controls.sound(kind, 3), negative_controls.sound(kind, 3))


# --- the learning curve ---------------------------------------------------------------------------------------------


def found(right: int) -> list[ScoredClip]:
    return verdicts(right, 40, n_groups=10)


@pytest.mark.parametrize(
    ("rights", "words"),
    [
        ((10, 20, 38), "more labelled clips are worth it"),
        ((30, 38, 38), "hardly worth labelling"),
        ((38,), "too few clips for a learning curve"),
    ],
)
def test_the_curve_says_whether_more_clips_are_worth_it(rights: tuple[int, ...], words: str) -> None:
    made = learning_curve.conclude([(15 * 2**k, found(right)) for k, right in enumerate(rights)], 0)

    assert words in made.sentence
    assert [n for n, _ in made.points] == [15 * 2**k for k in range(len(rights))]
    assert made.to_dict()["sentence"] == made.sentence


def test_the_curve_is_drawn_on_all_clips_with_a_growing_number(truths: list[Truth]) -> None:
    model = bundle.load()
    look = CandidateFinder.of(model)

    def fit(some: Sequence[Example], among: CandidateSet) -> fitting.Fitted:
        return fitting.fit_candidates(
            some, among, look, name="x", version="1", base=model, strategies=estimators.ESTIMATORS[:1]
        )

    told: list[tuple[int, int]] = []
    made = learning_curve.compute(
        examples(), heard(), fit, model, on_progress=lambda what, done, total: told.append((done, total))
    )

    sizes = [n for n, _ in made.points]
    assert sizes[0] == 0
    assert sizes == sorted(sizes)
    assert sizes[-1] == 45  # of 60, a quarter held out
    assert told == [(k, 12) for k in range(12)]
