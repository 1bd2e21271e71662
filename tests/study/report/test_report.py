"""The report as a page: everything in it, nothing loaded, nothing run, every text escaped, all pictures in words."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from outcome_fakes import one_each, thrust
from report_fakes import fill, full_study, parsed, report, words

from popdetect.records import to_json
from popdetect.study.analysis.outcomes import outcomes
from popdetect.study.journal import journal
from popdetect.study.report.page import page
from popdetect.study.report.report import write
from popdetect.study.report.sentences import interval, number, sentences

COUNTS = {"sensitivity": (46, 50), "specificity": (44, 50)}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x00\x1b"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    done, text = report(tmp_path_factory.mktemp("report"), full_study(), **COUNTS)
    return done.path, text


def estimates(made: Any, name: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every estimate of the outcomes' JSON, by its path."""
    if isinstance(made, dict) and {"value", "low", "high", "why_not"} <= made.keys():
        return [(name, made)]
    items = made.items() if isinstance(made, dict) else enumerate(made) if isinstance(made, list) else ()
    return [found for key, value in items for found in estimates(value, f"{name}.{key}")]


def kind_of(name: str, scale: str) -> str:
    if re.search(r"prevalence|responders|positive|negative|factor", name):
        return "share"
    return "ratio" if re.search(r"hedges|kappa|odds", name) else scale


def test_every_estimate_of_the_outcomes_is_in_it(whole: tuple[Path, str]) -> None:
    found = to_json(outcomes(journal.thrusts(whole[0].with_name("STUDY.db")), **COUNTS))
    text = words(parsed(whole[1])).replace("\u00a0", " ")
    seen = estimates(found)

    assert len(seen) > 30
    for name, made in seen:
        if made["value"] is None:
            assert made["why_not"] in text, name
            continue
        kind = kind_of(name, found["scale"])
        assert number(made["value"], kind) in text, name
        if made["low"] is not None:
            assert interval(made["low"], made["high"], kind) in text, name
    for caveat in found["caveats"]:
        assert caveat in text


def test_the_answer_comes_first(whole: tuple[Path, str]) -> None:
    said = sentences(outcomes(journal.thrusts(whole[0].with_name("STUDY.db")), **COUNTS))
    tree = parsed(whole[1])
    answer = [
        " ".join("".join(item.itertext()).split()).replace("\u00a0", " ") for item in tree.findall(".//main//ol/li")
    ]

    assert tuple(answer[:3]) == said
    assert [h.get("id") for h in tree.findall(".//h2")] == [
        "answer", "pictures", "tables", "flow-of-thrusts", "methods", "model", "origin", "terms",
        "context", "checklist",
    ]  # fmt: skip


def test_nothing_is_loaded_and_nothing_is_run(whole: tuple[Path, str]) -> None:
    tree = parsed(whole[1])
    policy = next(m.get("content") for m in tree.iter("meta") if m.get("http-equiv") == "Content-Security-Policy")

    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    for element in tree.iter():
        tag = str(element.tag).rsplit("}", 1)[-1]
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form"), tag
        for name, value in element.attrib.items():
            attribute = str(name).rsplit("}", 1)[-1].rsplit(":", 1)[-1]
            assert not attribute.startswith("on")
            if attribute in ("href", "src", "action", "data", "poster", "srcset"):
                assert value.startswith(("#", "data:image/png;")), value
            assert not re.search(r"url\((?!#)", value)
    assert "@import" not in whole[1]
    assert not re.search(r"https?://(?!www\.w3\.org/)", whole[1])


def test_every_picture_is_told_in_words_with_figures(whole: tuple[Path, str]) -> None:
    tree = parsed(whole[1])
    pictures = [element for element in tree.iter() if str(element.tag).rsplit("}", 1)[-1] == "svg"]
    by_id = {element.get("id"): element for element in tree.iter() if element.get("id")}

    assert len(pictures) == 5
    for picture in pictures:
        assert picture.get("role") == "img"
        title, description = (by_id[own] for own in picture.get("aria-labelledby").split())
        assert title.text
        assert len(re.findall(r"\d", description.text)) > 10
        assert len(description.text) > 100


def test_ids_are_unique_and_links_lead_somewhere(whole: tuple[Path, str]) -> None:
    tree = parsed(whole[1])
    ids = [element.get("id") for element in tree.iter() if element.get("id")]

    assert len(ids) == len(set(ids))
    for element in tree.iter():
        for name, value in element.attrib.items():
            if str(name).endswith("href"):
                assert value.removeprefix("#") in ids
            if str(name).endswith("aria-labelledby"):
                assert set(value.split()) <= set(ids)
    for used in re.findall(r"url\(#([^)]+)\)", whole[1]):
        assert used in ids


