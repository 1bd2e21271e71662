"""Pseudonyms: the same for the same patient, nothing without the key, and a key that only its owner reads."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_fakes import log, make_session

from popdetect.errors import UsageError
from popdetect.study.journal.journal import thrusts
from popdetect.study.journal.pseudonyms import Pseudonyms, key_beside, make_key, new_code, open_key

POSIX = pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
ONE, OTHER = Pseudonyms(b"1" * 32), Pseudonyms(b"2" * 32)


def test_a_pseudonym_is_the_hmac_of_the_id() -> None:
    mac = hmac.new(b"1" * 32, b"patient\0p017", hashlib.sha256).digest()
    bits = "".join(f"{byte:08b}" for byte in mac[:5])
    letters = "0123456789abcdefghjkmnpqrstvwxyz"
    assert ONE.patient("P017") == "P-" + "".join(letters[int(bits[i : i + 5], 2)] for i in range(0, 40, 5))


@given(st.text(min_size=1, max_size=12), st.text(min_size=1, max_size=12))
def test_same_patient_same_pseudonym_and_only_under_the_same_key(a: str, b: str) -> None:
    assert ONE.patient(a) == Pseudonyms(b"1" * 32).patient(a)
    assert ONE.patient(a) != OTHER.patient(a)
    assert re.fullmatch(r"P-[0-9a-hjkmnp-tv-z]{8}", ONE.patient(a))
    same = " ".join(a.casefold().split()) == " ".join(b.casefold().split())
    if same:
        assert ONE.patient(a) == ONE.patient(b)


def test_capitals_spaces_and_accents_make_no_other_patient() -> None:
    assert len({ONE.patient(text) for text in ("Müller 7", " müller  7", "Mu\u0308ller 7")}) == 1
    assert ONE.patient("P01") != ONE.patient("P1")


@given(st.dates(), st.dates())
def test_differences_of_days_are_true(a: date, b: date) -> None:
    assert ONE.day(a, "P-1") - ONE.day(b, "P-1") == (a - b).days
    assert ONE.date(ONE.day(a, "P-1"), "P-1") == a


def test_days_are_shifted_by_the_key() -> None:
    when = date(2024, 3, 5)
    assert len({Pseudonyms(bytes([i]) * 32).day(when, "P-1") for i in range(50)}) > 45
    assert len({ONE.day(when, f"P-{i}") for i in range(50)}) > 45  # and by the patient
    assert all(8_000 < Pseudonyms(bytes([i]) * 32).day(when, "P-1") < 46_000 for i in range(50))


@pytest.mark.parametrize(
    ("name", "ids", "left"),
    [
        ("P017/clip.wav", ["P017"], "{P017}/clip.wav"),
        ("xp017_2.WAV", ["P017"], "x{P017}_2.WAV"),
        ("clip 10.wav", ["1"], "clip 10.wav"),
        ("1/clip_1.wav", ["1"], "{1}/clip_{1}.wav"),
        ("clip 10.wav", [""], "clip 10.wav"),
        ("A.wav", ["a"], "{a}.wav"),
        ("take 12.wav", ["e", "k"], "take 12.wav"),
    ],
)
def test_ids_in_names_are_replaced(name: str, ids: list[str], left: str) -> None:
    expected = re.sub(r"\{(.+?)\}", lambda found: ONE.patient(found[1]), left)
    assert ONE.redacted(name, ids) == expected


@pytest.mark.parametrize(
    "text", ["2024-03-05 a.wav", "REC20240305-1412.wav", "20240305141200.wav", "05.03.2024/a.wav", "a_2024_03_05.wav"]
)
def test_dates_in_names_are_replaced(text: str) -> None:
    left = ONE.redacted(text, [])
    assert "2024" not in left
    assert "D-" in left
    assert left == ONE.redacted(text, [])


@pytest.mark.parametrize("text", ["c12345678.wav", "take 2024.wav", "48000 Hz.wav", "99999999999.wav"])
def test_other_numbers_stay(text: str) -> None:
    assert ONE.redacted(text, []) == text


# --- the key --------------------------------------------------------------------------------------------------------


def test_the_key_is_made_once_explained_and_its_owners_alone(tmp_path: Path) -> None:
    path = key_beside(tmp_path / "STUDY.db")
    assert path.name == "STUDY.key"
    assert make_key(path)
    raw = path.read_text()
    assert not make_key(path)
    assert path.read_text() == raw
    assert "keep it apart from the journal" in raw
    assert os.name != "posix" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert open_key(path).check == open_key(path).check
    assert [p.name for p in tmp_path.iterdir()] == ["STUDY.key"]


def test_no_two_keys_are_alike(tmp_path: Path) -> None:
    checks = set()
    for i in range(5):
        make_key(tmp_path / f"{i}.key")
        checks.add(open_key(tmp_path / f"{i}.key").check)
    assert len(checks) == 5


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", no_link)
    assert make_key(tmp_path / "k")
    assert open_key(tmp_path / "k").patient("a")


@POSIX
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    folder, study = make_session(tmp_path), tmp_path / "STUDY.db"
    log(folder, study)
    before = study.read_bytes()
    (tmp_path / "STUDY.key").chmod(mode)
    with pytest.raises(UsageError, match=rf"others can read this key .*run: chmod 600 {tmp_path}/STUDY.key"):
        log(folder, study)
    assert study.read_bytes() == before


def test_another_key_or_none_is_refused(tmp_path: Path) -> None:
    folder, study = make_session(tmp_path), tmp_path / "STUDY.db"
    log(folder, study)
    before = study.read_bytes()
    make_key(tmp_path / "other.key")
    with pytest.raises(UsageError, match=r"other.key: not the key that .*STUDY.db was begun with"):
        log(folder, study, key=tmp_path / "other.key")
    (tmp_path / "STUDY.key").rename(tmp_path / "safe.key")
    with pytest.raises(UsageError, match=r"STUDY.key: the key of this journal does not exist; name it with --key FILE"):
        log(folder, study)
    assert not (tmp_path / "STUDY.key").exists()
    assert study.read_bytes() == before
    assert log(folder, study, key=tmp_path / "safe.key").n_new == 0


def test_one_key_serves_two_journals(tmp_path: Path) -> None:
    folder = make_session(tmp_path)
    log(folder, tmp_path / "a.db", key=tmp_path / "k.key")
    log(folder, tmp_path / "b.db", key=tmp_path / "k.key")
    assert thrusts(tmp_path / "a.db") == thrusts(tmp_path / "b.db")


@pytest.mark.parametrize("text", ["", "key abc\n", "hello"])
def test_what_is_no_key_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "k").write_text(text)
    (tmp_path / "k").chmod(0o600)
    with pytest.raises(UsageError, match="not a key of popdetect"):
        log(make_session(tmp_path), tmp_path / "STUDY.db", key=tmp_path / "k")
    assert not (tmp_path / "STUDY.db").exists()


def test_a_key_cannot_be_made_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a key cannot be made there: No such file or directory; choose a place with"):
        log(make_session(tmp_path), tmp_path / "STUDY.db", key=tmp_path / "none" / "k")


def test_the_journal_is_not_its_own_key(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be both the journal and its key"):
        log(make_session(tmp_path), tmp_path / "STUDY.key")
    assert not (tmp_path / "STUDY.key").exists()


def test_codes_of_sessions_are_chance() -> None:
    assert len({new_code("S") for _ in range(100)}) == 100
