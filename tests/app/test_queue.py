"""The order of the queue, and the estimate of errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from popdetect.app.queue import NEAR_LOGIT, Queue, estimate, in_random_order, is_corrected, make_queue
from popdetect.intervals import wilson
from popdetect.session.clips import LabelledClip
from popdetect.session.corrections import Correction
from popdetect.session.session import Session

THRESHOLDS = (0.25, 0.75)
RUN = {"operating_point": {"name": "mine", "no_pop_below": 0.25, "pop_from": 0.75, "train_from": 0.5}}


def session(probabilities: list[float | None]) -> Session:
    def clip(number: int, p: float | None) -> LabelledClip:
        label = "" if p is None else "pop" if p >= 0.75 else "no_pop" if p < 0.25 else "uncertain"
        status = "unreadable" if p is None else "ok"
        return LabelledClip(number, f"{number:04}.wav", status, label, p, duration_s=3.0)  # type: ignore[arg-type]

    clips = tuple(clip(number, p) for number, p in enumerate(probabilities))
    return Session(Path("s"), Path("s/popdetect"), clips, RUN)


@pytest.fixture
def mixed(rng: np.random.Generator) -> Session:
    return session([None, *rng.uniform(0.001, 0.999, 400).tolist()])


def answer(clip: LabelledClip, label: str) -> Correction:
    return Correction(clip.file, label, (), "anna", "")  # type: ignore[arg-type]


def test_uncertain_then_near_then_random(mixed: Session) -> None:
    queue = make_queue(mixed)
    why, order, random = list(queue.values()), list(queue), in_random_order(queue)

    assert why == sorted(why, key=["uncertain", "near", "random"].index)
    assert sorted(order) == list(range(1, 401))  # all that could be processed, once
    assert order[-len(random) :] == random
    near = [mixed.clips[n].p_pop or 0 for n in order if queue[n] == "near"]
    logit = [min(abs(np.log(p / (1 - p)) - np.log(t / (1 - t))) for t in THRESHOLDS) for p in near]
    assert logit == sorted(logit)
    assert max(logit) <= NEAR_LOGIT


def test_the_random_order_depends_on_the_seed_and_stays_when_clips_are_added(mixed: Session) -> None:
    queue = make_queue(mixed, seed=3)
    fewer = Session(mixed.folder, mixed.out, mixed.clips[:200], RUN)

    random = in_random_order(queue)
    assert list(make_queue(mixed, seed=3).items()) == list(queue.items())
    assert in_random_order(make_queue(mixed, seed=4)) != random
    assert in_random_order(make_queue(fewer, seed=3)) == [n for n in random if n < 200]


def test_the_first_random_clips_estimate_without_bias(rng: np.random.Generator) -> None:
    """Over many seeds the mean of the estimates is the true share of errors, and the intervals contain it."""
    made = session(rng.choice([0.01, 0.99], 300).tolist())
    wrong = {made.clips[n].file for n in rng.choice(300, 45, replace=False)}
    said = {c.file: answer(c, {"pop": "no_pop", "no_pop": "pop"}[c.label] if c.file in wrong else c.label) for c in
            made.clips}  # fmt: skip
    shares, held = [], 0
    for seed in range(300):
        queue = make_queue(made, seed=seed)
        first = {made.clips[n].file for n in in_random_order(queue)[:40]}
        found = estimate(made, queue, {file: one for file, one in said.items() if file in first})
        assert found["n"] == 40
        shares.append(found["share"])
        held += found["low"] <= 0.15 <= found["high"]

    assert np.mean(shares) == pytest.approx(0.15, abs=3 * np.std(shares) / 300**0.5)
    assert held / 300 >= 0.93


def test_answers_after_a_skipped_clip_do_not_count(mixed: Session) -> None:
    queue = make_queue(mixed)
    clips = [mixed.clips[n] for n in in_random_order(queue)[:10]]
    said = {clip.file: answer(clip, clip.label) for clip in clips}
    said[clips[1].file] = answer(clips[1], "uncertain")
    del said[clips[4].file]
    found = estimate(mixed, queue, said)

    assert (found["n"], found["k"], found["n_unsure"], found["waits_for"]) == (3, 0, 1, clips[4].id)
    assert (found["low"], found["high"]) == wilson(0, 3)


def test_without_answers_there_is_no_estimate(mixed: Session) -> None:
    found = estimate(mixed, make_queue(mixed), {})

    assert (found["n"], found["share"], found["low"]) == (0, None, None)


def test_blind_the_position_does_not_reveal_the_result(mixed: Session) -> None:
    def first(queue: Queue, n: int) -> list[str]:
        return list(queue.values())[:n]

    shares = [
        np.mean([why == "random" for why in first(make_queue(mixed, seed=s, blind=True), 20)]) for s in range(200)
    ]
    open_queue, blind = make_queue(mixed), make_queue(mixed, blind=True)

    assert sorted(blind) == sorted(open_queue)
    assert in_random_order(blind) == in_random_order(open_queue)
    head = 2 * sum(why != "random" for why in open_queue.values())
    drawn = sum(why == "random" for why in first(blind, head)) / len(first(blind, head))
    assert np.mean(shares) == pytest.approx(drawn, abs=0.05)  # its beginning is mixed like the rest


def test_corrected_is_another_label_or_other_pops() -> None:
    clip = session([0.9]).clips[0]

    assert not is_corrected(clip, answer(clip, "pop"))
    assert is_corrected(clip, answer(clip, "no_pop"))
    assert is_corrected(clip, Correction(clip.file, "pop", (0.5,), "anna", ""))
