"""Laws of a run over a folder: it resumes, it never depends on the number of jobs, no clip ends it."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import session_fakes
import soundfile

from popdetect.errors import LeftOutWarning, ModelError, NothingFound, UsageError
from popdetect.records import Verdict
from popdetect.session import labelling as batch
from popdetect.session import workers as pool
from popdetect.session.files import Clip
from popdetect.session.label_files import read_marks
from popdetect.session.tables import read_rows

label: Callable[..., Any] = partial(batch.label, detector_factory=session_fakes.make)

TABLES = ("clips.csv", "events.csv", "bursts.csv")


def tables(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in TABLES]


def stop_at(n: int) -> Callable[[int, int], None]:
    def on_progress(done: int, total: int) -> None:
        if done == n:
            raise KeyboardInterrupt

    return on_progress


def test_a_session_becomes_tables_and_a_summary(session: Path) -> None:
    summary = label(session)
    clips = read_rows(session / "popdetect/clips.csv")
    events = read_rows(session / "popdetect/events.csv")
    assert [row["file"] for row in clips] == sorted(p.relative_to(session).as_posix() for p in session.rglob("*.wav"))
    assert [row["file"] for row in clips if row["status"] != "ok"] == ["p1/clip 07.wav"]
    assert summary.out == session / "popdetect"
    assert (summary.n_clips, summary.n_new, summary.n_skipped, summary.n_failed) == (40, 40, 0, 1)
    assert summary.failed == (("p1/clip 07.wav", "cut off"),)
    n_counted = sum(row["is_pop"] == "1" for row in events)
    assert n_counted == sum(int(row["n_pops"] or 0) for row in clips) == summary.n_pops + summary.n_uncertain_pops
    assert summary.n_pops == sum(int(row["n_pops"]) for row in clips if row["label"] == "pop")
    assert summary.n_uncertain_pops > 0
    for name, n in summary.n_by_label.items():
        assert n == sum(row["label"] == name for row in clips)
    assert list(summary.uncertain) == [row["file"] for row in clips if row["label"] == "uncertain"]
    assert [path.name for path in summary.written] == ["clips.csv", "events.csv", "bursts.csv", "run.json"]
    assert sorted(path.name for path in summary.out.iterdir()) == sorted([*TABLES, "progress.jsonl", "run.json"])
    bursts = read_rows(session / "popdetect/bursts.csv")
    assert sum(int(row["n_pops"]) for row in bursts) == n_counted


def test_the_number_of_jobs_changes_no_byte(session: Path, tmp_path: Path) -> None:
    label(session, out=tmp_path / "one")
    summary = label(session, out=tmp_path / "two", jobs=2)
    assert tables(tmp_path / "one") == tables(tmp_path / "two")
    assert summary.n_new == 40


@pytest.mark.parametrize("threads", [False, True])
def test_copied_and_fresh_processes_say_the_same(session: Path, tmp_path: Path, threads: bool) -> None:
    label(session, out=tmp_path / "one")
    done = threading.Event()
    if threads:  # a process with other threads is not copied: its workers are spawned
        threading.Thread(target=done.wait, daemon=True).start()
    try:
        label(session, out=tmp_path / "two", jobs=2)
    finally:
        done.set()
    assert tables(tmp_path / "one") == tables(tmp_path / "two")


@pytest.mark.parametrize("jobs", [1, 2])
def test_numbers_do_not_depend_on_how_many_cores_there_are(session: Path, jobs: int) -> None:
    before = session_fakes.blas_threads()
    summary = batch.label(session, jobs=jobs, detector_factory=session_fakes.make_telling)  # type: ignore[arg-type]
    expected = {1} if before else set()  # threadpoolctl does not know Apple's library
    assert {error for _, error in summary.failed} == {f"unexpected RuntimeError: {expected}"}
    assert session_fakes.blas_threads() == before


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupted_run_goes_on_and_ends_the_same(session: Path, tmp_path: Path, jobs: int) -> None:
    label(session, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        label(session, out=tmp_path / "out", jobs=jobs, on_progress=stop_at(15))
    assert not (tmp_path / "out/clips.csv").exists()
    with (tmp_path / "out/progress.jsonl").open("ab") as handle:
        handle.write(b'{"file":"p0/clip 39')  # torn by a crash
    summary = label(session, out=tmp_path / "out", jobs=jobs)
    assert summary.n_skipped in (14, 15)  # the broken clip, if it was among them, is tried again
    assert tables(tmp_path / "out") == tables(tmp_path / "whole")


def test_a_second_run_judges_only_what_failed(session: Path) -> None:
    label(session)
    before = tables(session / "popdetect")
    seen: list[tuple[int, int]] = []
    summary = label(session, on_progress=lambda done, total: seen.append((done, total)))
    assert (summary.n_new, summary.n_skipped) == (1, 39)
    assert seen == [(39, 40), (40, 40)]
    assert tables(session / "popdetect") == before


@pytest.mark.parametrize("changed", [{"force": True}, {"model": "other"}, {"operating_point": "careful"}])
def test_what_changes_verdicts_has_all_judged_again(session: Path, changed: dict[str, Any]) -> None:
    label(session)
    assert label(session, **changed).n_skipped == 0
    assert label(session, **{**changed, "force": False}).n_skipped == 39


def test_a_changed_file_is_judged_again_and_a_deleted_one_forgotten(session: Path) -> None:
    label(session)
    (session / "p0/clip 00.wav").write_bytes(b"another sound")
    touched = session / "p0/clip 02.wav"
    os.utime(touched, ns=(0, touched.stat().st_mtime_ns + 1))
    (session / "p0/clip 04.wav").unlink()
    (session / "p1/clip 07.wav").write_bytes(b"whole now")
    summary = label(session)
    assert (summary.n_clips, summary.n_new, summary.n_failed) == (39, 3, 0)
    assert "clip 04" not in (session / "popdetect/progress.jsonl").read_text()
    resumed = tables(session / "popdetect")
    label(session, force=True)
    assert tables(session / "popdetect") == resumed


def test_progress_counts_every_clip_to_the_end(session: Path) -> None:
    seen: list[tuple[int, int]] = []
    label(session, jobs=2, on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(n, 40) for n in range(41)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_unexpected_error_is_a_row(session: Path, jobs: int) -> None:
    (session / "p0/clip 10.wav").write_bytes(b"surprise")
    summary = label(session, jobs=jobs)
    assert dict(summary.failed)["p0/clip 10.wav"] == "unexpected RuntimeError: nobody expected it"
    assert summary.n_failed == 2
    (row,) = [row for row in read_rows(session / "popdetect/clips.csv") if row["file"] == "p0/clip 10.wav"]
    assert (row["status"], row["label"]) == ("unreadable", "")


def test_clips_that_kill_their_process_cost_only_their_rows(session: Path, tmp_path: Path) -> None:
    killers = ["p0/clip 04.wav", "p0/clip 06.wav", "p1/clip 39.wav"]
    for file in killers:
        (session / file).write_bytes(b"broken")
    label(session, out=tmp_path / "one")
    for file in killers:
        (session / file).write_bytes(b"killer")
    summary = label(session, out=tmp_path / "two", jobs=2)
    assert [file for file, error in summary.failed if error == "the decoder crashed on it"] == killers
    assert {clip.status for clip in summary.session.clips if clip.file in killers} == {"unreadable"}
    others = [
        [row for row in read_rows(tmp_path / out / "clips.csv") if row["file"] not in killers] for out in ("one", "two")
    ]
    assert others[0] == others[1]
    assert len(others[0]) == 37


def test_processes_that_cannot_start_are_not_blamed_on_the_clips(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_may_fork", lambda: False)  # a copy has its detector already
    with pytest.raises(UsageError) as refused:
        batch.label(session, jobs=2, detector_factory=session_fakes.make_dying)  # type: ignore[arg-type]
    assert str(refused.value) == (
        "worker processes die before they process anything; use 1 job, or, in a script of your own, "
        'call label() below `if __name__ == "__main__":`'
    )


LABEL_SLOWLY = """
import sys, session_fakes
from popdetect.session import labelling
if __name__ == "__main__":
    labelling.label(sys.argv[1], jobs=2, detector_factory=session_fakes.make_sleeping)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a killed process closes its pipe late here")
