"""The name of the rater."""

from __future__ import annotations

import getpass

import pytest

from popdetect.app.review_session import rater_name
from popdetect.errors import UsageError


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
