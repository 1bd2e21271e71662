"""Evaluation of a detector whose verdicts are prepared."""

import json
from pathlib import Path

import pytest

from popdetect.errors import NothingFound, UsageError
from popdetect.records import Detection, Event, Verdict
from popdetect.session.labels import Truth
from popdetect.training.evaluation.evaluation import as_text, evaluate
from popdetect.training.evaluation.scores import score


class Told:
    """Returns a prepared p_pop for each file, with a pop at each of its onsets; other files cannot be read."""

    def __init__(self, answers: dict[str, tuple[float, tuple[float, ...]]]) -> None:
        self.answers = answers
        self.sources: list[Path] = []

    def verdict(self, source: Path, name: str, /) -> Verdict:
        self.sources.append(source)
        if name not in self.answers:
            return Verdict(name, "unreadable", None, error="no such file; check the name and the folder")
        p_pop, onsets_s = self.answers[name]
        label = "pop" if p_pop > 0.6 else "no_pop" if p_pop < 0.4 else "uncertain"
        events = [Event(onset_s, p_pop, True, 3.0, 3000.0, 3000.0, 20.0) for onset_s in onsets_s]
        shadow = Event(1.9, 0.1, False, 3.0, 3000.0, 3000.0, 5.0)  # listed, and not counted as a pop
        return Verdict(name, "ok", Detection(label, p_pop, (*events, shadow), 2.0, 48_000, 1))


TRUTHS = [
    Truth("a.wav", Path("/d/a.wav"), "pop", (0.5,), "p1"),
    Truth("b.wav", Path("/d/b.wav"), "no_pop", (), "p1"),
    Truth("c.wav", Path("/d/c.wav"), "pop", (0.7, 0.75), "", {"group": "lab"}),
    Truth("d.wav", Path("/d/d.wav"), "no_pop", (), ""),
    Truth("e.wav", Path("/d/e.wav"), "uncertain", None, "p2"),
    Truth("gone.wav", Path("/d/gone.wav"), "pop", None, "p2"),
]
ANSWERS = {
    "a.wav": (0.9, (0.501,)),
    "b.wav": (0.1, ()),
    "c.wav": (0.8, (0.7,)),
    "d.wav": (0.7, (0.2,)),
    "e.wav": (0.5, ()),
}


def test_each_clip_is_judged_once_compared_and_grouped() -> None:
    told, told_of = Told(ANSWERS), []
    evaluation = evaluate(TRUTHS, told, on_progress=lambda done, total: told_of.append((done, total)))

    assert told.sources == [truth.path for truth in TRUTHS]
    assert told_of == [(k, 6) for k in range(1, 7)]
    assert [(c.file, c.group) for c in evaluation.clips] == [
        ("a.wav", "p1"), ("b.wav", "p1"), ("c.wav", "lab"), ("d.wav", ""), ("e.wav", "p2"),
    ]  # fmt: skip
    assert [verdict.file for verdict in evaluation.failed] == ["gone.wav"]
    assert list(evaluation.by_group) == ["", "lab", "p1", "p2"]
    scores = evaluation.scores
    assert scores == score(evaluation.clips)
    assert (scores.n_clips, scores.n_not_scored, scores.resampled) == (4, 1, "groups")
    events = scores.events
    assert (events.tp, events.fn, events.fp) == (2, 1, 1)


def test_an_event_that_is_not_counted_is_no_false_alarm() -> None:
    evaluation = evaluate(TRUTHS[:2], Told(ANSWERS))

    assert evaluation.clips[1].found_onsets_s == ()
    assert evaluation.scores.n_false_pops == 0


def test_it_can_be_written_as_json() -> None:
    plain = evaluate(TRUTHS, Told(ANSWERS)).to_dict()

    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["failed"][0]["status"] == "unreadable"
    assert plain["clips"][2]["true_onsets_s"] == [0.7, 0.75]


def test_where_nothing_could_be_judged_that_is_an_error() -> None:
    with pytest.raises(NothingFound, match=r"none of the 6 labelled clips.*a\.wav: no such file"):
        evaluate(TRUTHS, Told({}))


@pytest.mark.parametrize("truths", [[], [TRUTHS[4]]])
def test_where_nothing_is_true_nothing_is_judged(truths: list[Truth]) -> None:
    told = Told(ANSWERS)
    with pytest.raises(UsageError, match="none labelled pop or no_pop"):
        evaluate(truths, told)

    assert told.sources == []


@pytest.mark.parametrize("by_group", [False, True])
def test_the_table_fits_a_terminal_and_says_what_it_is_not(by_group: bool) -> None:
    text = as_text(evaluate(TRUTHS, Told(ANSWERS)), by_group)

    assert max(len(line) for line in text.splitlines()) <= 80
    assert text.endswith("Figures from simulated sound are not clinical accuracy.")
    assert "not a medical device" in text
    assert (
        "4 clips scored (2 pop, 2 no_pop) in 3 groups\nleft out: 1 of uncertain truth, 1 that could not be processed"
        in text
    )
    assert "gone.wav: no such file" in text
    assert "nan" not in text
    assert ("lab" in text) == by_group


def test_what_is_undefined_is_a_dash() -> None:
    text = as_text(evaluate(TRUTHS[:1], Told(ANSWERS)))

    (line,) = (line for line in text.splitlines() if "AUROC" in line)
    assert line.split() == ["AUROC", "-"]
