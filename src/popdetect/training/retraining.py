"""From one's own labelled clips to one's own bundle: what `popdetect train` does."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from popdetect.detection.audio import recording as audio
from popdetect.detection.model.bundle import Model
from popdetect.errors import AudioError, NothingFound, UsageError
from popdetect.session.labels import Truth
from popdetect.training.data.answers import FROM_REVIEW
from popdetect.training.data.examples import Example, OnProgress
from popdetect.training.evaluation import comparison, label_issues, learning_curve
from popdetect.training.evaluation.comparison import Comparison
from popdetect.training.evaluation.label_issues import LabelIssue
from popdetect.training.evaluation.learning_curve import LearningCurve
from popdetect.training.evaluation.scores import card_figures
from popdetect.training.models import bundle_files, card, fitting
from popdetect.training.models.candidate_filter import CandidateFinder
from popdetect.training.models.fitting import Fitted
from popdetect.training.models.replay import Replay


@dataclass(frozen=True, slots=True)
class Retrained:
    """The result of `train`.

    Attributes
    ----------
    model : Model
        As written to `out` and read back.
    selection : list of dict
        The classifiers that were compared, the chosen one first.
    left_out : tuple of (str, str)
        Files that could not be used, and why.
    counts : dict of str to int
        Clips that were ``learned_from``, ``uncertain`` clips that were left out, and ``unmarked`` pop clips.
    label_issues : tuple of LabelIssue
        Clips whose label contradicts a confident held-out answer.
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
    """Fit a model to labelled clips; write its bundle with card and scores.

    The same labels, clips and seed give the same bundle, byte for byte.

    Parameters
    ----------
    truths : sequence of Truth
        Clips labelled ``uncertain`` are left out.
    out : Path
        Folder of the bundle; must not exist unless `force`.
    current : Model or None
        Finds the pops in pop clips without marked onsets; the new model is compared with it.
    replay : Replay, optional
        Replay rows of the current model: it is adapted. Without them a new model is fitted to the clips alone.
    origin : (Model, Replay), optional
        Adapted instead of the current model if that one was trained on some of these clips: its adaptation could not
        be tested on people whose clips it was not trained on.
    own_controls : sequence of Path
        Own recordings without pops, added to the negative controls.
    with_curve : bool
        Compute the learning curve, which takes as long as a dozen trainings.
    allow_ungrouped : bool
        Accept clips without a `patient_id`, or all of one patient: then every clip is its own group, and the figures
        are too high.

    Raises
    ------
    UsageError
        Too few clips or pops, or no patients; says what is needed.
    NothingFound
        None of the clips could be read.
    """
    on_progress = on_progress or (lambda *_: None)
    bundle_files.check_target(out, force=force)
    usable = sorted((truth for truth in truths if truth.label != "uncertain"), key=lambda truth: truth.file)
    if not usable:
        raise UsageError(f"{len(truths)} clips, none labelled pop or no_pop; there is nothing to train on")
    if not allow_ungrouped:
        _check_patients(usable)
    clips = _read(usable)
    examples = clips.examples
    known = card.known_digests(current)
    base = current
    if origin is not None and replay is not None and not known.isdisjoint(clips.digests.values()):
        base, replay = origin
    _check_enough(clips, allow_ungrouped=allow_ungrouped, adapts=replay is not None)
    fitted = fitting.fit(
        examples, name=name, version=version, seed=seed, base=base, replay=replay, on_progress=on_progress
    )
    compared = comparison.compare(
        fitted,
        examples,
        current,
        seed=seed,
        seen=[file for file, digest in clips.digests.items() if digest in known],
        caveat=clips.caveat,
        own_controls=own_controls,
    )
    curve = None
    if with_curve:
        same_filter = current if current is base else None
        refit = _refit(fitted, base, replay, seed)
        curve = learning_curve.compute(
            examples, fitted.candidates, refit, same_filter, seed=seed, on_progress=on_progress
        )
    issues = label_issues.find(fitted, examples, comparison.held_out(fitted, examples))
    selection = card.selection_table(fitted)
    n_pop = sum(example.is_pop for example in examples)
    typical_s = float(np.median(fitted.candidates.durations_s))
    n_unmarked = sum(example.is_pop and example.onsets_s is None for example in examples)
    facts = {
        **card.own_statements(len(examples), n_pop, clips.n_people, typical_s),
        "provenance": {
            "command": "popdetect train",
            "clips": f"{len(examples)} labelled clips, {n_pop} with pops",
            "groups": len({example.group for example in examples}),
            "marked_pops": int(sum(len(example.onsets_s or ()) for example in examples)),
            "clips_without_marks": n_unmarked,
            "seed": seed,
            "sha256_of_labels_and_clips": clips.digest,
            card.DIGESTS_KEY: " ".join(sorted(set(clips.digests.values()))),
            "pointed_out_by": base.title if base is not None else "nobody",
            "first_look_of": base.title if base is not None else "these clips",
            **({"adapted_from": f"{base.title}, sha256 {base.sha256}"} if base and replay else {}),
            "libraries": card.versions(),
            "guard_false_pops_per_minute": round(compared.controls_new.per_min, 3),
        },
        "advice": compared.advice,
        "scores": _scores(compared, clips, current),
        "contest": selection,
        **({"learning_curve": curve.to_dict()} if curve else {}),
    }
    model = bundle_files.write(fitted, out, facts, replay=replay, force=force)
    counts = {"learned_from": len(examples), "uncertain": len(truths) - len(usable), "unmarked": n_unmarked}
    return Retrained(model, out, compared, selection, clips.left_out, counts, issues, curve)


