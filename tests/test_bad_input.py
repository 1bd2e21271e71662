"""Each bad input: its own exit code, one plain line, and nothing half-written."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from popdetect import cli
from popdetect.hearing import bundle

Capture = pytest.CaptureFixture[str]
SOUND = (0.01 * np.random.default_rng(0).standard_normal(48_000)).astype(np.float32)


def wav(sound: np.ndarray = SOUND, subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, 48_000, format="WAV", subtype=subtype)
    return buffer.getvalue()


def _with(value: float) -> bytes:
    sound = SOUND.copy()
    sound[100] = value
    return wav(sound, "FLOAT")


FILES: dict[str, tuple[bytes, str, str]] = {
    "empty.wav": (b"", "empty", "0 bytes"),
    "header only.wav": (wav(SOUND[:0]), "empty", "no samples"),
    "cut.wav": (wav()[:40_000], "truncated", "cut off"),
    "text.wav": (b"this is not a recording", "unreadable", "text, not audio"),
    "nan.wav": (_with(np.nan), "not_finite", "not numbers"),
    "inf.wav": (_with(np.inf), "not_finite", "not numbers"),
    "zeros.wav": (wav(SOUND * 0), "empty", "digital silence"),
    "one.wav": (wav(SOUND[:1]), "too_short", "at least 10 ms"),
}
GOOD = ("gut übung.WAV", "-dash.wav", "two\nlines.wav", "ümläut 音.flac")


@pytest.fixture
def session(tmp_path: Path) -> Path:
    folder = tmp_path / "session"
    folder.mkdir()
    for name, (raw, _, _) in FILES.items():
        (folder / name).write_bytes(raw)
    for name in GOOD:
        soundfile.write(folder / name, SOUND, 48_000)
    return folder


@pytest.mark.parametrize("name", sorted(FILES))
def test_classify_says_what_is_wrong(session: Path, name: str, capsys: Capture) -> None:
    _, status, words = FILES[name]
    code = cli.main(["classify", str(session / name), "--json"])
    row = json.loads(capsys.readouterr().out)

    assert code == 4
    assert row["status"] == status
    assert words in row["error"]
    assert "\n" not in row["error"]
    assert "label" not in row


def test_one_broken_file_does_not_end_the_run(session: Path, capsys: Capture) -> None:
    files = [str(session / name) for name in ("text.wav", "gut übung.WAV")]
    code = cli.main(["classify", *files])
    out = capsys.readouterr().out.splitlines()

    assert code == 3
    assert len(out) == 3
    assert "text, not audio" in out[1]


def test_label_makes_every_file_a_row(session: Path, capsys: Capture) -> None:
    code = cli.main(["label", str(session), "--json"])
    summary = json.loads(capsys.readouterr().out)
    from popdetect.sessions.tables import read_rows

    rows = {row["file"]: row for row in read_rows(session / "popdetect" / "clips.csv")}

    assert code == 3
    assert summary["n_clips"] == len(rows) == len(FILES) + len(GOOD)
    for name, (_, status, words) in FILES.items():
        assert rows[name]["status"] == status
        assert rows[name]["label"] == rows[name]["p_pop"] == ""
        assert words in rows[name]["error"]
    for name in GOOD:
        assert (rows[name]["status"], rows[name]["label"]) == ("ok", "no_pop")
    left = {path.name for path in (session / "popdetect").iterdir()}
    assert left == {"clips.csv", "events.csv", "run.json", "progress.jsonl"}


def test_names_that_begin_with_a_dash_or_hold_a_newline(
    session: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(session)
    code = cli.main(["classify", "--", "-dash.wav", "two\nlines.wav"])
    out = capsys.readouterr().out.splitlines()

    assert code == 0
    assert len(out) == 3
    assert out[2].startswith("two\\nlines.wav")


def test_folders(session: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "notes.txt").write_text("nothing to hear")

    assert cli.main(["classify", str(session)]) == 4
    assert "popdetect label" in capsys.readouterr().out
    assert cli.main(["label", str(tmp_path / "bare")]) == 4
    assert "wav" in capsys.readouterr().err
    assert cli.main(["label", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert cli.main(["label", str(session / "text.wav")]) == 2
    assert {p.name for p in (tmp_path / "bare").iterdir()} == {"notes.txt"}


def test_an_output_that_cannot_be_written(session: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("in the way")

    assert cli.main(["label", str(session), "--out", str(tmp_path / "file")]) == 2
    err = capsys.readouterr().err
    assert "file" in err
    assert err.count("\n") == 1
    assert cli.main(["classify", str(session / "gut übung.WAV"), "--plot", str(tmp_path / "file" / "a.png")]) == 2
    assert cli.main(["simulate", str(tmp_path / "file" / "x")]) == 2
    assert (tmp_path / "file").read_text() == "in the way"


def _changed(folder: Path) -> None:
    raw = bytearray((folder / "weights.npz").read_bytes())
    raw[100] ^= 1
    (folder / "weights.npz").write_bytes(raw)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (shutil.rmtree, "does not exist"),
        (lambda f: (f / "model.json").write_text("{"), "not JSON"),
        (lambda f: (f / "model.json").write_text('{"format": 7}'), "format 7"),
        (_changed, "changed since"),
    ],
)
@pytest.mark.parametrize("command", ["classify", "label", "evaluate"])
def test_an_unfit_model_is_exit_code_5(
    session: Path, tmp_path: Path, capsys: Capture, command: str, damage: Callable[[Path], object], words: str
) -> None:
    folder = Path(shutil.copytree(bundle.shipped(), tmp_path / "model"))
    damage(folder)
    target = session / "gut übung.WAV"
    if command == "label":
        target = session
    if command == "evaluate":
        target = session / "labels.csv"
        target.write_text("file,label,onsets_s\ngut übung.WAV,no_pop,\n", encoding="utf-8")

    assert cli.main([command, str(target), "--model", str(folder)]) == 5
    err = capsys.readouterr().err
    assert words in err
    assert err.count("\n") == 1
    assert not (session / "popdetect").exists()
