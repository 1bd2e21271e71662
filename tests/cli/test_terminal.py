"""Closed, full and broken streams, interruptions and colour: an exit code and one line for each."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import COMMAND, Capture, run

from popdetect.cli import main as cli
from popdetect.cli import terminal
from popdetect.detection.audio import recording as audio
from popdetect.detection.detector import Detector
from popdetect.detection.model import bundle
from popdetect.session import labelling as batch
from popdetect.session import labels as truth

ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="streams are closed otherwise on Windows")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    sound = 0.01 * np.random.default_rng(0).standard_normal(24_000)
    audio.write_wav(tmp_path / "a.wav", sound, 48_000)
    return tmp_path / "a.wav"


def shell(words: str, redirection: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command as a shell runs it, with Python's own buffering unless something else is asked for."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = f"{shlex.quote(sys.executable)} -m popdetect {words} {redirection}"
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=kept | environment, timeout=60)


@posix
@pytest.mark.parametrize("words", ["classify CLIP", "--version", "label nowhere --quiet", "model show --json"])
def test_a_closed_output_is_wrong_use(words: str, clip: Path) -> None:
    done = shell(words.replace("CLIP", shlex.quote(str(clip))), ">&-")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "popdetect: standard output is closed; send it to a file, or to /dev/null\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["classify CLIP", "classify CLIP CLIP --json", "--version", "label --help"])
def test_a_full_disk_is_reported(words: str, unbuffered: str, clip: Path) -> None:
    done = shell(words.replace("CLIP", shlex.quote(str(clip))), ">/dev/full", PYTHONUNBUFFERED=unbuffered)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "popdetect: the output cannot be written: No space left on device\n"


@posix
@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_a_closed_standard_error_does_not_mix_messages_into_the_results(redirection: str, clip: Path) -> None:
    if "full" in redirection and not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    done = shell(f"classify {shlex.quote(str(clip))} --json", redirection)

    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "ok"
    assert [shell(words, redirection).returncode for words in ("label nowhere", "label", "classify -")] == [2, 2, 4]
    assert shell("label nowhere", redirection).stdout == ""


@posix
def test_a_closed_input_is_wrong_use(clip: Path) -> None:
    assert shell(f"classify {shlex.quote(str(clip))} --quiet", "<&-").returncode == 0
    done = shell("classify -", "<&-")
    assert done.returncode == 2
    assert done.stderr == "popdetect: there is no standard input to read from\n"


def test_an_input_that_cannot_be_read_is_wrong_use(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Broken()))

    assert cli.main(["classify", "-"]) == 2
    assert capsys.readouterr().err == "popdetect: standard input cannot be read: Input/output error\n"


@pytest.mark.parametrize("error", [OSError(36, "File name too long"), BrokenPipeError(32, "Broken pipe")])
def test_an_error_of_the_library_is_not_one_of_the_output(
    error: OSError, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise error

    monkeypatch.setattr(bundle, "load", broken)

    assert cli.main(["model", "show"]) == 1
    assert "internal error" in capsys.readouterr().err
    monkeypatch.setenv("POPDETECT_DEBUG", "1")
    with pytest.raises(OSError, match=str(error.strerror)):
        cli.main(["model", "show"])


def test_only_writing_is_an_error_of_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    moved: list[Any] = []
    monkeypatch.setattr(os, "dup2", lambda *fds: moved.append(fds))
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1, raising=False)

    with pytest.raises(terminal.ReaderGoneError), terminal.output(sys.stdout):
        raise BrokenPipeError
    assert len(moved) == 1  # or Python would complain at exit


@pytest.mark.parametrize(
    ("terminal", "no_color", "painted"),
    [(True, None, True), (True, "1", False), (True, "", True), (False, None, False)],
)
def test_colour_on_a_terminal_only_and_never_with_no_color(
    terminal: bool,
    no_color: str | None,
    painted: bool,
    with_pop: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color is not None:
        monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)

    assert ("\x1b[" in run(["classify", str(with_pop)], capsys)[1]) is painted


@pytest.mark.skipif(os.name == "nt", reason="pipes break otherwise on Windows")
def test_a_reader_that_stops_is_no_error(with_pop: Path) -> None:
    many = subprocess.Popen(
        [*COMMAND, "classify", *[str(with_pop)] * 200], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert many.stdout is not None
    many.stdout.close()
    assert many.stderr is not None
    words = many.stderr.read()
    many.stderr.close()

    assert (many.wait(), words) == (0, "")


# --- interruptions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("label .", "finished clips are kept. Run the same command to continue"),
        ("label . --force", "finished clips are kept. Run the same command without --force to continue"),
        ("classify CLIP", "no incomplete file was left. Run the same command to start again"),
        ("evaluate .", "no incomplete file was left. Run the same command to start again"),
        ("model show", "no incomplete file was left. Run the same command to start again"),
    ],
)
def test_the_message_of_an_interruption(
    command: str, words: str, clip: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    for place, name in ((Detector, "verdict"), (batch, "label"), (truth, "read_labels")):
        monkeypatch.setattr(place, name, interrupted)
    if command == "model show":
        monkeypatch.setattr(bundle, "load", interrupted)

    assert cli.main(command.replace("CLIP", str(clip)).split()) == 130
    assert capsys.readouterr().err == f"popdetect: interrupted; {words}\n"


@pytest.mark.parametrize("module", ["popdetect.cli.main", "popdetect.cli.terminal", "argparse"])
def test_an_interruption_during_the_first_imports_is_exit_code_130(module: str) -> None:
    code = (
        "import sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "from popdetect.__main__ import run\n"
        "sys.exit(run())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "popdetect: interrupted\n")


def test_the_installed_command_starts_in_main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert project["project"]["scripts"] == {"popdetect": "popdetect.__main__:run"}


# --- text that stays on its line ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Übung 音.wav", "Übung 音.wav"),
        ("two\nlines\r.wav", "two\\nlines\\r.wav"),
        ("\x1b[31mred\u2028", "\\x1b[31mred\\u2028"),
        ("h\udce4.wav", "h\\xe4.wav"),
    ],
)
def test_a_name_stays_on_its_line_and_changes_no_colour(name: str, shown: str) -> None:
    assert terminal.one_line(name) == shown
