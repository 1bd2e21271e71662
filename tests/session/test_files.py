"""Which files are found, and that a write happens whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from popdetect.detection.audio import formats
from popdetect.errors import NothingFound, UsageError
from popdetect.session.files import REASONS, find_clips, list_folder, read_bytes, readable, write_files, write_text


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(root: Path, skip: Path | None = None) -> list[str]:
    return [clip.file for clip in find_clips(root, skip).clips]


def test_clips_are_found_at_any_depth_in_the_order_of_their_names(tmp_path: Path) -> None:
    put(tmp_path, "b.wav", "a/z.FLAC", "a/b/c.Mp3", "B.WAV", "notes.txt", "wav")
    assert found(tmp_path) == ["B.WAV", "a/b/c.Mp3", "a/z.FLAC", "b.wav"]


def test_hidden_things_links_to_folders_and_the_output_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "._a.wav", ".wav", ".trash/b.wav", "popdetect/c.wav", "x/popdetect/d.wav", "labels/e.wav")
    put(tmp_path, "$RECYCLE.BIN/$R1.wav")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert found(tmp_path, skip=tmp_path / "labels") == ["a.wav"]


def test_a_folder_that_is_named_like_a_clip_is_looked_into(tmp_path: Path) -> None:
    put(tmp_path, "take.wav/1.wav")
    assert found(tmp_path) == ["take.wav/1.wav"]


def test_output_in_the_folder_itself_hides_nothing(tmp_path: Path) -> None:
    put(tmp_path, "a.wav")
    assert found(tmp_path, skip=tmp_path) == ["a.wav"]


def test_a_link_to_a_clip_is_a_clip_and_so_is_a_broken_one(tmp_path: Path) -> None:
    put(tmp_path, "in/a.wav")
    (tmp_path / "in/link.wav").symlink_to(tmp_path / "in/a.wav")
    (tmp_path / "in/broken.wav").symlink_to(tmp_path / "nowhere.wav")
    clips = find_clips(tmp_path / "in").clips
    assert [(clip.file, clip.size) for clip in clips] == [("a.wav", 1), ("broken.wav", -1), ("link.wav", 1)]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_on(tmp_path: Path) -> None:
    put(tmp_path, "a.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert found(tmp_path) == ["a.wav"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_link_to_a_pipe_is_not_waited_on_either_and_a_loop_of_links_is_a_broken_one(tmp_path: Path) -> None:
    put(tmp_path, "a.wav")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.wav").symlink_to("pipe")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    assert found(tmp_path) == ["a.wav", "loop.wav"]


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_what_cannot_be_a_folder_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"^[^\n]*: cannot be listed: [^\n]+$"):
        find_clips(tmp_path / name)
    with pytest.raises(UsageError, match=r"^[^\n]*: cannot be read: [^\n]+$"):
        read_bytes(tmp_path / name)


def test_size_and_time_of_change_are_those_of_the_file(tmp_path: Path) -> None:
    put(tmp_path, "a.wav")
    (clip,) = find_clips(tmp_path).clips
    stat = (tmp_path / "a.wav").stat()
    assert (clip.size, clip.mtime_ns) == (stat.st_size, stat.st_mtime_ns)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="file names are always Unicode here")
def test_names_that_are_not_utf8_become_text_and_stay_apart(tmp_path: Path) -> None:
    for byte in (b"\xe4", b"\xf6"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/h" + byte + b".wav")).write_bytes(b"x")
    clips = find_clips(tmp_path).clips
    assert [clip.file for clip in clips] == ["h\\xe4.wav", "h\\xf6.wav"]
    assert all(Path(clip.path).read_bytes() == b"x" for clip in clips)
    assert readable("grün\n.wav") == "grün\n.wav"


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: no such folder"):
        find_clips(tmp_path / "nowhere")
    put(tmp_path, "a.wav")
    with pytest.raises(UsageError, match=r"a\.wav: is a file"):
        find_clips(tmp_path / "a.wav")


def test_nothing_found_says_what_was_seen_and_what_was_looked_for(tmp_path: Path) -> None:
    put(tmp_path, "a.pdf", "b.PDF", "c.txt", "d", ".e.wav")
    with pytest.raises(NothingFound) as caught:
        find_clips(tmp_path)
    text = str(caught.value)
    assert str(tmp_path) in text
    assert "4 other files (2 .pdf" in text
    assert "1 hidden" in text
    assert ".flac" in text
    assert "\n" not in text


def test_every_file_that_may_be_sound_is_a_clip(tmp_path: Path) -> None:
    names = ("m4a", "mov", "mp4", "webm", "wma", "aac", "caf", "w64", "au", "3gp", "amr", "AIF", "Opus", "ds2", "mkv")
    put(tmp_path, *(f"a.{name}" for name in names))
    assert found(tmp_path) == sorted(f"a.{name}" for name in names)
    assert list_folder(tmp_path).passed_over.n == 0


def test_the_table_of_formats_has_each_extension_once() -> None:
    extensions = [one for several in formats._EXTENSIONS.values() for one in several.split()]
    assert len(extensions) == len(set(extensions)) == len(formats.EXTENSIONS)
    assert all(one == formats.extension(f"a.b/x{one.upper()}") and one.startswith(".") for one in extensions)
    assert [formats.format_of(name) for name in ("x.WAV", "x.wav.txt", "wav", "a.wav/x")] == ["wav", "", "", ""]


def test_what_is_passed_over_is_counted_and_named(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "b.txt", "c.TXT", "d", ".e.wav", ".f/g.wav", "x/popdetect/h.wav", "out/i.wav", "x/j.txt")
    (tmp_path / "x" / "link").symlink_to(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.wav")
    over = list_folder(tmp_path, tmp_path / "out").passed_over
    n_pipes = int(hasattr(os, "mkfifo"))
    expected = {"not_sound": 4, "hidden": 2, "link_to_folder": 1, "not_entered": 1, "not_a_file": n_pipes}
    assert {reason: over.n_by_reason[reason] for reason in REASONS} == expected
    assert over.n == 8 + n_pipes
    assert over.n_by_extension == {".txt": 3, "": 1}
    assert dict(over.named)["x/popdetect/"] == "not_entered"
    assert dict(over.named)[".f/"] == "hidden"
    assert over.in_words.startswith(
        "4 other files (3 .txt, 1 without extension), 2 hidden, 1 link to a folder, 1 folder "
    )
    assert over.named == list_folder(tmp_path, tmp_path / "out").passed_over.named


def test_a_great_many_other_files_are_counted_but_not_all_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("popdetect.session.files.MOST_NAMED", 5)
    put(tmp_path, "a.wav", *(f"{number}.txt" for number in range(9)))
    over = list_folder(tmp_path).passed_over
    assert (over.n, [name for name, _ in over.named]) == (9, [f"{number}.txt" for number in range(5)])


def test_a_folder_that_cannot_be_listed_is_told_not_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a.wav", "locked/b.wav")
    real = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr("popdetect.session.files.os.scandir", refuse)
    listing = find_clips(tmp_path)
    assert [clip.file for clip in listing.clips] == ["a.wav"]
    assert listing.unlisted == [("locked/", "Permission denied")]


def test_text_is_written_as_it_is_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 250 + ".csv")
    write_text(target, "a\nü\r\n\udce4")
    write_text(target, "a\nü\r\n\udce4", durable=False)
    assert target.read_bytes() == "a\nü\r\n\\udce4".encode()
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("little_space")
def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    write_text(target, "old")
    with pytest.raises(UsageError, match=r"a\.csv: cannot be written: File too large$"):
        write_text(target, "new" * 1000)
    with pytest.raises(UsageError, match=r"a\.csv: cannot be written: File too large$"):
        write_files({target: b"new" * 1000}, durable=False)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("little_space")
def test_files_that_belong_together_are_all_written_or_none(tmp_path: Path) -> None:
    one, two = tmp_path / "a.csv", tmp_path / "b.csv"
    write_files({one: "old", two: "old"})
    with pytest.raises(UsageError, match=r"b\.csv: cannot be written: File too large$"):
        write_files({one: "new", two: "new" * 1000})
    assert [one.read_text(), two.read_text()] == ["old", "old"]
    two.unlink()
    two.mkdir()
    with pytest.raises(UsageError, match=r"b\.csv: cannot be written"):
        write_files({one: "new", two: "new"})
    assert one.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [one, two]


def test_an_interrupted_write_leaves_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(handle: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("popdetect.session.files.os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "a.csv", "new")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_a_folder_is_said_in_one_line(tmp_path: Path) -> None:
    put(tmp_path, "a\nb  c")
    with pytest.raises(UsageError, match=r"^[^\n]*/a b  c/d: cannot be written: [^\n]*a file stands where"):
        write_text(tmp_path / "a\nb  c" / "d", "x")


def test_a_folder_without_recordings_is_described(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.csv", "d.md", "e.pdf", "plain"):
        (tmp_path / name).touch()
    with pytest.raises(NothingFound) as many:
        find_clips(tmp_path)
    for name in ("b.txt", "c.csv", "d.md", "e.pdf", "a.txt"):
        (tmp_path / name).unlink()
    with pytest.raises(NothingFound) as one:
        find_clips(tmp_path)
    (tmp_path / "plain").unlink()
    with pytest.raises(NothingFound) as none:
        find_clips(tmp_path)
    known = f"looked for {formats.LOOKED_FOR}"
    where = f"{tmp_path}: no recording in it or below"
    assert str(many.value).startswith(f"{where}; 6 other files (2 .txt, 1 ")
    assert str(many.value).endswith(f", …) seen; {known}")
    assert str(one.value) == f"{where}; 1 other file (1 without extension) seen; {known}"
    assert str(none.value) == f"{where}; 0 other files seen; {known}"
