"""Recorded sounds: only those of the folder and the role, cut at the marked onsets."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal

from popdetect.errors import TableError, UsageError
from popdetect.training.data import scenes, sounds
from popdetect.training.data.dsp import RATE_HZ
from popdetect.training.data.manifest import Source, read_manifest
from popdetect.training.data.scenes import SceneRule, compose
from popdetect.training.data.sounds import Recorded, SoundBank

HEADER = "path,role,kind,what,group"
ROWS = (
    ("cracks.wav", "train", "pop", "knuckle", "hand"),
    ("knock1.wav", "train", "distractor", "door knock", "door"),
    ("knock2.wav", "train", "distractor", "door knock (loud)", "door"),
    ("bell.wav", "train", "distractor", "bell", "bell"),
    ("fan.wav", "train", "background", "fan", "fan"),
    ("hall.wav", "train", "impulse_response", "hall", "hall"),
    ("other.wav", "dev-test", "distractor", "table", "table"),
)
PEAKS_S = (0.100, 0.200, 0.203, 0.300)  # the second of them is the first half of a double


def click(sound: np.ndarray, at_s: float, rate_hz: int) -> None:
    start, n = round(at_s * rate_hz), rate_hz // 100
    time_ms = np.arange(n) * 1000 / rate_hz
    sound[start : start + n] += 0.5 * np.cos(2 * np.pi * 3 * time_ms) * 10 ** (-time_ms / 1.5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, rate_hz, duration_s in (
        ("knock1.wav", 44_100, 0.3), ("knock2.wav", 48_000, 0.3), ("bell.wav", 16_000, 4.0),
        ("fan.wav", 44_100, 0.4), ("other.wav", 48_000, 0.3),
    ):  # fmt: skip
        soundfile.write(tmp_path / name, 0.1 * rng.standard_normal(int(duration_s * rate_hz)), rate_hz)
    cracks = 1e-4 * rng.standard_normal((22_050, 2))
    for at in PEAKS_S:
        for channel in range(2):
            click(cracks[:, channel], at, 44_100)
    soundfile.write(tmp_path / "cracks.wav", cracks, 44_100)
    hall = np.zeros(48_000)
    hall[1_000] = 0.5
    hall[3_000] = -0.2
    soundfile.write(tmp_path / "hall.wav", hall, 48_000)
    with (tmp_path / "MANIFEST.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([HEADER.split(","), *ROWS])
    marks = [f"cracks.wav,{at},high" for at in reversed(PEAKS_S)]
    (tmp_path / "pop_onsets.csv").write_text("\n".join(["path,onset_s,confidence", *marks, "cracks.wav,0.4,low", ""]))
    return tmp_path


@pytest.fixture
def bank(folder: Path) -> Recorded:
    return Recorded(read_manifest(folder, "train"), made_pop_share=0.0, made_share=0.0)


def test_a_manifest_gives_its_sources_in_one_order_with_their_onsets(folder: Path) -> None:
    sources = read_manifest(folder)
    by_name = {source.path.name: source for source in sources}

    assert [source.path for source in sources] == sorted(folder / row[0] for row in ROWS)
    assert by_name["cracks.wav"].onsets_s == PEAKS_S
    assert by_name["bell.wav"] == Source(folder / "bell.wav", "train", "distractor", "bell", "bell", "", "")
    assert [source.path.name for source in read_manifest(folder, "dev-test")] == ["other.wav"]


def test_a_manifest_from_a_spreadsheet_is_read(folder: Path) -> None:
    plain = read_manifest(folder)
    path = folder / "MANIFEST.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))

    assert read_manifest(folder) == plain


def test_what_is_no_sound_folder_is_refused_in_words(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere: no MANIFEST.csv there; a sound folder has one, with columns path"):
        read_manifest(folder / "nowhere")
    with pytest.raises(UsageError, match=r"no sound of role 'test'; it has: dev-test, train"):
        read_manifest(folder, "test")
    for column in HEADER.split(","):
        rest = [name for name in HEADER.split(",") if name != column]
        (folder / "MANIFEST.csv").write_text(",".join(rest) + "\n" + ",".join("x" for _ in rest) + "\n")
        with pytest.raises(UsageError, match=rf"MANIFEST.csv:1: column {column} is missing"):
            read_manifest(folder)


LINE = "cracks.wav,train,pop,knuckle,hand"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (b"", r"MANIFEST.csv:1: an empty table; its first line must name the columns$"),
        (b"\n \n", r"MANIFEST.csv:1: an empty table"),
        (f"{HEADER}\n".encode(), r"MANIFEST.csv:1: a header and no sounds; at least one line is needed$"),
        (f"{HEADER}\n\n{LINE}\nbell.wav,train,distractor\n".encode(), r"MANIFEST.csv:4: column what is empty; every"),
        (f"{HEADER}\n,train,pop,knuckle,hand\n".encode(), r"MANIFEST.csv:2: column path is empty; every sound needs"),
        (f"{HEADER}\n{LINE},a,b\n".encode(), r"MANIFEST.csv:2: 7 cells, the header names 5 columns; put quotes around"),
        (f"{HEADER}\n{LINE}\n{LINE}\n".encode(), r"MANIFEST.csv:3: path 'cracks.wav' is already on line 2"),
        (f'{HEADER}\n{LINE}\n"bell.wav,train\n'.encode(), r"MANIFEST.csv:\d: .*is a quotation mark left open\?"),
        (b"file,role,kind,what,group\na,b,c,d,e\n", r"MANIFEST.csv:1: column path is missing; the columns are file, "),
    ],
)
def test_a_manifest_that_cannot_be_understood_is_refused_with_its_line(folder: Path, table: bytes, words: str) -> None:
    (folder / "MANIFEST.csv").write_bytes(table)

    with pytest.raises(TableError, match=words):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("path,onset_s\ncracks.wav,0.1\ncracks.wav,soon\n", r"pop_onsets.csv:3: onset_s 'soon'; seconds from the"),
        ("path,onset_s\ncracks.wav,-0.1\n", r"pop_onsets.csv:2: onset_s '-0.1'; seconds .* are allowed, 0 or more$"),
        ("path,onset_s\ncracks.wav,nan\n", r"pop_onsets.csv:2: onset_s 'nan'"),
        ("path,onset_s\ncracks.wav,1_0\n", r"pop_onsets.csv:2: onset_s '1_0'"),
        ("path,onset_s\ncracks.wav\n", r"pop_onsets.csv:2: column onset_s is empty; every mark needs path, onset_s"),
        ("file,onset_s\ncracks.wav,0.1\n", r"pop_onsets.csv:1: column path is missing"),
        ("path,confidence\ncracks.wav,high\n", r"pop_onsets.csv:1: column onset_s is missing"),
        ("", r"pop_onsets.csv:1: an empty table"),
    ],
)
def test_marks_that_cannot_be_understood_are_refused_with_their_line(folder: Path, table: str, words: str) -> None:
    (folder / "pop_onsets.csv").write_text(table, encoding="utf-8")

    with pytest.raises(TableError, match=words):
        read_manifest(folder)


def test_cells_that_need_not_be_there_may_be_left_out(folder: Path) -> None:
    (folder / "MANIFEST.csv").write_text(f"{HEADER},licence,sha256\n{LINE}\n", encoding="utf-8")
    (source,) = read_manifest(folder)

    assert (source.licence, source.sha256, source.onsets_s) == ("", "", PEAKS_S)


def test_marks_with_no_sound_after_them_are_refused(folder: Path) -> None:
    (folder / "pop_onsets.csv").write_text("path,onset_s\ncracks.wav,100\n", encoding="utf-8")
    bank = Recorded(read_manifest(folder, "train"), made_pop_share=0.0)

    with pytest.raises(UsageError, match=r"cracks.wav: none of its pop onsets \(100\) is followed by 6 ms of sound"):
        bank.pops(np.random.default_rng(0), 3)


def test_a_pop_recording_without_marked_onsets_is_refused(folder: Path) -> None:
    (folder / "pop_onsets.csv").unlink()
    bank = Recorded(read_manifest(folder, "train"), made_pop_share=0.0)

    with pytest.raises(UsageError, match=r"cracks.wav: its pop onsets are not known; pop_onsets.csv"):
        bank.pops(np.random.default_rng(0), 3)


def test_a_recording_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "fan.wav").unlink()
    bank = Recorded(read_manifest(folder, "train"))

    with pytest.raises(UsageError, match=r"fan.wav: no such file"):
        bank.background(np.random.default_rng(0), 100)


def test_scenes_have_only_sounds_of_the_folder(bank: Recorded) -> None:
    groups: Counter[str] = Counter()
    for seed in range(40):
        scene = compose(np.random.default_rng(seed), bank, SceneRule(duration_s=0.8))
        groups.update(scene.groups)
        assert ("hand" in scene.groups) == bool(scene.onsets_s)

    assert set(groups) == {"hand", "door", "bell", "fan"}
    assert groups["fan"] == 40


def test_recorded_pops_start_after_their_lead_also_when_stretched(bank: Recorded) -> None:
    for seed in range(20):
        burst = bank.pops(np.random.default_rng(seed), 5)
        assert (len(burst.pops), burst.what, burst.group) == (5, "knuckle", "hand")
        for sound, lead_s in zip(burst.pops, burst.leads_s, strict=True):
            assert sound.dtype == np.float32
            assert np.isfinite(sound).all()
            level = np.abs(sound)
            # the recorded clicks are loudest at their first sample
            assert np.argmax(level > 0.5 * level.max()) / RATE_HZ == pytest.approx(lead_s, abs=0.00004)
            assert 0.0002 < lead_s < 0.001


def test_cuts_end_before_the_next_pop_and_half_a_double_is_none(folder: Path) -> None:
    (source,) = [source for source in read_manifest(folder) if source.kind == "pop"]
    cuts = sounds.pops_of(source)

    assert len(cuts) == 3  # 0.200 is followed too soon
    for cut in cuts:
        assert 0.006 * RATE_HZ <= len(cut.sound) <= 0.060 * RATE_HZ
        assert np.abs(cut.sound).max() == pytest.approx(1)
        assert cut.sound[0] == cut.sound[-1] == 0
        assert cut.lead_s == pytest.approx(sounds.LEAD_S, abs=0.6 / RATE_HZ)


def tailed(folder: Path, floor_db: float, decay_db_per_ms: float, lead_in_s: float = 0.0) -> sounds.Cut:
    """Return the only pop of a recording: a wave of 2 kHz that decays into noise; before it, digital silence."""
    time_ms = np.arange(24_000) / 48
    pop = np.sin(2 * np.pi * 2 * time_ms) * 10 ** (-decay_db_per_ms * time_ms / 20)
    octave = signal.butter(3, [2000 / np.sqrt(2), 2000 * np.sqrt(2)], "bandpass", fs=48_000, output="sos")
    noise = np.random.default_rng(0).standard_normal(48_000)
    noise *= 10 ** (floor_db / 20) / np.std(signal.sosfilt(octave, noise))
    noise[24_000:] += pop
    sound = np.concatenate([np.zeros(int(lead_in_s * 48_000)), 0.5 * noise])
    path = folder / f"tail {floor_db} {decay_db_per_ms} {lead_in_s}.wav"
    soundfile.write(path, sound, 48_000, subtype="FLOAT")
    (cut,) = sounds.pops_of(Source(path, "train", "pop", "crack", "g", "", "", onsets_s=(lead_in_s + 0.5,)))
    return cut


@pytest.mark.parametrize(("floor_db", "decay_db_per_ms"), [(-40.0, 2.0), (-50.0, 2.0), (-50.0, 1.2)])
def test_a_pop_ends_where_its_octave_meets_the_noise(tmp_path: Path, floor_db: float, decay_db_per_ms: float) -> None:
    cut = tailed(tmp_path, floor_db, decay_db_per_ms)
    # the wave has an RMS of -3 dB at its start; twice the power of the noise is the wave as loud as the noise. The
    # noise is taken as 1 to 3 dB less than its RMS, so the end is up to 6 dB of decay later
    until_ms = (-3 - floor_db) / decay_db_per_ms

    assert until_ms - 1.5 < len(cut.sound) / 48 < until_ms + 6 / decay_db_per_ms + 3
    # 3 ms from its onset, against the noise (10th percentile, 1 to 3 dB lower than the RMS), less 3 dB
    rms_db = 10 * np.log10(np.mean(0.5 * 10 ** (-decay_db_per_ms * np.arange(0, 3, 0.01) / 10)))
    assert cut.limit_db == pytest.approx(rms_db - floor_db - 3 + 2, abs=2)


def test_a_pop_is_at_least_6_ms_and_at_most_60_ms_long(tmp_path: Path) -> None:
    assert 6 * 48 <= len(tailed(tmp_path, -20.0, 8.0).sound) <= 9 * 48
    assert len(tailed(tmp_path, -60.0, 0.3).sound) == 60 * 48


def test_digital_silence_is_not_the_noise_of_a_recording(tmp_path: Path) -> None:
    plain, padded = tailed(tmp_path, -40.0, 2.0), tailed(tmp_path, -40.0, 2.0, lead_in_s=3.0)

    assert padded.limit_db == pytest.approx(plain.limit_db, abs=1)
    assert len(padded.sound) == pytest.approx(len(plain.sound), abs=100)


def test_recorded_pops_are_at_their_onsets_in_the_mix(bank: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "random_curve", lambda rng, spread_db: (np.array([31.0, 20e3]), np.zeros(2)))
    rule = SceneRule(
        duration_s=0.6,
        pop_share=1.0,
        max_distractors=0,
        max_pops=3,
        room_share=0.0,
        pop_db=(46.0, 48.0),
        least_gap_ms=30,
    )
    late_ms = []
    for seed in range(40):
        scene = compose(np.random.default_rng(seed), bank, rule)
        for onset in scene.onsets_s:
            first = round((onset - 0.004) * RATE_HZ)
            level = np.abs(scene.samples[max(first, 0) : first + 384])
            late_ms.append((max(first, 0) + np.argmax(level > 0.5 * level.max())) / 48 - 1000 * onset)

    assert len(late_ms) > 50
    assert np.abs(late_ms).max() < 0.1


def test_how_many_pops_are_made_is_the_banks_choice(folder: Path) -> None:
    sources = read_manifest(folder, "train")

    def share(made: float) -> float:
        bank = Recorded(sources, made_pop_share=made)
        return float(np.mean([bank.pops(np.random.default_rng(s), 1).group == "simulated" for s in range(200)]))

    assert share(0.0) == 0
    assert share(1.0) == 1
    assert share(0.6) == pytest.approx(0.6, abs=0.12)
    without = Recorded([source for source in sources if source.kind != "pop"], made_pop_share=0.0)
    assert without.pops(np.random.default_rng(0), 1).group == "simulated"


def test_kinds_of_distractors_are_drawn_evenly_whatever_their_number_of_files(bank: Recorded) -> None:
    drawn = Counter(bank.distractor(np.random.default_rng(seed)).group for seed in range(300))

    assert set(drawn) == {"door", "bell"}
    assert drawn["bell"] == pytest.approx(150, abs=40)


def test_long_distractors_become_excerpts(bank: Recorded) -> None:
    for seed in range(30):
        named = bank.distractor(np.random.default_rng(seed))
        assert 0 < len(named.sound) <= 2.5 * RATE_HZ
        if named.group == "bell":
            assert named.sound[0] == named.sound[-1] == 0


@pytest.mark.parametrize("n", [1, 1_000, 19_200, 19_201, 100_000])
def test_a_background_is_as_long_as_it_must_be_without_gaps(bank: Recorded, n: int) -> None:
    for seed in range(5):
        named = bank.background(np.random.default_rng(seed), n)
        assert (len(named.sound), named.group) == (n, "fan")
        if n > 1_000:
            blocks = named.sound[: n // 960 * 960].reshape(-1, 960).std(axis=1)
            assert blocks.min() > 0.5 * np.median(blocks)


def test_a_recorded_room_begins_with_its_direct_sound(bank: Recorded) -> None:
    recorded = 0
    for seed in range(30):
        response = bank.room(np.random.default_rng(seed))
        assert np.argmax(np.abs(response)) == 0
        if abs(response[2_000]) == pytest.approx(0.4, abs=0.01):
            recorded += 1
            assert abs(response[0]) == pytest.approx(1, abs=0.01)
    assert 10 < recorded < 30


@pytest.mark.parametrize("made", [True, False])
def test_a_bank_depends_on_its_seed_alone(bank: Recorded, made: bool) -> None:
    chosen: SoundBank = SoundBank() if made else bank
    rule = SceneRule(duration_s=0.6, rates_hz=(44_100,))
    for seed in range(6):
        one, same = (compose(np.random.default_rng(seed), chosen, rule) for _ in range(2))
        np.testing.assert_array_equal(one.samples, same.samples)
        assert (one.onsets_s, one.what, one.groups) == (same.onsets_s, same.what, same.groups)


def test_nothing_that_was_loaded_is_changed_by_mixing(bank: Recorded, folder: Path) -> None:
    """Recordings are kept in memory: a scene must not change the next one."""
    before = {name: sounds._load(folder / name).copy() for name, *_ in ROWS}
    for seed in range(20):
        compose(np.random.default_rng(seed), bank, SceneRule(duration_s=0.3, degraded_share=0.5))

    for name, sound in before.items():
        np.testing.assert_array_equal(sounds._load(folder / name), sound)


@pytest.mark.shared
def test_the_real_folder_has_marks_for_every_pop_recording_of_each_role(shared_audio: Path) -> None:
    for role in ("train", "dev-test"):
        sources = read_manifest(shared_audio, role)
        assert {source.role for source in sources} == {role}
        for source in sources:
            if source.kind == "pop":
                assert sounds.pops_of(source)
    pops = [
        {source.group for source in read_manifest(shared_audio, role) if source.kind == "pop"}
        for role in ("train", "dev-test")
    ]
    assert pops[0].isdisjoint(pops[1])
