"""Laws of the outcomes: what must not matter does not, what the data cannot carry is not said, and how it is said."""

import json
import math
import re
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outcome_fakes import one_each, study, thrust

from popdetect.errors import UsageError
from popdetect.records import to_json
from popdetect.study.analysis.outcomes import ALWAYS, Outcomes, outcomes
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.report.sentences import sentences, verdict
from popdetect.study.report.text import as_text

COUNTS: dict[str, Any] = {"sensitivity": (295, 323), "specificity": (234, 277)}


@pytest.fixture(scope="module")
def thrusts() -> list[Thrust]:
    return study(seed=4, missing=0.04, unjudged=0.03, speed=0.4, interaction=-0.2, sensitivity=0.92, specificity=0.85)


@pytest.fixture(scope="module")
def found(thrusts: list[Thrust]) -> Outcomes:
    return outcomes(thrusts, **COUNTS)


def test_order_does_not_matter(thrusts: list[Thrust], found: Outcomes) -> None:
    mixed = [thrusts[i] for i in np.random.default_rng(0).permutation(len(thrusts))]

    assert outcomes(mixed, **COUNTS) == found


def test_names_do_not_matter(thrusts: list[Thrust], found: Outcomes) -> None:
    names = sorted({t.patient for t in thrusts})
    other = dict(zip(names, np.random.default_rng(1).permutation(len(names)), strict=True))
    renamed = [replace(t, patient=f"x{other[t.patient]}", file=f"{i}.wav", session="y") for i, t in enumerate(thrusts)]

    assert outcomes(renamed, **COUNTS) == found


def test_vas_is_nprs_times_ten(thrusts: list[Thrust], found: Outcomes) -> None:
    tens = {"pain_scale": "VAS100"}
    vas = [replace(t, pain_before=times(t.pain_before), pain_after=times(t.pain_after), **tens) for t in thrusts]
    other = outcomes(vas, **COUNTS)

    assert other.scale == "VAS100"
    assert other.main.estimate == found.main.estimate.scaled(10)
    assert other.main.df == found.main.df
    assert other.dilution.corrected.high == pytest.approx(10 * (found.dilution.corrected.high or math.nan))
    assert other.equivalence.margin == 10
    assert other.equivalence.p == pytest.approx(found.equivalence.p)
    assert other.equivalence.conclusion == found.equivalence.conclusion
    assert other.power.thrusts_for_margin == found.power.thrusts_for_margin
    assert other.responders == found.responders
    assert other.hedges_g.low == pytest.approx(found.hedges_g.low)
    assert [g.mean_before for g in other.groups] == pytest.approx([times(g.mean_before) for g in found.groups])


def times(score: float | None) -> float | None:
    return None if score is None else 10 * score


def test_uncertain_clips_change_no_figure_of_pop_and_no_pop(thrusts: list[Thrust], found: Outcomes) -> None:
    odd = [thrust("uncertain", 9, 1, patient=thrusts[i].patient, n_pops=i % 3) for i in range(8)]
    other = outcomes(thrusts + odd, **COUNTS)

    def estimates(o: Outcomes) -> list[Any]:
        made = (o.main, *o.others, o.dose.per_pop, o.belief.interaction)
        return [m.estimate for m in made] + [o.hedges_g, o.dilution, o.prevalence, o.equivalence, o.power]

    assert estimates(other) == estimates(found)
    assert other.groups[:2] == found.groups[:2]
    assert other.groups[2].n_thrusts == found.groups[2].n_thrusts + 8
    assert other.main.left_out is not None
    assert found.main.left_out is not None
    assert other.main.left_out["verdict uncertain"] == found.main.left_out["verdict uncertain"] + 8
    assert [pair.n for pair in other.agreement] == [pair.n for pair in found.agreement]


def test_swapping_pop_and_no_pop_turns_the_sign(thrusts: list[Thrust]) -> None:
    swap = {"pop": "no_pop", "no_pop": "pop"}
    turned = outcomes([replace(t, label=swap.get(t.label or "", t.label), n_pops=None) for t in thrusts])  # type: ignore[arg-type]
    plain = outcomes(thrusts)

    assert turned.main.estimate.value == pytest.approx(-(plain.main.estimate.value or math.nan), abs=1e-5)
    assert turned.hedges_g.value == pytest.approx(-(plain.hedges_g.value or math.nan))


