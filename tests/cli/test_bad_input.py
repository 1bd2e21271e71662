"""Each bad input: its own exit code, one clear line, and no incomplete file."""

from __future__ import annotations

import builtins
import io
import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from popdetect.cli import main as cli
from popdetect.detection.model import bundle

Capture = pytest.CaptureFixture[str]
SOUND = (0.01 * np.random.default_rng(0).standard_normal(48_000)).astype(np.float32)


def wav(sound: np.ndarray = SOUND, subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound, 48_000, format="WAV", subtype=subtype)
    return buffer.getvalue()


def flac() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, SOUND, 48_000, format="FLAC")
    return buffer.getvalue()


def _with(value: float) -> bytes:
    sound = SOUND.copy()
    sound[100] = value
    return wav(sound, "FLOAT")


FILES: dict[str, tuple[bytes, str, str]] = {
    "empty.wav": (b"", "empty", "0 bytes"),
    "header only.wav": (wav(SOUND[:0]), "empty", "no samples"),
    "text.wav": (b"this is not a recording", "unreadable", "text, not audio"),
    "nan.wav": (_with(np.nan), "not_finite", "not numbers"),
    "inf.wav": (_with(np.inf), "not_finite", "not numbers"),
    "zeros.wav": (wav(SOUND * 0), "empty", "digital silence"),
    "one.wav": (wav(SOUND[:1]), "too_short", "at least 10 ms"),
    "damaged.flac": (flac()[:20_000] + bytes(500) + flac()[20_500:], "truncated", "damaged inside"),
    "riff alone.wav": (b"RIFF", "unreadable", "a damaged RIFF file"),
    "cut in the header.wav": (wav()[:30], "unreadable", "damaged RIFF"),
    "noise.flac": (bytes(range(256)) * 40, "unreadable", "not a recording that can be decoded"),
    "phone.wav": (b"\0\0\0\x20ftypM4A " + bytes(2_000), "unreadable", "without its index"),
}
CUT = {  # judged on what is there, and flagged
    "half.wav": (wav()[: len(wav()) // 2], "truncated"),
    "half.flac": (flac()[: len(flac()) // 2], "truncated"),
    "old header.wav": (wav()[:40] + struct.pack("<I", 40_000) + wav()[44:], "longer_than_header"),
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


def test_cut_recordings_are_judged_and_named(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (raw, flag) in CUT.items():
        (tmp_path / name).write_bytes(raw)
        assert cli.main(["classify", str(tmp_path / name), "--json"]) == 0
        row = json.loads(capsys.readouterr().out)
        assert (row["status"], row["label"], flag in row["quality"]) == ("ok", "no_pop", True)
        assert cli.main(["classify", str(tmp_path / name)]) == 0
        assert flag in capsys.readouterr().out.splitlines()[1]
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
        assert cli.main(["classify", "-", "--json"]) == 0
        assert {**json.loads(capsys.readouterr().out), "file": row["file"]} == row

    assert cli.main(["label", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "3 clips: 0 pop (0 pops), 3 no pop, 0 uncertain, 0 failed" in out
    assert "  cut off, labelled by what is left of them: half.flac, half.wav\n" in out
    assert cli.main(["label", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["truncated"] == ["half.flac", "half.wav"]


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
    from popdetect.session.tables import read_rows

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
    assert left == {"clips.csv", "events.csv", "bursts.csv", "run.json", "progress.jsonl"}


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


# --- one table: (name, what is made below a folder, the command, exit code, words) ----------------------------------

Make = Callable[[Path], object]


def _clip(name: str) -> Make:
    return lambda folder: soundfile.write(folder / name, SOUND, 48_000, format="WAV")


def _file(name: str, raw: bytes) -> Make:
    return lambda folder: (folder / name).write_bytes(raw)


def _both(*makers: Make) -> Make:
    return lambda folder: [make(folder) for make in makers]


def _table(text: str) -> Make:
    return _both(_clip("a.wav"), _file("labels.csv", text.encode()))


CASES: list[tuple[str, Make, str, int, str]] = [
    ("empty file", _file("x.wav", b""), "classify x.wav", 4, "0 bytes"),
    ("a directory", lambda f: (f / "x.wav").mkdir(), "classify x.wav", 4, "popdetect label"),
    ("no file", lambda f: None, "classify x.wav", 4, "no such file"),
    ("good and missing", _clip("x.wav"), "classify x.wav y.wav", 3, "no such file"),
    ("zeros", _file("x.wav", wav(SOUND * 0)), "classify x.wav", 4, "empty"),
    ("spaces", _clip("a b.wav"), "classify a?b.wav", 0, "a b.wav"),
    ("umlauts", _clip("äöü ß.wav"), "classify äöü?ß.wav", 0, "äöü ß.wav"),
    ("leading dash", _clip("-x.wav"), "classify -- -x.wav", 0, "-x.wav"),
    ("leading dash, no --", _clip("-x.wav"), "classify -x.wav", 2, "required: FILE"),
    ("no audio", _file("notes.txt", b"x"), "label .", 4, "1 other file (1 .txt) seen"),
    ("empty folder", lambda f: None, "label .", 4, "0 other files seen"),
    ("an empty name", _clip("x.wav"), "label ", 2, "an empty name"),
    ("no folder", lambda f: None, "label nowhere", 2, "no such folder"),
    ("a file as folder", _clip("x.wav"), "label x.wav", 2, "takes files"),
    ("all broken", _file("x.wav", b""), "label .", 4, "0 bytes"),
    ("some broken", _both(_clip("a.wav"), _file("x.wav", b"")), "label .", 3, "0 bytes"),
    ("a file in the way", _both(_clip("a.wav"), _file("popdetect", b"mine")), "label .", 2, "a file stands where"),
    ("a folder in the way", _both(_clip("a.wav"), lambda f: (f / "o" / "clips.csv").mkdir(parents=True)),
     "label . --out o", 2, "cannot be written"),
    ("unknown format", _clip("a.wav"), "label . --formats praat", 2, "audacity"),
    ("no labels", lambda f: None, "train labels.csv --out m", 2, "no such file"),
    ("no table", lambda f: None, "evaluate labels.csv", 2, "no such file"),
    ("table without columns", _table("file,label\n"), "evaluate labels.csv", 2, "labels.csv:1: no column onsets_s"),
    ("empty table", _table(""), "evaluate labels.csv", 2, "labels.csv:1"),
    ("an unknown label", _table("file,label,onsets_s\na.wav,maybe,\n"), "evaluate labels.csv", 2, "labels.csv:2"),
    ("an onset in words", _table("file,label,onsets_s\na.wav,pop,soon\n"), "evaluate labels.csv", 2, "labels.csv:2"),
    ("none readable", _both(_table("file,label,onsets_s\nx.wav,pop,\n"), _file("x.wav", b"")),
     "evaluate labels.csv", 4, "0 bytes"),
    ("too little", _table("file,label,onsets_s,patient_id\na.wav,no_pop,,p\n"),
     "train labels.csv --out m", 2, "at least"),
    ("simulate over files", _clip("a.wav"), "simulate .", 2, "not empty"),
    ("no model", _clip("a.wav"), "classify a.wav --model nowhere", 5, "does not exist"),
    ("a folder, no model", _clip("a.wav"), "label . --model .", 5, "not a model bundle"),
    ("a file as model", _clip("a.wav"), "classify a.wav --model a.wav", 5, "cannot be read"),
    ("show no model", lambda f: None, "model show nowhere", 5, "does not exist"),
    ("verify no model", lambda f: None, "model verify .", 5, "not a model bundle"),
    ("compare with no model", _table("file,label,onsets_s\na.wav,pop,\n"),
     "train labels.csv --out m --current nowhere", 5, "does not exist"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "make", "command", "code", "words"), CASES, ids=[case[0] for case in CASES])
def test_each_mistake_has_its_code_and_its_words(
    name: str,
    make: Make,
    command: str,
    code: int,
    words: str,
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    got = cli.main([word.replace("?", " ") for word in command.split(" ")])
    out, err = capsys.readouterr()

    assert got == code
    assert words in out + err
    assert "Traceback" not in out + err
    assert "internal error" not in err
    assert len(err.splitlines()) <= 1
    if code in (2, 5):
        assert words in err
        assert out == ""
        if "folder in the way" not in name:  # found out last: the tables before it are written
            assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", ["classify", "label"])
def test_a_file_without_permission(
    command: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a denying `open`, not by chmod: root, as in a container, may read everything."""
    soundfile.write(tmp_path / "locked.wav", SOUND, 48_000)
    soundfile.write(tmp_path / "open.wav", SOUND, 48_000)

    def denying(real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(file: Any, *args: Any, **options: Any) -> Any:
            if isinstance(file, str | os.PathLike) and os.fspath(file).endswith("locked.wav"):
                raise PermissionError(13, "Permission denied", os.fspath(file))
            return real(file, *args, **options)

        return opened

    monkeypatch.setattr(builtins, "open", denying(builtins.open))
    monkeypatch.setattr(Path, "open", denying(Path.open))
    if command == "classify":
        assert cli.main(["classify", str(tmp_path / "locked.wav"), str(tmp_path / "open.wav")]) == 3
    else:
        assert cli.main(["label", str(tmp_path)]) == 3
    assert "no permission to read it" in capsys.readouterr().out


def test_a_repaired_clip_is_processed_by_the_next_run(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.wav").write_bytes(wav()[:30])
    soundfile.write(tmp_path / "b.wav", SOUND, 48_000)

    assert cli.main(["label", str(tmp_path)]) == 3
    (tmp_path / "a.wav").write_bytes(wav())
    assert cli.main(["label", str(tmp_path)]) == 0
    assert "1 were finished before" in capsys.readouterr().out
