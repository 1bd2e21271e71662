"""Pictures of clips of every shape; written whole or not at all."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from popdetect.errors import UsageError
from popdetect.records import Detection, Event
from popdetect.session import plots as picture


def detection(onsets: tuple[float, ...], duration_s: float, rate_hz: int, channels: int, *, is_pop: bool) -> Detection:
    events = tuple(Event(t, 0.9, is_pop, 2.0, 2000.0, 2500.0, 30.0) for t in onsets)
    return Detection("pop" if onsets and is_pop else "uncertain", 0.9, events, duration_s, rate_hz, channels)


@pytest.mark.parametrize(
    ("onsets", "duration_s", "rate_hz", "channels", "is_pop"),
    [
        ((), 3.0, 48_000, 1, True),
        ((0.0, 2.999), 3.0, 44_100, 2, True),
        ((0.01,), 0.02, 8_000, 1, False),
        ((30.0, 30.03), 60.0, 16_000, 6, True),
        ((0.5,), 1.0, 8_000, 1, True),
        ((0.005,), 0.01, 192_000, 1, True),  # the shortest that is judged
    ],
)
def test_every_clip_can_be_drawn(
    onsets: tuple[float, ...], duration_s: float, rate_hz: int, channels: int, is_pop: bool
) -> None:
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((int(duration_s * rate_hz), channels)).astype(np.float32)
    png = picture.draw(samples, rate_hz, detection(onsets, duration_s, rate_hz, channels, is_pop=is_pop), "a $b$ ü.wav")

    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", png[16:24]) == (1400, 900)


@pytest.mark.parametrize("title", ["$", "$x_1$.wav", "a$b", "Übung äöüß.wav", r"a\b^{2}_%&#~.wav", "", "x" * 250])
def test_a_title_is_text_whatever_is_in_it(title: str) -> None:
    samples = np.full((8_000, 1), 0.01, np.float32)
    png = picture.draw(samples, 8_000, detection((0.5,), 1.0, 8_000, 1, is_pop=True), title)

    assert struct.unpack(">II", png[16:24]) == (1400, 900)


def test_the_same_clip_gives_the_same_bytes() -> None:
    samples = np.random.default_rng(0).standard_normal((8_000, 2)).astype(np.float32)
    one, two = (picture.draw(samples, 8_000, detection((0.5,), 1.0, 8_000, 2, is_pop=True), "a") for _ in range(2))

    assert one == two


def test_drawing_leaves_no_figure_open_and_no_setting_changed() -> None:
    import matplotlib
    from matplotlib import _pylab_helpers

    before = dict(matplotlib.rcParams)
    picture.draw(np.zeros((8_000, 1), np.float32), 8_000, detection((), 1.0, 8_000, 1, is_pop=True), "a")

    assert dict(matplotlib.rcParams) == before
    assert _pylab_helpers.Gcf.get_all_fig_managers() == []


def test_what_was_counted_and_what_was_not_look_different() -> None:
    samples = np.full((8_000, 1), 0.01, np.float32)
    counted, not_counted = (
        picture.draw(samples, 8_000, detection((0.5,), 1.0, 8_000, 1, is_pop=is_pop), "a") for is_pop in (True, False)
    )

    assert counted != not_counted


def test_pops_change_the_picture() -> None:
    samples = np.zeros((48_000, 1), np.float32) + np.float32(0.01)
    none = picture.draw(samples, 48_000, detection((), 1.0, 48_000, 1, is_pop=True), "a")
    pops = picture.draw(samples, 48_000, detection((0.5,), 1.0, 48_000, 1, is_pop=True), "a")

    assert none != pops


def test_a_picture_of_a_file_is_written_where_asked(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 4800), 48_000)
    found = detection((0.05,), 0.1, 48_000, 1, is_pop=True)
    for name in ("\u00dcbung $1.png", "x" * 251 + ".png"):
        picture.make(str(tmp_path / "a.wav"), tmp_path / name, found, "a")
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        picture.make(str(tmp_path / "a.wav"), tmp_path / "nowhere" / "a.png", found, "a")


# --- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (("a/x.wav", "a/y.wav"), ("x.wav", "y.wav")),
        (("a/t.wav", "b/t.wav", "c.wav"), ("a_t.wav", "b_t.wav", "c.wav")),
        (("a/x/t.wav", "b/x/t.wav", "c/y/t.wav"), ("a_x_t.wav", "b_x_t.wav", "y_t.wav")),
        (("/a/t.wav", "a/t.wav"), ("a_t.wav", "a_t.wav (2)")),
        (("t.wav", "./t.wav"), ("t.wav", "t.wav (2)")),
        (("a_b/t.wav", "a/b/t.wav", "c/b/t.wav"), ("a_b_t.wav", "a_b_t.wav (2)", "c_b_t.wav")),
        (("A.wav", "a.WAV"), ("A.wav", "a.WAV (2)")),
        (("-", "stdin"), ("stdin", "stdin (2)")),
        (("..", "."), ("..", "clip")),
    ],
)
def test_each_clip_has_a_picture_of_its_own(files: tuple[str, ...], names: tuple[str, ...], tmp_path: Path) -> None:
    placed = picture.places(tmp_path / "new" / "pictures", files)

    assert [path.name for path in placed.values()] == [f"{name}.png" for name in names]
    assert list(placed) == list(files)
    assert {path.parent for path in placed.values()} == {tmp_path / "new" / "pictures"}
    assert (tmp_path / "new" / "pictures").is_dir()
    assert placed == picture.places(tmp_path / "new" / "pictures", files)


@given(st.lists(st.text("ab/_.A", min_size=1, max_size=8), min_size=2, max_size=12))
def test_no_two_files_share_a_picture(files: list[str]) -> None:
    names = picture._names(files)

    assert set(names) == set(files)
    assert len({name.casefold() for name in names.values()}) == len(names)
    assert not any("/" in name or "\0" in name for name in names.values())


def test_one_file_has_the_picture_that_was_named(tmp_path: Path) -> None:
    assert picture.places(tmp_path / "a.png", ["x.wav"]) == {"x.wav": tmp_path / "a.png"}
    assert picture.places(tmp_path, ["x.wav"]) == {"x.wav": tmp_path / "x.wav.png"}
    with pytest.raises(UsageError, match=r"ends in \.png"):
        picture.places(tmp_path / "a.jpg", ["x.wav"])
    with pytest.raises(UsageError, match="2 files need 2 pictures"):
        picture.places(tmp_path / "a.png", ["x.wav", "y.wav"])
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=r"cannot be written: [^\n]*a file stands where"):
        picture.places(tmp_path / "file" / "in", ["x.wav", "y.wav"])