def test_every_thrust_is_used_or_left_out_for_a_named_reason(thrusts: list[Thrust], found: Outcomes) -> None:
    every = [found.main, *found.others, found.dose.per_pop, found.belief.interaction]
    assert found.speed is not None
    for made in [*every, found.speed.difference]:
        assert made.left_out is not None
        assert made.n + sum(made.left_out.values()) == len(thrusts)
        assert made.n == made.n_pop + made.n_no_pop
    for responders in found.responders:
        assert responders.pop.n + responders.no_pop.n + sum(responders.left_out.values()) == len(thrusts)
    for pair in found.agreement:
        assert pair.n + pair.n_unsure + pair.n_not_asked == len(thrusts)
    assert sum(group.n_thrusts for group in found.groups) + found.n_not_judged == len(thrusts)


def test_json_holds_everything_and_no_nan(found: Outcomes) -> None:
    told = json.dumps(to_json(found), allow_nan=False)

    assert json.loads(told) == to_json(found)
    assert set(to_json(found)) == set(asdict(found))


def test_the_same_seed_gives_the_same_answer(thrusts: list[Thrust], found: Outcomes) -> None:
    other = outcomes(thrusts, **COUNTS, seed=1)

    assert other.dilution.corrected.value == found.dilution.corrected.value
    assert other.dilution.corrected.low != found.dilution.corrected.low
    assert other.main == found.main


def test_mixed_scales_are_refused_or_chosen(thrusts: list[Thrust]) -> None:
    odd = [thrust(before=60, after=30, pain_scale="VAS100")]
    with pytest.raises(UsageError, match=r"two pain scales in one comparison: .* on NPRS and 1 on VAS100"):
        outcomes(thrusts + odd)
    chosen = outcomes(thrusts + odd, scale="NPRS")

    assert chosen.main == outcomes(thrusts).main
    assert chosen.n_other_scale == 1
    with pytest.raises(UsageError, match="scale VAS100: no thrust was scored on it"):
        outcomes(thrusts, scale="VAS100")
    with pytest.raises(UsageError, match="allowed are NPRS and VAS100"):
        outcomes(thrusts, scale="inches")  # type: ignore[arg-type]


def test_expectation_is_adjusted_for_only_where_it_was_asked(thrusts: list[Thrust]) -> None:
    never = outcomes([replace(t, expects_relief=None) for t in thrusts]).main
    seldom = outcomes(
        [replace(t, expects_relief=t.expects_relief if t.patient[0] < "8" else None) for t in thrusts]
    ).main

    assert never.adjusted_for == seldom.adjusted_for == ("pain before",)
    assert never.notes == ("expectation of relief was never asked, so it is not adjusted for",)
    assert re.match(r"expectation of relief is known for \d+ of \d+ thrusts only", seldom.notes[0])
    assert never.n == seldom.n


P, N = "pop", "no_pop"
LITTLE: dict[str, tuple[list[Thrust], str]] = {
    "nothing": ([], "no complete thrust"),
    "one thrust": ([thrust()], "only thrusts with a pop"),
    "one group": (one_each([(6, 4), (5, 3), (7, 5)], []), "only thrusts with a pop"),
    "the other group": (one_each([], [(6, 4), (5, 3), (7, 5)]), "only thrusts without a pop"),
    "one of a group": (one_each([(6, 4)], [(6, 4), (5, 3), (7, 6)]), "at least 2 of each"),
    "one patient": ([thrust(P if i % 2 else N, 6, 3 + i % 3) for i in range(12)], "all thrusts are of one patient"),
    "three patients": (
        [thrust(P if i % 2 else N, 5 + i % 3, 3 + i % 5, patient=f"p{i % 3}") for i in range(20)],
        "only 3 patients",
    ),
    "no pain": (one_each([(0, 0), (0, 1), (0, 0)], [(0, 0), (0, 2), (0, 0)]), "pain before was 0"),
    "all alike": (one_each([(6, 4)] * 5, [(6, 4)] * 5), "all scores are equal"),
    "no scores": (one_each([(6, 4)] * 3, [(6, 4)] * 3), ""),
    "not judged": ([replace(t, label=None) for t in one_each([(6, 4)] * 3, [])], "no complete thrust"),
    "patient is group": (
        [thrust(P, 6, i % 4, patient="a") for i in range(6)]
        + [thrust(N, 6, i % 5, patient=f"b{i % 3}") for i in range(9)],
        "one group is of a single patient",
    ),
}
LITTLE["no scores"] = ([replace(t, pain_after=None) for t in LITTLE["no scores"][0]], "no complete thrust")


