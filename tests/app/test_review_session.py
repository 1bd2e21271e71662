"""The name of the rater; marks from label files."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from popdetect.app import review_session, views
from popdetect.app.answer_log import AnswerLog
from popdetect.app.queue import make_queue
from popdetect.app.review_session import rater_name
from popdetect.app.views import ReviewSession
from popdetect.errors import LeftOutWarning, UsageError
from popdetect.session import labelling
from popdetect.session.session import Session


def test_the_login_name_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: "anna")
    assert rater_name(None) == "anna"
    for unusable in ("", "Consensus", "a\nb"):
        monkeypatch.setattr(getpass, "getuser", lambda name=unusable: name)
        assert rater_name(None) == "reviewer"


def test_a_name_is_printable_short_and_not_the_consensus() -> None:
    assert rater_name(" Änne 2 ") == "Änne 2"
    for name in ("", "  ", "x" * 65, "a\nb", "a\x1b[1m", "consensus", "Consensus "):
        with pytest.raises(UsageError, match="a name of 1 to 64 printable characters"):
            rater_name(name)


def test_marks_start_as_in_a_corrected_label_file_and_blind_raters_do_not_see_it(folder: Path) -> None:
    labelling.label(folder, formats=("audacity",))
    session = Session.read(folder)
    clip, broken, *_ = [clip for clip in session.clips if clip.label == "pop"]
    label_files = folder / "popdetect/audacity"
    (label_files / f"{clip.file}.txt").write_text("0.125\t0.125\tpop\n")
    (label_files / f"{broken.file}.txt").write_text("0.125\t0.125\tx\n")
    with pytest.warns(LeftOutWarning, match=r"'x' at 0.125 s: .*\. The page shows the detector's marks") as told:
        corrected = review_session.corrected(session)
    assert len(told) == 1
    assert list(corrected) == [clip.file]

    answers = AnswerLog(session.out / "corrections.csv")
    for blind in (False, True):
        review = ReviewSession(session, make_queue(session, blind=blind), answers, "anna", blind, corrected)
        view = views.clip_view(review, clip, "anna")
        expected = {"file": f"{clip.file.split('/')[-1]}.txt", "label": "pop", "onsets_s": [0.125]}
        assert view.get("label_file") == (None if blind else expected)
        assert view["answer"] is None
