"""The page in a real browser, from the first clip to the last answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from review_page import N_CLIPS, Page, Served, answers

from popdetect.session import corrections
from popdetect.session.tables import read_rows

Serve = Callable[..., Served]


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    made = browser.new_context(viewport={"width": 1280, "height": 800})
    made.set_default_timeout(15_000)
    yield made
    made.close()


def labels(folder: Path) -> dict[str, str]:
    return {row["file"]: row["label"] for row in read_rows(folder / "popdetect" / "clips.csv")}


def with_pops(page: Page, n: int = 1) -> None:
    """Go to a clip on which the detector found at least `n` pops."""
    page.choose("pop")
    page.says("Detector: pop", "#said")
    for _ in range(N_CLIPS):
        page.ready()
        if len(page.marks) >= n:
            return
        before = page.id
        page.press("ArrowDown")
        page.tab.wait_for_function("old => document.body.dataset.shown !== old", arg=before)
    raise AssertionError("no such clip")


def test_a_queue_is_answered_by_keys_alone(folder: Path, serve: Serve, context: Any) -> None:
    said = labels(folder)
    page = Page(context, serve(folder, "--rater", "anna").address)
    seen = []
    for key in ("p", "n", "u"):
        seen.append(page.file)
        page.answer(key)
    kept = answers(folder)

    assert [said[file] for file in seen][:1] == ["uncertain"]  # worth a person's time comes first
    assert [(row["file"], row["label"]) for row in kept] == list(zip(seen, ["pop", "no_pop", "uncertain"], strict=True))
    assert {row["rater"] for row in kept} == {"anna"}
    assert all(row["detector_label"] == said[row["file"]] and len(row["model_sha256"]) == 64 for row in kept)
    assert page.text("#progress").startswith(f"3 of {N_CLIPS}, ")
    assert page.errors == []


def test_space_plays_and_the_speed_is_kept(folder: Path, serve: Serve, context: Any) -> None:
    page = Page(context, serve(folder).address)
    page.press("4", "Space")
    page.says("Stop", "#play")
    page.press("Space")
    page.says("Play", "#play")

    assert page.tab.is_checked("input[name=speed][value='0.25']")
    assert page.errors == []


def test_marks_are_moved_added_deleted_and_undone_to_the_millisecond(folder: Path, serve: Serve, context: Any) -> None:
    page = Page(context, serve(folder).address)
    with_pops(page, 2)
    first = page.marks
    page.press("f", "m", "ArrowRight", "Shift+ArrowRight", "ArrowLeft")
    moved = page.marks

    assert moved[1:] == first[1:]
    assert moved[0] == pytest.approx(first[0] + 0.010, abs=6e-5)
    page.press("Delete")
    assert page.marks == first[1:]
    page.press("z")
    assert page.marks == moved
    page.press("z", "z", "z")
    assert page.marks == first
    page.press("Escape", ",", "a")
    assert len(page.marks) == len(first) + 1
    file, marked = page.file, page.marks
    page.answer("p")
    kept = corrections.read(folder)

    assert [(one.file, one.label) for one in kept] == [(file, "pop")]
    assert kept[0].onsets_s == pytest.approx(marked, abs=1e-5)


def test_a_mark_is_dragged_and_a_double_click_makes_one(folder: Path, serve: Serve, context: Any) -> None:
    page = Page(context, serve(folder).address)
    with_pops(page)
    page.press("f")
    before = page.marks
    box = page.tab.locator(".mark.mine").first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] - 15
    page.tab.mouse.move(x, y)
    page.tab.mouse.down()
    page.tab.mouse.move(x - 20, y, steps=4)
    page.tab.mouse.up()
    dragged = page.marks
    page.tab.dblclick("#levels", position={"x": 15, "y": 40})

    assert dragged[0] < before[0]
    assert dragged[1:] == before[1:]
    assert len(page.marks) == len(before) + 1


def test_it_works_by_touch(folder: Path, serve: Serve, browser: Any) -> None:
    context = browser.new_context(viewport={"width": 820, "height": 1180}, has_touch=True)
    try:
        page = Page(context, serve(folder).address)
        small = page.tab.evaluate(
            "[...document.querySelectorAll('button, select')].filter(one => one.offsetParent)"
            ".filter(one => one.offsetHeight < 44 || one.offsetWidth < 44).map(one => one.id)"
        )
        before = page.marks
        page.tab.tap("#add")
        page.tab.tap("[data-move='10']")
        marks = page.marks
        page.tab.tap("#say-pop")
        page.says("Saved")
    finally:
        context.close()

    assert small == []
    assert marks == [0.01, *before]
    assert answers(folder)[0]["onsets_s"].split()[0] == "0.01000"


def test_an_answer_is_taken_back(folder: Path, serve: Serve, context: Any) -> None:
    page = Page(context, serve(folder).address)
    file = page.file
    page.answer("n")
    page.press("z")
    page.says("Undone")
    page.tab.wait_for_function("file => document.getElementById('file').textContent === file", arg=file)

    assert corrections.read(folder) == ()
    assert [row["undone"] for row in answers(folder)] == ["0", "1"]
    assert page.text("#progress").startswith("0 of")


def test_filters_show_what_they_say(folder: Path, serve: Serve, context: Any) -> None:
    said = labels(folder)
    page = Page(context, serve(folder).address)
    for label in ("pop", "no_pop", "uncertain"):
        page.choose(label)
        files = page.tab.locator("#list span").all_text_contents()
        assert sorted(files) == sorted(file for file, found in said.items() if found == label)
    page.choose("no_pop")
    page.ready()
    page.answer("p")
    page.choose("corrected")
    assert page.tab.locator("#list button").count() == 1
    page.choose("failed")
    assert page.tab.locator("#list button").count() == 0


def test_the_estimate_is_of_clips_drawn_by_chance(folder: Path, serve: Serve, context: Any) -> None:
    page = Page(context, serve(folder).address)
    assert "none yet" in page.text("#estimate")
    said = {"pop": "p", "no_pop": "n", "uncertain": "u"}
    now = labels(folder)
    for _ in range(N_CLIPS):
        if "randomly chosen" in page.text("#estimate"):
            break
        page.answer(said[now[page.file]])

    assert "Of 1 randomly chosen clip you changed 0: error 0 % (0 to 79 %)" in page.text("#estimate")


def test_an_uncertain_clip_shows_the_thresholds_and_its_pops_as_uncertain(
    folder: Path, serve: Serve, context: Any
) -> None:
    # the same clip, once as a pop and once as uncertain
    tables, point = folder / "popdetect", {"name": "mine", "no_pop_below": 0.38, "pop_from": 0.71, "train_from": 0.5}
    run = json.loads((tables / "run.json").read_text(encoding="utf-8"))
    (tables / "run.json").write_text(json.dumps(run | {"operating_point": point}), encoding="utf-8")
    header, events = "file,status,label,p_pop,n_pops,duration_s\n", "file,onset_s,p_pop,is_pop\n"
    file = next(iter(labels(folder)))
    (tables / "events.csv").write_text(f"{events}{file},0.5,0.6,1\n{file},0.6,0.5,1\n{file},0.9,0.06,0\n")
    said, shown = [], []
    for label in ("pop", "uncertain"):
        (tables / "clips.csv").write_text(f"{header}{file},ok,{label},0.62,2,3\n")
        served = serve(folder)
        page = Page(context, served.address)
        said.append(page.text("#said"))
        look = "mark => getComputedStyle(mark, '::after').content + getComputedStyle(mark, '::before').borderLeftStyle"
        shown.append(page.tab.evaluate(f"[...document.querySelectorAll('.mark.theirs')].map({look})"))
        assert page.marks == [0.5, 0.6]
        page.tab.close()
        served.end()

    limits = "(pop from 0.71, no pop below 0.38)"
    assert said[0].startswith(f"Detector: pop, probability 0.62 {limits}, 2 pops")
    assert said[1].startswith(f"Detector: uncertain, probability 0.62 {limits}, 2 uncertain pops")
    assert shown == [['"▼"dotted', '"▼"dotted', '"×"dotted'], ['"▽?"dashed', '"▽?"dashed', '"×"dotted']]


def test_blind_mode_tells_nothing_before_the_answer(folder: Path, serve: Serve, context: Any) -> None:
    told: list[str] = []
    context.on(
        "response",
        lambda got: (
            told.append(got.text()) if "/api/" in got.url and "json" in str(got.headers.get("content-type")) else None
        ),
    )
    page = Page(context, serve(folder, "--blind", "--rater", "eve").address)
    file = page.file
    assert page.marks == []
    page.answer("n")
    assert told
    for body in told:
        for word in (
            "p_pop",
            "is_pop",
            '"marks"',
            '"label":"pop"',
            "corrected",
            "estimate",
            "drawn",
            "near",
            "quality",
        ):
            assert word not in body.replace(json.dumps({"label": "no_pop"})[1:-1], "").replace(": ", ":"), word
    page.press("ArrowUp")
    page.tab.wait_for_function("file => document.getElementById('file').textContent === file", arg=file)
    assert "hidden" in page.text("#said")
    page.press("r")
    page.says("Detector:", "#said")
    page.press("p")
    page.says("Saved")
    rows = answers(folder)

    assert [(row["label"], row["blind"], row["revealed"]) for row in rows] == [
        ("no_pop", "1", "0"), ("no_pop", "1", "1"), ("pop", "0", "0"),
    ]  # fmt: skip


def test_two_raters_agree_or_settle(folder: Path, serve: Serve, browser: Any) -> None:
    keys = {"anna": "pnpnpn", "ben": "pnpnnu"}
    for rater, pressed in keys.items():
        context = browser.new_context()
        served = serve(folder, "--rater", rater)
        page = Page(context, served.address)
        assert page.text("#progress").startswith("0 of")
        for key in pressed:
            page.answer(key)
        if rater == "ben":
            page.tab.click("#open-agreement")
            page.says("Cohen's kappa 0.62", "#pairs")
            assert page.tab.locator("#disagreements li").count() == 2
            page.tab.click("#disagreements button >> nth=0")
            page.says("anna answered", "#consensus")
            page.press("n")
            page.says("consensus: no pop", "#disagreements")
        context.close()
        code, said = served.end()
        assert (code, said["n_answered"], said["rater"]) == (0, 6, rater)
    assert {row["rater"] for row in answers(folder)} == {"anna", "ben", "consensus"}


def test_it_goes_on_after_a_kill_and_a_torn_line(folder: Path, serve: Serve, browser: Any) -> None:
    served = serve(folder)
    context = browser.new_context()
    page = Page(context, served.address)
    for key in ("p", "n"):
        page.answer(key)
    waiting = page.file
    served.kill()
    page.press("u")
    page.says("does not answer", "#alert")
    assert page.file == waiting
    context.close()
    path = folder / "popdetect" / "corrections.csv"
    with path.open("ab") as handle:
        handle.write(b"p01/thrust_01.wav,po")
    context = browser.new_context()
    served = serve(folder)
    page = Page(context, served.address)

    assert page.file == waiting
    page.answer("n")
    assert [answer.label for answer in corrections.load(path).answers] == ["pop", "no_pop", "no_pop"]
    assert b"p01/thrust_01.wav,po\n" in path.read_bytes()  # left as it is
    page.tab.reload()
    page.ready()
    assert page.text("#progress").startswith("3 of")
    context.close()
    served.end()
    assert served.messages.count("line 4 is damaged and left out") == 1
    assert "a copy of the damaged lines is in corrections.damaged-1.csv\n" in served.messages


def test_two_tabs_and_two_servers_do_not_overwrite_each_other(folder: Path, serve: Serve, browser: Any) -> None:
    contexts = [browser.new_context(), browser.new_context()]
    one, two = (Page(made, serve(folder, "--rater", "anna").address) for made in contexts)
    third = Page(contexts[0], one.tab.url)
    file = one.file
    assert two.file == third.file == file
    one.answer("p")
    for late in (two, third):
        late.press("n")
        late.says("Answered in another tab meanwhile: it says pop", "#alert")
        assert late.file == file
    assert [row["label"] for row in answers(folder)] == ["pop"]
    two.press("n")  # now they know, and may change it
    two.says("Saved")
    assert [row["label"] for row in answers(folder)] == ["pop", "no_pop"]
    for made in contexts:
        made.close()


def test_nothing_is_asked_of_another_host(folder: Path, serve: Serve, context: Any) -> None:
    served = serve(folder)
    page = Page(context, served.address)
    page.answer("n")
    page.press("Space", "f", "?")

    assert page.requests
    assert all(url.startswith((served.base, "blob:" + served.base, "data:")) for url in page.requests)
    assert page.errors == []


def test_names_are_text_whatever_they_are(folder: Path, serve: Serve, context: Any) -> None:
    name = "<img src=x onerror=alert(1)>&quot;.wav"
    (folder / "p01" / "thrust_01.wav").rename(folder / name)
    table = folder / "popdetect" / "clips.csv"
    table.write_text(table.read_text().replace("p01/thrust_01.wav", '"' + name + '"'))
    page = Page(context, serve(folder, "--rater", "<b>eve</b>").address)
    page.tab.evaluate("name => [...document.querySelectorAll('#list button')].find("
                      "row => row.textContent.includes(name)).click()", name)  # fmt: skip
    page.tab.wait_for_function("name => document.getElementById('file').textContent === name", arg=name)

    assert page.text("#who") == "<b>eve</b>"
    assert page.tab.locator("img").count() == page.tab.locator("header b").count() == 0
    assert page.errors == []
