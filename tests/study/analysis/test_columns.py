"""Thrusts as columns: units, missing cells, order, the pain scale, and who is left out for which reason."""

import numpy as np
import pytest
from outcome_fakes import thrust

from popdetect.errors import UsageError
from popdetect.study.analysis.columns import columns_of, complete, decided, has, scale_of, scored


def test_each_cell_lands_in_its_column() -> None:
    one = thrust(
        "no_pop",
        60,
        35,
        pain_scale="VAS100",
        expects_relief=7,
        believes_pop_needed=2,
        n_pops=0,
        thrust_speed=1.5,
        thrust_speed_unit="m/s",
        pop_heard_by_patient="yes",
        pop_heard_by_therapist="unsure",
        thrust_no=2,
        therapist="t1",
        own={"room": "3", "course": "a"},
    )
    made = columns_of([one], "VAS100", ("therapist", "room", "course"))

    numbers = (made.before, made.after, made.expects, made.belief, made.n_pops, made.speed)
    assert [column.tolist() for column in numbers] == [[6.0], [3.5], [7.0], [2.0], [0.0], [1.5]]
    words = (made.label, made.by_patient, made.by_therapist, made.speed_unit, made.thrust_no)
    assert [column.tolist() for column in words] == [["no_pop"], ["yes"], ["unsure"], ["m/s"], ["2"]]
    assert {name: column.tolist() for name, column in made.more.items()} == {
        "therapist": ["t1"],
        "room": [3.0],
        "course": ["a"],
    }
    assert len(made) == 1


def test_missing_cells_are_nan_or_empty() -> None:
    made = columns_of([thrust(None, None, None)], "NPRS")

    numbers = (made.before, made.after, made.expects, made.belief, made.n_pops, made.speed)
    assert all(np.isnan(column).all() for column in numbers)
    words = (made.label, made.by_patient, made.by_therapist, made.speed_unit, made.thrust_no)
    assert [column.tolist() for column in words] == [[""]] * 5
    assert has(np.array([1.0, np.nan])).tolist() == [True, False]


def test_rows_are_sorted_by_value_within_patients_that_are_sorted_by_value() -> None:
    made = columns_of(
        [thrust(before=7, patient="a"), thrust(before=5, patient="z"), thrust(before=3, patient="a")], "NPRS"
    )

    assert made.before.tolist() == [3.0, 7.0, 5.0]
    assert made.patient.tolist() == [0, 0, 1]
    assert len(columns_of([], "NPRS")) == 0


def test_only_thrusts_of_the_scale_are_taken() -> None:
    both = [thrust(before=6, patient="a"), thrust(before=60, patient="b", pain_scale="VAS100")]

    assert columns_of(both, "NPRS").before.tolist() == [6.0]
    assert columns_of(both, "VAS100").before.tolist() == [6.0]


def test_verdicts_are_selected() -> None:
    made = columns_of([thrust(label, patient=str(label)) for label in ("pop", "no_pop", "uncertain", None)], "NPRS")
    verdict = {label: (pop, sure) for label, pop, sure in zip(made.label, made.is_pop, made.decided, strict=True)}

    assert verdict == {"pop": (True, True), "no_pop": (False, True), "uncertain": (False, False), "": (False, False)}
    assert made.take(made.decided).label.tolist() == ["no_pop", "pop"]


def test_a_thrust_is_left_out_for_the_first_reason_that_applies() -> None:
    rows = [
        thrust("pop", 6, 4),
        thrust(None, None, None),
        thrust("uncertain", None, 4),
        thrust("uncertain", 6, 4),
        thrust("pop", None, None),
        thrust("no_pop", 6, None),
        thrust("no_pop", 5, None),
        thrust("no_pop", 4, None),
    ]
    columns = columns_of(rows, "NPRS")
    kept, left_out = complete(*decided(columns), *scored(columns))

    assert kept.sum() == 1
    assert left_out == {"clip could not be judged": 1, "verdict uncertain": 2, "no pain before": 1, "no pain after": 3}
    assert complete(*decided(columns.take(kept)))[1] == {}


def test_the_scale_is_that_of_the_thrusts() -> None:
    nprs, vas = thrust(), thrust(pain_scale="VAS100")

    assert scale_of([]) == "NPRS"
    assert scale_of([vas, vas]) == "VAS100"
    assert scale_of([], "VAS100") == "VAS100"
    assert scale_of([vas, nprs], "VAS100") == "VAS100"
    refusals = (
        ([vas, nprs, vas], None, "two pain scales in one comparison: 1 on NPRS and 2 on VAS100; they cannot be mixed, "
         "choose one of them"),
        ([nprs], "VAS100", "scale VAS100: no thrust was scored on it; the journal has 1 on NPRS"),
        ([], "inches", "scale 'inches': allowed are NPRS and VAS100"),
    )  # fmt: skip
    for thrusts, scale, message in refusals:
        with pytest.raises(UsageError) as refused:
            scale_of(thrusts, scale)  # type: ignore[arg-type]
        assert str(refused.value) == message


def test_codes_of_therapists_are_words_and_unknown_columns_are_refused() -> None:
    rows = [thrust(patient=f"p{i}", therapist=str(i % 2 + 1), own={"dose": "" if i else "0,5"}) for i in range(4)]
    made = columns_of(rows, "NPRS", ("therapist", "dose"))

    assert sorted(made.more["therapist"].tolist()) == ["1", "1", "2", "2"]
    assert has(made.more["dose"]).sum() == 1
    assert np.nanmax(made.more["dose"].astype(float)) == 0.5
    with pytest.raises(UsageError, match=r"adjust 'shoe': no such column; there are therapist, .* dose"):
        columns_of(rows, "NPRS", ("shoe",))


def test_sessions_of_a_patient_are_told_apart() -> None:
    rows = [thrust(before=b, patient=p, session=s) for p, s, b in (("a", "x", 3), ("a", "y", 4), ("b", "x", 5))]
    rows.append(thrust(before=9, patient="a", session="x"))
    made = columns_of(rows, "NPRS")

    assert made.before.tolist() == [3.0, 9.0, 4.0, 5.0]
    assert made.session.tolist() == [0, 0, 1, 2]
    assert made.patient.tolist() == [0, 0, 0, 1]
