"""What is remembered between runs, and what must not be."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popdetect.errors import UsageError
from popdetect.records import LABELS, Detection, Event, Verdict
from popdetect.session.files import Clip
from popdetect.session.progress import ProgressFile

MADE_BY = {"model_sha256": "aa", "operating_point": "balanced", "popdetect_version": "0.1.0"}
HEARD = Detection(
    "pop", 0.1 + 0.2, (Event(1 / 3, 0.9, True, 2.0, 900.0, 1500.0, 30.0, "1"),), 1.5, 48_000, 2, ("quiet",)
)


def clip(name: str = "a.wav", size: int = 10, mtime_ns: int = 1_700_000_000_123_456_789) -> Clip:
    return Clip(name, f"/somewhere/{name}", size, mtime_ns)


def said(name: str = "a.wav") -> Verdict:
    return Verdict(name, "ok", HEARD, sha256="ff")


def remembered(path: Path, names: Iterable[str] = ("a.wav",)) -> None:
    with ProgressFile(path, MADE_BY) as progress:
        for name in names:
            progress.add(clip(name), said(name))


numbers = st.floats(allow_nan=False)
events = st.builds(
    Event, numbers, numbers, st.booleans(), numbers, numbers, numbers, numbers, st.sampled_from(["", "1", "both"])
)
detections = st.builds(
    Detection,
    st.sampled_from(LABELS),
    numbers,
    st.lists(events, max_size=3).map(tuple),
    numbers,
    st.integers(1),
    st.integers(1),
)


@given(st.text(min_size=1), detections)
def test_a_verdict_comes_back_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, name: str, heard: Detection
) -> None:
    path = tmp_path_factory.mktemp("p") / "progress.jsonl"
    verdict = Verdict(name, "ok", heard, sha256="ff")
    with ProgressFile(path, MADE_BY) as progress:
        progress.add(clip(name), verdict)
    with ProgressFile(path, MADE_BY) as progress:
        assert progress.recall(clip(name)) == verdict


def test_a_changed_file_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    remembered(path)
    with ProgressFile(path, MADE_BY) as progress:
        assert progress.recall(clip()) == said()
        assert progress.recall(clip(size=11)) is None
        assert progress.recall(clip(mtime_ns=0)) is None
        assert progress.recall(clip("b.wav")) is None


@pytest.mark.parametrize("key", MADE_BY)
def test_another_fingerprint_starts_over(tmp_path: Path, key: str) -> None:
    path = tmp_path / "progress.jsonl"
    remembered(path)
    with ProgressFile(path, {**MADE_BY, key: "other"}) as progress:
        assert progress.recall(clip()) is None
    assert len(path.read_text().splitlines()) == 1


def test_fresh_starts_over(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    remembered(path)
    with ProgressFile(path, MADE_BY, fresh=True) as progress:
        assert progress.recall(clip()) is None


def test_a_failed_clip_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    with ProgressFile(path, MADE_BY) as progress:
        progress.add(clip(), Verdict("a.wav", "unreadable", None, error="locked"))
        progress.compact([(clip(), Verdict("a.wav", "unreadable", None, error="locked"))])
    with ProgressFile(path, MADE_BY) as progress:
        assert progress.recall(clip()) is None


def test_a_line_torn_anywhere_costs_only_its_clip(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    remembered(path, ["a.wav", "b.wav"])
    whole = path.read_bytes()
    second = whole.rindex(b"\n", 0, -1) + 1
    for cut in range(second, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with ProgressFile(path, MADE_BY) as progress:
            assert progress.recall(clip()) == said()
            assert progress.recall(clip("b.wav")) is None
            progress.add(clip("c.wav"), said("c.wav"))
        with ProgressFile(path, MADE_BY) as progress:
            assert progress.recall(clip("c.wav")) == said("c.wav")


@pytest.mark.parametrize("line", ["[]", "3", '{"file": []}', '{"file": "a.wav", "size": 10}', "\x00\xff", '"file"'])
def test_lines_of_another_kind_are_passed_over(tmp_path: Path, line: str) -> None:
    path = tmp_path / "progress.jsonl"
    remembered(path, ["b.wav"])
    with path.open("a") as handle:
        handle.write(line + "\n")
    with ProgressFile(path, MADE_BY) as progress:
        assert progress.recall(clip("b.wav")) == said("b.wav")
        assert progress.recall(clip()) is None


def test_the_latest_word_counts_and_compacting_keeps_only_that(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    with ProgressFile(path, MADE_BY) as progress:
        progress.add(clip(size=1), said())
        progress.add(clip(), said())
        progress.add(clip("gone.wav"), said("gone.wav"))
        progress.compact([(clip(), said())])
    assert len(path.read_text().splitlines()) == 2
    with ProgressFile(path, MADE_BY) as progress:
        assert progress.recall(clip()) == said()


def test_a_record_that_cannot_be_written_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "progress.jsonl").mkdir()
    with pytest.raises(UsageError, match=r"progress\.jsonl: cannot be"):
        ProgressFile(tmp_path / "progress.jsonl", MADE_BY)


@pytest.mark.usefixtures("little_space")
def test_a_full_disk_is_named_and_what_was_kept_before_is_still_known(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    kept = []

    def fill() -> None:
        with ProgressFile(path, MADE_BY) as progress:
            for number in range(100):
                progress.add(clip(f"{number}.wav"), said(f"{number}.wav"))
                kept.append(f"{number}.wav")

    with pytest.raises(UsageError) as refused:
        fill()
    assert str(refused.value) == f"{path}: cannot be written: File too large"
    assert 0 < len(kept) < 10
    with ProgressFile(path, MADE_BY) as progress:
        assert [progress.recall(clip(name)) for name in kept] == [said(name) for name in kept]
