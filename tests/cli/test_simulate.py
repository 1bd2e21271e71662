"""``popdetect simulate``: an interrupted run, and the labels that it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commands import Capture, run

from popdetect.training.data import simulated_sessions


def test_an_interrupted_simulation_can_be_started_again(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = simulated_sessions.compose, []

    def compose(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(simulated_sessions, "compose", compose)
    code, _, err = run(["simulate", str(tmp_path / "s"), "--clips", "4"], capsys)
    assert code == 130
    assert "to start again" in err
    assert run(["simulate", str(tmp_path / "s"), "--clips", "4"], capsys)[0] == 0