def _check_patients(truths: Sequence[Truth]) -> None:
    """Require a patient for each clip."""
    nameless = [truth.file for truth in truths if not truth.patient_id]
    if not nameless:
        return
    if any(truth.extra.get(FROM_REVIEW) for truth in truths):
        where = (
            "a session.csv beside the clips (popdetect log --init DIR) has a column patient_id, which keeps the clips "
            "of a person"
        )
        consequence = "accepts that, and tests on whole sessions at best"
    else:
        where, consequence = "a column patient_id keeps the clips of a person", "accepts that"
    raise UsageError(
        f"{len(nameless)} of {len(truths)} clips name no patient (first: {nameless[0]}); {where} on one side of the "
        f"train/test split. Without it the figures are too high: --allow-ungrouped {consequence}"
    )


def _refit(fitted: Fitted, base: Model | None, replay: Replay | None, seed: int) -> learning_curve.FitFunction:
    """Return a function that fits the same kind of model to some of the clips."""
    return partial(
        fitting.fit_candidates, finder=CandidateFinder.of(fitted.model), name="part", version="0", seed=seed,
        strategies=[fitted.selection[0].strategy], base=base, replay=replay, negatives=fitted.negatives,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Clips:
    """The labelled clips that can be read, those that cannot, and digests.

    `digest` is of all labels and samples, `digests` of each clip. `n_people` is None if some clips name no patient.
    """

    examples: list[Example]
    left_out: tuple[tuple[str, str], ...]
    digest: str
    digests: dict[str, str]
    n_people: int | None

    @property
    def not_grouped(self) -> str:
        """Why held-out figures are too high; empty if whole people were held out."""
        if self.n_people is None:
            return "people unknown"
        return "one person only" if self.n_people == 1 else ""

    @property
    def caveat(self) -> str:
        """The same for the advice."""
        if not self.not_grouped:
            return ""
        are = "are" if self.n_people == 1 else "may be"
        return (
            f"{self.not_grouped}: clips of one person {are} on both sides of the split, so these figures are too high"
        )


def _read(truths: Sequence[Truth]) -> _Clips:
    examples, left_out, digests = [], [], {}
    sessions = {truth.extra.get("group", "") for truth in truths if truth.extra.get(FROM_REVIEW)} - {""}
    # without patients, whole sessions are held out, if there are enough of them
    session_groups = {name: f"session {name}" for name in sessions} if len(sessions) >= fitting.MIN_GROUPS else {}
    state = hashlib.sha256()
    for truth in truths:
        try:
            samples, rate_hz = audio.read(truth.path)
        except AudioError as error:
            left_out.append((truth.file, str(error)))
            continue
        state.update(repr((truth.file, truth.label, truth.onsets_s, truth.patient_id)).encode())
        state.update(samples.tobytes())
        digests[truth.file] = card.clip_digest(samples, rate_hz)
        group = truth.patient_id or session_groups.get(truth.extra.get("group", ""), f"clip {truth.file}")
        sound = partial(audio.read, truth.path)  # read again at each call: a thousand clips would not fit in memory
        examples.append(Example(truth.file, group, truth.label == "pop", truth.onsets_s, sound))
    people = {truth.patient_id for truth in truths if truth.file in digests}
    return _Clips(examples, tuple(left_out), state.hexdigest(), digests, None if "" in people else len(people))


def _check_enough(clips: _Clips, *, allow_ungrouped: bool, adapts: bool) -> None:
    """As `fitting.check_enough`; the error also names clips that cannot be read."""
    n_unread = len(clips.left_out)
    if not clips.examples:
        file, why = clips.left_out[0]
        raise NothingFound(f"none of the {n_unread} labelled clips could be read; the first, {file}: {why}")
    try:
        fitting.check_enough(clips.examples, allow_ungrouped=allow_ungrouped, adapts=adapts)
    except UsageError as error:
        if not n_unread:
            raise
        file, why = clips.left_out[0]
        raise UsageError(f"{error}; {n_unread} more could not be read (the first, {file}: {why})") from error


def _scores(compared: Comparison, clips: _Clips, current: Model | None) -> dict[str, Any]:
    """Return the figures of the card, with their limitations."""
    title = (
        f"Clips held out ({clips.not_grouped}: these figures are too high)" if clips.not_grouped else "People held out"
    )
    scores: dict[str, Any] = {
        title: {
            "about": f"Each clip was tested with a fit without {'it' if clips.not_grouped else 'its group'}. "
            "Calibration and thresholds were fitted on the same answers, so figures of small sets are a little too "
            "high.",
            "figures": card_figures(compared.new),
        }
    }
    if compared.current is not None and current is not None:
        scores[f"The model before ({current.title}) on the same clips"] = {
            "about": compared.advice,
            "figures": card_figures(compared.current),
        }
    return scores
