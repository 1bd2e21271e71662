"""Studies without any effect of pops, in which a simpler analysis finds one. False positives must stay near 5 %.

Each kind is drawn 60 times with fixed seeds; `scripts/benchmarks/interval_coverage.py` does so 1,000 times. A true rate
of 5 % gives more than 8 of 60 in 1 of 200 such tests.
"""

import numpy as np
import pytest

from hard_studies import (
    Draw,
    confounded_patients,
    first_thrust_helps_most,
    less_pops_in_worse_pain,
    rare_pops,
    rare_thrusts_without,
    repeated_until_it_pops,
    scored,
    session_pain,
    skilled_therapists,
    unequal_patients,
)
from popdetect.study.analysis.adjusted import Difference
from popdetect.study.analysis.outcomes import Outcomes, disagree, outcomes
from popdetect.study.analysis.units import units_of

N_STUDIES = 60
MOST = 8
pytestmark = pytest.mark.slow


def excludes_0(difference: Difference) -> bool:
    low, high = difference.estimate.low, difference.estimate.high
    return low is not None and high is not None and (low > 0 or high < 0)


def crude(found: Outcomes) -> Difference:
    return found.others[-1]


KINDS: dict[str, tuple[Draw, tuple[str, ...], bool]] = {
    "rare pops": (rare_pops, (), False),
    "rare thrusts without a pop": (rare_thrusts_without, (), False),
    "unequal patients": (unequal_patients, (), False),
    "thrusts repeated until one pops": (repeated_until_it_pops, (), False),
    "the first thrust helps most": (first_thrust_helps_most, (), True),
    "patients who pop fare better": (confounded_patients, (), True),
    "skilled therapists": (skilled_therapists, ("therapist",), True),
    "pain of a session": (session_pain, (), False),
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
    found = outcomes(confounded_patients(np.random.default_rng(4)))
    between = next(d for d in found.others if d.title.startswith("between patients"))

    assert found.main.is_within
    assert excludes_0(between)
    assert between.estimate.value is not None
    assert between.estimate.value < 0


def test_patients_compared_with_others_are_said_to_be() -> None:
    warning = "Patients are compared with other patients here"
    single = outcomes(skilled_therapists(np.random.default_rng(1)))
    repeated = outcomes(confounded_patients(np.random.default_rng(1)))

    assert any(caveat.startswith(warning) for caveat in single.caveats)
    assert not any(caveat.startswith(warning) for caveat in repeated.caveats)


def test_a_pop_that_is_rarer_in_worse_pain_is_warned_of() -> None:
    """Pain before is recorded with error: the adjusted difference is biased, that of changes is not."""
    warned = found = 0
    for seed in range(N_STUDIES):
        rows = less_pops_in_worse_pain(np.random.default_rng([7, seed]))
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
                rows.append(scored(patient, pop, before, after, session_no=number, believes_pop_needed=belief))
        made = outcomes(rows).belief
        absolute += excludes_0(made.interaction)
        low, high = made.relative.low, made.relative.high
        relative += low is not None and high is not None and (low > 0 or high < 0)

    assert absolute > 0.6 * N_STUDIES
    assert relative <= MOST


def test_no_study_of_copied_scores_shows_equivalence() -> None:
    """One session each, its scores copied to every thrust, a true difference of -1.5."""
    for seed in range(20):
        rows = session_pain(np.random.default_rng([11, seed]), -1.5)
        assert units_of(rows).unit == "session"
        for unit in (None, "thrust"):
            assert outcomes(rows, unit=unit).equivalence.conclusion != "equivalence"
