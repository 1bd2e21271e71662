"""One's own labelled clips to a bundle of one's own: what `popdetect train` does."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from popdetect.detection.audio import recording as audio
from popdetect.detection.model.bundle import Model
from popdetect.errors import AudioError, NothingFound, UsageError
from popdetect.session.labels import Truth
from popdetect.training.data.answers import FROM_REVIEW
from popdetect.training.data.examples import CandidateSet
from popdetect.training.evaluation import comparison, label_issues, learning_curve
from popdetect.training.evaluation.comparison import Comparison
from popdetect.training.evaluation.label_issues import LabelIssue
from popdetect.training.evaluation.learning_curve import LearningCurve
from popdetect.training.models import bundle_files, card, estimators, fitting
from popdetect.training.models.fitting import Example, Fitted, OnProgress
from popdetect.training.models.replay import Replay


@dataclass(frozen=True, slots=True)
class Retrained:
    """What came of it.

    Attributes
    ----------
    model : Model
        As written to `out` and read back.
    out : Path
    comparison : Comparison
    selection : list of dict
        The classifiers that were tried, the chosen one first.
    left_out : tuple of (str, str)
        Files that could not be used, and why.
    counts : dict of str to int
        Clips ``learned_from``, ``uncertain`` ones left out, and those with pops that are ``unmarked``.
    label_issues : tuple of LabelIssue
        Clips whose label contradicts a confident held-out answer.
    learning_curve : LearningCurve or None
        Where it was asked for.
    """

    model: Model
    out: Path
    comparison: Comparison
    selection: list[dict[str, Any]]
    left_out: tuple[tuple[str, str], ...]
    counts: dict[str, int]
    label_issues: tuple[LabelIssue, ...] = ()
    learning_curve: LearningCurve | None = None


def train(
    truths: Sequence[Truth],
    out: Path,
    *,
    current: Model | None,
    replay: Replay | None = None,
    origin: tuple[Model, Replay | None] | None = None,
    own_controls: Sequence[Path] = (),
    with_curve: bool = False,
    name: str = "retrained",
    version: str = "1",
    seed: int = 0,
    allow_ungrouped: bool = False,
    force: bool = False,
    on_progress: OnProgress | None = None,
) -> Retrained:
    """Fit a model to labelled clips and write its bundle, card and metrics.

    The same labels, clips and seed give the same bundle, byte for byte.

    Parameters
    ----------
    truths : sequence of Truth
        Clips labelled ``uncertain`` are left out.
    out : Path
        Folder of the bundle; must not exist unless `force`.
    current : Model or None
        Points out the pops in clips whose onsets no_context marked, and is what the new model is compared with.
    replay : Replay, optional
        Rows that travel with the current model: it is adapted. Without them the new one is made from the clips alone.
    origin : (Model, Replay), optional
        What is adapted in place of a current model that has learned from some of these very clips: an adaptation of
        that one could not be tested on people it has not heard.
    own_controls : sequence of Path
        Recordings without pops, for the guard set.
    with_curve : bool
        Draw the learning curve, which takes as long as a dozen trainings.
    allow_ungrouped : bool
        Accept clips without a `patient_id`, or all of one: then every clip is its own group and the figures flatter.

    Raises
    ------
    UsageError
        Too little to learn from, or no patients named; says what is needed.
    NothingFound
        Not one of the clips could be read.
    """
    bundle_files.check_target(out, force=force)
    usable = sorted((truth for truth in truths if truth.label != "uncertain"), key=lambda truth: truth.file)
    if not usable:
        raise UsageError(f"{len(truths)} clips, none labelled pop or no_pop; there is nothing to learn from")
    nameless = [truth.file for truth in usable if not truth.patient_id]
    if nameless and not allow_ungrouped and any(truth.extra.get(FROM_REVIEW) for truth in usable):
        raise UsageError(
            f"{len(nameless)} of {len(usable)} clips name no patient (first: {nameless[0]}); a session.csv beside the "
            "clips (popdetect log --init DIR) has a column patient_id, which keeps each person on one side of the "
            "test. Without it the figures flatter: --allow-ungrouped accepts that, and tests on whole sessions at best"
        )
    if nameless and not allow_ungrouped:
        raise UsageError(
            f"{len(nameless)} of {len(usable)} clips name no patient (first: {nameless[0]}); a column patient_id keeps "
            "each person on one side of the test. Without one the figures flatter: --allow-ungrouped accepts that"
        )
    heard = _hear(usable)
    examples = heard.examples
    before = card.known_digests(current)
    base_model = current
    if origin is not None and replay is not None and not before.isdisjoint(heard.digests.values()):
        base_model, replay = origin
    _check_enough(heard, allow_ungrouped=allow_ungrouped, adapts=replay is not None)
    fitted = fitting.fit(
        examples, name=name, version=version, seed=seed, base_model=base_model, replay=replay, on_progress=on_progress
    )
    compared = comparison.compare(
        fitted,
        examples,
        current,
        seed=seed,
        heard=[file for file, digest in heard.digests.items() if digest in before],
        caveat=heard.caveat,
        own_controls=own_controls,
    )
    drawn = None
    if with_curve:
        drawn = learning_curve.draw(
            examples, fitted.heard, _refit(fitted, base_model, replay, seed),
            current if current is base_model else None, seed=seed, say=on_progress or (lambda what, done, total: None),
        )  # fmt: skip
    suspects = label_issues.possible(fitted, examples, comparison.held_out(fitted, examples))
    selection = card.contest(fitted)
    clips = card.OwnClips(
        len(examples),
        sum(example.is_pop for example in examples),
        heard.n_people,
        float(np.median(fitted.heard.durations_s)),
    )
    facts = {
        **card.own_statements(clips),
        "provenance": {
            "clips": f"{len(examples)} labelled clips, {clips.n_pop} with pops",
            "groups": len({example.group for example in examples}),
            "marked_pops": int(sum(len(example.onsets_s or ()) for example in examples)),
            "clips_without_marks": sum(example.is_pop and example.onsets_s is None for example in examples),
            "seed": seed,
            "sha256_of_labels_and_clips": heard.digest,
            card.KEY: card.written(heard.digests.values()),
            "pointed_out_by": base_model.title if base_model is not None else "no_context",
            "first_look_of": base_model.title if base_model is not None else "these clips",
            **({"adapted_from": f"{base_model.title}, sha256 {base_model.sha256}"} if base_model and replay else {}),
            "libraries": card.versions(),
            "guard_false_pops_per_minute": round(compared.controls_new.per_min, 3),
        },
        "advice": compared.advice,
        "scores": _scores(compared, heard, current),
        "contest": selection,
        **({"learning_curve": drawn.to_dict()} if drawn else {}),
    }
    model = bundle_files.write(fitted, out, facts, replay=replay, force=force)
    counts = {
        "learned_from": len(examples),
        "uncertain": len(truths) - len(usable),
        "unmarked": facts["provenance"]["clips_without_marks"],
    }
    return Retrained(model, out, compared, selection, heard.left_out, counts, suspects, drawn)


def _refit(fitted: Fitted, base_model: Model | None, replay: Replay | None, seed: int) -> learning_curve.Fit:
    """Fits the same kind of model to some of the clips: the way that was chosen for all of them."""
    model = fitted.model
    look = fitting.CandidateFinder.of(model)
    specs = [fitted.selection[0].recipe] if replay is None else estimators.ESTIMATORS

    def fit(examples: Sequence[Example], heard: CandidateSet) -> Fitted:
        return fitting.learn(
            examples, heard, look, name="part", version="0", seed=seed, specs=specs, base_model=base_model,
            replay=replay, negatives=fitted.negatives,
        )  # fmt: skip

    return fit


@dataclass(frozen=True, slots=True)
class _Heard:
    """The clips that can be read, those that cannot with the reason, a digest of labels and samples, and one of each.

    `n_people` is None where some of the clips name no_context.
    """

    examples: list[Example]
    left_out: tuple[tuple[str, str], ...]
    digest: str
    digests: dict[str, str]
    n_people: int | None

    @property
    def flatters(self) -> str:
        """Why the held-out figures flatter; empty if people were held out."""
        if self.n_people is None:
            return "people unknown"
        return "one person only" if self.n_people == 1 else ""

    @property
    def caveat(self) -> str:
        """The same for the advice."""
        if not self.flatters:
            return ""
        are = "are" if self.n_people == 1 else "may be"
        return f"{self.flatters}, so clips of one person {are} on both sides of the test and these figures flatter"


def _hear(truths: Sequence[Truth]) -> _Heard:
    examples, left_out, digests = [], [], {}
    sessions = {truth.extra.get("group", "") for truth in truths if truth.extra.get(FROM_REVIEW)} - {""}
    # where no_context is named, whole sessions are held out, if there are enough of them
    stands_in = {name: f"session {name}" for name in sessions} if len(sessions) >= fitting.MIN_GROUPS else {}
    state = hashlib.sha256()
    for truth in truths:
        try:
            samples, rate_hz = audio.read(truth.path)
        except AudioError as error:
            left_out.append((truth.file, str(error)))
            continue
        state.update(repr((truth.file, truth.label, truth.onsets_s, truth.patient_id)).encode())
        state.update(samples.tobytes())
        digests[truth.file] = card.digest(samples, rate_hz)
        group = truth.patient_id or stands_in.get(truth.extra.get("group", ""), f"clip {truth.file}")
        examples.append(Example(truth.file, group, truth.label == "pop", truth.onsets_s, _Reader(truth.path)))
    people = {truth.patient_id for truth in truths if truth.file in digests}
    return _Heard(examples, tuple(left_out), state.hexdigest(), digests, None if "" in people else len(people))


def _check_enough(heard: _Heard, *, allow_ungrouped: bool, adapts: bool) -> None:
    """As `fitting.check_enough`, and says where clips are missing because they cannot be read."""
    n_unread = len(heard.left_out)
    if not heard.examples:
        file, why = heard.left_out[0]
        raise NothingFound(f"none of the {n_unread} labelled clips could be read; the first, {file}: {why}")
    try:
        fitting.check_enough(heard.examples, allow_ungrouped=allow_ungrouped, adapts=adapts)
    except UsageError as error:
        if not n_unread:
            raise
        file, why = heard.left_out[0]
        raise UsageError(f"{error}; {n_unread} more could not be read (the first, {file}: {why})") from error


def _scores(compared: Comparison, heard: _Heard, current: Model | None) -> dict[str, Any]:
    """The figures of a card, with what must be known of them."""
    title = f"Clips held out ({heard.flatters}: these figures flatter)" if heard.flatters else "People held out"
    scores: dict[str, Any] = {
        title: {
            "about": f"Each clip judged by a fit that had not heard {'it' if heard.flatters else 'its group'}; "
            "calibration and thresholds were fitted on these same answers, so small sets look a little better than "
            "they are.",
            "figures": comparison.figures(compared.new),
        }
    }
    if compared.current is not None and current is not None:
        scores[f"The model before ({current.title}) on the same clips"] = {
            "about": compared.advice,
            "figures": comparison.figures(compared.current),
        }
    return scores


@dataclass(frozen=True, slots=True)
class _Reader:
    """A clip that is read again when asked for: a thousand of them need not fit into memory."""

    path: Path

    def __call__(self) -> tuple[npt.NDArray[np.float32], int]:
        return audio.read(self.path)
