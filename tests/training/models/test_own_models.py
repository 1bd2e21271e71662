"""Retraining in full, with one recipe: what it takes, what it leaves out, what it says of itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learning_fakes import LOGISTIC

from popdetect.detection import verification
from popdetect.detection.detector import Detector
from popdetect.detection.model import bundle
from popdetect.errors import NothingFound, UsageError
from popdetect.session.labels import Truth, read_labels
from popdetect.training import retraining
from popdetect.training.data import simulated_sessions as sessions
from popdetect.training.data.scenes import SceneRule
from popdetect.training.models import card, estimators, fitting
from popdetect.training.models.estimators import auroc
from popdetect.training.retraining import Retrained

pytestmark = pytest.mark.usefixtures("small_guard")

Train = Callable[..., Retrained]


@pytest.fixture(scope="module")
def truths(practice: Path) -> list[Truth]:
    return read_labels(practice)


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Train:
    """`retraining.train` with the quickest recipe, into `tmp_path`."""
    monkeypatch.setattr(retraining.fitting, "fit", partial(fitting.fit, strategies=LOGISTIC))

    def run(truths: list[Truth], folder: str = "ours", **options: Any) -> Retrained:
        return retraining.train(truths, tmp_path / folder, **{"current": bundle.load(), **options})

    return run


@pytest.fixture
def boosting(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """`train` with boosted trees in place of the quickest recipe."""
    strategies = [strategy for strategy in estimators.ESTIMATORS if strategy.name == "boosting"]
    monkeypatch.setattr(retraining.fitting, "fit", partial(fitting.fit.func, strategies=strategies))  # type: ignore[attr-defined]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_labels_and_seed_give_the_same_bytes_and_others_do_not(train: Train, truths: list[Truth]) -> None:
    one, same = train(truths, "one"), train(truths[::-1], "same")
    other = train(truths, "other", seed=1)

    assert contents(one.out) == contents(same.out)
    assert contents(one.out)["model.json"] != contents(other.out)["model.json"]
    relabelled = [*truths[:-1], replace(truths[-1], label="uncertain", onsets_s=None)]
    assert (
        train(relabelled, "fewer").model.info["provenance"]["sha256_of_labels_and_clips"]
        != one.model.info["provenance"]["sha256_of_labels_and_clips"]
    )


def test_the_model_hears_what_it_was_taught(train: Train, boosting: None, truths: list[Truth]) -> None:
    """Trees can learn 60 clips by heart. The thresholds are of held-out clips, so many clips stay uncertain."""
    detector = Detector(train(truths).model)
    detections = [detector.detect(truth.path) for truth in truths]
    right = [detection.label == truth.label for detection, truth in zip(detections, truths, strict=True)]
    wrong = [not good and d.label != "uncertain" for good, d in zip(right, detections, strict=True)]

    assert sum(right) > 0.5 * len(truths)
    assert sum(wrong) <= 0.05 * len(truths)
    assert auroc(np.array([t.label == "pop" for t in truths]), np.array([d.p_pop for d in detections])) > 0.97


def test_the_card_has_every_figure_of_the_model(train: Train, truths: list[Truth]) -> None:
    done = train(truths)
    text = (done.out / "CARD.md").read_text(encoding="utf-8")

    assert text == card.render(done.model.info)
    assert list(done.model.info["scores"]) == [
        "People held out", f"The model before ({bundle.load().title}) on the same clips",
    ]  # fmt: skip
    for part in done.model.info["scores"].values():
        for name, value in part["figures"].items():
            assert f"| {name} | {card.figure(value)} |" in text
    assert "no figure here is clinical accuracy" in text


def test_advice_is_one_sentence_with_figures(train: Train, truths: list[Truth]) -> None:
    compared = train(truths).comparison

    kept = ("Keep the current model: ", "No clear difference: ")
    assert compared.advice.startswith("Adopt: " if compared.adopt else kept)
    assert compared.advice.endswith(".")
    assert not re.search(r"[.!?]\s", compared.advice)
    assert re.search(r"\d", compared.advice)


def test_clips_that_a_person_was_not_sure_of_are_left_out(train: Train, truths: list[Truth]) -> None:
    unsure = [replace(t, label="uncertain", onsets_s=None, patient_id="") for t in truths[:6]]
    done = train([*unsure, *truths[6:]])

    assert done.comparison.new.n_clips == len(truths) - 6
    assert done.model.info["provenance"]["clips"].startswith(f"{len(truths) - 6} labelled clips")
    assert done.left_out == ()  # not a fault of the files


def test_clips_that_cannot_be_read_are_listed_and_the_rest_is_learned_from(
    train: Train, truths: list[Truth], tmp_path: Path
) -> None:
    (tmp_path / "text.wav").write_text("not sound at all")
    (tmp_path / "none.wav").write_bytes(b"")
    odd = [
        Truth("z/none.wav", tmp_path / "none.wav", "no_pop", (), "p01"),
        Truth("a/text.wav", tmp_path / "text.wav", "pop", (0.5,), "p02"),
        Truth("m/gone.wav", tmp_path / "gone.wav", "pop", (0.5,), "p02"),
    ]
    done = train([*odd, *truths])

    assert [file for file, _ in done.left_out] == ["a/text.wav", "m/gone.wav", "z/none.wav"]
    assert "this is text" in done.left_out[0][1]
    assert "no such file" in done.left_out[1][1]
    assert "empty" in done.left_out[2][1]
    assert done.comparison.new.n_clips == len(truths)
    assert contents(done.out) == contents(train(truths, "without").out)


def test_where_no_clip_can_be_read_that_is_what_is_said(train: Train, truths: list[Truth], tmp_path: Path) -> None:
    moved = [replace(truth, path=tmp_path / "elsewhere" / truth.file) for truth in truths]

    with pytest.raises(
        NothingFound, match=r"^none of the 60 labelled clips could be read; the first, p01/thrust_01.wav: no such file"
    ) as caught:
        train(moved)
    assert "labelled no_pop" not in str(caught.value)


def test_where_too_few_clips_can_be_read_that_is_said_too(train: Train, truths: list[Truth], tmp_path: Path) -> None:
    moved = [replace(truth, path=tmp_path / truth.file) for truth in truths[5:]]

    with pytest.raises(UsageError, match=r"needed; 55 more could not be read \(the first, .*: no such file"):
        train(truths[:5] + moved)


def test_where_nobody_was_sure_of_any_clip_that_is_what_is_said(train: Train, truths: list[Truth]) -> None:
    unsure = [replace(truth, label="uncertain", onsets_s=None) for truth in truths]

    with pytest.raises(UsageError, match=r"^60 clips, none labelled pop or no_pop; there is nothing to train on$"):
        train(unsure)


def test_clips_of_one_person_are_split_and_every_report_says_that_figures_are_too_high(
    train: Train, truths: list[Truth]
) -> None:
    done = train([replace(truth, patient_id="p01") for truth in truths], allow_ungrouped=True)
    card_text = (done.out / "CARD.md").read_text(encoding="utf-8")

    assert "## Clips held out (one person only: these figures are too high)" in card_text
    assert "60 of one person" in card_text
    assert "one person only: clips of one person are on both sides of the split, so these figures are too high" in (
        done.comparison.advice
    )
    assert done.comparison.new.auroc
    assert done.comparison.new.auroc.value > 0.7


def test_clips_of_8_khz_only_make_a_model(train: Train, boosting: None, tmp_path: Path) -> None:
    rule = SceneRule(duration_s=1.0, max_distractors=2, pop_db=(25.0, 45.0), rates_hz=(8_000,))
    sessions.simulate(tmp_path / "old", n_clips=40, n_patients=5, seed=6, rule=rule)
    done = train(read_labels(tmp_path / "old"))

    assert verification.verify(done.out).worst_parity <= verification.PARITY_TOLERANCE


def test_the_card_says_what_this_model_learned_from(train: Train, truths: list[Truth]) -> None:
    done = train(truths)
    text = (done.out / "CARD.md").read_text(encoding="utf-8")
    n_pop = sum(truth.label == "pop" for truth in truths)

    assert "no clinical recording" not in text
    assert "half" not in text
    assert "its user's own labelled clips, 60 of 6 people; popdetect cannot know whether they are clinical" in text
    assert "The figures are from these people only" in text
    assert f"{n_pop} of 60 ({100 * n_pop / 60:.0f} %) with pops" in text
    assert "about 1.2 s long" in text


def test_a_model_knows_the_clips_that_it_has_heard(train: Train, truths: list[Truth]) -> None:
    """Whatever they are called: a second retraining on the same labels is no fair match for the first."""
    first = train(truths, "first", name="first")
    assert first.comparison.n_seen_by_current == 0
    assert len(card.known_digests(first.model)) == 60

    renamed = [replace(truth, file=f"again/{truth.file}") for truth in truths]
    second = train(renamed, "second", current=first.model)
    assert second.comparison.n_seen_by_current == 60
    assert (
        "the current model was trained on 60 of these 60 clips, so its figures are too high" in second.comparison.advice
    )
    assert not second.comparison.advice.startswith("Keep the current model: the new model is worse")
    assert "its figures are too high" in (second.out / "CARD.md").read_text(encoding="utf-8")


def test_digests_tell_clips_apart_by_sound_and_rate() -> None:
    sound = np.random.default_rng(0).standard_normal((480, 2)).astype(np.float32)
    one = card.clip_digest(sound, 48_000)

    assert re.fullmatch(r"[0-9a-f]{16}", one)
    assert card.clip_digest(np.asfortranarray(sound), 48_000) == one
    unlike = ((-sound, 48_000), (sound, 44_100), (sound.reshape(960, 1), 48_000))
    others = [card.clip_digest(samples, rate_hz) for samples, rate_hz in unlike]
    assert len({one, *others}) == 4
    assert card.known_digests(None) == card.known_digests(bundle.load()) == frozenset()


def test_clips_without_people_are_their_own_groups_and_the_card_says_that_figures_are_too_high(
    train: Train, truths: list[Truth], tmp_path: Path
) -> None:
    nameless = [replace(truth, patient_id="") for truth in truths]
    with pytest.raises(UsageError, match=r"^60 of 60 clips name no patient \(first: p01/thrust_01.wav\).*--allow-ungr"):
        train(nameless)
    half = [replace(truth, patient_id="") for truth in truths[:30]] + truths[30:]
    with pytest.raises(UsageError, match=r"^30 of 60 clips name no patient"):
        train(half)
    assert list(tmp_path.iterdir()) == []

    done = train(nameless, allow_ungrouped=True)
    assert done.model.info["provenance"]["groups"] == done.comparison.new.n_groups == 60
    assert "people unknown: these figures are too high" in (done.out / "CARD.md").read_text(encoding="utf-8")
    assert "people unknown: clips of one person may be on both sides" in done.comparison.advice


def test_pops_that_nobody_marked_are_counted_as_such(train: Train, truths: list[Truth]) -> None:
    pops = [truth for truth in truths if truth.label == "pop"]
    unmarked = [replace(t, onsets_s=None) if t in pops[::2] else t for t in truths]
    facts = train(unmarked).model.info["provenance"]

    assert facts["clips_without_marks"] == len(pops[::2])
    assert facts["marked_pops"] == sum(len(t.onsets_s or ()) for t in unmarked)
    assert facts["pointed_out_by"] == bundle.load().title


def test_without_a_current_model_the_guard_set_decides(train: Train, truths: list[Truth]) -> None:
    done = train(truths, current=None)

    assert done.comparison.current is None
    assert done.comparison.adopt == (done.comparison.controls_new.steady_per_min <= 1)
    assert "no current model" in done.comparison.advice
    assert done.model.info["provenance"]["pointed_out_by"] == "nobody"
    assert list(done.model.info["scores"]) == ["People held out"]


def test_a_taken_place_is_refused_before_the_long_work(
    train: Train, truths: list[Truth], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("the long work was begun")

    monkeypatch.setattr(retraining.fitting, "fit", never)
    (tmp_path / "ours").mkdir()
    with pytest.raises(UsageError, match="not a model bundle"):
        train(truths)
    with pytest.raises(UsageError, match="shipped model"):
        retraining.train(truths, bundle.shipped(), current=None, force=True)


def test_a_retrained_model_can_teach_the_next(train: Train, truths: list[Truth]) -> None:
    first = train(truths, "first", name="first")
    second = train(truths, "second", name="second", version="7", current=first.model)

    assert second.model.title == "second-7"
    assert second.model.info["provenance"]["pointed_out_by"] == "first-1"
    assert second.comparison.current is not None
