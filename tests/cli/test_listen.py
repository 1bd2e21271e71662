"""The command listen: from files, from a real input device, in a terminal, and its end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from commands import COMMAND, Capture, json_lines, run

from popdetect.training.data import synthesis
from popdetect.training.data.dsp import RATE_HZ, coloured_noise

VOICE = synthesis.PopVoice(centre_hz=2500, decay20_ms=1.5, double_share=0.0, skin=False)

# runs in a process of its own: PortAudio reads the settings of ALSA once
HAS_VIRTUAL_DEVICE = """
import sounddevice as sd
sd.check_input_settings('popmic', samplerate=48000, channels=1, dtype='float32')
"""


@pytest.fixture(scope="module")
def take(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two thrusts, of 2 pops and of 1 pop."""
    rng = np.random.default_rng(0)
    made = 0.003 * coloured_noise(rng, 6 * RATE_HZ, 4)
    for onset in (2.0, 2.03, 4.0):
        pop = 0.4 * synthesis.pop(rng, VOICE)
        made[round(onset * RATE_HZ) :][: len(pop)] += pop
    path = tmp_path_factory.mktemp("take") / "take.wav"
    soundfile.write(path, made, RATE_HZ, subtype="FLOAT")
    return path


@pytest.fixture(scope="module")
def device(take: Path) -> dict[str, str]:
    """The environment in which ALSA has a microphone that gives the take: a plugin, which needs no sound card."""
    config, sound = take.with_name("asound.conf"), take.with_name("take.f32")
    sound.write_bytes(np.tile(soundfile.read(take, dtype="float32")[0], 2).astype("<f4").tobytes())
    config.write_text(
        "</usr/share/alsa/alsa.conf>\n"
        f'pcm.popmic {{ type file slave.pcm null file /dev/null infile "{sound}" format raw '
        'hint { show on description "Virtual microphone" } }\n'
    )
    environment = os.environ | {"ALSA_CONFIG_PATH": str(config)}
    probe = subprocess.run([sys.executable, "-c", HAS_VIRTUAL_DEVICE], env=environment, capture_output=True, text=True)
    if probe.returncode:
        why = (probe.stderr.strip().splitlines() or ["?"])[-1]
        pytest.skip(f"no virtual input device: it needs sounddevice, PortAudio and the file plugin of ALSA ({why})")
    return environment


def test_each_pop_is_said_then_each_thrust_then_the_summary(take: Path, capsys: Capture) -> None:
    code, out, err = run(["listen", "--from-file", str(take), "--pace", "0"], capsys)

    assert code == 0
    assert [re.sub(r"0\.\d\d|1\.00", "P", line).split("  (")[0].strip() for line in out.splitlines()] == [
        "2.000 s  pop        p P, first result",
        "2.030 s  pop        p P, first result",
        "2.000 s  thrust 1: 2 pops in 33 ms, p P",
        "4.000 s  pop        p P, first result",
        "4.000 s  thrust 2: 1 pop in 1 ms, p P",
        "6.0 s: 2 thrusts with a pop, 3 pops",
    ]
    assert "the room: background -50 dB" in err or "the room: background -51 dB" in err


def test_json_has_the_final_events_of_classify(take: Path, capsys: Capture) -> None:
    _, out, _ = run(["listen", "--from-file", str(take), "--pace", "0", "--json"], capsys)
    _, whole, _ = run(["classify", str(take), "--events", "--json"], capsys)
    rows = json_lines(out)

    assert [row["kind"] for row in rows if row["kind"] != "event"] == [
        "room", "provisional", "provisional", "burst", "provisional", "burst", "summary",
    ]  # fmt: skip
    final = [(row["event"]["onset_s"], row["event"]["is_pop"]) for row in rows if row["kind"] == "event"]
    assert final == [(round(e["onset_s"], 5), e["is_pop"]) for e in json_lines(whole)[0]["events"]]
    assert (rows[-1]["n_thrusts"], rows[-1]["n_pops"], rows[-1]["lost_s"]) == (2, 3, 0)


