"""Thrusts or sessions as the unit of analysis, time points, and answers that a patient gave once."""

from dataclasses import replace

import numpy as np
import pytest
from outcome_fakes import study, thrust

from popdetect.errors import UsageError
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.analysis.units import units_of
from popdetect.study.report.text import as_text


def session(patient: str, labels: list[str], before: float, after: float, **more: object) -> list[Thrust]:
    """A session of several thrusts with one pair of scores, copied to each line."""
    rows = [
        thrust(label, before, after, patient=patient, session=patient, session_no=1, thrust_no=i + 1, file=f"{i}.wav")
        for i, label in enumerate(labels)
    ]
    return [replace(row, **more) for row in rows]  # type: ignore[arg-type]


def sessions(seed: int, effect: float, n: int = 40) -> list[list[Thrust]]:
    """Patients with one session of three thrusts; a session in which a thrust pops changes pain by `effect`."""
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        labels = ["pop" if rng.random() < 0.3 else "no_pop" for _ in range(3)]
        before = float(np.rint(rng.normal(6, 1)))
        after = float(np.clip(np.rint(before - 1 + effect * ("pop" in labels) + rng.normal(0, 1)), 0, 10))
        made.append(session(f"p{i}", labels, before, after))
    return made


def ends_only(rows: list[Thrust]) -> list[Thrust]:
    """Pain before on the first line only, pain after on the last only."""
    last = len(rows) - 1
    return [
        replace(row, pain_before=row.pain_before if i == 0 else None, pain_after=row.pain_after if i == last else None)
        for i, row in enumerate(rows)
    ]


@pytest.mark.parametrize("written", [list, ends_only])
def test_pain_of_a_session_is_analysed_by_session(written: object) -> None:
    """As thrusts this study had an interval of width 0 and "equivalence", with a true difference of -1.5."""
    rows = [row for own in sessions(1, -1.5) for row in written(own)]  # type: ignore[operator]
    found = outcomes(rows)

    assert found.unit == "session"
    assert found.n_thrusts == found.n_patients == 40
    assert found.main.estimate.low is not None
    assert found.main.estimate.low < -1.5 < (found.main.estimate.high or 0) < 0
    assert found.equivalence.conclusion == "difference"
    assert "The sessions are compared, not the single thrusts" in " ".join(as_text(found).split())


def test_both_ways_of_writing_a_session_give_the_same_figures() -> None:
    copied = outcomes([row for own in sessions(1, -1.5) for row in own])
    ends = outcomes([row for own in sessions(1, -1.5) for row in ends_only(own)])

    assert (ends.main, ends.groups, ends.responders) == (copied.main, copied.groups, copied.responders)


def test_one_pair_of_scores_per_patient_never_shows_equivalence_by_copying() -> None:
    """Chosen by hand, the thrust as the unit is refused: nothing varies within patients."""
    rows = [row for own in sessions(2, -1.5) for row in own]
    found = outcomes(rows, unit="thrust")

    assert found.equivalence.conclusion is None
    assert "copied" in found.main.estimate.why_not


def test_a_session_is_a_pop_if_any_thrust_popped() -> None:
    cases = (
        (["no_pop", "pop", "uncertain"], "pop"),
        (["no_pop", "no_pop"], "no_pop"),
        (["no_pop", "uncertain"], "uncertain"),
        (["no_pop", None], "uncertain"),
        ([None, None], None),
    )
    for labels, label in cases:
        (one,) = units_of(session("p", labels, 6, 4)).rows  # type: ignore[arg-type]
        assert one.label == label
    rows = [
        replace(row, n_pops=n) for row, n in zip(session("p", ["pop", "pop", "no_pop"], 6, 4), (2, 3, 0), strict=True)
    ]
    (one,) = units_of(rows).rows
    assert (one.n_pops, one.pain_before, one.pain_after) == (5, 6, 4)


def test_thrusts_with_scores_of_their_own_stay_thrusts() -> None:
    rows = session("p", ["pop", "no_pop", "pop"], 6, 4)
    own = [replace(row, pain_before=6.0 - i, pain_after=5.0 - i) for i, row in enumerate(rows)]
    thrusts = study()

    assert units_of(own).unit == "thrust"
    assert units_of(own).rows == tuple(own)
    assert outcomes(thrusts).unit == "thrust"
    assert units_of(own, "session").rows[0].pain_after == 3.0
    # more than half of the sessions decide
    mixed = [*own, *session("q", ["pop", "no_pop"], 5, 3), *session("r", ["pop", "no_pop"], 5, 3)]
    assert units_of(mixed).unit == "session"


def test_what_a_patient_was_asked_once_counts_for_all_thrusts() -> None:
    thrusts = [replace(t, expects_relief=t.expects_relief if t.session_no == 1 else None) for t in study(missing=0)]
    whole = outcomes(study(missing=0))
    found = outcomes(thrusts)

    assert found.main == whole.main
    assert "the answer that the patient gave on another line" in " ".join(found.caveats)
    assert not any("another line" in caveat for caveat in whole.caveats)


def test_a_new_answer_replaces_the_old_one_from_then_on() -> None:
    given = (None, 3.0, None, 8.0, None)
    rows = [thrust(patient="a", day=i, expects_relief=value) for i, value in enumerate(given)]

    assert [t.expects_relief for t in units_of(rows).rows] == [3.0, 3.0, 3.0, 8.0, 8.0]
    assert units_of(rows).n_carried == 3


def test_the_time_point_with_most_scores_is_chosen() -> None:
    rows = [thrust(time_point="now"), thrust(time_point="week"), thrust(time_point="week", patient="q"), thrust()]
    found = units_of(rows)

    assert found.time_point == "week"
    assert {row.time_point for row in found.rows} == {"week", ""}
    assert list(found.other_time_points) == ["now"]
    with pytest.raises(UsageError, match="there are week, now"):
        units_of(rows, time_point="month")
