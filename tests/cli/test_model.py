"""``popdetect model``: the card and the check."""

from __future__ import annotations

import json
import os
import sys

import pytest
from commands import Capture

from popdetect.cli import main as cli


def test_model_show_and_verify(capsys: Capture) -> None:
    assert cli.main(["model", "verify", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parity"] < 1e-5
    assert cli.main(["model", "show"]) == 0
    assert "no figure here is clinical accuracy" in capsys.readouterr().out


def test_the_card_can_be_piped_into_head(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    def gone(*args: object, **options: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("builtins.print", gone)
    monkeypatch.setattr(os, "dup2", lambda *args: None)
    monkeypatch.setattr(sys.stdout, "fileno", lambda: 1, raising=False)

    assert cli.main(["model", "show"]) == 0