@pytest.mark.parametrize("case", LITTLE)
def test_too_little_is_told_and_nothing_is_made_up(case: str) -> None:
    thrusts, reason = LITTLE[case]
    found = outcomes(thrusts, **COUNTS)

    assert found.main.estimate.value is None
    assert reason in found.main.estimate.why_not
    assert found.equivalence.conclusion is None
    assert found.power.detectable is None
    assert found.dilution.corrected.value is None
    assert "not shown either way" in verdict(found)
    assert as_text(found)
    json.dumps(to_json(found), allow_nan=False)


ANSWERS = st.sampled_from([None, "yes", "no", "unsure"])
PAIN = st.none() | st.integers(0, 10).map(float)
ANY = st.builds(
    thrust,
    st.sampled_from(["pop", "no_pop", "uncertain", None]),
    PAIN,
    PAIN,
    patient=st.sampled_from(["a", "b", "c", "d", "e"]),
    n_pops=st.none() | st.integers(0, 3),
    expects_relief=PAIN,
    believes_pop_needed=st.none() | st.integers(1, 5),
    pop_heard_by_patient=ANSWERS,
    pop_heard_by_therapist=ANSWERS,
    thrust_speed=st.none() | st.floats(-5, 500),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY, max_size=25))
def test_no_journal_crashes_it_or_makes_it_say_nonsense(journal: list[Thrust]) -> None:
    found = outcomes(journal, **COUNTS)
    told = to_json(found)

    json.dumps(told, allow_nan=False)
    for estimate in estimates_in(told):
        low, high = estimate["low"], estimate["high"]
        assert estimate["value"] is not None or estimate["why_not"]
        assert (low is None) == (high is None)
        if low is not None:
            assert low <= estimate["value"] + 1e-9
            assert estimate["value"] <= high + 1e-9
        elif estimate["value"] is not None:
            assert estimate["why_not"]
    assert outcomes(journal[::-1], **COUNTS) == found
    said_honestly(as_text(found))


def estimates_in(thing: Any) -> list[dict[str, Any]]:
    if isinstance(thing, dict):
        if {"value", "low", "why_not"} <= set(thing):
            return [thing]
        return [e for inner in thing.values() for e in estimates_in(inner)]
    return [e for inner in thing for e in estimates_in(inner)] if isinstance(thing, list) else []


def said_honestly(text: str) -> None:
    low = " ".join(text.lower().split())
    for never in ("no effect", "no difference", "causes", "because of the pop", "due to", "nan", "inf ", "none,"):
        assert never not in low, never


@pytest.mark.parametrize(("effect", "noise", "expected"), [(-2.0, 1.0, "difference"), (0.0, 0.5, "equivalence")])
def test_the_three_sentences(effect: float, noise: float, expected: str) -> None:
    found = outcomes(study(seed=1, effect=effect, noise_sd=noise), **COUNTS)
    how_large, said, kind = sentences(found)

    assert found.equivalence.conclusion == expected
    assert said.startswith("A difference was shown" if expected == "difference" else "Equivalence was shown")
    assert re.match(
        r"After thrusts with a pop, pain was [\d.]+ points (lower|higher) than .* \(95 % interval", how_large
    )
    assert "association" in kind
    said_honestly(as_text(found))


def test_a_small_study_says_what_it_could_have_shown() -> None:
    found = outcomes(study(seed=3, n_patients=8, thrusts_per_patient=2, effect=0.0, noise_sd=2))

    assert found.equivalence.conclusion == "neither"
    assert re.search(r"Not shown either way: .* could have shown a difference of [\d.]+ points", verdict(found))
    assert "There are only 8 patients" in " ".join(as_text(found).split())


def test_equivalence_of_labels_is_not_sold_as_equivalence_of_pops() -> None:
    thrusts = study(seed=1, effect=0.0, noise_sd=0.5)

    assert "if the detector's verdicts are right" in verdict(outcomes(thrusts))
    poor = verdict(outcomes(thrusts, margin=0.25, sensitivity=(28, 40), specificity=(25, 40)))
    assert not poor.startswith("Equivalence was shown")
    assert outcomes(thrusts, margin=0.25).equivalence.conclusion == "equivalence"


def test_the_text_shows_what_was_left_out_and_which_model(found: Outcomes) -> None:
    text = as_text(found)
    said = " ".join(text.split())

    assert "random intercept per patient (REML, Kenward-Roger)" in said
    assert f"{found.main.left_out['verdict uncertain']} verdict uncertain" in said  # type: ignore[index]
    assert "nobody was assigned to a pop by chance" in said
    assert "simulated accuracy is not clinical accuracy" in said
    assert text.endswith(".\n")
    assert all(len(line) <= 100 for line in text.splitlines() if "  " not in line.strip())
    for group in ("pop ", "no pop", "uncertain"):
        assert f"\n  {group}" in text


