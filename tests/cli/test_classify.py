"""``popdetect classify``: rows, JSON, pictures, and files that cannot be read."""

from __future__ import annotations

import io
import json
import os
import shutil
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import COMMAND, Capture, json_lines, run

from popdetect import open_session
from popdetect.cli import main as cli
from popdetect.cli import options, terminal
from popdetect.detection.detector import Detector
from popdetect.detection.model import bundle
from popdetect.detection.model.bundle import OperatingPoint
from popdetect.training.data import synthesis
from popdetect.training.data.dsp import RATE_HZ, coloured_noise


def test_classify_prints_a_row(with_pop: Path, capsys: Capture) -> None:
    code = cli.main(["classify", str(with_pop)])
    out, err = capsys.readouterr()

    assert code == 0
    assert out.splitlines()[0].split() == ["file", "label", "p_pop", "pops", "onsets", "(s)"]
    assert len(out.splitlines()) == 2
    assert err == ""


def test_json_has_one_line_per_file_with_versions_and_hashes(session: Path, capsys: Capture) -> None:
    files = sorted(map(str, session.rglob("*.wav")))
    code = cli.main(["classify", *files, "--json", "--events"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert code == 0
    assert [row["file"] for row in rows] == files
    for row in rows:
        assert row["schema_version"] == 1
        assert row["n_pops"] == len(row["pops_s"]) == sum(event["is_pop"] for event in row["events"])
        assert (row["label"] != "no_pop") == (row["n_pops"] > 0) or "outside" in row["quality"]
        assert 0 <= row["thresholds"]["no_pop_below"] <= row["thresholds"]["pop_from"] <= 1
        assert len(row["sha256"]) == len(row["model_sha256"]) == 64


def test_classify_reads_standard_input(with_pop: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.main(["classify", str(with_pop), "--json"])
    by_name = json.loads(capsys.readouterr().out)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(with_pop.read_bytes())))
    code = cli.main(["classify", "-", "--json"])
    piped = json.loads(capsys.readouterr().out)

    assert code == 0
    assert piped == {**by_name, "file": "-"}


def test_plot_writes_a_picture(with_pop: Path, tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "clip.png"
    code = cli.main(["classify", str(with_pop), "--plot", str(target)])
    raw = target.read_bytes()

    assert code == 0
    assert raw[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", raw[16:24]) == (1400, 900)
    assert list(tmp_path.iterdir()) == [target]


def test_plot_of_several_files_needs_a_folder(session: Path, tmp_path: Path, capsys: Capture) -> None:
    files = sorted(map(str, session.rglob("*.wav")))[:2]

    assert cli.main(["classify", *files, "--plot", str(tmp_path / "a.png")]) == 2
    assert "name a folder instead" in capsys.readouterr().err
    assert cli.main(["classify", *files, "--plot", str(tmp_path / "pictures"), "--quiet"]) == 0
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 2


def test_classify_imports_numpy_and_soundfile_only(with_pop: Path) -> None:
    code = (
        f"import sys; from popdetect.cli.main import main; main(['classify', {str(with_pop)!r}, '--quiet'])\n"
        "heavy = {'librosa', 'sklearn', 'scipy', 'numba', 'matplotlib', 'tqdm', 'threadpoolctl', 'multiprocessing'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert out.splitlines()[-1] == "[]"


def test_events_lists_each_candidate(with_pop: Path, capsys: Capture) -> None:
    (row,) = json_lines(run(["classify", str(with_pop), "--events", "--json"], capsys)[1])
    limits, *lines = run(["classify", str(with_pop), "--events"], capsys)[1].splitlines()[2:]

    low, high = (row["thresholds"][name] for name in ("no_pop_below", "pop_from"))
    assert limits == f"    label: pop from {high:.2f}, no pop below {low:.2f}, uncertain between them"
    assert len(lines) == len(row["events"]) > 0
    for line, event in zip(lines, row["events"], strict=True):
        assert line.split()[:2] == ["pop" if event["is_pop"] else "other", f"{event['onset_s']:.4f}"]
        assert event["p_pop"] >= 0.05 or event["is_pop"]
    assert "events" not in json_lines(run(["classify", str(with_pop), "--json"], capsys)[1])[0]


@pytest.fixture
def unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thresholds between which every clip with an event lies."""
    point = OperatingPoint(0.01, 1.0, 0.5)
    made = replace(bundle.load(), operating_points={"balanced": point})
    monkeypatch.setattr(options, "load_detector", lambda args: Detector(made))


@pytest.mark.usefixtures("unsure")
def test_an_uncertain_clip_shows_its_uncertain_pops_and_the_thresholds(with_pop: Path, capsys: Capture) -> None:
    (row,) = json_lines(run(["classify", str(with_pop), "--json", "--events"], capsys)[1])
    code, out, err = run(["classify", str(with_pop), "--events"], capsys)
    label, _, pops, *onsets = out.splitlines()[1].removeprefix(str(with_pop)).split()

    assert (code, label, pops) == (0, "uncertain", f"{row['n_pops']}?")
    assert row["n_pops"] == len([word for word in onsets if not word.startswith("[")]) > 0
    assert "label: pop from 1.00, no pop below 0.01, uncertain between them" in out
    words = [line.split()[0] for line in out.splitlines()[3:]]
    assert words == ["pop?" if event["is_pop"] else "other" for event in row["events"]]
    assert "uncertain = between the thresholds (pop from 1.00, no pop below 0.01)" in err
    assert "2? = 2 uncertain pops" in err
    assert run(["classify", str(with_pop), "--quiet"], capsys)[2] == ""
    assert run(["classify", str(with_pop), "--json"], capsys)[2] == ""


def test_columns_are_in_line_for_every_label() -> None:
    assert [terminal.pops(*given) for given in (("pop", 2), ("uncertain", 12), ("uncertain", 0), ("no_pop", 0))] == [
        "   2 ", "  12?", "   0 ", "   0 ",
    ]  # fmt: skip


def test_every_operating_point_of_the_model_can_be_chosen(with_pop: Path, capsys: Capture) -> None:
    for name in bundle.load().operating_points:
        code, out, _ = run(["classify", str(with_pop), "--operating-point", name, "--json"], capsys)
        assert (code, json_lines(out)[0]["operating_point"]) == (0, name)


@pytest.mark.parametrize("name", ["a\0b.wav", "x" * 300 + ".wav", ""])
def test_an_impossible_file_name_is_a_row(name: str, with_pop: Path, capsys: Capture) -> None:
    code, out, err = run(["classify", name, str(with_pop), "--json"], capsys)

    assert (code, err) == (3, "")
    assert [row["status"] for row in json_lines(out)] == ["unreadable", "ok"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_named_pipe_is_an_error_and_not_read(options: list[str], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "link.wav").symlink_to("pipe.wav")
    files = [str(tmp_path / "pipe.wav"), str(tmp_path / "link.wav"), os.devnull]
    done = subprocess.run([*COMMAND, "classify", *files, *options], capture_output=True, text=True, timeout=30)

    assert (done.returncode, done.stderr) == (4, "")
    assert done.stdout.count("not a regular file") == 3
    done = subprocess.run([*COMMAND, "label", str(tmp_path)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 4
    assert "no recording in it" in done.stderr


def test_the_reason_of_a_failure_is_beside_its_status(with_pop: Path, tmp_path: Path, capsys: Capture) -> None:
    gone = tmp_path / "gone.wav"
    line = run(["classify", str(gone), "--quiet"], capsys)[1]

    assert line == f"{gone}  unreadable: no such file; check the name and the folder\n"


def test_pictures_differ_between_clips_but_not_between_runs(
    with_pop: Path, without_pop: Path, tmp_path: Path, capsys: Capture
) -> None:
    for name, clip in (("a", with_pop), ("b", without_pop), ("c", with_pop)):
        assert run(["classify", str(clip), "--plot", str(tmp_path / f"{name}.png")], capsys)[0] == 0
    a, b, c = (pixels((tmp_path / f"{name}.png").read_bytes()) for name in "abc")

    assert len(a) == len(b) == 900 * (1 + 4 * 1400)
    assert a != b
    assert a == c


@pytest.mark.parametrize("target", ["a.jpg", "a", "a.png.gz", "file/a.png", "nowhere/a.png"])
def test_an_impossible_picture_is_wrong_use(target: str, with_pop: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("in the way")
    code, _, err = run(["classify", str(with_pop), "--plot", str(tmp_path / target)], capsys)

    assert code == 2
    assert err.count("\n") == 1
    assert str(tmp_path / target) in err
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_no_picture_of_a_file_that_cannot_be_read(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "x.wav").write_bytes(b"")

    assert run(["classify", str(tmp_path / "x.wav"), "--plot", str(tmp_path / "x.png")], capsys)[0] == 4
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]


def test_columns_are_below_their_names_for_short_file_names(
    with_pop: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(with_pop.read_bytes())))
    code, out, _ = run(["classify", "-"], capsys)
    header, line = out.splitlines()

    assert code == 0
    assert header.index("label") == line.index("pop")


def test_standard_input_can_be_drawn(
    with_pop: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(with_pop.read_bytes())))

    assert run(["classify", "-", "--plot", str(tmp_path / "a.png")], capsys)[0] == 0


def test_clips_with_one_name_in_two_folders_have_two_pictures(session: Path, tmp_path: Path, capsys: Capture) -> None:
    files = [str(session / patient / "thrust_01.wav") for patient in ("p01", "p02")]
    run(["classify", *files, "--plot", str(tmp_path / "pictures")], capsys)

    assert len(list((tmp_path / "pictures").rglob("*.png"))) == 2


@pytest.mark.parametrize("names", [("a/x/t.wav", "b/x/t.wav"), ("-", "stdin"), ("a/t.wav", "b/t.wav", "a_t.wav")])
def test_each_file_has_its_own_picture(
    names: tuple[str, ...], with_pop: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(with_pop.read_bytes())))
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(with_pop, tmp_path / name)
    run(["classify", *names, "--plot", "pictures"], capsys)

    assert len(list((tmp_path / "pictures").rglob("*.png"))) == len(names)


def test_a_closed_standard_input_is_wrong_use(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    assert run(["classify", "-"], capsys)[0] in (2, 4)


def test_a_folder_named_like_a_picture_is_called_a_folder(with_pop: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "a.png").mkdir()

    assert "name a folder instead" not in run(["classify", str(with_pop), "--plot", str(tmp_path / "a.png")], capsys)[2]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_json_has_the_file_name_unchanged(with_pop: Path, tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "two\nlines.wav"
    shutil.copy(with_pop, file)
    (row,) = json_lines(run(["classify", str(file), "--json"], capsys)[1])

    assert row["file"] == str(file)


def pixels(png: bytes) -> bytes:
    """The decompressed image data of a PNG."""
    at, data = 8, b""
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += 12 + size
    return zlib.decompress(data)


# --- long recordings ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def treatment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A take of 40 s with three thrusts, of 2, 1 and 3 pops."""
    rng = np.random.default_rng(2)
    voice = synthesis.PopVoice(centre_hz=2500, decay20_ms=1.5, double_share=0.0, skin=False)
    sound = 0.003 * coloured_noise(rng, 40 * RATE_HZ, 4)
    for onset in (3.0, 3.03, 19.99, 35.0, 35.04, 35.1):
        pop = 0.4 * synthesis.pop(rng, voice)
        sound[round(onset * RATE_HZ) :][: len(pop)] += pop
    path = tmp_path_factory.mktemp("long") / "treatment.wav"
    soundfile.write(path, sound, RATE_HZ, subtype="PCM_16")
    return path


def test_a_long_recording_has_a_line_for_each_thrust(treatment: Path, capsys: Capture) -> None:
    code, out, _ = run(["classify", str(treatment)], capsys)
    _, line, *thrusts = out.splitlines()

    assert code == 0
    assert line.endswith("1.00     6  in 3 thrusts  [long]")
    assert [words.split()[:3] for words in thrusts] == [
        ["0:00:03.000", "2", "pops"], ["0:00:19.990", "1", "pop"], ["0:00:35.000", "3", "pops"],
    ]  # fmt: skip
    assert all(float(words.split()[-1]) > 0.9 for words in thrusts)


def test_json_has_the_bursts_of_every_recording(treatment: Path, with_pop: Path, capsys: Capture) -> None:
    long, short = json_lines(run(["classify", str(treatment), str(with_pop), "--json"], capsys)[1])

    assert [(burst["n_pops"], round(burst["start_s"], 2)) for burst in long["bursts"]] == [
        (2, 3.0),
        (1, 19.99),
        (3, 35.0),
    ]
    assert sum(burst["n_pops"] for burst in short["bursts"]) == short["n_pops"] > 0
    assert list(long["bursts"][0])[:4] == ["start_s", "end_s", "n_pops", "p_pop"]
    assert list(long["bursts"][0].values())[4:] == [None] * 3  # no channels to compare


@pytest.mark.skipif(os.name == "nt", reason="a pipe of the shell")
@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_a_pipe_gives_what_the_file_gives(treatment: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "a"
    soundfile.write(file, *soundfile.read(treatment, dtype="int16"), format=kind, subtype="PCM_16")
    command = [sys.executable, "-m", "popdetect", "classify", "--json"]
    of_file = subprocess.run([*command, str(file)], capture_output=True, text=True, check=True)
    with subprocess.Popen(["cat", str(file)], stdout=subprocess.PIPE) as pipe:
        piped = subprocess.run([*command, "-"], stdin=pipe.stdout, capture_output=True, text=True, check=True)
    (row,), (other,) = json_lines(of_file.stdout), json_lines(piped.stdout)

    assert {**other, "file": row["file"]} == row


def test_thrusts_are_cut_out_as_a_session(treatment: Path, tmp_path: Path, capsys: Capture) -> None:
    folder = tmp_path / "thrusts"
    code, out, _ = run(["classify", str(treatment), "--clips", str(folder), "--json"], capsys)
    (row,) = json_lines(out)

    assert code == 0
    assert row["clips"] == ["treatment_00h00m03s000.wav", "treatment_00h00m19s990.wav", "treatment_00h00m35s000.wav"]
    assert [clip.n_pops for clip in open_session(folder).clips] == [2, 1, 3]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, _, err = run(["classify", str(treatment), "--clips", str(folder)], capsys)
    assert code == 2
    assert "not empty; the clips need a new or an empty folder" in err
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def _noise(path: Path) -> str:
    soundfile.write(path, 0.01 * np.random.default_rng(1).normal(size=16_000), 16_000)
    return str(path)


def test_a_recording_in_place_of_a_command_is_classified(tmp_path: Path, capsys: Capture) -> None:
    """``popdetect clip.wav``; a word that is no file and no recording's name stays a wrong command."""
    path = _noise(tmp_path / "clip.wav")

    assert run([path], capsys) == run(["classify", path], capsys)
    assert "no such file" in "".join(run(["missing.wav"], capsys)[1:])
    assert run(["lable"], capsys)[0] == 2


def test_a_pattern_that_the_shell_did_not_expand_is_expanded(tmp_path: Path, capsys: Capture) -> None:
    for name in ("b.wav", "a.wav", "[1].wav"):
        _noise(tmp_path / name)

    def names(pattern: str) -> list[str]:
        code, out, _ = run(["classify", "--json", str(tmp_path / pattern)], capsys)
        assert code == 0
        return [Path(row["file"]).name for row in json_lines(out)]

    assert names("[ab].wav") == ["a.wav", "b.wav"]
    assert names("[1].wav") == ["[1].wav"]  # a file of that very name is meant literally
    code, _, err = run(["classify", str(tmp_path / "*.flac")], capsys)
    assert code == 2
    assert "no file has such a name" in err