@pytest.mark.parametrize("threads", ["1", "2"])  # with one thread, worker processes are copies
def test_workers_end_with_their_parent(session: Path, threads: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(LABEL_SLOWLY)
    paths = os.pathsep.join([str(Path(session_fakes.__file__).parent), *sys.path])
    env = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    run = subprocess.Popen([sys.executable, str(script), str(session)], stdout=subprocess.PIPE, env=env)
    assert run.stdout is not None
    assert run.stdout.read(12) == b"asleep" * 2  # both workers are at work
    run.kill()
    run.communicate(timeout=20)  # returns when the workers have closed their end of the pipe, too


@pytest.mark.parametrize(
    "file", ["Ä ö.WAV", "line\nbreak.wav", "-rf.wav", '"quoted", .wav', "=1+1.wav", "semi;colon.flac", "\r.wav"]
)
@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be")
def test_strange_names_come_through(session: Path, file: str) -> None:
    (session / file).write_bytes(b"sound")
    label(session, formats=("audacity",))
    rows = {row["file"]: row for row in read_rows(session / "popdetect/clips.csv")}
    assert rows[file]["status"] == "ok"
    assert (session / f"popdetect/audacity/{file}.txt").exists()
    assert label(session).n_skipped == 40


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are always Unicode here")
def test_names_that_are_not_utf8_come_through(session: Path) -> None:
    Path(os.fsdecode(os.fsencode(session) + b"/gr\xfcn.wav")).write_bytes(b"sound")
    label(session, formats=("raven",), jobs=2)
    assert read_rows(session / "popdetect/clips.csv")[0]["file"] == "gr\\xfcn.wav"
    assert label(session).n_skipped == 40


def test_label_files_are_written_for_every_judged_clip(session: Path) -> None:
    summary = label(session, formats=("audacity", "raven", "textgrid", "raven"))
    out = summary.out
    assert [path.name for path in summary.written] == [*TABLES, "audacity", "raven", "textgrid", "run.json"]
    for folder in summary.written[3:6]:
        assert sum(path.is_file() for path in folder.rglob("*")) == 39
    label_of = {row["file"]: row["label"] for row in read_rows(out / "clips.csv")}
    n_uncertain = 0
    for row in read_rows(out / "events.csv"):
        if row["is_pop"] == "1":
            path = out / "audacity" / f"{row['file']}.txt"
            if label_of[row["file"]] == "uncertain":
                n_uncertain += 1
                path.write_text(path.read_text().replace("pop?", "pop"))  # a person decided
            assert any(abs(mark.start_s - float(row["onset_s"])) < 1e-5 for mark in read_marks(path))
    assert n_uncertain > 0


def test_label_files_of_an_earlier_run_are_replaced_or_taken_away(session: Path) -> None:
    label(session, formats=("audacity",))
    first, second = session / "p0/clip 00.wav", session / "p0/clip 02.wav"
    labels = session / "popdetect/audacity/p0"
    (labels / "clip 00.wav.txt").write_text("stale")
    untouched = (labels / "clip 04.wav.txt").stat().st_mtime_ns
    second.write_bytes(b"broken")
    assert first.exists()
    label(session, formats=("audacity",))
    assert (labels / "clip 00.wav.txt").read_text() != "stale"
    assert not (labels / "clip 02.wav.txt").exists()
    assert (labels / "clip 04.wav.txt").stat().st_mtime_ns == untouched


def test_label_files_that_a_person_changed_are_kept_and_this_is_said(session: Path) -> None:
    formats = ("audacity", "raven", "textgrid")
    out = label(session, formats=formats).out
    rows = {row["file"]: row for row in read_rows(out / "clips.csv")}
    corrected = next(file for file, row in rows.items() if row["label"] == "pop")
    undecided = next(file for file, row in rows.items() if row["label"] == "uncertain" and row["n_pops"] != "0")
    mine = {
        out / f"audacity/{corrected}.txt": "0.1\t0.1\tpop\n",
        out / f"raven/{undecided}.selections.txt": (out / f"raven/{undecided}.selections.txt")
        .read_text()
        .replace("pop?", "pop"),
    }
    for path, text in mine.items():
        path.write_text(text)
    for clip in session.glob("p*/*.wav"):  # recorded again: all events differ
        clip.write_bytes(b"another " + clip.read_bytes())
    with pytest.warns(LeftOutWarning, match="1 label file that a person changed: kept") as told:
        label(session, formats=formats)
    assert len(told) == 2
    assert {path: path.read_text() for path in mine} == mine
    pops = {row["file"]: int(row["n_pops"] or 0) for row in read_rows(out / "clips.csv")}
    for name, suffix in {"audacity": "txt", "raven": "selections.txt", "textgrid": "TextGrid"}.items():
        for file, n in pops.items():
            path = out / name / f"{file}.{suffix}"
            assert path in mine or len(read_marks(path, file)) == n


def test_a_label_file_that_cannot_be_removed_is_named(session: Path) -> None:
    stale = session / "popdetect/audacity/p1/clip 07.wav.txt"  # of the broken clip
    stale.mkdir(parents=True)
    with pytest.raises(UsageError) as refused:
        label(session, formats=("audacity",))
    assert str(refused.value).startswith(f"{stale}: cannot be written: ")


def test_run_json_tells_how_and_names_nobody(session: Path) -> None:
    summary = label(session, jobs=2, formats=("raven",), model="/home/somebody/bundles/mine")
    text = (summary.out / "run.json").read_text()
    run = json.loads(text)
    assert next(iter(run)) == "schema_version"
    assert run["settings"] == {"folder": "session", "out": "popdetect", "formats": ["raven"], "jobs": 2, "force": False,
                               "watch": False}  # fmt: skip
    assert run["model"]["bundle"] == "mine"
    point = {
        "no_pop_below": 0.2,
        "pop_from": 0.8,
        "burst_from": 0.5,
        "train_from": 0.5,
    }  # the last by its old name, too
    assert run["operating_point"] == {"name": "balanced", **point}
    assert all(run["versions"].values())
    assert run["counts"]["clips"] == len(run["inputs"]) == 40
    assert re.fullmatch("[0-9a-f]{64}", run["inputs"][0]["sha256"])
    assert datetime.fromisoformat(run["started"]).utcoffset() is not None
    assert datetime.fromisoformat(run["started"]) <= datetime.fromisoformat(run["ended"])
    assert "somebody" not in text
    assert str(session.parent) not in text


def test_run_json_holds_settings_counts_and_inputs(session: Path) -> None:
    for name in (".hidden", "labels.csv"):
        (session / name).touch()
    label(session, formats=("audacity",), jobs=1)
    label(session, formats=("audacity", "raven"), jobs=1, model=session / "p0", out=session / "popdetect")
    rows = read_rows(session / "popdetect" / "clips.csv")
    run = json.loads((session / "popdetect" / "run.json").read_text())
    labels = [row["label"] for row in rows]
    label_of = {row["file"]: row["label"] for row in rows}
    n_bursts = Counter(label_of[row["file"]] for row in read_rows(session / "popdetect" / "bursts.csv"))

    assert list(run) == [
        "schema_version", "popdetect_version", "started", "ended", "settings", "model", "operating_point", "versions",
        "platform", "counts", "recordings", "unlisted", "passed_over", "waiting", "inputs",
    ]  # fmt: skip
    assert run["settings"] == {
        "folder": "session", "out": "popdetect", "formats": ["audacity", "raven"], "jobs": 1, "force": False,
        "watch": False,
    }  # fmt: skip
    assert run["model"] == {"title": "fake-1", "sha256": rows[0]["model_sha256"], "bundle": "p0"}
    assert run["operating_point"] == {
        "name": "balanced", "no_pop_below": 0.2, "pop_from": 0.8, "burst_from": 0.5, "train_from": 0.5,
    }  # fmt: skip
    assert run["counts"] == {
        "clips": 40,
        "judged_now": 40,  # another model: nothing is remembered
        "remembered": 0,
        **{name: labels.count(name) for name in ("pop", "no_pop", "uncertain")},
        "failed": 1,
        "pops": sum(int(row["n_pops"]) for row in rows if row["label"] == "pop"),
        "uncertain_pops": sum(int(row["n_pops"]) for row in rows if row["label"] == "uncertain"),
        "bursts": n_bursts["pop"],
        "uncertain_bursts": n_bursts["uncertain"],
        "pops_found_on": {"1": 0, "2": 0, "both": 0},
        "passed_over": 2,
    }
    assert run["recordings"] == {"sample_rates_hz": {"44100": 39}, "channels": {"1": 39}, "formats": {"wav": 40}}
    assert run["passed_over"] == {
        "counts": {"not_sound": 1, "hidden": 1, "link_to_folder": 0, "not_entered": 0, "not_a_file": 0},
        "by_extension": {".csv": 1},
        "named": [
            {"file": ".hidden", "reason": "hidden"},
            {"file": "labels.csv", "reason": "not_sound"},
        ],
        "not_named": 0,
    }
    assert run["waiting"] == []
    assert run["versions"] == {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "soundfile": soundfile.__version__,
        "libsndfile": soundfile.__libsndfile_version__,
    }
    assert run["platform"] == {
        "system": platform.system(), "release": platform.release(), "processor": platform.machine(),
    }  # fmt: skip
    assert run["unlisted"] == []
    assert run["inputs"] == [{name: row[name] for name in ("file", "status", "sha256")} for row in rows]
    first = json.loads((session / "popdetect" / "progress.jsonl").read_text().splitlines()[0])
    assert first == {
        "progress": 2,
        "popdetect_version": run["popdetect_version"],
        "model_sha256": run["model"]["sha256"],
        "operating_point": "balanced",
    }


def test_a_folder_that_cannot_be_listed_is_in_run_json(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("p1"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr("popdetect.session.files.os.scandir", refuse)
    summary = label(session)
    run = json.loads((summary.out / "run.json").read_text())

    assert run["unlisted"] == [{"folder": "p1/", "error": "Permission denied"}]
    assert summary.unlisted == (("p1/", "Permission denied"),)
    assert summary.n_clips == 20


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_clip_is_processed_once(tmp_path: Path, jobs: int) -> None:
    clips = []
    for number in range(70):
        path = tmp_path / f"{number}.wav"
        path.write_bytes(b"%d" % number)
        clips.append(Clip(path.name, str(path), 1, 0))
    make = partial(session_fakes.make, None, "balanced")
    results = list(pool.detect_all(clips, make(), make, jobs))  # type: ignore[arg-type]

    assert sorted(clip.file for clip, _ in results) == sorted(clip.file for clip in clips)
    assert all(clip.file == verdict.file and verdict.status == "ok" for clip, verdict in results)
    if jobs == 1:
        assert [clip for clip, _ in results] == clips


class GroupDetector(session_fakes.FakeDetector):
    """Processes several clips in one call, as the real detector does, and fails on one of them."""

    def verdicts(self, sources: list[tuple[str, str]]) -> list[Verdict]:
        assert len(sources) <= 30
        if "31.wav" in dict(map(reversed, sources)):  # type: ignore[arg-type]
            raise MemoryError
        return [Verdict(name, "ok", None, sha256="together") for _, name in sources]

    def verdict(self, path: str, name: str) -> Verdict:
        if name == "31.wav":
            raise MemoryError
        return Verdict(name, "ok", None, sha256="alone")


def test_an_error_in_a_group_of_clips_costs_only_the_clip_it_is_of() -> None:
    clips = [Clip(f"{number}.wav", f"/somewhere/{number}.wav", 1, 0) for number in range(62)]
    detector = GroupDetector(None, "balanced")
    verdicts = [verdict for _, verdict in pool.detect_all(clips, detector, lambda: detector, 1)]  # type: ignore[arg-type, return-value]

    assert [verdict.file for verdict in verdicts] == [clip.file for clip in clips]
    assert verdicts[31] == Verdict("31.wav", "unreadable", None, error="unexpected MemoryError")
    groups = [verdict.sha256 for number, verdict in enumerate(verdicts) if number != 31]
    assert groups == ["together"] * 30 + ["alone"] * 29 + ["together"] * 2


def test_the_number_of_processes_has_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    pool.check_jobs(1)
    for jobs in (0, -1):
        with pytest.raises(UsageError) as refused:
            pool.check_jobs(jobs)
        assert str(refused.value) == f"jobs {jobs}; at least 1 process is needed"
    with monkeypatch.context() as windows:
        windows.setattr("popdetect.session.workers.os.name", "nt")
        pool.check_jobs(61)
        with pytest.raises(UsageError) as refused:
            pool.check_jobs(62)
    assert str(refused.value) == "jobs 62; Windows allows at most 61 processes"
    with monkeypatch.context() as other:
        other.setattr("popdetect.session.workers.os.name", "posix")
        pool.check_jobs(62)


@pytest.mark.parametrize("jobs", [1, 2, 4])
@pytest.mark.parametrize("n_clips", [1, 7, 240, 500])
def test_chunks_are_all_clips_in_order_and_small_enough_for_all_processes(n_clips: int, jobs: int) -> None:
    clips = [Clip(f"{number}.wav", "", 0, 0) for number in range(n_clips)]
    chunks = list(pool.chunks(clips, jobs))
    sizes = [len(chunk) for chunk in chunks]

    assert [clip for chunk in chunks for clip in chunk] == clips
    assert max(sizes) == max(1, min(pool.CHUNK, n_clips // (4 * jobs)))
    assert sizes == sorted(sizes, reverse=True) or sizes[:-1] == sorted(sizes[:-1], reverse=True)
    assert sizes[-1] <= pool.CHUNK // 3


def test_when_every_clip_fails_the_tables_say_so(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_bytes(b"broken")
    summary = label(tmp_path)
    assert summary.n_failed == summary.n_clips == 2
    assert [row["status"] for row in read_rows(summary.out / "clips.csv")] == ["truncated"] * 2
    assert read_rows(summary.out / "events.csv") == []


def test_nothing_to_judge_leaves_no_folder_behind(tmp_path: Path) -> None:
    with pytest.raises(NothingFound):
        label(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"jobs": 0}, "jobs 0; at least 1"),
        ({"formats": ("raven", "elan")}, "format 'elan'; there are: audacity, raven"),
    ],
)
def test_arguments_that_cannot_be_are_refused_before_anything_is_done(
    session: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        label(session, **options)
    assert not (session / "popdetect").exists()


def test_output_that_cannot_be_written_is_known_before_the_first_clip(session: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot be written: .*a file stands where a folder is needed"):
        label(session, out=tmp_path / "file" / "out", on_progress=stop_at(0))


def test_output_below_the_session_is_not_taken_for_clips(session: Path) -> None:
    out = session / "labels"
    label(session, out=out)
    (out / "cut.wav").write_bytes(b"sound")
    assert label(session, out=out).n_clips == 40


def test_a_moved_session_is_still_known(session: Path, tmp_path: Path) -> None:
    label(session)
    shutil.move(session, tmp_path / "moved")
    assert label(tmp_path / "moved").n_skipped == 39


def test_a_missing_model_ends_the_run(session: Path) -> None:
    with pytest.raises(ModelError):
        batch.label(session, model=session / "no bundle")
    assert not (session / "popdetect").exists()
