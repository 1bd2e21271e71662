"""A labelled folder is read as it was written, and what cannot be read is named."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import session_fakes
from hypothesis import given, settings
from hypothesis import strategies as st

from popdetect.errors import TableError, UsageError
from popdetect.records import LABELS, Detection, Event, Verdict
from popdetect.session import labelling
from popdetect.session.clips import BURST_COLUMNS, CLIP_COLUMNS, EVENT_COLUMNS, LabelledClip, clip_record
from popdetect.session.session import Session, inside, is_labelled

label: Callable[..., Any] = partial(labelling.label, detector_factory=session_fakes.make)

POP = Event(0.1234567, 0.98765, True, 3.456, 1234.5, 2345.6, 34.56, "2", "both", -3.46, 0.12345)
NEAR = Event(0.5, 0.06, False, 1.0, 800.0, 900.0, -0.04)
FOUND = Detection("pop", 0.99, (POP, NEAR), 1.5, 48_000, 2, ("clipped", "quiet"))


def of(verdict: Verdict, number: int = 0) -> LabelledClip:
    return clip_record(number, verdict, "default-1", "aa", "0.1.0")


def written(folder: Path, *clips: LabelledClip, **more: Any) -> list[list[str]]:
    """Lines of the two tables of a session."""
    (folder / "out").mkdir(exist_ok=True)
    Session(folder, folder / "out", clips, **more).write()
    return [(folder / "out" / name).read_text("utf-8").splitlines() for name in ("clips.csv", "events.csv")]


# --- what the files say ---------------------------------------------------------------------------------------------


def test_numbers_have_fixed_decimals(tmp_path: Path) -> None:
    clips, events = written(tmp_path, of(Verdict("a/b.wav", "ok", FOUND, sha256="ff")))
    assert clips == [
        "file,status,label,p_pop,n_pops,first_pop_s,last_pop_s,snr_db,duration_s,sample_rate_hz,channels,quality,error,"
        "model,model_sha256,popdetect_version,sha256",
        "a/b.wav,ok,pop,0.9900,1,0.12346,0.12346,34.6,1.500,48000,2,clipped;quiet,,default-1,aa,0.1.0,ff",
    ]
    assert events == [
        "file,onset_s,p_pop,is_pop,duration_ms,peak_hz,centroid_hz,snr_db,channel,found_on,level_difference_db,"
        "arrival_difference_ms",
        "a/b.wav,0.12346,0.9877,1,3.46,1234,2346,34.6,2,both,-3.5,0.123",
        "a/b.wav,0.50000,0.0600,0,1.00,800,900,0.0,,,,",
    ]


def test_a_clip_without_events_and_a_failed_clip(tmp_path: Path) -> None:
    none = of(Verdict("a.wav", "ok", Detection("no_pop", 0.01, (), 1.0, 44_100, 1)))
    failed = of(Verdict("b.wav", "truncated", None, error="cut off"), 1)
    clips, events = written(tmp_path, none, failed)
    assert clips[1] == "a.wav,ok,no_pop,0.0100,0,,,,1.000,44100,1,,,default-1,aa,0.1.0,"
    assert clips[2] == "b.wav,truncated,,,,,,,,,,,cut off,default-1,aa,0.1.0,"
    assert len(events) == 1


def test_unknown_numbers_are_empty_cells(tmp_path: Path) -> None:
    odd = Event(0.1, 0.5, True, float("nan"), float("inf"), 1.0, float("nan"))
    record = of(Verdict("a", "ok", Detection("pop", 0.9, (odd,), 1.0, 8000, 1)))
    assert math.isnan(record.events[0].duration_ms)
    assert math.isnan(record.events[0].peak_hz)
    assert math.isnan(record.events[0].snr_db)
    assert record.snr_db is None
    _, events = written(tmp_path, record)
    assert events[1] == "a,0.10000,0.5000,1,,,1,,,,,"
    (clip,) = Session.read(tmp_path, tmp_path / "out").clips
    assert [math.isnan(value) for value in (clip.events[0].duration_ms, clip.events[0].peak_hz)] == [True, True]


# --- the round trip -------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
names = st.one_of(
    texts.filter(bool), st.sampled_from(["\r", "a\r\nb", '"', 'a",b', "=1+1", " a ", ";", "\n", "ä/ö.wav"])
)
shares = st.floats(0, 1)
numbers = st.floats(-1e4, 1e6)
events = st.builds(
    Event,
    st.floats(0, 1e4),
    shares,
    st.booleans(),
    numbers,
    numbers,
    numbers,
    numbers,
    st.sampled_from(["", "1", "both"]),
)
detections = st.builds(
    Detection,
    st.sampled_from(LABELS),
    shares,
    st.lists(events, max_size=3).map(lambda found: tuple(sorted(found, key=lambda event: event.onset_s))),
    st.floats(0, 1e4),
    st.integers(1, 10**6),
    st.integers(1, 64),
    st.lists(st.text("abc_", min_size=1, max_size=5), max_size=3).map(tuple),
)
verdicts = st.one_of(
    st.builds(Verdict, names, st.just("ok"), detections, sha256=st.text("0f", max_size=4)),
    st.builds(Verdict, names, st.sampled_from(["empty", "unreadable"]), st.none(), texts, st.text("0f", max_size=4)),
)
runs = st.dictionaries(texts, st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts))
own_columns = st.lists(
    texts.filter(lambda name: name and name not in {*CLIP_COLUMNS, *EVENT_COLUMNS, *BURST_COLUMNS}),
    max_size=2,
    unique=True,
)


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    found = draw(st.lists(verdicts, max_size=4, unique_by=lambda verdict: verdict.file))
    clip_own, event_own, burst_own = draw(own_columns), draw(own_columns), draw(own_columns)
    clips = []
    for number, verdict in enumerate(found):
        clip = clip_record(number, verdict, draw(texts), draw(texts), "0.1.0")
        extra = {name: draw(texts) for name in clip_own}
        event_extra = tuple({name: draw(texts) for name in event_own} for _ in clip.events) if event_own else ()
        burst_extra = tuple({name: draw(texts) for name in burst_own} for _ in clip.bursts) if burst_own else ()
        clips.append(replace(clip, extra=extra, event_extra=event_extra, burst_extra=burst_extra))
    columns = draw(st.permutations([*CLIP_COLUMNS, *clip_own]))
    event_columns = draw(st.permutations([*EVENT_COLUMNS, *event_own]))
    burst_columns = tuple(draw(st.permutations([*BURST_COLUMNS, *burst_own])))
    run = draw(runs)
    if draw(st.booleans()):
        run |= {"inputs": [{"file": verdict.file, "sha256": verdict.sha256} for verdict in found]}
    headers = (tuple(columns), tuple(event_columns), True, burst_columns)
    return Session(Path("s"), Path("s/out"), tuple(clips), run, *headers)


@settings(deadline=None)  # each example waits for the disk
@given(sessions())
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, session: Session) -> None:
    folder = tmp_path_factory.mktemp("s")
    session.write(folder / "one")
    back = Session.read(folder, folder / "one")
    assert back == session

    back.write(folder / "two")
    files = {path.name: path.read_bytes() for path in (folder / "one").iterdir()}
    assert {path.name: path.read_bytes() for path in (folder / "two").iterdir()} == files


@pytest.mark.parametrize("jobs", [1, 2])
def test_labelling_returns_what_is_read_and_reading_writes_the_same_bytes(
    session: Path, tmp_path: Path, jobs: int
) -> None:
    summary = label(session, jobs=jobs)
    read = Session.read(session)
    assert read == summary.session
    assert (read.folder, read.out) == (session, session / "popdetect")

    read.write(tmp_path / "copy")
    for name in ("clips.csv", "events.csv", "bursts.csv", "run.json"):
        assert (tmp_path / "copy" / name).read_bytes() == (session / "popdetect" / name).read_bytes()
    assert Session.read(session, tmp_path / "copy") == read


def test_answers_are_copied_and_never_replaced(session: Path, tmp_path: Path) -> None:
    label(session)
    answers = "file,label,onsets_s,rater,answered_at\r\np0/clip 00.wav,pop,0.5,anna,2026-01-01T00:00:00+00:00\n"
    (session / "popdetect/corrections.csv").write_bytes(answers.encode())
    read = Session.read(session)
    assert [(answer.file, answer.onsets_s) for answer in read.corrections] == [("p0/clip 00.wav", (0.5,))]

    read.write(tmp_path / "copy")
    assert (tmp_path / "copy/corrections.csv").read_bytes() == answers.encode()
    (tmp_path / "copy/corrections.csv").write_bytes(b"others")
    read.write(tmp_path / "copy")
    assert (tmp_path / "copy/corrections.csv").read_bytes() == b"others"


def test_the_truth_is_that_of_the_folder(session: Path) -> None:
    label(session)
    assert Session.read(session).truth == ()
    (session / "labels.csv").write_text("file,label,onsets_s\np0/clip 00.wav,pop,0.5\n")
    assert [truth.onsets_s for truth in Session.read(session).truth] == [(0.5,)]


def test_a_clip_without_a_cell_of_a_further_column_has_it_empty(tmp_path: Path) -> None:
    clip = replace(of(Verdict("a.wav", "truncated", None)), extra={"side": "left"})
    columns = ("file", "side", "note")
    assert written(tmp_path, clip, clip_columns=columns)[0] == ["file,side,note", "a.wav,left,"]


# --- what else it says ----------------------------------------------------------------------------------------------


def test_thresholds_are_those_of_the_run_if_it_can_be_read(session: Path) -> None:
    label(session)
    read = Session.read(session)
    assert read.thresholds == (0.2, 0.8)
    assert read.operating_point is not None
    assert read.operating_point[0] == "balanced"
    run = session / "popdetect/run.json"
    for damaged in (b"{", b"[]", b"{}", b'{"operating_point": 3}', b'{"operating_point": {"name": "a"}}', b"\xff"):
        run.write_bytes(damaged)
        assert Session.read(session).thresholds == (0.5, 0.5)
    run.unlink()
    assert Session.read(session).operating_point is None


def test_a_session_is_one_line_in_a_notebook(tmp_path: Path) -> None:
    labels = ["pop", "no_pop", "uncertain", "no_pop"]
    clips = [of(Verdict(f"{i}", "ok", replace(FOUND, label=name)), i) for i, name in enumerate(labels)]  # type: ignore[arg-type]
    written(tmp_path, *clips)
    assert repr(Session.read(tmp_path, tmp_path / "out")) == f"<Session {tmp_path.name}: 4 clips, 1 pop>"


def test_sounds_are_only_those_of_the_folder(session: Path, tmp_path: Path) -> None:
    label(session)
    secret = tmp_path / "secret.wav"
    secret.write_bytes(b"x")
    (session / "link.wav").symlink_to(secret)
    table = session / "popdetect/clips.csv"
    table.write_text(table.read_text().replace("p0/clip 00.wav", "../secret.wav"))
    read = Session.read(session)
    assert "../secret.wav" not in read.sounds
    assert inside(session, read.sounds["p0/clip 02.wav"]) == (session / "p0/clip 02.wav").resolve()
    assert inside(session, read.sounds["link.wav"]) is None
    for path in session.rglob("*.wav"):
        path.unlink()
    assert Session.read(session).sounds == {}


def test_frames_have_a_line_for_each_clip_and_event(session: Path) -> None:
    pytest.importorskip("pandas")
    read = label(session).session
    clips, found, bursts = read.to_frame(), read.events_frame(), read.bursts_frame()
    assert list(bursts.columns) == list(BURST_COLUMNS)
    assert bursts["n_pops"].sum() == found["is_pop"].sum()
    assert list(clips.columns) == list(CLIP_COLUMNS)
    assert list(found.columns) == list(EVENT_COLUMNS)
    assert len(clips) == 40
    assert len(found) == sum(len(clip.events) for clip in read.clips)
    assert clips["n_pops"].sum() == found["is_pop"].sum()


def test_frames_have_the_values_of_the_tables(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    failed = of(Verdict("b.wav", "truncated", None, error="cut off"), 1)
    found = of(Verdict("a/b.wav", "ok", FOUND, sha256="ff"))
    own = replace(found, extra={"side": "left"}, event_extra=({"note": "1st"}, {"note": ""}))
    columns = {"clip_columns": (*CLIP_COLUMNS, "side"), "event_columns": (*EVENT_COLUMNS, "note")}
    written(tmp_path, own, replace(failed, extra={"side": "right"}), **columns)
    read = Session.read(tmp_path, tmp_path / "out")
    clips, events = read.to_frame(), read.events_frame()

    assert clips.iloc[0].to_dict() == {
        "file": "a/b.wav", "status": "ok", "label": "pop", "p_pop": 0.99, "n_pops": 1, "first_pop_s": 0.12346,
        "last_pop_s": 0.12346, "snr_db": 34.6, "duration_s": 1.5, "sample_rate_hz": 48_000, "channels": 2,
        "quality": "clipped;quiet", "error": "", "model": "default-1", "model_sha256": "aa",
        "popdetect_version": "0.1.0", "sha256": "ff", "side": "left",
    }  # fmt: skip
    assert clips.loc[1, ["file", "status", "quality", "error", "side"]].to_list() == [
        "b.wav", "truncated", "", "cut off", "right",
    ]  # fmt: skip
    assert pd.isna(clips.loc[1, "p_pop"])
    assert list(clips.columns) == [*CLIP_COLUMNS, "side"]
    assert list(events.columns) == [*EVENT_COLUMNS, "note"]
    assert events.astype(object).where(events.notna(), None).to_dict("records") == [
        {"file": "a/b.wav", "onset_s": 0.12346, "p_pop": 0.9877, "is_pop": True, "duration_ms": 3.46, "peak_hz": 1234,
         "centroid_hz": 2346, "snr_db": 34.6, "channel": "2", "found_on": "both", "level_difference_db": -3.5,
         "arrival_difference_ms": 0.123, "note": "1st"},
        {"file": "a/b.wav", "onset_s": 0.5, "p_pop": 0.06, "is_pop": False, "duration_ms": 1, "peak_hz": 800,
         "centroid_hz": 900, "snr_db": 0, "channel": "", "found_on": "", "level_difference_db": None,
         "arrival_difference_ms": None, "note": ""},
    ]  # fmt: skip


def run_text(folder: Path, run: dict[str, Any]) -> str:
    written(folder, run=run)
    return (folder / "out/run.json").read_text("utf-8")


def test_run_json_has_a_line_for_each_setting_and_each_input(tmp_path: Path) -> None:
    inputs = [{"file": "a \u00e4.wav", "sha256": "ff"}, {"file": "b.wav", "sha256": "00"}]
    assert run_text(tmp_path, {"jobs": 2, "model": {"title": "m"}, "inputs": inputs}) == (
        '{\n "jobs": 2,\n "model": {\n  "title": "m"\n },\n "inputs": [\n'
        '  {"file": "a \\u00e4.wav", "sha256": "ff"},\n'
        '  {"file": "b.wav", "sha256": "00"}\n ]\n}\n'
    )


@pytest.mark.parametrize(
    ("run", "text"),
    [
        ({"jobs": 2}, '{\n "jobs": 2\n}\n'),
        ({"jobs": 2, "inputs": []}, '{\n "jobs": 2,\n "inputs": []\n}\n'),
        ({"inputs": [{"a": 1}], "jobs": 2}, '{\n "inputs": [\n  {\n   "a": 1\n  }\n ],\n "jobs": 2\n}\n'),
    ],
)
def test_run_json_of_any_other_order_is_plain_json(tmp_path: Path, run: dict[str, Any], text: str) -> None:
    assert run_text(tmp_path, run) == text


@pytest.mark.parametrize("damaged", [b"[]", b"3", b"{", b"\xff", b'"a"', b"null"])
def test_damaged_run_settings_are_empty(tmp_path: Path, damaged: bytes) -> None:
    written(tmp_path)
    (tmp_path / "out/run.json").write_bytes(damaged)

    assert Session.read(tmp_path, tmp_path / "out").run == {}


def test_a_session_that_was_read_is_written_where_it_was(tmp_path: Path) -> None:
    lines = written(tmp_path, of(Verdict("a/b.wav", "ok", FOUND, sha256="ff")), run={"jobs": 2})
    out = tmp_path / "out"
    read = Session.read(str(tmp_path), str(out))
    for path in out.iterdir():
        path.unlink()

    assert read.write() == (out / "clips.csv", out / "events.csv", out / "bursts.csv", out / "run.json")
    assert [(out / name).read_text("utf-8").splitlines() for name in ("clips.csv", "events.csv")] == lines


def test_bursts_are_those_of_the_events_if_an_older_version_wrote_the_session(tmp_path: Path) -> None:
    times = (0.5, 0.6, 1.0)
    places = ("", "", "2")
    events = tuple(
        Event(time, 0.9, True, 2.0, 2500.0, 3000.0, 30.0, found_on=place)
        for time, place in zip(times, places, strict=True)
    )
    clip = of(Verdict("a.wav", "ok", Detection("pop", 0.9, events, 2.0, 48_000, 2)))
    assert [(burst.start_s, burst.end_s, burst.n_pops) for burst in clip.bursts] == [(0.5, 0.602, 2), (1.0, 1.002, 1)]
    Session(tmp_path, tmp_path / "out", (clip,)).write()
    table = tmp_path / "out/bursts.csv"
    assert table.read_text() == (
        "file,start_s,end_s,n_pops,p_pop,n_found_on_1,n_found_on_2,n_found_on_both\n"
        "a.wav,0.50000,0.60200,2,0.9000,,,\na.wav,1.00000,1.00200,1,0.9000,0,1,0\n"
    )
    with_table = Session.read(tmp_path, tmp_path / "out")
    table.unlink()
    without = Session.read(tmp_path, tmp_path / "out")

    assert (with_table.has_bursts, without.has_bursts) == (True, False)
    assert without.clips == with_table.clips == (clip,)
    without.write()
    assert not table.exists()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("a.wav,x,1,1,0.9", "start_s: 'x': a number is expected"),
        ("a.wav,0.5,0.6,1,2", "p_pop: '2': a number is expected"),
        ("a.wav,0.5,0.6,,0.9", "n_pops: '': a number is expected"),
    ],
)
def test_a_burst_that_cannot_be_read_is_named_by_its_line(tmp_path: Path, line: str, problem: str) -> None:
    written(tmp_path, of(Verdict("a.wav", "ok", FOUND)))
    (tmp_path / "out/bursts.csv").write_text(f"file,start_s,end_s,n_pops,p_pop\n{line}\n")

    with pytest.raises(TableError) as refused:
        Session.read(tmp_path, tmp_path / "out")
    assert str(refused.value) == f"{tmp_path / 'out/bursts.csv'}:2: {problem}; label again"


# --- what cannot be read --------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_labelled_is_refused(session: Path) -> None:
    assert not is_labelled(session)
    with pytest.raises(UsageError) as refused:
        Session.read(session)
    table = session / "popdetect/clips.csv"
    assert str(refused.value) == (
        f"{session}: not labelled yet: {table} is not there; label the session first: popdetect label {session}"
    )
    with pytest.raises(UsageError) as refused:
        Session.read(session / "nowhere")
    expected = "no such folder; the folder of a labelled session is expected"
    assert str(refused.value) == f"{session / 'nowhere'}: {expected}"
    label(session)
    assert is_labelled(session)


@pytest.mark.parametrize("name", ["file", "status", "label", "p_pop"])
def test_a_missing_column_is_named(session: Path, name: str) -> None:
    label(session)
    table = session / "popdetect/clips.csv"
    table.write_text("\n" + table.read_text().replace(name, "x", 1))
    with pytest.raises(TableError, match=rf"^{re.escape(str(table))}:2: no column {name}; [^\n]*label again$"):
        Session.read(session)


@pytest.mark.parametrize("name", ["file", "onset_s", "p_pop", "is_pop"])
def test_a_missing_column_of_events_is_named(session: Path, name: str) -> None:
    label(session)
    table = session / "popdetect/events.csv"
    table.write_text(table.read_text().replace(name, "x", 1))
    with pytest.raises(TableError, match=rf"^{re.escape(str(table))}:1: no column {name}; "):
        Session.read(session)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.wav,ok,bang,0.5,1,0.5", "label: 'bang': pop, no_pop, uncertain or nothing is allowed"),
        ("a.wav,ok,pop,much,1,0.5", "p_pop: 'much': a number"),
        ("a.wav,ok,pop,1.5,1,0.5", "p_pop: '1.5': a number"),
        ("a.wav,ok,pop,nan,1,0.5", "p_pop: 'nan': a number"),
        ("a.wav,ok,pop,0.5,1.5,0.5", "n_pops: '1.5': a number"),
        ("a.wav,ok,pop,0.5,-1,0.5", "n_pops: '-1': a number"),
        ("a.wav,ok,pop,0.5,1,1e300", "first_pop_s: '1e300': a number"),
        ("b.wav,ok,pop,0.5,1,0.5", "file: 'b.wav' is already on line 2"),
        (",ok,pop,0.5,1,0.5", "file: empty"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str, said: str) -> None:
    table = tmp_path / "clips.csv"
    table.write_text(f"file,status,label,p_pop,n_pops,first_pop_s\nb.wav,ok,pop,0.5,1,0.5\n,,,,,\n{line}\n")
    with pytest.raises(TableError, match=rf"^{re.escape(str(table))}:4: {re.escape(said)}"):
        Session.read(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a.wav,,0.5,1", "onset_s: '': a number"),
        ("a.wav,0.5,,1", "p_pop: '': a number"),
        ("a.wav,0.5,0.5,yes", "is_pop: 'yes': 1 or 0"),
        ("a.wav,0.5,0.5,", "is_pop: '': 1 or 0"),
    ],
)
def test_an_event_that_cannot_be_used_is_named(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "clips.csv").write_text("file,status,label,p_pop\na.wav,ok,pop,0.5\n")
    (tmp_path / "events.csv").write_text(f"file,onset_s,p_pop,is_pop\n{line}\n")
    with pytest.raises(TableError, match=rf"events\.csv:2: {re.escape(said)}"):
        Session.read(tmp_path, tmp_path)


def test_several_missing_columns_are_named_in_their_order(tmp_path: Path) -> None:
    table = tmp_path / "clips.csv"
    table.write_text("status,label\nok,pop\n")
    with pytest.raises(TableError) as refused:
        Session.read(tmp_path, tmp_path)
    assert str(refused.value) == (
        f"{table}:1: no column file, p_pop; this is not what `popdetect label` wrote: label again"
    )


def test_a_wrong_line_of_clips_is_named_when_there_are_events_too(tmp_path: Path) -> None:
    clips, events = tmp_path / "clips.csv", tmp_path / "events.csv"
    clips.write_text("file,status,label,p_pop\na.wav,ok,bang,0.5\n")
    events.write_text("file,onset_s,p_pop,is_pop\na.wav,0.5,0.5,1\n")
    with pytest.raises(TableError) as refused:
        Session.read(tmp_path, tmp_path)
    assert str(refused.value) == f"{clips}:2: label: 'bang': pop, no_pop, uncertain or nothing is allowed; label again"
    clips.write_text("file,status,label,p_pop\na.wav,ok,pop,0.5\na.wav,ok,pop,0.5\n")
    with pytest.raises(TableError) as refused:
        Session.read(tmp_path, tmp_path)
    assert str(refused.value) == f"{clips}:3: file: 'a.wav' is already on line 2; each line is of one clip: label again"
    clips.write_text("file,status,label,p_pop\n,ok,pop,0.5\n")
    with pytest.raises(TableError) as refused:
        Session.read(tmp_path, tmp_path)
    assert str(refused.value) == f"{clips}:2: file: empty; each line is of one clip: label again"


def test_columns_and_cells_that_are_missing_are_not_known_or_empty(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("p_pop,file,side,status,label\n,a.wav,left,truncated,\n0.25,b.wav,,ok,no_pop\n")
    (tmp_path / "events.csv").write_text("note,file,onset_s,p_pop,is_pop\n1st,b.wav,0.5,0.2,0\n")
    read = Session.read(tmp_path, tmp_path)
    first, second = read.clips

    assert first == LabelledClip(0, "a.wav", "truncated", extra={"side": "left"})
    (event,) = second.events
    assert (second.id, second.p_pop, second.label, second.n_pops) == (1, 0.25, "no_pop", None)
    assert (event.onset_s, event.p_pop, event.is_pop, event.channel) == (0.5, 0.2, False, "")
    assert all(math.isnan(value) for value in (event.duration_ms, event.peak_hz, event.centroid_hz, event.snr_db))
    assert second.event_extra == ({"note": "1st"},)
    read.write(tmp_path / "copy")
    assert (tmp_path / "copy/clips.csv").read_text() == (
        "p_pop,file,side,status,label\n,a.wav,left,truncated,\n0.2500,b.wav,,ok,no_pop\n"
    )
    assert (tmp_path / "copy/events.csv").read_text() == (
        "note,file,onset_s,p_pop,is_pop\n1st,b.wav,0.50000,0.2000,0\n"
    )


def test_events_are_in_time_order_and_those_of_no_clip_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("file,status,label,p_pop\na.wav,ok,pop,0.5\n")
    (tmp_path / "events.csv").write_text("file,onset_s,p_pop,is_pop\na.wav,2,0.5,1\nb.wav,1,0.5,1\na.wav,1,0.5,0\n")
    (clip,) = Session.read(tmp_path, tmp_path).clips
    assert [event.onset_s for event in clip.events] == [1.0, 2.0]
    assert clip.pops_s == (2.0,)
    assert clip.duration_s is None


def test_a_session_without_events_stays_without(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("file,status,label,p_pop\na.wav,ok,pop,0.5000\n")
    read = Session.read(tmp_path, tmp_path)
    read.write(tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["clips.csv"]
    assert (tmp_path / "copy/clips.csv").read_bytes() == (tmp_path / "clips.csv").read_bytes()
    assert json.dumps(dict(read.run)) == "{}"


# --- the only reader ------------------------------------------------------------------------------------------------


def test_no_other_package_names_the_files_of_a_labelled_folder() -> None:
    import ast

    import popdetect

    root = Path(popdetect.__file__).parent
    named = []
    for path in root.rglob("*.py"):
        if path.is_relative_to(root / "session") or path.is_relative_to(root / "cli"):  # cli: help texts
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and node.value in (
                "clips.csv", "events.csv", "run.json", "corrections.csv", "labels.csv", "progress.jsonl",
            ):  # fmt: skip
                named.append(f"{path.relative_to(root)}:{node.lineno}")
    assert named == []
