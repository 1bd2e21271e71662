"""Studies without any effect of pops, in which a simpler analysis finds one. False positives must stay near 5 %.

Each kind is drawn 60 times with fixed seeds; `scripts/benchmarks/interval_coverage.py` does so 1,000 times. A true rate
of 5 % gives more than 8 of 60 in 1 of 200 such tests.
"""

from collections.abc import Callable

import numpy as np
import pytest
from outcome_fakes import thrust

from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.outcomes import Outcomes, disagree, outcomes
from popdetect.study.analysis.thrusts import Thrust
from popdetect.study.analysis.units import units_of

N_STUDIES = 60
MOST = 8
pytestmark = pytest.mark.slow


def scored(rng: np.random.Generator, patient: int, pop: bool, before: float, after: float, **more: object) -> Thrust:
    pain = [float(np.clip(np.rint(score), 0, 10)) for score in (before, after)]
    return thrust("pop" if pop else "no_pop", *pain, patient=f"p{patient}", **more)


def rare_pops(rng: np.random.Generator) -> list[Thrust]:
    """12 patients, 4 thrusts each, 2 pops in all."""
    pops = rng.choice(48, 2, replace=False)
    own = rng.normal(0, 0.7, 12)
    drawn = rng.normal(6, 1, 48)
    return [
        scored(rng, i // 4, i in pops, drawn[i], drawn[i] - 1 + own[i // 4] + rng.normal(), session_no=i % 4 + 1)
        for i in range(48)
    ]


def rare_no_pops(rng: np.random.Generator) -> list[Thrust]:
    """80 patients with one thrust, 95 % of them pops."""
    return [scored(rng, i, i >= 4, before := rng.normal(6, 1), before - 1 + rng.normal(0, 1.2)) for i in range(80)]


def repeated_until_it_pops(rng: np.random.Generator) -> list[Thrust]:
    """Up to three thrusts a session, until one pops; the first helps most."""
    rows = []
    for patient in range(30):
        own, share = rng.normal(0, 0.7), 1 / (1 + np.exp(-rng.normal(0.2, 0.8)))
        for session in (1, 2):
            pain = rng.normal(6.3, 0.9)
            for number, relief in enumerate((1.2, 0.5, 0.1), 1):
                after = pain - relief + 0.4 * own + rng.normal(0, 0.8)
                pop = rng.random() < share
                place = {"session": f"s{patient}-{session}", "session_no": session, "thrust_no": number}
                rows.append(scored(rng, patient, pop, pain, after, **place))
                pain = after
                if pop:
                    break
    return rows


def first_thrust_helps_most(rng: np.random.Generator) -> list[Thrust]:
    """Later thrusts pop less and help less."""
    rows = []
    for patient in range(25):
        own = rng.normal(0, 0.7)
        for session in (1, 2):
            for number, (share, relief) in enumerate(((0.8, 1.2), (0.5, 0.5), (0.3, 0.1)), 1):
                pain = rng.normal(6.3, 0.9)
                after = pain - relief + own + rng.normal(0, 0.8)
                place = {"session": f"s{patient}-{session}", "session_no": session, "thrust_no": number}
                rows.append(scored(rng, patient, rng.random() < share, pain, after, **place))
    return rows


def patients_who_pop_fare_better(rng: np.random.Generator) -> list[Thrust]:
    """A trait of the patient makes both pops and relief likelier."""
    rows = []
    for patient in range(40):
        trait = rng.normal()
        for session in range(1, 5):
            pop = rng.random() < 1 / (1 + np.exp(-(0.4 + 1.2 * trait)))
            pain = rng.normal(6.3, 0.9)
            rows.append(scored(rng, patient, pop, pain, pain - 1 - 0.6 * trait + rng.normal(), session_no=session))
    return rows


def skilled_therapists(rng: np.random.Generator) -> list[Thrust]:
    """A therapist's skill makes both pops and relief likelier; one thrust per patient."""
    skill = rng.normal(0, 1, 6)
    return [
        scored(
            rng,
            i,
            rng.random() < 1 / (1 + np.exp(-(0.3 + skill[i % 6]))),
            before := rng.normal(6.3, 0.9),
            before - 1 - 0.5 * skill[i % 6] + rng.normal(),
            therapist=f"t{i % 6}",
        )
        for i in range(90)
    ]


def excludes_0(difference: Difference) -> bool:
    low, high = difference.estimate.low, difference.estimate.high
    return low is not None and high is not None and (low > 0 or high < 0)


def crude(found: Outcomes) -> Difference:
    return found.others[-1]


KINDS: dict[str, tuple[Callable[[np.random.Generator], list[Thrust]], tuple[str, ...], bool]] = {
    "rare pops": (rare_pops, (), False),
    "rare thrusts without a pop": (rare_no_pops, (), False),
    "thrusts repeated until one pops": (repeated_until_it_pops, (), False),
    "the first thrust helps most": (first_thrust_helps_most, (), True),
    "patients who pop fare better": (patients_who_pop_fare_better, (), True),
    "skilled therapists": (skilled_therapists, ("therapist",), True),
}


@pytest.mark.parametrize("kind", KINDS)
def test_no_difference_is_found_where_there_is_none(kind: str) -> None:
    draw, adjust, simple_fails = KINDS[kind]
    found = [outcomes(draw(np.random.default_rng([3, seed])), adjust=adjust) for seed in range(N_STUDIES)]

    assert sum(excludes_0(one.main) for one in found) <= MOST
    assert sum(one.main.estimate.low is not None for one in found) >= 0.9 * N_STUDIES
    # the kind is a hard one: without the adjustment a difference is found
    assert (sum(excludes_0(crude(one)) for one in found) >= 0.25 * N_STUDIES) == simple_fails


def test_within_patients_holds_for_repeated_thrusts() -> None:
    found = [outcomes(repeated_until_it_pops(np.random.default_rng([5, seed]))) for seed in range(N_STUDIES)]

    assert sum(excludes_0(next(d for d in one.others if d.title == "within the same patient")) for one in found) <= MOST


def test_confounding_between_patients_is_shown_beside_the_answer() -> None:
    found = outcomes(patients_who_pop_fare_better(np.random.default_rng(4)))
    between = next(d for d in found.others if d.title.startswith("between patients"))

    assert found.main.is_within
    assert excludes_0(between)
    assert between.estimate.value is not None
    assert between.estimate.value < 0


def test_patients_compared_with_others_are_said_to_be() -> None:
    warning = "Patients are compared with other patients here"
    single = outcomes(skilled_therapists(np.random.default_rng(1)))
    repeated = outcomes(patients_who_pop_fare_better(np.random.default_rng(1)))

    assert any(caveat.startswith(warning) for caveat in single.caveats)
    assert not any(caveat.startswith(warning) for caveat in repeated.caveats)


def test_a_pop_that_is_rarer_in_worse_pain_is_warned_of() -> None:
    """Pain before is recorded with error: the adjusted difference is biased, that of changes is not."""
    warned = found = 0
    for seed in range(N_STUDIES):
        rng = np.random.default_rng([7, seed])
        rows = []
        for i in range(150):
            true = rng.normal(5.5, 1.5)
            pop = rng.random() < 1 / (1 + np.exp(1.2 * (true - 5.5)))
            rows.append(scored(rng, i, pop, true + rng.normal(0, 1.2), true - 1 + rng.normal(0, 0.8)))
        made = outcomes(rows)
        found += excludes_0(made.main)
        warned += disagree(made.main, made.others[3])
        assert disagree(made.main, made.others[3]) == any("disagree" in caveat for caveat in made.caveats)

    assert found > 0.3 * N_STUDIES
    assert warned > 0.7 * found


def test_belief_fakes_no_interaction_on_the_relative_scale() -> None:
    """A pop removes 30 % of the pain from everybody; believers hurt more, so they lose more points."""
    absolute = relative = 0
    for seed in range(N_STUDIES):
        rng = np.random.default_rng([9, seed])
        rows = []
        for patient in range(60):
            belief = int(rng.integers(1, 6))
            for number in range(1, 5):
                before = 2.5 + 1.2 * belief + rng.normal(0, 0.5)
                pop = rng.random() < 0.5
                after = before * (0.7 if pop else 1.0) * (1 + rng.normal(0, 0.12))
                rows.append(scored(rng, patient, pop, before, after, session_no=number, believes_pop_needed=belief))
        made = outcomes(rows).belief
        absolute += excludes_0(made.interaction)
        low, high = made.relative.low, made.relative.high
        relative += low is not None and high is not None and (low > 0 or high < 0)

    assert absolute > 0.6 * N_STUDIES
    assert relative <= MOST


def test_no_study_of_copied_scores_shows_equivalence() -> None:
    """One session each, its scores copied to every thrust, a true difference of -1.5."""
    for seed in range(20):
        rng = np.random.default_rng([11, seed])
        rows = []
        for patient in range(30):
            pops = rng.random(4) < 0.35
            before = float(np.rint(rng.normal(6.3, 1)))
            after = float(np.clip(np.rint(before - 0.5 - 1.5 * pops.any() + rng.normal(0, 0.7)), 0, 10))
            rows += [
                scored(rng, patient, bool(pop), before, after, session=f"s{patient}", thrust_no=i + 1)
                for i, pop in enumerate(pops)
            ]
        assert units_of(rows).unit == "session"
        for unit in (None, "thrust"):
            assert outcomes(rows, unit=unit).equivalence.conclusion != "equivalence"