def test_it_is_built_for_screen_readers(whole: tuple[Path, str]) -> None:
    tree = parsed(whole[1])
    levels = [int(str(e.tag)[1]) for e in tree.iter() if re.fullmatch(r"h[1-6]", str(e.tag))]

    assert tree.get("lang") == "en"
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    for landmark in ("header", "nav", "main", "footer"):
        assert len(tree.findall(f".//{landmark}")) == 1
    assert tree.find("body")[0].get("href") == "#answer"
    tables = tree.findall(".//table")
    assert len(tables) > 10
    for table in tables:
        assert table.find("caption").text
        assert all(cell.get("scope") == "col" for cell in table.findall("thead/tr/th"))
        for row in table.findall("tbody/tr"):
            assert next(cell.tag for cell in row) == "th"
            assert row[0].get("scope") == "row"
            assert len(row) == len(table.findall("thead/tr/th"))


def test_hostile_texts_are_text(tmp_path: Path) -> None:
    thrusts = [
        replace(t, model=HOSTILE, thrust_speed=5.0 + i, thrust_speed_unit=HOSTILE, time_point=f"{HOSTILE}{i % 2}",
                pain_before=6.0, pain_after=float(3 + i % 3), adverse_event=HOSTILE)
        for i, t in enumerate(one_each([(5, 3)] * 6, [(5, 4)] * 6))
    ]  # fmt: skip
    _, text = report(tmp_path, thrusts, title=HOSTILE)
    tree = parsed(text)

    assert "<script" not in text
    assert not [e for e in tree.iter() if str(e.tag) in ("script", "img")]
    assert "\x00" not in text
    assert tree.find("head/title").text.startswith("<script>alert(1)</script>")


def test_the_same_journal_gives_the_same_page(tmp_path: Path) -> None:
    pages = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        _, text = report(tmp_path / name, full_study())
        pages.append(text)
    first, second = (re.sub(r"<time>[^<]+</time>", "", text) for text in pages)

    assert first == second
    assert len(re.findall("<time>", pages[0])) == 1
    assert str(tmp_path) not in first


def test_order_of_the_thrusts_moves_no_picture(tmp_path: Path) -> None:
    svgs = []
    for name, thrusts in (("a", full_study()), ("b", full_study()[::-1])):
        (tmp_path / name).mkdir()
        svgs.append(re.findall(r"<svg.*?</svg>", report(tmp_path / name, thrusts)[1], re.DOTALL))

    assert svgs[0] == svgs[1]


def test_pictures_do_not_grow_with_the_study(tmp_path: Path) -> None:
    sizes = []
    for times in (1, 8):
        (tmp_path / str(times)).mkdir()
        thrusts = [replace(t, patient=f"{k}{t.patient}") for k in range(times) for t in full_study()]
        sizes.append(report(tmp_path / str(times), thrusts)[0].n_bytes)

    assert sizes[1] < 1.1 * sizes[0]


def test_numbers_flow_from_the_journal_to_the_answer(whole: tuple[Path, str]) -> None:
    thrusts = journal.thrusts(whole[0].with_name("STUDY.db"))
    found = outcomes(thrusts, **COUNTS)
    rows = [[cell.text or "" for cell in row] for row in parsed(whole[1]).findall(".//div[@id='flow']//tbody/tr")]
    left = [int(row[1]) for row in rows]

    assert left[0] == len(thrusts)
    assert left[-1] == found.main.n
    assert all(after <= before for before, after in itertools.pairwise(left))
    for before, row in zip(left, rows[1:], strict=False):
        if row[2].isdigit():
            assert before - int(row[1]) == int(row[2])


def test_no_word_of_an_effect_where_none_was_shown(tmp_path: Path) -> None:
    thrusts = one_each([(5, 3), (6, 5), (7, 4), (6, 6)], [(5, 4), (6, 4), (7, 5), (6, 5)])
    text = words(parsed(report(tmp_path, thrusts)[1])).lower()

    assert "not shown either way" in text
    for claim in ("no effect", "no difference was found", "caused", "proves", "ineffective"):
        assert claim not in text


def test_the_model_that_comes_along_has_its_card(whole: tuple[Path, str], tmp_path: Path) -> None:
    text = words(parsed(whole[1]))
    assert "no clinical recording was used" in text
    assert "no figure here is clinical accuracy" in text

    other = write(fill(tmp_path / "OTHER.db", [thrust(model="ours-1")], "cd" * 32), tmp_path / "other.html").path
    text = words(parsed(other.read_text(encoding="utf-8")))
    assert "ours-1" in text
    assert "cd" * 32 in text
    assert "its card is not here" in text
    assert "no clinical recording was used" not in text


def test_a_template_never_goes_on_without_a_fact() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError, match="undefined"):
        page()
