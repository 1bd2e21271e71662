"""Pictures of clips of every shape; written whole or not at all."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from popdetect.errors import UsageError
from popdetect.records import Detection, Event, Label
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


@pytest.mark.parametrize(
    "title", ["$", "$x_1$.wav", "a$b", r"$\no_such{$.wav", "Übung äöüß.wav", r"a\b^{2}_%&#~.wav", "", "x" * 250]
)
def test_a_title_is_text_whatever_is_in_it(title: str) -> None:
    samples = np.full((8_000, 1), 0.01, np.float32)
    png = picture.draw(samples, 8_000, detection((0.5,), 1.0, 8_000, 1, is_pop=True), title)

    assert struct.unpack(">II", png[16:24]) == (1400, 900)


def test_a_picture_does_not_depend_on_settings_of_matplotlib() -> None:
    with mpl.rc_context({"figure.dpi": 50, "savefig.dpi": 70, "savefig.format": "svg"}):
        png = picture.draw(np.zeros((8_000, 1), np.float32), 8_000, detection((), 1.0, 8_000, 1, is_pop=True), "a")

    image = Image.open(io.BytesIO(png))
    assert (image.format, image.size) == ("PNG", (1400, 900))
    assert image.info["Software"] == "popdetect"  # matplotlib would write its version: other bytes after each update


def test_the_same_clip_gives_the_same_bytes() -> None:
    samples = np.random.default_rng(0).standard_normal((8_000, 2)).astype(np.float32)
    one, two = (picture.draw(samples, 8_000, detection((0.5,), 1.0, 8_000, 2, is_pop=True), "a") for _ in range(2))

    assert one == two


def test_drawing_leaves_no_figure_open_and_no_setting_changed() -> None:
    from matplotlib import _pylab_helpers

    before = dict(mpl.rcParams)
    picture.draw(np.zeros((8_000, 1), np.float32), 8_000, detection((), 1.0, 8_000, 1, is_pop=True), "a")

    assert dict(mpl.rcParams) == before
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
    names = picture.distinct_names(files)

    assert set(names) == set(files)
    assert len({name.casefold() for name in names.values()}) == len(names)
    assert not any("/" in name or "\0" in name for name in names.values())


def test_one_file_has_the_picture_that_was_named(tmp_path: Path) -> None:
    assert picture.places(tmp_path / "a.png", ["x.wav"]) == {"x.wav": tmp_path / "a.png"}
    assert picture.places(tmp_path, ["x.wav"]) == {"x.wav": tmp_path / "x.wav.png"}
    assert picture.places(tmp_path / "A.PNG", ["x.wav"]) == {"x.wav": tmp_path / "A.PNG"}
    with pytest.raises(UsageError) as refused:
        picture.places(tmp_path / "a.jpg", ["x.wav"])
    assert str(refused.value) == f"{tmp_path / 'a.jpg'}: pictures are PNG files; give a name that ends in .png"
    for name in ("a.png", "a.PNG"):
        with pytest.raises(UsageError) as refused:
            picture.places(tmp_path / name, ["x.wav", "y.wav"])
        assert str(refused.value) == f"{tmp_path / name}: 2 files need 2 pictures; name a folder instead"
    (tmp_path / "folder.png").mkdir()
    assert picture.places(tmp_path / "folder.png", ["x.wav"]) == {"x.wav": tmp_path / "folder.png" / "x.wav.png"}
    assert list(picture.places(tmp_path / "folder.png", ["x.wav", "y.wav"]).values()) == [
        tmp_path / "folder.png" / "x.wav.png",
        tmp_path / "folder.png" / "y.wav.png",
    ]
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UsageError, match=r"cannot be written: [^\n]*a file stands where"):
        picture.places(tmp_path / "file" / "in", ["x.wav", "y.wav"])


# --- what is in a picture -------------------------------------------------------------------------------------------

TONE_HZ, RATE_HZ = 3000, 16_000
EVENTS = (
    Event(0.9, 0.4, False, 2.0, 2000.0, 2500.0, 30.0),
    Event(1.0, 0.9, True, 2.0, 2000.0, 2500.0, 30.0),
    Event(1.05, 0.95, True, 2.0, 2000.0, 2500.0, 30.0),
    Event(1.9, 0.3, False, 2.0, 2000.0, 2500.0, 30.0),
)


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that `draw` saves during the test."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(self: Figure, *words: object, **more: object) -> None:
        figures.append(self)
        save(self, *words, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


TIME_S = np.arange(2 * RATE_HZ) / RATE_HZ
SOUND = np.where((TIME_S >= 1.0) & (TIME_S < 1.1), 0.5 * np.sin(2 * np.pi * TONE_HZ * TIME_S), 0.0)
SOUND += np.where((TIME_S >= 1.8) & (TIME_S < 1.9), 0.05 * np.sin(2 * np.pi * 5000 * TIME_S), 0.0)
CLIP = Detection("no_pop", 0.956, EVENTS, 2.0, RATE_HZ, 2)


@pytest.fixture
def png(saved: list[Figure]) -> bytes:
    """The picture of a clip of 2 s with a tone from 1.0 to 1.1 s, and one 20 dB quieter from 1.8 to 1.9 s."""
    samples = np.stack([SOUND * 1.5, SOUND * 0.5], axis=1).astype(np.float32)
    return picture.draw(samples, RATE_HZ, CLIP, "a $b$.wav")


@pytest.fixture
def figure(saved: list[Figure], png: bytes) -> Figure:
    return saved[0]


def test_the_title_has_label_probability_and_count(figure: Figure) -> None:
    assert figure.get_suptitle() == "a $b$.wav: no pop, probability 0.96, 2 pops"


def test_one_pop_is_no_plural(saved: list[Figure]) -> None:
    picture.draw(np.zeros((8_000, 1), np.float32), 8_000, detection((0.5,), 1.0, 8_000, 1, is_pop=True), "a.wav")

    assert saved[0].get_suptitle() == "a.wav: pop, probability 0.90, 1 pop"


def test_a_clip_without_events_has_one_column_and_no_legend(saved: list[Figure]) -> None:
    picture.draw(np.zeros((48_000, 1), np.float32), 48_000, detection((), 1.0, 48_000, 1, is_pop=True), "a.wav")
    top, bottom = saved[0].axes
    (image,) = bottom.images
    low, high = top.get_ylim()

    assert [top.get_title(), top.get_legend()] == ["the whole clip", None]
    assert bottom.get_ylim() == (0, 12)  # kHz; higher frequencies say little
    assert low == -high < 0  # silence has an axis, too
    assert high < 0.001
    assert np.isfinite(np.asarray(image.get_array())).all()


def test_the_waveform_is_the_mean_of_the_channels_and_nearly_fills_its_axis(figure: Figure) -> None:
    for axis, from_s, to_s in ((figure.axes[0], 0.0, 2.0), (figure.axes[1], 0.875, 1.175)):
        wave = next(line for line in axis.lines if len(line.get_xdata()) > 1000)
        times = np.asarray(wave.get_xdata(), float)
        shown = (times >= from_s) & (times <= to_s)
        expected = np.flatnonzero((from_s <= TIME_S) & (to_s >= TIME_S))

        assert times[shown] == pytest.approx(TIME_S[expected])
        assert np.asarray(wave.get_ydata(), float)[shown] == pytest.approx(SOUND[expected], abs=1e-6)
        low, high = axis.get_ylim()
        assert low == -high
        assert 0.8 < 0.5 / high < 0.95
        assert wave.get_color() == picture.WAVE


def test_the_whole_clip_and_a_closer_view_have_their_axes(figure: Figure) -> None:
    top, top_close, bottom, bottom_close = figure.axes

    assert [axis.get_title() for axis in figure.axes] == ["the whole clip", "closer: 300 ms", "", ""]
    assert [axis.get_ylabel() for axis in figure.axes] == ["amplitude", "", "frequency (kHz)", ""]
    assert [axis.get_xlabel() for axis in figure.axes] == ["", "", "time (s)", "time (s)"]
    for whole, close in ((top, top_close), (bottom, bottom_close)):
        assert whole.get_xlim() == (0.0, 2.0)
        assert close.get_xlim() == pytest.approx((0.875, 1.175))
    for above, below in ((top, bottom), (top_close, bottom_close)):  # the same moment is at the same place
        assert above.get_position().intervalx == pytest.approx(below.get_position().intervalx)
    assert bottom.get_ylim() == (0.0, RATE_HZ / 2000)


@pytest.mark.parametrize(("number", "window_s"), [(2, 0.008), (3, 0.003)])
def test_the_spectrogram_shows_a_tone_at_its_time_and_frequency(figure: Figure, number: int, window_s: float) -> None:
    axis = figure.axes[number]
    (image,) = axis.images
    level = np.asarray(image.get_array())
    first_s, last_s, low_khz, high_khz = image.get_extent()
    n_bands, n_times = level.shape
    times = first_s + (np.arange(n_times) + 0.5) * (last_s - first_s) / n_times
    bands = low_khz + np.arange(n_bands) * (high_khz - low_khz) / (n_bands - 1)
    power = 10 ** (level / 10)

    assert (low_khz, high_khz) == (0, RATE_HZ / 2000)
    assert n_bands > 256  # fine enough for the height of the picture
    assert bands[level.max(axis=1).argmax()] == pytest.approx(TONE_HZ / 1000, abs=0.1)
    loud = times[(level > level.max() - 6).any(axis=0)]
    assert loud.min() == pytest.approx(1.0, abs=window_s / 4)
    assert loud.max() == pytest.approx(1.1, abs=window_s / 4)
    assert (power.sum(axis=0) * times)[times < 1.5].sum() / power[:, times < 1.5].sum() == pytest.approx(1.05, abs=3e-4)
    assert (image.norm.vmin, image.norm.vmax) == (pytest.approx(level.max() - 70), pytest.approx(level.max()))
    assert level.min() < image.norm.vmin  # silence
    assert window_s / 8 < times[1] - times[0] < window_s / 4


def test_the_closer_spectrogram_reaches_both_ends_of_its_axis(figure: Figure) -> None:
    first_s, last_s, _, _ = figure.axes[3].images[0].get_extent()
    from_s, to_s = figure.axes[3].get_xlim()

    assert from_s - 0.03 < first_s < from_s
    assert to_s < last_s < to_s + 0.03


def test_a_tone_20_db_quieter_is_20_db_lower_in_the_spectrogram(figure: Figure) -> None:
    level = np.asarray(figure.axes[2].images[0].get_array())
    khz = np.linspace(0, RATE_HZ / 2000, len(level))

    assert level[np.abs(khz - 3) < 0.5].max() - level[np.abs(khz - 5) < 0.5].max() == pytest.approx(20, abs=0.5)


def test_a_long_clip_has_no_more_moments_than_the_picture_can_show(saved: list[Figure]) -> None:
    picture.draw(np.zeros((60 * 8000, 1), np.float32), 8000, detection((), 60.0, 8000, 1, is_pop=True), "a.wav")

    assert 1400 < np.asarray(saved[0].axes[1].images[0].get_array()).shape[1] < 6000


def test_a_tone_is_bright_where_it_is_in_the_picture(figure: Figure, png: bytes) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("L"), int)
    axis = figure.axes[2]

    def brightness(time_s: float, khz: float) -> int:
        x, y = axis.transData.transform((time_s, khz))
        return int(pixels[pixels.shape[0] - round(y), round(x)])

    assert brightness(1.05, 3.0) > 200
    assert brightness(1.85, 5.0) > brightness(1.05, 7.0) + 50
    assert max(brightness(1.85, 3.0), brightness(0.5, 3.0), brightness(0.15, 5.0)) < 60


def test_pops_and_other_events_are_marked_with_their_own_shape_and_colour(figure: Figure) -> None:
    def marks(number: int) -> dict[str, tuple[list[float], str]]:
        return {
            str(line.get_marker()): ([round(float(x), 6) for x in line.get_xdata()], str(line.get_color()))
            for line in figure.axes[number].lines
            if line.get_marker() in ("v", "x")
        }

    def lines_at(number: int) -> list[float]:
        return sorted(
            round(float(line.get_xdata()[0]), 6) for line in figure.axes[number].lines if line.get_linestyle() == ":"
        )

    assert marks(0) == {"v": ([1.0, 1.05], picture.POP), "x": ([0.9, 1.9], picture.OTHER)}
    assert marks(1) == {"v": ([1.0, 1.05], picture.POP), "x": ([0.9], picture.OTHER)}
    assert [lines_at(number) for number in range(4)] == [[], [0.9, 1.0, 1.05], [], [0.9, 1.0, 1.05]]
    assert {line.get_color() for line in figure.axes[3].lines} == {picture.POP, picture.OTHER}
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["pop", "looked at, not counted"]


def test_marks_are_above_the_waveform_and_lines_behind_it(figure: Figure) -> None:
    top, close, _, bottom = figure.axes
    for axis in (top, close):
        for line in axis.lines:
            if line.get_marker() in ("v", "x"):
                (_, y), *_ = axis.transAxes.inverted().transform(line.get_transform().transform(line.get_xydata()))
                assert 0.95 < y < 1
    (wave,) = (line for line in close.lines if len(line.get_xdata()) > 1000)
    lines = [line for line in (*close.lines, *bottom.lines) if line.get_linestyle() == ":"]
    assert all(bottom.images[0].get_zorder() < line.get_zorder() < wave.get_zorder() for line in lines)


def test_an_event_at_either_end_of_the_clip_is_marked(saved: list[Figure]) -> None:
    ends = detection((0.0, 1.0), 1.0, 8_000, 1, is_pop=True)
    picture.draw(np.zeros((8_000, 1), np.float32), 8_000, ends, "a.wav")

    assert [list(line.get_xdata()) for line in saved[0].axes[0].lines if line.get_marker() == "v"] == [[0.0, 1.0]]
    assert [axis.get_xlim() for axis in saved[0].axes] == [(0.0, 1.0)] * 4


@pytest.mark.parametrize(
    ("label", "name", "fill", "line", "words"),
    [
        ("pop", "pop", "full", ":", "pop, probability 0.95, 2 pops"),
        ("uncertain", "uncertain pop", "none", "--", "uncertain, probability 0.95, 2 uncertain pops"),
    ],
)
def test_uncertain_pops_are_open_triangles_with_dashed_lines(
    saved: list[Figure], label: Label, name: str, fill: str, line: str, words: str
) -> None:
    picture.draw(np.zeros((16_000, 1), np.float32), 8_000, Detection(label, 0.95, EVENTS, 2.0, 8_000, 1), "a.wav")
    top, close = saved[0].axes[0], saved[0].axes[1]
    styles = {line.get_linestyle() for line in close.lines if list(line.get_xdata()) in ([1.0, 1.0], [1.05, 1.05])}

    assert [(m.get_label(), m.get_fillstyle()) for m in top.lines if m.get_marker() == "v"] == [(name, fill)]
    assert styles == {line}
    assert saved[0].get_suptitle() == f"a.wav: {words}"


def test_pops_alone_have_a_legend_without_other_events(saved: list[Figure]) -> None:
    picture.draw(np.zeros((8_000, 1), np.float32), 8_000, detection((0.5,), 1.0, 8_000, 1, is_pop=False), "a.wav")
    legend = saved[0].axes[0].get_legend()

    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["looked at, not counted"]


@pytest.mark.parametrize(
    ("times_s", "duration_s", "span"),
    [
        ([], 3.0, None),
        ([1.0], 3.0, (0.85, 1.15)),  # 300 ms around it
        ([1.0, 1.1], 3.0, (0.9, 1.2)),
        ([1.0, 1.3], 3.0, (0.95, 1.35)),  # more, to have 50 ms on both sides
        ([0.5, 1.0, 2.0], 3.0, (0.45, 2.05)),
        ([0.1], 3.0, (0.0, 0.25)),  # no further than the clip
        ([2.9], 3.0, (2.75, 3.0)),
        ([0.005], 0.01, (0.0, 0.01)),
    ],
)
def test_the_closer_view_is_around_the_events(
    times_s: list[float], duration_s: float, span: tuple[float, float] | None
) -> None:
    found = picture.close_up(times_s, duration_s)

    assert found == (pytest.approx(span) if span else None)


def test_the_points_of_interest_are_the_pops_or_the_likeliest_event() -> None:
    others = [event for event in EVENTS if not event.is_pop]

    assert picture.points_of_interest(EVENTS) == [1.0, 1.05]
    assert picture.points_of_interest(others) == [0.9]
    assert picture.points_of_interest([]) == []
