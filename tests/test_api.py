"""The public API: small, typed and documented, and light to import."""

from __future__ import annotations

import builtins
import dataclasses
import inspect
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import popdetect
from popdetect.detection.detector import Detector
from popdetect.records import Detection
from popdetect.session import labelling
from popdetect.training.data import synthesis
from popdetect.training.data.dsp import RATE_HZ, coloured_noise

VOICE = synthesis.PopVoice(centre_hz=2500, decay20_ms=1.5, double_share=0.0, skin=False)
ONSETS = (0.5, 0.53, 0.6)


def sound(onsets: tuple[float, ...] = ONSETS) -> np.ndarray:
    rng = np.random.default_rng(0)
    made = 0.003 * coloured_noise(rng, RATE_HZ, 4)
    for onset in onsets:
        pop = 0.4 * synthesis.pop(rng, VOICE)
        made[round(onset * RATE_HZ) :][: len(pop)] += pop
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("session_07")
    soundfile.write(made / "pop.wav", sound(), RATE_HZ)
    soundfile.write(made / "none.wav", sound(()), RATE_HZ)
    return made


def test_the_package_lists_what_it_offers_and_all_of_it_exists() -> None:
    assert dir(popdetect) == sorted(popdetect.__all__)
    for name in set(popdetect.__all__) - {"__version__"}:
        assert inspect.getdoc(getattr(popdetect, name)), name
    with pytest.raises(AttributeError, match="module 'popdetect' has no attribute 'nothing'"):
        popdetect.nothing  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from popdetect import nothing  # noqa: F401


def test_all_errors_are_offered() -> None:
    from popdetect import errors

    raised = {name for name, made in vars(errors).items() if isinstance(made, type) and issubclass(made, Exception)}
    assert {name for name in raised if issubclass(getattr(errors, name), errors.PopdetectError)} <= set(
        popdetect.__all__
    )


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import popdetect", {"numpy", "soundfile", "dataclasses", "popdetect.records", "popdetect.errors"}),
        ("import popdetect; dir(popdetect); popdetect.UsageError", {"numpy", "soundfile", "popdetect.records"}),
        ("import popdetect; popdetect.Event; popdetect.Detection", {"numpy", "soundfile"}),
        ("import popdetect; popdetect.load_model()", {"librosa", "sklearn", "scipy", "numba", "pandas", "matplotlib"}),
    ],
)
def test_importing_loads_only_what_is_used(code: str, absent: set[str]) -> None:
    run = [sys.executable, "-c", f"import sys; {code}; print(sorted({absent!r} & set(sys.modules)))"]

    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_a_file_an_open_file_and_samples_give_the_same_result(folder: Path) -> None:
    detector = popdetect.load_model()
    result = detector.detect(folder / "pop.wav")
    samples, sr = soundfile.read(folder / "pop.wav")

    assert isinstance(result, popdetect.Detection)
    assert (result.label, result.n_pops) == ("pop", len(ONSETS))
    np.testing.assert_allclose(result.onsets_s, ONSETS, atol=0.001)
    assert popdetect.detect(str(folder / "pop.wav")) == popdetect.detect(samples, sr) == result
    with (folder / "pop.wav").open("rb") as handle:
        assert detector.detect(handle) == result
        assert not handle.closed
    assert detector.detect(io.BytesIO((folder / "pop.wav").read_bytes())) == result


def test_a_stream_takes_blocks_as_they_come(folder: Path) -> None:
    detector = popdetect.load_model()
    stream = detector.stream(RATE_HZ, channels=1)
    for block in soundfile.blocks(folder / "pop.wav", 1_000):
        stream.feed(block)

    assert stream.finish() == detector.detect(folder / "pop.wav")


def test_the_operating_point_and_the_model_can_be_chosen(tmp_path: Path) -> None:
    assert popdetect.load_model(operating_point="specific").operating_point == "specific"
    with pytest.raises(popdetect.UsageError, match="'bold'; this model has: balanced"):
        popdetect.load_model(operating_point="bold")
    with pytest.raises(popdetect.ModelError, match="nowhere"):
        popdetect.load_model(tmp_path / "nowhere")


def test_labelling_gives_the_session_that_is_read_again(folder: Path) -> None:
    session = popdetect.label(folder)

    assert isinstance(session, popdetect.Session)
    assert {clip.file: clip.label for clip in session.clips} == {"none.wav": "no_pop", "pop.wav": "pop"}
    assert popdetect.open_session(folder) == session
    with pytest.raises(popdetect.UsageError, match="not labelled yet"):
        popdetect.open_session(folder, folder / "elsewhere")


def test_defaults_are_those_of_what_is_called() -> None:
    def defaults(function: Callable[..., Any]) -> dict[str, Any]:
        return {name: p.default for name, p in inspect.signature(function).parameters.items() if name != "self"}

    assert defaults(popdetect.label).items() <= defaults(labelling.label).items()
    assert defaults(popdetect.detect) == defaults(Detector.detect)
    assert defaults(popdetect.open_session) == defaults(popdetect.Session.read)
    assert defaults(popdetect.load_model)["operating_point"] == defaults(Detector)["operating_point"]


def test_a_result_becomes_a_frame_with_a_row_for_each_event(monkeypatch: pytest.MonkeyPatch) -> None:
    result = popdetect.detect(sound(), RATE_HZ)
    empty = Detection("no_pop", 0.0, (), 1.0, 48_000, 1)
    try:
        import pandas  # noqa: F401
    except ModuleNotFoundError:
        pass
    else:
        frame = result.to_frame()
        assert list(frame.columns) == [field.name for field in dataclasses.fields(popdetect.Event)]
        assert frame.to_dict("records") == [dataclasses.asdict(event) for event in result.events]
        assert list(empty.to_frame().columns) == list(frame.columns)

    found = builtins.__import__

    def without_pandas(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "pandas":
            raise ModuleNotFoundError("No module named 'pandas'", name="pandas")
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(popdetect.MissingExtra, match="pip install"):
        result.to_frame()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((np.zeros(9),), popdetect.UsageError, r"ndarray without a sample rate; .* detect\(y, sr\)"),
        ((b"RIFF",), popdetect.UsageError, "bytes without a sample rate"),
        ((None,), popdetect.UsageError, "NoneType without a sample rate"),
        (("clip.wav", 48_000), popdetect.UsageError, "sample rate 48000 for a file, which has its own"),
        (("nothing.wav",), popdetect.Unreadable, "no such file"),
        ((io.StringIO("text"),), popdetect.Unreadable, "opened as text; open it with mode 'rb'"),
        (("not a rate", "x"), popdetect.UsageError, "for a file"),
        (([0.1, 0.2], "x"), popdetect.Unreadable, "sample rate 'x'"),
    ],
    ids=lambda value: "",
)
def test_wrong_arguments_are_named(arguments: tuple[Any, ...], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        popdetect.detect(*arguments)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("channels", "sr"), [(0, 48_000), (1.5, 48_000), ("2", 48_000), (1, 4_000)])
def test_a_stream_needs_a_rate_and_channels_that_can_be(channels: Any, sr: Any) -> None:
    with pytest.raises((popdetect.UsageError, popdetect.Unreadable), match=r"channels|sample rate"):
        popdetect.load_model().stream(sr, channels)