def test_clips_of_the_thrusts_are_a_labelled_session(take: Path, tmp_path: Path, capsys: Capture) -> None:
    arguments = ["listen", "--from-file", str(take), "--pace", "0", "--record", str(tmp_path / "practice")]
    code, _, err = run(arguments, capsys)

    assert code == 0
    assert "labelled; next:" in err
    clips = (tmp_path / "practice" / "popdetect" / "clips.csv").read_text(encoding="utf-8").splitlines()
    assert len(clips) == 2  # both thrusts lie within 2 s, so they share a clip
    assert run(arguments, capsys)[0] == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--pace", "0"], "--pace needs --from-file"),
        (["--from-file", "x.wav", "--device", "2"], "leave them out with --from-file"),
        (["--from-file", "x.wav", "--thrust-key"], "standard input is none"),
        (["--pace", "-1"], "a number"),
    ],
)
def test_wrong_use_is_one_line(
    words: list[str], says: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    code, out, err = run(["listen", *words], capsys)

    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


def test_a_file_that_cannot_be_read_is_exit_3(tmp_path: Path, capsys: Capture) -> None:
    code, out, err = run(["listen", "--from-file", str(tmp_path / "no.wav")], capsys)

    assert (code, out) == (3, "")
    assert "no such file" in err


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT to a process")
def test_ctrl_c_ends_with_the_summary_and_exit_0(take: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "listen", "--from-file", str(take)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert "2.000 s" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, err = process.communicate(timeout=30)

    assert process.returncode == 0
    assert "1 thrust with a pop" in rest
    assert "Traceback" not in err


@pytest.mark.skipif(os.name == "nt", reason="needs the pty of POSIX")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, None])
def test_keys_mark_thrusts_and_the_terminal_is_restored(take: Path, end: signal.Signals | None) -> None:
    import pty
    import termios

    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    process = subprocess.Popen(
        [*COMMAND, "listen", "--from-file", str(take), "--thrust-key", "--window", "1", "--json"],
        stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    while '"provisional"' not in process.stdout.readline():
        pass
    assert termios.tcgetattr(slave) != before
    os.write(master, b" ")
    if end is not None:
        time.sleep(0.2)
        process.send_signal(end)
    out, err = process.communicate(timeout=30)
    rows = [json.loads(line) for line in out.splitlines()]

    assert process.returncode == 0, err
    assert termios.tcgetattr(slave) == before
    assert [row["n_pops"] for row in rows if row["kind"] == "attempt"] == [2]
    assert (rows[-1]["n_attempts"], rows[-1]["n_hits"]) == (1, 1)
    os.close(master)
    os.close(slave)


def test_the_level_is_one_line_on_a_terminal(take: Path) -> None:
    pty = pytest.importorskip("pty")
    master, slave = pty.openpty()
    words = ["listen", "--from-file", str(take), "--pace", "0", "--seconds", "3"]
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, stderr=slave, text=True)
    os.close(slave)
    shown = b""
    try:
        while part := os.read(master, 65_536):
            shown += part
    except OSError:  # Linux, at the end
        pass
    process.communicate(timeout=30)

    assert b"\x1b" not in shown
    levels = [line for line in shown.decode().split("\r") if "dB" in line and "[" in line]
    assert len(levels) > 20
    assert shown.rstrip(b" \r\n").count(b"\n") <= 2  # the two messages


def test_a_real_device_gives_the_pops_of_its_sound(take: Path, device: dict[str, str]) -> None:
    listed = subprocess.run([*COMMAND, "listen", "--devices"], env=device, capture_output=True, text=True)
    words = ["listen", "--device", "popm", "--rate", "48000", "--seconds", "6", "--json"]
    done = subprocess.run([*COMMAND, *words], env=device, capture_output=True, text=True, timeout=60)
    rows = json_lines(done.stdout)

    assert "popmic  (ALSA" in listed.stdout
    assert done.returncode == 0, done.stderr
    assert [row["burst"]["n_pops"] for row in rows if row["kind"] == "burst"] == [2, 1]
    assert rows[-1]["duration_s"] == 6


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--device", "nothing"], "device 'nothing': no such input device; there is "),
        (["--device", "popmic", "--channels", "32", "--rate", "7000"], "sample rate 7000"),
    ],
)
def test_a_device_that_cannot_be_used_is_one_line(words: list[str], says: str, device: dict[str, str]) -> None:
    done = subprocess.run([*COMMAND, "listen", *words], env=device, capture_output=True, text=True)

    assert done.returncode in (2, 3)
    assert done.stderr.count("\n") == 1, done.stderr
    assert says in done.stderr