def test_pain_asked_at_different_times_is_told(thrusts: list[Thrust]) -> None:
    later = [replace(t, time_point="24h", pain_after=max(0.0, (t.pain_after or 1.0) - 1)) for t in thrusts[:150]]
    both = outcomes(thrusts + later)

    assert "the others are shown apart: 24h" in " ".join(as_text(both).split())
    assert "shown apart" not in as_text(outcomes(thrusts))
    assert both.main == outcomes(thrusts).main
    assert [one.title for one in both.time_points] == ["adjusted difference, 24h"]
    chosen = outcomes(thrusts + later, time_point="24h")
    assert chosen.time_point == "24h"
    assert chosen.main.estimate == both.time_points[0].estimate
    with pytest.raises(UsageError, match="time point 'later': no thrust has it; there are immediate, 24h"):
        outcomes(thrusts + later, time_point="later")


def test_the_limits_of_an_answer_are_told_in_full() -> None:
    rows = [thrust(label, 6, 4, patient=f"p{i}") for i, label in enumerate(["pop", "no_pop", "uncertain", "pop"])]
    rows += [thrust("pop", 6, 5, patient="p0"), thrust(None, 6, 5, patient="p0")]
    rows = [replace(t, time_point=time) for t, time in zip(rows, ["now", "now", "now", "", "now", ""], strict=True)]
    rows.append(thrust("pop", 6, 2, patient="p0", time_point="24h"))
    other_scale = [thrust(before=60, after=50, pain_scale="VAS100", patient="v", simulated=True)]
    found = outcomes(rows + other_scale, scale="NPRS")

    assert found.caveats == (
        *ALWAYS,
        "There are only 4 patients; the results may not hold for others.",
        "Pain after is that of the time point 'now'; the others are shown apart: 24h.",
        "1 of 6 clips are uncertain and in no comparison; if the sound of a clip is related to pain, leaving them out "
        "biases the comparison.",
        "1 thrusts on the other pain scale were left out.",
        "The detector's errors are not corrected for. If there is a difference and errors do not depend on pain, it "
        "looks smaller on average than it is; errors tied to pain can go either way.",
    )
    assert (found.n_thrusts, found.n_patients, found.n_other_scale, found.n_not_judged) == (6, 4, 1, 1)


def test_only_limits_that_apply_are_told() -> None:
    ten = one_each([(6, 4)] * 5, [(6, 5)] * 5)

    assert outcomes(ten, **COUNTS).caveats == (
        *ALWAYS,
        "The detector's errors were given by counts. They describe the clips on which they were counted; simulated "
        "accuracy is not clinical accuracy.",
    )
    assert outcomes(ten[:9]).caveats[2] == "There are only 9 patients; the results may not hold for others."
    assert outcomes(ten[:1]).caveats[2].startswith("There are only 1 ")
    assert len(outcomes([]).caveats) == len(ALWAYS) + 1


def test_simulated_thrusts_are_told_first() -> None:
    rows = one_each([(6, 4)] * 5, [(6, 5)] * 5)
    simulated = [replace(t, simulated=True) for t in rows]

    what = "simulated: figures from them say nothing about pops, pain or patients."
    assert outcomes(simulated).caveats[0] == f"These thrusts are {what}"
    assert outcomes(simulated[:3] + rows[3:]).caveats[0] == f"3 of these thrusts are {what}"
    assert outcomes(simulated).caveats[1:3] == ALWAYS


@pytest.mark.parametrize(("given", "other"), [("sensitivity", "specificity"), ("specificity", "sensitivity")])
def test_one_count_alone_names_the_other(given: str, other: str) -> None:
    counts: dict[str, Any] = {given: (9, 10)}
    with pytest.raises(UsageError) as refused:
        outcomes([], **counts)
    assert str(refused.value) == f"{given} without {other}: a correction needs both"


def test_the_margin_is_up_to_10_points() -> None:
    assert outcomes([], margin=10).equivalence.margin == 10
    assert outcomes([]).equivalence.margin == 1
    for margin in (10.5, 0):
        with pytest.raises(UsageError) as refused:
            outcomes([], margin=margin)
        allowed = "allowed are NPRS points above 0 and up to 10 (VAS100: times 10)"
        assert str(refused.value) == f"margin {margin:g}: {allowed}"
