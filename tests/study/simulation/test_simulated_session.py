"""Session folders of a simulated study: whole, repeatable, true to their plan, and marked as what they are."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from popdetect.cli import main as cli
from popdetect.cli import simulate as command
from popdetect.errors import UsageError
from popdetect.session import labelling as batch
from popdetect.session.labels import read_labels
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.journal import journal
from popdetect.study.journal.logging import log
from popdetect.study.simulation.session import simulate
from popdetect.study.simulation.study import StudyPlan, simulate_known, simulate_study
from popdetect.training.data.scenes import SceneRule

SHORT = SceneRule(duration_s=1.0, max_distractors=1)
SMALL = StudyPlan(n_patients=4, n_thrusts=10, effect=-2.0)
Capture = pytest.CaptureFixture[str]


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def of_plan(thrust: Thrust) -> tuple[object, ...]:
    """What a session folder carries of a thrust; the names of patients aside."""
    names = ("day", "label", "p_pop", "n_pops", "pain_before", "pain_after", "pain_scale", "time_point", "session_no",
             "expects_relief", "believes_pop_needed", "pop_heard_by_patient", "pop_heard_by_therapist")  # fmt: skip
    return tuple(getattr(thrust, name) for name in names)


@pytest.mark.parametrize("sound", [True, False])
def test_the_seed_gives_the_same_files(sound: bool, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        simulate(tmp_path / name, SMALL, seed=seed, sound=sound, rule=SHORT)

    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


def test_pain_follows_from_the_pops_that_are_in_the_sound(tmp_path: Path) -> None:
    made = simulate(tmp_path / "s", SMALL, seed=1, rule=SHORT)
    truths = read_labels(tmp_path / "s")
    told = read(tmp_path / "s" / "study_truth.csv")

    assert [row["file"] for row in told] == [truth.file for truth in truths]
    assert [int(row["n_pops"]) for row in told] == [len(truth.onsets_s or ()) for truth in truths]
    assert [row["label"] for row in told] == [truth.label for truth in truths]
    assert {row["effect_points"] for row in told} == {"-2.00", "0.00"}
    assert all((row["effect_points"] == "-2.00") == (row["label"] == "pop") for row in told)
    assert made.n_clips == 10
    assert made.n_pop_clips == sum(row["label"] == "pop" for row in told)


def test_sound_changes_nothing_but_the_number_of_pops(tmp_path: Path) -> None:
    plan = replace(SMALL, per_further_pop=0.0)
    simulate(tmp_path / "with", plan, seed=2, rule=SHORT)
    simulate(tmp_path / "without", plan, seed=2, sound=False)

    assert read(tmp_path / "with" / "session.csv") == read(tmp_path / "without" / "session.csv")
    assert not list((tmp_path / "without").rglob("*.wav"))


def test_labelled_and_logged_it_is_the_study_that_was_drawn(tmp_path: Path) -> None:
    plan = StudyPlan(n_patients=60, n_thrusts=300, sensitivity=0.9, specificity=0.8, missing=0.1, unjudged=0.1)
    simulate(tmp_path / "s", plan, seed=5, sound=False)
    done = log(tmp_path / "s", tmp_path / "STUDY.db")
    logged = journal.thrusts(tmp_path / "STUDY.db")
    drawn = simulate_study(plan, seed=5)

    # who was scored neither before nor after is still a line, with a patient
    assert done.clips_without_scores == done.scores_without_clips == ()
    assert sorted(map(repr, map(of_plan, logged))) == sorted(map(repr, map(of_plan, drawn)))
    assert all(thrust.simulated for thrust in logged)


def test_a_real_clip_is_judged_by_the_real_detector(tmp_path: Path) -> None:
    simulate(tmp_path / "s", SMALL, seed=1, rule=SHORT)
    batch.label(tmp_path / "s")
    log(tmp_path / "s", tmp_path / "STUDY.db")
    thrusts = journal.thrusts(tmp_path / "STUDY.db")

    assert len(thrusts) == 10
    assert {thrust.model for thrust in thrusts} != {"simulated"}
    assert all(thrust.simulated for thrust in thrusts)
    assert outcomes(thrusts).caveats[0].startswith("These thrusts are simulated")


def test_only_what_was_simulated_is_called_so(tmp_path: Path) -> None:
    thrusts = simulate_study(StudyPlan(n_patients=5), seed=1)

    assert not any("simulated:" in caveat for caveat in outcomes(thrusts).caveats)
    some = [replace(thrust, simulated=not i) for i, thrust in enumerate(thrusts)]
    assert outcomes(some).caveats[0].startswith("1 of these thrusts are simulated")


def test_the_cohort_is_as_large_as_planned_and_smaller_by_who_dropped_out() -> None:
    plan = StudyPlan(n_patients=200, n_thrusts=2001)
    known = simulate_known(plan, seed=1)
    counts = np.bincount([one.patient_number for one in known])
    # each thrust is followed by the next with probability 0.9: 6.5 of 10 on average
    fewer = len(simulate_known(replace(plan, dropout=0.1), seed=1))

    assert len(known) == 2001
    assert set(counts) == {10, 11}
    assert fewer / 200 == pytest.approx((1 - 0.9**10) / 0.1, abs=0.8)


def test_the_effect_is_the_one_that_was_asked_for() -> None:
    plan = StudyPlan(n_patients=500, n_thrusts=5000, effect=-1.0, interaction=-0.2)
    known = simulate_known(plan, seed=3)
    pops = [one for one in known if one.n_pops]

    assert {one.effect for one in known if not one.n_pops} == {0.0}
    assert {round(one.effect, 6) for one in pops} == {-0.6, -0.8, -1.0, -1.2, -1.4}
    for one in pops:
        assert one.effect == pytest.approx(-1.0 - 0.2 * ((one.thrust.believes_pop_needed or 0) - 3))
    popped, not_popped = ([o.thrust.pain_after for o in known if bool(o.n_pops) is has] for has in (True, False))
    difference = np.mean(np.array(popped, float)) - np.mean(np.array(not_popped, float))
    assert difference == pytest.approx(-1.0, abs=0.15)  # 5,000 thrusts of 500 patients: four standard errors


def test_scores_beyond_the_scale_are_counted(tmp_path: Path) -> None:
    mild = simulate(tmp_path / "mild", StudyPlan(n_patients=50, n_thrusts=500), seed=1, sound=False)
    steep = simulate(tmp_path / "steep", StudyPlan(n_patients=50, n_thrusts=500, effect=-5.0), seed=1, sound=False)

    assert mild.n_cut < 3
    assert steep.n_cut > 50
    assert json.loads((tmp_path / "steep" / "study_truth.json").read_text())["plan"]["effect"] == -5.0


@pytest.mark.parametrize("sound", [True, False])
def test_whatever_is_written_says_that_it_is_simulated(sound: bool, tmp_path: Path) -> None:
    simulate(tmp_path / "s", SMALL, sound=sound, rule=SHORT)
    told = {path.name: path.read_text() for path in (tmp_path / "s").rglob("*") if path.suffix in (".csv", ".json")}

    assert {"session.csv", "simulation.json", "study_truth.json", "study_truth.csv"} <= told.keys()
    assert ("clips.csv" in told) is ("run.json" in told) is not sound
    for name in told.keys() - {"study_truth.csv", "labels.csv"}:
        assert "simulated" in told[name], name
    truth = json.loads(told["study_truth.json"])
    assert truth["effect_at_belief_3"] == -2.0
    # with sound the detector's errors are its own: no figure is promised
    assert ("sensitivity" in truth["plan"]) is not sound


@pytest.mark.parametrize(
    ("plan", "options", "words"),
    [
        (StudyPlan(n_patients=1, n_thrusts=201), {}, "at most 200"),
        (StudyPlan(n_patients=1, thrusts_per_patient=300), {}, "at most 200"),
        (SMALL, {"seed": -1}, "at least 0"),
        (SMALL, {"sound": False, "sounds": Path("x")}, "without sound"),
        (SMALL, {"role": "train"}, "--sounds"),
        (SMALL, {"sounds": Path("nowhere")}, "MANIFEST.csv"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    plan: StudyPlan, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        simulate(tmp_path / "s", plan, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_in_it_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "session.csv").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        simulate(tmp_path, SMALL, sound=False)
    assert files(tmp_path) == {"session.csv": b"mine"}


# --- as a command ---------------------------------------------------------------------------------------------------


def run(capsys: Capture, *args: object) -> tuple[int, str, str]:
    code = cli.main([*map(str, args)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_says_what_is_true_and_how_to_go_on(tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "s"
    asked = ("--study", "--clips", 6, "--patients", 3, "--seconds", 1, "--effect", -1.5, "--interaction", 0.1)
    code, out, err = run(capsys, "simulate", folder, *asked)

    assert (code, err) == (0, "")
    assert f"{folder}: 6 thrusts of 3 patients" in out
    assert "true effect of a pop: -1.5 NPRS points" in out
    assert "they are not clinical results" in out
    assert f"popdetect label {folder}" in out
    assert run(capsys, "simulate", tmp_path / "t", *asked, "--quiet") == (0, "", "")


def test_a_cohort_without_sound_goes_straight_into_a_journal(tmp_path: Path, capsys: Capture) -> None:
    asked = ("--study", "--no-sound", "--clips", 400, "--patients", 80, "--effect", 1, "--sensitivity", 0.9,
             "--specificity", 0.9, "--dropout", 0.05, "--missing", 0.05)  # fmt: skip
    code, out, _ = run(capsys, "simulate", tmp_path / "s", *asked, "--json")
    made = json.loads(out)
    assert code == 0
    assert made["simulated"] is True
    assert made["effect_points"] == 1
    assert made["sound"] is False
    assert 250 < made["clips"] < 400
    assert run(capsys, "log", tmp_path / "s", "--journal", tmp_path / "p.db", "--quiet")[0] == 0
    code, out, _ = run(capsys, "outcomes", tmp_path / "p.db")
    assert code == 0
    assert "higher" in out
    assert "simulated" in out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--effect", "-1"], "--effect needs --study"),
        (["--no-sound"], "--no-sound needs --study"),
        (["--dropout", "0.1"], "--dropout needs --study"),
        (["--study", "--sensitivity", "0.9"], "--sensitivity needs --no-sound"),
        (["--study", "--effect", "-4"], "a number from -3 to 3"),
        (["--study", "--expectation", "1"], "a number from -0.5 to 0.5"),
        (["--study", "--interaction", "2"], "a number from -1 to 1"),
        (["--study", "--dropout", "1.1"], "a number from 0 to 1"),
        (["--study", "--pop-share", "0"], "needs both kinds"),
        (["--study", "--clips", "5", "--patients", "6"], "each needs at least one"),
        (["--study", "--no-sound", "--sounds", "x"], "without sound"),
    ],
)
def test_wrong_use_is_refused(args: list[str], words: str, tmp_path: Path, capsys: Capture) -> None:
    code, out, err = run(capsys, "simulate", tmp_path / "s", *args)

    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_defaults_come_from_the_library() -> None:
    asked, plan = cli.build_parser().parse_args(["simulate", "x"]), StudyPlan()

    for name in ("effect", "expectation", "interaction", "dropout", "missing", "sensitivity", "specificity"):
        assert getattr(asked, name) == getattr(plan, name), name
    command.check_options(asked)  # the defaults alone ask for nothing
