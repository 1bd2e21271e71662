"""The card says what model.json says, and what it is not."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

import card_tables
from popdetect.detection.model import bundle
from popdetect.training.models import card


@pytest.fixture
def info() -> dict[str, Any]:
    return json.loads((bundle.shipped() / "model.json").read_text(encoding="utf-8"))


def test_the_shipped_card_is_rendered_from_the_shipped_model(info: dict[str, Any]) -> None:
    text = (bundle.shipped() / "CARD.md").read_text(encoding="utf-8")

    assert text == card.render(info, card_tables.render(info))


def test_every_figure_is_on_the_card(info: dict[str, Any]) -> None:
    lines = card.render(info).splitlines()

    assert info["scores"]
    for title, part in info["scores"].items():
        assert f"## {title}" in lines
        assert part["about"] in lines
        assert part["figures"]
        for name, value in part["figures"].items():
            assert f"| {name} | {card.figure(value)} |" in lines
    for name, point in info["operating_points"].items():
        numbers = " | ".join(f"{point[key]:.3f}" for key in ("no_pop_below", "pop_from", "burst_from"))
        assert f"| {name} | {numbers} |" in lines
    for line in (*info["intended_use"], *info["limits"]):
        assert f"* {line}" in lines
    for contest in info["contest"]:
        assert f"| {contest['title']} | {contest['average_precision']:.3f} | {contest['clip_auroc']:.3f} |" in lines


def test_the_card_says_that_no_figure_is_clinical_accuracy(info: dict[str, Any]) -> None:
    text = card.render(info)

    assert "A research tool, not a medical device." in text
    assert "**no figure here is clinical accuracy**" in text
    # before any figure
    assert text.index("clinical accuracy") < min(text.index(f"## {title}") for title in info["scores"])


def test_scores_come_first_then_limits_and_attributions_last(info: dict[str, Any]) -> None:
    titles = re.findall(r"^## (.*)$", card.render(info), flags=re.MULTILINE)

    n_scores = len(info["scores"])
    assert titles[:n_scores] == list(info["scores"])
    assert titles[n_scores] == "What it cannot do"
    assert titles[-2:] == ["Training material", "Attributions"]


def test_the_hash_of_the_weights_is_on_the_card(info: dict[str, Any]) -> None:
    text = card.render(info)

    assert "it does not show who made the model" in text
    assert info["files"]["weights.npz"] in text


def test_provenance_is_on_the_card(info: dict[str, Any]) -> None:
    text = card.render(info)
    for value in info["provenance"].values():
        if isinstance(value, dict):
            for key, item in value.items():
                assert f"    * {key}: {item}" in text
        elif isinstance(value, list):
            assert ", ".join(map(str, value)) in text or all(f"* {item}\n" in text for item in value)
        else:
            assert str(value) in text


def test_a_model_of_own_clips_says_so_and_claims_nothing_of_the_shipped_one(info: dict[str, Any]) -> None:
    info.update(card.own_statements(50, 12, 7, 2.04))
    info["provenance"] = {card.DIGESTS_KEY: "00aa 11bb 22cc", "seed": 0}
    text = card.render(info)

    assert "no clinical recording" not in text
    assert "half" not in text
    assert "3 s" not in text
    assert "its user's own labelled clips, 50 of 7 people" in text
    assert "popdetect cannot know whether they are clinical" in text
    assert "The figures are from these people only" in text
    assert "**no figure here is clinical accuracy**" in text
    assert text.count("12 of 50 (24 %) with pops") == 2  # among the limits, and beside the thresholds
    assert "about 2.0 s long" in text
    assert "* digests of training clips: 3," in text
    assert "22cc" not in text


@pytest.mark.parametrize(
    ("n_people", "words"), [(None, "of an unknown number of people"), (1, "of one person"), (2, "of 2 people")]
)
def test_the_card_says_whose_clips_the_model_was_trained_on(n_people: int | None, words: str) -> None:
    said = card.own_statements(20, 10, n_people, 1.0)

    assert words in said["notice"]
    assert ("it may know others of the same person" in said["calibrated_on"]) == (n_people != 2)


def test_sections_without_content_are_left_out(info: dict[str, Any]) -> None:
    for name in ("intended_use", "limits", "scores", "contest", "provenance"):
        del info[name]
    text = card.render(info)

    for title in ("What it is for", "What it cannot do", "Classifiers that were compared"):
        assert title not in text
    assert "clinical accuracy" in text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "not known"),
        ({"value": 0.98765, "low": 0.9, "high": 1.0}, "0.988 (0.900 to 1.000)"),
        ({"value": 0.98765, "low": None, "high": None}, "0.988"),
        ({"value": 0.5}, "0.500"),
        (0.0, "0.000"),
        (3, "3"),
        ("60 (30 with pops)", "60 (30 with pops)"),
    ],
)
def test_a_figure_has_its_interval_if_there_is_one(value: Any, words: str) -> None:
    assert card.figure(value) == words
