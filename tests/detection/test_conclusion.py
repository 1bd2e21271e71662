"""Laws of the conclusion: which events are counted, and how the count belongs to the label, for any thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popdetect.detection import conclusion
from popdetect.detection.conclusion import ScoredCandidate, conclude
from popdetect.detection.detector import Detector
from popdetect.detection.model.bundle import OperatingPoint, load
from popdetect.detection.signal import context
from popdetect.detection.signal.dropouts import Dropouts
from popdetect.detection.signal.quality import Quality
from popdetect.records import Detection
from popdetect.training.data.dsp import RATE_HZ
from popdetect.training.evaluation.held_out import lowered

Clip = Callable[..., np.ndarray]
RATE = 1000  # so that a sample is a millisecond
SHARES = st.integers(0, 20).map(lambda n: n / 20)
POINTS = st.tuples(st.integers(1, 20), st.integers(1, 20), SHARES).map(
    lambda t: OperatingPoint(min(t[:2]) / 20, max(t[:2]) / 20, t[2])
)
# gap in ms, probability, out of distribution
CANDIDATES = st.lists(st.tuples(st.integers(1, 400), SHARES, st.booleans()), max_size=8)
LAWS = settings(deadline=None, derandomize=True, max_examples=500)


def concluded(point: OperatingPoint, drawn: list[tuple[int, float, bool]]) -> Detection:
    """The detection of a clip with these candidates; the likeliest one gives the probability of the clip."""
    samples = np.cumsum([gap for gap, _, _ in drawn]).tolist()
    scored = [
        ScoredCandidate(at, p, p, 2.0, 2000.0, 2500.0, 20.0, outside)
        for at, (_, p, outside) in zip(samples, drawn, strict=True)
    ]
    p_pop = max((p for _, p, _ in drawn), default=0.0)
    return conclude(point, scored, p_pop, 4 * RATE, RATE, 1, Quality(), Dropouts(1, RATE, 9), 0.0)


@LAWS
@given(point=POINTS, drawn=CANDIDATES)
def test_a_clip_has_a_counted_event_exactly_if_it_is_pop_or_uncertain(
    point: OperatingPoint, drawn: list[tuple[int, float, bool]]
) -> None:
    found = concluded(point, drawn)

    if "outside" in found.quality:
        assert found.label == "uncertain"
    else:
        assert (found.n_pops > 0) == (found.label != "no_pop")


@LAWS
@given(point=POINTS, drawn=CANDIDATES)
def test_an_out_of_distribution_sound_makes_no_clip_a_pop(
    point: OperatingPoint, drawn: list[tuple[int, float, bool]]
) -> None:
    known = max((p for _, p, outside in drawn if not outside), default=0.0)
    found = concluded(point, drawn)

    assert (found.label == "pop") <= (known >= point.pop_from)
    assert not any(event.is_pop for event in concluded(point, [(gap, p, True) for gap, p, _ in drawn]).events)


@LAWS
@given(point=POINTS, drawn=CANDIDATES, higher=st.integers(1, 20))
def test_the_count_does_not_depend_on_the_threshold_of_the_label_pop(
    point: OperatingPoint, drawn: list[tuple[int, float, bool]], higher: int
) -> None:
    other = replace(point, pop_from=max(point.no_pop_below, higher / 20))

    assert concluded(point, drawn).pops == concluded(other, drawn).pops


def test_an_uncertain_clip_shows_what_it_would_count() -> None:
    point = OperatingPoint(0.2, 0.7, 0.1)
    found = concluded(point, [(100, 0.5, False), (100, 0.15, False), (400, 0.15, False)])

    assert (found.label, found.onsets_s) == ("uncertain", (0.1, 0.2))
    assert repr(found) == "<Detection uncertain: p_pop 0.50, 2 uncertain pops in 4.0 s>"


@pytest.mark.parametrize("lower", [0.0, 8.0])
def test_the_law_holds_at_any_threshold_and_for_events_of_any_probability(clip: Clip, lower: float) -> None:
    # with a lower event probability, events are listed only because they are counted
    model = replace(load(), event_calibration=lowered(load().event_calibration, lower))
    for sound in [clip((0.5, 0.53), 1.0, seed, noise) for seed in range(3) for noise in (0.003, 0.03)]:
        p_pop = Detector(model).detect(sound, RATE_HZ).p_pop
        labels = []
        for low, high in ((1.1, 1.2), (0.9, 1.1), (0.8, 0.9)):  # below, around and above the probability of the clip
            point = OperatingPoint(*(min(share * p_pop, 1.0) for share in (low, high)), 0.5)
            found = Detector(replace(model, operating_points={"balanced": point})).detect(sound, RATE_HZ)
            assert (found.n_pops > 0) == (found.label != "no_pop") or "outside" in found.quality
            labels.append(found.label)
        assert {"uncertain", "pop"} & set(labels)


def test_the_count_of_a_clip_does_not_depend_on_others(clip: Clip) -> None:
    model = load()
    sounds = [clip((0.5, 0.53), 1.0, seed, 0.05) for seed in range(4)]
    middle = float(np.median([Detector(model).detect(sound, RATE_HZ).p_pop for sound in sounds]))
    made = replace(model, operating_points={"balanced": OperatingPoint(middle / 2, (1 + middle) / 2, 0.3)})
    detector = Detector(made)
    one_by_one = [detector.detect(sound, RATE_HZ) for sound in sounds]
    streams = []
    for sound in sounds:
        stream = detector.stream(RATE_HZ)
        stream.feed(sound)
        streams.append(stream.finish())

    assert "uncertain" in {found.label for found in one_by_one}
    assert one_by_one == streams


@pytest.mark.parametrize(
    ("gap_s", "step_db", "is_counted"),
    [(0.012, -12.0, False), (0.020, -20.0, False), (0.021, -20.0, True), (0.012, -11.9, True), (0.012, 20.0, True)],
)
def test_a_weak_sound_soon_after_a_pop_is_its_reflection(gap_s: float, step_db: float, is_counted: bool) -> None:
    counted = conclusion.count_pops([0.5, 0.5 + gap_s], [0.9, 0.9], [0.9, 0.9], [30.0, 30.0 + step_db], 0.5, 0.5)

    assert counted == [True, is_counted]


def test_a_sound_without_a_likelier_neighbour_keeps_its_base_score() -> None:
    class Low:
        def logit(self, rows: np.ndarray) -> np.ndarray:
            return np.full(len(rows), -3.0)

    names = list(context.names())
    rows = np.full((3, len(names)), -8.0)
    rows[:, names.index("own")] = [1.0, 1.0, 1.0]
    rows[:, names.index("best_before")] = [-8.0, 0.9, 1.1]

    assert conclusion.context_logits(Low(), rows).tolist() == [1.0, 1.0, -3.0]


@pytest.mark.parametrize("seed", range(40))
def test_no_later_candidate_changes_events_that_are_final(seed: int) -> None:
    rng = np.random.default_rng(seed)
    point = OperatingPoint(0.5, 0.8, 0.4)
    samples = np.cumsum(rng.choice([5, 30, 100, 149, 150, 151, 400], 40)).tolist()  # at 1 kHz: ms
    scored = [
        conclusion.ScoredCandidate(s, *rng.choice([0.1, 0.45, 0.9], 2), 2.0, 2500.0, 3000.0, 30.0, False)
        for s in samples
    ]
    whole = conclusion.events_of(point, scored, 1000)
    n_returned = 0
    for known in range(len(scored)):
        n_final = conclusion.n_final(point, scored[:known], samples[known], 1000)
        assert conclusion.events_of(point, scored[:n_final], 1000) == whole[:n_final]
        assert n_final >= n_returned
        n_returned = n_final
    assert n_returned > 0
