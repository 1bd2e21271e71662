"""Write a simulated session folder with known clips, pain scores and true effect.

With sound, clips are mixed first, and pain follows from the pops that are truly in them; `popdetect label` then judges
the clips with the errors of the real detector. Without sound, the verdicts are drawn with the errors of the plan and
written as ``popdetect/clips.csv``, so that cohorts of thousands can be logged.

Each thrust is a visit a week after the one before. The truth is in two files: ``study_truth.csv`` has it clip by clip,
``study_truth.json`` the plan behind it. A column of ``session.csv`` marks every line as simulated, and
the journal keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from popdetect import __version__
from popdetect.errors import UsageError
from popdetect.session.clips import LabelledClip
from popdetect.session.files import OUT_NAME, write_text
from popdetect.session.labels import Truth
from popdetect.session.session import Session
from popdetect.session.tables import Row, csv_text
from popdetect.study.analysis.thrusts import SIMULATED
from popdetect.study.fields import session_fields
from popdetect.study.journal.session_table import NAME
from popdetect.study.simulation.study import SIMULATED_MODEL, Known, StudyPlan, simulate_known
from popdetect.training.data import simulated_sessions as sessions
from popdetect.training.data.scenes import SceneRule

TRUTH_TABLE, TRUTH = "study_truth.csv", "study_truth.json"
TRUTH_COLUMNS = ("file", "patient_id", "label", "n_pops", "effect_points")
MOST_VISITS = 200  # of a patient: four years
NOTE = "simulated: nothing in this folder was heard, asked or felt by anybody"

_FIRST_VISIT = date(2000, 1, 3)
_COLUMNS = (*(column for column in session_fields() if column != "notes"), SIMULATED)


@dataclass(frozen=True, slots=True)
class SimulatedStudy:
    """A simulated session that was written.

    Attributes
    ----------
    n_clips : int
        Fewer than planned if patients dropped out.
    effect : float
        True effect of a pop at belief 3, in NPRS points.
    mean_effect : float or None
        Mean over the thrusts with a pop; None if there are none.
    n_cut : int
        Thrusts whose pain after was limited to an end of the scale, which reduces effects.
    """

    folder: Path
    n_clips: int
    n_pop_clips: int
    n_pops: int
    n_patients: int
    has_sound: bool
    effect: float
    mean_effect: float | None
    n_cut: int


def simulate(
    folder: Path,
    plan: StudyPlan | None = None,
    *,
    seed: int = 0,
    sound: bool = True,
    rule: SceneRule | None = None,
    sounds: Path | None = None,
    role: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> SimulatedStudy:
    """Write a session folder with ``session.csv`` and the truth; the same arguments give the same files.

    Parameters
    ----------
    folder : Path
        Must not exist or be empty.
    plan : StudyPlan, optional
        True values. With sound, `sensitivity`, `specificity`, `uncertain` and `unjudged` are those of the real
        detector.
    seed : int ≥ 0
    sound : bool
        Mix clips, to be labelled; else draw verdicts by the plan, ready to be logged.
    rule : SceneRule, optional
        How clips are mixed; the plan decides which of them hold pops.
    sounds : Path, optional
        Mix the recordings of this folder, which has a ``MANIFEST.csv``.
    role : str, optional
        Only recordings of this role.

    Raises
    ------
    UsageError
        More than `MOST_VISITS` thrusts of a patient, options that contradict each other, or no place to write.
    """
    plan = plan or StudyPlan()
    n_each = plan.thrusts_per_patient if plan.n_thrusts is None else plan.n_thrusts / plan.n_patients
    if n_each > MOST_VISITS:
        raise UsageError(
            f"{n_each:g} thrusts for each patient; at most {MOST_VISITS} are allowed, as each is a weekly visit: name "
            "more patients"
        )
    if seed < 0:
        raise UsageError(f"seed {seed}: at least 0 is allowed")
    if not sound and sounds is not None:
        raise UsageError("a study without sound has no recordings to mix; leave out one of the two")
    if role is not None and sounds is None:
        raise UsageError("a role chooses among recorded sounds; name their folder with --sounds")
    about = {"popdetect_version": __version__, "simulated": True, "note": NOTE, "seed": seed}
    about |= {"n_patients": plan.n_patients, "plan": asdict(plan)}
    with sessions.drafted(folder) as draft:
        if sound:
            known = _with_sound(draft, plan, seed, rule or SceneRule(), sounds, role, about, on_progress)
        else:
            known = simulate_known(plan, seed=seed)
            run = about | {"judged_by": "chance, as planned"}
            Session(
                draft, draft / OUT_NAME, tuple(map(_clip, count(), known)), run, has_events=False, has_bursts=False
            ).write()
            write_text(draft / sessions.PARAMETERS, _json(about))
        effects = [one.effect for one in known if one.n_pops]
        made = SimulatedStudy(
            folder=folder,
            n_clips=len(known),
            n_pop_clips=len(effects),
            n_pops=sum(one.n_pops for one in known),
            n_patients=plan.n_patients,
            has_sound=sound,
            effect=plan.effect,
            mean_effect=round(float(np.mean(effects)), 4) if effects else None,
            n_cut=sum(one.is_cut for one in known),
        )
        write_text(draft / NAME, csv_text(_COLUMNS, map(_score_row, known)))
        write_text(draft / TRUTH_TABLE, csv_text(TRUTH_COLUMNS, map(_truth_row, known)))
        unused = (
            ("sensitivity", "specificity", "uncertain", "unjudged") if sound else ()
        )  # the real detector has its own
        truth = {
            "plan": {name: value for name, value in asdict(plan).items() if name not in unused},
            "units": "effects in NPRS points of pain after; negative relieves",
            "sound": sound,
            "effect_at_belief_3": plan.effect,
            "effect_per_point_of_belief": plan.interaction,
            "effect_per_point_of_expectation": plan.expectation,
            "mean_effect_of_the_pops": made.mean_effect,
            "n_clips": made.n_clips,
            "n_clips_with_pops": made.n_pop_clips,
            "n_pops": made.n_pops,
            "n_scores_cut_at_the_ends_of_the_scale": made.n_cut,
        }
        write_text(draft / TRUTH, _json(about | truth))
    return made


def _with_sound(
    draft: Path,
    plan: StudyPlan,
    seed: int,
    rule: SceneRule,
    sounds: Path | None,
    role: str | None,
    about: Mapping[str, Any],
    on_progress: Callable[[int, int], None] | None,
) -> list[Known]:
    """Mix the clips and write them with their truth; pain follows from the pops in them."""
    bank = sessions.bank_of(sounds, role)
    n_planned = plan.n_thrusts or round(plan.n_patients * plan.thrusts_per_patient)
    truths: list[Truth] = []

    def pops(patient: int, thrust_no: int, popped: bool) -> int:
        rng = np.random.default_rng([seed, 7, patient, thrust_no])
        scene = sessions.draw_scene(rng, bank, replace(rule, pop_share=float(popped)))
        truths.append(sessions.make_clip(draft, scene, patient, thrust_no))
        if on_progress:
            on_progress(len(truths), max(n_planned, len(truths)))
        return len(truths[-1].onsets_s or ())

    known = simulate_known(plan, seed=seed, pops=pops)
    if on_progress:  # patients who dropped out have no further clips
        on_progress(len(truths), len(truths))
    how = {"rule": asdict(replace(rule, pop_share=plan.pop_share)), "role": role}
    how["sounds"] = "made" if sounds is None else "recorded"
    sessions.write_truth(draft, truths, {**about, **how, "note_on_sound": sessions.NOTE})
    return known


def _file(known: Known) -> str:
    return sessions.clip_file(known.patient_number, known.thrust.session_no or 1)


def _truth_row(known: Known) -> Row:
    label = "pop" if known.n_pops else "no_pop"
    cells = (
        _file(known),
        sessions.patient_name(known.patient_number),
        label,
        str(known.n_pops),
        f"{known.effect:z.2f}",
    )
    return dict(zip(TRUTH_COLUMNS, cells, strict=True))


def _score_row(known: Known) -> Row:
    visit = _FIRST_VISIT + timedelta(days=known.thrust.day)
    cells = {"file": _file(known), "patient_id": sessions.patient_name(known.patient_number), "date": str(visit)}
    cells[SIMULATED] = "yes"
    for column in _COLUMNS:
        value = cells.get(column, getattr(known.thrust, column, None))
        cells[column] = "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return cells


def _clip(number: int, known: Known) -> LabelledClip:
    thrust = known.thrust
    status, error = ("ok", "") if thrust.label else ("unreadable", "simulated: as if it could not be read")
    return LabelledClip(
        number, _file(known), status, thrust.label or "", thrust.p_pop, thrust.n_pops, error=error,
        model=SIMULATED_MODEL, popdetect_version=__version__,
    )  # fmt: skip


def _json(made: Mapping[str, Any]) -> str:
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"
